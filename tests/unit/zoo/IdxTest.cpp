// IDX files, plain and gzipped, and what is wrong with damaged ones.
#include "Idx.h"

#include "triton/Tensor/Files.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>

using namespace triton;
using namespace triton::zoo;

static std::string idx(std::initializer_list<uint32_t> dims, const std::string &data, char type = 0x08) {
  std::string out{'\0', '\0', type, static_cast<char>(dims.size())};
  for (uint32_t d : dims)
    for (int shift : {24, 16, 8, 0}) out += static_cast<char>(d >> shift);
  return out + data;
}

static std::string gzip(const std::string &data) {
  z_stream s{};
  deflateInit2(&s, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&s, data.size()) + 32, '\0');
  s.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(data.data()));
  s.avail_in = static_cast<uInt>(data.size());
  s.next_out = reinterpret_cast<Bytef *>(out.data());
  s.avail_out = static_cast<uInt>(out.size());
  deflate(&s, Z_FINISH);
  out.resize(s.total_out);
  deflateEnd(&s);
  return out;
}

static std::string errorOf(const std::string &bytes, unsigned rank) {
  Result<IdxTensor> t = parseIdx(bytes, "f", rank);
  return t ? "accepted" : t.error().message;
}

TEST(Idx, ReadsSizesAndBytes) {
  Result<IdxTensor> t = parseIdx(idx({2, 1, 3}, "abcdef"), "f", 3);
  ASSERT_TRUE(t);
  EXPECT_EQ(t->dims, (std::vector<uint32_t>{2, 1, 3}));
  EXPECT_EQ(t->bytes[5], 'f');
}

TEST(Idx, DamageIsNamedWithItsOffset) {
  EXPECT_NE(errorOf("", 1).find("f: offset 0"), std::string::npos);
  EXPECT_NE(errorOf("abcdefgh", 1).find("offset 0: not an IDX file"), std::string::npos);
  EXPECT_NE(errorOf(idx({2}, "ab", 0x0D), 1).find("offset 2: element type 13"), std::string::npos);
  EXPECT_NE(errorOf(idx({2}, "ab"), 3).find("offset 3: 1 dimensions, expected 3"), std::string::npos);
  EXPECT_NE(errorOf(idx({2, 2, 2}, "").substr(0, 9), 3).find("offset 9: the sizes are cut off"), std::string::npos);
  EXPECT_NE(errorOf(idx({2, 0, 2}, ""), 3).find("offset 8: dimension 1 is zero"), std::string::npos);
  EXPECT_NE(errorOf(idx({0xFFFFFFFF, 0xFFFFFFFF, 2}, ""), 3).find("too large"), std::string::npos);
  EXPECT_NE(errorOf(idx({3}, "ab"), 1).find("offset 8: 2 bytes of elements, the sizes ask for 3"), std::string::npos);
  EXPECT_NE(errorOf(idx({1}, "ab"), 1).find("2 bytes of elements"), std::string::npos);
}

TEST(Idx, GzipRoundTrip) {
  std::string text(100000, 'x');
  Result<std::string> back = gunzip(gzip(text), "f", 1 << 20);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, text);
}

TEST(Idx, GzipDamageIsRefused) {
  std::string good = gzip(idx({1000}, std::string(1000, 'q')));
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(gunzip(good.substr(0, n), "f", 1 << 20)) << n;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    (void)bool(gunzip(damaged, "f", 1 << 20));
  }
  Result<std::string> bomb = gunzip(gzip(std::string(1 << 22, '\0')), "f", 1 << 20);
  ASSERT_FALSE(bomb);
  EXPECT_NE(bomb.error().message.find("more than 1048576 bytes"), std::string::npos);
  EXPECT_FALSE(gunzip(good + "x", "f", 1 << 20));
}

/// Writes a folder in MNIST's layout.
static std::string folderWith(const std::string &name, const std::string &images, const std::string &labels) {
  std::string folder = testing::TempDir() + name;
  std::filesystem::create_directories(folder);
  (void)bool(writeFileAtomically(folder + "/t10k-images-idx3-ubyte", images));
  (void)bool(writeFileAtomically(folder + "/t10k-labels-idx1-ubyte.gz", gzip(labels)));
  return folder;
}

TEST(Idx, ImageSetsAreReadPlainAndZipped) {
  Result<ImageSet> set = readImageSet(folderWith("idx_ok", idx({2, 2, 2}, "abcdefgh"), idx({2}, std::string("\3\4", 2))), false);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->count, 2u);
  EXPECT_EQ(set->image(1)[0], 'e');
  EXPECT_EQ(set->labels[1], 4);
}

TEST(Idx, ImageSetsMustAgree) {
  Result<ImageSet> counts = readImageSet(folderWith("idx_counts", idx({2, 2, 2}, "abcdefgh"), idx({1}, std::string("\3", 1))), false);
  ASSERT_FALSE(counts);
  EXPECT_NE(counts.error().message.find("1 labels for 2 images"), std::string::npos);
  Result<ImageSet> label = readImageSet(folderWith("idx_label", idx({1, 1, 1}, "a"), idx({1}, std::string("\12", 1))), false);
  ASSERT_FALSE(label);
  EXPECT_NE(label.error().message.find("offset 8: label 10"), std::string::npos);
  EXPECT_FALSE(readImageSet("/nonexistent", true));
}
