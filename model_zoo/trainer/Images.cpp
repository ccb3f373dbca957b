#include "Images.h"

#include "WeightCodes.h"
#include "triton/Support/Sha256.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace triton::trainer {

/// 0 .. count - 1 in an order that depends on nothing else.
static std::vector<uint32_t> shuffled(size_t count) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[splitMix(0, i) % i]);
  return order;
}

Result<Images> Images::load(const zoo::DataSetRequest &request, uint64_t mostBytes) {
  Result<std::unique_ptr<zoo::DataSet>> opened = zoo::openDataSet(request);
  if (!opened) return opened.takeError();
  zoo::DataSet &data = **opened;
  const bool sorted = data.format == "folder";
  auto made = std::make_shared<Held>();
  made->shape = request.shape;
  if (sorted || data.format == "npy") made->folder = data.folder;
  Images out;
  out.number = static_cast<int64_t>(data.count);
  made->labels.resize(data.count);
  if (data.count <= mostBytes / std::max<size_t>(data.imageBytes(), 1)) {
    made->pixels.resize(data.count * data.imageBytes());
    // Piece by piece: a folder decodes a piece on all threads.
    constexpr uint64_t piece = 1024;
    for (uint64_t at = 0; at < data.count; at += piece)
      if (Result<void> got = data.read(std::min(piece, data.count - at), made->pixels.data() + at * data.imageBytes(), made->labels.data() + at); !got)
        return got.takeError();
  } else if (data.isIndexed()) {
    for (uint64_t i = 0; i < data.count; ++i) made->labels[i] = data.labelAt(i);
    made->source = std::move(*opened);
  } else {
    return Error{data.folder + ": " + std::to_string(data.count) + " images of " + std::to_string(data.imageBytes()) + " bytes are more than " +
                 std::to_string(mostBytes) + " bytes; give more with --memory"};
  }
  if (request.training && sorted) made->order = shuffled(made->labels.size());
  out.held = std::move(made);
  return out;
}

Images Images::of(const zoo::ImageShape &shape, std::vector<uint8_t> pixels, std::vector<uint16_t> labels) {
  auto made = std::make_shared<Held>();
  Images out;
  out.number = static_cast<int64_t>(labels.size());
  made->shape = shape;
  made->pixels = std::move(pixels);
  made->labels = std::move(labels);
  out.held = std::move(made);
  return out;
}

uint16_t Images::largestLabel() const {
  uint16_t largest = 0;
  for (int64_t i = 0; i < number; ++i) largest = std::max(largest, label(i));
  return largest;
}

const uint8_t *Images::pixels(int64_t i, std::vector<uint8_t> &buffer) const {
  const size_t at = place(i);
  if (!held->source) return held->pixels.data() + at * held->shape.elements();
  buffer.resize(held->shape.elements());
  if (Result<void> got = held->source->readAt(at, buffer.data()); !got) throw std::runtime_error(got.error().message);
  return buffer.data();
}

Images Images::part(int64_t begin, int64_t length) const {
  Images out = *this;
  out.first = first + begin;
  out.number = length;
  return out;
}

std::string Images::digest() const {
  Sha256 hash;
  std::vector<uint8_t> buffer;
  for (int64_t i = 0; i < number; ++i) hash.update(pixels(i, buffer), held->shape.elements());
  return hash.finishHex();
}

} // namespace triton::trainer
