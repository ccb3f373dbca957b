// Compiles through the same code as the program does.
#include "Compiled.h"

#include "triton/Target/TargetDesc.h"

#include <fmt/format.h>

#include <cstdlib>

namespace triton::bench {

static std::string fromEnvironment(const char *name, const char *fallback) {
  const char *value = std::getenv(name);
  return value && *value ? value : fallback;
}
std::string level() { return fromEnvironment("TRITON_DSL_BENCH_LEVEL", "2"); }
std::string target() { return fromEnvironment("TRITON_DSL_BENCH_TARGET", "native"); }

std::unique_ptr<Compiled> Compiled::create(const std::string &path, const std::vector<std::string> &defines, int64_t batch, int threads) {
  driver::Arguments arguments;
  arguments.command = "bench";
  arguments.values[driver::OptionId::RandomWeights] = {"1"};
  arguments.values[driver::OptionId::OptLevel] = {level()};
  arguments.values[driver::OptionId::Target] = {target()};
  arguments.values[driver::OptionId::Quiet] = {""};
  if (!defines.empty()) arguments.values[driver::OptionId::Define] = defines;
  auto out = std::make_unique<Compiled>();
  out->batch = batch;
  Result<driver::OpenModel> model = driver::openModel(arguments, path);
  if (!model) {
    fmt::print(stderr, "{}: {}\n", path, model.error().message);
    return nullptr;
  }
  out->model = std::move(*model);
  Result<driver::Runner> runner = driver::Runner::create(out->model, threads, batch);
  if (!runner) {
    fmt::print(stderr, "{}: {}\n", path, runner.error().message);
    return nullptr;
  }
  out->runner = std::make_unique<driver::Runner>(std::move(*runner));
  for (size_t i = 0; i < out->model.inputs.size(); ++i)
    driver::fillWithPattern(out->runner->input(i), tri_dtype(out->model.inputs[i].dtypes[0]));
  for (uint32_t i = 0; i < out->model.entryInfo.steps; ++i) {
    tri_step_info step{};
    if (tri_model_get_step(out->model.model.get(), out->model.entry, i, &step) != TRI_OK) return nullptr;
    out->steps.push_back(step);
  }
  out->nanos.resize(out->steps.size());
  out->runner->setProfile(out->nanos);
  return out;
}

bool Compiled::run() {
  Result<void> done = runner->run(batch);
  if (!done) fmt::print(stderr, "{}\n", done.error().message);
  return bool(done);
}

template <typename Get>
uint64_t Compiled::sum(const std::string &key, Get get) const {
  uint64_t total = 0;
  for (size_t i = 0; i < steps.size(); ++i)
    if (key.empty() || key == steps[i].layer) total += get(i);
  return total;
}

uint64_t Compiled::nanosOf(const std::string &key) const {
  return sum(key, [&](size_t i) { return nanos[i]; });
}
uint64_t Compiled::macsOf(const std::string &key) const {
  return sum(key, [&](size_t i) { return steps[i].macs_per_batch * uint64_t(batch); });
}
uint64_t Compiled::bytesOf(const std::string &key) const {
  return sum(key, [&](size_t i) { return steps[i].bytes_per_batch * uint64_t(batch); });
}

const Peak *ceiling(unsigned threads) {
  static std::map<unsigned, std::vector<Peak>> measured;
  auto found = measured.find(threads);
  if (found == measured.end()) {
    PeakOptions options;
    options.threads = threads;
    options.memory = false;
    found = measured.emplace(threads, measurePeaks(options)).first;
  }
  Result<TargetDesc> desc = parseTarget(target());
  return desc ? bestIntegerPeak(found->second, desc->features) : nullptr;
}

} // namespace triton::bench
