/* The C API of the Triton runtime: load a .tern file, ask what is in it, run it. C11 and C++.
 *
 * Ownership: `create`/`open` pairs with `destroy`; `out_` parameters are written only on success; every other pointer is
 * borrowed for the call unless its comment says otherwise. Strings and arrays in info structs belong to the model and live
 * until tri_model_destroy.
 * Errors: every call that can fail returns a tri_status and, if `err` is not NULL, fills it. Nothing is printed, no exception
 * leaves the library, no signal handler is installed.
 * Threads: a model is immutable after opening and may be used by any number of threads. A session belongs to one thread at a
 * time. There is no global state.
 * Untrusted files: every byte is checked before it is used; a malformed file gives TRI_CORRUPT or TRI_UNSUPPORTED. The code in
 * a file runs only if `allow_code` is set: do so for files that you trust, or give the digest that you expect. */
#ifndef TRITON_RUNTIME_H
#define TRITON_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TRI_API __attribute__((visibility("default")))
#define TRI_MUST_USE __attribute__((warn_unused_result))
#else
#define TRI_API
#define TRI_MUST_USE
#endif

#define TRI_VERSION_MAJOR 0
#define TRI_VERSION_MINOR 1
#define TRI_VERSION_PATCH 0

/* "0.1.0"; of the library that runs, not of this header. */
TRI_API const char *tri_version(void);

/*===-- Errors -------------------------------------------------------------------------------------------------------===*/

typedef enum tri_status {
  TRI_OK = 0,
  TRI_INVALID_ARGUMENT = 1, /* the caller broke a rule of this header: NULL, wrong count, wrong size, wrong dtype */
  TRI_NO_MEMORY = 2,        /* the allocator or the system gave no memory */
  TRI_IO_ERROR = 3,         /* the file could not be read */
  TRI_CORRUPT = 4,          /* the file contradicts itself or its format */
  TRI_UNSUPPORTED = 5,      /* the file is well-formed, but this build or this CPU cannot run it */
  TRI_NOT_FOUND = 6,        /* no entry point or variant of that name */
  TRI_NOT_ALLOWED = 7,      /* the model was opened without `allow_code`, or the system refuses to map code */
  TRI_DIGEST_MISMATCH = 8,  /* the file is not the one whose digest was given */
  TRI_INVALID_INPUT = 9,    /* a value that the program cannot take: an index outside its table, a batch that its asserts exclude */
  TRI_SYSTEM_ERROR = 10,    /* the system refused something else, such as a thread */
  TRI_STATUS_RANGE = 0x7fffffff /* no status: makes the enum as wide as int in C++ too */
} tri_status;

/* "TRI_CORRUPT"; "TRI_UNKNOWN" for other values. */
TRI_API const char *tri_status_name(tri_status status);

#define TRI_ERROR_MESSAGE_BYTES 256

/* What went wrong. The message is one line of UTF-8, always terminated: what was needed, what was found, what to do. */
typedef struct tri_error {
  tri_status status;
  char message[TRI_ERROR_MESSAGE_BYTES];
} tri_error;

/*===-- Memory -------------------------------------------------------------------------------------------------------===*/

/* Where memory comes from. `allocate` returns `bytes` bytes at a multiple of `alignment` (a power of two), or NULL;
 * `release` gets the pointer and the size that were given out. Both may be called from the threads that open models and
 * create sessions. Code pages (weights that become code included) and thread stacks come from the system. NULL for an allocator means malloc and free. */
typedef struct tri_allocator {
  void *(*allocate)(void *context, size_t bytes, size_t alignment);
  void (*release)(void *context, void *pointer, size_t bytes);
  void *context;
} tri_allocator;

/*===-- Models -------------------------------------------------------------------------------------------------------===*/

/* An opened artifact: its description, and the code and weights of one variant. Immutable, thread-safe. */
typedef struct tri_model tri_model;

/* How to open a model. All zero is valid and means: describe only, malloc, no digest. */
typedef struct tri_model_options {
  int allow_code;                /* not 0: load a variant, so that sessions can be created */
  const char *variant;           /* the target to load ("x86-64-v3"); NULL: the one with most features that this CPU runs */
  const uint8_t *blake3;         /* 32 bytes that the file's BLAKE3 must be; NULL: any file */
  const tri_allocator *allocator; /* copied; its context must outlive the model. NULL: malloc */
  const void *reserved[4];       /* zero */
} tri_model_options;

/* Opens an artifact from memory. `bytes` is not needed after the call. `options` may be NULL.
 * Errors: TRI_CORRUPT (which section and field), TRI_UNSUPPORTED (what is needed, what is missing), TRI_NOT_FOUND (variant),
 * TRI_DIGEST_MISMATCH, TRI_NO_MEMORY, TRI_NOT_ALLOWED. */
TRI_API TRI_MUST_USE tri_status tri_model_open(const void *bytes, size_t size, const tri_model_options *options,
                                               tri_model **out_model, tri_error *err);

/* Opens an artifact from a file. Code and weights are expanded into memory: nothing of the file is needed after the call, but it must not be
 * written to during it. If options->blake3 is given, the file is read into memory first, so that what was hashed is what runs.
 * Errors: as tri_model_open, and TRI_IO_ERROR. */
TRI_API TRI_MUST_USE tri_status tri_model_open_file(const char *path, const tri_model_options *options, tri_model **out_model,
                                                    tri_error *err);

/* Frees a model. All of its sessions must be destroyed before. NULL is ignored. */
TRI_API void tri_model_destroy(tri_model *model);

/* Element types. Those narrower than a byte take one byte each at this interface. Float16 and bfloat16 are their bits. */
typedef enum tri_dtype {
  TRI_TRIT = 0, /* int8 of -1, 0, 1 */
  TRI_BOOL,     /* uint8 of 0, 1 */
  TRI_INT4,
  TRI_UINT4,
  TRI_INT6,
  TRI_UINT6,
  TRI_INT8,
  TRI_UINT8,
  TRI_INT16,
  TRI_INT32,
  TRI_INT64,
  TRI_FLOAT16,
  TRI_BFLOAT16,
  TRI_FLOAT32,
  TRI_DTYPE_RANGE = 0x7fffffff /* no dtype: makes the enum as wide as int in C++ too, so that a wrong value can be refused */
} tri_dtype;

/* "uint8", as in the language; NULL for other values. */
TRI_API const char *tri_dtype_name(tri_dtype dtype);
/* Bytes of one element; 0 for other values. */
TRI_API size_t tri_dtype_bytes(tri_dtype dtype);

typedef struct tri_model_info {
  const char *name, *doc, *compiler; /* never NULL, perhaps empty */
  int32_t opt_level;
  uint32_t entries, variants;
  int32_t loaded_variant;            /* index, or -1 if no code was loaded */
  uint64_t parameters;               /* weights and all other trained numbers */
  uint64_t weight_trits, zero_trits; /* ternary weights, and how many of them are 0 */
  uint64_t fp32_bytes;               /* the size of all parameters as float32 */
  uint64_t file_bytes, weights_bytes; /* of the artifact, and of its weights section */
  uint64_t arena_bytes;              /* the expanded weights in memory; 0 if no code was loaded */
} tri_model_info;

typedef struct tri_entry_info {
  const char *name;
  uint32_t inputs, outputs, steps, labels;
  uint64_t macs_per_batch;           /* multiply-accumulates of the direct algorithm for batch 1 */
} tri_entry_info;

typedef struct tri_tensor_info {
  const char *name;
  const uint8_t *dtypes;             /* tri_dtype values; inputs: those that are accepted, outputs: one */
  uint32_t dtype_count, rank;
  const int64_t *dims;               /* -1 stands for the batch */
  const char *batch_name;            /* the name of the batch variable, or "" */
  int preprocessed;                  /* not 0: the code applies mean, std and scale; these are for information */
  double scale;
  const double *mean, *std;
  uint32_t mean_count, std_count;
} tri_tensor_info;

typedef struct tri_step_info {
  const char *name;                  /* of the loaded variant, else without one */
  const char *layer;                 /* the key of its layer, "" for glue */
  uint64_t macs_per_batch, bytes_per_batch;
} tri_step_info;

typedef struct tri_variant_info {
  const char *target;                /* "x86-64-v4+vnni" */
  uint64_t features, missing;        /* CPU feature bits: needed, and those that this CPU lacks (0: it runs here) */
  uint64_t code_bytes, arena_bytes;
} tri_variant_info;

/* Getters. Errors: TRI_INVALID_ARGUMENT for NULL or an index out of range; these fill no message. */
TRI_API void tri_model_get_info(const tri_model *model, tri_model_info *out_info);
TRI_API TRI_MUST_USE tri_status tri_model_get_entry(const tri_model *model, uint32_t entry, tri_entry_info *out_info);
TRI_API TRI_MUST_USE tri_status tri_model_get_input(const tri_model *model, uint32_t entry, uint32_t index, tri_tensor_info *out_info);
TRI_API TRI_MUST_USE tri_status tri_model_get_output(const tri_model *model, uint32_t entry, uint32_t index, tri_tensor_info *out_info);
TRI_API TRI_MUST_USE tri_status tri_model_get_step(const tri_model *model, uint32_t entry, uint32_t index, tri_step_info *out_info);
TRI_API TRI_MUST_USE tri_status tri_model_get_variant(const tri_model *model, uint32_t index, tri_variant_info *out_info);
/* The name of class `index`, or NULL. */
TRI_API const char *tri_model_get_label(const tri_model *model, uint32_t entry, uint32_t index);
/* The index of the entry point `name`. */
TRI_API TRI_MUST_USE tri_status tri_model_find_entry(const tri_model *model, const char *name, uint32_t *out_entry);

/* Where the code of a step lies in memory: its first byte, and the bytes up to the next step's code or the end of its segment (code that
 * steps share counts for the one before it). Errors: TRI_INVALID_ARGUMENT, TRI_NOT_ALLOWED (no code was loaded); they fill no message. */
TRI_API TRI_MUST_USE tri_status tri_model_get_step_code(const tri_model *model, uint32_t entry, uint32_t index, const void **out_address,
                                                        uint64_t *out_bytes);
/* Appends the loaded steps to a map of symbols that the Linux profiler `perf` reads, one line a step; `path` NULL stands for
 * /tmp/perf-PID.map, the one that it looks for. It looks there for anonymous memory only, so open the model with tri_model_open, or
 * with a digest. Never called by the library itself. Errors: TRI_INVALID_ARGUMENT, TRI_NOT_ALLOWED (no code), TRI_IO_ERROR. */
TRI_API TRI_MUST_USE tri_status tri_model_write_perf_map(const tri_model *model, const char *path, tri_error *err);

/* Writes the names of feature bits ("avx512bw, avx512vl"), terminated and cut to what fits; returns the full length. */
TRI_API size_t tri_cpu_feature_names(uint64_t features, char *out, size_t out_bytes);
/* Writes the best target for this CPU ("x86-64-v4+vnni"), terminated and cut to what fits; returns the full length. */
TRI_API size_t tri_cpu_target(char *out, size_t out_bytes);

/*===-- Sessions -----------------------------------------------------------------------------------------------------===*/

/* The memory and the threads to run one entry point. One-thread. */
typedef struct tri_session tri_session;

/* The host's thread pool: calls body(argument, i) for every i in 0..count-1, at the same time or not, and returns when all
 * are done. Called several times in each run, from the thread that runs. */
typedef void (*tri_parallel_for)(void *context, void (*body)(void *argument, int32_t index), void *argument, int32_t count);

#define TRI_MAX_THREADS 256

/* How to create a session. All zero is valid and means: entry point 0, batch 1, one thread. */
typedef struct tri_session_options {
  const char *entry;             /* NULL: the first */
  int64_t batch;                 /* the largest batch that will be run; 0 means 1 */
  int32_t threads;               /* 1..TRI_MAX_THREADS; 0 means 1. With 1 no thread is made. */
  int32_t reserved_zero;
  tri_parallel_for parallel_for; /* NULL: the session makes threads - 1 threads of its own, which sleep between runs */
  void *parallel_for_context;    /* must outlive the session */
  const tri_allocator *allocator; /* copied. NULL: the model's */
  const void *reserved[4];       /* zero */
} tri_session_options;

/* Creates a session. `model` is borrowed until tri_session_destroy. `options` may be NULL. Errors: TRI_NOT_ALLOWED (no code
 * was loaded), TRI_NOT_FOUND, TRI_INVALID_ARGUMENT, TRI_NO_MEMORY, TRI_SYSTEM_ERROR. */
TRI_API TRI_MUST_USE tri_status tri_session_create(const tri_model *model, const tri_session_options *options,
                                                   tri_session **out_session, tri_error *err);
/* NULL is ignored. */
TRI_API void tri_session_destroy(tri_session *session);

/* Bytes of the activations and the scratch, and of the copies of inputs and outputs that the session holds. */
TRI_API uint64_t tri_session_workspace_bytes(const tri_session *session);

/* Bytes of input or output `index` for `batch` in `dtype`; 0 if there is no such tensor or dtype. */
TRI_API uint64_t tri_session_input_bytes(const tri_session *session, uint32_t index, tri_dtype dtype, int64_t batch);
TRI_API uint64_t tri_session_output_bytes(const tri_session *session, uint32_t index, int64_t batch);

/* Says about a buffer: it starts at a multiple of 64 bytes, and 64 bytes behind its end may be read. Then the code uses it in
 * place; without the flag the session copies it. */
#define TRI_BUFFER_PADDED 1u

/* A dense row-major tensor of the caller. */
typedef struct tri_input {
  const void *data;
  uint64_t bytes;                /* exactly tri_session_input_bytes */
  tri_dtype dtype;               /* one of those that the input accepts */
  uint32_t flags;                /* TRI_BUFFER_PADDED or 0 */
} tri_input;

typedef struct tri_output {
  void *data;
  uint64_t bytes;                /* exactly tri_session_output_bytes */
  tri_dtype dtype;
  uint32_t flags;
} tri_output;

/* One run. Inputs and outputs stand in the order of the entry point; buffers must not overlap. */
typedef struct tri_run_args {
  const tri_input *inputs;
  const tri_output *outputs;
  uint32_t input_count, output_count;
  int64_t batch;                 /* 1..the session's; 0 means the session's */
  uint64_t *profile_ns;          /* NULL, or `profile_count` numbers: the nanoseconds of every step (0 if it did not run) */
  uint32_t profile_count;        /* the number of steps of the entry point, if profile_ns is given */
  uint32_t reserved_zero;
} tri_run_args;

/* Runs the entry point and returns when the outputs are written. Allocates nothing. On an error the outputs are unspecified
 * and the session can be used again. Floating-point mode: the code runs with round-to-nearest and denormals, whatever the
 * caller has set; the caller's mode is restored. Errors: TRI_INVALID_ARGUMENT, TRI_INVALID_INPUT. */
TRI_API TRI_MUST_USE tri_status tri_session_run(tri_session *session, const tri_run_args *args, tri_error *err);

#ifdef __cplusplus
}
#endif
#endif
