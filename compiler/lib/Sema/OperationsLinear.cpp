// Checks of the linear-like operations (linear, ternary_matmul, conv2d, @) and of what reads tables of weights: attention,
// rope, embedding.
#include "OperationChecks.h"

namespace triton::ops {

namespace {

bool isPlainInteger(const Operand &o) { return isInteger(o.type.dtype) || o.type.dtype == DType::Trit; }

/// The dtype of a sum of products of x and w (section 4's `@`); `known` is false while one of them is open. A weight takes
/// part with its own scale, so its storage does not matter beside a real x.
std::optional<DType> productType(const Check &check, size_t x, size_t w, bool &known) {
  const Operand &a = check.operand(x), &b = check.operand(w);
  known = a.dtypeKnown && b.dtypeKnown;
  if ((a.dtypeKnown && a.type.dtype == DType::Bool) || (b.dtypeKnown && b.type.dtype == DType::Bool)) {
    check.failOperands(x, w);
    return std::nullopt;
  }
  bool scaled = b.hasScale || (b.isWeight && !isFloat(b.type.dtype) && b.type.dtype != DType::Trit);
  if (a.dtypeKnown && isFloat(a.type.dtype) && (scaled || (b.dtypeKnown && b.type.dtype == DType::Trit))) {
    known = true;
    return a.type.dtype;
  }
  if (!known) return DType::Float32;
  if (isPlainInteger(a) && isPlainInteger(b) && !scaled) return DType::Int32;
  if (a.type.dtype == DType::Trit && isFloat(b.type.dtype)) return b.type.dtype;
  if (isFloat(a.type.dtype) && isFloat(b.type.dtype))
    if (std::optional<DType> type = commonType(a.type.dtype, b.type.dtype)) return type;
  std::string help;
  if (isPlainInteger(a) && scaled)
    help = "the weight has a scale: write float32(" + (a.name.empty() ? std::string("x") : a.name) + "), or codes(" +
           (b.name.empty() ? std::string("w") : b.name) + ") for sums of its codes";
  else if (isPlainInteger(a) && isFloat(b.type.dtype))
    help = "write float32(" + (a.name.empty() ? std::string("x") : a.name) + ")";
  check.failOperands(x, w, help);
  return std::nullopt;
}

/// A bias: [size], real beside a real result, else an integer that converts.
bool checkBias(const Check &check, size_t bias, size_t w, DType result, bool resultKnown) {
  if (!check.has(bias)) return true;
  const Operand &b = check.operand(bias);
  if (!check.isNumber(bias) || !check.rankIs(bias, 1)) return false;
  if (resultKnown && b.dtypeKnown && isFloat(result) != isFloat(b.type.dtype)) {
    check.failType(bias, isFloat(result) ? "a real tensor" : "a tensor of integers");
    return false;
  }
  if (resultKnown && b.dtypeKnown && !isFloat(result) && !convertsImplicitly(b.type.dtype, result)) {
    check.failType(bias, std::string("values that fit ") + dtypeName(result));
    return false;
  }
  return !b.shapeKnown || !check.operand(w).shapeKnown || check.sameSize(w, 0, bias, 0);
}

std::string declareAs(const Operand &w, Shape shape) {
  if (!w.declared.isValid()) return "";
  const char *head = w.isWeight ? "Weight" : w.type.dtype == DType::Trit ? "TernaryTensor" : "Tensor";
  return std::string("declare it as ") + head + shapeString(shape);
}

} // namespace

Check::Result checkLinear(Check &check) {
  const Operand &x = check.operand(0), &w = check.operand(1);
  if (!check.isNumber(0) || !check.rankAtLeast(0, 1) || !check.rankIs(1, 2)) return std::nullopt;
  if (check.op == OpKind::TernaryMatmul && w.dtypeKnown && w.type.dtype != DType::Trit)
    return check.failType(1, "trits", w.isWeight ? "use 'linear', or store the weight as trits with @ternary" : "");
  bool known;
  std::optional<DType> type = productType(check, 0, 1, known);
  if (!type) return std::nullopt;

  if (x.shapeKnown && w.shapeKnown) {
    const Shape &a = x.type.shape, &b = w.type.shape;
    size_t last = a.size() - 1;
    if (compareDims(a[last], b[1]) == DimOrder::Different) {
      std::string help;
      if (compareDims(a[last], b[0]) == DimOrder::Equal) help = declareAs(w, {b[1], b[0]});
      std::string axes = last == 1 ? "axis 1" : "axes " + std::to_string(last) + " and 1";
      auto builder = check.report(
          Diag::ShapeMismatch,
          {check.name, shapeString(a), shapeString(b), axes + ": " + a[last].str() + " and " + b[1].str()}, {0});
      if (w.range.isValid()) builder.underline(w.range);
      if (w.declared.isValid() && !w.name.empty())
        builder.note(w.declared, "'" + w.name + "' is declared here as " + shapeString(b) + "; '" + check.name +
                                     "' takes weights as [out, in]");
      if (!help.empty()) builder.help(help);
      return std::nullopt;
    }
    if (compareDims(a[last], b[1]) == DimOrder::Unknown) check.wait(a[last], "==", b[1]);
  }
  if (!checkBias(check, 2, 1, *type, known)) return std::nullopt;
  if (!x.shapeKnown || !w.shapeKnown) return check.giveUnknown(*type, known);
  Shape shape = x.type.shape;
  shape.back() = w.type.shape[0];
  return check.give(*type, std::move(shape), known);
}

Check::Result checkConv2d(Check &check) {
  const Operand &x = check.operand(0), &w = check.operand(1);
  if (!check.isNumber(0) || !check.rankIs(0, 4) || !check.rankIs(1, 4)) return std::nullopt;
  if (!check.pairAtLeast("stride", 1) || !check.pairAtLeast("dilation", 1) || !check.pairAtLeast("padding", 0))
    return std::nullopt;
  int64_t groups = check.integer("groups");
  if (groups < 1) return check.failValue("groups", "positive", std::to_string(groups));
  bool known;
  std::optional<DType> type = productType(check, 0, 1, known);
  if (!type) return std::nullopt;

  auto divides = [&](size_t operand, const Dim &count, const char *what) {
    Dim rest = Dim::mod(count, groups);
    if (!rest.constant()) {
      check.wait(rest, "==", 0);
      return true;
    }
    if (*rest.constant() == 0) return true;
    check.report(Diag::GroupsDoNotDivide, {std::to_string(groups), count.str() + " " + what}, {operand});
    return false;
  };
  if (x.shapeKnown && !divides(0, x.type.shape[1], "input channels")) return std::nullopt;
  if (w.shapeKnown && !divides(1, w.type.shape[0], "output channels")) return std::nullopt;
  if (x.shapeKnown && w.shapeKnown) {
    const Shape &a = x.type.shape, &b = w.type.shape;
    Dim perGroup = Dim::floorDiv(a[1], groups);
    if (compareDims(perGroup, b[1]) == DimOrder::Different) {
      std::string help;
      if (compareDims(a[1], b[1]) == DimOrder::Equal)
        help = "with groups=" + std::to_string(groups) + " each output channel sees " + perGroup.str() + " of the " +
               a[1].str() + " input channels: the weight is " +
               shapeString({b[0], perGroup, b[2], b[3]});
      else if (groups == 1 && compareDims(a[1], b[0]) == DimOrder::Equal)
        help = declareAs(w, {b[1], b[0], b[2], b[3]});
      std::string axes = "axis 1: " + a[1].str() + (groups == 1 ? "" : "/" + std::to_string(groups));
      auto builder = check.report(Diag::ShapeMismatch,
                                  {check.name, shapeString(a), shapeString(b), axes + " and " + b[1].str()}, {0, 1});
      if (!help.empty()) builder.help(help);
      return std::nullopt;
    }
    if (compareDims(perGroup, b[1]) == DimOrder::Unknown) check.wait(perGroup, "==", b[1]);
  }
  if (!checkBias(check, 2, 1, *type, known)) return std::nullopt;
  if (!x.shapeKnown || !w.shapeKnown) return check.giveUnknown(*type, known);
  std::optional<int64_t> kh = w.type.shape[2].constant(), kw = w.type.shape[3].constant();
  if (!kh || !kw) // a kernel of unknown size: rank and channels are all that is known
    return check.give(*type, {x.type.shape[0], w.type.shape[0], Dim::unknown(), Dim::unknown()}, known);
  auto out = check.windowOutput(x.type.shape[2], x.type.shape[3], {*kh, *kw}, check.pair("stride"),
                                check.pair("padding"), check.pair("dilation"));
  if (!out) return std::nullopt;
  return check.give(*type, {x.type.shape[0], w.type.shape[0], out->first, out->second}, known);
}

std::optional<OpResult> checkMatmul(Check &check) {
  const Operand &x = check.operand(0), &w = check.operand(1);
  if (!check.isPlain(0)) return std::nullopt;
  for (size_t i : {size_t(0), size_t(1)})
    if (check.operand(i).shapeKnown && check.operand(i).type.shape.empty()) {
      check.failOperands(0, 1);
      return std::nullopt;
    }
  bool known;
  std::optional<DType> type = productType(check, 0, 1, known);
  if (!type || !check.rankAtLeast(0, 2) || !check.rankAtLeast(1, 2)) return std::nullopt;
  if (!x.shapeKnown || !w.shapeKnown) return OpResult{TensorType{*type, {}}, false, known};
  const Shape &a = x.type.shape, &b = w.type.shape;
  size_t m = a.size() - 2, k = b.size() - 2;
  DimOrder order = compareDims(a[m + 1], b[k]);
  if (order == DimOrder::Different) {
    auto builder = check.report(Diag::InnerDimensionsDiffer,
                                {shapeString(a), shapeString(b), a[m + 1].str(), b[k].str()}, {0, 1});
    if (compareDims(a[m + 1], b[k + 1]) == DimOrder::Equal)
      builder.help("write transpose(" + (w.name.empty() ? std::string("..") : w.name) + ") on the right");
    return std::nullopt;
  }
  if (order == DimOrder::Unknown) check.wait(a[m + 1], "==", b[k]);
  // Leading dimensions broadcast.
  std::vector<Operand> leading = {x, w};
  leading[0].type.shape.resize(m);
  leading[1].type.shape.resize(k);
  AttrMap none;
  Check outer{check.op, check.name, leading, none, check.at, check.diags, check.waits};
  std::optional<Shape> shape = broadcast(outer, 0, 1);
  if (!shape) return std::nullopt;
  shape->push_back(a[m]);
  shape->push_back(b[k + 1]);
  if (!checkShape(*shape, check.at, check.diags)) return std::nullopt;
  return OpResult{TensorType{*type, std::move(*shape)}, true, known};
}

Check::Result checkAttention(Check &check) {
  for (size_t i = 0; i < 3; ++i)
    if (!check.isReal(i) || !check.rankIs(i, 4)) return std::nullopt;
  for (size_t i : {size_t(1), size_t(2)})
    if (check.operand(0).dtypeKnown && check.operand(i).dtypeKnown &&
        !commonType(check.operand(0).type.dtype, check.operand(i).type.dtype))
      return check.failOperands(0, i);
  for (size_t i : {size_t(1), size_t(2)}) {
    if (!check.operand(0).shapeKnown || !check.operand(i).shapeKnown) continue;
    if (!check.sameSize(0, 0, i, 0) || !check.sameSize(0, 3, i, 3)) return std::nullopt;
  }
  if (check.operand(1).shapeKnown && check.operand(2).shapeKnown &&
      (!check.sameSize(1, 1, 2, 1) || !check.sameSize(1, 2, 2, 2)))
    return std::nullopt;
  if (check.operand(0).shapeKnown && check.operand(1).shapeKnown) {
    Dim rest = Dim::mod(check.operand(0).type.shape[1], check.operand(1).type.shape[1]);
    if (rest.constant() && *rest.constant() != 0)
      return check.failShapes(0, 1, 1, 1, "the number of key heads must divide the number of query heads");
    if (!rest.constant()) check.wait(rest, "==", 0);
  }
  return check.giveLike(0);
}

Check::Result checkRope(Check &check) {
  if (!check.isReal(0) || !check.rankIs(0, 4)) return std::nullopt;
  double base = check.attr<double>("base");
  if (!(base > 0)) return check.failValue("base", "positive", std::to_string(base));
  if (check.operand(0).shapeKnown) {
    const Dim &width = check.operand(0).type.shape[3];
    Dim rest = Dim::mod(width, 2);
    if (rest.constant() && *rest.constant() != 0) return check.failValue("last dimension", "even", width.str());
    if (!rest.constant()) check.wait(rest, "==", 0);
  }
  return check.giveLike(0);
}

Check::Result checkEmbedding(Check &check) {
  const Operand &ids = check.operand(0), &table = check.operand(1);
  if (!check.isPlain(0)) return std::nullopt;
  if (ids.dtypeKnown && !(isInteger(ids.type.dtype) && convertsImplicitly(ids.type.dtype, DType::Int32)))
    return check.failType(0, "int32 ids", isInteger(ids.type.dtype) || isFloat(ids.type.dtype)
                                              ? "write int32(" + (ids.name.empty() ? std::string("..") : ids.name) + ")"
                                              : "");
  if (table.dtypeKnown && table.type.dtype == DType::Bool) return check.failType(1, "numbers");
  if (!check.rankIs(1, 2)) return std::nullopt;
  // A weight gives its values: codes times scale.
  bool scaled = table.hasScale || (table.isWeight && !isFloat(table.type.dtype));
  DType type = scaled ? DType::Float32 : table.type.dtype;
  if (!ids.shapeKnown || !table.shapeKnown) return check.giveUnknown(type, table.dtypeKnown || scaled);
  Shape shape = ids.type.shape;
  shape.push_back(table.type.shape[1]);
  return check.give(type, std::move(shape), table.dtypeKnown || scaled);
}

} // namespace triton::ops
