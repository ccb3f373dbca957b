// Errors, diagnostics and progress, the same for every command.
#include "Command.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <unistd.h>

namespace triton::driver {

int fail(const Arguments &arguments, const Error &error) {
  static constexpr const char *kReproducer = "triton-reproducer.json";
  bool kept = error.kind == ErrorKind::Internal && writeReproducer(arguments, kReproducer);
  return printError(arguments, error, kept ? kReproducer : "");
}

static bool colourWanted() { return isatty(STDERR_FILENO) && !getenv("NO_COLOR"); }

json::Array diagnosticsJson(const DiagnosticEngine &diags, unsigned maxErrors) {
  std::stringstream lines;
  diags.printJson(lines, maxErrors);
  json::Array out;
  for (std::string line; std::getline(lines, line);)
    if (Result<json::Value> value = json::parse(line, "diagnostic")) out.push_back(std::move(*value));
  return out;
}

int finishDiagnostics(const Arguments &arguments, const DiagnosticEngine &diags) {
  Result<int64_t> maxErrors = arguments.number(OptionId::MaxErrors, 20, 1, 1000000);
  if (!maxErrors) return fail(arguments, maxErrors.error());
  if (arguments.has(OptionId::Json) && diags.hasErrors()) {
    json::Object inner, outer;
    inner.append("message", fmt::format("the program has {} {}", diags.errorCount(), diags.errorCount() == 1 ? "error" : "errors"));
    inner.append("status", int(kInputAtFault));
    inner.append("diagnostics", diagnosticsJson(diags, unsigned(*maxErrors)));
    outer.append("error", std::move(inner));
    printJson(outer);
    return kInputAtFault;
  }
  // Warnings go to people: with --json stdout holds the command's own document.
  if (arguments.get(OptionId::DiagnosticsFormat) == "json")
    diags.printJson(std::cerr, unsigned(*maxErrors));
  else if (!arguments.has(OptionId::Quiet) || diags.hasErrors())
    diags.print(std::cerr, unsigned(*maxErrors), colourWanted());
  return diags.hasErrors() ? kInputAtFault : kDone;
}

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Progress::Progress(const Arguments &arguments, std::string what, uint64_t total)
    : what(std::move(what)), total(total), terminal(isatty(STDERR_FILENO)),
      silent(arguments.has(OptionId::Quiet) || arguments.has(OptionId::Json)), startSeconds(now()) {}

void Progress::update(uint64_t done, const std::string &note) {
  if (silent) return;
  double t = now();
  // A terminal line may move ten times a second; a log gets a line every five seconds.
  if (done < total && t - lastSeconds < (terminal ? 0.1 : 5.0)) return;
  lastSeconds = t;
  double elapsed = t - startSeconds, left = done ? elapsed * double(total - done) / double(done) : 0;
  std::string line = fmt::format("{}: {}/{} ({:.0f} %), {:.0f} s left{}{}", what, done, total,
                                 total ? 100.0 * double(done) / double(total) : 100.0, left, note.empty() ? "" : ", ", note);
  if (terminal)
    fmt::print(stderr, "\r\033[K{}", line);
  else
    fmt::print(stderr, "{}\n", line);
}

Progress::~Progress() {
  if (!silent && terminal && lastSeconds > 0) fmt::print(stderr, "\n");
}

} // namespace triton::driver
