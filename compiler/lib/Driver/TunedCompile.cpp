#include "TunedCompile.h"

#include "triton/Target/Machine.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace triton::driver {

Result<tuning::Outcome> compileTuned(const Arguments &arguments, const PipelineOptions &options, Pipeline &pipeline, cache::Store *records, Timing &timing) {
  tuning::Options how;
  for (const std::string &name : options.targets) {
    Result<TargetDesc> target = parseTarget(name);
    if (!target) return target.takeError();
    how.targets.push_back(std::move(*target));
  }
  bool quiet = arguments.has(OptionId::Quiet);
  how.machine = machineKind();
  how.compiler = options.objects.compilerId;
  how.store = records;
  how.budgetSeconds = options.tuneBudgetSeconds;
  if (isatty(STDERR_FILENO) && !quiet && !arguments.has(OptionId::Json))
    how.progress = [](const std::string &text) { fmt::print(stderr, "\r\x1b[K{}", text); };
  Result<tuning::Outcome> out = tuning::tune(how, [&](const std::vector<TargetDesc> &targets, const ChooseProduct &choose, bool isTry) {
    return pipeline.compile(targets, choose, isTry);
  });
  if (!out) return out.takeError();
  timing.add("tune", out->tuneMs);
  if (quiet) return out;
  for (const std::string &note : out->notes) fmt::print(stderr, "triton: note: {}\n", note);
  if (out->left > 0 || arguments.has(OptionId::Verbose))
    fmt::print(stderr, "triton: note: tuning: {} products measured, {} from records, {} left to the cost model{}\n", out->measured, out->recorded, out->left,
               out->left == 0                 ? ""
               : how.budgetSeconds == 0       ? " (--tune-budget 0 measures nothing)"
               : !out->notes.empty()          ? ""
                                              : " (the budget is over; the next compile goes on)");
  return out;
}

} // namespace triton::driver
