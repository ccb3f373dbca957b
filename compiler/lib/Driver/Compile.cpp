// `triton compile`, and the compile that other commands do on a `.tri` file.
#include "Compile.h"

#include "CompileCache.h"
#include "Samples.h"
#include "TunedCompile.h"

#include "triton/AST/Printer.h"
#include "triton/Artifact/Artifact.h"
#include "triton/Cache/Store.h"
#include "triton/Driver/GraphCosts.h"
#include "triton/Driver/Pipeline.h"
#include "triton/Driver/Version.h"
#include "triton/Support/Leftovers.h"
#include "triton/Target/TargetDesc.h"
#include "triton/Tensor/Files.h"
#include "Zoo.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

namespace triton::driver {

namespace fs = std::filesystem;

Result<PipelineOptions> pipelineOptions(const Arguments &arguments) {
  PipelineOptions options;
  std::string level = arguments.get(OptionId::OptLevel, "2");
  if (level.size() != 1 || level[0] < '0' || level[0] > '3')
    return Error{fmt::format("unknown optimisation level '-O{}'; there are -O0, -O1, -O2 and -O3", level), ErrorKind::Usage};
  options.optLevel = level[0] - '0';
  Result<std::vector<TargetDesc>> targets = parseTargets(arguments.get(OptionId::Target, "native"));
  if (!targets) return targets.takeError();
  for (const TargetDesc &target : *targets) options.targets.push_back(target.name);
  std::string aim = arguments.get(OptionId::OptimizeFor, "speed");
  if (aim != "speed" && aim != "size") return Error{fmt::format("--optimize-for wants speed or size, not '{}'", aim), ErrorKind::Usage};
  if (aim == "size" && arguments.has(OptionId::CodeBudget))
    return Error{"--optimize-for size has no code that --code-budget could be for", ErrorKind::Usage};
  Result<uint64_t> budget = aim == "size" ? Result<uint64_t>(uint64_t(0)) : cache::parseSize(arguments.get(OptionId::CodeBudget, "64M"));
  if (!budget) return Error{"--code-budget: " + budget.error().message, ErrorKind::Usage};
  options.codeBudget = *budget;
  options.weights = arguments.get(OptionId::Weights);
  options.randomWeights = arguments.has(OptionId::RandomWeights);
  if (options.randomWeights && !arguments.get(OptionId::RandomWeights).empty()) {
    Result<int64_t> seed = arguments.number(OptionId::RandomWeights, 0, 0, INT64_MAX);
    if (!seed) return seed.takeError();
    options.randomSeed = uint64_t(*seed);
  }
  options.printIrAfter = arguments.get(OptionId::PrintIrAfter);
  Result<int64_t> threads = arguments.number(OptionId::Threads, std::max(1u, std::thread::hardware_concurrency()), 1, 1024);
  if (!threads) return threads.takeError();
  options.threads = unsigned(*threads);
  Result<SampleRequest> samples = sampleRequest(arguments, arguments.positional.empty() ? "" : arguments.positional[0]);
  if (!samples) return samples.takeError();
  samples->threads = options.threads;
  if (!samples->path.empty()) options.samples = [request = std::move(*samples)](const Graph &graph) { return readSamples(graph, request); };
  Result<int64_t> seconds = tuneBudget(arguments);
  if (!seconds) return seconds.takeError();
  options.tuneBudgetSeconds = double(*seconds);
  return options;
}

/// An Error that says: the diagnostics are printed, say no more.
static Error alreadyReported() { return Error{"", ErrorKind::Input}; }

/// The checked program with the graph of the chosen model, diagnostics printed.
static Result<Graph *> checkedGraph(const Arguments &arguments, const std::string &path, CheckedProgram &program) {
  if (finishDiagnostics(arguments, *program.diags) != kDone) return alreadyReported();
  return chooseModel(arguments, program, path);
}

static CompiledArtifact fromCache(cache::Blob bytes, cache::CompileSummary summary) {
  CompiledArtifact out;
  out.bytes.assign(bytes.data(), bytes.data() + bytes.size());
  out.report.cache = "hit";
  out.report.summary = std::move(summary);
  return out;
}

/// What --verbose says of each layer.
static std::string choicesText(const CompiledModel &model) {
  std::string text;
  for (const CompiledVariant &variant : model.variants) {
    text += variant.target + ":\n";
    for (const LayerChoice &choice : variant.choices)
      text += fmt::format("  {:<28} {:<26} {:<22} {}\n", choice.layer, choice.algorithm, choice.packing, choice.reason);
  }
  return text;
}

/// Layers of the model, and those of them whose code any target had to compile now.
static std::pair<uint64_t, uint64_t> countLayers(const CompiledModel &model) {
  uint64_t layers = 0, compiled = 0;
  std::string last;
  bool counted = false;
  for (size_t i = 0; i < model.steps.size(); ++i) {
    const Step &step = model.steps[i];
    if (step.layer.empty()) continue;
    if (step.layer != last && step.macsPerBatch) {
      ++layers;
      counted = false;
    }
    bool now = std::any_of(model.variants.begin(), model.variants.end(), [&](const CompiledVariant &v) { return v.stepCompiled[i]; });
    if (now && !counted && step.macsPerBatch) {
      ++compiled;
      counted = true;
    }
    last = step.layer;
  }
  return {layers, compiled};
}

/// The part of a report that an artifact keeps.
static cache::CompileSummary summarise(const CompiledModel &model, const std::vector<std::string> &warnings) {
  cache::CompileSummary summary;
  summary.name = model.name;
  for (const CompiledVariant &variant : model.variants) summary.targets += (summary.targets.empty() ? "" : ",") + variant.target;
  summary.optLevel = uint64_t(model.optLevel);
  summary.layers = countLayers(model).first;
  summary.warnings = warnings;
  summary.choices = choicesText(model);
  return summary;
}

static std::string compilerName() { return fmt::format("triton {} {}", versionNumber(), buildId()); }

/// Objects of the cache. At -O3 without one, objects of this process: what is tried is compiled once.
static ObjectCache objectsFor(CompileCache &cache, const PipelineOptions &options) {
  ObjectCache objects = cache.objects();
  if (objects.find || options.optLevel < 3) return objects;
  auto all = std::make_shared<std::map<cache::Key, std::vector<uint8_t>>>();
  objects.find = [all](const cache::Key &key) {
    auto found = all->find(key);
    return found == all->end() ? std::nullopt : std::optional(found->second);
  };
  objects.put = [all](const cache::Key &key, const std::vector<uint8_t> &object) { all->emplace(key, object); };
  return objects;
}

/// The rest of a compile, from the float graph on.
static Result<CompiledArtifact> finishCompile(const Arguments &arguments, const PipelineOptions &options, Pipeline &pipeline, const GraphCosts &costs,
                                              CompileCache &cache, Timing &timing) {
  if (Result<void> done = pipeline.resolve(); !done) return done.takeError();
  CompiledArtifact out;
  std::vector<cache::RecordUse> records;
  std::string tuningText;
  Result<CompiledModel> model = [&]() -> Result<CompiledModel> {
    if (options.optLevel < 3) return pipeline.compile();
    Result<tuning::Outcome> tuned = compileTuned(arguments, options, pipeline, cache.records(), timing);
    if (!tuned) return tuned.takeError();
    out.report.tuning = {tuned->measured, tuned->recorded, tuned->left};
    records = std::move(tuned->records);
    tuningText = std::move(tuned->text);
    return std::move(tuned->model);
  }();
  if (!model) return model.takeError();
  model->compiler = compilerName();
  model->parameters = costs.parameters;
  model->fp32Bytes = costs.parameters * 4;
  {
    auto scope = timing.stage("artifact");
    Result<std::vector<uint8_t>> bytes = writeArtifact(*model);
    if (!bytes) return bytes.takeError();
    out.bytes = std::move(*bytes);
  }
  unsigned units = 0, compiled = 0;
  for (const CompiledVariant &variant : model->variants) units += variant.units, compiled += variant.unitsCompiled;
  out.report.cache = compiled < units ? "partial" : "miss";
  out.report.layersRecompiled = countLayers(*model).second;
  out.report.summary = summarise(*model, pipeline.warnings());
  out.report.summary.choices += tuningText;
  out.report.summary.records = std::move(records);
  out.report.summary.artifactBytes = out.bytes.size();
  return out;
}

Result<CompiledArtifact> compileWith(const Arguments &arguments, const std::string &path, const CheckedProgram &program, const Graph &graph,
                                     std::shared_ptr<const WeightStore> store, Timing &timing) {
  Result<PipelineOptions> options = pipelineOptions(arguments);
  if (!options) return options.takeError();
  Result<CompileCache> cache = CompileCache::open(arguments, path);
  if (!cache) return cache.takeError();
  options->objects = objectsFor(*cache, *options);
  options->store = std::move(store);
  Pipeline pipeline(graph, *program.sources, *options, timing);
  if (Result<void> done = pipeline.generate(); !done) return done.takeError();
  return finishCompile(arguments, *options, pipeline, graphCosts(graph), *cache, timing);
}

/// Compiles what the cache does not have. `program` is checked, its graph chosen.
static Result<CompiledArtifact> compileGraph(const Arguments &arguments, const CheckedProgram &program, const Graph &graph,
                                             CompileCache &cache, Timing &timing) {
  Result<PipelineOptions> options = pipelineOptions(arguments);
  if (!options) return options.takeError();
  options->objects = objectsFor(cache, *options);
  options->quantised = cache.quantised();
  auto owned = std::make_shared<Pipeline>(graph, *program.sources, *options, timing);
  Pipeline &pipeline = *owned;
  if (Result<void> done = pipeline.generate(); !done) return done.takeError();
  GraphCosts costs = graphCosts(graph);
  // --print-ir-after is about the work itself.
  if (cache.usable() && !arguments.has(OptionId::PrintIrAfter)) {
    auto scope = timing.stage("cache lookup (module)");
    std::optional<cache::CompileSummary> summary = cache.findModule(pipeline.moduleText(), costs.parameters);
    if (std::optional<cache::Blob> bytes = summary ? cache.artifact() : std::nullopt) {
      CompiledArtifact out = fromCache(std::move(*bytes), std::move(*summary));
      cache.keep(program, out.report.summary, {});
      return out;
    }
  }
  Result<CompiledArtifact> out = finishCompile(arguments, *options, pipeline, costs, cache, timing);
  if (!out) return out;
  auto scope = timing.stage("cache store");
  cache.keep(program, out->report.summary, out->bytes);
  leave(std::move(owned));
  return out;
}

Result<CompiledArtifact> compileFile(const Arguments &arguments, const std::string &path, Timing &timing) {
  // Wrong options are said before anything is looked up.
  if (Result<PipelineOptions> options = pipelineOptions(arguments); !options) return options.takeError();
  double before = timing.totalMs();
  Result<CompileCache> cache = CompileCache::open(arguments, path);
  if (!cache) return cache.takeError();
  CompiledArtifact out;
  std::vector<std::string> files;
  uint64_t lines = 0;
  std::optional<cache::Blob> found;
  if (!arguments.has(OptionId::PrintIrAfter))
    if (std::optional<cache::CompileSummary> summary = cache->findRequest(files, lines))
      if ((found = cache->artifact())) out = fromCache(std::move(*found), std::move(*summary));
  if (cache->usable()) timing.add("cache lookup", timing.totalMs() - before);
  if (out.bytes.empty()) {
    Result<CheckedProgram> program = checkProgram(arguments, path, timing);
    if (!program) return program.takeError();
    Result<Graph *> graph = checkedGraph(arguments, path, *program);
    if (!graph) return graph.takeError();
    Result<CompiledArtifact> made = compileGraph(arguments, *program, **graph, *cache, timing);
    if (!made) return made.takeError();
    out = std::move(*made);
    files = program->module.files;
    for (FileId file = 0; file < program->sources->fileCount(); ++file)
      if (!program->sources->name(file).starts_with("<")) lines += cache::countLines(program->sources->text(file));
    leave(std::make_shared<CheckedProgram>(std::move(*program)));
  }
  out.report.path = path;
  out.report.files = std::move(files);
  out.report.lines = lines;
  cache->finish(out.report.cache);
  return out;
}

Result<OracleModel> openOracle(const Arguments &arguments, const std::string &path, std::shared_ptr<const WeightStore> store) {
  Result<PipelineOptions> options = pipelineOptions(arguments);
  if (!options) return options.takeError();
  options->store = std::move(store);
  OracleModel out;
  out.timing = std::make_unique<Timing>();
  Result<CheckedProgram> checked = checkProgram(arguments, path, *out.timing);
  if (!checked) return checked.takeError();
  auto program = std::make_shared<CheckedProgram>(std::move(*checked));
  Result<Graph *> graph = checkedGraph(arguments, path, *program);
  if (!graph) return graph.takeError();
  out.pipeline = std::make_unique<Pipeline>(**graph, *program->sources, *options, *out.timing);
  for (auto stage : {&Pipeline::generate, &Pipeline::resolve, &Pipeline::prepareInterpreter})
    if (Result<void> done = (out.pipeline.get()->*stage)(); !done) return done.takeError();
  out.program = std::move(program);
  return out;
}

/// Writes the text of a stage to -o, or to stdout.
static int writeText(const Arguments &arguments, const std::string &text) {
  std::string file = arguments.get(OptionId::Output);
  if (file.empty() || file == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kDone;
  }
  if (Result<void> done = writeFileAtomically(file, text); !done) return fail(arguments, done.error());
  return kDone;
}

/// A C header with the artifact's bytes, for programs that carry their network inside.
static std::string headerText(const CompiledArtifact &artifact) {
  std::string name;
  for (char c : artifact.report.summary.name) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  std::string out = fmt::format("/* {} compiled by {}. Give these bytes to tri_model_open. */\n#include <stddef.h>\n"
                                "static const unsigned char {}_tern[] __attribute__((aligned(4096))) = {{",
                                artifact.report.summary.name, compilerName(), name);
  for (size_t i = 0; i < artifact.bytes.size(); ++i) out += fmt::format("{}{},", i % 24 ? "" : "\n", artifact.bytes[i]);
  return out + fmt::format("\n}};\nstatic const size_t {}_tern_size = sizeof {}_tern;\n", name, name);
}

std::vector<std::string> emitStages() {
  return {"ast", "graph", "ternary", "ternary-int", "ternary-opt", "llvm", "asm", "obj", "header", "artifact"};
}

/// Every --emit but artifact and header.
static int emitStage(const Arguments &arguments, const std::string &path, const std::string &stage) {
  Result<PipelineOptions> options = pipelineOptions(arguments);
  if (!options) return fail(arguments, options.error());
  Timing timing;
  Result<CheckedProgram> program = checkProgram(arguments, path, timing, /*instantiate=*/stage != "ast");
  if (!program) return fail(arguments, program.error());
  if (stage == "ast") {
    int status = finishDiagnostics(arguments, *program->diags);
    if (status != kDone && arguments.has(OptionId::Json)) return status;
    std::ostringstream text;
    ast::printTree(*program->tree, *program->sources, text);
    return std::max(status, writeText(arguments, text.str()));
  }
  Result<Graph *> graph = checkedGraph(arguments, path, *program);
  if (!graph) return graph.error().message.empty() ? int(kInputAtFault) : fail(arguments, graph.error());
  if (stage == "graph") return writeText(arguments, graphToJson(**graph, fs::path(path).filename().string()));
  // What is shown is what would be compiled: the same records, and measured where there are none.
  bool tunes = options->optLevel >= 3 && (stage == "llvm" || stage == "asm" || stage == "obj");
  std::optional<CompileCache> cache;
  if (tunes) {
    Result<CompileCache> opened = CompileCache::open(arguments, path);
    if (!opened) return fail(arguments, opened.error());
    cache.emplace(std::move(*opened));
    options->objects = objectsFor(*cache, *options);
  }
  Pipeline pipeline(**graph, *program->sources, *options, timing);
  if (Result<void> done = pipeline.generate(); !done) return fail(arguments, done.error());
  if (stage != "ternary")
    if (Result<void> done = pipeline.resolve(); !done) return fail(arguments, done.error());
  if (stage == "ternary" || stage == "ternary-int") return writeText(arguments, pipeline.moduleText());
  if (stage == "ternary-opt") {
    if (Result<void> done = pipeline.optimise(); !done) return fail(arguments, done.error());
    return writeText(arguments, pipeline.moduleText());
  }
  ChooseProduct choose;
  if (tunes) {
    Result<tuning::Outcome> tuned = compileTuned(arguments, *options, pipeline, cache->records(), timing);
    if (!tuned) return fail(arguments, tuned.error());
    choose = std::move(tuned->choose);
  }
  Result<std::string> text = pipeline.emit(stage, choose);
  if (!text) return fail(arguments, text.error());
  if (arguments.has(OptionId::Timing)) fmt::print(stderr, "{}", timing.table());
  return writeText(arguments, *text);
}

int runCompile(const Arguments &arguments) {
  if (arguments.positional.size() != 1)
    return fail(arguments, Error{"compile needs one file: triton compile F.tri", ErrorKind::Usage});
  const std::string &path = arguments.positional[0];
  std::string stage = arguments.get(OptionId::Emit, "artifact");
  if (std::vector<std::string> stages = emitStages(); std::find(stages.begin(), stages.end(), stage) == stages.end()) {
    std::string near = nearestName(stage, stages);
    return fail(arguments, Error{fmt::format("unknown stage '--emit={}'{}", stage, near.empty() ? "" : "; did you mean '" + near + "'?"),
                                 ErrorKind::Usage});
  }
  if (arguments.has(OptionId::Reproducer))
    if (Result<void> done = writeReproducer(arguments, arguments.get(OptionId::Reproducer)); !done) return fail(arguments, done.error());
  if (stage != "artifact" && stage != "header") return emitStage(arguments, path, stage);
  keepLeftovers();
  Timing timing;
  Result<CompiledArtifact> artifact = compileFile(arguments, path, timing);
  if (!artifact) return artifact.error().message.empty() ? int(kInputAtFault) : fail(arguments, artifact.error());
  if (stage == "header") {
    printWarnings(arguments, artifact->report.summary);
    return writeText(arguments, headerText(*artifact));
  }
  std::string output = outputPath(arguments, path);
  {
    auto scope = timing.stage("write");
    std::string_view bytes(reinterpret_cast<const char *>(artifact->bytes.data()), artifact->bytes.size());
    if (Result<void> done = writeFileAtomically(output, bytes); !done) return fail(arguments, done.error());
  }
  if (arguments.has(OptionId::SaveTemps)) {
    fs::path folder = arguments.get(OptionId::SaveTemps);
    std::error_code error;
    fs::create_directories(folder, error);
    std::string stem = fs::path(path).stem().string();
    for (const char *kept : {"ast", "graph", "ternary", "ternary-int", "ternary-opt", "llvm", "asm"}) {
      Arguments again = arguments;
      again.values.erase(OptionId::SaveTemps);
      again.values.erase(OptionId::Timing);
      again.values[OptionId::Output] = {(folder / (stem + "." + kept)).string()};
      if (int status = emitStage(again, path, kept); status != kDone) return status;
    }
  }
  artifact->report.output = output;
  return reportCompile(arguments, artifact->report, timing);
}

} // namespace triton::driver
