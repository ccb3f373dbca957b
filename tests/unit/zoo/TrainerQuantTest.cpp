// The trainer's weights become the codes that the compiler would make, and its fused functions agree with LibTorch's own.
#include "FakeQuant.h"
#include "WeightCodes.h"
#include "triton/Weights/Quantise.h"

#include <gtest/gtest.h>

using namespace triton;
using at::Tensor;

static std::vector<float> noise(size_t n, uint64_t seed) {
  std::vector<float> out(n);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<float>(static_cast<double>(trainer::splitMix(seed, i) >> 11) * 0x1p-52 - 1);
  return out;
}

TEST(TrainerWeights, SameCodesAsTheCompiler) {
  std::vector<float> w = noise(6 * 24, 5);
  std::vector<double> wide(w.begin(), w.end());
  for (const char *scale : {"per_channel", "per_tensor", "per_group"})
    for (const char *method : {"twn", "absmean", "fixed", "stochastic"}) {
      trainer::ParamInfo p;
      p.storage = "trit";
      p.scale = scale;
      p.method = method;
      p.threshold = 0.4;
      p.group = 8;
      p.shape = {6, 24};
      trainer::WeightCodes mine = trainer::quantizeWeights(w.data(), static_cast<int64_t>(w.size()), p, nullptr, nullptr, 77);
      WeightPolicy policy;
      policy.storage = DType::Trit;
      policy.scale = p.scale == "per_tensor" ? WeightScale::PerTensor : p.scale == "per_group" ? WeightScale::PerGroup : WeightScale::PerChannel;
      policy.method = p.method == "twn" ? WeightMethod::Twn : p.method == "fixed" ? WeightMethod::Fixed : p.method == "absmean" ? WeightMethod::AbsMean : WeightMethod::Stochastic;
      policy.seed = 77;
      policy.threshold = p.threshold;
      policy.group = 8;
      Result<WeightCodes> theirs = quantiseWeights(wide, {6, 24}, 0, policy, "w");
      ASSERT_TRUE(theirs) << theirs.error().message;
      EXPECT_EQ(mine.codes, theirs->codes) << scale << " " << method;
      EXPECT_EQ(mine.scales, theirs->scales) << scale << " " << method;
    }
}

// 0.1f is above the double 0.1, 0.7f below 0.7: a threshold that was rounded to float would lose the one or keep the other.
TEST(TrainerWeights, AThresholdBetweenFloatsCutsAsTheCompiler) {
  std::vector<float> w = {0.1f, -0.1f, 0.7f, -0.7f, 0.0f, -0.0f, 1e-30f, 2.0f};
  std::vector<double> wide(w.begin(), w.end());
  for (double threshold : {0.0, 0.1, 0.7, 2.0}) {
    trainer::ParamInfo p;
    p.storage = "trit";
    p.scale = "per_channel";
    p.method = "fixed";
    p.threshold = threshold;
    p.shape = {1, 8};
    trainer::WeightCodes mine = trainer::quantizeWeights(w.data(), 8, p);
    WeightPolicy policy;
    policy.storage = DType::Trit;
    policy.method = WeightMethod::Fixed;
    policy.threshold = threshold;
    Result<WeightCodes> theirs = quantiseWeights(wide, {1, 8}, 0, policy, "w");
    ASSERT_TRUE(theirs) << theirs.error().message;
    EXPECT_EQ(mine.codes, theirs->codes) << threshold;
    EXPECT_EQ(mine.scales, theirs->scales) << threshold;
    EXPECT_EQ(mine.codes[0], threshold <= 0.1) << threshold;
    EXPECT_EQ(mine.codes[2], threshold < 0.7) << threshold;
  }
}

TEST(TrainerWeights, EightBitCodesAsTheCompiler) {
  std::vector<float> w = noise(4 * 10, 9);
  std::vector<double> wide(w.begin(), w.end());
  for (auto [storage, type] : {std::pair("int8", DType::Int8), std::pair("int4", DType::Int4)}) {
    trainer::ParamInfo p;
    p.storage = storage;
    p.scale = "per_channel";
    p.shape = {4, 10};
    trainer::WeightCodes mine = trainer::quantizeWeights(w.data(), 40, p);
    WeightPolicy policy;
    policy.storage = type;
    Result<WeightCodes> theirs = quantiseWeights(wide, {4, 10}, 0, policy, "w");
    ASSERT_TRUE(theirs);
    EXPECT_EQ(mine.codes, theirs->codes);
    EXPECT_EQ(mine.scales, theirs->scales);
  }
}

TEST(TrainerWeights, TheGradientPassesStraightThrough) {
  trainer::ParamInfo p;
  p.storage = "trit";
  p.scale = "per_channel";
  p.method = "twn";
  p.shape = {2, 3};
  Tensor w = torch::tensor({0.9f, -0.1f, -1.1f, 0.0f, 2.0f, 0.3f}).view({2, 3}).set_requires_grad(true);
  Tensor q = trainer::fakeQuantizeWeight(w, {}, {}, p, 0);
  EXPECT_TRUE(torch::equal(q, torch::tensor({1.0f, 0.0f, -1.0f, 0.0f, 2.0f, 0.0f}).view({2, 3})));
  Tensor g = torch::arange(6, at::kFloat).view({2, 3});
  q.backward(g);
  EXPECT_TRUE(torch::equal(w.grad(), g));
}

static Tensor leaf(std::vector<int64_t> shape, uint64_t seed, float factor = 1) {
  int64_t n = 1;
  for (int64_t s : shape) n *= s;
  Tensor t = torch::tensor(noise(static_cast<size_t>(n), seed)).view(shape) * factor;
  return t.detach().set_requires_grad(true);
}

/// Compares values and gradients of the fused end with the same written out.
static void compareWithLibTorch(bool norm, bool residual, bool relu, std::vector<int64_t> shape) {
  SCOPED_TRACE(testing::Message() << "norm " << norm << " residual " << residual << " relu " << relu << " rank " << shape.size());
  Tensor x1 = leaf(shape, 1), x2 = leaf(shape, 1), r1 = leaf(shape, 2), r2 = leaf(shape, 2);
  int64_t c = shape[1];
  Tensor g1 = leaf({c}, 3), g2 = leaf({c}, 3), b1 = leaf({c}, 4), b2 = leaf({c}, 4);
  Tensor mean1 = torch::zeros({c}), var1 = torch::ones({c}), mean2 = mean1.clone(), var2 = var1.clone();
  trainer::GroupEnd end;
  end.relu = relu;
  end.training = true;
  if (residual) end.residual = r1;
  if (norm) {
    end.gamma = g1;
    end.beta = b1;
    end.runningMean = mean1;
    end.runningVar = var1;
  }
  Tensor y1 = trainer::applyGroupEnd(x1, end);
  Tensor y2 = norm ? at::batch_norm(x2, g2, b2, mean2, var2, true, 0.1, 1e-5, false) : x2;
  if (residual) y2 = y2 + r2;
  if (relu) y2 = at::relu(y2);
  EXPECT_TRUE(torch::allclose(y1, y2, 1e-4, 1e-5));
  Tensor g = leaf(shape, 7).detach();
  y1.backward(g);
  y2.backward(g);
  EXPECT_TRUE(torch::allclose(x1.grad(), x2.grad(), 1e-3, 1e-4));
  if (residual) {
    EXPECT_TRUE(torch::allclose(r1.grad(), r2.grad(), 1e-4, 1e-5));
  }
  if (norm) {
    EXPECT_TRUE(torch::allclose(g1.grad(), g2.grad(), 1e-3, 1e-3));
    EXPECT_TRUE(torch::allclose(b1.grad(), b2.grad(), 1e-3, 1e-3));
    EXPECT_TRUE(torch::allclose(mean1, mean2, 1e-4, 1e-5));
    EXPECT_TRUE(torch::allclose(var1, var2, 1e-4, 1e-5));
  }
}

TEST(TrainerGroupEnd, AgreesWithLibTorch) {
  for (bool norm : {false, true})
    for (bool residual : {false, true})
      for (bool relu : {false, true}) {
        compareWithLibTorch(norm, residual, relu, {3, 5, 7, 6});
        compareWithLibTorch(norm, residual, relu, {40, 96});
      }
}

TEST(TrainerGroupEnd, QuantisesAsTheLanguageSays) {
  float scale = 0.037f;
  Tensor x = leaf({300, 33}, 11, 8);
  for (bool relu : {false, true}) {
    trainer::GroupEnd end;
    end.relu = relu;
    end.logScale = torch::full({}, std::log(scale));
    end.lo = relu ? 0 : -127;
    end.hi = relu ? 255 : 127;
    float s = std::exp(end.logScale.item<float>());
    Tensor expected = at::round(x * (1.0f / s)).clamp(end.lo, end.hi) * s; // at::round rounds ties to even.
    EXPECT_TRUE(torch::equal(trainer::applyGroupEnd(x, end), expected));
  }
}

TEST(TrainerGroupEnd, GradientsOfTheQuantiser) {
  Tensor x = torch::tensor({-3.0f, -0.4f, 0.26f, 1.24f, 99.0f}).set_requires_grad(true);
  trainer::GroupEnd end;
  end.relu = true;
  end.lo = 0;
  end.hi = 15;
  end.logScale = torch::full({}, std::log(0.5f)).set_requires_grad(true);
  Tensor y = trainer::applyGroupEnd(x, end);
  EXPECT_TRUE(torch::allclose(y, torch::tensor({0.0f, 0.0f, 0.5f, 1.0f, 7.5f})));
  y.backward(torch::ones({5}));
  // Nothing flows below zero and above the range.
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({0.0f, 0.0f, 1.0f, 1.0f, 0.0f})));
  // d/ds: q - x/s inside, the bound outside; times s for the logarithm; damped by 1 / sqrt(5 * 15).
  double expected = ((1 - 0.52) + (2 - 2.48) + 15) * 0.5 / std::sqrt(75.0);
  EXPECT_NEAR(end.logScale.grad().item<double>(), expected, 1e-5);
}

TEST(TrainerGroupEnd, DynamicScalesPerRow) {
  Tensor x = torch::tensor({1.0f, -2.0f, 0.0f, 0.0f, 4.0f, 0.3f}).view({3, 2});
  Tensor y = trainer::fakeQuantizeDynamic(x, -127, 127, true);
  EXPECT_EQ(y[0][1].item<float>(), -2.0f);
  EXPECT_EQ(y[1][0].item<float>(), 0.0f);
  EXPECT_NEAR(y[2][1].item<float>(), 0.3, 4.0 / 127 / 2);
}
