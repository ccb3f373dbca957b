// Building and reading constant values.
#include "ternary/Constants.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <cstring>

using namespace mlir;

namespace triton::ternary {

Type storageElement(Type element) {
  if (isa<TritType>(element)) return IntegerType::get(element.getContext(), 8);
  if (auto quant = dyn_cast<QuantType>(element))
    return IntegerType::get(element.getContext(), 8, quant.isSigned() ? IntegerType::Signless : IntegerType::Unsigned);
  return element;
}

/// Bytes of one element, or 0 for layouts that are not whole bytes.
static unsigned elementBytes(Type element) {
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8) return 0;
  return element.getIntOrFloatBitWidth() / 8;
}

FailureOr<ArrayRef<char>> rawBytes(ElementsAttr attr, SmallVectorImpl<char> &storage) {
  unsigned size = elementBytes(attr.getElementType());
  if (!size) return failure();
  auto count = static_cast<size_t>(attr.getNumElements());
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || blob->getData().size() != count * size) // a resource in a file may be missing or of any length
      return failure();
    return blob->getData();
  }
  auto dense = dyn_cast<DenseIntOrFPElementsAttr>(attr);
  if (!dense) return failure();
  ArrayRef<char> raw = dense.getRawData();
  if (!dense.isSplat()) return raw;
  storage.resize(count * size);
  for (size_t i = 0; i < count; ++i) std::memcpy(storage.data() + i * size, raw.data(), size);
  return ArrayRef<char>(storage);
}

/// A view of elements of type T. Resources are aligned for it by MLIR's and our own allocation; inline ones are copied.
template <typename T> static FailureOr<ArrayRef<T>> view(ElementsAttr attr, SmallVectorImpl<T> &storage) {
  SmallVector<char> bytes;
  FailureOr<ArrayRef<char>> raw = rawBytes(attr, bytes);
  if (failed(raw)) return failure();
  if (raw->data() != bytes.data() && reinterpret_cast<uintptr_t>(raw->data()) % alignof(T) == 0)
    return ArrayRef(reinterpret_cast<const T *>(raw->data()), raw->size() / sizeof(T));
  storage.resize(raw->size() / sizeof(T));
  if (!raw->empty()) std::memcpy(storage.data(), raw->data(), raw->size());
  return ArrayRef<T>(storage);
}

FailureOr<ArrayRef<int8_t>> trits(ElementsAttr attr, SmallVectorImpl<int8_t> &storage) {
  if (!attr.getElementType().isSignlessInteger(8)) return failure();
  return view<int8_t>(attr, storage);
}

FailureOr<ArrayRef<float>> floats(ElementsAttr attr, SmallVectorImpl<float> &storage) {
  if (!attr.getElementType().isF32()) return failure();
  return view<float>(attr, storage);
}

FailureOr<std::vector<int8_t>> tritVector(ElementsAttr attr) {
  SmallVector<int8_t> storage;
  FailureOr<ArrayRef<int8_t>> values = trits(attr, storage);
  if (failed(values)) return failure();
  return std::vector<int8_t>(values->begin(), values->end());
}

FailureOr<std::vector<float>> floatVector(ElementsAttr attr) {
  SmallVector<float> storage;
  FailureOr<ArrayRef<float>> values = floats(attr, storage);
  if (failed(values)) return failure();
  return std::vector<float>(values->begin(), values->end());
}

template <typename T> static FailureOr<std::vector<int64_t>> widen(ElementsAttr attr) {
  SmallVector<T> storage;
  FailureOr<ArrayRef<T>> values = view<T>(attr, storage);
  if (failed(values)) return failure();
  return std::vector<int64_t>(values->begin(), values->end());
}

FailureOr<std::vector<int64_t>> intVector(ElementsAttr attr) {
  auto integer = dyn_cast<IntegerType>(attr.getElementType());
  if (!integer) return failure();
  switch (integer.getWidth()) {
  case 1: {
    auto dense = dyn_cast<DenseElementsAttr>(attr);
    if (!dense) return failure();
    auto bits = dense.getValues<bool>();
    return std::vector<int64_t>(bits.begin(), bits.end());
  }
  case 8:
    return integer.isUnsigned() ? widen<uint8_t>(attr) : widen<int8_t>(attr);
  case 16:
    return widen<int16_t>(attr);
  case 32:
    return widen<int32_t>(attr);
  case 64:
    return widen<int64_t>(attr);
  default:
    return failure();
  }
}

ElementsAttr rawElements(RankedTensorType type, ArrayRef<char> bytes, std::shared_ptr<const void> owner) {
  auto stored = RankedTensorType::get(type.getShape(), storageElement(type.getElementType()));
  assert(bytes.size() == static_cast<size_t>(stored.getNumElements()) * elementBytes(stored.getElementType()) &&
         "the bytes must fill the shape");
  if (stored.getNumElements() <= kInlineElements) return DenseElementsAttr::getFromRawBuffer(stored, bytes);
  AsmResourceBlob blob = owner ? UnmanagedAsmResourceBlob::allocateWithAlign(bytes, 1, [owner = std::move(owner)](void *, size_t, size_t) {})
                               : HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64);
  // One name for all: the context's resource manager makes names unique in order of creation, hence deterministically.
  return DenseResourceElementsAttr::get(stored, "ternary", std::move(blob));
}

template <typename T> static ElementsAttr elements(Type element, ArrayRef<int64_t> shape, ArrayRef<T> values) {
  return rawElements(RankedTensorType::get(shape, element),
                     ArrayRef(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)));
}

ElementsAttr int8Elements(MLIRContext *context, ArrayRef<int64_t> shape, ArrayRef<int8_t> values) {
  return elements(IntegerType::get(context, 8), shape, values);
}
ElementsAttr uint8Elements(MLIRContext *context, ArrayRef<int64_t> shape, ArrayRef<uint8_t> values) {
  return elements(IntegerType::get(context, 8, IntegerType::Unsigned), shape, values);
}
ElementsAttr int32Elements(MLIRContext *context, ArrayRef<int64_t> shape, ArrayRef<int32_t> values) {
  return elements(IntegerType::get(context, 32), shape, values);
}
ElementsAttr floatElements(MLIRContext *context, ArrayRef<int64_t> shape, ArrayRef<float> values) {
  return elements<float>(Float32Type::get(context), shape, values);
}

static ConstantOp constant(OpBuilder &builder, Location loc, Type element, ElementsAttr value, StringRef key) {
  auto type = RankedTensorType::get(value.getShapedType().getShape(), element);
  return builder.create<ConstantOp>(loc, type, value, key.empty() ? StringAttr() : builder.getStringAttr(key));
}

static ConstantOp codes(OpBuilder &builder, Location loc, Type element, ArrayRef<int64_t> shape, ArrayRef<int8_t> values, StringRef key,
                        std::shared_ptr<const void> owner) {
  ArrayRef<char> bytes(reinterpret_cast<const char *>(values.data()), values.size());
  return constant(builder, loc, element, rawElements(RankedTensorType::get(shape, builder.getI8Type()), bytes, std::move(owner)), key);
}

ConstantOp tritConstant(OpBuilder &builder, Location loc, ArrayRef<int64_t> shape, ArrayRef<int8_t> values,
                        StringRef key, std::shared_ptr<const void> owner) {
  return codes(builder, loc, TritType::get(builder.getContext()), shape, values, key, std::move(owner));
}
ConstantOp int8Constant(OpBuilder &builder, Location loc, ArrayRef<int64_t> shape, ArrayRef<int8_t> values,
                        StringRef key, std::shared_ptr<const void> owner) {
  return codes(builder, loc, builder.getI8Type(), shape, values, key, std::move(owner));
}
ConstantOp floatConstant(OpBuilder &builder, Location loc, ArrayRef<int64_t> shape, ArrayRef<float> values,
                         StringRef key) {
  return constant(builder, loc, builder.getF32Type(), floatElements(builder.getContext(), shape, values), key);
}

} // namespace triton::ternary
