// Labelled images in any order, from any data set that the zoo reads. No LibTorch.
#pragma once

#include "DataSet.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace triton::trainer {

/// Images of one size as uint8 planes, and their classes. A data set that fits is kept; of a larger folder of pictures each is decoded
/// when it is asked for. Copies share what they hold. Immutable, so any number of threads may read. Training images of a folder, which
/// lie class by class, are in an order of their own, the same in every run, so that a part of them has all classes; others in that of their data set.
class Images {
public:
  /// Opens a data set. Errors: as openDataSet and DataSet::read; one that is larger than `mostBytes` and does not come picture by picture.
  static Result<Images> load(const zoo::DataSetRequest &request, uint64_t mostBytes);
  /// Images that are at hand: shape.elements() bytes for each label.
  static Images of(const zoo::ImageShape &shape, std::vector<uint8_t> pixels, std::vector<uint16_t> labels);

  int64_t count() const { return number; }
  /// Where its own arrays or pictures lie; empty for formats that keep training and test images in files of their own.
  const std::string &folder() const { return held->folder; }
  const zoo::ImageShape &shape() const { return held->shape; }
  uint16_t label(int64_t i) const { return held->labels[place(i)]; }
  uint16_t largestLabel() const;

  /// The planes of image `i`: where they are kept, else decoded into `buffer`. Throws std::runtime_error when a picture cannot be read.
  const uint8_t *pixels(int64_t i, std::vector<uint8_t> &buffer) const;

  /// `length` images from `begin` on.
  Images part(int64_t begin, int64_t length) const;

  /// SHA-256 of all pixels. Reads every picture.
  std::string digest() const;

private:
  struct Held {
    std::string folder;
    zoo::ImageShape shape;
    std::vector<uint8_t> pixels;
    std::vector<uint16_t> labels;
    std::vector<uint32_t> order; ///< the places of images in the data set; empty for its own order
    std::unique_ptr<zoo::DataSet> source; ///< of images that are not kept
  };
  Images() = default;
  size_t place(int64_t i) const {
    const auto at = static_cast<size_t>(first + i);
    return held->order.empty() ? at : held->order[at];
  }

  std::shared_ptr<const Held> held;
  int64_t first = 0, number = 0;
};

} // namespace triton::trainer
