/* BLAKE3, the plain hash with 32 bytes of output: names the inputs and the identity of artifacts. Portable, no allocation. C11 and
 * C++. Source: own, after the specification (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", 2020). */
#ifndef TRITON_ARTIFACT_BLAKE3_H
#define TRITON_ARTIFACT_BLAKE3_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRI_BLAKE3_BYTES 32

/* Hashes `bytes` bytes at `data` (NULL allowed if 0). Thread-safe. */
void tri_blake3(const void *data, size_t bytes, uint8_t out[TRI_BLAKE3_BYTES]);

/* The same in pieces: tri_blake3_start, any number of tri_blake3_update, tri_blake3_finish (which may be called again after
 * further updates). One-thread. */
typedef struct tri_blake3_state {
  uint32_t stack[54][8]; /* chaining values of finished subtrees, one for each bit of chunk_count */
  uint32_t chunk_cv[8];  /* of the chunk that is being read */
  uint64_t chunk_count;
  uint8_t block[64];
  uint8_t block_bytes, blocks_done, stack_height;
} tri_blake3_state;

void tri_blake3_start(tri_blake3_state *state);
void tri_blake3_update(tri_blake3_state *state, const void *data, size_t bytes);
void tri_blake3_finish(const tri_blake3_state *state, uint8_t out[TRI_BLAKE3_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
