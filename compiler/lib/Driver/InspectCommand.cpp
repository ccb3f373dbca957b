// `triton inspect`: what is in an artifact, a program or a checkpoint.
#include "DescribeGraph.h"
#include "FrontEnd.h"
#include "triton/Artifact/Artifact.h"
#include "triton/Support/Sha256.h"
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Checkpoint.h"

#include <fmt/format.h>

namespace triton::driver {

static int inspectProgram(const Arguments &arguments, const std::string &path) {
  Timing timing;
  Result<CheckedProgram> program = checkProgram(arguments, path, timing);
  if (!program) return fail(arguments, program.error());
  if (program->diags->hasErrors()) return finishDiagnostics(arguments, *program->diags);
  json::Array models;
  for (const Graph &graph : program->module.models) models.push_back(describeGraph(graph));
  if (arguments.has(OptionId::Json)) {
    json::Object document;
    document.append("file", path);
    document.append("models", std::move(models));
    printJson(document);
    return kDone;
  }
  for (const json::Value &model : models) {
    fmt::print("model {}: {} parameters, {} MACs for batch 1, {} operations\n", *model.find("name")->asString(),
               *model.find("params")->asInt(), *model.find("macs")->asInt(), *model.find("nodes")->asInt());
    for (const char *side : {"inputs", "outputs"})
      for (const json::Value &tensor : *model.find(side)->asArray())
        fmt::print("  {:<8}{} {}\n", side == std::string("inputs") ? "input" : "output", *tensor.find("name")->asString(),
                   *tensor.find("shape")->asString());
    for (const json::Value &param : *model.find("parameters")->asArray())
      fmt::print("  {:<44}{:<24}{}\n", *param.find("key")->asString(), *param.find("shape")->asString(), *param.find("storage")->asString());
  }
  return kDone;
}

static int inspectCheckpoint(const Arguments &arguments, const std::string &path) {
  Result<Checkpoint> checkpoint = readCheckpoint(path);
  if (!checkpoint) return fail(arguments, checkpoint.error());
  const SafetensorsFile *file = &checkpoint->tensors;
  Result<std::string> bytes = readFileBytes(path);
  if (!bytes) return fail(arguments, bytes.error());
  json::Array tensors;
  int64_t elements = 0;
  for (const SafetensorsFile::Entry &entry : file->entries()) {
    elements += entry.count();
    json::Object o;
    o.append("key", entry.key);
    o.append("dtype", std::string(safetensorsName(entry.type)));
    json::Array shape;
    for (int64_t size : entry.shape) shape.push_back(size);
    o.append("shape", std::move(shape));
    if (entry.type == ElementType::I8 && entry.count()) {
      int64_t zeros = std::count(entry.bytes.begin(), entry.bytes.end(), 0);
      o.append("zero_fraction", double(zeros) / double(entry.count()));
    }
    tensors.push_back(std::move(o));
  }
  if (arguments.has(OptionId::Json)) {
    json::Object document;
    document.append("file", path);
    document.append("bytes", int64_t(bytes->size()));
    document.append("elements", elements);
    document.append("sha256", sha256Hex(*bytes));
    json::Array notes(checkpoint->notes.begin(), checkpoint->notes.end());
    document.append("notes", std::move(notes));
    document.append("tensors", std::move(tensors));
    printJson(document);
    return kDone;
  }
  fmt::print("{}: {} tensors, {} elements, {} B, SHA-256 {}\n", path, tensors.size(), elements, bytes->size(), sha256Hex(*bytes));
  for (const std::string &note : checkpoint->notes) fmt::print("  {}\n", note);
  for (const SafetensorsFile::Entry &entry : file->entries())
    fmt::print("  {:<44}{:<6}{}\n", entry.key, safetensorsName(entry.type), formatShape(entry.shape));
  return kDone;
}

int runInspect(const Arguments &arguments) {
  if (arguments.positional.size() != 1)
    return fail(arguments, Error{"inspect needs one file: triton inspect M.tern", ErrorKind::Usage});
  const std::string &path = arguments.positional[0];
  if (path.ends_with(".tri")) return inspectProgram(arguments, path);
  auto ends = [&](const char *ending) { return path.ends_with(ending); };
  if (ends(".safetensors") || ends(".npz") || ends(".pth") || ends(".pt")) return inspectCheckpoint(arguments, path);
  Result<std::string> bytes = readFileBytes(path);
  if (!bytes) return fail(arguments, bytes.error());
  std::span<const uint8_t> view(reinterpret_cast<const uint8_t *>(bytes->data()), bytes->size());
  if (arguments.has(OptionId::Json)) {
    Result<json::Object> description = describeArtifactJson(view, path);
    if (!description) return fail(arguments, description.error());
    printJson(std::move(*description));
    return kDone;
  }
  Result<std::string> text = describeArtifact(view, path);
  if (!text) return fail(arguments, text.error());
  fmt::print("{}", *text);
  return kDone;
}

} // namespace triton::driver
