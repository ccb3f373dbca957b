// The identities and bounds that make the Winograd forms exact in integers, and when they are chosen.
#include "Winograd.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <gtest/gtest.h>
#include <random>

using namespace triton;

namespace {

/// U = GgG' of one window of weights.
void transformWeights(const int (&g)[3][3], int64_t (&u)[6][6]) {
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) {
      u[i][j] = 0;
      for (int r = 0; r < 3; ++r)
        for (int s = 0; s < 3; ++s)
          u[i][j] += kWinogradG[i][r] * kWinogradG[j][s] * g[r][s];
    }
}
/// V = B'dB of one window of activations.
void transformInput(const int (&d)[6][6], int64_t (&v)[6][6]) {
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) {
      v[i][j] = 0;
      for (int r = 0; r < 6; ++r)
        for (int s = 0; s < 6; ++s)
          v[i][j] += kWinogradB[i][r] * kWinogradB[j][s] * d[r][s];
    }
}

/// Many channels with wrapping 32-bit sums, as generated code adds them, against the sum itself.
void checkChannels(int channels, int lo, int hi, int pattern, unsigned seed) {
  std::mt19937 random(seed);
  uint32_t m[6][6] = {};
  int64_t want[4][4] = {};
  for (int c = 0; c < channels; ++c) {
    int d[6][6], g[3][3];
    for (auto &row : d)
      for (int &x : row)
        x = pattern == 1 ? hi : pattern == 2 ? (random() % 2 ? hi : lo) : std::uniform_int_distribution<int>(lo, hi)(random);
    for (auto &row : g)
      for (int &w : row)
        w = pattern == 1 ? 1 : int(random() % 3) - 1;
    int64_t u[6][6], v[6][6];
    transformWeights(g, u);
    transformInput(d, v);
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 6; ++j) {
        ASSERT_LE(std::abs(u[i][j]), 576);
        ASSERT_EQ(v[i][j], int16_t(v[i][j]));
        m[i][j] += uint32_t(u[i][j] * v[i][j]);
      }
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 4; ++x)
        for (int r = 0; r < 3; ++r)
          for (int s = 0; s < 3; ++s)
            want[y][x] += d[y + r][x + s] * g[r][s];
  }
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) {
      uint32_t sum = 0;
      for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j)
          sum += uint32_t(kWinogradA[y][i] * kWinogradA[x][j]) * m[i][j];
      float got = float(int32_t(sum)) * (1.0f / kWinogradScale);
      ASSERT_LE(std::abs(want[y][x]), kWinogradMostSum);
      EXPECT_EQ(got, float(want[y][x])) << channels << " channels of " << lo << ".." << hi << ", pattern " << pattern << ", result " << y << ", " << x;
    }
}

TEST(Winograd, GivesTheSumsOfTheConvolution) {
  unsigned seed = 1;
  for (int channels : {1, 2, 64, 512, 800})
    for (int pattern : {0, 1, 2})
      for (auto [lo, hi] : {std::pair<int, int>{0, 255}, {-128, 127}, {-128, -128}, {0, 1}})
        checkChannels(channels, lo, hi, pattern, seed++);
  // The most that is admitted: 9 * 255 * 812 < 2^24 / 9. The products' sums wrap many times on the way.
  checkChannels(812, 0, 255, 1, seed);
}

/// Every result that is admitted comes back from its multiple through binary32.
TEST(Winograd, DivisionIsExact) {
  EXPECT_LE(kWinogradMostSum * kWinogradScale, INT32_MAX);
  for (int32_t sum = -int32_t(kWinogradMostSum); sum <= int32_t(kWinogradMostSum); ++sum)
    ASSERT_EQ(float(sum * kWinogradScale) * (1.0f / kWinogradScale), float(sum)) << sum;
}

/// Every window of trits: |U| <= 576, reached.
TEST(Winograd, TransformedTritsAreSmall) {
  int64_t greatest = 0;
  for (int code = 0; code < 19683; ++code) {
    int g[3][3], rest = code;
    for (auto &row : g)
      for (int &w : row)
        w = rest % 3 - 1, rest /= 3;
    int64_t u[6][6];
    transformWeights(g, u);
    for (auto &row : u)
      for (int64_t x : row)
        greatest = std::max(greatest, std::abs(x));
  }
  EXPECT_EQ(greatest, 576);
}

/// The window that drives each transformed activation to its extremes, for unsigned and signed bytes.
TEST(Winograd, TransformedActivationsFitSixteenBits) {
  int64_t greatest[2] = {0, 0};
  for (int isSigned : {0, 1})
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 6; ++j)
        for (int sign : {1, -1}) {
          int d[6][6];
          for (int r = 0; r < 6; ++r)
            for (int s = 0; s < 6; ++s) {
              int factor = sign * kWinogradB[i][r] * kWinogradB[j][s];
              d[r][s] = factor > 0 ? (isSigned ? 127 : 255) : factor < 0 ? (isSigned ? -128 : 0) : 0;
            }
          int64_t v[6][6];
          transformInput(d, v);
          greatest[isSigned] = std::max(greatest[isSigned], std::abs(v[i][j]));
        }
  EXPECT_EQ(greatest[0], 68 * 255);
  EXPECT_LE(greatest[1], 100 * 128);
  EXPECT_LE(std::max(greatest[0], greatest[1]), INT16_MAX);
}

/// The bytes' form as generated code computes it, against the sum itself: V modulo 256, as an unsigned byte; sums modulo 2^32 that begin with
/// winogradStarts; the quarter by a shift. `excess`: activations lie as code + 128. Returns whether any V reached its bounds.
void checkBytes(int channels, bool isUnsigned, bool excess, int pattern, unsigned seed) {
  std::mt19937 random(seed);
  int most = int(winogradMostCode(isUnsigned)), least = isUnsigned ? 0 : -most;
  std::vector<int8_t> weights(9 * size_t(channels));
  std::vector<std::array<std::array<int, 4>, 4>> d(static_cast<size_t>(channels));
  for (int8_t &w : weights)
    w = pattern == 1 ? int8_t(1) : pattern == 2 ? int8_t(-1) : int8_t(int(random() % 3) - 1);
  int oneOf = int(random());
  for (auto &window : d)
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j)
        window[i][j] = pattern == 1   ? most
                       : pattern == 2 ? least
                       : pattern == 3 ? ((i + j) % 2 ? most : least)
                       : pattern == 4 ? (oneOf >> (i * 4 + j) & 1 ? most : least)
                                      : std::uniform_int_distribution<int>(least, most)(random);
  std::vector<int32_t> starts = winogradStarts(weights, 1, 64, isUnsigned);
  int32_t m[4][4] = {};
  for (int y = 0; y < 2; ++y)
    for (int x = 0; x < 2; ++x)
      m[3 * y][3 * x] = starts[size_t(y * 2 + x) * 64];
  int64_t want[2][2] = {};
  for (int c = 0; c < channels; ++c) {
    int g[3][3];
    for (int tap = 0; tap < 9; ++tap)
      g[tap / 3][tap % 3] = weights[size_t(tap * channels + c)];
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        int u = 0;
        uint8_t v = isUnsigned && i == 1 && j == 1 ? 0 : 128;
        for (int r = 0; r < 3; ++r)
          for (int s = 0; s < 3; ++s)
            u += kWinogradBytesG[i][r] * kWinogradBytesG[j][s] * g[r][s];
        for (int r = 0; r < 4; ++r)
          for (int s = 0; s < 4; ++s)
            v = uint8_t(v + kWinogradBytesB[i][r] * kWinogradBytesB[j][s] * uint8_t(d[size_t(c)][r][s] + (excess ? 128 : 0)));
        ASSERT_EQ(u, int8_t(u));
        m[i][j] = int32_t(uint32_t(m[i][j]) + uint32_t(u * int(v)));
      }
    for (int y = 0; y < 2; ++y)
      for (int x = 0; x < 2; ++x)
        for (int r = 0; r < 3; ++r)
          for (int s = 0; s < 3; ++s)
            want[y][x] += d[size_t(c)][y + r][x + s] * g[r][s];
  }
  for (int y = 0; y < 2; ++y)
    for (int x = 0; x < 2; ++x) {
      uint32_t sum = 0;
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
          sum += uint32_t(kWinogradBytesA[y][i] * kWinogradBytesA[x][j]) * uint32_t(m[i][j]);
      EXPECT_EQ(int32_t(sum) & 3, 0);
      EXPECT_EQ(int32_t(sum) >> 2, want[y][x]) << channels << (isUnsigned ? " unsigned" : " signed") << (excess ? ", excess" : "") << ", pattern " << pattern;
    }
}

TEST(WinogradBytes, GiveTheSumsOfTheConvolution) {
  unsigned seed = 1;
  for (int channels : {1, 3, 64, 513, 4096})
    for (int pattern : {0, 1, 2, 3, 4, 4, 4, 4})
      for (auto [isUnsigned, excess] : {std::pair<bool, bool>{true, false}, {false, false}, {false, true}})
        checkBytes(channels, isUnsigned, excess, pattern, seed++);
}

/// Sums of four codes at the bounds, and that the bounds are the last ones.
TEST(WinogradBytes, TransformedCodesFitBytes) {
  for (bool isUnsigned : {true, false}) {
    int most = int(winogradMostCode(isUnsigned));
    int lowest = 0, highest = 0;
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        int low = 0, high = 0;
        for (int r = 0; r < 4; ++r)
          for (int s = 0; s < 4; ++s) {
            int factor = kWinogradBytesB[i][r] * kWinogradBytesB[j][s];
            (factor < 0 ? low : high) += factor * most;
            if (!isUnsigned)
              (factor < 0 ? high : low) -= factor * most;
          }
        int offset = isUnsigned && i == 1 && j == 1 ? 0 : 128;
        lowest = std::min(lowest, low + offset), highest = std::max(highest, high + offset);
      }
    EXPECT_GE(lowest, 0);
    EXPECT_LE(highest, 255);
    EXPECT_GT(highest + 4, 255) << "one more would not fit";
  }
}

ConvShape shapeOf(int64_t channels, int64_t size) {
  ConvShape shape;
  shape.channels = channels;
  shape.outputs = shape.storedChannels = channels;
  shape.kernelH = shape.kernelW = 3;
  shape.outH = shape.outW = size;
  shape.x = {(size + 2) * (size + 2) * channels, (size + 2) * channels, channels};
  shape.out = {size * size * channels, size * channels, channels};
  shape.rowRuns = true;
  return shape;
}

std::optional<WinogradChoice> choose(const char *targetName, const ConvShape &shape, bool trits = true) {
  TargetDesc target = *parseTarget(targetName);
  TileChoice direct = chooseTile(target, trits, true, shape.outputs, shape.outW);
  std::vector<WinogradChoice> choices = winogradChoices(target, shape, direct, {trits, true, false, 255, double(9 * 255 * shape.channels)}, 1);
  return choices.empty() ? std::nullopt : std::optional(choices[0]);
}

TEST(Winograd, IsTakenOnlyWhereItIsExactAndThereAreInstructions) {
  for (const char *target : {"x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni"}) {
    EXPECT_TRUE(choose(target, shapeOf(64, 56))) << target;
    EXPECT_TRUE(choose(target, shapeOf(812, 4))) << target;
    EXPECT_FALSE(choose(target, shapeOf(813, 4))) << target << ": sums beyond 2^24 / 9";
    EXPECT_FALSE(choose(target, shapeOf(64, 56), false)) << target << ": 8-bit weights";
    EXPECT_FALSE(choose(target, shapeOf(64, 3))) << target << ": less than a tile";
    for (int64_t ConvShape::*field : {&ConvShape::kernelH, &ConvShape::kernelW, &ConvShape::strideH, &ConvShape::strideW,
                                      &ConvShape::dilationH, &ConvShape::dilationW}) {
      ConvShape other = shapeOf(64, 56);
      other.*field = 2;
      EXPECT_FALSE(choose(target, other)) << target;
    }
  }
  for (const char *target : {"x86-64", "x86-64-v2", "aarch64"})
    EXPECT_FALSE(choose(target, shapeOf(64, 56))) << target;
}

TEST(Winograd, CostsDecide) {
  for (const char *target : {"x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni"}) {
    EXPECT_TRUE(choose(target, shapeOf(64, 56))->pays()) << target;
    EXPECT_TRUE(choose(target, shapeOf(128, 28))->pays()) << target;
    EXPECT_FALSE(choose(target, shapeOf(4, 56))->pays()) << target << ": the transforms cost more than few channels save";
  }
  // Four tiles do not pay for the transform of 512 x 512 windows of weights.
  EXPECT_FALSE(choose("x86-64-v4+vnni", shapeOf(512, 7))->pays());
  // V and U of 512 channels leave the second-level cache; those of 256 nearly.
  EXPECT_FALSE(choose("x86-64-v4+vnni", shapeOf(512, 28))->pays());
  EXPECT_TRUE(choose("x86-64-v4+vnni", shapeOf(256, 28))->pays());
}

WinogradOperands codesOf(bool isUnsigned, int64_t most, int64_t channels) { return {true, isUnsigned, false, most, double(9 * 255 * channels)}; }

bool takesBytes(const char *targetName, const ConvShape &shape, const WinogradOperands &operands) {
  TargetDesc target = *parseTarget(targetName);
  TileChoice direct = chooseTile(target, true, operands.actUnsigned, shape.outputs, shape.outW);
  auto choices = winogradChoices(target, shape, direct, operands, 1);
  return std::any_of(choices.begin(), choices.end(), [](const WinogradChoice &c) { return c.form().bytes() && !c.rows; });
}

TEST(WinogradBytes, AreTakenOnlyWhereTheyAreExactAndThereAreInstructions) {
  for (const char *target : {"x86-64-v3+avxvnni", "x86-64-v4+vnni"}) {
    EXPECT_TRUE(takesBytes(target, shapeOf(64, 56), codesOf(true, 63, 64))) << target;
    EXPECT_FALSE(takesBytes(target, shapeOf(64, 56), codesOf(true, 64, 64))) << target;
    EXPECT_TRUE(takesBytes(target, shapeOf(64, 56), codesOf(false, 31, 64))) << target;
    EXPECT_FALSE(takesBytes(target, shapeOf(64, 56), codesOf(false, 32, 64))) << target;
    EXPECT_TRUE(takesBytes(target, shapeOf(2048, 2), codesOf(true, 63, 2048))) << target << ": no bound on sums, and two rows are enough";
    EXPECT_FALSE(takesBytes(target, shapeOf(64, 1), codesOf(true, 63, 64))) << target;
  }
  for (const char *target : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64"})
    EXPECT_FALSE(takesBytes(target, shapeOf(64, 56), codesOf(true, 63, 64))) << target;
}

TEST(WinogradBytes, CostsDecide) {
  for (const char *targetName : {"x86-64-v3+avxvnni", "x86-64-v4+vnni"}) {
    TargetDesc target = *parseTarget(targetName);
    auto cheapest = [&](int64_t channels, int64_t size) {
      ConvShape shape = shapeOf(channels, size);
      return winogradChoices(target, shape, chooseTile(target, true, true, channels, size), codesOf(true, 63, channels), 1)[0];
    };
    for (auto [channels, size] : {std::pair<int64_t, int64_t>{64, 56}, {128, 28}, {256, 14}, {512, 7}}) {
      EXPECT_TRUE(cheapest(channels, size).form().bytes()) << targetName << " " << channels;
      EXPECT_TRUE(cheapest(channels, size).pays()) << targetName << " " << channels;
    }
    EXPECT_FALSE(cheapest(4, 56).pays()) << targetName;
    EXPECT_FALSE(cheapest(512, 4).pays()) << targetName << ": four tiles do not pay for U";
  }
}

/// The rows' form as generated code computes it, against the sum itself: as checkBytes, with half of the sums.
void checkRows(int channels, bool isUnsigned, bool excess, int pattern, unsigned seed) {
  std::mt19937 random(seed);
  int most = int(winogradRowsMostCode(isUnsigned)), least = isUnsigned ? 0 : -most;
  std::vector<int8_t> weights(9 * size_t(channels));
  std::vector<std::array<std::array<int, 4>, 3>> d(channels);
  for (int8_t &w : weights)
    w = pattern == 1 ? int8_t(1) : pattern == 2 ? int8_t(-1) : int8_t(int(random() % 3) - 1);
  int oneOf = int(random());
  for (auto &window : d)
    for (int r = 0; r < 3; ++r)
      for (int j = 0; j < 4; ++j)
        window[size_t(r)][size_t(j)] = pattern == 1   ? most
                                       : pattern == 2 ? least
                                       : pattern == 3 ? (oneOf >> (r * 4 + j) & 1 ? most : least)
                                                      : std::uniform_int_distribution<int>(least, most)(random);
  std::vector<int32_t> starts = winogradRowsStarts(weights, 1, 64, isUnsigned);
  uint32_t m[4] = {uint32_t(starts[0]), 0, 0, uint32_t(starts[64])};
  int64_t want[2] = {};
  for (int c = 0; c < channels; ++c)
    for (int r = 0; r < 3; ++r) {
      auto g = [&](int s) { return int(weights[size_t((r * 3 + s) * channels + c)]); };
      const auto &row = d[size_t(c)][size_t(r)];
      for (int p = 0; p < 4; ++p) {
        int u = 0;
        uint8_t v = isUnsigned && p == 1 ? 0 : 128;
        for (int s = 0; s < 3; ++s)
          u += kWinogradBytesG[p][s] * g(s);
        for (int j = 0; j < 4; ++j)
          v = uint8_t(v + kWinogradBytesB[p][j] * uint8_t(row[size_t(j)] + (excess ? 128 : 0)));
        m[p] += uint32_t(u * int(v));
      }
      for (int x = 0; x < 2; ++x)
        for (int s = 0; s < 3; ++s)
          want[x] += row[size_t(x + s)] * g(s);
    }
  for (int x = 0; x < 2; ++x) {
    uint32_t sum = 0;
    for (int p = 0; p < 4; ++p)
      sum += uint32_t(kWinogradBytesA[x][p]) * m[p];
    EXPECT_EQ(int32_t(sum) & 1, 0);
    EXPECT_EQ(int32_t(sum) >> 1, want[x]) << channels << (isUnsigned ? " unsigned" : " signed") << (excess ? ", excess" : "") << ", pattern " << pattern;
  }
}

TEST(WinogradRows, GiveTheSumsOfTheConvolution) {
  unsigned seed = 1;
  for (int channels : {1, 3, 64, 513, 4096})
    for (int pattern : {0, 1, 2, 3, 3, 3, 3})
      for (auto [isUnsigned, excess] : {std::pair<bool, bool>{true, false}, {false, false}, {false, true}})
        checkRows(channels, isUnsigned, excess, pattern, seed++);
}

/// Sums of two codes at the bounds, and that the bounds are the last ones.
TEST(WinogradRows, TransformedCodesFitBytes) {
  for (bool isUnsigned : {true, false}) {
    int most = int(winogradRowsMostCode(isUnsigned)), lowest = 0, highest = 0, steepest = 0;
    for (int p = 0; p < 4; ++p) {
      int low = 0, high = 0, offset = isUnsigned && p == 1 ? 0 : 128, rise = 0;
      for (int factor : kWinogradBytesB[p]) {
        (factor < 0 ? low : high) += factor * most;
        rise += factor > 0 ? factor : isUnsigned ? 0 : -factor;
        if (!isUnsigned)
          (factor < 0 ? high : low) -= factor * most;
      }
      lowest = std::min(lowest, low + offset);
      if (high + offset > highest)
        highest = high + offset, steepest = rise;
    }
    EXPECT_GE(lowest, 0);
    EXPECT_LE(highest, 255);
    EXPECT_GT(highest + steepest, 255) << "one more would not fit";
  }
}

std::optional<WinogradChoice> chooseRows(const char *targetName, const ConvShape &shape, const WinogradOperands &operands, int64_t batch = 1) {
  TargetDesc target = *parseTarget(targetName);
  TileChoice direct = chooseTile(target, operands.trits, operands.actUnsigned, shape.outputs, shape.outW);
  for (const WinogradChoice &choice : winogradChoices(target, shape, direct, operands, batch))
    if (choice.rows)
      return choice;
  return std::nullopt;
}

TEST(WinogradRows, AreTakenOnlyWhereTheyAreExactAndThereAreInstructions) {
  const char *target = "x86-64-v4+vnni+vbmi";
  EXPECT_TRUE(chooseRows(target, shapeOf(64, 56), codesOf(true, 127, 64)));
  EXPECT_FALSE(chooseRows(target, shapeOf(64, 56), codesOf(true, 128, 64)));
  EXPECT_TRUE(chooseRows(target, shapeOf(64, 56), codesOf(false, 63, 64)));
  EXPECT_FALSE(chooseRows(target, shapeOf(64, 56), codesOf(false, 64, 64)));
  EXPECT_TRUE(chooseRows(target, shapeOf(2048, 2), codesOf(true, 63, 2048))) << "no bound on sums";
  EXPECT_FALSE(chooseRows(target, shapeOf(64, 1), codesOf(true, 63, 64))) << "less than a tile";
  ConvShape row = shapeOf(64, 8);
  row.outH = 1;
  EXPECT_TRUE(chooseRows(target, row, codesOf(true, 63, 64))) << "one row is enough";
  WinogradOperands wide = codesOf(true, 63, 64);
  wide.trits = false;
  EXPECT_FALSE(chooseRows(target, shapeOf(64, 56), wide));
  for (const char *without : {"x86-64", "x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni", "aarch64"})
    EXPECT_FALSE(chooseRows(without, shapeOf(64, 56), codesOf(true, 63, 64))) << without;
}

TEST(WinogradRows, CostsDecide) {
  const char *targetName = "x86-64-v4+vnni+vbmi";
  TargetDesc target = *parseTarget(targetName);
  auto cheapest = [&](int64_t channels, int64_t size) {
    ConvShape shape = shapeOf(channels, size);
    return winogradChoices(target, shape, chooseTile(target, true, true, channels, size), codesOf(true, 63, channels), 1)[0];
  };
  for (int64_t size : {4, 5, 6}) {
    EXPECT_TRUE(cheapest(512, size).rows) << size;
    EXPECT_TRUE(cheapest(512, size).pays()) << size;
  }
  for (auto [channels, size] : {std::pair<int64_t, int64_t>{64, 56}, {128, 28}, {256, 14}, {256, 8}, {512, 7}})
    EXPECT_FALSE(cheapest(channels, size).rows) << channels << " at " << size;
  // Tiles go on in the next row, and all fills are of one size.
  EXPECT_EQ(chooseRows(targetName, shapeOf(512, 4), codesOf(true, 63, 512))->tile.positions, 8);
  EXPECT_EQ(chooseRows(targetName, shapeOf(512, 7), codesOf(true, 63, 512))->tile.positions, 7);
  EXPECT_EQ(chooseRows(targetName, shapeOf(512, 3), codesOf(true, 63, 512))->tile.positions, 6);
}

} // namespace
