// Programs compiled in this process for a benchmark, with random weights.
#pragma once

#include "Inputs.h"
#include "Session.h"
#include "triton/Peaks/Peaks.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace triton::bench {

/// A compiled program with a session whose inputs are filled. Its address must not change: the runner points into it.
class Compiled {
public:
  /// Compiles `path` with compile-time values `defines` ("NAME=VALUE"). Errors are printed; null then.
  static std::unique_ptr<Compiled> create(const std::string &path, const std::vector<std::string> &defines, int64_t batch, int threads);

  /// One run; false if it failed. Fills the nanoseconds of the steps.
  bool run();
  /// The nanoseconds of the last run in the steps of layer `key`, or in all steps if it is empty.
  uint64_t nanosOf(const std::string &key) const;
  uint64_t macsOf(const std::string &key) const;
  uint64_t bytesOf(const std::string &key) const; ///< activations, read and written

private:
  template <typename Get>
  uint64_t sum(const std::string &key, Get get) const;
  driver::OpenModel model;
  std::unique_ptr<driver::Runner> runner;
  std::vector<tri_step_info> steps;
  std::vector<uint64_t> nanos;
  int64_t batch = 1;
};

/// The -O level and the target that TRITON_DSL_BENCH_LEVEL and TRITON_DSL_BENCH_TARGET ask for (default 2, native).
std::string level();
std::string target();

/// The best integer ceiling for `threads` threads and the target, measured once.
const Peak *ceiling(unsigned threads);

} // namespace triton::bench
