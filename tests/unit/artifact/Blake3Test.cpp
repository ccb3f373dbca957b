// BLAKE3 against published digests, and pieces against the whole.
#include "artifact/blake3.h"

#include <algorithm>
#include <cstdint>
#include <gtest/gtest.h>
#include <string>
#include <vector>

static std::string hex(const uint8_t *digest) {
  std::string text;
  for (int i = 0; i < TRI_BLAKE3_BYTES; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

/// The input of the official test vectors: 0, 1, ... 250, 0, 1, ...
static std::vector<uint8_t> vectorInput(size_t bytes) {
  std::vector<uint8_t> input(bytes);
  for (size_t i = 0; i < bytes; ++i) input[i] = uint8_t(i % 251);
  return input;
}

static std::string digestOf(const std::vector<uint8_t> &input) {
  uint8_t digest[TRI_BLAKE3_BYTES];
  tri_blake3(input.data(), input.size(), digest);
  return hex(digest);
}

TEST(Blake3, EqualsPublishedDigests) {
  EXPECT_EQ(digestOf({}), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  EXPECT_EQ(digestOf({'a', 'b', 'c'}), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
}

TEST(Blake3, EqualsLlvmAroundBlockChunkAndTreeBoundaries) {
  // Computed once with the BLAKE3 of LLVM 19.
  const struct {
    size_t bytes;
    const char *digest;
  } rows[] = {
      {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
      {63, "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b"},
      {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98"},
      {65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee"},
      {128, "f17e570564b26578c33bb7f44643f539624b05df1a76c81f30acd548c44b45ef"},
      {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
      {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
      {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
      {2047, "58830fbf51a4423c573b164471690570e544cfe793bead46225664796b4b1467"},
      {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"},
      {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"},
      {3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2"},
      {3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3"},
      {4096, "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969"},
      {5120, "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833"},
      {6145, "f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f"},
      {7168, "61da957ec2499a95d6b8023e2b0e604ec7f6b50e80a9678b89d2628e99ada77a"},
      {8192, "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63"},
      {8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b"},
      {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4"},
      {31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"},
      {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
  };
  for (const auto &row : rows) EXPECT_EQ(digestOf(vectorInput(row.bytes)), row.digest) << row.bytes;
}

TEST(Blake3, PiecesGiveTheDigestOfTheWhole) {
  const std::vector<uint8_t> input = vectorInput(10000);
  for (size_t step : {size_t(1), size_t(7), size_t(64), size_t(1000), size_t(1024), size_t(4097)}) {
    tri_blake3_state state;
    tri_blake3_start(&state);
    for (size_t at = 0; at < input.size(); at += step) tri_blake3_update(&state, &input[at], std::min(step, input.size() - at));
    uint8_t digest[TRI_BLAKE3_BYTES];
    tri_blake3_finish(&state, digest);
    EXPECT_EQ(hex(digest), digestOf(input)) << step;
    tri_blake3_update(&state, "x", 1); // finishing does not end the state
    tri_blake3_finish(&state, digest);
    std::vector<uint8_t> longer = input;
    longer.push_back('x');
    EXPECT_EQ(hex(digest), digestOf(longer)) << step;
  }
}
