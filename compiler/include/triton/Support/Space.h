// Room on disk for a file about to be written. No LLVM.
#pragma once

#include <cstdint>

namespace triton {

/// Gives the open file its blocks before its bytes. A file that gets them while it is written out (ext4, XFS) must be written out
/// first when it is renamed over another one, and that takes longer than all else about a small file. Failure means nothing.
void reserveSpace(int fd, uint64_t bytes);

} // namespace triton
