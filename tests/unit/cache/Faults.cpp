// Straight to the kernel: looking up the C library's own functions would not work in every build (sanitizers define them too).
#include "Faults.h"

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace triton::cache::faults {

namespace {
struct Plan {
  Mode mode = Mode::None;
  uint64_t at = 0, calls = 0;
  int code = 0;
  bool armed = false;
};
thread_local Plan plan;

void killNow() {
  ::syscall(SYS_kill, ::syscall(SYS_getpid), SIGKILL);
  for (;;) ::syscall(SYS_pause);
}
} // namespace

void arm(Mode mode, uint64_t at, int code) { plan = {mode, at, 0, code, true}; }

uint64_t disarm() {
  plan.armed = false;
  return plan.calls;
}

/// Counts a call; true if it must fail (errno is set).
static bool refused() {
  if (!plan.armed) return false;
  ++plan.calls;
  if (plan.calls == plan.at && plan.mode == Mode::KillBefore) killNow();
  bool fails = (plan.mode == Mode::Once && plan.calls == plan.at) || (plan.mode == Mode::FromThenOn && plan.calls >= plan.at);
  if (fails) errno = plan.code;
  return fails;
}

template <typename T>
static T finished(T result) {
  if (plan.armed && plan.mode == Mode::KillAfter && plan.calls == plan.at) killNow();
  return result;
}

static size_t allowed(size_t bytes) {
  if (!plan.armed || plan.mode != Mode::Half || plan.calls < plan.at || bytes < 2) return bytes;
  return plan.calls % 2 ? 1 : bytes / 2;
}

} // namespace triton::cache::faults

using triton::cache::faults::allowed;
using triton::cache::faults::finished;
using triton::cache::faults::refused;

extern "C" {

static int openWith(int dir, const char *path, int flags, va_list rest) {
  mode_t mode = flags & O_CREAT ? mode_t(va_arg(rest, unsigned)) : 0;
  return refused() ? -1 : finished(int(::syscall(SYS_openat, dir, path, flags, mode)));
}

int openat(int dir, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int fd = openWith(dir, path, flags, rest);
  va_end(rest);
  return fd;
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int fd = openWith(AT_FDCWD, path, flags, rest);
  va_end(rest);
  return fd;
}

int close(int fd) {
  // A failing close closes all the same.
  bool fails = refused();
  int code = errno, result = int(::syscall(SYS_close, fd));
  if (fails) errno = code;
  return finished(fails ? -1 : result);
}

ssize_t write(int fd, const void *from, size_t bytes) {
  return refused() ? -1 : finished(ssize_t(::syscall(SYS_write, fd, from, allowed(bytes))));
}
ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
  return refused() ? -1 : finished(ssize_t(::syscall(SYS_pwrite64, fd, from, bytes, at)));
}
ssize_t pread(int fd, void *to, size_t bytes, off_t at) {
  return refused() ? -1 : finished(ssize_t(::syscall(SYS_pread64, fd, to, allowed(bytes), at)));
}
int fstat(int fd, struct stat *st) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH)));
}
int fstatat(int dir, const char *path, struct stat *st, int flags) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_newfstatat, dir, path, st, flags)));
}
int mkdirat(int dir, const char *path, mode_t mode) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_mkdirat, dir, path, mode)));
}
int mkdir(const char *path, mode_t mode) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_mkdirat, AT_FDCWD, path, mode)));
}
int renameat(int from, const char *old, int to, const char *name) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_renameat2, from, old, to, name, 0)));
}
int rename(const char *old, const char *name) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, name, 0)));
}
int unlinkat(int dir, const char *path, int flags) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_unlinkat, dir, path, flags)));
}
int unlink(const char *path) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_unlinkat, AT_FDCWD, path, 0)));
}
int ftruncate(int fd, off_t bytes) noexcept { return refused() ? -1 : finished(int(::syscall(SYS_ftruncate, fd, bytes))); }
int futimens(int fd, const struct timespec times[2]) noexcept {
  return refused() ? -1 : finished(int(::syscall(SYS_utimensat, fd, nullptr, times, 0)));
}
int flock(int fd, int operation) noexcept { return refused() ? -1 : finished(int(::syscall(SYS_flock, fd, operation))); }

} // extern "C"
