// The compiler's side of the cache: look-ups before and during a compile, and what is kept afterwards.
#pragma once

#include "CompileRequest.h"
#include "FrontEnd.h"
#include "triton/Driver/Pipeline.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace triton::driver {

/// One compile's use of the cache. One-thread.
class CompileCache {
public:
  /// Opens the store and digests the inputs. Errors (kind Usage): the options or the environment are wrong.
  static Result<CompileCache> open(const Arguments &arguments, const std::string &path);
  ~CompileCache();
  CompileCache(CompileCache &&) = default;
  CompileCache &operator=(CompileCache &&) = delete;

  bool usable() const { return store->usable() || remote; }

  /// The summary of the artifact that an earlier compile of the same request gave, if all files are as they were then. Its bytes
  /// are then those that `artifact()` gives. `files` and `lines` are of the program.
  std::optional<cache::CompileSummary> findRequest(std::vector<std::string> &files, uint64_t &lines);

  /// The same by what the program means: its module before weights come in (`module` is its text). For programs whose text changed
  /// in ways that change nothing, and for those that other machines compiled.
  std::optional<cache::CompileSummary> findModule(std::string_view module, uint64_t parameters);

  /// The bytes that the last successful look-up promised. Nothing if they are gone meanwhile: compile then.
  std::optional<cache::Blob> artifact();

  /// Where records of measurements are, or null.
  cache::Store *records() { return usable() ? store.get() : nullptr; }
  /// Objects of single units, for the pipeline.
  ObjectCache objects();
  /// Quantised weights of this checkpoint.
  QuantisedCache quantised();

  /// After a compile or a hit by module: keeps the artifact (if `bytes` is not empty), its summary, and the manifest of the request.
  /// Nothing is kept for the request if a file changed meanwhile or the program has diagnostics, which a hit would not print.
  void keep(const CheckedProgram &program, const cache::CompileSummary &summary, cache::Bytes bytes);

  /// Counts the compile, and with --verbose says on a miss what changed since the last compile of the program.
  void finish(const std::string &outcome);

private:
  CompileCache(const Arguments &arguments, std::string path) : arguments(&arguments), path(std::move(path)) {}

  /// Where records about this machine's files go: never to a remote.
  cache::Store &local() { return localStore ? *localStore : *store; }

  const Arguments *arguments;
  std::string path, compilerId;
  std::unique_ptr<cache::RemoteStore> remote; ///< outlives the store
  std::unique_ptr<cache::Store> store, localStore; ///< the second only beside a remote
  InputDigests inputs;
  cache::KeyItems requestItems;
  std::optional<cache::Key> programKey;  ///< of what the program means
  std::optional<cache::Key> artifactKey; ///< the same, and at -O3 what records say
};

} // namespace triton::driver
