// Softmax and norms of rows that lie without gaps, sixteen elements at a time. The sixteen lanes of docs/numerics.md are a vector here: the
// sum of whole vectors is their sum. What is left of a row comes in pieces of 8, 4, 2 and 1, the other lanes of which add +0: that changes
// no lane, since lanes begin at +0 and so never are -0.
#include "StepContext.h"

#include "../Generators/FloatFunctions.h"

#include "ternary/TernaryOps.h"

#include <cmath>

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }

namespace {

constexpr int64_t kLanes = 16;

class RowLowering {
public:
  RowLowering(StepContext &c, Operation *op, size_t axis) : c(c), k(c.k), op(op), out(c.view(op->getResult(0))), axis(axis) {
    size = out.layout.shape[axis];
  }

  void softmax() {
    bool narrow = out.layout.elem != Elem::F32; // cannot hold the numerators between the passes
    rows([&](const Index &row) {
      Val m = k.lane(fold(along(-INFINITY, [&](Val most, Val at, int64_t offset) { return maxOf(placed(in(row, at), offset, -INFINITY), most); }),
                          [](Val a, Val b) { return maxOf(a, b); }),
                     0);
      auto numerator = [&](Val at) {
        Val x = in(row, at);
        return emitExp(x - like(m, x));
      };
      Val sum = sumAlong([&](Val at) {
        Val e = numerator(at);
        if (!narrow)
          store(row, at, e);
        return e;
      });
      each([&](Val at) {
        Val e = narrow ? numerator(at) : c.loadElement(out, place(row, at));
        store(row, at, e / like(sum, e));
      });
    });
  }

  void layerNorm(LayerNormOp o) {
    rows([&](const Index &row) {
      Val count = k.f32c(float(size)), mean = sumAlong([&](Val at) { return in(row, at); }) / count;
      Val variance = sumAlong([&](Val at) {
        Val x = in(row, at), centred = x - like(mean, x);
        return centred * centred;
      }) / count;
      Val root = k.sqrt(variance + k.f32c(float(o.getEps().convertToDouble())));
      each([&](Val at) {
        Val x = in(row, at);
        store(row, at, (x - like(mean, x)) / like(root, x) * parameter(o.getWeight(), at) + parameter(o.getBias(), at));
      });
    });
  }

  void rmsNorm(RmsNormOp o) {
    rows([&](const Index &row) {
      Val mean = sumAlong([&](Val at) {
        Val x = in(row, at);
        return x * x;
      }) / k.f32c(float(size));
      Val root = k.sqrt(mean + k.f32c(float(o.getEps().convertToDouble())));
      each([&](Val at) {
        Val x = in(row, at);
        store(row, at, x / like(root, x) * parameter(o.getWeight(), at));
      });
    });
  }

private:
  /// Calls `body` for this thread's rows: indices of all dimensions, that of the row unset.
  void rows(const std::function<void(const Index &)> &body) {
    Layout others = out.layout;
    others.shape.erase(others.shape.begin() + axis);
    others.strides.erase(others.strides.begin() + axis);
    c.forEach(others, [&](const Index &at) {
      Index row = at;
      row.insert(row.begin() + axis, k.index(0));
      body(row);
    });
    c.lanes = 1;
  }
  /// The elements of a row from `at` on, c.lanes many.
  Index place(Index row, Val at) {
    row[axis] = at;
    row.lane = c.lanes == 1 ? -1 : int(axis);
    return row;
  }
  Val in(const Index &row, Val at) { return emitElement(c, op->getOperand(0), place(row, at)); }
  void store(const Index &row, Val at, Val value) { c.storeElement(out, place(row, at), value); }
  Val parameter(Value v, Val at) {
    Index own{at};
    own.lane = c.lanes == 1 ? -1 : 0;
    return emitElement(c, v, own);
  }
  Val like(Val scalar, Val x) { return c.lanes == 1 || !isa<VectorType>(x.type()) ? scalar : k.splat(scalar, c.lanes); }

  /// A piece as part of kLanes lanes, `offset` of them before it.
  Val placed(Val piece, int64_t offset, float others) {
    int64_t count = c.lanes;
    if (count == kLanes)
      return piece;
    Val all = k.constant(k.vec(kLanes, k.f32()), double(others));
    if (count == 1)
      return withLane(all, offset, piece);
    llvm::SmallVector<int32_t> widen(kLanes, 0), blend;
    for (int32_t i = 0; i < count; ++i)
      widen[i] = i;
    for (int32_t i = 0; i < kLanes; ++i)
      blend.push_back(i >= offset && i < offset + count ? kLanes + i - int32_t(offset) : i);
    return k.shuffle(all, k.shuffle(piece, piece, widen), blend);
  }

  /// Calls `body` for the whole vectors of a row, then for the pieces that are left, with c.lanes set. Carries one value.
  Val along(float init, const std::function<Val(Val carried, Val at, int64_t offset)> &body) {
    int64_t whole = size / kLanes * kLanes;
    c.lanes = kLanes;
    Val carried = k.forLoop(0, whole, kLanes, {k.constant(k.vec(kLanes, k.f32()), double(init))}, [&](Val at, const std::vector<Val> &values) {
      return std::vector<Val>{body(values[0], at, 0)};
    })[0];
    for (int64_t at = whole; at < size; at += c.lanes) {
      for (c.lanes = kLanes / 2; c.lanes > size - at;)
        c.lanes /= 2;
      carried = body(carried, k.index(at), at - whole);
    }
    return carried;
  }
  void each(const std::function<void(Val at)> &body) {
    along(0.0f, [&](Val carried, Val at, int64_t) { return body(at), carried; });
  }
  Val sumAlong(const std::function<Val(Val at)> &element) {
    Val lanes = along(0.0f, [&](Val sum, Val at, int64_t offset) { return sum + placed(element(at), offset, 0.0f); });
    return k.lane(fold(lanes, [](Val a, Val b) { return a + b; }), 0);
  }
  Val fold(Val lanes, Val (*join)(Val, Val)) {
    for (int64_t width = kLanes / 2; width >= 1; width /= 2)
      lanes = join(k.slice(lanes, 0, width), k.slice(lanes, width, width));
    return lanes;
  }

  StepContext &c;
  KernelBuilder &k;
  Operation *op;
  View out;
  size_t axis;
  int64_t size;
};

} // namespace

bool lowerVectorRows(StepContext &c, Operation *op) {
  if (!isa<SoftmaxOp, LayerNormOp, RmsNormOp>(op))
    return false;
  const Layout &out = c.variant.layouts.of[op->getResult(0)];
  auto softmax = dyn_cast<SoftmaxOp>(op);
  size_t axis = softmax ? size_t(softmax.getAxis()) : out.shape.size() - 1;
  if (ShapedType::isDynamic(out.shape[axis]) || out.strides[axis] != elemBytes(out.elem) || !isRealElem(out.elem) ||
      !takesLanes(c, op->getOperand(0), int(axis)) || !tensorOf(op->getOperand(0)).getElementType().isF32())
    return false;
  RowLowering rows(c, op, axis);
  if (softmax)
    rows.softmax();
  else if (auto norm = dyn_cast<LayerNormOp>(op))
    rows.layerNorm(norm);
  else
    rows.rmsNorm(cast<RmsNormOp>(op));
  return true;
}

} // namespace triton
