// What post-training quantisation measures on a network: statistics of batch norms and scales of activations.
#pragma once

#include "triton/Tensor/HostTensor.h"
#include "triton/Weights/WeightStore.h"

#include "mlir/IR/BuiltinOps.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace triton {

struct PostTraining {
  std::map<std::string, std::vector<float>> statistics; ///< running means and variances by key
  std::map<std::string, float> activationScales;        ///< by checkpoint key
};

/// How many samples may run at once so that the real values of the module's function stay within `bytes`: those that live at one time,
/// or `all` that it computes. At least 1.
int64_t samplesAtOnce(mlir::ModuleOp module, uint64_t bytes, bool all);

/// Batches of inputs: one tensor for each argument, samples along the first axis.
using Batches = std::vector<std::vector<HostTensor>>;

/// Runs the float graph of a module with one function, its weights as `weights` holds them. With `reestimate`, batch norms normalise by
/// the statistics of their batch, layer after layer in one pass, and give those of all batches. Then every static quantiser that has a
/// key gives the scale of its clip percentile, under the statistics found.
Result<PostTraining> calibratePostTraining(mlir::ModuleOp module, const WeightStore &weights, const Batches &inputs, bool reestimate,
                                           unsigned threads);

/// How much of a layer's output is left when its network is quantised.
struct LayerDifference {
  std::string key;              ///< of the weight
  std::optional<double> sqnrDb; ///< 10 log10(sum x^2 / sum (x - x')^2); nothing where the two are equal or all is zero
};

/// Runs the float graph twice: with `weights` and its quantisers, and as its fp32 twin, with the reals of `floats` and no quantiser. For
/// each weight, in the order of the program, compares what the end of its operation group gives (after batch norm, residual, ReLU and
/// quantiser): what the next layer reads.
Result<std::vector<LayerDifference>> compareLayers(mlir::ModuleOp module, const WeightStore &weights, const WeightStore &floats,
                                                   const Batches &inputs, unsigned threads);

} // namespace triton
