// Images as the trainer takes them: kept or decoded when asked for, whole or in part, in colour.
#include "Training.h"

#include "TrainerGraphs.h"
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Safetensors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

using namespace triton;
using namespace triton::trainer;
namespace fs = std::filesystem;

static const std::string inputs = TRITON_TEST_INPUTS "/";

namespace {
class TrainerImages : public testing::Test {
protected:
  void SetUp() override {
    folder = testing::TempDir() + "images_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder);
    fs::create_directories(folder);
    stopRequested = 0;
  }
  void TearDown() override { fs::remove_all(folder); }

  void picture(const std::string &input, const std::string &name) const {
    fs::create_directories(fs::path(folder + "/" + name).parent_path());
    fs::copy_file(inputs + input, folder + "/" + name);
  }
  zoo::DataSetRequest request(bool training, const zoo::ImageShape &shape = {3, 28, 28}, uint32_t classes = 2) const {
    zoo::DataSetRequest out;
    out.folder = folder;
    out.training = training;
    out.shape = shape;
    out.classes = classes;
    out.preparation.resize = 32;
    return out;
  }

  std::string folder;
};
} // namespace

TEST_F(TrainerImages, AFolderIsTheSameKeptAndDecodedWhenAskedFor) {
  for (int i = 0; i < 6; ++i) {
    picture("rgb.jpg", "train/a/" + std::to_string(i) + ".jpg");
    picture("portrait.png", "train/b/" + std::to_string(i) + ".png");
  }
  picture("rgb.jpg", "val/a/0.jpg");
  picture("portrait.png", "val/b/0.png");
  Result<Images> kept = Images::load(request(true), 1 << 20), decoded = Images::load(request(true), 0);
  ASSERT_TRUE(kept && decoded) << (kept ? decoded.error() : kept.error()).message;
  ASSERT_EQ(kept->count(), 12);
  EXPECT_EQ(kept->folder(), folder + "/train");
  EXPECT_EQ(kept->digest(), decoded->digest());
  EXPECT_EQ(kept->largestLabel(), 1);
  std::vector<uint8_t> one, two;
  std::map<int, std::vector<uint8_t>> byClass;
  std::vector<uint16_t> labels;
  for (int64_t i = 0; i < 12; ++i) {
    const uint8_t *a = kept->pixels(i, one), *b = decoded->pixels(i, two);
    EXPECT_TRUE(std::equal(a, a + 3 * 28 * 28, b));
    ASSERT_EQ(kept->label(i), decoded->label(i));
    labels.push_back(kept->label(i));
    // A label belongs to its picture, wherever that stands.
    std::vector<uint8_t> &picture = byClass[kept->label(i)];
    if (picture.empty()) picture.assign(a, a + 3 * 28 * 28);
    EXPECT_TRUE(std::equal(picture.begin(), picture.end(), a));
  }
  EXPECT_EQ(std::count(labels.begin(), labels.end(), 1), 6);
  EXPECT_FALSE(std::is_sorted(labels.begin(), labels.end())); // a part of the training images has all classes
  Images rest = *decoded;
  Result<Images> last = holdOut(rest, 5);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->label(0), labels[7]);
  EXPECT_EQ(rest.count(), 7);

  Result<Images> test = Images::load(request(false), 1 << 20);
  ASSERT_TRUE(test) << test.error().message;
  EXPECT_EQ(test->label(0), 0);
  EXPECT_EQ(test->label(1), 1);

  fs::resize_file(folder + "/train/b/3.png", 300);
  decoded = Images::load(request(true), 0);
  ASSERT_TRUE(decoded);
  EXPECT_THROW(decoded->digest(), std::runtime_error);
  EXPECT_FALSE(Images::load(request(true), 1 << 20));
}

TEST_F(TrainerImages, WhatComesInOrderMustFit) {
  std::string batch;
  for (int i = 0; i < 4; ++i) batch += static_cast<char>(i) + std::string(3072, static_cast<char>(40 * i));
  for (int part = 1; part <= 5; ++part) ASSERT_TRUE(writeFileAtomically(folder + "/data_batch_" + std::to_string(part) + ".bin", batch));
  zoo::DataSetRequest wanted = request(true, {3, 32, 32}, 10);
  Result<Images> images = Images::load(wanted, 1 << 20);
  ASSERT_TRUE(images) << images.error().message;
  ASSERT_EQ(images->count(), 20);
  std::vector<uint8_t> buffer;
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(images->label(i), i % 4);
    EXPECT_EQ(images->pixels(i, buffer)[3071], 40 * (i % 4));
  }
  Result<Images> none = Images::load(wanted, 1000);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("--memory"), std::string::npos);
}

/// Images of one colour and noise: red ones and blue ones, equally bright.
static Images colours(uint32_t count, uint64_t seed) {
  std::vector<uint8_t> pixels;
  std::vector<uint16_t> labels;
  uint64_t state = seed;
  auto draw = [&] { return (state = state * 6364136223846793005u + 1442695040888963407u) >> 40; };
  for (uint32_t i = 0; i < count; ++i) {
    labels.push_back(draw() & 1);
    for (int c = 0; c < 3; ++c)
      for (int p = 0; p < 16; ++p) pixels.push_back(static_cast<uint8_t>(draw() % 120 + (c == 2 * labels.back() ? 110 : 0)));
  }
  return Images::of({3, 4, 4}, std::move(pixels), std::move(labels));
}

TEST_F(TrainerImages, ColoursAreLearnedAndAStopChangesNothing) {
  std::string text = tinyGraph();
  for (auto [from, to] : {std::pair<std::string, std::string>{R"(["N", 1, 4, 4])", R"(["N", 3, 4, 4])"}, {"[8, 1, 3, 3]", "[8, 3, 3, 3]"},
                          {R"("mean": [0.5], "std": [0.5])", R"("mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.3])"}})
    text.replace(text.find(from), from.size(), to);
  Result<Graph> graph = Graph::parse(text, "g");
  Result<Recipe> recipe = Recipe::parse(R"({"model": "tiny", "seed": 5, "batch": 16, "shards": 2, "augment": {"flip": true, "shift": 1, "erase": 2},
    "phases": [{"name": "fp32", "epochs": 3, "learning_rate": 0.02}, {"name": "ternary", "quantize": true, "epochs": 3, "learning_rate": 0.02}]})", "r");
  ASSERT_TRUE(graph && recipe);
  EXPECT_EQ(classCount(*graph), 2);
  TrainingOptions options;
  options.workFolder = folder + "/whole";
  Result<TrainingResult> whole = train(*graph, *recipe, colours(320, 1), colours(100, 99), options, "digest");
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_GT(whole->scores[1].percent(), 80);
  options.workFolder = folder + "/cut";
  options.threads = 2;
  options.afterEpoch = [](int64_t epoch) { stopRequested = epoch == 2; };
  EXPECT_FALSE(train(*graph, *recipe, colours(320, 1), colours(100, 99), options, "digest"));
  stopRequested = 0;
  options.afterEpoch = {};
  Result<TrainingResult> rest = train(*graph, *recipe, colours(320, 1), colours(100, 99), options, "digest");
  ASSERT_TRUE(rest) << rest.error().message;
  EXPECT_EQ(*encodeSafetensors(whole->tensors), *encodeSafetensors(rest->tensors));
  EXPECT_EQ(whole->predictionsSha256, rest->predictionsSha256);

  Result<TrainingResult> gray = train(*graph, *recipe, Images::of({1, 4, 4}, std::vector<uint8_t>(16 * 32), std::vector<uint16_t>(32)),
                                      colours(100, 99), options, "digest");
  ASSERT_FALSE(gray);
  EXPECT_NE(gray.error().message.find("[N, 1, 4, 4]"), std::string::npos);
}
