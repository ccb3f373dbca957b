#include "CompileReport.h"

#include "Command.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <algorithm>

namespace triton::driver {

void printWarnings(const Arguments &arguments, const cache::CompileSummary &summary) {
  if (!arguments.has(OptionId::Quiet))
    for (const std::string &warning : summary.warnings) fmt::print(stderr, "triton: warning: {}\n", warning);
}

static std::string dependencyRule(const Arguments &arguments, const CompileReport &report) {
  std::string rule = report.output + ":";
  for (const std::string &file : report.files) rule += " \\\n  " + file;
  for (OptionId id : {OptionId::Weights, OptionId::Calibration})
    if (arguments.has(id)) rule += " \\\n  " + arguments.get(id);
  return rule + "\n";
}

static json::Object document(const CompileReport &report, const Timing &timing) {
  json::Array targets;
  for (size_t at = 0; at < report.summary.targets.size();) {
    size_t comma = std::min(report.summary.targets.find(',', at), report.summary.targets.size());
    targets.push_back(report.summary.targets.substr(at, comma - at));
    at = comma + 1;
  }
  json::Object o;
  o.append("file", report.path);
  o.append("lines", int64_t(report.lines));
  o.append("opt", int64_t(report.summary.optLevel));
  o.append("targets", std::move(targets));
  o.append("cache", report.cache);
  o.append("total_ms", timing.totalMs());
  o.append("stages", timing.json());
  o.append("peak_rss_bytes", int64_t(peakResidentBytes()));
  o.append("artifact", report.output);
  o.append("artifact_bytes", int64_t(report.summary.artifactBytes));
  o.append("layers", int64_t(report.summary.layers));
  o.append("layers_recompiled", int64_t(report.layersRecompiled));
  if (report.tuning) {
    json::Object tuning;
    tuning.append("measured", int64_t(report.tuning->measured));
    tuning.append("recorded", int64_t(report.tuning->recorded));
    tuning.append("left", int64_t(report.tuning->left));
    o.append("tuning", std::move(tuning));
  }
  return o;
}

int reportCompile(const Arguments &arguments, const CompileReport &report, const Timing &timing) {
  printWarnings(arguments, report.summary);
  if (arguments.has(OptionId::Trace))
    if (Result<void> done = writeFileAtomically(arguments.get(OptionId::Trace), timing.chromeTrace()); !done)
      return printError(arguments, done.error());
  if (arguments.has(OptionId::DepFile))
    if (Result<void> done = writeFileAtomically(arguments.get(OptionId::DepFile), dependencyRule(arguments, report)); !done)
      return printError(arguments, done.error());
  if (arguments.has(OptionId::Verbose)) fmt::print(stderr, "{}", report.summary.choices);
  if (arguments.has(OptionId::Json))
    printJson(document(report, timing));
  else if (arguments.has(OptionId::Timing))
    fmt::print(stderr, "{}", timing.table());
  return kDone;
}

} // namespace triton::driver
