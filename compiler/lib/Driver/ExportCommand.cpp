// `triton export torch`: a network for another framework.
#include "FrontEnd.h"
#include "triton/Export/TorchModule.h"
#include "triton/Support/Diagnostics.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <filesystem>

namespace triton::driver {

int runExport(const Arguments &arguments) {
  if (arguments.positional.size() != 2)
    return fail(arguments, Error{"export needs a framework and a program: triton export torch F.tri -o net.py", ErrorKind::Usage});
  if (arguments.positional[0] != "torch") {
    std::string near = nearestName(arguments.positional[0], {"torch"});
    return fail(arguments, Error{fmt::format("unknown framework '{}'{}; there is 'torch'", arguments.positional[0],
                                             near.empty() ? "" : ", did you mean '" + near + "'?"),
                                 ErrorKind::Usage});
  }
  const std::string &path = arguments.positional[1];
  Timing timing;
  Result<CheckedProgram> program = checkProgram(arguments, path, timing);
  if (!program) return fail(arguments, program.error());
  if (int status = finishDiagnostics(arguments, *program->diags); status != kDone) return status;
  Result<Graph *> graph = chooseModel(arguments, *program, path);
  if (!graph) return fail(arguments, graph.error());
  Result<std::string> text = torchModule(**graph, std::filesystem::path(path).filename().string());
  if (!text) return fail(arguments, Error{path + ": " + text.error().message, text.error().kind});
  std::string output = arguments.get(OptionId::Output, "-");
  if (output == "-") {
    if (arguments.has(OptionId::Json)) return fail(arguments, Error{"export --json needs a file: -o net.py", ErrorKind::Usage});
    fmt::print("{}", *text);
    return kDone;
  }
  if (Result<void> written = writeFileAtomically(output, *text); !written) return fail(arguments, written.error());
  if (arguments.has(OptionId::Json)) {
    json::Object document;
    document.append("program", path);
    document.append("output", output);
    document.append("model", (*graph)->name);
    document.append("parameters", int64_t((*graph)->params.size()));
    document.append("quantizers", int64_t((*graph)->quantizers.size()));
    printJson(document);
  }
  return kDone;
}

} // namespace triton::driver
