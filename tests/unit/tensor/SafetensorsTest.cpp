// Round trips, and one case for every way in which a .safetensors file can be damaged.
#include "triton/Tensor/Safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

using namespace triton;

static std::string fileOf(std::string_view header, size_t dataBytes, int64_t claimed = -1) {
  std::string out;
  uint64_t length = claimed < 0 ? header.size() : static_cast<uint64_t>(claimed);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(length >> (8 * i));
  out += header;
  out.append(dataBytes, '\0');
  return out;
}

static std::string errorOf(std::string_view bytes) {
  Result<SafetensorsFile> f = SafetensorsFile::fromBytes(bytes, "w.safetensors");
  return f ? "accepted" : f.error().message;
}

static std::string errorOfHeader(std::string_view header, size_t dataBytes) { return errorOf(fileOf(header, dataBytes)); }

static std::vector<std::pair<std::string, HostTensor>> sample() {
  std::vector<float> w = {1, -2, 0.5f, 3};
  std::vector<int8_t> c = {-1, 0, 1};
  return {{"b.weight", HostTensor::of<float>({2, 2}, w)}, {"a.codes", HostTensor::of<int8_t>({3}, c)},
          {"scalar", HostTensor::of<float>({}, std::span<const float>(w.data(), 1))}};
}

TEST(Safetensors, RoundTrip) {
  Result<std::string> bytes = encodeSafetensors(sample(), {{"format", "pt"}});
  ASSERT_TRUE(bytes);
  Result<SafetensorsFile> f = SafetensorsFile::fromBytes(*bytes, "w");
  ASSERT_TRUE(f) << f.error().message;
  ASSERT_EQ(f->entries().size(), 3u);
  EXPECT_EQ(f->entries()[0].key, "a.codes");
  EXPECT_EQ(f->metadata().at("format"), "pt");
  EXPECT_EQ(f->find("b.weight")->shape, (TensorShape{2, 2}));
  EXPECT_EQ(f->find("scalar")->count(), 1);
  EXPECT_EQ(f->find("none"), nullptr);
  Result<std::vector<float>> w = f->floats("b.weight");
  ASSERT_TRUE(w);
  EXPECT_EQ(*w, (std::vector<float>{1, -2, 0.5f, 3}));
  Result<std::vector<float>> c = f->floats("a.codes");
  ASSERT_TRUE(c);
  EXPECT_EQ(*c, (std::vector<float>{-1, 0, 1}));
}

TEST(Safetensors, TheOrderOfTensorsDoesNotMatter) {
  auto tensors = sample();
  Result<std::string> one = encodeSafetensors(tensors);
  std::swap(tensors[0], tensors[2]);
  Result<std::string> two = encodeSafetensors(tensors);
  ASSERT_TRUE(one);
  ASSERT_TRUE(two);
  EXPECT_EQ(*one, *two);
}

TEST(Safetensors, WritesAFileThatOpens) {
  std::string path = testing::TempDir() + "roundtrip.safetensors";
  ASSERT_TRUE(writeSafetensors(path, sample()));
  {
    Result<SafetensorsFile> f = SafetensorsFile::open(path);
    ASSERT_TRUE(f) << f.error().message;
    SafetensorsFile moved = std::move(*f);
    EXPECT_EQ(moved.floats("b.weight")->at(3), 3);
  }
  std::filesystem::remove(path);
}

TEST(Safetensors, RefusesToWriteNonsense) {
  auto tensors = sample();
  tensors.push_back(tensors[0]);
  EXPECT_FALSE(encodeSafetensors(tensors));
  tensors = sample();
  tensors[0].second.shape = {3};
  EXPECT_FALSE(encodeSafetensors(tensors));
  tensors[0] = {"__metadata__", sample()[0].second};
  EXPECT_FALSE(encodeSafetensors(tensors));
}

TEST(Safetensors, AnEmptyFileHasNoHeader) {
  EXPECT_NE(errorOf("").find("w.safetensors: offset 0"), std::string::npos);
  EXPECT_NE(errorOf("1234567").find("7 bytes"), std::string::npos);
}

TEST(Safetensors, HeaderLengthIsChecked) {
  EXPECT_NE(errorOf(fileOf("{}", 0, 3)).find("leaves the file"), std::string::npos);
  EXPECT_NE(errorOf(fileOf("{}", 0, 100'000'001)).find("limit"), std::string::npos);
  EXPECT_NE(errorOf(std::string(64, '\xFF')).find("limit"), std::string::npos);
  EXPECT_NE(errorOf(fileOf("{}", 0, 0)).find("does not begin with '{'"), std::string::npos);
}

TEST(Safetensors, HeaderMustBeJson) {
  EXPECT_NE(errorOfHeader("[]", 0).find("does not begin"), std::string::npos);
  EXPECT_NE(errorOfHeader("{\"a\":", 0).find("w.safetensors: header:1:6"), std::string::npos);
  EXPECT_NE(errorOfHeader("{\"a\":1,\"a\":2}", 0).find("given twice"), std::string::npos);
}

TEST(Safetensors, EntriesAreChecked) {
  struct Case {
    const char *header;
    size_t bytes;
    const char *expected;
  };
  for (const Case &c : std::initializer_list<Case>{
           {R"({"a":3})", 0, "tensor 'a': expected an object"},
           {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "'dtype' is missing"},
           {R"({"a":{"dtype":"F8","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype \"F8\""},
           {R"({"a":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})", 4, "'dtype' is missing or not a string"},
           {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "'shape' is missing"},
           {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "at least 0"},
           {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "at least 0"},
           {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}})", 4, "too large"},
           {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "'data_offsets' must be two integers"},
           {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "'data_offsets' must be two integers"},
           {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "out of order"},
           {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "out of order"},
           {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "leave the data, which has 4 bytes"},
           {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "F32 [2] needs 8"},
           {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "unknown field \"x\""},
           {R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"I8","shape":[4],"data_offsets":[2,6]}})", 6,
            "'b' at data offset 2 overlaps 'a'"},
           {R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[4,6]}})", 6,
            "2 bytes before tensor 'b'"},
           {R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}})", 5, "3 bytes after the last tensor"},
           {R"({"__metadata__":[]})", 0, "'__metadata__' must be an object"},
           {R"({"__metadata__":{"a":1}})", 0, "is not a string"}})
    EXPECT_NE(errorOfHeader(c.header, c.bytes).find(c.expected), std::string::npos)
        << c.header << "\n" << errorOfHeader(c.header, c.bytes);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  Result<std::string> bytes = encodeSafetensors(sample());
  ASSERT_TRUE(bytes);
  for (size_t n = 0; n < bytes->size(); ++n) EXPECT_NE(errorOf(bytes->substr(0, n)), "accepted") << n;
  EXPECT_EQ(errorOf(*bytes), "accepted");
}

TEST(Safetensors, DamagedBytesNeverCrash) {
  Result<std::string> bytes = encodeSafetensors(sample());
  ASSERT_TRUE(bytes);
  for (size_t i = 0; i < bytes->size(); ++i)
    for (unsigned char flip : {0x01, 0x80, 0xFF}) {
      std::string damaged = *bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      Result<SafetensorsFile> f = SafetensorsFile::fromBytes(damaged, "w");
      if (f)
        for (const auto &e : f->entries()) (void)bool(f->floats(e.key));
    }
}

TEST(Safetensors, LookingUpAMissingKeyNamesTheNearest) {
  Result<SafetensorsFile> f = SafetensorsFile::fromBytes(*encodeSafetensors(sample()), "w.safetensors");
  ASSERT_TRUE(f);
  Result<std::vector<float>> v = f->floats("b.wieght");
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error().message, "w.safetensors: no tensor 'b.wieght'; the nearest key present is 'b.weight'");
}

TEST(Safetensors, AWrongShapeNamesBoth) {
  Result<SafetensorsFile> f = SafetensorsFile::fromBytes(*encodeSafetensors(sample()), "w.safetensors");
  ASSERT_TRUE(f);
  TensorShape shape = {4, 1};
  Result<std::vector<float>> v = f->floats("b.weight", &shape);
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error().message, "w.safetensors: tensor 'b.weight' has shape [2, 2], expected [4, 1]");
}

TEST(Safetensors, NotANumberNamesTheElement) {
  std::vector<float> values = {1, std::nanf("")};
  Result<SafetensorsFile> f = SafetensorsFile::fromBytes(*encodeSafetensors({{"k", HostTensor::of<float>({2}, values)}}), "w");
  ASSERT_TRUE(f);
  Result<std::vector<float>> v = f->floats("k");
  ASSERT_FALSE(v);
  EXPECT_NE(v.error().message.find("'k' holds NaN at element 1"), std::string::npos);
}

TEST(Safetensors, AMegabyteOfGarbageIsRefused) {
  EXPECT_NE(errorOf(std::string(1 << 20, '{')), "accepted");
  EXPECT_NE(errorOf(fileOf(std::string(1 << 20, '{'), 0)), "accepted");
  EXPECT_FALSE(SafetensorsFile::open("/nonexistent.safetensors"));
  EXPECT_FALSE(SafetensorsFile::open("/"));
}
