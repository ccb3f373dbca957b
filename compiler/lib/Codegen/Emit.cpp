// Lowering of generated modules, LLVM's pipeline, object code, and the link.
#include "Emit.h"

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

#include "lld/Common/Driver.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <chrono>
#include <mutex>

LLD_HAS_DRIVER(elf)

namespace triton {

namespace {

class StageClock {
public:
  StageClock(const CodegenOptions &options, std::string target) : options(options), target(std::move(target)) {}
  void done(const char *stage) {
    auto now = std::chrono::steady_clock::now();
    if (options.onStage)
      options.onStage("codegen " + target + ": " + stage, std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
  }

private:
  const CodegenOptions &options;
  std::string target;
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

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
  if (mlir::failed(mlir::verify(module)))
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

/// A file that goes away with its owner.
struct TemporaryFile {
  llvm::SmallString<128> path;
  ~TemporaryFile() {
    if (!path.empty())
      llvm::sys::fs::remove(path);
  }
};

/// lld keeps global state: one link at a time.
Result<std::vector<uint8_t>> link(llvm::StringRef object) {
  static std::mutex mutex;
  TemporaryFile input, output;
  int fd = -1;
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("triton", "o", fd, input.path))
    return Error{"cannot write a temporary file: " + error.message(), ErrorKind::Environment};
  {
    llvm::raw_fd_ostream os(fd, true);
    os << object;
    os.close();
    if (os.has_error()) {
      std::string message = os.error().message();
      os.clear_error();
      return Error{"cannot write " + std::string(input.path) + ": " + message, ErrorKind::Environment};
    }
  }
  output.path = input.path;
  output.path += ".so";
  std::string inputPath(input.path), outputPath(output.path), messages;
  std::vector<const char *> args = {"ld.lld", "-shared", "--threads=1", "-z", "now", "-z", "norelro", "-z", "separate-code",
                                    "-z", "max-page-size=4096", "-z", "noexecstack", "--no-undefined", "--gc-sections",
                                    "--hash-style=gnu", "--build-id=none", "-o", outputPath.c_str(), inputPath.c_str()};
  llvm::raw_string_ostream os(messages);
  {
    std::lock_guard<std::mutex> lock(mutex);
    lld::Result result = lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
    if (result.retCode != 0)
      return internal("link failed: " + messages);
  }
  auto buffer = llvm::MemoryBuffer::getFile(outputPath);
  if (!buffer)
    return Error{"cannot read " + outputPath + ": " + buffer.getError().message(), ErrorKind::Environment};
  llvm::StringRef bytes = (*buffer)->getBuffer();
  return std::vector<uint8_t>(bytes.bytes_begin(), bytes.bytes_end());
}

template <typename F>
Result<void> withElf(const std::vector<uint8_t> &elf, F &&f) {
  llvm::MemoryBufferRef buffer(llvm::StringRef(reinterpret_cast<const char *>(elf.data()), elf.size()), "code");
  auto file = llvm::object::ObjectFile::createELFObjectFile(buffer);
  if (!file)
    return internal("bad ELF: " + llvm::toString(file.takeError()));
  auto *object = llvm::dyn_cast<llvm::object::ELF64LEObjectFile>(file->get());
  if (!object)
    return internal("bad ELF: not 64-bit little-endian");
  return f(*object);
}

} // namespace

Result<void> checkSharedObject(const std::vector<uint8_t> &elf, const TargetDesc &target) {
  return withElf(elf, [&](llvm::object::ELF64LEObjectFile &object) -> Result<void> {
    auto &file = object.getELFFile();
    uint16_t machine = target.arch == Arch::X86_64 ? llvm::ELF::EM_X86_64 : llvm::ELF::EM_AARCH64;
    if (file.getHeader().e_type != llvm::ELF::ET_DYN || file.getHeader().e_machine != machine)
      return internal("the linked code is not a shared object of its machine");
    auto headers = file.program_headers();
    if (!headers)
      return internal("bad ELF: " + llvm::toString(headers.takeError()));
    for (const auto &header : *headers)
      if (header.p_type == llvm::ELF::PT_LOAD && (header.p_flags & llvm::ELF::PF_W) && (header.p_flags & llvm::ELF::PF_X))
        return internal("a segment is writable and executable");
    auto entries = file.dynamicEntries();
    if (!entries)
      return internal("bad ELF: " + llvm::toString(entries.takeError()));
    for (const auto &entry : *entries)
      switch (entry.getTag()) {
      case llvm::ELF::DT_NEEDED:
        return internal("the code needs a library");
      case llvm::ELF::DT_RELA: case llvm::ELF::DT_REL: case llvm::ELF::DT_JMPREL: case llvm::ELF::DT_RELR:
        return internal("the code needs run-time relocations");
      case llvm::ELF::DT_INIT: case llvm::ELF::DT_INIT_ARRAY: case llvm::ELF::DT_FINI: case llvm::ELF::DT_FINI_ARRAY:
        return internal("the code runs something when it is loaded");
      }
    for (const auto &symbol : object.getDynamicSymbolIterators()) {
      auto flags = symbol.getFlags();
      if (flags && (*flags & llvm::object::SymbolRef::SF_Undefined) && !(*flags & llvm::object::SymbolRef::SF_FormatSpecific))
        return internal("the code has an import");
    }
    return {};
  });
}

Result<LinkedCode> emitSharedObject(mlir::ModuleOp module, const TargetDesc &target, const CodegenOptions &options) {
  initialiseLlvm();
  StageClock clock(options, target.name);
  if (auto lowered = lowerToLlvmDialect(module, options); !lowered)
    return lowered.takeError();
  clock.done("lower");

  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
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
  clock.done("translate");

  if (auto optimised = optimise(*llvmModule, *machine, options.optLevel); !optimised)
    return optimised.takeError();
  clock.done("llvm");

  for (EmitKind kind : options.emitKinds) {
    if (!options.onEmit || kind == EmitKind::Object)
      continue;
    if (kind == EmitKind::LlvmIr) {
      std::string text;
      llvm::raw_string_ostream os(text);
      llvmModule->print(os, nullptr);
      options.onEmit(kind, target, text);
      continue;
    }
    // Code generation changes the module, so the text comes from a copy.
    auto copy = llvm::CloneModule(*llvmModule);
    auto text = generate(*copy, *machine, llvm::CodeGenFileType::AssemblyFile);
    if (!text)
      return text.takeError();
    options.onEmit(kind, target, std::string_view(text->data(), text->size()));
  }
  std::vector<std::string> exported;
  for (llvm::Function &f : *llvmModule)
    if (!f.isDeclaration() && f.hasExternalLinkage())
      exported.push_back(f.getName().str());
  auto object = generate(*llvmModule, *machine, llvm::CodeGenFileType::ObjectFile);
  if (!object)
    return object.takeError();
  clock.done("object");
  for (EmitKind kind : options.emitKinds)
    if (options.onEmit && kind == EmitKind::Object)
      options.onEmit(kind, target, std::string_view(object->data(), object->size()));

  auto elf = link(llvm::StringRef(object->data(), object->size()));
  if (!elf)
    return elf.takeError();
  LinkedCode code;
  code.elf = std::move(*elf);
  if (auto checked = checkSharedObject(code.elf, target); !checked)
    return checked.takeError();
  auto found = withElf(code.elf, [&](llvm::object::ELF64LEObjectFile &file) -> Result<void> {
    for (const auto &symbol : file.getDynamicSymbolIterators()) {
      auto name = symbol.getName();
      auto address = symbol.getAddress();
      if (name && address && !name->empty())
        code.functions[name->str()] = *address;
    }
    return {};
  });
  if (!found)
    return found.takeError();
  for (const std::string &name : exported)
    if (!code.functions.count(name))
      return internal("the linked code lacks '" + name + "'");
  clock.done("link");
  return code;
}

} // namespace triton
