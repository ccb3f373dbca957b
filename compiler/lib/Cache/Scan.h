// Walks over everything in a cache directory, and pruning.
#pragma once

#include "Directory.h"
#include "triton/Cache/Maintenance.h"

#include <functional>

namespace triton::cache {

/// A thing in a directory of entries.
struct ScanItem {
  unsigned leaf;             ///< 0..255: its directory
  std::string name;          ///< of the file
  std::optional<EntryKind> kind; ///< nothing: no entry by its name or type
  Key key{};
  uint64_t fileBytes = 0, diskBytes = 0;
  int64_t usedNanoseconds = 0; ///< time of the last use, roughly
};

/// "3/f/<62 hex>.artifact".
std::string itemPath(const ScanItem &item);

/// Calls `visit` for everything in the directories of entries, one directory after the other in order, names sorted. `visit`
/// gets the directory's descriptor and may remove the item. An Error is a directory that cannot be read.
Result<void> scan(const Directory &directory, const std::function<void(int leafFd, const ScanItem &item)> &visit);

/// Removes leftovers of killed processes from v1/tmp: what is older than an hour. Returns how many files are left there.
uint64_t cleanTemporaries(const Directory &directory, bool remove);

/// See prune() in Maintenance.h.
Result<PruneReport> pruneDirectory(const Directory &directory, uint64_t toBytes);

/// What a process may write until it looks at the size of the whole cache again.
inline uint64_t pruneStep(uint64_t maxBytes) { return maxBytes / 32; }
/// To what pruning goes down when the size is above `maxBytes`, so that it is not due again at once.
inline uint64_t pruneTarget(uint64_t maxBytes) { return maxBytes / 5 * 4; }

} // namespace triton::cache
