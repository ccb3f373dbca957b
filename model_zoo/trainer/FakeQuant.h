// Autograd functions with straight-through estimators: fake-quantised weights, and the fused end of an operation group.
#pragma once

#include "Graph.h"

#include <torch/torch.h>

namespace triton::trainer {

using at::Tensor;

/// codes * scale of a weight; the gradient passes unchanged (and, for method=learned, reaches `delta` and `scale`, which
/// are undefined otherwise). The result is in channels_last order for a rank of 4.
Tensor fakeQuantizeWeight(const Tensor &weight, const Tensor &delta, const Tensor &scale, const ParamInfo &param, uint64_t seed);

/// The end of an operation group: batch norm (when `gamma` is defined), residual (when defined), ReLU, static quantiser
/// (when `logScale` is defined), in as few passes over memory as there can be.
struct GroupEnd {
  Tensor residual;
  Tensor gamma, beta, runningMean, runningVar;
  double eps = 1e-5, momentum = 0.1;
  bool relu = false;
  Tensor logScale; ///< The scale is exp(logScale): it stays positive, and a step changes it by a ratio.
  float lo = 0, hi = 0;
  bool training = false;
};

Tensor applyGroupEnd(const Tensor &x, const GroupEnd &end);

/// Dynamic quantisation, per tensor or per row of the last axis; the gradient passes unchanged.
Tensor fakeQuantizeDynamic(const Tensor &x, float lo, float hi, bool perRow);

} // namespace triton::trainer
