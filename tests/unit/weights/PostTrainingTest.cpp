// Post-training quantisation of single weights: codes, scales, and what the report says of them.
#include "triton/Weights/PostTraining.h"
#include "triton/Weights/WeightStore.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace triton;

namespace {

/// An entry over floats that outlives it.
struct Weight {
  std::vector<float> values;
  SafetensorsFile::Entry entry;

  Weight(TensorShape shape, std::vector<float> v) : values(std::move(v)) {
    entry.key = "w";
    entry.shape = std::move(shape);
    entry.bytes = {reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(float)};
  }
};

WeightTarget trits(WeightMethod method = WeightMethod::Twn) {
  WeightTarget target;
  target.policy.storage = DType::Trit;
  target.policy.method = method;
  return target;
}

QuantisedWeight made(const Weight &weight, const WeightTarget &target) {
  Result<QuantisedWeight> result = quantiseWeight(weight.entry, target);
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return result ? std::move(*result) : QuantisedWeight();
}

const Weight &example() {
  static const Weight weight({2, 4}, {1, -0.1f, 0.5f, -1, 4, 4, -4, 0});
  return weight;
}

TEST(PostTraining, TheLoaderTakesWhatIsMadeAsItWouldMakeItItself) {
  WeightRequest request;
  request.key = "w";
  request.shape = {2, 4};
  request.isWeight = true;
  for (WeightMethod method : {WeightMethod::Twn, WeightMethod::AbsMean, WeightMethod::Stochastic}) {
    for (WeightScale scale : {WeightScale::PerChannel, WeightScale::PerTensor, WeightScale::PerGroup}) {
      WeightTarget target = trits(method);
      target.policy.scale = scale;
      target.policy.group = scale == WeightScale::PerGroup ? 2 : 0;
      target.policy.seed = 5;
      request.policy = target.policy;
      QuantisedWeight weight = made(example(), target);
      Result<WeightStore> codes = WeightStore::fromTensors({{"w", weight.codes}, {"w.scale", *weight.scale}}, "codes");
      Result<WeightStore> floats = WeightStore::fromTensors({{"w", HostTensor::of<float>({2, 4}, example().values)}}, "floats");
      ASSERT_TRUE(codes && floats);
      Result<LoadedWeight> a = codes->load(request), b = floats->load(request);
      ASSERT_TRUE(a && b) << (a ? b.error() : a.error()).message;
      EXPECT_EQ(a->codes.codes, b->codes.codes);
      EXPECT_EQ(a->codes.scales, b->codes.scales);
    }
  }
}

TEST(PostTraining, ReportsWhatWasLost) {
  // Channel 0: mean magnitude 0.65, threshold 0.455: keeps 1, 0.5, -1 with scale 5/6. Channel 1 is exact.
  QuantisedWeight weight = made(example(), trits());
  EXPECT_EQ(weight.codes.as<int8_t>(), (std::vector<int8_t>{1, 0, 1, -1, 1, 1, -1, 0}));
  EXPECT_EQ(weight.scale->as<float>(), (std::vector<float>{float(2.5 / 3), 4}));
  double s = double(float(2.5 / 3)), noise = 2 * (1 - s) * (1 - s) + double(0.1f) * double(0.1f) + (0.5 - s) * (0.5 - s);
  double signal = 2 + double(0.1f) * double(0.1f) + 0.25 + 48;
  ASSERT_TRUE(weight.error.sqnrDb);
  EXPECT_NEAR(*weight.error.sqnrDb, 10 * std::log10(signal / noise), 1e-9);
  EXPECT_DOUBLE_EQ(weight.error.zeroFraction, 0.25);
  EXPECT_DOUBLE_EQ(weight.error.bitsPerWeight, 1.6 + 32.0 * 2 / 8);
  EXPECT_EQ(weight.error.scales, 2);
  // Nothing lost is no number of decibels.
  EXPECT_FALSE(made(Weight({1, 2}, {3, -3}), trits()).error.sqnrDb);
}

/// The squared error of the best codes for one scale and one set of `k` kept magnitudes, over all thresholds there are.
double leastError(std::vector<double> values) {
  for (double &v : values) v = std::fabs(v);
  double least = INFINITY;
  for (double threshold : values) {
    double sum = 0, squares = 0, count = 0;
    for (double v : values) {
      squares += v * v;
      if (v >= threshold) sum += v, ++count;
    }
    least = std::min(least, squares - sum * sum / count);
  }
  return least;
}

TEST(PostTraining, LearnedLosesLeast) {
  std::vector<float> values;
  for (int i = 0; i < 96; ++i) values.push_back(float(((i * 7919 + 11) % 101) - 50) / 50 * float(i % 7 == 0 ? 3 : 1));
  values[40] = values[41] = values[42]; // ties
  Weight weight({4, 24}, values);
  for (auto [scale, group] : {std::pair{WeightScale::PerTensor, 0}, std::pair{WeightScale::PerChannel, 0}, std::pair{WeightScale::PerGroup, 8}}) {
    WeightTarget target = trits(WeightMethod::Learned);
    target.policy.scale = scale;
    target.policy.group = group;
    QuantisedWeight learned = made(weight, target);
    std::vector<int8_t> codes = learned.codes.as<int8_t>();
    std::vector<float> scales = learned.scale->as<float>();
    size_t run = values.size() / scales.size();
    for (size_t s = 0; s < scales.size(); ++s) {
      double error = 0;
      for (size_t i = s * run; i < (s + 1) * run; ++i) error += std::pow(double(values[i]) - double(codes[i]) * double(scales[s]), 2);
      EXPECT_NEAR(error, leastError({values.begin() + ptrdiff_t(s * run), values.begin() + ptrdiff_t((s + 1) * run)}), 1e-6) << "scale " << s;
    }
    target.policy.method = WeightMethod::Twn;
    EXPECT_GE(*learned.error.sqnrDb, *made(weight, target).error.sqnrDb);
  }
  // Nothing to lose, and nothing at all.
  EXPECT_EQ(made(Weight({1, 3}, {2, -2, 2}), trits(WeightMethod::Learned)).codes.as<int8_t>(), (std::vector<int8_t>{1, -1, 1}));
  EXPECT_EQ(made(Weight({1, 2}, {0, 0}), trits(WeightMethod::Learned)).codes.as<int8_t>(), (std::vector<int8_t>{0, 0}));
  WeightTarget odd = trits(WeightMethod::Learned);
  odd.policy.scale = WeightScale::PerGroup;
  odd.policy.group = 5;
  EXPECT_FALSE(quantiseWeight(weight.entry, odd));
}

TEST(PostTraining, SignsHaveNoZero) {
  WeightTarget target = trits();
  target.signs = true;
  QuantisedWeight weight = made(example(), target);
  EXPECT_EQ(weight.codes.as<int8_t>(), (std::vector<int8_t>{1, -1, 1, -1, 1, 1, -1, 1}));
  EXPECT_EQ(weight.scale->as<float>(), (std::vector<float>{float((1 + double(0.1f) + 0.5 + 1) / 4), 3}));
  EXPECT_EQ(weight.error.zeroFraction, 0);
  EXPECT_EQ(made(Weight({1, 2}, {0, 0}), target).scale->as<float>(), std::vector<float>{1});
}

TEST(PostTraining, OtherStorages) {
  WeightTarget target;
  target.policy.storage = DType::Int8;
  EXPECT_EQ(made(Weight({1, 2}, {-1, 0.5f}), target).codes.as<int8_t>(), (std::vector<int8_t>{-127, 64}));
  target.policy.storage = DType::Int4;
  EXPECT_EQ(made(Weight({1, 2}, {-1, 0.5f}), target).codes.as<int8_t>(), (std::vector<int8_t>{-7, 4}));
  target.policy.storage = DType::Float16;
  QuantisedWeight half = made(Weight({1, 2}, {1.0f / 3, 1}), target);
  EXPECT_FALSE(half.scale);
  EXPECT_EQ(toFloats(half.codes.type, half.codes.bytes), (std::vector<float>{0.333251953125f, 1}));
  EXPECT_GT(*half.error.sqnrDb, 60);
  target.policy.storage = DType::Float32;
  EXPECT_FALSE(made(example(), target).error.sqnrDb);
}

TEST(PostTraining, RefusesWhatIsNoFloat) {
  std::vector<int32_t> numbers = {1, 2};
  SafetensorsFile::Entry entry{"n", ElementType::I32, {2}, 0, {reinterpret_cast<const uint8_t *>(numbers.data()), 8}};
  Result<QuantisedWeight> integers = quantiseWeight(entry, trits());
  ASSERT_FALSE(integers);
  EXPECT_EQ(integers.error().message, "tensor 'n' holds I32, expected floats to quantise");
  Result<QuantisedWeight> infinite = quantiseWeight(Weight({1, 2}, {1, INFINITY}).entry, trits());
  ASSERT_FALSE(infinite);
  EXPECT_NE(infinite.error().message.find("'w' holds an infinity at element 1"), std::string::npos);
  WeightTarget groups = trits();
  groups.policy.scale = WeightScale::PerGroup;
  groups.policy.group = 3;
  EXPECT_FALSE(quantiseWeight(example().entry, groups));
}

TEST(PostTraining, RulesNameLayersKeysAndPatterns) {
  auto matches = [](const char *pattern, const char *key) { return KeepRule{pattern, DType::Int8}.matches(key); };
  EXPECT_TRUE(matches("conv1", "conv1.weight"));
  EXPECT_TRUE(matches("conv1.weight", "conv1.weight"));
  EXPECT_TRUE(matches("layer1", "layer1.0.conv1.weight"));
  EXPECT_TRUE(matches("layer*.conv1", "layer1.0.conv1.weight"));
  EXPECT_TRUE(matches("*", "x"));
  EXPECT_FALSE(matches("conv1", "conv10.weight"));
  EXPECT_FALSE(matches("conv1", "layer1.conv1.weight"));
  EXPECT_FALSE(matches("layer*.conv1", "layer1.0.conv2.weight"));
  EXPECT_FALSE(matches("", "conv1.weight"));
  std::string stars(64, '*');
  EXPECT_FALSE(matches((stars + "a").c_str(), std::string(10000, 'b').c_str()));
  std::vector<KeepRule> rules = {{"layer*", DType::Int8}, {"layer1.0", DType::Float32}};
  EXPECT_EQ(keptStorage(rules, "layer1.0.conv1.weight"), DType::Float32); // the last rule counts
  EXPECT_EQ(keptStorage(rules, "layer2.0.conv1.weight"), DType::Int8);
  EXPECT_EQ(keptStorage(rules, "fc.weight"), std::nullopt);
}

} // namespace
