// `triton test`: runs the test blocks of a program with the reference interpreter.
#include "FrontEnd.h"
#include "triton/Driver/Pipeline.h"

#include <fmt/format.h>

namespace triton::driver {

int runTest(const Arguments &arguments) {
  if (arguments.positional.empty())
    return fail(arguments, Error{"test needs at least one file: triton test F.tri", ErrorKind::Usage});
  int64_t passed = 0, failed = 0;
  json::Array list;
  for (const std::string &path : arguments.positional) {
    Timing timing;
    Result<CheckedProgram> program = checkProgram(arguments, path, timing);
    if (!program) return fail(arguments, program.error());
    if (int status = finishDiagnostics(arguments, *program->diags); status != kDone) return status;
    for (const TestCase &test : program->module.tests) {
      Result<std::vector<std::string>> failures = runTestCase(test, *program->sources);
      if (!failures) return fail(arguments, failures.error());
      (failures->empty() ? passed : failed) += 1;
      LineColumn place = program->sources->lineColumn(test.range.file, test.range.begin);
      if (!arguments.has(OptionId::Json)) {
        if (!arguments.has(OptionId::Quiet) || !failures->empty())
          fmt::print("{}  {}:{}: {}\n", failures->empty() ? "ok    " : "FAILED", path, place.line, test.title);
        for (const std::string &message : *failures) fmt::print(stderr, "{}\n", message);
      }
      json::Object o;
      o.append("file", path);
      o.append("line", int64_t(place.line));
      o.append("title", test.title);
      o.append("passed", failures->empty());
      json::Array messages;
      for (std::string &message : *failures) messages.push_back(std::move(message));
      o.append("messages", std::move(messages));
      list.push_back(std::move(o));
    }
  }
  if (arguments.has(OptionId::Json)) {
    json::Object document;
    document.append("passed", passed);
    document.append("failed", failed);
    document.append("tests", std::move(list));
    printJson(document);
  } else if (!arguments.has(OptionId::Quiet)) {
    fmt::print("{} passed, {} failed\n", passed, failed);
  }
  return failed ? kInputAtFault : kDone;
}

} // namespace triton::driver
