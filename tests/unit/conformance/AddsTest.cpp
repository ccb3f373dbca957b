// Weights as code against the oracle, bit for bit, wherever the generator takes the shape.
#include "GraphText.h"
#include "ProgramRunner.h"
#include "TestName.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::test;

namespace {

struct Case {
  int64_t channels, outputs, kernel, padding, height, width;
  const char *kind, *outKind;
  int mode; ///< of the weights
};

/// Compares with the oracle, and says whether the form was taken at all.
void check(const char *target, const std::string &text, Comparison how, size_t layersAsCode) {
  how.convolutions = ConvAlgorithm::Adds;
  Graph graph = parseGraph(text);
  ASSERT_TRUE(bool(graph.module));
  CodegenOptions options;
  options.targets = {*parseTarget(target)};
  options.convolutions = ConvAlgorithm::Adds;
  auto model = compileModule(*graph.module, options);
  ASSERT_TRUE(bool(model)) << model.error().message;
  size_t found = 0;
  for (const LayerChoice &choice : model->variants[0].choices)
    found += choice.algorithm == "weights as code";
  EXPECT_EQ(found, layersAsCode);
  if (!expectEqualsOracle(graph, target, how))
    GTEST_SKIP() << target << " does not run here";
}

class Adds : public testing::TestWithParam<const char *> {};

/// Windows, halos, widths around vectors of 16 pixels, chunks that are cut by extreme weights, all kinds of codes, one and several bands.
TEST_P(Adds, ShapesEqualTheOracle) {
  unsigned seed = 1;
  for (const Case &c : {Case{16, 16, 1, 0, 16, 16, "u8", "u8", 0}, Case{16, 48, 3, 1, 20, 17, "i8", "i8", 0}, Case{64, 32, 1, 0, 14, 14, "u8", "i8", 1},
                        Case{32, 64, 3, 1, 14, 14, "i8", "u8", -1}, Case{48, 16, 5, 2, 26, 7, "u6", "i6", 0}, Case{160, 16, 1, 0, 56, 40, "u8", "u8", 1},
                        Case{32, 16, 3, 0, 18, 33, "i8", "t", 2}, Case{16, 16, 3, 1, 37, 5, "t", "u4", 0}, Case{320, 32, 1, 0, 13, 15, "u8", "u8", -1},
                        Case{64, 96, 1, 0, 14, 14, "u8", "u8", 0}, Case{48, 64, 3, 1, 16, 33, "i8", "i8", 0}}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, c.channels, c.height, c.width});
    Ref q = g.quantize(x, quant(c.kind, 0.02));
    Ref y = g.conv(q, g.weights(true, {c.outputs, c.channels, c.kernel, c.kernel}, c.mode), quant(c.outKind, 0.1), 1, c.padding);
    Comparison how;
    how.batch = 1 + seed % 3;
    how.threads = 1 + seed % 4;
    how.seed = seed++;
    check(GetParam(), g.finish({y}), how, 1);
  }
}

/// Chains with residuals: written halos are read by the next layer, signed codes may lie as code + 128.
TEST_P(Adds, ResidualChainsEqualTheOracle) {
  unsigned seed = 40;
  for (const char *kind : {"i8", "u8", "i6"}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, 16, 18, 15});
    Ref q = g.quantize(x, quant(kind, 0.02));
    Ref a = g.conv(q, g.weights(true, {32, 16, 1, 1}), quant(kind, 0.1), 1, 0);
    Ref b = g.conv(a, g.weights(true, {32, 32, 3, 3}), quant("i8", 0.1), 1, 1, 1, 1, &a);
    Ref d = g.conv(b, g.weights(true, {32, 32, 1, 1}), quant("u8", 0.1), 1, 0, 1, 1, &b);
    Comparison how;
    how.batch = 2;
    how.threads = 1 + seed % 3;
    how.seed = seed++;
    check(GetParam(), g.finish({d, b}), how, 3);
  }
}

/// One band, so threads share outputs, which are no multiple of a function's; more threads than outputs to share.
TEST_P(Adds, SharedOutputsEqualTheOracle) {
  for (int threads : {2, 3, 5, 9}) {
    GraphText g(70 + threads);
    Ref x = g.argument("f32", {-1, 64, 14, 15});
    Ref q = g.quantize(x, quant("i8", 0.02));
    Ref a = g.conv(q, g.weights(true, {96, 64, 3, 3}), quant("i8", 0.1), 1, 1);
    Ref b = g.conv(a, g.weights(true, {96, 96, 1, 1}), quant("u8", 0.1), 1, 0, 1, 1, &a);
    Comparison how;
    how.threads = threads;
    how.seed = unsigned(threads);
    check(GetParam(), g.finish({b}), how, 2);
  }
}

/// What the form does not take stays as it was.
TEST_P(Adds, OtherShapesAreLeftAlone) {
  for (const Case &c : {Case{15, 16, 1, 0, 16, 16, "u8", "u8", 0}, Case{16, 20, 1, 0, 16, 16, "u8", "u8", 0}, Case{16, 16, 1, 0, 4, 4, "u8", "u8", 0},
                        Case{16, 16, 1, 0, 16, 16, "u8", "f32", 0}}) {
    GraphText g(3);
    Ref x = g.argument("f32", {-1, c.channels, c.height, c.width});
    Ref q = g.quantize(x, quant(c.kind, 0.02));
    std::string out = c.outKind == std::string("f32") ? "f32" : quant(c.outKind, 0.1);
    check(GetParam(), g.finish({g.conv(q, g.weights(true, {c.outputs, c.channels, c.kernel, c.kernel}, c.mode), out, 1, c.padding)}), {}, 0);
  }
}

/// Layers take the budget in their order, and those that do not fit say so.
TEST(AddsBudget, BoundsTheCode) {
  GraphText g(5);
  Ref x = g.argument("f32", {-1, 64, 28, 28});
  Ref q = g.quantize(x, quant("u8", 0.02));
  Ref a = g.conv(q, g.weights(true, {64, 64, 1, 1}), quant("u8", 0.1), 1, 0);
  Ref b = g.conv(a, g.weights(true, {64, 64, 1, 1}), quant("u8", 0.1), 1, 0);
  Graph graph = parseGraph(g.finish({b}));
  ASSERT_TRUE(bool(graph.module));
  auto layersAsCode = [&](uint64_t budget, std::string *last = nullptr) {
    CodegenOptions options;
    options.targets = {*parseTarget("x86-64-v3")};
    options.convolutions = ConvAlgorithm::Adds;
    options.codeBudget = budget;
    auto model = compileModule(*graph.module, options);
    EXPECT_TRUE(bool(model));
    size_t found = 0;
    for (const LayerChoice &choice : model->variants[0].choices) {
      found += choice.algorithm == "weights as code";
      if (last)
        *last = choice.reason;
    }
    return found;
  };
  std::string last;
  EXPECT_EQ(layersAsCode(uint64_t(1) << 20, &last), 2u);
  EXPECT_EQ(last.find("budget"), std::string::npos);
  EXPECT_EQ(layersAsCode(16000, &last), 1u) << "a layer takes about 11 kB";
  EXPECT_NE(last.find("the code does not fit the budget"), std::string::npos) << last;
  EXPECT_EQ(layersAsCode(0), 0u);
}

INSTANTIATE_TEST_SUITE_P(Targets, Adds, testing::Values("x86-64-v3", "x86-64-v4", "x86-64-v4+vnni"), [](const auto &info) { return testName(info.param); });

} // namespace
