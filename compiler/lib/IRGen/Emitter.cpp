// Walks a graph in program order and places the planned quantisers.
#include "Emitter.h"

#include "ternary/Constants.h"

using namespace mlir;

namespace triton::irgen {

/// `path of the program: what went wrong`, for errors that belong to the user's program.
Error Emitter::failAt(SourceRange range, Error error) const {
  error.message = placeText(range, sources) + "model '" + graph.name + "': " + error.message;
  return error;
}

/// Types of all values that are used, liveness from `roots`, and who is in which group.
Result<void> Emitter::prepare(const std::vector<ValueId> &roots) {
  batch = batchVariable(graph);
  live.assign(graph.nodes.size(), false);
  std::vector<bool> used(graph.values.size(), false);
  for (ValueId root : roots) used[root] = true;
  for (const GraphInput &input : graph.inputs) used[input.value] = true;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const GraphNode &node = graph.nodes[i];
    live[i] = llvm::any_of(node.results, [&](ValueId v) { return used[v]; });
    if (!live[i]) continue;
    for (ValueId v : node.results) used[v] = true;
    for (ValueId v : node.operands)
      if (v != kNoValue) used[v] = true;
  }

  std::vector<bool> isWeight(graph.values.size(), false);
  std::vector<SourceRange> places(graph.values.size(), graph.range);
  for (const GraphParam &param : graph.params) {
    isWeight[param.value] = param.isWeight;
    places[param.value] = param.range;
  }
  for (const GraphInput &input : graph.inputs) places[input.value] = input.range;
  for (const GraphNode &node : graph.nodes)
    for (ValueId v : node.results) places[v] = node.range;

  types.resize(graph.values.size());
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (!used[v]) continue;
    const TensorType &type = graph.values[v].type;
    // A weight is real until its policy is carried out, whatever the policy makes of it.
    Type element = isWeight[v] ? Type(builder.getF32Type()) : elementType(&context, type.dtype);
    Result<RankedTensorType> made = tensorType(&context, type, batch, element);
    if (!made) return failAt(places[v], made.takeError());
    types[v] = *made;
  }

  values.assign(graph.values.size(), Value());
  groupOf.assign(graph.nodes.size(), std::nullopt);
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    for (uint32_t node : graph.groups[g].nodes) groupOf[node] = static_cast<int64_t>(g);
    if (graph.groups[g].quantizer) quantizerGroup[*graph.groups[g].quantizer] = static_cast<int64_t>(g);
  }
  for (uint32_t q = 0; q < graph.quantizers.size(); ++q) {
    if (!codeKind(graph.quantizers[q].dtype))
      return Error{"quantiser " + std::to_string(q) + " has no codes", ErrorKind::Internal};
    if (graph.quantizers[q].policy.mode == ActMode::Static) staticAt[graph.quantizers[q].value] = q;
  }
  return {};
}

// ---- Functions
// ---------------------------------------------------------------------------------------------------------

Result<func::FuncOp> Emitter::makeFunction(ModuleOp module, const std::string &name, TypeRange inputs,
                                           const std::vector<ValueId> &outputs) {
  if (module.lookupSymbol(name)) return failAt(graph.range, Error{"two entry points are named '" + name + "'"});
  llvm::SmallVector<Type> results;
  for (ValueId v : outputs) results.push_back(types[v]);
  builder.setInsertionPointToEnd(module.getBody());
  auto function = builder.create<func::FuncOp>(location(&context, graph.range, "", sources), name,
                                               builder.getFunctionType(inputs, results));
  builder.setInsertionPointToStart(function.addEntryBlock());
  return function;
}

static void setString(func::FuncOp function, StringRef name, const std::string &text) {
  if (!text.empty()) function->setAttr(name, StringAttr::get(function.getContext(), text));
}

Result<void> Emitter::emitModel(ModuleOp module) {
  std::vector<ValueId> outputs;
  for (const GraphOutput &output : graph.outputs) outputs.push_back(output.value);
  if (Result<void> ready = prepare(outputs); !ready) return ready;
  llvm::SmallVector<Type> inputs;
  for (const GraphInput &input : graph.inputs) inputs.push_back(types[input.value]);
  Result<func::FuncOp> made =
      makeFunction(module, graph.exportName.empty() ? graph.name : graph.exportName, inputs, outputs);
  if (!made) return made.takeError();
  func::FuncOp function = *made;

  function->setAttr("ternary.entry", builder.getUnitAttr());
  setString(function, "ternary.model", graph.name);
  setString(function, "ternary.doc", graph.doc);
  if (!graph.labels.empty()) {
    llvm::SmallVector<StringRef> labels(graph.labels.begin(), graph.labels.end());
    function->setAttr("ternary.labels", builder.getStrArrayAttr(labels));
  }
  llvm::SmallVector<StringRef> dims;
  if (!batch.empty()) dims.push_back(batch);
  function->setAttr("ternary.dims", builder.getStrArrayAttr(dims));
  // Checks that wait for the batch: [left, relation, right, message] each.
  llvm::SmallVector<Attribute> checks;
  for (const RuntimeCheck &check : graph.checks) {
    if (check.left.constant() && check.right.constant()) continue;
    std::string left = check.left.str(), right = check.right.str();
    checks.push_back(builder.getStrArrayAttr({left, check.relation, right, check.message}));
  }
  if (!checks.empty()) function->setAttr("ternary.checks", builder.getArrayAttr(checks));

  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const GraphInput &input = graph.inputs[i];
    auto index = static_cast<unsigned>(i);
    values[input.value] = function.getArgument(index);
    function.setArgAttr(index, "ternary.name", builder.getStringAttr(input.name));
    llvm::SmallVector<StringRef> dtypes;
    for (DType dtype : input.dtypes) dtypes.push_back(dtypeName(dtype));
    if (dtypes.empty()) dtypes.push_back(dtypeName(graph.values[input.value].type.dtype));
    function.setArgAttr(index, "ternary.dtypes", builder.getStrArrayAttr(dtypes));
    if (input.preprocess) {
      function.setArgAttr(index, "ternary.mean", builder.getDenseF64ArrayAttr(input.preprocess->mean));
      function.setArgAttr(index, "ternary.std", builder.getDenseF64ArrayAttr(input.preprocess->std));
      function.setArgAttr(index, "ternary.scale", builder.getF64FloatAttr(input.preprocess->scale));
    }
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    function.setResultAttr(static_cast<unsigned>(i), "ternary.name", builder.getStringAttr(graph.outputs[i].name));

  if (Result<void> body = emitBody(function); !body) return body;
  Values results;
  for (ValueId v : outputs) results.push_back(values[v]);
  builder.create<func::ReturnOp>(function.getLoc(), results);
  return {};
}

Result<void> Emitter::emitTest(ModuleOp module, const TestCase &test) {
  std::vector<ValueId> outputs;
  for (const TestAssert &check : test.asserts) {
    outputs.push_back(check.left);
    outputs.push_back(check.right);
  }
  if (Result<void> ready = prepare(outputs); !ready) return ready;
  Result<func::FuncOp> made = makeFunction(module, "test", TypeRange(), outputs);
  if (!made) return made.takeError();
  func::FuncOp function = *made;
  function->setAttr("ternary.test", builder.getUnitAttr());
  setString(function, "ternary.model", test.title);
  if (Result<void> body = emitBody(function); !body) return body;
  Values results;
  for (ValueId v : outputs) results.push_back(values[v]);
  builder.create<func::ReturnOp>(function.getLoc(), results);
  return {};
}

Result<void> Emitter::emitBody(func::FuncOp function) {
  (void)function;
  for (const GraphParam &param : graph.params)
    if (types[param.value])
      if (Result<void> made = emitParam(param); !made) return made;
  for (const GraphInput &input : graph.inputs) quantise(input.value);
  for (uint32_t i = 0; i < graph.nodes.size(); ++i)
    if (live[i])
      if (Result<void> made = emitNode(i); !made) return made;
  return {};
}

Result<void> Emitter::emitParam(const GraphParam &param) {
  RankedTensorType type = types[param.value];
  if (!type.hasStaticShape())
    return failAt(param.range, Error{"the size of parameter '" + param.key + "' depends on '" + batch +
                                     "'; fix it with --dim " + batch + "=SIZE"});
  ElementsAttr init;
  if (param.init) {
    Result<ElementsAttr> made = constantElements(type, *param.init);
    if (!made) return failAt(param.range, made.takeError());
    init = *made;
  }
  ternary::WeightsAttr policy = param.isWeight ? weightsAttr(&context, param.policy) : ternary::WeightsAttr();
  // The key names the parameter in messages of later stages.
  auto op = builder.create<ternary::ParamOp>(
      location(&context, param.range, param.key, sources), type, builder.getStringAttr(param.key), policy,
      builder.getI64IntegerAttr(param.channelAxis), param.frozen ? builder.getUnitAttr() : UnitAttr(), init);
  values[param.value] = op;
  quantise(param.value);
  return {};
}

Result<void> Emitter::emitNode(uint32_t index) {
  const GraphNode &node = graph.nodes[index];
  if (node.results.size() != 1)
    return Error{"an operation with " + std::to_string(node.results.size()) + " results", ErrorKind::Internal};
  Values operands;
  for (ValueId v : node.operands) {
    if (v != kNoValue && !values[v]) return Error{"a value is used before it is made", ErrorKind::Internal};
    operands.push_back(v == kNoValue ? Value() : values[v]);
  }
  if (!operands.empty() && operands[0]) operands[0] = dynamicCodes(index, operands[0]);

  Location loc = location(&context, node.range, node.path, sources);
  Block *block = builder.getInsertionBlock();
  Operation *before = block->empty() ? nullptr : &block->back();
  ValueId result = node.results[0];
  Result<Value> made = translate(node, operands, types[result], loc);
  if (!made) return failAt(node.range, made.takeError());
  if (groupOf[index])
    for (auto it = before ? std::next(before->getIterator()) : block->begin(); it != block->end(); ++it)
      it->setAttr("ternary.group", builder.getI64IntegerAttr(*groupOf[index]));
  values[result] = *made;
  quantise(result);
  return {};
}

// ---- Quantisers
// --------------------------------------------------------------------------------------------------------

Value Emitter::fakeQuantize(const Quantizer &quantizer, Value x, Location loc) {
  bool isStatic = quantizer.policy.mode == ActMode::Static;
  auto mode = isStatic ? ternary::QuantMode::Static : ternary::QuantMode::Dynamic;
  bool perRow = !isStatic && quantizer.policy.per == ActPer::Row;
  return builder.create<ternary::FakeQuantizeOp>(
      loc, x.getType(), x, *codeKind(quantizer.dtype), mode,
      perRow ? ternary::QuantPer::Row : ternary::QuantPer::Tensor,
      isStatic && quantizer.key ? builder.getStringAttr(*quantizer.key) : StringAttr(), APFloat(quantizer.policy.clip),
      isStatic && quantizer.scale ? builder.getF64FloatAttr(*quantizer.scale) : FloatAttr());
}

/// Makes codes of a value where a static quantiser stands; later uses see them.
void Emitter::quantise(ValueId value) {
  auto found = staticAt.find(value);
  if (found == staticAt.end() || !values[value]) return;
  values[value] = fakeQuantize(graph.quantizers[found->second], values[value], values[value].getLoc());
  if (auto group = quantizerGroup.find(found->second); group != quantizerGroup.end())
    values[value].getDefiningOp()->setAttr("ternary.group", builder.getI64IntegerAttr(group->second));
}

bool Emitter::hasCodes(ValueId weight) const {
  for (const GraphParam &param : graph.params)
    if (param.value == weight && param.isWeight) return !isFloat(param.policy.storage);
  return !isFloat(graph.values[weight].type.dtype);
}

/// The input of a linear-like operation under `mode=dynamic`: its codes, if a quantiser is planned for it.
Value Emitter::dynamicCodes(uint32_t index, Value x) {
  const GraphNode &node = graph.nodes[index];
  bool linearLike = node.op == OpKind::Linear || node.op == OpKind::Conv2d || node.op == OpKind::TernaryMatmul ||
                    node.op == OpKind::Matmul;
  if (!linearLike || !node.acts.isQuantised() || node.acts.mode != ActMode::Dynamic || !hasCodes(node.operands[1]))
    return x;
  for (uint32_t q = 0; q < graph.quantizers.size(); ++q) {
    const Quantizer &quantizer = graph.quantizers[q];
    if (quantizer.policy.mode != ActMode::Dynamic || quantizer.value != node.operands[0] ||
        !(quantizer.policy == node.acts))
      continue;
    Value &made = dynamics[q];
    if (!made) made = fakeQuantize(quantizer, x, location(&context, node.range, node.path, sources));
    return made;
  }
  return x;
}

} // namespace triton::irgen
