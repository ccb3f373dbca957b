// Checks of the elementwise operations, arithmetic with broadcasting, casts, norms and softmax.
#include "OperationChecks.h"

#include <algorithm>

namespace triton::ops {

namespace {

/// The dtype of `a op b` by section 4, or nothing if the types do not go together.
std::optional<DType> arithmeticType(OpKind op, DType a, DType b) {
  if (a == DType::Bool || b == DType::Bool) return std::nullopt;
  if (isFloat(a) && isFloat(b)) return commonType(a, b);
  if (op == OpKind::Div || isFloat(a) || isFloat(b)) return std::nullopt;
  if (a == DType::Trit && b == DType::Trit) return op == OpKind::Mul ? DType::Trit : DType::Int8;
  return commonType(a, b);
}

std::string conversionHelp(const Check &check, size_t a, size_t b) {
  const Operand *x = &check.operand(a), *y = &check.operand(b);
  auto named = [](const Operand &o) { return o.name.empty() ? std::string("..") : o.name; };
  if (!isFloat(x->type.dtype) && isFloat(y->type.dtype)) std::swap(x, y);
  if (isFloat(x->type.dtype) && !isFloat(y->type.dtype))
    return std::string("write ") + dtypeName(x->type.dtype) + "(" + named(*y) + ")";
  if (check.op == OpKind::Div) return "'/' needs floats: write float32(" + named(*x) + ")";
  if (isFloat(x->type.dtype)) return "write float32(" + named(*x) + ") and float32(" + named(*y) + ")";
  return "convert one of them, for example int32(" + named(*x) + ")";
}

} // namespace

Check::Result checkArithmetic(Check &check) {
  if (!check.isPlain(0) || !check.isPlain(1)) return std::nullopt;
  const Operand &a = check.operand(0), &b = check.operand(1);
  DType type = DType::Float32;
  bool known = a.dtypeKnown && b.dtypeKnown;
  if (known) {
    std::optional<DType> common = arithmeticType(check.op, a.type.dtype, b.type.dtype);
    if (!common) {
      bool boolean = a.type.dtype == DType::Bool || b.type.dtype == DType::Bool;
      return check.failOperands(0, 1, boolean ? "" : conversionHelp(check, 0, 1));
    }
    type = *common;
  }
  if (!a.shapeKnown || !b.shapeKnown) return check.giveUnknown(type, known);
  std::optional<Shape> shape = broadcast(check, 0, 1);
  if (!shape) return std::nullopt;
  return check.give(type, std::move(*shape), known);
}

Check::Result checkUnary(Check &check) {
  // relu, relu6 and neg also work on integers; dropout on whatever comes; the rest is real.
  switch (check.op) {
  case OpKind::Relu:
  case OpKind::Relu6:
  case OpKind::Neg:
    if (!check.isNumber(0)) return std::nullopt;
    break;
  case OpKind::Dropout: {
    if (!check.isNumber(0)) return std::nullopt;
    double p = check.attr<double>("p");
    if (!(p >= 0 && p <= 1)) return check.failValue("p", "in 0..1", std::to_string(p));
    break;
  }
  default:
    if (!check.isReal(0)) return std::nullopt;
  }
  return check.giveLike(0);
}

Check::Result checkClamp(Check &check) {
  if (!check.isNumber(0)) return std::nullopt;
  double lo = check.attr<double>("lo"), hi = check.attr<double>("hi");
  if (!(lo <= hi)) return check.failValue("hi", "at least 'lo'", std::to_string(hi));
  const Operand &x = check.operand(0);
  // Bounds of integers are integers that the type holds: `clamp(codes, -200, 0)` on int8 is a mistake.
  if (x.dtypeKnown && !isFloat(x.type.dtype)) {
    IntRange range = integerRange(x.type.dtype);
    for (double bound : {lo, hi}) {
      if (bound != double(int64_t(std::clamp(bound, -9e18, 9e18)))) return check.failType(0, "a real tensor");
      if (bound < double(range.lo) || bound > double(range.hi)) {
        check.report(Diag::ValueOutOfRange,
                     {std::to_string(int64_t(std::clamp(bound, -9e18, 9e18))), dtypeName(x.type.dtype),
                      std::to_string(range.lo), std::to_string(range.hi)},
                     {0});
        return std::nullopt;
      }
    }
  }
  return check.giveLike(0);
}

Check::Result checkBatchNorm(Check &check) {
  if (!check.isReal(0) || !check.rankAtLeast(0, 2)) return std::nullopt;
  for (size_t i = 1; i < 5; ++i) {
    if (!check.isReal(i) || !check.rankIs(i, 1)) return std::nullopt;
    if (check.operand(0).shapeKnown && check.operand(i).shapeKnown && !check.sameSize(0, 1, i, 0)) return std::nullopt;
  }
  return check.giveLike(0);
}

Check::Result checkLastAxisNorm(Check &check) {
  if (!check.isReal(0) || !check.rankAtLeast(0, 1)) return std::nullopt;
  for (size_t i = 1; i < check.operands.size(); ++i) {
    if (!check.isReal(i) || !check.rankIs(i, 1)) return std::nullopt;
    const Operand &x = check.operand(0);
    if (x.shapeKnown && check.operand(i).shapeKnown && !check.sameSize(0, x.type.shape.size() - 1, i, 0))
      return std::nullopt;
  }
  return check.giveLike(0);
}

Check::Result checkSoftmax(Check &check) {
  if (!check.isReal(0)) return std::nullopt;
  if (!check.operand(0).shapeKnown) return check.giveLike(0);
  std::optional<int64_t> axis = check.axis(check.integer("axis"), check.operand(0).type.shape.size());
  if (!axis) return std::nullopt;
  check.attrs["axis"] = *axis;
  return check.giveLike(0);
}

/// quantize, dequantize, codes: section 10.
Check::Result checkQuantise(Check &check) {
  const Operand &x = check.operand(0);
  if (check.op == OpKind::Quantize) {
    if (!check.isReal(0)) return std::nullopt;
    DType type = check.attr<DType>("d");
    bool codes = type == DType::Trit || (isInteger(type) && type <= DType::UInt8);
    if (!codes) {
      check.report(Diag::TypeMismatch, {"trit, int4, uint4, int6, uint6, int8 or uint8", dtypeName(type)}, {});
      return std::nullopt;
    }
    if (check.hasAttr("scale")) {
      double scale = check.attr<double>("scale");
      if (!(float(scale) > 0) || float(scale) > 3.4028234663852886e38f)
        return check.failValue("scale", "positive", std::to_string(scale));
    }
    return check.giveLike(0); // real: codes and a scale are how its numbers are stored
  }
  bool weight = x.hasScale || x.isWeight;
  if (check.op == OpKind::Dequantize) {
    if (x.dtypeKnown && !weight && !isFloat(x.type.dtype))
      return check.failType(0, "a quantised tensor",
                            x.type.dtype == DType::Bool ? "" : "plain integers have no scale: write float32(..)");
    return std::vector<OpResult>{
        {TensorType{isFloat(x.type.dtype) ? x.type.dtype : DType::Float32, x.type.shape}, x.shapeKnown, x.dtypeKnown || weight}};
  }
  if (x.dtypeKnown && !x.hasScale && (isFloat(x.type.dtype) || x.type.dtype == DType::Bool))
    return check.failType(0, "a weight stored as trits or integers");
  return std::vector<OpResult>{{TensorType{DType::Int8, x.type.shape}, x.shapeKnown, true}};
}

} // namespace triton::ops

namespace triton {

std::optional<OpResult> inferCast(DType to, const Operand &operand, SourceRange at, DiagnosticEngine &diags) {
  std::vector<Operand> operands = {operand};
  AttrMap attrs;
  ops::Check check{OpKind::Cast, dtypeName(to), operands, attrs, at, diags, nullptr};
  if (!check.isPlain(0)) return std::nullopt;
  bool fromBool = operand.dtypeKnown && operand.type.dtype == DType::Bool;
  if (operand.dtypeKnown && fromBool != (to == DType::Bool)) {
    check.failType(0, to == DType::Bool ? "bool" : "numbers");
    return std::nullopt;
  }
  return OpResult{TensorType{to, operand.type.shape}, operand.shapeKnown, true};
}

} // namespace triton
