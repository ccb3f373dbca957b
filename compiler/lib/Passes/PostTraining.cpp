#include "triton/Passes/PostTraining.h"

#include "Calibration.h"

using namespace mlir;

namespace triton {
using namespace ternary;

static Error notAFunction() { return Error{"post-training quantisation needs one function", ErrorKind::Internal}; }

/// Mean and variance of every batch norm under the keys of its parameters.
static Result<std::map<std::string, std::vector<float>>> reestimateStatistics(func::FuncOp function, const ParamTable &params,
                                                                             const std::vector<HostTensor> &inputs, unsigned threads) {
  std::map<std::string, std::vector<float>> found;
  InterpretOptions options = params.interpretOptions();
  options.threads = threads;
  options.observes = [](Operation *) { return false; };
  options.batchStatistics = [&](Operation *op, const std::vector<float> &mean, const std::vector<float> &variance) {
    for (auto [operand, values] : {std::pair{3u, &mean}, std::pair{4u, &variance}})
      if (auto param = op->getOperand(operand).getDefiningOp<ParamOp>()) found[param.getKey().str()] = *values;
  };
  Result<Interpreter> interpreter = Interpreter::create(function, options);
  if (!interpreter) return interpreter.takeError();
  Result<std::vector<HostTensor>> done = interpreter->run(inputs);
  if (!done) return Error{"calibration: " + done.error().message, done.error().kind};
  return found;
}

Result<PostTraining> calibratePostTraining(ModuleOp module, const WeightStore &weights, const std::vector<HostTensor> &inputs,
                                           bool reestimate, unsigned threads) {
  auto functions = module.getOps<func::FuncOp>();
  if (functions.empty()) return notAFunction();
  func::FuncOp function = *functions.begin();
  FailureOr<ParamTable> params = ParamTable::load(module, weights, nullptr, threads);
  if (failed(params)) return Error{"the weights do not load"};
  PostTraining out;
  if (reestimate) {
    auto found = reestimateStatistics(function, *params, inputs, threads);
    if (!found) return found.takeError();
    out.statistics = std::move(*found);
    params->replaceReals(out.statistics);
  }
  std::vector<FakeQuantizeOp> quantisers;
  function.walk([&](FakeQuantizeOp op) {
    if (op.getMode() == QuantMode::Static && !op.getScale() && op.getKey()) quantisers.push_back(op);
  });
  Result<ScaleMap> scales = calibrate(function, *params, {inputs}, quantisers, threads);
  if (!scales) return scales.takeError();
  for (FakeQuantizeOp op : quantisers) out.activationScales[op.getKey()->str()] = scales->at(op);
  return out;
}

} // namespace triton
