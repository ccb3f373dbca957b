// Many processes on one directory, and processes killed at any point: never wrong content, never a store that stops working.
#include "Faults.h"
#include "Helpers.h"

#include "triton/Cache/Maintenance.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace triton;
using namespace triton::cache;

namespace {

/// The content of version `version` under key `number`: says which version it is, and all of it follows from that.
std::vector<uint8_t> versioned(uint64_t number, uint64_t version, size_t bytes) {
  std::vector<uint8_t> out = numberedContent(number * 1000 + version, bytes);
  std::memcpy(out.data(), &version, sizeof version);
  return out;
}

bool isSomeVersion(Bytes content, uint64_t number) {
  uint64_t version;
  if (content.size() < sizeof version) return false;
  std::memcpy(&version, content.data(), sizeof version);
  return version < 1000 && equal(content, versioned(number, version, content.size()));
}

struct Work {
  std::string dir, out;
  uint64_t keys, maxBytes;
  size_t largest;
  bool sabotage = false;
};

/// Does `operations` random things; returns how many answers were wrong.
uint64_t work(const Work &plan, uint64_t seed, uint64_t operations) {
  std::mt19937_64 random(seed);
  StoreOptions options;
  options.dir = plan.dir;
  options.maxBytes = plan.maxBytes;
  std::unique_ptr<Store> store = Store::open(options);
  uint64_t wrong = store->usable() ? 0 : 1;
  for (uint64_t i = 0; i < operations; ++i) {
    uint64_t number = random() % plan.keys;
    Key key = numberedKey(number);
    EntryKind kind = EntryKind(number % kEntryKinds);
    switch (random() % 16) {
    default: {
      std::optional<Blob> found = store->get(kind, key);
      if (found && !isSomeVersion(*found, number)) ++wrong;
      if (found) break;
      [[fallthrough]];
    }
    case 0:
    case 1: store->put(kind, key, versioned(number, random() % 1000, 8 + random() % plan.largest)); break;
    case 2: {
      Result<bool> copied = store->copyOut(kind, key, plan.out);
      if (!copied || (*copied && !isSomeVersion(readBytes(plan.out), number))) ++wrong;
      break;
    }
    case 3: store->flush(); break;
    case 4:
      if (plan.sabotage && random() % 4 == 0) {
        // What a bad disk does: in place, without asking.
        int fd = ::open(entryPath(plan.dir, kind, key).c_str(), O_RDWR | O_CLOEXEC);
        uint8_t byte = uint8_t(random());
        if (fd >= 0) {
          if (random() % 2)
            [[maybe_unused]] ssize_t n = ::pwrite(fd, &byte, 1, off_t(random() % 100));
          else
            [[maybe_unused]] int n = ::ftruncate(fd, off_t(random() % 100));
          ::close(fd);
        }
      }
      break;
    case 5:
      if (random() % 20 == 0) store = Store::open(options);
      break;
    }
  }
  return wrong;
}

TEST(Processes, ManyOnOneDirectory) {
  TemporaryDirectory temp;
  const uint64_t processes = atLength() ? 64 : 16, operations = atLength() ? 1000 : 60;
  std::vector<pid_t> children;
  for (uint64_t p = 0; p < processes; ++p) {
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Work plan{temp.path("cache"), temp.path("out" + std::to_string(p)), 100, 1 << 20, 20000, p % 8 == 7};
      ::_exit(work(plan, p, operations) == 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  uint64_t failed = 0;
  for (pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  }
  EXPECT_EQ(failed, 0u) << "processes that got something wrong, or died";
  EXPECT_EQ(leftovers(temp.path("cache")), 0u);
  Counters counters = storedCounters(temp.path("cache"));
  auto counted = [&](Counter counter) { return static_cast<unsigned long long>(counters[size_t(counter)]); };
  EXPECT_GT(counted(Counter::EntryHits), 0u);
  EXPECT_GT(counted(Counter::Evicted), 0u) << "the size must have been reached";
  if (atLength()) {
    EXPECT_GT(counted(Counter::CorruptDropped), 0u) << "the sabotage must have been met";
  }
  EXPECT_EQ(counted(Counter::WriteErrors), 0u);
  std::printf("%llu processes, %llu operations each: %llu hits, %llu misses, %llu written, %llu evicted, %llu damaged and dropped\n",
              static_cast<unsigned long long>(processes), static_cast<unsigned long long>(operations), counted(Counter::EntryHits),
              counted(Counter::EntryMisses), counted(Counter::Stored), counted(Counter::Evicted), counted(Counter::CorruptDropped));
  // Everybody has left: the directory is down to its size again, and whole but for the sabotage after the last look.
  ASSERT_TRUE(verify(temp.path("cache"), false));
  EXPECT_EQ(verify(temp.path("cache"), true)->damaged, 0u);
}

/// What every process leaves behind when it is killed must be whole, and usable at once.
void expectUsable(const std::string &dir, const std::string &out) {
  Result<VerifyReport> report = verify(dir, true);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->damaged, 0u) << report->names.front();
  auto store = Store::open({.dir = dir});
  ASSERT_TRUE(store->usable());
  store->put(EntryKind::Tuning, numberedKey(7777), numberedContent(7777, 64));
  std::optional<Blob> found = store->get(EntryKind::Tuning, numberedKey(7777));
  ASSERT_TRUE(found && equal(*found, numberedContent(7777, 64)));
  for (uint64_t number = 0; number < 8; ++number) {
    std::optional<Blob> entry = store->get(EntryKind(number % kEntryKinds), numberedKey(number));
    ASSERT_TRUE(!entry || isSomeVersion(*entry, number));
  }
  if (std::filesystem::exists(out)) {
    std::vector<uint8_t> copied = readBytes(out);
    bool right = false;
    for (uint64_t number = 0; number < 8; ++number) right = right || isSomeVersion(copied, number);
    ASSERT_TRUE(right) << "a half-written output";
  }
  ASSERT_FALSE(prune(dir, uint64_t(1) << 30)->busy) << "the lock of a dead process must not hold";
}

/// Runs `inChild` in a process and kills it after `microseconds` (-1: it kills itself).
void runAndKill(const std::function<void()> &inChild, int64_t microseconds) {
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    inChild();
    ::_exit(0);
  }
  if (microseconds >= 0) {
    struct timespec wait = {0, long(microseconds * 1000)};
    ::nanosleep(&wait, nullptr);
    ::kill(child, SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
}

TEST(Processes, KilledAtEveryCall) {
  TemporaryDirectory temp;
  const Work plan{temp.path("cache"), temp.path("out"), 8, 60000, 9000};
  auto script = [&] { work(plan, 42, 60); };
  // How many calls the script makes differs from run to run with what is there; the first run has nothing.
  faults::arm(faults::Mode::None, 0, 0);
  script();
  const uint64_t calls = faults::disarm();
  ASSERT_GT(calls, 300u);
  const uint64_t points = atLength() ? 500 : 40;
  for (uint64_t point = 0; point < points; ++point) {
    uint64_t at = 1 + point * calls / points;
    runAndKill([&] {
      faults::arm(point % 2 ? faults::Mode::KillAfter : faults::Mode::KillBefore, at, 0);
      script();
    }, -1);
    ASSERT_NO_FATAL_FAILURE(expectUsable(plan.dir, plan.out)) << "killed at call " << at;
  }
  std::printf("killed at %llu of %llu calls\n", static_cast<unsigned long long>(points), static_cast<unsigned long long>(calls));
}

TEST(Processes, KilledAtAnyTime) {
  TemporaryDirectory temp;
  const uint64_t points = atLength() ? 500 : 20;
  for (uint64_t point = 0; point < points; ++point) {
    Work plan{temp.path("cache"), temp.path("out"), 8, 4 << 20, point % 2 ? size_t(1) << 20 : size_t(5000)};
    runAndKill([&] { work(plan, point, 1000000); }, int64_t(point * 37 % 500) * 40);
    ASSERT_NO_FATAL_FAILURE(expectUsable(plan.dir, plan.out)) << "killed at point " << point;
  }
  std::printf("killed at %llu points in time; %zu temporary files left\n", static_cast<unsigned long long>(points),
              leftovers(temp.path("cache")));
}

} // namespace
