// Real operations, plain integers and operations that move elements.
#include "Interpret.h"

#include <cmath>

using namespace triton;
using namespace triton::testing;

/// One operation of one operand of type `x` to type `y`.
static std::string unary(const std::string &op, const std::string &x, const std::string &y, bool sameForm = false) {
  return wrap("(%x: " + x + ") -> " + y, "%y = ternary." + op + " : " + (sameForm ? x : "(" + x + ") -> " + y) + "\nreturn %y : " + y);
}

TEST(Softmax, SumsToOneAlongTheAxis) {
  std::string t = "tensor<2x3xf32>";
  Reals y = run(unary("softmax %x {axis = 1 : i64}", t, t, true), {reals({2, 3}, {0, 0, 0, 1000, 0, -1000})})[0].as<float>();
  EXPECT_EQ(y, (Reals{1.0f / 3, 1.0f / 3, 1.0f / 3, 1, 0, 0}));
}

TEST(LayerNorm, NormalisesTheLastAxis) {
  std::string x = "tensor<1x4xf32>", d = "tensor<4xf32>";
  std::string text = wrap("(%x: " + x + ", %w: " + d + ", %b: " + d + ") -> " + x,
                          "%y = ternary.layer_norm %x, %w, %b {eps = 0.0} : (" + x + ", " + d + ", " + d + ") -> " + x + "\nreturn %y : " + x);
  // mean 2.5, variance 1.25
  Reals y = run(text, {reals({1, 4}, {1, 2, 3, 4}), reals({4}, {1, 1, 1, 2}), reals({4}, {0, 0, 0, 5})})[0].as<float>();
  float sd = std::sqrt(1.25f);
  EXPECT_EQ(y, (Reals{-1.5f / sd, -0.5f / sd, 0.5f / sd, 1.5f / sd * 2 + 5}));
}

TEST(RmsNorm, DividesByTheRoot) {
  std::string x = "tensor<1x2xf32>";
  std::string text = wrap("(%x: " + x + ", %w: tensor<2xf32>) -> " + x,
                          "%y = ternary.rms_norm %x, %w {eps = 0.0} : (" + x + ", tensor<2xf32>) -> " + x + "\nreturn %y : " + x);
  float root = std::sqrt(12.5f);
  EXPECT_EQ(run(text, {reals({1, 2}, {3, 4}), reals({2}, {1, 2})})[0].as<float>(), (Reals{3 / root, 4 / root * 2}));
}

TEST(BatchNorm, PerChannel) {
  std::string x = "tensor<1x2x1x2xf32>", c = "tensor<2xf32>";
  std::string text = wrap("(%x: " + x + ", %w: " + c + ", %b: " + c + ", %m: " + c + ", %v: " + c + ") -> " + x,
                          "%y = ternary.batch_norm %x, %w, %b, %m, %v {eps = 0.0} : (" + x + ", " + c + ", " + c + ", " + c + ", " + c + ") -> " + x +
                              "\nreturn %y : " + x);
  EXPECT_EQ(run(text, {reals({1, 2, 1, 2}, {1, 2, 3, 4}), reals({2}, {2, 1}), reals({2}, {1, 0}), reals({2}, {1, 3}), reals({2}, {4, 1})})[0].as<float>(),
            (Reals{1, 2, 0, 1}));
}

TEST(BatchNorm, TakesItsStatisticsFromTheBatchWhereThatIsAskedFor) {
  std::string x = "tensor<2x1x1x2xf32>", c = "tensor<1xf32>";
  std::string text = wrap("(%x: " + x + ", %w: " + c + ", %b: " + c + ", %m: " + c + ", %v: " + c + ") -> " + x,
                          "%y = ternary.batch_norm %x, %w, %b, %m, %v {eps = 0.5} : (" + x + ", " + c + ", " + c + ", " + c + ", " + c + ") -> " + x +
                              "\nreturn %y : " + x);
  std::vector<float> means, variances;
  InterpretOptions options;
  options.batchStatistics = [&](mlir::Operation *, const std::vector<float> &mean, const std::vector<float> &variance) {
    means = mean, variances = variance;
  };
  // Mean 3, sum of squares 14: 3.5 normalises, 14 / 3 is kept. The operands' own mean and variance count for nothing.
  Reals y = run(text, {reals({2, 1, 1, 2}, {1, 2, 3, 6}), reals({1}, {2}), reals({1}, {10}), reals({1}, {99}), reals({1}, {99})}, options)[0].as<float>();
  EXPECT_EQ(y, (Reals{8, 9, 10, 13}));
  EXPECT_EQ(means, Reals{3});
  EXPECT_EQ(variances, Reals{float(14.0 / 3)});
}

TEST(AvgPoolReal, PaddingAddsNothing) {
  std::string x = "tensor<1x1x2x2xf32>";
  std::string attrs = "{kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1>";
  HostTensor in = reals({1, 1, 2, 2}, {4, 8, 12, 16});
  EXPECT_EQ(run(unary("avg_pool %x " + attrs + "}", x, x), {in})[0].as<float>(), (Reals{1, 2, 3, 4}));
  EXPECT_EQ(run(unary("avg_pool %x " + attrs + ", count_pad = false}", x, x), {in})[0].as<float>(), (Reals{4, 8, 12, 16}));
}

TEST(Reductions, MeanSumMaxArgmax) {
  HostTensor in = reals({2, 3}, {1, 5, 3, -1, -1, -7});
  EXPECT_EQ(run(unary("mean %x {axis = 1 : i64}", "tensor<2x3xf32>", "tensor<2xf32>"), {in})[0].as<float>(), (Reals{3, -3}));
  EXPECT_EQ(run(unary("sum %x {axis = 0 : i64, keep}", "tensor<2x3xf32>", "tensor<1x3xf32>"), {in})[0].as<float>(), (Reals{0, 4, -4}));
  EXPECT_EQ(run(unary("max %x {axis = 1 : i64}", "tensor<2x3xf32>", "tensor<2xf32>"), {in})[0].as<float>(), (Reals{5, -1}));
  EXPECT_EQ(run(unary("argmax %x {axis = 1 : i64}", "tensor<2x3xf32>", "tensor<2xi32>"), {in})[0].as<int32_t>(), (Ints{1, 0}));
}

TEST(Elementwise, BroadcastsFromTheRight) {
  std::string text = wrap("(%a: tensor<2x1xf32>, %b: tensor<3xf32>) -> tensor<2x3xf32>",
                          "%y = ternary.sub %a, %b : (tensor<2x1xf32>, tensor<3xf32>) -> tensor<2x3xf32>\nreturn %y : tensor<2x3xf32>");
  EXPECT_EQ(run(text, {reals({2, 1}, {10, 20}), reals({3}, {1, 2, 3})})[0].as<float>(), (Reals{9, 8, 7, 19, 18, 17}));
}

TEST(Elementwise, HalfRoundsEachOperationOnce) {
  std::string t = "tensor<1xf16>";
  std::string text = wrap("(%a: " + t + ", %b: " + t + ") -> " + t, "%y = ternary.add %a, %b : (" + t + ", " + t + ") -> " + t + "\nreturn %y : " + t);
  HostTensor a{ElementType::F16, {1}, {0x00, 0x68}}, b{ElementType::F16, {1}, {0x00, 0x3C}}; // 2048 + 1
  EXPECT_EQ(run(text, {a, b})[0].bytes, (std::vector<uint8_t>{0x00, 0x68}));
}

TEST(Integers, SmallOnesSaturateWideOnesWrap) {
  auto add = [](const std::string &t, const std::string &attrs = "") {
    return wrap("(%a: " + t + ", %b: " + t + ") -> " + t, "%y = ternary.add %a, %b " + attrs + ": (" + t + ", " + t + ") -> " + t + "\nreturn %y : " + t);
  };
  EXPECT_EQ(run(add("tensor<2xi8>"), {smalls({2}, {127, -128}), smalls({2}, {1, -1})})[0].as<int8_t>(), (Smalls{127, -128}));
  EXPECT_EQ(run(add("tensor<2xi8>", "{lo = -8 : i64, hi = 7 : i64} "), {smalls({2}, {7, -8}), smalls({2}, {1, -1})})[0].as<int8_t>(), (Smalls{7, -8}));
  EXPECT_EQ(run(add("tensor<2xui8>"), {bytes({2}, {250, 3}), bytes({2}, {10, 4})})[0].as<uint8_t>(), (Bytes{255, 7}));
  EXPECT_EQ(run(add("tensor<1xi32>"), {ints({1}, {2147483647}), ints({1}, {1})})[0].as<int32_t>(), (Ints{-2147483647 - 1}));
}

TEST(Cast, RoundsHalfToEvenAndSaturates) {
  EXPECT_EQ(run(unary("cast %x", "tensor<6xf32>", "tensor<6xi8>"), {reals({6}, {0.5f, 1.5f, -2.5f, 300, -300, std::nanf("")})})[0].as<int8_t>(),
            (Smalls{0, 2, -2, 127, -128, 0}));
  EXPECT_EQ(run(unary("cast %x", "tensor<4xf32>", "tensor<4x!ternary.trit>"), {reals({4}, {0.5f, 0.6f, -7, 1.5f})})[0].as<int8_t>(), (Smalls{0, 1, -1, 1}));
  EXPECT_EQ(run(unary("cast %x", "tensor<1xi32>", "tensor<1xf32>"), {ints({1}, {16777217})})[0].as<float>(), (Reals{16777216}));
  EXPECT_EQ(run(unary("cast %x", "tensor<2xf32>", "tensor<2xi32>"), {reals({2}, {3e9f, -3e9f})})[0].as<int32_t>(), (Ints{2147483647, -2147483647 - 1}));
}

TEST(Clamp, NanStays) {
  std::string t = "tensor<3xf32>";
  Reals y = run(unary("clamp %x {lo = -1.0 : f64, hi = 2.0 : f64}", t, t, true), {reals({3}, {-5, 5, std::nanf("")})})[0].as<float>();
  EXPECT_EQ(y[0], -1);
  EXPECT_EQ(y[1], 2);
  EXPECT_TRUE(std::isnan(y[2]));
}

TEST(Moving, TransposeSliceIndexPadReshape) {
  HostTensor in = reals({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run(unary("transpose %x {order = array<i64: 1, 0>}", "tensor<2x3xf32>", "tensor<3x2xf32>"), {in})[0].as<float>(), (Reals{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(run(unary("slice %x {axis = 1 : i64, from = 1 : i64, to = 3 : i64}", "tensor<2x3xf32>", "tensor<2x2xf32>"), {in})[0].as<float>(), (Reals{2, 3, 5, 6}));
  EXPECT_EQ(run(unary("index %x {indices = array<i64: 1>}", "tensor<2x3xf32>", "tensor<3xf32>"), {in})[0].as<float>(), (Reals{4, 5, 6}));
  EXPECT_EQ(run(unary("pad %x {low = array<i64: 0, 1>, high = array<i64: 1, 0>, value = 9.0 : f64}", "tensor<2x3xf32>", "tensor<3x4xf32>"), {in})[0].as<float>(),
            (Reals{9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9}));
  HostTensor y = run(unary("reshape %x", "tensor<?x3xf32>", "tensor<?x1x3xf32>"), {in})[0];
  EXPECT_EQ(y.shape, (TensorShape{2, 1, 3}));
}

TEST(Attention, CausalSeesThePastOnly) {
  std::string q = "tensor<1x2x2x1xf32>", k = "tensor<1x1x2x1xf32>";
  std::string text = wrap("(%q: " + q + ", %k: " + k + ", %v: " + k + ") -> " + q,
                          "%y = ternary.attention %q, %k, %v {causal} : (" + q + ", " + k + ", " + k + ") -> " + q + "\nreturn %y : " + q);
  Reals y = run(text, {reals({1, 2, 2, 1}, {0, 0, 0, 0}), reals({1, 1, 2, 1}, {1, 1}), reals({1, 1, 2, 1}, {2, 4})})[0].as<float>();
  EXPECT_EQ(y, (Reals{2, 3, 2, 3}));
}

TEST(Rope, RotatesPairs) {
  std::string t = "tensor<1x1x2x2xf32>";
  Reals y = run(unary("rope %x", t, t, true), {reals({1, 1, 2, 2}, {1, 0, 1, 0})})[0].as<float>();
  EXPECT_EQ(y[0], 1);
  EXPECT_EQ(y[1], 0);
  EXPECT_NEAR(y[2], std::cos(1.0), 1e-7);
  EXPECT_NEAR(y[3], std::sin(1.0), 1e-7);
}

TEST(Embedding, RowsAndRange) {
  std::string text = wrap("(%i: tensor<2xi32>, %t: tensor<3x2xf32>) -> tensor<2x2xf32>",
                          "%y = ternary.embedding %i, %t : (tensor<2xi32>, tensor<3x2xf32>) -> tensor<2x2xf32>\nreturn %y : tensor<2x2xf32>");
  HostTensor table = reals({3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run(text, {ints({2}, {2, 0}), table})[0].as<float>(), (Reals{5, 6, 1, 2}));
  EXPECT_EQ(runError(text, {ints({2}, {0, 3}), table}), "embedding: id 3 at position 1 is out of range (0..2)");
}

static std::string preprocessed() {
  return wrap("(%x: tensor<?x2x1xf32> {ternary.name = \"image\", ternary.dtypes = [\"uint8\", \"float32\"], ternary.mean = array<f64: 0.5, 0.25>, "
              "ternary.std = array<f64: 0.5, 2.0>, ternary.scale = 0.01 : f64}) -> tensor<?x2x1xf32>",
              "return %x : tensor<?x2x1xf32>");
}

TEST(Inputs, BytesArePreprocessedFloatsAreTakenAsTheyAre) {
  Reals y = run(preprocessed(), {bytes({1, 2, 1}, {100, 255})})[0].as<float>();
  EXPECT_EQ(y, (Reals{(100 * 0.01f - 0.5f) / 0.5f, (255 * 0.01f - 0.25f) / 2.0f}));
  EXPECT_EQ(run(preprocessed(), {reals({1, 2, 1}, {3, 4})})[0].as<float>(), (Reals{3, 4}));
}

TEST(Inputs, WrongOnesAreErrors) {
  EXPECT_EQ(runError(preprocessed(), {bytes({1, 3, 1}, {1, 2, 3})}), "input 'image' has shape [1, 3, 1], expected [N, 2, 1]");
  EXPECT_EQ(runError(preprocessed(), {ints({1, 2, 1}, {1, 2})}), "input 'image' holds I32, expected F32");
  EXPECT_EQ(runError(preprocessed(), {}), "expected 1 inputs, got 0");
  HostTensor lying = bytes({1, 2, 1}, {1});
  EXPECT_NE(runError(preprocessed(), {lying}).find("has shape"), std::string::npos);
}

TEST(FloatGraph, FakeQuantizeIsIdentityUntilItHasAScale) {
  std::string t = "tensor<3xf32>";
  std::string text = wrap("(%x: " + t + ") -> " + t, "%y = ternary.fake_quantize %x i8 static per_tensor {key = \"act0.scale\"} : " + t + "\nreturn %y : " + t);
  HostTensor in = reals({3}, {0.3f, 0.75f, 1e9f});
  EXPECT_EQ(run(text, {in})[0].as<float>(), (Reals{0.3f, 0.75f, 1e9f}));
  InterpretOptions options;
  options.scale = [](mlir::Operation *) { return std::optional<float>(0.5f); };
  EXPECT_EQ(run(text, {in}, options)[0].as<float>(), (Reals{0.5f, 1, 63.5f}));
}
