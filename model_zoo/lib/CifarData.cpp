// CIFAR's binary version (cs.toronto.edu/~kriz/cifar.html): records of one label (CIFAR-100: coarse, then fine) and 3 planes of 32 x 32.
#include "ByteReader.h"
#include "DataSet.h"

#include "triton/Tensor/Files.h"

#include <cstring>
#include <filesystem>

namespace triton::zoo {

static constexpr size_t planeBytes = 3 * 32 * 32;

namespace {
/// What differs between the two.
struct Kind {
  uint32_t classes;
  size_t labelBytes; ///< the last one counts
  const char *folder, *names;
  std::vector<std::string> training, test;
};

class CifarData : public DataSet {
public:
  CifarData(std::vector<ByteReader> files, const Kind &kind) : files(std::move(files)), kind(kind), record(kind.labelBytes + planeBytes) {}

  Result<void> read(size_t wanted, uint8_t *out, uint16_t *labels) override {
    for (size_t i = 0; i < wanted; ++i) {
      while (current < files.size() && files[current].offset() == files[current].fileBytes()) ++current;
      if (current == files.size()) return Error{folder + ": fewer images than its files' sizes say"};
      ByteReader &file = files[current];
      if (Result<void> got = file.read(record); !got) return got;
      const uint8_t label = record[kind.labelBytes - 1];
      if (label >= kind.classes)
        return Error{file.path() + ": offset " + std::to_string(file.offset() - planeBytes - 1) + ": label " + std::to_string(label) + ", expected 0.." +
                     std::to_string(kind.classes - 1)};
      labels[i] = label;
      std::memcpy(out + i * planeBytes, record.data() + kind.labelBytes, planeBytes);
    }
    return {};
  }

private:
  std::vector<ByteReader> files;
  const Kind &kind;
  std::vector<uint8_t> record;
  size_t current = 0;
};
} // namespace

/// The kinds that the folder may hold.
static std::vector<const Kind *> kindsFor(const DataSetRequest &request) {
  static const Kind kinds[] = {
      {10, 1, "cifar-10-batches-bin", "batches.meta.txt",
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}, {"test_batch.bin"}},
      {100, 2, "cifar-100-binary", "fine_label_names.txt", {"train.bin"}, {"test.bin"}}};
  std::vector<const Kind *> found;
  for (const Kind &kind : kinds)
    if (request.name == (kind.classes == 10 ? "cifar10" : "cifar100") || (request.name.empty() && (request.classes == kind.classes || !request.labelled)))
      found.push_back(&kind);
  return found;
}

/// The folder that has `file`: the given one, or the one that the archive makes in it. Empty if none has.
static std::string folderWith(const std::string &file, const std::string &given, const Kind &kind) {
  std::error_code error;
  for (const std::string &folder : {given, given + "/" + kind.folder})
    if (std::filesystem::exists(folder + "/" + file, error)) return folder;
  return "";
}

/// One name a line; nothing when the file is not there or has another number of names.
static std::vector<std::string> readNames(const std::string &path, size_t count) {
  Result<std::string> text = readFileBytes(path, 1 << 16);
  std::vector<std::string> names;
  if (!text) return names;
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    std::string name = text->substr(at, end - at);
    while (!name.empty() && (name.back() == '\r' || name.back() == ' ')) name.pop_back();
    if (!name.empty()) names.push_back(std::move(name));
    at = end + 1;
  }
  if (names.size() != count) names.clear();
  return names;
}

Result<std::unique_ptr<DataSet>> openCifarData(const DataSetRequest &request) {
  const Kind *kind = nullptr;
  std::string folder;
  auto filesOf = [&](const Kind &k) -> const std::vector<std::string> & { return request.training ? k.training : k.test; };
  for (const Kind *each : kindsFor(request)) {
    folder = folderWith(filesOf(*each).front(), request.folder, *each);
    if (folder.empty()) continue;
    kind = each;
    break;
  }
  if (!kind) return std::unique_ptr<DataSet>();
  const std::vector<std::string> &wanted = filesOf(*kind);
  if (request.shape.channels != 3 || request.shape.height != 32 || request.shape.width != 32 || !request.bytesAccepted)
    return Error{folder + ": bytes of 3 x 32 x 32, the network takes " + (request.bytesAccepted ? "" : "float32 of ") + shapeText(request.shape)};
  if (request.labelled && request.classes != kind->classes)
    return Error{folder + ": " + std::to_string(kind->classes) + " classes, the network has " + std::to_string(request.classes)};
  std::vector<ByteReader> files;
  uint64_t count = 0;
  for (const std::string &name : wanted) {
    Result<ByteReader> file = ByteReader::open(folder + "/" + name);
    if (!file) return file.takeError();
    const size_t record = kind->labelBytes + planeBytes;
    if (file->fileBytes() == 0 || file->fileBytes() % record != 0)
      return Error{file->path() + ": " + std::to_string(file->fileBytes()) + " bytes are no whole number of records of " + std::to_string(record)};
    count += file->fileBytes() / record;
    files.push_back(std::move(*file));
  }
  auto data = std::make_unique<CifarData>(std::move(files), *kind);
  data->format = "cifar";
  data->folder = folder;
  data->count = count;
  data->imageElements = planeBytes;
  data->classNames = readNames(folder + "/" + kind->names, kind->classes);
  return std::unique_ptr<DataSet>(std::move(data));
}

} // namespace triton::zoo
