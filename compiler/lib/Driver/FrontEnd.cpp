// Reads, parses and analyses a program; picks its entry point.
#include "FrontEnd.h"

#include "KeepRules.h"

#include "triton/Parse/Parser.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <set>

namespace triton::driver {

// A source file is a page of text, not a data set; what is larger was named by mistake.
static constexpr uint64_t kMaxSourceBytes = uint64_t(64) << 20;

static Result<SemaOptions> semaOptions(const Arguments &arguments) {
  SemaOptions options;
  options.importDirs = arguments.all(OptionId::Include);
  options.fp32 = arguments.has(OptionId::Fp32);
  auto split = [](const std::string &text, const char *flag) -> Result<std::pair<std::string, std::string>> {
    size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return Error{fmt::format("'{}' needs NAME=VALUE, got '{}'", flag, text), ErrorKind::Usage};
    return std::pair(text.substr(0, equals), text.substr(equals + 1));
  };
  for (const std::string &text : arguments.all(OptionId::Dim)) {
    auto pair = split(text, "--dim");
    if (!pair) return pair.takeError();
    int64_t size = 0;
    auto [end, error] = std::from_chars(pair->second.data(), pair->second.data() + pair->second.size(), size);
    if (error != std::errc() || *end != 0 || size < 1)
      return Error{fmt::format("'--dim {}' needs a positive size, got '{}'", pair->first, pair->second), ErrorKind::Usage};
    options.dims[pair->first] = size;
  }
  for (const std::string &text : arguments.all(OptionId::Define)) {
    auto pair = split(text, "-D");
    if (!pair) return pair.takeError();
    options.defines[pair->first] = pair->second;
  }
  return options;
}

/// The variable that the first axis of the inputs is, or empty.
static std::string batchVariable(const TypedModule &module) {
  for (const Graph &graph : module.models)
    for (const GraphInput &input : graph.inputs) {
      const Shape &shape = graph.values[input.value].type.shape;
      if (!shape.empty() && shape[0].variables().size() == 1) return shape[0].variables()[0];
    }
  return "";
}

Result<CheckedProgram> checkProgram(const Arguments &arguments, const std::string &path, Timing &timing, bool instantiate) {
  CheckedProgram program;
  Result<SemaOptions> options = semaOptions(arguments);
  if (!options) return options.takeError();
  options->instantiate = instantiate;
  Result<std::string> text = readFileBytes(path, kMaxSourceBytes);
  if (!text) return Error{text.error().message, ErrorKind::Usage};
  FileId file = program.sources->addFile(path, std::move(*text));
  program.diags->setWarningsAsErrors(arguments.has(OptionId::WarningsAsErrors));
  {
    auto scope = timing.stage("parse");
    program.tree = parseFile(*program.sources, file, *program.diags);
  }
  auto scope = timing.stage("sema");
  program.module = analyse(*program.tree, *program.sources, *program.diags, *options);
  std::string batch = arguments.get(OptionId::Batch, "dynamic");
  if (batch != "dynamic" && arguments.command != "zoo" && !program.diags->hasErrors()) {
    Result<int64_t> size = arguments.number(OptionId::Batch, 1, 1, 1 << 20);
    if (!size) return size.takeError();
    std::string variable = batchVariable(program.module);
    if (!variable.empty()) {
      // Fixing a size changes shapes everywhere, so the program is analysed again with it.
      options->dims[variable] = *size;
      DiagnosticEngine again(*program.sources);
      program.module = analyse(*program.tree, *program.sources, again, *options);
      for (Diagnostic &d : again.sorted())
        if (d.severity == Severity::Error) program.diags->add(d);
    }
  }
  if (instantiate)
    if (Result<void> kept = applyKeepRules(arguments, program, path); !kept) return kept.takeError();
  for (Graph &graph : program.module.models) planQuantisation(graph);
  return program;
}

Result<Graph *> chooseModel(const Arguments &arguments, CheckedProgram &program, const std::string &path) {
  std::string wanted = arguments.get(OptionId::Entry), names;
  std::vector<std::string> known;
  for (Graph &graph : program.module.models) {
    if (!wanted.empty() && (graph.name == wanted || graph.exportName == wanted)) return &graph;
    known.push_back(graph.name);
    names += (names.empty() ? "" : ", ") + graph.name;
  }
  if (!wanted.empty()) {
    std::string near = nearestName(wanted, known);
    return Error{fmt::format("{}: no model '{}'{}; it has: {}", path, wanted,
                             near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near), names.empty() ? "none" : names),
                 ErrorKind::Usage};
  }
  if (program.module.models.empty())
    return Error{fmt::format("{}: no model to compile: a `model` declaration is an entry point", path)};
  if (program.module.models.size() > 1)
    return Error{fmt::format("{}: several models ({}); choose one with --entry", path, names), ErrorKind::Usage};
  return &program.module.models[0];
}

} // namespace triton::driver
