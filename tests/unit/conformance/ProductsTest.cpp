// Products of every generator and target against the oracle, bit for bit: sizes around the tiles, extreme weights, residuals, threads.
#include "GraphText.h"
#include "ProgramRunner.h"
#include "TestName.h"

#include <array>
#include <gtest/gtest.h>

using namespace triton::test;

namespace {

const char *const kTargets[] = {"x86-64", "x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni", "aarch64"};

class Products : public testing::TestWithParam<const char *> {
protected:
  void check(const std::string &text, Comparison how) {
    Graph graph = parseGraph(text);
    ASSERT_TRUE(bool(graph.module));
    if (!expectEqualsOracle(graph, GetParam(), how))
      GTEST_SKIP() << GetParam() << " does not run here";
  }
};

struct ConvCase {
  int64_t channels, outputs, kernel, stride, padding, height, width;
  const char *kind;
  bool trits;
  int mode;
  bool residual;
};

std::string convGraph(const ConvCase &c, unsigned seed) {
  GraphText g(seed);
  Ref x = g.argument("f32", {-1, c.channels, c.height, c.width});
  Ref q = g.quantize(x, quant(c.kind, 0.02));
  Ref w = g.weights(c.trits, {c.outputs, c.channels, c.kernel, c.kernel}, c.mode);
  Ref first = g.conv(q, w, quant("u8", 0.1), c.stride, c.padding);
  if (!c.residual)
    return g.finish({first});
  // A second layer with a residual, so that the halo of a written tensor is read.
  Ref w2 = g.weights(true, {c.outputs, c.outputs, 3, 3});
  Ref second = g.conv(first, w2, quant("i8", 0.1), 1, 1, 1, 1, &first);
  Ref third = g.conv(second, w2, quant("u6", 0.1), 1, 1, 1, 1, &first, "lo = 0 : i64, hi = 50 : i64");
  return g.finish({third, second});
}

TEST_P(Products, ConvolutionsEqualTheOracle) {
  unsigned seed = 1;
  for (const ConvCase &c : {ConvCase{3, 16, 3, 1, 1, 9, 15, "i8", false, 0, true}, ConvCase{16, 33, 3, 1, 1, 7, 8, "u8", true, 0, true},
                            ConvCase{5, 7, 5, 2, 2, 11, 6, "i6", true, 1, false}, ConvCase{64, 64, 1, 1, 0, 4, 29, "u8", true, -1, true},
                            ConvCase{1, 6, 5, 1, 0, 12, 12, "u8", false, 1, false}, ConvCase{8, 20, 7, 2, 3, 14, 14, "t", true, 0, false}}) {
    for (int level : {0, 2}) {
      Comparison how;
      how.optLevel = level;
      how.batch = seed % 2 ? 2 : 1;
      how.threads = std::array{2, 3, 5, 64}[seed % 4];
      how.seed = seed;
      check(convGraph(c, seed), how);
    }
    ++seed;
  }
}

TEST_P(Products, LinearLayersEqualTheOracle) {
  unsigned seed = 20;
  for (int64_t outputs : {1, 10, 33, 100})
    for (int64_t inputs : {3, 64, 201}) {
      GraphText g(seed);
      Ref x = g.argument("f32", {-1, inputs});
      Ref q = g.quantize(x, quant(seed % 2 ? "i8" : "u8", 0.02));
      Ref h = g.linear(q, g.weights(seed % 3 != 0, {outputs, inputs}, seed % 5 == 0 ? 1 : 0), quant("i8", 0.1));
      Ref r = g.linear(h, g.weights(true, {outputs, outputs}), quant("u8", 0.1), &h);
      Ref y = g.linear(r, g.weights(false, {10, outputs}), "f32");
      Comparison how;
      how.batch = seed % 4 == 0 ? 17 : 1 + seed % 3;
      how.threads = 2;
      how.seed = seed++;
      check(g.finish({y, r}), how);
    }
}

/// Matrices beyond the first-level cache, which some targets keep in two bits: rows one by one and many, odd sizes, extreme weights.
TEST_P(Products, LargeLinearLayersEqualTheOracle) {
  unsigned seed = 120;
  for (const char *kind : {"i8", "u8", "t"})
    for (int64_t batch : {1, 3, 5, 8, 16, 30}) {
      GraphText g(seed);
      Ref x = g.argument("f32", {-1, 259});
      Ref q = g.quantize(x, quant(kind, 0.02));
      Ref h = g.linear(q, g.weights(true, {200, 259}, seed % 4 == 0 ? 1 : seed % 4 == 1 ? -1 : 0), quant("i8", 0.1));
      Ref r = g.linear(h, g.weights(true, {200, 200}), quant("u8", 0.1), &h);
      Ref y = g.linear(r, g.weights(true, {330, 200}), "f32");
      Comparison how;
      how.batch = batch;
      how.threads = 1 + seed % 3;
      how.seed = seed++;
      check(g.finish({y, r}), how);
    }
}

/// More rows than are prepared together, reductions in one piece and in several, of every remainder, more threads than units of outputs.
TEST_P(Products, ManyRowsEqualTheOracle) {
  unsigned seed = 160;
  for (int64_t batch : {17, 64, 128, 133}) {
    int64_t inputs = batch == 64 ? 1043 : 190 + 3 * (seed % 4), outputs = 180 + 13 * (seed % 3);
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, inputs});
    Ref q = g.quantize(x, quant(seed % 2 ? "i8" : "u8", 0.02));
    Ref h = g.linear(q, g.weights(true, {outputs, inputs}, seed % 4 == 0 ? 1 : seed % 4 == 1 ? -1 : 0), quant(seed % 2 ? "u8" : "i8", 0.1));
    Ref y = g.linear(h, g.weights(true, {200, outputs}), "f32");
    Ref z = g.linear(q, g.weights(true, {batch == 64 ? 37 : 5, inputs}), "f32");
    Comparison how;
    how.batch = batch;
    how.threads = 1 + seed % 5;
    how.seed = seed++;
    check(g.finish({y, z, h}), how);
  }
}

/// The same where the rows are known when compiling.
TEST_P(Products, KnownRowsEqualTheOracle) {
  unsigned seed = 180;
  for (int64_t rows : {1, 5, 12, 32, 131}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {rows, 203});
    Ref q = g.quantize(x, quant(seed % 2 ? "i8" : "u8", 0.02));
    Ref h = g.linear(q, g.weights(true, {204, 203}, seed % 3 == 0 ? 1 : 0), quant(seed % 2 ? "u8" : "i8", 0.1));
    Ref y = g.linear(h, g.weights(true, {170, 204}), "f32");
    Ref z = g.linear(h, g.weights(false, {9, 204}), "f32");
    Comparison how;
    how.threads = 1 + seed % 3;
    how.seed = seed++;
    check(g.finish({y, z, h}), how);
  }
}

TEST_P(Products, DepthwiseAndGroupedConvolutionsEqualTheOracle) {
  unsigned seed = 50;
  for (int64_t channels : {4, 24, 33})
    for (int64_t stride : {1, 2}) {
      GraphText g(seed);
      Ref x = g.argument("f32", {-1, channels, 9, 10});
      Ref q = g.quantize(x, quant(seed % 2 ? "i8" : "u8", 0.02));
      Ref d = g.conv(q, g.weights(seed % 3 != 0, {channels, 1, 3, 3}), quant("u8", 0.1), stride, 1, 1, channels);
      Ref p = g.conv(d, g.weights(true, {8, channels, 1, 1}), quant("i8", 0.1), 1, 0);
      Ref grouped = g.conv(p, g.weights(true, {12, 2, 3, 3}), quant("i8", 0.1), 1, 1, 1, 4);
      Ref dilated = g.conv(grouped, g.weights(true, {9, 12, 3, 3}), quant("i8", 0.1), 1, 2, 2);
      Comparison how;
      how.batch = 2;
      how.threads = 2;
      how.seed = seed++;
      check(g.finish({dilated, d}), how);
    }
}

/// Depthwise shapes around the vector forms: channels around blocks of 64, odd and even heights, narrow rows, extreme weights.
TEST_P(Products, DepthwiseVectorFormsEqualTheOracle) {
  struct Case {
    int64_t channels, kernel, stride, padding, height, width;
    const char *kind;
    bool trits;
    int mode;
  };
  unsigned seed = 70;
  for (const Case &d : {Case{64, 3, 1, 1, 7, 7, "u8", true, 0}, Case{96, 3, 1, 1, 8, 5, "i8", true, 1}, Case{144, 3, 2, 1, 9, 11, "u8", false, -1},
                        Case{130, 3, 1, 0, 5, 3, "u8", false, 1}, Case{65, 2, 2, 0, 6, 6, "i8", false, 0}, Case{16, 4, 1, 2, 6, 9, "u6", true, 1},
                        Case{48, 1, 1, 0, 3, 4, "u8", true, 0}, Case{40, 3, 3, 1, 7, 10, "t", true, 0}, Case{32, 3, 1, 1, 1, 1, "u8", true, -1},
                        Case{24, 5, 1, 2, 6, 6, "u8", true, 0}}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, d.channels, d.height, d.width});
    Ref q = g.quantize(x, quant(d.kind, 0.02));
    Ref y = g.conv(q, g.weights(d.trits, {d.channels, 1, d.kernel, d.kernel}, d.mode), quant(seed % 2 ? "u8" : "i8", 0.1), d.stride, d.padding, 1,
                   d.channels);
    Ref z = g.conv(y, g.weights(true, {9, d.channels, 1, 1}), quant("i8", 0.1), 1, 0);
    Comparison how;
    how.batch = 1 + seed % 2;
    how.threads = 1 + seed % 3;
    how.seed = seed++;
    check(g.finish({z, y}), how);
  }
}

/// Chains of signed codes, which some targets keep as code + 128: read by convolutions, as residuals, by elementwise loops.
TEST_P(Products, SignedChainsEqualTheOracle) {
  unsigned seed = 90;
  for (int64_t channels : {16, 24, 65})
    for (const char *kind : {"i8", "i6", "t"}) {
      GraphText g(seed);
      Ref x = g.argument("f32", {-1, 3, 20, 37});
      Ref q = g.quantize(x, quant(kind, 0.02));
      Ref a = g.conv(q, g.weights(seed % 2 == 0, {channels, 3, 3, 3}, seed % 4 == 1 ? 1 : 0), quant(kind, 0.1), 2, 1);
      Ref b = g.conv(a, g.weights(true, {channels, channels, 1, 1}), quant(kind, 0.1), 1, 0, 1, 1, &a);
      Ref d = g.conv(b, g.weights(true, {channels, channels, 3, 3}), quant("i8", 0.05), 1, 1, 1, 1, &b);
      Ref e = g.conv(d, g.weights(true, {7, channels, 3, 3}), quant("u8", 0.1), 1, 1);
      Comparison how;
      how.batch = 1 + seed % 2;
      how.threads = 1 + seed % 2;
      how.seed = seed++;
      check(g.finish({e}), how);
    }
}

INSTANTIATE_TEST_SUITE_P(Targets, Products, testing::ValuesIn(kTargets), [](const auto &info) { return triton::test::testName(info.param); });

} // namespace
