// Labelled images in the order of their data set, read as they are asked for. One interface for every format. No LLVM.
#pragma once

#include "Resize.h"
#include "triton/Support/Result.h"
#include "triton/Tensor/HostTensor.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace triton::zoo {

/// The images that a network takes: `channels` planes of height x width elements.
struct ImageShape {
  uint32_t channels = 0, height = 0, width = 0;
  size_t elements() const { return size_t(channels) * height * width; }
};

/// What a network needs of a data set.
struct DataSetRequest {
  std::string name;   ///< the data set of its manifest (`cifar10`), or empty
  std::string folder; ///< where it lies
  bool training = false;
  bool labelled = true; ///< false: only images are wanted, so that classes do not count, and pictures may lie in any folders or none
  ImageShape shape;
  uint32_t classes = 0;
  bool bytesAccepted = true, floatsAccepted = false; ///< whether images may be uint8, float32
  Preparation preparation;                           ///< of pictures
  unsigned threads = 1;                              ///< to decode pictures on
};

/// A data set that is being read. One-thread.
class DataSet {
public:
  virtual ~DataSet() = default;

  /// Reads the next `count` images, which must be there, and their classes. `images` takes count * imageBytes() bytes. Errors name the file
  /// and the place: damage, a label that is not below the number of classes, an image of another size.
  virtual Result<void> read(size_t count, uint8_t *images, uint16_t *labels) = 0;

  /// Passes over the next `count` images, which must be there.
  virtual Result<void> skip(uint64_t count);

  /// Whether images can be had in any order, by readAt and labelAt.
  virtual bool isIndexed() const { return false; }
  /// Reads image `index` of a data set that isIndexed(), wherever `read` stands. Thread-safe.
  virtual Result<void> readAt(uint64_t index, uint8_t *image) const;
  virtual uint16_t labelAt(uint64_t index) const;

  /// "idx", "cifar", "folder" or "npy".
  std::string format;
  std::string folder;
  uint64_t count = 0;
  ElementType type = ElementType::U8; ///< of an image's elements: U8, or F32 where the user gives what the network takes
  size_t imageElements = 0;
  std::vector<std::string> classNames; ///< one for each class, or none

  size_t imageBytes() const { return imageElements * elementBytes(type); }
};

/// Opens a data set. What lies in the folder decides how it is read:
///  - `images.npy` and `labels.npy`: the user's own arrays, uint8 or float32 [N, C, H, W] (C = 1 may be left out), integers [N]; those in
///    `train` or `val` before those in the folder;
///  - MNIST's four files, plain or gzipped: `mnist`, `fashion-mnist`;
///  - CIFAR's binary files, also in the folder that its archive makes: `cifar10`, `cifar100`;
///  - else a folder of pictures for each class, in the folder or in its `val`: classes are numbered in the order of the folders' names
///    (by bytes), pictures come by path within a class.
/// With `labelled` false: `images.npy` without `labels.npy` is enough, and pictures are all those in the folder and below it (or in its
/// `train`, where training images are asked for), by path.
/// Errors: nothing of these; another number of classes or another shape than asked for; files that contradict each other.
Result<std::unique_ptr<DataSet>> openDataSet(const DataSetRequest &request);

// The formats alone; each gives null when the folder holds nothing of its kind.
Result<std::unique_ptr<DataSet>> openNpyData(const DataSetRequest &request);
Result<std::unique_ptr<DataSet>> openIdxData(const DataSetRequest &request);
Result<std::unique_ptr<DataSet>> openCifarData(const DataSetRequest &request);
Result<std::unique_ptr<DataSet>> openImageFolder(const DataSetRequest &request);

/// "3 x 32 x 32".
std::string shapeText(const ImageShape &shape);

} // namespace triton::zoo
