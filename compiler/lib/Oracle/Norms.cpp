// Batch, layer and RMS norm; softmax. Sums in 16 lanes.
#include "Kernel.h"

using namespace mlir;
using namespace triton::ternary;

namespace triton::oracle {

static void batchNorm(const Operands &in, Tensor &y, float eps) {
  const Tensor &x = *in[0], &weight = *in[1], &bias = *in[2], &mean = *in[3], &var = *in[4];
  y = Tensor(Tensor::Real, x.shape);
  AxisView view(x.shape, 1);
  for (size_t i = 0; i < x.f.size(); ++i) {
    size_t c = i / static_cast<size_t>(view.inner) % static_cast<size_t>(view.axis);
    float centred = x.f[i] - mean.f[c];
    y.f[i] = centred * weight.f[c] / std::sqrt(var.f[c] + eps) + bias.f[c];
  }
}

/// Mean and variance of each channel in float64; the variance divided by n, and by n - 1.
static void statistics(const Tensor &x, std::vector<float> &mean, std::vector<float> &variance, std::vector<float> &unbiased) {
  AxisView view(x.shape, 1);
  auto channels = static_cast<size_t>(view.axis), inner = static_cast<size_t>(view.inner);
  double n = static_cast<double>(x.f.size()) / static_cast<double>(std::max<size_t>(channels, 1));
  std::vector<double> sum(channels), squares(channels);
  auto channelOf = [&](size_t i) { return i / inner % channels; };
  for (size_t i = 0; i < x.f.size(); ++i) sum[channelOf(i)] += static_cast<double>(x.f[i]);
  for (size_t i = 0; i < x.f.size(); ++i) {
    double centred = static_cast<double>(x.f[i]) - sum[channelOf(i)] / n;
    squares[channelOf(i)] += centred * centred;
  }
  for (size_t c = 0; c < channels; ++c) {
    mean.push_back(static_cast<float>(sum[c] / n));
    variance.push_back(static_cast<float>(squares[c] / n));
    unbiased.push_back(static_cast<float>(squares[c] / std::max(n - 1, 1.0)));
  }
}

/// Calls body(x row, y row, D) for each run of the last axis.
template <typename F>
static void eachRow(const Tensor &x, Tensor &y, F body) {
  y = Tensor(Tensor::Real, x.shape);
  int64_t d = x.shape.back();
  for (int64_t start = 0; start < x.count(); start += d) body(x.f.data() + start, y.f.data() + start, d);
}

static void layerNorm(const Operands &in, Tensor &y, float eps) {
  const Tensor &weight = *in[1], &bias = *in[2];
  eachRow(*in[0], y, [&](const float *x, float *out, int64_t d) {
    LaneSum sum, squares;
    for (int64_t i = 0; i < d; ++i) sum.add(static_cast<uint64_t>(i), x[i]);
    float mean = sum.fold() / static_cast<float>(d);
    for (int64_t i = 0; i < d; ++i) {
      float c = x[i] - mean;
      squares.add(static_cast<uint64_t>(i), c * c);
    }
    float deviation = std::sqrt(squares.fold() / static_cast<float>(d) + eps);
    for (int64_t i = 0; i < d; ++i) {
      auto c = static_cast<size_t>(i);
      out[i] = (x[i] - mean) / deviation * weight.f[c] + bias.f[c];
    }
  });
}

static void rmsNorm(const Operands &in, Tensor &y, float eps) {
  const Tensor &weight = *in[1];
  eachRow(*in[0], y, [&](const float *x, float *out, int64_t d) {
    LaneSum squares;
    for (int64_t i = 0; i < d; ++i) squares.add(static_cast<uint64_t>(i), x[i] * x[i]);
    float root = std::sqrt(squares.fold() / static_cast<float>(d) + eps);
    for (int64_t i = 0; i < d; ++i) out[i] = x[i] / root * weight.f[static_cast<size_t>(i)];
  });
}

static void softmax(const Tensor &x, Tensor &y, int64_t axis) {
  y = Tensor(Tensor::Real, x.shape);
  AxisView view(x.shape, axis);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < view.inner; ++i) {
      auto at = [&](int64_t a) { return static_cast<size_t>((o * view.axis + a) * view.inner + i); };
      float most = -std::bit_cast<float>(0x7F800000u);
      for (int64_t a = 0; a < view.axis; ++a) most = atLeast(x.f[at(a)], most);
      LaneSum sum;
      for (int64_t a = 0; a < view.axis; ++a) {
        y.f[at(a)] = exp32(x.f[at(a)] - most);
        sum.add(static_cast<uint64_t>(a), y.f[at(a)]);
      }
      float total = sum.fold();
      for (int64_t a = 0; a < view.axis; ++a) y.f[at(a)] = y.f[at(a)] / total;
    }
}

Result<Kernel> buildNorm(Operation *op, const BuildContext &context) {
  if (auto norm = dyn_cast<BatchNormOp>(op)) {
    auto eps = static_cast<float>(norm.getEps().convertToDouble());
    if (auto tell = context.options.batchStatistics)
      return kernel([=](const Operands &in, std::vector<Tensor> &out) {
        TensorShape perChannel = in[3]->shape;
        Tensor mean(Tensor::Real, perChannel), variance(Tensor::Real, perChannel);
        std::vector<float> unbiased;
        mean.f.clear(), variance.f.clear();
        statistics(*in[0], mean.f, variance.f, unbiased);
        batchNorm({in[0], in[1], in[2], &mean, &variance}, out[0], eps);
        tell(op, mean.f, unbiased);
      });
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { batchNorm(in, out[0], eps); });
  }
  if (auto norm = dyn_cast<LayerNormOp>(op)) {
    auto eps = static_cast<float>(norm.getEps().convertToDouble());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { layerNorm(in, out[0], eps); });
  }
  if (auto norm = dyn_cast<RmsNormOp>(op)) {
    auto eps = static_cast<float>(norm.getEps().convertToDouble());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { rmsNorm(in, out[0], eps); });
  }
  if (auto soft = dyn_cast<SoftmaxOp>(op)) {
    auto axis = static_cast<int64_t>(soft.getAxis());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) { softmax(*in[0], out[0], axis); });
  }
  return Kernel();
}

} // namespace triton::oracle
