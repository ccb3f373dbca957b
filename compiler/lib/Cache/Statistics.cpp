// The file `stats`. A slot, all numbers little-endian: magic (8 bytes), 24 counters, bytes, time of the last scan, zero up to
// byte 240, XXH3-64 of the 240 bytes before, zero up to byte 256.
#include "Statistics.h"

#include "artifact/container.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace triton::cache {

static constexpr size_t kSlots = 16, kSlotBytes = 256, kStored = 24, kSumAt = 240;
static constexpr char kStatsFile[] = "stats", kSlotMagic[] = "\x89TRIS\r\n\x1a";
static_assert(kCounters <= kStored && 8 + 8 * (kStored + 2) <= kSumAt);
using Slot = std::array<uint8_t, kSlotBytes>;

bool Statistics::empty() const {
  return bytes == 0 && scannedSeconds == 0 && std::all_of(counters.begin(), counters.end(), [](uint64_t n) { return n == 0; });
}

void Statistics::add(const Statistics &other) {
  for (size_t i = 0; i < kCounters; ++i) counters[i] += other.counters[i];
  bytes += other.bytes;
  scannedSeconds = std::max(scannedSeconds, other.scannedSeconds);
}

static Slot encode(const Statistics &statistics) {
  Slot slot{};
  std::memcpy(slot.data(), kSlotMagic, 8);
  for (size_t i = 0; i < kCounters; ++i) tri_store_u64(slot.data() + 8 + 8 * i, statistics.counters[i]);
  tri_store_u64(slot.data() + 8 + 8 * kStored, uint64_t(statistics.bytes));
  tri_store_u64(slot.data() + 16 + 8 * kStored, uint64_t(statistics.scannedSeconds));
  tri_store_u64(slot.data() + kSumAt, tri_checksum(slot.data(), kSumAt));
  return slot;
}

static Statistics decode(const uint8_t *slot) {
  Statistics out;
  if (std::memcmp(slot, kSlotMagic, 8) != 0 || tri_load_u64(slot + kSumAt) != tri_checksum(slot, kSumAt)) return out;
  for (size_t i = 0; i < kCounters; ++i) out.counters[i] = tri_load_u64(slot + 8 + 8 * i);
  out.bytes = int64_t(tri_load_u64(slot + 8 + 8 * kStored));
  out.scannedSeconds = int64_t(tri_load_u64(slot + 16 + 8 * kStored));
  return out;
}

/// Opens the file; it must be a plain one.
static Fd openStatistics(const Directory &directory, bool write) {
  int flags = (write ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  for (int attempt = 0; attempt < 2; ++attempt) {
    Fd fd(::openat(directory.versionFd(), kStatsFile, flags, 0600));
    struct stat st;
    if (fd && ::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode)) return fd;
    bool obstacle = fd || errno == ELOOP || errno == EISDIR || errno == ENXIO;
    if (!write || !obstacle || !directory.removeAny(directory.versionFd(), kStatsFile)) break;
  }
  return Fd();
}

Statistics readStatistics(const Directory &directory) {
  Statistics sum;
  Fd fd = openStatistics(directory, false);
  if (!fd) return sum;
  std::array<uint8_t, kSlots * kSlotBytes> all{};
  // A short file has fewer slots: what is missing stays zero, which is no slot.
  for (size_t done = 0; done < all.size();) {
    ssize_t n = ::pread(fd.get(), all.data() + done, all.size() - done, off_t(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += size_t(n);
  }
  for (size_t i = 0; i < kSlots; ++i) sum.add(decode(all.data() + i * kSlotBytes));
  return sum;
}

bool addStatistics(const Directory &directory, const Statistics &change) {
  Fd fd = openStatistics(directory, true);
  if (!fd) return false;
  size_t first = size_t(::getpid()) % kSlots;
  for (size_t i = 0; i < kSlots; ++i) {
    size_t index = (first + i) % kSlots;
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = off_t(index * kSlotBytes);
    range.l_len = off_t(kSlotBytes);
    if (::fcntl(fd.get(), F_OFD_SETLK, &range) != 0) {
      if (errno == EAGAIN || errno == EACCES) continue;
      return false;
    }
    Slot slot{};
    Statistics sum;
    if (readExactly(fd.get(), slot.data(), slot.size(), index * kSlotBytes)) sum = decode(slot.data());
    sum.add(change);
    slot = encode(sum);
    // One write: it is there as a whole, or the checksum tells. Closing the file releases the lock.
    return ::pwrite(fd.get(), slot.data(), slot.size(), off_t(index * kSlotBytes)) == ssize_t(slot.size());
  }
  return false;
}

bool clearStatistics(const Directory &directory) { return directory.removeAny(directory.versionFd(), kStatsFile); }

} // namespace triton::cache
