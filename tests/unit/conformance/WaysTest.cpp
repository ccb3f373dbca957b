// Every way that a tuner may take, against the oracle, bit for bit: tiles, groups of rows, forms of weights; tails and extreme values.
#include "GraphText.h"
#include "ProgramRunner.h"
#include "TestName.h"

#include <gtest/gtest.h>
#include <set>

using namespace triton;
using namespace triton::test;

namespace {

const char *const kTargets[] = {"x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni", "aarch64"};

class Ways : public testing::TestWithParam<const char *> {
protected:
  /// Runs way after way of every product of a graph. `names` gets what they are called.
  void checkAll(const std::string &text, Comparison how, std::set<std::string> &names) {
    Graph graph = parseGraph(text);
    ASSERT_TRUE(bool(graph.module));
    size_t most = 1;
    for (size_t way = 0; way < most; ++way) {
      std::string taken;
      how.chooseProduct = [&](const TargetDesc &, const ProductProblem &problem) {
        std::set<std::string> distinct(problem.ways.begin(), problem.ways.end());
        EXPECT_EQ(distinct.size(), problem.ways.size()) << "two ways of one name";
        EXPECT_GE(problem.ways.size(), 2u);
        EXPECT_FALSE(problem.recipe.empty());
        most = std::max(most, problem.ways.size());
        ProductDecision decision;
        decision.way = std::min(way, problem.ways.size() - 1);
        names.insert(problem.ways[decision.way].substr(0, problem.ways[decision.way].find(' ')));
        taken += problem.ways[decision.way] + ", ";
        return decision;
      };
      if (!expectEqualsOracle(graph, GetParam(), how))
        GTEST_SKIP() << GetParam() << " does not run here";
      ASSERT_FALSE(HasFailure()) << taken;
    }
  }
};

struct ConvCase {
  int64_t channels, outputs, kernel, stride, padding, height, width;
  const char *kind;
  bool trits;
  int mode; ///< of the weights
};

TEST_P(Ways, OfConvolutionsEqualTheOracle) {
  unsigned seed = 1;
  std::set<std::string> names;
  for (const ConvCase &c : {ConvCase{3, 16, 3, 1, 1, 5, 15, "i8", false, 0}, ConvCase{16, 80, 3, 1, 1, 6, 9, "u8", true, 0},
                            ConvCase{5, 70, 5, 2, 2, 7, 6, "i6", true, 1}, ConvCase{64, 64, 1, 1, 0, 3, 29, "u8", true, -1},
                            ConvCase{64, 33, 3, 1, 1, 7, 7, "i8", true, 1}, ConvCase{16, 32, 1, 1, 0, 16, 16, "i8", true, 0},
                            ConvCase{4, 20, 7, 2, 3, 12, 58, "u8", false, 1}}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, c.channels, c.height, c.width});
    Ref q = g.quantize(x, quant(c.kind, seed % 2 ? 0.0001 : 0.02)); // saturated, or not
    Ref first = g.conv(q, g.weights(c.trits, {c.outputs, c.channels, c.kernel, c.kernel}, c.mode), quant("u8", 0.1), c.stride, c.padding);
    Ref second = g.conv(first, g.weights(true, {c.outputs, c.outputs, 3, 3}), quant("i8", 0.1), 1, 1, 1, 1, &first);
    Comparison how;
    how.batch = 1 + seed % 2;
    how.threads = 1 + seed % 3;
    how.seed = seed++;
    checkAll(g.finish({second}), how, names);
    if (IsSkipped() || HasFailure())
      return;
  }
  EXPECT_TRUE(names.count("direct"));
  EXPECT_EQ(names.count("two") != 0, std::string(GetParam()) == "x86-64-v4+vnni");
  EXPECT_EQ(names.count("Winograd") != 0, std::string(GetParam()).starts_with("x86-64-"));
  std::string target = GetParam();
  EXPECT_EQ(names.count("weights") != 0, target == "x86-64-v3" || target.starts_with("x86-64-v4"));
}

TEST_P(Ways, OfLinearLayersEqualTheOracle) {
  unsigned seed = 20;
  std::set<std::string> names;
  for (auto [inputs, outputs, batch] : {std::array<int64_t, 3>{3, 1, 1}, {201, 100, 1}, {64, 33, 17}, {500, 130, 3}}) {
    GraphText g(seed);
    Ref q = g.quantize(g.argument("f32", {-1, inputs}), quant(seed % 2 ? "i8" : "u8", 0.02));
    Ref h = g.linear(q, g.weights(seed % 3 != 0, {outputs, inputs}, seed % 2), quant("i8", 0.1));
    Ref y = g.linear(h, g.weights(true, {outputs, outputs}), quant("u8", 0.1), &h);
    Comparison how;
    how.batch = batch;
    how.threads = 1 + seed % 2;
    how.seed = seed++;
    checkAll(g.finish({g.linear(y, g.weights(true, {70, outputs}), "f32")}), how, names);
    if (IsSkipped() || HasFailure())
      return;
  }
  EXPECT_TRUE(names.count("tile"));
  EXPECT_EQ(names.count("two") != 0, std::string(GetParam()) == "x86-64-v4+vnni");
}

/// Convolutions on weights of two bits: channels around groups of 16, runs of a row and of a tap, outputs around panels, threads that share rows
/// or blocks, sums at their bounds.
class TwoBits : public testing::TestWithParam<const char *> {};

TEST_P(TwoBits, OfConvolutionsEqualTheOracle) {
  unsigned seed = 60;
  auto twoBits = [](const TargetDesc &, const ProductProblem &problem) {
    ProductDecision decision;
    while (decision.way < problem.ways.size() && !problem.ways[decision.way].starts_with("two bits"))
      ++decision.way;
    EXPECT_LT(decision.way, problem.ways.size());
    return decision;
  };
  struct Case {
    int64_t channels, outputs, kernel, stride, padding, dilation, height, width;
    const char *kind;
    int mode;
  };
  for (const Case &c : {Case{3, 20, 3, 1, 1, 1, 5, 15, "i8", 0}, Case{16, 130, 3, 1, 1, 1, 4, 4, "u8", 1}, Case{17, 64, 3, 2, 1, 1, 9, 30, "u8", -1},
                        Case{48, 70, 1, 1, 0, 1, 40, 3, "i8", 1}, Case{33, 16, 5, 1, 2, 1, 7, 6, "i6", 0}, Case{16, 33, 7, 2, 3, 1, 12, 28, "u8", 0},
                        Case{20, 40, 3, 1, 2, 2, 6, 7, "u8", 0}, Case{16, 40, 3, 1, 2, 2, 6, 13, "i8", -1}, Case{130, 100, 1, 2, 0, 1, 7, 7, "t", 0}}) {
    GraphText g(seed);
    Ref q = g.quantize(g.argument("f32", {-1, c.channels, c.height, c.width}), quant(c.kind, seed % 2 ? 0.0001 : 0.02)); // saturated, or not
    Ref first = g.conv(q, g.weights(true, {c.outputs, c.channels, c.kernel, c.kernel}, c.mode), quant("u8", 0.1), c.stride, c.padding, c.dilation);
    Ref second = g.conv(first, g.weights(true, {c.outputs, c.outputs, 3, 3}), quant("i8", 0.1), 1, 1, 1, 1, &first);
    Comparison how;
    how.batch = 1 + seed % 3;
    how.threads = 1 + seed % 4;
    how.seed = seed++;
    how.chooseProduct = twoBits;
    Graph graph = parseGraph(g.finish({second}));
    ASSERT_TRUE(bool(graph.module));
    if (!expectEqualsOracle(graph, GetParam(), how))
      GTEST_SKIP() << GetParam() << " does not run here";
    ASSERT_FALSE(HasFailure()) << c.channels << " to " << c.outputs << ", " << c.kernel << "x" << c.kernel;
  }
}

TEST_P(Ways, OfDepthwiseConvolutionsEqualTheOracle) {
  if (std::string(GetParam()) != "x86-64-v4+vnni")
    GTEST_SKIP() << "there is one way on " << GetParam();
  std::set<std::string> names;
  unsigned seed = 40;
  for (const char *kind : {"i8", "u8"})
    for (auto [channels, stride] : {std::array<int64_t, 2>{70, 1}, {64, 2}}) {
      GraphText g(seed);
      Ref q = g.quantize(g.argument("f32", {-1, channels, 9, 8}), quant(kind, seed % 2 ? 0.0001 : 0.02));
      Ref y = g.conv(q, g.weights(true, {channels, 1, 3, 3}, seed % 3 == 0 ? 1 : 0), quant("u8", 0.1), stride, 1, 1, channels);
      Comparison how;
      how.batch = 2;
      how.threads = 2;
      how.seed = seed++;
      checkAll(g.finish({y}), how, names);
      if (IsSkipped() || HasFailure())
        return;
    }
  EXPECT_EQ(names, (std::set<std::string>{"lanes", "rows"}));
}

INSTANTIATE_TEST_SUITE_P(Targets, Ways, testing::ValuesIn(kTargets), [](const auto &info) { return triton::test::testName(info.param); });
INSTANTIATE_TEST_SUITE_P(Targets, TwoBits, testing::Values("x86-64-v4+vnni", "x86-64-v4+vnni+vbmi"),
                         [](const auto &info) { return triton::test::testName(info.param); });

} // namespace
