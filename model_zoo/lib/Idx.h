// The IDX format of the MNIST family (yann.lecun.com/exdb/mnist), plain or gzipped, and the Fashion-MNIST files. No LLVM.
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace triton::zoo {

/// A tensor of unsigned bytes, row-major.
struct IdxTensor {
  std::vector<uint32_t> dims;
  std::vector<uint8_t> bytes;
};

/// Inflates gzip data of at most `limitBytes` bytes. `name` stands in messages.
Result<std::string> gunzip(std::string_view compressed, const std::string &name, uint64_t limitBytes);

/// The sizes that the first bytes of IDX data give; what follows the header is not looked at. Errors: as parseIdx.
Result<std::vector<uint32_t>> parseIdxHeader(std::string_view data, const std::string &name, unsigned rank);

/// Reads IDX data of unsigned bytes with exactly `rank` dimensions. Errors name the file and the offset: a wrong magic number,
/// element type or rank, a zero size, too few or too many bytes.
Result<IdxTensor> parseIdx(std::string_view data, const std::string &name, unsigned rank);

/// Reads an IDX file; one that begins with the gzip magic number is inflated first.
Result<IdxTensor> readIdx(const std::string &path, unsigned rank);

/// `path`, or `path`.gz where only that one is there, or none of them.
std::string plainOrZipped(const std::string &path);

/// Images [count, height, width] and their classes.
struct ImageSet {
  uint32_t count = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;
  std::vector<uint8_t> labels;

  const uint8_t *image(size_t i) const { return pixels.data() + i * height * width; }
};

/// Where Debian's package dataset-fashion-mnist puts its files.
inline const char *fashionMnistFolder() { return "/usr/share/datasets/fashion-mnist"; }

/// Reads the training (60,000) or test images (10,000) of a folder in MNIST's layout; each file may be gzipped (".gz").
/// Errors: as readIdx; counts of images and labels that differ; a label that is not below `classes`.
Result<ImageSet> readImageSet(const std::string &folder, bool training, unsigned classes = 10);

} // namespace triton::zoo
