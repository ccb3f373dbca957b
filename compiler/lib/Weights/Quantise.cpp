// Weights to codes, all in float64 as section 10 of the language fixes it; a scale is rounded once, to float32, at the end.
#include "triton/Weights/Quantise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace triton {

uint64_t splitMix64(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

uint64_t keyHash64(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

/// True when the draw of element `index` says zero, where `zero` is the probability of that.
static bool drawsZero(uint64_t z, double zero) { return static_cast<double>(z >> 11) < std::floor(zero * 0x1p53); }

std::vector<int8_t> drawTrits(int64_t count, uint64_t seed, double zero) {
  std::vector<int8_t> trits(static_cast<size_t>(count));
  for (size_t i = 0; i < trits.size(); ++i) {
    uint64_t z = splitMix64(seed, i);
    trits[i] = drawsZero(z, zero) ? 0 : (z & 1) ? 1 : -1;
  }
  return trits;
}

ScaleLayout::ScaleLayout(const TensorShape &shape, int64_t axis, WeightScale scale, int64_t group) {
  int64_t count = elementCount(shape).value_or(0);
  bool hasAxis = axis >= 0 && axis < static_cast<int64_t>(shape.size());
  if (hasAxis) {
    axisSize = shape[static_cast<size_t>(axis)];
    for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); ++i) inner *= shape[i];
  } else {
    inner = std::max<int64_t>(count, 1);
  }
  perTensor = scale == WeightScale::PerTensor;
  perGroup = scale == WeightScale::PerGroup;
  int64_t perChannel = axisSize > 0 ? count / axisSize : 0;
  channelCount = perTensor ? 1 : axisSize;
  groupSize = perGroup && group > 0 ? group : std::max<int64_t>(perChannel, 1);
  groupCount = perGroup && group > 0 ? std::max<int64_t>(perChannel / group, 1) : 1;
}

bool ScaleLayout::groupDivides(const TensorShape &shape, int64_t axis, int64_t group) {
  int64_t count = elementCount(shape).value_or(0);
  int64_t channels = axis >= 0 && axis < static_cast<int64_t>(shape.size()) ? shape[static_cast<size_t>(axis)] : 1;
  return group > 0 && channels > 0 && count / channels % group == 0;
}

std::vector<uint32_t> ScaleLayout::indices(size_t count) const {
  std::vector<uint32_t> out(count);
  if (perTensor) return out;
  size_t at = 0;
  for (int64_t outer = 0; at < count; ++outer)
    for (int64_t c = 0; c < axisSize && at < count; ++c) {
      int64_t position = outer * inner, group = position / groupSize, left = groupSize - position % groupSize;
      for (int64_t i = 0; i < inner && at < count; ++i, ++at) {
        out[at] = static_cast<uint32_t>(c * groupCount + group);
        if (--left == 0) {
          ++group;
          left = groupSize;
        }
      }
    }
  return out;
}

TensorShape ScaleLayout::shape() const {
  if (perTensor) return {};
  if (perGroup) return {channelCount, groupCount};
  return {channelCount};
}

bool hasCodes(DType storage) { return storage == DType::Trit || storage == DType::Int8 || storage == DType::Int4; }

int64_t largestCode(DType storage) { return storage == DType::Trit ? 1 : storage == DType::Int4 ? 7 : 127; }

ScaleLayout scaleLayout(const WeightPolicy &policy, const TensorShape &shape, int64_t axis) {
  return ScaleLayout(shape, axis, policy.storage == DType::Trit ? policy.scale : WeightScale::PerChannel, policy.group);
}

static int8_t signOf(double w) { return w > 0 ? 1 : w < 0 ? -1 : 0; }

/// rne(v) clamped to -limit..limit; the host rounds to nearest even by default.
static int8_t roundedCode(double v, double limit) {
  return static_cast<int8_t>(std::clamp(std::nearbyint(v), -limit, limit));
}

namespace {

/// What one pass over a weight tells about each scale group.
struct Statistics {
  std::vector<double> absSum, absMax;
  std::vector<int64_t> count;

  Statistics(std::span<const double> values, const std::vector<uint32_t> &index, size_t scales)
      : absSum(scales), absMax(scales), count(scales) {
    for (size_t i = 0; i < values.size(); ++i) {
      size_t s = index[i];
      double a = std::fabs(values[i]);
      absSum[s] += a;
      absMax[s] = std::max(absMax[s], a);
      ++count[s];
    }
  }
  double mean(size_t s) const { return count[s] ? absSum[s] / static_cast<double>(count[s]) : 0; }
};

} // namespace

/// Trits by a threshold per group; the scale is the mean of what is kept, or 1.
static void byThreshold(std::span<const double> values, const std::vector<uint32_t> &index, const std::vector<double> &threshold,
                        std::vector<int8_t> &codes, std::vector<double> &scales) {
  std::vector<double> kept(scales.size());
  std::vector<int64_t> count(scales.size());
  for (size_t i = 0; i < values.size(); ++i) {
    size_t s = index[i];
    double a = std::fabs(values[i]);
    if (!(a > threshold[s])) continue;
    codes[i] = signOf(values[i]);
    kept[s] += a;
    ++count[s];
  }
  for (size_t s = 0; s < scales.size(); ++s) scales[s] = count[s] ? kept[s] / static_cast<double>(count[s]) : 1;
}

Result<WeightCodes> quantiseWeights(std::span<const double> values, const TensorShape &shape, int64_t axis,
                                    const WeightPolicy &policy, std::string_view key, std::span<const double> delta,
                                    std::span<const double> scale) {
  if (elementCount(shape) != static_cast<int64_t>(values.size()))
    return Error{"'" + std::string(key) + "': shape " + formatShape(shape) + " does not hold " + std::to_string(values.size()) +
                 " values"};
  if (!hasCodes(policy.storage)) return Error{"'" + std::string(key) + "' is stored as floats, not as codes", ErrorKind::Internal};
  bool trits = policy.storage == DType::Trit;
  if (trits && policy.scale == WeightScale::PerGroup && !ScaleLayout::groupDivides(shape, axis, policy.group))
    return Error{"'" + std::string(key) + "': groups of " + std::to_string(policy.group) + " do not divide a channel of " +
                 formatShape(shape)};
  ScaleLayout layout = scaleLayout(policy, shape, axis);
  WeightCodes out;
  out.channels = layout.channels();
  out.groups = layout.groups();
  out.codes.assign(values.size(), 0);
  std::vector<double> scales(static_cast<size_t>(layout.scales()), 1);
  std::vector<uint32_t> index = layout.indices(values.size());
  Statistics stats(values, index, scales.size());
  auto scaleIndex = [&](size_t i) -> size_t { return index[i]; };

  if (!trits) {
    auto limit = static_cast<double>(largestCode(policy.storage));
    for (size_t s = 0; s < scales.size(); ++s) scales[s] = stats.absMax[s] == 0 ? 1 : stats.absMax[s] / limit;
    for (size_t i = 0; i < values.size(); ++i) out.codes[i] = roundedCode(values[i] / scales[scaleIndex(i)], limit);
  } else {
    switch (policy.method) {
    case WeightMethod::Twn: {
      std::vector<double> threshold(scales.size());
      for (size_t s = 0; s < scales.size(); ++s) threshold[s] = policy.threshold * stats.mean(s);
      byThreshold(values, index, threshold, out.codes, scales);
      break;
    }
    case WeightMethod::Fixed:
      byThreshold(values, index, std::vector<double>(scales.size(), policy.threshold), out.codes, scales);
      break;
    case WeightMethod::AbsMean:
      for (size_t s = 0; s < scales.size(); ++s) scales[s] = stats.mean(s) == 0 ? 1 : stats.mean(s);
      for (size_t i = 0; i < values.size(); ++i) out.codes[i] = roundedCode(values[i] / scales[scaleIndex(i)], 1);
      break;
    case WeightMethod::Stochastic:
      for (size_t s = 0; s < scales.size(); ++s) scales[s] = stats.absMax[s] == 0 ? 1 : stats.absMax[s];
      for (size_t i = 0; i < values.size(); ++i) {
        // The draw of random_ternary with the probability of a zero, 1 - |w| / s.
        double zero = 1 - std::fabs(values[i]) / scales[scaleIndex(i)];
        out.codes[i] = drawsZero(splitMix64(policy.seed, i), zero) ? 0 : signOf(values[i]);
      }
      break;
    case WeightMethod::Learned: {
      auto pick = [&](std::span<const double> from, size_t s) { return from.size() == 1 ? from[0] : from[s]; };
      for (auto [what, given] : {std::pair{".delta", delta}, std::pair{".scale", scale}})
        if (given.size() != 1 && given.size() != scales.size())
          return Error{"'" + std::string(key) + what + "' has " + std::to_string(given.size()) + " values, expected " +
                       std::to_string(scales.size())};
      for (size_t i = 0; i < values.size(); ++i)
        out.codes[i] = std::fabs(values[i]) > pick(delta, scaleIndex(i)) ? signOf(values[i]) : 0;
      for (size_t s = 0; s < scales.size(); ++s) scales[s] = pick(scale, s);
      break;
    }
    }
  }

  out.scales.resize(scales.size());
  for (size_t s = 0; s < scales.size(); ++s) {
    out.scales[s] = static_cast<float>(scales[s]);
    // Weights so small that float32 cannot hold their scale: nothing is left of them.
    if (out.scales[s] == 0) {
      out.scales[s] = 1;
      for (size_t i = 0; i < values.size(); ++i)
        if (scaleIndex(i) == s) out.codes[i] = 0;
    }
    if (!(out.scales[s] > 0) || std::isinf(out.scales[s]))
      return Error{"'" + std::string(key) + "': scale " + std::to_string(s) + " is " + std::to_string(scales[s]) +
                   "; it must be positive and fit float32"};
  }
  return out;
}

/// Rounds |value| to `mantissa` bits after the leading one, with the smallest exponent `lowest` for the leading bit, and
/// gives the magnitude bits of a format with that many fraction bits.
static uint32_t roundMagnitude(double magnitude, int mantissa, int lowest, uint32_t infinity) {
  if (std::isinf(magnitude)) return infinity;
  if (magnitude == 0) return 0;
  int exponent = std::max(std::ilogb(magnitude), lowest);
  double steps = std::nearbyint(std::ldexp(magnitude, mantissa - exponent)); // exact scaling, one rounding
  auto n = static_cast<uint64_t>(steps);
  uint64_t one = uint64_t(1) << mantissa;
  if (n >= 2 * one) {
    n /= 2;
    ++exponent;
  }
  // A subnormal has n < 2^mantissa and the field 0; a normal number's leading bit adds one to the field by itself.
  uint64_t field = static_cast<uint64_t>(exponent - lowest);
  uint64_t bits = (field << mantissa) + n;
  return bits >= infinity ? infinity : static_cast<uint32_t>(bits);
}

uint16_t doubleToHalf(double value) {
  if (std::isnan(value)) return 0x7E00;
  auto sign = static_cast<uint32_t>(std::signbit(value)) << 15;
  return static_cast<uint16_t>(sign | roundMagnitude(std::fabs(value), 10, -14, 0x7C00));
}

uint16_t doubleToBfloat16(double value) {
  if (std::isnan(value)) return 0x7FC0;
  auto sign = static_cast<uint32_t>(std::signbit(value)) << 15;
  return static_cast<uint16_t>(sign | roundMagnitude(std::fabs(value), 7, -126, 0x7F80));
}

template <typename T>
static std::vector<double> widen(std::span<const uint8_t> bytes) {
  std::vector<double> out(bytes.size() / sizeof(T));
  for (size_t i = 0; i < out.size(); ++i) {
    T v;
    std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<double>(v);
  }
  return out;
}

std::vector<double> toDoubles(ElementType type, std::span<const uint8_t> bytes) {
  if (type == ElementType::F64) return widen<double>(bytes);
  if (type == ElementType::I64) return widen<int64_t>(bytes);
  if (type == ElementType::U64) return widen<uint64_t>(bytes);
  if (type == ElementType::I32) return widen<int32_t>(bytes);
  if (type == ElementType::U32) return widen<uint32_t>(bytes);
  std::vector<float> floats = toFloats(type, bytes); // exact for every narrower type
  return {floats.begin(), floats.end()};
}

} // namespace triton
