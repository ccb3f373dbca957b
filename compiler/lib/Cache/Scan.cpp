// Walking and pruning.
#include "Scan.h"

#include "Statistics.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <tuple>
#include <unistd.h>

namespace triton::cache {

static constexpr int64_t kNanoseconds = 1'000'000'000;
/// A process that writes one file for longer than this is taken for dead.
static constexpr int64_t kStaleSeconds = 3600;

static int64_t nanoseconds(const struct timespec &time) { return int64_t(time.tv_sec) * kNanoseconds + time.tv_nsec; }

static std::string leafPath(unsigned leaf) {
  static constexpr char digits[] = "0123456789abcdef";
  return {digits[leaf >> 4 & 15], '/', digits[leaf & 15]};
}

std::string itemPath(const ScanItem &item) { return leafPath(item.leaf) + "/" + item.name; }

/// The names in a directory, sorted. Nothing with errno set if it cannot be read.
static std::optional<std::vector<std::string>> listNames(int fd) {
  Fd own(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR *stream = own ? ::fdopendir(own.get()) : nullptr;
  if (!stream) return std::nullopt;
  own.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent *item = ::readdir(stream)) {
    std::string_view name = item->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  int code = errno;
  ::closedir(stream);
  errno = code;
  if (code) return std::nullopt;
  std::sort(names.begin(), names.end());
  return names;
}

static ScanItem describe(unsigned leaf, std::string name, const struct stat &st) {
  ScanItem item;
  item.leaf = leaf;
  item.fileBytes = uint64_t(st.st_size);
  item.diskBytes = uint64_t(st.st_blocks) * 512;
  item.usedNanoseconds = nanoseconds(st.st_mtim);
  size_t dot = name.find('.');
  std::string_view view = name;
  std::optional<Key> key = dot == name.npos ? std::nullopt : keyFromHex(leafPath(leaf).erase(1, 1).append(view.substr(0, dot)));
  if (key && S_ISREG(st.st_mode)) {
    item.kind = kindFromName(view.substr(dot + 1));
    item.key = *key;
  }
  item.name = std::move(name);
  return item;
}

Result<void> scan(const Directory &directory, const std::function<void(int leafFd, const ScanItem &item)> &visit) {
  for (unsigned leaf = 0; leaf < 256; ++leaf) {
    Fd fd = directory.openLeaf(leaf >> 4, leaf & 15, false);
    // What is no directory holds no entries, and is moved away by the first entry that needs the place.
    if (!fd && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) continue;
    std::optional<std::vector<std::string>> names = fd ? listNames(fd.get()) : std::nullopt;
    if (!names) return systemError("cannot read '" + directory.path() + "/v1/" + leafPath(leaf) + "'", errno);
    for (std::string &name : *names) {
      struct stat st;
      // Another process may have removed it.
      if (::fstatat(fd.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
      visit(fd.get(), describe(leaf, std::move(name), st));
    }
  }
  return {};
}

uint64_t cleanTemporaries(const Directory &directory, bool remove) {
  Fd fd = directory.openTemporary(false);
  std::optional<std::vector<std::string>> names = fd ? listNames(fd.get()) : std::nullopt;
  if (!names) return 0;
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  uint64_t left = 0;
  for (const std::string &name : *names) {
    struct stat st;
    if (::fstatat(fd.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    // An obstacle that was moved here (`x..`) is rubbish at once, whatever its time says.
    bool stale = name[0] == 'x' || st.st_mtim.tv_sec + kStaleSeconds < now.tv_sec;
    ++left;
    if (!remove || !stale) continue;
    if (S_ISDIR(st.st_mode)) {
      Fd below(::openat(fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (below) removeTree(below.get(), 16);
    }
    if (::unlinkat(fd.get(), name.c_str(), S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0) --left;
  }
  return left;
}

Result<PruneReport> pruneDirectory(const Directory &directory, uint64_t toBytes) {
  PruneReport report;
  Fd lock(::openat(directory.versionFd(), "prune.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!lock) return systemError("cannot lock '" + directory.path() + "'", errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    report.busy = true;
    return report;
  }
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const int64_t present = nanoseconds(now);
  cleanTemporaries(directory, true);
  const int64_t believed = readStatistics(directory).bytes;
  struct Candidate {
    int64_t used;
    uint64_t bytes;
    unsigned leaf;
    std::string name;
  };
  std::vector<Candidate> candidates;
  uint64_t total = 0;
  Result<void> scanned = scan(directory, [&](int, const ScanItem &item) {
    // A clock that was wrong once must not keep an entry for ever.
    candidates.push_back({std::min(item.usedNanoseconds, present), item.diskBytes, item.leaf, item.name});
    total += item.diskBytes;
  });
  if (!scanned) return scanned.takeError();
  std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
    return std::tie(a.used, a.leaf, a.name) < std::tie(b.used, b.leaf, b.name);
  });
  std::optional<int> failure;
  report.keptEntries = candidates.size();
  for (const Candidate &candidate : candidates) {
    if (total <= toBytes) break;
    Fd leaf = directory.openLeaf(candidate.leaf >> 4, candidate.leaf & 15, false);
    if (!leaf || !directory.removeAny(leaf.get(), candidate.name.c_str())) {
      if (!failure) failure = errno;
      continue;
    }
    total -= candidate.bytes;
    report.removedBytes += candidate.bytes;
    ++report.removedEntries;
    --report.keptEntries;
  }
  report.keptBytes = total;
  Statistics change;
  change.bytes = int64_t(total) - believed;
  change.scannedSeconds = now.tv_sec;
  change.counters[size_t(Counter::Evicted)] = report.removedEntries;
  addStatistics(directory, change);
  if (failure) return systemError("cannot remove entries in '" + directory.path() + "'", *failure);
  return report;
}

} // namespace triton::cache
