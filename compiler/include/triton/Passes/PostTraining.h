// What post-training quantisation measures on a network: statistics of batch norms and scales of activations.
#pragma once

#include "triton/Tensor/HostTensor.h"
#include "triton/Weights/WeightStore.h"

#include "mlir/IR/BuiltinOps.h"

#include <map>
#include <string>

namespace triton {

struct PostTraining {
  std::map<std::string, std::vector<float>> statistics; ///< running means and variances by key
  std::map<std::string, float> activationScales;        ///< by checkpoint key
};

/// Runs the float graph of a module with one function, its weights as `weights` holds them. `inputs`: one tensor for each argument, all
/// samples along the first axis. With `reestimate`, batch norms normalise by the statistics of these inputs, layer after layer in one
/// pass, and give them. Then every static quantiser that has a key gives the scale of its clip percentile, under the statistics found.
Result<PostTraining> calibratePostTraining(mlir::ModuleOp module, const WeightStore &weights, const std::vector<HostTensor> &inputs,
                                           bool reestimate, unsigned threads);

} // namespace triton
