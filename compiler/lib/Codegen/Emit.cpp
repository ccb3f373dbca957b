// Lowering of generated modules, LLVM's pipeline and object code, unit by unit.
#include "Emit.h"

#include "Units.h"

#include "triton/Support/Parallel.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <numeric>

namespace triton {

namespace {

using Clock = std::chrono::steady_clock;
double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

void initialiseLlvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
  });
}

Error internal(std::string message) { return Error{"code generation: " + std::move(message), ErrorKind::Internal}; }

void printIfAsked(mlir::ModuleOp module, const char *stage, const CodegenOptions &options) {
  if (!options.onPrint || (options.printAfter != "all" && options.printAfter != stage))
    return;
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os);
  options.onPrint(stage, text);
}

/// scf, arith and LLVM dialects to the LLVM dialect alone.
Result<void> lowerToLlvmDialect(mlir::ModuleOp module, const CodegenOptions &options) {
  struct Stage {
    const char *name;
    std::unique_ptr<mlir::Pass> (*make)();
  };
  std::vector<Stage> stages = {
      {"convert-scf-to-cf", [] { return mlir::createConvertSCFToCFPass(); }},
      {"convert-arith-to-llvm", [] { return mlir::createArithToLLVMConversionPass(); }},
      {"convert-cf-to-llvm", [] { return mlir::createConvertControlFlowToLLVMPass(); }},
  };
  if (options.optLevel >= 1)
    stages.insert(stages.begin(), {{"loop-invariant-code-motion", [] { return mlir::createLoopInvariantCodeMotionPass(); }}});
  printIfAsked(module, "generate", options);
  for (const Stage &stage : stages) {
    mlir::PassManager passes(module.getContext());
    passes.enableVerifier(false); // once, below
    passes.addPass(stage.make());
    if (mlir::failed(passes.run(module)))
      return internal(std::string("pass ") + stage.name + " failed");
    printIfAsked(module, stage.name, options);
  }
  // One function at a time: the verifier would spread the functions of a module over threads of its own.
  for (mlir::Operation &function : *module.getBody())
    if (mlir::failed(mlir::verify(&function)))
      return internal("the lowered module does not verify");
  return {};
}

std::unique_ptr<llvm::TargetMachine> makeTargetMachine(const TargetDesc &target, int optLevel) {
  std::string error;
  const llvm::Target *registered = llvm::TargetRegistry::lookupTarget(target.triple, error);
  if (!registered)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict; // an fma only where section 10 says fma
  options.TrapUnreachable = false;
  return std::unique_ptr<llvm::TargetMachine>(registered->createTargetMachine(
      target.triple, target.cpu, target.llvmFeatures, options, llvm::Reloc::PIC_, llvm::CodeModel::Small,
      optLevel == 0 ? llvm::CodeGenOptLevel::Less : llvm::CodeGenOptLevel::Default));
}

/// A short pipeline: the generators have tiled, unrolled and vectorised already. What is left is address arithmetic, loop
/// invariants and the scalar loops. The loop vectorisers stay off: they would only undo the tiles and cost time.
Result<void> optimise(llvm::Module &module, llvm::TargetMachine &machine, int optLevel) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager passes;
  const char *pipeline = optLevel == 0 ? "function(early-cse)"
                                       : "function(early-cse,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),"
                                         "early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg)";
  if (auto error = builder.parsePassPipeline(passes, pipeline))
    return internal("bad LLVM pipeline: " + llvm::toString(std::move(error)));
  passes.run(module, modules);
  return {};
}

Result<llvm::SmallVector<char, 0>> generate(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, os, nullptr, type))
    return internal("the target emits no such file");
  passes.run(module);
  return bytes;
}

/// What --emit shows of the module.
Result<void> showUnit(llvm::Module &module, llvm::TargetMachine &machine, const TargetDesc &target, const CodegenOptions &options) {
  for (EmitKind kind : options.emitKinds) {
    if (!options.onEmit || kind == EmitKind::Object)
      continue;
    if (kind == EmitKind::LlvmIr) {
      std::string text;
      llvm::raw_string_ostream os(text);
      module.print(os, nullptr);
      options.onEmit(kind, target, text);
      continue;
    }
    // Code generation changes the module, so the text comes from a copy.
    auto copy = llvm::CloneModule(module);
    auto text = generate(*copy, machine, llvm::CodeGenFileType::AssemblyFile);
    if (!text)
      return text.takeError();
    options.onEmit(kind, target, std::string_view(text->data(), text->size()));
  }
  return {};
}

/// One unit to its object file. Several may run at once on units of one context.
Result<ObjectFile> compileUnit(mlir::ModuleOp module, const TargetDesc &target, const CodegenOptions &options) {
  if (auto lowered = lowerToLlvmDialect(module, options); !lowered)
    return lowered.takeError();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule = mlir::translateModuleToLLVMIR(module, context);
  if (!llvmModule)
    return internal("translation to LLVM IR failed");
  auto machine = makeTargetMachine(target, options.optLevel);
  if (!machine)
    return internal("this build of LLVM has no target " + target.triple);
  llvmModule->setTargetTriple(target.triple);
  llvmModule->setDataLayout(machine->createDataLayout());
  llvmModule->setSourceFileName("triton");
  if (auto optimised = optimise(*llvmModule, *machine, options.optLevel); !optimised)
    return optimised.takeError();
  if (auto shown = showUnit(*llvmModule, *machine, target, options); !shown)
    return shown.takeError();
  auto object = generate(*llvmModule, *machine, llvm::CodeGenFileType::ObjectFile);
  if (!object)
    return object.takeError();
  return ObjectFile(object->begin(), object->end());
}

/// Several threads compile units of one context while this lives. Whatever the passes load is loaded before, since the table of
/// dialects is not guarded; types and attributes are.
class SharedContext {
public:
  SharedContext(mlir::MLIRContext &context, const CodegenOptions &options) : context(context), wasThreaded(context.isMultithreadingEnabled()) {
    mlir::registerBuiltinDialectTranslation(context);
    mlir::registerLLVMDialectTranslation(context);
    mlir::OwningOpRef<mlir::ModuleOp> empty = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
    CodegenOptions quiet;
    quiet.optLevel = options.optLevel;
    ready = bool(lowerToLlvmDialect(*empty, quiet));
    if (!wasThreaded)
      context.setThreadPool(pool); // a pool without threads: locks, but no threads of MLIR's own
  }
  ~SharedContext() {
    if (!wasThreaded)
      context.disableMultithreading();
  }
  bool ready = false;

private:
  mlir::MLIRContext &context;
  bool wasThreaded;
  llvm::SingleThreadExecutor pool{llvm::hardware_concurrency(1)};
};

} // namespace

static bool showsCode(const CodegenOptions &options) { return options.onEmit || !options.printAfter.empty(); }

bool usesObjects(const CodegenOptions &options) { return !showsCode(options) && (options.findObject || options.storeObject); }

/// A sound object from the cache.
static std::optional<ObjectFile> findObject(const ObjectKey &key, const TargetDesc &target, const CodegenOptions &options) {
  if (!options.findObject)
    return std::nullopt;
  std::optional<ObjectFile> found = options.findObject(key);
  return found && isObjectFor(*found, target) ? std::move(found) : std::nullopt;
}

bool findKernel(const std::string &name, const std::string &recipe, const TargetDesc &target, const CodegenOptions &options, KernelObjects &kernels) {
  ObjectKey key = kernelKey(name, recipe, target, options);
  kernels.keys.emplace(name, key);
  std::optional<ObjectFile> found = findObject(key, target, options);
  if (found)
    kernels.found.emplace(name, std::move(*found));
  return found.has_value();
}

Result<LinkedCode> emitSharedObject(mlir::ModuleOp module, const TargetDesc &target, const CodegenOptions &options, KernelObjects kernels) {
  initialiseLlvm();
  auto began = Clock::now();
  auto stage = [&](const std::string &name) {
    auto now = Clock::now();
    if (options.onStage)
      options.onStage("codegen " + target.name + ": " + name, milliseconds(now - began));
    began = now;
  };
  std::vector<std::string> exported = publicFunctions(module);
  LinkedCode code;
  std::map<std::string, std::set<std::string>> calls = callsOf(module);

  // What is shown is one module: the same functions as in the units.
  bool whole = showsCode(options);
  std::vector<CompileUnit> units;
  if (whole)
    units.push_back({module.clone(), "all", exported, false, 0});
  else
    units = splitUnits(module);
  std::vector<ObjectFile> objects(units.size());
  std::vector<ObjectKey> keys(units.size());
  std::vector<size_t> missing;
  bool caching = usesObjects(options);
  for (size_t i = 0; i < units.size(); ++i) {
    if (!units[i].module) {
      auto found = kernels.found.find(units[i].name);
      if (found == kernels.found.end())
        return internal("nobody has the kernel '" + units[i].name + "'");
      objects[i] = std::move(found->second);
      continue;
    }
    if (auto asked = kernels.keys.find(units[i].name); asked != kernels.keys.end()) {
      keys[i] = asked->second;
    } else if (caching) {
      keys[i] = unitKey(*units[i].module, target, options);
      if (auto found = findObject(keys[i], target, options)) {
        objects[i] = std::move(*found);
        continue;
      }
    }
    missing.push_back(i);
  }
  if (caching)
    stage("look up " + std::to_string(units.size()) + " units");

  // The big ones first, so that no thread begins one when the others are done.
  std::stable_sort(missing.begin(), missing.end(), [&](size_t a, size_t b) { return units[a].operations > units[b].operations; });
  std::vector<std::optional<Error>> errors(units.size());
  struct Span {
    unsigned thread = 0;
    Clock::time_point from, to;
  };
  std::vector<Span> spans(units.size());
  if (!missing.empty()) {
    SharedContext shared(*module.getContext(), options);
    if (!shared.ready)
      return internal("the lowering does not run");
    parallelFor(missing.size(), options.threads, [&](size_t n, unsigned thread) {
      size_t i = missing[n];
      spans[i].thread = thread;
      spans[i].from = Clock::now();
      if (auto object = compileUnit(*units[i].module, target, options))
        objects[i] = std::move(*object);
      else
        errors[i] = object.takeError();
      spans[i].to = Clock::now();
    });
  }
  std::set<std::string> compiledFunctions;
  for (size_t i : missing) {
    if (errors[i])
      return std::move(*errors[i]);
    if (options.onUnit)
      options.onUnit(units[i].name, spans[i].thread, milliseconds(Clock::now() - spans[i].from), milliseconds(spans[i].to - spans[i].from));
    if (!units[i].callsOnly)
      compiledFunctions.insert(units[i].defines.begin(), units[i].defines.end());
    if (caching && options.storeObject)
      options.storeObject(keys[i], objects[i]);
  }
  for (const std::string &name : exported)
    if (compiledFunctions.count(name) ||
        llvm::any_of(calls[name], [&](const std::string &callee) { return compiledFunctions.count(callee) != 0; }))
      code.compiled.insert(name);
  code.units = unsigned(units.size());
  code.unitsCompiled = unsigned(missing.size());
  stage("compile " + std::to_string(missing.size()) + " of " + std::to_string(units.size()) + " units");
  for (EmitKind kind : options.emitKinds)
    if (options.onEmit && kind == EmitKind::Object)
      options.onEmit(kind, target, std::string_view(reinterpret_cast<const char *>(objects[0].data()), objects[0].size()));

  auto elf = linkSharedObject(objects);
  if (!elf)
    return elf.takeError();
  code.elf = std::move(*elf);
  if (auto checked = checkSharedObject(code.elf, target); !checked)
    return checked.takeError();
  auto functions = exportedFunctions(code.elf);
  if (!functions)
    return functions.takeError();
  code.functions = std::move(*functions);
  for (const std::string &name : exported)
    if (!code.functions.count(name))
      return internal("the linked code lacks '" + name + "'");
  stage("link");
  return code;
}

} // namespace triton
