// What is said about a set of timings: the same words in every command and benchmark.
#pragma once

#include <vector>

namespace triton {

/// Statistics of samples. Percentiles are nearest-rank: the smallest sample that at least that share of all samples does not exceed.
struct Spread {
  double mean = 0, median = 0, min = 0, max = 0, p95 = 0, p99 = 0;
  double ciLow = 0, ciHigh = 0; ///< 95 % confidence of the mean, normal approximation; equal to it for one sample
};

/// The statistics of `samples`; all zero if there are none. A median of an even count is the mean of the two in the middle.
Spread spreadOf(std::vector<double> samples);

} // namespace triton
