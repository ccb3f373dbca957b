// `triton check`: diagnoses programs.
#include "FrontEnd.h"

#include <fmt/format.h>

#include <sstream>

namespace triton::driver {

int runCheck(const Arguments &arguments) {
  if (arguments.positional.empty())
    return fail(arguments, Error{"check needs at least one file: triton check F.tri", ErrorKind::Usage});
  int status = kDone;
  json::Array files;
  for (const std::string &path : arguments.positional) {
    Timing timing;
    Result<CheckedProgram> program = checkProgram(arguments, path, timing, /*instantiate=*/false);
    if (!program) return fail(arguments, program.error());
    if (!arguments.has(OptionId::Json)) {
      status = std::max(status, finishDiagnostics(arguments, *program->diags));
      continue;
    }
    std::ostringstream lines;
    program->diags->printJson(lines, 1000000);
    json::Array list;
    std::istringstream in(lines.str());
    for (std::string line; std::getline(in, line);)
      if (Result<json::Value> value = json::parse(line, "diagnostic")) list.push_back(std::move(*value));
    json::Object file;
    file.append("file", path);
    file.append("errors", int64_t(program->diags->errorCount()));
    file.append("warnings", int64_t(program->diags->warningCount()));
    file.append("diagnostics", std::move(list));
    files.push_back(std::move(file));
    if (program->diags->hasErrors()) status = kInputAtFault;
  }
  if (arguments.has(OptionId::Json)) {
    json::Object document;
    document.append("files", std::move(files));
    printJson(document);
  }
  return status;
}

} // namespace triton::driver
