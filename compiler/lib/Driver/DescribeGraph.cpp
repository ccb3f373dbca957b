#include "DescribeGraph.h"

#include "triton/Driver/GraphCosts.h"

namespace triton::driver {

std::string storageText(const GraphParam &param, const Graph &graph) {
  if (!param.isWeight) return dtypeName(graph.values[param.value].type.dtype);
  return dtypeName(param.policy.storage);
}

std::map<std::string, uint64_t> elementsByStorage(const Graph &graph) {
  std::map<std::string, uint64_t> out;
  for (const GraphParam &param : graph.params) {
    if (isRunningStatistic(param)) continue;
    uint64_t count = 1;
    for (const Dim &dim : graph.values[param.value].type.shape) count *= uint64_t(dim.constant().value_or(1));
    out[storageText(param, graph)] += count;
  }
  return out;
}

json::Object describeGraph(const Graph &graph) {
  GraphCosts costs = graphCosts(graph);
  json::Array inputs, outputs, params;
  for (const GraphInput &input : graph.inputs) {
    json::Object o;
    json::Array dtypes;
    for (DType dtype : input.dtypes) dtypes.push_back(dtypeName(dtype));
    o.append("name", input.name);
    o.append("shape", shapeString(graph.values[input.value].type.shape));
    o.append("dtypes", std::move(dtypes));
    inputs.push_back(std::move(o));
  }
  for (const GraphOutput &output : graph.outputs) {
    json::Object o;
    o.append("name", output.name);
    o.append("shape", shapeString(graph.values[output.value].type.shape));
    o.append("dtype", dtypeName(graph.values[output.value].type.dtype));
    outputs.push_back(std::move(o));
  }
  for (const GraphParam &param : graph.params) {
    json::Object o;
    o.append("key", param.key);
    o.append("shape", shapeString(graph.values[param.value].type.shape));
    o.append("storage", storageText(param, graph));
    params.push_back(std::move(o));
  }
  json::Object o;
  o.append("name", graph.name);
  o.append("export", graph.exportName);
  o.append("params", int64_t(costs.parameters));
  o.append("macs", int64_t(costs.macs));
  o.append("nodes", int64_t(graph.nodes.size()));
  o.append("inputs", std::move(inputs));
  o.append("outputs", std::move(outputs));
  o.append("parameters", std::move(params));
  return o;
}

} // namespace triton::driver
