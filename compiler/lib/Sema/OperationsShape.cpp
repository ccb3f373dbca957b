// Checks of pooling, reductions and the operations that move elements: concat, flatten, reshape, transpose, slice, x[i], pad.
#include "OperationChecks.h"

#include <algorithm>

namespace triton::ops {

namespace {

Dim productOf(const Shape &shape, size_t from = 0) {
  Dim product(1);
  for (size_t i = from; i < shape.size(); ++i) product = product * shape[i];
  return product;
}

std::string listText(const std::vector<int64_t> &list) {
  std::string text = "[";
  for (size_t i = 0; i < list.size(); ++i) text += (i ? ", " : "") + std::to_string(list[i]);
  return text + "]";
}

/// A slice bound: int64_t, or one Dim where it is symbolic.
Dim boundOf(const Attr &attr) {
  if (const int64_t *value = std::get_if<int64_t>(&attr)) return *value;
  return std::get<std::vector<Dim>>(attr).front();
}

} // namespace

Check::Result checkPool(Check &check) {
  if (!check.isNumber(0) || !check.rankIs(0, 4)) return std::nullopt;
  if (check.op == OpKind::AvgPool && !check.isReal(0)) return std::nullopt;
  if (!check.pairAtLeast("kernel", 1) || !check.pairAtLeast("stride", 1) || !check.pairAtLeast("padding", 0))
    return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    int64_t most = check.pair("kernel")[i] / 2, padding = check.pair("padding")[i];
    if (padding > most)
      return check.failValue("padding", "at most " + std::to_string(most) + " (half of the kernel)",
                             std::to_string(padding));
  }
  if (!check.operand(0).shapeKnown) return check.giveLike(0);
  const Shape &x = check.operand(0).type.shape;
  auto out = check.windowOutput(x[2], x[3], check.pair("kernel"), check.pair("stride"), check.pair("padding"), {1, 1});
  if (!out) return std::nullopt;
  return check.giveWithDtypeOf(0, {x[0], x[1], out->first, out->second});
}

Check::Result checkGlobalPool(Check &check) {
  if (!check.isReal(0) || !check.rankIs(0, 4)) return std::nullopt;
  const Operand &x = check.operand(0);
  if (!x.shapeKnown) return check.giveLike(0);
  return check.giveWithDtypeOf(0, {x.type.shape[0], x.type.shape[1]});
}

Check::Result checkReduction(Check &check) {
  const Operand &x = check.operand(0);
  if (check.op == OpKind::Mean ? !check.isReal(0) : !check.isNumber(0)) return std::nullopt;
  // Sums of narrow integers are int32, as those of a matrix product.
  DType type = x.type.dtype;
  if (check.op == OpKind::Sum && x.dtypeKnown && !isFloat(type) && type != DType::Int64) type = DType::Int32;
  if (!x.shapeKnown) return check.giveUnknown(type, x.dtypeKnown);
  std::optional<int64_t> axis = check.axis(check.integer("axis"), x.type.shape.size());
  if (!axis) return std::nullopt;
  check.attrs["axis"] = *axis;
  Shape shape = x.type.shape;
  if (check.attr<bool>("keep")) shape[size_t(*axis)] = 1;
  else shape.erase(shape.begin() + *axis);
  return check.give(type, std::move(shape), x.dtypeKnown);
}

Check::Result checkArgmax(Check &check) {
  const Operand &x = check.operand(0);
  if (!check.isNumber(0)) return std::nullopt;
  if (!x.shapeKnown) return check.giveUnknown(DType::Int32);
  std::optional<int64_t> axis = check.axis(check.integer("axis"), x.type.shape.size());
  if (!axis) return std::nullopt;
  check.attrs["axis"] = *axis;
  Shape shape = x.type.shape;
  shape.erase(shape.begin() + *axis);
  return check.give(DType::Int32, std::move(shape));
}

Check::Result checkConcat(Check &check) {
  if (check.operands.empty()) {
    check.report(Diag::ArgumentCount, {check.name, "1 or more", "0"}, {});
    return std::nullopt;
  }
  DType type = check.operand(0).type.dtype;
  bool typeKnown = true;
  size_t typeFrom = 0;
  for (size_t i = 0; i < check.operands.size(); ++i) {
    const Operand &o = check.operand(i);
    if (!check.isNumber(i)) return std::nullopt;
    typeKnown &= o.dtypeKnown;
    if (!typeKnown) continue;
    std::optional<DType> common = commonType(type, o.type.dtype);
    if (!common) return check.failOperands(typeFrom, i);
    if (*common != type) typeFrom = i;
    type = *common;
  }
  if (!check.shapesKnown()) return check.giveUnknown(type, typeKnown);
  size_t rank = check.operand(0).type.shape.size();
  std::optional<int64_t> axis = check.axis(check.integer("axis"), rank);
  if (!axis) return std::nullopt;
  check.attrs["axis"] = *axis;
  Shape shape = check.operand(0).type.shape;
  for (size_t i = 1; i < check.operands.size(); ++i) {
    if (!check.rankIs(i, rank)) return std::nullopt;
    const Shape &other = check.operand(i).type.shape;
    for (size_t j = 0; j < rank; ++j) {
      if (j == size_t(*axis)) continue;
      if (!check.sameSize(0, j, i, j)) return std::nullopt;
      if (!shape[j].constant() && other[j].constant()) shape[j] = other[j];
    }
    shape[size_t(*axis)] = shape[size_t(*axis)] + other[size_t(*axis)];
  }
  return check.give(type, std::move(shape), typeKnown);
}

Check::Result checkFlatten(Check &check) {
  const Operand &x = check.operand(0);
  if (!check.isNumber(0)) return std::nullopt;
  if (!x.shapeKnown) return check.giveLike(0);
  std::optional<int64_t> start = check.axis(check.integer("start"), x.type.shape.size());
  if (!start) return std::nullopt;
  check.attrs["start"] = *start;
  Shape shape(x.type.shape.begin(), x.type.shape.begin() + *start);
  shape.push_back(productOf(x.type.shape, size_t(*start)));
  return check.giveWithDtypeOf(0, std::move(shape));
}

Check::Result checkReshape(Check &check) {
  const Operand &x = check.operand(0);
  if (!check.isNumber(0)) return std::nullopt;
  Shape shape = check.attr<std::vector<Dim>>("shape");
  const Shape written = shape;
  std::optional<size_t> open;
  Dim rest(1);
  for (size_t i = 0; i < shape.size(); ++i) {
    std::optional<int64_t> size = shape[i].constant();
    if (size == -1) {
      if (open) {
        check.report(Diag::NotPositive, {"dimension", "positive", "-1"}, {}).help("only one -1 can be worked out");
        return std::nullopt;
      }
      open = i;
      continue;
    }
    if (size && *size < 1) return check.failValue("dimension", "positive", shape[i].str());
    rest = rest * shape[i];
  }
  if (!x.shapeKnown) {
    if (open) shape[*open] = Dim::unknown();
    return check.giveWithDtypeOf(0, std::move(shape));
  }
  Dim total = productOf(x.type.shape);
  if (open) shape[*open] = Dim::floorDiv(total, rest);
  Dim made = productOf(shape);
  DimOrder order = compareDims(made, total);
  bool empty = open && shape[*open].constant() && *shape[*open].constant() < 1;
  if (order == DimOrder::Different || empty) {
    check.report(Diag::CannotReshape,
                 {shapeString(x.type.shape), total.str(), shapeString(written), open ? rest.str() + "*n" : made.str()}, {0});
    return std::nullopt;
  }
  if (order == DimOrder::Unknown) check.wait(total, "==", made);
  check.attrs["shape"] = shape;
  return check.giveWithDtypeOf(0, std::move(shape));
}

Check::Result checkTranspose(Check &check) {
  const Operand &x = check.operand(0);
  if (!check.isNumber(0)) return std::nullopt;
  if (!x.shapeKnown) return check.giveLike(0);
  size_t rank = x.type.shape.size();
  std::vector<int64_t> order;
  if (check.hasAttr("order")) {
    order = check.attr<std::vector<int64_t>>("order");
    std::vector<bool> seen(rank, false);
    bool permutation = order.size() == rank;
    for (int64_t &entry : order) {
      std::optional<int64_t> axis = check.axis(entry, rank);
      if (!axis) return std::nullopt;
      permutation &= !seen[size_t(*axis)];
      seen[size_t(*axis)] = true;
      entry = *axis;
    }
    if (!permutation) {
      check.report(Diag::AxisOutOfRange, {listText(check.attr<std::vector<int64_t>>("order")), std::to_string(rank)}, {0})
          .help("'order' must name each axis of 0.." + std::to_string(int64_t(rank) - 1) + " once");
      return std::nullopt;
    }
  } else {
    if (!check.rankAtLeast(0, 2)) return std::nullopt;
    for (size_t i = 0; i < rank; ++i) order.push_back(int64_t(i));
    std::swap(order[rank - 1], order[rank - 2]);
  }
  Shape shape;
  for (int64_t axis : order) shape.push_back(x.type.shape[size_t(axis)]);
  check.attrs["order"] = std::move(order);
  return check.giveWithDtypeOf(0, std::move(shape));
}

Check::Result checkSlice(Check &check) {
  const Operand &x = check.operand(0);
  if (!check.isNumber(0)) return std::nullopt;
  if (!x.shapeKnown) return check.giveLike(0);
  std::optional<int64_t> axis = check.axis(check.integer("axis"), x.type.shape.size());
  if (!axis) return std::nullopt;
  check.attrs["axis"] = *axis;
  Dim from = boundOf(check.attrs["from"]), to = boundOf(check.attrs["to"]), size = x.type.shape[size_t(*axis)];
  auto fail = [&](const Dim &bound, const Dim &last) {
    check.report(Diag::IndexOutOfRange, {bound.str(), last.str()}, {0});
    return std::nullopt;
  };
  if (from.constant() && *from.constant() < 0) return fail(from, size - 1);
  std::optional<int64_t> beyondFrom = (from - size).constant(), beyond = (to - size).constant();
  if (beyondFrom && *beyondFrom >= 0) return fail(from, size - 1);
  if (beyond && *beyond > 0) return fail(to, size);
  if (to.constant() && *to.constant() < 0) return fail(to, size);
  if (!beyond) check.wait(to, "<=", size);
  if (!from.constant()) check.wait(from, ">=", 0);
  Shape shape = x.type.shape;
  shape[size_t(*axis)] = to - from;
  if (!(to - from).constant()) check.wait(to - from, ">=", 1);
  return check.giveWithDtypeOf(0, std::move(shape));
}

Check::Result checkIndex(Check &check) {
  const Operand &x = check.operand(0);
  if (!check.isNumber(0)) return std::nullopt;
  const std::vector<int64_t> &indices = check.attr<std::vector<int64_t>>("indices");
  if (!check.rankAtLeast(0, indices.size())) return std::nullopt;
  if (!x.shapeKnown) return check.giveLike(0);
  for (size_t i = 0; i < indices.size(); ++i) {
    const Dim &size = x.type.shape[i];
    std::optional<int64_t> known = size.constant();
    if (indices[i] < 0 || (known && indices[i] >= *known)) {
      check.report(Diag::IndexOutOfRange, {std::to_string(indices[i]), (size - 1).str()}, {0});
      return std::nullopt;
    }
    if (!known) check.wait(size, ">", indices[i]);
  }
  return check.giveWithDtypeOf(0, Shape(x.type.shape.begin() + int64_t(indices.size()), x.type.shape.end()));
}

Check::Result checkPad(Check &check) {
  const Operand &x = check.operand(0);
  if (!check.isNumber(0)) return std::nullopt;
  const std::vector<int64_t> &padding = check.attr<std::vector<int64_t>>("padding");
  for (int64_t count : padding)
    if (count < 0) return check.failValue("padding", "zero or positive", std::to_string(count));
  if (padding.size() % 2 != 0) {
    check.report(Diag::ValueCount,
                 {x.shapeKnown ? shapeString(x.type.shape) : "[...]", "an even number of", std::to_string(padding.size())},
                 {0})
        .help("'pad' takes [before, after] for the last axis, then for the one before it, and so on");
    return std::nullopt;
  }
  if (!check.rankAtLeast(0, padding.size() / 2)) return std::nullopt;
  double value = check.attr<double>("value");
  if (x.dtypeKnown && !isFloat(x.type.dtype)) {
    IntRange range = integerRange(x.type.dtype);
    if (!(value >= double(range.lo) && value <= double(range.hi)) || value != double(int64_t(value))) {
      check.report(Diag::ValueOutOfRange, {std::to_string(value), dtypeName(x.type.dtype), std::to_string(range.lo),
                                           std::to_string(range.hi)}, {0});
      return std::nullopt;
    }
  }
  if (!x.shapeKnown) return check.giveLike(0);
  Shape shape = x.type.shape;
  for (size_t i = 0; i < padding.size(); i += 2) {
    Dim &size = shape[shape.size() - 1 - i / 2];
    size = size + Dim(padding[i]) + Dim(padding[i + 1]);
  }
  return check.giveWithDtypeOf(0, std::move(shape));
}

} // namespace triton::ops
