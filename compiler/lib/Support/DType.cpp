// Names and ranges of the dtypes.
#include "triton/Support/DType.h"

#include <cassert>

namespace triton {

namespace {
struct Row {
  const char *name;
  IntRange values; ///< Plain integers; empty for floats.
  IntRange codes;  ///< Activation codes (section 10): symmetric, so that negation never leaves the range.
};
// In the order of the enumerators.
constexpr Row rows[] = {
    {"trit", {-1, 1}, {-1, 1}},
    {"bool", {0, 1}, {0, 1}},
    {"int4", {-8, 7}, {-7, 7}},
    {"uint4", {0, 15}, {0, 15}},
    {"int6", {-32, 31}, {-31, 31}},
    {"uint6", {0, 63}, {0, 63}},
    {"int8", {-128, 127}, {-127, 127}},
    {"uint8", {0, 255}, {0, 255}},
    {"int16", {INT16_MIN, INT16_MAX}, {-INT16_MAX, INT16_MAX}},
    {"int32", {INT32_MIN, INT32_MAX}, {-INT32_MAX, INT32_MAX}},
    {"int64", {INT64_MIN, INT64_MAX}, {-INT64_MAX, INT64_MAX}},
    {"float16", {0, 0}, {0, 0}},
    {"bfloat16", {0, 0}, {0, 0}},
    {"float32", {0, 0}, {0, 0}},
};
static_assert(sizeof(rows) / sizeof(rows[0]) == static_cast<size_t>(DType::Float32) + 1);

const Row &row(DType dtype) { return rows[static_cast<size_t>(dtype)]; }
} // namespace

const char *dtypeName(DType dtype) { return row(dtype).name; }

std::optional<DType> dtypeFromName(std::string_view name) {
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i)
    if (name == rows[i].name) return static_cast<DType>(i);
  return std::nullopt;
}

IntRange integerRange(DType dtype) {
  assert(!isFloat(dtype) && "floats have no integer range");
  return row(dtype).values;
}

IntRange codeRange(DType dtype) {
  assert(!isFloat(dtype) && "floats have no codes");
  return row(dtype).codes;
}

} // namespace triton
