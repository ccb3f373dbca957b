// What `triton compile` says when it is done, whether the compiler worked or the cache answered. No LLVM, no ANTLR.
#pragma once

#include "triton/Cache/Manifest.h"
#include "triton/Driver/CommandLine.h"
#include "triton/Driver/Timing.h"

#include <optional>
#include <string>
#include <vector>

namespace triton::driver {

struct CompileReport {
  std::string path, output;
  std::vector<std::string> files; ///< every source file
  uint64_t lines = 0;
  std::string cache = "miss";     ///< "hit", "partial" (some lower level was found) or "miss"
  uint64_t layersRecompiled = 0;
  /// Products by where their choice came from; at -O3, where the compiler worked.
  struct Tuning {
    unsigned measured = 0, recorded = 0, left = 0;
  };
  std::optional<Tuning> tuning;
  cache::CompileSummary summary;
};

/// Prints warnings, and what --verbose, --timing and --json ask for; writes the files of --trace and -MD. Returns the exit status.
int reportCompile(const Arguments &arguments, const CompileReport &report, const Timing &timing);

/// The warnings of a summary on stderr, unless --quiet.
void printWarnings(const Arguments &arguments, const cache::CompileSummary &summary);

} // namespace triton::driver
