// Elementwise operations and norms: verifiers and folders.
#include "ternary/Shapes.h"
#include "ternary/TernaryOps.h"

#include <cmath>

using namespace mlir;

namespace triton::ternary {

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

// ---- lo and hi
// ---------------------------------------------------------------------------------------------------------

/// C3 of the binary operations, shared by all that saturate.
static LogicalResult verifyRange(Operation *op, StringRef label, Type element, std::optional<uint64_t> lo,
                                 std::optional<uint64_t> hi) {
  if (!lo && !hi) return success();
  if (!lo || !hi || isReal(element) || isa<TritType>(element))
    return op->emitOpError(label) << ": lo and hi come together, and only where the result is codes or integers";
  auto [least, greatest] = integerRange(element);
  auto low = static_cast<int64_t>(*lo), high = static_cast<int64_t>(*hi);
  if (low > high || low < least || high > greatest)
    return op->emitOpError(label) << ": " << low << ".." << high << " is not a range inside " << least << ".."
                                  << greatest;
  return success();
}

// ---- Unary
// -------------------------------------------------------------------------------------------------------------

template <typename Op> static LogicalResult verifyUnary(Op op, StringRef label) {
  return verifyRange(op, label, typeOf(op.getX()).getElementType(), op.getLo(), op.getHi());
}
LogicalResult ReluOp::verify() {
  return verifyUnary(*this, "relu_c1");
}
LogicalResult Relu6Op::verify() {
  return verifyUnary(*this, "relu6_c1");
}
LogicalResult AbsOp::verify() {
  return verifyUnary(*this, "abs_c1");
}
LogicalResult NegOp::verify() {
  return verifyUnary(*this, "neg_c1");
}

/// f(f(x)) = f(x): the operand, if the same operation made it.
template <typename Op> static OpFoldResult foldIdempotent(Op op) {
  auto inner = op.getX().template getDefiningOp<Op>();
  bool same = inner && inner.getLo() == op.getLo() && inner.getHi() == op.getHi();
  return same ? op.getX() : Value();
}
OpFoldResult ReluOp::fold(FoldAdaptor) {
  return foldIdempotent(*this);
}
OpFoldResult Relu6Op::fold(FoldAdaptor) {
  return foldIdempotent(*this);
}
OpFoldResult AbsOp::fold(FoldAdaptor) {
  return foldIdempotent(*this);
}

OpFoldResult NegOp::fold(FoldAdaptor) {
  // Not on integers: the smallest one saturates on its way.
  auto inner = getX().getDefiningOp<NegOp>();
  Type element = typeOf(getX()).getElementType();
  return inner && (isReal(element) || isa<TritType, QuantType>(element)) ? inner.getX() : Value();
}

LogicalResult ClampOp::verify() {
  double lo = getLo().convertToDouble(), hi = getHi().convertToDouble();
  if (!(lo <= hi)) return emitOpError("clamp_c1: lo must be at most hi");
  Type element = typeOf(getX()).getElementType();
  if (isa<QuantType>(element)) return emitOpError("clamp_c2: codes cannot be clamped; dequantize first");
  if (!isReal(element) && (lo != std::trunc(lo) || hi != std::trunc(hi)))
    return emitOpError("clamp_c3: the bounds of integers must be whole numbers");
  return success();
}

// ---- Binary
// ------------------------------------------------------------------------------------------------------------

/// What element types a binary operation takes; the first character of each form of section 4 and 10.
enum BinaryForms : unsigned { kReals = 1, kCodes = 2, kInts = 4 };

template <typename Op> static LogicalResult verifyBinary(Op op, StringRef name, unsigned forms) {
  auto lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs()), result = typeOf(op.getResult());
  std::optional<Sizes> shape = broadcastShapes(lhs.getShape(), rhs.getShape());
  if (!shape || ArrayRef<int64_t>(*shape) != result.getShape())
    return op.emitOpError(name) << "_c1: " << lhs << " and " << rhs << " do not broadcast to " << result;

  Type a = lhs.getElementType(), b = rhs.getElementType(), r = result.getElementType();
  bool good;
  if (isReal(r))
    good = (forms & kReals) && isReal(a) && isReal(b) && (a == r || b == r || r.isF32());
  else if (isa<QuantType>(r))
    good = (forms & kCodes) && isa<QuantType>(a) && isa<QuantType>(b);
  else if (isa<TritType>(r))
    good = name == "mul" && isa<TritType>(a) && isa<TritType>(b);
  else // Trits widen to any integer type; otherwise the result is at least as wide as both.
    good = (forms & kInts) && !isa<QuantType>(a) && !isa<QuantType>(b) && !isReal(a) && !isReal(b) &&
           (isa<TritType>(a) || a.getIntOrFloatBitWidth() <= r.getIntOrFloatBitWidth()) &&
           (isa<TritType>(b) || b.getIntOrFloatBitWidth() <= r.getIntOrFloatBitWidth());
  if (!good) return op.emitOpError(name) << "_c2: no form takes " << a << " and " << b << " to " << r;
  return verifyRange(op, (name + "_c3").str(), r, op.getLo(), op.getHi());
}
LogicalResult AddOp::verify() {
  return verifyBinary(*this, "add", kReals | kCodes | kInts);
}
LogicalResult SubOp::verify() {
  return verifyBinary(*this, "sub", kReals | kInts);
}
LogicalResult MulOp::verify() {
  return verifyBinary(*this, "mul", kReals | kCodes | kInts);
}
LogicalResult DivOp::verify() {
  return verifyBinary(*this, "div", kReals);
}

// ---- Norms
// -------------------------------------------------------------------------------------------------------------

/// Whether a norm's parameter is [size] of x's element type or f32.
static bool isNormParam(Value param, RankedTensorType x, int64_t size) {
  auto type = typeOf(param);
  return type.getShape() == ArrayRef<int64_t>(size) &&
         (type.getElementType() == x.getElementType() || type.getElementType().isF32());
}

LogicalResult BatchNormOp::verify() {
  auto x = typeOf(getX());
  if (x.getRank() < 2) return emitOpError("batch_norm_c1: x must have rank 2 or more");
  for (Value param : {Value(getWeight()), Value(getBias()), Value(getMean()), Value(getVar())})
    if (!isNormParam(param, x, x.getDimSize(1)))
      return emitOpError("batch_norm_c2: weight, bias, mean and var must be [")
             << x.getDimSize(1) << "], found " << param.getType();
  return success();
}

LogicalResult LayerNormOp::verify() {
  auto x = typeOf(getX());
  for (Value param : {Value(getWeight()), Value(getBias())})
    if (x.getRank() < 1 || !isNormParam(param, x, x.getShape().back()))
      return emitOpError("layer_norm_c1: weight and bias must be of the last axis's size, found ") << param.getType();
  return success();
}

LogicalResult RmsNormOp::verify() {
  auto x = typeOf(getX());
  if (x.getRank() < 1 || !isNormParam(getWeight(), x, x.getShape().back()))
    return emitOpError("rms_norm_c1: the weight must be of the last axis's size, found ") << getWeight().getType();
  return success();
}

} // namespace triton::ternary
