// The tuner around code generation: it measures, records, and gives the same bytes from the same records. No time decides a test.
#include "../cache/Helpers.h"
#include "GraphText.h"
#include "ProgramRunner.h"
#include "Record.h"

#include "triton/Artifact/Artifact.h"
#include "triton/Tune/Tune.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace triton;
using namespace triton::test;

namespace {

/// Four convolutions, of which the inner two are equal, and a matrix.
std::string network() {
  GraphText g(5);
  Ref x = g.quantize(g.argument("f32", {-1, 16, 16, 12}), quant("u8", 0.02));
  Ref a = g.conv(x, g.weights(true, {32, 16, 3, 3}), quant("u8", 0.1), 1, 1);
  Ref b = g.conv(a, g.weights(true, {32, 32, 3, 3}), quant("u8", 0.1), 1, 1);
  Ref c = g.conv(b, g.weights(true, {32, 32, 3, 3}), quant("u8", 0.1), 1, 1);
  Ref d = g.conv(c, g.weights(true, {32, 32, 3, 3}), quant("u8", 0.1), 1, 1);
  Ref flat = g.op("global_avg_pool", {d}, "", quant("u8", 0.1), {-1, 32});
  return g.finish({g.linear(flat, g.weights(true, {40, 32}), "f32")});
}

class Tuner : public testing::Test {
protected:
  void SetUp() override {
    open("cache");
    graph = parseGraph(network());
    options.targets = {*parseTarget("native")};
    options.machine = "a machine";
    options.compiler = "a compiler";
  }
  void open(const std::string &name) {
    cache::StoreOptions storeOptions;
    storeOptions.dir = dir.path(name);
    store = cache::Store::open(storeOptions);
    options.store = store.get();
  }

  Result<CompiledModel> compiled(const std::vector<TargetDesc> &targets, const ChooseProduct &choose) {
    CodegenOptions how;
    how.targets = targets;
    how.optLevel = 3;
    how.chooseProduct = choose;
    return compileModule(*graph.module, how);
  }
  tuning::Outcome tuned(double budget) {
    options.budgetSeconds = budget;
    Result<tuning::Outcome> out = tuning::tune(options, [&](const std::vector<TargetDesc> &targets, const ChooseProduct &choose, bool quiet) {
      tries += quiet;
      return compiled(targets, choose);
    });
    EXPECT_TRUE(bool(out)) << (out ? "" : out.error().message);
    return std::move(*out);
  }
  static std::vector<uint8_t> bytesOf(const CompiledModel &model) {
    auto bytes = writeArtifact(model);
    EXPECT_TRUE(bool(bytes)) << (bytes ? "" : bytes.error().message);
    return *bytes;
  }

  cache::TemporaryDirectory dir;
  std::unique_ptr<cache::Store> store;
  Graph graph;
  tuning::Options options;
  unsigned tries = 0;
};

TEST_F(Tuner, MeasuresOnceAndGivesTheSameBytesFromItsRecords) {
  tuning::Outcome first = tuned(120);
  EXPECT_EQ(first.measured, 4u) << first.text;
  EXPECT_EQ(first.recorded + first.left, 0u) << first.text;
  EXPECT_GE(tries, 2u);
  EXPECT_EQ(first.records.size(), first.measured) << "equal layers are measured once";
  EXPECT_NE(first.text.find(" and 1 like it"), std::string::npos) << first.text;
  tries = 0;
  for (double budget : {0.0, 120.0}) {
    tuning::Outcome again = tuned(budget);
    EXPECT_EQ(again.recorded, first.measured);
    EXPECT_EQ(again.measured + again.left, 0u);
    EXPECT_EQ(bytesOf(again.model), bytesOf(first.model));
  }
  EXPECT_EQ(tries, 0u);
  // The choices are handed out as well, for what shows code.
  Result<CompiledModel> shown = compiled(options.targets, first.choose);
  ASSERT_TRUE(bool(shown));
  EXPECT_EQ(bytesOf(*shown), bytesOf(first.model));
}

TEST_F(Tuner, EveryPlantedRecordIsFollowedAndChangesNoResult) {
  std::vector<HostTensor> inputs = randomInputs(graph.function(), 2, 3, false);
  auto resultsOf = [&](const CompiledModel &model) {
    return runJobs(options.targets[0], {jobOf(model, model.variants[0], inputs, 2, 2)})[0].outputs;
  };
  std::vector<Bytes> expected;
  size_t most = 1;
  std::set<std::string> artifacts;
  for (size_t way = 0; way < most; ++way) {
    open("planted" + std::to_string(way));
    std::map<std::string, std::vector<std::string>> ways;
    (void)compiled(options.targets, [&](const TargetDesc &target, const ProductProblem &problem) {
      most = std::max(most, problem.ways.size());
      std::string text = "triton tuning 1\nfirst 1000\ntaken " + std::to_string(std::min(way, problem.ways.size() - 1)) + "\n";
      for (const std::string &name : problem.ways) text += "0.500 " + name + "\n";
      ways[std::string(problem.layer)] = problem.ways;
      store->put(cache::EntryKind::Tuning, tuning::recordKey(options.machine, options.compiler, target, problem), {reinterpret_cast<const uint8_t *>(text.data()), text.size()});
      return ProductDecision{};
    });
    tuning::Outcome out = tuned(0);
    EXPECT_EQ(out.left, 0u);
    EXPECT_EQ(out.recorded, 4u) << out.text;
    for (const LayerChoice &choice : out.model.variants[0].choices) {
      const std::vector<std::string> &names = ways[choice.layer];
      if (names.empty()) continue;
      const std::string &name = names[std::min(way, names.size() - 1)];
      bool isConv = std::any_of(names.begin(), names.end(), [](const std::string &n) { return n.starts_with("direct"); });
      std::string algorithm = isConv && name.starts_with("two bits") ? "direct convolution, two bits" : name.starts_with("direct") ? "direct convolution" : name.starts_with("Winograd") ? "Winograd" : name.starts_with("weights") ? "weights as code" : "GEMM";
      EXPECT_EQ(choice.algorithm.find(algorithm), 0u) << choice.algorithm << " for " << name;
    }
    std::vector<Bytes> results = resultsOf(out.model);
    if (way == 0) expected = results;
    EXPECT_EQ(results, expected) << "way " << way;
    std::vector<uint8_t> bytes = bytesOf(out.model);
    artifacts.emplace(bytes.begin(), bytes.end());
  }
  EXPECT_EQ(artifacts.size(), most);
  EXPECT_GE(most, 4u);
}

TEST_F(Tuner, AWayThatGivesOtherResultsIsAFaultAndNotAChoice) {
  options.budgetSeconds = 120;
  Result<tuning::Outcome> out = tuning::tune(options, [&](const std::vector<TargetDesc> &targets, const ChooseProduct &choose, bool) {
    bool other = false;
    Result<CompiledModel> model = compiled(targets, [&](const TargetDesc &target, const ProductProblem &problem) {
      ProductDecision decision = choose(target, problem);
      other |= decision.way != 0;
      return decision;
    });
    if (model && other)
      for (Blob &blob : model->blobs) // a tile that reads other weights
        if (blob.encoding == Blob::T5) blob.bytes.assign(blob.bytes.size(), 121);
    return model;
  });
  ASSERT_FALSE(bool(out));
  EXPECT_EQ(out.error().kind, ErrorKind::Internal);
  EXPECT_NE(out.error().message.find("gives another result"), std::string::npos) << out.error().message;
}

TEST_F(Tuner, AShortBudgetGoesOnWhereItEnded) {
  unsigned compiles = 0;
  tuning::Outcome out = tuned(1e-9);
  EXPECT_GT(out.left, 0u);
  EXPECT_FALSE(out.records.empty());
  // Each compile measures at least one way of everything that is open.
  while (out.left > 0 && ++compiles < 50) out = tuned(1e-9);
  EXPECT_EQ(out.left, 0u);
  EXPECT_GT(compiles, 1u);
}

} // namespace
