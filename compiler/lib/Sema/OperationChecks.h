// What the checks of single operations share: access to operands and attributes, messages with notes, and comparisons of
// sizes. Private to the operation table.
#pragma once

#include "triton/Sema/Operations.h"

namespace triton::ops {

/// One operation under check. Every `fail..` reports one error and returns nullopt, so that a check can return it.
struct Check {
  OpKind op;
  std::string name; ///< as the user wrote it: `conv2d`, `+`
  const std::vector<Operand> &operands;
  AttrMap &attrs;
  SourceRange at;
  DiagnosticEngine &diags;
  std::vector<RuntimeCheck> *waits; ///< may be null

  using Result = std::optional<std::vector<OpResult>>;

  const Operand &operand(size_t i) const { return operands[i]; }
  bool has(size_t i) const { return i < operands.size() && operands[i].present; }
  /// Every present operand's shape is known.
  bool shapesKnown() const;

  template <typename T> const T &attr(const char *key) const { return std::get<T>(attrs.at(key)); }
  bool hasAttr(const char *key) const { return attrs.count(key) != 0; }
  const std::vector<int64_t> &pair(const char *key) const { return attr<std::vector<int64_t>>(key); }
  int64_t integer(const char *key) const { return attr<int64_t>(key); }

  // ---- Messages -----------------------------------------------------------------------------------------------------------
  /// Reports with the operands in `about` underlined and, where known, noted at their declarations.
  DiagnosticBuilder report(Diag code, std::vector<std::string> arguments, std::vector<size_t> about) const;
  /// TRI0401: sizes of operands a and b that should agree, at axes i and j.
  std::nullopt_t failShapes(size_t a, size_t axisA, size_t b, size_t axisB, std::string help = "") const;
  std::nullopt_t failRank(size_t index, const std::string &expected) const;
  std::nullopt_t failType(size_t index, const std::string &expected, std::string help = "") const;
  std::nullopt_t failOperands(size_t a, size_t b, std::string help = "") const;
  std::nullopt_t failValue(const std::string &what, const std::string &rule, const std::string &got) const;

  // ---- Checks: true if fine -----------------------------------------------------------------------------------------------
  bool rankIs(size_t index, size_t rank) const;
  bool rankAtLeast(size_t index, size_t rank) const;
  /// The operand is a real tensor (float16, bfloat16 or float32) and no scaled weight.
  bool isReal(size_t index) const;
  /// The operand holds numbers (no bool) and no scaled weight.
  bool isNumber(size_t index) const;
  /// The operand does not carry a scale (TRI0302).
  bool isPlain(size_t index) const;
  /// Sizes agree, or may still: then a check for the session is left. Different ones are TRI0401.
  bool sameSize(size_t a, size_t axisA, size_t b, size_t axisB, std::string help = "") const;
  /// All of a pair are at least `least` (TRI0404).
  bool pairAtLeast(const char *key, int64_t least) const;

  /// Leaves `left relation right` to be checked when a session is opened.
  void wait(const Dim &left, const char *relation, const Dim &right) const;

  /// Result with the known shape; TRI0404, TRI0405 if the shape cannot be.
  Result give(DType dtype, Shape shape, bool dtypeKnown = true) const;
  /// Result of unknown shape.
  Result giveUnknown(DType dtype, bool dtypeKnown = true) const;
  /// Result with the type of an operand.
  Result giveLike(size_t index) const;
  /// Result with the dtype of an operand.
  Result giveWithDtypeOf(size_t index, Shape shape) const;

  /// An axis counted from the front; TRI0409 if there is none.
  std::optional<int64_t> axis(int64_t given, size_t rank) const;
  /// out(L) of section 11 along both axes; TRI0406.
  std::optional<std::pair<Dim, Dim>> windowOutput(const Dim &height, const Dim &width, const std::vector<int64_t> &kernel,
                                                  const std::vector<int64_t> &stride, const std::vector<int64_t> &padding,
                                                  const std::vector<int64_t> &dilation) const;
};

std::string operandType(const Operand &operand);
/// The dtype that both convert to by section 4's implicit conversions, if it is one of the two.
std::optional<DType> commonType(DType a, DType b);
/// Broadcasting from the right; TRI0411.
std::optional<Shape> broadcast(const Check &check, size_t a, size_t b);

// One per family; each gives the result of the operations that its file names.
Check::Result checkLinear(Check &check);
Check::Result checkConv2d(Check &check);
std::optional<OpResult> checkMatmul(Check &check);
Check::Result checkAttention(Check &check);
Check::Result checkRope(Check &check);
Check::Result checkEmbedding(Check &check);
Check::Result checkBatchNorm(Check &check);
Check::Result checkLastAxisNorm(Check &check);
Check::Result checkUnary(Check &check);
Check::Result checkArithmetic(Check &check);
Check::Result checkClamp(Check &check);
Check::Result checkSoftmax(Check &check);
Check::Result checkPool(Check &check);
Check::Result checkGlobalPool(Check &check);
Check::Result checkReduction(Check &check);
Check::Result checkArgmax(Check &check);
Check::Result checkConcat(Check &check);
Check::Result checkFlatten(Check &check);
Check::Result checkReshape(Check &check);
Check::Result checkTranspose(Check &check);
Check::Result checkSlice(Check &check);
Check::Result checkIndex(Check &check);
Check::Result checkPad(Check &check);
Check::Result checkQuantise(Check &check);

} // namespace triton::ops
