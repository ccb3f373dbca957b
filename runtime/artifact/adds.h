/* Trits as straight-line code: additions and subtractions of planes of 16-bit activations, written when a model is loaded. Why and when it
 * pays: docs/rfcs/0005-weights-as-code.md. Used by the loader; the compiler shares the layout. C11 and C++.
 *
 * Activations lie as planes, one for each input channel: `plane` words apart, rows of the image `pitch` words apart. A function adds one
 * chunk of inputs (tap t, channel c; input t * ki + c) for one group of outputs at a vector of neighbouring pixels:
 *
 *   void function(const int16_t *pixels, int16_t *sums)
 *
 *   pixels:  the first pixel of plane 0 at tap 0; a vector is read at each tap of each plane
 *   sums:    a vector for each output of a group; those beyond the last output are written too
 *
 * Functions clobber what any C function may. The chunk is so small that no sum of codes in 0..255 or -128..127 leaves 16 bits. */
#ifndef TRITON_ARTIFACT_ADDS_H
#define TRITON_ARTIFACT_ADDS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRI_ADDS_CHUNK 288     /* inputs of a function at most: so much code stays in a first-level instruction cache */
#define TRI_ADDS_MOST_GROUP 28 /* outputs of a function at most */

typedef struct tri_adds_layout {
  uint32_t o, ko, ki;    /* outputs, taps of a square window (1, 9, 25, ..), input channels */
  uint32_t pitch, plane; /* words between rows and between planes */
  uint32_t chunk;        /* inputs of a function, even but for a single chunk; see tri_adds_chunk */
  uint32_t vector;       /* bytes of a vector: 32 (AVX2) or 64 (AVX-512BW) */
} tri_adds_layout;

/* Pixels of a vector. */
static inline uint32_t tri_adds_pixels(const tri_adds_layout *layout) { return layout->vector / 2; }

/* Outputs of a function: at most as many sums as registers can hold, and about as many in each. `o` is not 0. */
static inline uint32_t tri_adds_group(const tri_adds_layout *layout) {
  const uint32_t most = layout->vector == 64 ? TRI_ADDS_MOST_GROUP : 12, groups = (layout->o + most - 1) / most;
  return (layout->o + groups - 1) / groups;
}

/* Bytes that a function writes. */
static inline uint32_t tri_adds_sums_bytes(const tri_adds_layout *layout) { return tri_adds_group(layout) * layout->vector; }

/* The greatest chunk that keeps every sum in 16 bits; 0 if the layout is not valid. `weights` are canonical trits [o][ko][ki]. */
uint32_t tri_adds_chunk(const int8_t *weights, const tri_adds_layout *layout);

/* Functions of a layer, in the order of execution: [group of outputs][chunk]. 0 if the layout is not valid or does not fit. */
size_t tri_adds_functions(const tri_adds_layout *layout);

typedef struct tri_adds_size {
  size_t instructions, bytes;
} tri_adds_size;

/* What a function takes, without writing it. `function` is below tri_adds_functions(layout). */
tri_adds_size tri_adds_measure(const int8_t *weights, const tri_adds_layout *layout, size_t function);

/* Bytes that the code takes at most. 0 if the layout is not valid or does not fit. */
size_t tri_adds_code_bytes(const tri_adds_layout *layout);

/* Writes the code of canonical trits to `code`, tri_adds_code_bytes(layout) bytes, and where each function begins to `offsets`,
 * tri_adds_functions(layout) of them. Returns the bytes that were written; with NULL for both, the bytes that would be. */
size_t tri_adds_emit(const int8_t *weights, const tri_adds_layout *layout, uint8_t *code, uint64_t *offsets);

#ifdef __cplusplus
}
#endif
#endif
