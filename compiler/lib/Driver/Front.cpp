#include "triton/Driver/Front.h"

#include "Command.h"
#include "CompileRequest.h"

#include <fmt/format.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace triton::driver {

/// The folder of the running program, links resolved.
static std::string ownFolder() {
  char path[PATH_MAX];
  ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  std::string own(path, length > 0 ? size_t(length) : 0);
  return own.substr(0, own.rfind('/') == std::string::npos ? 0 : own.rfind('/'));
}

/// Beside the front in a build tree, under libexec/triton where it is installed.
static std::string findCompiler() {
  std::string folder = ownFolder(), beside = folder + "/triton-compiler";
  std::string installed = folder.substr(0, folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/')) + "/libexec/triton/triton-compiler";
  std::string found = ::access(beside.c_str(), X_OK) != 0 && ::access(installed.c_str(), X_OK) == 0 ? installed : beside;
  char real[PATH_MAX]; // what the compiler knows itself by
  return ::realpath(found.c_str(), real) ? real : found;
}

int front(std::span<const std::string> words, char **argv) {
  static constexpr CommandInfo known[] = {{"compile", "", "", "", nullptr}};
  std::string compiler = findCompiler();
  Arguments arguments;
  if (!words.empty() && words[0] == "compile") {
    std::signal(SIGPIPE, SIG_DFL);
    // What is wrong with the command line says the compiler.
    if (Result<Arguments> parsed = parseCommandLine(words, known)) {
      arguments = std::move(*parsed);
      if (std::optional<int> status = compileFromCache(arguments, compiler)) return *status;
    }
  }
  // A compile touches some hundred megabytes once. Huge pages, and a heap that grows by as much, save most of its page faults: a tenth
  // of a compile that finds its code in the cache. glibc reads this only when a program starts; the rest the compiler sets itself.
  ::setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=33554432", 0);
  ::execv(compiler.c_str(), argv);
  return printError(arguments, Error{fmt::format("cannot start the compiler '{}': {}; it belongs beside this program, or in "
                                           "../libexec/triton: is the installation complete?", compiler, std::strerror(errno)),
                               ErrorKind::Environment});
}

} // namespace triton::driver
