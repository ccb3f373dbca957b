// What writing files asks of the file system. No LLVM.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace triton {

/// Gives the open file its blocks before its bytes. A file that gets them while it is written out (ext4, XFS) must be written out
/// first when it is renamed over another one, and that takes longer than all else about a small file. Failure means nothing.
void reserveSpace(int fd, uint64_t bytes);

/// True if `path` is a device, a pipe or a socket (/dev/null, /dev/stdout): such a thing is written to, where a file is replaced by a new one.
bool isSpecialFile(const std::string &path);

/// Writes all bytes; false (errno set) if that is impossible.
bool writeAll(int fd, std::span<const uint8_t> bytes);

/// Writes all bytes to a device or pipe; false (errno set) if that is impossible.
bool writeToSpecialFile(const std::string &path, std::span<const uint8_t> bytes);

} // namespace triton
