// Two passes of a separable filter in fixed point. The numbers (22 bits, what is rounded where) are those of Pillow, so that bytes agree.
#include "Resize.h"

#include <algorithm>
#include <cmath>

namespace triton::zoo {

// 8 bits of pixel, 22 of fraction, 2 for sums of weights that overshoot (cubic) and the sign.
static constexpr int fractionBits = 32 - 8 - 2;

namespace {
/// For each output position from the window's first: which source positions count, and how much.
struct Taps {
  std::vector<uint32_t> first, count;
  std::vector<int32_t> weights; ///< `stride` for each position
  size_t stride = 0;
};
} // namespace

std::optional<Filter> filterNamed(std::string_view name) {
  if (name == "bilinear") return Filter::Bilinear;
  if (name == "bicubic") return Filter::Bicubic;
  return std::nullopt;
}

std::string_view filterName(Filter filter) { return filter == Filter::Bilinear ? "bilinear" : "bicubic"; }

static double filterRadius(Filter filter) { return filter == Filter::Bilinear ? 1 : 2; }

static double weightAt(Filter filter, double distance) {
  const double d = std::fabs(distance);
  if (filter == Filter::Bilinear) return d < 1 ? 1 - d : 0;
  constexpr double a = -0.5;
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}

static Taps tapsOf(uint32_t from, uint64_t to, uint64_t begin, uint32_t length, Filter filter) {
  Taps taps;
  const double scale = double(from) / double(to), widening = std::max(scale, 1.0), radius = filterRadius(filter) * widening;
  taps.stride = size_t(std::ceil(radius)) * 2 + 1;
  taps.weights.assign(taps.stride * length, 0);
  std::vector<double> real(taps.stride);
  for (uint32_t i = 0; i < length; ++i) {
    const double centre = (double(begin + i) + 0.5) * scale;
    const int64_t low = std::max<int64_t>(int64_t(centre - radius + 0.5), 0);
    const int64_t high = std::min<int64_t>(int64_t(centre + radius + 0.5), from);
    const size_t count = std::min(size_t(std::max<int64_t>(high - low, 0)), taps.stride);
    double sum = 0;
    for (size_t k = 0; k < count; ++k) sum += real[k] = weightAt(filter, (double(k) + double(low) - centre + 0.5) * (1.0 / widening));
    for (size_t k = 0; k < count; ++k) {
      const double share = (sum != 0 ? real[k] / sum : real[k]) * double(1 << fractionBits);
      taps.weights[i * taps.stride + k] = int32_t(share < 0 ? share - 0.5 : share + 0.5);
    }
    taps.first.push_back(uint32_t(low));
    taps.count.push_back(uint32_t(count));
  }
  return taps;
}

static uint8_t rounded(int32_t sum) { return uint8_t(std::clamp(sum >> fractionBits, 0, 255)); }

Image resize(const Image &image, uint64_t width, uint64_t height, const Window &window, Filter filter) {
  const Taps columns = tapsOf(image.width, width, window.x, window.width, filter);
  const Taps rows = tapsOf(image.height, height, window.y, window.height, filter);
  constexpr int32_t half = 1 << (fractionBits - 1);
  // The source rows that the window's rows look at.
  const uint32_t top = rows.first.front(), bottom = rows.first.back() + rows.count.back();
  const size_t rowBytes = size_t(3) * window.width;
  std::vector<uint8_t> narrowed(rowBytes * (bottom - top));
  for (uint32_t y = top; y < bottom; ++y) {
    const uint8_t *source = image.pixels.data() + size_t(3) * image.width * y;
    uint8_t *out = narrowed.data() + rowBytes * (y - top);
    for (uint32_t x = 0; x < window.width; ++x) {
      const uint8_t *in = source + size_t(3) * columns.first[x];
      const int32_t *weights = columns.weights.data() + columns.stride * x;
      int32_t sum[3] = {half, half, half};
      for (uint32_t k = 0; k < columns.count[x]; ++k)
        for (unsigned c = 0; c < 3; ++c) sum[c] += in[3 * k + c] * weights[k];
      for (unsigned c = 0; c < 3; ++c) out[3 * x + c] = rounded(sum[c]);
    }
  }
  Image result;
  result.width = window.width;
  result.height = window.height;
  result.pixels.resize(rowBytes * window.height);
  std::vector<int32_t> sums(rowBytes);
  for (uint32_t y = 0; y < window.height; ++y) {
    std::fill(sums.begin(), sums.end(), half);
    for (uint32_t k = 0; k < rows.count[y]; ++k) {
      const uint8_t *in = narrowed.data() + rowBytes * (rows.first[y] - top + k);
      const int32_t weight = rows.weights[rows.stride * y + k];
      for (size_t i = 0; i < rowBytes; ++i) sums[i] += in[i] * weight;
    }
    std::transform(sums.begin(), sums.end(), result.pixels.begin() + ptrdiff_t(rowBytes * y), rounded);
  }
  return result;
}

/// Half of `spare`, a tie to the even number (Python's round).
static uint64_t centred(uint64_t spare) { return spare / 2 + (spare % 2 && spare / 2 % 2); }

static std::string sizeText(uint64_t width, uint64_t height) { return std::to_string(width) + " x " + std::to_string(height); }

uint32_t usualResize(uint32_t width, uint32_t height) { return uint32_t((uint64_t(std::max(width, height)) * 8 + 3) / 7); }

Result<Image> prepareImage(const Image &image, const Preparation &preparation, uint32_t width, uint32_t height, const std::string &name) {
  const bool asItIs = image.width == width && image.height == height;
  const uint32_t shortest = preparation.resize || asItIs ? preparation.resize : preparation.otherwise;
  if (shortest == 0) {
    if (asItIs) return image;
    return Error{name + ": " + sizeText(image.width, image.height) + " pixels, the network takes " + sizeText(width, height) +
                 "; --resize N resizes the shorter side to N and takes the centre"};
  }
  const uint64_t shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
  const uint64_t stretched = shortest * longer / shorter;
  const bool portrait = image.width <= image.height;
  const uint64_t resizedWidth = portrait ? shortest : stretched, resizedHeight = portrait ? stretched : shortest;
  if (resizedWidth < width || resizedHeight < height)
    return Error{name + ": resized to " + sizeText(resizedWidth, resizedHeight) + " pixels, too small to cut out " + sizeText(width, height)};
  return resize(image, resizedWidth, resizedHeight, {centred(resizedWidth - width), centred(resizedHeight - height), width, height},
                preparation.filter);
}

void writePlanes(const Image &image, unsigned channels, uint8_t *out) {
  const size_t count = size_t(image.width) * image.height;
  const uint8_t *in = image.pixels.data();
  if (channels == 1) {
    // 0.299, 0.587 and 0.114 in 16 bits.
    for (size_t i = 0; i < count; ++i) out[i] = uint8_t((in[3 * i] * 19595u + in[3 * i + 1] * 38470u + in[3 * i + 2] * 7471u + 0x8000u) >> 16);
    return;
  }
  for (unsigned c = 0; c < 3; ++c)
    for (size_t i = 0; i < count; ++i) out[c * count + i] = in[3 * i + c];
}

} // namespace triton::zoo
