// The cache's directory as the store and its maintenance see it: every access goes through directory descriptors that were
// checked once, so that nobody can redirect it by a symbolic link afterwards.
//
//   DIR/CACHEDIR.TAG                 tells backup programs to leave the directory out
//   DIR/v1/<h>/<h>/<62 hex>.<kind>   an entry; the hexadecimal digits are its key
//   DIR/v1/tmp/                      files being written, and obstacles moved out of the way
//   DIR/v1/stats                     counters (Statistics.h)
//   DIR/v1/prune.lock                locked by the one process that prunes
//   DIR/v1/remote-<16 hex>           until when a remote that failed is left alone
#pragma once

#include "triton/Cache/Entry.h"
#include "triton/Support/Space.h"

#include <string>
#include <sys/stat.h>
#include <utility>

namespace triton::cache {

/// Owns a file descriptor.
class Fd {
public:
  explicit Fd(int fd = -1) : fd(fd) {}
  Fd(Fd &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  Fd &operator=(Fd &&other) noexcept {
    std::swap(fd, other.fd);
    return *this;
  }
  ~Fd();
  int get() const { return fd; }
  explicit operator bool() const { return fd >= 0; }
  int release() { return std::exchange(fd, -1); }
  /// Closes and says whether that worked (a full network disk says so here).
  bool close();

private:
  int fd;
};

/// "what: the system's reason" as an Error of kind Environment, from `code`.
Error systemError(const std::string &what, int code);

/// Reads exactly `bytes` bytes at `offset`; false (errno set; 0 for an early end) if that is impossible.
bool readExactly(int fd, uint8_t *to, size_t bytes, uint64_t offset);

/// "<62 hex>.<kind>" of a key; the first two digits are the directories.
std::string entryFileName(EntryKind kind, const Key &key);

/// A name that no other process and thread uses now, most likely: creating the file with O_EXCL makes it sure.
std::string uniqueName(std::string prefix);

class Directory {
public:
  /// Opens DIR and DIR/v1, creating them if `create`. An Error for a directory that is missing, belongs to another user or may
  /// be written by others.
  static Result<Directory> open(const std::string &dir, bool create);

  const std::string &path() const { return dir; }
  int versionFd() const { return version.get(); }

  /// The directory of entries whose keys begin with these digits; created if `create`, and then an obstacle in its place is
  /// moved away. Invalid with errno set.
  Fd openLeaf(unsigned high, unsigned low, bool create) const;
  Fd openLeaf(const Key &key, bool create) const { return openLeaf(key[0] >> 4, key[0] & 15, create); }
  /// v1/tmp.
  Fd openTemporary(bool create) const;

  /// A new private file in v1/tmp; `name` gets its name there. Invalid with errno set.
  Fd createTemporary(const Fd &temporary, std::string &name) const;

  /// Removes what lies at `name`, whatever it is: a directory with something in it is moved to v1/tmp. False with errno set.
  bool removeAny(int dirFd, const char *name) const;

private:
  std::string dir;
  Fd top, version;
};

/// Removes everything below an open directory, at most `depth` levels deep. Best effort.
void removeTree(int dirFd, int depth);

} // namespace triton::cache
