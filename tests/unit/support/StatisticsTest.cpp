// Statistics of samples against values worked out by hand.
#include "triton/Support/Statistics.h"

#include <gtest/gtest.h>

using namespace triton;

TEST(Statistics, NoSamplesGiveZeros) {
  Spread s = spreadOf({});
  EXPECT_EQ(s.mean, 0);
  EXPECT_EQ(s.p99, 0);
}

TEST(Statistics, OneSampleIsItsOwnEverything) {
  Spread s = spreadOf({3});
  for (double value : {s.mean, s.median, s.min, s.max, s.p95, s.p99, s.ciLow, s.ciHigh}) EXPECT_EQ(value, 3);
}

TEST(Statistics, TheOrderOfSamplesDoesNotMatter) {
  Spread s = spreadOf({4, 1, 3, 2});
  EXPECT_EQ(s.median, 2.5);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.max, 4);
  EXPECT_EQ(s.mean, 2.5);
  // Variance 5/3, standard error sqrt(5/12).
  EXPECT_NEAR(s.ciHigh - s.ciLow, 2 * 1.96 * 0.6454972243679028, 1e-12);
}

TEST(Statistics, PercentilesAreNearestRank) {
  std::vector<double> samples;
  for (int i = 1000; i >= 1; --i) samples.push_back(i);
  Spread s = spreadOf(samples);
  EXPECT_EQ(s.p95, 950);
  EXPECT_EQ(s.p99, 990);
  EXPECT_EQ(s.median, 500.5);
}

TEST(Statistics, OneOutlierOfHundredIsBeyondP95ButNotBeyondTheMax) {
  std::vector<double> samples(99, 1.0);
  samples.push_back(100);
  Spread s = spreadOf(samples);
  EXPECT_EQ(s.p95, 1);
  EXPECT_EQ(s.p99, 1);
  EXPECT_EQ(s.max, 100);
  EXPECT_NEAR(s.mean, 1.99, 1e-12);
}
