// Hostile files: every byte flipped, every truncation, and damage behind correct checksums. A status every time, never a crash; run under
// sanitizers this also shows that nothing is read out of bounds.
#include "TestModel.h"

#include "artifact/container.h"
#include "artifact/elf_image.h"
#include "artifact/reader.h"
#include "triton/runtime.h"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>

using namespace triton;

/// Opens a copy that has exactly the size of the file, so that a sanitizer sees every byte read behind its end. Code is loaded, not run.
static tri_status open(const std::vector<uint8_t> &bytes, tri_error *err = nullptr) {
  const auto exact = std::make_unique<uint8_t[]>(bytes.size());
  if (!bytes.empty()) memcpy(exact.get(), bytes.data(), bytes.size());
  tri_model_options options{};
  options.allow_code = 1;
  tri_model *model = nullptr;
  const tri_status status = tri_model_open(exact.get(), bytes.size(), &options, &model, err);
  EXPECT_EQ(model != nullptr, status == TRI_OK);
  tri_model_destroy(model);
  return status;
}

/// Makes all checksums right again, as an attacker would.
static void repair(std::vector<uint8_t> &bytes) {
  const uint32_t sections = tri_load_u32(&bytes[TRI_HEADER_SECTIONS]);
  for (uint32_t i = 0; i < sections && i < TRI_MAX_SECTIONS; ++i) {
    uint8_t *entry = &bytes[TRI_HEADER_BYTES + i * TRI_SECTION_ENTRY_BYTES];
    const uint64_t offset = tri_load_u64(entry + 8), size = tri_load_u64(entry + 16);
    if (offset <= bytes.size() && size <= bytes.size() - offset) tri_store_u64(entry + 24, tri_checksum(&bytes[0] + offset, size));
  }
  const size_t table = TRI_HEADER_BYTES + size_t(sections) * TRI_SECTION_ENTRY_BYTES;
  tri_store_u64(&bytes[TRI_HEADER_CHECKSUM], 0);
  if (table <= bytes.size()) tri_store_u64(&bytes[TRI_HEADER_CHECKSUM], tri_checksum(bytes.data(), table));
}

/// The model with its code as one row of literals, so that damage to a byte is damage to that byte of the object, which begins at `*elf`.
static std::vector<uint8_t> withPlainCode(const CompiledModel &model, size_t *elf) {
  std::vector<uint8_t> bytes = test::written(model);
  uint8_t *entry = &bytes[TRI_HEADER_BYTES + 2 * TRI_SECTION_ENTRY_BYTES];
  bytes.resize(tri_load_u64(entry + 8));
  const std::vector<uint8_t> &code = model.variants[0].elf;
  bytes.push_back(0xf0);
  size_t rest = code.size() - 15;
  for (; rest >= 255; rest -= 255) bytes.push_back(255);
  bytes.push_back(uint8_t(rest));
  *elf = bytes.size();
  bytes.insert(bytes.end(), code.begin(), code.end());
  entry = &bytes[TRI_HEADER_BYTES + 2 * TRI_SECTION_ENTRY_BYTES];
  tri_store_u64(entry + 16, bytes.size() - tri_load_u64(entry + 8));
  tri_store_u64(&bytes[TRI_HEADER_FILE_BYTES], bytes.size());
  repair(bytes);
  return bytes;
}

TEST(Hostile, EveryFlippedByteIsFound) {
  const std::vector<uint8_t> good = test::written(test::denseModel());
  ASSERT_EQ(open(good), TRI_OK);
  std::vector<uint8_t> bad = good;
  for (size_t i = 0; i < good.size(); ++i) {
    bad[i] ^= uint8_t(1u << (i % 8));
    const tri_status status = open(bad);
    // Only the version may give another status: a newer version is not damage.
    if (i < TRI_HEADER_VERSION || i >= TRI_HEADER_SECTIONS)
      ASSERT_EQ(status, TRI_CORRUPT) << "byte " << i;
    else
      ASSERT_EQ(status, TRI_UNSUPPORTED) << "byte " << i;
    bad[i] = good[i];
  }
}

TEST(Hostile, EveryTruncationIsFound) {
  const std::vector<uint8_t> good = test::written(test::denseModel());
  for (size_t size = 0; size < good.size(); ++size) ASSERT_EQ(open({good.begin(), good.begin() + std::ptrdiff_t(size)}), TRI_CORRUPT) << size;
  std::vector<uint8_t> longer = good;
  longer.push_back(0);
  tri_error err{};
  EXPECT_EQ(open(longer, &err), TRI_CORRUPT);
  EXPECT_EQ(std::string(err.message).find("too long: the header says "), 0u) << err.message;
}

TEST(Hostile, DamageBehindRightChecksumsNeverCrashes) {
  size_t elf = 0;
  const std::vector<uint8_t> good = withPlainCode(test::denseModel(), &elf);
  ASSERT_EQ(open(good), TRI_OK);
  const uint64_t metadata = tri_load_u64(&good[TRI_HEADER_METADATA_OFFSET]), metadataBytes = tri_load_u64(&good[TRI_HEADER_METADATA_BYTES]);
  // Every byte of the header, of the metadata, and of the object's first headers, with values that often matter.
  std::vector<size_t> places;
  for (size_t i = 0; i < TRI_HEADER_BYTES + 3 * TRI_SECTION_ENTRY_BYTES; ++i) places.push_back(i);
  for (size_t i = 0; i < metadataBytes; ++i) places.push_back(metadata + i);
  for (size_t i = 0; i < 64 + 9 * 56; ++i) places.push_back(elf + i);
  int accepted = 0;
  for (const size_t place : places)
    for (const uint8_t value : {uint8_t(0), uint8_t(0x80), uint8_t(0xff), uint8_t(good[place] + 1)}) {
      std::vector<uint8_t> bad = good;
      bad[place] = value;
      repair(bad);
      accepted += open(bad) == TRI_OK;
    }
  EXPECT_GT(accepted, 0); // a changed letter in a name is no damage
}

TEST(Hostile, RandomDamageBehindRightChecksumsNeverCrashes) {
  const std::vector<uint8_t> good = test::written(test::denseModel());
  const uint32_t seed = 20240607;
  std::mt19937 random(seed);
  const uint64_t metadata = tri_load_u64(&good[TRI_HEADER_METADATA_OFFSET]), metadataBytes = tri_load_u64(&good[TRI_HEADER_METADATA_BYTES]);
  for (int round = 0; round < 4000; ++round) {
    std::vector<uint8_t> bad = good;
    for (uint32_t i = 0, count = 1 + random() % 8; i < count; ++i) {
      const bool anywhere = random() % 4 == 0;
      const size_t place = anywhere ? random() % bad.size() : metadata + random() % metadataBytes;
      if (random() % 2 && place + 4 <= bad.size())
        tri_store_u32(&bad[place], random() % 2 ? uint32_t(random()) : uint32_t(random() % 64) - 32);
      else
        bad[place] = uint8_t(random());
    }
    repair(bad);
    (void)open(bad);
  }
}

TEST(Hostile, WordsOfTheMetadataNeverCrash) {
  const std::vector<uint8_t> good = test::written(test::denseModel());
  const uint64_t metadata = tri_load_u64(&good[TRI_HEADER_METADATA_OFFSET]), metadataBytes = tri_load_u64(&good[TRI_HEADER_METADATA_BYTES]);
  for (uint64_t at = 0; at + 4 <= metadataBytes; at += 4)
    for (const uint32_t value : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu, uint32_t(metadataBytes), uint32_t(0) - uint32_t(at), 0x00010000u}) {
      std::vector<uint8_t> bad = good;
      tri_store_u32(&bad[metadata + at], value);
      repair(bad);
      (void)open(bad);
    }
}

/// A header with chosen numbers and right checksums.
static std::vector<uint8_t> frame(uint32_t sections, uint64_t fileBytes, size_t actualBytes) {
  std::vector<uint8_t> bytes(actualBytes);
  memcpy(bytes.data(), TRI_CONTAINER_MAGIC, TRI_MAGIC_BYTES);
  tri_store_u32(&bytes[TRI_HEADER_VERSION], TRI_CONTAINER_VERSION);
  tri_store_u32(&bytes[TRI_HEADER_SECTIONS], sections);
  tri_store_u64(&bytes[TRI_HEADER_FILE_BYTES], fileBytes);
  return bytes;
}

static std::string messageOf(const std::vector<uint8_t> &bytes) {
  tri_error err{};
  EXPECT_NE(open(bytes, &err), TRI_OK);
  return err.message;
}

TEST(Hostile, FramesAreCheckedFieldByField) {
  EXPECT_EQ(messageOf(frame(2, 200, 199)), "truncated: the header says 200 bytes, there are 199");
  EXPECT_EQ(messageOf(frame(2, UINT64_MAX, 200)), "truncated: the header says 18446744073709551615 bytes, there are 200");
  EXPECT_EQ(messageOf(frame(1, 200, 200)), "header: 1 sections; 2 to 66 are possible");
  EXPECT_EQ(messageOf(frame(67, 9000, 9000)), "header: 67 sections; 2 to 66 are possible");
  EXPECT_EQ(messageOf(frame(UINT32_MAX, 200, 200)), "header: 4294967295 sections; 2 to 66 are possible");
  EXPECT_EQ(messageOf(frame(60, 200, 200)), "truncated: the section table ends at 1984");
  EXPECT_EQ(messageOf(frame(2, 200, 200)), "header: the checksum does not match");
  std::vector<uint8_t> bytes = frame(3, 8192, 8192); // the table ends at 160
  repair(bytes);
  EXPECT_EQ(messageOf(bytes), "section 0: kind 0 where 1 is expected");
  tri_store_u32(&bytes[TRI_HEADER_BYTES], TRI_SECTION_METADATA);
  repair(bytes);
  EXPECT_EQ(messageOf(bytes), "section 0: 0 bytes at offset 0 do not fit the file");
  tri_store_u64(&bytes[TRI_HEADER_BYTES + 8], 192);
  tri_store_u64(&bytes[TRI_HEADER_BYTES + 16], UINT64_MAX - 100);
  repair(bytes);
  EXPECT_EQ(messageOf(bytes), "section 0: 18446744073709551515 bytes at offset 192 do not fit the file");
  tri_store_u64(&bytes[TRI_HEADER_BYTES + 16], 100);
  bytes[170] = 1;
  repair(bytes);
  EXPECT_EQ(messageOf(bytes), "section 0: the padding before it is not zero");
  bytes[170] = 0;
  tri_store_u32(&bytes[TRI_HEADER_BYTES + 32], TRI_SECTION_WEIGHTS);
  tri_store_u64(&bytes[TRI_HEADER_BYTES + 40], 320);
  tri_store_u32(&bytes[TRI_HEADER_BYTES + 64], TRI_SECTION_CODE);
  tri_store_u64(&bytes[TRI_HEADER_BYTES + 72], 320);
  tri_store_u64(&bytes[TRI_HEADER_BYTES + 80], 8192 - 320);
  repair(bytes);
  EXPECT_EQ(messageOf(bytes), "header: the place of the metadata is not that of section 0");
  tri_store_u64(&bytes[TRI_HEADER_METADATA_OFFSET], 192);
  tri_store_u64(&bytes[TRI_HEADER_METADATA_BYTES], 100);
  repair(bytes);
  EXPECT_EQ(messageOf(bytes), "metadata (section 0): not a valid FlatBuffer of this schema");
  bytes[TRI_HEADER_RESERVED] = 1;
  repair(bytes);
  EXPECT_EQ(messageOf(bytes), "header: a reserved byte is not zero");
}

TEST(Hostile, DamagedCompressionNeverCrashes) {
  const std::vector<uint8_t> good = test::written(test::denseModel());
  const uint64_t code = tri_load_u64(&good[TRI_HEADER_BYTES + 2 * TRI_SECTION_ENTRY_BYTES + 8]);
  int refused = 0;
  for (size_t place = code; place < good.size(); ++place)
    for (const uint8_t value : {uint8_t(0), uint8_t(0x0f), uint8_t(0xf0), uint8_t(0xff), uint8_t(good[place] + 1)}) {
      std::vector<uint8_t> bad = good;
      bad[place] = value;
      repair(bad);
      refused += open(bad) == TRI_CORRUPT;
    }
  EXPECT_GT(refused, 0);
}

TEST(Hostile, CodeThatDoesNotExpandIsNamed) {
  size_t elf = 0;
  std::vector<uint8_t> bytes = withPlainCode(test::denseModel(), &elf);
  uint8_t *entry = &bytes[TRI_HEADER_BYTES + 2 * TRI_SECTION_ENTRY_BYTES];
  tri_store_u64(entry + 16, tri_load_u64(entry + 16) - 1);
  bytes.pop_back();
  tri_store_u64(&bytes[TRI_HEADER_FILE_BYTES], bytes.size());
  repair(bytes);
  const CompiledModel model = test::denseModel();
  EXPECT_EQ(messageOf(bytes), "code of variant '" + model.variants[0].target + "' (section 2): it does not expand to " +
                                  std::to_string(model.variants[0].elf.size()) + " bytes");
}

TEST(Hostile, WeightsThatAreNoTritsAreNamed) {
  std::vector<uint8_t> bytes = test::written(test::denseModel());
  const uint64_t weights = tri_load_u64(&bytes[TRI_HEADER_BYTES + TRI_SECTION_ENTRY_BYTES + 8]);
  bytes[weights + 3] = 243;
  repair(bytes);
  EXPECT_EQ(messageOf(bytes), "weights 'fc.weight' (blob 0): a byte is not five trits");
  EXPECT_EQ(describeArtifact(bytes, "m.tern").error().message, "m.tern: weights 'fc.weight': a byte is not five trits");
}

TEST(Hostile, TheMagicTellsWhatIsNoArtifact) {
  EXPECT_EQ(messageOf({}), "not a .tern file (the first 8 bytes are not its magic)");
  EXPECT_EQ(messageOf(std::vector<uint8_t>(1 << 20, 'x')), "not a .tern file (the first 8 bytes are not its magic)");
  std::vector<uint8_t> newer = test::written(test::denseModel());
  tri_store_u32(&newer[TRI_HEADER_VERSION], TRI_CONTAINER_VERSION + 1);
  tri_error err{};
  EXPECT_EQ(open(newer, &err), TRI_UNSUPPORTED);
  EXPECT_STREQ(err.message, "container version 3; this build reads version 2");
}
