// Names, errors and the default allocator.
#include "internal.h"

#include "artifact/cpu_features.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define TRI_TEXT_OF(x) #x
#define TRI_TEXT(x) TRI_TEXT_OF(x)

extern "C" const char *tri_version(void) {
  return TRI_TEXT(TRI_VERSION_MAJOR) "." TRI_TEXT(TRI_VERSION_MINOR) "." TRI_TEXT(TRI_VERSION_PATCH);
}

extern "C" const char *tri_status_name(tri_status status) {
  switch (status) {
  case TRI_OK: return "TRI_OK";
  case TRI_INVALID_ARGUMENT: return "TRI_INVALID_ARGUMENT";
  case TRI_NO_MEMORY: return "TRI_NO_MEMORY";
  case TRI_IO_ERROR: return "TRI_IO_ERROR";
  case TRI_CORRUPT: return "TRI_CORRUPT";
  case TRI_UNSUPPORTED: return "TRI_UNSUPPORTED";
  case TRI_NOT_FOUND: return "TRI_NOT_FOUND";
  case TRI_NOT_ALLOWED: return "TRI_NOT_ALLOWED";
  case TRI_DIGEST_MISMATCH: return "TRI_DIGEST_MISMATCH";
  case TRI_INVALID_INPUT: return "TRI_INVALID_INPUT";
  case TRI_SYSTEM_ERROR: return "TRI_SYSTEM_ERROR";
  case TRI_STATUS_RANGE: break;
  }
  return "TRI_UNKNOWN";
}

namespace {
struct DTypeRow {
  const char *name;
  uint8_t bytes;
};
} // namespace

/// In the order of tri_dtype.
static const DTypeRow dtypeRows[] = {{"trit", 1},  {"bool", 1},  {"int4", 1},  {"uint4", 1},   {"int6", 1},     {"uint6", 1},  {"int8", 1},
                                     {"uint8", 1}, {"int16", 2}, {"int32", 4}, {"int64", 8},   {"float16", 2},  {"bfloat16", 2}, {"float32", 4}};
static_assert(sizeof dtypeRows / sizeof dtypeRows[0] == TRI_FLOAT32 + 1);
static_assert(uint8_t(triton::fb::DType::MAX) == TRI_FLOAT32);

extern "C" const char *tri_dtype_name(tri_dtype dtype) {
  return unsigned(dtype) <= TRI_FLOAT32 ? dtypeRows[dtype].name : nullptr;
}

extern "C" size_t tri_dtype_bytes(tri_dtype dtype) { return unsigned(dtype) <= TRI_FLOAT32 ? dtypeRows[dtype].bytes : 0; }

extern "C" size_t tri_cpu_feature_names(uint64_t features, char *out, size_t out_bytes) {
  return tri_feature_list(features, out, out_bytes);
}

extern "C" size_t tri_cpu_target(char *out, size_t out_bytes) {
  return tri_target_of_features(tri_cpu_features(), out, out_bytes);
}

tri_status triton::runtime::fail(tri_error *err, tri_status status, const char *format, ...) {
  if (!err) return status;
  err->status = status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(err->message, sizeof err->message, format, arguments);
  va_end(arguments);
  return status;
}

/// Weights are streamed once a run: with pages of 2 MiB the processor neither runs out of translations nor stops fetching ahead at every
/// 4 KiB. Only advice; a system that has none of them gives small ones.
static constexpr size_t kHugePageBytes = size_t(2) << 20;

static void *systemAllocate(void *, size_t bytes, size_t alignment) {
  void *pointer = nullptr;
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  const bool huge = bytes >= kHugePageBytes;
  if (huge && alignment < kHugePageBytes) alignment = kHugePageBytes;
  if (posix_memalign(&pointer, alignment, bytes) != 0) return nullptr;
#if defined(__linux__)
  if (huge) (void)madvise(pointer, bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
#endif
  return pointer;
}

static void systemRelease(void *, void *pointer, size_t) { free(pointer); }

const tri_allocator &triton::runtime::systemAllocator() {
  static const tri_allocator allocator = {systemAllocate, systemRelease, nullptr};
  return allocator;
}
