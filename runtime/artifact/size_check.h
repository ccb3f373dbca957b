// Conditions on the batch that a program states and that wait for a size: `N / 4 <= 16`. Both sides are polynomials with
// integer coefficients and floor divisions, as text in the metadata; the loader and the compiler evaluate them alike.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triton::artifact {

/// Limits of an expression: hostile text must not recurse deeply or take long.
inline constexpr uint32_t kMaxSizeTextBytes = 1u << 16, kMaxSizeDepth = 64;

enum class SizeResult : uint8_t {
  Ok,
  Malformed, ///< not an expression of this grammar, or over a limit
  Undefined, ///< a result outside int64, or a division by zero or less
};

/// Evaluates `text` with every name in it standing for `value`.
///
///     sum     := ["-"] product { ("+" | "-") product }
///     product := operand { ("*" | "/") operand }          from left to right; "/" rounds towards minus infinity
///     operand := number | name | "(" sum ")"
SizeResult evaluateSize(const char *text, int64_t value, int64_t *out);

/// Whether `left relation right` holds, where relation is one of == != < <= > >=. Anything else is Malformed.
SizeResult compareSizes(int64_t left, const char *relation, int64_t right, bool *holds);

/// Whether the condition holds for a batch. If not, `why` (`bytes` of it, ended by a zero) says what was needed and what was found.
bool checkSize(const char *left, const char *relation, const char *right, const char *message, int64_t batch, char *why, size_t bytes);

} // namespace triton::artifact
