// Did-you-mean: the candidate with the smallest edit distance.
#include "triton/Support/Diagnostics.h"

#include <algorithm>
#include <cstdlib>

namespace triton {

namespace {
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Optimal string alignment distance (insert, delete, replace, swap of neighbours), times two; a letter in the wrong case
/// costs half an edit.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = 2 * j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = 2 * i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t change = a[i - 1] == b[j - 1] ? 0 : lower(a[i - 1]) == lower(b[j - 1]) ? 1 : 2;
      current[j] = std::min({previous[j] + 2, current[j - 1] + 2, previous[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        current[j] = std::min(current[j], before[j - 2] + 2);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}
} // namespace

std::string nearestName(std::string_view name, const std::vector<std::string> &candidates) {
  // Longer names are no typing mistakes, and the table is quadratic.
  constexpr size_t longest = 64;
  if (name.empty() || name.size() > longest) return {};
  std::string best;
  size_t bestDistance = SIZE_MAX;
  for (const std::string &candidate : candidates) {
    if (candidate.empty() || candidate.size() > longest || candidate == name) continue;
    size_t length = std::max(name.size(), candidate.size());
    if (std::max(name.size(), candidate.size()) - std::min(name.size(), candidate.size()) > 3) continue;
    size_t d = distance(name, candidate);
    // One edit in three letters, at most three. Names of one or two letters match only when the case differs or the letters
    // are swapped.
    size_t allowed = length <= 2 ? 2 * (length - 1) : 2 * std::min<size_t>(3, std::max<size_t>(1, length / 3));
    if (d > allowed) continue;
    if (d < bestDistance || (d == bestDistance && candidate < best)) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best;
}

} // namespace triton
