// Zip archives as NumPy and PyTorch write them: one file, entries stored or deflated, zip64 where sizes need it. No LLVM.
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace triton {

/// An opened archive: the end record and the central directory are checked when it is opened, an entry's own header and checksum
/// when it is read. Views are valid as long as the archive's bytes.
class ZipArchive {
public:
  struct Entry {
    std::string name;
    uint32_t method = 0, crc = 0; ///< method 0 is stored, 8 deflated
    uint64_t packed = 0, size = 0, localAt = 0;
    uint64_t dataAt = 0; ///< where the entry's bytes begin
  };

  /// `file` names the archive in messages and `kind` what it should be (".npz"). Errors say the offset: no archive, several parts,
  /// encrypted, a damaged directory or header, an entry outside the file, two entries of one name or over the same bytes.
  static Result<ZipArchive> open(std::string_view bytes, std::string file, const std::string &kind);

  /// In the order of the directory.
  const std::vector<Entry> &entries() const { return all; }

  /// The bytes of a stored entry where they lie. Errors: compressed, a wrong checksum.
  Result<std::string_view> stored(const Entry &entry) const;
  /// The bytes of any entry of at most `limitBytes`. Errors: another method, another size than the directory says, a wrong checksum.
  Result<std::string> contents(const Entry &entry, uint64_t limitBytes) const;

private:
  std::string_view bytes;
  std::string file;
  std::vector<Entry> all;

  Error bad(uint64_t offset, const std::string &what) const;
  uint32_t u16(uint64_t at) const;
  uint32_t u32(uint64_t at) const;
  uint64_t u64(uint64_t at) const;
  Result<void> readDirectory(const std::string &kind);
  Result<Entry> readEntry(uint64_t at, uint64_t limit, uint64_t &entryBytes) const;
  Result<void> readLocalHeaders(uint64_t directoryAt);
  Result<void> checkCrc(const Entry &entry, std::string_view contents) const;
  Result<std::string> inflateRaw(const Entry &entry) const;
};

} // namespace triton
