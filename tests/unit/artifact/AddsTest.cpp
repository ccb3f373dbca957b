// Weights as code: layouts, chunks, sizes; the code itself against a naive sum where AVX2 runs.
#include "artifact/adds.h"
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
  tri_adds_layout layout = {2, 1, 1000, 32, 1056, 0};
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
  const tri_adds_layout good = {16, 9, 16, 18, 416, 144};
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
}

TEST(Adds, CodeSumsWhatTheWeightsSay) {
  if (!(tri_cpu_features() & TRI_CPU_AVX2)) GTEST_SKIP() << "this machine lacks AVX2";
  for (tri_adds_layout layout : {tri_adds_layout{13, 9, 16, 18, 416, 0}, tri_adds_layout{1, 1, 7, 16, 48, 0}, tri_adds_layout{24, 1, 300, 16, 32, 0},
                                 tri_adds_layout{12, 25, 3, 20, 500, 0}})
    for (unsigned zeros : {0u, 35u, 90u, 100u}) {
      const size_t inputs = size_t(layout.ko) * layout.ki;
      const std::vector<int8_t> weights = randomTrits(layout.o * inputs, layout.ki + zeros, zeros);
      layout.chunk = tri_adds_chunk(weights.data(), &layout);
      ASSERT_GT(layout.chunk, 0u);
      std::vector<uint64_t> offsets(tri_adds_functions(&layout));
      const size_t most = tri_adds_code_bytes(&layout);
      auto *code = static_cast<uint8_t *>(mmap(nullptr, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      ASSERT_NE(code, MAP_FAILED);
      const size_t used = tri_adds_emit(weights.data(), &layout, code, offsets.data());
      EXPECT_LE(used, most);
      EXPECT_EQ(used, tri_adds_emit(weights.data(), &layout, nullptr, nullptr));
      ASSERT_EQ(mprotect(code, most, PROT_READ | PROT_EXEC), 0);
      std::mt19937 random(zeros);
      std::vector<int16_t> pixels(size_t(layout.ki) * layout.plane + 8 * layout.pitch + 64);
      for (int16_t &p : pixels) p = int16_t(zeros == 0 ? 255 : random() % 256);
      const size_t chunks = (inputs + layout.chunk - 1) / layout.chunk;
      const uint32_t side = layout.ko == 25 ? 5 : layout.ko == 9 ? 3 : 1;
      for (uint32_t o = 0; o < layout.o; ++o) {
        std::vector<int64_t> got(TRI_ADDS_PIXELS), want(TRI_ADDS_PIXELS);
        for (size_t c = 0; c < chunks; ++c) {
          int16_t sums[TRI_ADDS_GROUP * TRI_ADDS_PIXELS];
          reinterpret_cast<void (*)(const int16_t *, int16_t *)>(code + offsets[o / TRI_ADDS_GROUP * chunks + c])(pixels.data(), sums);
          for (int p = 0; p < TRI_ADDS_PIXELS; ++p) got[p] += sums[o % TRI_ADDS_GROUP * TRI_ADDS_PIXELS + p];
        }
        for (size_t i = 0; i < inputs; ++i)
          for (int p = 0; p < TRI_ADDS_PIXELS; ++p) {
            const size_t tap = i / layout.ki, channel = i % layout.ki;
            want[p] += weights[o * inputs + i] * pixels[channel * layout.plane + tap / side * layout.pitch + tap % side + p];
          }
        ASSERT_EQ(got, want) << "output " << o << " of " << layout.o << ", " << layout.ko << " taps, " << layout.ki << " channels, " << zeros << " % zeros";
      }
      munmap(code, most);
    }
}

} // namespace
