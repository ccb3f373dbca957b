// From times to choices: plain numbers in, an index out.
#include "Compare.h"

#include <gtest/gtest.h>

using namespace triton::tuning;

namespace {

TEST(Compare, TheRatioIsTheMedianOfTurnsUnlessTheLeastTimesSayMore) {
  EXPECT_DOUBLE_EQ(ratioOf({{100, 100, 100}, {50, 50, 50}}), 0.5);
  // One disturbed turn changes nothing.
  EXPECT_DOUBLE_EQ(ratioOf({{100, 100, 100, 900, 100}, {50, 50, 50, 50, 50}}), 0.5);
  // The machine was slower for a while: both were.
  EXPECT_DOUBLE_EQ(ratioOf({{100, 200, 200}, {50, 100, 100}}), 0.5);
  // Faster in most turns, but not at its best: not faster.
  EXPECT_DOUBLE_EQ(ratioOf({{100, 60, 100}, {60, 60, 60}}), 1.0);
}

TEST(Compare, NoTurnsAndNoTimeAreNoRatios) {
  EXPECT_EQ(ratioOf({}), 0);
  EXPECT_EQ(ratioOf({{100}, {}}), 0);
  EXPECT_DOUBLE_EQ(ratioOf({{0, 0}, {0, 0}}), 1.0); // a step that did not run
}

TEST(Compare, TheFirstWayStaysUnlessAnotherIsClearlyFaster) {
  EXPECT_EQ(fastestOf({1.0, 0.98, 1.2}), 0u);
  EXPECT_EQ(fastestOf({1.0, kClearlyFaster, 1.2}), 0u);
  EXPECT_EQ(fastestOf({1.0, 0.96, 0.9, 0.95}), 2u);
  EXPECT_EQ(fastestOf({1.0, 0.0, 0.9}), 2u) << "0 is not measured, not fast";
  EXPECT_EQ(fastestOf({1.0}), 0u);
}

} // namespace
