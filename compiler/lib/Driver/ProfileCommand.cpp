// `triton profile`: where the time of a network goes.
#include "Inputs.h"
#include "ProfileReport.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

namespace triton::driver {

/// The steps of the entry point with everything but their times.
static Result<std::vector<ProfileStep>> describeSteps(const OpenModel &model, int64_t batch) {
  std::vector<ProfileStep> out;
  const std::string suffix = "_" + model.variant(); // says nothing within one variant
  for (uint32_t i = 0; i < model.entryInfo.steps; ++i) {
    tri_step_info info{};
    const void *code = nullptr;
    uint64_t codeBytes = 0;
    if (tri_model_get_step(model.model.get(), model.entry, i, &info) != TRI_OK ||
        tri_model_get_step_code(model.model.get(), model.entry, i, &code, &codeBytes) != TRI_OK)
      return Error{model.path + ": a step cannot be read", ErrorKind::Internal};
    ProfileStep step;
    step.name = info.name;
    if (step.name.ends_with(suffix)) step.name.resize(step.name.size() - suffix.size());
    step.layer = info.layer;
    step.macs = info.macs_per_batch * uint64_t(batch);
    step.activationBytes = info.bytes_per_batch * uint64_t(batch);
    step.codeBytes = codeBytes;
    out.push_back(std::move(step));
  }
  return out;
}

/// Runs and keeps the times of every step and of whole runs. Steps that never ran (they are for another dtype) are dropped.
static Result<void> measure(const Arguments &arguments, Runner &runner, Profile &profile) {
  std::vector<uint64_t> times(profile.steps.size());
  std::vector<std::vector<double>> samples(profile.steps.size());
  std::vector<double> totals;
  runner.setProfile(times);
  Progress progress(arguments, "profile", uint64_t(profile.warmup + profile.iterations));
  for (int64_t i = -profile.warmup; i < profile.iterations; ++i) {
    std::fill(times.begin(), times.end(), 0);
    const Timing::Clock::time_point start = Timing::Clock::now();
    if (Result<void> done = runner.run(profile.batch); !done) return done;
    const double ms = std::chrono::duration<double, std::milli>(Timing::Clock::now() - start).count();
    if (i % 64 == 0) progress.update(uint64_t(i + profile.warmup));
    if (i < 0) continue;
    totals.push_back(ms);
    for (size_t s = 0; s < times.size(); ++s) samples[s].push_back(double(times[s]) * 1e-6);
  }
  profile.total = spreadOf(std::move(totals));
  std::vector<ProfileStep> ran;
  for (size_t s = 0; s < samples.size(); ++s) {
    profile.steps[s].ms = spreadOf(std::move(samples[s]));
    if (profile.steps[s].ms.max > 0) ran.push_back(std::move(profile.steps[s]));
  }
  profile.steps = std::move(ran);
  return {};
}

int runProfile(const Arguments &arguments) {
  if (arguments.positional.size() != 1)
    return fail(arguments, Error{"profile needs one file: triton profile M.tern", ErrorKind::Usage});
  Profile profile;
  struct {
    OptionId id;
    int64_t fallback, lo, hi;
    int64_t *value;
  } numbers[] = {{OptionId::Threads, 1, 1, TRI_MAX_THREADS, &profile.threads},
                 {OptionId::Batch, 1, 1, 1 << 20, &profile.batch},
                 {OptionId::Warmup, 100, 0, 1000000000, &profile.warmup},
                 {OptionId::Iterations, 1000, 1, 10000000, &profile.iterations}};
  for (auto &number : numbers) {
    if (number.id == OptionId::Batch && arguments.get(OptionId::Batch) == "dynamic") continue;
    Result<int64_t> value = arguments.number(number.id, number.fallback, number.lo, number.hi);
    if (!value) return fail(arguments, value.error());
    *number.value = *value;
  }
  const std::string &path = arguments.positional[0];
  std::vector<uint8_t> bytes;
  Result<OpenModel> model = openModel(arguments, path, &bytes);
  if (!model) return model.error().message.empty() ? int(kInputAtFault) : fail(arguments, model.error());
  Result<VariantDetails> details = variantDetails(bytes, uint32_t(model->info.loaded_variant), path);
  if (!details) return fail(arguments, details.error());
  tri_variant_info variant{};
  if (tri_model_get_variant(model->model.get(), uint32_t(model->info.loaded_variant), &variant) != TRI_OK)
    return fail(arguments, Error{path + ": the loaded variant cannot be read", ErrorKind::Internal});
  profile.model = model->info.name;
  profile.variant = model->variant();
  profile.variantFeatures = variant.features;
  profile.optLevel = model->info.opt_level;
  profile.choices = std::move(details->choices);
  if (!arguments.has(OptionId::NoPeaks)) {
    PeakOptions options;
    options.threads = unsigned(profile.threads);
    profile.peaks = measurePeaks(options);
  }
  profile.input = arguments.has(OptionId::Input) ? "given" : "pattern";
  Result<Runner> runner = runnerWithInputs(arguments, *model, int(profile.threads), profile.batch);
  if (!runner) return fail(arguments, runner.error());
  Result<std::vector<ProfileStep>> steps = describeSteps(*model, profile.batch);
  if (!steps) return fail(arguments, steps.error());
  profile.steps = std::move(*steps);
  assignWeightBytes(profile.steps, details->blobs);
  if (Result<void> done = measure(arguments, *runner, profile); !done) return fail(arguments, done.error());
  if (arguments.has(OptionId::Html))
    if (Result<void> done = writeFileAtomically(arguments.get(OptionId::Html), profileHtml(profile)); !done)
      return fail(arguments, done.error());
  if (arguments.has(OptionId::Json))
    printJson(profileJson(profile));
  else
    fmt::print("{}", profileText(profile));
  return kDone;
}

} // namespace triton::driver
