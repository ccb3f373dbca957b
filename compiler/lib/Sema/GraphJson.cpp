// The exported graph: docs/graph-json.md.
#include "triton/Sema/Graph.h"
#include "triton/Support/Json.h"

namespace triton {

namespace {

using json::Array;
using json::Object;
using json::Value;

const char *methodName(WeightMethod method) {
  switch (method) {
  case WeightMethod::Twn: return "twn";
  case WeightMethod::AbsMean: return "absmean";
  case WeightMethod::Fixed: return "fixed";
  case WeightMethod::Stochastic: return "stochastic";
  case WeightMethod::Learned: return "learned";
  }
  return "twn";
}

const char *scaleName(WeightScale scale) {
  switch (scale) {
  case WeightScale::PerTensor: return "per_tensor";
  case WeightScale::PerChannel: return "per_channel";
  case WeightScale::PerGroup: return "per_group";
  }
  return "per_channel";
}

Value dimension(const Dim &dim) {
  if (std::optional<int64_t> size = dim.constant()) return Value(*size);
  return Value(dim.str());
}

Value shape(const Shape &dims) {
  Array list;
  for (const Dim &dim : dims) list.push_back(dimension(dim));
  return list;
}

template <typename T> Array numbers(const std::vector<T> &values) {
  Array list;
  list.reserve(values.size());
  for (const T &value : values) list.emplace_back(value);
  return list;
}

Value valueId(ValueId value) { return value == kNoValue ? Value() : Value(int64_t(value)); }

Value ids(const std::vector<ValueId> &values) {
  Array list;
  for (ValueId value : values) list.push_back(valueId(value));
  return list;
}

/// `from` and `to` of a slice may be one symbolic dimension; shapes are lists.
Value attribute(const std::string &key, const Attr &attr) {
  struct Visitor {
    const std::string &key;
    Value operator()(bool v) const { return v; }
    Value operator()(int64_t v) const { return v; }
    Value operator()(double v) const { return v; }
    Value operator()(const std::string &v) const { return v; }
    Value operator()(DType v) const { return dtypeName(v); }
    Value operator()(const std::vector<int64_t> &v) const { return numbers(v); }
    Value operator()(const std::vector<double> &v) const { return numbers(v); }
    Value operator()(const std::vector<Dim> &v) const {
      if ((key == "from" || key == "to") && v.size() == 1) return dimension(v.front());
      return shape(v);
    }
  };
  return std::visit(Visitor{key}, attr);
}

Value input(const GraphInput &in) {
  Object o;
  o.set("name", in.name);
  o.set("value", valueId(in.value));
  Array dtypes;
  for (DType d : in.dtypes) dtypes.emplace_back(dtypeName(d));
  o.set("dtypes", std::move(dtypes));
  if (in.preprocess) {
    Object p;
    p.set("mean", numbers(in.preprocess->mean));
    p.set("std", numbers(in.preprocess->std));
    p.set("scale", Value(in.preprocess->scale));
    o.set("preprocess", std::move(p));
  } else {
    o.set("preprocess", Value());
  }
  return o;
}

Value parameter(const GraphParam &param, const Graph &graph) {
  Object o;
  o.set("key", param.key);
  o.set("value", valueId(param.value));
  o.set("storage", dtypeName(param.isWeight ? param.policy.storage : graph.values[param.value].type.dtype));
  o.set("scale", scaleName(param.policy.scale));
  o.set("method", methodName(param.policy.method));
  o.set("threshold", Value(param.policy.threshold));
  o.set("group", param.policy.group);
  o.set("seed", int64_t(param.policy.seed));
  o.set("channel_axis", param.channelAxis);
  o.set("frozen", param.frozen);
  if (param.init) o.set("init", numbers(*param.init));
  return o;
}

Value nodeObject(const GraphNode &node, size_t id) {
  Object o;
  o.set("id", int64_t(id));
  o.set("op", opName(node.op));
  o.set("operands", ids(node.operands));
  o.set("results", ids(node.results));
  o.set("path", node.path);
  Object attrs;
  for (const auto &[key, attr] : node.attrs) attrs.append(key, attribute(key, attr));
  o.set("attrs", std::move(attrs));
  return o;
}

Value group(const OpGroup &group) {
  Object o;
  o.set("nodes", ids(group.nodes));
  o.set("anchor", group.anchor ? Value(int64_t(*group.anchor)) : Value());
  o.set("residual", group.residual ? valueId(*group.residual) : Value());
  o.set("value", valueId(group.value));
  o.set("quantizer", group.quantizer ? Value(int64_t(*group.quantizer)) : Value());
  return o;
}

Value quantizer(const Quantizer &q) {
  IntRange range = codeRange(q.dtype);
  Object o;
  o.set("value", valueId(q.value));
  o.set("key", q.key ? Value(*q.key) : Value());
  o.set("dtype", dtypeName(q.dtype));
  o.set("lo", range.lo);
  o.set("hi", range.hi);
  o.set("mode", q.policy.mode == ActMode::Static ? "static" : "dynamic");
  o.set("per", q.policy.per == ActPer::Tensor ? "tensor" : "row");
  o.set("clip", Value(q.policy.clip));
  o.set("scale", q.scale ? Value(*q.scale) : Value());
  return o;
}

} // namespace

std::string graphToJson(const Graph &graph, const std::string &source) {
  Object root;
  root.set("format", "triton-graph");
  root.set("version", 1);
  root.set("model", graph.name);
  root.set("export", graph.exportName);
  root.set("source", source);
  Array dims, inputs, outputs, params, values, nodes, groups, quantizers;
  for (const std::string &name : graph.dims) dims.emplace_back(name);
  for (const GraphInput &in : graph.inputs) inputs.push_back(input(in));
  for (const GraphOutput &out : graph.outputs) {
    Object o;
    o.set("name", out.name);
    o.set("value", valueId(out.value));
    outputs.emplace_back(std::move(o));
  }
  for (const GraphParam &param : graph.params) params.push_back(parameter(param, graph));
  for (size_t i = 0; i < graph.values.size(); ++i) {
    Object o;
    o.set("id", int64_t(i));
    o.set("dtype", dtypeName(graph.values[i].type.dtype));
    o.set("shape", shape(graph.values[i].type.shape));
    values.emplace_back(std::move(o));
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) nodes.push_back(nodeObject(graph.nodes[i], i));
  for (const OpGroup &g : graph.groups) groups.push_back(group(g));
  for (const Quantizer &q : graph.quantizers) quantizers.push_back(quantizer(q));
  root.set("dims", std::move(dims));
  root.set("inputs", std::move(inputs));
  root.set("outputs", std::move(outputs));
  root.set("params", std::move(params));
  root.set("values", std::move(values));
  root.set("nodes", std::move(nodes));
  root.set("groups", std::move(groups));
  root.set("quantizers", std::move(quantizers));
  std::string text = json::write(Value(std::move(root)), 2);
  if (text.empty() || text.back() != '\n') text += '\n';
  return text;
}

} // namespace triton
