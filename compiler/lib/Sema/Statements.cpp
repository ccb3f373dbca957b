// Statements: bindings, control and assertions.
#include "Evaluator.h"
#include "State.h"

#include <algorithm>

namespace triton::sema {

Flow Evaluator::execBlock(const ast::Block &block) {
  Scope *outer = scope;
  scope = newScope(Scope::Block, outer);
  Flow flow = execItems(block.items);
  leaveScope(scope);
  scope = outer;
  return flow;
}

Flow Evaluator::execItems(const std::vector<ast::StmtPtr> &items) {
  declareHoisted(items);
  for (auto &item : items) {
    if (!item)
      continue;
    if (generic && chain.size() > 1)
      --genericBudget;
    if (exec(*item) == Flow::Returned)
      return Flow::Returned;
  }
  return Flow::Next;
}

Flow Evaluator::exec(const ast::Stmt &stmt) {
  if (stmt.attributes.empty())
    return execPlain(stmt);
  switch (stmt.kind) {
  case ast::Stmt::Layer:
  case ast::Stmt::Fn:
  case ast::Stmt::Model: return execPlain(stmt); // applied where they run
  default: break;
  }
  AttrEnv saved = env;
  bool isParam = stmt.kind == ast::Stmt::Param || (stmt.kind == ast::Stmt::Let && stmt.dots);
  applyAttributes(stmt, isParam ? Place::Param : stmt.kind == ast::Stmt::Let ? Place::Let : Place::Other);
  Flow flow = execPlain(stmt);
  env = saved;
  return flow;
}

Flow Evaluator::execPlain(const ast::Stmt &stmt) {
  switch (stmt.kind) {
  case ast::Stmt::Let: execLet(stmt); break;
  case ast::Stmt::Param: execParam(stmt); break;
  case ast::Stmt::Assign: execAssign(stmt); break;
  case ast::Stmt::Return: return execReturn(stmt);
  case ast::Stmt::If: return execIf(stmt);
  case ast::Stmt::For: execFor(stmt); break;
  case ast::Stmt::Assert: execAssert(stmt); break;
  case ast::Stmt::Import:
  case ast::Stmt::Use:
  case ast::Stmt::Model:
  case ast::Stmt::Test:
    if (frame->kind != Frame::File || scope != frame->body)
      report(Diag::Unexpected, stmt.keyword, {std::string(sources.text(stmt.keyword))})
          .help("it belongs at the top level of a file");
    break;
  case ast::Stmt::Layer:
  case ast::Stmt::Fn:
  case ast::Stmt::Error: break;
  }
  return Flow::Next;
}

Slot *Evaluator::declare(const ast::Name &name, Slot::Kind kind) {
  if (Slot *first = scope->findHere(name.text)) {
    if (generic && frame->kind == Frame::Layer)
      return first; // of another branch; the name check and the instances decide
    if (first->kind != Slot::Dimension) {
      report(Diag::Redeclared, name.range, {name.text}).note(first->declared, "the first declaration is here");
      return nullptr;
    }
    first->declared = name.range;
    return first;
  }
  return scope->declare(name.text, kind, name.range);
}

void Evaluator::setSlot(Slot *slot, Value value) {
  if (value.kind == Value::Tensor && builder && value.tensor().owner == builder)
    builder->setHint(value.tensor().id, slot->name);
  slot->value = std::move(value);
  slot->set = true;
}

void Evaluator::execLet(const ast::Stmt &stmt) {
  if (stmt.dots) {
    execParam(stmt);
    return;
  }
  bool top = frame->kind == Frame::File && scope == frame->body;
  Slot::Kind kind = top ? Slot::TopLevel : frame->kind == Frame::Layer && scope == frame->body ? Slot::Member : Slot::Local;
  bool single = stmt.binder.kind == ast::Binder::Single && !stmt.binder.names.empty();
  if (!stmt.value) {
    if (!single || stmt.binder.names.front().text.empty())
      return;
    if (stmt.type)
      checkTypeNames(*stmt.type);
    if (Slot *slot = declare(stmt.binder.names.front(), kind)) {
      slot->type = stmt.type.get();
      addMember(slot, stmt.binder.names.front(), stmt.key, nullptr);
    }
    return;
  }
  std::string outerName = std::move(bindingName);
  bindingName = single ? (stmt.key ? *stmt.key : stmt.binder.names.front().text) : std::string();
  Value value = eval(*stmt.value);
  bindingName = std::move(outerName);
  if (value.kind == Value::None) {
    report(Diag::TypeMismatch, stmt.value->range, {"a value", "nothing"});
    value = Value::poison();
  }
  if (value.kind == Value::Undecided) {
    // A name for a relation between sizes: it may be asserted, not decided on.
  }
  if (stmt.type)
    value = convertTo(*stmt.type, value, stmt.value->range);
  if (single) {
    auto &name = stmt.binder.names.front();
    if (name.text.empty())
      return;
    if (top && frame->file && frame->file->program == files.front()->program) {
      auto define = options.defines.find(name.text);
      if (define != options.defines.end())
        value = overrideValue(define->second, value, stmt);
    }
    if (Slot *slot = declare(name, kind)) {
      slot->type = stmt.type.get();
      setSlot(slot, std::move(value));
      if (slot->value.kind != Value::Tensor)
        addMember(slot, name, stmt.key, nullptr);
    }
    return;
  }
  Scope *into = scope;
  for (auto &name : stmt.binder.names)
    if (Slot *first = into->findHere(name.text)) {
      report(Diag::Redeclared, name.range, {name.text}).note(first->declared, "the first declaration is here");
      return;
    }
  bindNames(stmt.binder, value, into, stmt.value->range, [&](Slot *slot, size_t i) {
    slot->kind = kind;
    if (slot->value.kind != Value::Tensor)
      addMember(slot, stmt.binder.names[i], std::nullopt, nullptr);
  });
}

void Evaluator::execParam(const ast::Stmt &stmt) {
  const ast::Name &name = stmt.kind == ast::Stmt::Param ? stmt.name : stmt.binder.names.front();
  if (name.text.empty() || !stmt.type)
    return;
  bool inBody = frame->kind == Frame::Layer || frame->kind == Frame::Model || frame->kind == Frame::Test;
  Value value = inBody ? makeParam(stmt, name) : unknownOf(*stmt.type, name.text); // TRI0604/0602, reported by the name check
  Slot *slot = declare(name, Slot::Member);
  if (!slot)
    return;
  slot->type = stmt.type.get();
  slot->value = value;
  slot->set = true;
  if (inBody && value.kind == Value::Tensor && value.tensor().param)
    addMember(slot, name, stmt.key, value.tensor().param);
}

void Evaluator::execAssign(const ast::Stmt &stmt) {
  Value value = stmt.value ? eval(*stmt.value) : Value::poison();
  if (stmt.name.text.empty())
    return;
  if (value.kind == Value::None) {
    report(Diag::TypeMismatch, stmt.value->range, {"a value", "nothing"});
    value = Value::poison();
  }
  // A function may rebind its own names only; what it may not is reported by the name check.
  Slot *slot = nullptr;
  for (Scope *at = scope; at; at = at->parent) {
    slot = at->findHere(stmt.name.text);
    if (slot || (at == frame->body && frame->kind != Frame::File))
      break;
  }
  if (slot && slot->kind == Slot::Import)
    slot = nullptr;
  if (!slot) {
    slot = scope->declare(stmt.name.text, frame->kind == Frame::File ? Slot::TopLevel : Slot::Local, stmt.name.range);
    setSlot(slot, std::move(value));
    addMember(slot, stmt.name, std::nullopt, nullptr);
    return;
  }
  if (value.isPoison()) {
    slot->value = value;
    slot->set = true;
    return;
  }
  SourceRange at = stmt.value->range;
  const Value &old = slot->value;
  bool scalarType = slot->type && (isCompileTime(*slot->type) || slot->type->kind == ast::TypeSpec::Scalar);
  if (scalarType && slot->kind != Slot::Dimension) {
    value = convertTo(*slot->type, value, at);
  } else if (slot->set && old.kind == Value::Tensor && old.tensor().isScalar() && old.tensor().dtypeKnown &&
             (value.isNumber() || value.kind == Value::Bool || (value.kind == Value::Tensor && value.tensor().isScalar()))) {
    DType dtype = old.tensor().type.dtype;
    if (value.kind != Value::Tensor) {
      auto rt = adaptLiteral(value, dtype, at);
      value = rt ? Value::ofRt(*rt) : Value::poison();
    } else if (value.tensor().dtypeKnown && value.tensor().type.dtype != dtype) {
      if (convertsImplicitly(value.tensor().type.dtype, dtype)) {
        value = convertRt(value.rt(), dtype, at);
      } else {
        report(Diag::TypeMismatch, at, {dtypeName(dtype), typeString(value)});
        value = Value::poison();
      }
    }
  } else if (slot->set && !old.isOpaque() && !value.isOpaque()) {
    bool oldScalar = old.isNumber() || old.kind == Value::Bool || old.kind == Value::Str;
    Value steered = oldScalar ? steer(value) : value;
    bool fine = !oldScalar || steered.kind == old.kind || (old.isSize() && steered.isSize()) ||
                (old.kind == Value::Float && steered.kind == Value::Int);
    if (!fine) {
      report(Diag::TypeMismatch, at, {typeString(old), typeString(value)}).note(slot->declared, "'" + stmt.name.text + "' is declared here");
      value = Value::poison();
    } else if (oldScalar) {
      value = old.kind == Value::Float && steered.kind == Value::Int ? Value::ofFloat(double(steered.i)) : steered;
    }
  }
  setSlot(slot, std::move(value));
}

Flow Evaluator::execReturn(const ast::Stmt &stmt) {
  bool inFunction = frame->kind == Frame::Fn || frame->kind == Frame::Model;
  ValueVec values;
  std::vector<SourceRange> ranges;
  for (auto &expr : stmt.values) {
    values.push_back(eval(*expr));
    ranges.push_back(expr->range);
    if (values.back().kind == Value::None) {
      report(Diag::TypeMismatch, expr->range, {"a value", "nothing"});
      values.back() = Value::poison();
    }
  }
  if (!inFunction) // TRI0209, reported by the name check
    return Flow::Returned;
  if (values.size() == 1 && values.front().kind == Value::Tuple) {
    ValueVec parts = values.front().list();
    ranges.assign(parts.size(), ranges.front());
    values = std::move(parts);
  }
  if (frame->decl->result) {
    auto &items = frame->decl->result->items;
    bool poisoned = std::any_of(values.begin(), values.end(), [](const Value &v) { return v.isOpaque(); });
    if (items.size() == values.size()) {
      for (size_t i = 0; i < items.size(); ++i)
        if (items[i].type)
          values[i] = convertTo(*items[i].type, values[i], ranges[i], Diag::ReturnTypeMismatch);
    } else if (!poisoned || values.size() != 1) {
      auto count = [](size_t n) { return n == 0 ? std::string("nothing") : std::to_string(n) + (n == 1 ? " value" : " values"); };
      report(Diag::ReturnTypeMismatch, stmt.values.empty() ? stmt.keyword : stmt.values.front()->range,
             {count(items.size()), count(values.size())})
          .note(frame->decl->result->range, "the result is declared here");
      values.assign(items.size(), Value::poison());
    } else {
      values.assign(items.size(), values.front());
    }
  }
  frame->result = values.empty() ? Value::none() : values.size() == 1 ? values.front() : Value::ofTuple(std::move(values));
  return Flow::Returned;
}

std::optional<bool> Evaluator::condition(const ast::Expr &expr) {
  Value value = steer(eval(expr));
  if (value.kind == Value::Bool)
    return value.b;
  bool mayBeBool = value.kind == Value::Unknown && (value.unknown == UnknownType::Any || value.unknown == UnknownType::Bool);
  if (value.isPoison() || mayBeBool)
    return std::nullopt;
  if (value.kind == Value::Undecided) {
    auto &relation = value.relations().front();
    auto names = (relation.left - relation.right).variables();
    report(Diag::NotCompileTime, expr.range, {names.empty() ? std::string(sources.text(expr.range)) : names.front()})
        .note({}, "a branch may not depend on a size that is chosen when a session is opened");
    return std::nullopt;
  }
  bool runtimeBool = value.kind == Value::Compare ||
                     (value.kind == Value::Tensor && value.tensor().isScalar() && value.tensor().type.dtype == DType::Bool);
  if (runtimeBool)
    report(Diag::NotCompileTime, expr.range, {std::string(sources.text(expr.range))});
  else
    report(Diag::ConditionNotBool, expr.range, {typeString(value)});
  return std::nullopt;
}

Flow Evaluator::execBranch(const ast::Block &block) {
  // What a branch in a layer body declares are members of the layer.
  return frame->kind == Frame::Layer ? execItems(block.items) : execBlock(block);
}

Flow Evaluator::execElse(const ast::Stmt &stmt) {
  if (stmt.elseIf)
    return execIf(*stmt.elseIf);
  return stmt.elseBlock ? execBranch(*stmt.elseBlock) : Flow::Next;
}

Flow Evaluator::execIf(const ast::Stmt &first) {
  const ast::Stmt *stmt = &first;
  while (true) {
    auto chosen = stmt->value ? condition(*stmt->value) : std::nullopt;
    if (!chosen)
      return execBothBranches(*stmt);
    if (*chosen)
      return execBranch(stmt->body);
    if (!stmt->elseIf)
      return stmt->elseBlock ? execBranch(*stmt->elseBlock) : Flow::Next;
    stmt = stmt->elseIf.get();
  }
}

static void collectAssigned(const std::vector<ast::StmtPtr> &items, std::vector<std::string_view> &names) {
  for (auto &item : items) {
    if (!item)
      continue;
    if (item->kind == ast::Stmt::Assign)
      names.push_back(item->name.text);
    if (item->kind == ast::Stmt::For)
      collectAssigned(item->body.items, names);
    if (item->kind == ast::Stmt::If)
      for (const ast::Stmt *at = item.get(); at; at = at->elseIf.get()) {
        collectAssigned(at->body.items, names);
        if (at->elseBlock)
          collectAssigned(at->elseBlock->items, names);
      }
  }
}

const std::vector<std::string_view> &Evaluator::assignedIn(const ast::Stmt &stmt) {
  auto [it, fresh] = assigned.try_emplace(&stmt);
  if (!fresh)
    return it->second;
  std::vector<std::string_view> names;
  for (const ast::Stmt *at = &stmt; at; at = at->elseIf.get()) {
    collectAssigned(at->body.items, names);
    if (at->elseBlock)
      collectAssigned(at->elseBlock->items, names);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return it->second = std::move(names);
}

Flow Evaluator::execBothBranches(const ast::Stmt &stmt) {
  struct Kept {
    Slot *slot;
    Value before, then;
    bool setBefore, setThen;
  };
  std::vector<Kept> kept;
  for (auto name : assignedIn(stmt))
    if (Slot *slot = scope->find(name))
      kept.push_back({slot, slot->value, {}, slot->set, false});
  auto result = frame->result;
  frame->result.reset();
  Flow thenFlow = execBranch(stmt.body);
  auto thenResult = frame->result;
  frame->result.reset();
  for (auto &k : kept) {
    k.then = k.slot->value;
    k.setThen = k.slot->set;
    k.slot->value = k.before;
    k.slot->set = k.setBefore;
  }
  Flow elseFlow = execElse(stmt);
  auto elseResult = frame->result;
  frame->result = result;
  auto remember = [&](const std::optional<Value> &value) {
    if (value)
      frame->maybeResult = frame->maybeResult ? mergeValues(*frame->maybeResult, *value, "result") : *value;
  };
  if (thenFlow == Flow::Returned && elseFlow == Flow::Returned) {
    if (thenResult && elseResult)
      frame->result = mergeValues(*thenResult, *elseResult, "result");
    else
      frame->result = thenResult ? thenResult : elseResult;
    return Flow::Returned;
  }
  if (thenFlow == Flow::Returned) {
    remember(thenResult);
    return Flow::Next; // the variables are as the other branch left them
  }
  for (auto &k : kept) {
    if (elseFlow == Flow::Returned) {
      k.slot->value = k.then;
      k.slot->set = k.setThen;
    } else if (k.setThen && k.slot->set) {
      k.slot->value = mergeValues(k.then, k.slot->value, k.slot->name);
    } else if (k.setThen) {
      k.slot->value = Value::unknownOf();
      k.slot->set = true;
    }
  }
  if (elseFlow == Flow::Returned)
    remember(elseResult);
  return Flow::Next;
}

void Evaluator::forgetAssigned(const ast::Stmt &stmt) {
  for (auto name : assignedIn(stmt)) {
    Slot *slot = scope->find(name);
    if (!slot || !slot->set || slot->kind == Slot::Import)
      continue;
    Value &value = slot->value;
    switch (value.kind) {
    case Value::Poison:
    case Value::Unknown: break;
    case Value::Int:
    case Value::SymInt: value = freshInt(slot->name); break;
    case Value::Float: value = Value::unknownOf(UnknownType::Float); break;
    case Value::Bool: value = Value::unknownOf(UnknownType::Bool); break;
    case Value::List: value = Value::unknownOf(UnknownType::List); break;
    case Value::Tensor: {
      auto rt = std::make_shared<Rt>();
      rt->shapeKnown = rt->dtypeKnown = false;
      value = Value::ofRt(rt);
      break;
    }
    default: value = Value::unknownOf(); break;
    }
  }
}

void Evaluator::execFor(const ast::Stmt &stmt) {
  LoopPlan plan = planLoop(stmt.loop, stmt.binder);
  if (plan.failed) {
    plan.known = false;
    plan.unknownItem = Value::poison();
  }
  Scope *outer = scope;
  auto iteration = [&](const Value &item) {
    scope = newScope(Scope::Block, outer);
    bindNames(stmt.binder, item, scope, stmt.loop.range);
    Flow flow = execItems(stmt.body.items);
    leaveScope(scope);
    scope = outer;
    return flow == Flow::Next;
  };
  if (!plan.known) {
    // Once, for any iteration: what earlier ones assigned is not known.
    forgetAssigned(stmt);
    iteration(plan.unknownItem);
    forgetAssigned(stmt);
    return;
  }
  for (int64_t i = 0; i < plan.count; ++i)
    if (!iteration(plan.overList ? plan.items[size_t(i)] : Value::ofInt(plan.from + i * plan.step)))
      return;
}

void Evaluator::execAssert(const ast::Stmt &stmt) {
  if (!stmt.value)
    return;
  // `a and b and ..` is as many assertions, so that the side that fails can be shown.
  std::vector<const ast::Expr *> parts;
  const ast::Expr *at = stmt.value.get();
  for (; at->kind == ast::Expr::Binary && at->op == ast::BinaryOp::And; at = at->lhs.get())
    parts.push_back(at->rhs.get());
  parts.push_back(at);
  std::reverse(parts.begin(), parts.end());
  for (const ast::Expr *part : parts) {
    bool isComparison = part->kind == ast::Expr::Binary && part->op >= ast::BinaryOp::Eq && part->op <= ast::BinaryOp::Ge;
    Value left, right, value;
    if (isComparison) {
      left = eval(*part->lhs);
      right = eval(*part->rhs);
      value = applyBinary(part->op, left, right, *part, part->lhs.get());
    } else {
      value = steer(eval(*part));
    }
    std::string text = stmt.hasText ? stmt.text : std::string(sources.text(part->range));
    SourceRange place = isComparison ? part->opRange : part->range;
    if (value.kind == Value::Bool) {
      if (value.b)
        continue;
      std::string sides;
      if (isComparison)
        sides = " (left is " + valueString(left) + ", right is " + valueString(right) + ")";
      auto diagnostic = report(Diag::AssertionFailed, place, {text + sides});
      if (isComparison)
        diagnostic.underline(part->lhs->range).underline(part->rhs->range);
    } else if (value.kind == Value::Undecided) {
      if (builder)
        for (auto &relation : value.relations())
          builder->graph.checks.push_back({relation.left, relation.right, ast::binaryOpText(relation.op), text, place});
    } else if (value.kind == Value::Compare) {
      if (testAsserts && builder) {
        auto &compare = value.compare();
        ValueId l = builder->use(compare.left), r = builder->use(compare.right);
        testAsserts->push_back({compare.kind, l, r, compare.tolerance, text, place});
      } else if (!generic) {
        report(Diag::NotCompileTime, place, {text}).help("compare tensors in a 'test'");
      }
    } else if (value.kind == Value::Unknown && value.unknown != UnknownType::Bool && value.unknown != UnknownType::Any) {
      report(Diag::ConditionNotBool, part->range, {typeString(value)});
    } else if (value.kind == Value::Tensor && value.tensor().isScalar() && value.tensor().type.dtype == DType::Bool) {
      report(Diag::NotCompileTime, part->range, {text});
    } else if (!value.isOpaque()) {
      report(Diag::ConditionNotBool, part->range, {typeString(value)});
    }
  }
}

} // namespace triton::sema
