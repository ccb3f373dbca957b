#include "triton/Passes/PostTraining.h"

#include "Calibration.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringSet.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace triton {
using namespace ternary;

/// The one function of a module.
static Result<func::FuncOp> functionOf(ModuleOp module) {
  auto functions = module.getOps<func::FuncOp>();
  if (functions.empty() || !(*functions.begin()).getBody().hasOneBlock())
    return Error{"post-training quantisation needs one function of one block", ErrorKind::Internal};
  return *functions.begin();
}

static Error atCalibration(const Error &error) { return Error{"calibration: " + error.message, error.kind}; }

/// Bytes of a value as the oracle holds it, for one sample.
static uint64_t bytesOf(Value value) {
  auto type = dyn_cast<ShapedType>(value.getType());
  if (!type || !type.hasRank()) return 0;
  uint64_t elements = 1;
  for (int64_t size : type.getShape()) elements *= ShapedType::isDynamic(size) ? 1 : static_cast<uint64_t>(size);
  return elements * sizeof(float);
}

int64_t samplesAtOnce(ModuleOp module, uint64_t bytes, bool all) {
  Result<func::FuncOp> function = functionOf(module);
  if (!function) return 1;
  Block &block = function->getBody().front();
  llvm::DenseMap<Value, Operation *> lastUse;
  for (Operation &op : block)
    for (Value operand : op.getOperands()) lastUse[operand] = &op;
  uint64_t now = 0, most = 0, sum = 0;
  for (BlockArgument argument : block.getArguments()) now += bytesOf(argument);
  for (Operation &op : block) {
    if (isa<ParamOp, ConstantOp>(op)) continue;
    for (Value result : op.getResults()) now += bytesOf(result), sum += bytesOf(result);
    most = std::max(most, now);
    llvm::SmallPtrSet<void *, 4> dead;
    for (Value operand : op.getOperands()) {
      Operation *definition = operand.getDefiningOp();
      if ((definition && isa<ParamOp, ConstantOp>(definition)) || lastUse[operand] != &op || !dead.insert(operand.getAsOpaquePointer()).second) continue;
      now -= bytesOf(operand);
    }
    for (Value result : op.getResults())
      if (!lastUse.count(result)) now -= bytesOf(result);
  }
  const uint64_t each = std::max<uint64_t>(all ? sum + most : most, 1);
  return static_cast<int64_t>(std::clamp<uint64_t>(bytes / each, 1, uint64_t(1) << 20));
}

namespace {
/// Mean and variance of all batches from those of each: sums of x and of x^2 by channel. Variances are divided by n - 1, here and there.
struct Pooled {
  std::vector<double> sum, squares;
  double count = 0;

  void add(const std::vector<float> &mean, const std::vector<float> &variance, double n) {
    sum.resize(mean.size());
    squares.resize(mean.size());
    for (size_t c = 0; c < mean.size(); ++c) {
      const double m = static_cast<double>(mean[c]);
      sum[c] += n * m;
      squares[c] += (n - 1) * static_cast<double>(variance[c]) + n * m * m;
    }
    count += n;
  }
  std::vector<float> means() const {
    std::vector<float> out;
    for (double s : sum) out.push_back(static_cast<float>(s / count));
    return out;
  }
  std::vector<float> variances() const {
    std::vector<float> out;
    for (size_t c = 0; c < sum.size(); ++c)
      out.push_back(static_cast<float>(std::max(squares[c] - sum[c] * sum[c] / count, 0.0) / std::max(count - 1, 1.0)));
    return out;
  }
};
} // namespace

/// Mean and variance of every batch norm under the keys of its parameters.
static Result<std::map<std::string, std::vector<float>>> reestimateStatistics(func::FuncOp function, const ParamTable &params, const Batches &inputs,
                                                                             unsigned threads) {
  std::map<std::string, std::vector<float>> found;
  llvm::MapVector<Operation *, Pooled> pooled;
  double samples = 1;
  InterpretOptions options = params.interpretOptions();
  options.threads = threads;
  options.observes = [](Operation *) { return false; };
  auto put = [&](Operation *op, const std::vector<float> &mean, const std::vector<float> &variance) {
    for (auto [operand, values] : {std::pair{3u, &mean}, std::pair{4u, &variance}})
      if (auto param = op->getOperand(operand).getDefiningOp<ParamOp>()) found[param.getKey().str()] = *values;
  };
  options.batchStatistics = [&](Operation *op, const std::vector<float> &mean, const std::vector<float> &variance) {
    if (inputs.size() == 1) return put(op, mean, variance);
    // Numbers of a channel: all places of all samples.
    const double each = static_cast<double>(bytesOf(op->getOperand(0)) / sizeof(float)) / static_cast<double>(std::max<size_t>(mean.size(), 1));
    pooled[op].add(mean, variance, cast<ShapedType>(op->getOperand(0).getType()).isDynamicDim(0) ? samples * each : each);
  };
  Result<Interpreter> interpreter = Interpreter::create(function, options);
  if (!interpreter) return interpreter.takeError();
  for (const std::vector<HostTensor> &batch : inputs) {
    samples = batch.empty() || batch[0].shape.empty() ? 1 : static_cast<double>(batch[0].shape[0]);
    Result<std::vector<HostTensor>> done = interpreter->run(batch);
    if (!done) return atCalibration(done.error());
  }
  for (auto &[op, statistics] : pooled) put(op, statistics.means(), statistics.variances());
  return found;
}

Result<PostTraining> calibratePostTraining(ModuleOp module, const WeightStore &weights, const Batches &inputs, bool reestimate, unsigned threads) {
  Result<func::FuncOp> function = functionOf(module);
  if (!function) return function.takeError();
  FailureOr<ParamTable> params = ParamTable::load(module, weights, nullptr, threads);
  if (failed(params)) return Error{"the weights do not load"};
  PostTraining out;
  if (reestimate) {
    auto found = reestimateStatistics(*function, *params, inputs, threads);
    if (!found) return found.takeError();
    out.statistics = std::move(*found);
    params->replaceReals(out.statistics);
  }
  std::vector<FakeQuantizeOp> quantisers;
  function->walk([&](FakeQuantizeOp op) {
    if (op.getMode() == QuantMode::Static && !op.getScale() && op.getKey()) quantisers.push_back(op);
  });
  Result<ScaleMap> scales = calibrate(*function, *params, inputs, quantisers, threads);
  if (!scales) return scales.takeError();
  for (FakeQuantizeOp op : quantisers) out.activationScales[op.getKey()->str()] = scales->at(op);
  return out;
}

namespace {
/// A layer and the value that stands for its output.
struct LayerEnd {
  std::string key;
  Operation *end;
  double signal = 0, noise = 0;
};
} // namespace

/// Every weight in the order of its use, with the last operation of the group that uses it.
static std::vector<LayerEnd> layerEnds(func::FuncOp function) {
  llvm::DenseMap<int64_t, Operation *> lastOf;
  auto groupOf = [](Operation *op) { return op->getAttrOfType<IntegerAttr>("ternary.group"); };
  for (Operation &op : function.getBody().front())
    if (IntegerAttr group = groupOf(&op); group && op.getNumResults() == 1) lastOf[group.getInt()] = &op;
  std::vector<LayerEnd> layers;
  llvm::StringSet<> seen;
  for (Operation &op : function.getBody().front())
    for (Value operand : op.getOperands()) {
      auto param = operand.getDefiningOp<ParamOp>();
      if (!param || !param.getPolicy() || op.getNumResults() != 1 || !seen.insert(param.getKey()).second) continue;
      IntegerAttr group = groupOf(&op);
      layers.push_back({param.getKey().str(), group ? lastOf.at(group.getInt()) : &op});
    }
  return layers;
}

Result<std::vector<LayerDifference>> compareLayers(ModuleOp module, const WeightStore &weights, const WeightStore &floats, const Batches &inputs,
                                                   unsigned threads) {
  Result<func::FuncOp> function = functionOf(module);
  if (!function) return function.takeError();
  std::vector<LayerEnd> layers = layerEnds(*function);
  llvm::DenseMap<Operation *, std::vector<float>> truths;
  for (const LayerEnd &layer : layers) truths[layer.end];
  std::vector<ParamTable> tables;
  std::vector<Interpreter> interpreters;
  tables.reserve(2); // the interpreters' options point into them
  for (bool twin : {true, false}) {
    FailureOr<ParamTable> params = ParamTable::load(module, twin ? floats : weights, nullptr, threads, twin);
    if (failed(params)) return Error{"the weights do not load"};
    tables.push_back(std::move(*params));
    InterpretOptions options = tables.back().interpretOptions();
    options.threads = threads;
    options.quantises = !twin;
    options.observes = [&](Operation *op) { return truths.contains(op); };
    std::optional<Error> wrong;
    options.scale = [&](Operation *op) -> std::optional<float> {
      auto fake = cast<FakeQuantizeOp>(op);
      if (!fake.getKey()) return std::nullopt;
      Result<std::optional<float>> scale = weights.activationScale(fake.getKey()->str());
      if (scale) return *scale;
      wrong = scale.takeError();
      return std::nullopt;
    };
    Result<Interpreter> made = Interpreter::create(*function, options);
    if (wrong) return std::move(*wrong);
    if (!made) return made.takeError();
    interpreters.push_back(std::move(*made));
  }
  for (const std::vector<HostTensor> &batch : inputs) {
    Result<std::vector<HostTensor>> ran = interpreters[0].run(batch, [&](Value value, const HostTensor &tensor) {
      truths[value.getDefiningOp()] = toFloats(tensor.type, tensor.bytes);
    });
    if (!ran) return atCalibration(ran.error());
    ran = interpreters[1].run(batch, [&](Value value, const HostTensor &tensor) {
      const std::vector<float> found = toFloats(tensor.type, tensor.bytes), &truth = truths[value.getDefiningOp()];
      double signal = 0, noise = 0;
      for (size_t i = 0; i < std::min(found.size(), truth.size()); ++i) {
        const double difference = static_cast<double>(truth[i]) - static_cast<double>(found[i]);
        signal += static_cast<double>(truth[i]) * static_cast<double>(truth[i]);
        noise += difference * difference;
      }
      for (LayerEnd &layer : layers)
        if (layer.end == value.getDefiningOp()) layer.signal += signal, layer.noise += noise;
    });
    if (!ran) return atCalibration(ran.error());
  }
  std::vector<LayerDifference> out;
  for (LayerEnd &layer : layers) {
    LayerDifference difference{std::move(layer.key), std::nullopt};
    if (layer.signal > 0 && layer.noise > 0) difference.sqnrDb = 10 * std::log10(layer.signal / layer.noise);
    out.push_back(std::move(difference));
  }
  return out;
}

} // namespace triton
