// Models and tests become graphs; definitions are checked by themselves with their parameters unknown.
#include "Evaluator.h"
#include "State.h"

#include <algorithm>

namespace triton::sema {

// ---- Generic checks ----------------------------------------------------------------------------------------------------

void Evaluator::checkDefinition(const Callable &callable, Value::Kind kind) {
  auto it = callables.find(callable.decl);
  if (it == callables.end())
    return;
  SourceFile *file = fileOf[callable.decl];
  constexpr size_t kMaxCheckDepth = 64; // deeper ones are checked in their turn
  if (!file || file->library || !file->complete || recursive.count(callable.decl) || checkDepth >= kMaxCheckDepth ||
      stackIsLow())
    return;
  if (checked.insert(callable.decl).second)
    checkGeneric(callable, kind);
}

void Evaluator::checkGeneric(const Callable &callable, Value::Kind kind) {
  constexpr int64_t kBudget = 2'000; // statements of other definitions that one check may run
  State saved(*this);
  auto outerChain = std::move(chain);
  auto outerBudget = genericBudget;
  auto outerIterations = iterations;
  auto *outerBuilder = builder;
  auto *outerAsserts = testAsserts;
  bool outerGeneric = generic;
  ++checkDepth;
  chain.clear();
  builder = nullptr;
  testAsserts = nullptr;
  generic = true;
  genericBudget = kBudget;
  running = nullptr;
  if (checkDepth == 1 || !outerGeneric) {
    env = {};
    env.weightKnown = false;
  }
  const ast::Stmt &decl = *callable.decl;
  chain.push_back({&decl, decl.name.text, {}});
  Scope *body = newScope(Scope::Body, callable.closure, &decl);
  pin(body);
  bool isInstance = kind == Value::Layer && layerKind(decl) != LayerKind::Function;
  Frame inner;
  inner.decl = &decl;
  inner.body = body;
  inner.file = fileOf.count(&decl) ? fileOf[&decl] : saved.file();
  inner.kind = isInstance ? Frame::Layer : Frame::Fn;
  if (isInstance) {
    instances.emplace_back();
    inner.self = &instances.back();
    inner.self->decl = &decl;
    inner.self->scope = body;
    inner.self->title = decl.name.text;
    inner.self->made = decl.name.range;
  }
  frame = &inner;
  scope = body;
  for (auto &param : decl.params) {
    if (param.name.text.empty())
      continue;
    Value value = param.type ? unknownOf(*param.type, param.name.text) : Value::unknownOf();
    if (body->findHere(param.name.text) && body->findHere(param.name.text)->kind != Slot::Dimension)
      continue;
    if (param.defaultValue && param.type) {
      // The default must fit its type.
      Value given = eval(*param.defaultValue);
      convertTo(*param.type, given, param.defaultValue->range);
    }
    Slot *slot = body->declare(param.name.text, Slot::Parameter, param.name.range);
    slot->type = param.type.get();
    slot->value = std::move(value);
    slot->set = true;
  }
  applyAttributes(decl, kind == Value::Layer ? Place::Layer : Place::Fn);
  if (isInstance)
    inner.self->env = env;
  execItems(decl.body.items);
  if (isInstance) {
    placeMembers(*inner.self);
    // Members that are functions or layers, each by itself.
    AttrEnv layerEnv = env;
    std::vector<Value> members;
    for (auto &slot : body->all())
      if (slot->set && (slot->value.kind == Value::Function || slot->value.kind == Value::Layer))
        members.push_back(slot->value);
    for (auto &member : members) {
      const Callable &inside = member.callable();
      if (inside.closure != body || recursive.count(inside.decl))
        continue;
      running = inner.self;
      env = layerEnv;
      if (checkDepth < kMaxCallDepth && !stackIsLow())
        checkGeneric(inside, member.kind);
    }
  }
  --checkDepth;
  chain = std::move(outerChain);
  genericBudget = outerBudget;
  iterations = outerIterations;
  builder = outerBuilder;
  testAsserts = outerAsserts;
  generic = outerGeneric;
}

// ---- Models ------------------------------------------------------------------------------------------------------------

void Evaluator::addInput(const ast::Parameter &param, Scope *body) {
  if (param.name.text.empty() || !param.type)
    return;
  auto &type = *param.type;
  Value value = Value::poison();
  checkTypeNames(type);
  if (type.kind != ast::TypeSpec::Tensor) {
    report(Diag::ModelParameterNotTensor, type.range, {param.name.text});
  } else {
    TensorPattern p = pattern(type);
    // `?` is a size of its own that the session chooses.
    for (size_t i = 0; i < p.sizes.size(); ++i)
      if (p.sizes[i].first.isUnknown() && sources.text(p.sizes[i].second) == "?") {
        std::string name = param.name.text + "_" + std::to_string(i);
        auto fixed = options.dims.find(name);
        p.sizes[i].first = fixed != options.dims.end() ? Dim(fixed->second) : Dim::variable(name);
      }
    if (!p.shapeKnown) {
      bool reported = false;
      for (auto &[dim, range] : p.sizes)
        reported |= dim.isUnknown();
      if (!reported && (p.ellipsis >= 0 || !p.sized))
        report(Diag::NotCompileTime, type.range, {"shape of " + param.name.text})
            .help("write the sizes, such as Tensor[N, 3, 224, 224]; capital names are chosen when a session is opened");
    } else {
      RtPtr rt = rtOf(p);
      rt->isWeight = false;
      rt->dtypeKnown = true;
      rt->owner = builder;
      rt->id = builder->addValue(rt->type, param.name.text);
      GraphInput input;
      input.name = param.name.text;
      input.value = rt->id;
      input.dtypes = p.choices.empty() ? std::vector<DType>{rt->type.dtype} : p.choices;
      input.range = param.name.range;
      builder->graph.inputs.push_back(std::move(input));
      for (auto &dim : rt->type.shape)
        for (auto &name : dim.variables())
          if (auto &dims = builder->graph.dims; std::find(dims.begin(), dims.end(), name) == dims.end())
            dims.push_back(name);
      value = Value::ofRt(rt);
    }
  }
  if (body->findHere(param.name.text) && body->findHere(param.name.text)->kind != Slot::Dimension)
    return; // TRI0208, reported by the name check
  Slot *slot = body->declare(param.name.text, Slot::Parameter, param.name.range);
  slot->type = param.type.get();
  slot->value = std::move(value);
  slot->set = true;
}

void Evaluator::addOutputs(const ast::Stmt &stmt, const Value &value, SourceRange) {
  ValueVec values = value.kind == Value::Tuple ? value.list() : ValueVec{value};
  auto *result = stmt.result ? &*stmt.result : nullptr;
  for (size_t i = 0; i < values.size(); ++i) {
    const ast::Name *name = result && i < result->items.size() && result->items[i].name ? &*result->items[i].name : nullptr;
    if (values[i].kind != Value::Tensor || !values[i].tensor().shapeKnown || !values[i].tensor().dtypeKnown)
      continue; // an error was reported
    RtPtr rt = values[i].rt();
    bool inGraph = rt->owner || rt->param || rt->known || rt->data || rt->random;
    if (!inGraph)
      continue;
    std::string text = name ? name->text : values.size() == 1 ? "output" : "output" + std::to_string(i);
    for (auto &other : builder->graph.outputs)
      if (other.name == text)
        report(Diag::Redeclared, name ? name->range : stmt.name.range, {text});
    builder->graph.outputs.push_back({text, builder->use(rt)});
  }
}

void Evaluator::buildModel(const ast::Stmt &stmt, SourceFile &file, TypedModule &into) {
  State saved(*this);
  GraphBuilder graph;
  builder = &graph;
  generic = false;
  iterations = 0;
  calls = 0;
  env = {};
  graph.graph.name = stmt.name.text;
  graph.graph.exportName = stmt.name.text;
  graph.graph.doc = stmt.doc;
  graph.graph.range = stmt.name.range;
  Scope *body = newScope(Scope::Body, file.scope, &stmt);
  pin(body);
  instances.emplace_back();
  Instance &root = instances.back();
  root.decl = &stmt;
  root.scope = body;
  root.isRoot = true;
  root.title = stmt.name.text;
  Frame inner;
  inner.kind = Frame::Model;
  inner.decl = &stmt;
  inner.self = &root;
  inner.body = body;
  inner.file = &file;
  frame = &inner;
  scope = body;
  running = &root;
  size_t errorsBefore = diags.errorCount();
  for (auto &param : stmt.params)
    addInput(param, body);
  applyAttributes(stmt, Place::Model, &graph.graph);
  root.env = env;
  graph.graph.acts = env.acts;
  for (auto &attr : stmt.attributes)
    if (attr.name.text == "export" && !exportNames.emplace(graph.graph.exportName, attr.range).second)
      badArgument(attr, attr.args.empty() ? attr.range : attr.args.front().range, "another model is exported under this name");
  execItems(stmt.body.items);
  placeMembers(root);
  if (inner.result)
    addOutputs(stmt, *inner.result, stmt.name.range);
  withNotes([&](DiagnosticEngine &d) { graph.finish(root, d); });
  size_t expected = stmt.result ? stmt.result->items.size() : 0;
  if (!diags.hasErrors() && graph.graph.outputs.size() != expected)
    report(Diag::NotCompileTime, stmt.result ? stmt.result->range : stmt.name.range, {"result of " + stmt.name.text});
  if (diags.errorCount() == errorsBefore && graph.graph.outputs.size() == expected) {
    checkSums(graph.graph);
    into.models.push_back(std::move(graph.graph));
  }
  builder = nullptr;
}

void Evaluator::buildTest(const ast::Stmt &stmt, SourceFile &file, TypedModule &into) {
  State saved(*this);
  GraphBuilder graph;
  TestCase test;
  test.title = stmt.text;
  test.range = stmt.keyword;
  graph.graph.name = stmt.text;
  graph.graph.range = stmt.keyword;
  builder = &graph;
  testAsserts = &test.asserts;
  generic = false;
  iterations = 0;
  calls = 0;
  env = {};
  Scope *body = newScope(Scope::Body, file.scope, &stmt);
  pin(body);
  instances.emplace_back();
  Instance &root = instances.back();
  root.decl = &stmt;
  root.scope = body;
  root.isRoot = true;
  root.title = stmt.text;
  Frame inner;
  inner.kind = Frame::Test;
  inner.decl = &stmt;
  inner.self = &root;
  inner.body = body;
  inner.file = &file;
  frame = &inner;
  scope = body;
  running = &root;
  size_t errorsBefore = diags.errorCount();
  applyAttributes(stmt, Place::Other);
  execItems(stmt.body.items);
  placeMembers(root);
  withNotes([&](DiagnosticEngine &d) { graph.finish(root, d); });
  for (auto &param : graph.graph.params)
    if (!param.init)
      report(Diag::NoValueYet, param.range, {param.key}).note(stmt.keyword, "a test loads no checkpoint: give the parameter a value");
  if (diags.errorCount() == errorsBefore) {
    test.graph = std::move(graph.graph);
    into.tests.push_back(std::move(test));
  }
  builder = nullptr;
  testAsserts = nullptr;
}

// ---- TRI0705 -----------------------------------------------------------------------------------------------------------

void Evaluator::checkSums(const Graph &graph) {
  withNotes([&](DiagnosticEngine &d) { triton::checkSums(graph, d); });
}

} // namespace triton::sema
