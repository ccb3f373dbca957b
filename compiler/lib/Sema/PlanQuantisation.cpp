// Forms operation groups and places quantisers: language.md section 10, "Where quantisers stand". The exact rule, with what
// was decided where the text leaves a choice, is docs/rfcs/0001-quantiser-keys.md.
//
// One pass over the live nodes in program order. A group stays open while its value has one user; a node either joins the
// open group of an operand or begins its own. When a node does not join, the groups of its operands are complete, so that
// whether an operand carries codes is known by then.
#include "triton/Sema/Graph.h"
#include "triton/Support/Diagnostics.h"

#include <algorithm>
#include <map>

namespace triton {

namespace {

constexpr uint32_t kNone = UINT32_MAX;

bool isLinearLike(OpKind op) {
  return op == OpKind::Linear || op == OpKind::Conv2d || op == OpKind::TernaryMatmul || op == OpKind::Matmul;
}

bool isActivation(OpKind op) {
  switch (op) {
  case OpKind::Relu: case OpKind::Relu6: case OpKind::Hardsigmoid: case OpKind::Hardswish:
  case OpKind::Sigmoid: case OpKind::Silu: case OpKind::Tanh: case OpKind::Gelu:
    return true;
  default:
    return false;
  }
}

/// Keeps codes and scale. `relu` also does where its operand has codes.
bool isMoving(OpKind op) {
  switch (op) {
  case OpKind::Reshape: case OpKind::Flatten: case OpKind::Transpose: case OpKind::Slice: case OpKind::MaxPool:
  case OpKind::Index: case OpKind::Dropout:
    return true;
  default:
    return false;
  }
}

bool makesNonNegative(OpKind op) {
  return op == OpKind::Relu || op == OpKind::Relu6 || op == OpKind::Hardsigmoid || op == OpKind::Sigmoid ||
         op == OpKind::Softmax;
}

bool keepsNonNegative(OpKind op) { return isMoving(op) || op == OpKind::AvgPool || op == OpKind::GlobalAvgPool; }

bool isStatic(const ActPolicy &policy) { return policy.isQuantised() && policy.mode == ActMode::Static; }
bool isDynamic(const ActPolicy &policy) { return policy.isQuantised() && policy.mode == ActMode::Dynamic; }

/// The signed or unsigned form of the width that `@acts` names.
DType codeForm(DType named, bool nonNegative) {
  switch (named) {
  case DType::Int4: case DType::UInt4: return nonNegative ? DType::UInt4 : DType::Int4;
  case DType::Int6: case DType::UInt6: return nonNegative ? DType::UInt6 : DType::Int6;
  case DType::Int8: case DType::UInt8: return nonNegative ? DType::UInt8 : DType::Int8;
  default: return named; // trits have one form
  }
}

/// How far a group has come; a part may only follow earlier ones.
enum class Stage : uint8_t { Linear, Bias, BatchNorm, Add, Closed };

class Planner {
public:
  explicit Planner(Graph &graph) : graph(graph) {}

  void run() {
    collect();
    placeAtInputs();
    for (uint32_t i = 0; i < graph.nodes.size(); ++i)
      if (live[i]) visit(i);
    for (Pending &group : pending) closeValue(group.group.value);
    publish();
  }

private:
  struct Pending {
    OpGroup group;
    Stage stage = Stage::Closed;
    bool linear = false;    ///< kind (a)
    bool hasBias = false;
    bool takesResidual = false;
  };
  struct PlacedQuantizer {
    Quantizer quantizer;
    uint64_t order = 0; ///< inputs first, then by the node that makes (static) or reads (dynamic) the value
    std::string path;
    bool atInput = false;
  };

  const GraphNode &node(uint32_t i) const { return graph.nodes[i]; }
  const TensorType &type(ValueId v) const { return graph.values[v].type; }
  bool isReal(ValueId v) const { return isFloat(type(v).dtype); }
  /// A parameter or a constant: what weights, biases and norms are made of.
  bool isGiven(ValueId v) const { return given[v]; }

  void collect() {
    size_t values = graph.values.size();
    definedBy.assign(values, kNone);
    uses.assign(values, 0);
    users.assign(values, {});
    isOutput.assign(values, false);
    given.assign(values, false);
    codes.assign(values, kNone);
    closed.assign(values, false);
    openGroup.assign(values, kNone);
    live.assign(graph.nodes.size(), false);
    for (uint32_t i = 0; i < graph.nodes.size(); ++i)
      for (ValueId v : node(i).results) {
        definedBy[v] = i;
        given[v] = node(i).op == OpKind::Constant;
      }
    for (const GraphParam &param : graph.params) given[param.value] = true;
    for (const GraphOutput &output : graph.outputs) {
      isOutput[output.value] = true;
      ++uses[output.value];
      if (definedBy[output.value] != kNone) live[definedBy[output.value]] = true;
    }
    for (uint32_t i = uint32_t(graph.nodes.size()); i-- > 0;) {
      if (!live[i]) continue;
      for (ValueId v : node(i).operands) {
        if (v == kNoValue) continue;
        ++uses[v];
        users[v].push_back(i);
        if (definedBy[v] != kNone) live[definedBy[v]] = true;
      }
    }
    // What only moves on its way to the outputs stays real, like the outputs themselves.
    leadsToOutputs.assign(values, false);
    for (uint32_t i = uint32_t(graph.nodes.size()); i-- > 0;)
      for (ValueId v : node(i).results) leadsToOutputs[v] = live[i] && onlyOutputs(v);
    for (const GraphInput &input : graph.inputs) leadsToOutputs[input.value] = onlyOutputs(input.value);
    nonNegative.assign(values, false);
    for (const GraphNode &n : graph.nodes)
      for (ValueId v : n.results)
        nonNegative[v] = makesNonNegative(n.op) || (keepsNonNegative(n.op) && nonNegative[n.operands[0]]);
  }

  bool onlyOutputs(ValueId v) const {
    if (uses[v] == 0) return false;
    for (uint32_t user : users[v]) {
      OpKind op = node(user).op;
      if (!(isMoving(op) || op == OpKind::Relu) || !leadsToOutputs[node(user).results[0]]) return false;
    }
    return true;
  }

  /// Every user quantises it explicitly: another quantiser would only round twice.
  bool onlyQuantised(ValueId v) const {
    if (isOutput[v] || users[v].empty()) return false;
    return std::all_of(users[v].begin(), users[v].end(), [&](uint32_t i) { return node(i).op == OpKind::Quantize; });
  }

  bool wantsQuantizer(ValueId v, const ActPolicy &policy) const {
    return isStatic(policy) && isReal(v) && !isOutput[v] && !leadsToOutputs[v] && !onlyQuantised(v);
  }

  uint32_t place(ValueId v, DType form, const ActPolicy &policy, uint64_t order, std::string path, bool atInput) {
    PlacedQuantizer placed;
    placed.quantizer.value = v;
    placed.quantizer.dtype = form;
    placed.quantizer.policy = policy;
    placed.order = order;
    placed.path = std::move(path);
    placed.atInput = atInput;
    quantizers.push_back(std::move(placed));
    return uint32_t(quantizers.size() - 1);
  }

  void placeAtInputs() {
    for (size_t i = 0; i < graph.inputs.size(); ++i) {
      ValueId v = graph.inputs[i].value;
      closed[v] = true;
      if (users[v].empty()) continue;
      // `users` is in descending order.
      ActPolicy policy = graph.acts ? *graph.acts : node(users[v].back()).acts;
      if (wantsQuantizer(v, policy)) codes[v] = place(v, codeForm(policy.dtype, false), policy, i, "", true);
    }
  }

  /// The group that ends in this value is complete: decides its quantiser.
  void closeValue(ValueId v) {
    if (closed[v]) return;
    closed[v] = true;
    if (definedBy[v] == kNone || given[v]) return;
    const GraphNode &n = node(definedBy[v]);
    uint64_t order = orderOf(definedBy[v], 1);
    if (n.op == OpKind::Quantize) {
      ActPolicy policy = n.acts;
      policy.dtype = std::get<DType>(n.attrs.at("d"));
      policy.mode = ActMode::Static;
      codes[v] = place(v, policy.dtype, policy, order, n.path, false);
      if (auto scale = n.attrs.find("scale"); scale != n.attrs.end())
        quantizers[codes[v]].quantizer.scale = std::get<double>(scale->second);
    } else if (n.op != OpKind::Dequantize && wantsQuantizer(v, n.acts)) {
      codes[v] = place(v, codeForm(n.acts.dtype, nonNegative[v]), n.acts, order, n.path, false);
    }
  }

  uint32_t codesOf(ValueId v) {
    closeValue(v);
    return codes[v];
  }

  uint64_t orderOf(uint32_t node, unsigned part) const { return graph.inputs.size() + uint64_t(node) * 2 + part; }

  // ---- Groups ------------------------------------------------------------------------------------------------------------

  void visit(uint32_t i) {
    const GraphNode &n = node(i);
    if (n.op == OpKind::Constant || n.results.empty()) return;
    ValueId result = n.results[0];
    if (join(i)) return;
    if (isMoving(n.op) || (n.op == OpKind::Relu && isReal(result) && codesOf(n.operands[0]) != kNone)) {
      closed[result] = true;
      codes[result] = codesOf(n.operands[0]);
      return;
    }
    Pending made;
    made.group.nodes = {i};
    made.group.value = result;
    if (isReal(result) && isLinearLike(n.op) && isGiven(n.operands[1])) {
      made.group.anchor = i;
      made.linear = true;
      made.stage = Stage::Linear;
      made.hasBias = n.operands.size() > 2 && n.operands[2] != kNoValue;
      made.takesResidual = isStatic(n.acts);
      if (isDynamic(n.acts) && hasCodes(n.operands[1])) placeDynamic(i);
    } else if (isReal(result) && n.op == OpKind::Add) {
      made.stage = Stage::Add;
    }
    pending.push_back(std::move(made));
    if (uses[result] == 1 && !isOutput[result] && pending.back().stage != Stage::Closed)
      openGroup[result] = uint32_t(pending.size() - 1);
  }

  void extend(uint32_t index, uint32_t i, Stage stage) {
    Pending &group = pending[index];
    ValueId result = node(i).results[0];
    closed[group.group.value] = true; // an inner value: never codes
    group.group.nodes.push_back(i);
    group.group.value = result;
    group.stage = stage;
    if (stage != Stage::Closed && uses[result] == 1 && !isOutput[result]) openGroup[result] = index;
  }

  /// The open group that ends in `v` and has not reached `stage`.
  uint32_t openBefore(ValueId v, Stage stage) const {
    uint32_t index = v == kNoValue ? kNone : openGroup[v];
    return index != kNone && pending[index].stage < stage ? index : kNone;
  }

  bool join(uint32_t i) {
    const GraphNode &n = node(i);
    if (!isReal(n.results[0])) return false;
    if (isActivation(n.op)) {
      uint32_t index = openBefore(n.operands[0], Stage::Closed);
      if (index == kNone) return false;
      extend(index, i, Stage::Closed);
      return true;
    }
    if (n.op == OpKind::BatchNorm) {
      uint32_t index = openBefore(n.operands[0], Stage::BatchNorm);
      if (index == kNone || !pending[index].linear || !normalisesOutputs(n)) return false;
      extend(index, i, Stage::BatchNorm);
      return true;
    }
    return n.op == OpKind::Add && (joinAsBias(i) || joinAsResidual(i));
  }

  /// Axis 1 is the axis of output channels, and the norm's own tensors are given.
  bool normalisesOutputs(const GraphNode &n) const {
    uint32_t index = openGroup[n.operands[0]];
    bool conv = node(*pending[index].group.anchor).op == OpKind::Conv2d;
    return (conv || type(n.operands[0]).shape.size() == 2) &&
           std::all_of(n.operands.begin() + 1, n.operands.end(), [&](ValueId v) { return isGiven(v); });
  }

  /// One number for every output channel: [O] after `linear`, [O, 1, 1] after `conv2d`, leading ones allowed.
  bool isPerChannel(const Shape &bias, const Shape &result, bool conv) const {
    size_t channelFromRight = conv ? 3 : 1;
    if (bias.size() < channelFromRight || bias.size() > result.size()) return false;
    for (size_t back = 1; back <= bias.size(); ++back) {
      const Dim &wanted = back == channelFromRight ? result[result.size() - back] : Dim(1);
      if (!(bias[bias.size() - back] == wanted)) return false;
    }
    return true;
  }

  bool joinAsBias(uint32_t i) {
    const GraphNode &n = node(i);
    for (size_t side : {size_t(0), size_t(1)}) {
      ValueId chain = n.operands[side], bias = n.operands[1 - side];
      uint32_t index = openBefore(chain, Stage::Bias);
      if (index == kNone || !pending[index].linear || pending[index].hasBias || !isGiven(bias) || !isReal(bias)) continue;
      bool conv = node(*pending[index].group.anchor).op == OpKind::Conv2d;
      if (!isPerChannel(type(bias).shape, type(chain).shape, conv)) continue;
      extend(index, i, Stage::Bias);
      return true;
    }
    return false;
  }

  bool joinAsResidual(uint32_t i) {
    const GraphNode &n = node(i);
    ValueId a = n.operands[0], b = n.operands[1];
    if (a == b || definedBy[a] == kNone || definedBy[b] == kNone) return false;
    bool lastIsA = definedBy[a] > definedBy[b];
    ValueId chain = lastIsA ? a : b, other = lastIsA ? b : a;
    uint32_t index = openBefore(chain, Stage::Add);
    if (index == kNone || !pending[index].takesResidual) return false;
    if (type(a).shape != type(b).shape) return false;
    uint32_t source = codesOf(other);
    if (source == kNone || quantizers[source].atInput) return false;
    pending[index].group.residual = other;
    extend(index, i, Stage::Add);
    return true;
  }

  // ---- Dynamic quantisers ------------------------------------------------------------------------------------------------

  /// The weight is stored as codes.
  bool hasCodes(ValueId weight) const {
    for (const GraphParam &param : graph.params)
      if (param.value == weight && param.isWeight) return !isFloat(param.policy.storage);
    return !isFloat(type(weight).dtype);
  }

  void placeDynamic(uint32_t i) {
    ValueId v = node(i).operands[0];
    const ActPolicy &policy = node(i).acts;
    if (!isReal(v) || codesOf(v) != kNone) return;
    for (const PlacedQuantizer &known : quantizers)
      if (known.quantizer.value == v && known.quantizer.policy == policy) return;
    place(v, codeForm(policy.dtype, nonNegative[v]), policy, orderOf(i, 0), "", false);
  }

  // ---- Result ------------------------------------------------------------------------------------------------------------

  void publish() {
    std::vector<uint32_t> order(quantizers.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return quantizers[a].order < quantizers[b].order; });
    std::vector<uint32_t> position(quantizers.size());
    std::map<std::string, uint64_t> counts;
    for (uint32_t old : order) {
      PlacedQuantizer &placed = quantizers[old];
      position[old] = uint32_t(graph.quantizers.size());
      if (placed.quantizer.policy.mode == ActMode::Static)
        placed.quantizer.key = (placed.path.empty() ? "" : placed.path + ".") + "act" +
                               std::to_string(counts[placed.path]++) + ".scale";
      graph.quantizers.push_back(std::move(placed.quantizer));
    }
    // In order of execution: by the node that gives the result.
    std::stable_sort(pending.begin(), pending.end(),
                     [](const Pending &a, const Pending &b) { return a.group.nodes.back() < b.group.nodes.back(); });
    for (Pending &group : pending) {
      if (codes[group.group.value] != kNone) group.group.quantizer = position[codes[group.group.value]];
      graph.groups.push_back(std::move(group.group));
    }
  }

  Graph &graph;
  std::vector<uint32_t> definedBy, uses;
  std::vector<std::vector<uint32_t>> users; ///< live nodes, last first
  std::vector<bool> live, isOutput, given, leadsToOutputs, nonNegative;
  std::vector<uint32_t> codes;     ///< per value: index into `quantizers`
  std::vector<bool> closed;        ///< per value: `codes` is decided
  std::vector<uint32_t> openGroup; ///< per value: the group that may still grow from it
  std::vector<Pending> pending;
  std::vector<PlacedQuantizer> quantizers;
};

} // namespace

void planQuantisation(Graph &graph) { Planner(graph).run(); }

std::vector<std::optional<uint32_t>> codeSources(const Graph &graph) {
  std::vector<std::optional<uint32_t>> sources(graph.values.size());
  for (uint32_t i = 0; i < graph.quantizers.size(); ++i)
    if (graph.quantizers[i].policy.mode == ActMode::Static) sources[graph.quantizers[i].value] = i;
  std::vector<bool> grouped(graph.nodes.size(), false);
  for (const OpGroup &group : graph.groups)
    for (uint32_t node : group.nodes) grouped[node] = true;
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    const GraphNode &node = graph.nodes[i];
    if (!grouped[i] && (isMoving(node.op) || node.op == OpKind::Relu)) sources[node.results[0]] = sources[node.operands[0]];
  }
  return sources;
}

bool checkSums(const Graph &given, DiagnosticEngine &diags) {
  Graph planned;
  const bool isPlanned = !given.groups.empty() || !given.quantizers.empty();
  if (!isPlanned) {
    planned = given;
    planQuantisation(planned);
  }
  const Graph &graph = isPlanned ? given : planned;
  std::vector<std::optional<uint32_t>> sources = codeSources(graph);
  std::map<ValueId, DType> storage;
  for (const GraphParam &param : graph.params)
    if (param.isWeight) storage[param.value] = param.policy.storage;

  // The largest magnitude of a value that enters an integer sum; 0 if it does not, or if int32 and wider wrap by definition.
  auto magnitude = [](DType type, bool codes) -> int64_t {
    if (isFloat(type) || type == DType::Bool || type == DType::Int32 || type == DType::Int64) return 0;
    IntRange range = codes ? codeRange(type) : integerRange(type);
    return std::max(-range.lo, range.hi);
  };
  bool fine = true;
  for (const GraphNode &node : graph.nodes) {
    if (!isLinearLike(node.op)) continue;
    ValueId x = node.operands[0], w = node.operands[1];
    auto stored = storage.find(w);
    int64_t ofWeight = stored != storage.end() ? magnitude(stored->second, true) : magnitude(graph.values[w].type.dtype, false);
    int64_t ofInput = 0;
    if (!isFloat(graph.values[x].type.dtype)) {
      ofInput = magnitude(graph.values[x].type.dtype, false);
    } else if (sources[x]) {
      ofInput = magnitude(graph.quantizers[*sources[x]].dtype, true);
    } else {
      for (const Quantizer &quantizer : graph.quantizers)
        if (quantizer.value == x && quantizer.policy == node.acts) ofInput = magnitude(quantizer.dtype, true);
    }
    const Shape &shape = graph.values[w].type.shape;
    Dim terms(1);
    if (node.op == OpKind::Matmul) terms = shape[shape.size() - 2];
    else
      for (size_t i = 1; i < shape.size(); ++i) terms = terms * shape[i];
    std::optional<int64_t> count = terms.constant();
    int64_t largest = ofInput * ofWeight; // at most 2^30
    if (!count || largest == 0 || *count <= INT32_MAX / largest) continue;
    fine = false;
    __int128 sum = __int128(*count) * largest;
    diags.report(Diag::SumMayOverflow, node.range,
                 {std::to_string(*count), std::to_string(largest),
                  sum > INT64_MAX ? "more than 2^63" : std::to_string(int64_t(sum))})
        .help("at most " + std::to_string(INT32_MAX / largest) + " terms fit; slice both operands and add the parts");
  }
  return fine;
}

} // namespace triton
