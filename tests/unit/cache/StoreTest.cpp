// What goes in comes out; names, sizes, sharing, counters, the size limit.
#include "Helpers.h"

#include "triton/Cache/Maintenance.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace triton;
using namespace triton::cache;

namespace {

std::unique_ptr<Store> openStore(const std::string &dir, uint64_t maxBytes = uint64_t(1) << 30) {
  StoreOptions options;
  options.dir = dir;
  options.maxBytes = maxBytes;
  return Store::open(std::move(options));
}

void age(const std::string &path, int64_t seconds) {
  struct timespec times[2];
  ::clock_gettime(CLOCK_REALTIME, &times[0]);
  times[0].tv_sec -= seconds;
  times[1] = times[0];
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST(Store, KeepsWhatItWasGiven) {
  TemporaryDirectory temp;
  auto store = openStore(temp.path("cache"));
  ASSERT_TRUE(store->usable()) << store->problem();
  for (size_t bytes : {0u, 1u, 79u, 80u, 4096u, 1000001u}) {
    std::vector<uint8_t> content = numberedContent(bytes, bytes);
    EXPECT_FALSE(store->get(EntryKind::Object, numberedKey(bytes)));
    store->put(EntryKind::Object, numberedKey(bytes), content);
    std::optional<Blob> found = store->get(EntryKind::Object, numberedKey(bytes));
    ASSERT_TRUE(found);
    EXPECT_TRUE(equal(*found, content));
    EXPECT_EQ(uintptr_t(found->data()) % 64, 0u);
    EXPECT_TRUE(store->probablyHas(EntryKind::Object, numberedKey(bytes)));
    EXPECT_FALSE(store->get(EntryKind::Weights, numberedKey(bytes))) << "kinds must not meet";
  }
  EXPECT_EQ(leftovers(temp.path("cache")), 0u);
  struct stat st;
  ASSERT_EQ(::stat(temp.path("cache/v1").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 077, 0u) << "others must not look in";
  EXPECT_TRUE(std::filesystem::exists(temp.path("cache/CACHEDIR.TAG")));
}

TEST(Store, AnotherProcessSeesItAndTheNewestWins) {
  TemporaryDirectory temp;
  Key key = numberedKey(1);
  auto first = openStore(temp.path()), second = openStore(temp.path());
  first->put(EntryKind::Manifest, key, numberedContent(1, 100));
  EXPECT_TRUE(equal(*second->get(EntryKind::Manifest, key), numberedContent(1, 100)));
  second->put(EntryKind::Manifest, key, numberedContent(2, 50));
  EXPECT_TRUE(equal(*first->get(EntryKind::Manifest, key), numberedContent(2, 50)));
}

TEST(Store, CopiesToAnOutput) {
  TemporaryDirectory temp;
  auto store = openStore(temp.path("cache"));
  std::vector<uint8_t> content = numberedContent(3, 700001);
  store->put(EntryKind::Artifact, numberedKey(3), content);
  std::string out = temp.path("out.tern");
  mode_t mask = ::umask(027);
  Result<bool> copied = store->copyOut(EntryKind::Artifact, numberedKey(3), out);
  ::umask(mask);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_TRUE(*copied);
  EXPECT_TRUE(readBytes(out) == content);
  struct stat st;
  ASSERT_EQ(::stat(out.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0640u);
  // Over an old file, and never half.
  store->put(EntryKind::Artifact, numberedKey(4), numberedContent(4, 10));
  ASSERT_TRUE(*store->copyOut(EntryKind::Artifact, numberedKey(4), out));
  EXPECT_TRUE(readBytes(out) == numberedContent(4, 10));
  Result<bool> missing = store->copyOut(EntryKind::Artifact, numberedKey(5), out);
  ASSERT_TRUE(missing);
  EXPECT_FALSE(*missing);
  EXPECT_TRUE(readBytes(out) == numberedContent(4, 10));
  Result<bool> nowhere = store->copyOut(EntryKind::Artifact, numberedKey(4), temp.path("no/such/place"));
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().message.find("no/such/place"), std::string::npos);
  ASSERT_TRUE(std::filesystem::create_directory(temp.path("taken")));
  EXPECT_FALSE(store->copyOut(EntryKind::Artifact, numberedKey(4), temp.path("taken")));
  size_t files = 0;
  for (const auto &item : std::filesystem::directory_iterator(temp.path())) files += item.path().filename() != "cache";
  EXPECT_EQ(files, 2u) << "a failed copy must leave nothing";
}

TEST(Store, WritesToAPipeAndLeavesItThere) {
  TemporaryDirectory temp;
  auto store = Store::open({.dir = temp.path("cache")});
  store->put(EntryKind::Artifact, numberedKey(1), numberedContent(1, 100));
  ASSERT_EQ(::mkfifo(temp.path("pipe").c_str(), 0600), 0);
  int reader = ::open(temp.path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  Result<bool> copied = store->copyOut(EntryKind::Artifact, numberedKey(1), temp.path("pipe"));
  ASSERT_TRUE(copied);
  EXPECT_TRUE(*copied);
  std::vector<uint8_t> bytes(200);
  EXPECT_EQ(::read(reader, bytes.data(), bytes.size()), 100);
  ::close(reader);
  EXPECT_TRUE(std::filesystem::is_fifo(temp.path("pipe")));
}

TEST(Store, LeavesAnOutputThatIsRight) {
  TemporaryDirectory temp;
  auto store = openStore(temp.path("cache"));
  const std::vector<uint8_t> content = numberedContent(3, 200001);
  store->put(EntryKind::Artifact, numberedKey(3), content);
  std::string out = temp.path("out.tern"), other = temp.path("other");
  auto copy = [&] { return *store->copyOut(EntryKind::Artifact, numberedKey(3), out) && readBytes(out) == content; };
  auto status = [&] {
    struct stat st {};
    EXPECT_EQ(::lstat(out.c_str(), &st), 0);
    return st;
  };
  ASSERT_TRUE(copy());
  struct stat first = status();
  struct timespec old[2] = {{1000000, 0}, {1000000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, out.c_str(), old, 0), 0);
  ASSERT_TRUE(copy());
  EXPECT_EQ(status().st_ino, first.st_ino);
  EXPECT_GE(status().st_mtim.tv_sec, first.st_mtim.tv_sec) << "programs that build by times must see a new output";
  // Every place of another byte, also where only the last piece differs; more and less of it.
  for (size_t at : {size_t(0), content.size() / 2, content.size() - 1}) {
    std::vector<uint8_t> wrong = content;
    wrong[at] ^= 1;
    writeBytes(out, wrong);
    EXPECT_TRUE(copy()) << at;
    EXPECT_NE(status().st_ino, first.st_ino) << at;
    first = status();
  }
  std::vector<uint8_t> longer = content;
  longer.push_back(0);
  writeBytes(out, longer);
  EXPECT_TRUE(copy());
  writeBytes(out, std::vector<uint8_t>(content.begin(), content.end() - 1));
  EXPECT_TRUE(copy());
  // Under two names: the other one may be a backup.
  first = status();
  ASSERT_EQ(::link(out.c_str(), other.c_str()), 0);
  EXPECT_TRUE(copy());
  EXPECT_NE(status().st_ino, first.st_ino);
  EXPECT_TRUE(readBytes(other) == content);
  // A link in its place is replaced, what it leads to is not touched.
  std::filesystem::remove(out);
  std::filesystem::create_symlink(other, out);
  EXPECT_TRUE(copy());
  EXPECT_TRUE(S_ISREG(status().st_mode));
}

TEST(Store, CountsOverProcesses) {
  TemporaryDirectory temp;
  {
    auto store = openStore(temp.path());
    store->put(EntryKind::Tuning, numberedKey(1), numberedContent(1, 5));
    store->get(EntryKind::Tuning, numberedKey(1));
    store->get(EntryKind::Tuning, numberedKey(2));
    store->count(Counter::Hits);
  }
  auto store = openStore(temp.path());
  store->count(Counter::Hits, 2);
  EXPECT_EQ(counted(*store, Counter::Hits), 3u);
  EXPECT_EQ(counted(*store, Counter::EntryHits), 1u);
  EXPECT_EQ(counted(*store, Counter::EntryMisses), 1u);
  EXPECT_EQ(counted(*store, Counter::Stored), 1u);
}

TEST(Store, DamagedCountersCountNothing) {
  TemporaryDirectory temp;
  for (uint64_t round = 0; round < 3; ++round) {
    auto store = openStore(temp.path());
    store->count(Counter::Misses, 7);
    store->flush();
    EXPECT_EQ(counted(*store, Counter::Misses), 7u);
    std::vector<uint8_t> file = readBytes(temp.path("v1/stats"));
    size_t slot = size_t(::getpid()) % 16 * 256;
    ASSERT_GE(file.size(), slot + 256);
    if (round == 0) file[slot + 30] ^= 1;
    if (round == 1) file.resize(slot + 100);
    if (round == 2) file.clear();
    writeBytes(temp.path("v1/stats"), file);
    EXPECT_EQ(counted(*store, Counter::Misses), 0u);
  }
}

TEST(Store, ThreadsShareOne) {
  TemporaryDirectory temp;
  auto store = openStore(temp.path());
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 100; ++i) {
        uint64_t number = (i * 7 + uint64_t(t)) % 50;
        if (std::optional<Blob> found = store->get(EntryKind::Object, numberedKey(number)))
          wrong += !equal(*found, numberedContent(number, number * 100));
        else
          store->put(EntryKind::Object, numberedKey(number), numberedContent(number, number * 100));
      }
    });
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(counted(*store, Counter::EntryHits) + counted(*store, Counter::EntryMisses), 400u);
}

TEST(Store, KeepsToItsSizeAndForgetsTheOldestUse) {
  TemporaryDirectory temp;
  constexpr uint64_t limit = 1 << 20;
  {
    auto store = openStore(temp.path(), limit);
    for (uint64_t i = 0; i < 10; ++i) store->put(EntryKind::Object, numberedKey(i), numberedContent(i, 60000));
    for (uint64_t i = 0; i < 10; ++i) age(entryPath(temp.path(), EntryKind::Object, numberedKey(i)), int64_t(10000 - i));
    // A use makes an entry young again.
    EXPECT_TRUE(store->get(EntryKind::Object, numberedKey(0)));
    for (uint64_t i = 10; i < 18; ++i) store->put(EntryKind::Object, numberedKey(i), numberedContent(i, 60000));
  }
  auto store = openStore(temp.path(), limit);
  Result<Usage> now = usage(temp.path());
  ASSERT_TRUE(now);
  EXPECT_LE(now->bytes, limit);
  EXPECT_GE(now->entries, 10u);
  EXPECT_TRUE(store->get(EntryKind::Object, numberedKey(0)));
  EXPECT_FALSE(store->get(EntryKind::Object, numberedKey(1)));
  EXPECT_TRUE(store->get(EntryKind::Object, numberedKey(17)));
  EXPECT_EQ(counted(*store, Counter::Evicted), 18 - now->entries);
  // What can never fit is not kept at the cost of everything else.
  store->put(EntryKind::Object, numberedKey(99), numberedContent(99, 2 << 20));
  store->flush();
  EXPECT_TRUE(store->get(EntryKind::Object, numberedKey(17)));
  EXPECT_FALSE(store->get(EntryKind::Object, numberedKey(99)));
}

TEST(Store, AWrongClockKeepsNothingForEver) {
  TemporaryDirectory temp;
  constexpr uint64_t limit = 100 << 10;
  auto store = openStore(temp.path(), limit);
  store->put(EntryKind::Object, numberedKey(1), numberedContent(1, 40000));
  std::string path = entryPath(temp.path(), EntryKind::Object, numberedKey(1));
  age(path, -1000000);
  EXPECT_TRUE(store->get(EntryKind::Object, numberedKey(1)));
  struct stat st;
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_LE(st.st_mtim.tv_sec, ::time(nullptr) + 5);
}

TEST(Store, PrunersDoNotWaitForEachOther) {
  TemporaryDirectory temp;
  auto store = openStore(temp.path());
  store->put(EntryKind::Object, numberedKey(1), numberedContent(1, 1000));
  int lock = ::open(temp.path("v1/prune.lock").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_GE(lock, 0);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  Result<PruneReport> report = prune(temp.path(), 0);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->busy);
  ::close(lock);
  report = prune(temp.path(), 0);
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->busy);
  EXPECT_EQ(report->removedEntries, 1u);
}

TEST(Store, LeftoversOfTheKilledGo) {
  TemporaryDirectory temp;
  auto store = openStore(temp.path());
  store->put(EntryKind::Object, numberedKey(1), numberedContent(1, 1000));
  writeBytes(temp.path("v1/tmp/t1-1-1"), numberedContent(1, 10));
  writeBytes(temp.path("v1/tmp/t2-2-2"), numberedContent(1, 10));
  age(temp.path("v1/tmp/t1-1-1"), 7200);
  ASSERT_TRUE(prune(temp.path(), uint64_t(1) << 30));
  EXPECT_FALSE(std::filesystem::exists(temp.path("v1/tmp/t1-1-1")));
  EXPECT_TRUE(std::filesystem::exists(temp.path("v1/tmp/t2-2-2"))) << "somebody may still write it";
}

TEST(Store, ReadOnlyTouchesNothing) {
  TemporaryDirectory temp;
  {
    auto store = openStore(temp.path());
    store->put(EntryKind::Object, numberedKey(1), numberedContent(1, 1000));
  }
  std::string path = entryPath(temp.path(), EntryKind::Object, numberedKey(1));
  age(path, 5000);
  struct stat before, after;
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  std::vector<uint8_t> stats = readBytes(temp.path("v1/stats"));
  {
    StoreOptions options;
    options.dir = temp.path();
    options.readOnly = true;
    auto store = Store::open(options);
    EXPECT_TRUE(store->get(EntryKind::Object, numberedKey(1)));
    store->put(EntryKind::Object, numberedKey(2), numberedContent(2, 10));
    EXPECT_FALSE(store->get(EntryKind::Object, numberedKey(2)));
  }
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
  EXPECT_TRUE(stats == readBytes(temp.path("v1/stats")));
  TemporaryDirectory empty;
  StoreOptions options;
  options.dir = empty.path("nothing");
  options.readOnly = true;
  EXPECT_FALSE(Store::open(options)->usable());
  EXPECT_FALSE(std::filesystem::exists(empty.path("nothing")));
}

TEST(Store, TheDisabledOneIsEmpty) {
  auto store = Store::disabled();
  store->put(EntryKind::Object, numberedKey(1), numberedContent(1, 10));
  EXPECT_FALSE(store->usable());
  EXPECT_EQ(store->problem(), "");
  EXPECT_FALSE(store->get(EntryKind::Object, numberedKey(1)));
}

TEST(Names, SizesReadAsPeopleWriteThem) {
  EXPECT_EQ(*parseSize("0"), 0u);
  EXPECT_EQ(*parseSize("1073741824"), 1073741824u);
  EXPECT_EQ(*parseSize("500M"), 524288000u);
  EXPECT_EQ(*parseSize("2G"), 2147483648u);
  EXPECT_EQ(*parseSize("2gib"), 2147483648u) << "the unit's letters may be small";
  EXPECT_EQ(*parseSize("1.5GiB"), 1610612736u);
  EXPECT_EQ(*parseSize("8T"), uint64_t(8) << 40);
  for (const char *bad : {"", "G", "-1", "1X", "1GG", "1 G", "99999999999999999999", "9999999999T", "1e9", "0x10", "."})
    EXPECT_FALSE(parseSize(bad)) << bad;
}

TEST(Names, KeysAreHexadecimal) {
  Key key = numberedKey(7);
  EXPECT_EQ(toHex(key).size(), 64u);
  EXPECT_EQ(keyFromHex(toHex(key)), key);
  EXPECT_FALSE(keyFromHex(toHex(key).substr(1)));
  std::string upper = toHex(key);
  upper[3] = 'G';
  EXPECT_FALSE(keyFromHex(upper));
  for (size_t i = 0; i < kEntryKinds; ++i) EXPECT_EQ(kindFromName(kindName(EntryKind(i))), EntryKind(i));
  EXPECT_FALSE(kindFromName("other"));
}

TEST(Names, TheDirectoryFollowsTheEnvironment) {
  auto with = [](const char *own, const char *xdg, const char *home) {
    auto set = [](const char *name, const char *value) { value ? ::setenv(name, value, 1) : ::unsetenv(name); };
    set("TRITON_DSL_CACHE_DIR", own);
    set("XDG_CACHE_HOME", xdg);
    set("HOME", home);
    return defaultDirectory();
  };
  const char *old = std::getenv("HOME");
  std::string home = old ? old : "";
  EXPECT_EQ(with("here", "/x", "/h"), "here");
  EXPECT_EQ(with(nullptr, "/x", "/h"), "/x/triton-dsl");
  EXPECT_EQ(with("", "relative", "/h"), "/h/.cache/triton-dsl");
  EXPECT_EQ(with(nullptr, nullptr, nullptr), "");
  ::setenv("HOME", home.c_str(), 1);
}

} // namespace
