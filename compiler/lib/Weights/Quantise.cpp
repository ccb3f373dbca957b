// Weights to codes, all in float64 as section 10 of the language fixes it; a scale is rounded once, to float32, at the end.
#include "triton/Weights/Quantise.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TRITON_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define TRITON_VECTOR_CLONES
#endif

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

static int8_t signOf(double w) { return static_cast<int8_t>((w > 0) - (w < 0)); }

/// rne(v) clamped to -limit..limit; the host rounds to nearest even by default.
static int8_t roundedCode(double v, double limit) {
  return static_cast<int8_t>(std::clamp(std::nearbyint(v), -limit, limit));
}

namespace {

/// Elements that share a scale.
struct Run {
  size_t begin, end, scale;
};

/// Calls `visit(runs)` with the runs of a layout in order: four at a time where four neighbours are equally long and of different
/// scales, else one. The sum of a scale's elements runs in their order, each addition waiting for the last; four sums side by side
/// take no longer than one.
template <typename F>
void forEachRuns(size_t count, const ScaleLayout &layout, F &&visit) {
  std::array<Run, 4> waiting;
  size_t held = 0;
  auto flush = [&] {
    for (size_t i = 0; i < held; ++i) visit(std::array<Run, 1>{waiting[i]});
    held = 0;
  };
  layout.forEachRun(count, [&](size_t begin, size_t end, size_t s) {
    for (size_t i = 0; i < held; ++i)
      if (waiting[i].scale == s || waiting[i].end - waiting[i].begin != end - begin) {
        flush();
        break;
      }
    waiting[held++] = {begin, end, s};
    if (held == waiting.size()) {
      visit(waiting);
      held = 0;
    }
  });
  flush();
}

#if defined(__GNUC__)
/// addMagnitudes for four sums, in one vector.
TRITON_VECTOR_CLONES void addFour(const std::array<const float *, 4> &from, size_t length, const std::array<double, 4> &limit,
                                  std::array<double, 4> &sum) {
  using Reals = double __attribute__((vector_size(32)));
  using Bits = int64_t __attribute__((vector_size(32)));
  const Bits magnitude = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
  const Reals least = {limit[0], limit[1], limit[2], limit[3]};
  Reals sums = {sum[0], sum[1], sum[2], sum[3]};
  for (size_t i = 0; i < length; ++i) {
    const Reals values = {double(from[0][i]), double(from[1][i]), double(from[2][i]), double(from[3][i])};
    const Bits bits = (Bits)values & magnitude;
    sums += (Reals)(bits & ((Reals)bits > least));
  }
  for (size_t j = 0; j < 4; ++j) sum[j] = sums[j];
}
#endif

/// Adds to each of N sums the magnitudes above its limit of `length` values, in their order. Without branches: half of all weights
/// fall on either side. Adding zero changes no sum of magnitudes.
template <typename T, size_t N>
void addMagnitudes(const std::array<const T *, N> &from, size_t length, const std::array<double, N> &limit, std::array<double, N> &sum) {
#if defined(__GNUC__)
  if constexpr (N == 4 && std::is_same_v<T, float>) return addFour(from, length, limit, sum);
#endif
  for (size_t i = 0; i < length; ++i)
    for (size_t j = 0; j < N; ++j) {
      const double magnitude = std::fabs(static_cast<double>(from[j][i]));
      const uint64_t kept = uint64_t(0) - static_cast<uint64_t>(magnitude > limit[j]);
      sum[j] += std::bit_cast<double>(std::bit_cast<uint64_t>(magnitude) & kept);
    }
}

/// The sum of the magnitudes above each scale's limit.
template <typename T>
std::vector<double> sumMagnitudes(std::span<const T> values, const ScaleLayout &layout, const std::vector<double> &limits) {
  std::vector<double> sums(limits.size());
  forEachRuns(values.size(), layout, [&]<size_t N>(const std::array<Run, N> &runs) {
    std::array<double, N> sum, limit;
    std::array<const T *, N> from;
    for (size_t j = 0; j < N; ++j)
      sum[j] = sums[runs[j].scale], limit[j] = limits[runs[j].scale], from[j] = values.data() + runs[j].begin;
    addMagnitudes(from, runs[0].end - runs[0].begin, limit, sum);
    for (size_t j = 0; j < N; ++j) sums[runs[j].scale] = sum[j];
  });
  return sums;
}

/// The mean magnitude of each scale's elements.
template <typename T>
std::vector<double> meanMagnitudes(std::span<const T> values, const ScaleLayout &layout, size_t scales) {
  std::vector<double> means = sumMagnitudes(values, layout, std::vector<double>(scales, -1));
  std::vector<int64_t> count(scales);
  layout.forEachRun(values.size(), [&](size_t begin, size_t end, size_t s) { count[s] += static_cast<int64_t>(end - begin); });
  for (size_t s = 0; s < scales; ++s) means[s] = count[s] ? means[s] / static_cast<double>(count[s]) : 0;
  return means;
}

/// The greatest magnitude of each scale's elements.
template <typename T>
std::vector<double> greatestMagnitudes(std::span<const T> values, const ScaleLayout &layout, size_t scales) {
  std::vector<double> greatest(scales);
  layout.forEachRun(values.size(), [&](size_t begin, size_t end, size_t s) {
    T most = 0;
    for (size_t i = begin; i < end; ++i) most = std::max(most, std::fabs(values[i]));
    greatest[s] = std::max(greatest[s], static_cast<double>(most));
  });
  return greatest;
}

} // namespace

/// The largest T that is not above `limit`: a T is greater than the one exactly if it is greater than the other.
template <typename T>
static T notAbove(double limit) {
  auto rounded = static_cast<T>(limit);
  return static_cast<double>(rounded) > limit ? std::nextafter(rounded, -std::numeric_limits<T>::infinity()) : rounded;
}

/// -1, 0 or 1 for each value by a limit that is not negative; returns how many are not 0.
template <typename T>
static inline size_t tritsOf(const T *values, size_t count, T limit, int8_t *trits) {
  size_t kept = 0;
  // Pieces that stay in the first-level cache.
  for (size_t at = 0; at < count; at += 4096) {
    const size_t end = std::min(count, at + 4096);
    for (size_t i = at; i < end; ++i) trits[i] = static_cast<int8_t>((values[i] > limit) - (values[i] < -limit));
    unsigned n = 0;
    for (size_t i = at; i < end; ++i) n += static_cast<unsigned>(trits[i] & 1);
    kept += n;
  }
  return kept;
}

// Compiled for the vectors of today's processors as well as for any: most of the time that quantising takes.
TRITON_VECTOR_CLONES static size_t tritsOfFloats(const float *values, size_t count, float limit, int8_t *trits) {
  return tritsOf(values, count, limit, trits);
}
TRITON_VECTOR_CLONES static size_t tritsOfDoubles(const double *values, size_t count, double limit, int8_t *trits) {
  return tritsOf(values, count, limit, trits);
}
static size_t makeTrits(const float *values, size_t count, double limit, int8_t *trits) {
  return tritsOfFloats(values, count, notAbove<float>(limit), trits);
}
static size_t makeTrits(const double *values, size_t count, double limit, int8_t *trits) {
  return tritsOfDoubles(values, count, limit, trits);
}

/// Trits by a threshold per group; the scale is the mean of what is kept, or 1.
template <typename T>
static void byThreshold(std::span<const T> values, const ScaleLayout &layout, const std::vector<double> &threshold,
                        std::vector<int8_t> &codes, std::vector<double> &scales) {
  std::vector<double> kept = sumMagnitudes(values, layout, threshold);
  std::vector<int64_t> count(scales.size());
  layout.forEachRun(values.size(), [&](size_t begin, size_t end, size_t s) {
    count[s] += static_cast<int64_t>(makeTrits(values.data() + begin, end - begin, threshold[s], codes.data() + begin));
  });
  for (size_t s = 0; s < scales.size(); ++s) scales[s] = count[s] ? kept[s] / static_cast<double>(count[s]) : 1;
}

template <typename T>
static Result<WeightCodes> quantise(std::span<const T> values, const TensorShape &shape, int64_t axis, const WeightPolicy &policy,
                                    std::string_view key, std::span<const double> delta, std::span<const double> scale) {
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
  /// Each code from its value, its scale's number and its own.
  auto forEach = [&](auto code) {
    layout.forEachRun(values.size(), [&](size_t begin, size_t end, size_t s) {
      for (size_t i = begin; i < end; ++i) out.codes[i] = code(static_cast<double>(values[i]), s, i);
    });
  };

  if (!trits) {
    auto limit = static_cast<double>(largestCode(policy.storage));
    std::vector<double> greatest = greatestMagnitudes(values, layout, scales.size());
    for (size_t s = 0; s < scales.size(); ++s) scales[s] = greatest[s] == 0 ? 1 : greatest[s] / limit;
    forEach([&](double v, size_t s, size_t) { return roundedCode(v / scales[s], limit); });
  } else {
    switch (policy.method) {
    case WeightMethod::Twn: {
      std::vector<double> threshold = meanMagnitudes(values, layout, scales.size());
      for (double &t : threshold) t *= policy.threshold;
      byThreshold(values, layout, threshold, out.codes, scales);
      break;
    }
    case WeightMethod::Fixed:
      byThreshold(values, layout, std::vector<double>(scales.size(), policy.threshold), out.codes, scales);
      break;
    case WeightMethod::AbsMean:
      scales = meanMagnitudes(values, layout, scales.size());
      for (double &s : scales) s = s == 0 ? 1 : s;
      forEach([&](double v, size_t s, size_t) { return roundedCode(v / scales[s], 1); });
      break;
    case WeightMethod::Stochastic:
      scales = greatestMagnitudes(values, layout, scales.size());
      for (double &s : scales) s = s == 0 ? 1 : s;
      forEach([&](double v, size_t s, size_t i) {
        // The draw of random_ternary with the probability of a zero, 1 - |w| / s.
        double zero = 1 - std::fabs(v) / scales[s];
        return drawsZero(splitMix64(policy.seed, i), zero) ? int8_t(0) : signOf(v);
      });
      break;
    case WeightMethod::Learned: {
      auto pick = [&](std::span<const double> from, size_t s) { return from.size() == 1 ? from[0] : from[s]; };
      for (auto [what, given] : {std::pair{".delta", delta}, std::pair{".scale", scale}})
        if (given.size() != 1 && given.size() != scales.size())
          return Error{"'" + std::string(key) + what + "' has " + std::to_string(given.size()) + " values, expected " +
                       std::to_string(scales.size())};
      forEach([&](double v, size_t s, size_t) { return std::fabs(v) > pick(delta, s) ? signOf(v) : int8_t(0); });
      for (size_t s = 0; s < scales.size(); ++s) scales[s] = pick(scale, s);
      break;
    }
    }
  }

  out.scales.resize(scales.size());
  std::vector<bool> vanished(scales.size());
  bool anyVanished = false;
  for (size_t s = 0; s < scales.size(); ++s) {
    out.scales[s] = static_cast<float>(scales[s]);
    // Weights so small that float32 cannot hold their scale: nothing is left of them.
    if (out.scales[s] == 0) {
      out.scales[s] = 1;
      vanished[s] = anyVanished = true;
    }
    if (!(out.scales[s] > 0) || std::isinf(out.scales[s]))
      return Error{"'" + std::string(key) + "': scale " + std::to_string(s) + " is " + std::to_string(scales[s]) +
                   "; it must be positive and fit float32"};
  }
  if (anyVanished)
    layout.forEachRun(values.size(), [&](size_t begin, size_t end, size_t s) {
      if (vanished[s]) std::fill(out.codes.begin() + ptrdiff_t(begin), out.codes.begin() + ptrdiff_t(end), int8_t(0));
    });
  return out;
}

Result<WeightCodes> quantiseWeights(std::span<const double> values, const TensorShape &shape, int64_t axis,
                                    const WeightPolicy &policy, std::string_view key, std::span<const double> delta,
                                    std::span<const double> scale) {
  return quantise(values, shape, axis, policy, key, delta, scale);
}

Result<WeightCodes> quantiseWeights(std::span<const float> values, const TensorShape &shape, int64_t axis,
                                    const WeightPolicy &policy, std::string_view key, std::span<const double> delta,
                                    std::span<const double> scale) {
  return quantise(values, shape, axis, policy, key, delta, scale);
}

template <typename Bits, typename T>
static std::optional<size_t> findNotFinite(std::span<const T> values) {
  // NaN and infinities have all bits of the exponent set: one pass without branches tells whether the search below is needed.
  constexpr Bits exponent = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
  Bits unfit = 0;
  for (T v : values) unfit |= static_cast<Bits>((std::bit_cast<Bits>(v) & exponent) == exponent);
  if (!unfit) return std::nullopt;
  return static_cast<size_t>(std::find_if_not(values.begin(), values.end(), [](T v) { return std::isfinite(v); }) - values.begin());
}

std::optional<size_t> firstNotFinite(std::span<const float> values) { return findNotFinite<uint32_t>(values); }
std::optional<size_t> firstNotFinite(std::span<const double> values) { return findNotFinite<uint64_t>(values); }

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
  if (type == ElementType::F32) return widen<float>(bytes);
  if (type == ElementType::I64) return widen<int64_t>(bytes);
  if (type == ElementType::U64) return widen<uint64_t>(bytes);
  if (type == ElementType::I32) return widen<int32_t>(bytes);
  if (type == ElementType::U32) return widen<uint32_t>(bytes);
  std::vector<float> floats = toFloats(type, bytes); // exact for every narrower type
  return {floats.begin(), floats.end()};
}

} // namespace triton
