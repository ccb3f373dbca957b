/* tri-run: runs an artifact on raw binary tensors. The smallest complete user of the C API; tests use it to run artifacts under an
 * emulator. Exit status: 0 done, 1 the input is at fault, 2 wrong usage, 3 the system failed. */
#define _POSIX_C_SOURCE 200809L
#include "triton/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_SYSTEM = 3, MAX_TENSORS = 64 };

typedef struct {
  const char *model, *variant, *entry;
  const char *inputs[MAX_TENSORS], *outputs[MAX_TENSORS];
  int input_count, output_count;
  long threads, batch;
  int list, profile;
} arguments;

static const char usage[] =
    "usage: tri-run MODEL.tern --input [NAME=]FILE.raw [--input ...] --output [NAME=]FILE.raw [--output ...]\n"
    "               [--threads T] [--batch N] [--variant TARGET] [--entry NAME] [--profile]\n"
    "       tri-run MODEL.tern --list\n"
    "\n"
    "Tensors are dense row-major little-endian bytes. The dtype of an input is the first accepted one whose size fits the file;\n"
    "NAME:DTYPE=FILE says it. Without NAME tensors are taken in order.\n"
    "example: tri-run lenet.tern --input image=digit.raw --output logits.raw --threads 2\n";

static int parse(int argc, char **argv, arguments *out) {
  for (int i = 1; i < argc; ++i) {
    const char *word = argv[i];
    if (strcmp(word, "--list") == 0) {
      out->list = 1;
    } else if (strcmp(word, "--profile") == 0) {
      out->profile = 1;
    } else if (strncmp(word, "--", 2) == 0) {
      if (i + 1 == argc) {
        fprintf(stderr, "tri-run: error: '%s' is unknown or needs a value\n%s", word, usage);
        return EXIT_USAGE;
      }
      const char *value = argv[++i];
      char *end = NULL;
      if (strcmp(word, "--input") == 0 && out->input_count < MAX_TENSORS) {
        out->inputs[out->input_count++] = value;
      } else if (strcmp(word, "--output") == 0 && out->output_count < MAX_TENSORS) {
        out->outputs[out->output_count++] = value;
      } else if (strcmp(word, "--variant") == 0) {
        out->variant = value;
      } else if (strcmp(word, "--entry") == 0) {
        out->entry = value;
      } else if (strcmp(word, "--threads") == 0 || strcmp(word, "--batch") == 0) {
        const long number = strtol(value, &end, 10);
        if (*value == '\0' || *end != '\0' || number < 1) {
          fprintf(stderr, "tri-run: error: '%s %s': not a positive number\n", word, value);
          return EXIT_USAGE;
        }
        *(word[2] == 't' ? &out->threads : &out->batch) = number;
      } else {
        fprintf(stderr, "tri-run: error: unknown option '%s'\n%s", word, usage);
        return EXIT_USAGE;
      }
    } else if (!out->model) {
      out->model = word;
    } else {
      fprintf(stderr, "tri-run: error: unexpected '%s'\n%s", word, usage);
      return EXIT_USAGE;
    }
  }
  if (out->model) return 0;
  fputs(usage, stderr);
  return EXIT_USAGE;
}

static int fail(tri_status status, const tri_error *err) {
  fprintf(stderr, "tri-run: error: %s [%s]\n", err->message, tri_status_name(status));
  return status == TRI_NO_MEMORY || status == TRI_IO_ERROR || status == TRI_SYSTEM_ERROR ? EXIT_SYSTEM : EXIT_INPUT;
}

static void print_tensor(const char *kind, const tri_tensor_info *tensor) {
  printf("  %s %s:", kind, tensor->name);
  for (uint32_t i = 0; i < tensor->dtype_count; ++i)
    printf("%s%s", i ? "|" : " ", tri_dtype_name((tri_dtype)tensor->dtypes[i]));
  printf(" [");
  for (uint32_t i = 0; i < tensor->rank; ++i) {
    if (i) printf(", ");
    if (tensor->dims[i] == -1)
      printf("%s", tensor->batch_name);
    else
      printf("%lld", (long long)tensor->dims[i]);
  }
  printf("]\n");
}

static int list(const tri_model *model) {
  tri_model_info info;
  tri_model_get_info(model, &info);
  printf("%s: %llu bytes, %llu parameters\n", info.name, (unsigned long long)info.file_bytes, (unsigned long long)info.parameters);
  for (uint32_t e = 0; e < info.entries; ++e) {
    tri_entry_info entry;
    tri_tensor_info tensor;
    if (tri_model_get_entry(model, e, &entry) != TRI_OK) return EXIT_INPUT;
    printf("entry %s: %u steps, %llu MACs per batch element\n", entry.name, entry.steps, (unsigned long long)entry.macs_per_batch);
    for (uint32_t i = 0; i < entry.inputs; ++i)
      if (tri_model_get_input(model, e, i, &tensor) == TRI_OK) print_tensor("input", &tensor);
    for (uint32_t i = 0; i < entry.outputs; ++i)
      if (tri_model_get_output(model, e, i, &tensor) == TRI_OK) print_tensor("output", &tensor);
  }
  for (uint32_t v = 0; v < info.variants; ++v) {
    tri_variant_info variant;
    char names[256];
    if (tri_model_get_variant(model, v, &variant) != TRI_OK) return EXIT_INPUT;
    tri_cpu_feature_names(variant.missing, names, sizeof names);
    printf("variant %s: %llu bytes of code, %llu of weights; %s%s\n", variant.target, (unsigned long long)variant.code_bytes,
           (unsigned long long)variant.arena_bytes, variant.missing ? "this CPU lacks " : "runs here", names);
  }
  return 0;
}

/* Reads a whole file; NULL with a message if that fails. */
static void *read_file(const char *path, uint64_t *bytes) {
  FILE *file = fopen(path, "rb");
  size_t capacity = 1 << 16, length = 0;
  char *data = file ? malloc(capacity) : NULL;
  while (data) {
    length += fread(data + length, 1, capacity - length, file);
    if (length < capacity) break;
    char *larger = capacity > SIZE_MAX / 2 ? NULL : realloc(data, capacity * 2);
    if (!larger) free(data);
    data = larger;
    capacity *= 2;
  }
  if (data && ferror(file)) {
    free(data);
    data = NULL;
  }
  if (!data) fprintf(stderr, "tri-run: error: cannot read %s: %s\n", path, strerror(errno));
  if (file) fclose(file);
  *bytes = length;
  return data;
}

static int write_file(const char *path, const void *data, uint64_t bytes) {
  FILE *file = fopen(path, "wb");
  int failed = !file || fwrite(data, 1, bytes, file) != bytes;
  if (file && fclose(file) != 0) failed = 1;
  if (failed) fprintf(stderr, "tri-run: error: cannot write %s: %s\n", path, strerror(errno));
  return failed;
}

/* Splits "NAME:DTYPE=FILE", "NAME=FILE" or "FILE": whether `name` is meant, and where the file name begins. */
static int matches(const char *word, const char *name, int position, int index, const char **file, const char **dtype) {
  const char *equals = strchr(word, '=');
  *dtype = NULL;
  *file = equals ? equals + 1 : word;
  if (!equals) return position == index;
  const char *colon = memchr(word, ':', (size_t)(equals - word));
  if (colon) *dtype = colon + 1;
  const size_t length = (size_t)((colon ? colon : equals) - word);
  return strlen(name) == length && memcmp(word, name, length) == 0;
}

static const char *find_file(const char *const *words, int count, const char *name, int index, const char **dtype) {
  const char *file;
  for (int i = 0; i < count; ++i)
    if (matches(words[i], name, i, index, &file, dtype)) return file;
  return NULL;
}

/* The dtype of an input whose file has `bytes` bytes: the one that was named, else the first whose size fits. */
static tri_dtype choose_dtype(const tri_session *session, const tri_tensor_info *tensor, uint32_t index, const char *named, uint64_t bytes,
                              int64_t batch) {
  for (uint32_t i = 0; i < tensor->dtype_count; ++i) {
    const tri_dtype dtype = (tri_dtype)tensor->dtypes[i];
    const char *name = tri_dtype_name(dtype);
    if (named ? strncmp(named, name, strlen(name)) == 0 && named[strlen(name)] == '='
              : tri_session_input_bytes(session, index, dtype, batch) == bytes)
      return dtype;
  }
  return (tri_dtype)tensor->dtypes[0];
}

static int run(const tri_model *model, tri_session *session, uint32_t entry_index, const arguments *args) {
  tri_entry_info entry;
  tri_error err = {TRI_OK, ""};
  tri_input inputs[MAX_TENSORS] = {{NULL, 0, TRI_TRIT, 0}};
  tri_output outputs[MAX_TENSORS] = {{NULL, 0, TRI_TRIT, 0}};
  tri_tensor_info tensor;
  uint64_t *profile = NULL;
  int status = tri_model_get_entry(model, entry_index, &entry) != TRI_OK;
  for (uint32_t i = 0; !status && i < entry.inputs; ++i) {
    const char *dtype;
    if (tri_model_get_input(model, entry_index, i, &tensor) != TRI_OK) continue;
    const char *path = find_file(args->inputs, args->input_count, tensor.name, (int)i, &dtype);
    if (!path) {
      fprintf(stderr, "tri-run: error: no file for input '%s'\n", tensor.name);
      status = EXIT_USAGE;
    } else if (!(inputs[i].data = read_file(path, &inputs[i].bytes))) {
      status = EXIT_SYSTEM;
    } else {
      inputs[i].dtype = choose_dtype(session, &tensor, i, dtype, inputs[i].bytes, args->batch);
    }
  }
  for (uint32_t i = 0; !status && i < entry.outputs; ++i) {
    if (tri_model_get_output(model, entry_index, i, &tensor) != TRI_OK) continue;
    outputs[i].dtype = (tri_dtype)tensor.dtypes[0];
    outputs[i].bytes = tri_session_output_bytes(session, i, args->batch);
    if (!(outputs[i].data = malloc(outputs[i].bytes))) status = EXIT_SYSTEM;
  }
  if (!status && args->profile && !(profile = calloc(entry.steps ? entry.steps : 1, sizeof *profile))) status = EXIT_SYSTEM;
  if (!status) {
    const tri_run_args call = {inputs, outputs, entry.inputs, entry.outputs, args->batch, profile, profile ? entry.steps : 0, 0};
    const tri_status result = tri_session_run(session, &call, &err);
    if (result != TRI_OK) status = fail(result, &err);
  }
  for (uint32_t i = 0; !status && i < entry.outputs; ++i) {
    const char *unused;
    if (tri_model_get_output(model, entry_index, i, &tensor) != TRI_OK) continue;
    const char *path = find_file(args->outputs, args->output_count, tensor.name, (int)i, &unused);
    if (path && write_file(path, outputs[i].data, outputs[i].bytes)) status = EXIT_SYSTEM;
  }
  for (uint32_t i = 0; !status && profile && i < entry.steps; ++i) {
    tri_step_info step;
    if (tri_model_get_step(model, entry_index, i, &step) == TRI_OK) printf("%10.3f us  %s\n", (double)profile[i] / 1000, step.name);
  }
  free(profile);
  for (uint32_t i = 0; i < MAX_TENSORS; ++i) {
    free((void *)inputs[i].data);
    free(outputs[i].data);
  }
  return status;
}

int main(int argc, char **argv) {
  arguments args = {0};
  args.threads = args.batch = 1;
  int status = parse(argc, argv, &args);
  if (status) return status;
  tri_error err = {TRI_OK, ""};
  tri_model *model = NULL;
  tri_session *session = NULL;
  const tri_model_options options = {.allow_code = !args.list, .variant = args.variant};
  tri_status result = tri_model_open_file(args.model, &options, &model, &err);
  if (result != TRI_OK) return fail(result, &err);
  if (args.list) {
    status = list(model);
  } else {
    uint32_t entry = 0;
    const tri_session_options session_options = {.entry = args.entry, .batch = args.batch, .threads = args.threads > TRI_MAX_THREADS ? TRI_MAX_THREADS : (int32_t)args.threads};
    result = tri_session_create(model, &session_options, &session, &err);
    if (result == TRI_OK && args.entry) result = tri_model_find_entry(model, args.entry, &entry);
    status = result == TRI_OK ? run(model, session, entry, &args) : fail(result, &err);
  }
  tri_session_destroy(session);
  tri_model_destroy(model);
  return status;
}
