// Parameters, constants, quantisers and conversions: verifiers and folders.
#include "ternary/Constants.h"
#include "ternary/Shapes.h"

#include <cmath>

using namespace mlir;

namespace triton::ternary {

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

// ---- param, constant
// ---------------------------------------------------------------------------------------------------

LogicalResult ParamOp::verify() {
  RankedTensorType type = typeOf(getResult());
  if (getKey().empty()) return emitOpError("param_c1: the key must not be empty");
  if (!type.hasStaticShape()) return emitOpError("param_c2: a parameter must have a static shape");
  if (getInit() && getInit()->getType() != Type(type))
    return emitOpError("param_c3: init must have the result's type, found ") << getInit()->getType();
  auto axis = static_cast<int64_t>(getAxis());
  if (axis < 0 || (axis >= type.getRank() && axis != 0))
    return emitOpError("param_c4: axis ") << axis << " is out of range for rank " << type.getRank();
  if (!getPolicy()) return success();
  WeightsAttr policy = *getPolicy();
  int64_t channels = type.getRank() ? type.getDimSize(axis) : 1;
  bool grouped = policy.getScale() == WeightScale::PerGroup;
  if (grouped ? policy.getGroup() < 1 || (type.getNumElements() / channels) % policy.getGroup()
              : policy.getGroup() != 0)
    return emitOpError("param_c5: groups of ")
           << policy.getGroup() << " do not fit channels of " << type.getNumElements() / channels << " elements";
  if (!type.getElementType().isF32()) return emitOpError("param_c6: a weight with a policy is f32 here");
  return success();
}

LogicalResult ConstantOp::verify() {
  RankedTensorType type = typeOf(getResult());
  ElementsAttr value = getValue();
  if (value.getShapedType().getShape() != type.getShape() || !type.hasStaticShape())
    return emitOpError("constant_c1: the value has shape ") << value.getType() << ", the result is " << type;
  Type element = type.getElementType();
  if (value.getElementType() != storageElement(element))
    return emitOpError("constant_c2: ") << element << " is stored as " << storageElement(element) << ", found "
                                        << value.getElementType();
  // Resources are checked by who makes them: this runs after every pass.
  if (isa<TritType, QuantType>(element) && isa<DenseElementsAttr>(value)) {
    auto dense = cast<DenseElementsAttr>(value);
    if (dense.isSplat()) // one value, however many times
      value = dense.resizeSplat(RankedTensorType::get({1}, value.getElementType()));
    FailureOr<std::vector<int64_t>> codes = intVector(value);
    auto [lo, hi] = integerRange(element);
    if (failed(codes) || llvm::any_of(*codes, [lo = lo, hi = hi](int64_t v) { return v < lo || v > hi; }))
      return emitOpError("constant_c3: a value lies outside ") << lo << ".." << hi;
  }
  return success();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) {
  return getValue();
}

// ---- Quantisers
// --------------------------------------------------------------------------------------------------------

LogicalResult FakeQuantizeOp::verify() {
  bool isStatic = getMode() == QuantMode::Static;
  if (isStatic ? !getKey() && !getScale() : getKey() || getScale())
    return emitOpError("fake_quantize_c1: a static quantiser needs a key or a scale, a dynamic one has neither");
  if (getPer() == QuantPer::Row && (isStatic || typeOf(getX()).getRank() < 1))
    return emitOpError("fake_quantize_c2: per_row is for dynamic quantisers of rank 1 or more");
  double clip = getClip().convertToDouble();
  if (!(clip > 0 && clip <= 100)) return emitOpError("fake_quantize_c3: clip must lie in (0, 100]");
  if (getScale()) {
    auto scale = static_cast<float>(getScale()->convertToDouble());
    if (!(scale > 0) || !std::isfinite(scale))
      return emitOpError("fake_quantize_c4: the scale must be a positive binary32");
  }
  return success();
}

LogicalResult QuantizeOp::verify() {
  if (typeOf(getX()).getShape() != typeOf(getResult()).getShape())
    return emitOpError("quantize_c1: ") << getX().getType() << " and " << getType() << " have different shapes";
  return success();
}

OpFoldResult QuantizeOp::fold(FoldAdaptor) {
  // q -> fl(q * s) -> rne(fl(fl(q * s) * fl(1/s))) is q again: three roundings move a product of at most 255 by less
  // than 2^-13. That needs normal numbers all the way, hence the bounds on s.
  auto inner = getX().getDefiningOp<DequantizeOp>();
  if (!inner || inner.getScale() || inner.getX().getType() != getType() || !typeOf(getX()).getElementType().isF32())
    return {};
  float scale = cast<QuantType>(getType().getElementType()).getScale();
  return scale > 0x1p-100f && scale < 0x1p100f ? inner.getX() : Value();
}

LogicalResult DequantizeOp::verify() {
  auto x = typeOf(getX()), result = typeOf(getResult());
  if (x.getShape() != result.getShape())
    return emitOpError("dequantize_c1: ") << x << " and " << result << " have different shapes";
  bool isCodes = isa<QuantType>(x.getElementType());
  if (getScale()) {
    ArrayRef<int64_t> scale = typeOf(getScale()).getShape();
    if (!isCodes || (!scale.empty() && (x.getRank() < 1 || scale != rowShape(x.getShape()))))
      return emitOpError("dequantize_c2: ") << getScale().getType() << " is no scale of " << x;
  }
  if (!isCodes && x != result) return emitOpError("dequantize_c3: a real operand keeps its type, found ") << result;
  return success();
}

LogicalResult QuantizeDynamicOp::inferReturnTypes(MLIRContext *context, OptionalLoc loc, Adaptor adaptor,
                                                  SmallVectorImpl<Type> &types) {
  auto x = typeOf(adaptor.getX());
  bool perRow = adaptor.getPer() == QuantPer::Row;
  if (perRow && x.getRank() < 1)
    return emitOptionalError(loc, "quantize_dynamic_c1: per_row needs a rank of 1 or more");
  types.push_back(withElement(x, QuantType::get(context, adaptor.getKind(), 1.0f)));
  types.push_back(
      RankedTensorType::get(perRow ? rowShape(x.getShape()) : ArrayRef<int64_t>(), Float32Type::get(context)));
  return success();
}

// ---- codes, cast
// -------------------------------------------------------------------------------------------------------

LogicalResult CodesOp::inferReturnTypes(MLIRContext *context, OptionalLoc, Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  types.push_back(withElement(typeOf(adaptor.getX()), IntegerType::get(context, 8)));
  return success();
}

OpFoldResult CodesOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType()) return getX();
  // Trits are stored as i8 already.
  return isa<TritType>(typeOf(getX()).getElementType()) ? adaptor.getX() : Attribute();
}

LogicalResult CastOp::verify() {
  auto x = typeOf(getX()), result = typeOf(getResult());
  if (x.getShape() != result.getShape())
    return emitOpError("cast_c1: ") << x << " and " << result << " have different shapes";
  if (isa<QuantType>(x.getElementType()) || isa<QuantType>(result.getElementType()))
    return emitOpError("cast_c2: codes are not cast; use quantize or dequantize");
  if (!getLo() && !getHi()) return success();
  auto integer = dyn_cast<IntegerType>(result.getElementType());
  bool good = integer && getLo() && getHi();
  if (good) {
    auto [least, greatest] = integerRange(integer);
    auto lo = static_cast<int64_t>(*getLo()), hi = static_cast<int64_t>(*getHi());
    good = lo <= hi && lo >= least && hi <= greatest;
  }
  if (!good) return emitOpError("cast_c3: lo and hi come together, as a range inside the integer result's");
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  Type from = typeOf(getX()).getElementType(), to = getType().getElementType();
  if (from == to && !getLo()) return getX();
  bool tritsToBytes = isa<TritType>(from) && to.isSignlessInteger(8);
  return tritsToBytes ? adaptor.getX() : Attribute();
}

} // namespace triton::ternary
