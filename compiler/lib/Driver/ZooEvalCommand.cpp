// `triton zoo eval`: what it takes, and what it prints.
#include "Zoo.h"
#include "triton/Support/Sha256.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <thread>

namespace triton::driver {

// A matrix of more classes is nearly all zeros; then the pairs that occurred are listed.
static constexpr size_t mostInMatrix = 100;

static json::Array classesJson(const EvalResult &r) {
  json::Array out;
  for (const ClassResult &c : classResults(r)) {
    json::Object o;
    o.append("name", c.name);
    o.append("images", int64_t(c.images));
    o.append("correct", int64_t(c.correct));
    o.append("accuracy", c.images ? json::Value(double(c.correct) / double(c.images)) : json::Value(nullptr));
    out.push_back(std::move(o));
  }
  return out;
}

static void appendConfusion(json::Object &o, const EvalResult &r) {
  const std::vector<Confusion> pairs = confusions(r);
  if (r.classCount <= mostInMatrix) {
    json::Array rows(r.classCount, json::Array(r.classCount, int64_t(0)));
    for (const Confusion &c : pairs) (*rows[c.label].asArray())[c.predicted] = int64_t(c.count);
    o.append("confusion", std::move(rows));
    o.append("confusion_pairs", nullptr);
    return;
  }
  json::Array list;
  for (const Confusion &c : pairs) list.push_back(json::Array{int(c.label), int(c.predicted), int64_t(c.count)});
  o.append("confusion", nullptr);
  o.append("confusion_pairs", std::move(list));
}

static json::Object report(const Arguments &arguments, const zoo::ZooModel &model, const EvalResult &r, const std::string &weightsSha256, int64_t threads) {
  auto orNull = [](bool known, json::Value value) { return known ? std::move(value) : json::Value(nullptr); };
  const bool timed = !arguments.has(OptionId::Oracle);
  json::Object o;
  o.append("model", model.name);
  o.append("dataset", orNull(!model.dataset.empty(), model.dataset));
  o.append("images", int64_t(r.images));
  o.append("accuracy", double(r.correct) / double(r.images));
  o.append("fp32_accuracy", model.fp32Accuracy ? json::Value(*model.fp32Accuracy) : json::Value(nullptr));
  o.append("correct", int64_t(r.correct));
  o.append("top5_accuracy", double(r.correctTop5) / double(r.images));
  o.append("top5_correct", int64_t(r.correctTop5));
  o.append("sparsity", r.info.weight_trits ? double(r.info.zero_trits) / double(r.info.weight_trits) : 0);
  o.append("bits_per_weight", r.info.parameters ? 8.0 * double(r.info.weights_bytes) / double(r.info.parameters) : 0);
  o.append("artifact_bytes", int64_t(r.info.file_bytes));
  o.append("weights_bytes", int64_t(r.info.weights_bytes));
  o.append("fp32_bytes", int64_t(r.info.fp32_bytes));
  o.append("arena_bytes", int64_t(r.info.arena_bytes));
  o.append("workspace_bytes", orNull(timed, int64_t(r.workspaceBytes)));
  o.append("peak_rss_bytes", orNull(r.peakBytes != 0, int64_t(r.peakBytes)));
  o.append("median_ms", orNull(timed, r.medianMs));
  o.append("p95_ms", orNull(timed, r.p95Ms));
  o.append("images_per_s", double(r.images) / r.seconds);
  o.append("seconds", r.seconds);
  o.append("data_wait_s", r.waitSeconds);
  o.append("weights_sha256", orNull(!weightsSha256.empty(), weightsSha256));
  o.append("predictions_sha256", r.predictionsSha256);
  o.append("variant", r.variant);
  o.append("opt", r.optLevel);
  o.append("threads", threads);
  o.append("compile_ms", r.compileMs);
  o.append("data_format", r.format);
  o.append("data_dir", r.folder);
  o.append("classes", classesJson(r));
  appendConfusion(o, r);
  return o;
}

static void print(const zoo::ZooModel &model, const EvalResult &r, bool timed, int64_t threads) {
  fmt::print("{} on {} test images of {} (-O{}, {}, {} threads)\n", model.name, r.images, model.dataset.empty() ? r.folder : model.dataset, r.optLevel,
             r.variant, threads);
  fmt::print("  accuracy   {:.2f} % ({} correct){}; top-5 {:.2f} %\n", 100 * double(r.correct) / double(r.images), r.correct,
             model.fp32Accuracy ? fmt::format(", its fp32 twin {:.2f} %", 100 * *model.fp32Accuracy) : "", 100 * double(r.correctTop5) / double(r.images));
  std::vector<ClassResult> classes = classResults(r);
  std::erase_if(classes, [](const ClassResult &c) { return c.images == 0; });
  std::stable_sort(classes.begin(), classes.end(), [](const ClassResult &a, const ClassResult &b) { return a.correct * b.images < b.correct * a.images; });
  std::string worst;
  for (size_t i = 0; i < std::min<size_t>(classes.size(), 3); ++i)
    worst += fmt::format("{}{} {:.1f} %", i ? ", " : "", classes[i].name, 100 * double(classes[i].correct) / double(classes[i].images));
  fmt::print("  classes    {}, the worst: {}\n", r.classCount, worst);
  if (timed)
    fmt::print("  latency    {:.3f} ms for one image (median), {:.0f} images/s in batches\n", r.medianMs, double(r.images) / r.seconds);
  fmt::print("  size       {} B artifact, of that {} B weights; as fp32 {} B ({:.1f}x); {:.2f} bits a parameter, {:.1f} % of trits are zero\n",
             r.info.file_bytes, r.info.weights_bytes, r.info.fp32_bytes,
             r.info.weights_bytes ? double(r.info.fp32_bytes) / double(r.info.weights_bytes) : 0,
             r.info.parameters ? 8.0 * double(r.info.weights_bytes) / double(r.info.parameters) : 0,
             r.info.weight_trits ? 100.0 * double(r.info.zero_trits) / double(r.info.weight_trits) : 0);
  if (timed)
    fmt::print("  memory     {} B weights as they are used, {} B workspace for one image{}\n", r.info.arena_bytes, r.workspaceBytes,
               r.peakBytes ? fmt::format("; at most {} B resident", r.peakBytes) : "");
  fmt::print("  predictions SHA-256 {}\n", r.predictionsSha256);
}

/// The network that the command names: one of the zoo, or a file.
static Result<zoo::ZooModel> namedModel(const std::string &name, const std::string &store) {
  if (!name.ends_with(".tri") && !name.ends_with(".tern")) return zoo::findZooModel(name, store);
  zoo::ZooModel model;
  model.name = std::filesystem::path(name).stem().string();
  model.program = name;
  return model;
}

int zooEval(const Arguments &arguments) {
  if (arguments.positional.size() != 2)
    return fail(arguments, Error{"zoo eval needs one network: triton zoo eval NAME ('triton zoo list' lists them)", ErrorKind::Usage});
  Result<int64_t> threads = arguments.number(OptionId::Threads, std::max(1u, std::thread::hardware_concurrency()), 1, TRI_MAX_THREADS);
  if (!threads) return fail(arguments, threads.error());
  Result<zoo::ZooModel> model = namedModel(arguments.positional[1], zooStore(arguments));
  if (!model) return fail(arguments, model.error());
  const bool ofZoo = !model->folder.empty(), weightsGiven = arguments.has(OptionId::Weights), artifact = model->program.ends_with(".tern");
  if (artifact && arguments.has(OptionId::Oracle))
    return fail(arguments, Error{"--oracle interprets a program: give the .tri file", ErrorKind::Usage});
  if (ofZoo && model->weights.empty() && !weightsGiven)
    return fail(arguments, Error{fmt::format("no weights of {} are here; {}", model->name, weightsAdvice(*model))});
  if (ofZoo && !weightsGiven)
    if (Result<void> intact = zoo::verifyWeights(*model); !intact) return fail(arguments, intact.error());
  std::string folder = arguments.get(OptionId::DataDir);
  if (ofZoo) {
    Result<std::string> found = zoo::findDatasetFolder(model->dataset, folder, zooStore(arguments));
    if (!found) return fail(arguments, found.error());
    folder = *found;
  } else if (folder.empty()) {
    return fail(arguments, Error{"zoo eval of a file needs --data-dir DIR, the folder of labelled images", ErrorKind::Usage});
  }
  Result<EvalResult> r = evaluate(arguments, *model, folder, unsigned(*threads));
  if (!r) return r.error().message.empty() ? int(kInputAtFault) : fail(arguments, r.error());

  std::string weightsSha256 = model->weightsSha256;
  if (weightsGiven) {
    Result<std::string> bytes = readFileBytes(arguments.get(OptionId::Weights));
    if (!bytes) return fail(arguments, bytes.error());
    weightsSha256 = sha256Hex(*bytes);
    model->fp32Accuracy.reset(); // the manifest's is of its own weights' twin
  }
  if (arguments.has(OptionId::Html))
    if (Result<void> written = writeFileAtomically(arguments.get(OptionId::Html), evalHtml(*model, *r, unsigned(*threads))); !written)
      return fail(arguments, written.error());
  if (arguments.has(OptionId::Json))
    printJson(report(arguments, *model, *r, weightsSha256, *threads));
  else
    print(*model, *r, !arguments.has(OptionId::Oracle), *threads);
  return kDone;
}

} // namespace triton::driver
