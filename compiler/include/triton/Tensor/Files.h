// Whole files in and out: bounded reads, and writes that leave either the old file or the complete new one. No LLVM.
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace triton {

/// The bytes of a regular file of at most `limitBytes`. Errors (kind Environment when the system fails) name the file.
Result<std::string> readFileBytes(const std::string &path, uint64_t limitBytes = uint64_t(1) << 36);

/// A regular file as memory that is read when it is touched.
struct MappedFile {
  std::shared_ptr<const void> owner; ///< unmaps it; null for an empty file
  std::span<const uint8_t> bytes;
};
Result<MappedFile> mapFile(const std::string &path);

/// Writes `bytes` to a new file beside `path`, then renames it: a reader sees the old file or the whole new one, and nothing
/// is left behind on failure. A device or pipe is written to instead.
Result<void> writeFileAtomically(const std::string &path, std::string_view bytes);

} // namespace triton
