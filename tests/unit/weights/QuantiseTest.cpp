#include "triton/Weights/Quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

using namespace triton;

static WeightPolicy trits(WeightMethod method, WeightScale scale = WeightScale::PerTensor, int64_t group = 0) {
  WeightPolicy p;
  p.storage = DType::Trit;
  p.method = method;
  p.scale = scale;
  p.group = group;
  return p;
}

static WeightCodes quantise(const std::vector<double> &w, const TensorShape &shape, const WeightPolicy &policy, int64_t axis = 0) {
  Result<WeightCodes> r = quantiseWeights(w, shape, axis, policy, "w");
  EXPECT_TRUE(bool(r));
  return r ? *r : WeightCodes();
}

using Codes = std::vector<int8_t>;
using Scales = std::vector<float>;

TEST(RandomTrits, FirstTenOfSeeds0And1) {
  EXPECT_EQ(drawTrits(10, 1, 1.0 / 3), (Codes{1, 1, -1, 1, 1, -1, 1, 1, 0, -1}));
  EXPECT_EQ(drawTrits(10, 0, 1.0 / 3), (Codes{1, -1, 0, -1, 0, 0, 0, -1, 0, -1}));
}

TEST(RandomTrits, ZeroProbabilityIsKept) {
  Codes all = drawTrits(1000, 7, 1.0), none = drawTrits(1000, 7, 0.0);
  EXPECT_EQ(std::count(all.begin(), all.end(), 0), 1000);
  EXPECT_EQ(std::count(none.begin(), none.end(), 0), 0);
}

TEST(Fnv1a, KnownValues) {
  EXPECT_EQ(keyHash64(""), 0xCBF29CE484222325u);
  EXPECT_EQ(keyHash64("a"), 0xAF63DC4C8601EC8Cu);
}

TEST(Twn, ThresholdIsStrictAndScaleIsTheMeanOfTheKept) {
  // mean |w| = 1, D = 0.5: 0.5 itself is dropped.
  WeightPolicy p = trits(WeightMethod::Twn);
  p.threshold = 0.5;
  WeightCodes c = quantise({0.5, -0.75, 2.0, -0.75}, {4}, p);
  EXPECT_EQ(c.codes, (Codes{0, -1, 1, -1}));
  EXPECT_EQ(c.scales, (Scales{static_cast<float>(3.5 / 3)}));
}

TEST(Twn, NothingKeptGivesScaleOne) {
  WeightCodes c = quantise({0, 0, 0}, {3}, trits(WeightMethod::Twn));
  EXPECT_EQ(c.codes, (Codes{0, 0, 0}));
  EXPECT_EQ(c.scales, (Scales{1}));
}

TEST(AbsMean, TiesGoToEven) {
  // s = 1; 0.5 -> 0 (even), 1.5 -> 2 -> 1, -0.5 -> 0, -1.5 -> -1.
  WeightCodes c = quantise({0.5, 1.5, -0.5, -1.5}, {4}, trits(WeightMethod::AbsMean));
  EXPECT_EQ(c.codes, (Codes{0, 1, 0, -1}));
  EXPECT_EQ(c.scales, (Scales{1}));
  EXPECT_EQ(quantise({0, 0}, {2}, trits(WeightMethod::AbsMean)).scales, (Scales{1}));
}

TEST(Fixed, ThresholdIsAbsolute) {
  WeightPolicy p = trits(WeightMethod::Fixed);
  p.threshold = 0.05;
  WeightCodes c = quantise({0.05, 0.0625, -0.125}, {3}, p);
  EXPECT_EQ(c.codes, (Codes{0, 1, -1}));
  EXPECT_EQ(c.scales, (Scales{0.09375f}));
}

TEST(Learned, UsesGivenThresholdAndScale) {
  std::vector<double> w = {0.1, -0.3, 0.2, 0.4}, delta = {0.15, 0.25}, scale = {0.5, 2};
  auto r = quantiseWeights(w, {2, 2}, 0, trits(WeightMethod::Learned, WeightScale::PerChannel), "w", delta, scale);
  ASSERT_TRUE(bool(r));
  EXPECT_EQ(r->codes, (Codes{0, -1, 0, 1}));
  EXPECT_EQ(r->scales, (Scales{0.5f, 2}));
  EXPECT_FALSE(bool(quantiseWeights(w, {2, 2}, 0, trits(WeightMethod::Learned, WeightScale::PerChannel), "w", {}, scale)));
}

TEST(Learned, RefusesAScaleThatIsNotPositive) {
  std::vector<double> w = {1}, delta = {0}, scale = {-1};
  auto r = quantiseWeights(w, {1}, 0, trits(WeightMethod::Learned), "w", delta, scale);
  ASSERT_FALSE(bool(r));
  EXPECT_NE(r.error().message.find("must be positive"), std::string::npos);
}

TEST(Stochastic, DrawsAsRandomTernaryDoes) {
  // |w| / s is 0.5 but for the largest: the zeros are those of random_ternary with zero = 0.5 and the same seed.
  std::vector<double> w(200, -0.25);
  w.back() = 0.5;
  WeightPolicy p = trits(WeightMethod::Stochastic);
  p.seed = 11;
  WeightCodes c = quantise(w, {200}, p);
  Codes draws = drawTrits(200, 11, 0.5);
  for (size_t i = 0; i + 1 < 200; ++i) EXPECT_EQ(c.codes[i], draws[i] == 0 ? 0 : -1) << i;
  EXPECT_EQ(c.codes.back(), 1);
  EXPECT_EQ(c.scales, (Scales{0.5f}));
}

TEST(Int8, PerChannelRoundsToEvenAndClamps) {
  WeightPolicy p;
  p.storage = DType::Int8;
  p.scale = WeightScale::PerTensor; // does not apply to int8
  WeightCodes c = quantise({127, 2.5, -3.5, 0, 0, 0}, {2, 3}, p);
  EXPECT_EQ(c.codes, (Codes{127, 2, -4, 0, 0, 0}));
  EXPECT_EQ(c.scales, (Scales{1, 1}));
  p.storage = DType::Int4;
  EXPECT_EQ(quantise({14, -14, 7, 3}, {1, 4}, p).codes, (Codes{7, -7, 4, 2}));
}

TEST(Int8, WeightsBelowFloat32GiveZeros) {
  WeightPolicy p;
  p.storage = DType::Int8;
  WeightCodes c = quantise({0x1p-149, 0}, {1, 2}, p);
  EXPECT_EQ(c.codes, (Codes{0, 0}));
  EXPECT_EQ(c.scales, (Scales{1}));
}

/// Per channel on axis 0 and on the last axis, and per group, against a direct loop over each group's elements.
TEST(Layouts, AgreeWithBruteForce) {
  TensorShape shape = {4, 3, 2, 4};
  std::vector<double> w;
  for (uint64_t i = 0; i < 96; ++i) w.push_back(static_cast<double>(splitMix64(5, i) >> 11) * 0x1p-52 - 1);
  struct Case {
    int64_t axis;
    WeightScale scale;
    int64_t group;
  };
  for (Case k : {Case{0, WeightScale::PerChannel, 0}, Case{3, WeightScale::PerChannel, 0}, Case{0, WeightScale::PerGroup, 6},
                 Case{3, WeightScale::PerGroup, 8}, Case{0, WeightScale::PerTensor, 0}}) {
    WeightCodes c = quantise(w, shape, trits(WeightMethod::Twn, k.scale, k.group), k.axis);
    // Elements of each channel in row-major order, cut into runs.
    size_t channels = k.scale == WeightScale::PerTensor ? 1 : static_cast<size_t>(shape[static_cast<size_t>(k.axis)]);
    std::vector<std::vector<size_t>> members(channels);
    for (size_t a = 0, i = 0; a < 4; ++a)
      for (size_t rest = 0; rest < 24; ++rest, ++i) members[channels == 1 ? 0 : k.axis == 0 ? a : rest % 4].push_back(i);
    size_t run = k.group ? static_cast<size_t>(k.group) : members[0].size();
    ASSERT_EQ(c.scales.size(), 96 / run);
    size_t next = 0;
    for (auto &channel : members)
      for (size_t start = 0; start < channel.size(); start += run, ++next) {
        double sum = 0, kept = 0;
        int n = 0;
        for (size_t i = start; i < start + run; ++i) sum += std::fabs(w[channel[i]]);
        double threshold = 0.7 * (sum / static_cast<double>(run));
        for (size_t i = start; i < start + run; ++i) {
          double v = w[channel[i]];
          int expected = std::fabs(v) > threshold ? (v > 0 ? 1 : -1) : 0;
          EXPECT_EQ(c.codes[channel[i]], expected);
          if (expected) kept += std::fabs(v), ++n;
        }
        EXPECT_EQ(c.scales[next], static_cast<float>(kept / n));
      }
  }
}

TEST(Layouts, GroupMustDivideTheChannel) {
  std::vector<double> w(10, 1);
  auto r = quantiseWeights(w, {2, 5}, 0, trits(WeightMethod::Twn, WeightScale::PerGroup, 2), "fc.weight");
  ASSERT_FALSE(bool(r));
  EXPECT_NE(r.error().message.find("'fc.weight'"), std::string::npos);
}

TEST(SixteenBit, HalfRoundTripsAndRoundsToEven) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    if ((h & 0x7C00) == 0x7C00 && (h & 0x3FF)) continue; // NaN
    EXPECT_EQ(doubleToHalf(halfToFloat(static_cast<uint16_t>(h))), h);
  }
  EXPECT_EQ(doubleToHalf(2049), 0x6800);       // tie between 2048 and 2050
  EXPECT_EQ(doubleToHalf(2051), 0x6802);       // tie between 2050 and 2052
  EXPECT_EQ(doubleToHalf(0x1p-25), 0);         // tie with the smallest subnormal
  EXPECT_EQ(doubleToHalf(0x1.8p-25), 1);
  EXPECT_EQ(doubleToHalf(65519.99), 0x7BFF);
  EXPECT_EQ(doubleToHalf(65520), 0x7C00);
  EXPECT_EQ(doubleToHalf(1 + 0x1p-11 + 0x1p-40), 0x3C01); // through float32 this would be a tie and go down
}

TEST(SixteenBit, Bfloat16RoundTripsAndRoundsToEven) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    if ((h & 0x7F80) == 0x7F80 && (h & 0x7F)) continue;
    EXPECT_EQ(doubleToBfloat16(bfloat16ToFloat(static_cast<uint16_t>(h))), h);
  }
  EXPECT_EQ(doubleToBfloat16(257), 0x4380);
  EXPECT_EQ(doubleToBfloat16(259), 0x4382);
  EXPECT_EQ(doubleToBfloat16(-0x1.FFp127), 0xFF80);
}

TEST(Quantise, FloatsGiveWhatTheSameNumbersInFloat64Give) {
  // Rows of different lengths, values on and next to thresholds, both zeros, subnormals.
  for (int64_t columns : {1, 3, 37, 4097})
    for (auto scale : {WeightScale::PerChannel, WeightScale::PerTensor})
      for (auto method : {WeightMethod::Twn, WeightMethod::Fixed, WeightMethod::AbsMean, WeightMethod::Stochastic}) {
        const int64_t rows = 7;
        std::vector<float> narrow(static_cast<size_t>(rows * columns));
        for (size_t i = 0; i < narrow.size(); ++i) {
          const uint64_t z = splitMix64(3, i);
          narrow[i] = z % 11 == 0 ? 0.5f : z % 11 == 1 ? std::nextafter(0.5f, 1.0f) : z % 11 == 2 ? -0.0f : z % 11 == 3 ? 1e-42f
                                                                  : static_cast<float>(static_cast<int64_t>(z % 2001) - 1000) / 700.0f;
        }
        const std::vector<double> wide(narrow.begin(), narrow.end());
        for (double threshold : {0.5, 0.7, std::nextafter(0.5, 0.0)}) {
          WeightPolicy policy = trits(method, scale);
          policy.threshold = threshold;
          auto a = quantiseWeights(std::span<const float>(narrow), {rows, columns}, 0, policy, "w");
          auto b = quantiseWeights(std::span<const double>(wide), {rows, columns}, 0, policy, "w");
          ASSERT_TRUE(bool(a) && bool(b));
          EXPECT_EQ(a->codes, b->codes) << columns << " " << threshold;
          EXPECT_EQ(a->scales, b->scales) << columns << " " << threshold;
          // In order, one addition after the other: the sum of the language's text.
          if (method != WeightMethod::Twn || scale != WeightScale::PerChannel) continue;
          for (int64_t r = 0; r < rows; ++r) {
            double sum = 0, kept = 0;
            int64_t count = 0;
            for (int64_t c = 0; c < columns; ++c) sum += std::fabs(wide[size_t(r * columns + c)]);
            const double limit = threshold * (sum / double(columns));
            for (int64_t c = 0; c < columns; ++c) {
              const double magnitude = std::fabs(wide[size_t(r * columns + c)]);
              if (magnitude > limit) kept += magnitude, ++count;
            }
            EXPECT_EQ(a->scales[size_t(r)], count ? float(kept / double(count)) : 1.0f) << r;
          }
        }
      }
}
