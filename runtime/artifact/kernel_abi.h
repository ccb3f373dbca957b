/* The calling convention of generated code: the waist between the compiler and the runtime. Published fields never change
 * meaning; a change moves TRI_KERNEL_ABI_VERSION. C11 and C++. */
#ifndef TRITON_ARTIFACT_KERNEL_ABI_H
#define TRITON_ARTIFACT_KERNEL_ABI_H

#include <stdint.h>

#define TRI_KERNEL_ABI_VERSION 1

/* Every buffer starts at a multiple of this many bytes, and may be read (never written) this many bytes past its end. */
#define TRI_BUFFER_ALIGNMENT 64

/* What every step gets. All pointers are borrowed for the call.
 * weights:   the variant's expanded weights and constants (one arena, laid out by its placements).
 * workspace: activations, `workspace_fixed + workspace_per_batch * batch` bytes, then scratch of `scratch_per_thread` bytes a thread.
 * inputs, outputs: the caller's dense row-major buffers in the order of the entry point.
 * batch:     the size of the model's dimension variable (1 if it has none).
 * thread, threads: this call does part `thread` of `threads`; the parts of one step are disjoint and complete. */
typedef struct tri_kernel_args {
  const unsigned char *weights;
  unsigned char *workspace;
  const void *const *inputs;
  void *const *outputs;
  int64_t batch;
  int32_t thread;
  int32_t threads;
} tri_kernel_args;

/* One step of a program; a barrier stands between two steps. Returns 0, or a TRI_STEP_* code. Calls nothing, allocates
 * nothing, keeps nothing between calls. */
typedef int32_t (*tri_step_fn)(const tri_kernel_args *args);

enum {
  TRI_STEP_OK = 0,
  TRI_STEP_INDEX_OUT_OF_RANGE = 1 /* an embedding id outside its table */
};

#endif
