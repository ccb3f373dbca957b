#include "Measure.h"

#include <algorithm>

namespace triton::tuning {

namespace {

/// Turns of a comparison: at least so many, more while they take less than the time, never more than the most.
constexpr size_t kLeastTurns = 9, kMostTurns = 100;
constexpr std::chrono::milliseconds kTurnsTime{600};
/// Enough when the budget is over meanwhile.
constexpr size_t kHurriedTurns = 5;
/// A short program runs several times in its turn, so that it is measured with its own data in the caches and not with the other's.
constexpr std::chrono::microseconds kTurnTime{200};
constexpr int kMostRuns = 64;

/// One turn: the least time of each step.
Result<void> takeTurn(Program &program, std::vector<uint64_t> &least) {
  std::vector<uint64_t> times;
  Clock::time_point began = Clock::now();
  for (int run = 0; run == 0 || (run < kMostRuns && Clock::now() - began < kTurnTime); ++run) {
    if (Result<void> done = program.run(times); !done) return done;
    if (run == 0) least = times;
    for (size_t i = 0; i < times.size(); ++i) least[i] = std::min(least[i], times[i]);
  }
  return {};
}

uint64_t timeOf(const Problem &problem, const std::vector<uint64_t> &steps) {
  uint64_t sum = 0;
  for (size_t step : problem.steps) sum += steps[step];
  return sum;
}

} // namespace

size_t indexOf(const std::string &way, const std::vector<std::string> &asked) {
  auto found = std::find(asked.begin(), asked.end(), way);
  return found == asked.end() ? 0 : size_t(found - asked.begin());
}

Result<CompiledModel> Measurement::compileWith(const State &state, const std::function<size_t(const Problem &)> &way) const {
  return compile({state.target}, [&](const TargetDesc &, const ProductProblem &asked) {
    const Problem *problem = state.ofStep(asked.step);
    return problem ? ProductDecision{indexOf(problem->ways[way(*problem)], asked.ways), ""} : ProductDecision{};
  }, true);
}

Result<Measurement::Times> Measurement::beside(Program &base, State &state, const std::string &what, const std::function<size_t(const Problem &)> &way) {
  if (options.progress) options.progress("tuning for " + state.target.name + ": " + what);
  Result<CompiledModel> model = compileWith(state, way);
  if (!model) return model.takeError();
  auto trouble = [&](const Error &error) {
    state.trouble = error.message;
    return Times{};
  };
  Result<Program> other = Program::open(*model, state.target.name);
  if (!other) return trouble(other.error());
  std::vector<uint64_t> first, second;
  for (Program *program : {&base, &*other}) // also fetches what each reads for the first time
    if (Result<void> done = takeTurn(*program, first); !done) return trouble(done.error());
  if (base.outputs() != other->outputs())
    return Error{"tuning for " + state.target.name + ": " + what + " gives another result than the cost model's ways", ErrorKind::Internal};
  std::vector<Turns> turns(state.problems.size());
  Clock::time_point began = Clock::now();
  for (size_t n = 0; n < kMostTurns; ++n) {
    if (n >= kLeastTurns && Clock::now() - began >= kTurnsTime) break;
    if (n >= kHurriedTurns && over(0)) break;
    // Each goes first in every other turn.
    for (int half = 0; half < 2; ++half) {
      bool isBase = (half == 0) == (n % 2 == 0);
      if (Result<void> done = takeTurn(isBase ? base : *other, isBase ? first : second); !done) return trouble(done.error());
    }
    for (size_t i = 0; i < turns.size(); ++i) {
      turns[i].first.push_back(timeOf(state.problems[i], first));
      turns[i].other.push_back(timeOf(state.problems[i], second));
    }
  }
  Times times;
  for (size_t i = 0; i < turns.size(); ++i) {
    times.ratios.push_back(ratioOf(turns[i]));
    times.firstNs.push_back(*std::min_element(turns[i].first.begin(), turns[i].first.end()) / std::max<size_t>(state.problems[i].steps.size(), 1));
  }
  return times;
}

Result<bool> Measurement::run(State &state) {
  bool changed = false;
  auto isOpen = [](const Problem &problem, size_t way) { return problem.isOpen() && way < problem.ways.size() && problem.record.ratios[way] == 0; };
  size_t most = 0;
  for (const Problem &problem : state.problems) most = std::max(most, problem.ways.size());
  Result<CompiledModel> model = compileWith(state, [](const Problem &problem) { return problem.record.taken; });
  if (!model) return model.takeError();
  Result<Program> base = Program::open(*model, state.target.name);
  if (!base) {
    state.trouble = base.error().message;
    return false;
  }
  double longest = 0; // seconds of a way so far
  for (size_t way = 1; way < most; ++way) {
    if (std::none_of(state.problems.begin(), state.problems.end(), [&](const Problem &p) { return isOpen(p, way); })) continue;
    // Time for confirming must be left; but every compile with a budget measures something, so that repeating it gets to the end.
    if (longest > 0 && over(2 * longest)) break;
    Clock::time_point began = Clock::now();
    Result<Times> times = beside(*base, state, "way " + std::to_string(way) + " of " + std::to_string(most - 1),
                                 [&](const Problem &p) { return isOpen(p, way) ? way : p.record.taken; });
    if (!times) return times.takeError();
    if (times->ratios.empty()) return changed; // state.trouble says why
    for (size_t i = 0; i < state.problems.size(); ++i) {
      Problem &problem = state.problems[i];
      if (!isOpen(problem, way)) continue;
      problem.record.ratios[way] = std::max(times->ratios[i], 0.001);
      problem.record.firstNs = problem.record.firstNs ? std::min(problem.record.firstNs, times->firstNs[i]) : times->firstNs[i];
      problem.touched = changed = true;
    }
    longest = std::max(longest, std::chrono::duration<double>(Clock::now() - began).count());
  }
  auto winnerOf = [](const Problem &problem) {
    return problem.isOpen() && problem.record.complete() ? fastestOf(problem.record.ratios) : problem.record.taken;
  };
  if (std::any_of(state.problems.begin(), state.problems.end(), [&](const Problem &p) { return p.isOpen() && winnerOf(p) != 0; })) {
    Result<Times> times = beside(*base, state, "the fastest ways again", winnerOf);
    if (!times) return times.takeError();
    if (times->ratios.empty()) return changed;
    for (size_t i = 0; i < state.problems.size(); ++i) {
      Problem &problem = state.problems[i];
      size_t winner = winnerOf(problem);
      if (!problem.isOpen() || winner == 0) continue;
      double &ratio = problem.record.ratios[winner];
      ratio = std::max(ratio, times->ratios[i]);
      problem.record.taken = ratio < kClearlyFaster ? winner : 0;
    }
  }
  for (Problem &problem : state.problems)
    if (problem.isOpen() && problem.record.complete()) problem.source = Problem::Measured;
  return changed;
}

} // namespace triton::tuning
