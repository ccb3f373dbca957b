// MNIST's files as a stream.
#include "ByteReader.h"
#include "DataSet.h"
#include "Idx.h"

#include <algorithm>
#include <filesystem>
#include <optional>

namespace triton::zoo {

namespace {
class IdxData : public DataSet {
public:
  IdxData(ByteReader images, std::optional<ByteReader> labels, uint32_t classes)
      : images(std::move(images)), labelReader(std::move(labels)), classes(classes) {}

  Result<void> read(size_t wanted, uint8_t *out, uint16_t *classIds) override {
    if (Result<void> got = images.read({out, wanted * imageBytes()}); !got) return got;
    if (Result<void> got = readLabels(wanted, classIds); !got) return got;
    if ((done += wanted) < count) return {};
    if (Result<void> end = images.expectEnd(); !end) return end;
    return labelReader ? labelReader->expectEnd() : Result<void>();
  }

private:
  Result<void> readLabels(size_t wanted, uint16_t *classIds) {
    std::fill_n(classIds, wanted, uint16_t(0));
    if (!labelReader) return {};
    raw.resize(wanted);
    const uint64_t begin = labelReader->offset();
    if (Result<void> got = labelReader->read(raw); !got) return got;
    for (size_t i = 0; i < wanted; ++i) {
      if (raw[i] >= classes)
        return Error{labelReader->path() + ": offset " + std::to_string(begin + i) + ": label " + std::to_string(raw[i]) + ", expected 0.." +
                     std::to_string(classes - 1)};
      classIds[i] = raw[i];
    }
    return {};
  }

  ByteReader images;
  std::optional<ByteReader> labelReader; ///< none where only images are wanted
  uint32_t classes;
  uint64_t done = 0;
  std::vector<uint8_t> raw;
};
} // namespace

/// Opens an IDX file and reads its sizes.
static Result<ByteReader> openIdx(const std::string &path, unsigned rank, std::vector<uint32_t> &dims) {
  Result<ByteReader> reader = ByteReader::open(path);
  if (!reader) return reader;
  uint8_t header[4 + 4 * 3];
  Result<size_t> got = reader->readSome({header, 4 + size_t(4) * rank});
  if (!got) return got.takeError();
  Result<std::vector<uint32_t>> read = parseIdxHeader({reinterpret_cast<const char *>(header), *got}, path, rank);
  if (!read) return read.takeError();
  dims = std::move(*read);
  return reader;
}

Result<std::unique_ptr<DataSet>> openIdxData(const DataSetRequest &request) {
  const std::string stem = request.folder + "/" + (request.training ? "train" : "t10k");
  const std::string imagePath = plainOrZipped(stem + "-images-idx3-ubyte"), labelPath = plainOrZipped(stem + "-labels-idx1-ubyte");
  std::error_code error;
  if (!std::filesystem::exists(imagePath, error)) return std::unique_ptr<DataSet>();
  std::vector<uint32_t> sizes, counts;
  Result<ByteReader> images = openIdx(imagePath, 3, sizes);
  if (!images) return images.takeError();
  std::optional<ByteReader> labels;
  if (request.labelled) {
    Result<ByteReader> opened = openIdx(labelPath, 1, counts);
    if (!opened) return opened.takeError();
    if (sizes[0] != counts[0])
      return Error{labelPath + ": offset 4: " + std::to_string(counts[0]) + " labels for " + std::to_string(sizes[0]) + " images in " + imagePath};
    labels = std::move(*opened);
  }
  if (request.shape.channels != 1 || request.shape.height != sizes[1] || request.shape.width != sizes[2] || !request.bytesAccepted)
    return Error{imagePath + ": bytes of 1 x " + std::to_string(sizes[1]) + " x " + std::to_string(sizes[2]) + ", the network takes " +
                 (request.bytesAccepted ? "" : "float32 of ") + shapeText(request.shape)};
  auto data = std::make_unique<IdxData>(std::move(*images), std::move(labels), request.classes);
  data->format = "idx";
  data->folder = request.folder;
  data->count = sizes[0];
  data->imageElements = request.shape.elements();
  if (request.name == "fashion-mnist" && request.classes == 10)
    data->classNames = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
  if (request.name == "mnist" && request.classes == 10)
    for (char digit = '0'; digit <= '9'; ++digit) data->classNames.emplace_back(1, digit);
  return std::unique_ptr<DataSet>(std::move(data));
}

} // namespace triton::zoo
