// The shared parts of the operation checks: messages, ranks, sizes, axes, windows and broadcasting.
#include "OperationChecks.h"

#include <algorithm>

namespace triton {

std::string typeString(const TensorType &type) {
  if (type.shape.empty()) return dtypeName(type.dtype);
  bool ternary = type.dtype == DType::Trit;
  std::string text = ternary ? "TernaryTensor" : "Tensor";
  std::string shape = shapeString(type.shape);
  if (!ternary && type.dtype != DType::Float32) {
    shape.pop_back();
    shape += std::string(", ") + dtypeName(type.dtype) + "]";
  }
  return text + shape;
}

bool checkShape(const Shape &shape, SourceRange at, DiagnosticEngine &diags) {
  constexpr uint64_t kLimit = uint64_t(1) << 40;
  // Symbolic sizes are at least 1, so the known ones alone may already be too many.
  uint64_t known = 1;
  for (const Dim &dim : shape) {
    std::optional<int64_t> size = dim.constant();
    if (size && *size < 1) {
      diags.report(Diag::NotPositive, at, {"dimension", "positive", dim.str()});
      return false;
    }
  }
  for (const Dim &dim : shape) {
    std::optional<int64_t> size = dim.constant();
    bool tooLarge = dim.overflowed();
    if (size) tooLarge = uint64_t(*size) > kLimit / known;
    if (tooLarge) {
      diags.report(Diag::TensorTooLarge, at, {shapeString(shape)}).help("a tensor may have at most 2^40 elements");
      return false;
    }
    if (size) known *= uint64_t(*size);
  }
  return true;
}

bool convertsImplicitly(DType from, DType to) {
  if (from == to) return true;
  if (from == DType::Trit) return isInteger(to) && !isUnsigned(to);
  if (isFloat(from)) return to == DType::Float32;
  if (!isInteger(from) || !isInteger(to)) return false;
  IntRange a = integerRange(from), b = integerRange(to);
  return b.lo <= a.lo && a.hi <= b.hi;
}

namespace ops {

std::optional<DType> commonType(DType a, DType b) {
  if (convertsImplicitly(a, b)) return b;
  if (convertsImplicitly(b, a)) return a;
  return std::nullopt;
}

std::string operandType(const Operand &operand) {
  // A weight whose storage is open or not trits is shown as what was written; trits are shown as trits.
  bool asWeight = operand.isWeight && (!operand.dtypeKnown || operand.type.dtype != DType::Trit);
  if (asWeight && operand.shapeKnown) return "Weight" + shapeString(operand.type.shape);
  if (!operand.dtypeKnown) return operand.shapeKnown ? "Tensor" + shapeString(operand.type.shape) : "Tensor";
  if (!operand.shapeKnown) return std::string("Tensor[..., ") + dtypeName(operand.type.dtype) + "]";
  return typeString(operand.type);
}

bool Check::shapesKnown() const {
  return std::all_of(operands.begin(), operands.end(), [](const Operand &o) { return !o.present || o.shapeKnown; });
}

// ---- Messages -------------------------------------------------------------------------------------------------------------

DiagnosticBuilder Check::report(Diag code, std::vector<std::string> arguments, std::vector<size_t> about) const {
  auto text = [&](size_t i) { return i < arguments.size() ? arguments[i] : std::string(); };
  // The engine takes an initializer list; no pattern has more than four arguments.
  DiagnosticBuilder builder = arguments.size() <= 1   ? diags.report(code, at, {text(0)})
                              : arguments.size() == 2 ? diags.report(code, at, {text(0), text(1)})
                              : arguments.size() == 3 ? diags.report(code, at, {text(0), text(1), text(2)})
                                                      : diags.report(code, at, {text(0), text(1), text(2), text(3)});
  for (size_t i = 0; i < about.size(); ++i) {
    const Operand &o = operands[about[i]];
    if (o.range.isValid()) builder.underline(o.range);
    if (!o.declared.isValid() || o.name.empty()) continue;
    bool repeated = false; // `linear(w, w)`: one note
    for (size_t j = 0; j < i; ++j) repeated |= operands[about[j]].declared == o.declared;
    if (!repeated) builder.note(o.declared, "'" + o.name + "' is declared here as " + operandType(o));
  }
  return builder;
}

std::nullopt_t Check::failShapes(size_t a, size_t axisA, size_t b, size_t axisB, std::string help) const {
  const Shape &x = operands[a].type.shape, &y = operands[b].type.shape;
  std::string axes = axisA == axisB ? "axis " + std::to_string(axisA)
                                    : "axes " + std::to_string(axisA) + " and " + std::to_string(axisB);
  auto builder = report(Diag::ShapeMismatch,
                        {name, shapeString(x), shapeString(y), axes + ": " + x[axisA].str() + " and " + y[axisB].str()},
                        {a, b});
  if (!help.empty()) builder.help(std::move(help));
  return std::nullopt;
}

std::nullopt_t Check::failRank(size_t index, const std::string &expected) const {
  report(Diag::RankMismatch, {name, expected, std::to_string(operands[index].type.shape.size())}, {index});
  return std::nullopt;
}

std::nullopt_t Check::failType(size_t index, const std::string &expected, std::string help) const {
  auto builder = report(Diag::TypeMismatch, {expected, operandType(operands[index])}, {index});
  if (!help.empty()) builder.help(std::move(help));
  return std::nullopt;
}

std::nullopt_t Check::failOperands(size_t a, size_t b, std::string help) const {
  auto builder =
      report(Diag::IncompatibleOperands, {operandType(operands[a]), operandType(operands[b]), name}, {a, b});
  if (!help.empty()) builder.help(std::move(help));
  return std::nullopt;
}

std::nullopt_t Check::failValue(const std::string &what, const std::string &rule, const std::string &got) const {
  report(Diag::NotPositive, {what, rule, got}, {});
  return std::nullopt;
}

// ---- Checks ---------------------------------------------------------------------------------------------------------------

bool Check::rankIs(size_t index, size_t rank) const {
  if (!operands[index].shapeKnown || operands[index].type.shape.size() == rank) return true;
  failRank(index, std::to_string(rank));
  return false;
}

bool Check::rankAtLeast(size_t index, size_t rank) const {
  if (!operands[index].shapeKnown || operands[index].type.shape.size() >= rank) return true;
  failRank(index, std::to_string(rank) + " or more");
  return false;
}

bool Check::isPlain(size_t index) const {
  const Operand &o = operands[index];
  if (!o.hasScale) return true;
  std::string written = o.name.empty() ? "w" : o.name;
  report(Diag::IncompatibleOperands, {operandType(o) + " with a scale", "plain values", name}, {index})
      .help("write dequantize(" + written + ") for its values or codes(" + written + ") for its codes");
  return false;
}

bool Check::isReal(size_t index) const {
  const Operand &o = operands[index];
  if (!isPlain(index)) return false;
  if (!o.dtypeKnown || isFloat(o.type.dtype)) return true;
  std::string help;
  if (o.type.dtype != DType::Bool) help = "write float32(" + (o.name.empty() ? std::string("..") : o.name) + ")";
  failType(index, "a real tensor", help);
  return false;
}

bool Check::isNumber(size_t index) const {
  if (!isPlain(index)) return false;
  if (!operands[index].dtypeKnown || operands[index].type.dtype != DType::Bool) return true;
  failType(index, "numbers");
  return false;
}

bool Check::sameSize(size_t a, size_t axisA, size_t b, size_t axisB, std::string help) const {
  const Dim &x = operands[a].type.shape[axisA], &y = operands[b].type.shape[axisB];
  switch (compareDims(x, y)) {
  case DimOrder::Equal:
    return true;
  case DimOrder::Unknown:
    wait(x, "==", y);
    return true;
  case DimOrder::Different:
    break;
  }
  failShapes(a, axisA, b, axisB, std::move(help));
  return false;
}

bool Check::pairAtLeast(const char *key, int64_t least) const {
  for (int64_t value : pair(key))
    if (value < least) {
      failValue(key, least == 0 ? "zero or positive" : "positive", std::to_string(value));
      return false;
    }
  return true;
}

void Check::wait(const Dim &left, const char *relation, const Dim &right) const {
  if (!waits || left.isUnknown() || right.isUnknown() || left.overflowed() || right.overflowed()) return;
  // Repeated layers leave the same check again and again; looking far back would be quadratic.
  constexpr size_t kLookBack = 64;
  for (size_t i = waits->size(), end = i > kLookBack ? i - kLookBack : 0; i-- > end;) {
    const RuntimeCheck &known = (*waits)[i];
    if (known.left == left && known.right == right && known.relation == relation) return;
  }
  waits->push_back({left, right, relation, "'" + name + "' needs " + left.str() + " " + relation + " " + right.str(), at});
}

Check::Result Check::give(DType dtype, Shape shape, bool dtypeKnown) const {
  if (!checkShape(shape, at, diags)) return std::nullopt;
  return std::vector<OpResult>{{TensorType{dtype, std::move(shape)}, true, dtypeKnown}};
}

Check::Result Check::giveUnknown(DType dtype, bool dtypeKnown) const {
  return std::vector<OpResult>{{TensorType{dtype, {}}, false, dtypeKnown}};
}

Check::Result Check::giveLike(size_t index) const {
  const Operand &o = operands[index];
  return std::vector<OpResult>{{o.type, o.shapeKnown, o.dtypeKnown}};
}

Check::Result Check::giveWithDtypeOf(size_t index, Shape shape) const {
  return give(operands[index].type.dtype, std::move(shape), operands[index].dtypeKnown);
}

std::optional<int64_t> Check::axis(int64_t given, size_t rank) const {
  int64_t count = int64_t(rank);
  if (given >= -count && given < count) return given < 0 ? given + count : given;
  report(Diag::AxisOutOfRange, {std::to_string(given), std::to_string(rank)}, {0});
  return std::nullopt;
}

std::optional<std::pair<Dim, Dim>> Check::windowOutput(const Dim &height, const Dim &width,
                                                       const std::vector<int64_t> &kernel,
                                                       const std::vector<int64_t> &stride,
                                                       const std::vector<int64_t> &padding,
                                                       const std::vector<int64_t> &dilation) const {
  auto along = [&](const Dim &length, size_t i) {
    Dim reach = Dim(dilation[i]) * (Dim(kernel[i]) - 1) + 1;
    return Dim::floorDiv(length + Dim(2) * padding[i] - reach, stride[i]) + 1;
  };
  Dim h = along(height, 0), w = along(width, 1);
  auto empty = [](const Dim &dim) { return dim.constant() && *dim.constant() < 1; };
  if (empty(h) || empty(w)) {
    report(Diag::EmptyOutput, {name, h.str() + " x " + w.str()}, {0});
    return std::nullopt;
  }
  for (const Dim *dim : {&h, &w})
    if (!dim->constant()) wait(*dim, ">=", 1);
  return std::make_pair(h, w);
}

std::optional<Shape> broadcast(const Check &check, size_t a, size_t b) {
  const Shape &x = check.operand(a).type.shape, &y = check.operand(b).type.shape;
  Shape result(std::max(x.size(), y.size()));
  for (size_t i = 0; i < result.size(); ++i) {
    size_t back = i + 1;
    Dim &out = result[result.size() - back];
    if (back > x.size() || back > y.size()) {
      out = back > x.size() ? y[y.size() - back] : x[x.size() - back];
      continue;
    }
    const Dim &m = x[x.size() - back], &n = y[y.size() - back];
    if (m == Dim(1) || n == Dim(1)) {
      out = m == Dim(1) ? n : m;
      continue;
    }
    if (compareDims(m, n) == DimOrder::Different) {
      check.report(Diag::CannotBroadcast, {shapeString(x), shapeString(y)}, {a, b});
      return std::nullopt;
    }
    if (compareDims(m, n) == DimOrder::Unknown) check.wait(m, "==", n);
    out = n.constant() || m.isUnknown() ? n : m;
  }
  return result;
}

} // namespace ops
} // namespace triton
