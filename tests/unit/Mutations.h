// Mutated files for tests of readers: thousands in an ordinary run, with a fixed seed; for as long as TRITON_DSL_FUZZ_SECONDS says otherwise.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <random>
#include <string>

namespace triton::tests {

/// Counts the runs of one fuzzer and says when it is enough.
class Fuzz {
public:
  explicit Fuzz(size_t least) : least(least), longer(std::getenv("TRITON_DSL_FUZZ_SECONDS")), random(longer ? std::random_device{}() : 1) {}

  bool more() {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (runs >= least && seconds >= (longer ? std::atof(longer) : 0)) {
      if (longer) std::printf("%zu mutations, %zu accepted\n", runs, accepted);
      return false;
    }
    ++runs;
    return true;
  }

  size_t below(size_t n) { return n ? static_cast<size_t>(random() % n) : 0; }

  /// One to four edits: bytes, bits, deletions, repeats, numbers at the edges, a cut.
  std::string mutated(std::string seed) {
    for (size_t edits = 1 + below(4); edits-- > 0 && !seed.empty();) {
      const size_t at = below(seed.size());
      switch (below(6)) {
      case 0: seed[at] = static_cast<char>(random()); break;
      case 1: seed[at] = static_cast<char>(seed[at] ^ (1 << below(8))); break;
      case 2: seed.erase(at, 1 + below(8)); break;
      case 3: seed.insert(at, seed.substr(below(seed.size()), 1 + below(24))); break;
      case 4: {
        static constexpr uint64_t numbers[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, uint64_t(1) << 62, ~uint64_t(0)};
        const uint64_t value = numbers[below(std::size(numbers))];
        const size_t width = size_t(1) << below(4);
        std::string number;
        for (size_t b = 0; b < width; ++b) number += static_cast<char>(value >> (8 * b));
        if (below(2)) number.assign(number.rbegin(), number.rend());
        seed.replace(at, std::min(number.size(), seed.size() - at), number);
        break;
      }
      default: seed.resize(at); break;
      }
    }
    return seed;
  }

  size_t runs = 0, accepted = 0;

private:
  size_t least;
  const char *longer;
  std::mt19937_64 random;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

} // namespace triton::tests
