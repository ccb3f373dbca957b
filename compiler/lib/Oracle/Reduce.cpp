// Pools, reductions and argmax. Real sums in 16 lanes; means of codes by an int32 sum and one factor.
#include "Kernel.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace triton::ternary;

namespace triton::oracle {

static constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Calls body(output place, first row, last row, first column, last column) for each window of each plane; rows and
/// columns may lie outside the plane.
template <typename F>
static void eachWindow(const Tensor &x, const Window &w, F body) {
  int64_t h = x.dim(2), width = x.dim(3), outH = w.outH(h), outW = w.outW(width);
  for (int64_t plane = 0, at = 0; plane < x.dim(0) * x.dim(1); ++plane)
    for (int64_t oy = 0; oy < outH; ++oy)
      for (int64_t ox = 0; ox < outW; ++ox, ++at)
        body(static_cast<size_t>(at), plane * h * width, oy * w.strideH - w.padH, ox * w.strideW - w.padW);
}

static TensorShape pooledShape(const Tensor &x, const Window &w) { return {x.dim(0), x.dim(1), w.outH(x.dim(2)), w.outW(x.dim(3))}; }

/// Calls body(index in the window, place in x) for each place of a window that lies inside the plane.
template <typename F>
static void eachInside(const Tensor &x, const Window &w, int64_t plane, int64_t y0, int64_t x0, F body) {
  for (int64_t ky = 0; ky < w.kernelH; ++ky)
    for (int64_t kx = 0; kx < w.kernelW; ++kx) {
      int64_t y = y0 + ky, column = x0 + kx;
      if (y >= 0 && y < x.dim(2) && column >= 0 && column < x.dim(3))
        body(static_cast<uint64_t>(ky * w.kernelW + kx), static_cast<size_t>(plane + y * x.dim(3) + column));
    }
}

Tensor maxPool(const Tensor &x, const Window &w) {
  Tensor out(x.kind, pooledShape(x, w));
  eachWindow(x, w, [&](size_t at, int64_t plane, int64_t y0, int64_t x0) {
    if (x.kind == Tensor::Real) {
      float most = -kInfinity;
      eachInside(x, w, plane, y0, x0, [&](uint64_t, size_t from) { most = atLeast(x.f[from], most); });
      out.f[at] = most;
    } else {
      int64_t most = std::numeric_limits<int64_t>::min();
      eachInside(x, w, plane, y0, x0, [&](uint64_t, size_t from) { most = std::max(most, x.integer(from)); });
      out.setInteger(at, most);
    }
  });
  return out;
}

namespace {

/// rne(fl(f(sum) * m)) with m = fl(s_x / fl(n * s_y)), clamped to the result's range.
struct CodeMean {
  float sx, sy;
  Range range;

  int32_t operator()(int64_t sum, int64_t n) const {
    float divisor = static_cast<float>(n) * sy;
    float m = sx / divisor;
    float product = static_cast<float>(static_cast<int32_t>(sum)) * m;
    return roundClamp(product, static_cast<int32_t>(range.lo), static_cast<int32_t>(range.hi));
  }
};

} // namespace

static CodeMean codeMean(Value x, Value y) {
  QuantType from = quantType(x), to = quantType(y);
  return {from.getScale(), to.getScale(), rangeOf(to)};
}

static Tensor avgPool(const Tensor &x, const Window &w, bool countPad, const std::optional<CodeMean> &codes) {
  Tensor out(x.kind, pooledShape(x, w));
  eachWindow(x, w, [&](size_t at, int64_t plane, int64_t y0, int64_t x0) {
    LaneSum real;
    int64_t exact = 0, inside = 0;
    eachInside(x, w, plane, y0, x0, [&](uint64_t index, size_t from) {
      ++inside;
      if (codes)
        exact += x.i[from];
      else
        real.add(index, x.f[from]);
    });
    int64_t n = countPad ? w.kernelH * w.kernelW : inside;
    if (codes)
      out.i[at] = (*codes)(exact, n);
    else
      out.f[at] = real.fold() / static_cast<float>(n);
  });
  return out;
}

enum class Reduction { Mean, Sum, Max };

static int64_t wrapTo(int64_t v, Tensor::Kind kind) {
  return kind == Tensor::Wide ? v : static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint64_t>(v)));
}

/// A reduction of one axis into `out`, whose shape is set.
static void reduce(const Tensor &x, Tensor &out, const AxisView &view, Reduction what, const std::optional<CodeMean> &codes,
                   std::optional<Range> saturate) {
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < view.inner; ++i) {
      auto from = [&](int64_t a) { return static_cast<size_t>((o * view.axis + a) * view.inner + i); };
      auto at = static_cast<size_t>(o * view.inner + i);
      if (x.kind == Tensor::Real) {
        LaneSum sum;
        float most = -kInfinity;
        for (int64_t a = 0; a < view.axis; ++a) {
          sum.add(static_cast<uint64_t>(a), x.f[from(a)]);
          most = atLeast(x.f[from(a)], most);
        }
        out.f[at] = what == Reduction::Max ? most : what == Reduction::Sum ? sum.fold() : sum.fold() / static_cast<float>(view.axis);
        continue;
      }
      uint64_t sum = 0;
      int64_t most = std::numeric_limits<int64_t>::min();
      for (int64_t a = 0; a < view.axis; ++a) {
        sum += static_cast<uint64_t>(x.integer(from(a)));
        most = std::max(most, x.integer(from(a)));
      }
      auto total = static_cast<int64_t>(sum);
      if (codes)
        out.i[at] = (*codes)(total, view.axis);
      else if (what == Reduction::Max)
        out.setInteger(at, most);
      else
        out.setInteger(at, saturate ? std::clamp(total, saturate->lo, saturate->hi) : wrapTo(total, out.kind));
    }
}

template <typename Op>
static Result<Kernel> buildReduction(Op op, Reduction what) {
  auto axis = static_cast<int64_t>(op.getAxis());
  bool keep = op.getKeep();
  Type element = cast<ShapedType>(op.getResult().getType()).getElementType();
  std::optional<CodeMean> codes;
  std::optional<Range> saturate;
  if (isa<QuantType>(element) && what == Reduction::Mean) codes = codeMean(op.getX(), op.getResult());
  if (!isReal(element) && !codes) {
    if (what == Reduction::Mean || (what == Reduction::Sum && isa<QuantType>(element)))
      return Error{"'" + op->getName().getStringRef().str() + "' of these elements has no meaning", ErrorKind::Internal};
    if (!element.isInteger(32) && !element.isInteger(64)) saturate = rangeOf(element);
  }
  Tensor::Kind kind = kindOf(op.getResult().getType());
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    out[0] = Tensor(kind, withoutAxis(in[0]->shape, axis, keep));
    reduce(*in[0], out[0], AxisView(in[0]->shape, axis), what, codes, saturate);
  });
}

static void argmax(const Tensor &x, Tensor &out, int64_t axis) {
  out = Tensor(Tensor::Int, withoutAxis(x.shape, axis, false));
  AxisView view(x.shape, axis);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < view.inner; ++i) {
      auto from = [&](int64_t a) { return static_cast<size_t>((o * view.axis + a) * view.inner + i); };
      int64_t best = 0;
      float most = -kInfinity;
      for (int64_t a = 0; a < view.axis; ++a) {
        bool greater = x.kind == Tensor::Real ? x.f[from(a)] > most : a == 0 || x.integer(from(a)) > x.integer(from(best));
        if (!greater) continue;
        best = a;
        if (x.kind == Tensor::Real) most = x.f[from(a)];
      }
      out.i[static_cast<size_t>(o * view.inner + i)] = static_cast<int32_t>(best);
    }
}

template <typename Op>
static Window windowOf(Op op) {
  auto k = op.getKernel(), s = op.getStride(), p = op.getPadding();
  return {k[0], k[1], s[0], s[1], p[0], p[1]};
}

Result<Kernel> buildReduce(Operation *op, const BuildContext &) {
  if (auto pool = dyn_cast<MaxPoolOp>(op)) {
    Window w = windowOf(pool);
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { out[0] = maxPool(*in[0], w); });
  }
  if (auto pool = dyn_cast<AvgPoolOp>(op)) {
    Window w = windowOf(pool);
    bool countPad = pool.getCountPad();
    std::optional<CodeMean> codes;
    if (quantType(pool.getX())) codes = codeMean(pool.getX(), pool.getResult());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { out[0] = avgPool(*in[0], w, countPad, codes); });
  }
  if (auto pool = dyn_cast<GlobalAvgPoolOp>(op)) {
    std::optional<CodeMean> codes;
    if (quantType(pool.getX())) codes = codeMean(pool.getX(), pool.getResult());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      const Tensor &x = *in[0];
      out[0] = Tensor(x.kind, {x.dim(0), x.dim(1)});
      AxisView planes({x.dim(0) * x.dim(1), x.dim(2) * x.dim(3)}, 1);
      reduce(x, out[0], planes, Reduction::Mean, codes, {});
    });
  }
  if (auto mean = dyn_cast<MeanOp>(op)) return buildReduction(mean, Reduction::Mean);
  if (auto sum = dyn_cast<SumOp>(op)) return buildReduction(sum, Reduction::Sum);
  if (auto max = dyn_cast<MaxOp>(op)) return buildReduction(max, Reduction::Max);
  if (auto arg = dyn_cast<ArgmaxOp>(op)) {
    auto axis = static_cast<int64_t>(arg.getAxis());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { argmax(*in[0], out[0], axis); });
  }
  return Kernel();
}

} // namespace triton::oracle
