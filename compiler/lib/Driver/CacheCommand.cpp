// `triton cache stats|prune|clear|verify|export|import`.
#include "CacheOptions.h"
#include "Command.h"

#include "triton/Cache/Maintenance.h"

#include <fmt/format.h>

namespace triton::driver {

using cache::Counter;

namespace {

/// What every subcommand works on.
struct CacheContext {
  const Arguments &arguments;
  std::string dir;
  uint64_t maxBytes;
  std::string file; ///< of export and import

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
};

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
      return fail(arguments, Error{fmt::format("cache {} takes {}", subcommand.name, subcommand.files ? "one file" : "no files"),
                                   ErrorKind::Usage});
    return subcommand.run({arguments, options->dir, options->maxBytes, subcommand.files ? arguments.positional[1] : ""});
  }
  return fail(arguments, Error{fmt::format("cache cannot '{}'; it can {}", arguments.positional[0], names), ErrorKind::Usage});
}

} // namespace triton::driver
