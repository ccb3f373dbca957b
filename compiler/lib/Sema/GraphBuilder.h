// Builds one Graph while the evaluator runs: values get ids when they are first used, parameters and constants included.
#pragma once

#include "Value.h"

#include "triton/Support/Diagnostics.h"

namespace triton::sema {

class GraphBuilder {
public:
  Graph graph;

  /// The id of `value` in this graph. Constants and parameters are added at their first use; a value of another graph (a
  /// top-level tensor) is brought over with the nodes that compute it.
  ValueId use(const RtPtr &value);
  ValueId addValue(const TensorType &type, std::string hint = {});
  /// Adds a node with one result.
  ValueId addNode(OpKind op, std::vector<ValueId> operands, const TensorType &result, AttrMap attrs, SourceRange range,
                  const ActPolicy &acts, const Instance *runner);
  void setHint(ValueId id, std::string_view name) {
    if (graph.values[id].hint.empty())
      graph.values[id].hint = name;
  }

  /// Fills what depends on the places of instances: node paths, parameter keys in member order, unseeded random constants.
  /// Reports TRI0210 and TRI0601 for parameters without a place.
  void finish(Instance &root, DiagnosticEngine &diags);

private:
  ValueId addConstant(const RtPtr &value);
  ValueId copyFrom(GraphBuilder &other, ValueId id);
  void collectParams(Instance &instance, DiagnosticEngine &diags);
  void addParam(Param &param, ValueId id, const std::string &key);

  std::vector<const Instance *> runners; // by node
  std::vector<int64_t> producers;        // by value: node index or -1
  std::unordered_map<const Rt *, ValueId> known;
  std::vector<RtPtr> keep; // what `known` points at
  std::unordered_map<GraphBuilder *, std::unordered_map<ValueId, ValueId>> copies;
  std::vector<std::pair<size_t, RtPtr>> randoms; // constants by node
  std::unordered_map<std::string, Param *> keys;
};

/// Elements of a constant tensor with a constant shape, all written out; nothing if there are too many or not known.
std::optional<std::vector<double>> constantElements(const Rt &value, const std::string &key);
/// Product of the sizes; nothing if one is not constant, or it leaves int64.
std::optional<int64_t> elementCount(const Shape &shape);
/// More elements than this a tensor may not have (TRI0405).
constexpr int64_t kMaxElements = int64_t(1) << 40;
/// More elements than this a constant that is written out may not have; a file that needs more loads them.
constexpr int64_t kMaxConstantElements = int64_t(1) << 27;

} // namespace triton::sema
