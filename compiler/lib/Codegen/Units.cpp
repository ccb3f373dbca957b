// Splits generated modules into compile units and names each unit by its content.
#include "Units.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace triton {

static bool isCallsOnly(LLVM::LLVMFuncOp function) {
  if (function.getLinkage() != LLVM::Linkage::External || !function.getBody().hasOneBlock())
    return false;
  return llvm::all_of(function.getBody().front(), [](Operation &op) { return op.getNumRegions() == 0; });
}

/// Calls `f` with the callee's name for each call in `op`.
template <typename F>
static void forEachCall(Operation *op, F &&f) {
  op->walk([&](LLVM::CallOp call) {
    if (auto callee = call.getCallee())
      f(*callee);
  });
}

std::vector<std::string> publicFunctions(ModuleOp module) {
  std::vector<std::string> names;
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    if (function.getLinkage() == LLVM::Linkage::External && !function.isExternal())
      names.push_back(function.getName().str());
  return names;
}

std::map<std::string, std::set<std::string>> callsOf(ModuleOp module) {
  std::map<std::string, std::set<std::string>> calls;
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    forEachCall(function, [&](llvm::StringRef callee) { calls[function.getName().str()].insert(callee.str()); });
  return calls;
}

std::vector<CompileUnit> splitUnits(ModuleOp module) {
  MLIRContext *context = module.getContext();
  std::vector<CompileUnit> units;
  CompileUnit calls;
  calls.callsOnly = true;
  auto fresh = [&] { return OwningOpRef<ModuleOp>(ModuleOp::create(UnknownLoc::get(context))); };
  // Declarations for callers, made before functions move away.
  llvm::StringMap<LLVM::LLVMFuncOp> functions;
  for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
    if (function.getLinkage() == LLVM::Linkage::Internal) {
      function.setLinkage(LLVM::Linkage::External);
      function.setVisibility_(LLVM::Visibility::Hidden);
    }
    functions[function.getName()] = function;
  }
  llvm::SmallVector<LLVM::LLVMFuncOp> order(module.getOps<LLVM::LLVMFuncOp>());
  for (LLVM::LLVMFuncOp function : order) {
    bool callsOnly = function.getVisibility_() != LLVM::Visibility::Hidden && isCallsOnly(function);
    CompileUnit own;
    if (function.isExternal()) {
      own.name = function.getName().str();
      own.defines.push_back(own.name);
      units.push_back(std::move(own));
      continue;
    }
    CompileUnit &unit = callsOnly ? calls : own;
    if (!unit.module)
      unit.module = fresh(), unit.name = function.getName().str();
    unit.defines.push_back(function.getName().str());
    function->walk([&](Operation *) { ++unit.operations; });
    function->remove();
    unit.module->push_back(function);
    if (!callsOnly)
      units.push_back(std::move(own));
  }
  if (calls.module)
    units.push_back(std::move(calls));
  for (CompileUnit &unit : units) {
    if (!unit.module)
      continue;
    std::set<std::string> needed; // sorted, so that the order of declarations means nothing
    forEachCall(*unit.module, [&](llvm::StringRef callee) { needed.insert(callee.str()); });
    for (const std::string &name : unit.defines)
      needed.erase(name);
    OpBuilder builder = OpBuilder::atBlockBegin(unit.module->getBody());
    for (const std::string &name : needed) {
      auto found = functions.find(name);
      if (found == functions.end())
        continue; // the verifier names the call
      LLVM::LLVMFuncOp definition = found->second;
      auto declaration = builder.create<LLVM::LLVMFuncOp>(builder.getUnknownLoc(), name, definition.getFunctionType(), LLVM::Linkage::External);
      declaration.setVisibility_(LLVM::Visibility::Hidden);
      declaration.setPassthroughAttr(definition.getPassthroughAttr());
    }
  }
  return units;
}

namespace {

/// Hashes IR by its structure. Types, attributes and operation names are hashed as text when they first occur and as that
/// occurrence's number afterwards; every list carries its length, so that no two programs give the same bytes.
class StructureHash {
public:
  void text(llvm::StringRef value) {
    number(value.size());
    hasher.update(value);
  }
  void number(uint64_t value) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; ++i)
      bytes[i] = uint8_t(value >> (8 * i));
    hasher.update(llvm::ArrayRef<uint8_t>(bytes, 8));
  }

  void operation(Operation &op) {
    once(op.getName().getAsOpaquePointer(), [&](llvm::raw_ostream &os) { os << op.getName().getStringRef(); });
    number(op.getNumOperands());
    for (Value operand : op.getOperands())
      number(valueNumber(operand));
    number(op.getNumResults());
    for (Value result : op.getResults()) {
      valueNumber(result);
      type(result.getType());
    }
    DictionaryAttr attributes = op.getAttrDictionary();
    once(attributes.getAsOpaquePointer(), [&](llvm::raw_ostream &os) { os << Attribute(attributes); });
    number(op.getNumSuccessors());
    for (Block *successor : op.getSuccessors())
      number(blocks.try_emplace(successor, blocks.size()).first->second);
    number(op.getNumRegions());
    for (Region &region : op.getRegions()) {
      number(region.getBlocks().size());
      for (Block &block : region) {
        number(blocks.try_emplace(&block, blocks.size()).first->second);
        number(block.getNumArguments());
        for (BlockArgument argument : block.getArguments()) {
          valueNumber(argument);
          type(argument.getType());
        }
        number(block.getOperations().size());
        for (Operation &inner : block)
          operation(inner);
      }
    }
  }

  ObjectKey result() {
    ObjectKey key;
    auto digest = hasher.final<32>();
    std::copy(digest.begin(), digest.end(), key.begin());
    return key;
  }

private:
  template <typename Print>
  void once(const void *what, Print print) {
    auto [it, isNew] = printed.try_emplace(what, printed.size());
    number(it->second);
    if (!isNew)
      return;
    std::string words;
    llvm::raw_string_ostream os(words);
    print(os);
    text(words);
  }
  void type(Type value) {
    once(value.getAsOpaquePointer(), [&](llvm::raw_ostream &os) { os << value; });
  }
  uint64_t valueNumber(Value value) { return values.try_emplace(value, values.size()).first->second; }

  llvm::BLAKE3 hasher;
  llvm::DenseMap<const void *, uint64_t> printed;
  llvm::DenseMap<Value, uint64_t> values;
  llvm::DenseMap<Block *, uint64_t> blocks;
};

} // namespace

ObjectKey unitKey(ModuleOp unit, const TargetDesc &target, const CodegenOptions &options) {
  StructureHash hash;
  hash.text("triton object 1");
  hash.text(options.buildId);
  hash.text(target.triple);
  hash.text(target.cpu);
  hash.text(target.llvmFeatures);
  hash.number(uint64_t(options.optLevel));
  hash.operation(*unit.getOperation());
  return hash.result();
}

ObjectKey kernelKey(const std::string &name, const std::string &recipe, const TargetDesc &target, const CodegenOptions &options) {
  StructureHash hash;
  hash.text("triton kernel 1");
  hash.text(options.buildId);
  hash.number(uint64_t(options.optLevel));
  // Every field, or this does not compile.
  const auto &[targetName, arch, triple, cpu, llvmFeatures, features, vectorBytes, vectorRegisters, firstCacheBytes, hasFma, hasVnni, hasVbmi, fastAdd] = target;
  for (const std::string *words : {&targetName, &triple, &cpu, &llvmFeatures})
    hash.text(*words);
  for (uint64_t field : {uint64_t(arch), features, uint64_t(vectorBytes), uint64_t(vectorRegisters), uint64_t(firstCacheBytes), uint64_t(hasFma),
                         uint64_t(hasVnni), uint64_t(hasVbmi), uint64_t(fastAdd)})
    hash.number(field);
  hash.text(name);
  hash.text(recipe);
  return hash.result();
}

} // namespace triton
