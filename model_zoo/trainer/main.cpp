// triton-train: trains the network of an exported graph and writes its weights and manifest.
#include "Graph.h"
#include "Idx.h"
#include "Images.h"
#include "Recipe.h"
#include "Training.h"
#include "triton/Support/Sha256.h"
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Safetensors.h"

#include <torch/version.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <malloc.h>
#include <thread>

using namespace triton;
using namespace triton::trainer;

static const char *usage =
    "triton-train - train a ternary network from its exported graph\n"
    "USAGE  triton-train --graph FILE --recipe FILE --out FOLDER [options]\n"
    "       triton-train --graph FILE --evaluate WEIGHTS [options]\n"
    "  --graph FILE     the graph: triton compile model.tri --emit=graph -o FILE\n"
    "  --recipe FILE    how to train (epochs, rates, augmentation, seed)\n"
    "  --out FOLDER     where weights.safetensors and manifest.json go\n"
    "  --evaluate FILE  classify the test images with the integer model of a .safetensors file; prints JSON\n"
    "  --teacher FILE   graph of the recipe's teacher_model, --teacher-weights FILE its .safetensors file\n"
    "  --data-dir DIR   the data set: files of MNIST or CIFAR, or pictures in a folder for each class, in train/ and val/\n"
    "                   (default /usr/share/datasets/fashion-mnist)\n"
    "  --resize N       pictures: resize the shorter side to N and take the centre; --interpolation bilinear|bicubic\n"
    "  --memory MB      keep data sets up to this size (default 2048); of larger folders a picture is decoded for each step\n"
    "  --threads N      how many parts of a batch run at once (default: as the machine has); no result depends on it\n"
    "  --dataset NAME   name of the data set for the manifest (default: fashion-mnist for files in MNIST's layout, else the folder's);\n"
    "                   --dataset-licence TEXT stands beside it\n"
    "  --work FOLDER    checkpoints and log (default OUT/train); an interrupted run goes on from here\n"
    "  --steps N        end every epoch after N batches (for tests)\n"
    "  --finish         write the weights of the last checkpoint instead of training on\n"
    "  --validate N     hold out the last N training images and score on them instead of the test images, to compare recipes\n"
    "  --eval-every N   epochs between evaluations (default 1); the last epoch of a phase always has one\n";

static int fail(const Error &error) {
  std::fprintf(stderr, "triton-train: error: %s\n", error.message.c_str());
  return error.kind == ErrorKind::Usage ? 2 : error.kind == ErrorKind::Environment ? 3 : error.kind == ErrorKind::Internal ? 70 : 1;
}

static void requestStop(int) { stopRequested = 1; }

struct Options {
  std::string graph, recipe, out, evaluate, teacher, teacherWeights, data = zoo::fashionMnistFolder(), dataset, licence, interpolation;
  int64_t resize = 0, memory = 2048;
  int64_t validate = 0; ///< Images held out of the training images; 0: none, and the test images score.
  TrainingOptions training;
};

static Result<Options> readOptions(int argc, char **argv) {
  Options o;
  o.training.threads = std::max(1u, std::thread::hardware_concurrency());
  auto bad = [](const std::string &what) { return Error{what + "; see 'triton-train --help'", ErrorKind::Usage}; };
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--finish") {
      o.training.finish = true;
      continue;
    }
    std::string *target = flag == "--graph"     ? &o.graph
                          : flag == "--recipe"  ? &o.recipe
                          : flag == "--out"     ? &o.out
                          : flag == "--evaluate" ? &o.evaluate
                          : flag == "--teacher" ? &o.teacher
                          : flag == "--teacher-weights" ? &o.teacherWeights
                          : flag == "--data-dir" ? &o.data
                          : flag == "--dataset" ? &o.dataset
                          : flag == "--dataset-licence" ? &o.licence
                          : flag == "--interpolation" ? &o.interpolation
                          : flag == "--work"    ? &o.training.workFolder
                                                : nullptr;
    int64_t *number = flag == "--steps"        ? &o.training.maxSteps
                      : flag == "--validate"   ? &o.validate
                      : flag == "--resize"     ? &o.resize
                      : flag == "--memory"     ? &o.memory
                      : flag == "--threads"    ? &o.training.threads
                      : flag == "--eval-every" ? &o.training.evaluateEvery
                                               : nullptr;
    if (!target && !number) return bad("unknown option '" + flag + "'");
    if (++i == argc) return bad("'" + flag + "' needs a value");
    if (target) {
      *target = argv[i];
      continue;
    }
    char *end = nullptr;
    *number = std::strtoll(argv[i], &end, 10);
    if (*end || end == argv[i] || *number < 1 || *number > INT32_MAX) return bad("'" + flag + "' needs a positive number");
  }
  if (o.graph.empty() || (o.evaluate.empty() && (o.recipe.empty() || o.out.empty())))
    return bad("--graph, --recipe and --out, or --graph and --evaluate, are needed");
  if (o.training.workFolder.empty()) o.training.workFolder = o.out + "/train";
  if (!o.interpolation.empty() && !zoo::filterNamed(o.interpolation)) return bad("'--interpolation' is bilinear or bicubic");
  if (o.resize > 1 << 15) return bad("'--resize' needs a length of at most 32768");
  return o;
}

static json::Value manifestOf(const Options &options, const Recipe &recipe, const Graph &graph, const TrainingResult &result,
                              const std::string &weights, const std::string &teacherDigest) {
  json::Object m;
  m.append("name", recipe.model);
  m.append("model", "model.tri");
  m.append("entry", graph.model);
  // Files in MNIST's layout are Fashion-MNIST, if nothing else is said; other data sets are called as their folder.
  std::error_code error;
  const bool usual = options.dataset.empty() && std::filesystem::exists(zoo::plainOrZipped(options.data + "/train-images-idx3-ubyte"), error);
  const std::string folder = std::filesystem::path(options.data + "/.").lexically_normal().parent_path().filename().string();
  m.append("dataset", usual ? "fashion-mnist" : options.dataset.empty() ? folder : options.dataset);
  if (std::string licence = usual ? "MIT" : options.licence; !licence.empty()) m.append("dataset_licence", licence);
  m.append(options.validate ? "validation_images" : "test_images", result.scores.back().total);
  m.append("source", "trained by triton-train with recipe.json");
  m.append("weights", "weights.safetensors");
  m.append("sha256", sha256Hex(weights));
  m.append("size", static_cast<int64_t>(weights.size()));
  m.append("accuracy", result.scores.back().percent());
  m.append("correct", result.scores.back().correct);
  if (!result.predictionsSha256.empty()) m.append("predictions_sha256", result.predictionsSha256);
  for (size_t i = 0; i < recipe.phases.size(); ++i)
    if (!recipe.phases[i].quantize) {
      m.set("fp32_accuracy", result.scores[i].percent());
      m.set("fp32_correct", result.scores[i].correct);
    }
  json::Object epochs;
  for (const Score &score : result.scores) epochs.append(score.phase, score.epochs);
  m.append("epochs_run", std::move(epochs));
  m.append("recipe", "recipe.json");
  m.append("recipe_sha256", sha256Hex(recipe.text));
  if (!teacherDigest.empty()) {
    m.append("teacher", recipe.teacherModel);
    m.append("teacher_sha256", teacherDigest);
  }
  m.append("seed", static_cast<int64_t>(recipe.seed));
  m.append("libtorch", TORCH_VERSION);
  return m;
}

using Tensors = std::vector<std::pair<std::string, HostTensor>>;

static Result<Tensors> readTensors(const std::string &path) {
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file) return file.takeError();
  Tensors out;
  for (const SafetensorsFile::Entry &e : file->entries()) out.emplace_back(e.key, HostTensor{e.type, e.shape, {e.bytes.begin(), e.bytes.end()}});
  return out;
}

static Result<Graph> readGraph(const std::string &path, std::string &digest) {
  Result<std::string> text = readFileBytes(path, uint64_t(1) << 30);
  if (!text) return text.takeError();
  digest = sha256Hex(*text);
  return Graph::parse(*text, path);
}

/// The training or test images, as the network takes them.
static Result<Images> loadImages(const Options &options, const Graph &graph, bool training) {
  if (graph.inputs.size() != 1) return Error{"networks are trained that take images and nothing else"};
  const InputInfo &input = graph.inputs[0];
  const std::vector<Size> &shape = graph.values[static_cast<size_t>(input.value)].shape;
  bool image = shape.size() == 4;
  for (size_t i = 1; image && i < 4; ++i) image = shape[i].number >= 1 && shape[i].number <= 1 << 16;
  if (!image) return Error{"the model's input '" + input.name + "' is no [N, channels, height, width]"};
  zoo::DataSetRequest request;
  request.name = options.dataset;
  request.folder = options.data;
  request.training = training;
  request.shape = {static_cast<uint32_t>(shape[1].number), static_cast<uint32_t>(shape[2].number), static_cast<uint32_t>(shape[3].number)};
  request.classes = static_cast<uint32_t>(classCount(graph));
  request.preparation.resize = static_cast<uint32_t>(options.resize);
  if (!options.interpolation.empty()) request.preparation.filter = *zoo::filterNamed(options.interpolation);
  request.threads = static_cast<unsigned>(options.training.threads);
  return Images::load(request, static_cast<uint64_t>(options.memory) << 20);
}

static Result<void> evaluateFile(const Options &options, const Graph &graph) {
  Result<Images> test = loadImages(options, graph, false);
  if (!test) return test.takeError();
  Result<Tensors> tensors = readTensors(options.evaluate);
  if (!tensors) return tensors.takeError();
  Result<IntegerScore> score = scoreIntegers(graph, *tensors, *test, options.training.threads);
  if (!score) return score.takeError();
  json::Object o;
  o.append("images", test->count());
  o.append("correct", score->correct);
  o.append("predictions_sha256", score->predictionsSha256);
  std::printf("%s\n", json::write(json::Value(std::move(o))).c_str());
  return {};
}

static Result<void> run(const Options &options) {
  std::string digest;
  Result<Graph> graph = readGraph(options.graph, digest);
  if (!graph) return graph.takeError();
  if (!options.evaluate.empty()) return evaluateFile(options, *graph);
  Result<Recipe> recipe = Recipe::read(options.recipe);
  if (!recipe) return recipe.takeError();
  Result<Images> training = loadImages(options, *graph, true);
  if (!training) return training.takeError();
  Result<Images> scored = options.validate ? holdOut(*training, options.validate) : loadImages(options, *graph, false);
  if (!scored) return scored.takeError();
  if (!options.validate && !training->folder().empty() && training->folder() == scored->folder())
    return Error{training->folder() + ": training and test images are the same; put them into train/ and val/, or hold some out with --validate N"};

  std::error_code ignored; // Writing fails with a message if this did.
  std::filesystem::create_directories(options.out, ignored);
  TrainingOptions how = options.training;
  if (options.validate) {
    how.scored = "validation";
    digest += " without " + std::to_string(options.validate);
  }
  Graph teacher;
  std::string teacherWeights;
  if (!recipe->teacherModel.empty() && !options.teacher.empty() && !options.teacherWeights.empty()) {
    std::string teacherDigest;
    Result<Graph> read = readGraph(options.teacher, teacherDigest);
    if (!read) return read.takeError();
    teacher = std::move(*read);
    how.teacherGraph = &teacher;
    Result<Tensors> tensors = readTensors(options.teacherWeights);
    if (!tensors) return tensors.takeError();
    how.teacherTensors = std::move(*tensors);
    Result<std::string> bytes = encodeSafetensors(how.teacherTensors);
    if (!bytes) return bytes.takeError();
    teacherWeights = sha256Hex(*bytes);
    how.teacherDigest = teacherDigest + " " + teacherWeights;
    digest += " " + how.teacherDigest;
  }
  Result<TrainingResult> result = train(*graph, *recipe, *training, *scored, how, digest);
  if (!result) return result.takeError();
  Result<std::string> weights = encodeSafetensors(result->tensors);
  if (!weights) return weights.takeError();
  if (Result<void> r = writeFileAtomically(options.out + "/weights.safetensors", *weights); !r) return r.takeError();
  json::Value manifest = manifestOf(options, *recipe, *graph, *result, *weights, teacherWeights);
  if (Result<void> r = writeFileAtomically(options.out + "/manifest.json", json::write(manifest, 2)); !r) return r.takeError();
  for (const Score &s : result->scores)
    std::printf("%s: %.2f %% (%lld of %lld)\n", s.phase.c_str(), s.percent(), static_cast<long long>(s.correct),
                static_cast<long long>(s.total));
  std::printf("%s/weights.safetensors: %zu bytes\n", options.out.c_str(), weights->size());
  return {};
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i)
    if (!std::strcmp(argv[i], "--help") || !std::strcmp(argv[i], "-h")) {
      std::fputs(usage, stdout);
      return 0;
    }
  Result<Options> options = readOptions(argc, argv);
  if (!options) return fail(options.error());
  std::signal(SIGINT, requestStop);
  std::signal(SIGTERM, requestStop);
  // Activations come and go in blocks of megabytes: keep them in the heap instead of mapping and unmapping each.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  // LibTorch reports its failures by exceptions; they end here.
  try {
    Result<void> result = run(*options);
    if (result) return 0;
    return stopRequested ? (fail(result.error()), 130) : fail(result.error());
  } catch (const std::exception &e) {
    return fail({e.what(), ErrorKind::Environment});
  }
}
