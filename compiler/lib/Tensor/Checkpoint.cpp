#include "triton/Tensor/Checkpoint.h"

#include "triton/Tensor/Npy.h"
#include "triton/Tensor/Pth.h"

namespace triton {

static Result<Checkpoint> readArrays(const std::string &path) {
  auto arrays = readNpz(path);
  if (!arrays) return arrays.takeError();
  auto owner = std::make_shared<std::vector<std::pair<std::string, HostTensor>>>(std::move(*arrays));
  std::vector<SafetensorsFile::Entry> entries;
  for (const auto &[key, tensor] : *owner) entries.push_back({key, tensor.type, tensor.shape, 0, tensor.bytes});
  Result<SafetensorsFile> file = SafetensorsFile::fromEntries(owner, std::move(entries), path);
  if (!file) return file.takeError();
  return Checkpoint{std::move(*file), {}};
}

Result<Checkpoint> readCheckpoint(const std::string &path) {
  std::string_view name(path);
  if (name.ends_with(".npz")) return readArrays(path);
  if (name.ends_with(".pth") || name.ends_with(".pt")) return readPth(path);
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file) return file.takeError();
  return Checkpoint{std::move(*file), {}};
}

} // namespace triton
