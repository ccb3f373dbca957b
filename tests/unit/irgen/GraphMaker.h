// Builds small typed modules by hand: what Sema would give for a few lines of source.
#pragma once

#include "triton/IRGen/IRGen.h"
#include "triton/Sema/Operations.h"

#include "mlir/IR/MLIRContext.h"

namespace triton::test {

struct GraphMaker {
  Graph graph;
  Dim n = Dim::variable("N");

  GraphMaker() { graph.name = graph.exportName = "net"; }

  ValueId value(DType dtype, Shape shape) {
    graph.values.push_back({{dtype, std::move(shape)}, ""});
    return ValueId(graph.values.size() - 1);
  }
  ValueId input(DType dtype, Shape shape) {
    ValueId v = value(dtype, std::move(shape));
    graph.inputs.push_back({"x" + std::to_string(graph.inputs.size()), v, {dtype}, {}, {}});
    return v;
  }
  ValueId param(const std::string &key, Shape shape, DType dtype = DType::Float32) {
    ValueId v = value(dtype, std::move(shape));
    graph.params.push_back({key, v, false, {}, 0, false, {}, {}});
    return v;
  }
  ValueId weight(const std::string &key, Shape shape, DType storage = DType::Trit) {
    ValueId v = param(key, std::move(shape), storage);
    graph.params.back().isWeight = true;
    graph.params.back().policy.storage = storage;
    return v;
  }
  ValueId node(OpKind op, std::vector<ValueId> operands, TensorType type, AttrMap attrs = {}, std::string path = "") {
    ValueId v = value(type.dtype, type.shape);
    graph.nodes.push_back({op, std::move(operands), {v}, std::move(attrs), std::move(path), {}, {}});
    return v;
  }
  void output(ValueId v) { graph.outputs.push_back({"y" + std::to_string(graph.outputs.size()), v}); }
};

/// The text of the generated module, or `error: ` and the message.
inline std::string textOf(const Graph &graph) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  SourceManager sources;
  auto module = generateIR(context, graph, sources);
  return module ? moduleToText(**module) : "error: " + module.error().message;
}

} // namespace triton::test
