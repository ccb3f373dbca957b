// Training end to end on a task that can be learned in seconds: bright images against dark ones.
#include "Training.h"

#include "TrainerGraphs.h"
#include "WeightCodes.h"
#include "triton/Tensor/Safetensors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using namespace triton;
using namespace triton::trainer;

static Images images(uint32_t count, uint64_t seed, const zoo::ImageShape &shape = {1, 4, 4}) {
  std::vector<uint8_t> pixels;
  std::vector<uint16_t> labels;
  for (uint32_t i = 0; i < count; ++i) {
    labels.push_back(splitMix(seed, i) & 1);
    for (uint32_t p = 0; p < 16; ++p) pixels.push_back(static_cast<uint8_t>(splitMix(seed + 1, i * 16 + p) % 160 + 90u * labels.back()));
  }
  return Images::of(shape, std::move(pixels), std::move(labels));
}

static const char *recipeText = R"({"model": "tiny", "seed": 5, "batch": 16, "shards": 2, "augment": {"flip": true, "shift": 1},
  "phases": [{"name": "fp32", "epochs": 3, "learning_rate": 0.02},
             {"name": "ternary", "quantize": true, "epochs": 3, "learning_rate": 0.02, "teacher": "fp32", "distill": 0.5}]})";

class TrainerRun : public testing::Test {
protected:
  void SetUp() override {
    folder = testing::TempDir() + "trainer_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder);
    stopRequested = 0;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  Result<TrainingResult> run(const std::string &work, std::function<void(int64_t)> afterEpoch = {}, const std::string &method = "twn",
                             const char *recipe = recipeText, int64_t threads = 2) {
    Result<Graph> graph = Graph::parse(tinyGraph(method), "g");
    if (!graph) return graph.takeError();
    Result<Recipe> r = Recipe::parse(recipe, "r");
    if (!r) return r.takeError();
    TrainingOptions options;
    options.workFolder = folder + "/" + work;
    options.afterEpoch = std::move(afterEpoch);
    options.threads = threads;
    return train(*graph, *r, images(320, 1), images(100, 99), options, "digest of " + method);
  }
  static std::string bytesOf(const Result<TrainingResult> &r) { return *encodeSafetensors(r->tensors); }

  std::string folder;
};

TEST_F(TrainerRun, LearnsAndExportsCodes) {
  Result<TrainingResult> r = run("a");
  ASSERT_TRUE(r) << r.error().message;
  ASSERT_EQ(r->scores.size(), 2u);
  EXPECT_GT(r->scores[0].percent(), 90);
  EXPECT_GT(r->scores[1].percent(), 90);
  Result<SafetensorsFile> f = SafetensorsFile::fromBytes(bytesOf(r), "w");
  ASSERT_TRUE(f);
  std::vector<std::string> keys;
  for (const auto &e : f->entries()) keys.push_back(e.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"act0.scale", "act1.scale", "act2.scale", "bn.bias", "bn.running_mean", "bn.running_var",
                                            "bn.weight", "conv.weight", "conv.weight.scale", "fc.bias", "fc.weight", "fc.weight.scale"}));
  EXPECT_EQ(f->find("conv.weight")->type, ElementType::I8);
  EXPECT_EQ(f->find("conv.weight")->shape, (TensorShape{8, 1, 3, 3}));
  EXPECT_EQ(f->find("conv.weight.scale")->shape, (TensorShape{8}));
  EXPECT_EQ(f->find("act1.scale")->shape, TensorShape{});
  Result<std::vector<float>> codes = f->floats("conv.weight"), scales = f->floats("conv.weight.scale");
  ASSERT_TRUE(codes);
  ASSERT_TRUE(scales);
  for (float code : *codes) EXPECT_LE(std::abs(code), 1);
  for (float scale : *scales) EXPECT_GT(scale, 0);
}

TEST_F(TrainerRun, TheSameSeedGivesTheSameBytes) {
  Result<TrainingResult> a = run("a"), b = run("b");
  ASSERT_TRUE(a);
  ASSERT_TRUE(b);
  EXPECT_EQ(bytesOf(a), bytesOf(b));
}

TEST_F(TrainerRun, AnInterruptedRunGoesOnToTheSameBytes) {
  Result<TrainingResult> whole = run("whole");
  ASSERT_TRUE(whole);
  // Stops in the middle of the first phase, between the phases, and in the middle of the second.
  for (int stopAfter : {2, 3, 5}) {
    std::string work = "cut" + std::to_string(stopAfter);
    int epochs = 0;
    Result<TrainingResult> cut = run(work, [&](int64_t) {
      if (++epochs == stopAfter) stopRequested = 1;
    });
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().message, "interrupted");
    stopRequested = 0;
    Result<TrainingResult> rest = run(work);
    ASSERT_TRUE(rest) << rest.error().message;
    EXPECT_TRUE(bytesOf(rest) == bytesOf(whole)) << "stopped after " << stopAfter;
  }
}

static const char *thriftyText = R"({"model": "tiny", "seed": 5, "batch": 16, "shards": 4, "augment": {"flip": true, "shift": 1},
  "phases": [{"name": "fp32", "epochs": 4, "learning_rate": 0.02, "prune": 0.5, "dropout": 0.25},
             {"name": "ternary", "quantize": true, "epochs": 4, "learning_rate": 0.02, "teacher": "fp32", "teacher_cache": true,
              "distill": 0.5, "prune": 0.5}]})";

TEST_F(TrainerRun, TheNumberOfThreadsChangesNothing) {
  Result<TrainingResult> one = run("one", {}, "twn", thriftyText, 1), four = run("four", {}, "twn", thriftyText, 4);
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_TRUE(four);
  EXPECT_TRUE(bytesOf(one) == bytesOf(four));
  EXPECT_GT(one->scores[1].percent(), 90);
}

TEST_F(TrainerRun, PrunedEpochsAndCachedTeachersGoOnToTheSameBytes) {
  Result<TrainingResult> whole = run("whole", {}, "twn", thriftyText);
  ASSERT_TRUE(whole);
  EXPECT_FALSE(bytesOf(whole) == bytesOf(run("other")));
  for (int stopAfter : {2, 6}) {
    std::string work = "cut" + std::to_string(stopAfter);
    int epochs = 0;
    auto stop = [&](int64_t) { stopRequested = ++epochs == stopAfter; };
    ASSERT_FALSE(run(work, stop, "twn", thriftyText));
    stopRequested = 0;
    Result<TrainingResult> rest = run(work, {}, "twn", thriftyText);
    ASSERT_TRUE(rest) << rest.error().message;
    EXPECT_TRUE(bytesOf(rest) == bytesOf(whole)) << "stopped after " << stopAfter;
  }
}

TEST_F(TrainerRun, TheIntegerModelScoresWhatWasExported) {
  Result<TrainingResult> r = run("a");
  ASSERT_TRUE(r);
  Result<Graph> graph = Graph::parse(tinyGraph(), "g");
  Result<IntegerScore> one = scoreIntegers(*graph, r->tensors, images(100, 99), 1), two = scoreIntegers(*graph, r->tensors, images(100, 99), 2);
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_TRUE(two);
  EXPECT_EQ(one->correct, r->scores[1].correct);
  EXPECT_EQ(one->predictionsSha256, r->predictionsSha256);
  EXPECT_EQ(one->predictionsSha256, two->predictionsSha256);
  // Codes that are not there, and other codes.
  std::vector<std::pair<std::string, HostTensor>> tensors = r->tensors;
  for (auto &[key, tensor] : tensors)
    if (key == "conv.weight") std::fill(tensor.bytes.begin(), tensor.bytes.end(), uint8_t(0));
  Result<IntegerScore> blind = scoreIntegers(*graph, tensors, images(100, 99), 1);
  ASSERT_TRUE(blind);
  EXPECT_LT(blind->correct, 70);
  std::erase_if(tensors, [](const auto &t) { return t.first == "act1.scale"; });
  Result<IntegerScore> none = scoreIntegers(*graph, tensors, images(100, 99), 1);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("act1.scale"), std::string::npos);
}

TEST_F(TrainerRun, TheScoresOfAnotherNetworkAreComputedOnce) {
  Result<TrainingResult> first = run("teacher");
  ASSERT_TRUE(first) << first.error().message;
  Result<Graph> graph = Graph::parse(tinyGraph(), "g");
  Result<Recipe> recipe = Recipe::parse(R"({"model": "pupil", "seed": 6, "batch": 16, "shards": 2, "augment": {"flip": true}, "teacher_model": "tiny",
    "phases": [{"name": "ternary", "quantize": true, "epochs": 2, "learning_rate": 0.02, "teacher": "tiny", "teacher_cache": true, "distill": 0.9}]})", "r");
  ASSERT_TRUE(recipe) << recipe.error().message;
  auto learn = [&](const std::string &work, const std::string &teacherDigest) {
    TrainingOptions options;
    options.workFolder = folder + "/" + work;
    options.teacherGraph = &*graph;
    options.teacherTensors = first->tensors;
    options.teacherDigest = teacherDigest;
    Result<TrainingResult> r = train(*graph, *recipe, images(320, 1), images(100, 99), options, "digest");
    EXPECT_TRUE(r) << r.error().message;
    return bytesOf(r);
  };
  std::string fresh = learn("fresh", "one");
  std::string path = folder + "/fresh/teacher.safetensors";
  std::vector<float> scores;
  std::string key;
  {
    Result<SafetensorsFile> kept = SafetensorsFile::open(path);
    ASSERT_TRUE(kept) << kept.error().message;
    ASSERT_EQ(kept->entries().size(), 1u);
    key = kept->entries()[0].key;
    EXPECT_EQ(kept->entries()[0].shape, (TensorShape{2, 320, 2}));
    scores = *kept->floats(key);
  }
  // Scores that lie there are believed: the pupil of a teacher who is always wrong is another one. Those of another teacher are not.
  for (float &score : scores) score = -score;
  for (const char *work : {"planted", "foreign"}) {
    std::filesystem::create_directories(folder + "/" + work);
    std::string where = folder + "/" + work + "/teacher.safetensors";
    ASSERT_TRUE(writeSafetensors(where, {{key, HostTensor::of<float>({2, 320, 2}, std::span<const float>(scores))}}));
  }
  EXPECT_FALSE(learn("planted", "one") == fresh);
  EXPECT_TRUE(learn("foreign", "two") == fresh);
}

TEST_F(TrainerRun, ACheckpointOfAnotherRecipeIsNotUsed) {
  ASSERT_TRUE(run("a"));
  std::string other = recipeText;
  other.replace(other.find("\"seed\": 5"), 9, "\"seed\": 6");
  Result<TrainingResult> again = run("a", {}, "twn", other.c_str()), fresh = run("b", {}, "twn", other.c_str());
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_TRUE(fresh);
  EXPECT_TRUE(bytesOf(again) == bytesOf(fresh));
}

TEST_F(TrainerRun, APhaseThatStopsEarlyHasTheFirstEpochsOfItsSchedule) {
  std::string text = recipeText;
  text.replace(text.find("\"epochs\": 3"), 11, "\"epochs\": 6, \"stop_after\": 2");
  Result<TrainingResult> stopped = run("stopped", {}, "twn", text.c_str());
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_EQ(stopped->scores[0].epochs, 2);
  EXPECT_EQ(stopped->scores[1].epochs, 3);
  auto log = [&](const std::string &work) {
    std::ifstream file(folder + "/" + work + "/log.jsonl");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line.substr(line.find("\"loss\""), 24));
    return lines;
  };
  text.replace(text.find("\"stop_after\": 2"), 15, "\"stop_after\": 6");
  ASSERT_TRUE(run("whole", {}, "twn", text.c_str()));
  std::vector<std::string> cut = log("stopped"), whole = log("whole");
  ASSERT_EQ(cut.size(), 5u);
  ASSERT_EQ(whole.size(), 9u);
  EXPECT_EQ(cut[0], whole[0]);
  EXPECT_EQ(cut[1], whole[1]);
  std::ifstream curves(folder + "/stopped/curves.svg");
  EXPECT_TRUE(curves.good());
}

TEST(TrainerHoldOut, TakesTheLastImages) {
  Images all = images(50, 1), rest = all;
  Result<Images> last = holdOut(rest, 20);
  ASSERT_TRUE(last);
  ASSERT_EQ(rest.count(), 30);
  ASSERT_EQ(last->count(), 20);
  EXPECT_EQ(last->shape().height, 4u);
  std::vector<uint8_t> buffer;
  for (int64_t i = 0; i < 50; ++i) {
    const Images &part = i < 30 ? rest : *last;
    const int64_t at = i < 30 ? i : i - 30;
    EXPECT_EQ(part.label(at), all.label(i));
    EXPECT_EQ(part.pixels(at, buffer), all.pixels(i, buffer));
  }
  EXPECT_FALSE(holdOut(rest, 30));
  EXPECT_FALSE(holdOut(rest, 0));
}

TEST_F(TrainerRun, EveryMethodTrains) {
  for (const char *method : {"absmean", "fixed", "learned", "stochastic"}) {
    std::string text = recipeText;
    if (std::string(method) == "fixed") text.replace(text.find("0.02"), 4, "0.01");
    Result<TrainingResult> r = run(method, {}, method, text.c_str());
    ASSERT_TRUE(r) << method << ": " << r.error().message;
    EXPECT_GT(r->scores[1].percent(), method == std::string("fixed") ? 40 : 80) << method;
  }
}

TEST_F(TrainerRun, RefusesAGraphThatDoesNotFit) {
  std::string text = tinyGraph();
  text.replace(text.find("\"conv2d\""), 8, "\"warp\"  ");
  Result<Graph> graph = Graph::parse(text, "g");
  ASSERT_TRUE(graph);
  Result<Network> net = Network::create(*graph, 1);
  ASSERT_FALSE(net);
  EXPECT_NE(net.error().message.find("does not know the operation 'warp'"), std::string::npos);
  Images wide = images(32, 1, {1, 2, 8});
  Result<Graph> good = Graph::parse(tinyGraph(), "g");
  Result<Recipe> recipe = Recipe::parse(recipeText, "r");
  TrainingOptions options;
  options.workFolder = folder;
  Result<TrainingResult> r = train(*good, *recipe, wide, wide, options, "");
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("[N, 1, 2, 8]"), std::string::npos);
}
