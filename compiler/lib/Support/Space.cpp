#include "triton/Support/Space.h"

#include <fcntl.h>

namespace triton {

void reserveSpace(int fd, uint64_t bytes) {
#if defined(__linux__)
  if (bytes > 0) (void)::fallocate(fd, 0, 0, off_t(bytes));
#else
  (void)fd, (void)bytes;
#endif
}

} // namespace triton
