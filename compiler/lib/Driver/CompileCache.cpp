#include "CompileCache.h"

#include "CacheOptions.h"

#include "triton/Driver/Version.h"
#include "triton/Target/Machine.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <set>

namespace triton::driver {

Result<CompileCache> CompileCache::open(const Arguments &arguments, const std::string &path) {
  CompileCache made(arguments, path);
  Result<std::unique_ptr<cache::Store>> store = openStore(arguments);
  if (!store) return store.takeError();
  made.store = std::move(*store);
  CompilerIdentity compiler = compilerIdentity(); // before a remote brings libraries of its own
  if (!arguments.has(OptionId::NoCache)) {
    Result<std::unique_ptr<cache::RemoteStore>> remote = openRemoteCache(arguments, made.store->directory());
    if (!remote) return remote.takeError();
    made.remote = std::move(*remote);
    if (made.remote) {
      made.store->setRemote(made.remote.get());
      Result<std::unique_ptr<cache::Store>> local = openStore(arguments);
      if (!local) return local.takeError();
      made.localStore = std::move(*local);
    }
  }
  if (!made.usable()) return made;
  made.compilerId = compiler.record.id;
  if (cache::knownCompilerId(made.local(), compiler.program) != made.compilerId)
    cache::putCompilerRecord(made.local(), compiler.program, compiler.record);
  Result<InputDigests> inputs = digestInputs(arguments, made.local(), hashQuickly);
  if (inputs)
    made.inputs = std::move(*inputs);
  else
    made.store = cache::Store::disabled(); // the compile says what is wrong with the file, in its turn
  return made;
}

CompileCache::~CompileCache() {
  if (store) store->flush();
}

std::optional<cache::CompileSummary> CompileCache::findRequest(std::vector<std::string> &files, uint64_t &lines) {
  if (!usable()) return std::nullopt;
  Result<std::string> source = readFileBytes(path, uint64_t(64) << 20);
  if (!source) return std::nullopt; // the compiler says what is wrong
  Result<cache::KeyBuilder> key = requestKey(*arguments, compilerId, *source, inputs);
  if (!key) return std::nullopt;
  std::vector<std::string> found = {path};
  uint64_t count = cache::countLines(*source);
  std::optional<cache::Manifest> manifest = cache::findManifest(*store, key->key(), path, found, count);
  Result<int64_t> budget = tuneBudget(*arguments);
  if (!manifest || !budget || !cache::recordsHold(*store, manifest->summary, *budget > 0)) return std::nullopt;
  artifactKey = manifest->artifact;
  files = std::move(found);
  lines = count;
  return std::move(manifest->summary);
}

std::optional<cache::CompileSummary> CompileCache::findModule(std::string_view module, uint64_t parameters) {
  if (!usable()) return std::nullopt;
  Result<PipelineOptions> options = pipelineOptions(*arguments);
  if (!options) return std::nullopt;
  std::string targets;
  for (const std::string &target : options->targets) targets += (targets.empty() ? "" : ",") + target;
  cache::KeyBuilder key("triton artifact 1");
  key.add("compiler", compilerId).add("-O", std::to_string(options->optLevel)).add("--target", targets).add("--code-budget", std::to_string(options->codeBudget));
  key.add("module", hashQuickly({reinterpret_cast<const uint8_t *>(module.data()), module.size()}));
  key.add("parameters", std::to_string(parameters));
  key.add("--weights", inputs.weights).add("--calibrate", inputs.calibration);
  key.add("--random-weights", options->randomWeights ? std::to_string(options->randomSeed) : "");
  if (options->optLevel >= 3) key.add("machine", machineKind());
  programKey = artifactKey = key.key();
  std::optional<cache::CompileSummary> summary = cache::findSummary(*store, *programKey);
  if (!summary || !cache::recordsHold(*store, *summary, options->tuneBudgetSeconds > 0)) return std::nullopt;
  artifactKey = cache::artifactOfRecords(*programKey, *summary);
  return summary;
}

std::optional<cache::Blob> CompileCache::artifact() {
  if (!usable() || !artifactKey) return std::nullopt;
  return store->get(cache::EntryKind::Artifact, *artifactKey);
}

ObjectCache CompileCache::objects() {
  ObjectCache cache;
  if (!usable()) return cache;
  cache.compilerId = compilerId;
  cache.find = [store = store.get()](const cache::Key &key) -> std::optional<std::vector<uint8_t>> {
    std::optional<cache::Blob> found = store->get(cache::EntryKind::Object, key);
    if (!found) return std::nullopt;
    return std::vector<uint8_t>(found->data(), found->data() + found->size());
  };
  cache.put = [store = store.get()](const cache::Key &key, const std::vector<uint8_t> &object) {
    store->put(cache::EntryKind::Object, key, object);
  };
  return cache;
}

QuantisedCache CompileCache::quantised() {
  QuantisedCache cache;
  if (!usable() || inputs.weights.empty()) return cache;
  auto keyOf = [id = compilerId, weights = inputs.weights](const std::string &name) {
    return cache::KeyBuilder("triton weights 1").add("compiler", id).add("--weights", weights).add("weight", name).key();
  };
  cache.find = [store = store.get(), keyOf](const std::string &name) -> std::optional<std::vector<uint8_t>> {
    std::optional<cache::Blob> found = store->get(cache::EntryKind::Weights, keyOf(name));
    if (!found) return std::nullopt;
    return std::vector<uint8_t>(found->data(), found->data() + found->size());
  };
  // A checkpoint that changed while it was read must not leave its codes under the digest of what it was before.
  cache.put = [this, keyOf](const std::string &name, const std::vector<uint8_t> &bytes) {
    if (inputsUnchanged(inputs)) store->put(cache::EntryKind::Weights, keyOf(name), bytes);
  };
  return cache;
}

void CompileCache::keep(const CheckedProgram &program, const cache::CompileSummary &summary, cache::Bytes bytes) {
  if (!usable() || !artifactKey || !inputsUnchanged(inputs)) return;
  if (!bytes.empty() && programKey) {
    artifactKey = cache::artifactOfRecords(*programKey, summary);
    store->put(cache::EntryKind::Artifact, *artifactKey, bytes);
    cache::putSummary(*store, *programKey, summary);
  }
  // What was compiled is what `sources` holds, whatever the files say by now.
  const SourceManager &sources = *program.sources;
  Result<cache::KeyBuilder> key = requestKey(*arguments, compilerId, sources.text(0), inputs);
  if (!key) return;
  requestItems = key->items();
  if (!bytes.empty()) cache::putItems(local(), cache::itemsNameOfArtifact(hashQuickly(bytes)), requestItems);
  if (!program.diags->sorted().empty()) return;
  cache::Manifest manifest;
  manifest.artifact = *artifactKey;
  manifest.summary = summary;
  // Not where the files lie, but where the program says they are: the same program in another folder may mean others.
  std::set<FileId> seen;
  std::set<std::string> places;
  for (const ImportPlace &import : program.module.importPlaces) {
    if (!places.insert(import.place).second) continue;
    if (!import.file)
      manifest.absent.push_back(import.place);
    else
      manifest.imports.push_back({import.place, cache::digestOf(cache::canonicalSource(sources.text(*import.file))), !seen.insert(*import.file).second});
  }
  for (const TextFile &text : program.module.texts)
    if (places.insert(text.place).second) manifest.imports.push_back({text.place, cache::digestOf(text.text), false, true});
  cache::putManifest(*store, key->key(), manifest);
}

void CompileCache::finish(const std::string &outcome) {
  if (!usable()) return;
  store->count(outcome == "hit" ? cache::Counter::Hits : outcome == "partial" ? cache::Counter::Partial : cache::Counter::Misses);
  if (requestItems.empty()) return;
  cache::Key name = cache::itemsNameOfProgram(cache::absolutePath(path));
  if (arguments->has(OptionId::Verbose) && outcome != "hit") {
    std::optional<cache::KeyItems> last = cache::findItems(local(), name);
    fmt::print(stderr, "cache: {}: {}\n", outcome, last ? "since the last compile of this program changed" : "this program was not compiled before");
    if (last)
      for (const std::string &line : cache::describeDifference(*last, requestItems)) fmt::print(stderr, "  {}\n", line);
  }
  cache::putItems(local(), name, requestItems);
}

} // namespace triton::driver
