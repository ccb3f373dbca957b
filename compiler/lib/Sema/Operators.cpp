// Operators: exact arithmetic on compile-time values, polynomials on sizes, operations on tensors, and conversions.
#include "Evaluator.h"

#include <cmath>
#include <limits>

namespace triton::sema {

using ast::BinaryOp;

Value Evaluator::steer(const Value &value) {
  if (value.kind != Value::Tensor || !value.tensor().known)
    return value;
  auto &rt = value.tensor();
  if (isFloat(rt.type.dtype))
    return Value::ofFloat(rt.floatValue);
  if (rt.type.dtype == DType::Bool)
    return Value::ofBool(rt.intValue != 0);
  return Value::ofInt(rt.intValue);
}

/// `/` rounds towards minus infinity and `%` has the sign of the divisor.
static int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a % b < 0) != (b < 0)); }
static int64_t floorModulo(int64_t a, int64_t b) { return a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0); }

Value Evaluator::incompatible(const Value &lhs, const Value &rhs, std::string_view op, SourceRange at) {
  report(Diag::IncompatibleOperands, at, {typeString(lhs), typeString(rhs), std::string(op)});
  return Value::poison();
}

Value Evaluator::evalBinary(const ast::Expr &expr) {
  // A chain may be 100,000 terms long: its left spine is walked with a loop.
  std::vector<const ast::Expr *> spine;
  const ast::Expr *leaf = &expr;
  for (; leaf->kind == ast::Expr::Binary; leaf = leaf->lhs.get())
    spine.push_back(leaf);
  Value value = eval(*leaf);
  for (size_t i = spine.size(); i-- > 0;) {
    const ast::Expr &node = *spine[i];
    bool isLogic = node.op == BinaryOp::And || node.op == BinaryOp::Or;
    if (isLogic && value.kind == Value::Bool && value.b == (node.op == BinaryOp::Or))
      continue; // decided by the left side
    Value rhs = eval(*node.rhs);
    value = isLogic ? logic(node.op, value, rhs, node) : applyBinary(node.op, value, rhs, node, node.lhs.get());
  }
  return value;
}

Value Evaluator::logic(BinaryOp op, const Value &lhs, const Value &rhs, const ast::Expr &expr) {
  auto check = [&](const Value &value, const ast::Expr &side) {
    if (value.kind == Value::Bool || value.kind == Value::Undecided || value.isOpaque())
      return true;
    report(Diag::ConditionNotBool, side.range, {typeString(value)});
    return false;
  };
  bool fine = check(lhs, *expr.lhs);
  fine = check(rhs, *expr.rhs) && fine;
  if (!fine || lhs.isPoison() || rhs.isPoison())
    return Value::poison();
  if (lhs.kind == Value::Bool)
    return rhs; // `true and x`, `false or x`
  if (rhs.kind == Value::Bool)
    return rhs.b == (op == BinaryOp::Or) ? rhs : lhs;
  if (lhs.kind == Value::Undecided && rhs.kind == Value::Undecided && op == BinaryOp::And) {
    auto relations = lhs.relations();
    relations.insert(relations.end(), rhs.relations().begin(), rhs.relations().end());
    return Value::ofRelations(std::move(relations));
  }
  for (auto *side : {&lhs, &rhs})
    if (side->kind == Value::Undecided && op == BinaryOp::Or) {
      auto &relation = side->relations().front();
      report(Diag::NotCompileTime, expr.range, {(relation.left - relation.right).variables().front()});
      return Value::poison();
    }
  return Value::unknownOf(UnknownType::Bool);
}

static BinaryOp opposite(BinaryOp op) {
  switch (op) {
  case BinaryOp::Eq: return BinaryOp::Ne;
  case BinaryOp::Ne: return BinaryOp::Eq;
  case BinaryOp::Lt: return BinaryOp::Ge;
  case BinaryOp::Le: return BinaryOp::Gt;
  case BinaryOp::Gt: return BinaryOp::Le;
  default: return BinaryOp::Lt;
  }
}

Value Evaluator::logicalNot(const Value &given, const ast::Expr &expr) {
  Value value = steer(given);
  if (value.kind == Value::Bool)
    return Value::ofBool(!value.b);
  if (value.isPoison() || (value.kind == Value::Unknown && (value.unknown == UnknownType::Bool || value.unknown == UnknownType::Any)))
    return value;
  if (value.kind == Value::Undecided && value.relations().size() == 1) {
    Relation relation = value.relations().front();
    relation.op = opposite(relation.op);
    return Value::ofRelations({relation});
  }
  if (value.kind == Value::Undecided) {
    report(Diag::NotCompileTime, expr.range, {std::string(sources.text(expr.operand->range))});
    return Value::poison();
  }
  report(Diag::ConditionNotBool, expr.operand->range, {typeString(value)});
  return Value::poison();
}

Value Evaluator::negate(const Value &value, const ast::Expr &operand, SourceRange at) {
  switch (value.kind) {
  case Value::Poison:
  case Value::Unknown: return value;
  case Value::Int:
    if (value.i == INT64_MIN) {
      report(Diag::ConstantOverflow, at);
      return Value::poison();
    }
    return Value::ofInt(-value.i);
  case Value::SymInt: return Value::ofDim(Dim(0) - value.dim());
  case Value::Float: return Value::ofFloat(-value.f);
  case Value::Tensor: break;
  default:
    report(Diag::TypeMismatch, operand.range, {"a number", typeString(value)});
    return Value::poison();
  }
  auto &rt = value.tensor();
  if (rt.known && rt.type.dtype != DType::Bool && !isUnsigned(rt.type.dtype)) {
    auto folded = adaptLiteral(isFloat(rt.type.dtype) ? Value::ofFloat(-rt.floatValue) : Value::ofInt(-rt.intValue),
                               rt.type.dtype, at);
    return folded ? Value::ofRt(*folded) : Value::poison();
  }
  AttrMap attrs;
  std::optional<std::vector<OpResult>> results;
  Operand checked = operandOf(value, &operand);
  withNotes([&](DiagnosticEngine &d) { results = inferOperation(OpKind::Neg, {checked}, attrs, at, d); });
  return results ? makeResult(OpKind::Neg, {value}, results->front(), std::move(attrs), at) : Value::poison();
}

bool Evaluator::fitsDType(int64_t value, DType dtype, SourceRange at) {
  if (dtype == DType::Trit) {
    if (value >= -1 && value <= 1)
      return true;
    auto diagnostic = report(Diag::NotATrit, at, {std::to_string(value)});
    if (!literalHelp.empty())
      diagnostic.help(literalHelp);
    return false;
  }
  IntRange range = integerRange(dtype);
  if (value >= range.lo && value <= range.hi)
    return true;
  report(Diag::ValueOutOfRange, at, {std::to_string(value), dtypeName(dtype), std::to_string(range.lo), std::to_string(range.hi)});
  return false;
}

std::optional<RtPtr> Evaluator::adaptLiteral(const Value &value, DType dtype, SourceRange at) {
  auto rt = std::make_shared<Rt>();
  rt->type.dtype = dtype;
  switch (value.kind) {
  case Value::Int:
    rt->known = true;
    if (isFloat(dtype)) {
      rt->floatValue = double(value.i);
    } else {
      if (dtype == DType::Bool) {
        report(Diag::TypeMismatch, at, {"bool", "int"});
        return std::nullopt;
      }
      if (!fitsDType(value.i, dtype, at))
        return std::nullopt;
      rt->intValue = value.i;
    }
    return rt;
  case Value::Float: {
    if (!isFloat(dtype)) {
      if (dtype == DType::Trit)
        report(Diag::NotATrit, at, {floatString(value.f)});
      else
        report(Diag::TypeMismatch, at, {dtypeName(dtype), "float"});
      return std::nullopt;
    }
    double limit = dtype == DType::Float16 ? 65504.0 : double(std::numeric_limits<float>::max());
    if (std::isfinite(value.f) && std::fabs(value.f) > limit) {
      report(Diag::ValueOutOfRange, at, {floatString(value.f), dtypeName(dtype), floatString(-limit), floatString(limit)});
      return std::nullopt;
    }
    rt->known = true;
    rt->floatValue = dtype == DType::Float32 ? double(float(value.f)) : value.f;
    return rt;
  }
  case Value::Bool:
    if (dtype != DType::Bool) {
      report(Diag::TypeMismatch, at, {dtypeName(dtype), "bool"});
      return std::nullopt;
    }
    rt->known = true;
    rt->intValue = value.b;
    return rt;
  case Value::SymInt:
    if (onlyDimensions(value.dim())) {
      report(Diag::NotCompileTime, at, {value.dim().str()});
      return std::nullopt;
    }
    return rt;
  case Value::Unknown: return rt;
  case Value::Tensor:
    if (value.tensor().isScalar() && value.tensor().type.dtype == dtype)
      return value.rt();
    [[fallthrough]];
  default:
    if (!value.isPoison())
      report(Diag::TypeMismatch, at, {dtypeName(dtype), typeString(value)});
    return std::nullopt;
  }
}

Value Evaluator::convertRt(const RtPtr &value, DType to, SourceRange at) {
  if (value->dtypeKnown && value->type.dtype == to)
    return Value::ofRt(value);
  return castTo(to, Value::ofRt(value), nullptr, at);
}

/// Rounds half to even and saturates (section 4), exactly.
static int64_t roundToInteger(double value, IntRange range) {
  if (std::isnan(value))
    return 0;
  double rounded = std::nearbyint(value);
  if (rounded <= double(range.lo))
    return range.lo;
  if (rounded >= double(range.hi))
    return range.hi;
  return int64_t(rounded);
}

Value Evaluator::castTo(DType to, const Value &value, const ast::Expr *expr, SourceRange at) {
  if (value.isPoison())
    return value;
  auto scalarOf = [&](int64_t i, double f, bool fromInt) {
    auto rt = std::make_shared<Rt>();
    rt->type.dtype = to;
    rt->known = true;
    if (isFloat(to))
      rt->floatValue = to == DType::Float32 ? double(float(fromInt ? double(i) : f)) : fromInt ? double(i) : f;
    else if (to == DType::Trit)
      rt->intValue = fromInt ? (i > 0) - (i < 0) : int64_t(roundToInteger(f, {-1, 1}));
    else if (to == DType::Bool)
      rt->intValue = fromInt ? i != 0 : f != 0;
    else
      rt->intValue = fromInt ? std::clamp(i, integerRange(to).lo, integerRange(to).hi) : roundToInteger(f, integerRange(to));
    return Value::ofRt(rt);
  };
  Value number = steer(value);
  if (number.kind == Value::Int)
    return scalarOf(number.i, 0, true);
  if (number.kind == Value::Float)
    return scalarOf(0, number.f, false);
  if (number.kind == Value::Bool && to != DType::Bool && value.kind == Value::Bool) {
    report(Diag::TypeMismatch, at, {"a number", "bool"});
    return Value::poison();
  }
  if (value.kind == Value::SymInt || value.kind == Value::Unknown || value.kind == Value::Bool) {
    auto rt = adaptLiteral(value, to, at);
    return rt ? Value::ofRt(*rt) : Value::poison();
  }
  if (value.kind != Value::Tensor) {
    report(Diag::TypeMismatch, at, {"a number or tensor", typeString(value)});
    return Value::poison();
  }
  std::optional<OpResult> result;
  Operand operand = operandOf(value, expr);
  withNotes([&](DiagnosticEngine &d) { result = inferCast(to, operand, at, d); });
  if (!result)
    return Value::poison();
  if (value.tensor().dtypeKnown && value.tensor().type.dtype == to && !value.tensor().hasScale)
    return value;
  AttrMap attrs;
  attrs["to"] = to;
  return makeResult(OpKind::Cast, {value}, *result, std::move(attrs), at);
}

Value Evaluator::sizeArithmetic(BinaryOp op, const Value &lhs, const Value &rhs, const ast::Expr &expr) {
  if (lhs.kind == Value::Int && rhs.kind == Value::Int) {
    int64_t a = lhs.i, b = rhs.i, out = 0;
    bool overflow = false;
    switch (op) {
    case BinaryOp::Add: overflow = __builtin_add_overflow(a, b, &out); break;
    case BinaryOp::Sub: overflow = __builtin_sub_overflow(a, b, &out); break;
    case BinaryOp::Mul: overflow = __builtin_mul_overflow(a, b, &out); break;
    default:
      if (b == 0) {
        report(Diag::DivisionByZero, expr.opRange);
        return Value::poison();
      }
      overflow = a == INT64_MIN && b == -1;
      if (!overflow)
        out = op == BinaryOp::Div ? floorDivide(a, b) : floorModulo(a, b);
      else if (op == BinaryOp::Mod)
        overflow = false; // the remainder is 0
    }
    if (overflow) {
      report(Diag::ConstantOverflow, expr.opRange);
      return Value::poison();
    }
    return Value::ofInt(out);
  }
  if ((op == BinaryOp::Div || op == BinaryOp::Mod) && rhs.kind == Value::Int && rhs.i == 0) {
    report(Diag::DivisionByZero, expr.opRange);
    return Value::poison();
  }
  Dim a = lhs.asDim(), b = rhs.asDim();
  Dim out = op == BinaryOp::Add ? a + b : op == BinaryOp::Sub ? a - b : op == BinaryOp::Mul ? a * b
            : op == BinaryOp::Div ? Dim::floorDiv(a, b) : Dim::mod(a, b);
  if (out.overflowed()) {
    report(Diag::ConstantOverflow, expr.opRange);
    return Value::poison();
  }
  return Value::ofDim(out);
}

Value Evaluator::arithmetic(BinaryOp op, const Value &lhs, const Value &rhs, const ast::Expr &expr) {
  std::string_view spelling = ast::binaryOpText(op);
  if (lhs.kind == Value::List && rhs.kind == Value::List && op == BinaryOp::Add) {
    if (!countElements(lhs.list().size() + rhs.list().size(), expr.opRange))
      return Value::poison();
    ValueVec items = lhs.list();
    items.insert(items.end(), rhs.list().begin(), rhs.list().end());
    return Value::ofList(std::move(items));
  }
  if (lhs.kind == Value::Str && rhs.kind == Value::Str && op == BinaryOp::Add) {
    if (!countElements((lhs.str().size() + rhs.str().size()) / sizeof(Value) + 1, expr.opRange))
      return Value::poison();
    return Value::ofStr(lhs.str() + rhs.str());
  }
  auto mayBe = [](const Value &v, UnknownType t) { return v.kind == Value::Unknown && (v.unknown == t || v.unknown == UnknownType::Any); };
  if (op != BinaryOp::MatMul) {
    if (lhs.isSize() && rhs.isSize())
      return sizeArithmetic(op, lhs, rhs, expr);
    if (lhs.isNumber() && rhs.isNumber()) {
      for (auto *side : {&lhs, &rhs})
        if (side->kind == Value::SymInt) {
          if (!onlyDimensions(side->dim()))
            return Value::unknownOf(UnknownType::Float);
          report(Diag::NotCompileTime, expr.opRange, {side->dim().str()});
          return Value::poison();
        }
      double a = lhs.kind == Value::Int ? double(lhs.i) : lhs.f, b = rhs.kind == Value::Int ? double(rhs.i) : rhs.f;
      if ((op == BinaryOp::Div || op == BinaryOp::Mod) && b == 0) {
        report(Diag::DivisionByZero, expr.opRange);
        return Value::poison();
      }
      switch (op) {
      case BinaryOp::Add: return Value::ofFloat(a + b);
      case BinaryOp::Sub: return Value::ofFloat(a - b);
      case BinaryOp::Mul: return Value::ofFloat(a * b);
      case BinaryOp::Div: return Value::ofFloat(a / b);
      default: return Value::ofFloat(a - b * std::floor(a / b));
      }
    }
    bool leftNumber = lhs.isNumber() || mayBe(lhs, UnknownType::Int) || mayBe(lhs, UnknownType::Float);
    bool rightNumber = rhs.isNumber() || mayBe(rhs, UnknownType::Int) || mayBe(rhs, UnknownType::Float);
    if (leftNumber && rightNumber) {
      bool integers = (lhs.isSize() || (lhs.kind == Value::Unknown && lhs.unknown == UnknownType::Int)) &&
                      (rhs.isSize() || (rhs.kind == Value::Unknown && rhs.unknown == UnknownType::Int));
      bool any = (lhs.kind == Value::Unknown && lhs.unknown == UnknownType::Any) ||
                 (rhs.kind == Value::Unknown && rhs.unknown == UnknownType::Any);
      return Value::unknownOf(integers ? UnknownType::Int : any ? UnknownType::Any : UnknownType::Float);
    }
    if (op == BinaryOp::Add && (lhs.kind == Value::List || mayBe(lhs, UnknownType::List)) &&
        (rhs.kind == Value::List || mayBe(rhs, UnknownType::List)))
      return Value::unknownOf(UnknownType::List);
    if (op == BinaryOp::Add && (lhs.kind == Value::Str || mayBe(lhs, UnknownType::Str)) &&
        (rhs.kind == Value::Str || mayBe(rhs, UnknownType::Str)))
      return Value::unknownOf(UnknownType::Str);
  }
  if (mayBe(lhs, UnknownType::Any) || mayBe(rhs, UnknownType::Any))
    return Value::unknownOf();
  return incompatible(lhs, rhs, spelling, expr.opRange);
}

Value Evaluator::applyBinary(BinaryOp op, const Value &lhs, const Value &rhs, const ast::Expr &expr, const ast::Expr *lhsExpr) {
  if (lhs.isPoison() || rhs.isPoison())
    return Value::poison();
  if (op >= BinaryOp::Eq && op <= BinaryOp::Ge)
    return compareValues(op, steer(lhs), steer(rhs), expr.opRange);
  bool leftTensor = lhs.kind == Value::Tensor, rightTensor = rhs.kind == Value::Tensor;
  if (!leftTensor && !rightTensor)
    return arithmetic(op, lhs, rhs, expr);
  OpKind kind;
  switch (op) {
  case BinaryOp::Add: kind = OpKind::Add; break;
  case BinaryOp::Sub: kind = OpKind::Sub; break;
  case BinaryOp::Mul: kind = OpKind::Mul; break;
  case BinaryOp::Div: kind = OpKind::Div; break;
  case BinaryOp::MatMul: kind = OpKind::Matmul; break;
  default: {
    // `%` is for compile-time numbers; known scalars may steer.
    Value a = steer(lhs), b = steer(rhs);
    if (a.isNumber() && b.isNumber())
      return arithmetic(op, a, b, expr);
    return incompatible(lhs, rhs, ast::binaryOpText(op), expr.opRange);
  }
  }
  return tensorArithmetic(kind, lhs, rhs, lhsExpr, expr.rhs.get(), expr.opRange, ast::binaryOpText(op));
}

Value Evaluator::tensorArithmetic(OpKind op, Value lhs, Value rhs, const ast::Expr *lhsExpr, const ast::Expr *rhsExpr,
                                  SourceRange at, std::string_view spelling) {
  if (lhs.isPoison() || rhs.isPoison())
    return Value::poison();
  // A literal takes the dtype it meets.
  auto meet = [&](Value &side, const Value &other, const ast::Expr *expr) {
    if (side.kind == Value::Tensor)
      return true;
    if (side.kind == Value::Unknown && side.unknown == UnknownType::Any)
      return true;
    if (op == OpKind::Matmul || !(side.isNumber() || side.kind == Value::Unknown)) {
      incompatible(lhs, rhs, spelling, at);
      return false;
    }
    DType dtype = other.kind == Value::Tensor && other.tensor().dtypeKnown ? other.tensor().type.dtype
                  : side.isSize() && other.kind != Value::Tensor ? DType::Int32 : DType::Float32;
    if (other.kind == Value::Tensor && !other.tensor().dtypeKnown) {
      side = Value::unknownOf();
      return true;
    }
    auto rt = adaptLiteral(side, dtype, expr ? expr->range : at);
    if (rt)
      side = Value::ofRt(*rt);
    return rt.has_value();
  };
  Value left = lhs, right = rhs;
  if (!meet(left, rhs, lhsExpr) || !meet(right, left, rhsExpr))
    return Value::poison();
  if (left.kind == Value::Unknown || right.kind == Value::Unknown) {
    auto rt = std::make_shared<Rt>();
    rt->shapeKnown = rt->dtypeKnown = false;
    return Value::ofRt(rt);
  }
  std::optional<OpResult> result;
  Operand a = operandOf(left, lhsExpr), b = operandOf(right, rhsExpr);
  withNotes([&](DiagnosticEngine &d) { result = inferBinary(op, a, b, at, d); });
  if (!result)
    return Value::poison();
  auto &x = left.tensor(), &y = right.tensor();
  if (x.known && y.known && op != OpKind::Matmul) {
    Value out;
    if (isFloat(result->type.dtype)) {
      double p = isFloat(x.type.dtype) ? x.floatValue : double(x.intValue);
      double q = isFloat(y.type.dtype) ? y.floatValue : double(y.intValue);
      out = Value::ofFloat(op == OpKind::Add ? p + q : op == OpKind::Sub ? p - q : op == OpKind::Mul ? p * q : p / q);
      if (op == OpKind::Div && q == 0) {
        report(Diag::DivisionByZero, at);
        return Value::poison();
      }
    } else {
      int64_t value = 0;
      bool overflow = op == OpKind::Add   ? __builtin_add_overflow(x.intValue, y.intValue, &value)
                      : op == OpKind::Sub ? __builtin_sub_overflow(x.intValue, y.intValue, &value)
                                          : __builtin_mul_overflow(x.intValue, y.intValue, &value);
      if (overflow) {
        report(Diag::ConstantOverflow, at);
        return Value::poison();
      }
      out = Value::ofInt(value);
    }
    auto folded = adaptLiteral(out, result->type.dtype, at);
    return folded ? Value::ofRt(*folded) : Value::poison();
  }
  return makeResult(op, {left, right}, *result, {}, at);
}

/// `a op b` for things in order.
template <typename T>
static bool decide(BinaryOp op, const T &a, const T &b) {
  switch (op) {
  case BinaryOp::Eq: return a == b;
  case BinaryOp::Ne: return a != b;
  case BinaryOp::Lt: return a < b;
  case BinaryOp::Le: return a <= b;
  case BinaryOp::Gt: return a > b;
  default: return a >= b;
  }
}

Value Evaluator::compareValues(BinaryOp op, const Value &lhs, const Value &rhs, SourceRange at) {
  bool equality = op == BinaryOp::Eq || op == BinaryOp::Ne;
  if (lhs.isPoison() || rhs.isPoison())
    return Value::poison();
  if (lhs.kind == Value::Unknown || rhs.kind == Value::Unknown)
    return Value::unknownOf(UnknownType::Bool);
  if (lhs.isSize() && rhs.isSize()) {
    if (lhs.kind == Value::Int && rhs.kind == Value::Int)
      return Value::ofBool(decide(op, lhs.i, rhs.i));
    Dim difference = lhs.asDim() - rhs.asDim();
    if (auto constant = difference.constant(); constant && !difference.overflowed())
      return Value::ofBool(decide(op, *constant, int64_t(0)));
    if (!onlyDimensions(difference))
      return Value::unknownOf(UnknownType::Bool);
    return Value::ofRelations({{lhs.asDim(), rhs.asDim(), op}});
  }
  if (lhs.isNumber() && rhs.isNumber()) {
    if (lhs.kind == Value::SymInt || rhs.kind == Value::SymInt)
      return Value::unknownOf(UnknownType::Bool);
    return Value::ofBool(decide(op, lhs.kind == Value::Int ? double(lhs.i) : lhs.f, rhs.kind == Value::Int ? double(rhs.i) : rhs.f));
  }
  auto notKnown = [&](const Value &value) {
    if (value.kind != Value::Tensor)
      return false;
    bool never = value.tensor().shapeKnown && !value.tensor().isScalar(); // a scalar may be known in an instance
    if (!generic || never)
      report(Diag::NotCompileTime, at, {typeString(value)});
    return true;
  };
  if (notKnown(lhs) || notKnown(rhs))
    return generic ? Value::unknownOf(UnknownType::Bool) : Value::poison();
  if (lhs.kind == Value::List && rhs.kind == Value::List && equality) {
    auto &a = lhs.list(), &b = rhs.list();
    bool want = op == BinaryOp::Eq;
    if (a.size() != b.size())
      return Value::ofBool(!want);
    std::vector<Relation> open;
    bool unknown = false;
    for (size_t i = 0; i < a.size(); ++i) {
      Value same = compareValues(BinaryOp::Eq, steer(a[i]), steer(b[i]), at);
      if (same.isPoison())
        return same;
      if (same.kind == Value::Bool && !same.b)
        return Value::ofBool(!want);
      if (same.kind == Value::Undecided)
        open.insert(open.end(), same.relations().begin(), same.relations().end());
      unknown |= same.kind == Value::Unknown;
    }
    if (unknown)
      return Value::unknownOf(UnknownType::Bool);
    if (open.empty())
      return Value::ofBool(want);
    if (want)
      return Value::ofRelations(std::move(open));
    if (open.size() == 1) {
      open.front().op = BinaryOp::Ne;
      return Value::ofRelations(std::move(open));
    }
    report(Diag::NotCompileTime, at, {valueString(lhs)});
    return Value::poison();
  }
  if (lhs.kind == rhs.kind) {
    switch (lhs.kind) {
    case Value::Str: return Value::ofBool(decide(op, lhs.str(), rhs.str()));
    case Value::Bool:
      if (equality)
        return Value::ofBool(decide(op, lhs.b, rhs.b));
      break;
    case Value::DTypeV:
      if (equality)
        return Value::ofBool(decide(op, lhs.dtype, rhs.dtype));
      break;
    case Value::Layer:
      if (equality)
        return Value::ofBool(decide(op, lhs.callable().decl, rhs.callable().decl));
      break;
    default: break;
    }
  }
  return incompatible(lhs, rhs, ast::binaryOpText(op), at);
}

Value Evaluator::mergeValues(const Value &a, const Value &b, std::string_view hint) {
  if (a.isPoison() || b.isPoison())
    return Value::poison();
  if (a.kind == Value::Unknown)
    return b.kind == Value::Unknown && b.unknown == a.unknown ? a : b.isSize() && a.unknown == UnknownType::Int ? a : Value::unknownOf();
  if (b.kind == Value::Unknown)
    return mergeValues(b, a, hint);
  if (a.isSize() && b.isSize())
    return a.asDim() == b.asDim() ? a : freshInt(hint);
  if (a.kind != b.kind)
    return a.isNumber() && b.isNumber() ? Value::unknownOf(UnknownType::Float) : Value::unknownOf();
  switch (a.kind) {
  case Value::Float: return a.f == b.f ? a : Value::unknownOf(UnknownType::Float);
  case Value::Bool: return a.b == b.b ? a : Value::unknownOf(UnknownType::Bool);
  case Value::Str: return a.str() == b.str() ? a : Value::unknownOf(UnknownType::Str);
  case Value::DTypeV: return a.dtype == b.dtype ? a : Value::unknownOf(UnknownType::DType);
  case Value::InstanceV: return a.instance == b.instance ? a : Value::unknownOf();
  case Value::Layer: return a.callable().decl == b.callable().decl ? a : Value::unknownOf(UnknownType::Layer);
  case Value::None: return a;
  case Value::List:
  case Value::Tuple: {
    auto &x = a.list(), &y = b.list();
    if (a.payload == b.payload)
      return a;
    if (x.size() != y.size())
      return Value::unknownOf(UnknownType::List);
    ValueVec items;
    for (size_t i = 0; i < x.size(); ++i)
      items.push_back(mergeValues(x[i], y[i], std::string(hint) + "[" + std::to_string(i) + "]"));
    return a.kind == Value::List ? Value::ofList(std::move(items)) : Value::ofTuple(std::move(items));
  }
  case Value::Tensor: {
    if (a.payload == b.payload)
      return a;
    auto &x = a.tensor(), &y = b.tensor();
    auto rt = std::make_shared<Rt>();
    rt->type.dtype = x.type.dtype;
    rt->dtypeKnown = x.dtypeKnown && y.dtypeKnown && x.type.dtype == y.type.dtype;
    rt->shapeKnown = x.shapeKnown && y.shapeKnown && x.type.shape.size() == y.type.shape.size();
    rt->isWeight = x.isWeight && y.isWeight;
    if (rt->shapeKnown)
      for (size_t i = 0; i < x.type.shape.size(); ++i)
        rt->type.shape.push_back(x.type.shape[i] == y.type.shape[i] ? x.type.shape[i] : Dim::unknown());
    return Value::ofRt(rt);
  }
  default: return Value::unknownOf();
  }
}

} // namespace triton::sema
