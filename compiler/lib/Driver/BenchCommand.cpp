// `triton bench`: latency of a network with its spread.
#include "Session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace triton::driver {

namespace {
struct Spread {
  double mean, median, min, p95, p99, ciLow, ciHigh;
};
} // namespace

/// Statistics of samples in ms; sorts them. The interval is the normal approximation of the mean's 95 % confidence.
static Spread spreadOf(std::vector<double> &samples) {
  std::sort(samples.begin(), samples.end());
  double n = double(samples.size()), sum = 0, squares = 0;
  for (double s : samples) sum += s;
  double mean = sum / n;
  for (double s : samples) squares += (s - mean) * (s - mean);
  double half = n > 1 ? 1.96 * std::sqrt(squares / (n - 1) / n) : 0;
  auto at = [&](double q) { return samples[std::min(samples.size() - 1, size_t(std::ceil(q * n)) - (q > 0 ? 1 : 0))]; };
  double median = samples.size() % 2 ? samples[samples.size() / 2]
                                     : (samples[samples.size() / 2 - 1] + samples[samples.size() / 2]) / 2;
  return {mean, median, samples.front(), at(0.95), at(0.99), mean - half, mean + half};
}

/// Fills inputs with a fixed pseudo-random pattern: timings of integer kernels do not depend on values, but zeros would be
/// an unusual input all the same.
static void fillInput(PaddedBuffer &buffer, tri_dtype dtype) {
  uint64_t state = 0x9E3779B97F4A7C15;
  auto next = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  };
  if (dtype == TRI_FLOAT32) {
    for (size_t i = 0; i + 4 <= buffer.size(); i += 4) {
      float value = float(next() >> 40) / float(1 << 23) - 1.0f;
      std::memcpy(buffer.data() + i, &value, 4);
    }
  } else if (dtype == TRI_UINT8) {
    for (size_t i = 0; i < buffer.size(); ++i) buffer.data()[i] = uint8_t(next() >> 32);
  }
  // Other dtypes (indices, bools) keep zeros, which every network admits.
}

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
  Result<Runner> runner = Runner::create(*model, int(*threads), *batch);
  if (!runner) return fail(arguments, runner.error());
  for (size_t i = 0; i < model->inputs.size(); ++i) fillInput(runner->input(i), tri_dtype(model->inputs[i].dtypes[0]));

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
