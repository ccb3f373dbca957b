// Operations that move elements. Each works out, for every place of the result, the place it comes from.
#include "Kernel.h"

#include <algorithm>

using namespace mlir;
using namespace triton::ternary;

namespace triton::oracle {

/// Copies element `from` of x to element `to` of out.
static void copyElement(const Tensor &x, size_t from, Tensor &out, size_t to) {
  if (x.kind == Tensor::Real)
    out.f[to] = x.f[from];
  else
    out.setInteger(to, x.integer(from));
}

static void transpose(const Tensor &x, Tensor &out, const std::vector<int64_t> &order) {
  TensorShape shape;
  for (int64_t axis : order) shape.push_back(x.dim(axis));
  out = Tensor(x.kind, shape);
  std::vector<int64_t> strides(x.shape.size(), 1);
  for (size_t i = x.shape.size(); i-- > 1;) strides[i - 1] = strides[i] * x.shape[i];
  for (size_t to = 0; to < static_cast<size_t>(out.count()); ++to) {
    auto rest = static_cast<int64_t>(to);
    int64_t from = 0;
    for (size_t i = shape.size(); i-- > 0;) {
      from += rest % shape[i] * strides[static_cast<size_t>(order[i])];
      rest /= shape[i];
    }
    copyElement(x, static_cast<size_t>(from), out, to);
  }
}

static void slice(const Tensor &x, Tensor &out, int64_t axis, int64_t begin, int64_t end) {
  AxisView view(x.shape, axis);
  TensorShape shape = x.shape;
  shape[static_cast<size_t>(axis)] = end - begin;
  out = Tensor(x.kind, shape);
  size_t to = 0;
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t a = begin; a < end; ++a)
      for (int64_t i = 0; i < view.inner; ++i)
        copyElement(x, static_cast<size_t>((o * view.axis + a) * view.inner + i), out, to++);
}

static void pad(const Tensor &x, Tensor &out, const std::vector<int64_t> &low, const std::vector<int64_t> &high, double value) {
  TensorShape shape = x.shape;
  for (size_t i = 0; i < shape.size(); ++i) shape[i] += low[i] + high[i];
  out = Tensor(x.kind, shape);
  for (size_t to = 0; to < static_cast<size_t>(out.count()); ++to) {
    auto rest = static_cast<int64_t>(to);
    int64_t from = 0, stride = 1;
    bool inside = true;
    for (size_t i = shape.size(); i-- > 0;) {
      int64_t index = rest % shape[i] - low[i];
      rest /= shape[i];
      inside &= index >= 0 && index < x.shape[i];
      from += index * stride;
      stride *= x.shape[i];
    }
    if (inside)
      copyElement(x, static_cast<size_t>(from), out, to);
    else if (x.kind == Tensor::Real)
      out.f[to] = static_cast<float>(value);
    else
      out.setInteger(to, static_cast<int64_t>(value));
  }
}

/// Codes of another scale than the result's become clamp(rne(fl(q * fl(s_part / s_y)))).
static Kernel buildConcat(ConcatOp op) {
  auto axis = static_cast<int64_t>(op.getAxis());
  std::vector<float> factors;
  Range range{0, 0};
  if (QuantType to = quantType(op.getResult())) {
    range = rangeOf(to);
    for (Value part : op.getParts()) {
      QuantType from = quantType(part);
      // Another kind with the same scale is rescaled as well: the factor is 1 and the clamp does the rest.
      factors.push_back(from == to ? 0.0f : from.getScale() / to.getScale());
    }
  }
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    TensorShape shape = in[0]->shape;
    int64_t &joined = shape[static_cast<size_t>(axis)];
    joined = 0;
    for (const Tensor *part : in) joined += part->dim(axis);
    int64_t total = joined;
    out[0] = Tensor(in[0]->kind, shape);
    int64_t before = 0;
    for (size_t p = 0; p < in.size(); ++p) {
      const Tensor &x = *in[p];
      AxisView view(x.shape, axis);
      for (int64_t from = 0; from < x.count(); ++from) {
        int64_t i = from % view.inner, a = from / view.inner % view.axis, o = from / view.inner / view.axis;
        auto to = static_cast<size_t>((o * total + before + a) * view.inner + i);
        copyElement(x, static_cast<size_t>(from), out[0], to);
        if (!factors.empty() && factors[p] != 0) {
          float scaled = static_cast<float>(out[0].i[to]) * factors[p];
          out[0].i[to] = roundClamp(scaled, static_cast<int32_t>(range.lo), static_cast<int32_t>(range.hi));
        }
      }
      before += view.axis;
    }
  });
}

Result<Kernel> buildMoving(Operation *op, const BuildContext &) {
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    ArrayRef<int64_t> target = cast<ShapedType>(reshape.getResult().getType()).getShape();
    TensorShape shape(target.begin(), target.end());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      out[0] = *in[0];
      TensorShape actual = shape;
      int64_t known = 1;
      for (int64_t size : actual) known *= ShapedType::isDynamic(size) ? 1 : size;
      for (int64_t &size : actual)
        if (ShapedType::isDynamic(size)) size = in[0]->count() / known;
      out[0].shape = actual;
    });
  }
  if (auto t = dyn_cast<TransposeOp>(op)) {
    std::vector<int64_t> order(t.getOrder().begin(), t.getOrder().end());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { transpose(*in[0], out[0], order); });
  }
  if (auto s = dyn_cast<SliceOp>(op)) {
    int64_t axis = static_cast<int64_t>(s.getAxis()), from = static_cast<int64_t>(s.getFrom()), to = static_cast<int64_t>(s.getTo());
    return Kernel([=](const Operands &in, std::vector<Tensor> &out) -> Result<void> {
      if (to > in[0]->dim(axis))
        return Error{"slice: " + std::to_string(from) + ".." + std::to_string(to) + " leaves axis " + std::to_string(axis) + " of " +
                     formatShape(in[0]->shape)};
      slice(*in[0], out[0], axis, from, to);
      return {};
    });
  }
  if (auto index = dyn_cast<IndexOp>(op)) {
    std::vector<int64_t> indices(index.getIndices().begin(), index.getIndices().end());
    return Kernel([=](const Operands &in, std::vector<Tensor> &out) -> Result<void> {
      const Tensor &x = *in[0];
      int64_t at = 0;
      for (size_t i = 0; i < indices.size(); ++i) {
        if (indices[i] < 0 || indices[i] >= x.shape[i])
          return Error{"index " + std::to_string(indices[i]) + " leaves axis " + std::to_string(i) + " of " + formatShape(x.shape)};
        at = at * x.shape[i] + indices[i];
      }
      out[0] = Tensor(x.kind, TensorShape(x.shape.begin() + static_cast<int64_t>(indices.size()), x.shape.end()));
      auto n = static_cast<size_t>(out[0].count());
      for (size_t i = 0; i < n; ++i) copyElement(x, static_cast<size_t>(at) * n + i, out[0], i);
      return {};
    });
  }
  if (auto p = dyn_cast<PadOp>(op)) {
    std::vector<int64_t> low(p.getLow().begin(), p.getLow().end()), high(p.getHigh().begin(), p.getHigh().end());
    double value = p.getValue().convertToDouble();
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { pad(*in[0], out[0], low, high, value); });
  }
  if (auto concat = dyn_cast<ConcatOp>(op)) return buildConcat(concat);
  return Kernel();
}

} // namespace triton::oracle
