// Emits one graph as a function. Private to IRGen: Emitter.cpp places quantisers and walks the graph, Nodes.cpp holds
// the translation of every operation.
#pragma once

#include "Types.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <unordered_map>

namespace triton::irgen {

class Emitter {
public:
  Emitter(mlir::MLIRContext &context, const Graph &graph, const SourceManager &sources)
      : context(context), graph(graph), sources(sources), builder(&context) {}

  /// Appends the function of a model to `module`.
  Result<void> emitModel(mlir::ModuleOp module);
  /// Appends the function `test`: it returns the values that the asserts compare.
  Result<void> emitTest(mlir::ModuleOp module, const TestCase &test);

private:
  using Values = llvm::SmallVector<mlir::Value, 4>;

  // Emitter.cpp
  Result<void> prepare(const std::vector<ValueId> &roots);
  Result<void> emitBody(mlir::func::FuncOp function);
  Result<void> emitParam(const GraphParam &param);
  Result<void> emitNode(uint32_t index);
  void quantise(ValueId value);
  mlir::Value dynamicCodes(uint32_t index, mlir::Value x);
  mlir::Value fakeQuantize(const Quantizer &quantizer, mlir::Value x, mlir::Location loc);
  bool hasCodes(ValueId weight) const;
  Result<mlir::func::FuncOp> makeFunction(mlir::ModuleOp module, const std::string &name, mlir::TypeRange inputs,
                                          const std::vector<ValueId> &outputs);
  Error failAt(SourceRange range, Error error) const;

  // Nodes.cpp
  /// Translates one node whose operands are `x` (null where absent) and whose result has `type`.
  Result<mlir::Value> translate(const GraphNode &node, Values &x, mlir::RankedTensorType type, mlir::Location loc);
  template <typename Op>
  mlir::Value arithmetic(const GraphNode &node, Values &x, mlir::RankedTensorType type, mlir::Location loc);
  template <typename Op> mlir::Value saturatingUnary(const GraphNode &node, mlir::Value x, mlir::Location loc);
  template <typename Op>
  mlir::Value reduction(const GraphNode &node, mlir::Value x, mlir::RankedTensorType type, mlir::Location loc);
  Result<mlir::Value> slice(const GraphNode &node, mlir::Value x, mlir::Location loc);
  mlir::Value pad(const GraphNode &node, mlir::Value x, mlir::Location loc);
  mlir::Value convertedTo(mlir::Type element, mlir::Value x, mlir::Location loc);

  mlir::MLIRContext &context;
  const Graph &graph;
  const SourceManager &sources;
  mlir::OpBuilder builder;
  std::string batch;                                  ///< the variable that may stay open, empty if none
  std::vector<mlir::RankedTensorType> types;          ///< by value
  std::vector<mlir::Value> values;                    ///< by value: what later uses see, quantised where planned
  std::vector<bool> live;                             ///< by node: reaches an output
  std::vector<std::optional<int64_t>> groupOf;        ///< by node
  std::unordered_map<ValueId, uint32_t> staticAt;     ///< value -> index of its static quantiser
  std::unordered_map<uint32_t, mlir::Value> dynamics; ///< dynamic quantiser -> what it makes
  std::unordered_map<uint32_t, int64_t> quantizerGroup;
};

} // namespace triton::irgen
