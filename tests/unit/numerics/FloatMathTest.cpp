#include "triton/Oracle/FloatMath.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

using namespace triton::oracle;

static constexpr float kInf = std::numeric_limits<float>::infinity();
static const float kNan = std::numeric_limits<float>::quiet_NaN();

/// The distance of `got` from the exact value in units of the last place of a float near it.
static double ulps(float got, long double exact) {
  if (std::isnan(got)) return 1e9;
  if (std::isinf(got)) return std::fabs(exact) > 0x1.ffffffp127L ? 0 : 1e9;
  int exponent = exact == 0 ? -126 : std::max(std::ilogb(exact), -126);
  return static_cast<double>(std::fabs(got - exact) / std::ldexp(1.0L, exponent - 23));
}

/// The largest error over floats in lo..hi: every `stride`-th bit pattern of each sign.
static double worst(const std::function<float(float)> &f, const std::function<long double(long double)> &exact, float lo, float hi,
                    uint32_t stride) {
  double worst = 0;
  for (uint32_t bits = 0; bits < 0x7F800000; bits += stride)
    for (uint32_t sign : {0u, 0x80000000u}) {
      float x = std::bit_cast<float>(bits | sign);
      if (x < lo || x > hi) continue;
      worst = std::max(worst, ulps(f(x), exact(x)));
    }
  return worst;
}

// The strides are odd, so that all low bits occur; about 300,000 samples each.
TEST(Exp, Within2Ulp) {
  EXPECT_LE(worst(exp32, [](long double x) { return expl(x); }, -104, 88.72283f, 4999), 2);
}
TEST(Log, Within2Ulp) {
  EXPECT_LE(worst(log32, [](long double x) { return logl(x); }, 1e-45f, 0x1.fffffep127f, 4999), 2);
  // Near 1, where the result is small.
  for (int i = -20000; i <= 20000; ++i) {
    float x = 1.0f + static_cast<float>(i) * 0x1p-20f;
    if (i) {
      EXPECT_LE(ulps(log32(x), logl(x)), 2) << x;
    }
  }
}
TEST(Tanh, Within2Ulp) {
  EXPECT_LE(worst(tanh32, [](long double x) { return tanhl(x); }, -kInf, kInf, 4999), 2);
  EXPECT_LE(worst(tanh32, [](long double x) { return tanhl(x); }, 0.5f, 10, 97), 2);
}
TEST(Erf, Within2Ulp) {
  EXPECT_LE(worst(erf32, [](long double x) { return erfl(x); }, -kInf, kInf, 4999), 2);
  EXPECT_LE(worst(erf32, [](long double x) { return erfl(x); }, 0.8f, 4, 97), 2);
}
TEST(SinCos, Within2UlpTo2To22) {
  EXPECT_LE(worst(sin32, [](long double x) { return sinl(x); }, -0x1p22f, 0x1p22f, 4999), 2);
  EXPECT_LE(worst(cos32, [](long double x) { return cosl(x); }, -0x1p22f, 0x1p22f, 4999), 2);
  // Close to multiples of a quarter turn, where everything cancels.
  for (int i = 1; i < 2000000; i += 37) {
    auto x = static_cast<float>(i * 1.57079632679489661923L);
    EXPECT_LE(ulps(sin32(x), sinl(x)), 2) << x;
    EXPECT_LE(ulps(cos32(x), cosl(x)), 2) << x;
  }
}

TEST(Exp, Ends) {
  EXPECT_EQ(exp32(0), 1);
  EXPECT_EQ(exp32(-0.0f), 1);
  EXPECT_EQ(exp32(kInf), kInf);
  EXPECT_EQ(exp32(100), kInf);
  EXPECT_EQ(exp32(-kInf), 0);
  EXPECT_EQ(exp32(-200), 0);
  EXPECT_TRUE(std::isnan(exp32(kNan)));
  EXPECT_EQ(exp32(-103.0f), 0x1p-149f); // the smallest subnormal
}
TEST(Log, Ends) {
  EXPECT_EQ(log32(1), 0);
  EXPECT_EQ(log32(0), -kInf);
  EXPECT_EQ(log32(-0.0f), -kInf);
  EXPECT_EQ(log32(kInf), kInf);
  EXPECT_TRUE(std::isnan(log32(-1)));
  EXPECT_TRUE(std::isnan(log32(kNan)));
}
TEST(Tanh, Ends) {
  EXPECT_EQ(tanh32(kInf), 1);
  EXPECT_EQ(tanh32(-kInf), -1);
  EXPECT_TRUE(std::signbit(tanh32(-0.0f)));
  EXPECT_TRUE(std::isnan(tanh32(kNan)));
}
TEST(Erf, Ends) {
  EXPECT_EQ(erf32(kInf), 1);
  EXPECT_EQ(erf32(-kInf), -1);
  EXPECT_TRUE(std::signbit(erf32(-0.0f)));
  EXPECT_TRUE(std::isnan(erf32(kNan)));
}

TEST(Activations, FixedPoints) {
  EXPECT_EQ(reluf(-1), 0);
  EXPECT_FALSE(std::signbit(reluf(-0.0f)));
  EXPECT_EQ(reluf(kNan), 0);
  EXPECT_EQ(relu6f(7), 6);
  EXPECT_EQ(hardsigmoidf(0), 0.5f);
  EXPECT_EQ(hardsigmoidf(-4), 0);
  EXPECT_EQ(hardswishf(3), 3);
  EXPECT_EQ(hardswishf(-3), 0);
  EXPECT_EQ(sigmoidf(0), 0.5f);
  EXPECT_EQ(sigmoidf(-200), 0);
  EXPECT_EQ(siluf(0), 0);
  EXPECT_EQ(geluf(0), 0);
  EXPECT_NEAR(geluf(1), 0.8413447460685429, 1e-7);
  EXPECT_NEAR(geluTanhf(1), 0.8411919906082768, 1e-7);
}

TEST(LaneSum, LanesThenFolds) {
  // Element 0 and 16 share a lane: 2^24 + 1 rounds to 2^24 there; the 1 in lane 8 meets lane 0 only in the first fold.
  LaneSum s;
  s.add(0, 0x1p24f);
  s.add(16, 1);
  s.add(8, 2);
  EXPECT_EQ(s.fold(), 0x1p24f + 2);
  LaneSum t; // (lane 0 + lane 8) + (lane 4 + lane 12), not in order of lanes
  t.add(0, 0x1p24f);
  t.add(4, 1);
  t.add(12, 1);
  EXPECT_EQ(t.fold(), 0x1p24f + 2);
}

TEST(RoundClamp, TiesRangeAndNan) {
  EXPECT_EQ(roundClamp(0.5f, -127, 127), 0);
  EXPECT_EQ(roundClamp(1.5f, -127, 127), 2);
  EXPECT_EQ(roundClamp(-2.5f, -127, 127), -2);
  EXPECT_EQ(roundClamp(1e30f, -127, 127), 127);
  EXPECT_EQ(roundClamp(-kInf, -127, 127), -127);
  EXPECT_EQ(roundClamp(kNan, -127, 127), 0);
  EXPECT_EQ(roundClamp(-3, 0, 255), 0);
}

TEST(SixteenBit, RoundsOnceToEven) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    if ((h & 0x7C00) == 0x7C00 && (h & 0x3FF)) continue;
    // Values of the format are fixed points; the tie above each goes to the even neighbour.
    float sign = h & 0x8000 ? -1.0f : 1.0f;
    uint32_t e = h >> 10 & 31, f = h & 0x3FF;
    if (e == 31) continue;
    float v = sign * (e ? std::ldexp(1.0f + static_cast<float>(f) / 1024, static_cast<int>(e) - 15) : std::ldexp(static_cast<float>(f), -24));
    EXPECT_EQ(halfBits(v), h);
    EXPECT_EQ(roundToHalf(v), v);
    float step = std::ldexp(1.0f, (e ? static_cast<int>(e) : 1) - 25);
    float tie = v + sign * step / 2;
    if (std::fabs(tie) < 65520) {
      EXPECT_EQ(halfBits(tie), h + (f & 1)) << v;
    }
  }
  EXPECT_EQ(halfBits(65520), 0x7C00);
  EXPECT_EQ(halfBits(kInf), 0x7C00);
  EXPECT_TRUE(std::isnan(roundToHalf(kNan)));
  EXPECT_EQ(bfloat16Bits(257), 0x4380);
  EXPECT_EQ(bfloat16Bits(259), 0x4382);
  EXPECT_EQ(bfloat16Bits(0x1.FFp127f), 0x7F80);
  EXPECT_TRUE(std::isnan(roundToBfloat16(std::bit_cast<float>(0x7F800001u))));
}
