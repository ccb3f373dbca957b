// Weights as codes and scales: section 10 of the language, "Weights to trits", in float64. No LLVM.
#pragma once

#include "triton/Sema/Graph.h"
#include "triton/Support/Result.h"
#include "triton/Tensor/HostTensor.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace triton {

/// SplitMix64: number `index` (from 0) of the stream `seed`.
uint64_t splitMix64(uint64_t seed, uint64_t index);
/// FNV-1a-64 of a text: the seed of what has no seed of its own.
uint64_t keyHash64(std::string_view text);
/// The trits of `random_ternary(count, seed, zero)`.
std::vector<int8_t> drawTrits(int64_t count, uint64_t seed, double zero);

/// Which scale each element of a weight has: channel c = its index on `axis`, group = its row-major position inside the
/// channel divided by the group's size. Scale number c * groups + g; one scale in all for per tensor.
class ScaleLayout {
public:
  /// `group` divides the channel (checked by the caller with `groupDivides`). An axis out of range means one channel.
  ScaleLayout(const TensorShape &shape, int64_t axis, WeightScale scale, int64_t group);
  static bool groupDivides(const TensorShape &shape, int64_t axis, int64_t group);

  int64_t channels() const { return channelCount; }
  int64_t groups() const { return groupCount; }
  int64_t scales() const { return channelCount * groupCount; }
  int64_t scaleOf(int64_t element) const {
    int64_t block = element / inner, c = block % axisSize;
    int64_t position = block / axisSize * inner + element % inner;
    return perTensor ? 0 : c * groupCount + position / groupSize;
  }
  /// Calls `run(begin, end, scale)` for the runs of elements below `count` that share a scale, in order.
  template <typename F>
  void forEachRun(size_t count, F &&run) const {
    if (perTensor) {
      if (count) run(size_t(0), count, size_t(0));
      return;
    }
    size_t at = 0;
    for (int64_t outer = 0; at < count; ++outer)
      for (int64_t c = 0; c < axisSize && at < count; ++c) {
        int64_t position = outer * inner, group = position / groupSize, left = groupSize - position % groupSize;
        for (int64_t i = 0; i < inner && at < count; left = groupSize, ++group) {
          size_t end = std::min(count, at + static_cast<size_t>(std::min(left, inner - i)));
          run(at, end, static_cast<size_t>(c * groupCount + group));
          i += static_cast<int64_t>(end - at);
          at = end;
        }
      }
  }
  /// The shape of the scales in a checkpoint: [], [C] or [C, G].
  TensorShape shape() const;

private:
  int64_t inner = 1, axisSize = 1, groupSize = 1, channelCount = 1, groupCount = 1;
  bool perTensor = false, perGroup = false;
};

/// The layout that `policy` gives: int8 and int4 are always per channel.
ScaleLayout scaleLayout(const WeightPolicy &policy, const TensorShape &shape, int64_t axis);

/// Codes of a weight in its own row-major order, with their scales in ScaleLayout's order.
struct WeightCodes {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  int64_t channels = 1, groups = 1; ///< scales.size() == channels * groups
};

/// True for the storages that have codes: trit, int8, int4.
bool hasCodes(DType storage);
/// The largest code of a storage: 1, 127, 7.
int64_t largestCode(DType storage);

/// Quantises `values` (finite, as many as `shape` has). `delta` and `scale` (one or as many as the layout has scales) are
/// read by method=learned only. Errors name `key`. Floats are widened on the way: the result is that of the same numbers in float64.
Result<WeightCodes> quantiseWeights(std::span<const double> values, const TensorShape &shape, int64_t axis,
                                    const WeightPolicy &policy, std::string_view key, std::span<const double> delta = {},
                                    std::span<const double> scale = {});
Result<WeightCodes> quantiseWeights(std::span<const float> values, const TensorShape &shape, int64_t axis,
                                    const WeightPolicy &policy, std::string_view key, std::span<const double> delta = {},
                                    std::span<const double> scale = {});

/// The first element that is NaN or infinite; nothing if all are finite.
std::optional<size_t> firstNotFinite(std::span<const float> values);
std::optional<size_t> firstNotFinite(std::span<const double> values);

/// binary16 and bfloat16 bits of a real number, to nearest even, with one rounding from float64.
uint16_t doubleToHalf(double value);
uint16_t doubleToBfloat16(double value);

/// Elements of any real type as float64; exact but for 64-bit integers.
std::vector<double> toDoubles(ElementType type, std::span<const uint8_t> bytes);

} // namespace triton
