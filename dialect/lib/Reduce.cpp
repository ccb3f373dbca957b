// Pooling, reductions, softmax, attention and look-ups: result types, verifiers, folders.
#include "ternary/Shapes.h"
#include "ternary/TernaryOps.h"

using namespace mlir;

namespace triton::ternary {

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Whether values of x may become values of the result: the same element type, or codes of another scale.
static bool keepsForm(RankedTensorType x, RankedTensorType result) {
  Type a = x.getElementType(), r = result.getElementType();
  return a == r || (isa<QuantType>(a) && isa<QuantType>(r));
}

/// A window of one element, step 1, no padding: every element as it is.
template <typename Op> static bool isIdentityPool(Op op) {
  auto all = [](ArrayRef<int64_t> values, int64_t v) {
    return llvm::all_of(values, [=](int64_t x) { return x == v; });
  };
  return all(op.getKernel(), 1) && all(op.getStride(), 1) && all(op.getPadding(), 0) &&
         op.getX().getType() == op.getType();
}

// ---- Pooling
// -----------------------------------------------------------------------------------------------------------

LogicalResult MaxPoolOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  auto x = typeOf(adaptor.getX());
  FailureOr<Sizes> shape =
      inferPool(loc, "max_pool", x.getShape(), adaptor.getKernel(), adaptor.getStride(), adaptor.getPadding());
  if (failed(shape)) return failure();
  types.push_back(withShape(x, *shape));
  return success();
}

OpFoldResult MaxPoolOp::fold(FoldAdaptor) {
  return isIdentityPool(*this) ? getX() : Value();
}

LogicalResult AvgPoolOp::verify() {
  auto x = typeOf(getX()), result = typeOf(getResult());
  FailureOr<Sizes> shape = inferPool(getLoc(), "avg_pool", x.getShape(), getKernel(), getStride(), getPadding());
  if (failed(shape)) return failure();
  if (ArrayRef<int64_t>(*shape) != result.getShape() || !keepsForm(x, result))
    return emitOpError("avg_pool_c4: ") << x << " is pooled to " << withShape(x, *shape) << ", found " << result;
  return success();
}

OpFoldResult AvgPoolOp::fold(FoldAdaptor) {
  return isIdentityPool(*this) ? getX() : Value();
}

LogicalResult GlobalAvgPoolOp::verify() {
  auto x = typeOf(getX()), result = typeOf(getResult());
  if (x.getRank() != 4) return emitOpError("global_avg_pool_c1: x must have rank 4, found ") << x.getRank();
  if (x.getShape().take_front(2) != result.getShape() || !keepsForm(x, result))
    return emitOpError("global_avg_pool_c2: ") << x << " is pooled to [N, C], found " << result;
  return success();
}

// ---- Reductions
// --------------------------------------------------------------------------------------------------------

template <typename Op> static LogicalResult verifyReduction(Op op, StringRef name) {
  auto x = typeOf(op.getX()), result = typeOf(op.getResult());
  auto axis = static_cast<int64_t>(op.getAxis());
  if (axis < 0 || axis >= x.getRank())
    return op.emitOpError(name) << "_c1: axis " << axis << " is out of range for rank " << x.getRank();
  if (ArrayRef<int64_t>(withoutAxis(x.getShape(), axis, op.getKeep())) != result.getShape())
    return op.emitOpError(name) << "_c2: " << x << " does not reduce along axis " << axis << " to " << result;
  bool isCodes = isa<QuantType>(x.getElementType());
  Type from = x.getElementType(), to = result.getElementType();
  bool wider = isPlainInt(to) && (isa<TritType>(from) ||
                                  (isPlainInt(from) && from.getIntOrFloatBitWidth() <= to.getIntOrFloatBitWidth()));
  bool good = name == "mean"  ? keepsForm(x, result) && (isCodes || isReal(from))
              : name == "sum" ? (isReal(from) && from == to) || wider
                              : from == to;
  if (!good)
    return op.emitOpError(name) << "_c3: no form takes " << x.getElementType() << " to " << result.getElementType();
  return success();
}
LogicalResult MeanOp::verify() {
  return verifyReduction(*this, "mean");
}
LogicalResult SumOp::verify() {
  return verifyReduction(*this, "sum");
}
LogicalResult MaxOp::verify() {
  return verifyReduction(*this, "max");
}

LogicalResult SoftmaxOp::verify() {
  auto axis = static_cast<int64_t>(getAxis());
  if (axis < 0 || axis >= typeOf(getX()).getRank())
    return emitOpError("softmax_c1: axis ") << axis << " is out of range for rank " << typeOf(getX()).getRank();
  return success();
}

LogicalResult ArgmaxOp::inferReturnTypes(MLIRContext *context, OptionalLoc loc, Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto x = typeOf(adaptor.getX());
  auto axis = static_cast<int64_t>(adaptor.getAxis());
  if (axis < 0 || axis >= x.getRank())
    return emitOptionalError(loc, "argmax_c1: axis ", axis, " is out of range for rank ", x.getRank());
  types.push_back(RankedTensorType::get(withoutAxis(x.getShape(), axis), IntegerType::get(context, 32)));
  return success();
}

// ---- Look-up and attention
// ---------------------------------------------------------------------------------------------

LogicalResult EmbeddingOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  auto ids = typeOf(adaptor.getIds()), table = typeOf(adaptor.getTable());
  if (table.getRank() != 2 || !table.hasStaticShape())
    return emitOptionalError(loc, "embedding_c1: the table must be [V, D], found ", table);
  Sizes shape(ids.getShape());
  shape.push_back(table.getDimSize(1));
  types.push_back(withShape(table, shape));
  return success();
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  auto q = typeOf(adaptor.getQ()), k = typeOf(adaptor.getK()), v = typeOf(adaptor.getV());
  if (q.getRank() != 4 || k.getRank() != 4 || v.getRank() != 4)
    return emitOptionalError(loc, "attention_c1: q, k and v must have rank 4");
  if (k.getShape() != v.getShape())
    return emitOptionalError(loc, "attention_c2: k and v have different shapes, ", k, " and ", v);
  if (q.getDimSize(0) != k.getDimSize(0) || q.getDimSize(3) != k.getDimSize(3) || q.getDimSize(1) % k.getDimSize(1))
    return emitOptionalError(loc, "attention_c3: q ", q, " does not attend to k ", k);
  if (q.getElementType() != k.getElementType() || q.getElementType() != v.getElementType())
    return emitOptionalError(loc, "attention_c4: q, k and v must have one element type");
  types.push_back(q);
  return success();
}

LogicalResult RopeOp::verify() {
  auto x = typeOf(getX());
  if (x.getRank() != 4 || x.getDimSize(3) % 2)
    return emitOpError("rope_c1: x must be [B, H, T, D] with an even D, found ") << x;
  if (!(getBase().convertToDouble() > 0)) return emitOpError("rope_c2: the base must be positive");
  return success();
}

} // namespace triton::ternary
