// The examples of FIPS 180-4 and its padding edges.
#include "triton/Support/Sha256.h"

#include <gtest/gtest.h>

using namespace triton;

TEST(Sha256, EmptyText) { EXPECT_EQ(sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"); }

TEST(Sha256, OneBlock) { EXPECT_EQ(sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); }

TEST(Sha256, TwoBlocks) {
  EXPECT_EQ(sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, AMillionTimesA) {
  EXPECT_EQ(sha256Hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheSameAsTheWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  for (size_t length : {55, 56, 57, 63, 64, 65, 119, 120, 128, 300}) {
    std::string_view part(text.data(), length);
    for (size_t cut = 0; cut <= length; cut += 13) {
      Sha256 hash;
      hash.update(part.data(), cut);
      hash.update(part.data() + cut, length - cut);
      std::string hex;
      for (uint8_t b : hash.finish()) {
        const char *digits = "0123456789abcdef";
        hex += digits[b >> 4];
        hex += digits[b & 15];
      }
      EXPECT_EQ(hex, sha256Hex(part)) << length << " cut at " << cut;
    }
  }
}
