// Linear-like operations, their affine end and the fused forms: result types and verifiers.
#include "ternary/Constants.h"
#include "ternary/Shapes.h"

using namespace mlir;

namespace triton::ternary {

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}
static RankedTensorType typeOrNull(Value value) {
  return value ? typeOf(value) : RankedTensorType();
}

static std::optional<int64_t> signedOr(std::optional<uint64_t> value) {
  return value ? std::optional<int64_t>(static_cast<int64_t>(*value)) : std::nullopt;
}

static LogicalResult give(FailureOr<RankedTensorType> type, SmallVectorImpl<Type> &types) {
  if (failed(type)) return failure();
  types.push_back(*type);
  return success();
}

LogicalResult LinearOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  return give(inferLinear(loc, typeOf(adaptor.getX()), typeOf(adaptor.getW()), typeOrNull(adaptor.getBias()),
                          signedOr(adaptor.getKGroups())),
              types);
}

template <typename OpOrAdaptor> static ConvSizes convSizes(OpOrAdaptor op) {
  return {op.getStride(), op.getPadding(), op.getDilation(), static_cast<int64_t>(op.getGroups()),
          signedOr(op.getKGroups())};
}

LogicalResult Conv2dOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  return give(inferConv2d(loc, typeOf(adaptor.getX()), typeOf(adaptor.getW()), typeOrNull(adaptor.getBias()),
                          convSizes<Adaptor &>(adaptor)),
              types);
}

LogicalResult MatmulOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  return give(inferMatmul(loc, typeOf(adaptor.getLhs()), typeOf(adaptor.getRhs()), signedOr(adaptor.getKGroups())),
              types);
}

// ---- The affine end
// ----------------------------------------------------------------------------------------------------

/// Checks the affine end of `op` (AffineOp or a fused product) whose sums are `acc` and whose value is `result`.
/// `label` is given the number of the constraint for `affine`, or is one label for the fused operations.
template <typename Op>
static LogicalResult verifyAffineEnd(Op op, RankedTensorType acc, RankedTensorType result, int64_t axis,
                                     llvm::function_ref<std::string(int)> label) {
  ArrayRef<int64_t> shape = result.getShape();
  bool grouped = acc.getRank() == result.getRank() + 1;
  if ((grouped ? acc.getShape().drop_back() : acc.getShape()) != shape ||
      (grouped && acc.isDynamicDim(acc.getRank() - 1)))
    return op.emitOpError(label(1)) << ": sums of " << acc << " do not end in " << result;
  if (result.getRank() && (axis < 0 || axis >= result.getRank()))
    return op.emitOpError(label(6)) << ": axis " << axis << " is out of range for rank " << result.getRank();

  int64_t channels = result.getRank() ? result.getDimSize(axis) : 1;
  auto covers = [&](ElementsAttr values, bool withGroups) {
    ArrayRef<int64_t> sizes = values.getShapedType().getShape();
    if (!values.getElementType().isF32() || sizes.size() != (withGroups ? 2 : 1) ||
        (withGroups && sizes[1] != acc.getShape().back()))
      return false;
    return sizes[0] == 1 || (sizes[0] == channels && !ShapedType::isDynamic(channels));
  };
  if (!covers(op.getM(), grouped) || !covers(op.getB(), false))
    return op.emitOpError(label(2)) << ": m and b must be f32 of 1 or " << channels << " values"
                                    << (grouped ? ", m one row for each" : "");

  if (!op.getResidual() != !op.getResidualM() || (op.getResidual() && typeOf(op.getResidual()).getShape() != shape))
    return op.emitOpError(label(3)) << ": a residual has the result's shape and comes with residual_m";

  if (op.getLo() || op.getHi()) {
    auto quant = dyn_cast<QuantType>(result.getElementType());
    bool good = quant && op.getLo() && op.getHi();
    if (good) {
      auto lo = static_cast<int64_t>(*op.getLo()), hi = static_cast<int64_t>(*op.getHi());
      good = lo <= hi && lo >= quant.getLo() && hi <= quant.getHi();
    }
    if (!good) return op.emitOpError(label(4)) << ": lo and hi come together, inside the range of the result's codes";
  }

  if (op.getScale()) {
    ArrayRef<int64_t> scale = typeOf(op.getScale()).getShape();
    if (!scale.empty() && (shape.empty() || scale != rowShape(shape)))
      return op.emitOpError(label(5)) << ": " << op.getScale().getType() << " is no scale of " << result;
  }
  return success();
}

LogicalResult AffineOp::verify() {
  return verifyAffineEnd(*this, typeOf(getAcc()), typeOf(getResult()), static_cast<int64_t>(getAxis()),
                         [](int c) { return "affine_c" + std::to_string(c); });
}

LogicalResult FusedConv2dOp::verify() {
  FailureOr<RankedTensorType> acc =
      inferConv2d(std::nullopt, typeOf(getX()), typeOf(getW()), RankedTensorType(), convSizes(*this));
  if (failed(acc)) {
    // Say which part of the convolution is wrong, then that it is this operation.
    (void)inferConv2d(getLoc(), typeOf(getX()), typeOf(getW()), RankedTensorType(), convSizes(*this));
    return emitOpError("fused_conv2d_c1: the convolution is not valid");
  }
  RankedTensorType result = typeOf(getResult());
  RankedTensorType before = withShape(result, getKGroups() ? acc->getShape().drop_back() : acc->getShape());
  if (failed(verifyAffineEnd(*this, *acc, before, 1, [](int) { return std::string("fused_conv2d_c2"); })))
    return failure();
  if (!getPoolKernel()) {
    if (getPoolStride() || getPoolPadding() || before != result)
      return emitOpError("fused_conv2d_c3: without a pool the result is ") << before;
    return success();
  }
  static constexpr int64_t kNone[] = {0, 0};
  FailureOr<Sizes> pooled = inferPool(std::nullopt, "max_pool", before.getShape(), *getPoolKernel(),
                                      getPoolStride().value_or(*getPoolKernel()), getPoolPadding().value_or(kNone));
  if (failed(pooled) || ArrayRef<int64_t>(*pooled) != result.getShape())
    return emitOpError("fused_conv2d_c3: the pool does not make ") << result << " of " << before;
  return success();
}

LogicalResult FusedLinearOp::verify() {
  FailureOr<RankedTensorType> acc =
      inferLinear(std::nullopt, typeOf(getX()), typeOf(getW()), RankedTensorType(), signedOr(getKGroups()));
  if (failed(acc)) {
    (void)inferLinear(getLoc(), typeOf(getX()), typeOf(getW()), RankedTensorType(), signedOr(getKGroups()));
    return emitOpError("fused_linear_c1: the product is not valid");
  }
  RankedTensorType result = typeOf(getResult());
  return verifyAffineEnd(*this, *acc, result, result.getRank() - 1, [](int) { return std::string("fused_linear_c2"); });
}

LogicalResult LookupOp::verify() {
  auto x = typeOf(getX()), result = typeOf(getResult());
  if (x.getShape() != result.getShape())
    return emitOpError("lookup_c1: ") << x << " and " << result << " have different shapes";
  auto axis = static_cast<int64_t>(getAxis());
  if (axis < 0 || axis >= x.getRank())
    return emitOpError("lookup_c3: axis ") << axis << " is out of range for rank " << x.getRank();
  ShapedType table = getTable().getShapedType();
  if (table.getRank() != 2 || (table.getDimSize(0) != 1 && table.getDimSize(0) != x.getDimSize(axis)) ||
      table.getDimSize(1) != 256 || table.getElementType() != storageElement(result.getElementType()))
    return emitOpError("lookup_c2: the table must be [1 or ")
           << x.getDimSize(axis) << ", 256] of " << storageElement(result.getElementType()) << ", found " << table;
  return success();
}

} // namespace triton::ternary
