// `triton bench`: latency of a network with its spread.
#include "Inputs.h"
#include "Session.h"
#include "triton/Support/Statistics.h"

#include <fmt/format.h>

namespace triton::driver {

int runBench(const Arguments &arguments) {
  if (arguments.positional.size() != 1)
    return fail(arguments, Error{"bench needs one file: triton bench M.tern", ErrorKind::Usage});
  Result<int64_t> threads = arguments.number(OptionId::Threads, 1, 1, TRI_MAX_THREADS);
  if (!threads) return fail(arguments, threads.error());
  Result<int64_t> batch = arguments.get(OptionId::Batch) == "dynamic" ? Result<int64_t>(int64_t(1))
                                                                      : arguments.number(OptionId::Batch, 1, 1, 1 << 20);
  if (!batch) return fail(arguments, batch.error());
  Result<int64_t> warmup = arguments.number(OptionId::Warmup, 100, 0, 1000000000);
  if (!warmup) return fail(arguments, warmup.error());
  Result<int64_t> iterations = arguments.number(OptionId::Iterations, 1000, 1, 1000000000);
  if (!iterations) return fail(arguments, iterations.error());

  Result<OpenModel> model = openModel(arguments, arguments.positional[0]);
  if (!model) return model.error().message.empty() ? int(kInputAtFault) : fail(arguments, model.error());
  Result<Runner> runner = runnerWithInputs(arguments, *model, int(*threads), *batch);
  if (!runner) return fail(arguments, runner.error());

  using Clock = Timing::Clock;
  auto timed = [&](double &ms) -> Result<void> {
    Clock::time_point start = Clock::now();
    Result<void> done = runner->run();
    ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    return done;
  };
  double firstMs = 0;
  if (Result<void> done = timed(firstMs); !done) return fail(arguments, done.error());
  std::vector<double> samples(static_cast<size_t>(*iterations));
  {
    Progress progress(arguments, "bench", uint64_t(*warmup + *iterations));
    double ms = 0;
    for (int64_t i = 0; i < *warmup; ++i)
      if (Result<void> done = timed(ms); !done) return fail(arguments, done.error());
    for (int64_t i = 0; i < *iterations; ++i) {
      if (Result<void> done = timed(samples[size_t(i)]); !done) return fail(arguments, done.error());
      if (i % 64 == 0) progress.update(uint64_t(*warmup + i));
    }
  }
  Spread s = spreadOf(samples);
  double macs = double(model->entryInfo.macs_per_batch) * double(*batch);
  json::Object o;
  o.append("model", std::string(model->info.name));
  o.append("opt", int64_t(model->info.opt_level));
  o.append("variant", model->variant());
  o.append("threads", *threads);
  o.append("batch", *batch);
  o.append("input", arguments.has(OptionId::Input) ? "given" : "pattern");
  o.append("warmup", *warmup);
  o.append("iterations", *iterations);
  o.append("mean_ms", s.mean);
  o.append("median_ms", s.median);
  o.append("min_ms", s.min);
  o.append("p95_ms", s.p95);
  o.append("p99_ms", s.p99);
  o.append("ci95_ms", json::Array{s.ciLow, s.ciHigh});
  o.append("macs", int64_t(macs));
  o.append("gmacs_per_s", macs / (s.median * 1e6));
  o.append("artifact_bytes", int64_t(model->info.file_bytes));
  o.append("weights_bytes", int64_t(model->info.weights_bytes));
  o.append("workspace_bytes", int64_t(runner->workspaceBytes()));
  o.append("load_ms", model->loadMs);
  o.append("first_run_ms", firstMs);
  if (arguments.has(OptionId::Json)) {
    printJson(o);
    return kDone;
  }
  fmt::print("{}: -O{}, {}, {} thread{}, batch {}\n", model->info.name, model->info.opt_level, model->variant(), *threads,
             *threads == 1 ? "" : "s", *batch);
  fmt::print("  median {:.4f} ms   mean {:.4f} (95 % {:.4f}..{:.4f})   min {:.4f}   p95 {:.4f}   p99 {:.4f}\n", s.median, s.mean,
             s.ciLow, s.ciHigh, s.min, s.p95, s.p99);
  fmt::print("  {:.3f} M MAC, {:.1f} G MAC/s   ({} runs after {})\n", macs / 1e6, macs / (s.median * 1e6), *iterations, *warmup);
  fmt::print("  artifact {} B, weights {} B, workspace {} B; load {:.2f} ms, first run {:.3f} ms\n", model->info.file_bytes,
             model->info.weights_bytes, runner->workspaceBytes(), model->loadMs, firstMs);
  return kDone;
}

} // namespace triton::driver
