// Builds graphs by hand and prints the plan of their quantisers compactly.
#pragma once

#include "triton/Sema/Graph.h"
#include "triton/Sema/Operations.h"

#include <map>
#include <sstream>

namespace triton::test {

struct GraphBuilder {
  Graph graph;
  ActPolicy policy;
  std::string path;

  explicit GraphBuilder(DType acts = DType::Int8, ActMode mode = ActMode::Static) {
    policy.dtype = acts;
    policy.mode = mode;
    graph.name = graph.exportName = "Net";
    graph.dims = {"N"};
    graph.acts = policy;
  }

  ValueId value(Shape shape, DType type = DType::Float32) {
    graph.values.push_back({{type, std::move(shape)}, ""});
    return ValueId(graph.values.size() - 1);
  }
  ValueId input(Shape shape, DType type = DType::Float32) {
    ValueId v = value(std::move(shape), type);
    GraphInput in;
    in.name = "x" + std::to_string(graph.inputs.size());
    in.value = v;
    in.dtypes = {type};
    graph.inputs.push_back(in);
    return v;
  }
  ValueId param(Shape shape, DType storage = DType::Float32, bool isWeight = false) {
    ValueId v = value(std::move(shape), isWeight ? storage : DType::Float32);
    GraphParam p;
    p.key = "p" + std::to_string(graph.params.size());
    p.value = v;
    p.isWeight = isWeight;
    p.policy.storage = storage;
    graph.params.push_back(p);
    return v;
  }
  ValueId node(OpKind op, std::vector<ValueId> operands, Shape shape, AttrMap attrs = {}, DType type = DType::Float32) {
    ValueId v = value(std::move(shape), type);
    graph.nodes.push_back({op, std::move(operands), {v}, std::move(attrs), path, policy, {}});
    return v;
  }
  const Shape &shapeOf(ValueId v) const { return graph.values[v].type.shape; }
  ValueId same(OpKind op, ValueId x) { return node(op, {x}, shapeOf(x)); }
  ValueId add(ValueId a, ValueId b) { return node(OpKind::Add, {a, b}, shapeOf(a)); }
  ValueId conv(ValueId x, int64_t out, DType storage = DType::Trit, int64_t kernel = 3) {
    Shape s = shapeOf(x);
    ValueId w = param({out, s[1], kernel, kernel}, storage, true);
    s[1] = out;
    return node(OpKind::Conv2d, {x, w, kNoValue}, s);
  }
  ValueId linear(ValueId x, int64_t out, bool bias = true, DType storage = DType::Trit) {
    Shape s = shapeOf(x);
    ValueId w = param({out, s.back()}, storage, true), b = bias ? param({out}) : kNoValue;
    s.back() = out;
    return node(OpKind::Linear, {x, w, b}, s);
  }
  ValueId bn(ValueId x) {
    Shape c = {shapeOf(x)[1]};
    return node(OpKind::BatchNorm, {x, param(c), param(c), param(c), param(c)}, shapeOf(x));
  }
  void output(ValueId v) { graph.outputs.push_back({"y" + std::to_string(graph.outputs.size()), v}); }

  /// One line per group: its operations, `+rV` for a residual, the result and its quantiser; then what stands elsewhere.
  std::string plan() {
    planQuantisation(graph);
    std::ostringstream text;
    std::vector<bool> printed(graph.quantizers.size());
    auto quantizerText = [&](uint32_t i) {
      printed[i] = true;
      const Quantizer &q = graph.quantizers[i];
      return std::string(dtypeName(q.dtype)) + " " + q.key.value_or("dynamic") +
             (q.scale ? " scale " + std::to_string(*q.scale).substr(0, 4) : "");
    };
    for (uint32_t i = 0; i < graph.quantizers.size(); ++i) {
      bool ofGroup = false;
      for (const OpGroup &g : graph.groups) ofGroup |= g.quantizer == i;
      if (!ofGroup) text << "v" << graph.quantizers[i].value << ": " << quantizerText(i) << "\n";
    }
    for (const OpGroup &g : graph.groups) {
      for (size_t i = 0; i < g.nodes.size(); ++i) text << (i ? " " : "") << opName(graph.nodes[g.nodes[i]].op);
      if (g.residual) text << " +v" << *g.residual;
      text << (g.anchor ? " = " : " : ") << "v" << g.value;
      if (g.quantizer) text << ": " << quantizerText(*g.quantizer);
      text << "\n";
    }
    return text.str();
  }
};

} // namespace triton::test
