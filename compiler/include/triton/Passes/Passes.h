// The passes on the `ternary` dialect. Each is one file with one purpose; Passes.td documents them, Pipelines.def orders them.
#pragma once

#include "triton/Tensor/HostTensor.h"
#include "triton/Weights/WeightStore.h"

#include "mlir/Pass/Pass.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace triton {

/// What `ternary-resolve-quantisation` takes besides the module. Borrowed pointers must outlive the pass.
struct ResolveInputs {
  /// Where parameters and activation scales come from.
  const WeightStore *weights = nullptr;
  /// Calibration inputs by function name: each sample holds one tensor per argument (uint8 goes through pre-processing).
  std::map<std::string, std::vector<std::vector<HostTensor>>> calibration;
  /// Made-up calibration inputs for functions that have none above. With random weights at least one is used.
  unsigned syntheticSamples = 0;
  /// Seed of the made-up inputs.
  uint64_t seed = 0;
  /// Threads to work on. They change no result.
  unsigned threads = 1;
  /// Filled with warnings about the checkpoint (keys that the program does not use), if not null.
  std::vector<std::string> *warnings = nullptr;
};

/// The pass `ternary-resolve-quantisation` (compiler/lib/Passes/ResolveQuantisation.cpp).
std::unique_ptr<mlir::Pass> createResolveQuantisationPass(ResolveInputs inputs);
/// The same with options as in ternary-opt: random weights.
std::unique_ptr<mlir::Pass> createResolveQuantisationPass();

/// Makes all passes known by name to ternary-opt.
void registerTernaryPasses();

} // namespace triton
