// What `triton cache` does to a whole directory. Every function may run while other processes use the cache.
#pragma once

#include "triton/Cache/Store.h"

namespace triton::cache {

/// What lies in a directory now.
struct Usage {
  struct Kind {
    uint64_t entries = 0, bytes = 0;
  };
  std::array<Kind, kEntryKinds> kinds{};
  uint64_t entries = 0;     ///< of all kinds
  uint64_t bytes = 0;       ///< disk space of them and of what is foreign
  uint64_t foreign = 0;     ///< files that are no entries by their name or type
  uint64_t temporaries = 0; ///< files being written, or left over by a killed process
};

/// Counts what is there. A directory that does not exist is empty; an Error is one that must not or cannot be read.
Result<Usage> usage(const std::string &dir);

/// The counters on disk.
Counters storedCounters(const std::string &dir);

struct PruneReport {
  uint64_t removedEntries = 0, removedBytes = 0;
  uint64_t keptEntries = 0, keptBytes = 0;
  bool busy = false; ///< another process is pruning; nothing was done
};

/// Removes entries, the ones used longest ago first, until at most `toBytes` bytes of disk are left, and what killed processes
/// left over.
Result<PruneReport> prune(const std::string &dir, uint64_t toBytes);

/// Removes every entry and the counters. Entries that others write at the same time may stay.
Result<PruneReport> clear(const std::string &dir);

struct VerifyReport {
  uint64_t entries = 0, bytes = 0;
  uint64_t damaged = 0; ///< removed, unless `keep`
  std::vector<std::string> names; ///< of the damaged ones, below the directory, sorted
};

/// Reads and checks every entry; removes what is damaged or foreign (`keep`: only tells).
Result<VerifyReport> verify(const std::string &dir, bool keep);

/// Writes all whole entries of some kinds (empty: all) into one file, sorted, so that the same cache gives the same bytes.
/// Returns how many.
Result<uint64_t> exportTo(const std::string &dir, const std::string &file, std::span<const EntryKind> kinds);

struct ImportReport {
  uint64_t entries = 0, bytes = 0;
  uint64_t present = 0; ///< were there already
};

/// Adds the entries of an exported file. Every entry is checked before it is kept; a damaged file is an Error that says where.
Result<ImportReport> importFrom(const std::string &dir, const std::string &file);

} // namespace triton::cache
