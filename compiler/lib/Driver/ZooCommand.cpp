// `triton zoo train`, and the choice of the verb.
#include "Compile.h"
#include "FrontEnd.h"
#include "Inputs.h"
#include "Zoo.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <filesystem>
#include <unistd.h>

namespace triton::driver {

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
  words.insert(words.end(), {"--data-dir", *data, "--dataset", model->dataset});
  if (Result<std::optional<zoo::Dataset>> described = zoo::findDataset(model->dataset); described && *described && !(*described)->licence.empty())
    words.insert(words.end(), {"--dataset-licence", (*described)->licence});
  Result<std::optional<uint32_t>> resize = resizeOption(arguments);
  if (!resize) return fail(arguments, resize.error());
  if (uint32_t length = resize->value_or(model->preparation.resize))
    words.insert(words.end(), {"--resize", std::to_string(length), "--interpolation", std::string(zoo::filterName(model->preparation.filter))});
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
