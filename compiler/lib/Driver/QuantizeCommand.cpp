// `triton quantize`: a checkpoint of floats becomes one of codes and scales, or an artifact.
#include "Compile.h"
#include "FrontEnd.h"
#include "KeepRules.h"
#include "Samples.h"
#include "Zoo.h"
#include "triton/Support/Parallel.h"
#include "triton/Support/Sha256.h"
#include "triton/Tensor/Checkpoint.h"
#include "triton/Tensor/Files.h"
#include "triton/Weights/WeightStore.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <thread>

namespace triton::driver {

namespace {

using Tensors = std::vector<std::pair<std::string, HostTensor>>;

/// One tensor of the checkpoint and what is to become of it.
struct Plan {
  const SafetensorsFile::Entry *entry;
  std::optional<WeightTarget> target; ///< nothing: it is copied
};

/// What the command line asks for.
struct Request {
  std::string input, output, program;
  bool artifact = false;       ///< `output` is a .tern file
  std::string weights;         ///< where codes and scales go; may be empty beside an artifact
  WeightTarget target;
  bool methodGiven = false, scaleGiven = false;
  std::optional<double> threshold;
  std::vector<KeepRule> keep;
  unsigned threads = 1;
};

/// What was made, and what it lost on the calibration inputs.
struct Outcome {
  Tensors tensors;
  std::vector<LayerError> layers;
  std::map<std::string, std::optional<double>> outputs; ///< of layers, by the key of their weight: SQNR of what they hand on
  std::vector<std::string> notes;
  size_t samples = 0, statistics = 0, activationScales = 0;
  std::optional<double> outputSqnrDb, agreement;
  uint64_t artifactBytes = 0;
  std::string artifactSha256;
};

} // namespace

static Error usage(std::string message) { return Error{std::move(message), ErrorKind::Usage}; }

/// The value of a word in a table of names.
template <typename T>
static Result<T> oneOf(const Arguments &arguments, OptionId id, const char *option, const std::vector<std::pair<std::string, T>> &table, T fallback) {
  if (!arguments.has(id)) return fallback;
  std::vector<std::string> names;
  for (const auto &[name, value] : table) {
    if (arguments.get(id) == name) return value;
    names.push_back(name);
  }
  return unknownWord(option, arguments.get(id), names);
}

static Result<Request> readRequest(const Arguments &arguments) {
  Request request;
  if (arguments.positional.size() != 1 || !arguments.has(OptionId::Output))
    return usage("quantize needs a checkpoint and a place for the result: triton quantize W.pth -o OUT.safetensors (with --program also OUT.tern)");
  request.input = arguments.positional[0];
  request.output = arguments.get(OptionId::Output);
  request.program = arguments.get(OptionId::Program);
  request.artifact = request.output.ends_with(".tern");
  if (!request.artifact && !request.output.ends_with(".safetensors"))
    return usage("the result is a .safetensors file, or with '--program' a .tern file: '-o " + request.output + "' should end so");
  if (request.artifact && request.program.empty()) return usage("'-o " + request.output + "' needs the network: give it with '--program F.tri'");
  request.weights = request.artifact ? arguments.get(OptionId::SaveWeights) : request.output;
  if (arguments.has(OptionId::SaveWeights) && (!request.artifact || !request.weights.ends_with(".safetensors")))
    return usage("'--save-weights FILE.safetensors' goes with '-o OUT.tern'");
  WeightPolicy &policy = request.target.policy;
  Result<std::pair<DType, bool>> bits = oneOf<std::pair<DType, bool>>(arguments, OptionId::Bits, "--bits",
      {{"1", {DType::Trit, true}}, {"1.58", {DType::Trit, false}}, {"2", {DType::Trit, false}}, {"4", {DType::Int4, false}}, {"8", {DType::Int8, false}}},
      {DType::Trit, false});
  if (!bits) return bits.takeError();
  policy.storage = bits->first;
  request.target.signs = bits->second;
  Result<WeightMethod> method = oneOf<WeightMethod>(arguments, OptionId::Method, "--method",
      {{"twn", WeightMethod::Twn}, {"absmean", WeightMethod::AbsMean}, {"fixed", WeightMethod::Fixed}, {"stochastic", WeightMethod::Stochastic},
       {"learned", WeightMethod::Learned}},
      WeightMethod::Twn);
  if (!method) return method.takeError();
  policy.method = *method;
  request.methodGiven = arguments.has(OptionId::Method);
  Result<WeightScale> scale = oneOf<WeightScale>(arguments, OptionId::Scale, "--scale",
      {{"per_channel", WeightScale::PerChannel}, {"per_tensor", WeightScale::PerTensor}, {"per_group", WeightScale::PerGroup}}, WeightScale::PerChannel);
  if (!scale) return scale.takeError();
  policy.scale = *scale;
  request.scaleGiven = arguments.has(OptionId::Scale);
  Result<int64_t> group = arguments.number(OptionId::Group, 0, 1, int64_t(1) << 40);
  if (!group) return group.takeError();
  policy.group = *group;
  if ((policy.scale == WeightScale::PerGroup) != (policy.group > 0)) return usage("'--scale per_group' and '--group N' go together");
  Result<int64_t> seed = arguments.number(OptionId::Seed, 0, 0, INT64_MAX);
  if (!seed) return seed.takeError();
  policy.seed = uint64_t(*seed);
  if (arguments.has(OptionId::Threshold)) {
    std::string text = arguments.get(OptionId::Threshold);
    char *end = nullptr;
    double value = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || *end || !(value > 0) || !std::isfinite(value)) return usage("'--threshold' needs a number above 0, got '" + text + "'");
    request.threshold = policy.threshold = value;
  }
  if (policy.method == WeightMethod::Fixed && !request.threshold) return usage("'--method fixed' needs '--threshold X'");
  Result<std::vector<KeepRule>> rules = keepRules(arguments);
  if (!rules) return rules.takeError();
  request.keep = std::move(*rules);
  Result<int64_t> threads = arguments.number(OptionId::Threads, std::max(1u, std::thread::hardware_concurrency()), 1, 1024);
  if (!threads) return threads.takeError();
  request.threads = unsigned(*threads);
  if (arguments.has(OptionId::Samples) && !arguments.has(OptionId::Calibration))
    return usage("'--samples N' says how many of '--calibrate' count: give both");
  if (request.program.empty()) {
    if (arguments.has(OptionId::Calibration)) return usage("'--calibrate' runs the network: give it with '--program F.tri'");
    return request;
  }
  if (policy.storage != DType::Trit)
    return usage("with '--program' the program says how each weight is stored; '--bits' 1, 1.58 or 2 is about its trits, '--keep LAYER=TYPE' stores some otherwise");
  return request;
}

/// Without a program: matrices and more are weights, vectors and what is no float are copied.
static Result<std::vector<Plan>> planAlone(const Request &request, const SafetensorsFile &file) {
  std::vector<Plan> plans;
  std::vector<std::string> keys;
  for (const SafetensorsFile::Entry &entry : file.entries()) {
    Plan plan{&entry, std::nullopt};
    if (isFloat(entry.type) && entry.shape.size() >= 2) {
      plan.target = request.target;
      if (std::optional<DType> kept = keptStorage(request.keep, entry.key)) {
        plan.target->policy.storage = *kept;
        plan.target->signs = false;
      }
      keys.push_back(entry.key);
    }
    plans.push_back(plan);
  }
  if (Result<void> known = checkKeepRules(request.keep, keys, request.input); !known) return known.takeError();
  return plans;
}

static std::string scaleName(WeightScale scale) {
  return scale == WeightScale::PerTensor ? "per_tensor" : scale == WeightScale::PerChannel ? "per_channel" : "per_group";
}

/// The program's storage and layout with the command line's way to choose trits.
static Result<WeightTarget> targetOf(const Request &request, const GraphParam &param) {
  WeightTarget target{param.policy, request.target.signs, param.channelAxis};
  if (param.policy.storage != DType::Trit) {
    target.signs = false;
    return target;
  }
  WeightPolicy &policy = target.policy;
  const WeightPolicy &asked = request.target.policy;
  if (request.methodGiven) {
    policy.method = asked.method;
    policy.threshold = asked.threshold;
    policy.seed = asked.seed;
  } else if (request.threshold) {
    policy.threshold = *request.threshold;
  }
  // One scale for all fits every layout; other layouts must be the program's.
  if (request.scaleGiven && asked.scale == WeightScale::PerTensor) {
    policy.scale = WeightScale::PerTensor;
  } else if (request.scaleGiven && (asked.scale != policy.scale || (asked.scale == WeightScale::PerGroup && asked.group != policy.group))) {
    return usage(fmt::format("the program has '{}' with {}; write @ternary(scale={}{}) there", param.key, scaleName(policy.scale), scaleName(asked.scale),
                             asked.scale == WeightScale::PerGroup ? fmt::format(", group={}", asked.group) : ""));
  }
  return target;
}

/// With a program: its parameters and nothing else, each as it is stored there.
static Result<std::vector<Plan>> planFor(const Request &request, const SafetensorsFile &file, const Graph &graph, std::vector<std::string> &notes) {
  std::vector<Plan> plans;
  std::string problems;
  size_t count = 0;
  auto problem = [&](const std::string &text) {
    if (++count <= 20) problems += (problems.empty() ? "" : "\n") + text;
  };
  std::set<std::string> known;
  for (const GraphParam &param : graph.params) {
    known.insert(param.key);
    const SafetensorsFile::Entry *entry = file.find(param.key);
    if (!entry) {
      if (param.init) continue;
      std::vector<std::string> near = file.nearest(param.key, 1);
      problem(fmt::format("{}: no tensor '{}'{}", file.name(), param.key, near.empty() ? "" : "; the nearest key present is '" + near[0] + "'"));
      continue;
    }
    TensorShape shape;
    for (const Dim &dim : graph.values[param.value].type.shape) shape.push_back(dim.constant().value_or(-1));
    if (shape != entry->shape) {
      problem(fmt::format("{}: tensor '{}' has shape {}, expected {}", file.name(), param.key, formatShape(entry->shape), formatShape(shape)));
      continue;
    }
    Plan plan{entry, std::nullopt};
    bool coded = entry->type == ElementType::I8 && file.find(param.key + ".scale");
    if (param.isWeight && isFloat(entry->type) && !coded) {
      Result<WeightTarget> target = targetOf(request, param);
      if (!target) return target.takeError();
      // Thresholds and scales that training learned are better than what the weights alone tell.
      const SafetensorsFile::Entry *delta = file.find(param.key + ".delta"), *scale = file.find(param.key + ".scale");
      bool trained = target->policy.storage == DType::Trit && target->policy.method == WeightMethod::Learned && !request.methodGiven && delta && scale;
      if (trained) {
        plans.push_back({delta, std::nullopt});
        plans.push_back({scale, std::nullopt});
        known.insert({param.key + ".delta", param.key + ".scale"});
        notes.push_back(fmt::format("{}: '{}' has a trained threshold and scale and is copied", file.name(), param.key));
      } else {
        plan.target = std::move(*target);
      }
    }
    plans.push_back(plan);
    if (coded) {
      notes.push_back(fmt::format("{}: '{}' holds codes already and is copied", file.name(), param.key));
      plans.push_back({file.find(param.key + ".scale"), std::nullopt});
      known.insert(param.key + ".scale");
    }
  }
  if (count > 20) problems += fmt::format("\nand {} more", count - 20);
  if (count) return Error{problems};
  for (const Quantizer &quantizer : graph.quantizers)
    if (quantizer.key && file.find(*quantizer.key) && known.insert(*quantizer.key).second) plans.push_back({file.find(*quantizer.key), std::nullopt});
  for (const SafetensorsFile::Entry &entry : file.entries())
    if (!known.count(entry.key) && !entry.key.ends_with("num_batches_tracked"))
      notes.push_back(fmt::format("{}: tensor '{}' is not used by the program and is left out", file.name(), entry.key));
  return plans;
}

/// Carries out the plans, on all threads; the order of the results is that of the plans.
static Result<void> quantiseAll(const Request &request, const std::vector<Plan> &plans, Outcome &out) {
  std::vector<std::optional<Result<QuantisedWeight>>> made(plans.size());
  parallelFor(plans.size(), request.threads, [&](size_t i, unsigned) {
    if (plans[i].target) made[i].emplace(quantiseWeight(*plans[i].entry, *plans[i].target));
  });
  for (size_t i = 0; i < plans.size(); ++i) {
    const SafetensorsFile::Entry &entry = *plans[i].entry;
    if (!made[i]) {
      out.tensors.emplace_back(entry.key, HostTensor{entry.type, entry.shape, {entry.bytes.begin(), entry.bytes.end()}});
      continue;
    }
    if (!*made[i]) return Error{request.input + ": " + made[i]->error().message, made[i]->error().kind};
    QuantisedWeight &weight = **made[i];
    out.layers.push_back(std::move(weight.error));
    out.tensors.emplace_back(entry.key, std::move(weight.codes));
    if (weight.scale) out.tensors.emplace_back(entry.key + ".scale", std::move(*weight.scale));
  }
  return {};
}

/// Replaces tensors or adds them.
static void put(Tensors &tensors, const std::string &key, HostTensor value) {
  auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto &t) { return t.first == key; });
  if (found == tensors.end()) tensors.emplace_back(key, std::move(value));
  else found->second = std::move(value);
}

/// The weights that were made, ready to be loaded.
static Result<std::shared_ptr<const WeightStore>> storeOf(const Request &request, const Outcome &out) {
  Result<WeightStore> store = WeightStore::fromTensors(out.tensors, request.input);
  if (!store) return store.takeError();
  return std::shared_ptr<const WeightStore>(std::make_shared<WeightStore>(std::move(*store)));
}

/// Statistics of batch norm and activation scales from the calibration inputs.
static Result<void> measure(const Arguments &arguments, const Request &request, const CheckedProgram &program, const Graph &graph,
                            const HostTensor &samples, Outcome &out) {
  Result<std::shared_ptr<const WeightStore>> store = storeOf(request, out);
  if (!store) return store.takeError();
  Timing timing;
  PipelineOptions options;
  options.threads = request.threads;
  Pipeline pipeline(graph, *program.sources, std::move(options), timing);
  if (Result<void> done = pipeline.generate(); !done) return done.takeError();
  Result<Pipeline::Measured> found = pipeline.measure(**store, samples, !arguments.has(OptionId::KeepStatistics));
  if (!found) return found.takeError();
  for (const auto &[key, values] : found->statistics)
    put(out.tensors, key, HostTensor::of<float>({int64_t(values.size())}, values));
  for (const auto &[key, scale] : found->activationScales) put(out.tensors, key, HostTensor::of<float>({}, std::span(&scale, 1)));
  out.samples = size_t(samples.shape[0]);
  out.statistics = found->statistics.size();
  out.activationScales = found->activationScales.size();
  return {};
}

/// What each layer hands on, beside the fp32 twin's.
static Result<void> compareLayers(const Request &request, const CheckedProgram &program, const Graph &graph, const WeightStore &store,
                                  const HostTensor &samples, Outcome &out) {
  Result<WeightStore> floats = WeightStore::open(request.input);
  if (!floats) return floats.takeError();
  Timing timing;
  PipelineOptions options;
  options.threads = request.threads;
  Pipeline pipeline(graph, *program.sources, std::move(options), timing);
  if (Result<void> done = pipeline.generate(); !done) return done.takeError();
  Result<std::vector<Pipeline::LayerOutput>> found = pipeline.compareLayers(store, *floats, samples);
  if (!found) return found.takeError();
  for (Pipeline::LayerOutput &layer : *found) out.outputs[std::move(layer.key)] = layer.sqnrDb;
  return {};
}

/// How far the quantised network's first real output is from that of the fp32 twin, on the calibration inputs.
static Result<void> compareWithTwin(const Arguments &arguments, const Request &request, const std::shared_ptr<const WeightStore> &store,
                                    const HostTensor &samples, Outcome &out) {
  std::vector<std::vector<HostTensor>> outputs;
  for (bool twin : {true, false}) {
    Arguments words = arguments;
    words.command = "run";
    if (twin) words.values[OptionId::Weights] = {request.input};
    words.values.erase(OptionId::Calibration);
    words.values.erase(OptionId::Samples);
    if (twin) words.values[OptionId::Fp32] = {""};
    Result<OracleModel> model = openOracle(words, request.program, twin ? nullptr : store);
    if (!model) return model.takeError();
    Result<std::vector<HostTensor>> result = model->pipeline->interpretSamples(samples);
    if (!result) return result.takeError();
    outputs.push_back(std::move(*result));
  }
  for (size_t i = 0; i < outputs[0].size(); ++i) {
    if (outputs[0][i].type != ElementType::F32 || outputs[0][i].shape != outputs[1][i].shape) continue;
    std::vector<float> truth = outputs[0][i].as<float>(), found = outputs[1][i].as<float>();
    double signal = 0, noise = 0;
    for (size_t k = 0; k < truth.size(); ++k) {
      double difference = double(truth[k]) - double(found[k]);
      signal += double(truth[k]) * double(truth[k]);
      noise += difference * difference;
    }
    if (signal > 0 && noise > 0) out.outputSqnrDb = 10 * std::log10(signal / noise);
    if (outputs[0][i].shape.size() == 2 && outputs[0][i].shape[1] > 1) {
      auto width = size_t(outputs[0][i].shape[1]), rows = truth.size() / width, same = size_t(0);
      for (size_t row = 0; row < rows; ++row) {
        auto largest = [&](const std::vector<float> &v) {
          auto begin = v.begin() + ptrdiff_t(row * width);
          return std::max_element(begin, begin + ptrdiff_t(width)) - begin;
        };
        same += largest(truth) == largest(found);
      }
      out.agreement = double(same) / double(rows);
    }
    break;
  }
  return {};
}

static json::Value orNull(const std::optional<double> &value) { return value ? json::Value(*value) : json::Value(nullptr); }

static std::string storageName(DType storage) { return dtypeName(storage); }

/// SQNR of a layer's output; nothing where it was not measured, or where nothing was lost.
static std::optional<double> outputOf(const Outcome &out, const std::string &key) {
  auto found = out.outputs.find(key);
  return found == out.outputs.end() ? std::nullopt : found->second;
}

static json::Object document(const Request &request, const Outcome &out, int64_t inputBytes, const std::string &bytes) {
  json::Object o;
  o.append("input", request.input);
  o.append("output", request.output);
  o.append("program", request.program.empty() ? json::Value(nullptr) : json::Value(request.program));
  o.append("input_bytes", inputBytes);
  o.append("output_bytes", request.artifact ? int64_t(out.artifactBytes) : int64_t(bytes.size()));
  o.append("sha256", request.artifact ? out.artifactSha256 : sha256Hex(bytes));
  o.append("weights", request.weights.empty() ? json::Value(nullptr) : json::Value(request.weights));
  o.append("samples", int64_t(out.samples));
  o.append("statistics", int64_t(out.statistics));
  o.append("activation_scales", int64_t(out.activationScales));
  o.append("output_sqnr_db", orNull(out.outputSqnrDb));
  o.append("agreement", orNull(out.agreement));
  json::Array layers;
  for (const LayerError &layer : out.layers) {
    json::Object row;
    row.append("key", layer.key);
    json::Array shape;
    for (int64_t size : layer.shape) shape.push_back(size);
    row.append("shape", std::move(shape));
    row.append("storage", storageName(layer.storage));
    row.append("scales", layer.scales);
    row.append("sqnr_db", orNull(layer.sqnrDb));
    row.append("zero_fraction", layer.zeroFraction);
    row.append("bits_per_weight", layer.bitsPerWeight);
    row.append("output_sqnr_db", orNull(outputOf(out, layer.key)));
    layers.push_back(std::move(row));
  }
  o.append("layers", std::move(layers));
  o.append("notes", json::Array(out.notes.begin(), out.notes.end()));
  return o;
}

static void printReport(const Request &request, const Outcome &out, int64_t inputBytes, size_t outputBytes) {
  const bool measured = !out.outputs.empty();
  fmt::print("{:<44}{:<22}{:<10}{:>10}{:>9}{:>8}{}\n", "weight", "shape", "storage", "SQNR dB", "zeros", "bits", measured ? "   output dB" : "");
  for (const LayerError &layer : out.layers) {
    auto decibels = [](const std::optional<double> &value) { return value ? fmt::format("{:.2f}", *value) : std::string("exact"); };
    fmt::print("{:<44}{:<22}{:<10}{:>10}{:>7.1f} %{:>8.2f}{}\n", layer.key, formatShape(layer.shape), storageName(layer.storage), decibels(layer.sqnrDb),
               100 * layer.zeroFraction, layer.bitsPerWeight,
               measured ? fmt::format("{:>12}", out.outputs.count(layer.key) ? decibels(outputOf(out, layer.key)) : "-") : "");
  }
  fmt::print("{}: {} B, of {} B in {}\n", request.output, outputBytes, inputBytes, request.input);
  if (!out.samples) return;
  fmt::print("on {} samples: {} statistics of batch norm estimated again, {} activation scales\n", out.samples, out.statistics, out.activationScales);
  if (out.outputSqnrDb) fmt::print("output against the fp32 twin: {:.2f} dB{}\n", *out.outputSqnrDb,
                                   out.agreement ? fmt::format(", the same class for {:.1f} % of the samples", 100 * *out.agreement) : "");
}

/// Compiles the network with the weights that were made.
static Result<void> makeArtifact(const Arguments &arguments, const Request &request, const CheckedProgram &program, const Graph &graph,
                                 const std::shared_ptr<const WeightStore> &store, Outcome &out) {
  Arguments words = arguments;
  words.command = "compile";
  for (OptionId id : {OptionId::Calibration, OptionId::Samples, OptionId::Weights}) words.values.erase(id);
  Timing timing;
  Result<CompiledArtifact> artifact = compileWith(words, request.program, program, graph, store, timing);
  if (!artifact) return artifact.takeError();
  for (const std::string &warning : artifact->report.summary.warnings) out.notes.push_back(warning);
  std::string_view bytes(reinterpret_cast<const char *>(artifact->bytes.data()), artifact->bytes.size());
  out.artifactBytes = bytes.size();
  out.artifactSha256 = sha256Hex(bytes);
  return writeFileAtomically(request.output, bytes);
}

int runQuantize(const Arguments &arguments) {
  Result<Request> request = readRequest(arguments);
  if (!request) return fail(arguments, request.error());
  Result<Checkpoint> checkpoint = readCheckpoint(request->input);
  if (!checkpoint) return fail(arguments, checkpoint.error());
  Outcome out;
  out.notes = checkpoint->notes;
  std::optional<CheckedProgram> program;
  Graph *graph = nullptr;
  if (!request->program.empty()) {
    Timing timing;
    Result<CheckedProgram> checked = checkProgram(arguments, request->program, timing);
    if (!checked) return fail(arguments, checked.error());
    if (int status = finishDiagnostics(arguments, *checked->diags); status != kDone) return status;
    program.emplace(std::move(*checked));
    Result<Graph *> chosen = chooseModel(arguments, *program, request->program);
    if (!chosen) return fail(arguments, chosen.error());
    graph = *chosen;
  }
  Result<std::vector<Plan>> plans = graph ? planFor(*request, checkpoint->tensors, *graph, out.notes) : planAlone(*request, checkpoint->tensors);
  if (!plans) return fail(arguments, plans.error());
  if (Result<void> done = quantiseAll(*request, *plans, out); !done) return fail(arguments, done.error());
  std::optional<HostTensor> samples;
  Progress progress(arguments, "quantize", 5);
  if (arguments.has(OptionId::Calibration)) {
    progress.update(0, "reading samples");
    Result<SampleRequest> wanted = sampleRequest(arguments, request->program);
    if (!wanted) return fail(arguments, wanted.error());
    wanted->threads = request->threads;
    Result<HostTensor> read = readSamples(*graph, *wanted);
    if (!read) return fail(arguments, read.error());
    samples = std::move(*read);
    progress.update(1, fmt::format("statistics and scales on {} samples", samples->shape[0]));
    if (Result<void> done = measure(arguments, *request, *program, *graph, *samples, out); !done) return fail(arguments, done.error());
  }
  Result<std::string> bytes = encodeSafetensors(out.tensors, {{"format", "triton codes and scales"}});
  if (!bytes) return fail(arguments, bytes.error());
  std::shared_ptr<const WeightStore> store;
  if (samples || request->artifact) {
    Result<std::shared_ptr<const WeightStore>> made = storeOf(*request, out);
    if (!made) return fail(arguments, made.error());
    store = std::move(*made);
  }
  const bool hasTwin = std::none_of(plans->begin(), plans->end(), [](const Plan &plan) { return plan.entry->type == ElementType::I8; });
  if (samples && !hasTwin) out.notes.push_back(request->input + " holds codes, so that there is no fp32 twin to compare with");
  if (samples && hasTwin) {
    progress.update(2, "layers beside the fp32 twin");
    if (Result<void> done = compareLayers(*request, *program, *graph, *store, *samples, out); !done) return fail(arguments, done.error());
    progress.update(3, "outputs beside the fp32 twin");
    if (Result<void> done = compareWithTwin(arguments, *request, store, *samples, out); !done)
      return done.error().message.empty() ? int(kInputAtFault) : fail(arguments, done.error());
  }
  if (request->artifact) {
    if (samples) progress.update(4, "compiling");
    if (Result<void> done = makeArtifact(arguments, *request, *program, *graph, store, out); !done) return fail(arguments, done.error());
  }
  if (!request->weights.empty())
    if (Result<void> done = writeFileAtomically(request->weights, *bytes); !done) return fail(arguments, done.error());
  if (samples) progress.update(5);
  if (graph && !request->keep.empty() && !request->weights.empty())
    out.notes.push_back(request->weights + " goes with the same --keep when it is compiled");
  int64_t inputBytes = 0;
  for (const SafetensorsFile::Entry &entry : checkpoint->tensors.entries()) inputBytes += int64_t(entry.bytes.size());
  if (!arguments.has(OptionId::Quiet))
    for (const std::string &note : out.notes) fmt::print(stderr, "triton: note: {}\n", note);
  if (arguments.has(OptionId::Json)) printJson(document(*request, out, inputBytes, *bytes));
  else if (!arguments.has(OptionId::Quiet)) printReport(*request, out, inputBytes, request->artifact ? out.artifactBytes : bytes->size());
  return kDone;
}

} // namespace triton::driver
