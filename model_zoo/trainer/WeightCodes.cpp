#include "WeightCodes.h"

#include <algorithm>
#include <cmath>

namespace triton::trainer {

uint64_t splitMix(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325ull;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return hash;
}

bool hasCodes(const ParamInfo &param) {
  return param.storage == "trit" || param.storage == "int8" || param.storage == "int4";
}

std::vector<int64_t> scaleShape(const ParamInfo &param) {
  int64_t count = 1;
  for (int64_t s : param.shape) count *= s;
  int64_t channels = param.shape.empty() ? 1 : param.shape[static_cast<size_t>(param.channelAxis)];
  if (param.storage != "trit" || param.scale == "per_channel") return {channels};
  if (param.scale == "per_tensor") return {};
  return {channels, count / channels / param.group};
}

/// rne of a double that is small enough for int64.
static double roundEven(double v) { return std::nearbyint(v); }

static void ternaryRow(const double *w, int64_t n, const ParamInfo &param, int8_t *codes, float *scale, const float *delta,
                       const float *learned, uint64_t seed, uint64_t first) {
  double sum = 0, largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    sum += std::fabs(w[i]);
    largest = std::max(largest, std::fabs(w[i]));
  }
  double mean = sum / static_cast<double>(n);
  auto sign = [](double v) { return static_cast<int8_t>(v > 0 ? 1 : v < 0 ? -1 : 0); };
  if (param.method == "absmean") {
    double s = mean == 0 ? 1 : mean;
    for (int64_t i = 0; i < n; ++i) codes[i] = static_cast<int8_t>(std::clamp(roundEven(w[i] / s), -1.0, 1.0));
    *scale = static_cast<float>(s);
    return;
  }
  if (param.method == "stochastic") {
    double s = largest == 0 ? 1 : largest;
    for (int64_t i = 0; i < n; ++i) {
      // The draw of random_ternary with the probability of a zero, 1 - |w| / s.
      auto u = splitMix(seed, first + static_cast<uint64_t>(i)) >> 11;
      codes[i] = u < static_cast<uint64_t>((1 - std::fabs(w[i]) / s) * 0x1p53) ? int8_t(0) : sign(w[i]);
    }
    *scale = static_cast<float>(s);
    return;
  }
  double threshold = param.method == "learned" ? *delta : param.method == "fixed" ? param.threshold : param.threshold * mean;
  double kept = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    codes[i] = std::fabs(w[i]) > threshold ? sign(w[i]) : int8_t(0);
    if (codes[i] != 0) {
      kept += std::fabs(w[i]);
      ++count;
    }
  }
  *scale = param.method == "learned" ? *learned : static_cast<float>(count ? kept / static_cast<double>(count) : 1.0);
}

WeightCodes quantizeWeights(const float *weights, int64_t count, const ParamInfo &param, const float *delta, const float *scale,
                            uint64_t seed) {
  WeightCodes out;
  int64_t rows = 1;
  for (int64_t s : scaleShape(param)) rows *= s;
  out.rows = rows;
  out.cols = count / rows;
  out.codes.resize(static_cast<size_t>(count));
  out.scales.resize(static_cast<size_t>(rows));
  std::vector<double> row(static_cast<size_t>(out.cols));
  for (int64_t r = 0; r < rows; ++r) {
    const float *w = weights + r * out.cols;
    int8_t *codes = out.codes.data() + r * out.cols;
    for (int64_t i = 0; i < out.cols; ++i) row[static_cast<size_t>(i)] = w[i];
    if (param.storage == "trit") {
      ternaryRow(row.data(), out.cols, param, codes, &out.scales[static_cast<size_t>(r)], delta ? delta + r : nullptr,
                 scale ? scale + r : nullptr, seed, static_cast<uint64_t>(r * out.cols));
      continue;
    }
    double limit = param.storage == "int4" ? 7 : 127, largest = 0;
    for (double v : row) largest = std::max(largest, std::fabs(v));
    double s = largest == 0 ? 1 : largest / limit;
    for (int64_t i = 0; i < out.cols; ++i)
      codes[i] = static_cast<int8_t>(std::clamp(roundEven(row[static_cast<size_t>(i)] / s), -limit, limit));
    out.scales[static_cast<size_t>(r)] = static_cast<float>(s);
  }
  return out;
}

} // namespace triton::trainer
