// The .safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes. No LLVM.
#pragma once

#include "triton/Support/Result.h"
#include "triton/Tensor/HostTensor.h"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace triton {

/// An opened .safetensors file, mapped read-only. Every offset was checked when it was opened. Immutable: may be shared
/// between threads. A view is valid as long as the file object.
class SafetensorsFile {
public:
  /// One tensor: its bytes lie in the mapping and need not be aligned.
  struct Entry {
    std::string key;
    ElementType type = ElementType::F32;
    TensorShape shape;
    uint64_t begin = 0; ///< Offset of the first byte in the file.
    std::span<const uint8_t> bytes;

    int64_t count() const { return static_cast<int64_t>(bytes.size() / elementBytes(type)); }
  };

  /// Opens and checks a file. Errors name the file, the key and the offset.
  static Result<SafetensorsFile> open(const std::string &path);
  /// The same for bytes in memory, which are copied; `name` stands in messages.
  static Result<SafetensorsFile> fromBytes(std::string_view bytes, std::string name);

  /// Tensors that lie elsewhere: `owner` keeps their bytes alive. Errors: two of one key.
  static Result<SafetensorsFile> fromEntries(std::shared_ptr<const void> owner, std::vector<Entry> entries, std::string name);

  /// Sorted by key.
  const std::vector<Entry> &entries() const { return tensors; }
  const Entry *find(std::string_view key) const;
  /// The text of "__metadata__", sorted by key.
  const std::map<std::string, std::string> &metadata() const { return meta; }
  const std::string &name() const { return fileName; }

  /// The elements of `key` as float (integers convert). Errors: no such key (names the nearest present one), a NaN or an
  /// infinity, a shape other than `shape` when one is given.
  Result<std::vector<float>> floats(std::string_view key, const TensorShape *shape = nullptr) const;
  /// Present keys that resemble `key`, nearest first, at most `limit`.
  std::vector<std::string> nearest(std::string_view key, size_t limit = 3) const;

private:
  SafetensorsFile() = default;
  static Result<SafetensorsFile> check(std::shared_ptr<const void> owner, std::span<const uint8_t> bytes, std::string name);

  std::shared_ptr<const void> owner;
  std::string fileName;
  std::vector<Entry> tensors;
  std::map<std::string, std::string> meta;
};

/// The bytes of a .safetensors file. The same tensors and metadata give the same bytes in any order: tensors are laid out by
/// key, the data begins at a multiple of 8. Keys must be unique and each tensor's bytes must agree with its shape.
Result<std::string> encodeSafetensors(const std::vector<std::pair<std::string, HostTensor>> &tensors,
                                      const std::map<std::string, std::string> &metadata = {});

/// Encodes and writes a file atomically.
Result<void> writeSafetensors(const std::string &path, const std::vector<std::pair<std::string, HostTensor>> &tensors,
                              const std::map<std::string, std::string> &metadata = {});

} // namespace triton
