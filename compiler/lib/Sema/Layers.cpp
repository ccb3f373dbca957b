// Layers: instances, calls of instances, members and their places in keys (language.md section 7).
#include "Evaluator.h"
#include "State.h"

namespace triton::sema {

static bool holds(const std::vector<ast::StmtPtr> &items, const std::function<bool(const ast::Stmt &)> &test) {
  for (auto &item : items) {
    if (!item)
      continue;
    if (test(*item))
      return true;
    if (item->kind != ast::Stmt::If && item->kind != ast::Stmt::For)
      continue;
    for (const ast::Stmt *at = item.get(); at; at = at->elseIf.get()) {
      if (holds(at->body.items, test) || (at->elseBlock && holds(at->elseBlock->items, test)))
        return true;
    }
  }
  return false;
}

Evaluator::LayerKind Evaluator::layerKind(const ast::Stmt &decl) {
  auto it = layerKinds.find(&decl);
  if (it != layerKinds.end())
    return it->second;
  LayerKind kind = LayerKind::Container;
  if (holds(decl.body.items, [](const ast::Stmt &s) { return s.kind == ast::Stmt::Fn && s.name.text == "forward"; }))
    kind = LayerKind::WithForward;
  else if (holds(decl.body.items, [](const ast::Stmt &s) { return s.kind == ast::Stmt::Return; }))
    kind = LayerKind::Function;
  return layerKinds[&decl] = kind;
}

Value Evaluator::instantiate(const Callable &layer, const std::vector<Argument> &args, SourceRange at) {
  const ast::Stmt &decl = *layer.decl;
  checkDefinition(layer, Value::Layer);
  if (genericEnough())
    return Value::unknownOf();
  bool mayHoldMembers = frame->kind == Frame::Layer || frame->kind == Frame::Model || frame->kind == Frame::Test;
  std::string title = decl.name.text;
  if (!enter(decl, title, at))
    return Value::poison();
  Value result = Value::poison();
  {
    State saved(*this);
    instances.emplace_back();
    Instance &instance = instances.back();
    Scope *body = newScope(Scope::Body, layer.closure, &decl);
    pin(body);
    instance.decl = &decl;
    instance.scope = body;
    instance.made = at;
    Frame inner;
    inner.kind = Frame::Layer;
    inner.decl = &decl;
    inner.self = &instance;
    inner.body = body;
    inner.file = fileOf.count(&decl) ? fileOf[&decl] : frame->file;
    frame = &inner;
    scope = body;
    if (bindParameters(decl, args, body, at)) {
      instance.title = describeCall(decl, body);
      chain.back().title = instance.title;
      applyAttributes(decl, Place::Layer);
      instance.env = env;
      execItems(decl.body.items);
      placeMembers(instance);
      result = Value::ofInstance(&instance);
      if (instance.holdsParams && !mayHoldMembers) {
        leave();
        report(Diag::LayerMustBeMember, at, {decl.name.text})
            .help("bind it with 'let' in the body of a layer or model");
        return Value::poison();
      }
    }
  }
  leave();
  return result;
}

Value Evaluator::callInstance(Instance &instance, const std::vector<Argument> &args, SourceRange at) {
  Slot *forward = instance.scope->findHere("forward");
  if (!forward || forward->value.kind != Value::Function) {
    report(Diag::NoForward, at, {instance.decl->name.text}).note(instance.decl->name.range, "the layer is declared here");
    return Value::poison();
  }
  State saved(*this);
  env = instance.env;
  running = &instance;
  return callFunction(forward->value.callable(), args, at, instance.title);
}

Value Evaluator::callList(const Value &list, const std::vector<Argument> &args, SourceRange at, const ast::Expr &expr) {
  if (args.size() != 1 || args.front().source->name) {
    report(Diag::ArgumentCount, at, {"list", "1", std::to_string(args.size())});
    return Value::poison();
  }
  std::vector<Argument> one = args;
  for (auto &item : list.list()) {
    if (item.isPoison())
      return item;
    bool callable = item.kind == Value::InstanceV || item.kind == Value::List || item.kind == Value::Unknown;
    if (!callable) {
      report(Diag::NotCallable, at, {std::string(sources.text(expr.operand->range))})
          .note({}, "a list can be called when it holds instances; this one holds " + typeString(item));
      return Value::poison();
    }
    one.front().value = callValue(item, expr, one);
    if (one.front().value.isPoison())
      return one.front().value;
    if (one.front().value.kind == Value::Tuple || one.front().value.kind == Value::None) {
      report(Diag::TypeMismatch, at, {"one tensor", typeString(one.front().value)});
      return Value::poison();
    }
  }
  return one.front().value;
}

void Evaluator::addMember(Slot *slot, const ast::Name &name, const std::optional<std::string> &key, Param *param) {
  if (!frame->self)
    return;
  pin(scope); // the slot is read when the body has ended
  frame->self->members.push_back({slot, key ? *key : name.text, param, name.range});
}

void Evaluator::place(const Value &value, Instance &owner, const std::string &segment, SourceRange range, bool &holdsParams) {
  if (value.kind == Value::InstanceV) {
    Instance &instance = *value.instance;
    holdsParams |= instance.holdsParams;
    if (instance.placed() || &instance == &owner)
      return;
    instance.parent = &owner;
    instance.segment = segment;
    instance.memberRange = range;
    owner.children.push_back(&instance);
  } else if (value.kind == Value::List || value.kind == Value::Tuple) {
    for (size_t i = 0; i < value.list().size(); ++i) {
      const Value &item = value.list()[i];
      if (item.kind == Value::InstanceV || item.kind == Value::List)
        place(item, owner, segment.empty() ? std::to_string(i) : segment + "." + std::to_string(i), range, holdsParams);
    }
  }
}

void Evaluator::placeMembers(Instance &owner) {
  for (auto &member : owner.members) {
    if (member.param)
      owner.holdsParams = true;
    else if (member.slot->set)
      place(member.slot->value, owner, member.segment, member.range, owner.holdsParams);
  }
}

Value Evaluator::makeParam(const ast::Stmt &stmt, const ast::Name &name) {
  auto &type = *stmt.type;
  if (isCompileTime(type)) {
    checkTypeNames(type);
    report(Diag::TypeMismatch, type.range, {"a tensor type", patternString(type)});
    return Value::poison();
  }
  TensorPattern p = pattern(type);
  RtPtr rt = rtOf(p);
  if (!rt->dtypeKnown && !p.weight) {
    rt->dtypeKnown = true;
    rt->type.dtype = DType::Float32;
  }
  bool ternary = rt->dtypeKnown && rt->type.dtype == DType::Trit;
  params.emplace_back();
  Param &param = params.back();
  param.owner = frame->self;
  param.segment = stmt.key ? *stmt.key : name.text;
  param.isWeight = p.weight || ternary;
  param.policy = env.weight;
  param.frozen = env.frozen;
  param.range = name.range;
  if (ternary)
    param.policy.storage = DType::Trit;
  if (p.weight) {
    DType storage = param.policy.storage;
    rt->dtypeKnown = env.weightKnown;
    rt->type.dtype = storage == DType::Trit ? DType::Trit : DType::Float32;
    rt->hasScale = env.weightKnown && (storage == DType::Trit || storage == DType::Int8 || storage == DType::Int4);
  }
  if (ternary) {
    rt->isWeight = true;
    rt->hasScale = true;
  }
  if (!param.isWeight)
    param.policy = {};
  if (!generic) {
    std::string unknown;
    for (auto &dim : rt->type.shape)
      if (!dim.constant() && unknown.empty())
        unknown = dim.str();
    bool reported = false;
    for (auto &[dim, range] : p.sizes)
      reported |= dim.isUnknown() && sources.text(range) != "?";
    if (reported || (!rt->shapeKnown && p.sized && p.ellipsis < 0))
      return Value::poison();
    if (!rt->shapeKnown || !unknown.empty()) {
      report(Diag::NotCompileTime, type.range, {rt->shapeKnown ? unknown : "shape of " + name.text});
      return Value::poison();
    }
    if (param.isWeight && param.policy.scale == WeightScale::PerGroup && param.policy.storage == DType::Trit) {
      int64_t channel = 1;
      for (size_t i = 1; i < rt->type.shape.size(); ++i)
        channel *= rt->type.shape[i].constant().value_or(1);
      if (param.policy.group > 0 && channel % param.policy.group != 0)
        report(Diag::BadAttributeArgument, name.range, {std::to_string(param.policy.group), "ternary"})
            .note({}, "the group must divide the " + std::to_string(channel) + " elements of a channel");
    }
  }
  if (stmt.value) {
    Value init = convertTo(type, eval(*stmt.value), stmt.value->range);
    if (init.kind == Value::Tensor && !generic) {
      RtPtr given = init.rt();
      if (given->known || given->data || given->random)
        param.init = given;
      else
        report(Diag::NotCompileTime, stmt.value->range, {std::string(sources.text(stmt.value->range))});
    }
  }
  rt->param = &param;
  param.rt = rt;
  return Value::ofRt(rt);
}

} // namespace triton::sema
