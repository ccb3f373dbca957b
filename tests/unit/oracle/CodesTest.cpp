// Hand-computed cases for the integer rules of section 10.
#include "Interpret.h"

#include <cmath>
#include <limits>

using namespace triton;
using namespace triton::testing;

TEST(Quantize, TiesClampAndNan) {
  std::string text = wrap("(%x: tensor<7xf32>) -> tensor<7x!ternary.quant<i8, 0.5>>",
                          "%q = ternary.quantize %x : tensor<7xf32> -> tensor<7x!ternary.quant<i8, 0.5>>\n"
                          "return %q : tensor<7x!ternary.quant<i8, 0.5>>");
  HostTensor y = run(text, {reals({7}, {0.25f, 0.75f, -1.25f, 1000, -1000, std::nanf(""), 0.26f})})[0];
  EXPECT_EQ(y.type, ElementType::I8);
  EXPECT_EQ(y.as<int8_t>(), (Smalls{0, 2, -2, 127, -127, 0, 1}));
}

TEST(Quantize, UnsignedClampsAtZero) {
  std::string text = wrap("(%x: tensor<3xf32>) -> tensor<3x!ternary.quant<u4, 1.0>>",
                          "%q = ternary.quantize %x : tensor<3xf32> -> tensor<3x!ternary.quant<u4, 1.0>>\n"
                          "return %q : tensor<3x!ternary.quant<u4, 1.0>>");
  EXPECT_EQ(run(text, {reals({3}, {-4, 15.5f, 2.5f})})[0].as<uint8_t>(), (Bytes{0, 15, 2}));
}

TEST(Quantize, TritsTakeTheSignBeyondHalfTheScale) {
  std::string text = wrap("(%x: tensor<5xf32>) -> tensor<5x!ternary.quant<t, 0.2>>",
                          "%q = ternary.quantize %x : tensor<5xf32> -> tensor<5x!ternary.quant<t, 0.2>>\n"
                          "return %q : tensor<5x!ternary.quant<t, 0.2>>");
  float half = 0.2f * 0.5f;
  EXPECT_EQ(run(text, {reals({5}, {half, std::nextafter(half, 1.0f), -std::nextafter(half, 1.0f), std::nanf(""), 9})})[0].as<int8_t>(),
            (Smalls{0, 1, -1, 0, 1}));
}

TEST(Dequantize, OneProduct) {
  std::string text = wrap("(%q: tensor<3x!ternary.quant<i8, 0.1>>) -> tensor<3xf32>",
                          "%x = ternary.dequantize %q : (tensor<3x!ternary.quant<i8, 0.1>>) -> tensor<3xf32>\n"
                          "return %x : tensor<3xf32>");
  EXPECT_EQ(run(text, {smalls({3}, {3, -127, 0})})[0].as<float>(), (Reals{3 * 0.1f, -127 * 0.1f, 0}));
}

TEST(QuantizeDynamic, PerRow) {
  std::string text = wrap("(%x: tensor<2x3xf32>) -> (tensor<2x3x!ternary.quant<i8, 1.0>>, tensor<2xf32>)",
                          "%q, %s = ternary.quantize_dynamic %x i8 per_row : (tensor<2x3xf32>) -> (tensor<2x3x!ternary.quant<i8, 1.0>>, tensor<2xf32>)\n"
                          "return %q, %s : tensor<2x3x!ternary.quant<i8, 1.0>>, tensor<2xf32>");
  auto y = run(text, {reals({2, 3}, {2.54f, -1, 0, 0, 0, 0})});
  EXPECT_EQ(y[0].as<int8_t>(), (Smalls{127, -50, 0, 0, 0, 0}));
  EXPECT_EQ(y[1].as<float>(), (Reals{2.54f / 127, 1})); // an empty row has scale 1
}

TEST(QuantizeDynamic, PerTensor) {
  std::string text = wrap("(%x: tensor<2x2xf32>) -> (tensor<2x2x!ternary.quant<i4, 1.0>>, tensor<f32>)",
                          "%q, %s = ternary.quantize_dynamic %x i4 per_tensor : (tensor<2x2xf32>) -> (tensor<2x2x!ternary.quant<i4, 1.0>>, tensor<f32>)\n"
                          "return %q, %s : tensor<2x2x!ternary.quant<i4, 1.0>>, tensor<f32>");
  auto y = run(text, {reals({2, 2}, {-14, 7, 3, 1})});
  EXPECT_EQ(y[0].as<int8_t>(), (Smalls{-7, 4, 2, 0})); // 3.5 and 1.5 go to even
  EXPECT_EQ(y[1].as<float>(), (Reals{2}));
  EXPECT_TRUE(y[1].shape.empty());
}

static std::string affine(const std::string &attrs, const std::string &result) {
  return wrap("(%a: tensor<1x4xi32>) -> tensor<1x4x" + result + ">",
              "%y = ternary.affine %a {axis = 1 : i64, " + attrs + "} : (tensor<1x4xi32>) -> tensor<1x4x" + result + ">\nreturn %y : tensor<1x4x" +
                  result + ">");
}

TEST(Affine, RoundsTiesToEvenAndClamps) {
  std::string text = affine("m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>", "!ternary.quant<i8, 1.0>");
  EXPECT_EQ(run(text, {ints({1, 4}, {1, 3, -5, 900})})[0].as<int8_t>(), (Smalls{0, 2, -2, 127}));
}

TEST(Affine, ReluAndRelu6AreClamps) {
  std::string text = affine("m = dense<1.0> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, lo = 0 : i64, hi = 6 : i64", "!ternary.quant<u8, 1.0>");
  EXPECT_EQ(run(text, {ints({1, 4}, {-3, 5, 7, 6})})[0].as<uint8_t>(), (Bytes{0, 5, 6, 6}));
}

TEST(Affine, PerChannelAndOneRounding) {
  // fma: 16777217 * m + b with one rounding. f(acc) itself rounds above 2^24 (to even).
  std::string text = affine("m = dense<[1.0, 0.25, -1.0, 1.0]> : tensor<4xf32>, b = dense<[0.5, 1.0, 0.0, 0.0]> : tensor<4xf32>", "f32");
  EXPECT_EQ(run(text, {ints({1, 4}, {1, 2, 3, 16777217})})[0].as<float>(), (Reals{1.5f, 1.5f, -3, 16777216}));
  // 3 * fl(1/3) is just above 1: with b = -1 the fma keeps what a rounded product would lose.
  std::string exact = affine("m = dense<0.333333343> : tensor<1xf32>, b = dense<-1.0> : tensor<1xf32>", "f32");
  EXPECT_EQ(run(exact, {ints({1, 4}, {3, 3, 3, 3})})[0].as<float>()[0], std::fmaf(3, 0.333333343f, -1));
  EXPECT_NE(std::fmaf(3, 0.333333343f, -1), 0);
}

TEST(Affine, ResidualEntersBeforeTheOneRoundingToCodes) {
  // acc * 0.25 + r * 0.25 = 0.25 + 0.25 = 0.5 -> 0 (even); rounding each alone would give 0 as well, but 0.75 + 0.75 = 1.5 -> 2 while
  // rounding each alone gives 1 + 1.
  std::string text = wrap("(%a: tensor<1x3xi32>, %r: tensor<1x3x!ternary.quant<i8, 0.5>>) -> tensor<1x3x!ternary.quant<i8, 1.0>>",
                          "%y = ternary.affine %a residual %r {axis = 1 : i64, m = dense<0.25> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, "
                          "residual_m = 0.25 : f32} : (tensor<1x3xi32>, tensor<1x3x!ternary.quant<i8, 0.5>>) -> "
                          "tensor<1x3x!ternary.quant<i8, 1.0>>\nreturn %y : tensor<1x3x!ternary.quant<i8, 1.0>>");
  EXPECT_EQ(run(text, {ints({1, 3}, {1, 5, 6}), smalls({1, 3}, {1, 5, 4})})[0].as<int8_t>(), (Smalls{0, 2, 2}));
}

TEST(Affine, GroupsAreAddedInOrderStartingAtB) {
  std::string text = wrap("(%a: tensor<1x2x3xi32>) -> tensor<1x2xf32>",
                          "%y = ternary.affine %a {axis = 1 : i64, m = dense<[[1.0, 2.0, 3.0], [16777216.0, 1.0, 1.0]]> : tensor<2x3xf32>, "
                          "b = dense<[10.0, 0.0]> : tensor<2xf32>} : (tensor<1x2x3xi32>) -> tensor<1x2xf32>\nreturn %y : tensor<1x2xf32>");
  // In the second channel 2^24 comes first, so that each 1 is lost.
  EXPECT_EQ(run(text, {ints({1, 2, 3}, {1, 1, 1, 1, 1, 1})})[0].as<float>(), (Reals{16, 16777216}));
}

TEST(Affine, DynamicScalePerRow) {
  std::string text = wrap("(%a: tensor<2x2xi32>, %s: tensor<2xf32>) -> tensor<2x2xf32>",
                          "%y = ternary.affine %a scale %s {axis = 1 : i64, m = dense<[1.0, 0.5]> : tensor<2xf32>, b = dense<[0.0, 1.0]> : "
                          "tensor<2xf32>} : (tensor<2x2xi32>, tensor<2xf32>) -> tensor<2x2xf32>\nreturn %y : tensor<2x2xf32>");
  EXPECT_EQ(run(text, {ints({2, 2}, {10, 10, 10, 10}), reals({2}, {0.5f, 2})})[0].as<float>(), (Reals{5, 3.5f, 20, 11}));
}

static const char *kCodes = "!ternary.quant<i8, 0.5>";

TEST(AddCodes, OneRoundingOfTheSecondProductThenFma) {
  std::string q = kCodes, r = "!ternary.quant<i8, 0.25>", y = "!ternary.quant<i8, 1.0>";
  std::string text = wrap("(%a: tensor<4x" + q + ">, %b: tensor<4x" + r + ">) -> tensor<4x" + y + ">",
                          "%c = ternary.add %a, %b : (tensor<4x" + q + ">, tensor<4x" + r + ">) -> tensor<4x" + y + ">\nreturn %c : tensor<4x" + y + ">");
  // 0.5 a + 0.25 b: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, clamp.
  EXPECT_EQ(run(text, {smalls({4}, {0, 1, 3, 127}), smalls({4}, {2, 4, 4, 127})})[0].as<int8_t>(), (Smalls{0, 2, 2, 95}));
}

TEST(AddCodes, ReluIsTheClamp) {
  std::string q = kCodes, y = "!ternary.quant<u8, 0.5>";
  std::string text = wrap("(%a: tensor<3x" + q + ">, %b: tensor<3x" + q + ">) -> tensor<3x" + y + ">",
                          "%c = ternary.add %a, %b {lo = 0 : i64, hi = 12 : i64} : (tensor<3x" + q + ">, tensor<3x" + q + ">) -> tensor<3x" + y +
                              ">\nreturn %c : tensor<3x" + y + ">");
  EXPECT_EQ(run(text, {smalls({3}, {-5, 4, 10}), smalls({3}, {1, 4, 10})})[0].as<uint8_t>(), (Bytes{0, 8, 12}));
}

TEST(MulCodes, TwoRoundings) {
  std::string q = kCodes, y = "!ternary.quant<i8, 1.0>";
  std::string text = wrap("(%a: tensor<3x" + q + ">, %b: tensor<3x" + q + ">) -> tensor<3x" + y + ">",
                          "%c = ternary.mul %a, %b : (tensor<3x" + q + ">, tensor<3x" + q + ">) -> tensor<3x" + y + ">\nreturn %c : tensor<3x" + y + ">");
  // a b / 4: 6/4 = 1.5 -> 2, 10/4 = 2.5 -> 2, clamp.
  EXPECT_EQ(run(text, {smalls({3}, {2, 5, -127}), smalls({3}, {3, 2, 127})})[0].as<int8_t>(), (Smalls{2, 2, -127}));
}

static std::string avgPool(const std::string &attrs) {
  std::string x = "tensor<1x1x2x2x!ternary.quant<i8, 1.0>>", y = "tensor<1x1x2x2x!ternary.quant<i8, 1.0>>";
  return wrap("(%x: " + x + ") -> " + y,
              "%y = ternary.avg_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1>" + attrs + "} : (" + x +
                  ") -> " + y + "\nreturn %y : " + y);
}

TEST(AvgPoolCodes, DivisorWithAndWithoutPadding) {
  // Each window holds one real place and three of padding.
  HostTensor x = smalls({1, 1, 2, 2}, {4, 6, 8, 10});
  EXPECT_EQ(run(avgPool(""), {x})[0].as<int8_t>(), (Smalls{1, 2, 2, 2})); // 1, 1.5, 2, 2.5
  EXPECT_EQ(run(avgPool(", count_pad = false"), {x})[0].as<int8_t>(), (Smalls{4, 6, 8, 10}));
}

TEST(GlobalAvgPoolCodes, SumThenOneFactor) {
  std::string text = wrap("(%x: tensor<1x2x2x2x!ternary.quant<u8, 0.5>>) -> tensor<1x2x!ternary.quant<u8, 0.25>>",
                          "%y = ternary.global_avg_pool %x : (tensor<1x2x2x2x!ternary.quant<u8, 0.5>>) -> tensor<1x2x!ternary.quant<u8, 0.25>>\n"
                          "return %y : tensor<1x2x!ternary.quant<u8, 0.25>>");
  // m = 0.5 / (4 * 0.25) = 0.5: sums 5 and 1000 give 2.5 -> 2 and 255.
  EXPECT_EQ(run(text, {bytes({1, 2, 2, 2}, {1, 1, 1, 2, 250, 250, 250, 250})})[0].as<uint8_t>(), (Bytes{2, 255}));
}

TEST(MeanCodes, AlongAnAxis) {
  std::string text = wrap("(%x: tensor<2x3x!ternary.quant<i8, 1.0>>) -> tensor<2x!ternary.quant<i8, 0.5>>",
                          "%y = ternary.mean %x {axis = 1 : i64} : (tensor<2x3x!ternary.quant<i8, 1.0>>) -> tensor<2x!ternary.quant<i8, 0.5>>\n"
                          "return %y : tensor<2x!ternary.quant<i8, 0.5>>");
  EXPECT_EQ(run(text, {smalls({2, 3}, {1, 2, 4, -1, -1, 0})})[0].as<int8_t>(), (Smalls{5, -1})); // 7 * 2/3 = 4.67, -1.33
}

TEST(ConcatCodes, RescalesPartsOfAnotherScale) {
  std::string a = "tensor<1x2x!ternary.quant<i8, 1.0>>", b = "tensor<1x2x!ternary.quant<i8, 0.5>>", y = "tensor<1x4x!ternary.quant<i8, 1.0>>";
  std::string text = wrap("(%a: " + a + ", %b: " + b + ") -> " + y,
                          "%y = ternary.concat %a, %b {axis = 1 : i64} : (" + a + ", " + b + ") -> " + y + "\nreturn %y : " + y);
  EXPECT_EQ(run(text, {smalls({1, 2}, {100, -3}), smalls({1, 2}, {5, 7})})[0].as<int8_t>(), (Smalls{100, -3, 2, 4})); // 2.5, 3.5
}

TEST(MaxPoolCodes, PaddingNeverWins) {
  std::string x = "tensor<1x1x2x2x!ternary.quant<i8, 1.0>>";
  std::string text = wrap("(%x: " + x + ") -> " + x,
                          "%y = ternary.max_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1>} : (" + x + ") -> " +
                              x + "\nreturn %y : " + x);
  EXPECT_EQ(run(text, {smalls({1, 1, 2, 2}, {-4, -6, -8, -10})})[0].as<int8_t>(), (Smalls{-4, -6, -8, -10}));
}

TEST(Relu6Codes, ClampsAtTheCodeOfSix) {
  std::string x = "tensor<4x!ternary.quant<i8, 0.25>>";
  std::string text = wrap("(%x: " + x + ") -> " + x, "%y = ternary.relu6 %x : " + x + "\nreturn %y : " + x);
  EXPECT_EQ(run(text, {smalls({4}, {-1, 23, 24, 25})})[0].as<int8_t>(), (Smalls{0, 23, 24, 24}));
}

TEST(Lookup, TablePerChannel) {
  std::string table = "dense<\"0x";
  auto hex = [](int v) {
    const char *digits = "0123456789ABCDEF";
    return std::string{digits[(v & 255) >> 4], digits[v & 15]};
  };
  for (int i = 0; i < 256; ++i) table += hex(i / 2 - 64);
  for (int i = 0; i < 256; ++i) table += hex(-(i / 4));
  table += "\"> : tensor<2x256xi8>";
  std::string text = wrap("(%x: tensor<1x2x2xui8>) -> tensor<1x2x2x!ternary.quant<i8, 1.0>>",
                          "%y = ternary.lookup %x {table = " + table + "} : (tensor<1x2x2xui8>) -> tensor<1x2x2x!ternary.quant<i8, 1.0>>\n"
                          "return %y : tensor<1x2x2x!ternary.quant<i8, 1.0>>");
  EXPECT_EQ(run(text, {bytes({1, 2, 2}, {0, 255, 8, 255})})[0].as<int8_t>(), (Smalls{-64, 63, -2, -63}));
}
