// resolve-quantisation against the float graph with fake quantisation: one group at a time within one step, whole nets closely.
#include "Interpret.h"

#include "triton/Passes/Parameters.h"
#include "triton/Passes/Passes.h"

#include "mlir/Pass/PassManager.h"

#include <cmath>
#include <random>

using namespace triton;
using namespace triton::testing;

namespace {

/// Runs the pass; false and the first error in `message` if it fails.
bool resolve(Module &m, const ResolveInputs &inputs, std::string *message = nullptr) {
  mlir::ScopedDiagnosticHandler handler(&m.context, [&](mlir::Diagnostic &d) {
    if (message && message->empty() && d.getSeverity() == mlir::DiagnosticSeverity::Error) *message = d.str();
    return mlir::success();
  });
  mlir::PassManager passes(&m.context);
  passes.addPass(createResolveQuantisationPass(inputs));
  return mlir::succeeded(passes.run(*m.module));
}

std::vector<float> randomReals(size_t n, unsigned seed, float bound) {
  std::mt19937 random(seed);
  std::vector<float> v(n);
  for (float &x : v) x = bound * (static_cast<float>(random() % 20001) / 10000 - 1);
  return v;
}

/// A store with random batch norm and bias too, so that nothing folds to one.
WeightStore storeFor(const std::string &text, unsigned seed) {
  Module m(text);
  std::vector<std::pair<std::string, HostTensor>> tensors;
  std::map<std::string, bool> seen;
  m.module->walk([&](ternary::ParamOp param) {
    WeightRequest request = weightRequest(param);
    if (seen[request.key]) return;
    seen[request.key] = true;
    auto n = static_cast<size_t>(*elementCount(request.shape));
    std::vector<float> v = randomReals(n, seed++, request.shape.size() > 1 ? 0.3f : 0.5f);
    if (request.key.find("var") != std::string::npos)
      for (float &x : v) x = std::fabs(x) + 0.25f;
    tensors.emplace_back(request.key, HostTensor::of<float>(request.shape, v));
  });
  Result<WeightStore> store = WeightStore::fromTensors(tensors, "test");
  EXPECT_TRUE(bool(store)) << (store ? "" : store.error().message);
  return *store;
}

struct Both {
  std::vector<float> fake, integer;
};

/// The function's first result by the float graph with fake quantisation and by the integer graph.
Both both(const std::string &text, const std::vector<HostTensor> &inputs, unsigned seed) {
  WeightStore store = storeFor(text, seed);
  Both out;
  Module floats(text), integers(text);
  auto params = ParamTable::load(*floats.module, store);
  EXPECT_TRUE(mlir::succeeded(params));
  auto a = interpret(floats.function(), inputs, params->interpretOptions());
  EXPECT_TRUE(bool(a)) << (a ? "" : a.error().message);
  ResolveInputs given;
  given.weights = &store;
  EXPECT_TRUE(resolve(integers, given));
  EXPECT_EQ(integers.count<ternary::ParamOp>() + integers.count<ternary::FakeQuantizeOp>(), 0);
  auto b = interpret(integers.function(), inputs);
  EXPECT_TRUE(bool(b)) << (b ? "" : b.error().message);
  if (a && b) out.fake = (*a)[0].as<float>(), out.integer = (*b)[0].as<float>();
  return out;
}

/// Every element within one step, and nearly all equal.
void expectWithinOneStep(const Both &r, float step) {
  ASSERT_EQ(r.fake.size(), r.integer.size());
  ASSERT_FALSE(r.fake.empty());
  size_t differing = 0;
  bool moves = false;
  for (size_t i = 0; i < r.fake.size(); ++i) {
    EXPECT_LE(std::fabs(r.fake[i] - r.integer[i]), step * 1.001f) << i;
    differing += std::fabs(r.fake[i] - r.integer[i]) > step * 0.5f;
    moves |= r.fake[i] != r.fake[0];
  }
  EXPECT_LE(differing * 50, r.fake.size());
  EXPECT_TRUE(moves) << "the test shows nothing: all outputs are equal";
}

std::string policy(const std::string &kind) { return "policy = #ternary.weights<" + kind + ">"; }
const char *kPerChannel = "trit, per_channel, twn, threshold = 0.7";

struct GroupCase {
  const char *name;
  std::string weights;
  bool norm;
  bool residual;
  const char *activation; ///< "" for none
  const char *kind;       ///< of the output codes
};

/// conv [+ bn] [+ residual] [+ activation] + quantiser.
std::string convGroup(const GroupCase &k) {
  std::string t = "tensor<?x8x6x6xf32>", c = "tensor<8xf32>", g = "{ternary.group = 0 : i64}";
  std::string body = "%w = ternary.param {key = \"w\", " + policy(k.weights) + "} : tensor<8x8x3x3xf32>\n";
  body += "%q = ternary.fake_quantize %x i8 static per_tensor {scale = 0.01 : f64} : " + t + "\n";
  body += "%r0 = ternary.fake_quantize %r i8 static per_tensor {scale = 0.02 : f64} : " + t + "\n";
  if (k.norm)
    for (const char *p : {"gamma", "beta", "mean", "var"})
      body += std::string("%") + p + " = ternary.param {key = \"" + p + "\"} : " + c + "\n";
  else
    body += "%bias = ternary.param {key = \"bias\"} : " + c + "\n";
  body += "%v0 = ternary.conv2d %q, %w " + std::string(k.norm ? "" : "bias %bias ") + "{padding = array<i64: 1, 1>, ternary.group = 0 : i64} : (" + t +
          ", tensor<8x8x3x3xf32>" + (k.norm ? "" : ", " + c) + ") -> " + t + "\n";
  std::string last = "%v0";
  if (k.norm) {
    body += "%v1 = ternary.batch_norm %v0, %gamma, %beta, %mean, %var " + g + " : (" + t + ", " + c + ", " + c + ", " + c + ", " + c + ") -> " + t + "\n";
    last = "%v1";
  }
  if (k.residual) {
    body += "%v2 = ternary.add " + last + ", %r0 " + g + " : (" + t + ", " + t + ") -> " + t + "\n";
    last = "%v2";
  }
  if (*k.activation) {
    body += std::string("%v3 = ternary.") + k.activation + " " + last + " " + g + " : " + t + "\n";
    last = "%v3";
  }
  body += "%y = ternary.fake_quantize " + last + " " + k.kind + " static per_tensor {scale = 0.03 : f64, ternary.group = 0 : i64} : " + t + "\n";
  return wrap("(%x: " + t + ", %r: " + t + ") -> " + t, body + "return %y : " + t);
}

} // namespace

class Group : public ::testing::TestWithParam<GroupCase> {};

TEST_P(Group, IntegerGraphIsWithinOneStepOfFakeQuantisation) {
  std::vector<HostTensor> in = {reals({3, 8, 6, 6}, randomReals(864, 1, 1.2f)), reals({3, 8, 6, 6}, randomReals(864, 2, 2))};
  for (unsigned seed : {10u, 20u, 30u}) expectWithinOneStep(both(convGroup(GetParam()), in, seed), 0.03f);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Group,
    ::testing::Values(GroupCase{"plain", kPerChannel, false, false, "", "i8"}, GroupCase{"norm", kPerChannel, true, false, "", "i8"},
                      GroupCase{"normRelu", kPerChannel, true, false, "relu", "u8"}, GroupCase{"relu6", kPerChannel, true, false, "relu6", "u8"},
                      GroupCase{"residual", kPerChannel, true, true, "", "i8"}, GroupCase{"residualRelu", kPerChannel, true, true, "relu", "u8"},
                      GroupCase{"biasResidualRelu6", kPerChannel, false, true, "relu6", "u6"},
                      GroupCase{"perTensor", "trit, per_tensor, twn, threshold = 0.7", true, true, "relu", "u8"},
                      GroupCase{"perGroup", "trit, per_group, twn, threshold = 0.7, group = 9", true, true, "relu", "u8"},
                      GroupCase{"absmean", "trit, per_channel, absmean, threshold = 0.7", false, false, "relu", "u4"},
                      GroupCase{"int8", "i8", true, true, "relu", "u8"}, GroupCase{"int4", "i4", true, false, "", "i6"},
                      GroupCase{"floatWeights", "f32", true, false, "relu", "u8"}, GroupCase{"bf16Weights", "bf16", false, true, "relu", "u8"},
                      GroupCase{"hardswish", kPerChannel, true, true, "hardswish", "i8"}, GroupCase{"gelu", kPerChannel, false, false, "gelu", "i8"},
                      GroupCase{"sigmoid", kPerChannel, true, false, "sigmoid", "u8"}),
    [](const auto &info) { return info.param.name; });

// One group's result is only needed by its quantiser: exactly one affine end, no real operation.
TEST(Resolve, SimpleGroupsHaveNoRealOperations) {
  Module m(convGroup({"", kPerChannel, true, true, "relu", "u8"}));
  WeightStore store = storeFor(convGroup({"", kPerChannel, true, true, "relu", "u8"}), 1);
  ResolveInputs inputs;
  inputs.weights = &store;
  ASSERT_TRUE(resolve(m, inputs));
  EXPECT_EQ(m.count<ternary::AffineOp>(), 1);
  EXPECT_EQ(m.count<ternary::DequantizeOp>(), 1); // for the function's real result
  EXPECT_EQ(m.count<ternary::QuantizeOp>(), 2);
  EXPECT_EQ(m.count<ternary::AddOp>() + m.count<ternary::ReluOp>() + m.count<ternary::BatchNormOp>(), 0);
}

/// A random chain of small layers on [N, C, 8, 8] with residuals and pools, ending in a linear layer.
static std::string randomNet(unsigned seed) {
  std::mt19937 random(seed);
  auto pick = [&](unsigned n) { return random() % n; };
  std::string body = "%v0 = ternary.fake_quantize %x i8 static per_tensor {key = \"act0.scale\"} : tensor<?x4x8x8xf32>\n";
  std::string last = "%v0", t = "tensor<?x4x8x8xf32>", weights;
  int size = 8, id = 0, group = 0;
  std::vector<std::string> sameSize = {"%v0"};
  auto attr = [&](const std::string &more = "") { return "{" + more + "ternary.group = " + std::to_string(group) + " : i64}"; };
  auto fake = [&](const std::string &v, const char *kind) {
    std::string name = "%q" + std::to_string(++id);
    body += name + " = ternary.fake_quantize " + v + " " + kind + " static per_tensor " + attr("key = \"act" + std::to_string(id) + ".scale\", ") + " : " + t + "\n";
    return name;
  };
  for (int layer = 0; layer < 5; ++layer, ++group) {
    std::string n = std::to_string(layer);
    switch (pick(4)) {
    case 0: { // pool
      if (size < 4) break;
      std::string from = t;
      size /= 2;
      t = "tensor<?x4x" + std::to_string(size) + "x" + std::to_string(size) + "xf32>";
      bool average = pick(2);
      body += "%p" + n + " = ternary." + (average ? "avg_pool " : "max_pool ") + last + " " + attr("kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, ") + " : (" +
              from + ") -> " + t + "\n";
      last = average ? fake("%p" + n, "i8") : "%p" + n;
      sameSize = {last};
      break;
    }
    case 1: { // add and relu on codes
      std::string other = sameSize[pick(static_cast<unsigned>(sameSize.size()))];
      body += "%a" + n + " = ternary.add " + last + ", " + other + " " + attr() + " : (" + t + ", " + t + ") -> " + t + "\n";
      body += "%ar" + n + " = ternary.relu %a" + n + " " + attr() + " : " + t + "\n";
      last = fake("%ar" + n, "u8");
      sameSize.push_back(last);
      break;
    }
    default: { // conv, bn, sometimes a residual, relu
      body += "%w" + n + " = ternary.param {key = \"w" + n + "\", " + policy(pick(3) ? kPerChannel : "i8") + "} : tensor<4x4x3x3xf32>\n";
      for (const char *p : {"gamma", "beta", "mean", "var"}) body += std::string("%") + p + n + " = ternary.param {key = \"" + p + n + "\"} : tensor<4xf32>\n";
      body += "%c" + n + " = ternary.conv2d " + last + ", %w" + n + " " + attr("padding = array<i64: 1, 1>, ") + " : (" + t + ", tensor<4x4x3x3xf32>) -> " + t + "\n";
      body += "%b" + n + " = ternary.batch_norm %c" + n + ", %gamma" + n + ", %beta" + n + ", %mean" + n + ", %var" + n + " " + attr() + " : (" + t +
              ", tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> " + t + "\n";
      std::string v = "%b" + n;
      if (pick(2)) {
        body += "%s" + n + " = ternary.add " + v + ", " + sameSize[pick(static_cast<unsigned>(sameSize.size()))] + " " + attr() + " : (" + t + ", " + t + ") -> " + t + "\n";
        v = "%s" + n;
      }
      body += "%r" + n + " = ternary.relu " + v + " " + attr() + " : " + t + "\n";
      last = fake("%r" + n, "u8");
      sameSize.push_back(last);
    }
    }
  }
  std::string k = std::to_string(4 * size * size);
  body += "%flat = ternary.reshape " + last + " : (" + t + ") -> tensor<?x" + k + "xf32>\n";
  body += "%wl = ternary.param {key = \"head\", " + policy(kPerChannel) + "} : tensor<5x" + k + "xf32>\n";
  body += "%bl = ternary.param {key = \"head.bias\"} : tensor<5xf32>\n";
  body += "%y = ternary.linear %flat, %wl bias %bl " + attr() + " : (tensor<?x" + k + "xf32>, tensor<5x" + k + "xf32>, tensor<5xf32>) -> tensor<?x5xf32>\n";
  return wrap("(%x: tensor<?x4x8x8xf32>) -> tensor<?x5xf32>", body + "return %y : tensor<?x5xf32>");
}

TEST(Resolve, RandomNetsAgreeWithTheFloatGraph) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::string text = randomNet(seed);
    WeightStore store = storeFor(text, seed * 100);
    Module floats(text), integers(text);
    ResolveInputs given;
    given.weights = &store;
    std::vector<HostTensor> in = {reals({4, 4, 8, 8}, randomReals(1024, seed, 1))};
    given.calibration["f"] = {in};
    ASSERT_TRUE(resolve(integers, given)) << text;
    auto params = ParamTable::load(*floats.module, store);
    ASSERT_TRUE(mlir::succeeded(params));
    auto a = interpret(floats.function(), in, params->interpretOptions()); // without any quantisation of activations
    auto b = interpret(integers.function(), in);
    ASSERT_TRUE(a && b) << text;
    std::vector<float> x = (*a)[0].as<float>(), y = (*b)[0].as<float>();
    double error = 0, size = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      error += std::pow(x[i] - y[i], 2);
      size += std::pow(x[i], 2);
    }
    EXPECT_LT(error, 0.01 * size) << "seed " << seed << "\n" << text; // 10 % in the mean; 8-bit steps give about 1 %
    EXPECT_GT(error, 0.0);
  }
}

TEST(Resolve, BatchSizeDoesNotChangeResults) {
  std::string text = randomNet(3);
  Module m(text);
  WeightStore store = WeightStore::random(5);
  ResolveInputs given;
  given.weights = &store;
  ASSERT_TRUE(resolve(m, given));
  std::vector<float> all = randomReals(512, 9, 1);
  auto together = interpret(m.function(), std::vector<HostTensor>{reals({2, 4, 8, 8}, all)});
  std::vector<uint8_t> apart;
  for (size_t i : {0u, 1u}) {
    auto one = interpret(m.function(), std::vector<HostTensor>{reals({1, 4, 8, 8}, std::vector<float>(all.begin() + static_cast<long>(i * 256), all.begin() + static_cast<long>(i * 256 + 256)))});
    apart.insert(apart.end(), (*one)[0].bytes.begin(), (*one)[0].bytes.end());
  }
  EXPECT_EQ((*together)[0].bytes, apart);
}

static std::string oneLinear() {
  return wrap("(%x: tensor<2x4xf32>) -> tensor<2x3xf32>",
              "%w = ternary.param {key = \"fc.weight\", policy = #ternary.weights<trit, per_channel, twn, threshold = 0.7>} : tensor<3x4xf32>\n"
              "%q = ternary.fake_quantize %x i8 static per_tensor {key = \"act0.scale\"} : tensor<2x4xf32>\n"
              "%y = ternary.linear %q, %w : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x3xf32>\nreturn %y : tensor<2x3xf32>");
}

TEST(Resolve, ScalesComeFromTheCheckpointThenFromCalibration) {
  std::vector<std::pair<std::string, HostTensor>> tensors = {{"fc.weight", reals({3, 4}, randomReals(12, 1, 1))}};
  WeightStore without = *WeightStore::fromTensors(tensors, "a");
  tensors.emplace_back("act0.scale", reals({}, {0.125f}));
  WeightStore with = *WeightStore::fromTensors(tensors, "b");
  auto scaleOf = [](const ResolveInputs &inputs) {
    Module m(oneLinear());
    EXPECT_TRUE(resolve(m, inputs));
    float scale = 0;
    m.module->walk([&](ternary::QuantizeOp q) { scale = llvm::cast<ternary::QuantType>(q.getResult().getType().getElementType()).getScale(); });
    return scale;
  };
  ResolveInputs inputs;
  inputs.calibration["f"] = {{reals({2, 4}, {1, -2.54f, 0, 0, 1, 1, 1, 1})}};
  inputs.weights = &with;
  EXPECT_EQ(scaleOf(inputs), 0.125f);
  inputs.weights = &without;
  EXPECT_EQ(scaleOf(inputs), static_cast<float>(static_cast<double>(2.54f) / 127));
}

TEST(Resolve, MissingScalesAndKeysAreNamed) {
  WeightStore store = *WeightStore::fromTensors({{"fc.weight", reals({3, 4}, randomReals(12, 1, 1))}}, "net.safetensors");
  ResolveInputs inputs;
  inputs.weights = &store;
  std::string message;
  Module m(oneLinear());
  EXPECT_FALSE(resolve(m, inputs, &message));
  EXPECT_EQ(message, "net.safetensors: no scale for 1 activation quantiser(s) and no data to calibrate them on: 'act0.scale'");
  WeightStore other = *WeightStore::fromTensors({{"fc.wieght", reals({3, 4}, randomReals(12, 1, 1))}}, "net.safetensors");
  inputs.weights = &other;
  Module n(oneLinear());
  message.clear();
  EXPECT_FALSE(resolve(n, inputs, &message));
  EXPECT_EQ(message, "net.safetensors: no tensor 'fc.weight'; the nearest key present is 'fc.wieght'");
}

TEST(Resolve, WarnsAboutUnusedKeys) {
  WeightStore store = *WeightStore::fromTensors({{"fc.weight", reals({3, 4}, randomReals(12, 1, 1))}, {"act0.scale", reals({}, {1})}, {"old", reals({}, {1})}}, "n");
  std::vector<std::string> warnings;
  ResolveInputs inputs;
  inputs.weights = &store;
  inputs.warnings = &warnings;
  Module m(oneLinear());
  ASSERT_TRUE(resolve(m, inputs));
  EXPECT_EQ(warnings, (std::vector<std::string>{"n: tensor 'old' is not used by the program"}));
}

TEST(Resolve, RandomWeightsAreDeterministic) {
  auto print = [](uint64_t seed) {
    Module m(randomNet(4));
    WeightStore store = WeightStore::random(seed);
    ResolveInputs inputs;
    inputs.weights = &store;
    EXPECT_TRUE(resolve(m, inputs));
    std::string text;
    llvm::raw_string_ostream stream(text);
    m.module->print(stream);
    return text;
  };
  EXPECT_EQ(print(1), print(1));
  EXPECT_NE(print(1), print(2));
}

TEST(Resolve, DynamicModeEqualsFakeQuantisationClosely) {
  std::string t = "tensor<4x16xf32>";
  for (const char *per : {"per_row", "per_tensor"}) {
    std::string text = wrap("(%x: " + t + ") -> tensor<4x8xf32>",
                            std::string("%w = ternary.param {key = \"w\", policy = #ternary.weights<trit, per_channel, twn, threshold = 0.7>} : tensor<8x16xf32>\n") +
                                "%b = ternary.param {key = \"b\"} : tensor<8xf32>\n%q = ternary.fake_quantize %x i8 dynamic " + per + " : " + t +
                                "\n%y = ternary.linear %q, %w bias %b {ternary.group = 0 : i64} : (" + t +
                                ", tensor<8x16xf32>, tensor<8xf32>) -> tensor<4x8xf32>\n%s = ternary.silu %y {ternary.group = 0 : i64} : tensor<4x8xf32>\n"
                                "return %s : tensor<4x8xf32>");
    Both r = both(text, {reals({4, 16}, randomReals(64, 3, 2))}, 8);
    for (size_t i = 0; i < r.fake.size(); ++i) EXPECT_NEAR(r.fake[i], r.integer[i], 1e-5f) << per;
  }
}

TEST(Resolve, TritActivationsAndMatrixProducts) {
  std::string t = "tensor<4x16xf32>";
  std::string text = wrap("(%x: " + t + ") -> tensor<4x8xf32>",
                          "%w = ternary.param {axis = 1 : i64, key = \"w\", policy = #ternary.weights<trit, per_channel, twn, threshold = 0.7>} : tensor<16x8xf32>\n"
                          "%b = ternary.param {key = \"b\"} : tensor<8xf32>\n%q = ternary.fake_quantize %x t static per_tensor {scale = 1.0 : f64} : " + t +
                              "\n%y = ternary.matmul %q, %w {ternary.group = 0 : i64} : (" + t + ", tensor<16x8xf32>) -> tensor<4x8xf32>\n"
                              "%z = ternary.add %y, %b {ternary.group = 0 : i64} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>\n"
                              "%f = ternary.fake_quantize %z i8 static per_tensor {scale = 0.05 : f64, ternary.group = 0 : i64} : tensor<4x8xf32>\n"
                              "return %f : tensor<4x8xf32>");
  expectWithinOneStep(both(text, {reals({4, 16}, randomReals(64, 3, 2))}, 8), 0.05f);
  Module m(text);
  WeightStore store = WeightStore::random(1);
  ResolveInputs inputs;
  inputs.weights = &store;
  ASSERT_TRUE(resolve(m, inputs));
  EXPECT_EQ(m.count<ternary::AffineOp>(), 1);
  EXPECT_EQ(m.count<ternary::AddOp>(), 0); // the vector is the bias
}
