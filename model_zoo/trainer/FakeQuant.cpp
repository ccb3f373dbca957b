#include "FakeQuant.h"

#include "Kernels.h"
#include "WeightCodes.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

namespace triton::trainer {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// An argument of an autograd function may be absent only as an optional, which changed its name with LibTorch 2.
#if TORCH_VERSION_MAJOR >= 2
using MaybeTensor = std::optional<Tensor>;
#else
using MaybeTensor = c10::optional<Tensor>;
#endif

static MaybeTensor maybe(const Tensor &t) { return t.defined() ? MaybeTensor(t) : MaybeTensor(); }
static Tensor orUndefined(const MaybeTensor &t) { return t ? *t : Tensor(); }

static void parallelFor(int64_t n, const std::function<void(int64_t)> &body) {
  at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

namespace {

/// The weight with its channel axis in front, contiguous, and back.
Tensor channelMajor(const Tensor &w, const ParamInfo &p) { return w.detach().movedim(p.channelAxis, 0).contiguous(); }

struct WeightFunction : torch::autograd::Function<WeightFunction> {
  static Variable forward(AutogradContext *ctx, const Variable &w, const MaybeTensor &maybeDelta,
                          const MaybeTensor &maybeScale, const ParamInfo *param, int64_t seed) {
    Tensor rows = channelMajor(w, *param), delta = orUndefined(maybeDelta), scale = orUndefined(maybeScale);
    bool learned = delta.defined();
    Tensor d, s;
    if (learned) {
      d = delta.detach().contiguous();
      s = scale.detach().contiguous();
    }
    WeightCodes codes = quantizeWeights(rows.data_ptr<float>(), rows.numel(), *param, learned ? d.data_ptr<float>() : nullptr,
                                        learned ? s.data_ptr<float>() : nullptr, static_cast<uint64_t>(seed));
    Tensor out = torch::empty_like(rows, at::MemoryFormat::Contiguous);
    float *o = out.data_ptr<float>();
    for (int64_t r = 0; r < codes.rows; ++r)
      for (int64_t i = 0; i < codes.cols; ++i) {
        auto at = static_cast<size_t>(r * codes.cols + i);
        o[at] = static_cast<float>(codes.codes[at]) * codes.scales[static_cast<size_t>(r)];
      }
    if (learned) {
      ctx->save_for_backward({rows, out, d, s});
      ctx->saved_data["axis"] = param->channelAxis;
    }
    ctx->saved_data["learned"] = learned;
    Tensor result = out.movedim(0, param->channelAxis);
    return result.dim() == 4 ? result.contiguous(at::MemoryFormat::ChannelsLast) : result.contiguous();
  }

  static variable_list backward(AutogradContext *ctx, variable_list grads) {
    Tensor g = grads[0], gDelta, gScale;
    if (ctx->saved_data["learned"].toBool()) {
      variable_list saved = ctx->get_saved_variables();
      const Tensor &w = saved[0], &out = saved[1], &d = saved[2], &s = saved[3];
      int64_t rows = s.numel();
      Tensor gr = g.movedim(ctx->saved_data["axis"].toInt(), 0).contiguous().view({rows, -1});
      Tensor wr = w.view({rows, -1}), codes = out.view({rows, -1}) / s.view({rows, 1});
      gScale = (gr * codes).sum(1).view_as(s);
      // The step at |w| = delta is smeared over a window of delta on both sides (a box of area 1).
      Tensor dr = d.view({rows, 1});
      Tensor window = ((wr.abs() - dr).abs() < dr / 2).to(at::kFloat) / dr.clamp_min(1e-8);
      gDelta = -(gr * wr.sign() * s.view({rows, 1}) * window).sum(1).view_as(d);
    }
    return {g, gDelta, gScale, Variable(), Variable()};
  }
};

/// Data in one dense order: rows of channels for a rank of 4 (channels_last), else as they stand.
Tensor dense(const Tensor &x) { return x.dim() == 4 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x.contiguous(); }

struct EndFunction : torch::autograd::Function<EndFunction> {
  static Variable forward(AutogradContext *ctx, const Variable &input, const MaybeTensor &maybeResidual,
                          const MaybeTensor &maybeGamma, const MaybeTensor &maybeBeta, const MaybeTensor &maybeLogScale,
                          const GroupEnd *end) {
    Tensor residual = orUndefined(maybeResidual), gamma = orUndefined(maybeGamma), beta = orUndefined(maybeBeta),
           logScale = orUndefined(maybeLogScale);
    Tensor x = dense(input);
    Tensor res = residual.defined() ? dense(residual) : Tensor();
    Epilogue e;
    e.relu = end->relu;
    e.quantize = logScale.defined();
    e.lo = end->lo;
    e.hi = end->hi;
    e.scale = e.quantize ? std::exp(logScale.item<float>()) : 1.0f;
    bool norm = gamma.defined();
    int64_t n = x.numel();
    Tensor affine; // rows: a, b, mean, inverse deviation
    if (norm) {
      e.channels = gamma.numel();
      affine = torch::empty({4, e.channels});
      float *a = affine.data_ptr<float>(), *b = a + e.channels, *mean = b + e.channels, *inverse = mean + e.channels;
      Tensor g = gamma.detach().contiguous(), be = beta.detach().contiguous();
      const float *gp = g.data_ptr<float>(), *bp = be.data_ptr<float>();
      std::vector<double> sum(static_cast<size_t>(e.channels)), squares(sum);
      float *rm = end->runningMean.data_ptr<float>(), *rv = end->runningVar.data_ptr<float>();
      if (end->training) channelSums(x.data_ptr<float>(), n, e.channels, sum.data(), squares.data(), parallelFor);
      double count = static_cast<double>(n / e.channels);
      for (int64_t c = 0; c < e.channels; ++c) {
        double m = rm[c], v = rv[c];
        if (end->training) {
          m = sum[static_cast<size_t>(c)] / count;
          v = std::max(0.0, squares[static_cast<size_t>(c)] / count - m * m);
          double unbiased = count > 1 ? v * count / (count - 1) : v;
          rm[c] = static_cast<float>(rm[c] * (1 - end->momentum) + m * end->momentum);
          rv[c] = static_cast<float>(rv[c] * (1 - end->momentum) + unbiased * end->momentum);
        }
        double inv = 1 / std::sqrt(v + end->eps);
        mean[c] = static_cast<float>(m);
        inverse[c] = static_cast<float>(inv);
        a[c] = static_cast<float>(gp[c] * inv);
        b[c] = static_cast<float>(bp[c] - m * gp[c] * inv);
      }
    }
    Tensor y = torch::empty_like(x);
    const float *a = norm ? affine.data_ptr<float>() : nullptr;
    forwardEpilogue(x.data_ptr<float>(), res.defined() ? res.data_ptr<float>() : nullptr, y.data_ptr<float>(), n, e, a,
                    a ? a + e.channels : nullptr, parallelFor);
    ctx->save_for_backward({x, res, affine});
    ctx->saved_data["relu"] = e.relu;
    ctx->saved_data["quantize"] = e.quantize;
    ctx->saved_data["scale"] = static_cast<double>(e.scale);
    ctx->saved_data["lo"] = static_cast<double>(e.lo);
    ctx->saved_data["hi"] = static_cast<double>(e.hi);
    ctx->saved_data["training"] = end->training;
    return y;
  }

  static variable_list backward(AutogradContext *ctx, variable_list grads) {
    variable_list saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &res = saved[1], &affine = saved[2];
    Tensor grad = dense(grads[0]);
    Epilogue e;
    e.relu = ctx->saved_data["relu"].toBool();
    e.quantize = ctx->saved_data["quantize"].toBool();
    e.scale = static_cast<float>(ctx->saved_data["scale"].toDouble());
    e.lo = static_cast<float>(ctx->saved_data["lo"].toDouble());
    e.hi = static_cast<float>(ctx->saved_data["hi"].toDouble());
    bool norm = affine.defined(), training = ctx->saved_data["training"].toBool();
    e.channels = norm ? affine.size(1) : 1;
    int64_t n = x.numel();
    const float *a = norm ? affine.data_ptr<float>() : nullptr;
    Tensor gated = torch::empty_like(x);
    BackwardSums sums = backwardGate(x.data_ptr<float>(), res.defined() ? res.data_ptr<float>() : nullptr,
                                     grad.data_ptr<float>(), gated.data_ptr<float>(), n, e, a, a ? a + e.channels : nullptr,
                                     parallelFor);
    Tensor gX = gated, gGamma, gBeta, gLogScale;
    if (norm) {
      gGamma = torch::empty({e.channels});
      gBeta = torch::empty({e.channels});
      const float *mean = a + 2 * e.channels, *inverse = a + 3 * e.channels;
      std::vector<float> k1(a, a + e.channels), k2(k1.size()), k3(k1.size());
      double count = static_cast<double>(n / e.channels);
      for (int64_t c = 0; c < e.channels; ++c) {
        auto i = static_cast<size_t>(c);
        double dBeta = sums.grad[i], dGamma = (sums.gradX[i] - mean[c] * dBeta) * inverse[c];
        gBeta.data_ptr<float>()[c] = static_cast<float>(dBeta);
        gGamma.data_ptr<float>()[c] = static_cast<float>(dGamma);
        if (training) {
          double slope = -static_cast<double>(a[c]) * inverse[c] * dGamma / count;
          k2[i] = static_cast<float>(slope);
          k3[i] = static_cast<float>(-a[c] * dBeta / count - slope * mean[c]);
        }
      }
      gX = res.defined() ? torch::empty_like(x) : gated;
      affineOfTwo(gated.data_ptr<float>(), x.data_ptr<float>(), gX.data_ptr<float>(), n, e.channels, k1.data(), k2.data(),
                  k3.data(), parallelFor);
    }
    if (e.quantize) {
      // LSQ (Esser et al. 2020, section 2.2) scales the gradient by 1 / sqrt(elements * hi), so that it is of the weights' size.
      double damp = 1 / std::sqrt(static_cast<double>(n) * e.hi);
      gLogScale = torch::full({}, static_cast<float>(sums.scale * e.scale * damp));
    }
    return {gX, res.defined() ? gated : Tensor(), gGamma, gBeta, gLogScale, Variable()};
  }
};

struct DynamicFunction : torch::autograd::Function<DynamicFunction> {
  static Variable forward(AutogradContext *, const Variable &x, double lo, double hi, bool perRow) {
    Tensor a = perRow ? std::get<0>(x.abs().max(-1, true)) : x.abs().max();
    Tensor s = at::where(a == 0, at::ones_like(a), a / hi), r = at::where(a == 0, at::zeros_like(a), hi / a);
    return at::round(x * r).clamp(lo, hi) * s;
  }
  static variable_list backward(AutogradContext *, variable_list grads) {
    return {grads[0], Variable(), Variable(), Variable()};
  }
};

} // namespace

Tensor fakeQuantizeWeight(const Tensor &weight, const Tensor &delta, const Tensor &scale, const ParamInfo &param, uint64_t seed) {
  return WeightFunction::apply(weight, maybe(delta), maybe(scale), &param, static_cast<int64_t>(seed));
}

Tensor applyGroupEnd(const Tensor &x, const GroupEnd &end) {
  return EndFunction::apply(x, maybe(end.residual), maybe(end.gamma), maybe(end.beta), maybe(end.logScale), &end);
}

Tensor fakeQuantizeDynamic(const Tensor &x, float lo, float hi, bool perRow) {
  return DynamicFunction::apply(x, static_cast<double>(lo), static_cast<double>(hi), perRow);
}

} // namespace triton::trainer
