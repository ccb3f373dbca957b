// Which format lies in a folder.
#include "DataSet.h"

#include <filesystem>

namespace triton::zoo {

std::string shapeText(const ImageShape &shape) {
  return std::to_string(shape.channels) + " x " + std::to_string(shape.height) + " x " + std::to_string(shape.width);
}

/// What to get, and how it should lie, for a data set that was not found.
static std::string expectedFiles(const std::string &name) {
  if (name == "fashion-mnist" || name == "mnist") return "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (or .gz)";
  if (name == "cifar10") return "cifar-10-batches-bin/test_batch.bin (the binary version of CIFAR-10)";
  if (name == "cifar100") return "cifar-100-binary/test.bin (the binary version of CIFAR-100)";
  return "a folder of JPEG or PNG files for each class (or such folders in val/)";
}

Result<std::unique_ptr<DataSet>> openDataSet(const DataSetRequest &request) {
  if (request.classes == 0 || request.classes > 65535)
    return Error{"data sets have 1 to 65535 classes, the network has " + std::to_string(request.classes)};
  std::error_code error;
  if (!std::filesystem::is_directory(request.folder, error))
    return Error{request.folder + ": no such folder", ErrorKind::Environment};
  for (auto open : {openNpyData, openIdxData, openCifarData, openImageFolder}) {
    Result<std::unique_ptr<DataSet>> found = open(request);
    if (!found || *found) return found;
  }
  return Error{request.folder + ": no data set here; expected " + expectedFiles(request.name) + ", or images.npy and labels.npy",
               ErrorKind::Environment};
}

} // namespace triton::zoo
