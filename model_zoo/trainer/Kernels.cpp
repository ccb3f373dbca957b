// Each loop runs over rows of `period` floats, a multiple of the channel count of at least 64, with the per-channel numbers
// repeated to that length: the inner loop is then long and has no index arithmetic. Sums go to a fixed number of chunks that
// are added in order, so that the result does not depend on the number of threads.
#include "Kernels.h"

#include <algorithm>

namespace triton::trainer {

static constexpr int64_t minPeriod = 64;
static constexpr int64_t maxChunks = 64;
static constexpr int64_t minChunkFloats = 1 << 14;

namespace {

/// How n floats are cut: whole rows of `period`, `rowsPerChunk` rows to a chunk, one short row at the very end.
struct Cut {
  int64_t n, period, rows, chunks, rowsPerChunk;

  Cut(int64_t n, int64_t channels) : n(n) {
    period = channels * std::max<int64_t>(1, (minPeriod + channels - 1) / channels);
    rows = (n + period - 1) / period;
    chunks = std::clamp<int64_t>(n / minChunkFloats, 1, maxChunks);
    rowsPerChunk = (rows + chunks - 1) / chunks;
    chunks = rowsPerChunk ? (rows + rowsPerChunk - 1) / rowsPerChunk : 0;
  }

  /// body(offset, length) for each row of a chunk.
  template <typename F>
  void eachRow(int64_t chunk, F body) const {
    int64_t end = std::min(rows, (chunk + 1) * rowsPerChunk);
    for (int64_t row = chunk * rowsPerChunk; row < end; ++row) body(row * period, std::min(period, n - row * period));
  }
};

std::vector<float> repeated(const float *v, int64_t channels, int64_t period, float otherwise) {
  std::vector<float> out(static_cast<size_t>(period), otherwise);
  if (v)
    for (int64_t i = 0; i < period; ++i) out[static_cast<size_t>(i)] = v[i % channels];
  return out;
}

/// Adding and subtracting 1.5 * 2^23 rounds a float below 2^22 to the nearest integer, ties to even.
inline float roundEven(float v) {
  constexpr float magic = 12582912.0f;
  float shifted = v + magic;
  return shifted - magic;
}

template <bool Relu, bool Quantize, bool Residual>
void forwardRow(const float *__restrict x, const float *__restrict res, float *__restrict y, int64_t n,
                const float *__restrict a, const float *__restrict b, float r, float s, float lo, float hi) {
  for (int64_t i = 0; i < n; ++i) {
    float z = x[i] * a[i] + b[i];
    if (Residual) z += res[i];
    if (Quantize) {
      float v = z * r;
      v = v < lo ? lo : v;
      v = v > hi ? hi : v;
      z = roundEven(v) * s;
    } else if (Relu) {
      z = z > 0 ? z : 0;
    }
    y[i] = z;
  }
}

template <bool Relu, bool Quantize, bool Residual>
void gateRow(const float *__restrict x, const float *__restrict res, const float *__restrict g, float *__restrict out,
             int64_t n, const float *__restrict a, const float *__restrict b, float r, float lo, float hi,
             float *__restrict sumG, float *__restrict sumGX, float *__restrict sumS) {
  for (int64_t i = 0; i < n; ++i) {
    float gate = g[i];
    if (Quantize || Relu) {
      float z = x[i] * a[i] + b[i];
      if (Residual) z += res[i];
      if (Quantize) {
        float v = z * r;
        float clamped = v < lo ? lo : v;
        clamped = clamped > hi ? hi : clamped;
        bool inside = Relu ? (v > 0 && v <= hi) : (v >= lo && v <= hi);
        // d(q * s)/ds: q - v inside the range, the bound outside.
        float ds = roundEven(clamped) - (v >= lo && v <= hi ? v : 0.0f);
        sumS[i] += gate * ds;
        gate = inside ? gate : 0.0f;
      } else {
        gate = z > 0 ? gate : 0.0f;
      }
    }
    sumG[i] += gate;
    sumGX[i] += gate * x[i];
    out[i] = gate;
  }
}

/// Calls f with the three flags as compile-time constants.
template <typename F>
void withFlags(bool relu, bool quantize, bool residual, F f) {
  auto pick = [&](auto reluTag, auto quantizeTag) {
    if (residual)
      f(reluTag, quantizeTag, std::true_type());
    else
      f(reluTag, quantizeTag, std::false_type());
  };
  if (relu && quantize)
    pick(std::true_type(), std::true_type());
  else if (relu)
    pick(std::true_type(), std::false_type());
  else if (quantize)
    pick(std::false_type(), std::true_type());
  else
    pick(std::false_type(), std::false_type());
}

/// Adds `period` floats to per-channel doubles.
void fold(const std::vector<float> &lanes, int64_t channels, double *out) {
  for (size_t i = 0; i < lanes.size(); ++i) out[static_cast<int64_t>(i) % channels] += lanes[i];
}

} // namespace

void channelSums(const float *x, int64_t n, int64_t channels, double *sum, double *squares, const ParallelFor &parallel) {
  Cut cut(n, channels);
  std::vector<std::vector<float>> sums(static_cast<size_t>(cut.chunks)), sqs(static_cast<size_t>(cut.chunks));
  parallel(cut.chunks, [&](int64_t chunk) {
    std::vector<float> s(static_cast<size_t>(cut.period)), q(static_cast<size_t>(cut.period));
    float *sp = s.data(), *qp = q.data();
    cut.eachRow(chunk, [&](int64_t at, int64_t length) {
      const float *row = x + at;
      for (int64_t i = 0; i < length; ++i) {
        sp[i] += row[i];
        qp[i] += row[i] * row[i];
      }
    });
    sums[static_cast<size_t>(chunk)] = std::move(s);
    sqs[static_cast<size_t>(chunk)] = std::move(q);
  });
  std::fill(sum, sum + channels, 0.0);
  std::fill(squares, squares + channels, 0.0);
  for (size_t c = 0; c < sums.size(); ++c) {
    fold(sums[c], channels, sum);
    fold(sqs[c], channels, squares);
  }
}

void forwardEpilogue(const float *x, const float *residual, float *y, int64_t n, const Epilogue &e, const float *a,
                     const float *b, const ParallelFor &parallel) {
  Cut cut(n, e.channels);
  std::vector<float> as = repeated(a, e.channels, cut.period, 1), bs = repeated(b, e.channels, cut.period, 0);
  float r = 1.0f / e.scale;
  withFlags(e.relu, e.quantize, residual != nullptr, [&](auto relu, auto quantize, auto res) {
    parallel(cut.chunks, [&](int64_t chunk) {
      cut.eachRow(chunk, [&](int64_t at, int64_t length) {
        forwardRow<relu.value, quantize.value, res.value>(x + at, residual ? residual + at : nullptr, y + at, length,
                                                          as.data(), bs.data(), r, e.scale, e.lo, e.hi);
      });
    });
  });
}

BackwardSums backwardGate(const float *x, const float *residual, const float *grad, float *gated, int64_t n, const Epilogue &e,
                          const float *a, const float *b, const ParallelFor &parallel) {
  Cut cut(n, e.channels);
  std::vector<float> as = repeated(a, e.channels, cut.period, 1), bs = repeated(b, e.channels, cut.period, 0);
  float r = 1.0f / e.scale;
  struct Partial {
    std::vector<float> g, gx, s;
  };
  std::vector<Partial> partials(static_cast<size_t>(cut.chunks));
  withFlags(e.relu, e.quantize, residual != nullptr, [&](auto relu, auto quantize, auto res) {
    parallel(cut.chunks, [&](int64_t chunk) {
      auto period = static_cast<size_t>(cut.period);
      Partial p{std::vector<float>(period), std::vector<float>(period), std::vector<float>(period)};
      cut.eachRow(chunk, [&](int64_t at, int64_t length) {
        gateRow<relu.value, quantize.value, res.value>(x + at, residual ? residual + at : nullptr, grad + at, gated + at, length,
                                                       as.data(), bs.data(), r, e.lo, e.hi, p.g.data(), p.gx.data(),
                                                       p.s.data());
      });
      partials[static_cast<size_t>(chunk)] = std::move(p);
    });
  });
  BackwardSums sums;
  sums.grad.assign(static_cast<size_t>(e.channels), 0);
  sums.gradX.assign(static_cast<size_t>(e.channels), 0);
  for (const Partial &p : partials) {
    fold(p.g, e.channels, sums.grad.data());
    fold(p.gx, e.channels, sums.gradX.data());
    fold(p.s, 1, &sums.scale);
  }
  return sums;
}

void affineOfTwo(const float *gated, const float *x, float *out, int64_t n, int64_t channels, const float *k1, const float *k2,
                 const float *k3, const ParallelFor &parallel) {
  Cut cut(n, channels);
  std::vector<float> c1 = repeated(k1, channels, cut.period, 1), c2 = repeated(k2, channels, cut.period, 0),
                     c3 = repeated(k3, channels, cut.period, 0);
  const float *p1 = c1.data(), *p2 = c2.data(), *p3 = c3.data();
  parallel(cut.chunks, [&](int64_t chunk) {
    cut.eachRow(chunk, [&](int64_t at, int64_t length) {
      const float *g = gated + at, *xs = x + at;
      float *o = out + at;
      for (int64_t i = 0; i < length; ++i) o[i] = g[i] * p1[i] + xs[i] * p2[i] + p3[i];
    });
  });
}

} // namespace triton::trainer
