// The compile pipeline as one call: program and weights in, artifact (or the text of a stage) out. The only part of the driver
// that knows MLIR is behind this header.
#pragma once

#include "triton/Cache/Store.h"
#include "triton/Codegen/Codegen.h"
#include "triton/Codegen/CompiledModel.h"
#include "triton/Driver/CommandLine.h"
#include "triton/Driver/Timing.h"
#include "triton/Sema/Graph.h"
#include "triton/Support/Diagnostics.h"
#include "triton/Tensor/HostTensor.h"
#include "triton/Weights/WeightStore.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace triton {
class WeightStore;
}

namespace triton::driver {

/// Object code of earlier compiles. Without functions there is none.
struct ObjectCache {
  std::string compilerId;
  std::function<std::optional<std::vector<uint8_t>>(const cache::Key &key)> find;
  std::function<void(const cache::Key &key, const std::vector<uint8_t> &object)> put;
};

/// Everything that steers a compile, checked.
struct PipelineOptions {
  int optLevel = 2;
  std::vector<std::string> targets;       ///< canonical names; "native" is already resolved
  uint64_t codeBudget = 0;                ///< CodegenOptions::codeBudget
  std::string weights;                    ///< checkpoint, empty for none
  bool randomWeights = false;
  uint64_t randomSeed = 0;
  std::shared_ptr<const WeightStore> store; ///< instead of `weights`
  std::function<Result<HostTensor>(const Graph &)> samples; ///< inputs to calibrate on, along the first axis; may be empty
  std::string printIrAfter;               ///< pass, "all" or empty
  unsigned threads = 1;
  double tuneBudgetSeconds = 60;          ///< at -O3
  ObjectCache objects;
  QuantisedCache quantised;
};

/// Reads the options of `compile` (shared by run, bench, zoo and inspect). Errors are of kind Usage.
Result<PipelineOptions> pipelineOptions(const Arguments &arguments);

/// A network on its way from graph to artifact. One-thread but for `Interpreter`.
class Pipeline {
public:
  Pipeline(const Graph &graph, const SourceManager &sources, PipelineOptions options, Timing &timing);
  ~Pipeline();

  /// IRGen: the float graph. Must come first; then resolve, then optimise or compile.
  Result<void> generate();
  /// After `generate`: what post-training quantisation measures on `samples` (the first axis counts them) with the weights in `store`.
  struct Measured {
    std::map<std::string, std::vector<float>> statistics; ///< of batch norms, by key
    std::map<std::string, float> activationScales;
  };
  Result<Measured> measure(const WeightStore &store, const HostTensor &samples, bool reestimate);
  /// After `generate`, and before `resolve`: how far each layer of the network with the weights in `store`, quantised, is from what it gives with
  /// those in `floats` and without quantisation, on `samples`.
  struct LayerOutput {
    std::string key;              ///< of the layer's weight
    std::optional<double> sqnrDb; ///< of what the layer hands on; nothing where the two are equal
  };
  Result<std::vector<LayerOutput>> compareLayers(const WeightStore &store, const WeightStore &floats, const HostTensor &samples);
  /// Loads weights, calibrates and resolves quantisation: the integer graph.
  Result<void> resolve();
  /// Runs the passes of the level: the optimised integer graph (for --emit=ternary-opt; `compile` works on what `resolve` left).
  Result<void> optimise();

  /// The module as text, at the stage reached.
  std::string moduleText() const;

  /// Generates code for all targets.
  Result<CompiledModel> compile();
  /// The same for some targets with some choices. `quiet`: a try, which leaves no stages behind.
  Result<CompiledModel> compile(const std::vector<TargetDesc> &targets, const ChooseProduct &choose, bool quiet);
  /// LLVM IR or assembly of one target ("llvm", "asm") or its object bytes ("obj").
  Result<std::string> emit(const std::string &stage, const ChooseProduct &choose = {});

  /// Warnings about weights that were collected on the way (extra keys and the like).
  const std::vector<std::string> &warnings() const;

  /// Makes the reference interpreter ready for the graph reached. Before `interpret`.
  Result<void> prepareInterpreter();
  /// Runs the reference interpreter. Thread-safe. Inputs in order of the entry point's parameters.
  Result<std::vector<HostTensor>> interpret(const std::vector<HostTensor> &inputs) const;
  /// The same for the model's only input with any number of samples: in parts, on all threads, the outputs joined along their first axis.
  /// Needs no `prepareInterpreter`.
  Result<std::vector<HostTensor>> interpretSamples(const HostTensor &samples) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// Runs the asserts of one test block with the reference interpreter; one message per failed assert.
Result<std::vector<std::string>> runTestCase(const TestCase &test, const SourceManager &sources);

} // namespace triton::driver
