#include "triton/Tensor/HostTensor.h"

#include <array>
#include <bit>

namespace triton {

struct TypeRow {
  std::string_view name;
  size_t bytes;
};
static constexpr std::array<TypeRow, 13> typeTable = {{{"BOOL", 1}, {"U8", 1}, {"I8", 1}, {"U16", 2}, {"I16", 2}, {"U32", 4},
                                                      {"I32", 4}, {"U64", 8}, {"I64", 8}, {"F16", 2}, {"BF16", 2}, {"F32", 4},
                                                      {"F64", 8}}};

size_t elementBytes(ElementType type) { return typeTable[static_cast<size_t>(type)].bytes; }
std::string_view safetensorsName(ElementType type) { return typeTable[static_cast<size_t>(type)].name; }

std::optional<ElementType> elementTypeFromSafetensors(std::string_view name) {
  for (size_t i = 0; i < typeTable.size(); ++i)
    if (typeTable[i].name == name) return static_cast<ElementType>(i);
  return std::nullopt;
}

std::optional<int64_t> elementCount(std::span<const int64_t> shape) {
  // A zero anywhere makes the product 0, but an overflow before it is still refused: such a shape is nonsense.
  constexpr int64_t limit = int64_t(1) << 62;
  int64_t product = 1;
  bool zero = false;
  for (int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      zero = true;
      continue;
    }
    if (product > limit / size) return std::nullopt;
    product *= size;
  }
  return zero ? 0 : product;
}

std::string formatShape(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) out += ", ";
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

float halfToFloat(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16;
  uint32_t exponent = h >> 10 & 31;
  uint32_t mantissa = h & 0x3FF;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

float bfloat16ToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

template <typename T, typename F>
static void convert(std::span<const uint8_t> bytes, std::vector<float> &out, F f) {
  out.resize(bytes.size() / sizeof(T));
  for (size_t i = 0; i < out.size(); ++i) {
    T v;
    std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = f(v);
  }
}

std::vector<float> toFloats(ElementType type, std::span<const uint8_t> bytes) {
  std::vector<float> out;
  auto cast = [](auto v) { return static_cast<float>(v); };
  switch (type) {
  case ElementType::Bool: convert<uint8_t>(bytes, out, [](uint8_t v) { return v ? 1.0f : 0.0f; }); break;
  case ElementType::U8: convert<uint8_t>(bytes, out, cast); break;
  case ElementType::I8: convert<int8_t>(bytes, out, cast); break;
  case ElementType::U16: convert<uint16_t>(bytes, out, cast); break;
  case ElementType::I16: convert<int16_t>(bytes, out, cast); break;
  case ElementType::U32: convert<uint32_t>(bytes, out, cast); break;
  case ElementType::I32: convert<int32_t>(bytes, out, cast); break;
  case ElementType::U64: convert<uint64_t>(bytes, out, cast); break;
  case ElementType::I64: convert<int64_t>(bytes, out, cast); break;
  case ElementType::F16: convert<uint16_t>(bytes, out, halfToFloat); break;
  case ElementType::BF16: convert<uint16_t>(bytes, out, bfloat16ToFloat); break;
  case ElementType::F32: convert<float>(bytes, out, cast); break;
  case ElementType::F64: convert<double>(bytes, out, cast); break;
  }
  return out;
}

} // namespace triton
