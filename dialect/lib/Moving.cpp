// Operations that only move elements: shapes, verifiers, folders.
#include "ternary/Shapes.h"
#include "ternary/TernaryOps.h"

#include "mlir/IR/DialectResourceBlobManager.h"

#include <cmath>

using namespace mlir;

namespace triton::ternary {

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// The elements of a constant in another shape; null where that is not possible without copying them.
static ElementsAttr reshaped(ElementsAttr value, ArrayRef<int64_t> shape) {
  auto type = RankedTensorType::get(shape, value.getElementType());
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    return dense.isSplat() ? dense.resizeSplat(type) : dense.reshape(type);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  return {};
}

// ---- reshape
// -----------------------------------------------------------------------------------------------------------

LogicalResult ReshapeOp::verify() {
  auto x = typeOf(getX()), result = typeOf(getResult());
  if (x.getElementType() != result.getElementType())
    return emitOpError("reshape_c1: the element types differ, ") << x << " and " << result;
  // A dynamic batch counts as one of it on both sides, so the rest must agree.
  auto count = [](RankedTensorType type) {
    int64_t product = 1;
    for (int64_t size : type.getShape())
      if (!ShapedType::isDynamic(size) && llvm::MulOverflow(product, size, product)) return int64_t(-1);
    return product;
  };
  if (x.hasStaticShape() != result.hasStaticShape() || count(x) != count(result) || count(x) < 0)
    return emitOpError("reshape_c2: ") << x << " and " << result << " have different numbers of elements";
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType()) return getX();
  if (auto inner = getX().getDefiningOp<ReshapeOp>()) {
    getXMutable().assign(inner.getX());
    return getResult();
  }
  auto value = dyn_cast_or_null<ElementsAttr>(adaptor.getX());
  return value ? reshaped(value, getType().getShape()) : OpFoldResult();
}

// ---- transpose
// ---------------------------------------------------------------------------------------------------------

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  auto x = typeOf(adaptor.getX());
  ArrayRef<int64_t> order = adaptor.getOrder();
  SmallVector<bool> seen(x.getRank(), false);
  bool good = static_cast<int64_t>(order.size()) == x.getRank();
  for (int64_t axis : order)
    if ((good = good && axis >= 0 && axis < x.getRank() && !seen[axis])) seen[axis] = true;
  if (!good)
    return emitOptionalError(loc, "transpose_c1: the order must be a permutation of the ", x.getRank(), " axes");
  if (!x.hasStaticShape() && order[0] != 0)
    return emitOptionalError(loc, "transpose_c2: a dynamic batch must stay axis 0");
  Sizes shape;
  for (int64_t axis : order) shape.push_back(x.getDimSize(axis));
  types.push_back(withShape(x, shape));
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  ArrayRef<int64_t> order = getOrder();
  if (llvm::equal(order, llvm::seq<int64_t>(0, order.size()))) return getX();
  if (auto inner = getX().getDefiningOp<TransposeOp>()) {
    Sizes both;
    for (int64_t axis : order) both.push_back(inner.getOrder()[axis]);
    setOrder(both);
    getXMutable().assign(inner.getX());
    return getResult();
  }
  auto splat = dyn_cast_or_null<SplatElementsAttr>(adaptor.getX());
  return splat ? reshaped(splat, getType().getShape()) : OpFoldResult();
}

// ---- slice, index
// ------------------------------------------------------------------------------------------------------

LogicalResult SliceOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto x = typeOf(adaptor.getX());
  auto axis = static_cast<int64_t>(adaptor.getAxis()), from = static_cast<int64_t>(adaptor.getFrom()),
       to = static_cast<int64_t>(adaptor.getTo());
  if (axis < 0 || axis >= x.getRank())
    return emitOptionalError(loc, "slice_c1: axis ", axis, " is out of range for rank ", x.getRank());
  int64_t size = x.getDimSize(axis);
  if (from < 0 || from >= to || (!ShapedType::isDynamic(size) && to > size))
    return emitOptionalError(loc, "slice_c2: ", from, "..", to, " does not lie in an axis of size ", size);
  Sizes shape(x.getShape());
  shape[axis] = to - from;
  types.push_back(withShape(x, shape));
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType()) return getX();
  auto splat = dyn_cast_or_null<SplatElementsAttr>(adaptor.getX());
  return splat ? reshaped(splat, getType().getShape()) : OpFoldResult();
}

LogicalResult IndexOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto x = typeOf(adaptor.getX());
  ArrayRef<int64_t> indices = adaptor.getIndices();
  if (static_cast<int64_t>(indices.size()) > x.getRank())
    return emitOptionalError(loc, "index_c1: ", indices.size(), " indices for rank ", x.getRank());
  for (auto [axis, index] : llvm::enumerate(indices)) {
    int64_t size = x.getDimSize(axis);
    if (index < 0 || (!ShapedType::isDynamic(size) && index >= size))
      return emitOptionalError(loc, "index_c2: index ", index, " is out of range for axis ", axis, " of ", x);
  }
  types.push_back(withShape(x, x.getShape().drop_front(indices.size())));
  return success();
}

OpFoldResult IndexOp::fold(FoldAdaptor adaptor) {
  if (getIndices().empty()) return getX();
  auto splat = dyn_cast_or_null<SplatElementsAttr>(adaptor.getX());
  return splat ? reshaped(splat, getType().getShape()) : OpFoldResult();
}

// ---- pad, concat
// -------------------------------------------------------------------------------------------------------

LogicalResult PadOp::inferReturnTypes(MLIRContext *, OptionalLoc loc, Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto x = typeOf(adaptor.getX());
  ArrayRef<int64_t> low = adaptor.getLow(), high = adaptor.getHigh();
  if (static_cast<int64_t>(low.size()) != x.getRank() || high.size() != low.size())
    return emitOptionalError(loc, "pad_c1: low and high need ", x.getRank(), " sizes each");
  Sizes shape;
  for (auto [axis, size] : llvm::enumerate(x.getShape())) {
    bool dynamic = ShapedType::isDynamic(size);
    if (low[axis] < 0 || high[axis] < 0 || (dynamic && low[axis] + high[axis] != 0) || low[axis] > (int64_t(1) << 40) ||
        high[axis] > (int64_t(1) << 40))
      return emitOptionalError(loc, "pad_c2: axis ", axis, " of ", x, " cannot be padded by ", low[axis], " and ",
                               high[axis]);
    shape.push_back(dynamic ? size : size + low[axis] + high[axis]);
  }
  double value = adaptor.getValue().convertToDouble();
  Type element = x.getElementType();
  if (!isReal(element)) {
    auto [lo, hi] = integerRange(element);
    if (value != std::trunc(value) || value < static_cast<double>(lo) || value > static_cast<double>(hi))
      return emitOptionalError(loc, "pad_c3: the value does not fit ", element);
  }
  types.push_back(withShape(x, shape));
  return success();
}

OpFoldResult PadOp::fold(FoldAdaptor) {
  return getX().getType() == getType() ? getX() : Value();
}

LogicalResult ConcatOp::verify() {
  auto result = typeOf(getResult());
  auto axis = static_cast<int64_t>(getAxis());
  if (getParts().empty() || axis < 0 || axis >= result.getRank())
    return emitOpError("concat_c1: needs an operand, and an axis of the result");
  int64_t total = 0;
  for (Value part : getParts()) {
    auto type = typeOf(part);
    bool sameElsewhere = type.getRank() == result.getRank();
    for (int64_t i = 0; sameElsewhere && i < type.getRank(); ++i)
      sameElsewhere = i == axis || type.getDimSize(i) == result.getDimSize(i);
    if (!sameElsewhere || (type.isDynamicDim(axis) && getParts().size() > 1))
      return emitOpError("concat_c2: ") << type << " does not join along axis " << axis << " to " << result;
    total += type.isDynamicDim(axis) ? 0 : type.getDimSize(axis);
    Type a = type.getElementType(), r = result.getElementType();
    if (a != r && !(isa<QuantType>(a) && isa<QuantType>(r)))
      return emitOpError("concat_c3: ") << type << " is of another element type than " << result;
  }
  if (!result.isDynamicDim(axis) && total != result.getDimSize(axis))
    return emitOpError("concat_c2: the parts have ")
           << total << " elements along axis " << axis << ", the result " << result.getDimSize(axis);
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getParts().size() == 1 && getParts()[0].getType() == getType() ? getParts()[0] : Value();
}

} // namespace triton::ternary
