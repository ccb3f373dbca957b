// `triton compile`, and the compile that other commands do on a `.tri` file.
#include "Compile.h"

#include "triton/AST/Printer.h"
#include "triton/Artifact/Artifact.h"
#include "triton/Driver/GraphCosts.h"
#include "triton/Driver/Pipeline.h"
#include "triton/Driver/Version.h"
#include "triton/Target/TargetDesc.h"
#include "triton/Tensor/Files.h"
#include "Zoo.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
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
  options.weights = arguments.get(OptionId::Weights);
  options.randomWeights = arguments.has(OptionId::RandomWeights);
  if (options.randomWeights && !arguments.get(OptionId::RandomWeights).empty()) {
    Result<int64_t> seed = arguments.number(OptionId::RandomWeights, 0, 0, INT64_MAX);
    if (!seed) return seed.takeError();
    options.randomSeed = uint64_t(*seed);
  }
  options.calibration = arguments.get(OptionId::Calibration);
  options.printIrAfter = arguments.get(OptionId::PrintIrAfter);
  Result<int64_t> threads = arguments.number(OptionId::Threads, std::max(1u, std::thread::hardware_concurrency()), 1, 1024);
  if (!threads) return threads.takeError();
  options.threads = unsigned(*threads);
  return options;
}

/// An Error that says: the diagnostics are printed, say no more.
static Error alreadyReported() { return Error{"", ErrorKind::Input}; }

/// The checked program with the graph of the chosen model, diagnostics printed.
static Result<Graph *> checkedGraph(const Arguments &arguments, const std::string &path, CheckedProgram &program) {
  if (finishDiagnostics(arguments, *program.diags) != kDone) return alreadyReported();
  return chooseModel(arguments, program, path);
}

static uint64_t countLines(const CheckedProgram &program) {
  uint64_t lines = 0;
  for (FileId file = 0; file < program.sources->fileCount(); ++file) {
    if (std::find(program.module.files.begin(), program.module.files.end(), program.sources->name(file)) == program.module.files.end())
      continue; // the built-in library is not the user's text
    std::string_view text = program.sources->text(file);
    lines += uint64_t(std::count(text.begin(), text.end(), '\n')) + (!text.empty() && text.back() != '\n');
  }
  return lines;
}

Result<CompiledArtifact> compileFile(const Arguments &arguments, const std::string &path, Timing &timing) {
  Result<PipelineOptions> options = pipelineOptions(arguments);
  if (!options) return options.takeError();
  Result<CheckedProgram> program = checkProgram(arguments, path, timing);
  if (!program) return program.takeError();
  Result<Graph *> graph = checkedGraph(arguments, path, *program);
  if (!graph) return graph.takeError();
  Pipeline pipeline(**graph, *program->sources, *options, timing);
  for (auto stage : {&Pipeline::generate, &Pipeline::resolve})
    if (Result<void> done = (pipeline.*stage)(); !done) return done.takeError();
  if (!arguments.has(OptionId::Quiet))
    for (const std::string &warning : pipeline.warnings()) fmt::print(stderr, "triton: warning: {}\n", warning);
  Result<CompiledModel> model = pipeline.compile();
  if (!model) return model.takeError();
  CompiledArtifact out;
  out.model = std::move(*model);
  out.model.compiler = fmt::format("triton {} {}", versionNumber(), buildId());
  GraphCosts costs = graphCosts(**graph);
  out.model.parameters = costs.parameters;
  out.model.fp32Bytes = costs.parameters * 4;
  out.files = program->module.files;
  out.sourceLines = countLines(*program);
  auto scope = timing.stage("artifact");
  Result<std::vector<uint8_t>> bytes = writeArtifact(out.model);
  if (!bytes) return bytes.takeError();
  out.bytes = std::move(*bytes);
  return out;
}

Result<OracleModel> openOracle(const Arguments &arguments, const std::string &path) {
  Result<PipelineOptions> options = pipelineOptions(arguments);
  if (!options) return options.takeError();
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
  for (char c : artifact.model.name) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  std::string out = fmt::format("/* {} compiled by {}. Give these bytes to tri_model_open. */\n#include <stddef.h>\n"
                                "static const unsigned char {}_tern[] __attribute__((aligned(4096))) = {{",
                                artifact.model.name, artifact.model.compiler, name);
  for (size_t i = 0; i < artifact.bytes.size(); ++i) out += fmt::format("{}{},", i % 24 ? "" : "\n", artifact.bytes[i]);
  return out + fmt::format("\n}};\nstatic const size_t {}_tern_size = sizeof {}_tern;\n", name, name);
}

static constexpr const char *kStages[] = {"ast", "graph", "ternary", "ternary-int", "ternary-opt", "llvm", "asm", "obj", "header", "artifact"};

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
  Pipeline pipeline(**graph, *program->sources, *options, timing);
  if (Result<void> done = pipeline.generate(); !done) return fail(arguments, done.error());
  if (stage != "ternary")
    if (Result<void> done = pipeline.resolve(); !done) return fail(arguments, done.error());
  if (stage == "ternary" || stage == "ternary-int") return writeText(arguments, pipeline.moduleText());
  if (stage == "ternary-opt") {
    if (Result<void> done = pipeline.optimise(); !done) return fail(arguments, done.error());
    return writeText(arguments, pipeline.moduleText());
  }
  Result<std::string> text = pipeline.emit(stage);
  if (!text) return fail(arguments, text.error());
  if (arguments.has(OptionId::Timing)) fmt::print(stderr, "{}", timing.table());
  return writeText(arguments, *text);
}

static int reportCompile(const Arguments &arguments, const std::string &path, const std::string &output,
                         const CompiledArtifact &artifact, const Timing &timing) {
  if (arguments.has(OptionId::Trace))
    if (Result<void> done = writeFileAtomically(arguments.get(OptionId::Trace), timing.chromeTrace()); !done)
      return fail(arguments, done.error());
  if (arguments.has(OptionId::DepFile)) {
    std::string rule = output + ":";
    for (const std::string &file : artifact.files) rule += " \\\n  " + file;
    if (arguments.has(OptionId::Weights)) rule += " \\\n  " + arguments.get(OptionId::Weights);
    if (Result<void> done = writeFileAtomically(arguments.get(OptionId::DepFile), rule + "\n"); !done)
      return fail(arguments, done.error());
  }
  if (arguments.has(OptionId::Verbose))
    for (const CompiledVariant &variant : artifact.model.variants) {
      fmt::print(stderr, "{}:\n", variant.target);
      for (const LayerChoice &choice : variant.choices)
        fmt::print(stderr, "  {:<28} {:<26} {:<22} {}\n", choice.layer, choice.algorithm, choice.packing, choice.reason);
    }
  if (arguments.has(OptionId::Json)) {
    json::Array targets;
    for (const CompiledVariant &variant : artifact.model.variants) targets.push_back(variant.target);
    int64_t layers = 0;
    std::string last;
    for (const Step &step : artifact.model.steps) {
      layers += !step.layer.empty() && step.layer != last && step.macsPerBatch;
      if (!step.layer.empty()) last = step.layer;
    }
    json::Object o;
    o.append("file", path);
    o.append("lines", int64_t(artifact.sourceLines));
    o.append("opt", artifact.model.optLevel);
    o.append("targets", std::move(targets));
    o.append("cache", "miss");
    o.append("total_ms", timing.totalMs());
    o.append("stages", timing.json());
    o.append("peak_rss_bytes", int64_t(peakResidentBytes()));
    o.append("artifact", output);
    o.append("artifact_bytes", int64_t(artifact.bytes.size()));
    o.append("layers", layers);
    o.append("layers_recompiled", layers);
    printJson(o);
  } else if (arguments.has(OptionId::Timing)) {
    fmt::print(stderr, "{}", timing.table());
  }
  return kDone;
}

int runCompile(const Arguments &arguments) {
  if (arguments.positional.size() != 1)
    return fail(arguments, Error{"compile needs one file: triton compile F.tri", ErrorKind::Usage});
  const std::string &path = arguments.positional[0];
  std::string stage = arguments.get(OptionId::Emit, "artifact");
  if (std::find(std::begin(kStages), std::end(kStages), stage) == std::end(kStages)) {
    std::string near = nearestName(stage, {std::begin(kStages), std::end(kStages)});
    return fail(arguments, Error{fmt::format("unknown stage '--emit={}'{}", stage, near.empty() ? "" : "; did you mean '" + near + "'?"),
                                 ErrorKind::Usage});
  }
  if (arguments.has(OptionId::Reproducer))
    if (Result<void> done = writeReproducer(arguments, arguments.get(OptionId::Reproducer)); !done) return fail(arguments, done.error());
  if (stage != "artifact" && stage != "header") return emitStage(arguments, path, stage);
  Timing timing;
  Result<CompiledArtifact> artifact = compileFile(arguments, path, timing);
  if (!artifact) return artifact.error().message.empty() ? int(kInputAtFault) : fail(arguments, artifact.error());
  if (stage == "header") return writeText(arguments, headerText(*artifact));
  std::string output = arguments.get(OptionId::Output, fs::path(path).replace_extension(".tern").string());
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
  return reportCompile(arguments, path, output, *artifact, timing);
}

} // namespace triton::driver
