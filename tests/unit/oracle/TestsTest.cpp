#include "Interpret.h"

#include "triton/Oracle/Tests.h"

using namespace triton;
using namespace triton::testing;

static CheckOutcome equal(const HostTensor &a, const HostTensor &b) { return compareTensors(a, b, {}); }
static CheckOutcome close(const HostTensor &a, const HostTensor &b, double tolerance) { return compareTensors(a, b, {TestCheck::Close, tolerance}); }

TEST(CompareTensors, EqualNeedsShapeAndEveryElement) {
  EXPECT_TRUE(equal(reals({2}, {0.0f, 1}), reals({2}, {-0.0f, 1})).passed);
  EXPECT_EQ(equal(reals({2}, {0, 1}), reals({2, 1}, {0, 1})).detail, "shapes differ: left is [2], right is [2, 1]");
  EXPECT_EQ(equal(reals({2, 2}, {1, 2, 3, 4}), reals({2, 2}, {1, 2, 3.5f, 5})).detail,
            "2 of 4 elements differ; the first at [1, 0]: left is 3, right is 3.5");
  EXPECT_EQ(equal(ints({1}, {7}), smalls({1}, {8})).detail, "1 of 1 elements differ; the first at [0]: left is 7, right is 8");
  float nan = std::nanf("");
  EXPECT_FALSE(equal(reals({1}, {nan}), reals({1}, {nan})).passed);
}

TEST(CompareTensors, Int64IsComparedExactly) {
  auto wide = [](int64_t v) { return HostTensor::of<int64_t>({1}, std::vector<int64_t>{v}); };
  EXPECT_FALSE(equal(wide((int64_t(1) << 53) + 1), wide(int64_t(1) << 53)).passed);
}

TEST(CompareTensors, CloseIsAbsoluteBelowOneAndRelativeAbove) {
  EXPECT_TRUE(close(reals({1}, {0.001f}), reals({1}, {0.0015f}), 1e-3).passed);
  EXPECT_FALSE(close(reals({1}, {0.001f}), reals({1}, {0.003f}), 1e-3).passed);
  EXPECT_TRUE(close(reals({1}, {1000}), reals({1}, {1000.5f}), 1e-3).passed);
  float inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(close(reals({1}, {inf}), reals({1}, {inf}), 1e-3).passed);
  EXPECT_FALSE(close(reals({1}, {inf}), reals({1}, {1}), 1e-3).passed);
}

TEST(RunTest, ComparesPairsOfResults) {
  Module m(R"(func.func @test() -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<2xi8>, tensor<2xi8>) {
    %x = ternary.constant dense<[[0.5, 2.0, 0.25]]> : tensor<1x3xf32>
    %w = ternary.constant dense<[[1, 0, -1], [1, 1, 1]]> : tensor<2x3xi8> -> tensor<2x3x!ternary.trit>
    %y = ternary.linear %x, %w : (tensor<1x3xf32>, tensor<2x3x!ternary.trit>) -> tensor<1x2xf32>
    %e = ternary.constant dense<[[0.25, 2.75]]> : tensor<1x2xf32>
    %a = ternary.constant dense<[1, 2]> : tensor<2xi8>
    %b = ternary.constant dense<[1, 3]> : tensor<2xi8>
    return %y, %e, %a, %b : tensor<1x2xf32>, tensor<1x2xf32>, tensor<2xi8>, tensor<2xi8>
  })");
  std::vector<TestCheck> checks(2);
  Result<TestReport> report = runTest(m.function(), checks);
  ASSERT_TRUE(bool(report));
  EXPECT_TRUE(report->checks[0].passed);
  EXPECT_FALSE(report->checks[1].passed);
  EXPECT_EQ(report->failures(), 1u);
  EXPECT_FALSE(bool(runTest(m.function(), std::span(checks).first(1))));
}
