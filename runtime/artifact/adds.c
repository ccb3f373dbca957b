/* Writes trits as AVX2 or AVX-512 code: see adds.h.
 *
 * Sums that several outputs want are formed once. One input after the other: a stands in a register, and as long as two or more of its outputs
 * want another input b with the same relative sign, a + b (or a - b) is formed for them and b is done for these outputs; among them, a third and a
 * fourth input may be joined in the same way. What is left of an input's outputs takes it alone. So an instruction serves one output and one
 * to four inputs, and an input that nobody wants any more costs nothing. Which input is joined: the one that most outputs want, adds_masks.h.
 *
 * Registers: 0 the input, 1, 2, 3 it with one, two and three others, 4.. the sums. Operands in the low eight registers keep VEX instructions at
 * four bytes. */
#include "adds.h"

#include "adds_masks.h"

#include <string.h>

enum { kDepth = 3, kFirstSum = kDepth + 1 }; /* inputs that join another; the first register of a sum */
enum { kPixelsBase = 7, kSumsBase = 6 }; /* rdi, rsi */
enum { kAdd = 0xFD, kSubtract = 0xF9, kXor = 0xEF, kLoad = 0x6F, kStore = 0x7F };
enum { kPrefix66 = 1, kPrefixF3 = 2 };

/* Where instructions go. Without a buffer they are only counted. */
typedef struct Writer {
  uint8_t *code;
  size_t at, instructions;
  int evex; /* 64-byte vectors */
} Writer;

/* `count` bytes, the first one lowest, eight at most. Up to eight are written: code has room behind its end. */
static void put(Writer *w, uint64_t bytes, unsigned count) {
  if (w->code) memcpy(w->code + w->at, &bytes, sizeof bytes);
  w->at += count;
}

/* What stands before the opcode of a register form (b < 32) or of memory (b: the base, below 8). */
static void put_prefix(Writer *w, int prefix, int d, int a, int b) {
  if (w->evex) {
    const unsigned p0 = (d & 8 ? 0u : 0x80u) | (b & 16 ? 0u : 0x40u) | (b & 8 ? 0u : 0x20u) | (d & 16 ? 0u : 0x10u) | 1u;
    const unsigned p1 = (unsigned)(~a & 15) << 3 | 4u | (unsigned)prefix, p2 = 0x40u | (a & 16 ? 0u : 8u);
    put(w, 0x62u | p0 << 8 | p1 << 16 | p2 << 24, 4);
  } else {
    const unsigned r = d < 8 ? 0x80u : 0, low = (unsigned)(~a & 15) << 3 | 4u | (unsigned)prefix;
    if (b < 8) put(w, 0xC5u | (r | low) << 8, 2);
    else put(w, 0xC4u | (r | 0x41u) << 8 | low << 16, 3);
  }
}

/* d = a <opcode> b */
static void put_registers(Writer *w, int opcode, int d, int a, int b) {
  ++w->instructions;
  put_prefix(w, kPrefix66, d, a, b);
  put(w, (unsigned)opcode | (0xC0u | (unsigned)(d & 7) << 3 | (unsigned)(b & 7)) << 8, 2);
}

/* The same with memory in place of b. */
static void put_memory(Writer *w, int opcode, int prefix, int d, int a, int base, uint32_t displacement) {
  ++w->instructions;
  put_prefix(w, prefix, d, a, base);
  put(w, (unsigned)opcode | (0x80u | (unsigned)(d & 7) << 3 | (unsigned)base) << 8 | (uint64_t)displacement << 16, 6);
}

static uint32_t inputs_of(const tri_adds_layout *l) { return l->ko * l->ki; }

static uint32_t side_of(uint32_t taps) {
  uint32_t side = 1;
  while (side * side < taps) ++side;
  return side;
}

/* True if all but the chunk is in order: displacements fit 31 bits. */
static int is_valid(const tri_adds_layout *l) {
  const uint32_t side = l->ko <= 121 ? side_of(l->ko) : 0;
  if (!l->o || !l->ko || !l->ki || side * side != l->ko || (l->vector != 32 && l->vector != 64)) return 0;
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
  const size_t inputs = inputs_of(layout), group = tri_adds_group(layout);
  return (layout->o + group - 1) / group * ((inputs + layout->chunk - 1) / layout->chunk);
}

size_t tri_adds_code_bytes(const tri_adds_layout *layout) {
  /* An input is loaded at most, and takes an instruction for each output at most: one that joins two or more outputs spares as many. A function
   * clears and stores its sums; 32 bytes for alignment, the return, and what is written behind the end. */
  const size_t functions = tri_adds_functions(layout);
  if (!functions) return 0;
  const size_t registers = layout->vector == 64 ? 6 : 5, memory = layout->vector == 64 ? 10 : 8, group = tri_adds_group(layout);
  const size_t bytes = layout->chunk * (memory + group * registers) + group * (registers + memory) + 32;
  return functions * bytes;
}

/* What is being written: the inputs of one chunk and the outputs of one group. */
typedef struct Function {
  Writer *writer;
  tri_adds_masks masks;
  uint32_t offsets[TRI_ADDS_CHUNK]; /* bytes from the first pixel of plane 0 to each input */
} Function;

/* `weights` are the group's first output at the chunk's first input. */
static void read_inputs(Function *f, const int8_t *weights, const tri_adds_layout *l, uint32_t outputs, uint32_t from, uint32_t count) {
  const uint32_t side = side_of(l->ko);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t tap = (from + i) / l->ki, channel = (from + i) % l->ki;
    f->offsets[i] = (channel * l->plane + tap / side * l->pitch + tap % side) * 2;
  }
  tri_adds_masks_clear(&f->masks, count, outputs);
  for (uint32_t o = 0; o < outputs; ++o)
    for (uint32_t i = 0; i < count; ++i) tri_adds_masks_add(&f->masks, i, o, weights[(size_t)o * inputs_of(l) + i]);
}

static int lowest(uint32_t bits) { return __builtin_ctz(bits); }
static int is_single(uint32_t bits) { return !(bits & (bits - 1)); }

/* Adds what stands in register `depth` to the sums of `outputs`, or subtracts it, after inputs behind `at` have joined it where that pays. */
static void put_joined(Function *f, uint32_t at, uint32_t outputs, uint32_t negative, int depth) {
  while (depth < kDepth && !is_single(outputs)) {
    int opposite;
    const uint32_t other = tri_adds_partner(&f->masks, at + 1, outputs, negative, &opposite);
    if (!other) break;
    const uint32_t differs = tri_adds_negative(&f->masks, other) ^ negative, both = outputs & tri_adds_wanted(&f->masks, other) & (opposite ? differs : ~differs);
    put_memory(f->writer, opposite ? kSubtract : kAdd, kPrefix66, depth + 1, depth, kPixelsBase, f->offsets[other]);
    tri_adds_masks_done(&f->masks, other, both);
    outputs &= ~both;
    put_joined(f, at, both, negative, depth + 1);
    if (!outputs) return;
  }
  for (; outputs; outputs &= outputs - 1) {
    const int o = lowest(outputs), sum = kFirstSum + o;
    put_registers(f->writer, negative >> o & 1 ? kSubtract : kAdd, sum, sum, depth);
  }
}

static void put_input(Function *f, uint32_t i) {
  const uint32_t outputs = tri_adds_wanted(&f->masks, i), negative = tri_adds_negative(&f->masks, i);
  if (!outputs) return;
  if (is_single(outputs)) {
    const int o = lowest(outputs), sum = kFirstSum + o;
    put_memory(f->writer, negative >> o & 1 ? kSubtract : kAdd, kPrefix66, sum, sum, kPixelsBase, f->offsets[i]);
    return;
  }
  put_memory(f->writer, kLoad, kPrefixF3, 0, 0, kPixelsBase, f->offsets[i]);
  put_joined(f, i, outputs, negative, 0);
}

static void emit_function(Writer *w, const int8_t *weights, const tri_adds_layout *l, size_t function) {
  const uint32_t each = inputs_of(l), chunks = (each + l->chunk - 1) / l->chunk, group = tri_adds_group(l);
  const uint32_t first = (uint32_t)(function / chunks) * group, from = (uint32_t)(function % chunks) * l->chunk;
  const uint32_t outputs = l->o - first < group ? l->o - first : group, count = each - from < l->chunk ? each - from : l->chunk;
  Function f;
  f.writer = w;
  read_inputs(&f, weights + (size_t)first * each + from, l, outputs, from, count);
  for (int o = 0; o < (int)group; ++o) put_registers(w, kXor, kFirstSum + o, kFirstSum + o, kFirstSum + o);
  for (uint32_t i = 0; i < count; ++i) put_input(&f, i);
  for (int o = 0; o < (int)group; ++o) put_memory(w, kStore, kPrefixF3, kFirstSum + o, 0, kSumsBase, (uint32_t)o * l->vector);
  put(w, 0xC3, 1); /* ret */
}

tri_adds_size tri_adds_measure(const int8_t *weights, const tri_adds_layout *layout, size_t function) {
  Writer w = {.code = NULL, .evex = layout->vector == 64};
  emit_function(&w, weights, layout, function);
  return (tri_adds_size){w.instructions, w.at};
}

size_t tri_adds_emit(const int8_t *weights, const tri_adds_layout *layout, uint8_t *code, uint64_t *offsets) {
  Writer w = {.code = code, .evex = layout->vector == 64};
  const size_t functions = tri_adds_functions(layout);
  for (size_t i = 0; i < functions; ++i) {
    while (w.at % 16) put(&w, 0xCC, 1);
    if (offsets) offsets[i] = w.at;
    emit_function(&w, weights, layout, i);
  }
  return w.at;
}
