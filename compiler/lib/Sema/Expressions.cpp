// Expressions other than operators and calls: names, members, indexing, lists, conditionals, tensor literals.
#include "Evaluator.h"

namespace triton::sema {

Value Evaluator::eval(const ast::Expr &expr) {
  if (stackIsLow()) {
    report(Diag::NestingTooDeep, expr.range);
    return Value::poison();
  }
  switch (expr.kind) {
  case ast::Expr::Int: return Value::ofInt(expr.intValue);
  case ast::Expr::Float: return Value::ofFloat(expr.floatValue);
  case ast::Expr::String: return Value::ofStr(expr.text);
  case ast::Expr::Bool: return Value::ofBool(expr.boolValue);
  case ast::Expr::DTypeRef: return Value::ofDType(expr.dtype);
  case ast::Expr::NameRef: return evalName(expr);
  case ast::Expr::Member: return evalMember(expr);
  case ast::Expr::Call: return evalCall(expr);
  case ast::Expr::Index: return evalIndex(expr);
  case ast::Expr::Negate: {
    Value operand = eval(*expr.operand);
    return negate(operand, *expr.operand, expr.opRange);
  }
  case ast::Expr::Not: {
    Value operand = eval(*expr.operand);
    return logicalNot(operand, expr);
  }
  case ast::Expr::Binary: return evalBinary(expr);
  case ast::Expr::Conditional: return evalConditional(expr);
  case ast::Expr::TensorLiteral: return evalTensorLiteral(expr);
  case ast::Expr::List: return evalList(expr);
  case ast::Expr::Comprehension: return evalComprehension(expr);
  case ast::Expr::Error: break;
  }
  return Value::poison();
}

Value Evaluator::readSlot(const Slot &slot, SourceRange at) {
  if (slot.set)
    return slot.value;
  if (slot.kind == Slot::TopLevel && !slot.type && slot.declared.file == at.file && slot.declared.begin > at.begin)
    report(Diag::UsedBeforeDeclaration, at, {std::string(slot.name)}).note(slot.declared, "it is declared here");
  else
    report(Diag::NoValueYet, at, {std::string(slot.name)}).note(slot.declared, "it is declared here without a value");
  return Value::poison();
}

Value Evaluator::evalName(const ast::Expr &expr) {
  if (Slot *slot = scope->find(expr.text))
    return readSlot(*slot, expr.range);
  if (isFunctionName(expr.text) || findOperation(expr.text))
    return Value::ofBuiltin(expr.text);
  // The name check has reported names that nothing declares. What is left was declared by a branch that is not taken, or
  // by a `let` that has not run yet.
  for (Scope *at = scope; at; at = at->parent)
    if (at->kind == Scope::Body && at->owner && at->owner->kind == ast::Stmt::Layer && declaredInBranch(*at->owner, expr.text)) {
      if (!generic)
        report(Diag::NoMember, expr.range, {at->owner->name.text, expr.text})
            .note({}, "the branch that declares it is not taken");
      return generic ? Value::unknownOf() : Value::poison();
    }
  if (!frame->file || (frame->file->namesFine && !frame->file->incomplete))
    report(Diag::NoValueYet, expr.range, {expr.text});
  return Value::poison();
}

static void collectBranchNames(const std::vector<ast::StmtPtr> &items, bool inBranch, std::unordered_set<std::string_view> &names) {
  for (auto &item : items) {
    if (!item)
      continue;
    if (inBranch) {
      if (item->kind == ast::Stmt::Let)
        for (auto &name : item->binder.names)
          names.insert(name.text);
      else if (!item->name.text.empty())
        names.insert(item->name.text);
    }
    if (item->kind == ast::Stmt::If)
      for (const ast::Stmt *at = item.get(); at; at = at->elseIf.get()) {
        collectBranchNames(at->body.items, true, names);
        if (at->elseBlock)
          collectBranchNames(at->elseBlock->items, true, names);
      }
  }
}

bool Evaluator::declaredInBranch(const ast::Stmt &layer, std::string_view name) {
  auto [it, fresh] = branchNames.try_emplace(&layer);
  if (fresh)
    collectBranchNames(layer.body.items, false, it->second);
  return it->second.count(name) != 0;
}

Value Evaluator::evalMember(const ast::Expr &expr) {
  Value base = eval(*expr.operand);
  SourceRange at = expr.member.range;
  if (base.isOpaque())
    return base.isPoison() ? base : Value::unknownOf();
  Scope *members = base.kind == Value::InstanceV ? base.instance->scope : base.kind == Value::Module ? base.scope : nullptr;
  std::string owner = base.kind == Value::InstanceV ? base.instance->decl->name.text
                      : base.kind == Value::Module ? base.str() : typeString(base);
  if (members) {
    if (Slot *slot = members->findHere(expr.member.text); slot && slot->kind != Slot::Dimension)
      return readSlot(*slot, at);
    std::vector<std::string> names;
    for (auto &slot : members->all())
      names.emplace_back(slot->name);
    std::string near = nearestName(expr.member.text, names);
    auto builder = report(Diag::NoMember, at, {owner, expr.member.text});
    if (!near.empty())
      builder.help("did you mean '" + near + "'?").fixit(at, near);
    return Value::poison();
  }
  report(Diag::NoMember, at, {owner, expr.member.text});
  return Value::poison();
}

Value Evaluator::evalIndex(const ast::Expr &expr) {
  Value base = eval(*expr.operand);
  ValueVec indices;
  bool opaque = base.isPoison();
  for (auto &element : expr.elements) {
    indices.push_back(steer(eval(*element)));
    opaque |= indices.back().isPoison();
  }
  if (opaque)
    return Value::poison();
  if (base.kind == Value::Tensor)
    return indexTensor(base, expr, indices);
  if (base.kind == Value::Unknown)
    return base.unknown == UnknownType::List || base.unknown == UnknownType::Any ? Value::unknownOf() : Value::poison();
  // `xs[i, j]` is `xs[i][j]`.
  for (size_t k = 0; k < indices.size(); ++k) {
    const Value &index = indices[k];
    SourceRange at = expr.elements[k]->range;
    if (base.kind == Value::Unknown)
      return base;
    if (base.kind != Value::List && base.kind != Value::Tuple) {
      report(Diag::TypeMismatch, expr.operand->range, {"list", typeString(base)});
      return Value::poison();
    }
    if (index.kind == Value::SymInt && onlyDimensions(index.dim())) {
      report(Diag::NotCompileTime, at, {index.dim().str()});
      return Value::poison();
    }
    if (index.kind == Value::SymInt || index.kind == Value::Unknown) {
      // Any of the elements: what they have in common is known.
      ValueVec items = base.list();
      if (items.empty())
        return Value::unknownOf();
      Value any = items.front();
      for (size_t i = 1; i < items.size() && any.kind != Value::Unknown; ++i)
        any = mergeValues(any, items[i], sources.text(expr.range));
      base = any;
      continue;
    }
    if (index.kind != Value::Int) {
      report(Diag::TypeMismatch, at, {"int", typeString(index)});
      return Value::poison();
    }
    auto size = int64_t(base.list().size());
    if (index.i < 0 || index.i >= size) {
      report(Diag::IndexOutOfRange, at, {std::to_string(index.i), std::to_string(size - 1)});
      return Value::poison();
    }
    Value item = base.list()[size_t(index.i)];
    base = std::move(item);
  }
  return base;
}

Value Evaluator::indexTensor(const Value &base, const ast::Expr &expr, const ValueVec &indices) {
  std::vector<int64_t> list;
  for (size_t k = 0; k < indices.size(); ++k) {
    if (indices[k].kind == Value::Int) {
      list.push_back(indices[k].i);
    } else if (indices[k].kind == Value::SymInt && onlyDimensions(indices[k].dim())) {
      report(Diag::NotCompileTime, expr.elements[k]->range, {indices[k].dim().str()});
      return Value::poison();
    } else if (indices[k].kind == Value::SymInt || indices[k].kind == Value::Unknown) {
      list.push_back(0); // some index; the result has the same type
    } else {
      report(Diag::TypeMismatch, expr.elements[k]->range, {"int", typeString(indices[k])});
      return Value::poison();
    }
  }
  AttrMap attrs;
  attrs["indices"] = std::move(list);
  std::optional<std::vector<OpResult>> results;
  SourceRange at = expr.elements.empty() ? expr.opRange : expr.elements.front()->range;
  Operand operand = operandOf(base, expr.operand.get());
  withNotes([&](DiagnosticEngine &d) { results = inferOperation(OpKind::Index, {operand}, attrs, at, d); });
  if (!results)
    return Value::poison();
  return makeResult(OpKind::Index, {base}, results->front(), std::move(attrs), expr.range);
}

Value Evaluator::evalConditional(const ast::Expr &expr) {
  // Chains `if a then x else if b then y else ..` are walked with a loop.
  const ast::Expr *at = &expr;
  std::vector<Value> maybe;
  Value result;
  while (true) {
    if (at->kind != ast::Expr::Conditional) {
      result = eval(*at);
      break;
    }
    auto chosen = condition(*at->condition);
    if (!chosen) {
      maybe.push_back(eval(*at->lhs));
    } else if (*chosen) {
      result = eval(*at->lhs);
      break;
    }
    at = at->rhs.get();
  }
  for (auto &other : maybe)
    result = mergeValues(other, result, sources.text(expr.range));
  return result;
}

bool Evaluator::countElements(size_t count, SourceRange at) {
  constexpr int64_t kMaxListElements = 64'000'000; // over all lists of a compilation; bounds memory
  listElements += int64_t(count);
  if (listElements <= kMaxListElements)
    return true;
  report(Diag::TooManyIterations, at).note({}, "the lists of this program have too many elements");
  return false;
}

Value Evaluator::evalList(const ast::Expr &expr) {
  ValueVec items;
  items.reserve(expr.elements.size());
  for (auto &element : expr.elements) {
    Value item = eval(*element);
    if (item.kind == Value::None) {
      report(Diag::TypeMismatch, element->range, {"a value", "nothing"});
      item = Value::poison();
    }
    items.push_back(std::move(item));
  }
  if (!countElements(items.size(), expr.range))
    return Value::poison();
  if (expr.openEnded) // `[1, 0, ...]`: as many as it takes, known to nobody
    return Value::unknownOf(UnknownType::List);
  return Value::ofList(std::move(items));
}

bool Evaluator::spendIterations(int64_t count, SourceRange at) {
  constexpr int64_t kMaxIterations = 1'000'000;
  if (count > kMaxIterations - iterations) {
    iterations = kMaxIterations;
    report(Diag::TooManyIterations, at).note({}, "at most 1000000 iterations of all loops of a file are unrolled");
    return false;
  }
  iterations += count;
  return true;
}

Evaluator::LoopPlan Evaluator::planLoop(const ast::LoopRange &loop, const ast::Binder &binder) {
  LoopPlan plan;
  std::string hint = binder.names.empty() ? "i" : binder.names.front().text;
  auto bound = [&](const ast::ExprPtr &expr, int64_t &into) -> bool { // false: not known or failed
    Value value = steer(eval(*expr));
    if (value.kind == Value::Int) {
      into = value.i;
      return true;
    }
    if (value.kind == Value::Tensor || (value.kind == Value::SymInt && onlyDimensions(value.dim()))) {
      std::string what = value.kind == Value::SymInt ? value.dim().str() : std::string(sources.text(expr->range));
      report(Diag::NotCompileTime, expr->range, {what});
      plan.failed = true;
    } else if (value.kind != Value::SymInt && !value.isOpaque()) {
      report(Diag::TypeMismatch, expr->range, {"int", typeString(value)});
      plan.failed = true;
    } else if (value.isPoison()) {
      plan.failed = true;
    }
    return false;
  };
  if (!loop.to) {
    plan.overList = true;
    Value list = loop.from ? eval(*loop.from) : Value::poison();
    if (list.kind == Value::List) {
      plan.known = spendIterations(int64_t(list.list().size()), loop.range);
      plan.failed = !plan.known;
      plan.items = list.list();
      plan.count = int64_t(plan.items.size());
    } else if (list.kind == Value::Unknown) {
      plan.unknownItem = Value::unknownOf();
    } else {
      plan.failed = true;
      if (!list.isPoison())
        report(Diag::TypeMismatch, loop.from->range, {"list", typeString(list)});
    }
    return plan;
  }
  int64_t from = 0, to = 0, step = 1;
  bool known = bound(loop.from, from);
  known = bound(loop.to, to) && known;
  if (loop.step) {
    bool stepKnown = bound(loop.step, step);
    if (stepKnown && step == 0) {
      report(Diag::StepIsZero, loop.step->range);
      plan.failed = true;
    }
    known = known && stepKnown;
  }
  if (plan.failed)
    return plan;
  if (!known) {
    plan.unknownItem = freshInt(hint);
    return plan;
  }
  plan.from = from;
  plan.step = step;
  if (from < to) {
    // A negative step would never reach the bound; it counts as endless.
    __int128 span = __int128(to) - from;
    __int128 count = step > 0 ? (span + step - 1) / step : __int128(INT64_MAX);
    plan.count = count > INT64_MAX ? INT64_MAX : int64_t(count);
  }
  plan.known = spendIterations(plan.count, loop.range);
  plan.failed = !plan.known;
  return plan;
}

bool Evaluator::bindNames(const ast::Binder &binder, const Value &value, Scope *into, SourceRange at,
                          const std::function<void(Slot *, size_t)> &each) {
  auto bind = [&](size_t i, Value item) {
    const ast::Name &name = binder.names[i];
    if (name.text.empty())
      return;
    Slot *slot = into->findHere(name.text);
    if (!slot)
      slot = into->declare(name.text, Slot::Local, name.range);
    setSlot(slot, std::move(item));
    if (each)
      each(slot, i);
  };
  if (binder.kind == ast::Binder::Single) {
    if (!binder.names.empty())
      bind(0, value);
    return true;
  }
  bool isSequence = value.kind == Value::List || value.kind == Value::Tuple;
  bool fits = isSequence && value.list().size() == binder.names.size();
  for (size_t i = 0; i < binder.names.size(); ++i)
    bind(i, fits ? value.list()[i] : value.kind == Value::Unknown ? Value::unknownOf() : Value::poison());
  if (fits || value.isOpaque())
    return true;
  if (isSequence)
    report(Diag::ValueCount, binder.range,
           {std::string(sources.text(binder.range)), std::to_string(binder.names.size()), std::to_string(value.list().size())});
  else
    report(Diag::TypeMismatch, at, {"list", typeString(value)});
  return false;
}

Value Evaluator::evalComprehension(const ast::Expr &expr) {
  LoopPlan plan = planLoop(expr.loop, expr.binder);
  if (plan.failed)
    return Value::poison();
  ValueVec items;
  Scope *outer = scope;
  int64_t count = plan.known ? plan.count : 1;
  if (!countElements(size_t(count), expr.range))
    return Value::poison();
  for (int64_t i = 0; i < count; ++i) {
    Value item = !plan.known ? plan.unknownItem : plan.overList ? plan.items[size_t(i)] : Value::ofInt(plan.from + i * plan.step);
    scope = newScope(Scope::Block, outer);
    bindNames(expr.binder, item, scope, expr.loop.range);
    items.push_back(eval(*expr.operand));
    leaveScope(scope);
    scope = outer;
  }
  return plan.known ? Value::ofList(std::move(items)) : Value::unknownOf(UnknownType::List);
}

Value Evaluator::repeatExpr(const ast::Expr &element, int64_t count, SourceRange at) {
  if (count < 0) {
    report(Diag::NotPositive, at, {"count", "not negative", std::to_string(count)});
    return Value::poison();
  }
  if (!spendIterations(count, at) || !countElements(size_t(count), at))
    return Value::poison();
  ValueVec items;
  for (int64_t i = 0; i < count; ++i)
    items.push_back(eval(element));
  return Value::ofList(std::move(items));
}

Value Evaluator::evalTensorLiteral(const ast::Expr &expr) {
  TensorPattern p = pattern(*expr.type);
  RtPtr rt = rtOf(p);
  rt->isWeight = false;
  if (!rt->dtypeKnown) {
    rt->dtypeKnown = true;
    rt->type.dtype = DType::Float32;
  }
  // The values stand as arguments or in one list.
  std::vector<std::pair<Value, SourceRange>> values;
  for (auto &arg : expr.args)
    values.emplace_back(arg.value ? eval(*arg.value) : Value::poison(), arg.range);
  if (values.size() == 1 && values.front().first.kind == Value::List) {
    ValueVec items = values.front().first.list();
    const ast::Expr &list = *expr.args.front().value;
    SourceRange whole = values.front().second;
    values.clear();
    for (size_t i = 0; i < items.size(); ++i)
      values.emplace_back(items[i], list.kind == ast::Expr::List && i < list.elements.size() ? list.elements[i]->range : whole);
  }
  if (!p.shapeKnown) {
    report(Diag::NotCompileTime, expr.type->range, {"shape of " + std::string(sources.text(expr.type->range))});
    return Value::poison();
  }
  auto data = std::make_shared<std::vector<double>>();
  data->reserve(values.size());
  bool ok = true;
  for (auto &[value, range] : values) {
    if (value.isOpaque() || (value.kind == Value::SymInt && !onlyDimensions(value.dim()))) {
      ok = false;
      continue;
    }
    if (value.kind == Value::Tensor && !value.tensor().known) {
      if (value.tensor().isScalar())
        report(Diag::NotCompileTime, range, {std::string(sources.text(range))});
      else
        report(Diag::TypeMismatch, range, {dtypeName(rt->type.dtype), typeString(value)});
      ok = false;
      continue;
    }
    if (rt->type.dtype == DType::Trit && value.kind == Value::Int && !expr.args.empty() && literalHelp.empty()) {
      std::string shape = shapeString(rt->type.shape);
      SourceRange inside = expr.args.front().range;
      inside.end = expr.args.back().range.end;
      literalHelp = "for integer weights write Tensor" + shape.substr(0, shape.size() - 1) + ", int8](" +
                    std::string(sources.text(inside)) + ")";
    }
    auto scalar = adaptLiteral(steer(value), rt->type.dtype, range);
    if (!scalar) {
      ok = false;
      continue;
    }
    data->push_back(isFloat(rt->type.dtype) ? (*scalar)->floatValue : double((*scalar)->intValue));
  }
  literalHelp.clear();
  auto count = elementCount(rt->type.shape);
  bool symbolic = false;
  for (auto &dim : rt->type.shape)
    symbolic |= !dim.constant();
  if (symbolic) {
    Dim total = 1;
    for (auto &dim : rt->type.shape)
      total = total * dim;
    if (onlyDimensions(total)) {
      report(Diag::NotCompileTime, expr.type->range, {shapeString(rt->type.shape)});
      return Value::poison();
    }
  } else if (!count || *count != int64_t(values.size())) {
    report(Diag::ValueCount, expr.range,
           {shapeString(rt->type.shape), count ? std::to_string(*count) : "too many", std::to_string(values.size())});
    return Value::poison();
  }
  if (rt->isScalar() && ok && !data->empty()) {
    rt->known = true;
    rt->floatValue = data->front();
    rt->intValue = int64_t(data->front());
  } else if (ok && !symbolic) {
    rt->data = data;
  }
  return Value::ofRt(rt);
}

} // namespace triton::sema
