#include "triton/Tensor/Files.h"

#include "triton/Support/Space.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace triton {

static Error systemError(const std::string &path, const char *what, int code, ErrorKind kind) {
  return {path + ": " + what + ": " + std::strerror(code), kind};
}

Result<std::string> readFileBytes(const std::string &path, uint64_t limitBytes) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return systemError(path, "cannot open", errno, ErrorKind::Input);
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat info;
  if (::fstat(fd, &info) != 0) return systemError(path, "cannot read", errno, ErrorKind::Environment);
  if (!S_ISREG(info.st_mode)) return Error{path + ": not a regular file"};
  auto size = static_cast<uint64_t>(info.st_size);
  if (size > limitBytes)
    return Error{path + ": file has " + std::to_string(size) + " bytes, at most " + std::to_string(limitBytes) + " are read"};
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::read(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return systemError(path, "cannot read", errno, ErrorKind::Environment);
    if (n == 0) return Error{path + ": file became shorter while it was read", ErrorKind::Environment};
    done += static_cast<size_t>(n);
  }
  return bytes;
}

Result<MappedFile> mapFile(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return systemError(path, "cannot open", errno, ErrorKind::Input);
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return Error{path + ": not a regular file"};
  }
  auto size = static_cast<size_t>(info.st_size);
  void *base = size ? ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  int code = errno;
  ::close(fd);
  if (base == MAP_FAILED) return systemError(path, "cannot map", code, ErrorKind::Environment);
  if (!size) return MappedFile();
  return MappedFile{std::shared_ptr<const void>(base, [size](void *p) { ::munmap(p, size); }), {static_cast<const uint8_t *>(base), size}};
}

Result<void> writeFileAtomically(const std::string &path, std::string_view bytes) {
  const std::span<const uint8_t> content(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
  if (isSpecialFile(path)) {
    if (writeToSpecialFile(path, content)) return {};
    return systemError(path, "cannot write", errno, ErrorKind::Environment);
  }
  std::string temporary = path + ".XXXXXX";
  int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return systemError(path, "cannot create a file beside it", errno, ErrorKind::Environment);
  auto abandon = [&](const char *what) {
    int code = errno;
    if (fd >= 0) ::close(fd);
    ::unlink(temporary.c_str());
    return systemError(path, what, code, ErrorKind::Environment);
  };
  reserveSpace(fd, bytes.size());
  if (!writeAll(fd, content)) return abandon("cannot write");
  // mkostemp makes the file private; a result is as readable as any other new file.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd, 0666 & ~mask) != 0) return abandon("cannot set the mode");
  int closing = fd;
  fd = -1;
  if (::close(closing) != 0) return abandon("cannot write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return abandon("cannot rename into place");
  return {};
}

} // namespace triton
