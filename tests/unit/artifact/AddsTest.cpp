// Weights as code: layouts, chunks, sizes; the code itself against a naive sum where AVX2 runs.
#include "artifact/adds.h"
#include "artifact/adds_masks.h"
#include "artifact/cpu_features.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <sys/mman.h>
#include <vector>

namespace {

std::vector<int8_t> randomTrits(size_t count, unsigned seed, unsigned zeros) {
  std::mt19937 random(seed);
  std::vector<int8_t> trits(count);
  for (int8_t &t : trits) t = random() % 100 < zeros ? 0 : random() % 2 ? 1 : -1;
  return trits;
}

TEST(Adds, ChunksKeepSumsInSixteenBits) {
  tri_adds_layout layout = {2, 1, 1000, 32, 1056, 0, 32};
  std::vector<int8_t> weights(2000, 0);
  EXPECT_EQ(tri_adds_chunk(weights.data(), &layout), 288u);
  std::fill(weights.begin() + 1000, weights.end(), 1);
  EXPECT_EQ(tri_adds_chunk(weights.data(), &layout), 128u); // 128 * 255 fits, 129 * 255 does not
  for (size_t i = 1000; i < 2000; i += 2) weights[i] = -1;
  EXPECT_EQ(tri_adds_chunk(weights.data(), &layout), 256u);
  layout.ki = 7;
  EXPECT_EQ(tri_adds_chunk(weights.data(), &layout), 7u); // one chunk may be odd
}

TEST(Adds, InvalidLayoutsHaveNoFunctions) {
  const tri_adds_layout good = {16, 9, 16, 18, 416, 144, 32};
  EXPECT_EQ(tri_adds_functions(&good), 2u);
  auto functions = [&](auto change) {
    tri_adds_layout layout = good;
    change(layout);
    EXPECT_EQ(tri_adds_code_bytes(&layout) == 0, tri_adds_functions(&layout) == 0);
    return tri_adds_functions(&layout);
  };
  EXPECT_EQ(functions([](auto &l) { l.o = 0; }), 0u);
  EXPECT_EQ(functions([](auto &l) { l.ko = 0; }), 0u);
  EXPECT_EQ(functions([](auto &l) { l.ko = 8; }), 0u); // not a square
  EXPECT_EQ(functions([](auto &l) { l.ko = UINT32_MAX; }), 0u);
  EXPECT_EQ(functions([](auto &l) { l.ki = UINT32_MAX; }), 0u);
  EXPECT_EQ(functions([](auto &l) { l.chunk = 0; }), 0u);
  EXPECT_EQ(functions([](auto &l) { l.chunk = 143; }), 0u); // odd, and there are others
  EXPECT_EQ(functions([](auto &l) { l.chunk = 290; }), 0u);
  EXPECT_EQ(functions([](auto &l) { l.plane = UINT32_MAX; }), 0u); // displacements beyond 30 bits
  EXPECT_EQ(functions([](auto &l) { l.pitch = UINT32_MAX; }), 0u);
  EXPECT_EQ(functions([](auto &l) { l.vector = 64; }), 1u); // 28 outputs a function and not 12
  EXPECT_EQ(functions([](auto &l) { l.vector = 0; }), 0u);
  EXPECT_EQ(functions([](auto &l) { l.vector = 16; }), 0u);
}

/// Runs all functions of a layer and compares with sums of products.
void expectSums(const tri_adds_layout &layout, const std::vector<int8_t> &weights, const std::vector<int16_t> &pixels) {
  std::vector<uint64_t> offsets(tri_adds_functions(&layout));
  const size_t most = tri_adds_code_bytes(&layout), inputs = size_t(layout.ko) * layout.ki;
  auto *code = static_cast<uint8_t *>(mmap(nullptr, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(code, MAP_FAILED);
  const size_t used = tri_adds_emit(weights.data(), &layout, code, offsets.data());
  EXPECT_LE(used, most);
  EXPECT_EQ(used, tri_adds_emit(weights.data(), &layout, nullptr, nullptr));
  for (size_t f = 0; f < offsets.size(); ++f) { // aligned to 16 bytes
    const size_t end = f + 1 < offsets.size() ? offsets[f + 1] : used;
    EXPECT_EQ((offsets[f] + tri_adds_measure(weights.data(), &layout, f).bytes + 15) / 16, (end + 15) / 16);
  }
  ASSERT_EQ(mprotect(code, most, PROT_READ | PROT_EXEC), 0);
  const size_t chunks = (inputs + layout.chunk - 1) / layout.chunk, group = tri_adds_group(&layout), width = tri_adds_pixels(&layout);
  const uint32_t side = layout.ko == 25 ? 5 : layout.ko == 9 ? 3 : 1;
  for (uint32_t o = 0; o < layout.o; ++o) {
    std::vector<int64_t> got(width), want(width);
    for (size_t c = 0; c < chunks; ++c) {
      std::vector<int16_t> sums(tri_adds_sums_bytes(&layout) / 2);
      reinterpret_cast<void (*)(const int16_t *, int16_t *)>(code + offsets[o / group * chunks + c])(pixels.data(), sums.data());
      for (size_t p = 0; p < width; ++p) got[p] += sums[o % group * width + p];
    }
    for (size_t i = 0; i < inputs; ++i)
      for (size_t p = 0; p < width; ++p) {
        const size_t tap = i / layout.ki, channel = i % layout.ki;
        want[p] += weights[o * inputs + i] * pixels[channel * layout.plane + tap / side * layout.pitch + tap % side + p];
      }
    ASSERT_EQ(got, want) << "output " << o << " of " << layout.o << ", " << layout.ko << " taps, " << layout.ki << " channels";
  }
  munmap(code, most);
}

TEST(Adds, CodeSumsWhatTheWeightsSay) {
  for (uint32_t vector : {32u, 64u}) {
    if (!(tri_cpu_features() & (vector == 32 ? TRI_CPU_AVX2 : TRI_CPU_AVX512BW))) GTEST_SKIP() << "this machine lacks vectors of " << vector << " bytes";
    for (tri_adds_layout layout :
         {tri_adds_layout{13, 9, 16, 18, 416, 0, vector}, tri_adds_layout{1, 1, 7, 16, 48, 0, vector}, tri_adds_layout{24, 1, 300, 16, 32, 0, vector},
          tri_adds_layout{12, 25, 3, 20, 500, 0, vector}, tri_adds_layout{57, 1, 33, 16, 64, 0, vector}, tri_adds_layout{28, 1, 1, 16, 64, 0, vector}})
      for (unsigned zeros : {0u, 35u, 90u, 97u, 100u}) {
        const std::vector<int8_t> weights = randomTrits(layout.o * size_t(layout.ko) * layout.ki, layout.ki + zeros, zeros);
        layout.chunk = tri_adds_chunk(weights.data(), &layout);
        ASSERT_GT(layout.chunk, 0u);
        std::mt19937 random(zeros);
        std::vector<int16_t> pixels(size_t(layout.ki) * layout.plane + 8 * layout.pitch + 64);
        for (int16_t &p : pixels) p = int16_t(zeros == 0 ? 255 : zeros == 97 ? int(random() % 256) - 128 : int(random() % 256));
        SCOPED_TRACE(testing::Message() << "vectors of " << vector << " bytes, " << zeros << " % zeros");
        expectSums(layout, weights, pixels);
      }
  }
}

/// Four inputs that all outputs want become one sum, whatever their signs and wherever they lie.
TEST(Adds, JoinsWhatTheSameOutputsWant) {
  for (uint32_t vector : {32u, 64u}) {
    tri_adds_layout layout = {vector == 32 ? 12u : 28u, 1, 160, 16, 32, 160, vector};
    std::vector<int8_t> weights(size_t(layout.o) * layout.ki);
    for (uint32_t o = 0; o < layout.o; ++o)
      for (uint32_t i = 0; i < layout.ki; ++i) weights[o * layout.ki + i] = (o + i) % 3 ? 1 : -1;
    // Cleared and stored; for four inputs a load, three sums, and each output once.
    EXPECT_LE(tri_adds_measure(weights.data(), &layout, 0).instructions, 2 * layout.o + 40 * (4 + layout.o) + 64);
    for (uint32_t o = 0; o < layout.o; ++o)
      for (uint32_t i = 0; i < layout.ki; ++i) weights[o * layout.ki + i] = o < 12 && o / 3 == i % 4; // each input for three outputs
    EXPECT_EQ(tri_adds_measure(weights.data(), &layout, 0).instructions, 2 * layout.o + 160 / 4 * (1 + 3 + 3));
    std::fill(weights.begin(), weights.end(), 0);
    EXPECT_EQ(tri_adds_measure(weights.data(), &layout, 0).instructions, 2 * layout.o);
    weights[layout.ki] = -1; // one output takes it from memory
    EXPECT_EQ(tri_adds_measure(weights.data(), &layout, 0).instructions, 2 * layout.o + 1);
  }
}

TEST(Adds, TheSearchIsTheSameOnEveryMachine) {
  std::mt19937 random(7);
  for (uint32_t outputs : {12u, 28u})
    for (uint32_t count : {1u, 2u, 15u, 16u, 17u, 287u, 288u}) {
      tri_adds_masks masks;
      tri_adds_masks_clear(&masks, count, outputs);
      for (uint32_t i = 0; i < count; ++i)
        for (uint32_t o = 0; o < outputs; ++o) tri_adds_masks_add(&masks, i, o, int8_t(int(random() % 3) - 1));
      for (uint32_t from = 1; from <= count; ++from) {
        const uint32_t wanted = random() & ((1u << outputs) - 1), negative = random();
        int sign = 0, portableSign = 0;
        const uint32_t found = tri_adds_partner(&masks, from, wanted, negative, &sign);
        ASSERT_EQ(found, tri_adds_partner_portable(&masks, from, wanted, negative, &portableSign));
        // The definition.
        uint32_t best = 0, most = 1;
        int opposite = 0;
        for (uint32_t i = from; i < count; ++i)
          for (int other : {0, 1}) {
            const uint32_t differs = tri_adds_negative(&masks, i) ^ negative;
            const uint32_t both = uint32_t(__builtin_popcount(wanted & tri_adds_wanted(&masks, i) & (other ? differs : ~differs)));
            if (both > most || (both == most && best && opposite && !other)) best = i, most = both, opposite = other;
          }
        ASSERT_EQ(found, best) << outputs << " outputs, " << count << " inputs from " << from;
        if (found) {
          ASSERT_EQ(sign, portableSign);
          ASSERT_EQ(sign, opposite);
        }
      }
    }
}

} // namespace
