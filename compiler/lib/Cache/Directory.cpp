// Opening and checking the cache's directories, and the system calls that the rest of the cache is made of.
#include "Directory.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

namespace triton::cache {

static constexpr char kVersionDirectory[] = "v1";
static_assert(kFormatVersion == 1, "a new format has a directory of its own");

Fd::~Fd() {
  if (fd >= 0) ::close(fd);
}

bool Fd::close() {
  int closing = release();
  return closing < 0 || ::close(closing) == 0;
}

Error systemError(const std::string &what, int code) {
  return Error{what + ": " + (code ? std::strerror(code) : "it became shorter while it was read"), ErrorKind::Environment};
}

bool readExactly(int fd, uint8_t *to, size_t bytes, uint64_t offset) {
  while (bytes > 0) {
    ssize_t n = ::pread(fd, to, bytes, off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) {
      errno = 0;
      return false;
    }
    to += n;
    offset += uint64_t(n);
    bytes -= size_t(n);
  }
  return true;
}

std::string entryFileName(EntryKind kind, const Key &key) { return toHex(key).substr(2) + "." + std::string(kindName(kind)); }

/// Creates a directory and what is missing above it, private to the user.
static bool makeDirectories(const std::string &path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) {
      // A parent that exists on a read-only disk may say EROFS or EACCES; only the last answer counts.
      int code = errno;
      struct stat st;
      if (::stat(part.c_str(), &st) != 0) {
        errno = code;
        return false;
      }
    }
    if (slash == path.npos) return true;
  }
}

/// Whose directory it is decides whether its content may be believed. Root can do everything anyway.
static Result<void> checkOwner(int fd, const std::string &path, mode_t forbidden) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return systemError("cannot inspect '" + path + "'", errno);
  if (!S_ISDIR(st.st_mode)) return Error{"'" + path + "' is no directory", ErrorKind::Environment};
  if (st.st_uid != ::geteuid() && st.st_uid != 0)
    return Error{"'" + path + "' belongs to another user (id " + std::to_string(st.st_uid) + ")", ErrorKind::Environment};
  if (st.st_mode & forbidden)
    return Error{"'" + path + "' may be written by other users; remove that permission (chmod go-w)", ErrorKind::Environment};
  return {};
}

/// For people and for backup programs. Failing is harmless.
static void writeTag(int fd) {
  Fd tag(::openat(fd, "CACHEDIR.TAG", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!tag) return;
  static constexpr std::string_view text = "Signature: 8a477f597d28d172789f06886806bc55\n"
                                           "# The compile cache of triton. Everything here can be deleted at any time.\n";
  (void)writeAll(tag.get(), {reinterpret_cast<const uint8_t *>(text.data()), text.size()});
}

Result<Directory> Directory::open(const std::string &dir, bool create) {
  Directory out;
  out.dir = dir;
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  out.top = Fd(::open(dir.c_str(), flags));
  if (!out.top && errno == ENOENT && create) {
    if (!makeDirectories(dir)) return systemError("cannot create '" + dir + "'", errno);
    out.top = Fd(::open(dir.c_str(), flags));
  }
  if (!out.top) return systemError("cannot open '" + dir + "'", errno);
  if (Result<void> fine = checkOwner(out.top.get(), dir, S_IWOTH); !fine) return fine.takeError();
  std::string versionPath = dir + "/" + kVersionDirectory;
  out.version = Fd(::openat(out.top.get(), kVersionDirectory, flags | O_NOFOLLOW));
  if (!out.version && errno == ENOENT && create) {
    if (::mkdirat(out.top.get(), kVersionDirectory, 0700) != 0 && errno != EEXIST)
      return systemError("cannot create '" + versionPath + "'", errno);
    writeTag(out.top.get());
    out.version = Fd(::openat(out.top.get(), kVersionDirectory, flags | O_NOFOLLOW));
  }
  if (!out.version) return systemError("cannot open '" + versionPath + "'", errno);
  if (Result<void> fine = checkOwner(out.version.get(), versionPath, S_IWOTH | S_IWGRP); !fine) return fine.takeError();
  return out;
}

/// Opens a directory in our own tree.
static Fd openBelow(const Directory &directory, int at, const char *name, bool create) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  for (int attempt = 0;; ++attempt) {
    Fd fd(::openat(at, name, flags));
    if (fd || !create || attempt == 2) return fd;
    if (errno == ENOTDIR || errno == ELOOP) {
      if (!directory.removeAny(at, name)) return Fd();
    } else if (errno != ENOENT) {
      return fd;
    }
    if (::mkdirat(at, name, 0700) != 0 && errno != EEXIST) return Fd();
  }
}

Fd Directory::openLeaf(unsigned high, unsigned low, bool create) const {
  static constexpr char digits[] = "0123456789abcdef";
  char first[2] = {digits[high & 15], 0}, second[2] = {digits[low & 15], 0};
  Fd middle = openBelow(*this, version.get(), first, create);
  return middle ? openBelow(*this, middle.get(), second, create) : Fd();
}

Fd Directory::openTemporary(bool create) const { return openBelow(*this, version.get(), "tmp", create); }

std::string uniqueName(std::string prefix) {
  static std::atomic<uint64_t> counter{0};
  uint64_t random = 0;
  if (::getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) {
    struct timespec now {};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    random = uint64_t(now.tv_nsec) ^ uint64_t(now.tv_sec) << 32;
  }
  return std::move(prefix) + std::to_string(::getpid()) + "-" + std::to_string(counter++) + "-" + std::to_string(random);
}

Fd Directory::createTemporary(const Fd &temporary, std::string &name) const {
  for (int attempt = 0; attempt < 16; ++attempt) {
    name = uniqueName("t");
    Fd fd(::openat(temporary.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd || errno != EEXIST) return fd;
  }
  return Fd();
}

bool Directory::removeAny(int dirFd, const char *name) const {
  if (::unlinkat(dirFd, name, 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR && errno != EPERM) return false;
  if (::unlinkat(dirFd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
  if (errno != ENOTEMPTY && errno != EEXIST) return false;
  Fd temporary = openTemporary(true);
  return temporary && ::renameat(dirFd, name, temporary.get(), uniqueName("x").c_str()) == 0;
}

void removeTree(int dirFd, int depth) {
  Fd own(::openat(dirFd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR *stream = own ? ::fdopendir(own.get()) : nullptr;
  if (!stream) return;
  own.release();
  while (const dirent *item = ::readdir(stream)) {
    std::string_view name = item->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(dirFd, item->d_name, 0) == 0 || depth <= 0) continue;
    Fd below(::openat(dirFd, item->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!below) continue;
    removeTree(below.get(), depth - 1);
    ::unlinkat(dirFd, item->d_name, AT_REMOVEDIR);
  }
  ::closedir(stream);
}

} // namespace triton::cache
