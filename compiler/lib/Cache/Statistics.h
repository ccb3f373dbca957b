// Counters that many processes add to without waiting for each other, and that a kill at any point cannot spoil: the file has
// 16 slots, each with a checksum and a lock (of the open file, so that the kernel releases it with the process). A process adds
// to the first slot that nobody holds; the sum of all slots is what is counted. A damaged slot counts nothing.
#pragma once

#include "Directory.h"

namespace triton::cache {

struct Statistics {
  Counters counters{};
  int64_t bytes = 0;          ///< disk space of the entries, as far as known (corrected by every scan)
  int64_t scannedSeconds = 0; ///< when the directory was last scanned (seconds since 1970)

  bool empty() const;
  void add(const Statistics &other);
};

/// The sum of all slots; nothing is created. Zeros if there is no file or it cannot be read.
Statistics readStatistics(const Directory &directory);

/// Adds `change`; false if that was impossible (read-only disk, all slots held).
bool addStatistics(const Directory &directory, const Statistics &change);

/// Starts anew. False if there was a file and it cannot be removed.
bool clearStatistics(const Directory &directory);

/// The disk space that a file of this size takes.
inline int64_t diskBytes(uint64_t bytes) { return int64_t((bytes + 4095) & ~uint64_t(4095)); }

} // namespace triton::cache
