// `triton zoo list|show`: what the zoo has. Parameters and MACs are worked out from the programs, so that neither can disagree with them.
#include "Compile.h"
#include "DescribeGraph.h"
#include "FrontEnd.h"
#include "Zoo.h"
#include "triton/Driver/GraphCosts.h"

#include <fmt/format.h>

#include <filesystem>

namespace triton::driver {

/// The size of the network compiled for this machine; nothing when it has no weights here.
static Result<json::Value> artifactBytes(const zoo::ZooModel &model) {
  if (model.weights.empty()) return json::Value(nullptr);
  Arguments arguments;
  arguments.command = "zoo";
  arguments.values[OptionId::Weights] = {model.weights};
  arguments.values[OptionId::Quiet] = {""};
  Timing timing;
  Result<CompiledArtifact> artifact = compileFile(arguments, model.program, timing);
  if (!artifact) return artifact.takeError();
  return json::Value(int64_t(artifact->bytes.size()));
}

namespace {
/// A network of the zoo with its graph.
struct OpenZooModel {
  CheckedProgram program;
  Graph *graph = nullptr;
};
} // namespace

/// Nothing when it failed; then that is said and `status` is set.
static std::optional<OpenZooModel> openProgram(const Arguments &arguments, const zoo::ZooModel &model, int &status) {
  Timing timing;
  Arguments plain;
  plain.command = "zoo";
  Result<CheckedProgram> program = checkProgram(plain, model.program, timing);
  if (!program) return status = fail(arguments, program.error()), std::nullopt;
  if (program->diags->hasErrors()) return status = finishDiagnostics(arguments, *program->diags), std::nullopt;
  OpenZooModel out{std::move(*program)};
  Result<Graph *> graph = chooseModel(plain, out.program, model.program);
  if (!graph) return status = fail(arguments, graph.error()), std::nullopt;
  out.graph = *graph;
  return out;
}

static json::Value orNull(const std::optional<double> &value) { return value ? json::Value(*value) : json::Value(nullptr); }

/// The part that `list` and `show` have in common.
static std::optional<json::Object> summary(const Arguments &arguments, const zoo::ZooModel &model, const Graph &graph, int &status) {
  GraphCosts costs = graphCosts(graph);
  json::Object o;
  o.append("name", model.name);
  o.append("dataset", model.dataset);
  o.append("params", int64_t(costs.parameters));
  o.append("macs", int64_t(costs.macs));
  bool published = model.weightsFile && !model.weightsFile->urls.empty();
  o.append("weights", !model.weights.empty() ? "local" : published ? "remote" : "none");
  o.append("accuracy", orNull(model.accuracy));
  o.append("fp32_accuracy", orNull(model.fp32Accuracy));
  std::error_code error;
  uint64_t weightBytes = model.weights.empty() ? 0 : std::filesystem::file_size(model.weights, error);
  o.append("checkpoint_bytes", int64_t(error ? 0 : weightBytes));
  if (arguments.has(OptionId::Json)) { // people see it from `zoo eval`; compiling takes a moment
    Result<json::Value> bytes = artifactBytes(model);
    if (!bytes) return status = bytes.error().message.empty() ? int(kInputAtFault) : fail(arguments, bytes.error()), std::nullopt;
    o.append("artifact_bytes", std::move(*bytes));
  }
  return o;
}

int zooList(const Arguments &arguments) {
  Result<std::vector<zoo::ZooModel>> models = zoo::listZoo(zooStore(arguments));
  if (!models) return fail(arguments, models.error());
  json::Array list;
  int status = kDone;
  for (const zoo::ZooModel &model : *models) {
    std::optional<OpenZooModel> open = openProgram(arguments, model, status);
    if (!open) return status;
    std::optional<json::Object> o = summary(arguments, model, *open->graph, status);
    if (!o) return status;
    list.push_back(std::move(*o));
  }
  if (arguments.has(OptionId::Json)) {
    json::Object document;
    document.append("models", std::move(list));
    printJson(document);
    return kDone;
  }
  fmt::print("{:<28}{:<16}{:>10}{:>13}{:>9}{:>10}{:>9}\n", "name", "data set", "params", "MACs", "weights", "accuracy", "fp32");
  auto percent = [](const json::Value *v) {
    return v && v->isNumber() ? fmt::format("{:.2f} %", 100 * v->number()) : std::string("-");
  };
  for (const json::Value &v : list)
    fmt::print("{:<28}{:<16}{:>10}{:>13}{:>9}{:>10}{:>9}\n", *v.find("name")->asString(), *v.find("dataset")->asString(),
               *v.find("params")->asInt(), *v.find("macs")->asInt(), *v.find("weights")->asString(), percent(v.find("accuracy")),
               percent(v.find("fp32_accuracy")));
  return kDone;
}

static std::string dtypesText(const GraphInput &input) {
  std::string out;
  for (DType dtype : input.dtypes) out += (out.empty() ? "" : "|") + std::string(dtypeName(dtype));
  return out;
}

/// What people read; `verbose` adds every parameter.
static void printModel(const zoo::ZooModel &model, const Graph &graph, bool verbose) {
  GraphCosts costs = graphCosts(graph);
  auto row = [](std::string_view name, const std::string &text) {
    if (!text.empty()) fmt::print("  {:<12}{}\n", name, text);
  };
  fmt::print("{}{}\n", model.name, graph.doc.empty() ? "" : ": " + graph.doc);
  row("program", model.program);
  row("data set", model.preparation.resize ? fmt::format("{}; pictures resized to {} ({}), the centre taken", model.dataset, model.preparation.resize,
                                                         zoo::filterName(model.preparation.filter))
                                           : model.dataset);
  for (const GraphInput &input : graph.inputs)
    row("input", fmt::format("{} {} {}", input.name, shapeString(graph.values[input.value].type.shape), dtypesText(input)));
  for (const GraphOutput &output : graph.outputs)
    row("output", fmt::format("{} {} {}", output.name, shapeString(graph.values[output.value].type.shape),
                              dtypeName(graph.values[output.value].type.dtype)));
  std::string storage;
  for (const auto &[name, count] : elementsByStorage(graph)) storage += fmt::format("{}{} {}", storage.empty() ? "" : ", ", count, name);
  row("parameters", fmt::format("{} ({})", costs.parameters, storage));
  row("MACs", fmt::format("{} for one image", costs.macs));
  row("keys", model.keys.empty() || model.differs.empty() ? model.keys : model.keys + "; differs: " + model.differs);
  if (model.weights.empty())
    row("weights", "none: " + weightsAdvice(model));
  else
    row("weights", fmt::format("{}, SHA-256 {}", model.weights, model.weightsSha256));
  if (model.accuracy)
    row("accuracy", fmt::format("{:.2f} %{}", 100 * *model.accuracy,
                                model.fp32Accuracy ? fmt::format(", its fp32 twin {:.2f} %", 100 * *model.fp32Accuracy) : ""));
  if (model.checkpoint)
    row("checkpoint", fmt::format("{} (fp32, {} B, {}), by 'triton zoo download {}'", model.checkpoint->path, model.checkpoint->size,
                                  model.checkpoint->licence, model.name));
  row("cite", model.citation);
  if (!verbose) return;
  for (const GraphParam &param : graph.params)
    fmt::print("    {:<44}{:<24}{}\n", param.key, shapeString(graph.values[param.value].type.shape), storageText(param, graph));
}

int zooShow(const Arguments &arguments) {
  if (arguments.positional.size() != 2)
    return fail(arguments, Error{"zoo show needs one network: triton zoo show NAME ('triton zoo list' lists them)", ErrorKind::Usage});
  Result<zoo::ZooModel> model = zoo::findZooModel(arguments.positional[1], zooStore(arguments));
  if (!model) return fail(arguments, model.error());
  int status = kDone;
  std::optional<OpenZooModel> open = openProgram(arguments, *model, status);
  if (!open) return status;
  if (!arguments.has(OptionId::Json)) {
    printModel(*model, *open->graph, arguments.has(OptionId::Verbose));
    return kDone;
  }
  std::optional<json::Object> o = summary(arguments, *model, *open->graph, status);
  if (!o) return status;
  auto text = [](const std::string &value) { return value.empty() ? json::Value(nullptr) : json::Value(value); };
  o->append("description", text(open->graph->doc));
  o->append("program", model->program);
  o->append("keys", text(model->keys));
  o->append("differs", text(model->differs));
  o->append("citation", text(model->citation));
  Result<std::optional<zoo::Dataset>> dataset = zoo::findDataset(model->dataset);
  if (!dataset) return fail(arguments, dataset.error());
  o->append("dataset_licence", text(*dataset ? (*dataset)->licence : ""));
  if (model->preparation.resize) {
    json::Object preprocessing;
    preprocessing.append("resize", int64_t(model->preparation.resize));
    preprocessing.append("interpolation", zoo::filterName(model->preparation.filter));
    o->append("preprocessing", std::move(preprocessing));
  } else {
    o->append("preprocessing", nullptr);
  }
  o->append("weights_file", text(model->weights));
  o->append("weights_sha256", text(model->weightsSha256));
  o->append("weights_urls", model->weightsFile ? json::Array(model->weightsFile->urls.begin(), model->weightsFile->urls.end()) : json::Array());
  o->append("licence", text(model->weightsFile ? model->weightsFile->licence : ""));
  o->append("recipe", text(model->recipe));
  json::Object storage;
  for (const auto &[name, count] : elementsByStorage(*open->graph)) storage.append(name, int64_t(count));
  o->append("elements", std::move(storage));
  json::Object graph = describeGraph(*open->graph);
  o->append("entry", *graph.find("name"));
  for (const char *key : {"inputs", "outputs", "parameters"}) o->append(key, std::move(*graph.find(key)));
  printJson(*o);
  return kDone;
}

} // namespace triton::driver
