// Counts parameters and multiply-accumulates.
#include "triton/Driver/GraphCosts.h"

namespace triton::driver {

static uint64_t elements(const Graph &graph, ValueId value) {
  uint64_t count = 1;
  for (const Dim &dim : graph.values[value].type.shape) {
    std::map<std::string, Dim> ones;
    for (const std::string &name : dim.variables()) ones.emplace(name, Dim(1));
    count *= uint64_t(dim.substitute(ones).constant().value_or(1));
  }
  return count;
}

bool isRunningStatistic(const GraphParam &param) {
  return param.key.ends_with("running_mean") || param.key.ends_with("running_var");
}

GraphCosts graphCosts(const Graph &graph) {
  GraphCosts costs;
  for (const GraphParam &param : graph.params) {
    uint64_t count = elements(graph, param.value);
    if (isRunningStatistic(param)) continue;
    costs.parameters += count;
    if (param.isWeight) costs.weights += count;
  }
  for (const GraphNode &node : graph.nodes) {
    if (node.op != OpKind::Linear && node.op != OpKind::TernaryMatmul && node.op != OpKind::Conv2d && node.op != OpKind::Matmul)
      continue;
    // Every output element is a sum over one row of the weight: its elements divided by its output channels.
    const Shape &weight = graph.values[node.operands[1]].type.shape;
    size_t outputAxis = node.op == OpKind::Matmul ? weight.size() - 1 : 0;
    uint64_t outputs = uint64_t(weight[outputAxis].constant().value_or(1));
    uint64_t batchOfWeights = 1;
    if (node.op == OpKind::Matmul)
      for (size_t i = 0; i + 2 < weight.size(); ++i) batchOfWeights *= uint64_t(weight[i].constant().value_or(1));
    costs.macs += elements(graph, node.results[0]) * (elements(graph, node.operands[1]) / batchOfWeights / outputs);
  }
  return costs;
}

} // namespace triton::driver
