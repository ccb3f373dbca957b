// Packing of trits: what is packed comes back, for every size; bytes that are no trits are refused; panels lie as drawn.
#include "artifact/packing.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <random>
#include <vector>

static std::vector<int8_t> randomTrits(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int8_t> trits(count);
  for (int8_t &trit : trits) trit = int8_t(int(random() % 3) - 1);
  return trits;
}

static std::vector<uint8_t> packed(const std::vector<int8_t> &trits) {
  std::vector<uint8_t> bytes(tri_t5_bytes(trits.size()));
  tri_pack_t5(trits.data(), trits.size(), bytes.data());
  return bytes;
}

TEST(PackT5, EverySizeUpTo300ComesBack) {
  for (size_t count = 0; count <= 300; ++count) {
    const std::vector<int8_t> trits = randomTrits(count, uint32_t(count) + 1);
    const std::vector<uint8_t> bytes = packed(trits);
    std::vector<int8_t> back(count + 8, 77); // nothing behind the end may be written
    ASSERT_EQ(tri_unpack_t5(bytes.data(), count, back.data()), 0) << count;
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(back[i], trits[i]) << count << " trits, number " << i;
    for (size_t i = count; i < back.size(); ++i) ASSERT_EQ(back[i], 77) << count;
  }
}

TEST(PackT5, FollowsTheFormula) {
  const std::vector<int8_t> trits = {1, -1, 0, 1, -1, 0, 1};
  // sum (t + 1) * 3^i: 2 + 0 + 9 + 54 + 0; the rest is filled with zeros: 1 + 6 + 9 + 27 + 81.
  EXPECT_EQ(packed(trits), (std::vector<uint8_t>{65, 124}));
  EXPECT_EQ(packed(std::vector<int8_t>(5, -1)), std::vector<uint8_t>{0});
  EXPECT_EQ(packed(std::vector<int8_t>(5, 0)), std::vector<uint8_t>{121});
  EXPECT_EQ(packed(std::vector<int8_t>(5, 1)), std::vector<uint8_t>{242});
}

TEST(PackT5, CostsAtMostOnePointSixBitsAndALastByte) {
  for (size_t count : {size_t(1), size_t(5), size_t(1000), size_t(1000003)}) EXPECT_EQ(tri_t5_bytes(count), (count + 4) / 5);
  EXPECT_EQ(tri_t5_bytes(0), 0u);
  EXPECT_EQ(tri_t5_bytes(SIZE_MAX), SIZE_MAX / 5); // divisible, and no overflow
}

TEST(PackT5, BytesAbove242AreRefusedAtEveryPlace) {
  for (size_t count : {size_t(1), size_t(5), size_t(8), size_t(23), size_t(40)})
    for (size_t at = 0; at < tri_t5_bytes(count); ++at)
      for (int wrong = 243; wrong <= 255; ++wrong) {
        std::vector<uint8_t> bytes = packed(randomTrits(count, 7));
        bytes[at] = uint8_t(wrong);
        std::vector<int8_t> out(count);
        ASSERT_EQ(tri_unpack_t5(bytes.data(), count, out.data()), -1) << count << " trits, byte " << at;
      }
}

TEST(PackT5, FillersThatAreNotZeroAreRefused) {
  std::vector<int8_t> out(4);
  for (int filler : {-1, 1}) {
    const std::vector<int8_t> trits = {1, 1, 0, -1, int8_t(filler)};
    EXPECT_EQ(tri_unpack_t5(packed(trits).data(), 4, out.data()), -1);
  }
  const std::vector<int8_t> trits = {1, 1, 0, -1, 0};
  EXPECT_EQ(tri_unpack_t5(packed(trits).data(), 4, out.data()), 0);
}

/// Panels by their definition, element by element.
static std::vector<int8_t> panelsByDefinition(const std::vector<int8_t> &w, const tri_panel_layout &l) {
  std::vector<int8_t> out(tri_panel_bytes(&l), 0);
  const uint32_t groups = (l.ki + l.kr - 1) / l.kr;
  for (uint32_t o = 0; o < l.o; ++o)
    for (uint32_t t = 0; t < l.ko; ++t)
      for (uint32_t k = 0; k < l.ki; ++k) {
        const size_t panel = o / l.nr, row = o % l.nr, group = k / l.kr;
        out[(((panel * l.ko + t) * groups + group) * l.nr + row) * l.kr + k % l.kr] = w[(size_t(o) * l.ko + t) * l.ki + k];
      }
  return out;
}

TEST(PackPanels, LieAsDefined) {
  uint32_t seed = 1;
  for (uint32_t o : {1u, 3u, 4u, 10u, 17u})
    for (uint32_t ko : {1u, 9u})
      for (uint32_t ki : {1u, 3u, 4u, 16u, 21u})
        for (uint32_t nr : {1u, 4u, 16u})
          for (uint32_t kr : {1u, 4u, 8u}) {
            const tri_panel_layout layout = {o, ko, ki, nr, kr};
            const std::vector<int8_t> weights = randomTrits(size_t(o) * ko * ki, seed++);
            std::vector<int8_t> out(tri_panel_bytes(&layout) + 1, 55);
            tri_pack_panels(weights.data(), &layout, out.data());
            ASSERT_EQ(out.back(), 55);
            out.pop_back();
            ASSERT_EQ(out, panelsByDefinition(weights, layout)) << o << ' ' << ko << ' ' << ki << ' ' << nr << ' ' << kr;
          }
}

TEST(PackPanels2, HoldFourGroupsInAByte) {
  uint32_t seed = 500;
  for (uint32_t o : {1u, 4u, 17u, 33u})
    for (uint32_t ko : {1u, 3u})
      for (uint32_t ki : {1u, 4u, 15u, 16u, 17u, 70u})
        for (uint32_t nr : {1u, 16u})
          for (uint32_t kr : {1u, 4u}) {
            const tri_panel_layout layout = {o, ko, ki, nr, kr};
            const std::vector<int8_t> weights = randomTrits(size_t(o) * ko * ki, seed++);
            const uint32_t panels = (o + nr - 1) / nr, groups = (ki + 4 * kr - 1) / (4 * kr);
            ASSERT_EQ(tri_panel2_bytes(&layout), size_t(panels) * ko * groups * nr * kr);
            std::vector<uint8_t> out(tri_panel2_bytes(&layout) + 1, 55);
            tri_pack_panels2(weights.data(), &layout, out.data());
            ASSERT_EQ(out.back(), 55);
            size_t at = 0;
            for (uint32_t panel = 0; panel < panels; ++panel)
              for (uint32_t t = 0; t < ko; ++t)
                for (uint32_t group = 0; group < groups; ++group)
                  for (uint32_t row = 0; row < nr; ++row)
                    for (uint32_t j = 0; j < kr; ++j, ++at)
                      for (uint32_t g = 0; g < 4; ++g) {
                        const uint32_t k = (4 * group + g) * kr + j, channel = panel * nr + row;
                        const int want = channel < o && k < ki ? weights[(size_t(channel) * ko + t) * ki + k] : 0;
                        ASSERT_EQ(int(out[at] >> (2 * g) & 3) - 1, want) << o << ' ' << ko << ' ' << ki << ' ' << nr << ' ' << kr;
                      }
          }
  const tri_panel_layout huge = {1, 1, 1, 1, UINT32_MAX};
  EXPECT_EQ(tri_panel2_bytes(&huge), 0u);
}

TEST(PackPanels3, HoldARowOfTapsInAByte) {
  uint32_t seed = 600;
  for (uint32_t o : {1u, 4u, 17u, 33u})
    for (uint32_t ko : {3u, 9u})
      for (uint32_t ki : {1u, 3u, 4u, 5u, 16u, 21u})
        for (uint32_t nr : {1u, 16u})
          for (uint32_t kr : {1u, 4u}) {
            const tri_panel_layout layout = {o, ko, ki, nr, kr};
            const std::vector<int8_t> weights = randomTrits(size_t(o) * ko * ki, seed++);
            const uint32_t panels = (o + nr - 1) / nr, groups = (ki + kr - 1) / kr;
            ASSERT_EQ(tri_panel3_bytes(&layout), size_t(panels) * (ko / 3) * groups * nr * kr);
            std::vector<uint8_t> out(tri_panel3_bytes(&layout) + 1, 55);
            tri_pack_panels3(weights.data(), &layout, out.data());
            ASSERT_EQ(out.back(), 55);
            size_t at = 0;
            for (uint32_t panel = 0; panel < panels; ++panel)
              for (uint32_t t = 0; t < ko; t += 3)
                for (uint32_t group = 0; group < groups; ++group)
                  for (uint32_t row = 0; row < nr; ++row)
                    for (uint32_t j = 0; j < kr; ++j, ++at) {
                      ASSERT_EQ(out[at] >> 6, 0);
                      for (uint32_t s = 0; s < 3; ++s) {
                        const uint32_t k = group * kr + j, channel = panel * nr + row;
                        const int want = channel < o && k < ki ? weights[(size_t(channel) * ko + t + s) * ki + k] : 0;
                        ASSERT_EQ(int(out[at] >> (2 * s) & 3) - 1, want) << o << ' ' << ko << ' ' << ki << ' ' << nr << ' ' << kr;
                      }
                    }
          }
  const tri_panel_layout twoTaps = {1, 2, 1, 1, 1};
  EXPECT_EQ(tri_panel3_bytes(&twoTaps), 0u);
}

TEST(PackCodes, HoldEachTritOnce) {
  uint32_t seed = 700;
  for (uint32_t o : {1u, 4u, 17u, 33u})
    for (uint32_t ko : {1u, 3u})
      for (uint32_t ki : {1u, 2u, 3u, 4u, 5u, 7u, 16u, 64u})
        for (uint32_t nr : {2u, 16u})
          for (uint32_t kr : {1u, 2u, 3u, 5u}) {
            const tri_panel_layout layout = {o, ko, ki, nr, kr};
            const std::vector<int8_t> weights = randomTrits(size_t(o) * ko * ki, seed++);
            const uint32_t panels = (o + nr - 1) / nr, groups = (ki + kr - 1) / kr;
            ASSERT_EQ(tri_codes_bytes(&layout), size_t(panels) * ko * groups * nr);
            std::vector<uint8_t> out(tri_codes_bytes(&layout) + 1, 255);
            tri_pack_codes(weights.data(), &layout, out.data());
            ASSERT_EQ(out.back(), 255);
            // A sum over codes counts each step once: the product with activations that tell steps apart.
            for (uint32_t channel = 0; channel < panels * nr; ++channel)
              for (uint32_t t = 0; t < ko; ++t) {
                std::vector<int> found(ki, 0);
                for (uint32_t g = 0; g < groups; ++g) {
                  const uint32_t in = channel % nr, half = nr / 2;
                  int code = out[((size_t(channel / nr) * ko + t) * groups + g) * nr + 2 * (in % half) + in / half];
                  for (uint32_t r = kr; r-- > 0; code /= 3) found[std::min(r * groups, ki - groups) + g] += code % 3 - 1;
                  ASSERT_EQ(code, 0);
                }
                for (uint32_t k = 0; k < ki; ++k)
                  ASSERT_EQ(found[k], channel < o ? weights[(size_t(channel) * ko + t) * ki + k] : 0)
                      << o << ' ' << ko << ' ' << ki << ' ' << nr << ' ' << kr;
              }
          }
  for (const tri_panel_layout &wrong : {tri_panel_layout{1, 1, 1, 3, 2}, tri_panel_layout{1, 1, 1, 2, 6}, tri_panel_layout{1, 1, 1, 2, 0}})
    EXPECT_EQ(tri_codes_bytes(&wrong), 0u);
}

TEST(PackPanels, SizesThatDoNotFitAreZero) {
  const auto bytes = [](uint32_t o, uint32_t ko, uint32_t ki, uint32_t nr, uint32_t kr) {
    const tri_panel_layout layout = {o, ko, ki, nr, kr};
    return tri_panel_bytes(&layout);
  };
  EXPECT_EQ(bytes(10, 9, 6, 4, 4), size_t(3) * 9 * 2 * 4 * 4);
  EXPECT_EQ(bytes(0, 1, 1, 1, 1), 0u);
  EXPECT_EQ(bytes(1, 0, 1, 1, 1), 0u);
  EXPECT_EQ(bytes(1, 1, 0, 1, 1), 0u);
  EXPECT_EQ(bytes(1, 1, 1, 0, 1), 0u);
  EXPECT_EQ(bytes(1, 1, 1, 1, 0), 0u);
  EXPECT_EQ(bytes(UINT32_MAX, UINT32_MAX, UINT32_MAX, 1, 1), 0u);
  EXPECT_EQ(bytes(UINT32_MAX, 1, UINT32_MAX, UINT32_MAX, UINT32_MAX), SIZE_MAX == UINT64_MAX ? size_t(UINT32_MAX) * UINT32_MAX : 0);
  EXPECT_EQ(bytes(1, UINT32_MAX, 1, UINT32_MAX, UINT32_MAX), 0u);
}
