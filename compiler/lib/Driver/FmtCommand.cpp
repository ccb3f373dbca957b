// `triton fmt`: canonical formatting.
#include "Command.h"

#include "triton/Parse/Format.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

namespace triton::driver {

int runFmt(const Arguments &arguments) {
  if (arguments.positional.empty())
    return fail(arguments, Error{"fmt needs at least one file: triton fmt F.tri", ErrorKind::Usage});
  int status = kDone;
  for (const std::string &path : arguments.positional) {
    Result<std::string> text = readFileBytes(path, uint64_t(64) << 20);
    if (!text) return fail(arguments, Error{text.error().message, ErrorKind::Usage});
    SourceManager sources;
    DiagnosticEngine diags(sources);
    std::optional<std::string> formatted = formatSource(sources, sources.addFile(path, *text), diags);
    if (!formatted) {
      // What does not parse is left as it is.
      status = std::max(status, finishDiagnostics(arguments, diags));
      continue;
    }
    if (*formatted == *text) continue;
    if (arguments.has(OptionId::Check)) {
      fmt::print(stderr, "{}: not in canonical form (triton fmt {} mends it)\n", path, path);
      status = kInputAtFault;
      continue;
    }
    if (Result<void> done = writeFileAtomically(path, *formatted); !done) return fail(arguments, done.error());
  }
  return status;
}

} // namespace triton::driver
