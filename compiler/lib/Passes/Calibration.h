// Activation scales from a run of the float graph.
#pragma once

#include "triton/Passes/Parameters.h"
#include "triton/Passes/Passes.h"

namespace triton {

/// The `clip` percentile of |x| by nearest rank over a known number of values, in memory for the tail above it alone.
class Percentile {
public:
  /// `total` values will be added; `clip` lies in (0, 100].
  Percentile(uint64_t total, double clip);
  void add(float value);
  /// The ceil(clip / 100 * n)-th smallest of the n values that were added (n <= total).
  float value() const;

private:
  uint64_t keep;
  uint64_t total, added = 0;
  mutable std::vector<float> tail; ///< a min-heap of the `keep` greatest
};

/// Scales of static quantisers by operation.
using ScaleMap = llvm::DenseMap<mlir::Operation *, float>;

/// Runs the float graph on `samples` (its other quantisers pass values unchanged) and gives each of `quantisers` its clip percentile of
/// |x|, divided by the greatest code.
Result<ScaleMap> calibrate(mlir::func::FuncOp function, const ParamTable &params, const std::vector<std::vector<HostTensor>> &samples,
                           const std::vector<ternary::FakeQuantizeOp> &quantisers, unsigned threads = 1);

/// Made-up inputs: one sample of batch 1. Bytes and reals are uniform (reals in +-sqrt(3)), indices lie in their table.
std::vector<HostTensor> syntheticSample(mlir::func::FuncOp function, uint64_t seed);

} // namespace triton
