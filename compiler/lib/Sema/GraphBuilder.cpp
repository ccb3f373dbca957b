// See GraphBuilder.h.
#include "GraphBuilder.h"

#include "triton/Sema/Operations.h"

#include <algorithm>
#include <set>

namespace triton::sema {

std::optional<int64_t> elementCount(const Shape &shape) {
  int64_t count = 1;
  for (auto &dim : shape) {
    auto size = dim.constant();
    if (!size || __builtin_mul_overflow(count, *size, &count))
      return std::nullopt;
  }
  return count;
}

std::optional<std::vector<double>> constantElements(const Rt &value, const std::string &key) {
  auto count = elementCount(value.type.shape);
  if (value.known)
    return std::vector<double>{isFloat(value.type.dtype) ? value.floatValue : double(value.intValue)};
  if (!count || *count < 0 || *count > kMaxConstantElements)
    return std::nullopt;
  if (value.random) {
    auto &spec = *value.random;
    auto trits = randomTrits(spec.seed ? *spec.seed : fnv1a64(key), spec.zero, size_t(*count));
    return std::vector<double>(trits.begin(), trits.end());
  }
  if (!value.data)
    return std::nullopt;
  if (value.data->size() == 1)
    return std::vector<double>(size_t(*count), value.data->front());
  return *value.data;
}

ValueId GraphBuilder::addValue(const TensorType &type, std::string hint) {
  graph.values.push_back({type, std::move(hint)});
  producers.push_back(-1);
  return ValueId(graph.values.size() - 1);
}

ValueId GraphBuilder::addNode(OpKind op, std::vector<ValueId> operands, const TensorType &result, AttrMap attrs,
                              SourceRange range, const ActPolicy &acts, const Instance *runner) {
  ValueId id = addValue(result);
  producers[id] = int64_t(graph.nodes.size());
  graph.nodes.push_back({op, std::move(operands), {id}, std::move(attrs), {}, acts, range});
  runners.push_back(runner);
  return id;
}

ValueId GraphBuilder::addConstant(const RtPtr &value) {
  AttrMap attrs;
  if (value->known)
    attrs["data"] = std::vector<double>{isFloat(value->type.dtype) ? value->floatValue : double(value->intValue)};
  else
    attrs["data"] = value->data ? *value->data : std::vector<double>();
  ValueId id = addNode(OpKind::Constant, {}, value->type, std::move(attrs), {}, {}, nullptr);
  if (value->random)
    randoms.emplace_back(graph.nodes.size() - 1, value);
  return id;
}

ValueId GraphBuilder::use(const RtPtr &value) {
  if (value->owner == this)
    return value->id;
  auto found = known.find(value.get());
  if (found != known.end())
    return found->second;
  ValueId id;
  if (value->owner)
    id = copyFrom(*value->owner, value->id);
  else if (value->param)
    id = addValue(value->type, value->param->segment);
  else
    id = addConstant(value);
  known.emplace(value.get(), id);
  keep.push_back(value);
  return id;
}

ValueId GraphBuilder::copyFrom(GraphBuilder &other, ValueId id) {
  // Nodes stand in program order, so copying the needed ones in that order needs no recursion.
  auto &done = copies[&other];
  std::set<ValueId> needed;
  std::vector<ValueId> work{id};
  while (!work.empty()) {
    ValueId next = work.back();
    work.pop_back();
    if (done.count(next) || !needed.insert(next).second || other.producers[next] < 0)
      continue;
    for (ValueId operand : other.graph.nodes[other.producers[next]].operands)
      if (operand != kNoValue)
        work.push_back(operand);
  }
  for (ValueId each : needed) {
    if (other.producers[each] < 0) {
      done[each] = addValue(other.graph.values[each].type, other.graph.values[each].hint);
      continue;
    }
    size_t index = size_t(other.producers[each]);
    auto &node = other.graph.nodes[index];
    std::vector<ValueId> operands;
    for (ValueId operand : node.operands)
      operands.push_back(operand == kNoValue ? kNoValue : done.at(operand));
    done[each] = addNode(node.op, std::move(operands), other.graph.values[each].type, node.attrs, node.range, node.acts,
                         nullptr);
    setHint(done[each], other.graph.values[each].hint);
    for (auto &[at, rt] : other.randoms)
      if (at == index)
        randoms.emplace_back(graph.nodes.size() - 1, rt);
  }
  return done.at(id);
}

void GraphBuilder::addParam(Param &param, ValueId id, const std::string &key) {
  GraphParam out;
  out.key = key;
  out.value = id;
  out.isWeight = param.isWeight;
  out.policy = param.policy;
  out.frozen = param.frozen;
  out.range = param.range;
  if (param.init)
    out.init = constantElements(*param.init, key);
  if (param.isWeight) {
    // Scales run along the outputs: axis 0, or the last axis of what only stands right of `@` (section 10).
    bool onlyRight = false, other = false;
    for (auto &node : graph.nodes)
      for (size_t i = 0; i < node.operands.size(); ++i)
        if (node.operands[i] == id)
          (node.op == OpKind::Matmul && i == 1 ? onlyRight : other) = true;
    auto &shape = graph.values[id].type.shape;
    out.channelAxis = onlyRight && !other && !shape.empty() ? int64_t(shape.size()) - 1 : 0;
  }
  graph.params.push_back(std::move(out));
}

static std::vector<const Instance *> ancestors(const Instance *instance) {
  std::vector<const Instance *> chain;
  for (; instance && !instance->isRoot; instance = instance->parent)
    chain.push_back(instance);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

/// The bindings at which the paths of two parameters part: the places a user can change.
static std::pair<SourceRange, SourceRange> whereTheyPart(const Param &a, const Param &b) {
  auto left = ancestors(a.owner), right = ancestors(b.owner);
  size_t i = 0;
  while (i < left.size() && i < right.size() && left[i] == right[i])
    ++i;
  return {i < left.size() ? left[i]->memberRange : a.range, i < right.size() ? right[i]->memberRange : b.range};
}

void GraphBuilder::collectParams(Instance &root, DiagnosticEngine &diags) {
  // Depth-first in member order with a stack of its own: containers may nest as deep as the program likes.
  struct Level {
    Instance *instance;
    size_t member = 0, child = 0;
  };
  std::vector<Level> stack{{&root}};
  while (!stack.empty()) {
    Level &level = stack.back();
    Instance *instance = level.instance;
    if (level.child < instance->children.size() && level.member > 0 &&
        instance->children[level.child]->memberRange == instance->members[level.member - 1].range) {
      Instance *next = instance->children[level.child++];
      stack.push_back({next});
      continue;
    }
    if (level.member == instance->members.size()) {
      stack.pop_back();
      continue;
    }
    Param *param = instance->members[level.member++].param;
    if (!param)
      continue;
    std::string prefix = instance->path();
    std::string key = prefix.empty() ? param->segment
                      : param->segment.empty() ? prefix : prefix + "." + param->segment;
    auto [it, fresh] = keys.emplace(key, param);
    if (!fresh) {
      auto [first, second] = whereTheyPart(*it->second, *param);
      diags.report(Diag::DuplicateKey, second, {key}).note(first, "the first parameter with this key is here");
      continue;
    }
    addParam(*param, use(param->rt), key);
  }
}

void GraphBuilder::finish(Instance &root, DiagnosticEngine &diags) {
  std::vector<RtPtr> used = keep; // before unused parameters are added
  collectParams(root, diags);
  auto isUnder = [&](const Instance *instance) {
    while (instance && !instance->isRoot)
      instance = instance->parent;
    return instance == &root;
  };
  for (auto &rt : used)
    if (rt->param && !isUnder(rt->param->owner)) {
      const Instance *top = rt->param->owner;
      while (top->parent)
        top = top->parent;
      diags.report(Diag::LayerMustBeMember, top->made, {top->decl->name.text})
          .help("bind it with 'let' in the body of the model or of a layer");
    }
  std::unordered_map<const Instance *, std::string> paths;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (runners[i]) {
      auto [it, fresh] = paths.emplace(runners[i], std::string());
      if (fresh)
        it->second = runners[i]->path();
      graph.nodes[i].path = it->second;
    }
  for (auto &[node, rt] : randoms) {
    std::string prefix = rt->random->owner ? rt->random->owner->path() : "";
    std::string key = prefix.empty() ? rt->random->name : prefix + "." + rt->random->name;
    if (auto data = constantElements(*rt, key))
      graph.nodes[node].attrs["data"] = std::move(*data);
  }
}

} // namespace triton::sema
