// Integer graph to code: the whole of code generation behind one call.
#pragma once

#include "triton/Codegen/CompiledModel.h"
#include "triton/Support/Result.h"
#include "triton/Target/TargetDesc.h"

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlir {
class DialectRegistry;
class ModuleOp;
} // namespace mlir

namespace triton {

/// What code generation may be asked to show. One call for each target.
enum class EmitKind : uint8_t {
  LlvmIr,   ///< after optimisation, as text
  Assembly, ///< as text
  Object,   ///< the relocatable object
};

/// BLAKE3 over everything that decides the object code of one compile unit.
using ObjectKey = std::array<uint8_t, 32>;

/// How convolutions are computed where there is a choice; results are the same.
enum class ConvAlgorithm : uint8_t {
  Cheapest, ///< by estimated cost
  Direct,
  WinogradWords, ///< F(4x4) wherever its generator takes the shape, whatever it costs: for tests and measurements
  WinogradBytes, ///< the same for F(2x2)
  WinogradRows,  ///< the same for F(1x2)
  Adds,     ///< the same for weights as code
  Lookup,   ///< the same for products of trits by trits from a table; linear layers too
};

/// A product layer with several ways to compute it that give the same bits.
struct ProductProblem {
  std::string_view layer;            ///< its key
  size_t step = 0;                   ///< index in CompiledModel::steps
  std::string recipe;                ///< equal where the ways take equally long on one machine
  std::vector<std::string> ways;     ///< at least two different names, the cost model's choice first
};
struct ProductDecision {
  size_t way = 0;                    ///< index in `ways`
  std::string why;                   ///< for LayerChoice::reason
};
/// Says how a product is computed. Called in the order of the steps, from the thread that compiles.
using ChooseProduct = std::function<ProductDecision(const TargetDesc &target, const ProductProblem &problem)>;

struct CodegenOptions {
  std::vector<TargetDesc> targets;
  ConvAlgorithm convolutions = ConvAlgorithm::Cheapest;
  uint64_t codeBudget = uint64_t(64) << 20; ///< bytes of weights as code in a variant at most; layers take it in their order
  ChooseProduct chooseProduct;    ///< from -O2 on; without it the cost model chooses
  int optLevel = 2;
  std::string entry;              ///< the function to compile; may be empty if there is one
  std::string compilerVersion;    ///< goes into CompiledModel::compiler
  unsigned threads = 1;           ///< of the compiler; they never change a byte

  /// Objects of earlier compiles, if there is a cache. `buildId` names this compiler by its content and is part of every key.
  /// Both are called from the thread that compiles.
  std::string buildId;
  std::function<std::optional<std::vector<uint8_t>>(const ObjectKey &key)> findObject;
  std::function<void(const ObjectKey &key, const std::vector<uint8_t> &object)> storeObject;

  /// Called after each stage with its name ("codegen x86-64-v3: llvm") and milliseconds.
  std::function<void(std::string_view stage, double ms)> onStage;
  /// Called for each compile unit with the thread that compiled it and when it began, in ms before this call; for traces.
  std::function<void(std::string_view unit, unsigned thread, double beganMsAgo, double ms)> onUnit;
  /// Called with what `emitKinds` asks for.
  std::vector<EmitKind> emitKinds;
  std::function<void(EmitKind kind, const TargetDesc &target, std::string_view bytes)> onEmit;
  /// Called with the IR after a pass or lowering stage whose name `printAfter` holds (or "all").
  std::string printAfter;
  std::function<void(std::string_view pass, std::string_view ir)> onPrint;
};

/// The dialects that the integer graph and its lowering use; also what `compileModule`'s context must have loaded.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// Compiles one entry point of an integer graph (docs/dialect/rationale.md) for every target. The module is not changed.
/// Deterministic: the same graph and options give the same bytes.
/// Errors: Input for a graph that no generator covers (naming operation and place), Internal for a fault of ours.
Result<CompiledModel> compileModule(mlir::ModuleOp integerGraph, const CodegenOptions &options);

/// The graph after the passes of `options.optLevel`, as text: what `--emit=ternary-opt` shows. The module is not changed.
Result<std::string> optimisedModuleText(mlir::ModuleOp integerGraph, const CodegenOptions &options);

} // namespace triton
