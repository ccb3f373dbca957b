// Run-time tensors, and their way from and to attributes and host tensors.
#include "Kernel.h"

#include <cstring>

using namespace mlir;

namespace triton::oracle {

Tensor::Tensor(Kind kind, TensorShape shape) : kind(kind), shape(std::move(shape)) {
  auto n = static_cast<size_t>(sizeOf(this->shape));
  if (kind == Real)
    f.resize(n);
  else if (kind == Int)
    i.resize(n);
  else
    l.resize(n);
}

int64_t sizeOf(const TensorShape &shape, size_t from, size_t to) {
  int64_t product = 1;
  for (size_t i = from; i < to; ++i) product *= shape[i];
  return product;
}

Tensor::Kind kindOf(Type tensorType) {
  Type element = cast<ShapedType>(tensorType).getElementType();
  if (ternary::isReal(element)) return Tensor::Real;
  return element.isInteger(64) ? Tensor::Wide : Tensor::Int;
}

TensorShape withoutAxis(const TensorShape &shape, int64_t axis, bool keep) {
  TensorShape out = shape;
  if (keep)
    out[static_cast<size_t>(axis)] = 1;
  else
    out.erase(out.begin() + axis);
  return out;
}

Range rangeOf(Type element, std::optional<int64_t> lo, std::optional<int64_t> hi) {
  auto [low, high] = ternary::integerRange(element);
  return {lo.value_or(low), hi.value_or(high)};
}

static ElementType hostElement(Type element) {
  if (element.isF32()) return ElementType::F32;
  if (element.isF16()) return ElementType::F16;
  if (element.isBF16()) return ElementType::BF16;
  if (auto quant = dyn_cast<ternary::QuantType>(element)) return quant.isSigned() ? ElementType::I8 : ElementType::U8;
  if (auto integer = dyn_cast<IntegerType>(element)) {
    switch (integer.getWidth()) {
    case 1: return ElementType::Bool;
    case 8: return integer.isUnsigned() ? ElementType::U8 : ElementType::I8;
    case 16: return ElementType::I16;
    case 32: return ElementType::I32;
    default: return ElementType::I64;
    }
  }
  return ElementType::I8; // trits
}

template <typename T, typename F>
static void store(HostTensor &host, size_t count, F value) {
  host.bytes.resize(count * sizeof(T));
  for (size_t i = 0; i < count; ++i) {
    T v = static_cast<T>(value(i));
    std::memcpy(host.bytes.data() + i * sizeof(T), &v, sizeof(T));
  }
}

HostTensor toHost(const Tensor &tensor, Type element) {
  HostTensor host;
  host.type = hostElement(element);
  host.shape = tensor.shape;
  auto n = static_cast<size_t>(tensor.count());
  auto integer = [&](size_t i) { return tensor.integer(i); };
  switch (host.type) {
  case ElementType::F32: store<float>(host, n, [&](size_t i) { return tensor.f[i]; }); break;
  case ElementType::F16: store<uint16_t>(host, n, [&](size_t i) { return halfBits(tensor.f[i]); }); break;
  case ElementType::BF16: store<uint16_t>(host, n, [&](size_t i) { return bfloat16Bits(tensor.f[i]); }); break;
  case ElementType::U8:
  case ElementType::Bool: store<uint8_t>(host, n, integer); break;
  case ElementType::I16: store<int16_t>(host, n, integer); break;
  case ElementType::I32: store<int32_t>(host, n, integer); break;
  case ElementType::I64: store<int64_t>(host, n, integer); break;
  default: store<int8_t>(host, n, integer); break;
  }
  return host;
}

template <typename T>
static void load(Tensor &tensor, std::span<const uint8_t> bytes) {
  for (size_t i = 0; i < static_cast<size_t>(tensor.count()); ++i) {
    T v;
    std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
    tensor.setInteger(i, static_cast<int64_t>(v));
  }
}

Result<Tensor> fromHost(const HostTensor &host, Type element) {
  ElementType wanted = hostElement(element);
  auto name = [](ElementType t) { return std::string(safetensorsName(t)); };
  std::optional<int64_t> count = elementCount(host.shape);
  if (!count || static_cast<size_t>(*count) * elementBytes(host.type) != host.bytes.size())
    return Error{"has shape " + formatShape(host.shape) + " but " + std::to_string(host.bytes.size()) + " bytes"};
  if (host.type != wanted) return Error{"holds " + name(host.type) + ", expected " + name(wanted)};
  if (ternary::isReal(element)) {
    Tensor tensor(Tensor::Real, host.shape);
    tensor.f = toFloats(host.type, host.bytes);
    return tensor;
  }
  Tensor tensor(element.isInteger(64) ? Tensor::Wide : Tensor::Int, host.shape);
  switch (host.type) {
  case ElementType::Bool:
  case ElementType::U8: load<uint8_t>(tensor, host.bytes); break;
  case ElementType::I16: load<int16_t>(tensor, host.bytes); break;
  case ElementType::I32: load<int32_t>(tensor, host.bytes); break;
  case ElementType::I64: load<int64_t>(tensor, host.bytes); break;
  default: load<int8_t>(tensor, host.bytes); break;
  }
  if (isa<ternary::TritType, ternary::QuantType>(element)) {
    auto [lo, hi] = ternary::integerRange(element);
    for (int32_t v : tensor.i)
      if (v < lo || v > hi)
        return Error{"holds " + std::to_string(v) + ", expected " + std::to_string(lo) + ".." + std::to_string(hi)};
  }
  return tensor;
}

Result<Tensor> decode(ElementsAttr attr, RankedTensorType type) {
  HostTensor host;
  host.shape.assign(type.getShape().begin(), type.getShape().end());
  host.type = hostElement(type.getElementType());
  if (host.type == ElementType::Bool) {
    FailureOr<std::vector<int64_t>> bits = ternary::intVector(attr);
    if (failed(bits)) return Error{"a constant cannot be read", ErrorKind::Internal};
    Tensor tensor(Tensor::Int, host.shape);
    for (size_t i = 0; i < bits->size(); ++i) tensor.i[i] = (*bits)[i] != 0;
    return tensor;
  }
  llvm::SmallVector<char> storage;
  FailureOr<ArrayRef<char>> raw = ternary::rawBytes(attr, storage);
  if (failed(raw)) return Error{"a constant cannot be read", ErrorKind::Internal};
  host.bytes.assign(raw->begin(), raw->end());
  Result<Tensor> tensor = fromHost(host, type.getElementType());
  if (!tensor) return Error{"a constant " + tensor.error().message, ErrorKind::Internal};
  return tensor;
}

} // namespace triton::oracle
