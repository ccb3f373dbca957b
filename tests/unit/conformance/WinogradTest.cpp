// The Winograd forms of 3x3 convolutions against the oracle, bit for bit, wherever their generator takes the shape.
#include "GraphText.h"
#include "ProgramRunner.h"
#include "TestName.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::test;

namespace {

struct Form {
  const char *target;
  ConvAlgorithm algorithm;
};
const Form kForms[] = {{"x86-64-v3", ConvAlgorithm::WinogradWords},      {"x86-64-v3+avxvnni", ConvAlgorithm::WinogradWords},
                       {"x86-64-v4", ConvAlgorithm::WinogradWords},      {"x86-64-v4+vnni", ConvAlgorithm::WinogradWords},
                       {"x86-64-v3+avxvnni", ConvAlgorithm::WinogradBytes}, {"x86-64-v4+vnni", ConvAlgorithm::WinogradBytes},
                       {"x86-64-v4+vnni+vbmi", ConvAlgorithm::WinogradBytes}, {"x86-64-v4+vnni+vbmi", ConvAlgorithm::WinogradRows}};

class Winograd : public testing::TestWithParam<Form> {
protected:
  void check(const std::string &text, Comparison how) {
    how.convolutions = GetParam().algorithm;
    Graph graph = parseGraph(text);
    ASSERT_TRUE(bool(graph.module));
    if (!expectEqualsOracle(graph, GetParam().target, how))
      GTEST_SKIP() << GetParam().target << " does not run here";
  }
  bool onBytes() const { return GetParam().algorithm != ConvAlgorithm::WinogradWords; }
  /// The widest codes of a sign that the form takes; narrower ones stay.
  const char *codes(std::string_view kind) const { return !onBytes() || kind[1] != '8' ? kind.data() : kind[0] == 'u' ? "u6" : "i6"; }
};

struct Case {
  int64_t channels, outputs, padding, height, width;
  const char *kind, *outKind;
  int mode; ///< of the weights
};

/// Heights and widths around tiles of 4, channels around vectors and blocks, all paddings, all kinds of codes.
TEST_P(Winograd, ShapesEqualTheOracle) {
  unsigned seed = 1;
  for (const Case &c : {Case{16, 16, 1, 8, 8, "u8", "u8", 0}, Case{3, 5, 1, 7, 7, "i8", "i8", 0}, Case{64, 33, 1, 7, 9, "u8", "i8", 1},
                        Case{33, 64, 0, 6, 10, "i8", "u8", -1}, Case{17, 48, 2, 5, 4, "u6", "i6", 0}, Case{32, 31, 2, 4, 13, "i8", "t", 1},
                        Case{1, 1, 1, 4, 5, "t", "u4", 0}, Case{40, 70, 1, 14, 14, "u8", "u8", 0}, Case{65, 20, 1, 3, 11, "u8", "u8", 0},
                        Case{8, 8, 2, 2, 2, "i8", "u8", 0}, Case{24, 16, 1, 1, 1, "u8", "u8", 0}, Case{12, 40, 0, 21, 6, "i4", "f32", 2},
                        Case{128, 64, 1, 2, 2, "u8", "i8", 0}, Case{67, 130, 1, 2, 3, "i8", "u8", 1}, Case{63, 129, 1, 3, 2, "u8", "u8", -1},
                        Case{66, 17, 1, 5, 3, "u8", "i8", 1}, Case{129, 65, 1, 9, 9, "i8", "i8", 0}, Case{20, 48, 1, 1, 6, "u8", "u8", 0},
                        Case{34, 9, 1, 3, 1, "i8", "i8", 0}, Case{68, 80, 1, 4, 4, "i8", "u8", 0}}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, c.channels, c.height, c.width});
    Ref q = g.quantize(x, quant(codes(c.kind), 0.02));
    std::string out = c.outKind == std::string("f32") ? "f32" : quant(c.outKind, 0.1);
    Ref y = g.conv(q, g.weights(true, {c.outputs, c.channels, 3, 3}, c.mode), out, 1, c.padding);
    Comparison how;
    how.batch = 1 + seed % 3;
    how.threads = 1 + seed % 4;
    how.seed = seed++;
    check(g.finish({y}), how);
  }
}

/// Chains with residuals: written halos are read by the next layer, signed codes may lie as code + 128.
TEST_P(Winograd, ResidualChainsEqualTheOracle) {
  unsigned seed = 40;
  for (int64_t channels : {16, 36, 65})
    for (const char *kind : {"i8", "u8", "i6"}) {
      GraphText g(seed);
      Ref x = g.argument("f32", {-1, 3, 10, 15});
      Ref q = g.quantize(x, quant(codes("i8"), 0.02));
      Ref a = g.conv(q, g.weights(seed % 2 == 0, {channels, 3, 3, 3}), quant(codes(kind), 0.1), 1, 1);
      Ref b = g.conv(a, g.weights(true, {channels, channels, 3, 3}, seed % 4 == 1 ? 1 : 0), quant(codes(kind), 0.1), 1, 1, 1, 1, &a);
      Ref d = g.conv(b, g.weights(true, {channels, channels, 3, 3}), quant(codes("u8"), 0.05), 1, 1, 1, 1, &b, onBytes() ? "lo = 0 : i64, hi = 50 : i64" : "lo = 0 : i64, hi = 200 : i64");
      Ref e = g.conv(d, g.weights(true, {7, channels, 3, 3}), quant("i8", 0.1), 1, 2);
      Comparison how;
      how.batch = 1 + seed % 2;
      how.threads = 1 + seed % 3;
      how.seed = seed++;
      check(g.finish({e, d}), how);
    }
}

/// Codes at their extremes, and sums that nothing rounds: the unfused convolution gives them as they are.
TEST_P(Winograd, ExtremeSumsEqualTheOracle) {
  unsigned seed = 60;
  for (const char *kind : {"u8", "i8"})
    for (int mode : {1, -1, 0}) {
      GraphText g(seed);
      Ref x = g.argument("f32", {2, 130, 9, 6});
      Ref q = g.quantize(x, quant(codes(kind), 0.0001)); // everything saturates
      std::string attributes = "stride = array<i64: 1, 1>, padding = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64";
      Ref sums = g.op("conv2d", {q, g.weights(true, {19, 130, 3, 3}, mode)}, attributes, "i32", {2, 19, 9, 6});
      Ref codes = g.conv(q, g.weights(true, {40, 130, 3, 3}, mode), quant("i8", 0.1), 1, 1);
      Comparison how;
      how.batch = 2;
      how.threads = 2;
      how.seed = seed++;
      check(g.finish({sums, codes}), how);
    }
}

/// More rows of tiles than one group holds, many images, more threads than rows or blocks.
TEST_P(Winograd, GroupsBatchesAndThreadsEqualTheOracle) {
  unsigned seed = 80;
  for (int32_t threads : {1, 2, 3, 8})
    for (auto [channels, height, width] : {std::array<int64_t, 3>{64, 46, 27}, {20, 5, 38}, {96, 7, 7}, {8, 20, 400}}) {
      GraphText g(seed);
      Ref x = g.argument("f32", {-1, channels, height, width});
      Ref q = g.quantize(x, quant(codes(seed % 2 ? "i8" : "u8"), 0.02));
      Ref y = g.conv(q, g.weights(true, {channels, channels, 3, 3}), quant("u8", 0.1), 1, 1);
      Comparison how;
      how.batch = height == 7 ? 17 : 1 + seed % 2;
      how.threads = threads;
      how.seed = seed++;
      check(g.finish({y}), how);
    }
}

/// More weights than are kept transformed: those of the next block, or of the next part, are made beside the products.
TEST_P(Winograd, LargeLayersEqualTheOracle) {
  unsigned seed = 120;
  for (auto [channels, outputs, height, width] : {std::array<int64_t, 4>{260, 120, 7, 7}, {257, 130, 14, 9}, {256, 128, 4, 4}, {128, 264, 8, 8}})
    for (int32_t threads : {1, 2, 3, 2}) {
      GraphText g(seed);
      Ref x = g.argument("f32", {-1, channels, height, width});
      Ref q = g.quantize(x, quant(codes(seed % 3 ? "u8" : "i8"), 0.02));
      Ref y = g.conv(q, g.weights(true, {outputs, channels, 3, 3}), quant("u8", 0.1), 1, 1);
      Comparison how;
      how.batch = 1 + seed % 3;
      how.threads = threads;
      how.seed = seed++;
      check(g.finish({y}), how);
    }
}

/// At every level, with the algorithm that costs decide, and forced: one result.
TEST_P(Winograd, LevelsAndChoicesAgree) {
  for (unsigned seed = 100; seed < 102; ++seed) {
    GraphText g(seed);
    auto pick = [&](int64_t lo, int64_t hi) { return lo + int64_t(g.random() % unsigned(hi - lo + 1)); };
    const char *kinds[] = {"i8", "u8", "i6", "u6", "t"};
    int64_t channels = pick(5, 70), size = pick(4, 17);
    Ref x = g.argument("f32", {-1, pick(1, 8), size, size + pick(0, 5)});
    Ref y = g.conv(g.quantize(x, quant(codes("i8"), 0.03)), g.weights(true, {channels, x.shape[1], 3, 3}), quant(codes(kinds[seed % 5]), 0.05), 1, 1);
    for (int64_t blocks = pick(1, 3); blocks > 0; --blocks)
      y = g.conv(y, g.weights(true, {channels, channels, 3, 3}), quant(codes(kinds[g.random() % 5]), 0.05), 1, 1, 1, 1, blocks % 2 ? &y : nullptr);
    for (int level : {0, 1, 2, 3})
      for (ConvAlgorithm algorithm : {ConvAlgorithm::Cheapest, ConvAlgorithm::Direct, GetParam().algorithm}) {
        if (level < 2 && algorithm != GetParam().algorithm)
          continue;
        Graph graph = parseGraph(g.finish({y}));
        Comparison how;
        how.optLevel = level;
        how.batch = 2;
        how.threads = 2;
        how.seed = seed;
        how.convolutions = algorithm;
        if (!expectEqualsOracle(graph, GetParam().target, how))
          GTEST_SKIP() << GetParam().target << " does not run here";
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Winograd, testing::ValuesIn(kForms), [](const auto &info) {
  ConvAlgorithm algorithm = info.param.algorithm;
  return triton::test::testName(info.param.target) +
         (algorithm == ConvAlgorithm::WinogradRows ? "_rows" : algorithm == ConvAlgorithm::WinogradBytes ? "_bytes" : "_words");
});

LayerChoice choiceOf(const char *target, ConvAlgorithm algorithm, const char *kind = "u8", int64_t channels = 64, int64_t size = 28) {
  GraphText g(7);
  Ref x = g.argument("f32", {-1, channels, size, size});
  Ref y = g.conv(g.quantize(x, quant(kind, 0.02)), g.weights(true, {channels, channels, 3, 3}, 0, "block.conv"), quant("u8", 0.1), 1, 1);
  Graph graph = parseGraph(g.finish({y}));
  CodegenOptions options;
  options.targets = {*parseTarget(target)};
  options.convolutions = algorithm;
  auto model = compileModule(*graph.module, options);
  EXPECT_TRUE(bool(model)) << (model ? "" : model.error().message);
  EXPECT_EQ(model->variants[0].choices.size(), 1u);
  return model->variants[0].choices.at(0);
}

TEST(WinogradChoice, IsReportedWithBothCosts) {
  LayerChoice chosen = choiceOf("x86-64-v3", ConvAlgorithm::Cheapest);
  EXPECT_EQ(chosen.layer, "block.conv");
  EXPECT_EQ(chosen.algorithm.substr(0, 15), "Winograd F(4x4)");
  EXPECT_NE(chosen.reason.find(" M by Winograd"), std::string::npos) << chosen.reason;
  LayerChoice direct = choiceOf("x86-64-v3", ConvAlgorithm::Direct);
  EXPECT_EQ(direct.algorithm.substr(0, 18), "direct convolution");
  EXPECT_EQ(choiceOf("x86-64-v4+vnni", ConvAlgorithm::WinogradWords).algorithm.substr(0, 15), "Winograd F(4x4)");
  for (const char *without : {"x86-64", "x86-64-v2", "aarch64"})
    EXPECT_EQ(choiceOf(without, ConvAlgorithm::WinogradWords).algorithm.substr(0, 18), "direct convolution") << without;
}

TEST(WinogradChoice, OfFewBitsIsMadeOnBytes) {
  for (const char *target : {"x86-64-v4+vnni", "x86-64-v3+avxvnni"}) {
    for (const char *kind : {"u6", "i6", "u4", "i4", "t"})
      EXPECT_EQ(choiceOf(target, ConvAlgorithm::WinogradBytes, kind).algorithm.substr(0, 15), "Winograd F(2x2)") << target << " " << kind;
    for (const char *kind : {"u8", "i8"})
      EXPECT_EQ(choiceOf(target, ConvAlgorithm::WinogradBytes, kind).algorithm.substr(0, 18), "direct convolution") << target << " " << kind;
    LayerChoice chosen = choiceOf(target, ConvAlgorithm::Cheapest, "u6");
    EXPECT_EQ(chosen.algorithm.substr(0, 15), "Winograd F(2x2)") << target;
    EXPECT_NE(chosen.reason.find(" M by Winograd F(4x4)"), std::string::npos) << chosen.reason;
  }
  for (const char *without : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64"})
    EXPECT_EQ(choiceOf(without, ConvAlgorithm::WinogradBytes, "u6").algorithm.substr(0, 18), "direct convolution") << without;
}

TEST(WinogradChoice, AlongRowsIsForFewPixelsOfManyChannels) {
  const char *target = "x86-64-v4+vnni+vbmi";
  for (const char *kind : {"u6", "i6", "t"}) {
    LayerChoice forced = choiceOf(target, ConvAlgorithm::WinogradRows, kind);
    EXPECT_EQ(forced.algorithm, "Winograd F(1x2) 8x32") << kind;
    EXPECT_NE(forced.packing.find("t3 panels 32x4"), std::string::npos) << forced.packing;
  }
  EXPECT_EQ(choiceOf(target, ConvAlgorithm::WinogradRows, "u8").algorithm.substr(0, 18), "direct convolution");
  for (const char *without : {"x86-64", "x86-64-v3+avxvnni", "x86-64-v4+vnni", "aarch64"})
    EXPECT_EQ(choiceOf(without, ConvAlgorithm::WinogradRows, "u6").algorithm.substr(0, 18), "direct convolution") << without;
  EXPECT_EQ(choiceOf(target, ConvAlgorithm::Cheapest, "u6", 512, 4).algorithm, "Winograd F(1x2) 8x32");
  EXPECT_EQ(choiceOf(target, ConvAlgorithm::Cheapest, "u6", 512, 7).algorithm.substr(0, 15), "Winograd F(2x2)");
  // As many instructions as directly on bytes, but fewer than on the weights of two bits that would be taken.
  EXPECT_EQ(choiceOf(target, ConvAlgorithm::Cheapest, "u6", 512, 2).algorithm, "Winograd F(1x2) 2x32");
  EXPECT_EQ(choiceOf(target, ConvAlgorithm::Cheapest, "u8", 512, 2).algorithm.substr(0, 28), "direct convolution, two bits");
}

/// Where ways are measured, the rows' form is one of them, in one group size.
TEST(WinogradChoice, AlongRowsIsAWay) {
  GraphText g(8);
  Ref x = g.argument("f32", {-1, 66, 6, 5});
  Ref y = g.conv(g.quantize(x, quant("u6", 0.02)), g.weights(true, {40, 66, 3, 3}), quant("u8", 0.1), 1, 1);
  Graph graph = parseGraph(g.finish({y}));
  Comparison how;
  how.batch = 3;
  how.threads = 2;
  int64_t offered = 0;
  how.chooseProduct = [&](const TargetDesc &, const ProductProblem &problem) {
    ProductDecision decision;
    for (size_t i = 0; i < problem.ways.size(); ++i)
      if (problem.ways[i].starts_with("Winograd F(1x2)"))
        ++offered, decision.way = i;
    return decision;
  };
  if (!expectEqualsOracle(graph, "x86-64-v4+vnni+vbmi", how))
    GTEST_SKIP() << "the target does not run here";
  EXPECT_EQ(offered, 1);
}

} // namespace
