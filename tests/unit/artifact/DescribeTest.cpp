// `inspect` of an artifact as JSON and as text.
#include "TestModel.h"

#include <gtest/gtest.h>

using namespace triton;

TEST(Describe, TheJsonHasEntriesWeightsVariantsAndDigests) {
  const std::vector<uint8_t> bytes = test::written(test::denseModel());
  auto described = describeArtifactJson(bytes, "dense.tern");
  ASSERT_TRUE(described) << described.error().message;
  const json::Object &root = *described;
  EXPECT_EQ(*root.find("name")->asString(), "dense");
  EXPECT_EQ(*root.find("artifact_bytes")->asInt(), int64_t(bytes.size()));
  EXPECT_EQ(*root.find("blake3")->asString(), hexDigest(blake3(bytes)));
  EXPECT_EQ(root.find("sparsity")->number(), 10.0 / 32);
  const json::Value &entry = (*root.find("entries")->asArray())[0];
  EXPECT_EQ(json::write(*entry.find("inputs")),
            R"([{"name":"x","dtypes":["uint8","float32"],"shape":["N",8],"scale":0.00392156862745098,"mean":[0.5],"std":[0.25]}])");
  EXPECT_EQ(json::write(*entry.find("labels")), R"(["zero","one","two","three"])");
  EXPECT_EQ(json::write((*entry.find("steps")->asArray())[0]),
            R"({"name":"widen_u8","layer":"","macs":0,"bytes":0,"only_input":"x","only_dtype":"uint8"})");
  const json::Value &weight = (*root.find("weights")->asArray())[0];
  EXPECT_EQ(json::write(weight), R"({"key":"fc.weight","encoding":"t5","bytes":7,"trits":32,"bits_per_weight":1.75,"zero_fraction":0.3125})");
  const json::Value &variant = (*root.find("variants")->asArray())[0];
  EXPECT_EQ(*variant.find("target")->asString(), test::baseTarget());
  EXPECT_TRUE(*variant.find("runs_here")->asBool());
  EXPECT_EQ(json::write(*variant.find("choices")),
            R"([{"layer":"fc","algorithm":"gemv","packing":"panels 4x4","reason":"one row at a time"}])");
  EXPECT_EQ(root.find("sections")->asArray()->size(), 3u);
  EXPECT_EQ(*(*root.find("inputs")->asArray())[0].find("name")->asString(), "dense.tri");
}

TEST(Describe, TheTextSaysTheSame) {
  const auto text = describeArtifact(test::written(test::denseModel()), "dense.tern");
  ASSERT_TRUE(text) << text.error().message;
  for (const char *part : {"dense: ", "36 parameters, 32 trits (31.2 % zero)", "input   x: Tensor[N, 8, uint8 | float32]",
                           "output  scores: Tensor[N, 4, int32]", "fc.weight", "7 bytes, 32 trits, 1.75 bits each, 31.2 % zero", "runs here",
                           "gemv, panels 4x4: one row at a time", "made of dense.tri blake3 af1349b9", "section weights"})
    EXPECT_NE(text->find(part), std::string::npos) << part << "\nin:\n" << *text;
}

TEST(Describe, DamagedFilesAreNamed) {
  std::vector<uint8_t> bytes = test::written(test::denseModel());
  bytes[1000] ^= 1;
  const auto described = describeArtifact(bytes, "dense.tern");
  ASSERT_FALSE(described);
  EXPECT_EQ(described.error().message.find("dense.tern: section 0 (offset 192, "), 0u) << described.error().message;
  EXPECT_EQ(described.error().kind, ErrorKind::Input);
}
