// What a report of a fault needs: the command, the version, and the texts of the program.
#include "FrontEnd.h"
#include "triton/Driver/Version.h"
#include "triton/Support/Sha256.h"
#include "triton/Tensor/Files.h"

namespace triton::driver {

static json::Object describeFile(const std::string &path, bool withText) {
  json::Object out;
  out.append("path", path);
  Result<std::string> bytes = readFileBytes(path);
  if (!bytes) {
    out.append("error", bytes.error().message);
    return out;
  }
  out.append("bytes", int64_t(bytes->size()));
  out.append("sha256", sha256Hex(*bytes));
  if (withText) out.append("text", std::move(*bytes));
  return out;
}

Result<void> writeReproducer(const Arguments &arguments, const std::string &file) {
  json::Object document, given;
  document.append("version", versionNumber());
  document.append("build_id", buildId());
  document.append("command", arguments.command);
  for (const OptionInfo &option : allOptions()) {
    if (!arguments.has(option.id)) continue;
    json::Array values;
    for (const std::string &value : arguments.all(option.id)) values.push_back(value);
    given.append(std::string(option.longName), std::move(values));
  }
  document.append("options", std::move(given));
  json::Array files;
  for (const std::string &path : arguments.positional) {
    std::vector<std::string> sources;
    Timing timing;
    if (path.ends_with(".tri"))
      if (Result<CheckedProgram> program = checkProgram(arguments, path, timing, /*instantiate=*/false)) sources = program->module.files;
    if (sources.empty()) sources = {path};
    for (const std::string &source : sources) files.push_back(describeFile(source, source.ends_with(".tri")));
  }
  for (OptionId id : {OptionId::Weights, OptionId::Calibration}) // by digest: they may be large, or nobody else's business
    if (arguments.has(id)) files.push_back(describeFile(arguments.get(id), false));
  document.append("files", std::move(files));
  return writeFileAtomically(file, json::write(document, 2) + "\n");
}

} // namespace triton::driver
