// The compile cache's store: a directory of sealed entries that any number of processes share. An entry is checked before it is
// used and a damaged one is dropped, so that what comes out is what went in or nothing. No LLVM, no ANTLR: the front program
// links it.
#pragma once

#include "triton/Support/Result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace triton::cache {

/// BLAKE3 over everything that decides an entry's content.
using Key = std::array<uint8_t, 32>;
using Bytes = std::span<const uint8_t>;

/// The levels of the cache. Entries of two kinds never meet, even under one key. The values are in the files: append only.
enum class EntryKind : uint8_t { Manifest = 0, Artifact = 1, Object = 2, Weights = 3, Tuning = 4 };
inline constexpr size_t kEntryKinds = 5;

/// "manifest", "artifact", "object", "weights", "tuning".
std::string_view kindName(EntryKind kind);
std::optional<EntryKind> kindFromName(std::string_view name);

/// 64 lower-case hexadecimal digits, and back.
std::string toHex(const Key &key);
std::optional<Key> keyFromHex(std::string_view hex);

/// Bytes of one's own. The memory starts at a multiple of 64.
class Blob {
public:
  Blob() = default;
  /// Uninitialised; empty (size 0, data null) if there is no memory for it.
  static Blob allocate(size_t bytes);

  uint8_t *data() { return memory.get(); }
  const uint8_t *data() const { return memory.get(); }
  size_t size() const { return count; }
  Bytes bytes() const { return {memory.get(), count}; }
  operator Bytes() const { return bytes(); }
  std::string_view text() const { return {reinterpret_cast<const char *>(memory.get()), count}; }
  /// Keeps the first `bytes` bytes.
  void shrink(size_t bytes) { count = bytes < count ? bytes : count; }

private:
  struct Free {
    void operator()(uint8_t *p) const;
  };
  std::unique_ptr<uint8_t, Free> memory;
  size_t count = 0;
};

/// What is counted, over all processes, until `triton cache clear`. The order is the file's: append only.
enum class Counter : uint8_t {
  Hits,           ///< compiles answered by a whole artifact (the caller counts these three)
  Partial,        ///< compiles that reused some lower level
  Misses,         ///< compiles that reused nothing
  EntryHits,      ///< successful look-ups of any kind, local or remote
  EntryMisses,    ///< look-ups that found nothing
  Stored,         ///< entries written
  Evicted,        ///< entries removed to keep to the size
  CorruptDropped, ///< damaged or hostile entries removed
  WriteErrors,    ///< entries that could not be written
  RemoteHits,
  RemoteMisses,
  RemoteStored,
  RemoteErrors, ///< requests to the remote that failed in any way but "not there"
};
inline constexpr size_t kCounters = size_t(Counter::RemoteErrors) + 1;
using Counters = std::array<uint64_t, kCounters>;

/// A store elsewhere, asked after the local one. Implementations never throw, are bounded in time and size, and are thread-safe.
class RemoteStore {
public:
  virtual ~RemoteStore() = default;
  /// A sealed entry (see Entry.h) as the remote gave it, not yet checked; nothing if it has none or failed.
  virtual std::optional<Blob> fetch(EntryKind kind, const Key &key) = 0;
  /// Sends a sealed entry; may return before it is sent.
  virtual void send(EntryKind kind, const Key &key, Blob sealed) = 0;
  /// Waits, for a bounded time, for what `send` began.
  virtual void finish() = 0;
  /// RemoteHits .. RemoteErrors since the last call.
  virtual Counters takeCounters() = 0;
};

struct StoreOptions {
  std::string dir;                            ///< empty: defaultDirectory()
  uint64_t maxBytes = uint64_t(5) << 30;      ///< pruned to this size, oldest use first
  uint64_t maxEntryBytes = uint64_t(4) << 30; ///< larger entries are neither written nor read
  bool readOnly = false;                      ///< look-ups only: nothing is created, touched, dropped or counted on disk
  /// Gets at most one message for each Store; the default prints nothing.
  std::function<void(const std::string &message)> warn = {};
};

/// $TRITON_DSL_CACHE_DIR, $XDG_CACHE_HOME/triton-dsl, $HOME/.cache/triton-dsl; the first that is set to an absolute path (the
/// first may be relative). Empty if there is none: no cache then.
std::string defaultDirectory();

/// $TRITON_DSL_CACHE_SIZE, or 5 GiB. Errors (kind Usage) name the variable.
Result<uint64_t> defaultMaxBytes();

/// "500M", "2G", "1.5GiB", "1073741824": binary multiples.
Result<uint64_t> parseSize(std::string_view text);

/// The store in one directory. Opening and using it never fails the caller: a store that cannot be used answers every look-up
/// with nothing, takes every entry without keeping it, and has warned once. Thread-safe; any number of processes may have the
/// same directory open, and each may be killed at any point.
class Store {
public:
  /// Opens `options.dir`, and creates it unless read-only.
  static std::unique_ptr<Store> open(StoreOptions options);
  /// A store that is always empty (`--no-cache`).
  static std::unique_ptr<Store> disabled();
  virtual ~Store() = default;

  /// False: every look-up will miss. `problem` says why ("" when the store is merely disabled).
  virtual bool usable() const = 0;
  virtual const std::string &problem() const = 0;
  virtual const std::string &directory() const = 0;

  /// Asks `remote` (not owned, outlives the store; may be null) after every local miss, and sends it what is put.
  virtual void setRemote(RemoteStore *remote) = 0;

  /// The content of an entry, checked; nothing if there is none. A damaged entry is dropped, counted, and not there.
  virtual std::optional<Blob> get(EntryKind kind, const Key &key) = 0;
  /// Is there an entry? Looks at the name and the size only, not at the content, and never asks the remote.
  virtual bool probablyHas(EntryKind kind, const Key &key) = 0;
  /// Keeps `content` under `key`, replacing an older entry. Atomic: readers see the old entry or the whole new one.
  virtual void put(EntryKind kind, const Key &key, Bytes content) = 0;
  /// Removes an entry that its reader found unfit although its seal was whole, and counts it as damaged.
  virtual void drop(EntryKind kind, const Key &key) = 0;

  /// Writes an entry's content to `path`, checked, by a temporary file beside it and a rename; a file there that holds it already only gets
  /// a new time. False: no such entry. An Error:
  /// the entry is there, but the output could not be written.
  virtual Result<bool> copyOut(EntryKind kind, const Key &key, const std::string &path) = 0;

  /// Counts an event; on disk after the next `flush`.
  virtual void count(Counter counter, uint64_t n = 1) = 0;
  /// Writes counters and sizes, prunes when the size asks for it, and waits for the remote. The destructor does it too.
  virtual void flush() = 0;
  /// The counters on disk and those of this process.
  virtual Counters counters() = 0;
};

} // namespace triton::cache
