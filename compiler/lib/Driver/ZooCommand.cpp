// `triton zoo eval|train`, and the choice of the verb.
#include "Compile.h"
#include "FrontEnd.h"
#include "Zoo.h"
#include "triton/Support/Sha256.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <unistd.h>

namespace triton::driver {

static int zooEval(const Arguments &arguments) {
  if (arguments.positional.size() != 2)
    return fail(arguments, Error{"zoo eval needs one network: triton zoo eval NAME ('triton zoo list' lists them)", ErrorKind::Usage});
  Result<int64_t> threads = arguments.number(OptionId::Threads, std::max(1u, std::thread::hardware_concurrency()), 1, TRI_MAX_THREADS);
  if (!threads) return fail(arguments, threads.error());
  Result<zoo::ZooModel> model = zoo::findZooModel(arguments.positional[1], zooStore(arguments));
  if (!model) return fail(arguments, model.error());
  if (model->weights.empty() && !arguments.has(OptionId::Weights))
    return fail(arguments, Error{fmt::format("no weights of {} are here; {}", model->name, weightsAdvice(*model))});
  if (!arguments.has(OptionId::Weights))
    if (Result<void> intact = zoo::verifyWeights(*model); !intact) return fail(arguments, intact.error());
  if (model->dataset != "fashion-mnist")
    return fail(arguments, Error{"no reader for the data set '" + model->dataset + "'", ErrorKind::Environment});
  Result<std::string> folder = zoo::findDatasetFolder(model->dataset, arguments.get(OptionId::DataDir), zooStore(arguments));
  if (!folder) return fail(arguments, folder.error());
  Result<zoo::ImageSet> images = zoo::readImageSet(*folder, /*training=*/false);
  if (!images) return fail(arguments, images.error());
  Result<EvalResult> r = evaluate(arguments, *model, *images, unsigned(*threads));
  if (!r) return r.error().message.empty() ? int(kInputAtFault) : fail(arguments, r.error());

  std::string weightsSha256 = model->weightsSha256;
  if (arguments.has(OptionId::Weights)) {
    Result<std::string> bytes = readFileBytes(arguments.get(OptionId::Weights));
    if (!bytes) return fail(arguments, bytes.error());
    weightsSha256 = sha256Hex(*bytes);
    model->fp32Accuracy.reset(); // the manifest's is of its own weights' twin
  }
  double accuracy = double(r->correct) / double(r->images);
  double sparsity = r->info.weight_trits ? double(r->info.zero_trits) / double(r->info.weight_trits) : 0;
  double bits = r->info.parameters ? 8.0 * double(r->info.weights_bytes) / double(r->info.parameters) : 0;
  json::Object o;
  o.append("model", model->name);
  o.append("dataset", model->dataset);
  o.append("images", int64_t(r->images));
  o.append("accuracy", accuracy);
  o.append("fp32_accuracy", model->fp32Accuracy ? json::Value(*model->fp32Accuracy) : json::Value(nullptr));
  o.append("correct", int64_t(r->correct));
  o.append("sparsity", sparsity);
  o.append("bits_per_weight", bits);
  o.append("artifact_bytes", int64_t(r->info.file_bytes));
  o.append("weights_bytes", int64_t(r->info.weights_bytes));
  o.append("fp32_bytes", int64_t(r->info.fp32_bytes));
  bool timed = !arguments.has(OptionId::Oracle);
  o.append("median_ms", timed ? json::Value(r->medianMs) : json::Value(nullptr));
  o.append("images_per_s", double(r->images) / r->seconds);
  o.append("weights_sha256", weightsSha256);
  o.append("predictions_sha256", r->predictionsSha256);
  o.append("variant", r->variant);
  o.append("opt", r->optLevel);
  o.append("threads", *threads);
  o.append("compile_ms", r->compileMs);
  if (arguments.has(OptionId::Json)) {
    printJson(o);
    return kDone;
  }
  fmt::print("{} on {} test images of {} (-O{}, {}, {} threads)\n", model->name, r->images, model->dataset, r->optLevel,
             r->variant, *threads);
  fmt::print("  accuracy   {:.2f} % ({} correct){}\n", 100 * accuracy, r->correct,
             model->fp32Accuracy ? fmt::format(", its fp32 twin {:.2f} %", 100 * *model->fp32Accuracy) : "");
  if (timed) fmt::print("  latency    {:.3f} ms for one image (median), {:.0f} images/s in batches\n", r->medianMs, double(r->images) / r->seconds);
  fmt::print("  size       {} B artifact, of that {} B weights; as fp32 {} B ({:.1f}x); {:.2f} bits a parameter, {:.1f} % of trits are zero\n",
             r->info.file_bytes, r->info.weights_bytes, r->info.fp32_bytes,
             r->info.weights_bytes ? double(r->info.fp32_bytes) / double(r->info.weights_bytes) : 0, bits, 100 * sparsity);
  fmt::print("  predictions SHA-256 {}\n", r->predictionsSha256);
  return kDone;
}

/// Writes the graph that the trainer reads; false when that failed, with the exit code in `code`.
static bool exportGraph(const Arguments &arguments, const zoo::ZooModel &model, const std::string &file, int &code) {
  Timing timing;
  Arguments plain;
  plain.command = "compile";
  Result<CheckedProgram> program = checkProgram(plain, model.program, timing);
  if (!program) return code = fail(arguments, program.error()), false;
  if (program->diags->hasErrors()) return code = finishDiagnostics(arguments, *program->diags), false;
  Result<Graph *> graph = chooseModel(plain, *program, model.program);
  if (!graph) return code = fail(arguments, graph.error()), false;
  if (Result<void> written = writeFileAtomically(file, graphToJson(**graph, "model.tri")); !written)
    return code = fail(arguments, written.error()), false;
  return true;
}

/// The network that a recipe names as its teacher; nothing when it names none.
static Result<std::optional<zoo::ZooModel>> teacherOf(const zoo::ZooModel &model, const std::string &store) {
  Result<std::string> text = readFileBytes(model.recipe, 1 << 20);
  if (!text) return text.takeError();
  Result<json::Value> recipe = json::parse(*text, model.recipe);
  if (!recipe) return recipe.takeError();
  const json::Value *name = recipe->find("teacher_model");
  if (!name || !name->asString() || name->asString()->empty()) return std::optional<zoo::ZooModel>();
  Result<zoo::ZooModel> teacher = zoo::findZooModel(*name->asString(), store);
  if (!teacher) return teacher.takeError();
  if (teacher->weights.empty()) return Error{"the teacher " + teacher->name + " has no weights yet; 'triton zoo train " + teacher->name + "' makes them"};
  if (Result<void> verified = zoo::verifyWeights(*teacher); !verified) return verified.takeError();
  return std::optional<zoo::ZooModel>(std::move(*teacher));
}

/// Runs the trainer, a program of its own, since it links LibTorch.
static int zooTrain(const Arguments &arguments) {
  if (arguments.positional.size() != 2)
    return fail(arguments, Error{"zoo train needs one network: triton zoo train NAME", ErrorKind::Usage});
  Result<zoo::ZooModel> model = zoo::findZooModel(arguments.positional[1]);
  if (!model) return fail(arguments, model.error());
  if (model->recipe.empty()) return fail(arguments, Error{model->name + " has no recipe.json"});
  std::error_code error;
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::filesystem::path trainer = self.parent_path() / "triton-train";
  if (!std::filesystem::exists(trainer, error))
    return fail(arguments, Error{"the trainer was not built (it needs LibTorch: scripts/setup.sh train, then configure again); expected " +
                                     trainer.string(),
                                 ErrorKind::Environment});
  // The trainer reads the exported graph, so what is trained is what the compiler will compile.
  Result<std::optional<zoo::ZooModel>> teacher = teacherOf(*model, zooStore(arguments));
  if (!teacher) return fail(arguments, teacher.error());
  Result<std::string> data = zoo::findDatasetFolder(model->dataset, arguments.get(OptionId::DataDir), zooStore(arguments));
  if (!data) return fail(arguments, data.error());
  int code = kDone;
  std::string folder = arguments.get(OptionId::Output, model->name + "-training");
  std::filesystem::create_directories(folder, error);
  std::string graphFile = folder + "/graph.json";
  if (!exportGraph(arguments, *model, graphFile, code)) return code;
  std::vector<std::string> words = {trainer.string(), "--graph", graphFile, "--recipe", model->recipe, "--out", folder, "--work", folder + "/train"};
  if (*teacher) {
    std::string file = folder + "/teacher.json";
    if (!exportGraph(arguments, **teacher, file, code)) return code;
    words.insert(words.end(), {"--teacher", file, "--teacher-weights", (*teacher)->weights});
  }
  words.insert(words.end(), {"--data-dir", *data});
  if (arguments.has(OptionId::Threads)) words.insert(words.end(), {"--threads", arguments.get(OptionId::Threads)});
  std::vector<char *> argv;
  for (std::string &word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  return fail(arguments, Error{"cannot start " + trainer.string(), ErrorKind::Environment});
}

std::vector<std::string> zooVerbs() { return {"list", "show", "download", "verify", "eval", "train"}; }

int runZoo(const Arguments &arguments) {
  if (arguments.positional.empty())
    return fail(arguments, Error{"zoo needs a verb: list, show, download, verify, eval or train", ErrorKind::Usage});
  const std::string &verb = arguments.positional[0];
  if (verb == "list") return zooList(arguments);
  if (verb == "show") return zooShow(arguments);
  if (verb == "download") return zooDownload(arguments);
  if (verb == "verify") return zooVerify(arguments);
  if (verb == "eval") return zooEval(arguments);
  if (verb == "train") return zooTrain(arguments);
  std::string near = nearestName(verb, zooVerbs());
  return fail(arguments, Error{fmt::format("unknown verb 'zoo {}'{}", verb, near.empty() ? "" : "; did you mean '" + near + "'?"),
                               ErrorKind::Usage});
}

} // namespace triton::driver
