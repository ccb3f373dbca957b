// The memory-bound middle of a training step: batch norm, residual, ReLU and 8-bit fake quantisation in two passes over the
// data forwards and two backwards. Plain C++ on float arrays, no LibTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace triton::trainer {

/// Calls body(i) for i in 0..n, in any order and possibly on several threads.
using ParallelFor = std::function<void(int64_t n, const std::function<void(int64_t)> &body)>;

/// What happens to each element z = x * a[c] + b[c] (+ residual), where c is the index modulo `channels`.
struct Epilogue {
  int64_t channels = 1;
  bool relu = false;
  bool quantize = false;
  float scale = 1, lo = 0, hi = 0; ///< clamp(rne(z * fl(1/scale)), lo, hi) * scale
};

/// Sums of x and x^2 per channel.
void channelSums(const float *x, int64_t n, int64_t channels, double *sum, double *squares, const ParallelFor &parallel);

/// y = epilogue(x * a + b + residual). `residual` may be null; y may be x.
void forwardEpilogue(const float *x, const float *residual, float *y, int64_t n, const Epilogue &e, const float *a,
                     const float *b, const ParallelFor &parallel);

struct BackwardSums {
  std::vector<double> grad;  ///< per channel: sum of the gated gradient
  std::vector<double> gradX; ///< per channel: sum of the gated gradient times x
  double scale = 0;          ///< gradient of the quantiser's scale (section 10's formula with a straight-through estimator)
};

/// Writes the gradient of z (the incoming one where the epilogue lets it through, else 0) and sums it up.
BackwardSums backwardGate(const float *x, const float *residual, const float *grad, float *gated, int64_t n, const Epilogue &e,
                          const float *a, const float *b, const ParallelFor &parallel);

/// out = gated * k1[c] + x * k2[c] + k3[c]; out may be gated.
void affineOfTwo(const float *gated, const float *x, float *out, int64_t n, int64_t channels, const float *k1, const float *k2,
                 const float *k3, const ParallelFor &parallel);

} // namespace triton::trainer
