// What every command shares: exit statuses, errors on stderr (or as JSON), and the front end's run.
#pragma once

#include "triton/Driver/CommandLine.h"
#include "triton/Support/Diagnostics.h"
#include "triton/Support/Json.h"
#include "triton/Support/Result.h"

#include <memory>
#include <string>
#include <vector>

namespace triton::driver {

enum ExitStatus : int {
  kDone = 0, kInputAtFault = 1, kUsage = 2, kEnvironment = 3, kMismatch = 4, kGateMissed = 5, kInternal = 70,
};

int exitStatus(ErrorKind kind);

/// Prints an error as `triton: error: ..` on stderr, or with --json as {"error": {"message", "status"}} on stdout. A fault of our own
/// also leaves a reproducer file in the current folder.
int fail(const Arguments &arguments, const Error &error);

/// The printing part of `fail`: names the reproducer file if there is one. Returns the exit status.
int printError(const Arguments &arguments, const Error &error, const std::string &reproducer = "");

/// Writes what a report of a fault needs: command, options, version, the program's texts, digests of other inputs.
Result<void> writeReproducer(const Arguments &arguments, const std::string &file);

/// Prints one JSON document on stdout.
void printJson(const json::Value &value);

/// The diagnostics as a list of objects, at most `maxErrors` errors.
json::Array diagnosticsJson(const DiagnosticEngine &diags, unsigned maxErrors);

/// Prints diagnostics as the arguments ask; returns the exit status they mean (0 or 1). With --json, errors are the command's one
/// document.
int finishDiagnostics(const Arguments &arguments, const DiagnosticEngine &diags);

/// A progress line on stderr when it is a terminal (every few seconds otherwise), silent with --quiet.
class Progress {
public:
  Progress(const Arguments &arguments, std::string what, uint64_t total);
  ~Progress();
  void update(uint64_t done, const std::string &note = "");

private:
  std::string what;
  uint64_t total;
  bool terminal, silent;
  double startSeconds, lastSeconds = -1e9;
};

// One function for each command; see commands() in Main.cpp.
int runCheck(const Arguments &arguments);
int runTest(const Arguments &arguments);
int runCompile(const Arguments &arguments);
int runRun(const Arguments &arguments);
int runBench(const Arguments &arguments);
int runProfile(const Arguments &arguments);
int runInspect(const Arguments &arguments);
int runZoo(const Arguments &arguments);
int runQuantize(const Arguments &arguments);
int runDoctor(const Arguments &arguments);
int runExport(const Arguments &arguments);
int runFmt(const Arguments &arguments);
int runCache(const Arguments &arguments);
int runCompletion(const Arguments &arguments);

/// What --emit takes, and the first word of 'zoo' and of 'cache'.
std::vector<std::string> emitStages();
std::vector<std::string> zooVerbs();
std::vector<std::string> cacheVerbs();

/// Every command, in the order of the help.
std::span<const CommandInfo> allCommands();

} // namespace triton::driver
