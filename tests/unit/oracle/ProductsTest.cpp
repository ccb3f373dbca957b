// Products against a direct triple loop, real and exact, with groups, strides, dilation, padding and groups of k.
#include "Interpret.h"

#include <random>

using namespace triton;
using namespace triton::testing;

namespace {

struct ConvCase {
  int64_t n, c, h, w, o, kh, kw, sh, sw, ph, pw, dh, dw, groups, kGroups;
};

std::string shape(std::initializer_list<int64_t> sizes, const std::string &element) {
  std::string out = "tensor<";
  for (int64_t s : sizes) out += std::to_string(s) + "x";
  return out + element + ">";
}

} // namespace

class Conv : public ::testing::TestWithParam<ConvCase> {};

TEST_P(Conv, ExactSumsEqualTheDirectLoop) {
  ConvCase k = GetParam();
  int64_t oh = (k.h + 2 * k.ph - k.dh * (k.kh - 1) - 1) / k.sh + 1, ow = (k.w + 2 * k.pw - k.dw * (k.kw - 1) - 1) / k.sw + 1;
  int64_t cg = k.c / k.groups, og = k.o / k.groups;
  std::mt19937 random(7);
  std::vector<int8_t> x(static_cast<size_t>(k.n * k.c * k.h * k.w)), w(static_cast<size_t>(k.o * cg * k.kh * k.kw));
  for (auto &v : x) v = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  for (auto &v : w) v = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  std::string xt = shape({k.n, k.c, k.h, k.w}, "!ternary.quant<i8, 1.0>"), wt = shape({k.o, cg, k.kh, k.kw}, "!ternary.trit");
  std::string yt = k.kGroups ? shape({k.n, k.o, oh, ow, k.kGroups}, "i32") : shape({k.n, k.o, oh, ow}, "i32");
  auto pair = [](int64_t a, int64_t b) { return "array<i64: " + std::to_string(a) + ", " + std::to_string(b) + ">"; };
  std::string text = wrap("(%x: " + xt + ", %w: " + wt + ") -> " + yt,
                          "%y = ternary.conv2d %x, %w {stride = " + pair(k.sh, k.sw) + ", padding = " + pair(k.ph, k.pw) + ", dilation = " +
                              pair(k.dh, k.dw) + ", groups = " + std::to_string(k.groups) + " : i64" +
                              (k.kGroups ? ", k_groups = " + std::to_string(k.kGroups) + " : i64" : "") + "} : (" + xt + ", " + wt + ") -> " + yt +
                              "\nreturn %y : " + yt);
  std::vector<int32_t> got = run(text, {smalls({k.n, k.c, k.h, k.w}, x), smalls({k.o, cg, k.kh, k.kw}, w)})[0].as<int32_t>();
  int64_t parts = std::max<int64_t>(k.kGroups, 1), depth = cg * k.kh * k.kw;
  std::vector<int32_t> expected;
  for (int64_t n = 0; n < k.n; ++n)
    for (int64_t o = 0; o < k.o; ++o)
      for (int64_t y = 0; y < oh; ++y)
        for (int64_t xx = 0; xx < ow; ++xx) {
          std::vector<int32_t> sums(static_cast<size_t>(parts));
          for (int64_t c = 0; c < cg; ++c)
            for (int64_t i = 0; i < k.kh; ++i)
              for (int64_t j = 0; j < k.kw; ++j) {
                int64_t r = y * k.sh + i * k.dh - k.ph, s = xx * k.sw + j * k.dw - k.pw, position = (c * k.kh + i) * k.kw + j;
                if (r < 0 || r >= k.h || s < 0 || s >= k.w) continue;
                sums[static_cast<size_t>(position / (depth / parts))] +=
                    x[static_cast<size_t>(((n * k.c + o / og * cg + c) * k.h + r) * k.w + s)] * w[static_cast<size_t>(o * depth + position)];
              }
          expected.insert(expected.end(), sums.begin(), sums.end());
        }
  EXPECT_EQ(got, expected);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Conv,
                         ::testing::Values(ConvCase{1, 3, 8, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0}, ConvCase{2, 4, 7, 5, 6, 3, 3, 2, 2, 1, 1, 1, 1, 1, 0},
                                           ConvCase{1, 6, 6, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 6, 0}, ConvCase{1, 4, 9, 9, 8, 3, 2, 2, 1, 0, 2, 2, 3, 2, 0},
                                           ConvCase{2, 5, 4, 4, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0}, ConvCase{1, 4, 6, 6, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 4},
                                           ConvCase{1, 3, 10, 10, 2, 7, 7, 2, 2, 3, 3, 1, 1, 1, 0}, ConvCase{1, 4, 5, 5, 4, 2, 2, 1, 1, 1, 1, 1, 1, 2, 2}));

TEST(Linear, RealByTritsAppliesNoScale) {
  std::string text = wrap("(%x: tensor<1x3xf32>, %w: tensor<2x3x!ternary.trit>) -> tensor<1x2xf32>",
                          "%y = ternary.linear %x, %w : (tensor<1x3xf32>, tensor<2x3x!ternary.trit>) -> tensor<1x2xf32>\nreturn %y : tensor<1x2xf32>");
  EXPECT_EQ(run(text, {reals({1, 3}, {0.5f, 2, 0.25f}), smalls({2, 3}, {1, 0, -1, 1, 1, 1})})[0].as<float>(), (Reals{0.25f, 2.75f}));
}

TEST(Linear, BiasAndGroupsOfK) {
  std::string text = wrap("(%x: tensor<2x2xf32>, %w: tensor<2x2xf32>, %b: tensor<2xf32>) -> tensor<2x2xf32>",
                          "%y = ternary.linear %x, %w bias %b : (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>\n"
                          "return %y : tensor<2x2xf32>");
  EXPECT_EQ(run(text, {reals({2, 2}, {1, 2, 3, 4}), reals({2, 2}, {1, 0, 0, 1}), reals({2}, {10, 20})})[0].as<float>(), (Reals{11, 22, 13, 24}));
  std::string groups = wrap("(%x: tensor<1x4x!ternary.quant<i8, 1.0>>, %w: tensor<1x4x!ternary.trit>) -> tensor<1x1x2xi32>",
                            "%y = ternary.linear %x, %w {k_groups = 2 : i64} : (tensor<1x4x!ternary.quant<i8, 1.0>>, tensor<1x4x!ternary.trit>) -> "
                            "tensor<1x1x2xi32>\nreturn %y : tensor<1x1x2xi32>");
  EXPECT_EQ(run(groups, {smalls({1, 4}, {1, 2, 3, 4}), smalls({1, 4}, {1, 1, -1, -1})})[0].as<int32_t>(), (Ints{3, -7}));
}

TEST(Matmul, BroadcastsLeadingAxes) {
  std::string text = wrap("(%a: tensor<2x1x1x2xf32>, %b: tensor<3x2x1xf32>) -> tensor<2x3x1x1xf32>",
                          "%y = ternary.matmul %a, %b : (tensor<2x1x1x2xf32>, tensor<3x2x1xf32>) -> tensor<2x3x1x1xf32>\nreturn %y : tensor<2x3x1x1xf32>");
  EXPECT_EQ(run(text, {reals({2, 1, 1, 2}, {1, 2, 3, 4}), reals({3, 2, 1}, {1, 0, 0, 1, 1, 1})})[0].as<float>(), (Reals{1, 2, 3, 3, 4, 7}));
}

TEST(Matmul, PlainInt32Wraps) {
  std::string t = "tensor<1x1xi32>";
  std::string text = wrap("(%a: " + t + ", %b: " + t + ") -> " + t, "%y = ternary.matmul %a, %b : (" + t + ", " + t + ") -> " + t + "\nreturn %y : " + t);
  EXPECT_EQ(run(text, {ints({1, 1}, {65536}), ints({1, 1}, {32768})})[0].as<int32_t>(), (Ints{-2147483647 - 1}));
}

TEST(Fused, EqualsItsParts) {
  std::string x = "tensor<1x2x4x4x!ternary.quant<i8, 0.5>>", w = "tensor<2x2x3x3x!ternary.trit>", acc = "tensor<1x2x4x4xi32>",
              q = "tensor<1x2x4x4x!ternary.quant<u8, 0.25>>", y = "tensor<1x2x2x2x!ternary.quant<u8, 0.25>>";
  std::string ends = "m = dense<[0.125, 0.0625]> : tensor<2xf32>, b = dense<[3.0, -1.5]> : tensor<2xf32>, residual_m = 2.0 : f32, lo = 0 : i64, hi = 200 : i64";
  std::string parts = wrap("(%x: " + x + ", %w: " + w + ", %r: " + x + ") -> " + y,
                           "%a = ternary.conv2d %x, %w {padding = array<i64: 1, 1>} : (" + x + ", " + w + ") -> " + acc +
                               "\n%q = ternary.affine %a residual %r {" + ends + "} : (" + acc + ", " + x + ") -> " + q +
                               "\n%y = ternary.max_pool %q {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>} : (" + q + ") -> " + y + "\nreturn %y : " + y);
  std::string fused = wrap("(%x: " + x + ", %w: " + w + ", %r: " + x + ") -> " + y,
                           "%y = ternary.fused_conv2d %x, %w residual %r {padding = array<i64: 1, 1>, " + ends +
                               ", pool_kernel = array<i64: 2, 2>, pool_stride = array<i64: 2, 2>} : (" + x + ", " + w + ", " + x + ") -> " + y +
                               "\nreturn %y : " + y);
  std::mt19937 random(3);
  std::vector<int8_t> xs(32), ws(36), rs(32);
  for (auto *v : {&xs, &rs})
    for (auto &e : *v) e = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  for (auto &e : ws) e = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  std::vector<HostTensor> in = {smalls({1, 2, 4, 4}, xs), smalls({2, 2, 3, 3}, ws), smalls({1, 2, 4, 4}, rs)};
  EXPECT_EQ(run(parts, in)[0].bytes, run(fused, in)[0].bytes);
}
