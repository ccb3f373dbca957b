#include "triton/Tensor/Files.h"
#include "triton/Tensor/Npy.h"
#include "triton/Weights/WeightStore.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

using namespace triton;

using Tensors = std::vector<std::pair<std::string, HostTensor>>;

static HostTensor floats(TensorShape shape, std::vector<float> v) { return HostTensor::of<float>(std::move(shape), v); }
static HostTensor codes(TensorShape shape, std::vector<int8_t> v) { return HostTensor::of<int8_t>(std::move(shape), v); }

static WeightStore storeOf(const Tensors &tensors) {
  Result<WeightStore> s = WeightStore::fromTensors(tensors, "net.safetensors");
  EXPECT_TRUE(bool(s)) << (s ? "" : s.error().message);
  return s ? *s : WeightStore::none();
}

static WeightRequest weight(std::string key, TensorShape shape, DType storage = DType::Trit) {
  WeightRequest r;
  r.key = std::move(key);
  r.shape = std::move(shape);
  r.isWeight = true;
  r.policy.storage = storage;
  return r;
}

static std::string loadError(const WeightStore &store, const WeightRequest &request) {
  Result<LoadedWeight> r = store.load(request);
  EXPECT_FALSE(bool(r));
  return r ? "" : r.error().message;
}

TEST(WeightStore, MissingKeyNamesTheNearest) {
  WeightStore s = storeOf({{"layer1.0.conv1.weight", floats({1, 1}, {1})}});
  EXPECT_EQ(loadError(s, weight("layer1.0.conv2.weight", {1, 1})),
            "net.safetensors: no tensor 'layer1.0.conv2.weight'; the nearest key present is 'layer1.0.conv1.weight'");
  EXPECT_EQ(loadError(WeightStore::none(), weight("a", {1})), "no weights: no tensor 'a'");
}

TEST(WeightStore, WrongShapeNamesBoth) {
  WeightStore s = storeOf({{"w", floats({2, 2}, {1, 2, 3, 4})}});
  EXPECT_EQ(loadError(s, weight("w", {4, 1})), "net.safetensors: tensor 'w' has shape [2, 2], expected [4, 1]");
}

TEST(WeightStore, NanAndInfinityNameKeyElementAndOffset) {
  WeightStore s = storeOf({{"w", floats({2}, {1, std::numeric_limits<float>::quiet_NaN()})},
                           {"v", floats({1}, {-std::numeric_limits<float>::infinity()})}});
  EXPECT_NE(loadError(s, weight("w", {2})).find("'w' holds NaN at element 1"), std::string::npos);
  EXPECT_NE(loadError(s, weight("v", {1})).find("'v' holds an infinity at element 0"), std::string::npos);
}

TEST(WeightStore, TakesCodesAsTheyAre) {
  WeightStore s = storeOf({{"w", codes({2, 3}, {1, 0, -1, 0, 1, 1})}, {"w.scale", floats({2}, {0.5f, 0.25f})}});
  Result<LoadedWeight> r = s.load(weight("w", {2, 3}));
  ASSERT_TRUE(bool(r));
  EXPECT_EQ(r->codes.codes, (std::vector<int8_t>{1, 0, -1, 0, 1, 1}));
  EXPECT_EQ(r->codes.scales, (std::vector<float>{0.5f, 0.25f}));
  EXPECT_EQ(r->real(scaleLayout(weight("w", {2, 3}).policy, {2, 3}, 0)), (std::vector<float>{0.5f, 0, -0.5f, 0, 0.25f, 0.25f}));
}

TEST(WeightStore, CodesOutsideTheRangeAreAnError) {
  WeightStore s = storeOf({{"w", codes({1, 2}, {2, -128})}, {"w.scale", floats({1}, {1})}});
  EXPECT_EQ(loadError(s, weight("w", {1, 2})),
            "net.safetensors: tensor 'w' holds the code 2 at element 0; codes of trit are -1..1");
  EXPECT_EQ(loadError(s, weight("w", {1, 2}, DType::Int8)),
            "net.safetensors: tensor 'w' holds the code -128 at element 1; codes of int8 are -127..127");
}

TEST(WeightStore, CodesNeedAScaleOfTheRightShapeAndSign) {
  WeightStore s = storeOf({{"a", codes({2, 1}, {1, 1})},
                           {"b", codes({2, 1}, {1, 1})},
                           {"b.scale", floats({3}, {1, 1, 1})},
                           {"c", codes({2, 1}, {1, 1})},
                           {"c.scale", floats({2}, {1, 0})}});
  EXPECT_NE(loadError(s, weight("a", {2, 1})).find("no tensor 'a.scale'"), std::string::npos);
  EXPECT_NE(loadError(s, weight("b", {2, 1})).find("'b.scale' has shape [3], expected [2]"), std::string::npos);
  EXPECT_NE(loadError(s, weight("c", {2, 1})).find("a scale must be positive"), std::string::npos);
}

TEST(WeightStore, CodesForAFloatParameterAreAnError) {
  WeightStore s = storeOf({{"w", codes({1, 1}, {1})}, {"w.scale", floats({1}, {1})}});
  EXPECT_EQ(loadError(s, weight("w", {1, 1}, DType::Float32)), "net.safetensors: tensor 'w' holds I8, expected floats");
}

TEST(WeightStore, SixteenBitStorageRoundsOnce) {
  WeightStore s = storeOf({{"w", floats({2}, {1.0f + 0x1p-11f, 3})}});
  Result<LoadedWeight> r = s.load(weight("w", {2}, DType::Float16));
  ASSERT_TRUE(bool(r));
  EXPECT_EQ(r->values, (std::vector<float>{1, 3}));
  WeightStore big = storeOf({{"w", floats({1}, {1e6f})}});
  EXPECT_NE(loadError(big, weight("w", {1}, DType::Float16)).find("does not fit"), std::string::npos);
}

TEST(WeightStore, InitServesWhatTheCheckpointLacks) {
  WeightRequest r = weight("w", {2, 2});
  r.init = std::vector<double>{1, 0, -1, 1};
  r.initIsTrits = true;
  r.policy.method = WeightMethod::AbsMean; // would give another scale than 1
  Result<LoadedWeight> loaded = WeightStore::none().load(r);
  ASSERT_TRUE(bool(loaded));
  EXPECT_EQ(loaded->codes.codes, (std::vector<int8_t>{1, 0, -1, 1}));
  EXPECT_EQ(loaded->codes.scales, (std::vector<float>{1, 1}));
  WeightStore s = storeOf({{"w", floats({2, 2}, {0, 5, 0, 5})}});
  EXPECT_EQ(s.load(r)->codes.codes, (std::vector<int8_t>{0, 1, 0, 1}));
}

TEST(WeightStore, LearnedReadsDeltaAndScale) {
  WeightRequest r = weight("w", {2, 2});
  r.policy.method = WeightMethod::Learned;
  WeightStore s = storeOf(
      {{"w", floats({2, 2}, {0.1f, 0.5f, -0.5f, 0.1f})}, {"w.delta", floats({2}, {0.2f, 0.05f})}, {"w.scale", floats({}, {3})}});
  Result<LoadedWeight> loaded = s.load(r);
  ASSERT_TRUE(bool(loaded));
  EXPECT_EQ(loaded->codes.codes, (std::vector<int8_t>{0, 1, -1, 1}));
  EXPECT_EQ(loaded->codes.scales, (std::vector<float>{3, 3}));
  WeightStore lacks = storeOf({{"w", floats({2, 2}, {0, 0, 0, 0})}});
  EXPECT_NE(loadError(lacks, r).find("no tensor 'w.delta'"), std::string::npos);
}

TEST(WeightStore, ActivationScales) {
  WeightStore s = storeOf({{"act0.scale", floats({}, {0.5f})}, {"act1.scale", floats({1}, {0})}, {"act2.scale", floats({2}, {1, 2})}});
  EXPECT_EQ(**s.activationScale("act0.scale"), 0.5f);
  EXPECT_FALSE(s.activationScale("act9.scale")->has_value());
  EXPECT_FALSE(bool(s.activationScale("act1.scale")));
  EXPECT_FALSE(bool(s.activationScale("act2.scale")));
}

TEST(WeightStore, CheckReportsAllMissingAndExtraKeys) {
  WeightStore s = storeOf({{"fc1.weight", floats({1, 2}, {1, 2})},
                           {"fc1.weight.scale", floats({1}, {1})},
                           {"bn.num_batches_tracked", HostTensor::of<int64_t>({}, std::vector<int64_t>{3})},
                           {"head.bias", floats({1}, {0})},
                           {"act0.scale", floats({}, {1})}});
  WeightReport report = s.check({weight("fc1.weight", {1, 2}), weight("fc2.weight", {1, 1}), weight("fc3.weight", {1, 1})},
                                {"act0.scale", "act1.scale"});
  ASSERT_EQ(report.errors.size(), 2u);
  EXPECT_NE(report.errors[0].find("'fc2.weight'"), std::string::npos);
  EXPECT_NE(report.errors[1].find("'fc3.weight'"), std::string::npos);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_EQ(report.warnings[0], "net.safetensors: tensor 'head.bias' is not used by the program");
}

TEST(RandomWeights, AreDeterministicBoundedAndDifferByKeyAndSeed) {
  WeightRequest a = weight("a", {8, 6}, DType::Float32), b = weight("b", {8, 6}, DType::Float32);
  WeightStore one = WeightStore::random(1);
  std::vector<float> v = one.load(a)->values;
  EXPECT_EQ(v, WeightStore::random(1).load(a)->values);
  EXPECT_NE(v, one.load(b)->values);
  EXPECT_NE(v, WeightStore::random(2).load(a)->values);
  for (float x : v) EXPECT_LE(std::fabs(x), 1.0f); // sqrt(6 / 6)
  a.role = ParamRole::One;
  EXPECT_EQ(one.load(a)->values, std::vector<float>(48, 1.0f));
  a.role = ParamRole::Zero;
  EXPECT_EQ(one.load(a)->values, std::vector<float>(48, 0.0f));
}

TEST(RandomWeights, FillWhatACheckpointLacks) {
  WeightStore s = storeOf({{"a", floats({1, 2}, {1, 2})}});
  s.fillMissing(1);
  EXPECT_FALSE(s.isRandom());
  EXPECT_EQ(s.load(weight("a", {1, 2}, DType::Float32))->values, (std::vector<float>{1, 2}));
  EXPECT_EQ(s.load(weight("b", {8, 6}, DType::Float32))->values, WeightStore::random(1).load(weight("b", {8, 6}, DType::Float32))->values);
  EXPECT_NE(loadError(s, weight("a", {2, 1})).find("expected [2, 1]"), std::string::npos); // a wrong shape stays an error
}

TEST(RandomWeights, TritsUseTheMethod) {
  Result<LoadedWeight> r = WeightStore::random(3).load(weight("conv.weight", {4, 3, 3, 3}));
  ASSERT_TRUE(bool(r));
  EXPECT_EQ(r->codes.scales.size(), 4u);
  WeightRequest learned = weight("conv.weight", {4, 3, 3, 3});
  learned.policy.method = WeightMethod::Learned;
  EXPECT_EQ(WeightStore::random(3).load(learned)->codes.codes, r->codes.codes);
}

/// A zip file with one stored member.
static std::string storedZip(const std::string &name, const std::string &data) {
  auto le = [](uint64_t v, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> 8 * i);
    return out;
  };
  uint32_t crc = ~0u;
  for (unsigned char c : data) {
    crc ^= c;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  std::string common = le(20, 2) + le(0, 2) + le(0, 2) + le(0, 4) + le(~crc, 4) + le(data.size(), 4) + le(data.size(), 4) + le(name.size(), 2);
  std::string local = "PK\3\4" + common + le(0, 2) + name + data;
  std::string central = "PK\1\2" + le(20, 2) + common + le(0, 2) + le(0, 2) + le(0, 2) + le(0, 2) + le(0, 4) + le(0, 4) + name;
  return local + central + "PK\5\6" + le(0, 2) + le(0, 2) + le(1, 2) + le(1, 2) + le(central.size(), 4) + le(local.size(), 4) + le(0, 2);
}

TEST(WeightStore, ReadsNpz) {
  std::string path = ::testing::TempDir() + "weights_test.npz";
  ASSERT_TRUE(bool(writeFileAtomically(path, storedZip("fc.weight.npy", *encodeNpy(floats({1, 2}, {3, -4}))))));
  Result<WeightStore> store = WeightStore::open(path);
  ASSERT_TRUE(bool(store)) << store.error().message;
  EXPECT_EQ(store->load(weight("fc.weight", {1, 2}, DType::Float32))->values, (std::vector<float>{3, -4}));
  ASSERT_TRUE(bool(writeFileAtomically(path, "not a zip")));
  Result<WeightStore> bad = WeightStore::open(path);
  ASSERT_FALSE(bool(bad));
  EXPECT_NE(bad.error().message.find("weights_test.npz"), std::string::npos);
}

TEST(WeightStore, HostileFilesAreErrors) {
  EXPECT_FALSE(bool(WeightStore::open("/nonexistent/net.safetensors")));
  Result<SafetensorsFile> cut = SafetensorsFile::fromBytes(std::string_view("\x40\0\0\0\0\0\0\0{\"w\"", 12), "cut");
  EXPECT_FALSE(bool(cut));
}

// ---- Quantised weights of earlier loads ----------------------------------------------------------------------------------------

namespace {

/// A store with one large weight, and a cache in memory.
struct Remembered {
  std::map<std::string, std::vector<uint8_t>> entries;
  size_t found = 0;

  static HostTensor values() {
    std::vector<float> v(64 * 512);
    for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(static_cast<int64_t>(splitMix64(7, i) % 2001) - 1000) / 512.0f;
    return floats({64, 512}, v);
  }
  WeightStore store() {
    WeightStore s = storeOf({{"w", values()}, {"small", floats({2, 2}, {1, 2, 3, 4})}});
    s.setCache({[this](const std::string &name) -> std::optional<std::vector<uint8_t>> {
                  auto it = entries.find(name);
                  if (it == entries.end()) return std::nullopt;
                  ++found;
                  return it->second;
                },
                [this](const std::string &name, const std::vector<uint8_t> &bytes) { entries[name] = bytes; }});
    return s;
  }
};

bool same(const LoadedWeight &a, const LoadedWeight &b) {
  return a.storage == b.storage && a.shape == b.shape && a.codes.codes == b.codes.codes && a.codes.scales == b.codes.scales &&
         a.codes.channels == b.codes.channels && a.codes.groups == b.codes.groups && a.fromCheckpoint == b.fromCheckpoint;
}

} // namespace

TEST(QuantisedCache, GivesWhatQuantisingGives) {
  for (DType storage : {DType::Trit, DType::Int8, DType::Int4})
    for (WeightScale scale : {WeightScale::PerChannel, WeightScale::PerTensor, WeightScale::PerGroup}) {
      Remembered cache;
      WeightStore s = cache.store();
      WeightRequest request = weight("w", {64, 512}, storage);
      request.policy.scale = scale;
      request.policy.group = 128;
      Result<LoadedWeight> first = s.load(request), second = s.load(request);
      ASSERT_TRUE(bool(first) && bool(second));
      EXPECT_EQ(cache.found, 1u);
      EXPECT_TRUE(same(*first, *second));
    }
}

TEST(QuantisedCache, EveryPartOfARequestIsInItsName) {
  Remembered cache;
  WeightStore s = cache.store();
  std::vector<WeightRequest> requests(7, weight("w", {64, 512}));
  requests[1].channelAxis = 1;
  requests[2].policy.threshold = std::nextafter(0.7, 1);
  requests[3].policy.method = WeightMethod::AbsMean;
  requests[4].policy.method = WeightMethod::Stochastic;
  requests[5] = requests[4];
  requests[5].policy.seed = 1;
  requests[6].policy.storage = DType::Int8;
  for (const WeightRequest &request : requests) ASSERT_TRUE(bool(s.load(request)));
  EXPECT_EQ(cache.found, 0u);
  EXPECT_EQ(cache.entries.size(), requests.size());
}

TEST(QuantisedCache, SmallWeightsAreNotKept) {
  Remembered cache;
  ASSERT_TRUE(bool(cache.store().load(weight("small", {2, 2}))));
  EXPECT_TRUE(cache.entries.empty());
}

TEST(QuantisedCache, WrongBytesAreQuantisedAgain) {
  Remembered cache;
  WeightStore s = cache.store();
  WeightRequest request = weight("w", {64, 512});
  Result<LoadedWeight> right = s.load(request);
  ASSERT_TRUE(bool(right));
  const std::string name = cache.entries.begin()->first;
  const std::vector<uint8_t> good = cache.entries.begin()->second;
  auto expectRight = [&](std::vector<uint8_t> bytes, const char *what) {
    cache.entries[name] = std::move(bytes);
    Result<LoadedWeight> again = s.load(request);
    ASSERT_TRUE(bool(again)) << what;
    EXPECT_TRUE(same(*again, *right)) << what;
    EXPECT_EQ(cache.entries[name], good) << what;
  };
  expectRight({}, "nothing");
  expectRight({good.begin(), good.end() - 1}, "cut");
  std::vector<uint8_t> longer = good;
  longer.push_back(0);
  expectRight(longer, "longer");
  for (size_t at : {0, 8, 16, 24}) { // storage, count, channels, groups
    std::vector<uint8_t> other = good;
    other[at] ^= 1;
    expectRight(other, "header");
  }
  std::vector<uint8_t> scale = good, trit = good;
  std::fill(scale.begin() + 32, scale.begin() + 36, uint8_t(0));
  expectRight(scale, "a scale of zero");
  trit.back() = 255;
  expectRight(trit, "a byte that stands for no trits");
}

TEST(WeightStore, WhatIsLeftOverNamesWhatItMayHaveBeenMeantFor) {
  WeightStore s = storeOf({{"layer1.conv1.wieght", floats({1, 1}, {1})}, {"optimizer", floats({1}, {1})}});
  EXPECT_EQ(s.unused({weight("layer1.conv1.weight", {1, 1})}, {}),
            (std::vector<std::string>{"net.safetensors: tensor 'layer1.conv1.wieght' is not used by the program; it lacks 'layer1.conv1.weight'",
                                      "net.safetensors: tensor 'optimizer' is not used by the program"}));
}
