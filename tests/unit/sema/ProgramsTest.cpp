// The programs of the language page analyse as they stand there; parameters are those of the networks that programs describe.
#include "Analysed.h"

#include <fstream>

using namespace triton;

namespace {

std::string contents(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A program of the source tree.
Analysed program(const std::string &name) {
  std::string path = std::string(TRITON_SOURCE_DIR) + "/" + name;
  return Analysed(contents(path), {}, path);
}

/// The indented blocks of section 13 of the language page, one under each heading.
std::vector<std::string> programsOfThePage() {
  std::istringstream page(contents(std::string(TRITON_SOURCE_DIR) + "/docs/language.md"));
  std::vector<std::string> programs;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) inside = line.starts_with("## 13.");
    if (!inside) continue;
    if (line.starts_with("### ")) programs.emplace_back();
    else if (!programs.empty() && line.starts_with("    ")) programs.back() += line.substr(4) + "\n";
    else if (!programs.empty()) programs.back() += "\n";
  }
  return programs;
}

/// Elements of all parameters; running statistics are state, not parameters, for PyTorch.
int64_t count(const Graph &graph) {
  int64_t total = 0;
  for (auto &p : graph.params) {
    if (p.key.find("running_") != std::string::npos)
      continue;
    int64_t elements = 1;
    for (auto &dim : graph.values[p.value].type.shape)
      elements *= dim.constant().value_or(0);
    total += elements;
  }
  return total;
}

TEST(Programs, AllAnalyseWithoutErrors) {
  for (auto *name : {"mlp", "mnist_mlp", "lenet5", "transformer_block"})
    EXPECT_FALSE(program(std::string("tests/programs/") + name + ".tri").diags.hasErrors()) << name;
}

TEST(Programs, ThoseOfTheLanguagePageAnalyseAsTheyStand) {
  std::vector<std::string> programs = programsOfThePage();
  ASSERT_EQ(programs.size(), 5u);
  for (const std::string &text : programs) {
    Analysed net(text);
    EXPECT_FALSE(net.diags.hasErrors()) << net.messages() << text;
  }
  EXPECT_EQ(count(Analysed(programs[2]).model()), 11'689'512);
  EXPECT_EQ(count(Analysed(programs[3]).model()), 3'504'872);
}

TEST(Programs, ResNet18HasTorchvisionsParameters) {
  Analysed net = program("model_zoo/resnet18-imagenet/model.tri");
  EXPECT_EQ(count(net.model()), 11'689'512);
  std::vector<std::string> expected{"conv1.weight"};
  auto norm = [&](const std::string &path) {
    for (auto *name : {"weight", "bias", "running_mean", "running_var"})
      expected.push_back(path + "." + name);
  };
  norm("bn1");
  for (int stage = 1; stage <= 4; ++stage)
    for (int block = 0; block < 2; ++block) {
      std::string path = "layer" + std::to_string(stage) + "." + std::to_string(block);
      for (auto *i : {"1", "2"}) {
        expected.push_back(path + ".conv" + i + ".weight");
        norm(path + ".bn" + i);
      }
      if (stage > 1 && block == 0) {
        expected.push_back(path + ".downsample.0.weight");
        norm(path + ".downsample.1");
      }
    }
  expected.push_back("fc.weight");
  expected.push_back("fc.bias");
  EXPECT_EQ(keys(net.model()), expected);
}

TEST(Programs, ResNet18KeepsItsFirstAndLastLayerInInt8) {
  Analysed net = program("model_zoo/resnet18-imagenet/model.tri");
  EXPECT_EQ(net.param("conv1.weight")->policy.storage, DType::Int8);
  EXPECT_EQ(net.param("fc.weight")->policy.storage, DType::Int8);
  EXPECT_EQ(net.param("layer3.1.conv2.weight")->policy.storage, DType::Trit);
  EXPECT_FALSE(net.param("bn1.weight")->isWeight);
  auto &input = net.model().inputs.front();
  EXPECT_EQ(input.dtypes, (std::vector<DType>{DType::UInt8, DType::Float32}));
  ASSERT_TRUE(input.preprocess);
  EXPECT_DOUBLE_EQ(input.preprocess->scale, 1.0 / 255);
  EXPECT_EQ(input.preprocess->mean.size(), 3u);
  EXPECT_EQ(net.model().values[input.value].type.dtype, DType::Float32);
}

TEST(Programs, MobileNetV2HasTorchvisionsKeys) {
  Analysed net = program("model_zoo/mobilenetv2-imagenet/model.tri");
  EXPECT_EQ(count(net.model()), 3'504'872);
  for (auto *key : {"features.0.0.weight", "features.0.1.running_var", "features.1.conv.0.0.weight", "features.1.conv.1.weight",
                    "features.2.conv.1.0.weight", "features.17.conv.3.bias", "features.18.0.weight", "classifier.1.weight"})
    EXPECT_NE(net.param(key), nullptr) << key;
  EXPECT_EQ(net.model().params.size(), 262u);
}

TEST(Programs, MnistMlpComparesInItsTest) {
  Analysed net = program("tests/programs/mnist_mlp.tri");
  ASSERT_EQ(net.module.tests.size(), 1u);
  auto &test = net.module.tests.front();
  ASSERT_EQ(test.asserts.size(), 1u);
  EXPECT_EQ(test.asserts.front().kind, TestAssert::Equal);
  EXPECT_EQ(operations(test.graph), (std::vector<std::string>{"constant", "constant", "ternary_matmul", "constant"}));
  EXPECT_EQ(net.model().outputs[0].name, "digit");
  EXPECT_EQ(net.model().outputs[1].name, "logits");
}

} // namespace
