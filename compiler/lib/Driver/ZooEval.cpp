// The measuring of `triton zoo eval`: a network on its test images, through the compiled artifact or the reference interpreter.
#include "Batches.h"
#include "Compile.h"
#include "Inputs.h"
#include "Session.h"
#include "Zoo.h"
#include "triton/Support/Sha256.h"
#include "triton/Support/Statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace triton::driver {

/// Forgets the peak of resident memory so far; false where the system cannot.
static bool resetPeakMemory() {
#ifdef __GLIBC__
  malloc_trim(0); // what the compiler freed is not the network's
#endif
  std::ofstream out("/proc/self/clear_refs");
  out << "5" << std::flush;
  return bool(out);
}

/// The peak of resident memory since resetPeakMemory; 0 if it is not known.
static uint64_t peakMemory() {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;)
    if (uint64_t kilobytes = 0; word == "VmHWM:" && in >> kilobytes) return kilobytes * 1024;
  return 0;
}

/// The index of the output to rate: the first float32 one of rank 2 holds logits.
static Result<size_t> ratedOutput(const OpenModel &model) {
  for (size_t i = 0; i < model.outputs.size(); ++i)
    if (model.outputs[i].dtypes[0] == TRI_FLOAT32 && model.outputs[i].rank == 2) return i;
  return Error{model.path + ": no output of logits [N, classes] to rate"};
}

/// Opens what is to be evaluated; a program is compiled first.
static Result<OpenModel> openForEval(const Arguments &arguments, const zoo::ZooModel &zooModel, EvalResult &out) {
  if (!zooModel.program.ends_with(".tri")) return openModel(arguments, zooModel.program);
  Timing timing;
  Result<CompiledArtifact> artifact = compileFile(arguments, zooModel.program, timing);
  if (!artifact) return artifact.takeError();
  printWarnings(arguments, artifact->report.summary);
  out.compileMs = timing.totalMs();
  return openArtifact(arguments, artifact->bytes, zooModel.name);
}

/// The data set that fits the model's only input.
static Result<std::unique_ptr<zoo::DataSet>> openData(const Arguments &arguments, const zoo::ZooModel &zooModel, const OpenModel &model, const std::string &folder,
                                                      size_t classes, unsigned threads) {
  std::optional<zoo::ImageShape> shape = model.inputs.size() == 1 ? imageShapeOf(model.inputs[0]) : std::nullopt;
  if (!shape) return Error{zooModel.program + ": networks are evaluated that take images and nothing else"};
  zoo::DataSetRequest request;
  request.name = zooModel.dataset;
  request.folder = folder;
  request.shape = *shape;
  request.classes = uint32_t(std::min<size_t>(classes, UINT32_MAX));
  request.bytesAccepted = accepts(model.inputs[0], TRI_UINT8);
  request.floatsAccepted = accepts(model.inputs[0], TRI_FLOAT32);
  request.preparation = zooModel.preparation;
  request.threads = threads;
  Result<std::optional<uint32_t>> resize = resizeOption(arguments);
  if (!resize) return resize.takeError();
  if (*resize) request.preparation.resize = **resize;
  return zoo::openDataSet(request);
}

namespace {
/// Rates logits, image after image.
class Rating {
public:
  Rating(EvalResult &out, size_t classes) : out(out), classes(classes) {}

  void add(const float *logits, uint16_t label) {
    // The first of equals, as argmax of the language; the order of equals counts for the five best too.
    out.classes.push_back(uint16_t(std::max_element(logits, logits + classes) - logits));
    out.labels.push_back(label);
    size_t before = 0;
    for (size_t c = 0; c < classes; ++c) before += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
    out.correct += out.classes.back() == label;
    out.correctTop5 += before < 5;
  }

private:
  EvalResult &out;
  size_t classes;
};
} // namespace

/// The logits of a batch by the interpreter, which is slow and thread-safe: images are shared out among threads.
static Result<std::vector<float>> interpret(const OracleModel &oracle, const zoo::DataSet &data, const TensorShape &shape, const zoo::Batch &batch,
                                            size_t rated, size_t classes, unsigned threads) {
  std::vector<float> logits(batch.count * classes);
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::optional<Error> error;
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < batch.count;) {
      HostTensor image;
      image.type = data.type;
      image.shape = shape;
      image.bytes.assign(batch.images.begin() + ptrdiff_t(i * data.imageBytes()), batch.images.begin() + ptrdiff_t((i + 1) * data.imageBytes()));
      Result<std::vector<HostTensor>> result = oracle.pipeline->interpret({image});
      std::lock_guard lock(mutex);
      if (!result) {
        error = result.takeError();
        next = batch.count;
        return;
      }
      const std::vector<float> row = (*result)[rated].as<float>();
      std::copy_n(row.begin(), std::min(row.size(), classes), logits.begin() + ptrdiff_t(i * classes));
    }
  };
  std::vector<std::thread> pool;
  for (unsigned t = 1; t < threads; ++t) pool.emplace_back(work);
  work();
  for (std::thread &t : pool) t.join();
  if (error) return std::move(*error);
  return logits;
}

/// Latency is a figure of its own: single images, one after the other; at most 300, and for networks that are slow ten seconds.
static Result<void> measureLatency(const OpenModel &model, const zoo::DataSet &data, const zoo::Batch &batch, unsigned threads, EvalResult &out) {
  Result<Runner> single = Runner::create(model, int(threads), 1);
  if (!single) return single.takeError();
  single->setInputDtype(0, data.type == ElementType::U8 ? TRI_UINT8 : TRI_FLOAT32);
  out.workspaceBytes = single->workspaceBytes();
  std::vector<double> ms;
  double total = 0;
  for (size_t i = 0; i < 300 && (i < 10 || total < 10000); ++i) {
    std::memcpy(single->input(0).data(), batch.images.data() + i % batch.count * data.imageBytes(), data.imageBytes());
    const auto begin = Timing::Clock::now();
    if (Result<void> ran = single->run(); !ran) return ran;
    ms.push_back(std::chrono::duration<double, std::milli>(Timing::Clock::now() - begin).count());
    total += ms.back();
  }
  const Spread spread = spreadOf(std::move(ms));
  out.medianMs = spread.median;
  out.p95Ms = spread.p95;
  return {};
}

Result<EvalResult> evaluate(const Arguments &arguments, const zoo::ZooModel &zooModel, const std::string &folder, unsigned threads) {
  EvalResult out;
  Arguments compileArguments = arguments;
  if (!arguments.has(OptionId::Weights) && !zooModel.weights.empty()) compileArguments.values[OptionId::Weights] = {zooModel.weights};
  compileArguments.values.erase(OptionId::Batch);
  Result<OpenModel> model = openForEval(compileArguments, zooModel, out);
  if (!model) return model.takeError();
  out.info = model->info;
  out.variant = model->variant();
  out.optLevel = model->info.opt_level;
  out.macs = model->entryInfo.macs_per_batch;
  Result<size_t> rated = ratedOutput(*model);
  if (!rated) return rated.takeError();
  const size_t classes = out.classCount = size_t(elementCount(model->outputs[*rated], 1));
  Result<std::unique_ptr<zoo::DataSet>> data = openData(arguments, zooModel, *model, folder, classes, threads);
  if (!data) return data.takeError();
  out.format = (*data)->format;
  out.folder = (*data)->folder;
  out.names = (*data)->classNames;
  if (model->entryInfo.labels == classes)
    for (size_t c = 0; c < classes; ++c) {
      if (c == 0) out.names.clear();
      const char *name = tri_model_get_label(model->model.get(), model->entry, uint32_t(c));
      out.names.push_back(name ? name : "");
    }

  Result<int64_t> limit = arguments.number(OptionId::Limit, int64_t((*data)->count), 1, int64_t((*data)->count));
  if (!limit) return limit.takeError();
  // An artifact may have been compiled for single images.
  const bool batched = model->inputs[0].rank > 0 && model->inputs[0].dims[0] < 0;
  Result<int64_t> batchSize = arguments.number(OptionId::Batch, batched ? 32 : 1, 1, batched ? 4096 : 1);
  if (!batchSize) return batchSize.takeError();
  out.images = size_t(*limit);
  const bool oracleAsked = arguments.has(OptionId::Oracle), peakKnown = resetPeakMemory();
  std::optional<OracleModel> oracle;
  std::optional<Runner> runner;
  if (oracleAsked) {
    Result<OracleModel> opened = openOracle(compileArguments, zooModel.program);
    if (!opened) return opened.takeError();
    oracle = std::move(*opened);
    out.variant = "oracle";
  } else {
    Result<Runner> made = Runner::create(*model, int(threads), *batchSize);
    if (!made) return made.takeError();
    runner = std::move(*made);
    runner->setInputDtype(0, (*data)->type == ElementType::U8 ? TRI_UINT8 : TRI_FLOAT32);
  }
  TensorShape oneImage;
  for (uint32_t d = 0; d < model->inputs[0].rank; ++d) oneImage.push_back(model->inputs[0].dims[d] < 0 ? 1 : model->inputs[0].dims[d]);

  Rating rating(out, classes);
  Progress progress(arguments, zooModel.name, out.images);
  zoo::Batch firstBatch;
  const auto start = Timing::Clock::now();
  auto seconds = [&] { return std::chrono::duration<double>(Timing::Clock::now() - start).count(); };
  {
    zoo::BatchReader reader(**data, size_t(*batchSize), out.images);
    while (true) {
      const double asked = seconds();
      Result<zoo::Batch> batch = reader.next();
      out.waitSeconds += seconds() - asked;
      if (!batch) return batch.takeError();
      if (batch->count == 0) break;
      std::vector<float> interpreted;
      const float *logits = nullptr;
      if (oracle) {
        Result<std::vector<float>> result = interpret(*oracle, **data, oneImage, *batch, *rated, classes, threads);
        if (!result) return result.takeError();
        interpreted = std::move(*result);
        logits = interpreted.data();
      } else {
        std::memcpy(runner->input(0).data(), batch->images.data(), batch->images.size());
        if (Result<void> ran = runner->run(int64_t(batch->count)); !ran) return ran.takeError();
        logits = reinterpret_cast<const float *>(runner->output(*rated).data());
      }
      for (size_t i = 0; i < batch->count; ++i) rating.add(logits + i * classes, batch->labels[i]);
      const size_t done = batch->first + batch->count;
      progress.update(done, fmt::format("{:.0f} images/s, accuracy {:.2f} %", double(done) / seconds(), 100 * double(out.correct) / double(done)));
      if (batch->first == 0)
        firstBatch = std::move(*batch);
      else
        reader.recycle(std::move(*batch));
    }
  }
  out.seconds = seconds();
  if (!oracle)
    if (Result<void> measured = measureLatency(*model, **data, firstBatch, threads, out); !measured) return measured.takeError();
  out.peakBytes = peakKnown ? peakMemory() : 0;

  std::string ids;
  for (uint16_t c : out.classes) {
    ids += char(c & 0xff);
    if (classes > 256) ids += char(c >> 8);
  }
  out.predictionsSha256 = sha256Hex(ids);
  return out;
}

std::vector<ClassResult> classResults(const EvalResult &result) {
  std::vector<ClassResult> out(result.classCount);
  for (size_t c = 0; c < out.size(); ++c) out[c].name = c < result.names.size() ? result.names[c] : std::to_string(c);
  for (size_t i = 0; i < result.labels.size(); ++i) {
    ++out[result.labels[i]].images;
    out[result.labels[i]].correct += result.classes[i] == result.labels[i];
  }
  return out;
}

std::vector<Confusion> confusions(const EvalResult &result) {
  std::map<std::pair<uint16_t, uint16_t>, uint64_t> counts;
  for (size_t i = 0; i < result.labels.size(); ++i) ++counts[{result.labels[i], result.classes[i]}];
  std::vector<Confusion> out;
  for (const auto &[pair, count] : counts) out.push_back({pair.first, pair.second, count});
  return out;
}

} // namespace triton::driver
