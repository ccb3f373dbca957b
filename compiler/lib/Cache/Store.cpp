// The store over one directory. Nothing here may fail the caller: an entry that cannot be read is a miss, an entry that cannot
// be written is not kept, and the first such trouble is told once.
//
// Nothing is synchronised to disk: a file system that loses the last seconds in a power cut may leave entries damaged or
// empty, and the seal finds those. An output file gets no more care than other compilers give theirs.
#include "Scan.h"
#include "Statistics.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <mutex>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

namespace triton::cache {

/// The time of an entry's last use is kept to this many seconds, so that a hit seldom has to write.
static constexpr int64_t kTouchSeconds = 60;
/// A directory that nobody scanned for so long is scanned when something is written: sizes drift when processes are killed.
static constexpr int64_t kScanSeconds = 24 * 3600;
/// Of a piece that is read and hashed: its buffer stays in the processor's cache. Of one that is written too: larger writes take less time.
static constexpr size_t kHashBytes = 64 << 10, kCopyBytes = 256 << 10;

namespace {

/// What a look-up in the directory came to.
enum class Found { Here, Missing, Damaged };

/// An entry whose seal is sound. Its content is not checked yet.
struct OpenEntry {
  Fd leaf, fd;
  Seal seal{};
};

class DirectoryStore final : public Store {
public:
  explicit DirectoryStore(StoreOptions given) : options(std::move(given)) {}
  ~DirectoryStore() override { flush(); }

  void attach();

  bool usable() const override { return dir.has_value(); }
  const std::string &problem() const override { return trouble; }
  const std::string &directory() const override { return options.dir; }
  void setRemote(RemoteStore *store) override { remote = store; }
  std::optional<Blob> get(EntryKind kind, const Key &key) override;
  bool probablyHas(EntryKind kind, const Key &key) override;
  void put(EntryKind kind, const Key &key, Bytes content) override;
  void drop(EntryKind kind, const Key &key) override;
  Result<bool> copyOut(EntryKind kind, const Key &key, const std::string &path) override;
  void count(Counter counter, uint64_t n) override { pending[size_t(counter)] += n; }
  void flush() override;
  Counters counters() override;

private:
  Found openEntry(EntryKind kind, const Key &key, OpenEntry &entry);
  Found readContent(EntryKind kind, const Key &key, Blob &content);
  Result<Found> copyContent(EntryKind kind, const Key &key, const std::string &path);
  void touch(const OpenEntry &entry, const struct stat &st);
  std::optional<Blob> fetch(EntryKind kind, const Key &key);
  void dropDamaged(EntryKind kind, const Key &key);
  bool write(EntryKind kind, const Key &key, Bytes content, const SealBytes &seal);
  void writeFailed(int code);
  void warnOnce(const std::string &message);
  void flushCounts();

  StoreOptions options;
  std::optional<Directory> dir;
  std::string trouble;
  RemoteStore *remote = nullptr;
  std::atomic<bool> writable{false}, warned{false};
  std::array<std::atomic<uint64_t>, kCounters> pending{};
  std::atomic<int64_t> pendingBytes{0};
  std::atomic<uint64_t> writtenBytes{0}; ///< since the size of the whole cache was looked at
  std::mutex flushing;
};

void DirectoryStore::attach() {
  if (options.dir.empty()) options.dir = defaultDirectory();
  if (options.dir.empty()) {
    trouble = "there is no directory for the cache: none of TRITON_DSL_CACHE_DIR, XDG_CACHE_HOME and HOME is set";
  } else if (Result<Directory> opened = Directory::open(options.dir, !options.readOnly)) {
    dir = std::move(*opened);
    writable = !options.readOnly;
    return;
  } else {
    trouble = opened.error().message;
  }
  if (!options.readOnly) warnOnce("compiling without a cache: " + trouble);
}

void DirectoryStore::warnOnce(const std::string &message) {
  if (!warned.exchange(true) && options.warn) options.warn(message);
}

void DirectoryStore::writeFailed(int code) {
  count(Counter::WriteErrors, 1);
  // Too many open files may pass; a full or read-only disk will not during one compile.
  if (code == EMFILE || code == ENFILE || code == ENOMEM) return;
  writable = false;
  warnOnce("the cache in '" + options.dir + "' cannot be written (" + std::strerror(code) + "); going on without keeping results");
}

Found DirectoryStore::openEntry(EntryKind kind, const Key &key, OpenEntry &entry) {
  entry.leaf = dir->openLeaf(key, false);
  if (!entry.leaf) return Found::Missing;
  // Not blocking: a fifo must not stop us.
  int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  entry.fd = Fd(::openat(entry.leaf.get(), entryFileName(kind, key).c_str(), flags));
  if (!entry.fd) return errno == ELOOP || errno == ENXIO || errno == EACCES ? Found::Damaged : Found::Missing;
  struct stat st;
  if (::fstat(entry.fd.get(), &st) != 0) return Found::Missing;
  if (!S_ISREG(st.st_mode) || st.st_size < off_t(kSealBytes)) return Found::Damaged;
  uint64_t contentBytes = uint64_t(st.st_size) - kSealBytes;
  // The seal first: it says whether the size may be believed before memory is asked for.
  SealBytes sealBytes;
  if (!readExactly(entry.fd.get(), sealBytes.data(), sealBytes.size(), contentBytes)) return Found::Damaged;
  std::optional<Seal> seal = readSeal(sealBytes);
  if (!seal || seal->kind != kind || seal->key != key || seal->contentBytes != contentBytes) return Found::Damaged;
  if (contentBytes > options.maxEntryBytes) return Found::Missing;
  entry.seal = *seal;
  touch(entry, st);
  return Found::Here;
}

void DirectoryStore::touch(const OpenEntry &entry, const struct stat &st) {
  if (!writable) return;
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  int64_t age = int64_t(now.tv_sec) - int64_t(st.st_mtim.tv_sec);
  if (age > kTouchSeconds || age < -kTouchSeconds) ::futimens(entry.fd.get(), nullptr);
}

Found DirectoryStore::readContent(EntryKind kind, const Key &key, Blob &content) {
  OpenEntry entry;
  Found found = openEntry(kind, key, entry);
  if (found != Found::Here) return found;
  content = Blob::allocate(entry.seal.contentBytes);
  if (!content.data()) return Found::Missing;
  if (!readExactly(entry.fd.get(), content.data(), content.size(), 0)) return Found::Damaged;
  ContentHasher hasher;
  hasher.update(content);
  return hasher.finish() == entry.seal.sum ? Found::Here : Found::Damaged;
}

void DirectoryStore::dropDamaged(EntryKind kind, const Key &key) {
  if (options.readOnly) return;
  Fd leaf = dir->openLeaf(key, false);
  if (leaf && dir->removeAny(leaf.get(), entryFileName(kind, key).c_str())) count(Counter::CorruptDropped, 1);
}

void DirectoryStore::drop(EntryKind kind, const Key &key) {
  if (dir) dropDamaged(kind, key);
}

std::optional<Blob> DirectoryStore::fetch(EntryKind kind, const Key &key) {
  if (!remote) return std::nullopt;
  std::optional<Blob> sealed = remote->fetch(kind, key);
  if (!sealed || !isEntry(*sealed, kind, key)) return std::nullopt;
  size_t contentBytes = sealed->size() - kSealBytes;
  SealBytes seal;
  std::memcpy(seal.data(), sealed->data() + contentBytes, kSealBytes);
  sealed->shrink(contentBytes);
  write(kind, key, *sealed, seal);
  return sealed;
}

std::optional<Blob> DirectoryStore::get(EntryKind kind, const Key &key) {
  if (dir) {
    Blob content;
    Found found = readContent(kind, key, content);
    if (found == Found::Here) {
      count(Counter::EntryHits, 1);
      return content;
    }
    if (found == Found::Damaged) dropDamaged(kind, key);
  }
  std::optional<Blob> fetched = fetch(kind, key);
  if (dir || remote) count(fetched ? Counter::EntryHits : Counter::EntryMisses, 1);
  return fetched;
}

bool DirectoryStore::probablyHas(EntryKind kind, const Key &key) {
  if (!dir) return false;
  Fd leaf = dir->openLeaf(key, false);
  struct stat st;
  return leaf && ::fstatat(leaf.get(), entryFileName(kind, key).c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(st.st_mode) && st.st_size >= off_t(kSealBytes);
}

void DirectoryStore::put(EntryKind kind, const Key &key, Bytes content) {
  if (content.size() > options.maxEntryBytes || (!writable && !remote)) return;
  SealBytes seal = sealContent(kind, key, content);
  write(kind, key, content, seal);
  if (!remote) return;
  Blob sealed = Blob::allocate(content.size() + kSealBytes);
  if (!sealed.data()) return;
  if (!content.empty()) std::memcpy(sealed.data(), content.data(), content.size());
  std::memcpy(sealed.data() + content.size(), seal.data(), kSealBytes);
  remote->send(kind, key, std::move(sealed));
}

bool DirectoryStore::write(EntryKind kind, const Key &key, Bytes content, const SealBytes &seal) {
  // What would be pruned at once is not worth the disk's time.
  if (!writable || content.size() + kSealBytes > options.maxBytes) return false;
  Fd leaf = dir->openLeaf(key, true);
  Fd temporary = leaf ? dir->openTemporary(true) : Fd();
  std::string name;
  Fd file = temporary ? dir->createTemporary(temporary, name) : Fd();
  if (!file) {
    writeFailed(errno);
    return false;
  }
  std::string target = entryFileName(kind, key);
  struct stat old;
  int64_t oldBytes = ::fstatat(leaf.get(), target.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(old.st_mode)
                         ? diskBytes(uint64_t(old.st_size))
                         : 0;
  bool written = writeAll(file.get(), content) && writeAll(file.get(), seal) && file.close();
  if (written && ::renameat(temporary.get(), name.c_str(), leaf.get(), target.c_str()) != 0) {
    written = (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST) && dir->removeAny(leaf.get(), target.c_str()) &&
              ::renameat(temporary.get(), name.c_str(), leaf.get(), target.c_str()) == 0;
  }
  if (!written) {
    int code = errno;
    ::unlinkat(temporary.get(), name.c_str(), 0);
    writeFailed(code);
    return false;
  }
  count(Counter::Stored, 1);
  int64_t bytes = diskBytes(content.size() + kSealBytes);
  pendingBytes += bytes - oldBytes;
  if (writtenBytes.fetch_add(uint64_t(bytes)) + uint64_t(bytes) > pruneStep(options.maxBytes)) flushCounts();
  return true;
}

/// Hashes `bytes` bytes and writes them to `to` unless that is negative. False with errno: `sourceFailed` says which side.
static bool copyAndHash(int from, int to, uint64_t bytes, ContentHasher &hasher, bool &sourceFailed) {
  const size_t piece = to >= 0 ? kCopyBytes : kHashBytes;
  Blob buffer = Blob::allocate(size_t(std::min<uint64_t>(bytes, piece)));
  if (bytes > 0 && !buffer.data()) {
    errno = ENOMEM;
    return false;
  }
  for (uint64_t done = 0; done < bytes;) {
    size_t part = size_t(std::min<uint64_t>(bytes - done, piece));
    if (!readExactly(from, buffer.data(), part, done)) {
      sourceFailed = true;
      return false;
    }
    hasher.update({buffer.data(), part});
    if (to >= 0 && !writeAll(to, {buffer.data(), part})) return false;
    done += part;
  }
  return true;
}

/// True if `path` is a plain file of this user that holds what the seal says. It then stays, with a new time, as if it had been written:
/// reading and hashing it takes a third of the time. Files with other names are replaced, so that those keep their content.
static bool isThereAlready(const std::string &path, const Seal &seal) {
  Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat st;
  constexpr mode_t kOwner = S_IRUSR | S_IWUSR, kSpecial = S_ISUID | S_ISGID | S_ISVTX;
  if (!file || ::fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode) || uint64_t(st.st_size) != seal.contentBytes || st.st_nlink != 1 ||
      st.st_uid != ::geteuid() || (st.st_mode & kOwner) != kOwner || (st.st_mode & kSpecial) != 0)
    return false;
  ContentHasher hasher;
  bool sourceFailed = false;
  return copyAndHash(file.get(), -1, seal.contentBytes, hasher, sourceFailed) && hasher.finish() == seal.sum &&
         ::futimens(file.get(), nullptr) == 0;
}

Result<Found> DirectoryStore::copyContent(EntryKind kind, const Key &key, const std::string &path) {
  OpenEntry entry;
  Found found = openEntry(kind, key, entry);
  if (found != Found::Here) return found;
  if (isThereAlready(path, entry.seal)) return Found::Here;
  std::string temporary;
  Fd out;
  for (int attempt = 0; !out && attempt < 16; ++attempt) {
    temporary = uniqueName(path + ".");
    out = Fd(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (!out && errno != EEXIST) break;
  }
  if (!out) return systemError(path + ": cannot create a file beside it", errno);
  auto abandon = [&](const char *what) {
    int code = errno;
    ::unlink(temporary.c_str());
    return systemError(path + ": " + what, code);
  };
  ContentHasher hasher;
  bool sourceFailed = false, copied;
  if (::ioctl(out.get(), FICLONE, entry.fd.get()) == 0) {
    // The blocks are shared now. What is checked is the copy, so that nobody can change it in between.
    if (::ftruncate(out.get(), off_t(entry.seal.contentBytes)) != 0) return abandon("cannot write");
    copied = copyAndHash(out.get(), -1, entry.seal.contentBytes, hasher, sourceFailed);
  } else {
    reserveSpace(out.get(), entry.seal.contentBytes);
    copied = copyAndHash(entry.fd.get(), out.get(), entry.seal.contentBytes, hasher, sourceFailed);
  }
  if (!copied && !sourceFailed) return abandon("cannot write");
  if (!copied || hasher.finish() != entry.seal.sum) {
    ::unlink(temporary.c_str());
    return Found::Damaged;
  }
  if (!out.close()) return abandon("cannot write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return abandon("cannot rename into place");
  return Found::Here;
}

/// Writes bytes that are in memory already, the same way.
static Result<bool> writeOut(Bytes content, const std::string &path) {
  if (isSpecialFile(path)) {
    if (writeToSpecialFile(path, content)) return true;
    return systemError(path + ": cannot write", errno);
  }
  std::string temporary = uniqueName(path + ".");
  Fd out(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!out) return systemError(path + ": cannot create a file beside it", errno);
  reserveSpace(out.get(), content.size());
  if (writeAll(out.get(), content) && out.close() && ::rename(temporary.c_str(), path.c_str()) == 0) return true;
  int code = errno;
  ::unlink(temporary.c_str());
  return systemError(path + ": cannot write", code);
}

Result<bool> DirectoryStore::copyOut(EntryKind kind, const Key &key, const std::string &path) {
  if (isSpecialFile(path)) {
    std::optional<Blob> content = get(kind, key);
    return content ? writeOut(*content, path) : Result<bool>(false);
  }
  if (dir) {
    Result<Found> found = copyContent(kind, key, path);
    if (!found) return found.takeError();
    if (*found == Found::Here) {
      count(Counter::EntryHits, 1);
      return true;
    }
    if (*found == Found::Damaged) dropDamaged(kind, key);
  }
  std::optional<Blob> fetched = fetch(kind, key);
  if (dir || remote) count(fetched ? Counter::EntryHits : Counter::EntryMisses, 1);
  return fetched ? writeOut(*fetched, path) : Result<bool>(false);
}

Counters DirectoryStore::counters() {
  Counters sum = dir ? readStatistics(*dir).counters : Counters{};
  for (size_t i = 0; i < kCounters; ++i) sum[i] += pending[i];
  return sum;
}

void DirectoryStore::flushCounts() {
  if (!dir || options.readOnly) return;
  std::lock_guard<std::mutex> guard(flushing);
  Statistics change;
  for (size_t i = 0; i < kCounters; ++i) change.counters[i] = pending[i].exchange(0);
  change.bytes = pendingBytes.exchange(0);
  if (!change.empty() && !addStatistics(*dir, change)) {
    // Nobody lets us: keep them, perhaps the next time works.
    for (size_t i = 0; i < kCounters; ++i) pending[i] += change.counters[i];
    pendingBytes += change.bytes;
    return;
  }
  if (writtenBytes.exchange(0) == 0) return;
  Statistics now = readStatistics(*dir);
  struct timespec time {};
  ::clock_gettime(CLOCK_REALTIME, &time);
  bool full = now.bytes > int64_t(std::min<uint64_t>(options.maxBytes, INT64_MAX));
  bool due = now.scannedSeconds + kScanSeconds < time.tv_sec || now.scannedSeconds > time.tv_sec + kScanSeconds;
  // An Error here is about removing; the next process tries again.
  if (full || due) (void)pruneDirectory(*dir, full ? pruneTarget(options.maxBytes) : options.maxBytes);
}

void DirectoryStore::flush() {
  if (remote) {
    remote->finish();
    Counters theirs = remote->takeCounters();
    for (size_t i = 0; i < kCounters; ++i) pending[i] += theirs[i];
  }
  flushCounts();
}

/// `--no-cache`.
class NoStore final : public Store {
public:
  bool usable() const override { return false; }
  const std::string &problem() const override { return none; }
  const std::string &directory() const override { return none; }
  void setRemote(RemoteStore *) override {}
  std::optional<Blob> get(EntryKind, const Key &) override { return std::nullopt; }
  bool probablyHas(EntryKind, const Key &) override { return false; }
  void put(EntryKind, const Key &, Bytes) override {}
  void drop(EntryKind, const Key &) override {}
  Result<bool> copyOut(EntryKind, const Key &, const std::string &) override { return false; }
  void count(Counter, uint64_t) override {}
  void flush() override {}
  Counters counters() override { return {}; }

private:
  std::string none;
};

} // namespace

std::unique_ptr<Store> Store::open(StoreOptions options) {
  auto store = std::make_unique<DirectoryStore>(std::move(options));
  store->attach();
  return store;
}

std::unique_ptr<Store> Store::disabled() { return std::make_unique<NoStore>(); }

} // namespace triton::cache
