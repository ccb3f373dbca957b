// Ceilings: they are measured where the processor has the instructions, and the right one is chosen. No value is judged.
#include "triton/Peaks/Peaks.h"

#include "artifact/cpu_features.h"

#include <gtest/gtest.h>
#include <thread>

using namespace triton;

TEST(Peaks, EveryLoopOfThisProcessorGivesARate) {
  PeakOptions options;
  options.repeats = 2;
  options.millisOfEach = 0.05;
  options.memory = false;
  for (unsigned threads : {1u, 2u}) {
    options.threads = threads;
    for (const Peak &peak : measurePeaks(options)) {
      EXPECT_EQ(peak.features & ~tri_cpu_features(), 0u) << peak.name;
      EXPECT_GT(peak.worst, 0) << peak.name;
      EXPECT_LE(peak.worst, peak.median) << peak.name;
      EXPECT_LE(peak.median, peak.best) << peak.name;
      EXPECT_EQ(peak.repeats, 2u);
      EXPECT_GE(peak.spread(), 0);
      EXPECT_LT(peak.spread(), 1);
    }
  }
}

TEST(Peaks, TheBestIntegerLoopThatTheFeaturesAllowIsChosen) {
  std::vector<Peak> peaks(4);
  peaks[0].name = "fast"; peaks[0].kind = "int8"; peaks[0].features = 3; peaks[0].best = 300;
  peaks[1].name = "sums"; peaks[1].kind = "int16 sums"; peaks[1].features = 1; peaks[1].best = 200;
  peaks[2].name = "slow"; peaks[2].kind = "int8"; peaks[2].features = 1; peaks[2].best = 100;
  peaks[3].name = "floats"; peaks[3].kind = "fp32"; peaks[3].features = 1; peaks[3].best = 900;
  ASSERT_NE(bestIntegerPeak(peaks, 3), nullptr);
  EXPECT_EQ(bestIntegerPeak(peaks, 3)->name, "fast");
  EXPECT_EQ(bestIntegerPeak(peaks, 1)->name, "sums");
  EXPECT_EQ(bestIntegerPeak(peaks, 0), nullptr);
  EXPECT_EQ(memoryPeak(peaks), nullptr);
}

TEST(Peaks, MemoryThatIsReadIsBoundedAndAligned) {
  EXPECT_EQ(memoryPeakBytes() % 4096, 0u);
  EXPECT_GE(memoryPeakBytes(), 16u << 20);
  EXPECT_LE(memoryPeakBytes(), uint64_t(1) << 30);
}
