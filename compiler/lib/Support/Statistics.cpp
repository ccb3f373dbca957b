// Statistics of timings.
#include "triton/Support/Statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace triton {

Spread spreadOf(std::vector<double> samples) {
  Spread out;
  if (samples.empty()) return out;
  std::sort(samples.begin(), samples.end());
  const size_t n = samples.size();
  double sum = 0, squares = 0;
  for (double s : samples) sum += s;
  out.mean = sum / double(n);
  for (double s : samples) squares += (s - out.mean) * (s - out.mean);
  // 1.96 standard errors hold 95 % of a normal distribution; hundreds of timings are enough for their mean to be nearly normal.
  const double half = n > 1 ? 1.96 * std::sqrt(squares / double(n - 1) / double(n)) : 0;
  auto rank = [&](double share) { return samples[std::min(n - 1, size_t(std::max(1.0, std::ceil(share * double(n)))) - 1)]; };
  out.median = n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
  out.min = samples.front();
  out.max = samples.back();
  out.p95 = rank(0.95);
  out.p99 = rank(0.99);
  out.ciLow = out.mean - half;
  out.ciHigh = out.mean + half;
  return out;
}

} // namespace triton
