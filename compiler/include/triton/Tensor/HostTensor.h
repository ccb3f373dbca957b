// A tensor in ordinary memory and the element types that tensor files know. No LLVM.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace triton {

/// Element types of tensor files. The order is the order of the table in HostTensor.cpp.
enum class ElementType : uint8_t { Bool, U8, I8, U16, I16, U32, I32, U64, I64, F16, BF16, F32, F64 };

size_t elementBytes(ElementType type);
constexpr bool isFloat(ElementType type) {
  return type == ElementType::F16 || type == ElementType::BF16 || type == ElementType::F32 || type == ElementType::F64;
}
/// The name in a .safetensors header: "F32", "I8", ...
std::string_view safetensorsName(ElementType type);
std::optional<ElementType> elementTypeFromSafetensors(std::string_view name);

using TensorShape = std::vector<int64_t>;

/// The product of the sizes, or nothing if one is negative or the product leaves 0..2^62.
std::optional<int64_t> elementCount(std::span<const int64_t> shape);
/// "[16, 3, 3]".
std::string formatShape(std::span<const int64_t> shape);

/// IEEE binary16 and bfloat16 bits as float; exact.
float halfToFloat(uint16_t bits);
float bfloat16ToFloat(uint16_t bits);

/// A dense row-major tensor that owns its bytes (little-endian elements).
struct HostTensor {
  ElementType type = ElementType::F32;
  TensorShape shape;
  std::vector<uint8_t> bytes;

  int64_t count() const { return static_cast<int64_t>(bytes.size() / elementBytes(type)); }

  /// A tensor of `values` with the element type of T (float, int8_t, uint8_t, int32_t, int64_t).
  template <typename T>
  static HostTensor of(TensorShape shape, std::span<const T> values);

  /// The elements as T, which must be the element type's own C++ type.
  template <typename T>
  std::vector<T> as() const {
    std::vector<T> out(bytes.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
    return out;
  }
};

template <typename T>
struct ElementTypeOf;
template <> struct ElementTypeOf<uint8_t> { static constexpr ElementType value = ElementType::U8; };
template <> struct ElementTypeOf<int8_t> { static constexpr ElementType value = ElementType::I8; };
template <> struct ElementTypeOf<int32_t> { static constexpr ElementType value = ElementType::I32; };
template <> struct ElementTypeOf<int64_t> { static constexpr ElementType value = ElementType::I64; };
template <> struct ElementTypeOf<float> { static constexpr ElementType value = ElementType::F32; };
template <> struct ElementTypeOf<double> { static constexpr ElementType value = ElementType::F64; };

template <typename T>
HostTensor HostTensor::of(TensorShape shape, std::span<const T> values) {
  HostTensor t;
  t.type = ElementTypeOf<T>::value;
  t.shape = std::move(shape);
  t.bytes.resize(values.size_bytes());
  if (!values.empty()) std::memcpy(t.bytes.data(), values.data(), values.size_bytes());
  return t;
}

/// Elements of any real type as float: integers and floats convert (64-bit ones round), bool gives 0 or 1.
std::vector<float> toFloats(ElementType type, std::span<const uint8_t> bytes);

} // namespace triton
