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

/// absmean and stochastic.
static void ternaryRow(const double *w, int64_t n, const ParamInfo &param, int8_t *codes, float *scale, uint64_t seed,
                       uint64_t first) {
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
  double s = largest == 0 ? 1 : largest;
  for (int64_t i = 0; i < n; ++i) {
    // The draw of random_ternary with the probability of a zero, 1 - |w| / s.
    auto u = splitMix(seed, first + static_cast<uint64_t>(i)) >> 11;
    codes[i] = u < static_cast<uint64_t>((1 - std::fabs(w[i]) / s) * 0x1p53) ? int8_t(0) : sign(w[i]);
  }
  *scale = static_cast<float>(s);
}

/// The sums of magnitudes of four rows in the order of section 10. Side by side, because in one row an addition waits for the one
/// before it.
static void sumMagnitudes(const float *const rows[4], int64_t n, double sums[4]) {
  const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
  double sa = 0, sb = 0, sc = 0, sd = 0;
  for (int64_t i = 0; i < n; ++i) {
    sa += std::fabs(a[i]);
    sb += std::fabs(b[i]);
    sc += std::fabs(c[i]);
    sd += std::fabs(d[i]);
  }
  sums[0] = sa;
  sums[1] = sb;
  sums[2] = sc;
  sums[3] = sd;
}

/// The methods that compare magnitudes with a threshold, for four rows. This runs in every step, so the loops are such that the compiler
/// makes vectors of them: a float is above the threshold if it is above the largest float that is not, and adding 0 changes no sum.
static void thresholdRows(const float *const w[4], int64_t n, const ParamInfo &param, int8_t *const codes[4], float *const scale[4],
                          const float *const delta[4], const float *const learned[4]) {
  double sum[4], kept[4];
  int64_t count[4];
  std::vector<float> scratch(static_cast<size_t>(4 * n));
  const float *keptRows[4];
  sumMagnitudes(w, n, sum);
  for (int64_t j = 0; j < 4; ++j) {
    double threshold = param.method == "learned" ? *delta[j] : param.method == "fixed" ? param.threshold : param.threshold * (sum[j] / static_cast<double>(n));
    auto bound = static_cast<float>(std::max(threshold, 0.0));
    if (bound > std::max(threshold, 0.0)) bound = std::nextafter(bound, 0.0f);
    const float *in = w[j];
    int8_t *__restrict out = codes[j];
    float *__restrict keep = scratch.data() + j * n;
    int32_t nonzero = 0;
    for (int64_t i = 0; i < n; ++i) {
      int32_t code = (in[i] > bound) - (in[i] < -bound);
      out[i] = static_cast<int8_t>(code);
      keep[i] = in[i] * static_cast<float>(code);
      nonzero += code * code;
    }
    count[j] = nonzero;
    keptRows[j] = keep;
  }
  sumMagnitudes(keptRows, n, kept);
  for (int64_t j = 0; j < 4; ++j)
    *scale[j] = param.method == "learned" ? *learned[j] : static_cast<float>(count[j] ? kept[j] / static_cast<double>(count[j]) : 1.0);
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
  if (param.storage == "trit" && param.method != "absmean" && param.method != "stochastic") {
    for (int64_t first = 0; first < rows; first += 4) {
      const float *w[4], *deltas[4], *learned[4];
      int8_t *codes[4];
      float *scales[4];
      for (int64_t j = 0; j < 4; ++j) {
        int64_t r = std::min(first + j, rows - 1); // The last row fills the last four.
        w[j] = weights + r * out.cols;
        codes[j] = out.codes.data() + r * out.cols;
        scales[j] = out.scales.data() + r;
        deltas[j] = delta ? delta + r : nullptr;
        learned[j] = scale ? scale + r : nullptr;
      }
      thresholdRows(w, out.cols, param, codes, scales, deltas, learned);
    }
    return out;
  }
  std::vector<double> row(static_cast<size_t>(out.cols));
  for (int64_t r = 0; r < rows; ++r) {
    const float *w = weights + r * out.cols;
    int8_t *codes = out.codes.data() + r * out.cols;
    for (int64_t i = 0; i < out.cols; ++i) row[static_cast<size_t>(i)] = w[i];
    if (param.storage == "trit") {
      ternaryRow(row.data(), out.cols, param, codes, &out.scales[static_cast<size_t>(r)], seed, static_cast<uint64_t>(r * out.cols));
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
