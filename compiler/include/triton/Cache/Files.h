// Digests of input files, and recognising a file that has not changed without reading it. No LLVM, no ANTLR.
#pragma once

#include "triton/Cache/Store.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace triton::cache {

/// What a file system says of a file. Equal stamps mean an unchanged file, if the stamp was taken long enough after the change.
struct FileStamp {
  uint64_t size = 0, inode = 0, device = 0;
  int64_t modifiedNs = 0, changedNs = 0;
  bool operator==(const FileStamp &) const = default;
};

/// The stamp of a regular file; nothing if there is none.
std::optional<FileStamp> stampOf(const std::string &path);

/// A stamp may be trusted from this long after the last change: file systems count in steps, so a change right after the stamp was
/// taken may not show in it.
inline constexpr int64_t kRacyNs = 2'000'000'000;
/// Was the file changed so shortly before `nowNs` that its stamp says nothing?
bool isRacy(const FileStamp &stamp, int64_t nowNs);

/// Files from this size on are recognised by their stamps; smaller ones are read, which costs less than the look-up.
inline constexpr uint64_t kStampedBytes = uint64_t(256) << 10;

/// Gives the next bytes of something; empty at its end.
using NextBytes = std::function<Bytes()>;
/// BLAKE3 of all bytes that `next` gives.
using HashFunction = Key (*)(const NextBytes &next);
/// BLAKE3 in portable code.
Key hashPortably(const NextBytes &next);

/// The BLAKE3 digest of a file; of a large one the digest of those of its pieces. Large files are read once; as long as their stamp stays what it was, the store remembers. Without
/// a `hash` no large file is read: what the store does not know is an Error. Errors: that; the file cannot be read, or changed
/// while it was.
Result<Key> digestOfFile(Store &store, const std::string &path, HashFunction hash = nullptr);

/// The absolute path without `.` and `..`, as text; links are not resolved.
std::string absolutePath(const std::string &path);

/// The programs and libraries that a compiler consists of, with their stamps: what tells the front program, which does not load
/// them, that the compiler is still the one whose id it knows.
struct CompilerRecord {
  std::string id; ///< hexadecimal digest of the build ids of all files
  std::vector<std::pair<std::string, FileStamp>> files;
};
void putCompilerRecord(Store &store, const std::string &program, const CompilerRecord &record);
/// The id of the compiler `program`; empty if it is unknown or a file of it has changed since.
std::string knownCompilerId(Store &store, const std::string &program);

} // namespace triton::cache
