// Post-training quantisation of a whole network: in one batch and in several, and what each layer loses.
#include "Interpret.h"

#include "triton/Passes/PostTraining.h"

#include <algorithm>
#include <cmath>

using namespace triton;
using namespace triton::testing;

namespace {

const char *const network = R"(
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = ternary.param {key = "a.weight", policy = #ternary.weights<trit, per_channel, twn, threshold = 0.7>} : tensor<3x4xf32>
  %g = ternary.param {key = "bn.weight"} : tensor<3xf32>
  %b = ternary.param {key = "bn.bias"} : tensor<3xf32>
  %m = ternary.param {key = "bn.running_mean"} : tensor<3xf32>
  %v = ternary.param {key = "bn.running_var"} : tensor<3xf32>
  %u = ternary.param {key = "b.weight", policy = #ternary.weights<f32>} : tensor<2x3xf32>
  %q = ternary.fake_quantize %x i8 static per_tensor {key = "act0.scale"} : tensor<?x4xf32>
  %c = ternary.linear %q, %w {ternary.group = 0 : i64} : (tensor<?x4xf32>, tensor<3x4xf32>) -> tensor<?x3xf32>
  %n = ternary.batch_norm %c, %g, %b, %m, %v {eps = 1.0e-5, ternary.group = 0 : i64} : (tensor<?x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %d = ternary.linear %n, %u {ternary.group = 1 : i64} : (tensor<?x3xf32>, tensor<2x3xf32>) -> tensor<?x2xf32>
  return %d : tensor<?x2xf32>
}
)";

HostTensor part(const std::vector<float> &values, int64_t first, int64_t count) {
  return HostTensor::of<float>({count, 4}, std::span(values).subspan(static_cast<size_t>(4 * first), static_cast<size_t>(4 * count)));
}

std::vector<std::pair<std::string, HostTensor>> tensors(const std::vector<float> &weight) {
  const std::vector<float> ones(3, 1), zeros(3, 0);
  return {{"a.weight", HostTensor::of<float>({3, 4}, weight)}, {"bn.weight", HostTensor::of<float>({3}, ones)}, {"bn.bias", HostTensor::of<float>({3}, zeros)},
          {"bn.running_mean", HostTensor::of<float>({3}, zeros)}, {"bn.running_var", HostTensor::of<float>({3}, ones)},
          {"b.weight", HostTensor::of<float>({2, 3}, std::vector<float>{1, -1, 0.5f, 0.25f, 2, -1})}};
}

std::vector<float> samples(size_t count) {
  std::vector<float> out;
  for (size_t i = 0; i < 4 * count; ++i) out.push_back(static_cast<float>((i * 37) % 101) / 50 - 1 + 0.01f * static_cast<float>(i % 7));
  return out;
}

TEST(PostTraining, PartsGiveTheStatisticsOfTheWhole) {
  const std::vector<float> x = samples(24);
  Result<WeightStore> store = WeightStore::fromTensors(tensors({0.5f, -0.5f, 0, 0.5f, 1, 1, 0, -1, 0.25f, 0, 0.25f, 0.25f}), "w");
  ASSERT_TRUE(store);
  auto measured = [&](const Batches &batches) {
    Module m(network);
    Result<PostTraining> found = calibratePostTraining(*m.module, *store, batches, /*reestimate=*/true, 1);
    EXPECT_TRUE(bool(found)) << (found ? "" : found.error().message);
    return found ? *found : PostTraining();
  };
  const PostTraining whole = measured({{part(x, 0, 24)}}), parts = measured({{part(x, 0, 10)}, {part(x, 10, 10)}, {part(x, 20, 4)}});
  ASSERT_EQ(whole.statistics.size(), 2u);
  ASSERT_EQ(parts.statistics.size(), 2u);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(parts.statistics.at("bn.running_mean")[c], whole.statistics.at("bn.running_mean")[c], 1e-5);
    EXPECT_NEAR(parts.statistics.at("bn.running_var")[c], whole.statistics.at("bn.running_var")[c], 1e-5);
  }
  EXPECT_EQ(whole.activationScales, parts.activationScales);
  EXPECT_FLOAT_EQ(whole.activationScales.at("act0.scale"), *std::max_element(x.begin(), x.end()) / 127);
}

TEST(PostTraining, LayersAreComparedWithTheTwin) {
  const std::vector<float> x = samples(16);
  Module m(network);
  // Trits with one magnitude: nothing is lost but by the quantiser of the input.
  auto ternary = tensors({0.5f, -0.5f, 0, 0.5f, 1, 1, 0, -1, 0.25f, 0, 0.25f, 0.25f}), other = tensors({0.5f, -0.4f, 0.3f, 0.5f, 1, 1, 0.6f, -1, 0.25f, 0.1f, 0.2f, 0.25f});
  auto compared = [&](const std::vector<std::pair<std::string, HostTensor>> &floats, float scale, const Batches &batches) {
    auto quantised = floats;
    quantised.emplace_back("act0.scale", HostTensor::of<float>({}, std::span(&scale, 1)));
    Result<WeightStore> truth = WeightStore::fromTensors(floats, "floats"), codes = WeightStore::fromTensors(quantised, "codes");
    EXPECT_TRUE(truth && codes);
    Result<std::vector<LayerDifference>> found = compareLayers(*m.module, *codes, *truth, batches, 2);
    EXPECT_TRUE(bool(found)) << (found ? "" : found.error().message);
    return found ? *found : std::vector<LayerDifference>(2);
  };
  const Batches whole{{part(x, 0, 16)}};
  auto fine = compared(ternary, 0.0005f, whole), coarse = compared(ternary, 0.05f, whole), worse = compared(other, 0.0005f, whole);
  ASSERT_EQ(fine.size(), 2u);
  EXPECT_EQ(fine[0].key, "a.weight");
  EXPECT_EQ(fine[1].key, "b.weight");
  ASSERT_TRUE(fine[0].sqnrDb && coarse[0].sqnrDb && worse[0].sqnrDb);
  EXPECT_LT(*coarse[0].sqnrDb, 45);
  EXPECT_LT(*worse[0].sqnrDb, 25);
  EXPECT_LT(*worse[0].sqnrDb, *coarse[0].sqnrDb);
  // The same in parts.
  auto parts = compared(other, 0.0005f, {{part(x, 0, 5)}, {part(x, 5, 11)}});
  for (size_t i = 0; i < 2; ++i) EXPECT_NEAR(*parts[i].sqnrDb, *worse[i].sqnrDb, 1e-6);
}

TEST(PostTraining, MemoryBoundsTheSamplesThatRunAtOnce) {
  Module m(network);
  // Alive at most: 4 floats of %x or %q and 3 of the result beside them, or 4 + 4.
  EXPECT_EQ(samplesAtOnce(*m.module, 8 * 4 * 10, false), 10);
  EXPECT_LT(samplesAtOnce(*m.module, 8 * 4 * 10, true), 10);
  EXPECT_EQ(samplesAtOnce(*m.module, 1, false), 1);
}

} // namespace
