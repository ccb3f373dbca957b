// The user's own arrays: images.npy and labels.npy.
#include "ByteReader.h"
#include "DataSet.h"

#include "triton/Tensor/Npy.h"

#include <algorithm>
#include <filesystem>

namespace triton::zoo {

// Labels are kept: two bytes for each image.
static constexpr uint64_t maxImages = uint64_t(1) << 28;

namespace {
class NpyData : public DataSet {
public:
  NpyData(ByteReader images, std::vector<uint16_t> labels) : images(std::move(images)), labels(std::move(labels)) {}

  Result<void> read(size_t wanted, uint8_t *out, uint16_t *classIds) override {
    if (Result<void> got = images.read({out, wanted * imageBytes()}); !got) return got;
    if (labels.empty()) // only images are wanted
      std::fill_n(classIds, wanted, uint16_t(0));
    else
      std::copy_n(labels.begin() + ptrdiff_t(done), wanted, classIds);
    done += wanted;
    return {};
  }

private:
  ByteReader images;
  std::vector<uint16_t> labels;
  size_t done = 0;
};
} // namespace

/// Integers of any width as class ids.
static Result<std::vector<uint16_t>> readLabels(const std::string &path, uint32_t classes) {
  Result<HostTensor> tensor = readNpy(path);
  if (!tensor) return tensor.takeError();
  if (tensor->shape.size() != 1 || isFloat(tensor->type) || tensor->type == ElementType::Bool)
    return Error{path + ": labels must be integers of shape [N], the file holds " + std::string(safetensorsName(tensor->type)) + " " +
                 formatShape(tensor->shape)};
  const size_t width = elementBytes(tensor->type);
  std::vector<uint16_t> labels(size_t(tensor->count()));
  for (size_t i = 0; i < labels.size(); ++i) {
    // Little-endian; a negative number has bits beyond any number of classes.
    uint64_t value = 0;
    for (size_t b = 0; b < width; ++b) value |= uint64_t(tensor->bytes[i * width + b]) << (8 * b);
    if (value >= classes)
      return Error{path + ": label " + std::to_string(i) + " is not in 0.." + std::to_string(classes - 1)};
    labels[i] = uint16_t(value);
  }
  return labels;
}

Result<std::unique_ptr<DataSet>> openNpyData(const DataSetRequest &request) {
  std::error_code error;
  const std::string part = request.folder + (request.training ? "/train" : "/val");
  const std::string folder = std::filesystem::exists(part + "/images.npy", error) ? part : request.folder;
  const std::string imagePath = folder + "/images.npy", labelPath = folder + "/labels.npy";
  const bool hasImages = std::filesystem::exists(imagePath, error), hasLabels = std::filesystem::exists(labelPath, error);
  if (!hasImages && (!hasLabels || !request.labelled)) return std::unique_ptr<DataSet>();
  if (request.labelled && (!hasImages || !hasLabels))
    return Error{folder + ": " + (hasImages ? "images.npy without labels.npy" : "labels.npy without images.npy")};
  Result<ByteReader> images = ByteReader::open(imagePath);
  if (!images) return images.takeError();
  std::vector<uint8_t> head(npyPrefixBytes());
  Result<size_t> got = images->readSome(head);
  if (!got) return got.takeError();
  Result<NpyHeader> header = parseNpyHeader({reinterpret_cast<const char *>(head.data()), *got}, images->fileBytes(), imagePath);
  if (!header) return header.takeError();

  const ImageShape &s = request.shape;
  TensorShape shape = header->shape;
  if (shape.size() == 3 && s.channels == 1) shape.insert(shape.begin() + 1, 1);
  if (shape.size() != 4 || shape[1] != s.channels || shape[2] != s.height || shape[3] != s.width)
    return Error{imagePath + ": the network takes images [N, " + std::to_string(s.channels) + ", " + std::to_string(s.height) + ", " +
                 std::to_string(s.width) + "], the file holds " + formatShape(header->shape)};
  const bool bytes = header->type == ElementType::U8 && request.bytesAccepted;
  if (!bytes && !(header->type == ElementType::F32 && request.floatsAccepted))
    return Error{imagePath + ": the network takes " + (request.bytesAccepted ? request.floatsAccepted ? "uint8 or float32" : "uint8" : "float32") +
                 ", the file holds " + std::string(safetensorsName(header->type))};
  if (header->fortran) return Error{imagePath + ": in Fortran order; save it with numpy.ascontiguousarray"};
  if (shape[0] == 0 || uint64_t(shape[0]) > maxImages) return Error{imagePath + ": " + std::to_string(shape[0]) + " images"};
  Result<std::vector<uint16_t>> labels = request.labelled ? readLabels(labelPath, request.classes) : std::vector<uint16_t>();
  if (!labels) return labels.takeError();
  if (request.labelled && labels->size() != uint64_t(shape[0]))
    return Error{labelPath + ": " + std::to_string(labels->size()) + " labels for " + std::to_string(shape[0]) + " images"};
  // The header's length was not known before; begin again behind it.
  images = ByteReader::open(imagePath);
  if (!images) return images.takeError();
  head.resize(header->dataAt);
  if (Result<void> skipped = images->read(head); !skipped) return skipped.takeError();
  auto data = std::make_unique<NpyData>(std::move(*images), std::move(*labels));
  data->format = "npy";
  data->folder = folder;
  data->count = uint64_t(shape[0]);
  data->type = header->type;
  data->imageElements = s.elements();
  return std::unique_ptr<DataSet>(std::move(data));
}

} // namespace triton::zoo
