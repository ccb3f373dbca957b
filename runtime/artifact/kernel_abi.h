/* The calling convention of generated code: the waist between the compiler and the runtime. Published fields never change
 * meaning; a change moves TRI_KERNEL_ABI_VERSION. C11 and C++. */
#ifndef TRITON_ARTIFACT_KERNEL_ABI_H
#define TRITON_ARTIFACT_KERNEL_ABI_H

#include <stdint.h>

#define TRI_KERNEL_ABI_VERSION 2

/* Every buffer starts at a multiple of this many bytes, and may be read (never written) this many bytes past its end. */
#define TRI_BUFFER_ALIGNMENT 64

/* What a step's kernel may keep for the thread's next part of the same step; see tri_kernel_args.scratch. At most TRI_BUFFER_ALIGNMENT. */
#define TRI_SCRATCH_HEADER 64

/* What every step gets. All pointers are borrowed for the call.
 * weights:   the variant's expanded weights and constants (one arena, laid out by its placements).
 * workspace: activations, `workspace_fixed + workspace_per_batch * batch` bytes.
 * scratch:   `scratch_per_thread` bytes of the calling thread, or null if that is 0. The first TRI_SCRATCH_HEADER of them are zero at its first part of a
 *            step. What a part leaves in them all, the thread's next part of the same step finds.
 * inputs, outputs: the caller's dense row-major buffers in the order of the entry point.
 * batch:     the size of the model's dimension variable (1 if it has none).
 * part, parts: this call does part `part` of `parts`; the parts of one step are disjoint and complete. Several may run at once, in any order.
 * threads:   so many threads do them. */
typedef struct tri_kernel_args {
  const unsigned char *weights;
  unsigned char *workspace;
  unsigned char *scratch;
  const void *const *inputs;
  void *const *outputs;
  int64_t batch;
  int32_t part;
  int32_t parts;
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
