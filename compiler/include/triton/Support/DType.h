// The dtypes of the language; one enum for the whole compiler.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace triton {

enum class DType : uint8_t {
  Trit, Bool, Int4, UInt4, Int6, UInt6, Int8, UInt8, Int16, Int32, Int64, Float16, BFloat16, Float32,
};

/// The name as written in the language (`uint8`).
const char *dtypeName(DType dtype);
std::optional<DType> dtypeFromName(std::string_view name);

constexpr bool isFloat(DType d) { return d == DType::Float16 || d == DType::BFloat16 || d == DType::Float32; }
/// Integers of any width; trits and bools are not integers here.
constexpr bool isInteger(DType d) { return d >= DType::Int4 && d <= DType::Int64; }
constexpr bool isUnsigned(DType d) { return d == DType::UInt4 || d == DType::UInt6 || d == DType::UInt8; }

/// The range of plain integers of a dtype (int8 is -128..127) and trits.
struct IntRange {
  int64_t lo, hi;
};
IntRange integerRange(DType dtype);
/// The range of activation codes of a dtype (section 10: int8 is -127..127, int4 -7..7, trit -1..1).
IntRange codeRange(DType dtype);

} // namespace triton
