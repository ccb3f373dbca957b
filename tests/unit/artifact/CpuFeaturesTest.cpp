// Target strings, feature names and what this machine has.
#include "artifact/cpu_features.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

static std::string listOf(uint64_t mask) {
  char text[512];
  const size_t length = tri_feature_list(mask, text, sizeof text);
  EXPECT_EQ(length, std::string(text).size());
  return text;
}

static std::string targetOf(uint64_t features) {
  char text[128];
  tri_target_of_features(features, text, sizeof text);
  return text;
}

TEST(CpuFeatures, LevelsContainEachOther) {
  const uint64_t v1 = tri_target_features("x86-64"), v2 = tri_target_features("x86-64-v2"), v3 = tri_target_features("x86-64-v3"),
                 v4 = tri_target_features("x86-64-v4");
  EXPECT_EQ(v1, TRI_CPU_X86_64);
  EXPECT_EQ(v1 & ~v2, 0u);
  EXPECT_EQ(v2 & ~v3, 0u);
  EXPECT_EQ(v3 & ~v4, 0u);
  EXPECT_EQ(listOf(v3 & ~v2), "avx, f16c, fma, avx2, bmi1, bmi2, lzcnt, movbe");
  EXPECT_EQ(listOf(v4 & ~v3), "avx512f, avx512cd, avx512bw, avx512dq, avx512vl");
}

TEST(CpuFeatures, SuffixesAddFeatures) {
  const uint64_t v4 = tri_target_features("x86-64-v4");
  EXPECT_EQ(tri_target_features("x86-64-v4+vnni"), v4 | TRI_CPU_AVX512VNNI);
  EXPECT_EQ(tri_target_features("x86-64-v4+avx512vnni"), v4 | TRI_CPU_AVX512VNNI);
  EXPECT_EQ(tri_target_features("x86-64-v4+vnni+vbmi+bitalg+vpopcntdq"),
            v4 | TRI_CPU_AVX512VNNI | TRI_CPU_AVX512VBMI | TRI_CPU_AVX512BITALG | TRI_CPU_AVX512VPOPCNTDQ);
  EXPECT_EQ(tri_target_features("x86-64-v3+avxvnni"), tri_target_features("x86-64-v3") | TRI_CPU_AVXVNNI);
  EXPECT_EQ(tri_target_features("aarch64+dotprod+i8mm"), TRI_CPU_AARCH64 | TRI_CPU_DOTPROD | TRI_CPU_I8MM);
}

TEST(CpuFeatures, UnknownTargetsAreZero) {
  for (const char *target : {"", "+", "x86-64-v5", "x86-64+", "x86-64++vnni", "x86-64-v4+dotprod", "aarch64+vnni", "aarch64+x86-64",
                             "X86-64", "x86-64-v4+vnni ", "native", "x86-64-v4+aarch64"})
    EXPECT_EQ(tri_target_features(target), 0u) << target;
  EXPECT_EQ(tri_target_features(nullptr), 0u);
}

TEST(CpuFeatures, TargetsOfFeaturesReadBack) {
  for (const char *target : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni",
                             "x86-64-v4+vnni+vbmi+bitalg+vpopcntdq", "x86-64-v4+vnni+fastadd", "aarch64", "aarch64+dotprod", "aarch64+dotprod+i8mm"})
    EXPECT_EQ(targetOf(tri_target_features(target)), target);
  EXPECT_EQ(targetOf(0), "");
  // A level that lacks one feature is the level below.
  EXPECT_EQ(targetOf(tri_target_features("x86-64-v4") & ~TRI_CPU_AVX512BW), "x86-64-v3");
}

TEST(CpuFeatures, TextIsCutToWhatFits) {
  char text[8] = "xxxxxxx";
  EXPECT_EQ(tri_feature_list(TRI_CPU_AVX512BW | TRI_CPU_AVX512VL, text, sizeof text), std::string("avx512bw, avx512vl").size());
  EXPECT_STREQ(text, "avx512b");
  EXPECT_EQ(tri_feature_list(TRI_CPU_AVX, nullptr, 0), 3u);
  EXPECT_EQ(listOf(0), "");
  EXPECT_EQ(listOf(UINT64_C(1) << 63), "feature 63");
  EXPECT_EQ(tri_feature_name(TRI_CPU_AVX | TRI_CPU_FMA), nullptr);
}

#if defined(__x86_64__) && defined(__linux__)
TEST(CpuFeatures, AgreeWithTheKernel) {
  std::ifstream file("/proc/cpuinfo");
  std::string line, flags;
  while (flags.empty() && std::getline(file, line))
    if (line.rfind("flags", 0) == 0) flags = line.substr(line.find(':') + 1) + " ";
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo has no flags";
  const struct {
    uint64_t bit;
    const char *name;
  } rows[] = {{TRI_CPU_SSE3, " pni "}, {TRI_CPU_SSSE3, " ssse3 "}, {TRI_CPU_SSE4_1, " sse4_1 "}, {TRI_CPU_SSE4_2, " sse4_2 "},
              {TRI_CPU_POPCNT, " popcnt "}, {TRI_CPU_AVX, " avx "}, {TRI_CPU_F16C, " f16c "}, {TRI_CPU_FMA, " fma "},
              {TRI_CPU_AVX2, " avx2 "}, {TRI_CPU_BMI1, " bmi1 "}, {TRI_CPU_BMI2, " bmi2 "}, {TRI_CPU_LZCNT, " abm "},
              {TRI_CPU_MOVBE, " movbe "}, {TRI_CPU_AVX512F, " avx512f "}, {TRI_CPU_AVX512CD, " avx512cd "},
              {TRI_CPU_AVX512BW, " avx512bw "}, {TRI_CPU_AVX512DQ, " avx512dq "}, {TRI_CPU_AVX512VL, " avx512vl "},
              {TRI_CPU_AVX512VNNI, " avx512_vnni "}, {TRI_CPU_AVX512VBMI, " avx512vbmi "}, {TRI_CPU_AVX512BITALG, " avx512_bitalg "},
              {TRI_CPU_AVX512VPOPCNTDQ, " avx512_vpopcntdq "}, {TRI_CPU_AVXVNNI, " avx_vnni "}};
  const uint64_t found = tri_cpu_features();
  for (const auto &row : rows) EXPECT_EQ((found & row.bit) != 0, flags.find(row.name) != std::string::npos) << row.name;
}
#endif
