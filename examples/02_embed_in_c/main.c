/* Loads an artifact and runs it once on zeros, or on the raw bytes of a file: the whole life of a model in a C program.
 *
 *   embed MODEL.tern [INPUT.raw]
 *
 * Build it outside this tree with:  cc main.c -I<prefix>/include -L<prefix>/lib -ltriton */
#include <triton/runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 8 };

/* Prints why something failed. The message already says which file, what was needed and what was found. */
static int fail(const tri_error *err) {
  fprintf(stderr, "embed: %s\n", err->message);
  return 1;
}

/* Fills one input: from the file if one is given, else it stays zero. 0 if the file has another size. */
static int fill_input(void *data, uint64_t bytes, const char *path) {
  if (!path) return 1;
  FILE *file = fopen(path, "rb");
  const int complete = file && fread(data, 1, bytes, file) == bytes && fgetc(file) == EOF;
  if (file) fclose(file);
  if (!complete) fprintf(stderr, "embed: %s: not a readable file of %llu bytes\n", path, (unsigned long long)bytes);
  return complete;
}

static double element(const tri_output *output, uint64_t i) {
  switch (output->dtype) {
  case TRI_FLOAT32: return ((const float *)output->data)[i];
  case TRI_INT64: return (double)((const int64_t *)output->data)[i];
  case TRI_INT32: return ((const int32_t *)output->data)[i];
  case TRI_INT16: return ((const int16_t *)output->data)[i];
  case TRI_UINT8: case TRI_UINT6: case TRI_UINT4: case TRI_BOOL: return ((const uint8_t *)output->data)[i];
  default: return ((const int8_t *)output->data)[i];
  }
}

static void print_result(const tri_model *model, uint32_t index, const tri_output *output) {
  tri_tensor_info info;
  if (tri_model_get_output(model, 0, index, &info) != TRI_OK) return;
  const uint64_t count = output->bytes / tri_dtype_bytes(output->dtype);
  uint64_t best = 0;
  printf("%s (%s, %llu elements):", info.name, tri_dtype_name(output->dtype), (unsigned long long)count);
  for (uint64_t i = 0; i < count; ++i) {
    if (i < 10) printf(" %g", element(output, i));
    if (element(output, i) > element(output, best)) best = i;
  }
  const char *label = tri_model_get_label(model, 0, (uint32_t)best);
  printf("%s\n  largest: %llu%s%s\n", count > 10 ? " ..." : "", (unsigned long long)best, label ? " = " : "", label ? label : "");
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: embed MODEL.tern [INPUT.raw]\n");
    return 2;
  }
  tri_error err;

  /* 1. Open. The file holds machine code: allow it only for files that you trust, or give the digest that you expect. */
  const tri_model_options model_options = {.allow_code = 1};
  tri_model *model;
  if (tri_model_open_file(argv[1], &model_options, &model, &err) != TRI_OK) return fail(&err);

  /* 2. A session has the memory and the threads. A model serves any number of sessions, each used by one thread at a time. */
  const tri_session_options session_options = {.batch = 1, .threads = 1};
  tri_session *session;
  if (tri_session_create(model, &session_options, &session, &err) != TRI_OK) {
    tri_model_destroy(model);
    return fail(&err);
  }

  /* 3. Buffers, as large as the session says. */
  tri_entry_info entry;
  tri_input inputs[MAX_TENSORS] = {{0}};
  tri_output outputs[MAX_TENSORS] = {{0}};
  int ok = tri_model_get_entry(model, 0, &entry) == TRI_OK && entry.inputs <= MAX_TENSORS && entry.outputs <= MAX_TENSORS;
  for (uint32_t i = 0; ok && i < entry.inputs; ++i) {
    tri_tensor_info info;
    if (tri_model_get_input(model, 0, i, &info) != TRI_OK) break;
    inputs[i].dtype = (tri_dtype)info.dtypes[0];
    inputs[i].bytes = tri_session_input_bytes(session, i, inputs[i].dtype, 1);
    void *data = calloc(1, inputs[i].bytes);
    inputs[i].data = data;
    ok = data && fill_input(data, inputs[i].bytes, i == 0 && argc == 3 ? argv[2] : NULL);
  }
  for (uint32_t i = 0; ok && i < entry.outputs; ++i) {
    tri_tensor_info info;
    if (tri_model_get_output(model, 0, i, &info) != TRI_OK) break;
    outputs[i].dtype = (tri_dtype)info.dtypes[0];
    outputs[i].bytes = tri_session_output_bytes(session, i, 1);
    ok = (outputs[i].data = calloc(1, outputs[i].bytes)) != NULL;
  }

  /* 4. Run, as often as you like. This allocates nothing. */
  if (ok) {
    const tri_run_args args = {.inputs = inputs, .outputs = outputs, .input_count = entry.inputs, .output_count = entry.outputs};
    if (tri_session_run(session, &args, &err) == TRI_OK) {
      for (uint32_t i = 0; i < entry.outputs; ++i) print_result(model, i, &outputs[i]);
    } else {
      ok = 0;
      fail(&err);
    }
  }

  /* 5. Sessions first, then their model. */
  for (uint32_t i = 0; i < MAX_TENSORS; ++i) {
    free((void *)inputs[i].data);
    free(outputs[i].data);
  }
  tri_session_destroy(session);
  tri_model_destroy(model);
  return ok ? 0 : 1;
}
