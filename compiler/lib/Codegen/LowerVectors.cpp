// Elementwise operations as vectors: what LowerElements.cpp computes for one element, for many neighbours in memory at once.
//
//   for the rows of this thread:  for the elements of a row, as many as a vector holds:  load, compute, store
//
// The last vector of a row overlaps its neighbour, so that there is no tail. A row is the dimension that lies without gaps; where every
// element is computed alike and all operands lie as the result does, the pixels of a line and its channels are one long row.
#include "Vectors.h"

#include "../Generators/Products.h"

#include "ternary/Constants.h"

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }

namespace {

constexpr int64_t kMostLanes = 16;   ///< a vector of AVX-512, two of AVX2
constexpr int64_t kEnoughParts = 64; ///< for any number of threads
constexpr int64_t kLongRow = 1024;   ///< dimensions join while a row is shorter

/// The dimension whose elements are neighbours in memory, the longest if several are (their strides mean nothing where they are 1).
int laneDimension(const Layout &layout) {
  int best = -1;
  for (int d = 0; d < int(layout.shape.size()); ++d)
    if (!ShapedType::isDynamic(layout.shape[d]) && layout.shape[d] > 1 && layout.strides[d] == elemBytes(layout.elem))
      if (best < 0 || layout.shape[d] > layout.shape[best])
        best = d;
  return best;
}

class VectorLowering {
public:
  VectorLowering(StepContext &c, Operation *op, int lane) : c(c), k(c.k), op(op), out(c.view(op->getResult(0))), rows(out.layout, lane) {}

  bool run() {
    const Layout &l = out.layout;
    auto concat = dyn_cast<ConcatOp>(op);
    bool parts = concat && int(concat.getAxis()) == rows.lane;
    if (parts ? !partsTakeLanes(concat) : !ownTakesLanes(c, op, rows.lane))
      return false;
    llvm::SmallVector<Value> reads;
    if (!parts && isAlike(op, reads))
      joinRows(reads);
    if (rows.extent < kFewestLanes)
      return false;
    rows.forEach(c, [&](const Index &row) {
      if (!parts)
        return along(row, 0, rows.extent, [&](const Index &at) { return emitOwnElement(c, op, at); });
      int64_t from = 0;
      for (Value part : concat.getParts()) {
        int64_t size = tensorOf(part).getDimSize(rows.lane);
        along(row, from, size, [&, from](const Index &at) { return emitConcatPart(c, concat, part, from, at); });
        from += size;
      }
    });
    c.lanes = 1;
    if (l.channelsLast)
      emitZeroHalo(k, out.base, PlaneStrides{l.strides[0], l.strides[2], l.strides[3]}, l.shape[2], l.shape[3], l.strides[3], l.haloH, l.haloW,
                   l.isDynamic() ? c.batch : k.index(l.shape[0]), c.part, c.parts, l.excess ? -128 : 0);
    return true;
  }

private:
  void along(const Index &row, int64_t from, int64_t size, const std::function<Val(const Index &)> &element) {
    rows.alongRow(c, row, from, size, [&](const Index &at) { c.storeElement(out, at, element(at)); });
  }
  bool partsTakeLanes(ConcatOp concat) {
    return llvm::all_of(concat.getParts(), [&](Value part) { return takesLanes(c, part, rows.lane) && tensorOf(part).getDimSize(rows.lane) >= kFewestLanes; });
  }

  /// Makes rows longer by the dimensions in which they follow one another, in the result and in all that is read.
  void joinRows(ArrayRef<Value> reads) {
    auto follows = [&](const Layout &l, int d) { return l.shape[d] == 1 || l.strides[d] == rows.extent * l.strides[rows.lane]; };
    while (!rows.outer.empty() && rows.extent < kLongRow) {
      int d = rows.outer.back();
      if (ShapedType::isDynamic(out.layout.shape[d]) || !follows(out.layout, d) ||
          !llvm::all_of(reads, [&](Value v) { return follows(c.variant.layouts.of[v], d); }))
        break;
      rows.extent *= out.layout.shape[d];
      rows.outer.pop_back();
    }
  }

  /// True if each element of an operation's result depends on nothing but elements at its own place, of the values `reads`, and on constants.
  bool isAlike(Operation *from, llvm::SmallVector<Value> &reads) {
    if (!isa<QuantizeOp, DequantizeOp, CodesOp, CastOp, ReluOp, Relu6Op, AbsOp, NegOp, HardsigmoidOp, HardswishOp, SigmoidOp, SiluOp, TanhOp, ExpOp,
             LogOp, SqrtOp, GeluOp, ClampOp, AddOp, SubOp, MulOp, DivOp>(from))
      return false;
    if (auto dequantize = dyn_cast<DequantizeOp>(from); dequantize && dequantize.getScale())
      return false;
    for (Value v : from->getOperands()) {
      Operation *def = v.getDefiningOp();
      if (isa_and_nonnull<ConstantOp>(def) && tensorOf(v).getNumElements() == 1)
        continue;
      if (tensorOf(v).getShape() != tensorOf(op->getResult(0)).getShape())
        return false;
      if (!def || !c.inlined.contains(def))
        reads.push_back(v);
      else if (!isAlike(def, reads))
        return false;
    }
    return true;
  }

  StepContext &c;
  KernelBuilder &k;
  Operation *op;
  View out;
  VectorRows rows;
};

} // namespace

VectorRows::VectorRows(const Layout &layout, int lane) : layout(layout), lane(lane), extent(layout.shape[lane]) {
  for (int d = 0; d < int(layout.shape.size()); ++d)
    if (d != lane)
      outer.push_back(d);
  llvm::stable_sort(outer, [&](int a, int b) { return layout.strides[a] > layout.strides[b]; });
}

void VectorRows::forEach(StepContext &c, const std::function<void(const Index &)> &body) const {
  KernelBuilder &k = c.k;
  Index at(layout.shape.size(), k.index(0));
  at.lane = lane;
  // The threads share as many dimensions as make enough parts.
  size_t shared = 0;
  int64_t known = 1;
  Val count = k.index(1);
  while (shared < outer.size() && known < kEnoughParts) {
    int d = outer[shared++];
    count = count * c.size(layout, unsigned(d));
    known *= ShapedType::isDynamic(layout.shape[d]) ? 1 : layout.shape[d];
  }
  std::function<void(size_t)> nest = [&](size_t i) {
    if (i == outer.size())
      return body(at);
    k.forLoop(k.index(0), c.size(layout, unsigned(outer[i])), 1, [&](Val position) {
      at[outer[i]] = position;
      nest(i + 1);
    });
  };
  Range range = partition(k, count, c.part, c.parts);
  k.forLoop(range.from, range.to, 1, [&](Val unit) {
    Val rest = unit;
    for (size_t i = shared; i-- > 1;) {
      Val size = c.size(layout, unsigned(outer[i])), quotient = rest / size;
      at[outer[i]] = rest - quotient * size;
      rest = quotient;
    }
    if (shared > 0)
      at[outer[0]] = rest;
    nest(shared);
  });
}

void VectorRows::alongRow(StepContext &c, const Index &row, int64_t from, int64_t size, const std::function<void(const Index &)> &body) const {
  KernelBuilder &k = c.k;
  c.lanes = k.target().hasFma ? kMostLanes : kMostLanes / 2; // without fma the functions take registers enough
  while (c.lanes > size)
    c.lanes /= 2;
  Index at = row;
  auto one = [&](Val position) {
    at[lane] = position;
    body(at);
  };
  int64_t whole = size / c.lanes * c.lanes;
  k.forLoop(from, from + whole, c.lanes, one);
  if (size > whole)
    one(k.index(from + size - c.lanes));
}

bool lowerVectorElements(StepContext &c, Operation *op) {
  if (!isElementwise(op) || op->getNumResults() != 1)
    return false;
  int lane = laneDimension(c.variant.layouts.of[op->getResult(0)]);
  return lane >= 0 && VectorLowering(c, op, lane).run();
}

} // namespace triton
