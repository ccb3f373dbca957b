// Every system call of a round of work fails once, with every error that a disk may give; and real full and read-only disks. The
// store must give right content or none, tell of it at most once, leave nothing beside an output, and work again afterwards.
#include "Faults.h"
#include "Helpers.h"

#include "triton/Cache/Maintenance.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace triton;
using namespace triton::cache;

namespace {

constexpr EntryKind kKind = EntryKind::Artifact;

/// A directory with two entries, one of them damaged and one long unused, and a round of everything that a compile does.
struct Scene {
  TemporaryDirectory temp;
  std::string dir = temp.path("cache"), out = temp.path("out/result");
  std::vector<std::string> warnings;
  std::string wrong; ///< what went wrong; "" for nothing
  bool mayLeave = false; ///< a disk that lets nobody delete keeps what was half written

  Scene() {
    std::filesystem::create_directory(temp.path("out"));
    auto store = Store::open({.dir = dir});
    store->put(kKind, numberedKey(1), numberedContent(1, 3000));
    store->put(kKind, numberedKey(2), numberedContent(2, 100));
    store.reset();
    std::string damaged = entryPath(dir, kKind, numberedKey(2));
    std::vector<uint8_t> bytes = readBytes(damaged);
    bytes[5] ^= 1;
    writeBytes(damaged, bytes);
    struct timespec times[2] = {{1000000, 0}, {1000000, 0}};
    ::utimensat(AT_FDCWD, entryPath(dir, kKind, numberedKey(1)).c_str(), times, 0);
  }

  void complain(const std::string &what) { wrong += what + "; "; }
  void check(const std::optional<Blob> &found, uint64_t number, size_t bytes, const char *what) {
    if (found && !equal(*found, numberedContent(number, bytes))) complain(std::string(what) + " gave wrong content");
  }

  void round(std::unique_ptr<Store> &store) {
    StoreOptions options;
    options.dir = dir;
    options.maxBytes = 40000;
    options.warn = [this](const std::string &message) { warnings.push_back(message); };
    store = Store::open(options);
    check(store->get(kKind, numberedKey(1)), 1, 3000, "get");
    if (store->get(kKind, numberedKey(2))) complain("a damaged entry was believed");
    if (store->get(kKind, numberedKey(3))) complain("an entry that never was");
    store->put(kKind, numberedKey(2), numberedContent(2, 200));
    check(store->get(kKind, numberedKey(2)), 2, 200, "get after put");
    Result<bool> copied = store->copyOut(kKind, numberedKey(1), out);
    if (copied && *copied && !std::filesystem::exists(out)) complain("copyOut said yes and wrote nothing");
    (void)store->copyOut(kKind, numberedKey(1), out); // over what is there already
    for (uint64_t i = 10; i < 14; ++i) store->put(EntryKind::Object, numberedKey(i), numberedContent(i, 6000));
    store->put(EntryKind::Object, numberedKey(10), numberedContent(10, 6000));
    store->count(Counter::Hits);
    store->flush();
  }

  /// After the trouble: what is there is right, and the store works.
  void aftermath() {
    if (warnings.size() > 1) complain("more than one warning");
    size_t files = 0;
    for (const auto &item : std::filesystem::directory_iterator(temp.path("out"))) {
      ++files;
      if (item.path() != out && !mayLeave) complain("left beside the output: " + item.path().filename().string());
      if (item.path() == out && readBytes(out) != numberedContent(1, 3000)) complain("the output is wrong");
    }
    Result<VerifyReport> report = verify(dir, true);
    if (!report) {
      complain(report.error().message);
      return;
    }
    // The one that the scene damaged itself may still be there.
    std::string own = entryPath("", kKind, numberedKey(2)).substr(4);
    for (const std::string &name : report->names)
      if (name != own) complain("damaged entry " + name);
    auto store = Store::open({.dir = dir});
    store->put(kKind, numberedKey(50), numberedContent(50, 500));
    std::optional<Blob> found = store->get(kKind, numberedKey(50));
    if (!found || !equal(*found, numberedContent(50, 500))) complain("the store does not work any more");
  }
};

uint64_t callsOfOneRound() {
  Scene scene;
  std::unique_ptr<Store> store;
  faults::arm(faults::Mode::None, 0, 0);
  scene.round(store);
  store.reset();
  uint64_t calls = faults::disarm();
  scene.aftermath();
  EXPECT_EQ(scene.wrong, "");
  EXPECT_TRUE(std::filesystem::exists(scene.out));
  return calls;
}

TEST(Faults, EveryCallFailsWithEveryError) {
  const uint64_t calls = callsOfOneRound();
  ASSERT_GT(calls, 100u) << "the calls are not seen";
  std::vector<int> codes = {EIO, ENOSPC, EROFS, EACCES};
  if (atLength()) codes.insert(codes.end(), {EDQUOT, EMFILE, ENOMEM, EINTR, ENOENT, EPERM, ESTALE, ELOOP, ENOTDIR, EBADF});
  uint64_t step = atLength() ? 1 : 47, rounds = 0;
  for (int code : codes) {
    for (auto mode : {faults::Mode::Once, faults::Mode::FromThenOn}) {
      if (code == EINTR && mode == faults::Mode::FromThenOn) continue; // such a call is made again, and would be for ever
      for (uint64_t at = 1 + uint64_t(rounds) % step; at <= calls; at += step) {
        ++rounds;
        Scene scene;
        scene.mayLeave = mode == faults::Mode::FromThenOn;
        std::unique_ptr<Store> store;
        faults::arm(mode, at, code);
        scene.round(store);
        store.reset();
        faults::disarm();
        scene.aftermath();
        ASSERT_EQ(scene.wrong, "") << "call " << at << ", " << std::strerror(code) << ", mode " << int(mode);
      }
    }
    std::printf("%s: %llu rounds so far, %llu calls in each\n", std::strerror(code), static_cast<unsigned long long>(rounds),
                static_cast<unsigned long long>(calls));
    std::fflush(stdout);
  }
}

TEST(Faults, ReadsAndWritesThatDoHalf) {
  Scene scene;
  std::unique_ptr<Store> store;
  faults::arm(faults::Mode::Half, 1, 0);
  scene.round(store);
  store.reset();
  faults::disarm();
  scene.aftermath();
  EXPECT_EQ(scene.wrong, "");
  EXPECT_TRUE(scene.warnings.empty());
  EXPECT_TRUE(std::filesystem::exists(scene.out));
}

/// Runs `work` in a process with mounts of its own; its complaints come back. Nothing if that is not allowed here.
std::optional<std::string> withMounts(const std::function<std::string()> &work) {
  int pipe[2];
  EXPECT_EQ(::pipe(pipe), 0);
  pid_t child = ::fork();
  if (child == 0) {
    bool allowed = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    std::string text = allowed ? "+" + work() : "-";
    [[maybe_unused]] ssize_t n = ::write(pipe[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(pipe[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(pipe[0], buffer, sizeof buffer)) > 0;) text.append(buffer, size_t(n));
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || text.empty()) return "the process died; " + text;
  if (text[0] == '-') return std::nullopt;
  return text.substr(1);
}

TEST(RealDisks, FullAndReadOnly) {
  TemporaryDirectory temp;
  std::string disk = temp.path("disk");
  std::filesystem::create_directory(disk);
  std::optional<std::string> wrong = withMounts([&]() -> std::string {
    std::string said;
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k,mode=700") != 0) return "";
    std::vector<std::string> warnings;
    StoreOptions options;
    options.dir = disk + "/cache";
    options.warn = [&](const std::string &message) { warnings.push_back(message); };
    {
      auto store = Store::open(options);
      for (uint64_t i = 0; i < 40; ++i) store->put(kKind, numberedKey(i), numberedContent(i, 20000));
      size_t found = 0;
      for (uint64_t i = 0; i < 40; ++i) {
        std::optional<Blob> blob = store->get(kKind, numberedKey(i));
        if (blob && !equal(*blob, numberedContent(i, 20000))) said += "wrong content on a full disk; ";
        found += blob.has_value();
      }
      if (found < 5 || found > 12) said += "entries kept: " + std::to_string(found) + "; ";
      if (warnings.size() != 1 || warnings[0].find("No space left") == std::string::npos) said += "warned wrongly of a full disk; ";
      if (leftovers(options.dir) != 0) said += "something half-written is left; ";
      // An output on the full disk is an error, not half a file.
      Result<bool> copied = store->copyOut(kKind, numberedKey(0), disk + "/out");
      if (copied || copied.error().message.find("No space left") == std::string::npos) said += "copyOut on a full disk; ";
      if (std::filesystem::exists(disk + "/out")) said += "half an output; ";
    }
    warnings.clear();
    if (::mount("none", disk.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return said + "cannot remount; ";
    {
      auto store = Store::open(options);
      if (!store->get(kKind, numberedKey(0))) said += "no look-up on a read-only disk; ";
      store->put(kKind, numberedKey(100), numberedContent(100, 10));
      store->put(kKind, numberedKey(101), numberedContent(101, 10));
      if (warnings.size() != 1 || warnings[0].find("Read-only") == std::string::npos) said += "warned wrongly of a read-only disk; ";
    }
    warnings.clear();
    options.dir = disk + "/another";
    auto store = Store::open(options);
    if (store->usable() || warnings.size() != 1) said += "a directory that cannot be made; ";
    return said;
  });
  if (!wrong) GTEST_SKIP() << "mounting is not allowed here";
  EXPECT_EQ(*wrong, "");
}

TEST(RealDisks, NotAllowed) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  TemporaryDirectory temp;
  ::chmod(temp.path().c_str(), 0755);
  std::filesystem::create_directories(temp.path("cache/v1"));
  // Root's directories may be used by everybody who is let in, but not written.
  for (const char *name : {"cache", "cache/v1"}) ::chmod(temp.path(name).c_str(), 0755);
  {
    auto store = Store::open({.dir = temp.path("cache")});
    store->put(kKind, numberedKey(1), numberedContent(1, 100));
  }
  std::string entry = entryPath(temp.path("cache"), kKind, numberedKey(1)), leaf = std::filesystem::path(entry).parent_path();
  ::chmod(leaf.c_str(), 0755);
  ::chmod(std::filesystem::path(leaf).parent_path().c_str(), 0755);
  pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(9);
    int warnings = 0;
    StoreOptions options;
    options.dir = temp.path("cache");
    options.warn = [&](const std::string &) { ++warnings; };
    auto store = Store::open(options);
    if (!store->usable()) ::_exit(1);
    if (store->get(kKind, numberedKey(1))) ::_exit(2); // it is private to root
    for (uint64_t i = 2; i < 5; ++i) store->put(kKind, numberedKey(i), numberedContent(i, 100));
    store->flush();
    ::_exit(warnings == 1 ? 0 : 3);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(std::filesystem::exists(entry));
}

TEST(RealDisks, FilesLimitedInSize) {
  TemporaryDirectory temp;
  pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {10000, 10000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int warnings = 0;
    StoreOptions options;
    options.dir = temp.path("cache");
    options.warn = [&](const std::string &) { ++warnings; };
    auto store = Store::open(options);
    store->put(kKind, numberedKey(1), numberedContent(1, 20000));
    if (store->get(kKind, numberedKey(1))) ::_exit(1);
    ::_exit(warnings == 1 && leftovers(temp.path("cache")) == 0 ? 0 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

} // namespace
