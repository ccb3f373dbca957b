/* The search for inputs that go together. Opening a model with weights as code spends most of its time here, so this is a loop that compilers make
 * vectors of: every input has a key, and the smallest key says all. */
#include "adds_masks.h"

#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { kIndexBits = 9, kMostScore = 63 };
_Static_assert(TRI_ADDS_CHUNK + TRI_ADDS_STRIDE <= 1 << kIndexBits && 2 * TRI_ADDS_MOST_GROUP + 1 <= kMostScore, "a key has 15 bits");

void tri_adds_masks_clear(tri_adds_masks *masks, uint32_t count, uint32_t outputs) {
  memset(masks, 0, sizeof *masks);
  masks->count = count;
  masks->halves = outputs > TRI_ADDS_HALF ? 2 : 1;
}

/* Ones in each four bits. */
ALWAYS_INLINE uint16_t ones4(uint16_t x) {
  x = (uint16_t)(x - (x >> 1 & 0x5555));
  return (uint16_t)((x & 0x3333) + (x >> 2 & 0x3333));
}

/* The sum of four counts of at most 15. */
ALWAYS_INLINE uint16_t sum4(uint16_t x) {
  x = (uint16_t)((x & 0x0F0F) + (x >> 4 & 0x0F0F));
  return (uint16_t)((x + (x >> 8)) & 63);
}

/* The least key of the inputs [from, from + length): outputs that want one (more are less), the same sign before the other, the order. */
ALWAYS_INLINE uint16_t least_key(const tri_adds_masks *masks, uint32_t halves, uint32_t from, uint32_t length, uint32_t outputs, uint32_t sign) {
  const uint16_t *w0 = masks->wanted[0] + from, *w1 = masks->wanted[1] + from, *n0 = masks->negative[0] + from, *n1 = masks->negative[1] + from;
  const uint16_t o0 = (uint16_t)outputs, o1 = (uint16_t)(outputs >> TRI_ADDS_HALF), s0 = (uint16_t)sign, s1 = (uint16_t)(sign >> TRI_ADDS_HALF);
  uint16_t least = UINT16_MAX;
  for (uint32_t i = 0; i < length; ++i) {
    const uint16_t both = o0 & w0[i], differs = n0[i] ^ s0;
    uint16_t same = ones4(both & (uint16_t)~differs), other = ones4(both & differs);
    if (halves == 2) {
      const uint16_t both1 = o1 & w1[i], differs1 = n1[i] ^ s1;
      same = (uint16_t)(same + ones4(both1 & (uint16_t)~differs1)), other = (uint16_t)(other + ones4(both1 & differs1));
    }
    const uint16_t a = (uint16_t)(2 * sum4(same) + 1), b = (uint16_t)(2 * sum4(other)), score = a > b ? a : b;
    const uint16_t key = (uint16_t)((kMostScore - score) << kIndexBits | i);
    least = key < least ? key : least;
  }
  return least;
}

ALWAYS_INLINE uint32_t partner(const tri_adds_masks *masks, uint32_t from, uint32_t outputs, uint32_t sign, int *opposite) {
  if (from >= masks->count) return 0;
  const uint32_t length = (masks->count - from + TRI_ADDS_STRIDE - 1) / TRI_ADDS_STRIDE * TRI_ADDS_STRIDE;
  const uint32_t key = masks->halves == 1 ? least_key(masks, 1, from, length, outputs, sign) : least_key(masks, 2, from, length, outputs, sign);
  const uint32_t score = kMostScore - (key >> kIndexBits);
  *opposite = !(score & 1);
  return score >= 4 ? from + (key & ((1u << kIndexBits) - 1)) : 0;
}

uint32_t tri_adds_partner_portable(const tri_adds_masks *masks, uint32_t from, uint32_t outputs, uint32_t negative, int *opposite) {
  return partner(masks, from, outputs, negative, opposite);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint32_t partner_avx2(const tri_adds_masks *masks, uint32_t from, uint32_t outputs, uint32_t negative, int *opposite) {
  return partner(masks, from, outputs, negative, opposite);
}

uint32_t tri_adds_partner(const tri_adds_masks *masks, uint32_t from, uint32_t outputs, uint32_t negative, int *opposite) {
  if (__builtin_cpu_supports("avx2")) return partner_avx2(masks, from, outputs, negative, opposite);
  return partner(masks, from, outputs, negative, opposite);
}
#else
uint32_t tri_adds_partner(const tri_adds_masks *masks, uint32_t from, uint32_t outputs, uint32_t negative, int *opposite) {
  return partner(masks, from, outputs, negative, opposite);
}
#endif
