/* Writes trits as AVX2 code: see adds.h.
 *
 * Two inputs a and b go together: a + b and a - b are formed once where at least two outputs want them, and then every output needs at most one
 * instruction for both. Registers: 0 a, 1 a + b, 2 a - b, 3 b, 4.. the sums. Operands in the low eight registers keep instructions at four bytes. */
#include "adds.h"

#include <string.h>

enum { kA, kSum, kDifference, kB, kFirstSum };
enum { kPixelsBase = 7, kSumsBase = 6 }; /* rdi, rsi */
enum { kAdd = 0xFD, kSubtract = 0xF9, kXor = 0xEF, kLoad = 0x6F, kStore = 0x7F };
enum { kPrefix66 = 1, kPrefixF3 = 2 };

/* Where instructions go. Without a buffer they are only counted. */
typedef struct Writer {
  uint8_t *code;
  size_t at;
} Writer;

static void put(Writer *w, const uint8_t *bytes, size_t count) {
  if (w->code) memcpy(w->code + w->at, bytes, count);
  w->at += count;
}

static void put_displacement(Writer *w, uint32_t bytes) {
  const uint8_t raw[4] = {(uint8_t)bytes, (uint8_t)(bytes >> 8), (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 24)};
  put(w, raw, 4);
}

/* VEX.256.<prefix>.0F opcode, all registers; `b` is a low register or the same as `d`. */
static void put_registers(Writer *w, int opcode, int d, int a, int b) {
  const uint8_t low = (uint8_t)((~a & 15) << 3 | 4 | kPrefix66), r = (uint8_t)(d < 8 ? 0x80 : 0);
  const uint8_t modrm = (uint8_t)(0xC0 | (d & 7) << 3 | (b & 7));
  if (b < 8) {
    const uint8_t bytes[4] = {0xC5, (uint8_t)(r | low), (uint8_t)opcode, modrm};
    put(w, bytes, 4);
  } else {
    const uint8_t bytes[5] = {0xC4, (uint8_t)(r | 0x41), low, (uint8_t)opcode, modrm};
    put(w, bytes, 5);
  }
}

/* The same with memory in place of b. */
static void put_memory(Writer *w, int opcode, int prefix, int d, int a, int base, uint32_t displacement) {
  const uint8_t bytes[4] = {0xC5, (uint8_t)((d < 8 ? 0x80 : 0) | (~a & 15) << 3 | 4 | prefix), (uint8_t)opcode, (uint8_t)(0x80 | (d & 7) << 3 | base)};
  put(w, bytes, 4);
  put_displacement(w, displacement);
}

static uint32_t inputs_of(const tri_adds_layout *l) { return l->ko * l->ki; }

static uint32_t side_of(uint32_t taps) {
  uint32_t side = 1;
  while (side * side < taps) ++side;
  return side;
}

/* Bytes from the first pixel of plane 0 to where an input lies. */
static uint32_t offset_of(const tri_adds_layout *l, uint32_t input) {
  const uint32_t tap = input / l->ki, channel = input % l->ki, side = side_of(l->ko);
  return (channel * l->plane + tap / side * l->pitch + tap % side) * 2;
}

/* True if all but the chunk is in order: displacements fit 31 bits. */
static int is_valid(const tri_adds_layout *l) {
  const uint32_t side = l->ko <= 121 ? side_of(l->ko) : 0;
  if (!l->o || !l->ko || !l->ki || side * side != l->ko) return 0;
  if (l->o > 65536 || l->ki > 65536 || l->pitch > 65536) return 0;
  return ((uint64_t)l->ki * l->plane + (uint64_t)side * l->pitch + side) * 2 < (uint64_t)1 << 30;
}

static int has_chunk(const tri_adds_layout *l) {
  return is_valid(l) && l->chunk && l->chunk <= TRI_ADDS_CHUNK && (l->chunk % 2 == 0 || l->chunk == inputs_of(l));
}

uint32_t tri_adds_chunk(const int8_t *weights, const tri_adds_layout *layout) {
  if (!is_valid(layout)) return 0;
  const uint32_t inputs = inputs_of(layout);
  /* 128 codes of 255 are 32640; signed codes are smaller. */
  for (uint32_t chunk = inputs < TRI_ADDS_CHUNK ? inputs : TRI_ADDS_CHUNK; chunk > 0; chunk = (chunk - 1) & ~1u) {
    int fits = 1;
    for (uint32_t o = 0; o < layout->o && fits; ++o)
      for (uint32_t from = 0; from < inputs && fits; from += chunk) {
        const int8_t *w = weights + (size_t)o * inputs + from;
        uint32_t count = inputs - from < chunk ? inputs - from : chunk, positive = 0, negative = 0;
        for (uint32_t i = 0; i < count; ++i) positive += w[i] > 0, negative += w[i] < 0;
        fits = positive <= 128 && negative <= 128;
      }
    if (fits) return chunk;
  }
  return 0;
}

size_t tri_adds_functions(const tri_adds_layout *layout) {
  if (!has_chunk(layout)) return 0;
  const size_t inputs = inputs_of(layout);
  return (layout->o + TRI_ADDS_GROUP - 1) / TRI_ADDS_GROUP * ((inputs + layout->chunk - 1) / layout->chunk);
}

size_t tri_adds_code_bytes(const tri_adds_layout *layout) {
  /* A pair takes at most two loads, two sums from memory and one instruction (or two) for each output; a function clears and stores its sums. */
  const size_t perPair = 4 * 8 + TRI_ADDS_GROUP * 2 * 4, ends = TRI_ADDS_GROUP * (5 + 8) + 32;
  const size_t bytes = (size_t)(layout->chunk + 1) / 2 * perPair + ends;
  return tri_adds_functions(layout) * bytes;
}

/* One chunk of one group. `weights` are the group's first output at the chunk's first input. */
static void emit_function(Writer *w, const int8_t *weights, const tri_adds_layout *l, uint32_t outputs, uint32_t from, uint32_t count) {
  const size_t each = inputs_of(l);
  for (int o = 0; o < TRI_ADDS_GROUP; ++o) put_registers(w, kXor, kFirstSum + o, kFirstSum + o, kFirstSum + o);
  for (uint32_t i = 0; i < count; i += 2) {
    const int paired = i + 1 < count;
    uint32_t alone[2] = {0, 0}, sums = 0, differences = 0;
    for (uint32_t o = 0; o < outputs; ++o) {
      const int a = weights[o * each + i], b = paired ? weights[o * each + i + 1] : 0;
      if (a && b) a == b ? ++sums : ++differences;
      else if (a) ++alone[0];
      else if (b) ++alone[1];
    }
    /* What a single output wants is cheaper in two steps. */
    const int split = (sums == 1) | (differences == 1) << 1;
    if (split) ++alone[0], ++alone[1];
    const uint32_t atA = offset_of(l, from + i), atB = paired ? offset_of(l, from + i + 1) : 0;
    if (alone[0] || sums > 1 || differences > 1) put_memory(w, kLoad, kPrefixF3, kA, 0, kPixelsBase, atA);
    if (sums > 1) put_memory(w, kAdd, kPrefix66, kSum, kA, kPixelsBase, atB);
    if (differences > 1) put_memory(w, kSubtract, kPrefix66, kDifference, kA, kPixelsBase, atB);
    if (alone[1]) put_memory(w, kLoad, kPrefixF3, kB, 0, kPixelsBase, atB);
    for (uint32_t o = 0; o < outputs; ++o) {
      const int a = weights[o * each + i], b = paired ? weights[o * each + i + 1] : 0, sum = kFirstSum + (int)o;
      if (a && b && !(a == b ? split & 1 : split & 2)) {
        put_registers(w, a > 0 ? kAdd : kSubtract, sum, sum, a == b ? kSum : kDifference);
      } else {
        if (a) put_registers(w, a > 0 ? kAdd : kSubtract, sum, sum, kA);
        if (b) put_registers(w, b > 0 ? kAdd : kSubtract, sum, sum, kB);
      }
    }
  }
  for (int o = 0; o < TRI_ADDS_GROUP; ++o) put_memory(w, kStore, kPrefixF3, kFirstSum + o, 0, kSumsBase, (uint32_t)o * TRI_ADDS_PIXELS * 2);
  const uint8_t ret = 0xC3;
  put(w, &ret, 1);
}

static void emit_layer(Writer *w, const int8_t *weights, const tri_adds_layout *l, uint64_t *offsets) {
  const uint32_t inputs = inputs_of(l);
  for (uint32_t o = 0; o < l->o; o += TRI_ADDS_GROUP)
    for (uint32_t from = 0; from < inputs; from += l->chunk) {
      while (w->at % 16) put(w, (const uint8_t[]){0xCC}, 1);
      if (offsets) *offsets++ = w->at;
      const uint32_t outputs = l->o - o < TRI_ADDS_GROUP ? l->o - o : TRI_ADDS_GROUP, count = inputs - from < l->chunk ? inputs - from : l->chunk;
      emit_function(w, weights + (size_t)o * inputs + from, l, outputs, from, count);
    }
}

size_t tri_adds_emit(const int8_t *weights, const tri_adds_layout *layout, uint8_t *code, uint64_t *offsets) {
  Writer w = {.code = code};
  if (has_chunk(layout)) emit_layer(&w, weights, layout, offsets);
  return w.at;
}
