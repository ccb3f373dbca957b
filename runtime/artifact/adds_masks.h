/* Which outputs want which inputs, and the search for inputs that go together: part of adds.c. C11 and C++. */
#ifndef TRITON_ARTIFACT_ADDS_MASKS_H
#define TRITON_ARTIFACT_ADDS_MASKS_H

#include "adds.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TRI_ADDS_STRIDE = 16, TRI_ADDS_HALF = 16 }; /* inputs that a search takes at a time; bits of a half */

/* Bit o of an input stands for output o of a group, in halves of 16. Behind the last input come enough that nobody wants. */
typedef struct tri_adds_masks {
  uint32_t count, halves;
  uint16_t wanted[2][TRI_ADDS_CHUNK + TRI_ADDS_STRIDE];   /* weight not 0 */
  uint16_t negative[2][TRI_ADDS_CHUNK + TRI_ADDS_STRIDE]; /* weight -1 */
} tri_adds_masks;

/* None of `outputs` outputs wants any of `count` inputs. */
void tri_adds_masks_clear(tri_adds_masks *masks, uint32_t count, uint32_t outputs);

static inline void tri_adds_masks_add(tri_adds_masks *masks, uint32_t input, uint32_t output, int8_t weight) {
  const uint32_t half = output / TRI_ADDS_HALF, bit = output % TRI_ADDS_HALF;
  masks->wanted[half][input] |= (uint16_t)((weight != 0) << bit);
  masks->negative[half][input] |= (uint16_t)((weight < 0) << bit);
}

static inline uint32_t tri_adds_wanted(const tri_adds_masks *masks, uint32_t input) {
  return masks->wanted[0][input] | (uint32_t)masks->wanted[1][input] << TRI_ADDS_HALF;
}

static inline uint32_t tri_adds_negative(const tri_adds_masks *masks, uint32_t input) {
  return masks->negative[0][input] | (uint32_t)masks->negative[1][input] << TRI_ADDS_HALF;
}

static inline void tri_adds_masks_done(tri_adds_masks *masks, uint32_t input, uint32_t outputs) {
  masks->wanted[0][input] &= (uint16_t)~outputs;
  masks->wanted[1][input] &= (uint16_t)~(outputs >> TRI_ADDS_HALF);
}

/* The input in [from, count) that most of `outputs` want with one relative sign to `negative`, the first among equals; 0 if none has two
 * of them (from is not 0). `opposite`: 1 if its sign is the other one there. */
uint32_t tri_adds_partner(const tri_adds_masks *masks, uint32_t from, uint32_t outputs, uint32_t negative, int *opposite);

/* The same without the instructions that only some machines have: for tests. */
uint32_t tri_adds_partner_portable(const tri_adds_masks *masks, uint32_t from, uint32_t outputs, uint32_t negative, int *opposite);

#ifdef __cplusplus
}
#endif
#endif
