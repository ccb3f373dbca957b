// Which format lies in a folder.
#include "DataSet.h"

#include <algorithm>
#include <filesystem>

namespace triton::zoo {

std::string shapeText(const ImageShape &shape) {
  return std::to_string(shape.channels) + " x " + std::to_string(shape.height) + " x " + std::to_string(shape.width);
}

Result<void> DataSet::skip(uint64_t wanted) {
  const size_t most = std::max<size_t>((size_t(1) << 20) / std::max<size_t>(imageBytes(), 1), 1);
  std::vector<uint8_t> images(std::min<uint64_t>(most, wanted) * imageBytes());
  std::vector<uint16_t> labels(std::min<uint64_t>(most, wanted));
  for (uint64_t left = wanted; left > 0;) {
    const size_t now = std::min<uint64_t>(left, most);
    if (Result<void> got = read(now, images.data(), labels.data()); !got) return got;
    left -= now;
  }
  return {};
}

Result<void> DataSet::readAt(uint64_t, uint8_t *) const {
  return Error{folder + ": images of this format come in their order only", ErrorKind::Internal};
}

uint16_t DataSet::labelAt(uint64_t) const { return 0; }

/// What to get, and how it should lie, for a data set that was not found.
static std::string expectedFiles(const DataSetRequest &request) {
  const std::string &name = request.name, part = request.training ? "train" : "t10k";
  if (name == "fashion-mnist" || name == "mnist") return part + "-images-idx3-ubyte and " + part + "-labels-idx1-ubyte (or .gz)";
  if (name == "cifar10")
    return std::string("cifar-10-batches-bin/") + (request.training ? "data_batch_1.bin to data_batch_5.bin" : "test_batch.bin") +
           " (the binary version of CIFAR-10)";
  if (name == "cifar100") return std::string("cifar-100-binary/") + (request.training ? "train.bin" : "test.bin") + " (the binary version of CIFAR-100)";
  if (!request.labelled) return "JPEG or PNG files, the training files of MNIST or CIFAR";
  return std::string("a folder of JPEG or PNG files for each class (or such folders in ") + (request.training ? "train/)" : "val/)");
}

Result<std::unique_ptr<DataSet>> openDataSet(const DataSetRequest &request) {
  if (request.labelled && (request.classes == 0 || request.classes > 65535))
    return Error{"data sets have 1 to 65535 classes, the network has " + std::to_string(request.classes)};
  std::error_code error;
  if (!std::filesystem::is_directory(request.folder, error))
    return Error{request.folder + ": no such folder", ErrorKind::Environment};
  for (auto open : {openNpyData, openIdxData, openCifarData, openImageFolder}) {
    Result<std::unique_ptr<DataSet>> found = open(request);
    if (!found || *found) return found;
  }
  return Error{request.folder + ": no data set here; expected " + expectedFiles(request) +
                   (request.labelled ? ", or images.npy and labels.npy" : ", or images.npy"),
               ErrorKind::Environment};
}

} // namespace triton::zoo
