// The LZ4 blocks of code sections: what the LZ4 library compresses comes back, and whatever else is given, nothing outside the buffers is
// touched (the sanitizers see it: every buffer has exactly its size).
#include "artifact/lz4.h"

#include <gtest/gtest.h>
#include <lz4.h>
#include <lz4hc.h>
#include <memory>
#include <random>
#include <vector>

using Bytes = std::vector<uint8_t>;

/// Expands exact copies; false if the block is refused.
static bool expand(const Bytes &block, size_t size, Bytes *out = nullptr) {
  const auto from = std::make_unique<uint8_t[]>(block.size()), to = std::make_unique<uint8_t[]>(size);
  std::copy(block.begin(), block.end(), from.get());
  const bool good = tri_lz4_expand(from.get(), block.size(), to.get(), size);
  if (good && out) out->assign(to.get(), to.get() + size);
  return good;
}

/// Bytes with runs, repeats from afar and noise, as many as `size`.
static Bytes mixture(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes;
  while (bytes.size() < size) {
    const size_t length = std::min<size_t>(1 + random() % (random() % 8 ? 40 : 900), size - bytes.size());
    switch (bytes.empty() ? 0 : random() % 3) {
    case 0:
      for (size_t i = 0; i < length; ++i) bytes.push_back(uint8_t(random()));
      break;
    case 1: bytes.insert(bytes.end(), length, uint8_t(random())); break;
    case 2:
      for (size_t i = 0, distance = 1 + random() % bytes.size(); i < length; ++i) bytes.push_back(bytes[bytes.size() - distance]);
      break;
    }
  }
  return bytes;
}

static Bytes compressed(const Bytes &bytes, bool high) {
  Bytes block(size_t(LZ4_compressBound(int(bytes.size()))));
  const char *from = reinterpret_cast<const char *>(bytes.data());
  char *to = reinterpret_cast<char *>(block.data());
  const int size = high ? LZ4_compress_HC(from, to, int(bytes.size()), int(block.size()), LZ4HC_CLEVEL_MAX)
                        : LZ4_compress_default(from, to, int(bytes.size()), int(block.size()));
  block.resize(size_t(size));
  return block;
}

TEST(Lz4, WhatTheLibraryCompressesComesBack) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    const Bytes bytes = mixture(seed < 300 ? seed + 1 : seed * 701, seed);
    for (const bool high : {false, true}) {
      Bytes back;
      ASSERT_TRUE(expand(compressed(bytes, high), bytes.size(), &back)) << seed;
      ASSERT_EQ(back, bytes) << seed;
    }
  }
}

TEST(Lz4, AnotherSizeIsRefused) {
  const Bytes bytes = mixture(5000, 1), block = compressed(bytes, true);
  for (const size_t size : {size_t(0), size_t(1), size_t(4999), size_t(5001), size_t(9000)}) EXPECT_FALSE(expand(block, size)) << size;
}

TEST(Lz4, EveryPrefixIsRefused) {
  const Bytes bytes = mixture(3000, 2), block = compressed(bytes, false);
  for (size_t size = 0; size < block.size(); ++size) EXPECT_FALSE(expand({block.begin(), block.begin() + std::ptrdiff_t(size)}, bytes.size())) << size;
}

TEST(Lz4, DistancesAndLengthsAreChecked) {
  EXPECT_TRUE(expand({0x00}, 0));
  EXPECT_TRUE(expand({0x20, 'a', 'b'}, 2));
  EXPECT_FALSE(expand({}, 0));                                  // no token
  EXPECT_FALSE(expand({0x20, 'a', 'b'}, 1));                    // more literals than there is room for
  EXPECT_FALSE(expand({0x30, 'a', 'b'}, 3));                    // fewer bytes than literals
  Bytes repeated;
  EXPECT_TRUE(expand({0x12, 'a', 1, 0, 0x10, 'b'}, 8, &repeated)); // a match that reaches into itself
  EXPECT_EQ(repeated, Bytes({'a', 'a', 'a', 'a', 'a', 'a', 'a', 'b'}));
  EXPECT_FALSE(expand({0x12, 'a', 0, 0, 0x10, 'b'}, 8));        // distance 0
  EXPECT_FALSE(expand({0x12, 'a', 2, 0, 0x10, 'b'}, 8));        // a distance before the beginning
  EXPECT_FALSE(expand({0x12, 'a', 1}, 7));                      // half a distance
  EXPECT_FALSE(expand({0x12, 'a', 1, 0}, 7));                   // ends behind a match
  EXPECT_FALSE(expand({0x1f, 'a', 1, 0, 255, 255}, 100));       // a length without end
  Bytes endless(1 << 16, 255);
  endless[0] = 0xf0;
  EXPECT_FALSE(expand(endless, 1000));
}

TEST(Lz4, GarbageTouchesNothingElse) {
  std::mt19937 random(20240607);
  int accepted = 0;
  for (int round = 0; round < 40000; ++round) {
    Bytes block = round % 2 ? Bytes(random() % 60) : compressed(mixture(1 + random() % 300, uint32_t(round)), false);
    for (size_t i = 0, count = round % 2 ? block.size() : 1 + random() % 3; i < count && !block.empty(); ++i)
      block[round % 2 ? i : random() % block.size()] = uint8_t(random() % (random() % 2 ? 256 : 20));
    accepted += expand(block, random() % 300);
  }
  EXPECT_GT(accepted, 0);
}
