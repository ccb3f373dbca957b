/* Hand-written steps for the runtime's tests: what generated code looks like to the loader. Built without libc. */
#include "artifact/kernel_abi.h"

#define EXPORT __attribute__((visibility("default")))

enum { FEATURES = 8, CLASSES = 4, WORKSPACE_PER_BATCH = 64, SCRATCH_PER_THREAD = 128 };

/* workspace: activations int32 [N][8] (32 bytes of every 64 are used). */
static int32_t *activations(const tri_kernel_args *a, int64_t n) { return (int32_t *)(a->workspace + n * WORKSPACE_PER_BATCH); }

EXPORT int32_t widen_u8(const tri_kernel_args *a) {
  const uint8_t *x = a->inputs[0];
  for (int64_t n = a->part; n < a->batch; n += a->parts)
    for (int i = 0; i < FEATURES; ++i) activations(a, n)[i] = x[n * FEATURES + i];
  return TRI_STEP_OK;
}

EXPORT int32_t widen_f32(const tri_kernel_args *a) {
  const float *x = a->inputs[0];
  for (int64_t n = a->part; n < a->batch; n += a->parts)
    for (int i = 0; i < FEATURES; ++i) activations(a, n)[i] = (int32_t)x[n * FEATURES + i];
  return TRI_STEP_OK;
}

/* weights: panels [1][1][2][4][4] of [O=4][KI=8] at 0, int32 bias [4] at 64. */
EXPORT int32_t dense(const tri_kernel_args *a) {
  const signed char *w = (const signed char *)a->weights;
  const int32_t *bias = (const int32_t *)(a->weights + 64);
  int32_t *y = a->outputs[0];
  for (int64_t n = a->part; n < a->batch; n += a->parts)
    for (int o = 0; o < CLASSES; ++o) {
      int32_t sum = bias[o];
      for (int k = 0; k < FEATURES; ++k) sum += activations(a, n)[k] * w[(k / 4 * CLASSES + o) * 4 + k % 4];
      y[n * CLASSES + o] = sum;
    }
  return TRI_STEP_OK;
}

EXPORT int32_t mark(const tri_kernel_args *a) {
  *(int32_t *)(a->scratch + TRI_SCRATCH_HEADER) = a->part + 1;
  return TRI_STEP_OK;
}

/* The second output: the sum of the marks, and the number of threads. Thread i's scratch lies behind that of thread i - 1. */
EXPORT int32_t count(const tri_kernel_args *a) {
  if (a->part != 0) return TRI_STEP_OK;
  int32_t *out = a->outputs[1];
  out[0] = 0;
  for (int32_t t = 0; t < a->parts; ++t) out[0] += *(int32_t *)(a->scratch + t * SCRATCH_PER_THREAD + TRI_SCRATCH_HEADER);
  out[1] = a->parts;
  return TRI_STEP_OK;
}

/* Refuses 255 in the first activation of a row; the last thread reports. */
EXPORT int32_t check(const tri_kernel_args *a) {
  if (a->part != a->parts - 1) return TRI_STEP_OK;
  for (int64_t n = 0; n < a->batch; ++n)
    if (activations(a, n)[0] == 255) return TRI_STEP_INDEX_OUT_OF_RANGE;
  return TRI_STEP_OK;
}

/* Relay: every thread reads what its neighbour has written one step before. A missing barrier gives a wrong sum. */
static int32_t *lane(const tri_kernel_args *a, int side, int32_t thread) {
  return (int32_t *)(a->workspace + (side * 256 + thread) * 64);
}
EXPORT int32_t relay_start(const tri_kernel_args *a) {
  *lane(a, 0, a->part) = 0;
  return TRI_STEP_OK;
}
EXPORT int32_t relay_there(const tri_kernel_args *a) {
  *lane(a, 1, a->part) = *lane(a, 0, (a->part + 1) % a->parts) + 1;
  return TRI_STEP_OK;
}
EXPORT int32_t relay_back(const tri_kernel_args *a) {
  *lane(a, 0, a->part) = *lane(a, 1, (a->part + 1) % a->parts) + 1;
  return TRI_STEP_OK;
}
EXPORT int32_t relay_end(const tri_kernel_args *a) {
  int32_t *out = a->outputs[0];
  if (a->part != 0) return TRI_STEP_OK;
  out[0] = 0;
  for (int32_t t = 0; t < a->parts; ++t) out[0] += *lane(a, 0, t);
  return TRI_STEP_OK;
}

/* A table of addresses: the linker makes RELATIVE relocations for it. */
static const int32_t ten = 10, twenty = 20;
static const int32_t *const table[] = {&ten, &twenty, &ten};
EXPORT int32_t from_table(const tri_kernel_args *a) {
  int32_t *out = a->outputs[0];
  if (a->part == 0) out[0] = *table[a->batch % 3];
  return TRI_STEP_OK;
}

/* Adds half an ulp to 1: the result tells the rounding mode; halves the smallest normal number: the result tells denormals. */
EXPORT int32_t float_mode(const tri_kernel_args *a) {
  float *out = a->outputs[0];
  volatile float one = 1.0f, half_ulp = 5.9604645e-8f, tiny = 1.17549435e-38f;
  if (a->part == 0) {
    out[0] = one + half_ulp * 1.5f;
    out[1] = tiny * 0.5f;
  }
  return TRI_STEP_OK;
}

/* Parts that threads take from each other. workspace: int32 [TALLIES] for each part: how often it ran, and the how-manieth of its thread it was. The first part
 * takes long, so that its thread's others are taken from it. */
enum { TALLIES = 4 };
EXPORT int32_t tally(const tri_kernel_args *a) {
  int32_t *own = (int32_t *)a->workspace + a->part * TALLIES, *header = (int32_t *)a->scratch;
  __atomic_fetch_add(&own[0], 1, __ATOMIC_RELAXED);
  own[1] = ++header[0];
  own[2] = a->parts;
  own[3] = a->threads;
  for (volatile int i = 0; a->part == 0 && i < 1000000; ++i) {}
  return TRI_STEP_OK;
}

EXPORT int32_t tally_begin(const tri_kernel_args *a) {
  for (int i = a->part; i < 256 * TALLIES; i += a->parts) ((int32_t *)a->workspace)[i] = 0;
  return TRI_STEP_OK;
}

/* Output: parts that ran once, parts and threads that were said, the most parts of one thread. */
EXPORT int32_t tally_end(const tri_kernel_args *a) {
  const int32_t *all = (const int32_t *)a->workspace;
  int32_t *out = a->outputs[0];
  if (a->part != 0) return TRI_STEP_OK;
  out[0] = out[3] = 0;
  out[1] = all[2];
  out[2] = all[3];
  for (int i = 0; i < 256; ++i) {
    out[0] += all[i * TALLIES] == 1;
    if (all[i * TALLIES + 1] > out[3]) out[3] = all[i * TALLIES + 1];
  }
  return TRI_STEP_OK;
}
