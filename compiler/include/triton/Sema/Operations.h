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
/// shape worked out); missing arguments that have a default are filled in. On an error it is reported at `at` with notes at
/// the operands, and nothing is returned.
///
/// Attributes may come in these forms: Int int64_t; Float double or int64_t; Bool; Dtype; Pair int64_t or two int64_t; IntList
/// int64_t or a list; DimList a list of int64_t or Dim; DimValue int64_t or a list of one Dim. They leave as int64_t, double,
/// bool, DType, two int64_t, a list of int64_t, a list of Dim; a DimValue as int64_t, or as a list of one Dim where it is not
/// a constant.
/// `concat` takes its list as operands. The indices of `x[i, ..]` are the IntList `indices`, the list of `pad` is `padding`.
///
/// Sizes that can only be compared when a session is opened (`N` and `M` of two inputs) are accepted; if `waits` is given, what
/// must hold is appended to it. A symbolic size broadcasts only where it is proven to be 1; else it must equal the other.
/// An operand whose dtype is not the result's (`int8 + int16`, a concatenation of float16 and float32) is accepted where it
/// converts implicitly; the caller inserts the conversion.
std::optional<std::vector<OpResult>> inferOperation(OpKind op, const std::vector<Operand> &operands, AttrMap &attrs,
                                                    SourceRange at, DiagnosticEngine &diags,
                                                    std::vector<RuntimeCheck> *waits = nullptr);

/// The same for the operators `+ - * / @` and casts, whose dtype rules are section 4's. (Unary `-` is `neg`.)
std::optional<OpResult> inferBinary(OpKind op, const Operand &lhs, const Operand &rhs, SourceRange at,
                                    DiagnosticEngine &diags, std::vector<RuntimeCheck> *waits = nullptr);
std::optional<OpResult> inferCast(DType to, const Operand &operand, SourceRange at, DiagnosticEngine &diags);

/// Checks a shape wherever one is written: each size at least 1 (TRI0404), at most 2^40 elements (TRI0405). True if fine.
bool checkShape(const Shape &shape, SourceRange at, DiagnosticEngine &diags);

/// The type as users write it: `int8` for a scalar, `Tensor[N, 3, int8]`, `TernaryTensor[4, 4]`; float32 is left out.
std::string typeString(const TensorType &type);

/// Implicit conversion of section 4 (only upwards); false for everything else.
bool convertsImplicitly(DType from, DType to);

/// Section 10's random trits; element i of `count`.
std::vector<int8_t> randomTrits(uint64_t seed, double zero, size_t count);
/// FNV-1a-64, the seed of `random_ternary` without `seed`.
uint64_t fnv1a64(std::string_view text);

} // namespace triton
