// Attention, rotary embedding and embedding tables.
#include "Kernel.h"

#include <algorithm>

using namespace mlir;
using namespace triton::ternary;

namespace triton::oracle {

/// softmax(scale * q kT + mask) v for one head: q [T, D], k and v [S, D].
static void attendHead(const float *q, const float *k, const float *v, float *out, int64_t t, int64_t s, int64_t d, bool causal, float scale) {
  std::vector<float> weights(static_cast<size_t>(s));
  for (int64_t row = 0; row < t; ++row) {
    int64_t visible = causal ? std::clamp<int64_t>(row + s - t + 1, 0, s) : s;
    float most = -std::bit_cast<float>(0x7F800000u);
    for (int64_t j = 0; j < visible; ++j) {
      float dot = 0;
      for (int64_t i = 0; i < d; ++i) dot += q[row * d + i] * k[j * d + i];
      weights[static_cast<size_t>(j)] = scale * dot;
      most = atLeast(weights[static_cast<size_t>(j)], most);
    }
    LaneSum sum;
    for (int64_t j = 0; j < visible; ++j) {
      float &w = weights[static_cast<size_t>(j)];
      w = exp32(w - most);
      sum.add(static_cast<uint64_t>(j), w);
    }
    float total = sum.fold();
    std::fill(out + row * d, out + (row + 1) * d, 0.0f);
    for (int64_t j = 0; j < visible; ++j) {
      float p = weights[static_cast<size_t>(j)] / total;
      for (int64_t i = 0; i < d; ++i) out[row * d + i] += p * v[j * d + i];
    }
  }
}

static void attention(const Operands &in, Tensor &out, bool causal, double scale) {
  const Tensor &q = *in[0], &k = *in[1], &v = *in[2];
  out = Tensor(Tensor::Real, q.shape);
  int64_t heads = q.dim(1), shared = heads / k.dim(1), t = q.dim(2), s = k.dim(2), d = q.dim(3);
  float factor = static_cast<float>(scale == 0 ? 1 / std::sqrt(static_cast<double>(d)) : scale);
  for (int64_t b = 0; b < q.dim(0); ++b)
    for (int64_t h = 0; h < heads; ++h) {
      int64_t from = (b * k.dim(1) + h / shared) * s * d, at = (b * heads + h) * t * d;
      attendHead(q.f.data() + at, k.f.data() + from, v.f.data() + from, out.f.data() + at, t, s, d, causal, factor);
    }
}

static void rope(const Tensor &x, Tensor &out, double base, int64_t offset) {
  out = Tensor(Tensor::Real, x.shape);
  int64_t t = x.dim(2), d = x.dim(3), half = d / 2;
  for (int64_t row = 0; row < x.dim(0) * x.dim(1) * t; ++row) {
    auto position = static_cast<float>(row % t + offset);
    for (int64_t i = 0; i < half; ++i) {
      auto frequency = static_cast<float>(std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(d)));
      float angle = position * frequency, c = cos32(angle), s = sin32(angle);
      auto at = static_cast<size_t>(row * d + i), other = at + static_cast<size_t>(half);
      float a = x.f[at], b = x.f[other];
      out.f[at] = a * c - b * s;
      out.f[other] = a * s + b * c;
    }
  }
}

static Result<void> embedding(const Tensor &ids, const Tensor &table, Tensor &out) {
  TensorShape shape = ids.shape;
  int64_t rows = table.dim(0), width = table.dim(1);
  shape.push_back(width);
  out = Tensor(table.kind, shape);
  for (size_t i = 0; i < static_cast<size_t>(ids.count()); ++i) {
    int64_t id = ids.integer(i);
    if (id < 0 || id >= rows)
      return Error{"embedding: id " + std::to_string(id) + " at position " + std::to_string(i) + " is out of range (0.." +
                   std::to_string(rows - 1) + ")"};
    for (int64_t j = 0; j < width; ++j) {
      auto to = i * static_cast<size_t>(width) + static_cast<size_t>(j), from = static_cast<size_t>(id * width + j);
      if (table.kind == Tensor::Real)
        out.f[to] = table.f[from];
      else
        out.setInteger(to, table.integer(from));
    }
  }
  return {};
}

Result<Kernel> buildAttention(Operation *op, const BuildContext &) {
  if (auto attend = dyn_cast<AttentionOp>(op)) {
    bool causal = attend.getCausal();
    double scale = attend.getScale().convertToDouble();
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { attention(in, out[0], causal, scale); });
  }
  if (auto rotate = dyn_cast<RopeOp>(op)) {
    double base = rotate.getBase().convertToDouble();
    auto offset = static_cast<int64_t>(rotate.getOffset());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { rope(*in[0], out[0], base, offset); });
  }
  if (isa<EmbeddingOp>(op))
    return Kernel([](const Operands &in, std::vector<Tensor> &out) { return embedding(*in[0], *in[1], out[0]); });
  return Kernel();
}

} // namespace triton::oracle
