// From times to choices. Pure functions: what they say depends on the numbers alone.
#pragma once

#include "Record.h"

#include <cstdint>
#include <vector>

namespace triton::tuning {

/// A way is taken instead of the cost model's only if it needs less than this share of its time, twice.
inline constexpr double kClearlyFaster = 0.97;

/// Times of two programs that ran in turns: element i of both lists was taken one after the other.
struct Turns {
  std::vector<uint64_t> first, other;
};

/// The time of `other` beside that of `first`: the median of the turns' ratios or the ratio of the least times, whichever is greater. A machine that
/// is slower for a while is so for both programs of a turn; the least times are those that nothing disturbed. 0 without turns.
double ratioOf(const Turns &turns);

/// The index of the way to take: the least ratio if it is clearly below 1, else 0. Ways that were not measured (0) are not taken.
size_t fastestOf(const std::vector<double> &ratios);

} // namespace triton::tuning
