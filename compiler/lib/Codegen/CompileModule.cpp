// The whole of code generation: passes on a copy of the graph, one plan, then code for each target.
#include "triton/Codegen/Codegen.h"

#include "Emit.h"
#include "FuseProducts.h"
#include "Plan.h"

#include "ternary/Constants.h"

#include "triton/Support/Leftovers.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <chrono>

using namespace mlir;
using namespace triton::ternary;

namespace triton {

void registerCodegenDialects(DialectRegistry &registry) {
  registry.insert<TernaryDialect, func::FuncDialect, arith::ArithDialect, scf::SCFDialect, LLVM::LLVMDialect>();
}

namespace {

/// Parts of a thread's share of a step: a thread that comes late, or is half as fast, then keeps the others waiting for a sixteenth of the step of two threads.
constexpr uint8_t kPartsOfShare = 8;

RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }

Error internal(std::string message) { return Error{"code generation: " + std::move(message), ErrorKind::Internal}; }

Result<func::FuncOp> findEntry(ModuleOp module, const std::string &name) {
  func::FuncOp found;
  std::string all;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    all += (all.empty() ? "" : ", ") + function.getName().str();
    if (name.empty() ? !found : function.getName() == name)
      found = function;
  }
  if (!found)
    return Error{name.empty() ? "the program has no entry point" : "no entry point '" + name + "'; there are: " + all, ErrorKind::Usage};
  if (!found.getBody().hasOneBlock())
    return internal("the entry point has control flow");
  return found;
}

class Stages {
public:
  explicit Stages(const CodegenOptions &options) : options(options) {}
  void done(const std::string &name) {
    auto now = std::chrono::steady_clock::now();
    if (options.onStage)
      options.onStage(name, std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
  }

private:
  const CodegenOptions &options;
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

/// The passes of each level on the integer graph. They never change a result.
Result<void> optimiseGraph(ModuleOp module, func::FuncOp function, const CodegenOptions &options, Stages &stages) {
  auto print = [&](const char *pass) {
    if (!options.onPrint || (options.printAfter != "all" && options.printAfter != pass))
      return;
    std::string text;
    llvm::raw_string_ostream os(text);
    OpPrintingFlags flags;
    flags.elideLargeElementsAttrs(64).elideLargeResourceString(64);
    module.print(os, flags);
    options.onPrint(pass, text);
  };
  if (options.optLevel >= 1) {
    struct Row {
      const char *name;
      std::unique_ptr<Pass> pass;
    } rows[] = {{"canonicalize", createCanonicalizerPass()}, {"cse", createCSEPass()}};
    for (Row &row : rows) {
      PassManager passes(module.getContext());
      passes.enableVerifier(false);
      passes.addPass(std::move(row.pass));
      if (failed(passes.run(module)))
        return internal(std::string("pass ") + row.name + " failed");
      stages.done(row.name);
      print(row.name);
    }
  }
  if (options.optLevel >= 2) {
    fuseProducts(function);
    stages.done("ternary-fuse-products");
    print("ternary-fuse-products");
  }
  // Dead operations cost steps at every level.
  llvm::SmallVector<Operation *> reversed;
  for (Operation &op : llvm::reverse(function.getBody().front()))
    reversed.push_back(&op);
  for (Operation *op : reversed)
    if (isOpTriviallyDead(op))
      op->erase();
  return {};
}

std::vector<double> doublesOf(Attribute attr) {
  std::vector<double> out;
  if (auto array = dyn_cast_or_null<ArrayAttr>(attr)) {
    for (Attribute a : array)
      if (auto f = dyn_cast<FloatAttr>(a))
        out.push_back(f.getValueAsDouble());
  } else if (auto dense = dyn_cast_or_null<DenseF64ArrayAttr>(attr)) {
    out.assign(dense.asArrayRef().begin(), dense.asArrayRef().end());
  } else if (auto one = dyn_cast_or_null<FloatAttr>(attr)) {
    out.push_back(one.getValueAsDouble());
  }
  return out;
}

TensorSpec describeTensor(func::FuncOp function, RankedTensorType type) {
  TensorSpec spec;
  spec.shape.assign(type.getShape().begin(), type.getShape().end());
  for (int64_t &d : spec.shape)
    if (ShapedType::isDynamic(d)) {
      d = -1;
      spec.batchName = "N";
      if (auto dims = function->getAttrOfType<ArrayAttr>("ternary.dims"); dims && !dims.empty())
        if (auto name = dyn_cast<StringAttr>(dims[0]))
          spec.batchName = name.str();
    }
  return spec;
}

void describeModel(func::FuncOp function, CompiledModel &model) {
  model.exportName = function.getName().str();
  auto text = [&](const char *attr) {
    auto value = function->getAttrOfType<StringAttr>(attr);
    return value ? value.str() : std::string();
  };
  model.name = text("ternary.model").empty() ? model.exportName : text("ternary.model");
  model.doc = text("ternary.doc");
  if (auto labels = function->getAttrOfType<ArrayAttr>("ternary.labels"))
    for (Attribute label : labels)
      if (auto name = dyn_cast<StringAttr>(label))
        model.labels.push_back(name.str());
  if (auto checks = function->getAttrOfType<ArrayAttr>("ternary.checks"))
    for (Attribute attr : checks) { // the dialect's verifier has seen that each holds four strings
      auto check = cast<ArrayAttr>(attr).getAsValueRange<StringAttr>();
      llvm::SmallVector<llvm::StringRef, 4> parts(check.begin(), check.end());
      model.checks.push_back({parts[0].str(), parts[1].str(), parts[2].str(), parts[3].str()});
    }
  for (BlockArgument argument : function.getArguments()) {
    unsigned i = argument.getArgNumber();
    TensorSpec spec = describeTensor(function, tensorOf(argument));
    auto name = function.getArgAttrOfType<StringAttr>(i, "ternary.name");
    spec.name = name ? name.str() : "input" + std::to_string(i);
    spec.dtypes = acceptedDTypes(function, i);
    spec.mean = doublesOf(function.getArgAttr(i, "ternary.mean"));
    spec.std = doublesOf(function.getArgAttr(i, "ternary.std"));
    std::vector<double> scale = doublesOf(function.getArgAttr(i, "ternary.scale"));
    spec.preprocessed = !scale.empty() || !spec.mean.empty() || !spec.std.empty();
    if (!scale.empty())
      spec.scale = scale[0];
    model.inputs.push_back(std::move(spec));
  }
  for (auto [i, v] : llvm::enumerate(function.getBody().front().getTerminator()->getOperands())) {
    TensorSpec spec = describeTensor(function, tensorOf(v));
    auto name = function.getResultAttrOfType<StringAttr>(unsigned(i), "ternary.name");
    spec.name = name ? name.str() : "output" + std::to_string(i);
    spec.dtypes = {outsideDType(tensorOf(v).getElementType())};
    model.outputs.push_back(std::move(spec));
  }
  // Weights are what a product takes with a key.
  function.walk([&](ConstantOp op) {
    if (!op.getKey())
      return;
    uint64_t count = uint64_t(tensorOf(op.getResult()).getNumElements());
    model.parameters += count;
    model.fp32Bytes += 4 * count;
    if (!isa<TritType>(tensorOf(op.getResult()).getElementType()))
      return;
    model.weightTrits += count;
    SmallVector<int8_t> storage;
    if (auto codes = trits(op.getValue(), storage); succeeded(codes))
      model.zeroTrits += uint64_t(llvm::count(*codes, 0));
  });
}

/// Names that are fit for symbols.
std::string symbolFor(size_t index, const std::string &name) {
  std::string symbol = "s" + std::to_string(index) + "_";
  for (char c : name)
    symbol += std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' ? c : '_';
  return symbol;
}

class VariantCompiler {
public:
  VariantCompiler(const Plan &plan, const TargetDesc &target, const CodegenOptions &options, BlobTable &blobs)
      : plan(plan), target(target), options(options), blobs(blobs) {}

  Result<CompiledVariant> run() {
    // Left behind at the end, the module before its context.
    auto context = std::make_shared<MLIRContext>(MLIRContext::Threading::DISABLED);
    context->loadDialect<arith::ArithDialect, scf::SCFDialect, LLVM::LLVMDialect>();
    std::shared_ptr<OwningOpRef<ModuleOp>> owned(new OwningOpRef<ModuleOp>(ModuleOp::create(UnknownLoc::get(context.get()))),
                                                 [context](OwningOpRef<ModuleOp> *module) { delete module; });
    OwningOpRef<ModuleOp> &module = *owned;
    auto begin = std::chrono::steady_clock::now();
    VariantState state;
    state.layouts = plan.layouts;
    state.storage = plan.storage;
    state.alias = plan.alias;
    chooseExcess(state.layouts, target, [&](Value v) {
      Storage::Kind kind = plan.storage.lookup(v).kind;
      return kind == Storage::Fixed || kind == Storage::PerBatch;
    });
    state.workspaceFixed = plan.workspaceFixed;
    state.workspacePerBatch = plan.workspacePerBatch;
    KernelBuilder k(*module, target);
    KernelObjects kernels;
    if (usesObjects(options))
      k.isKnown = [&](const std::string &name, const std::string &recipe) { return findKernel(name, recipe, target, options, kernels); };
    CompiledVariant variant;
    std::vector<std::string> symbols;
    uint64_t codeBudget = options.codeBudget, allWeights = 0;
    for (const PlannedStep &step : plan.steps)
      if (step.op)
        for (Value operand : step.op->getOperands())
          if (operand.getDefiningOp<ternary::ConstantOp>())
            allWeights += uint64_t(tensorOf(operand).getNumElements());
    for (auto [i, step] : llvm::enumerate(plan.steps)) {
      std::string symbol = symbolFor(i, step.name);
      symbols.push_back(symbol);
      StepContext c(k, state, blobs, plan.inlined, options.optLevel);
      c.guard = step.guard;
      c.convolutions = options.convolutions;
      c.wholeCodeBudget = options.codeBudget;
      c.codeBudget = codeBudget;
      c.allWeights = allWeights;
      c.beginStep(symbol);
      std::string why;
      if (options.chooseProduct)
        c.chooseWay = [&, i = i](std::string recipe, std::vector<std::string> ways) {
          size_t count = ways.size();
          ProductDecision decision = options.chooseProduct(target, {step.layer, i, std::move(recipe), std::move(ways)});
          why = std::move(decision.why);
          return decision.way < count ? decision.way : 0;
        };
      std::string detail;
      if (auto lowered = lower(c, step, detail, why); !lowered)
        return lowered.takeError();
      c.endStep();
      codeBudget = c.codeBudget;
      variant.stepCosts.push_back(estimateCost(target, uint64_t(double(step.macsPerBatch) * c.work), step.bytesPerBatch, c.plainLoops));
      variant.stepParts.push_back(c.divides ? kPartsOfShare : 1);
      variant.stepNames.push_back(step.name + (detail.empty() ? "" : "_" + detail) + "_" + target.name);
    }
    if (options.onStage)
      options.onStage("codegen " + target.name + ": generate",
                      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    auto code = emitSharedObject(*module, target, options, std::move(kernels));
    if (!code)
      return code.takeError();
    variant.target = target.name;
    variant.features = target.features;
    variant.elf = std::move(code->elf);
    for (const std::string &symbol : symbols) {
      variant.stepOffsets.push_back(code->functions.at(symbol));
      variant.stepCompiled.push_back(code->compiled.count(symbol) != 0);
    }
    variant.units = code->units;
    variant.unitsCompiled = code->unitsCompiled;
    variant.placements = std::move(state.placements);
    variant.arenaBytes = state.arenaBytes;
    variant.workspaceFixed = uint64_t(state.workspaceFixed);
    variant.workspacePerBatch = uint64_t(state.workspacePerBatch);
    variant.scratchPerThread = uint64_t(state.scratchPerThread);
    variant.choices = std::move(state.choices);
    // Not those of all targets, nor of compiles that nobody watches, which are tries: they take memory.
    if (&target == &options.targets.back() && options.onStage)
      leave(std::move(owned));
    return variant;
  }

private:
  Result<void> lower(StepContext &c, const PlannedStep &step, std::string &detail, const std::string &why) {
    c.plainLoops = step.kind != PlannedStep::Compute;
    if (step.kind == PlannedStep::Materialise) {
      // The view of the destination is the argument's buffer; what is read is the caller's.
      View to = c.view(step.value);
      c.variant.storage[step.value] = {Storage::Input, cast<BlockArgument>(step.value).getArgNumber(), 0};
      c.forgetBases();
      lowerCopy(c, to, step.value);
      c.variant.storage[step.value] = plan.storage.lookup(step.value);
      return {};
    }
    if (step.kind == PlannedStep::CopyOut) {
      View to;
      to.layout = Layout::rowMajor(tensorOf(step.value));
      to.base = c.outputPointer(step.output);
      lowerCopy(c, to, step.value);
      return {};
    }
    if (options.optLevel >= 2) {
      auto choice = lowerTiledProduct(c, step.op, step.layer);
      if (!choice)
        choice = lowerRealProduct(c, step.op, step.layer);
      if (!choice)
        choice = lowerVectorPool(c, step.op, step.layer);
      if (choice) {
        if (!why.empty())
          choice->reason += "; " + why;
        detail = tileOf(choice->algorithm);
        if (!choice->layer.empty())
          c.variant.choices.push_back(std::move(*choice));
        return {};
      }
    }
    if (options.optLevel >= 2 && (lowerVectorQuantise(c, step.op) || lowerVectorElements(c, step.op) || lowerVectorRows(c, step.op)))
      return {};
    c.plainLoops = true;
    if (!lowerByLoops(c, step.op))
      return Error{"no generator covers '" + step.op->getName().getStringRef().str() + "' (" + describeLocation(step.op->getLoc()) + ")"};
    if (!step.layer.empty())
      c.variant.choices.push_back({step.layer, "plain loops", "as stored",
                                   options.optLevel < 2 ? "-O" + std::to_string(options.optLevel) + " does not tile"
                                                        : "no tiled generator takes this form (" + formOf(step.op) + ")"});
    return {};
  }

  /// "14x32" at the end of an algorithm's description.
  static std::string tileOf(const std::string &algorithm) {
    size_t space = algorithm.rfind(' ');
    std::string last = space == std::string::npos ? "" : algorithm.substr(space + 1);
    return !last.empty() && std::isdigit(static_cast<unsigned char>(last[0])) ? last : "";
  }
  static std::string formOf(Operation *op) {
    std::string text;
    llvm::raw_string_ostream os(text);
    for (auto [i, v] : llvm::enumerate(op->getOperands()))
      if (i < 2)
        os << (i ? " by " : "") << tensorOf(v).getElementType();
    if (auto conv = dyn_cast<FusedConv2dOp>(op); conv && conv.getGroups() > 1)
      os << ", " << conv.getGroups() << " groups";
    if (auto conv = dyn_cast<Conv2dOp>(op); conv && conv.getGroups() > 1)
      os << ", " << conv.getGroups() << " groups";
    return text;
  }

  const Plan &plan;
  const TargetDesc &target;
  const CodegenOptions &options;
  BlobTable &blobs;
};

} // namespace

Result<CompiledModel> compileModule(ModuleOp graph, const CodegenOptions &options) {
  if (options.targets.empty())
    return Error{"no target to compile for", ErrorKind::Usage};
  Stages stages(options);
  OwningOpRef<ModuleOp> copy = graph.clone();
  auto entry = findEntry(*copy, options.entry);
  if (!entry)
    return entry.takeError();
  CompiledModel model;
  model.compiler = options.compilerVersion;
  model.optLevel = options.optLevel;
  describeModel(*entry, model);
  if (auto optimised = optimiseGraph(*copy, *entry, options, stages); !optimised)
    return optimised.takeError();
  auto plan = planProgram(*entry, options.optLevel);
  if (!plan)
    return plan.takeError();
  stages.done("plan");
  for (const PlannedStep &planned : plan->steps) {
    Step step;
    step.name = planned.name;
    step.layer = planned.layer;
    step.macsPerBatch = planned.macsPerBatch;
    step.bytesPerBatch = planned.bytesPerBatch;
    if (planned.guard) {
      step.onlyInput = int32_t(planned.guard->first);
      step.onlyDtype = planned.guard->second;
    }
    if (!planned.guard || planned.guard->second != DType::Float32)
      model.macsPerBatch += planned.macsPerBatch;
    model.steps.push_back(std::move(step));
  }
  BlobTable blobs;
  for (const TargetDesc &target : options.targets) {
    auto variant = VariantCompiler(*plan, target, options, blobs).run();
    if (!variant)
      return variant.takeError();
    model.variants.push_back(std::move(*variant));
  }
  model.blobs = std::move(blobs.blobs);
  return model;
}

Result<std::string> optimisedModuleText(ModuleOp graph, const CodegenOptions &options) {
  Stages stages(options);
  OwningOpRef<ModuleOp> copy = graph.clone();
  auto entry = findEntry(*copy, options.entry);
  if (!entry)
    return entry.takeError();
  if (auto optimised = optimiseGraph(*copy, *entry, options, stages); !optimised)
    return optimised.takeError();
  std::string text;
  llvm::raw_string_ostream os(text);
  copy->print(os);
  return text;
}

} // namespace triton
