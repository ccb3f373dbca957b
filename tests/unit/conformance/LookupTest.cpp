// Products of trits by trits from a table against the oracle, bit for bit, wherever the generator takes the shape.
#include "GraphText.h"
#include "ProgramRunner.h"
#include "TestName.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::test;

namespace {

size_t lookupsIn(const std::string &text, const char *target, ConvAlgorithm how) {
  Graph graph = parseGraph(text);
  CodegenOptions options;
  options.targets = {*parseTarget(target)};
  options.convolutions = how;
  auto model = compileModule(*graph.module, options);
  EXPECT_TRUE(bool(model)) << model.error().message;
  size_t found = 0;
  for (const LayerChoice &choice : model->variants[0].choices)
    found += choice.algorithm.find("by look-up") != std::string::npos;
  return found;
}

class Lookups : public testing::TestWithParam<const char *> {
protected:
  void check(const std::string &text, Comparison how, size_t layers) {
    how.convolutions = ConvAlgorithm::Lookup;
    if (GetParam() == std::string("x86-64-v3")) { // the same layers everywhere, and compiling takes its time
      EXPECT_EQ(lookupsIn(text, GetParam(), ConvAlgorithm::Lookup), layers);
    }
    Graph graph = parseGraph(text);
    ASSERT_TRUE(bool(graph.module));
    if (!expectEqualsOracle(graph, GetParam(), how))
      GTEST_SKIP() << GetParam() << " does not run here";
  }
};

struct Conv {
  int64_t channels, outputs, kernel, stride, dilation, padding, height, width;
  int mode; ///< of the weights
  const char *out;
};

/// Channels around the runs of two and three, outputs around vectors and tiles, one chunk and many, windows that skip, narrow and wide rows.
TEST_P(Lookups, ConvolutionsEqualTheOracle) {
  unsigned seed = 1;
  for (const Conv &c :
       {Conv{1, 5, 3, 1, 1, 1, 6, 7, 0, "u8"}, Conv{2, 16, 1, 1, 1, 0, 3, 5, 0, "i8"}, Conv{3, 33, 3, 2, 1, 1, 9, 11, 0, "t"},
        Conv{4, 64, 5, 1, 1, 2, 8, 8, 1, "i8"}, Conv{5, 66, 3, 1, 2, 2, 9, 6, 0, "u8"}, Conv{16, 16, 3, 1, 1, 1, 14, 14, 0, "t"},
        Conv{64, 64, 3, 1, 1, 1, 8, 8, -1, "i8"}, Conv{65, 130, 3, 2, 1, 1, 9, 15, 0, "t"}, Conv{128, 96, 1, 1, 1, 0, 7, 13, 2, "u8"},
        Conv{40, 200, 1, 2, 1, 0, 5, 29, 0, "f32"}, Conv{67, 12, 7, 1, 1, 3, 5, 17, 0, "i8"}, Conv{200, 70, 3, 1, 3, 3, 8, 8, 1, "t"}}) {
    GraphText g(seed);
    Ref q = g.quantize(g.argument("f32", {-1, c.channels, c.height, c.width}), quant("t", 0.5));
    std::string out = c.out == std::string("f32") ? "f32" : quant(c.out, c.out == std::string("t") ? 4.5 : 0.5);
    Ref y = g.conv(q, g.weights(true, {c.outputs, c.channels, c.kernel, c.kernel}, c.mode), out, c.stride, c.padding, c.dilation);
    Comparison how;
    how.batch = 1 + seed % 3;
    how.threads = 1 + seed % 4;
    how.seed = seed++;
    check(g.finish({y}), how, 1);
  }
}

/// Activations that are all -1, all 0 or all 1 by weights that are: the greatest sums of bytes and of words.
TEST_P(Lookups, ExtremesEqualTheOracle) {
  unsigned seed = 60;
  for (int code : {-1, 0, 1})
    for (int mode : {-1, 1, 0}) {
      GraphText g(seed);
      std::string only = "lo = " + std::to_string(code) + " : i64, hi = " + std::to_string(code) + " : i64";
      Ref q = g.quantize(g.argument("f32", {-1, 8, 6, 7}), quant("i8", 0.02));
      Ref x = g.conv(q, g.weights(true, {190, 8, 1, 1}), quant("t", 0.5), 1, 0, 1, 1, nullptr, only);
      Ref y = g.conv(x, g.weights(true, {80, 190, 3, 3}, mode), quant("i8", 20.5), 1, 1);
      Ref z = g.conv(x, g.weights(true, {40, 190, 1, 1}, mode), "f32", 1, 0);
      Comparison how;
      how.threads = 2;
      how.seed = seed++;
      check(g.finish({y, z}), how, 2);
    }
}

/// Chains of ternary codes with residuals: written halos are read by the next layer, codes may lie as code + 128.
TEST_P(Lookups, ResidualChainsEqualTheOracle) {
  unsigned seed = 90;
  for (int64_t channels : {16, 34}) {
    GraphText g(seed);
    Ref q = g.quantize(g.argument("f32", {-1, 3, 16, 13}), quant("i8", 0.02));
    Ref a = g.conv(q, g.weights(true, {channels, 3, 3, 3}), quant("t", 2.5), 1, 1);
    Ref b = g.conv(a, g.weights(true, {channels, channels, 3, 3}), quant("t", 4.5), 1, 1, 1, 1, &a);
    Ref d = g.conv(b, g.weights(true, {channels, channels, 3, 3}), quant("t", 4.5), 2, 1);
    Ref e = g.conv(d, g.weights(true, {channels, channels, 1, 1}), quant("u8", 1.5), 1, 0, 1, 1, &d);
    Comparison how;
    how.batch = 2;
    how.threads = 1 + seed % 3;
    how.seed = seed++;
    check(g.finish({e, b}), how, 3);
  }
}

TEST_P(Lookups, LinearLayersEqualTheOracle) {
  unsigned seed = 120;
  for (int64_t batch : {1, 3, 8, 21, 70})
    for (int64_t inputs : {1, 64, 259}) {
      GraphText g(seed);
      Ref q = g.quantize(g.argument("f32", {-1, inputs}), quant("t", 0.5));
      Ref h = g.linear(q, g.weights(true, {201, inputs}, seed % 4 == 0 ? 1 : seed % 4 == 1 ? -1 : 0), quant("t", 3.5));
      Ref r = g.linear(h, g.weights(true, {201, 201}), quant("t", 3.5), &h);
      Ref y = g.linear(r, g.weights(true, {10, 201}), "f32");
      Comparison how;
      how.batch = batch;
      how.threads = 1 + seed % 3;
      how.seed = seed++;
      check(g.finish({y, r}), how, 3);
    }
}

/// By cost: large layers yes; other activations and 8-bit weights never.
TEST_P(Lookups, AreChosenWhereTheyPay) {
  auto network = [](const char *kind, bool trits) {
    GraphText g(5);
    Ref q = g.quantize(g.argument("f32", {-1, 256, 14, 14}), quant(kind, 0.5));
    return g.finish({g.conv(q, g.weights(trits, {256, 256, 3, 3}), quant("t", 4.5), 2, 1)}); // neither Winograd nor code
  };
  // One vpdpbusd makes as many products as two instructions by pairs of trits, but not as many as two by triples.
  size_t expected = GetParam() == std::string("x86-64-v4+vnni") || GetParam() == std::string("x86-64-v3+avxvnni") ? 0 : 1;
  EXPECT_EQ(lookupsIn(network("t", true), GetParam(), ConvAlgorithm::Cheapest), expected);
  EXPECT_EQ(lookupsIn(network("t", false), GetParam(), ConvAlgorithm::Lookup), 0u);
  EXPECT_EQ(lookupsIn(network("i4", true), GetParam(), ConvAlgorithm::Lookup), 0u);
  EXPECT_EQ(lookupsIn(network("u4", true), GetParam(), ConvAlgorithm::Lookup), 0u);
  EXPECT_EQ(lookupsIn(network("t", true), "x86-64", ConvAlgorithm::Lookup), 0u);
}

INSTANTIATE_TEST_SUITE_P(Targets, Lookups,
                         testing::Values("x86-64-v2", "x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni", "x86-64-v4+vnni+vbmi", "aarch64"),
                         [](const auto &info) { return triton::test::testName(info.param); });

} // namespace
