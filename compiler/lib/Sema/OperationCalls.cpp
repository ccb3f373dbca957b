// Calls of built-in operations: arguments become operands and attributes, results become nodes.
#include "Evaluator.h"

#include <cstdlib>

namespace triton::sema {

Operand Evaluator::operandOf(const Value &value, const ast::Expr *expr) {
  Operand operand;
  if (value.kind == Value::Tensor) {
    auto &rt = value.tensor();
    operand.type = rt.type;
    operand.shapeKnown = rt.shapeKnown;
    operand.dtypeKnown = rt.dtypeKnown;
    operand.isWeight = rt.isWeight;
    operand.hasScale = rt.hasScale;
  } else {
    operand.present = value.kind != Value::None;
    operand.shapeKnown = operand.dtypeKnown = false;
  }
  if (expr) {
    operand.range = expr->range;
    if (expr->kind == ast::Expr::NameRef) {
      operand.name = expr->text;
      if (Slot *slot = scope->find(expr->text); slot && slot->kind != Slot::Import)
        operand.declared = slot->declared;
    }
  }
  return operand;
}

Value Evaluator::makeResult(OpKind op, const std::vector<Value> &operands, const OpResult &result, AttrMap attrs, SourceRange at) {
  auto rt = std::make_shared<Rt>();
  rt->type = result.type;
  rt->shapeKnown = result.shapeKnown;
  rt->dtypeKnown = result.dtypeKnown;
  if (op == OpKind::Reshape || op == OpKind::Transpose || op == OpKind::Index || op == OpKind::Slice || op == OpKind::Flatten)
    rt->hasScale = false;
  if (builder && rt->shapeKnown && rt->dtypeKnown) {
    std::vector<ValueId> ids;
    for (auto &value : operands) {
      if (value.kind == Value::None) {
        ids.push_back(kNoValue);
        continue;
      }
      if (value.kind != Value::Tensor || !value.tensor().shapeKnown || !value.tensor().dtypeKnown)
        return Value::ofRt(rt); // an error was reported on the way
      auto &operand = value.tensor();
      bool fromGraph = operand.owner || operand.param || operand.known || operand.data || operand.random;
      if (!fromGraph)
        return Value::ofRt(rt);
      ids.push_back(builder->use(value.rt()));
    }
    while (!ids.empty() && ids.back() == kNoValue && op != OpKind::Linear && op != OpKind::Conv2d)
      ids.pop_back();
    rt->id = builder->addNode(op, std::move(ids), rt->type, std::move(attrs), at, env.acts, running);
    rt->owner = builder;
  }
  return Value::ofRt(rt);
}

std::optional<Shape> Evaluator::toShape(const Value &value, SourceRange at) {
  if (value.isPoison())
    return std::nullopt;
  ValueVec items;
  if (value.kind == Value::List)
    items = value.list();
  else
    items = {value};
  Shape shape;
  for (auto &item : items) {
    Value size = steer(item);
    if (size.isSize())
      shape.push_back(size.asDim());
    else if (size.kind == Value::Unknown && (size.unknown == UnknownType::Int || size.unknown == UnknownType::Any))
      shape.push_back(Dim::unknown());
    else {
      if (!size.isPoison())
        report(Diag::TypeMismatch, at, {"a shape", typeString(value)});
      return std::nullopt;
    }
  }
  return shape;
}

bool Evaluator::checkShape(const Shape &shape, SourceRange at) {
  int64_t count = 1;
  bool tooLarge = false;
  for (auto &dim : shape) {
    auto size = dim.constant();
    if (!size)
      continue;
    if (*size < 1) {
      report(Diag::NotPositive, at, {"dimension", "positive", std::to_string(*size)});
      return false;
    }
    // Unknown sizes are at least 1, so the product of the known ones is a lower bound.
    tooLarge |= __builtin_mul_overflow(count, *size, &count) || count > kMaxElements;
  }
  if (tooLarge)
    report(Diag::TensorTooLarge, at, {shapeString(shape)}).note({}, "a tensor may have at most 2^40 elements");
  return !tooLarge;
}

std::optional<Attr> Evaluator::toAttr(const OpParam &param, const Value &given, SourceRange at, bool &unknown) {
  Value value = steer(given);
  auto fail = [&](const char *expected) -> std::optional<Attr> {
    if (value.kind == Value::Tensor)
      report(Diag::NotCompileTime, at, {std::string(sources.text(at))});
    else if (!value.isPoison())
      report(Diag::TypeMismatch, at, {expected, typeString(value)});
    return std::nullopt;
  };
  bool any = value.kind == Value::Unknown;
  auto integer = [&](const Value &v, int64_t &out) { // false: not an integer; `unknown` is set for one that is not known
    if (v.kind == Value::Int) {
      out = v.i;
      return true;
    }
    if (v.kind == Value::SymInt && onlyDimensions(v.dim())) {
      report(Diag::NotCompileTime, at, {v.dim().str()});
      return false;
    }
    if (v.kind == Value::SymInt || v.kind == Value::Unknown) {
      unknown = true;
      return true;
    }
    return false;
  };
  switch (param.kind) {
  case ArgKind::Int: {
    int64_t out = 0;
    if (integer(value, out))
      return Attr(out);
    return value.kind == Value::SymInt ? std::nullopt : fail("int");
  }
  case ArgKind::Float:
    if (value.kind == Value::Float)
      return Attr(value.f);
    if (value.kind == Value::Int)
      return Attr(double(value.i));
    if (any || value.kind == Value::SymInt) {
      unknown = true;
      return Attr(0.0);
    }
    return fail("float");
  case ArgKind::Bool:
    if (value.kind == Value::Bool)
      return Attr(value.b);
    unknown |= any;
    return any ? std::optional<Attr>(false) : fail("bool");
  case ArgKind::Dtype:
    if (value.kind == Value::DTypeV)
      return Attr(value.dtype);
    unknown |= any;
    return any ? std::optional<Attr>(DType::Float32) : fail("dtype");
  case ArgKind::Pair:
  case ArgKind::IntList: {
    std::vector<int64_t> list;
    if (any) {
      unknown = true;
      return Attr(std::vector<int64_t>{1, 1});
    }
    if (value.kind != Value::List) {
      int64_t one = 0;
      if (param.kind == ArgKind::IntList || !integer(value, one))
        return value.kind == Value::SymInt ? std::nullopt : fail(param.kind == ArgKind::Pair ? "pair" : "list");
      return Attr(std::vector<int64_t>{one, one});
    }
    for (auto &item : value.list()) {
      int64_t one = 0;
      if (!integer(steer(item), one))
        return fail(param.kind == ArgKind::Pair ? "pair" : "list[int]");
      list.push_back(one);
    }
    if (param.kind == ArgKind::Pair && list.size() != 2)
      return fail("pair");
    return Attr(std::move(list));
  }
  case ArgKind::DimList: {
    if (any) {
      unknown = true;
      return Attr(std::vector<Dim>{});
    }
    auto shape = toShape(value, at);
    if (!shape)
      return std::nullopt;
    for (auto &dim : *shape)
      unknown |= dim.isUnknown();
    return Attr(std::vector<Dim>(shape->begin(), shape->end()));
  }
  case ArgKind::DimValue:
    if (value.kind == Value::Int)
      return Attr(value.i);
    if (value.kind == Value::SymInt)
      return Attr(std::vector<Dim>{value.dim()});
    unknown |= any;
    return any ? std::optional<Attr>(int64_t(0)) : fail("int");
  default: return std::nullopt;
  }
}

Value Evaluator::callOperation(const OpSignature &op, const std::vector<Argument> &args, SourceRange at) {
  std::vector<Formal> formals;
  for (auto &param : op.params)
    formals.push_back({param.name, param.required});
  auto bound = bindArguments(std::string(op.spelling), formals, args, at);
  if (!bound)
    return Value::poison();
  bool isBinary = op.op == OpKind::Add || op.op == OpKind::Sub || op.op == OpKind::Mul || op.op == OpKind::Div;
  if (isBinary) {
    auto &a = args[size_t((*bound)[0])], &b = args[size_t((*bound)[1])];
    return tensorArithmetic(op.op, a.value, b.value, a.source->value.get(), b.source->value.get(), at, op.spelling);
  }
  std::vector<Value> operandValues;
  std::vector<Operand> operands;
  AttrMap attrs;
  bool unknown = false, failed = false;
  auto addOperand = [&](Value value, const ast::Expr *expr, SourceRange range) {
    if (value.kind == Value::Int || value.kind == Value::Float || value.kind == Value::SymInt) {
      auto rt = adaptLiteral(value, value.kind == Value::Float ? DType::Float32 : DType::Int32, range);
      value = rt ? Value::ofRt(*rt) : Value::poison();
    }
    if (value.isPoison()) {
      failed = true;
      return;
    }
    if (value.kind != Value::Tensor && value.kind != Value::Unknown) {
      report(Diag::TypeMismatch, range, {"a tensor", typeString(value)});
      failed = true;
      return;
    }
    operands.push_back(operandOf(value, expr));
    operandValues.push_back(std::move(value));
  };
  for (size_t i = 0; i < op.params.size(); ++i) {
    const OpParam &param = op.params[i];
    const Argument *arg = (*bound)[i] < 0 ? nullptr : &args[size_t((*bound)[i])];
    const ast::Expr *expr = arg ? arg->source->value.get() : nullptr;
    switch (param.kind) {
    case ArgKind::Tensor:
    case ArgKind::OptionalTensor:
      if (arg) {
        addOperand(arg->value, expr, expr->range);
      } else {
        operandValues.push_back(Value::none());
        operands.push_back(operandOf(operandValues.back(), nullptr));
      }
      break;
    case ArgKind::TensorList:
      if (arg->value.kind == Value::List) {
        for (size_t k = 0; k < arg->value.list().size(); ++k) {
          bool spelled = expr->kind == ast::Expr::List && k < expr->elements.size();
          const ast::Expr *part = spelled ? expr->elements[k].get() : expr;
          addOperand(arg->value.list()[k], spelled ? part : nullptr, part->range);
        }
        if (operands.empty() && !failed) {
          report(Diag::ArgumentCount, at, {std::string(op.spelling), "at least one tensor", "none"});
          return Value::poison();
        }
      } else if (arg->value.kind == Value::Unknown) {
        unknown = true;
      } else {
        if (!arg->value.isPoison())
          report(Diag::TypeMismatch, expr->range, {"list", typeString(arg->value)});
        return Value::poison();
      }
      break;
    default:
      if (!arg)
        break; // inferOperation knows the default
      if (arg->value.isPoison()) {
        failed = true;
        break;
      }
      if (auto attr = toAttr(param, arg->value, expr->range, unknown))
        attrs[std::string(param.name)] = std::move(*attr);
      else
        failed = true;
    }
  }
  if (failed)
    return Value::poison();
  if (unknown) {
    // An argument is not known in the generic check, so neither is the shape; the instances are checked.
    auto rt = std::make_shared<Rt>();
    rt->shapeKnown = false;
    rt->dtypeKnown = !operands.empty() && operands.front().dtypeKnown && isFloat(operands.front().type.dtype);
    if (rt->dtypeKnown)
      rt->type.dtype = operands.front().type.dtype;
    if (op.op == OpKind::Argmax)
      rt->dtypeKnown = true, rt->type.dtype = DType::Int32;
    return Value::ofRt(rt);
  }
  std::optional<std::vector<OpResult>> results;
  withNotes([&](DiagnosticEngine &d) { results = inferOperation(op.op, operands, attrs, at, d, waitingChecks()); });
  if (!results || results->empty())
    return Value::poison();
  return makeResult(op.op, operandValues, results->front(), std::move(attrs), at);
}

Value Evaluator::callConstant(std::string_view name, const std::vector<Argument> &args, SourceRange at) {
  static const Formal randomFormals[] = {{"shape", true}, {"seed", false}, {"zero", false}};
  static const Formal plainFormals[] = {{"shape", true}, {"d", false}};
  static const Formal fullFormals[] = {{"shape", true}, {"v", true}, {"d", false}};
  bool isRandom = name == "random_ternary", isFull = name == "full";
  std::span<const Formal> formals = isRandom ? std::span<const Formal>(randomFormals)
                                    : isFull ? std::span<const Formal>(fullFormals) : std::span<const Formal>(plainFormals);
  auto bound = bindArguments(std::string(name), formals, args, at);
  if (!bound)
    return Value::poison();
  auto arg = [&](size_t i) { return (*bound)[i] < 0 ? nullptr : &args[size_t((*bound)[i])]; };
  auto rangeOf = [&](size_t i) { return arg(i)->source->value->range; };
  auto rt = std::make_shared<Rt>();
  const Value &shapeValue = arg(0)->value;
  if (shapeValue.isPoison())
    return shapeValue;
  if (shapeValue.kind == Value::Unknown) {
    rt->shapeKnown = false;
  } else {
    auto shape = toShape(shapeValue, rangeOf(0));
    if (!shape || !checkShape(*shape, rangeOf(0)))
      return Value::poison();
    rt->type.shape = std::move(*shape);
    for (auto &dim : rt->type.shape)
      if (dim.isUnknown())
        rt->shapeKnown = false;
  }
  if (isRandom) {
    rt->type.dtype = DType::Trit;
    auto spec = std::make_shared<RandomSpec>();
    spec->name = bindingName;
    spec->owner = frame->self ? frame->self : running;
    if (arg(1)) {
      Value seed = steer(arg(1)->value);
      if (seed.kind == Value::Int)
        spec->seed = uint64_t(seed.i);
      else if (seed.kind != Value::SymInt && !seed.isOpaque()) {
        report(Diag::TypeMismatch, rangeOf(1), {"int", typeString(seed)});
        return Value::poison();
      }
    }
    if (arg(2)) {
      Value zero = steer(arg(2)->value);
      if (zero.kind == Value::Int)
        zero = Value::ofFloat(double(zero.i));
      if (zero.kind == Value::Float && zero.f >= 0 && zero.f <= 1)
        spec->zero = zero.f;
      else if (zero.kind == Value::Float) {
        report(Diag::ValueOutOfRange, rangeOf(2), {floatString(zero.f), "zero", "0", "1"});
        return Value::poison();
      } else if (!zero.isOpaque()) {
        report(Diag::TypeMismatch, rangeOf(2), {"float", typeString(zero)});
        return Value::poison();
      }
    }
    if (!generic) {
      auto count = elementCount(rt->type.shape);
      if (!count) {
        report(Diag::NotCompileTime, rangeOf(0), {shapeString(rt->type.shape)});
        return Value::poison();
      }
      if (*count > kMaxConstantElements) {
        report(Diag::TensorTooLarge, rangeOf(0), {shapeString(rt->type.shape)})
            .note({}, "a tensor of random trits may have at most 2^27 elements");
        return Value::poison();
      }
      rt->random = spec;
    }
    return Value::ofRt(rt);
  }
  size_t dtypeIndex = isFull ? 2 : 1;
  if (arg(dtypeIndex)) {
    const Value &dtype = arg(dtypeIndex)->value;
    if (dtype.kind == Value::DTypeV) {
      rt->type.dtype = dtype.dtype;
    } else if (dtype.kind == Value::Unknown) {
      rt->dtypeKnown = false;
      return Value::ofRt(rt);
    } else {
      if (!dtype.isPoison())
        report(Diag::TypeMismatch, rangeOf(dtypeIndex), {"dtype", typeString(dtype)});
      return Value::poison();
    }
  }
  Value fill = isFull ? steer(arg(1)->value) : Value::ofInt(name == "ones");
  if (fill.kind == Value::Tensor) {
    report(Diag::NotCompileTime, rangeOf(1), {std::string(sources.text(rangeOf(1)))});
    return Value::poison();
  }
  auto scalar = adaptLiteral(fill, rt->type.dtype, isFull ? rangeOf(1) : at);
  if (!scalar)
    return Value::poison();
  if ((*scalar)->known)
    rt->data = std::make_shared<std::vector<double>>(
        1, isFloat(rt->type.dtype) ? (*scalar)->floatValue : double((*scalar)->intValue));
  return Value::ofRt(rt);
}

} // namespace triton::sema
