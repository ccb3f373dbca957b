#include "triton/Support/Space.h"

#include <fcntl.h>
#include <sys/stat.h>

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

} // namespace triton
