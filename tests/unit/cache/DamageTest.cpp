// Entries that were damaged, and things that are no entries: never believed, dropped, counted, replaced.
#include "Helpers.h"

#include "triton/Cache/Maintenance.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace triton;
using namespace triton::cache;

namespace {

constexpr EntryKind kKind = EntryKind::Artifact;

class Damage : public testing::Test {
protected:
  Damage() {
    StoreOptions options;
    options.dir = temp.path("cache");
    options.warn = [this](const std::string &message) { warnings.push_back(message); };
    store = Store::open(options);
    store->put(kKind, key, content);
    entry = entryPath(temp.path("cache"), kKind, key);
    whole = readBytes(entry);
  }

  /// The entry as it lies there must be refused by both ways to read, and be gone.
  void expectDropped(const std::string &what, const std::function<void()> &damage) {
    for (bool copy : {false, true}) {
      damage();
      uint64_t before = counted(*store, Counter::CorruptDropped);
      if (copy) {
        Result<bool> copied = store->copyOut(kKind, key, temp.path("out"));
        ASSERT_TRUE(copied) << what;
        EXPECT_FALSE(*copied) << what;
        EXPECT_FALSE(std::filesystem::exists(temp.path("out"))) << what;
      } else {
        EXPECT_FALSE(store->get(kKind, key)) << what;
      }
      EXPECT_EQ(counted(*store, Counter::CorruptDropped), before + 1) << what;
      struct stat st;
      EXPECT_NE(::lstat(entry.c_str(), &st), 0) << what << " is still there";
    }
  }
  /// A thing in place of the entry must not keep a new one from being written.
  void expectReplaced(const std::string &what, const std::function<void()> &obstruct) {
    obstruct();
    store->put(kKind, key, content);
    std::optional<Blob> found = store->get(kKind, key);
    ASSERT_TRUE(found) << what;
    EXPECT_TRUE(equal(*found, content)) << what;
  }
  void remove() { std::filesystem::remove_all(entry); }

  TemporaryDirectory temp;
  std::vector<std::string> warnings;
  std::unique_ptr<Store> store;
  Key key = numberedKey(11);
  std::vector<uint8_t> content = numberedContent(11, 150), whole;
  std::string entry;
};

TEST_F(Damage, EveryByteFlipped) {
  ASSERT_EQ(whole.size(), content.size() + kSealBytes);
  for (size_t at = 0; at < whole.size(); ++at)
    for (uint8_t flip : {0x01, 0x80, 0xFF}) {
      std::vector<uint8_t> bytes = whole;
      bytes[at] ^= flip;
      expectDropped("byte " + std::to_string(at), [&] { writeBytes(entry, bytes); });
    }
}

TEST_F(Damage, EveryTruncation) {
  for (size_t bytes = 0; bytes < whole.size(); ++bytes)
    expectDropped("length " + std::to_string(bytes),
                  [&] { writeBytes(entry, {whole.begin(), whole.begin() + ptrdiff_t(bytes)}); });
}

TEST_F(Damage, BytesTooMany) {
  for (size_t more : {1u, 79u, 80u, 81u, 5000u}) {
    std::vector<uint8_t> bytes = whole;
    bytes.resize(bytes.size() + more);
    expectDropped("more", [&] { writeBytes(entry, bytes); });
    std::vector<uint8_t> front(more);
    front.insert(front.end(), whole.begin(), whole.end());
    expectDropped("more in front", [&] { writeBytes(entry, front); });
  }
}

TEST_F(Damage, AnEntryUnderAnotherName) {
  Key other = numberedKey(12);
  store->put(kKind, other, content);
  std::vector<uint8_t> wrong = readBytes(entryPath(temp.path("cache"), kKind, other));
  expectDropped("another key's entry", [&] { writeBytes(entry, wrong); });
  store->put(EntryKind::Weights, key, content);
  wrong = readBytes(entryPath(temp.path("cache"), EntryKind::Weights, key));
  expectDropped("another kind's entry", [&] { writeBytes(entry, wrong); });
}

TEST_F(Damage, AHugeFileCostsNothing) {
  expectDropped("a file of 8 TB", [&] {
    writeBytes(entry, {});
    ASSERT_EQ(::truncate(entry.c_str(), off_t(8) << 40), 0);
  });
  // A sealed one that is larger than this process takes is not damaged.
  StoreOptions options;
  options.dir = temp.path("cache");
  options.maxEntryBytes = 100;
  auto small = Store::open(options);
  writeBytes(entry, whole);
  EXPECT_FALSE(small->get(kKind, key));
  EXPECT_TRUE(store->get(kKind, key));
}

TEST_F(Damage, ThingsThatAreNoFiles) {
  std::string elsewhere = temp.path("elsewhere");
  std::vector<std::pair<const char *, std::function<void()>>> things = {
      {"a link to a good entry", [&] {
         writeBytes(elsewhere, whole);
         std::filesystem::create_symlink(elsewhere, entry);
       }},
      {"a link to nothing", [&] { std::filesystem::create_symlink("nothing", entry); }},
      {"a link to itself", [&] { std::filesystem::create_symlink(entry, entry); }},
      {"a link to a device", [&] { std::filesystem::create_symlink("/dev/zero", entry); }},
      {"a fifo", [&] { ASSERT_EQ(::mkfifo(entry.c_str(), 0600), 0); }},
      {"an empty directory", [&] { std::filesystem::create_directory(entry); }},
      {"a full directory", [&] {
         std::filesystem::create_directories(entry + "/below/below");
         writeBytes(entry + "/below/file", whole);
       }},
      {"a socket", [&] {
         int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
         struct sockaddr_un address {};
         address.sun_family = AF_UNIX;
         std::string leaf = std::filesystem::path(entry).parent_path(), at = std::filesystem::current_path();
         std::filesystem::current_path(leaf); // the whole path is too long for an address
         std::string name = std::filesystem::path(entry).filename();
         ASSERT_LT(name.size(), sizeof address.sun_path);
         name.copy(address.sun_path, name.size());
         ASSERT_EQ(::bind(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof address), 0);
         std::filesystem::current_path(at);
         ::close(fd);
       }},
  };
  if (::geteuid() == 0)
    things.push_back({"a device", [&] { ASSERT_EQ(::mknod(entry.c_str(), S_IFCHR | 0600, 0x105), 0); }});
  for (auto &[what, make] : things) {
    remove();
    expectDropped(what, make);
    remove();
    expectReplaced(what, make);
  }
  EXPECT_TRUE(readBytes(elsewhere) == whole) << "what a link points to must stay";
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  // What was moved out of the way goes with the next pruning.
  ASSERT_TRUE(prune(temp.path("cache"), uint64_t(1) << 30));
  EXPECT_EQ(leftovers(temp.path("cache")), 0u);
}

TEST_F(Damage, DirectoriesThatAreSomethingElse) {
  std::string leaf = std::filesystem::path(entry).parent_path(), middle = std::filesystem::path(leaf).parent_path();
  std::string tmp = temp.path("cache/v1/tmp"), other = temp.path("other");
  std::filesystem::create_directories(other);
  for (const std::string &place : {leaf, middle, tmp}) {
    for (int form = 0; form < 2; ++form) {
      std::filesystem::remove_all(place);
      if (form == 0) writeBytes(place, {1, 2, 3});
      if (form == 1) std::filesystem::create_directory_symlink(other, place);
      if (place != tmp) {
        EXPECT_FALSE(store->get(kKind, key));
      }
      store->put(kKind, key, content);
      ASSERT_TRUE(store->get(kKind, key)) << place;
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(other)) << "nothing may be written through a link";
}

TEST(Hostile, DirectoriesThatOthersMayWrite) {
  TemporaryDirectory temp;
  auto problem = [&](const std::string &dir) {
    std::vector<std::string> warnings;
    StoreOptions options;
    options.dir = dir;
    options.warn = [&](const std::string &message) { warnings.push_back(message); };
    auto store = Store::open(options);
    store->put(kKind, numberedKey(1), numberedContent(1, 10));
    EXPECT_FALSE(store->get(kKind, numberedKey(1)));
    EXPECT_FALSE(store->copyOut(kKind, numberedKey(1), temp.path("out")).operator*());
    EXPECT_EQ(warnings.size(), 1u);
    EXPECT_FALSE(store->usable());
    return store->problem();
  };
  std::string dir = temp.path("cache");
  ASSERT_TRUE(Store::open({.dir = dir})->usable());
  ::chmod((dir + "/v1").c_str(), 0777);
  EXPECT_NE(problem(dir).find("other users"), std::string::npos);
  ::chmod((dir + "/v1").c_str(), 0770);
  EXPECT_NE(problem(dir).find("other users"), std::string::npos);
  ::chmod((dir + "/v1").c_str(), 0700);
  ::chmod(dir.c_str(), 01777);
  EXPECT_NE(problem(dir).find("other users"), std::string::npos);
  ::chmod(dir.c_str(), 0775);
  EXPECT_TRUE(Store::open({.dir = dir})->usable());
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown((dir + "/v1").c_str(), 12345, 12345), 0);
    EXPECT_NE(problem(dir).find("another user (id 12345)"), std::string::npos);
    ASSERT_EQ(::chown((dir + "/v1").c_str(), 0, 0), 0);
    ASSERT_EQ(::chown(dir.c_str(), 12345, 12345), 0);
    EXPECT_NE(problem(dir).find("another user (id 12345)"), std::string::npos);
  }
  TemporaryDirectory second;
  std::filesystem::create_directory(second.path("cache"));
  std::filesystem::create_directory_symlink(temp.path(), second.path("cache/v1"));
  EXPECT_NE(problem(second.path("cache")), "");
  writeBytes(second.path("file"), {1});
  EXPECT_NE(problem(second.path("file")), "");
  EXPECT_NE(problem(second.path("file/below")), "");
  EXPECT_NE(problem("/proc/no/such/place"), "");
}

TEST(Hostile, ALinkToTheDirectoryIsTheUsersOwnBusiness) {
  TemporaryDirectory temp;
  std::filesystem::create_directory(temp.path("disk"));
  std::filesystem::create_directory_symlink(temp.path("disk"), temp.path("cache"));
  auto store = Store::open({.dir = temp.path("cache")});
  store->put(kKind, numberedKey(1), numberedContent(1, 10));
  EXPECT_TRUE(store->get(kKind, numberedKey(1)));
}

} // namespace
