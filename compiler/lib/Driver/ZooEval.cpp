// `triton zoo eval`: a zoo network on its test images, through the compiled artifact or the reference interpreter.
#include "Compile.h"
#include "Session.h"
#include "Zoo.h"
#include "triton/Driver/Pipeline.h"
#include "triton/Support/Sha256.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

namespace triton::driver {

namespace {
/// Class ids for the images [first, first + count); false when it failed (the error is kept).
using Predictor = std::function<Result<void>(size_t first, size_t count, uint16_t *classes)>;
} // namespace

static uint16_t largest(const float *logits, size_t classes) {
  // The first of equals, as argmax of the language.
  return uint16_t(std::max_element(logits, logits + classes) - logits);
}

/// The index of the output to rate: an int32 output of rank 1 is the class, else the first float32 one of rank 2 holds logits.
static Result<size_t> ratedOutput(const OpenModel &model) {
  for (size_t i = 0; i < model.outputs.size(); ++i)
    if (model.outputs[i].dtypes[0] == TRI_FLOAT32 && model.outputs[i].rank == 2) return i;
  return Error{model.path + ": no output of logits [N, classes] to rate"};
}

static Error datasetMismatch(const zoo::ImageSet &images, const std::string &path) {
  return Error{fmt::format("{}: its input does not take images of {} x {} pixels", path, images.height, images.width)};
}

Result<EvalResult> evaluate(const Arguments &arguments, const zoo::ZooModel &zooModel, const zoo::ImageSet &images,
                            unsigned threads) {
  EvalResult out;
  Arguments compileArguments = arguments;
  if (!arguments.has(OptionId::Weights)) compileArguments.values[OptionId::Weights] = {zooModel.weights};
  compileArguments.values.erase(OptionId::Batch);
  Timing timing;
  Result<CompiledArtifact> artifact = compileFile(compileArguments, zooModel.program, timing);
  if (!artifact) return artifact.takeError();
  printWarnings(arguments, artifact->report.summary);
  out.compileMs = timing.totalMs();
  Result<OpenModel> model = openArtifact(arguments, artifact->bytes, zooModel.name);
  if (!model) return model.takeError();
  out.info = model->info;
  out.variant = model->variant();
  out.optLevel = model->info.opt_level;
  out.macs = model->entryInfo.macs_per_batch;
  Result<size_t> rated = ratedOutput(*model);
  if (!rated) return rated.takeError();
  size_t pixels = size_t(images.height) * images.width;
  if (model->inputs.size() != 1 || size_t(elementCount(model->inputs[0], 1)) != pixels)
    return datasetMismatch(images, zooModel.program);
  size_t classes = size_t(elementCount(model->outputs[*rated], 1));

  Result<int64_t> limit = arguments.number(OptionId::Limit, images.count, 1, images.count);
  if (!limit) return limit.takeError();
  out.images = size_t(*limit);
  out.classes.resize(out.images);
  Progress progress(arguments, zooModel.name, out.images);

  if (arguments.has(OptionId::Oracle)) {
    Result<OracleModel> oracle = openOracle(compileArguments, zooModel.program);
    if (!oracle) return oracle.takeError();
    out.variant = "oracle";
    // The interpreter is slow and thread-safe: images are shared out among threads.
    std::atomic<size_t> next{0}, done{0};
    std::mutex mutex;
    std::optional<Error> error;
    auto start = Timing::Clock::now();
    auto work = [&] {
      for (size_t i; (i = next.fetch_add(1)) < out.images;) {
        HostTensor image;
        image.type = ElementType::U8;
        image.shape = {1, 1, images.height, images.width};
        if (model->inputs[0].rank == 2) image.shape = {1, int64_t(pixels)};
        image.bytes.assign(images.image(i), images.image(i) + pixels);
        Result<std::vector<HostTensor>> result = oracle->pipeline->interpret({image});
        std::lock_guard lock(mutex);
        if (!result) {
          error = result.takeError();
          next = out.images;
          return;
        }
        std::vector<float> logits = (*result)[*rated].as<float>();
        out.classes[i] = largest(logits.data(), logits.size());
        progress.update(++done);
      }
    };
    std::vector<std::thread> pool;
    for (unsigned t = 1; t < threads; ++t) pool.emplace_back(work);
    work();
    for (std::thread &t : pool) t.join();
    if (error) return std::move(*error);
    out.seconds = std::chrono::duration<double>(Timing::Clock::now() - start).count();
  } else {
    bool bytesAccepted = false;
    for (uint32_t d = 0; d < model->inputs[0].dtype_count; ++d) bytesAccepted |= model->inputs[0].dtypes[d] == TRI_UINT8;
    if (!bytesAccepted) return Error{zooModel.program + ": its input does not accept uint8 images"};
    Result<int64_t> batch = arguments.number(OptionId::Batch, 32, 1, 4096);
    if (!batch) return batch.takeError();
    Result<Runner> runner = Runner::create(*model, int(threads), *batch);
    if (!runner) return runner.takeError();
    runner->setInputDtype(0, TRI_UINT8);
    auto start = Timing::Clock::now();
    for (size_t first = 0; first < out.images; first += size_t(*batch)) {
      size_t count = std::min(size_t(*batch), out.images - first);
      std::memcpy(runner->input(0).data(), images.image(first), count * pixels);
      if (Result<void> ran = runner->run(int64_t(count)); !ran) return ran.takeError();
      const float *logits = reinterpret_cast<const float *>(runner->output(*rated).data());
      for (size_t i = 0; i < count; ++i) out.classes[first + i] = largest(logits + i * classes, classes);
      progress.update(first + count);
    }
    out.seconds = std::chrono::duration<double>(Timing::Clock::now() - start).count();
    // Latency is a figure of its own: single images, one after the other.
    Result<Runner> single = Runner::create(*model, int(threads), 1);
    if (!single) return single.takeError();
    single->setInputDtype(0, TRI_UINT8);
    std::vector<double> ms;
    for (size_t i = 0; i < std::min<size_t>(out.images, 300); ++i) {
      std::memcpy(single->input(0).data(), images.image(i), pixels);
      auto begin = Timing::Clock::now();
      if (Result<void> ran = single->run(); !ran) return ran.takeError();
      ms.push_back(std::chrono::duration<double, std::milli>(Timing::Clock::now() - begin).count());
    }
    std::sort(ms.begin(), ms.end());
    out.medianMs = ms[ms.size() / 2];
  }
  for (size_t i = 0; i < out.images; ++i) out.correct += out.classes[i] == images.labels[i];
  std::string ids;
  for (uint16_t c : out.classes) {
    ids += char(c & 0xff);
    if (classes > 256) ids += char(c >> 8);
  }
  out.predictionsSha256 = sha256Hex(ids);
  return out;
}

} // namespace triton::driver
