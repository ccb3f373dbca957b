#include "Compare.h"

#include <algorithm>

namespace triton::tuning {

double ratioOf(const Turns &turns) {
  size_t count = std::min(turns.first.size(), turns.other.size());
  if (count == 0) return 0;
  std::vector<double> ratios;
  for (size_t i = 0; i < count; ++i) ratios.push_back(double(std::max<uint64_t>(turns.other[i], 1)) / double(std::max<uint64_t>(turns.first[i], 1)));
  auto middle = ratios.begin() + std::ptrdiff_t(count / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  double least = double(std::max<uint64_t>(*std::min_element(turns.other.begin(), turns.other.end()), 1)) /
                 double(std::max<uint64_t>(*std::min_element(turns.first.begin(), turns.first.end()), 1));
  return std::max(*middle, least);
}

size_t fastestOf(const std::vector<double> &ratios) {
  size_t best = 0;
  double least = kClearlyFaster;
  for (size_t i = 1; i < ratios.size(); ++i)
    if (ratios[i] > 0 && ratios[i] < least) best = i, least = ratios[i];
  return best;
}

} // namespace triton::tuning
