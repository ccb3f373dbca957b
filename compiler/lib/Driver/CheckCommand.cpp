// `triton check`: diagnoses programs.
#include "FrontEnd.h"

#include <fmt/format.h>


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
    json::Object file;
    file.append("file", path);
    file.append("errors", int64_t(program->diags->errorCount()));
    file.append("warnings", int64_t(program->diags->warningCount()));
    file.append("diagnostics", diagnosticsJson(*program->diags, 1000000));
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
