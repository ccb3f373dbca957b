// Calls: what can be called, how arguments find their parameters, and how a function runs.
#include "Evaluator.h"
#include "State.h"

#include <utility>

namespace triton::sema {

/// The name at fault in a call: where the caret goes.
static SourceRange calleeRange(const ast::Expr &call) {
  const ast::Expr &callee = *call.operand;
  if (callee.kind == ast::Expr::NameRef || callee.kind == ast::Expr::DTypeRef)
    return callee.range;
  return callee.kind == ast::Expr::Member ? callee.member.range : call.opRange;
}

std::vector<Argument> Evaluator::evalArguments(const std::vector<ast::Arg> &args) {
  std::vector<Argument> out;
  out.reserve(args.size());
  for (auto &arg : args) {
    Value value = arg.value ? eval(*arg.value) : Value::poison();
    if (value.kind == Value::None) {
      report(Diag::TypeMismatch, arg.range, {"a value", "nothing"});
      value = Value::poison();
    }
    out.push_back({&arg, std::move(value)});
  }
  return out;
}

Value Evaluator::evalCall(const ast::Expr &expr) {
  Value callee = eval(*expr.operand);
  SourceRange at = calleeRange(expr);
  // `repeat(n, e)` evaluates e anew for every element, so it gets its arguments unevaluated.
  if (callee.kind == Value::Builtin && callee.str() == "repeat") {
    static const Formal formals[] = {{"n", true}, {"value", true}};
    std::vector<Argument> shape;
    for (auto &arg : expr.args)
      shape.push_back({&arg, Value::unknownOf()});
    auto bound = bindArguments("repeat", formals, shape, at);
    if (!bound || !expr.args[size_t((*bound)[0])].value || !expr.args[size_t((*bound)[1])].value)
      return Value::poison();
    const ast::Expr &countExpr = *expr.args[size_t((*bound)[0])].value;
    const ast::Expr &element = *expr.args[size_t((*bound)[1])].value;
    Value count = steer(eval(countExpr));
    if (count.kind == Value::Int)
      return repeatExpr(element, count.i, countExpr.range);
    if (count.kind == Value::Tensor || (count.kind == Value::SymInt && onlyDimensions(count.dim())))
      report(Diag::NotCompileTime, countExpr.range, {std::string(sources.text(countExpr.range))});
    else if (count.kind == Value::SymInt || count.kind == Value::Unknown) {
      eval(element);
      return Value::unknownOf(UnknownType::List);
    } else if (!count.isPoison())
      report(Diag::TypeMismatch, countExpr.range, {"int", typeString(count)});
    return Value::poison();
  }
  return callValue(callee, expr, evalArguments(expr.args));
}

Value Evaluator::callValue(const Value &callee, const ast::Expr &expr, std::vector<Argument> args) {
  SourceRange at = calleeRange(expr);
  switch (callee.kind) {
  case Value::Poison: return callee;
  case Value::Unknown: {
    if (callee.unknown == UnknownType::Layer)
      return Value::unknownOf();
    auto rt = std::make_shared<Rt>();
    rt->shapeKnown = rt->dtypeKnown = false;
    return callee.unknown == UnknownType::Any || callee.unknown == UnknownType::List ? Value::ofRt(rt) : Value::poison();
  }
  case Value::Function: return callFunction(callee.callable(), args, at, callee.callable().decl->name.text);
  case Value::Layer:
    if (layerKind(*callee.callable().decl) == LayerKind::Function)
      return callFunction(callee.callable(), args, at, callee.callable().decl->name.text);
    return instantiate(callee.callable(), args, at);
  case Value::InstanceV: return callInstance(*callee.instance, args, at);
  case Value::List: return callList(callee, args, at, expr);
  case Value::Builtin: return callBuiltin(callee.str(), args, expr);
  case Value::DTypeV: {
    static const Formal formals[] = {{"x", true}};
    auto bound = bindArguments(dtypeName(callee.dtype), formals, args, at);
    return bound ? castTo(callee.dtype, args.front().value, args.front().source->value.get(), at) : Value::poison();
  }
  default:
    report(Diag::NotCallable, at, {std::string(sources.text(expr.operand->range))});
    return Value::poison();
  }
}

std::optional<std::vector<int>> Evaluator::bindArguments(const std::string &name, std::span<const Formal> formals,
                                                         std::span<const Argument> args, SourceRange at) {
  std::vector<int> bound(formals.size(), -1);
  bool fine = true;
  size_t required = 0;
  for (auto &formal : formals)
    required += formal.required;
  auto wrongCount = [&] {
    std::string expects = required == formals.size() ? std::to_string(required)
                                                     : std::to_string(required) + " to " + std::to_string(formals.size());
    auto builder = report(Diag::ArgumentCount, at, {name, expects, std::to_string(args.size())});
    std::string missing;
    for (size_t i = 0; i < formals.size(); ++i)
      if (formals[i].required && bound[i] < 0)
        missing += (missing.empty() ? "'" : ", '") + std::string(formals[i].name) + "'";
    if (!missing.empty() && args.size() < formals.size())
      builder.help("missing: " + missing);
  };
  size_t next = 0;
  for (size_t i = 0; i < args.size(); ++i) {
    const ast::Arg &arg = *args[i].source;
    size_t index = formals.size();
    if (arg.name) {
      for (size_t k = 0; k < formals.size(); ++k)
        if (formals[k].name == arg.name->text)
          index = k;
      if (index == formals.size()) {
        std::vector<std::string> names;
        for (auto &formal : formals)
          names.emplace_back(formal.name);
        std::string near = nearestName(arg.name->text, names);
        auto builder = report(Diag::NoArgument, arg.name->range, {name, arg.name->text});
        if (!near.empty())
          builder.help("did you mean '" + near + "'?").fixit(arg.name->range, near);
        fine = false;
        continue;
      }
    } else {
      index = next++;
      if (index >= formals.size()) {
        wrongCount();
        return std::nullopt;
      }
    }
    if (bound[index] >= 0) {
      report(Diag::ArgumentGivenTwice, arg.name ? arg.name->range : arg.range, {std::string(formals[index].name)})
          .note(args[size_t(bound[index])].source->range, "it is given here first");
      fine = false;
      continue;
    }
    bound[index] = int(i);
  }
  if (!fine)
    return std::nullopt;
  for (size_t i = 0; i < formals.size(); ++i)
    if (formals[i].required && bound[i] < 0) {
      wrongCount();
      return std::nullopt;
    }
  return bound;
}

bool Evaluator::bindParameters(const ast::Stmt &decl, const std::vector<Argument> &args, Scope *into, SourceRange at) {
  std::vector<Formal> formals;
  for (auto &param : decl.params)
    formals.push_back({param.name.text, !param.defaultValue});
  binding = true;
  auto bound = bindArguments(decl.name.text, formals, args, at);
  binding = false;
  if (!bound)
    return false;
  auto rangeOf = [&](size_t i) { return (*bound)[i] < 0 ? at : args[size_t((*bound)[i])].source->value->range; };
  auto given = [&](size_t i) -> const Value & { return args[size_t((*bound)[i])].value; };
  // Names that stand alone in a type are bound first, so that `Tensor[B, 2 * N]` may come before `Tensor[N]`.
  for (size_t i = 0; i < decl.params.size(); ++i)
    if (decl.params[i].type && (*bound)[i] >= 0)
      bindDimensions(*decl.params[i].type, given(i));
  bool fine = true;
  for (size_t i = 0; i < decl.params.size(); ++i) {
    auto &param = decl.params[i];
    Value value = (*bound)[i] >= 0 ? given(i) : eval(*param.defaultValue);
    SourceRange range = (*bound)[i] >= 0 ? rangeOf(i) : param.defaultValue->range;
    if (param.type) {
      bool given = (*bound)[i] >= 0;
      bool outerBinding = std::exchange(binding, given);
      auto *outerParameter = std::exchange(bindingTo, given ? &param : nullptr);
      Value converted = convertTo(*param.type, value, range);
      binding = outerBinding;
      bindingTo = outerParameter;
      fine &= !(converted.isPoison() && !value.isPoison());
      value = std::move(converted);
    }
    if (into->findHere(param.name.text) && into->findHere(param.name.text)->kind != Slot::Dimension)
      continue; // TRI0208, reported
    Slot *slot = into->declare(param.name.text, Slot::Parameter, param.name.range);
    slot->type = param.type.get();
    slot->value = std::move(value);
    slot->set = true;
  }
  return fine;
}

std::string Evaluator::describeCall(const ast::Stmt &decl, Scope *in) const {
  std::string text = decl.name.text + "(";
  bool first = true;
  for (auto &param : decl.params) {
    Slot *slot = in->findHere(param.name.text);
    if (!slot)
      continue;
    std::string value = valueString(slot->value);
    constexpr size_t kMaxTitle = 80;
    if (text.size() + value.size() > kMaxTitle) {
      text += first ? "..." : ", ...";
      break;
    }
    text += (first ? "" : ", ") + value;
    first = false;
  }
  return text + ")";
}

bool Evaluator::enter(const ast::Stmt &decl, const std::string &title, SourceRange at) {
  if (recursive.count(&decl))
    return false;
  constexpr int64_t kMaxCalls = 1'000'000; // of one model; each call may double the graph, so a short program can ask for more
  if (++calls > kMaxCalls) {
    if (calls == kMaxCalls + 1)
      report(Diag::TooManyIterations, at).note({}, "more than 1000000 calls are made for one model");
    return false;
  }
  for (size_t i = 0; i < chain.size(); ++i)
    if (chain[i].decl == &decl) {
      std::string cycle;
      for (size_t k = i; k < chain.size(); ++k)
        cycle += chain[k].decl->name.text + " -> ";
      recursive.insert(&decl);
      report(Diag::RecursiveCall, at, {cycle + decl.name.text});
      return false;
    }
  if (chain.size() >= kMaxCallDepth) {
    report(Diag::NestingTooDeep, at);
    return false;
  }
  chain.push_back({&decl, title, at});
  return true;
}

bool Evaluator::genericEnough() const {
  constexpr size_t kMaxGenericDepth = 12; // what lies deeper is checked by itself
  return generic && chain.size() > 1 && (genericBudget <= 0 || chain.size() > kMaxGenericDepth);
}

void Evaluator::leave() { chain.pop_back(); }

Value Evaluator::callFunction(const Callable &fn, const std::vector<Argument> &args, SourceRange at, const std::string &name) {
  const ast::Stmt &decl = *fn.decl;
  checkDefinition(fn, decl.kind == ast::Stmt::Layer ? Value::Layer : Value::Function);
  if (genericEnough())
    return Value::unknownOf();
  if (!enter(decl, name, at))
    return Value::poison();
  Value result = Value::poison();
  {
    State saved(*this);
    Scope *body = newScope(Scope::Body, fn.closure, &decl);
    Frame inner;
    inner.kind = Frame::Fn;
    inner.decl = &decl;
    inner.self = nullptr;
    inner.body = body;
    inner.file = fileOf.count(&decl) ? fileOf[&decl] : frame->file;
    frame = &inner;
    scope = body;
    if (fn.self)
      running = fn.self;
    bool bound = bindParameters(decl, args, body, at);
    if (bound) {
      applyAttributes(decl, decl.kind == ast::Stmt::Layer ? Place::Layer : Place::Fn);
      execItems(decl.body.items);
      result = finishCall(decl, inner, at);
    } else if (decl.result) {
      result = Value::poison();
    }
    leaveScope(body);
  }
  leave();
  return result;
}

Value Evaluator::finishCall(const ast::Stmt &decl, Frame &done, SourceRange at) {
  (void)at;
  if (done.result && done.maybeResult)
    return mergeValues(*done.maybeResult, *done.result, decl.name.text);
  if (done.result)
    return *done.result;
  if (done.maybeResult)
    return *done.maybeResult;
  if (decl.result || generic)
    return Value::poison(); // TRI0310, reported by the name check
  return Value::none();
}

} // namespace triton::sema
