#include "Training.h"

#include "Curves.h"
#include "Integer.h"
#include "WeightCodes.h"
#include "Workers.h"
#include "triton/Support/Json.h"
#include "triton/Support/Sha256.h"
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Safetensors.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <unistd.h>

namespace triton::trainer {

volatile std::sig_atomic_t stopRequested = 0;

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Numbers for augmentation and order, the same for the same seed on every machine.
class Stream {
public:
  explicit Stream(uint64_t seed) : seed(seed) {}
  uint64_t next() { return splitMix(seed, count++); }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }

private:
  uint64_t seed, count = 0;
};

/// Turns raw images into real batches, as the graph's @preprocess says.
class Loader {
public:
  Loader(const Images &set, const InputInfo &input) : set(set), shape(set.shape()), table(256 * shape.channels) {
    auto of = [](const std::vector<double> &values, size_t channel, double fallback) {
      return values.empty() ? fallback : values[values.size() == 1 ? 0 : std::min(channel, values.size() - 1)];
    };
    for (size_t c = 0; c < shape.channels; ++c)
      for (size_t v = 0; v < 256; ++v) {
        // Section 10: fl(fl(fl(x * scale) - mean) / std).
        float scaled = static_cast<float>(v) * static_cast<float>(input.scale);
        float centred = scaled - static_cast<float>(of(input.mean, c, 0));
        table[256 * c + v] = centred / static_cast<float>(of(input.std, c, 1));
      }
  }

  Tensor labels(const int32_t *indices, int64_t count) const {
    Tensor t = torch::empty({count}, at::kLong);
    for (int64_t i = 0; i < count; ++i) t.data_ptr<int64_t>()[i] = set.label(indices[i]);
    return t;
  }

  /// Images as they are, or mirrored.
  Tensor plain(int64_t first, int64_t count, bool mirrored = false) const {
    Tensor t = blank(count);
    float *out = t.data_ptr<float>();
    std::vector<uint8_t> buffer;
    const int64_t h = shape.height, w = shape.width;
    for (int64_t i = 0; i < count; ++i) {
      const uint8_t *in = set.pixels(first + i, buffer);
      for (int64_t row = 0; row < h * static_cast<int64_t>(shape.channels); ++row, in += w, out += w) {
        const float *values = table.data() + 256 * (row / h);
        for (int64_t x = 0; x < w; ++x) out[x] = values[in[mirrored ? w - 1 - x : x]];
      }
    }
    return t;
  }

  /// Images as a step sees them; `mirrored`, when given, hears which ones were mirrored. All channels of an image move alike.
  Tensor augmented(const int32_t *indices, int64_t count, const Recipe &recipe, Stream &random,
                   std::vector<int64_t> *mirrored = nullptr) const {
    Tensor t = blank(count);
    float *out = t.data_ptr<float>();
    std::vector<uint8_t> buffer;
    const int64_t h = shape.height, w = shape.width, channels = shape.channels;
    for (int64_t i = 0; i < count; ++i, out += channels * h * w) {
      const uint8_t *in = set.pixels(indices[i], buffer);
      bool flip = recipe.flip && random.below(2);
      if (mirrored) mirrored->push_back(flip);
      int64_t dy = recipe.shift ? random.below(2 * recipe.shift + 1) - recipe.shift : 0;
      int64_t dx = recipe.shift ? random.below(2 * recipe.shift + 1) - recipe.shift : 0;
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t y = 0; y < h; ++y)
          for (int64_t x = 0; x < w; ++x) {
            int64_t sy = y + dy, sx = (flip ? w - 1 - x : x) + dx;
            bool inside = sy >= 0 && sy < h && sx >= 0 && sx < w;
            out[(c * h + y) * w + x] = table[static_cast<size_t>(256 * c + (inside ? in[(c * h + sy) * w + sx] : 0))];
          }
      if (recipe.erase && random.below(2)) {
        int64_t edge = 1 + random.below(recipe.erase), top = random.below(h), left = random.below(w);
        for (int64_t c = 0; c < channels; ++c)
          for (int64_t y = top; y < std::min(h, top + edge); ++y)
            for (int64_t x = left; x < std::min(w, left + edge); ++x) out[(c * h + y) * w + x] = 0;
      }
    }
    return t;
  }

private:
  Tensor blank(int64_t count) const {
    return torch::empty({count, static_cast<int64_t>(shape.channels), static_cast<int64_t>(shape.height), static_cast<int64_t>(shape.width)});
  }

  const Images &set;
  const zoo::ImageShape shape;
  std::vector<float> table; ///< by channel and byte
};

/// The output that holds the class scores: the first real one of rank 2.
size_t logitsIndex(const Graph &graph) {
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ValueInfo &v = graph.values[static_cast<size_t>(graph.outputs[i].second)];
    if (v.shape.size() == 2 && v.dtype == "float32") return i;
  }
  return 0;
}

Score evaluate(Network &net, const Graph &graph, const Images &test, bool quantize, const std::string &phase,
               Workers &workers) {
  constexpr int64_t chunk = 250;
  Loader loader(test, graph.inputs[0]);
  Score score{phase, 0, test.count(), 0};
  size_t out = logitsIndex(graph);
  std::vector<int64_t> correct(workers.size());
  workers.run([&](size_t worker) {
    torch::NoGradGuard guard;
    auto stride = chunk * static_cast<int64_t>(workers.size());
    for (int64_t at = chunk * static_cast<int64_t>(worker); at < score.total; at += stride) {
      int64_t count = std::min(chunk, score.total - at);
      Tensor best = net.forward(loader.plain(at, count), {false, quantize})[out].argmax(1).contiguous();
      for (int64_t i = 0; i < count; ++i)
        correct[worker] += best.data_ptr<int64_t>()[i] == test.label(at + i);
    }
  });
  for (int64_t c : correct) score.correct += c;
  return score;
}

/// The loss of each image; `hard`, when given, receives its part from the label.
Tensor lossOf(const Tensor &logits, const Tensor &labels, const Tensor &teacher, const Phase &phase, Tensor *hardPart) {
  Tensor logs = at::log_softmax(logits, 1);
  Tensor hard = -logs.gather(1, labels.unsqueeze(1)).squeeze(1);
  if (hardPart) *hardPart = hard.detach();
  if (phase.labelSmoothing > 0) hard = hard * (1 - phase.labelSmoothing) - logs.mean(1) * phase.labelSmoothing;
  if (!teacher.defined()) return hard;
  // Hinton et al. 2015: cross entropy of softened outputs, scaled by T^2 so that its gradient keeps its size.
  double t = phase.temperature;
  Tensor soft = -(at::softmax(teacher / t, 1) * at::log_softmax(logits / t, 1)).sum(1) * (t * t);
  return hard * (1 - phase.distill) + soft * phase.distill;
}

double schedule(const Phase &phase, double progress) {
  if (progress < phase.warmup) return progress / phase.warmup;
  double rest = (progress - phase.warmup) / std::max(1e-9, 1 - phase.warmup);
  return 0.5 * (1 + std::cos(M_PI * std::min(1.0, rest)));
}

/// What an epoch trains on: images in a random order, and how much each counts.
struct Epoch {
  std::vector<int32_t> order;
  std::vector<float> weight; ///< Per place in the order.
};

/// InfoBatch (Qin et al. 2024): an epoch skips images of less than the mean loss by chance, and those that it keeps of them
/// count for more, so that the expected gradient stays. Images without a loss yet are kept; the last eighth of a phase
/// has every image.
Epoch chooseImages(const Phase &phase, int64_t epoch, const std::vector<float> &losses, Stream &random) {
  Epoch out;
  auto count = static_cast<int64_t>(losses.size());
  std::vector<int32_t> order(losses.size());
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count - 1; i > 0; --i) std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(random.below(i + 1))]);
  bool prune = phase.prune > 0 && (phase.epochs - epoch) * 8 > phase.epochs;
  double sum = 0, known = 0;
  for (float loss : losses)
    if (loss >= 0) {
      sum += loss;
      known += 1;
    }
  for (int32_t image : order) {
    float loss = losses[static_cast<size_t>(image)];
    bool easy = prune && loss >= 0 && loss * known < sum;
    if (easy && static_cast<double>(random.next() >> 11) * 0x1p-53 < phase.prune) continue;
    out.order.push_back(image);
    out.weight.push_back(easy ? static_cast<float>(1 / (1 - phase.prune)) : 1.0f);
  }
  return out;
}

struct Optimizer {
  std::unique_ptr<torch::optim::Optimizer> inner;
  std::vector<double> factors; ///< Per parameter group: on the learning rate.

  void setRate(double rate) {
    for (size_t i = 0; i < factors.size(); ++i) {
      torch::optim::OptimizerOptions &o = inner->param_groups()[i].options();
      if (auto *sgd = dynamic_cast<torch::optim::SGDOptions *>(&o))
        sgd->lr(rate * factors[i]);
      else
        static_cast<torch::optim::AdamWOptions &>(o).lr(rate * factors[i]);
    }
  }
};

Optimizer makeOptimizer(const Network &net, const Phase &phase) {
  Network::Trainable t = net.trainable(phase.quantize);
  Optimizer out;
  std::vector<torch::optim::OptimizerParamGroup> groups;
  auto add = [&](const std::vector<Tensor> &tensors, double decay, double factor) {
    if (tensors.empty()) return;
    if (phase.optimizer == "sgd")
      groups.emplace_back(tensors, std::make_unique<torch::optim::SGDOptions>(
                                       torch::optim::SGDOptions(phase.learningRate)
                                           .momentum(phase.momentum)
                                           .nesterov(phase.momentum > 0)
                                           .weight_decay(decay)));
    else
      groups.emplace_back(tensors, std::make_unique<torch::optim::AdamWOptions>(
                                       torch::optim::AdamWOptions(phase.learningRate).weight_decay(decay)));
    out.factors.push_back(factor);
  };
  add(t.weights, phase.weightDecay, 1);
  add(t.others, 0, 1);
  add(t.scales, 0, phase.scaleRate);
  if (phase.optimizer == "sgd")
    out.inner = std::make_unique<torch::optim::SGD>(groups, torch::optim::SGDOptions(phase.learningRate));
  else
    out.inner = std::make_unique<torch::optim::AdamW>(groups, torch::optim::AdamWOptions(phase.learningRate));
  return out;
}

/// Where training stands; written after every epoch. It belongs to the graph and to the recipe as far as the recipe was
/// followed: phases that have not begun may still change.
struct Checkpoint {
  std::string path;
  const Recipe *recipe;
  std::string graphDigest;

  std::string identity(int64_t phase, int64_t epoch) const {
    std::string text = graphDigest + " " + std::to_string(recipe->seed) + " " + std::to_string(recipe->batch) + " " +
                       std::to_string(recipe->shards) + " " + std::to_string(recipe->flip) + " " +
                       std::to_string(recipe->shift) + " " + std::to_string(recipe->erase);
    for (int64_t p = 0; p < phase + (epoch > 0); ++p) {
      text += '\n';
      text += recipe->phases[static_cast<size_t>(p)].describe();
    }
    return sha256Hex(text);
  }

  void save(const Network &net, Optimizer *optimizer, const std::vector<float> *losses, int64_t phase, int64_t epoch,
            const std::vector<Score> &scores) const {
    torch::serialize::OutputArchive archive;
    archive.write("identity", c10::IValue(identity(phase, epoch)));
    archive.write("phase", c10::IValue(phase));
    archive.write("epoch", c10::IValue(epoch));
    archive.write("step", c10::IValue(static_cast<int64_t>(net.step)));
    std::vector<int64_t> correct;
    for (const Score &s : scores) correct.push_back(s.correct);
    archive.write("correct", c10::IValue(correct));
    // Names in an archive may not contain dots: tensors are stored by position in the order of their keys.
    int64_t i = 0;
    for (const auto &[name, tensor] : net.state()) archive.write("tensor" + std::to_string(i++), tensor.detach());
    if (losses) archive.write("losses", torch::tensor(*losses));
    if (optimizer) {
      torch::serialize::OutputArchive inner;
      optimizer->inner->save(inner);
      archive.write("optimizer", inner);
    }
    std::string temporary = path + ".new";
    archive.save_to(temporary);
    std::filesystem::rename(temporary, path);
  }

  /// Restores the network (and the optimiser and the images' losses, when given); false if there is no checkpoint of this
  /// identity.
  bool load(Network &net, Optimizer *optimizer, std::vector<float> *losses, int64_t &phase, int64_t &epoch,
            std::vector<int64_t> &correct) const {
    if (!std::filesystem::exists(path)) return false;
    torch::serialize::InputArchive archive;
    archive.load_from(path);
    c10::IValue value;
    archive.read("phase", value);
    int64_t savedPhase = value.toInt();
    archive.read("epoch", value);
    int64_t savedEpoch = value.toInt();
    archive.read("identity", value);
    if (savedPhase < 0 || savedPhase >= static_cast<int64_t>(recipe->phases.size()) ||
        value.toStringRef() != identity(savedPhase, savedEpoch))
      return false;
    phase = savedPhase;
    epoch = savedEpoch;
    archive.read("step", value);
    net.step = static_cast<uint64_t>(value.toInt());
    archive.read("correct", value);
    correct = value.toIntVector();
    std::map<std::string, Tensor> tensors;
    int64_t i = 0;
    for (const auto &[name, tensor] : net.state()) {
      Tensor t;
      archive.read("tensor" + std::to_string(i++), t);
      tensors[name] = t;
    }
    (void)!net.load(tensors, false);
    if (Tensor t; losses && archive.try_read("losses", t) && t.numel() == static_cast<int64_t>(losses->size()))
      losses->assign(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
    if (optimizer) {
      torch::serialize::InputArchive inner;
      if (archive.try_read("optimizer", inner)) optimizer->inner->load(inner);
    }
    return true;
  }
};

/// A teacher's scores for every training image and its mirror image.
Tensor teach(const std::function<Tensor(const Tensor &)> &teacher, const Loader &loader, int64_t count, int64_t classes, Workers &workers) {
  constexpr int64_t chunk = 250;
  Tensor out = torch::empty({2, count, classes});
  std::atomic<int64_t> next{0};
  workers.run([&](size_t) {
    torch::NoGradGuard guard;
    for (int64_t at; (at = chunk * next++) < count;)
      for (int64_t mirrored : {0, 1}) {
        int64_t n = std::min(chunk, count - at);
        out[mirrored].slice(0, at, at + n).copy_(teacher(loader.plain(at, n, mirrored)));
      }
  });
  return out;
}

/// The scores of the recipe's teacher_model. They take longer than many epochs of a small student, so they stay in the work folder:
/// later phases and resumed runs read them. The key in the file names the teacher and the images; scores of others are not used.
Result<Tensor> teachOnce(const TrainingOptions &options, const Images &training, int64_t classes, Workers &workers) {
  std::string path = options.workFolder + "/teacher.safetensors";
  std::string key = "scores " + sha256Hex(options.teacherDigest + " " + training.digest());
  TensorShape shape{2, training.count(), classes};
  if (Result<SafetensorsFile> kept = SafetensorsFile::open(path); kept && kept->find(key))
    if (Result<std::vector<float>> values = kept->floats(key, &shape)) return torch::tensor(*values).view(shape);
  Result<IntegerModel> model = IntegerModel::create(*options.teacherGraph, options.teacherTensors);
  if (!model) return Error{"teacher: " + model.error().message};
  Loader loader(training, options.teacherGraph->inputs[0]);
  size_t scores = logitsIndex(*options.teacherGraph);
  Tensor out = teach([&](const Tensor &x) { return model->run(x)[scores]; }, loader, training.count(), classes, workers);
  std::span<const float> values(out.data_ptr<float>(), static_cast<size_t>(out.numel()));
  if (Result<void> written = writeSafetensors(path, {{key, HostTensor::of<float>(shape, values)}}); !written) return written.takeError();
  return out;
}

/// One line that is rewritten on a terminal.
class Progress {
public:
  Progress() : terminal(::isatty(2)) {}
  void show(const std::string &text) {
    if (terminal) std::fprintf(stderr, "\r\033[K%s", text.c_str());
  }
  void line(const std::string &text) {
    std::fprintf(stderr, "%s%s\n", terminal ? "\r\033[K" : "", text.c_str());
    std::fflush(stderr);
  }

private:
  bool terminal;
};

std::string format(const char *pattern, auto... values) {
  char buffer[512];
  std::snprintf(buffer, sizeof buffer, pattern, values...);
  return buffer;
}

} // namespace

int64_t classCount(const Graph &graph) {
  if (graph.outputs.empty()) return 0;
  const std::vector<Size> &shape = graph.values[static_cast<size_t>(graph.outputs[logitsIndex(graph)].second)].shape;
  return shape.size() == 2 && shape[1].number >= 1 && shape[1].number <= 65535 ? shape[1].number : 0;
}

Result<Images> holdOut(Images &training, int64_t count) {
  if (count < 1 || count >= training.count())
    return Error{"cannot hold out " + std::to_string(count) + " of " + std::to_string(training.count()) + " images", ErrorKind::Usage};
  const int64_t left = training.count() - count;
  Images last = training.part(left, count);
  training = training.part(0, left);
  return last;
}

Result<IntegerScore> scoreIntegers(const Graph &graph, const std::vector<std::pair<std::string, HostTensor>> &tensors, const Images &test,
                                   int64_t threads) {
  constexpr int64_t chunk = 100;
  Result<IntegerModel> model = IntegerModel::create(graph, tensors);
  if (!model) return model.takeError();
  size_t out = logitsIndex(graph);
  const int64_t classes = classCount(graph);
  if (!classes) return Error{"the model has no output [N, classes] of 1 to 65535 classes"};
  Loader loader(test, graph.inputs[0]);
  std::vector<uint16_t> found(static_cast<size_t>(test.count()));
  std::atomic<int64_t> next{0};
  at::set_num_threads(1);
  Workers(static_cast<size_t>(threads)).run([&](size_t) {
    torch::NoGradGuard guard;
    for (int64_t at; (at = chunk * next++) < test.count();) {
      int64_t count = std::min(chunk, test.count() - at);
      Tensor scores = model->run(loader.plain(at, count))[out];
      for (int64_t i = 0; i < count; ++i) {
        const float *row = scores.data_ptr<float>() + i * scores.size(1);
        found[static_cast<size_t>(at + i)] = static_cast<uint16_t>(std::max_element(row, row + scores.size(1)) - row);
      }
    }
  });
  IntegerScore score;
  std::string bytes;
  for (size_t i = 0; i < found.size(); ++i) {
    score.correct += found[i] == test.label(static_cast<int64_t>(i));
    bytes += static_cast<char>(found[i] & 0xff);
    if (classes > 256) bytes += static_cast<char>(found[i] >> 8);
  }
  score.predictionsSha256 = sha256Hex(bytes);
  return score;
}

Result<TrainingResult> train(const Graph &graph, const Recipe &recipe, const Images &training, const Images &test,
                             const TrainingOptions &options, const std::string &graphDigest) {
  at::set_num_threads(1);
  auto shards = static_cast<size_t>(recipe.shards);
  Workers workers(static_cast<size_t>(std::clamp<int64_t>(options.threads, 1, recipe.shards)));
  torch::manual_seed(recipe.seed);
  const std::vector<Size> &shape = graph.values[static_cast<size_t>(graph.inputs[0].value)].shape;
  const zoo::ImageShape &image = training.shape();
  if (shape.size() != 4 || shape[1].number != image.channels || shape[2].number != image.height || shape[3].number != image.width)
    return Error{"the model's input '" + graph.inputs[0].name + "' is not [N, " + std::to_string(image.channels) + ", " +
                 std::to_string(image.height) + ", " + std::to_string(image.width) + "], which the images are"};
  const std::vector<Size> &outShape = graph.values[static_cast<size_t>(graph.outputs[logitsIndex(graph)].second)].shape;
  const uint16_t largest = std::max(training.largestLabel(), test.largestLabel());
  if (outShape.size() != 2 || outShape[1].number <= largest) return Error{"the model has no output [N, classes] for all labels"};

  if (!recipe.teacherModel.empty()) {
    const Graph *g = options.teacherGraph;
    if (!g) return Error{"the recipe wants '" + recipe.teacherModel + "' as a teacher: give its graph and weights", ErrorKind::Usage};
    const std::vector<Size> &in = g->values[static_cast<size_t>(g->inputs[0].value)].shape,
                            &out = g->values[static_cast<size_t>(g->outputs[logitsIndex(*g)].second)].shape;
    auto same = [](const std::vector<Size> &a, const std::vector<Size> &b, size_t from) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Size &x, const Size &y) { return x.number == y.number; }) && a.size() > from;
    };
    if (!same(in, shape, 1) || !same(out, outShape, 1)) return Error{"the teacher '" + recipe.teacherModel + "' has other images or classes"};
  }

  Result<Network> created = Network::create(graph, recipe.seed);
  if (!created) return created.takeError();
  Network &net = *created;
  std::filesystem::create_directories(options.workFolder);
  std::string folder = options.workFolder + "/";
  std::string digest = graphDigest + (options.maxSteps ? " " + std::to_string(options.maxSteps) : "");
  Checkpoint checkpoint{folder + "state.pt", &recipe, digest};
  Progress progress;
  TrainingResult result;

  int64_t startPhase = 0, startEpoch = 0;
  std::vector<int64_t> correct;
  bool resumed = checkpoint.load(net, nullptr, nullptr, startPhase, startEpoch, correct);
  if (resumed)
    progress.line(format("going on after epoch %lld of phase '%s'", static_cast<long long>(startEpoch),
                         recipe.phases[static_cast<size_t>(startPhase)].name.c_str()));
  else
    for (const Phase &p : recipe.phases) std::filesystem::remove(folder + "end-" + p.name + ".pt");
  for (size_t i = 0; i < correct.size(); ++i)
    result.scores.push_back({recipe.phases[i].name, correct[i], test.count(), recipe.phases[i].lastEpoch()});

  std::FILE *log = std::fopen((folder + "log.jsonl").c_str(), resumed ? "a" : "w");
  if (!log) return Error{folder + "log.jsonl: cannot write", ErrorKind::Environment};
  struct Closer {
    std::FILE *f;
    ~Closer() { std::fclose(f); }
  } closer{log};

  Loader loader(training, graph.inputs[0]);
  size_t logits = logitsIndex(graph);
  int64_t count = training.count();
  if (count < recipe.batch) return Error{"fewer training images than one batch of " + std::to_string(recipe.batch)};
  int64_t shard = recipe.batch / recipe.shards;

  auto phaseCount = static_cast<int64_t>(recipe.phases.size());
  if (options.finish) {
    if (!resumed || startPhase + 1 != phaseCount || startEpoch == 0)
      return Error{checkpoint.path + ": no checkpoint of the last phase to finish from"};
    if (static_cast<int64_t>(result.scores.size()) < phaseCount) result.scores.push_back({recipe.phases.back().name, 0, 0, startEpoch});
  }
  for (int64_t p = options.finish ? phaseCount : startPhase; p < phaseCount; ++p) {
    const Phase &phase = recipe.phases[static_cast<size_t>(p)];
    int64_t firstEpoch = p == startPhase ? startEpoch : 0;

    if (phase.quantize && firstEpoch == 0) {
      // Scales begin where the percentile of a first batch puts them, layer after layer.
      torch::NoGradGuard guard;
      std::vector<int32_t> first(static_cast<size_t>(std::min<int64_t>(count, 512)));
      std::iota(first.begin(), first.end(), 0);
      Stream random(recipe.seed);
      net.forward(loader.augmented(first.data(), static_cast<int64_t>(first.size()), recipe, random), {true, true, 0, true});
    }
    std::vector<float> imageLoss(static_cast<size_t>(count), -1.0f); // -1: not seen yet

    Optimizer optimizer = makeOptimizer(net, phase);
    if (resumed && p == startPhase && firstEpoch > 0) {
      int64_t a, b;
      std::vector<int64_t> c;
      checkpoint.load(net, &optimizer, &imageLoss, a, b, c);
    }

    std::unique_ptr<Network> teacher;
    bool teacherQuantized = false;
    Tensor cached; // [mirrored, image, class]
    if (phase.distill > 0 && phase.teacher == recipe.teacherModel) {
      Result<Tensor> scores = teachOnce(options, training, outShape[1].number, workers);
      if (!scores) return scores.takeError();
      cached = *scores;
    } else if (phase.distill > 0) {
      Result<Network> made = Network::create(graph, recipe.seed);
      if (!made) return made.takeError();
      teacher = std::make_unique<Network>(std::move(*made));
      for (const Phase &before : recipe.phases)
        if (before.name == phase.teacher) teacherQuantized = before.quantize;
      Checkpoint end{folder + "end-" + phase.teacher + ".pt", &recipe, digest};
      int64_t a, b;
      std::vector<int64_t> c;
      if (!end.load(*teacher, nullptr, nullptr, a, b, c))
        return Error{end.path + ": the teacher's checkpoint is missing or of another recipe", ErrorKind::Environment};
    }

    if (teacher && phase.teacherCache) {
      cached = teach([&](const Tensor &x) { return teacher->forward(x, {false, teacherQuantized})[logits]; }, loader, count,
                     outShape[1].number, workers);
      teacher.reset();
    }

    std::vector<Network> replicas;
    for (size_t w = 1; w < shards; ++w) {
      replicas.push_back(net.replica());
      replicas.back().index = w;
    }

    auto phaseStart = Clock::now();
    for (int64_t epoch = firstEpoch; epoch < phase.lastEpoch(); ++epoch) {
      auto epochStart = Clock::now();
      // Everything random about an epoch comes from its number, so that a resumed run repeats it.
      Stream random(splitMix(recipe.seed ^ fnv1a(phase.name), static_cast<uint64_t>(epoch)));
      Epoch images = chooseImages(phase, epoch, imageLoss, random);
      int64_t batches = static_cast<int64_t>(images.order.size()) / recipe.batch;
      if (options.maxSteps) batches = std::min(batches, options.maxSteps);
      if (batches == 0) return Error{"an epoch has fewer images than one batch; prune less"};
      double lossSum = 0, right = 0;
      for (int64_t b = 0; b < batches; ++b) {
        if (stopRequested) return Error{"interrupted", ErrorKind::Environment};
        std::vector<double> losses(shards), hits(shards);
        optimizer.inner->zero_grad();
        uint64_t noise = random.next();
        // Whichever thread takes a shard, the shard's numbers and the order of the sums are the same.
        std::atomic<size_t> nextShard{0};
        workers.run([&](size_t) {
          for (size_t w; (w = nextShard++) < shards;) {
            Network &mine = w == 0 ? net : replicas[w - 1];
            Stream augment(splitMix(noise, w));
            auto at = static_cast<size_t>(b * recipe.batch + static_cast<int64_t>(w) * shard);
            const int32_t *part = images.order.data() + at;
            std::vector<int64_t> mirrored;
            Tensor x = loader.augmented(part, shard, recipe, augment, &mirrored), y = loader.labels(part, shard), soft, hard;
            if (teacher) {
              torch::NoGradGuard guard;
              soft = teacher->forward(x, {false, teacherQuantized})[logits];
            } else if (cached.defined()) {
              std::vector<int64_t> index(part, part + shard);
              soft = cached.index({torch::tensor(mirrored), torch::tensor(index)});
            }
            Tensor out = mine.forward(x, {true, phase.quantize, phase.dropout})[logits];
            Tensor each = lossOf(out, y, soft, phase, &hard);
            Tensor loss = (each * torch::tensor(std::vector<float>(images.weight.data() + at, images.weight.data() + at + shard))).mean();
            (loss / static_cast<double>(shards)).backward();
            losses[w] = loss.item<double>();
            hits[w] = static_cast<double>((out.detach().argmax(1) == y).sum().item<int64_t>());
            for (int64_t i = 0; i < shard; ++i) imageLoss[static_cast<size_t>(part[i])] = hard.data_ptr<float>()[i];
          }
        });
        net.gather(replicas);
        double done = (static_cast<double>(epoch) + static_cast<double>(b) / static_cast<double>(batches)) / static_cast<double>(phase.epochs);
        optimizer.setRate(phase.learningRate * schedule(phase, done));
        optimizer.inner->step();
        double value = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(shards);
        if (!std::isfinite(value)) return Error{"phase '" + phase.name + "': the loss is not finite; lower the learning rate"};
        lossSum += value;
        right += std::accumulate(hits.begin(), hits.end(), 0.0);
        if (b % 20 == 19) {
          double perBatch = secondsSince(epochStart) / static_cast<double>(b + 1);
          double left = perBatch * static_cast<double>((phase.lastEpoch() - epoch) * batches - b - 1);
          progress.show(format("%s epoch %lld/%lld  batch %lld/%lld  loss %.4f  %.0f ms/batch  %.1f min left in this phase",
                               phase.name.c_str(), static_cast<long long>(epoch + 1), static_cast<long long>(phase.lastEpoch()),
                               static_cast<long long>(b + 1), static_cast<long long>(batches),
                               lossSum / static_cast<double>(b + 1), perBatch * 1e3, left / 60));
        }
      }
      double trainSeconds = secondsSince(epochStart);
      bool last = epoch + 1 == phase.lastEpoch();
      Score score{phase.name, 0, 0, epoch + 1};
      if (last || (epoch + 1) % options.evaluateEvery == 0) score = evaluate(net, graph, test, phase.quantize, phase.name, workers);
      score.epochs = epoch + 1;
      double loss = lossSum / static_cast<double>(batches);
      double trained = 100 * right / static_cast<double>(batches * recipe.batch);
      double perEpoch = secondsSince(phaseStart) / static_cast<double>(epoch - firstEpoch + 1);
      std::string tested = score.total ? format("%s %.2f %%  ", options.scored.c_str(), score.percent()) : "";
      progress.line(format("%s epoch %lld/%lld  loss %.4f  training %.2f %%  %s%.1f s  %.1f min left in this phase",
                           phase.name.c_str(), static_cast<long long>(epoch + 1), static_cast<long long>(phase.lastEpoch()), loss,
                           trained, tested.c_str(), secondsSince(epochStart),
                           perEpoch * static_cast<double>(phase.lastEpoch() - epoch - 1) / 60));
      json::Object entry;
      entry.append("phase", phase.name);
      entry.append("epoch", epoch + 1);
      entry.append("epochs", phase.lastEpoch());
      entry.append("loss", loss);
      entry.append("train_accuracy", trained);
      if (score.total) entry.append(options.scored + "_accuracy", score.percent());
      entry.append("images", batches * recipe.batch);
      entry.append("seconds", trainSeconds);
      std::fprintf(log, "%s\n", json::write(json::Value(std::move(entry))).c_str());
      std::fflush(log);
      if (Result<std::string> lines = readFileBytes(folder + "log.jsonl", 64 << 20))
        if (Result<void> drawn = writeFileAtomically(folder + "curves.svg", drawCurves(*lines, recipe.model)); !drawn)
          progress.line("no curves: " + drawn.error().message);
      if (last) {
        result.scores.push_back(score);
        Checkpoint{folder + "end-" + phase.name + ".pt", &recipe, digest}.save(net, nullptr, nullptr, p, epoch + 1, result.scores);
        if (p + 1 < phaseCount)
          checkpoint.save(net, nullptr, nullptr, p + 1, 0, result.scores);
        else
          checkpoint.save(net, nullptr, nullptr, p, epoch + 1, result.scores);
      } else {
        checkpoint.save(net, &optimizer, phase.prune > 0 ? &imageLoss : nullptr, p, epoch + 1, result.scores);
      }
      if (options.afterEpoch) options.afterEpoch(epoch + 1);
    }
  }

  const Phase &final = recipe.phases.back();
  result.tensors = net.exportTensors();
  if (final.quantize) {
    // The score that counts is that of the file, computed as an artifact computes it.
    int64_t epochs = result.scores.back().epochs;
    Score score{final.name, 0, test.count(), epochs};
    Result<IntegerScore> integer = scoreIntegers(graph, result.tensors, test, options.threads);
    if (integer) {
      score.correct = integer->correct;
      result.predictionsSha256 = integer->predictionsSha256;
    } else {
      progress.line("accuracy is that of the fake quantisers: " + integer.error().message);
      net.useExported(result.tensors);
      score = evaluate(net, graph, test, true, final.name, workers);
      score.epochs = epochs;
    }
    result.scores.back() = score;
  }
  return result;
}

} // namespace triton::trainer
