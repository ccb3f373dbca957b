// A regular file from its beginning to its end, inflated on the way when it is gzipped. No LLVM.
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace triton::zoo {

/// Reads a file piece by piece; memory does not grow with the file. One-thread.
class ByteReader {
public:
  /// Opens a regular file. Errors (kind Environment) name it.
  static Result<ByteReader> open(const std::string &path);

  /// Fills `out`. Errors name the file and the offset (of the inflated bytes): it ends before, damaged gzip data.
  Result<void> read(std::span<uint8_t> out);
  /// Like `read`, but gives up to out.size() bytes: fewer where the file ends.
  Result<size_t> readSome(std::span<uint8_t> out);
  /// An error when bytes are left.
  Result<void> expectEnd();

  const std::string &path() const { return name; }
  uint64_t offset() const { return at; }
  uint64_t fileBytes() const { return size; }

private:
  ByteReader() = default;
  Error errorHere(const std::string &what) const;

  std::shared_ptr<void> file; ///< gzFile
  std::string name;
  uint64_t at = 0, size = 0;
};

} // namespace triton::zoo
