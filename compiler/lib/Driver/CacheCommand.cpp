// `triton cache stats|why|prune|clear|verify|export|import`.
#include "CacheOptions.h"
#include "Command.h"

#include "triton/Cache/Maintenance.h"
#include "triton/Cache/Manifest.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

namespace triton::driver {

using cache::Counter;

namespace {

/// What every subcommand works on.
struct CacheContext {
  const Arguments &arguments;
  std::string dir;
  uint64_t maxBytes;
  std::string file; ///< of export and import, the first of why
  std::string second; ///< of why

  bool json() const { return arguments.has(OptionId::Json); }
  bool quiet() const { return arguments.has(OptionId::Quiet); }
};

} // namespace

static std::string megabytes(uint64_t bytes) { return fmt::format("{:.1f} MB", double(bytes) / 1e6); }

static int cacheStats(const CacheContext &context) {
  Result<cache::Usage> usage = cache::usage(context.dir);
  if (!usage) return fail(context.arguments, usage.error());
  cache::Counters counters = cache::storedCounters(context.dir);
  auto counted = [&](Counter counter) { return int64_t(counters[size_t(counter)]); };
  std::string url = remoteCacheUrl(context.arguments);
  if (context.json()) {
    json::Object kinds, remote, document;
    for (size_t i = 0; i < cache::kEntryKinds; ++i) {
      json::Object kind;
      kind.append("entries", int64_t(usage->kinds[i].entries));
      kind.append("bytes", int64_t(usage->kinds[i].bytes));
      kinds.append(std::string(cache::kindName(cache::EntryKind(i))), std::move(kind));
    }
    remote.append("url", url.empty() ? json::Value(nullptr) : json::Value(url));
    remote.append("hits", counted(Counter::RemoteHits));
    remote.append("misses", counted(Counter::RemoteMisses));
    remote.append("stored", counted(Counter::RemoteStored));
    remote.append("errors", counted(Counter::RemoteErrors));
    document.append("dir", context.dir);
    document.append("entries", int64_t(usage->entries));
    document.append("bytes", int64_t(usage->bytes));
    document.append("max_bytes", int64_t(context.maxBytes));
    document.append("hits", counted(Counter::Hits));
    document.append("misses", counted(Counter::Misses));
    document.append("partial", counted(Counter::Partial));
    document.append("entry_hits", counted(Counter::EntryHits));
    document.append("entry_misses", counted(Counter::EntryMisses));
    document.append("stored", counted(Counter::Stored));
    document.append("evicted", counted(Counter::Evicted));
    document.append("corrupt_dropped", counted(Counter::CorruptDropped));
    document.append("write_errors", counted(Counter::WriteErrors));
    document.append("foreign", int64_t(usage->foreign));
    document.append("temporaries", int64_t(usage->temporaries));
    document.append("kinds", std::move(kinds));
    document.append("remote", std::move(remote));
    printJson(document);
    return kDone;
  }
  fmt::print("directory    {}\n", context.dir);
  fmt::print("size         {} of at most {} in {} entries\n", megabytes(usage->bytes), megabytes(context.maxBytes), usage->entries);
  for (size_t i = 0; i < cache::kEntryKinds; ++i)
    if (usage->kinds[i].entries)
      fmt::print("  {:<10} {:>6} entries, {}\n", cache::kindName(cache::EntryKind(i)), usage->kinds[i].entries,
                 megabytes(usage->kinds[i].bytes));
  fmt::print("compiles     {} hits, {} partial, {} misses\n", counted(Counter::Hits), counted(Counter::Partial),
             counted(Counter::Misses));
  fmt::print("entries      {} written, {} removed for space, {} damaged and dropped, {} not written\n", counted(Counter::Stored),
             counted(Counter::Evicted), counted(Counter::CorruptDropped), counted(Counter::WriteErrors));
  fmt::print("remote       {}: {} hits, {} misses, {} sent, {} failures\n", url.empty() ? "none" : url,
             counted(Counter::RemoteHits), counted(Counter::RemoteMisses), counted(Counter::RemoteStored),
             counted(Counter::RemoteErrors));
  return kDone;
}

/// The result of prune and clear.
static int report(const CacheContext &context, const Result<cache::PruneReport> &done) {
  if (!done) return fail(context.arguments, done.error());
  if (done->busy)
    return fail(context.arguments, Error{"another process is pruning the cache; try again later", ErrorKind::Environment});
  if (context.json()) {
    json::Object document;
    document.append("dir", context.dir);
    document.append("removed_entries", int64_t(done->removedEntries));
    document.append("removed_bytes", int64_t(done->removedBytes));
    document.append("entries", int64_t(done->keptEntries));
    document.append("bytes", int64_t(done->keptBytes));
    printJson(document);
  } else if (!context.quiet()) {
    fmt::print("removed {} entries ({}), {} are left ({})\n", done->removedEntries, megabytes(done->removedBytes),
               done->keptEntries, megabytes(done->keptBytes));
  }
  return kDone;
}

static int cachePrune(const CacheContext &context) { return report(context, cache::prune(context.dir, context.maxBytes)); }
static int cacheClear(const CacheContext &context) { return report(context, cache::clear(context.dir)); }

static int cacheVerify(const CacheContext &context) {
  bool keep = context.arguments.has(OptionId::Check);
  Result<cache::VerifyReport> done = cache::verify(context.dir, keep);
  if (!done) return fail(context.arguments, done.error());
  if (context.json()) {
    json::Object document;
    json::Array names;
    for (const std::string &name : done->names) names.push_back(name);
    document.append("dir", context.dir);
    document.append("entries", int64_t(done->entries));
    document.append("bytes", int64_t(done->bytes));
    document.append("damaged", int64_t(done->damaged));
    document.append("dropped", int64_t(keep ? 0 : done->damaged));
    document.append("names", std::move(names));
    printJson(document);
  } else {
    for (const std::string &name : done->names) fmt::print("{} {}\n", keep ? "damaged" : "dropped", name);
    if (!context.quiet())
      fmt::print("{} entries ({}), {} damaged{}\n", done->entries, megabytes(done->bytes), done->damaged,
                 keep || !done->damaged ? "" : " and dropped");
  }
  return keep && done->damaged ? kMismatch : kDone;
}

static int cacheExport(const CacheContext &context) {
  std::vector<cache::EntryKind> kinds;
  for (const std::string &name : context.arguments.all(OptionId::Kind)) {
    std::optional<cache::EntryKind> kind = cache::kindFromName(name);
    if (!kind)
      return fail(context.arguments, Error{fmt::format("'{}' is no kind of entry; there are manifest, artifact, object, weights and "
                                                       "tuning", name),
                                           ErrorKind::Usage});
    kinds.push_back(*kind);
  }
  Result<uint64_t> entries = cache::exportTo(context.dir, context.file, kinds);
  if (!entries) return fail(context.arguments, entries.error());
  if (context.json()) {
    json::Object document;
    document.append("file", context.file);
    document.append("entries", int64_t(*entries));
    printJson(document);
  } else if (!context.quiet()) {
    fmt::print("{} entries exported to {}\n", *entries, context.file);
  }
  return kDone;
}

static int cacheImport(const CacheContext &context) {
  Result<cache::ImportReport> done = cache::importFrom(context.dir, context.file);
  if (!done) return fail(context.arguments, done.error());
  if (context.json()) {
    json::Object document;
    document.append("file", context.file);
    document.append("entries", int64_t(done->entries));
    document.append("bytes", int64_t(done->bytes));
    document.append("present", int64_t(done->present));
    printJson(document);
  } else if (!context.quiet()) {
    fmt::print("{} entries imported ({}), {} were there already\n", done->entries, megabytes(done->bytes), done->present);
  }
  return kDone;
}

/// How the artifact in a file was made, if this cache made it.
static Result<cache::KeyItems> itemsOf(cache::Store &store, const std::string &path) {
  Result<std::string> bytes = readFileBytes(path);
  if (!bytes) return bytes.takeError();
  cache::Key name = cache::itemsNameOfArtifact(cache::digestOf(*bytes));
  std::optional<cache::KeyItems> items = cache::findItems(store, name);
  if (!items)
    return Error{path + ": the cache does not know how this file was made; it knows artifacts that were compiled with it and not removed since"};
  return std::move(*items);
}

/// Which item of the keys of two artifacts differs: why the second was not a hit where the first was there.
static int cacheWhy(const CacheContext &context) {
  Result<cache::StoreOptions> options = cacheOptions(context.arguments);
  if (!options) return fail(context.arguments, options.error());
  options->readOnly = true;
  std::unique_ptr<cache::Store> store = cache::Store::open(std::move(*options));
  Result<cache::KeyItems> first = itemsOf(*store, context.file), second = itemsOf(*store, context.second);
  for (const Result<cache::KeyItems> *items : {&first, &second})
    if (!*items) return fail(context.arguments, items->error());
  std::vector<std::string> lines = cache::describeDifference(*first, *second);
  if (context.json()) {
    json::Array differences;
    for (const std::string &line : lines) differences.push_back(line);
    json::Object document;
    document.append("first", context.file);
    document.append("second", context.second);
    document.append("differences", std::move(differences));
    printJson(document);
    return kDone;
  }
  if (lines.empty()) fmt::print("nothing differs: one request made both\n");
  for (const std::string &line : lines) fmt::print("{}\n", line);
  return kDone;
}

namespace {
struct Subcommand {
  std::string_view name;
  size_t files;
  int (*run)(const CacheContext &);
};
} // namespace

static constexpr Subcommand subcommands[] = {
    {"stats", 0, cacheStats},   {"prune", 0, cachePrune},   {"clear", 0, cacheClear},
    {"verify", 0, cacheVerify}, {"export", 1, cacheExport}, {"import", 1, cacheImport},
    {"why", 2, cacheWhy},
};

std::vector<std::string> cacheVerbs() {
  std::vector<std::string> out;
  for (const Subcommand &subcommand : subcommands) out.emplace_back(subcommand.name);
  return out;
}

int runCache(const Arguments &arguments) {
  std::string names;
  for (const Subcommand &subcommand : subcommands) names += (names.empty() ? "" : ", ") + std::string(subcommand.name);
  if (arguments.positional.empty())
    return fail(arguments, Error{"cache needs to know what to do: " + names, ErrorKind::Usage});
  Result<cache::StoreOptions> options = cacheOptions(arguments);
  if (!options) return fail(arguments, options.error());
  for (const Subcommand &subcommand : subcommands) {
    if (subcommand.name != arguments.positional[0]) continue;
    if (arguments.positional.size() != 1 + subcommand.files)
      return fail(arguments, Error{fmt::format("cache {} takes {}", subcommand.name,
                                               subcommand.files == 2 ? "two files" : subcommand.files ? "one file" : "no files"),
                                   ErrorKind::Usage});
    return subcommand.run({arguments, options->dir, options->maxBytes, subcommand.files ? arguments.positional[1] : "",
                           subcommand.files == 2 ? arguments.positional[2] : ""});
  }
  return fail(arguments, Error{fmt::format("cache cannot '{}'; it can {}", arguments.positional[0], names), ErrorKind::Usage});
}

} // namespace triton::driver
