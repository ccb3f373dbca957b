// The order of things: compile with what records say, measure what they do not say way by way, confirm, record, compile again.
#include "triton/Tune/Tune.h"

#include "Measure.h"

#include "artifact/cpu_features.h"

#include <algorithm>

namespace triton::tuning {

namespace {

/// All targets' problems while their choices are found.
class Tuner {
public:
  Tuner(const Options &options, const Compile &compile) : options(options), compile(compile) {
    for (const TargetDesc &target : options.targets) states.push_back({target, {}, {}, (tri_cpu_features() & target.features) == target.features});
  }

  Result<Outcome> run() {
    Outcome out;
    Result<CompiledModel> first = compile(options.targets, [this](const TargetDesc &t, const ProductProblem &p) { return discover(t, p); }, false);
    if (!first) return first.takeError();
    out.model = std::move(*first);
    Clock::time_point began = Clock::now();
    bool changed = false;
    if (options.budgetSeconds > 0) {
      Measurement measurement(options, compile, began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.budgetSeconds)));
      for (State &state : states) {
        if (!state.runsHere || std::none_of(state.problems.begin(), state.problems.end(), [](const Problem &p) { return p.isOpen(); })) continue;
        Result<bool> more = measurement.run(state);
        if (!more) return more.takeError();
        changed |= *more;
      }
      if (options.progress) options.progress("");
    }
    out.tuneMs = std::chrono::duration<double, std::milli>(Clock::now() - began).count();
    keepRecords();
    out.choose = [states = states](const TargetDesc &target, const ProductProblem &problem) { return decide(states, target, problem); };
    if (changed) {
      Result<CompiledModel> last = compile(options.targets, out.choose, false);
      if (!last) return last.takeError();
      // What this process compiled for its tries is no less compiled.
      for (size_t v = 0; v < last->variants.size(); ++v) {
        CompiledVariant &variant = last->variants[v];
        const CompiledVariant &before = out.model.variants[v];
        variant.unitsCompiled = std::min(variant.units, variant.unitsCompiled + before.unitsCompiled);
        for (size_t i = 0; i < variant.stepCompiled.size(); ++i) variant.stepCompiled[i] = variant.stepCompiled[i] || before.stepCompiled[i];
      }
      out.model = std::move(*last);
    }
    report(out);
    return out;
  }

private:
  ProductDecision discover(const TargetDesc &target, const ProductProblem &problem) {
    State &state = stateOf(target);
    cache::Key key = recordKey(options.machine, options.compiler, target, problem);
    Problem *known = state.find(key);
    if (!known) {
      Problem fresh;
      fresh.key = key;
      fresh.ways = problem.ways;
      fresh.record.ratios.assign(problem.ways.size(), 0);
      fresh.record.ratios[0] = 1;
      if (state.runsHere && options.store) lookUp(fresh);
      state.problems.push_back(std::move(fresh));
      known = &state.problems.back();
    }
    known->steps.push_back(problem.step);
    known->layers.emplace_back(problem.layer);
    return decisionOf(state, *known);
  }

  void lookUp(Problem &problem) {
    std::optional<cache::Blob> found = options.store->get(cache::EntryKind::Tuning, problem.key);
    if (!found) return;
    std::optional<Record> record = readRecord(found->text(), problem.ways);
    if (!record) {
      options.store->drop(cache::EntryKind::Tuning, problem.key);
      return;
    }
    problem.record = std::move(*record);
    problem.stored = cache::digestOf(found->text());
    if (problem.record.complete()) problem.source = Problem::FromRecord;
  }

  void keepRecords() {
    for (State &state : states)
      for (Problem &problem : state.problems) {
        if (!problem.touched) continue;
        std::string text = writeRecord(problem.record, problem.ways);
        if (options.store) options.store->put(cache::EntryKind::Tuning, problem.key, {reinterpret_cast<const uint8_t *>(text.data()), text.size()});
        problem.stored = cache::digestOf(text);
        // What is said and compiled comes from the record's own numbers, so that the next compile gives the same bytes.
        if (std::optional<Record> read = readRecord(text, problem.ways)) problem.record = std::move(*read);
      }
  }

  static ProductDecision decisionOf(const State &state, const Problem &problem) {
    ProductDecision decision;
    const Record &record = problem.record;
    decision.way = record.taken;
    if (!state.runsHere)
      decision.why = "not measured, since this code did not run where it was compiled";
    else if (!record.complete())
      decision.why = "not measured";
    else if (record.taken == 0)
      decision.why = "measured: no other of " + std::to_string(problem.ways.size()) + " ways is clearly faster";
    else
      decision.why = "measured: takes " + ratioText(record.ratios[record.taken]) + " of the time of " + problem.ways[0] + ", which the cost model would take";
    return decision;
  }

  static ProductDecision decide(const std::vector<State> &states, const TargetDesc &target, const ProductProblem &problem) {
    for (const State &state : states)
      if (state.target.name == target.name)
        if (const Problem *known = state.ofStep(problem.step)) return decisionOf(state, *known);
    return {};
  }

  State &stateOf(const TargetDesc &target) {
    return *std::find_if(states.begin(), states.end(), [&](const State &s) { return s.target.name == target.name; });
  }

  void report(Outcome &out) const {
    for (const State &state : states) {
      if (!state.runsHere) {
        out.notes.push_back(state.target.name + " does not run on this machine: its products are as the cost model chooses");
        out.text += state.target.name + " is not measured: this machine does not run it\n";
        continue;
      }
      if (!state.trouble.empty()) out.notes.push_back(state.target.name + " cannot be measured, its products are as the cost model chooses: " + state.trouble);
      out.text += state.target.name + " measured on " + options.machine.substr(0, options.machine.find(';')) + ":\n";
      for (const Problem &problem : state.problems) {
        unsigned &count = problem.source == Problem::FromRecord ? out.recorded : problem.source == Problem::Measured ? out.measured : out.left;
        ++count;
        out.text += describe(problem);
        // A state that cannot be measured will not be the next time either: only what is there may change.
        if (state.trouble.empty() || problem.stored)
          out.records.push_back({problem.key, problem.stored.value_or(cache::Key{}), problem.stored.has_value(), problem.isOpen() && state.trouble.empty()});
      }
    }
  }

  static std::string describe(const Problem &problem) {
    std::string text = "  " + problem.layers[0];
    if (problem.layers.size() > 1) text += " and " + std::to_string(problem.layers.size() - 1) + " like it";
    const Record &record = problem.record;
    text += problem.source == Problem::FromRecord ? " (record): " : problem.source == Problem::Measured ? " (measured): " : " (cost model): ";
    text += problem.ways[record.taken] + " taken";
    if (record.firstNs > 0) text += "; " + problem.ways[0] + " " + std::to_string(record.firstNs / 1000) + "." + std::to_string(record.firstNs / 100 % 10) + " us";
    for (size_t i = 1; i < problem.ways.size(); ++i)
      text += (i == 1 ? "; " : ", ") + problem.ways[i] + (record.ratios[i] > 0 ? " x " + ratioText(record.ratios[i]) : " not measured");
    return text + "\n";
  }

  const Options &options;
  const Compile &compile;
  std::vector<State> states;
};

} // namespace

Result<Outcome> tune(const Options &options, const Compile &compile) { return Tuner(options, compile).run(); }

} // namespace triton::tuning
