// A .npz file is a zip archive of .npy files.
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Npy.h"

#include "Zip.h"

#include <algorithm>

namespace triton {

// What one array may inflate to: more than any input of a network, less than what would hurt.
static constexpr uint64_t maxEntryBytes = uint64_t(1) << 31;

Result<std::vector<std::pair<std::string, HostTensor>>> parseNpz(std::string_view bytes, const std::string &name) {
  Result<ZipArchive> zip = ZipArchive::open(bytes, name, ".npz");
  if (!zip) return zip.takeError();
  std::vector<std::pair<std::string, HostTensor>> out;
  for (const ZipArchive::Entry &e : zip->entries()) {
    Result<std::string> contents = zip->contents(e, maxEntryBytes);
    if (!contents) return contents.takeError();
    Result<HostTensor> tensor = parseNpy(*contents, name + "/" + e.name);
    if (!tensor) return tensor.takeError();
    std::string key = e.name.ends_with(".npy") ? e.name.substr(0, e.name.size() - 4) : e.name;
    out.emplace_back(std::move(key), std::move(*tensor));
  }
  std::sort(out.begin(), out.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
  for (size_t i = 1; i < out.size(); ++i)
    if (out[i].first == out[i - 1].first) return Error{name + ": two entries are named '" + out[i].first + "'"};
  return out;
}

Result<std::vector<std::pair<std::string, HostTensor>>> readNpz(const std::string &path) {
  Result<std::string> bytes = readFileBytes(path);
  if (!bytes) return bytes.takeError();
  return parseNpz(*bytes, path);
}

} // namespace triton
