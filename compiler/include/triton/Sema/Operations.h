// What each built-in operation takes and gives: one table of signatures, and one function that checks operand types,
// works out result types and normalises attributes (language.md sections 4 and 11). Used by the evaluator in Sema.
#pragma once

#include "triton/Sema/Graph.h"
#include "triton/Support/Diagnostics.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace triton {

/// What an argument of an operation may be.
enum class ArgKind : uint8_t {
  Tensor,         ///< run-time operand
  OptionalTensor, ///< run-time operand that may be left out
  TensorList,     ///< `concat([a, b])`
  Int, Float, Bool, Dtype,
  Pair,           ///< an int or [h, w]; normalised to two int64
  IntList,        ///< axes, padding
  DimList,        ///< a shape: dimensions, may hold variables and one -1
  DimValue,       ///< one dimension: a slice bound
};

struct OpParam {
  std::string_view name;
  ArgKind kind;
  bool required;
  /// Spelling of the default in the language ("1", "1e-5", "kernel" = same as that argument), empty if none.
  std::string_view defaultText;
};

struct OpSignature {
  OpKind op;
  std::string_view spelling;
  std::vector<OpParam> params;
};

/// The signature of a built-in that users call by name (`conv2d`, `zeros`, ...), or null.
const OpSignature *findOperation(std::string_view spelling);
/// All spellings, sorted: for "did you mean" and completion.
const std::vector<std::string> &operationNames();

/// A run-time operand as the checker sees it. A shape may be entirely unknown (`Tensor`), then `shapeKnown` is false.
struct Operand {
  bool present = true;       ///< false: an optional operand left out
  TensorType type;
  bool shapeKnown = true;
  bool dtypeKnown = true;
  bool isWeight = false;     ///< a `Weight`/`TernaryTensor` parameter or trits with a scale: `ternary` operands
  bool hasScale = false;     ///< trits that carry a scale (section 10): only linear-like operations may use them as they are
  SourceRange range;
  SourceRange declared;      ///< where the name was declared (for the note), may be invalid
  std::string name;          ///< the variable's name, may be empty
};

struct OpResult {
  TensorType type;
  bool shapeKnown = true;
  bool dtypeKnown = true;
};

/// Checks one operation and gives its result types (two or more for none of today's operations; a vector all the same).
/// `attrs` comes with the given and default arguments and leaves normalised (pairs as {h, w}, axes not negative, -1 in a
/// shape worked out). On an error it is reported at `at` with notes at the operands, and nothing is returned.
std::optional<std::vector<OpResult>> inferOperation(OpKind op, const std::vector<Operand> &operands, AttrMap &attrs,
                                                    SourceRange at, DiagnosticEngine &diags);

/// The same for the operators `+ - * / @`, unary `-` and casts, whose dtype rules are section 4's.
std::optional<OpResult> inferBinary(OpKind op, const Operand &lhs, const Operand &rhs, SourceRange at,
                                    DiagnosticEngine &diags);
std::optional<OpResult> inferCast(DType to, const Operand &operand, SourceRange at, DiagnosticEngine &diags);

/// Implicit conversion of section 4 (only upwards); false for everything else.
bool convertsImplicitly(DType from, DType to);

/// Section 10's random trits; element i of `count`.
std::vector<int8_t> randomTrits(uint64_t seed, double zero, size_t count);
/// FNV-1a-64, the seed of `random_ternary` without `seed`.
uint64_t fnv1a64(std::string_view text);

} // namespace triton
