#include "CompileRequest.h"

#include "CacheOptions.h"
#include "Command.h"
#include "CompileReport.h"
#include "triton/Driver/Timing.h"
#include "triton/Target/Machine.h"
#include "triton/Target/TargetDesc.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <filesystem>

namespace triton::driver {

namespace fs = std::filesystem;

// As the front end of the compiler: a larger file was named by mistake.
static constexpr uint64_t kMaxSourceBytes = uint64_t(64) << 20;

Result<std::unique_ptr<cache::Store>> openStore(const Arguments &arguments) {
  if (arguments.has(OptionId::NoCache)) return cache::Store::disabled();
  Result<cache::StoreOptions> options = cacheOptions(arguments);
  if (!options) return options.takeError();
  return cache::Store::open(std::move(*options));
}

Result<InputDigests> digestInputs(const Arguments &arguments, cache::Store &store, cache::HashFunction hash) {
  InputDigests out;
  for (auto [id, into] : {std::pair{OptionId::Weights, &out.weights}, std::pair{OptionId::Calibration, &out.calibration}}) {
    std::string path = arguments.get(id);
    if (path.empty()) continue;
    // Pictures and data sets are many files, read in ways that this digest does not know.
    if (id == OptionId::Calibration && !path.ends_with(".npy")) return Error{path + ": not a .npy file"};
    std::optional<cache::FileStamp> stamp = cache::stampOf(path);
    Result<cache::Key> digest = cache::digestOfFile(store, path, hash);
    if (!digest) return digest.takeError();
    if (stamp) out.stamps.emplace_back(path, *stamp);
    // The ending says how the file is read.
    *into = fs::path(path).extension().string() + " " + cache::toHex(*digest);
  }
  if (!out.calibration.empty() && arguments.has(OptionId::Samples)) out.calibration += " " + arguments.get(OptionId::Samples);
  return out;
}

bool inputsUnchanged(const InputDigests &inputs) {
  for (const auto &[path, stamp] : inputs.stamps) {
    std::optional<cache::FileStamp> now = cache::stampOf(path);
    if (!now || !(*now == stamp)) return false;
  }
  return true;
}

/// Several values as one text that no other list gives.
static std::string joined(const std::vector<std::string> &values) {
  std::string out;
  for (const std::string &value : values) out += fmt::format("{}{}:{}", out.empty() ? "" : " ", value.size(), value);
  return out;
}

Result<cache::KeyBuilder> requestKey(const Arguments &arguments, const std::string &compilerId, std::string_view source,
                                     const InputDigests &inputs) {
  cache::KeyBuilder key("triton request 2");
  key.add("compiler", compilerId);
  for (const OptionInfo &option : allOptions()) {
    if (!option.inCacheKey) continue;
    switch (option.id) {
    case OptionId::OptLevel:
      key.add("-O", arguments.get(option.id, "2"));
      if (arguments.get(option.id) == "3") key.add("machine", machineKind()); // what is measured holds for machines like this one
      break;
    case OptionId::Target: {
      // `native` is what it stands for on this machine.
      Result<std::vector<TargetDesc>> targets = parseTargets(arguments.get(option.id, "native"));
      if (!targets) return targets.takeError();
      std::vector<std::string> names;
      for (const TargetDesc &target : *targets) names.push_back(target.name);
      key.add(option.longName, joined(names));
      break;
    }
    case OptionId::Weights:
      if (!inputs.weights.empty()) key.add(option.longName, inputs.weights);
      break;
    case OptionId::Calibration:
      if (!inputs.calibration.empty()) key.add(option.longName, inputs.calibration);
      break;
    case OptionId::RandomWeights:
      if (arguments.has(option.id)) key.add(option.longName, arguments.get(option.id).empty() ? "0" : arguments.get(option.id));
      break;
    case OptionId::Batch:
      // `zoo eval --batch` is about running.
      if (arguments.command != "zoo" && arguments.get(option.id, "dynamic") != "dynamic") key.add(option.longName, arguments.get(option.id));
      break;
    case OptionId::Include: {
      std::vector<std::string> folders;
      for (const std::string &folder : arguments.all(option.id)) folders.push_back(cache::absolutePath(folder));
      if (!folders.empty()) key.add(option.longName, joined(folders));
      break;
    }
    default:
      if (arguments.has(option.id)) key.add(option.longName, joined(arguments.all(option.id)));
    }
  }
  key.add("source", cache::digestOf(cache::canonicalSource(source)));
  return key;
}

Result<int64_t> tuneBudget(const Arguments &arguments) {
  if (arguments.get(OptionId::OptLevel) == "3") return arguments.number(OptionId::TuneBudget, 60, 0, 86400);
  if (arguments.has(OptionId::TuneBudget))
    return Error{"'--tune-budget' is about measuring, which only -O3 does", ErrorKind::Usage};
  return int64_t(0);
}

std::string outputPath(const Arguments &arguments, const std::string &program) {
  return arguments.get(OptionId::Output, fs::path(program).replace_extension(".tern").string());
}

std::optional<int> compileFromCache(const Arguments &arguments, const std::string &compiler) {
  Timing timing;
  // What shows the inside of a compile, or where the compiler says more than an artifact keeps, is the compiler's.
  for (OptionId id : {OptionId::NoCache, OptionId::Help, OptionId::PrintIrAfter, OptionId::SaveTemps, OptionId::Verbose, OptionId::Reproducer})
    if (arguments.has(id)) return std::nullopt;
  if (arguments.command != "compile" || arguments.positional.size() != 1 || arguments.get(OptionId::Emit, "artifact") != "artifact")
    return std::nullopt;
  const std::string &path = arguments.positional[0];
  Arguments silent = arguments;
  silent.values[OptionId::Quiet] = {""}; // the compiler warns of a cache that cannot be used
  Result<std::unique_ptr<cache::Store>> opened = openStore(silent);
  if (!opened || !(*opened)->usable()) return std::nullopt;
  cache::Store &store = **opened;
  std::string id = cache::knownCompilerId(store, compiler);
  if (id.empty()) return std::nullopt;
  Result<std::string> source = readFileBytes(path, kMaxSourceBytes);
  Result<InputDigests> inputs = digestInputs(arguments, store);
  Result<int64_t> budget = tuneBudget(arguments);
  if (!source || !inputs || !budget) return std::nullopt;
  Result<cache::KeyBuilder> key = requestKey(arguments, id, *source, *inputs);
  if (!key) return std::nullopt;
  CompileReport report;
  report.lines = cache::countLines(*source);
  report.files = {path};
  std::optional<cache::Manifest> manifest = cache::findManifest(store, key->key(), path, report.files, report.lines);
  timing.add("cache lookup", timing.totalMs());
  if (!manifest || !cache::recordsHold(store, manifest->summary, *budget > 0)) return std::nullopt;
  std::string output = outputPath(arguments, path);
  double before = timing.totalMs();
  Result<bool> copied = store.copyOut(cache::EntryKind::Artifact, manifest->artifact, output);
  if (!copied) return printError(arguments, copied.error());
  if (!*copied) return std::nullopt;
  timing.add("write", timing.totalMs() - before);
  store.count(cache::Counter::Hits);
  store.flush();
  report.path = path;
  report.output = output;
  report.cache = "hit";
  report.summary = std::move(manifest->summary);
  return reportCompile(arguments, report, timing);
}

} // namespace triton::driver
