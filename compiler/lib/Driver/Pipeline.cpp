// The stages from graph to compiled model, each timed. The one file of the driver that includes MLIR.
#include "triton/Driver/Pipeline.h"

#include "triton/Codegen/Codegen.h"
#include "triton/IRGen/IRGen.h"
#include "triton/Oracle/Interpreter.h"

#include "artifact/size_check.h"
#include "triton/Passes/Passes.h"
#include "triton/Passes/PostTraining.h"
#include "triton/Target/TargetDesc.h"
#include "triton/Weights/WeightStore.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>

namespace triton::driver {

/// Collects what MLIR reports, so that it reaches the user as our own messages and never as a stray line on stderr.
class MessageCollector {
public:
  explicit MessageCollector(mlir::MLIRContext &context)
      : handler(&context, [this](mlir::Diagnostic &diagnostic) {
          std::string text = diagnostic.str();
          if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
            errors += (errors.empty() ? "" : "\n") + text;
          return mlir::success();
        }) {}

  std::string take() { return std::move(errors); }
  /// The error, and what MLIR said about it.
  Error with(Error error) {
    if (std::string more = take(); !more.empty()) error.message += ": " + more;
    return error;
  }

private:
  std::string errors;
  mlir::ScopedDiagnosticHandler handler;
};

struct Pipeline::Impl {
  Impl(const Graph &graph, const SourceManager &sources, PipelineOptions options, Timing &timing)
      : graph(graph), sources(sources), options(std::move(options)), timing(timing) {
    mlir::DialectRegistry registry;
    registerCodegenDialects(registry);
    context.appendDialectRegistry(registry);
  }

  Result<void> runPass(std::unique_ptr<mlir::Pass> pass, const std::string &name);
  Result<std::shared_ptr<const WeightStore>> openWeights() const;
  std::vector<std::vector<HostTensor>> inBatches(const HostTensor &samples, int64_t most) const;
  Result<CompiledModel> compileModule(const CodegenOptions &how);
  Result<void> readCalibration(ResolveInputs &inputs) const;

  const Graph &graph;
  const SourceManager &sources;
  PipelineOptions options;
  Timing &timing;
  // Threads inside MLIR cost more to start than these modules take to process.
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<std::string> warnings;
  std::optional<Interpreter> interpreter;
  std::string optimisedText;
};

Pipeline::Pipeline(const Graph &graph, const SourceManager &sources, PipelineOptions options, Timing &timing)
    : impl(std::make_unique<Impl>(graph, sources, std::move(options), timing)) {}
Pipeline::~Pipeline() = default;

const std::vector<std::string> &Pipeline::warnings() const { return impl->warnings; }

std::string Pipeline::moduleText() const {
  return impl->optimisedText.empty() ? moduleToText(*impl->module) : impl->optimisedText;
}

Result<void> Pipeline::generate() {
  auto scope = impl->timing.stage("irgen");
  MessageCollector messages(impl->context);
  Result<mlir::OwningOpRef<mlir::ModuleOp>> module = generateIR(impl->context, impl->graph, impl->sources);
  if (!module) return messages.with(module.takeError());
  impl->module = std::move(*module);
  return {};
}

Result<std::shared_ptr<const WeightStore>> Pipeline::Impl::openWeights() const {
  if (options.store) return options.store;
  auto shared = [](WeightStore store) { return std::shared_ptr<const WeightStore>(std::make_shared<WeightStore>(std::move(store))); };
  if (options.weights.empty()) return shared(options.randomWeights ? WeightStore::random(options.randomSeed) : WeightStore::none());
  Result<WeightStore> store = WeightStore::open(options.weights);
  if (!store) return store.takeError();
  if (options.randomWeights) store->fillMissing(options.randomSeed);
  if (options.quantised.find) store->setCache(options.quantised);
  return shared(std::move(*store));
}

/// Samples in batches of at most `most`; where --batch fixed the size, of that, and what is over is left out.
std::vector<std::vector<HostTensor>> Pipeline::Impl::inBatches(const HostTensor &samples, int64_t most) const {
  const Shape &shape = graph.values[graph.inputs[0].value].type.shape;
  const std::optional<int64_t> fixed = shape.empty() ? std::nullopt : shape[0].constant();
  const int64_t count = samples.shape[0], size = fixed.value_or(std::max<int64_t>(most, 1));
  const size_t bytes = samples.bytes.size() / size_t(count);
  std::vector<std::vector<HostTensor>> batches;
  for (int64_t first = 0; first < count; first += size) {
    HostTensor batch;
    batch.type = samples.type;
    batch.shape = samples.shape;
    batch.shape[0] = std::min(size, count - first);
    if (fixed && batch.shape[0] != size && !batches.empty()) break;
    const auto from = samples.bytes.begin() + ptrdiff_t(size_t(first) * bytes);
    batch.bytes.assign(from, from + ptrdiff_t(size_t(batch.shape[0]) * bytes));
    batches.push_back({std::move(batch)});
  }
  return batches;
}

/// Reads --calibrate: the first axis is the sample. Each sample becomes a batch of one.
Result<void> Pipeline::Impl::readCalibration(ResolveInputs &inputs) const {
  if (!options.samples) return {};
  Result<HostTensor> all = options.samples(graph);
  if (!all) return all.takeError();
  inputs.calibration[graph.exportName] = inBatches(*all, 1);
  return {};
}

Result<void> Pipeline::Impl::runPass(std::unique_ptr<mlir::Pass> pass, const std::string &name) {
  auto scope = timing.stage(name);
  MessageCollector messages(context);
  mlir::PassManager manager(&context);
  manager.addPass(std::move(pass));
  if (mlir::failed(manager.run(*module))) return Error{messages.take()};
  if (options.printIrAfter == "all" || options.printIrAfter == name)
    fmt::print(stderr, "// ---- after {}\n{}", name, moduleToText(*module));
  return {};
}

Result<CompiledModel> Pipeline::Impl::compileModule(const CodegenOptions &how) {
  MessageCollector messages(context);
  Result<CompiledModel> model = triton::compileModule(*module, how);
  if (!model) return messages.with(model.takeError());
  return model;
}

/// What the values of a float graph may take while samples run through it. Large networks go through in parts.
static constexpr uint64_t kMeasuredBytes = uint64_t(1) << 30;

Result<Pipeline::Measured> Pipeline::measure(const WeightStore &store, const HostTensor &samples, bool reestimate) {
  MessageCollector messages(impl->context);
  const int64_t most = samplesAtOnce(*impl->module, kMeasuredBytes, /*all=*/false);
  Result<PostTraining> found = calibratePostTraining(*impl->module, store, impl->inBatches(samples, most), reestimate, impl->options.threads);
  if (!found) return messages.with(found.takeError());
  return Measured{std::move(found->statistics), std::move(found->activationScales)};
}

Result<std::vector<Pipeline::LayerOutput>> Pipeline::compareLayers(const WeightStore &store, const WeightStore &floats, const HostTensor &samples) {
  MessageCollector messages(impl->context);
  const int64_t most = samplesAtOnce(*impl->module, kMeasuredBytes, /*all=*/true);
  Result<std::vector<LayerDifference>> found =
      triton::compareLayers(*impl->module, store, floats, impl->inBatches(samples, most), impl->options.threads);
  if (!found) return messages.with(found.takeError());
  std::vector<LayerOutput> out;
  for (LayerDifference &layer : *found) out.push_back({std::move(layer.key), layer.sqnrDb});
  return out;
}

Result<void> Pipeline::resolve() {
  Result<std::shared_ptr<const WeightStore>> store = [&] {
    auto scope = impl->timing.stage("weights");
    return impl->openWeights();
  }();
  if (!store) return store.takeError();
  ResolveInputs inputs;
  inputs.weights = store->get();
  inputs.warnings = &impl->warnings;
  inputs.seed = impl->options.randomSeed;
  inputs.threads = impl->options.threads;
  inputs.syntheticSamples = impl->options.randomWeights ? 1 : 0;
  if (Result<void> read = impl->readCalibration(inputs); !read) return read.takeError();
  return impl->runPass(createResolveQuantisationPass(std::move(inputs)), "ternary-resolve-quantisation");
}

static Result<std::vector<TargetDesc>> targetsOf(const PipelineOptions &options) {
  std::vector<TargetDesc> targets;
  for (const std::string &name : options.targets) {
    Result<TargetDesc> target = parseTarget(name);
    if (!target) return target.takeError();
    targets.push_back(std::move(*target));
  }
  return targets;
}

Result<void> Pipeline::optimise() {
  Result<std::vector<TargetDesc>> targets = targetsOf(impl->options);
  if (!targets) return targets.takeError();
  CodegenOptions options;
  options.targets = {targets->front()};
  options.optLevel = impl->options.optLevel;
  Result<std::string> text = optimisedModuleText(*impl->module, options);
  if (!text) return text.takeError();
  impl->optimisedText = std::move(*text);
  return {};
}

Result<CompiledModel> Pipeline::compile() {
  Result<std::vector<TargetDesc>> targets = targetsOf(impl->options);
  if (!targets) return targets.takeError();
  return compile(*targets, {}, false);
}

Result<CompiledModel> Pipeline::compile(const std::vector<TargetDesc> &targets, const ChooseProduct &choose, bool quiet) {
  CodegenOptions options;
  options.targets = targets;
  options.chooseProduct = choose;
  options.codeBudget = impl->options.codeBudget;
  options.optLevel = impl->options.optLevel;
  options.threads = impl->options.threads;
  options.buildId = impl->options.objects.compilerId;
  options.findObject = impl->options.objects.find;
  options.storeObject = impl->options.objects.put;
  if (quiet) { // what a layer's code costs does not depend on who else wants the budget
    options.codeBudget = UINT64_MAX;
    return impl->compileModule(options);
  }
  options.printAfter = impl->options.printIrAfter;
  options.onPrint = [](std::string_view pass, std::string_view ir) { fmt::print(stderr, "// ---- after {}\n{}", pass, ir); };
  options.onStage = [this](std::string_view stage, double ms) { impl->timing.add(std::string(stage), ms); };
  options.onUnit = [this](std::string_view unit, unsigned thread, double beganMsAgo, double ms) {
    impl->timing.addPart(std::string(unit), thread, beganMsAgo, ms);
  };
  return impl->compileModule(options);
}

Result<std::string> Pipeline::emit(const std::string &stage, const ChooseProduct &choose) {
  Result<std::vector<TargetDesc>> targets = targetsOf(impl->options);
  if (!targets) return targets.takeError();
  if (targets->size() != 1) return Error{"--emit=" + stage + " shows one target; give one with --target", ErrorKind::Usage};
  std::string text;
  CodegenOptions options;
  options.targets = std::move(*targets);
  options.chooseProduct = choose;
  options.codeBudget = impl->options.codeBudget;
  options.optLevel = impl->options.optLevel;
  options.emitKinds = {stage == "llvm" ? EmitKind::LlvmIr : stage == "asm" ? EmitKind::Assembly : EmitKind::Object};
  options.onEmit = [&](EmitKind, const TargetDesc &, std::string_view bytes) { text.append(bytes); };
  options.onStage = [this](std::string_view name, double ms) { impl->timing.add(std::string(name), ms); };
  Result<CompiledModel> model = impl->compileModule(options);
  if (!model) return model.takeError();
  return text;
}

/// What the program demands of the batch, as a session checks it when it opens.
static Result<void> checkSizes(mlir::func::FuncOp function, const std::vector<HostTensor> &inputs) {
  auto checks = function->getAttrOfType<mlir::ArrayAttr>("ternary.checks");
  if (!checks) return {};
  int64_t batch = 1;
  for (size_t i = 0; i < inputs.size() && i < function.getNumArguments(); ++i)
    if (auto type = mlir::cast<mlir::RankedTensorType>(function.getArgument(unsigned(i)).getType());
        type.getRank() > 0 && type.isDynamicDim(0) && !inputs[i].shape.empty())
      batch = inputs[i].shape[0];
  for (mlir::Attribute check : checks) {
    auto part = [&](unsigned i) { return mlir::cast<mlir::StringAttr>(mlir::cast<mlir::ArrayAttr>(check)[i]).str(); };
    char why[512];
    if (!artifact::checkSize(part(0).c_str(), part(1).c_str(), part(2).c_str(), part(3).c_str(), batch, why, sizeof why)) return Error{why};
  }
  return {};
}

Result<std::vector<HostTensor>> Pipeline::interpret(const std::vector<HostTensor> &inputs) const {
  if (!impl->interpreter) return Error{"interpret before prepareInterpreter", ErrorKind::Internal};
  if (Result<void> sizes = checkSizes(*impl->module->getOps<mlir::func::FuncOp>().begin(), inputs); !sizes) return sizes.takeError();
  return impl->interpreter->run(inputs);
}

Result<std::vector<HostTensor>> Pipeline::interpretSamples(const HostTensor &samples) const {
  auto functions = impl->module->getOps<mlir::func::FuncOp>();
  if (functions.empty()) return Error{"no function to interpret", ErrorKind::Internal};
  InterpretOptions options;
  options.threads = impl->options.threads;
  Result<Interpreter> interpreter = Interpreter::create(*functions.begin(), options);
  if (!interpreter) return interpreter.takeError();
  std::vector<HostTensor> joined;
  for (const std::vector<HostTensor> &batch : impl->inBatches(samples, samplesAtOnce(*impl->module, kMeasuredBytes, /*all=*/false))) {
    if (Result<void> sizes = checkSizes(*functions.begin(), batch); !sizes) return sizes.takeError();
    Result<std::vector<HostTensor>> outputs = interpreter->run(batch);
    if (!outputs || joined.empty()) {
      if (!outputs) return outputs;
      joined = std::move(*outputs);
      continue;
    }
    for (size_t i = 0; i < joined.size(); ++i) {
      if (joined[i].shape.empty() || (*outputs)[i].shape.empty()) continue;
      joined[i].shape[0] += (*outputs)[i].shape[0];
      joined[i].bytes.insert(joined[i].bytes.end(), (*outputs)[i].bytes.begin(), (*outputs)[i].bytes.end());
    }
  }
  return joined;
}

Result<void> Pipeline::prepareInterpreter() {
  auto functions = impl->module->getOps<mlir::func::FuncOp>();
  if (functions.empty()) return Error{"no function to interpret", ErrorKind::Internal};
  Result<Interpreter> interpreter = Interpreter::create(*functions.begin());
  if (!interpreter) return interpreter.takeError();
  impl->interpreter.emplace(std::move(*interpreter));
  return {};
}

/// "1.5 and 2 (element 3)" for the first element that differs.
static std::string firstDifference(const HostTensor &a, const HostTensor &b, double tolerance, bool exact) {
  if (a.shape != b.shape) return fmt::format("shapes {} and {}", formatShape(a.shape), formatShape(b.shape));
  std::vector<float> x = toFloats(a.type, a.bytes), y = toFloats(b.type, b.bytes);
  for (size_t i = 0; i < x.size(); ++i) {
    // Written so that a NaN differs from everything.
    bool same = exact ? x[i] == y[i] : std::abs(double(x[i]) - double(y[i])) <= tolerance;
    if (!same) return fmt::format("{} and {} (element {})", x[i], y[i], i);
  }
  return "";
}

Result<std::vector<std::string>> runTestCase(const TestCase &test, const SourceManager &sources) {
  std::vector<std::string> failures;
  if (test.asserts.empty()) return failures;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  MessageCollector messages(context);
  Result<mlir::OwningOpRef<mlir::ModuleOp>> module = generateTestIR(context, test, sources);
  if (!module) return module.takeError();
  Result<std::vector<HostTensor>> values = triton::interpret(*(*module)->getOps<mlir::func::FuncOp>().begin(), {});
  if (!values) return values.takeError();
  for (size_t i = 0; i < test.asserts.size(); ++i) {
    const TestAssert &check = test.asserts[i];
    std::string difference = firstDifference((*values)[2 * i], (*values)[2 * i + 1], check.tolerance, check.kind == TestAssert::Equal);
    if (difference.empty()) continue;
    LineColumn place = sources.lineColumn(check.range.file, check.range.begin);
    failures.push_back(fmt::format("{}:{}:{}: {} failed{}: {}", sources.name(check.range.file), place.line, place.column,
                                   check.kind == TestAssert::Equal ? "equal" : "close",
                                   check.message.empty() ? "" : " (" + check.message + ")", difference));
  }
  return failures;
}

} // namespace triton::driver
