// What the parts of the runtime share. Not installed.
#pragma once

#include "artifact/kernel_abi.h"
#include "artifact/reader.h"
#include "triton/runtime.h"

#include <cstddef>
#include <cstdint>

struct tri_model {
  tri_allocator allocator;
  uint8_t *metadata;        ///< An aligned copy of section 0: outlives the file's bytes.
  size_t metadataBytes;
  const triton::fb::Model *description; ///< Points into `metadata`; every field has been checked.
  uint64_t fileBytes, weightsBytes;
  int32_t loadedVariant;    ///< -1: none.
  uint8_t *code;            ///< Reserved address range of the loaded image; its segments are read-only or executable.
  size_t codeSpan;
  struct { uint64_t begin, end; } executable[TRI_MAX_SEGMENTS]; ///< Offsets in `code` where instructions lie.
  uint32_t executableCount;
  uint8_t *adds;            ///< Weights as code, executable, or null.
  size_t addsSpan;
  uint8_t *arena;
  size_t arenaAllocated;
};

namespace triton::runtime {

/// Fills `err` (if there is one) and returns `status`.
tri_status fail(tri_error *err, tri_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/// Picks a variant (options->variant, or the best that runs here), loads its code and fills its arena.
/// On an error the model holds what was allocated so far; tri_model_destroy frees it.
tri_status loadVariant(tri_model &model, const artifact::Container &container, const char *wanted, tri_error *err);

/// The default allocator (posix_memalign and free).
const tri_allocator &systemAllocator();

inline void *allocate(const tri_allocator &allocator, size_t bytes, size_t alignment) {
  return allocator.allocate(allocator.context, bytes, alignment);
}
inline void release(const tri_allocator &allocator, void *pointer, size_t bytes) {
  if (pointer) allocator.release(allocator.context, pointer, bytes);
}

inline uint64_t alignUp(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

} // namespace triton::runtime
