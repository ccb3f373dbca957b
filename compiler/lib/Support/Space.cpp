#include "triton/Support/Space.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace triton {

void reserveSpace(int fd, uint64_t bytes) {
#if defined(__linux__)
  if (bytes > 0) (void)::fallocate(fd, 0, 0, off_t(bytes));
#else
  (void)fd, (void)bytes;
#endif
}

bool isSpecialFile(const std::string &path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

bool writeAll(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(size_t(n));
  }
  return true;
}

bool writeToSpecialFile(const std::string &path, std::span<const uint8_t> bytes) {
  int fd = ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return false;
  if (writeAll(fd, bytes)) return ::close(fd) == 0;
  int code = errno;
  ::close(fd);
  errno = code;
  return false;
}

} // namespace triton
