// Whole directories: usage, verify, clear, export and import.
#include "Helpers.h"

#include "triton/Cache/Maintenance.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::cache;

namespace {

void fill(const std::string &dir, uint64_t entries) {
  auto store = Store::open({.dir = dir});
  for (uint64_t i = 0; i < entries; ++i)
    store->put(EntryKind(i % kEntryKinds), numberedKey(i), numberedContent(i, 100 * i));
}

TEST(Maintenance, TellsWhatIsThere) {
  TemporaryDirectory temp;
  Result<Usage> nothing = usage(temp.path("none"));
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->entries, 0u);
  EXPECT_FALSE(std::filesystem::exists(temp.path("none"))) << "looking must not create";
  fill(temp.path("cache"), 12);
  std::filesystem::path leaf = std::filesystem::path(entryPath(temp.path("cache"), EntryKind(0), numberedKey(0))).parent_path();
  writeBytes(leaf / "something", {1, 2, 3});
  writeBytes(temp.path("cache/v1/tmp/t1"), {1});
  Result<Usage> all = usage(temp.path("cache"));
  ASSERT_TRUE(all);
  EXPECT_EQ(all->entries, 12u);
  EXPECT_EQ(all->kinds[0].entries, 3u);
  EXPECT_EQ(all->kinds[4].entries, 2u);
  EXPECT_EQ(all->foreign, 1u);
  EXPECT_EQ(all->temporaries, 1u);
  EXPECT_EQ(storedCounters(temp.path("cache"))[size_t(Counter::Stored)], 12u);
}

TEST(Maintenance, VerifyFindsAndDrops) {
  TemporaryDirectory temp;
  std::string dir = temp.path("cache");
  fill(dir, 20);
  std::string bad = entryPath(dir, EntryKind(3), numberedKey(3));
  std::vector<uint8_t> bytes = readBytes(bad);
  bytes[17] ^= 4;
  writeBytes(bad, bytes);
  std::string foreign = std::filesystem::path(bad).parent_path() / "foreign";
  writeBytes(foreign, {1});
  for (bool keep : {true, false}) {
    Result<VerifyReport> report = verify(dir, keep);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->entries, 21u);
    EXPECT_EQ(report->damaged, 2u);
    EXPECT_EQ(report->names.size(), 2u);
    EXPECT_EQ(std::filesystem::exists(bad), keep);
    EXPECT_EQ(std::filesystem::exists(foreign), keep);
  }
  Result<VerifyReport> after = verify(dir, false);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->entries, 19u);
  EXPECT_EQ(after->damaged, 0u);
  EXPECT_EQ(storedCounters(dir)[size_t(Counter::CorruptDropped)], 2u);
}

TEST(Maintenance, ClearForgetsAll) {
  TemporaryDirectory temp;
  std::string dir = temp.path("cache");
  fill(dir, 20);
  Result<PruneReport> report = clear(dir);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->removedEntries, 20u);
  EXPECT_EQ(usage(dir)->entries, 0u);
  EXPECT_EQ(storedCounters(dir), Counters{});
  fill(dir, 3);
  EXPECT_EQ(usage(dir)->entries, 3u);
}

TEST(Maintenance, PruneGoesDownToASize) {
  TemporaryDirectory temp;
  std::string dir = temp.path("cache");
  fill(dir, 40);
  uint64_t all = usage(dir)->bytes;
  Result<PruneReport> report = prune(dir, all / 2);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->keptBytes, usage(dir)->bytes);
  EXPECT_LE(usage(dir)->bytes, all / 2);
  EXPECT_EQ(report->removedEntries + report->keptEntries, 40u);
}

TEST(Maintenance, ExportsAndImports) {
  TemporaryDirectory temp;
  fill(temp.path("a"), 25);
  Result<uint64_t> exported = exportTo(temp.path("a"), temp.path("file"), {});
  ASSERT_TRUE(exported) << exported.error().message;
  EXPECT_EQ(*exported, 25u);
  Result<ImportReport> imported = importFrom(temp.path("b"), temp.path("file"));
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->entries, 25u);
  auto store = Store::open({.dir = temp.path("b")});
  for (uint64_t i = 0; i < 25; ++i) {
    std::optional<Blob> found = store->get(EntryKind(i % kEntryKinds), numberedKey(i));
    ASSERT_TRUE(found);
    EXPECT_TRUE(equal(*found, numberedContent(i, 100 * i)));
  }
  ASSERT_TRUE(exportTo(temp.path("b"), temp.path("again"), {}));
  EXPECT_TRUE(readBytes(temp.path("file")) == readBytes(temp.path("again"))) << "the same cache gives the same bytes";
  imported = importFrom(temp.path("b"), temp.path("file"));
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported->present, 25u);
  EntryKind artifacts[] = {EntryKind::Artifact};
  EXPECT_EQ(*exportTo(temp.path("a"), temp.path("some"), artifacts), 5u);
}

TEST(Maintenance, ADamagedExportIsAnError) {
  TemporaryDirectory temp;
  fill(temp.path("a"), 3);
  ASSERT_TRUE(exportTo(temp.path("a"), temp.path("file"), {}));
  const std::vector<uint8_t> whole = readBytes(temp.path("file"));
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> bytes = whole;
    bytes[at] ^= 0x40;
    writeBytes(temp.path("file"), bytes);
    EXPECT_FALSE(importFrom(temp.path("b"), temp.path("file"))) << at;
    bytes.resize(at);
    writeBytes(temp.path("file"), bytes);
    EXPECT_FALSE(importFrom(temp.path("b"), temp.path("file"))) << at;
  }
  EXPECT_EQ(verify(temp.path("b"), true)->damaged, 0u);
  EXPECT_FALSE(importFrom(temp.path("b"), temp.path()));
  EXPECT_FALSE(importFrom(temp.path("b"), temp.path("missing")));
}

} // namespace
