// Times of the ways of a target's open problems, taken in the network itself.
//
//   for way 1, 2, ...          the network with this way wherever there is one, beside the network of the cost model:
//     in turns                 both run, step by step timed; a problem's time is that of its steps
//   confirm                    the network of all the fastest ways beside that of the cost model: what is not clearly faster again is not taken
//
// So each layer finds its weights and activations where they are in use: what the layers before it left in the caches, its own weights
// wherever the rest of the network has pushed them.
#pragma once

#include "Compare.h"
#include "Program.h"

#include "triton/Tune/Tune.h"

#include <algorithm>
#include <chrono>

namespace triton::tuning {

using Clock = std::chrono::steady_clock;

/// One problem of one target, and what is known of it.
struct Problem {
  cache::Key key{};
  std::vector<std::string> ways;
  std::vector<size_t> steps;         ///< where it occurs
  std::vector<std::string> layers;   ///< the same, by key
  Record record;                     ///< ratios of 0 are not measured yet
  std::optional<cache::Key> stored;  ///< the digest of its record in the cache
  enum Source : uint8_t { FromModel, FromRecord, Measured } source = FromModel;
  bool touched = false;              ///< the record has become another
  bool isOpen() const { return source == FromModel; }
};

/// A target, and the problems of its products.
struct State {
  TargetDesc target;
  std::vector<Problem> problems;     ///< in the order of the steps
  std::string trouble;               ///< why nothing could be measured, or empty
  bool runsHere = false;

  Problem *find(const cache::Key &key) {
    for (Problem &problem : problems)
      if (problem.key == key) return &problem;
    return nullptr;
  }
  const Problem *ofStep(size_t step) const {
    for (const Problem &problem : problems)
      if (std::find(problem.steps.begin(), problem.steps.end(), step) != problem.steps.end()) return &problem;
    return nullptr;
  }
};

/// The index of a problem's way among those that are asked for: a try with another budget for code may have more. 0 if it is not there.
size_t indexOf(const std::string &way, const std::vector<std::string> &asked);

class Measurement {
public:
  Measurement(const Options &options, const Compile &compile, Clock::time_point deadline) : options(options), compile(compile), deadline(deadline) {}

  /// Measures the open problems of a target that runs here, until they are done or the time is over; true if any record changed. A program
  /// that does not run leaves `state.trouble`. Errors: those of `compile`, and ways that differ in a result.
  Result<bool> run(State &state);

private:
  /// Chooses `way(problem)` for every problem of `state`.
  Result<CompiledModel> compileWith(const State &state, const std::function<size_t(const Problem &)> &way) const;
  /// Runs the program of some ways beside `base` in turns: the ratio of each problem, and the least time of `base` in nanoseconds.
  struct Times {
    std::vector<double> ratios;
    std::vector<uint64_t> firstNs;
  };
  Result<Times> beside(Program &base, State &state, const std::string &what, const std::function<size_t(const Problem &)> &way);
  bool over(double seconds) const { return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)) > deadline; }

  const Options &options;
  const Compile &compile;
  Clock::time_point deadline;
};

} // namespace triton::tuning
