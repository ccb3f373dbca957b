// How results and errors leave the program. Apart from Command.cpp, which brings the compiler: the front program uses this too.
#include "Command.h"

#include <fmt/format.h>

#include <cstdio>

namespace triton::driver {

int exitStatus(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::Input: return kInputAtFault;
  case ErrorKind::Usage: return kUsage;
  case ErrorKind::Environment: return kEnvironment;
  case ErrorKind::Mismatch: return kMismatch;
  case ErrorKind::Internal: return kInternal;
  }
  return kInternal;
}

int printError(const Arguments &arguments, const Error &error, const std::string &reproducer) {
  int status = exitStatus(error.kind);
  if (arguments.has(OptionId::Json)) {
    json::Object inner, outer;
    inner.append("message", error.message);
    inner.append("status", status);
    if (!reproducer.empty()) inner.append("reproducer", reproducer);
    outer.append("error", std::move(inner));
    printJson(outer);
  } else {
    fmt::print(stderr, "triton: error: {}\n", error.message);
    if (error.kind == ErrorKind::Internal)
      fmt::print(stderr, "triton: this is a fault of the compiler; please report it{}\n",
                 reproducer.empty() ? " with the command line and the input"
                                    : fmt::format(" with the file {} (it holds the program's text)", reproducer));
  }
  return status;
}

void printJson(const json::Value &value) {
  std::string text = json::write(value, 2);
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

} // namespace triton::driver
