// Keys and what explains them; the canonical text of programs; files recognised by their stamps; manifests.
#include "triton/Cache/Files.h"
#include "triton/Cache/Keys.h"
#include "triton/Cache/Manifest.h"

#include "Helpers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sys/stat.h>

using namespace triton;
using namespace triton::cache;
namespace fs = std::filesystem;

namespace {

void write(const std::string &path, const std::string &text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
}

/// Sets the time of the last change; the time of the last status change stays the kernel's own.
void setModified(const std::string &path, int64_t secondsAgo) {
  struct timespec times[2] = {};
  ::clock_gettime(CLOCK_REALTIME, &times[0]);
  times[0].tv_sec -= secondsAgo;
  times[1] = times[0];
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

std::unique_ptr<Store> openStore(const TemporaryDirectory &temp) {
  StoreOptions options;
  options.dir = temp.path("cache");
  return Store::open(std::move(options));
}

} // namespace

TEST(Keys, ItemsAreDelimited) {
  auto key = [](std::initializer_list<std::pair<const char *, const char *>> items) {
    KeyBuilder builder("test 1");
    for (auto [tag, value] : items) builder.add(tag, value);
    return builder.key();
  };
  EXPECT_EQ(key({{"a", "b"}, {"c", "d"}}), key({{"a", "b"}, {"c", "d"}}));
  EXPECT_NE(key({{"a", "b"}, {"c", "d"}}), key({{"a", "bc"}, {"", "d"}}));
  EXPECT_NE(key({{"a", "b"}, {"c", "d"}}), key({{"ab", ""}, {"c", "d"}}));
  EXPECT_NE(key({{"a", "b"}, {"c", "d"}}), key({{"c", "d"}, {"a", "b"}}));
  EXPECT_NE(KeyBuilder("test 1").key(), KeyBuilder("test 2").key());
}

TEST(Keys, DifferencesNameTheItem) {
  KeyItems a = {{"-O", "2"}, {"--target", "x86-64-v3"}, {"source", "11"}};
  KeyItems b = {{"-O", "2"}, {"--target", "x86-64-v4"}, {"source", "11"}, {"--weights", "22"}};
  EXPECT_EQ(describeDifference(a, a), std::vector<std::string>());
  EXPECT_EQ(describeDifference(a, b),
            (std::vector<std::string>{"--target: 'x86-64-v3' and 'x86-64-v4'", "--weights: only in the second ('22')"}));
  EXPECT_EQ(describeDifference(b, a).back(), "--weights: only in the first ('22')");
}

TEST(CanonicalSource, ForgetsWhatMeansNothing) {
  std::string text = "let a = 1\nlet b = f( a,2 )\n";
  for (const char *same : {"let a = 1\nlet b = f(a, 2)", "# first\n\n  let a = 1   # why\n\n\n\tlet b = f(a ,2)\r\n# last",
                           "let   a   = 1\r\n\r\nlet b = f (a, 2) #"})
    EXPECT_EQ(canonicalSource(same), canonicalSource(text)) << same;
}

TEST(CanonicalSource, KeepsWhatMayMeanSomething) {
  std::string text = "let a = \"x # y\" < b\n";
  for (const char *other : {"let a = \"x # z\" < b\n", "let a = \"x  # y\" < b\n", "let a = \"x # y\" <= b\n", "let a = \"x # y\" < = b\n",
                            "let a = \"x # y\" < bb\n", "let a = \"x # y\"\n< b\n", "## about a\nlet a = \"x # y\" < b\n",
                            "# \xC3\xA4\nlet a = \"x # y\" < b\n", "# \x01\nlet a = \"x # y\" < b\n"})
    EXPECT_NE(canonicalSource(other), canonicalSource(text)) << other;
  EXPECT_NE(canonicalSource("x < = y"), canonicalSource("x <= y"));
  EXPECT_NE(canonicalSource("1e-5"), canonicalSource("1e - 5"));
  EXPECT_NE(canonicalSource("a b"), canonicalSource("ab"));
  EXPECT_NE(canonicalSource("1 . 5"), canonicalSource("1.5"));
  EXPECT_NE(canonicalSource("\"a\\\" # b\""), canonicalSource("\"a\\\" # c\""));
  // Text that is no program stays as different as it was.
  EXPECT_NE(canonicalSource("\"open"), canonicalSource("\"open\""));
}

TEST(Files, ADigestIsOfTheContent) {
  TemporaryDirectory temp;
  std::unique_ptr<Store> store = openStore(temp);
  std::string path = temp.path("w"), big(kStampedBytes + 1, 'x');
  // One piece: the digest of the whole.
  for (const std::string &text : {std::string(), std::string("abc"), big}) {
    write(path, text);
    Result<Key> digest = digestOfFile(*store, path, hashPortably);
    ASSERT_TRUE(bool(digest));
    EXPECT_EQ(*digest, digestOf(text));
  }
  EXPECT_FALSE(bool(digestOfFile(*store, temp.path("none"))));
  EXPECT_FALSE(bool(digestOfFile(*store, temp.path(""))));
}

TEST(Files, ALargeFileIsHashedInPieces) {
  TemporaryDirectory temp;
  std::unique_ptr<Store> store = openStore(temp);
  std::string path = temp.path("w"), text((size_t(9) << 20) + 5, 'x');
  auto digest = [&] {
    write(path, text);
    Result<Key> made = digestOfFile(*store, path, hashPortably);
    EXPECT_TRUE(bool(made));
    return toHex(*made);
  };
  std::set<std::string> seen = {digest()};
  EXPECT_EQ(*seen.begin(), digest()) << "the same content, the same digest";
  // A change in each piece, two pieces exchanged, a byte more and one less.
  for (size_t at : {size_t(0), (size_t(4) << 20) + 1, size_t(8) << 20, text.size() - 1}) {
    text[at] = 'y';
    EXPECT_TRUE(seen.insert(digest()).second) << at;
  }
  std::rotate(text.begin(), text.begin() + (4 << 20), text.begin() + (8 << 20));
  EXPECT_TRUE(seen.insert(digest()).second);
  text += 'x';
  EXPECT_TRUE(seen.insert(digest()).second);
  text.resize(text.size() - 2);
  EXPECT_TRUE(seen.insert(digest()).second);
  // The list of the pieces' digests is another file.
  std::string list;
  for (size_t at = 0; at < text.size(); at += size_t(4) << 20) {
    Key piece = digestOf(std::string_view(text).substr(at, size_t(4) << 20));
    list.append(reinterpret_cast<const char *>(piece.data()), piece.size());
  }
  text = list;
  EXPECT_TRUE(seen.insert(digest()).second);
}

static size_t hashes;
static Key counting(const NextBytes &next) {
  ++hashes;
  return hashPortably(next);
}

TEST(Files, ABigFileIsReadOnceUntilItChanges) {
  TemporaryDirectory temp;
  std::unique_ptr<Store> store = openStore(temp);
  std::string path = temp.path("w"), text(kStampedBytes, 'x');
  write(path, text);
  hashes = 0;
  // The status change of a file that was just written is racy: it is read again each time.
  ASSERT_TRUE(bool(digestOfFile(*store, path, counting)));
  ASSERT_TRUE(bool(digestOfFile(*store, path, counting)));
  EXPECT_EQ(hashes, 2u);
  EXPECT_FALSE(bool(digestOfFile(*store, path))) << "without a hash a large file that is not known is not read";
  // A file of the same size and the same time of change, but other content: the status change tells, or else the racy rule.
  text[5] = 'y';
  write(path, text);
  setModified(path, 3600);
  Result<Key> changed = digestOfFile(*store, path, counting);
  ASSERT_TRUE(bool(changed));
  EXPECT_EQ(*changed, digestOf(text));
}

TEST(Files, RacyMeansTooShortlyAgo) {
  FileStamp stamp;
  stamp.modifiedNs = stamp.changedNs = 10 * kRacyNs;
  EXPECT_TRUE(isRacy(stamp, 10 * kRacyNs));
  EXPECT_TRUE(isRacy(stamp, 11 * kRacyNs - 1));
  EXPECT_FALSE(isRacy(stamp, 11 * kRacyNs));
  stamp.changedNs += 1;
  EXPECT_TRUE(isRacy(stamp, 11 * kRacyNs));
}

TEST(Files, ACompilerIsKnownUntilOneOfItsFilesChanges) {
  TemporaryDirectory temp;
  std::unique_ptr<Store> store = openStore(temp);
  write(temp.path("lib"), "library");
  CompilerRecord record;
  record.id = "1234";
  record.files = {{temp.path("lib"), *stampOf(temp.path("lib"))}};
  putCompilerRecord(*store, "/bin/compiler", record);
  EXPECT_EQ(knownCompilerId(*store, "/bin/compiler"), ""); // just made: not to be trusted yet
  record.files[0].second.modifiedNs -= 10 * kRacyNs;
  record.files[0].second.changedNs -= 10 * kRacyNs;
  putCompilerRecord(*store, "/bin/compiler", record);
  EXPECT_EQ(knownCompilerId(*store, "/bin/compiler"), ""); // another stamp than the file has
  record.files = {{"/proc/self/exe", *stampOf("/proc/self/exe")}};
  if (!isRacy(record.files[0].second, std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count())) {
    putCompilerRecord(*store, "/bin/compiler", record);
    EXPECT_EQ(knownCompilerId(*store, "/bin/compiler"), "1234");
    EXPECT_EQ(knownCompilerId(*store, "/bin/other"), "");
  }
}

TEST(Manifest, IsFoundWhileItsFilesAreAsTheyWere) {
  TemporaryDirectory temp;
  std::unique_ptr<Store> store = openStore(temp);
  fs::create_directory(temp.path("project"));
  std::string folder = temp.path("project"), import = folder + "/blocks.tri";
  write(import, "let a = 1\n");
  Manifest manifest;
  manifest.imports = {{"blocks.tri", digestOf(canonicalSource("let a = 1\n"))}};
  manifest.absent = {"first/blocks.tri"};
  manifest.artifact = digestOf("artifact");
  manifest.summary.name = "Net";
  manifest.summary.targets = "a,b";
  manifest.summary.warnings = {"w1", "w2"};
  manifest.summary.layers = 7;
  Key key = digestOf("request");
  putManifest(*store, key, manifest);
  auto find = [&](const std::string &in) {
    std::vector<std::string> files;
    uint64_t lines = 0;
    std::optional<Manifest> found = findManifest(*store, key, in + "/net.tri", files, lines);
    if (found) {
      EXPECT_EQ(files, std::vector<std::string>{in + "/blocks.tri"});
    }
    return found;
  };
  std::optional<Manifest> found = find(folder);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->artifact, manifest.artifact);
  EXPECT_EQ(found->summary.name, "Net");
  EXPECT_EQ(found->summary.targets, "a,b");
  EXPECT_EQ(found->summary.warnings, manifest.summary.warnings);
  EXPECT_EQ(found->summary.layers, 7u);
  // A copy of the project elsewhere.
  fs::copy(folder, temp.path("copy"));
  EXPECT_TRUE(find(temp.path("copy")));
  // A comment changes nothing, a number does.
  write(import, "let a = 1 # one\n");
  EXPECT_TRUE(find(folder));
  write(import, "let a = 2\n");
  EXPECT_FALSE(find(folder));
  write(import, "let a = 1\n");
  EXPECT_TRUE(find(folder));
  // A file that would now be found first.
  fs::create_directory(folder + "/first");
  EXPECT_TRUE(find(folder));
  write(folder + "/first/blocks.tri", "let a = 1\n");
  EXPECT_FALSE(find(folder));
  fs::remove_all(folder + "/first");
  fs::remove(import);
  EXPECT_FALSE(find(folder));
}

TEST(Manifest, DamagedRecordsAreNotThere) {
  TemporaryDirectory temp;
  std::unique_ptr<Store> store = openStore(temp);
  Manifest manifest;
  manifest.imports = {{"none.tri", digestOf("")}};
  manifest.absent = {"./a", "./b"};
  Key key = digestOf("request");
  putManifest(*store, key, manifest);
  std::optional<Blob> whole = store->get(EntryKind::Manifest, key);
  ASSERT_TRUE(whole);
  // Sealed by the store, so nobody but the reader can notice: every truncation, and counts that promise too much.
  std::vector<uint8_t> bytes(whole->data(), whole->data() + whole->size());
  std::vector<std::string> files;
  uint64_t lines = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    store->put(EntryKind::Manifest, key, Bytes(bytes.data(), size));
    EXPECT_FALSE(findManifest(*store, key, "/net.tri", files, lines)) << size;
  }
  for (size_t at = 0; at < 8; ++at) {
    std::vector<uint8_t> wrong = bytes;
    wrong[at] = 0xFF;
    store->put(EntryKind::Manifest, key, wrong);
    EXPECT_FALSE(findManifest(*store, key, "/net.tri", files, lines)) << at;
  }
}

TEST(Manifest, ItemsComeBack) {
  TemporaryDirectory temp;
  std::unique_ptr<Store> store = openStore(temp);
  KeyItems items = {{"-O", "2"}, {"", ""}, {"tag", std::string("a\0b", 3)}};
  putItems(*store, itemsNameOfProgram("/a.tri"), items);
  EXPECT_EQ(findItems(*store, itemsNameOfProgram("/a.tri")), items);
  EXPECT_FALSE(findItems(*store, itemsNameOfProgram("/b.tri")));
}
