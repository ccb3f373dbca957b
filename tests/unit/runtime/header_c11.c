/* Compiled as strict C11 with all warnings as errors: the header is self-contained, and the shared library exports what it declares. */
#include "triton/runtime.h"

#include <stdio.h>
#include <string.h>

static int failures;
#define CHECK(condition)                                                                                              \
  do {                                                                                                                \
    if (!(condition)) {                                                                                               \
      printf("line %d: %s\n", __LINE__, #condition);                                                                  \
      ++failures;                                                                                                     \
    }                                                                                                                 \
  } while (0)

int main(void) {
  tri_error err = {TRI_OK, ""};
  tri_model *model = NULL;
  tri_session *session = NULL;
  const tri_model_options options = {0};
  const tri_session_options session_options = {0};
  const tri_run_args args = {0};
  tri_model_info info;
  tri_entry_info entry;
  tri_tensor_info tensor;
  tri_step_info step;
  tri_variant_info variant;
  uint32_t index;
  const void *code;
  uint64_t code_bytes;
  char text[64];

  CHECK(strcmp(tri_version(), "0.1.0") == 0);
  CHECK(strcmp(tri_status_name(TRI_DIGEST_MISMATCH), "TRI_DIGEST_MISMATCH") == 0);
  CHECK(strcmp(tri_status_name((tri_status)99), "TRI_UNKNOWN") == 0);
  CHECK(strcmp(tri_dtype_name(TRI_UINT8), "uint8") == 0 && tri_dtype_bytes(TRI_FLOAT32) == 4);
  CHECK(tri_dtype_name((tri_dtype)14) == NULL && tri_dtype_bytes((tri_dtype)14) == 0);
  CHECK(tri_cpu_target(text, sizeof text) > 0);
  CHECK(tri_cpu_feature_names(1, text, sizeof text) > 0);

  CHECK(tri_model_open("garbage!", 8, &options, &model, &err) == TRI_CORRUPT && err.status == TRI_CORRUPT && err.message[0]);
  CHECK(tri_model_open(NULL, 0, NULL, &model, NULL) == TRI_CORRUPT);
  CHECK(tri_model_open(NULL, 8, NULL, &model, &err) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_open_file("/nonexistent/model.tern", NULL, &model, &err) == TRI_IO_ERROR);
  CHECK(strstr(err.message, "/nonexistent/model.tern") != NULL);
  CHECK(tri_model_open_file("/dev/null", NULL, &model, &err) == TRI_IO_ERROR);
  CHECK(tri_model_open_file(NULL, NULL, &model, &err) == TRI_INVALID_ARGUMENT);
  CHECK(model == NULL);

  tri_model_get_info(NULL, &info);
  CHECK(tri_model_get_entry(NULL, 0, &entry) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_get_input(NULL, 0, 0, &tensor) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_get_output(NULL, 0, 0, &tensor) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_get_step(NULL, 0, 0, &step) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_get_variant(NULL, 0, &variant) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_get_step_code(NULL, 0, 0, &code, &code_bytes) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_write_perf_map(NULL, NULL, &err) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_find_entry(NULL, "forward", &index) == TRI_INVALID_ARGUMENT);
  CHECK(tri_model_get_label(NULL, 0, 0) == NULL);
  CHECK(tri_session_create(NULL, &session_options, &session, &err) == TRI_INVALID_ARGUMENT);
  CHECK(tri_session_run(NULL, &args, &err) == TRI_INVALID_ARGUMENT);
  CHECK(tri_session_workspace_bytes(NULL) == 0);
  CHECK(tri_session_input_bytes(NULL, 0, TRI_UINT8, 1) == 0);
  CHECK(tri_session_output_bytes(NULL, 0, 1) == 0);
  tri_session_destroy(NULL);
  tri_model_destroy(NULL);
  return failures != 0;
}
