// The tuner with a compiler that is none: which choices records give, and what is kept when nothing may be measured.
#include "../cache/Helpers.h"
#include "Record.h"

#include "triton/Tune/Tune.h"

#include "artifact/cpu_features.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::tuning;

namespace {

class RecordsDecide : public testing::Test {
protected:
  void SetUp() override {
    cache::StoreOptions storeOptions;
    storeOptions.dir = dir.path("cache");
    store = cache::Store::open(storeOptions);
    here.name = "here";
    here.features = tri_cpu_features();
    elsewhere.name = "elsewhere";
    elsewhere.features = uint64_t(1) << 63;
    options.targets = {here};
    options.machine = "a machine; of the test";
    options.compiler = "a compiler";
    options.store = store.get();
    options.budgetSeconds = 0;
    for (size_t i = 0; i < 3; ++i) problems.push_back({"layer", i, i < 2 ? "one recipe" : "another recipe", {"first", "second", "third"}});
  }

  cache::Key keyOf(const TargetDesc &target, size_t problem) { return recordKey(options.machine, options.compiler, target, problems[problem]); }
  void plant(const TargetDesc &target, size_t problem, std::string_view text) {
    store->put(cache::EntryKind::Tuning, keyOf(target, problem), {reinterpret_cast<const uint8_t *>(text.data()), text.size()});
  }
  static std::string record(size_t taken, std::vector<double> ratios = {1, 0.9, 0.8}) {
    Record r;
    r.firstNs = 5000, r.taken = taken, r.ratios = std::move(ratios);
    return writeRecord(r, {"first", "second", "third"});
  }

  /// Tunes; `taken[target]` are the ways of the last compile.
  Outcome tuned() {
    compiles = 0;
    Result<Outcome> out = tune(options, [&](const std::vector<TargetDesc> &targets, const ChooseProduct &choose, bool) -> Result<CompiledModel> {
      ++compiles;
      taken.clear();
      for (const TargetDesc &target : targets)
        for (const ProductProblem &problem : problems) {
          ProductDecision decision = choose(target, problem);
          taken[target.name].push_back(decision.way);
          why[target.name] = decision.why;
        }
      CompiledModel model;
      model.variants.resize(targets.size());
      return model;
    });
    EXPECT_TRUE(bool(out)) << (out ? "" : out.error().message);
    return std::move(*out);
  }

  cache::TemporaryDirectory dir;
  std::unique_ptr<cache::Store> store;
  TargetDesc here, elsewhere;
  Options options;
  std::vector<ProductProblem> problems;
  std::map<std::string, std::vector<size_t>> taken;
  std::map<std::string, std::string> why;
  unsigned compiles = 0;
};

TEST_F(RecordsDecide, WithoutRecordsTheCostModelDecides) {
  Outcome out = tuned();
  EXPECT_EQ(taken["here"], (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(out.measured + out.recorded, 0u);
  EXPECT_EQ(out.left, 2u) << "equal problems are one";
  EXPECT_EQ(compiles, 1u);
  EXPECT_EQ(why["here"], "not measured");
  ASSERT_EQ(out.records.size(), 2u);
  EXPECT_FALSE(out.records[0].found);
  EXPECT_TRUE(out.records[0].open);
}

TEST_F(RecordsDecide, APlantedRecordIsFollowed) {
  plant(here, 0, record(2));
  plant(here, 2, record(1));
  Outcome out = tuned();
  EXPECT_EQ(taken["here"], (std::vector<size_t>{2, 2, 1}));
  EXPECT_EQ(out.recorded, 2u);
  EXPECT_EQ(out.left, 0u);
  EXPECT_EQ(compiles, 1u) << "nothing is compiled twice";
  EXPECT_NE(why["here"].find("0.900 of the time of first"), std::string::npos) << why["here"];
  EXPECT_NE(out.text.find("third taken"), std::string::npos) << out.text;
  for (const cache::RecordUse &use : out.records) {
    EXPECT_TRUE(use.found);
    EXPECT_FALSE(use.open);
  }
  // What is said depends on the record alone.
  std::string said = out.text;
  EXPECT_EQ(tuned().text, said);
}

TEST_F(RecordsDecide, ARecordOfTheCostModelsWayIsOneToo) {
  plant(here, 0, record(0, {1, 1.1, 1.2}));
  Outcome out = tuned();
  EXPECT_EQ(taken["here"], (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(out.recorded, 1u);
  EXPECT_EQ(out.left, 1u);
}

TEST_F(RecordsDecide, DamagedAndForeignRecordsAreDropped) {
  plant(here, 0, "triton tuning 1\nfirst 1\ntaken 9\n");
  plant(here, 2, std::string(1000, 'x'));
  Outcome out = tuned();
  EXPECT_EQ(taken["here"], (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(out.left, 2u);
  for (size_t i : {0, 2}) EXPECT_FALSE(store->get(cache::EntryKind::Tuning, keyOf(here, i))) << "what is unfit is removed";
  EXPECT_EQ(store->counters()[size_t(cache::Counter::CorruptDropped)], 2u);
}

TEST_F(RecordsDecide, ARecordThatIsNotCompleteLeavesTheCostModelsChoiceAndStaysOpen) {
  plant(here, 0, record(0, {1, 0.5, 0}));
  Outcome out = tuned();
  EXPECT_EQ(taken["here"], (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(out.left, 2u);
  EXPECT_TRUE(out.records[0].found);
  EXPECT_TRUE(out.records[0].open);
  EXPECT_NE(out.text.find("second x 0.500"), std::string::npos) << out.text;
}

TEST_F(RecordsDecide, RecordsOfOtherMachinesAndCompilersAreNotSeen) {
  plant(here, 0, record(2));
  options.machine = "another machine";
  EXPECT_EQ(tuned().recorded, 0u);
  options.machine = "a machine; of the test";
  EXPECT_EQ(tuned().recorded, 1u);
  options.compiler = "another compiler";
  EXPECT_EQ(tuned().recorded, 0u);
}

TEST_F(RecordsDecide, TargetsThatDoNotRunHereAreSaidAndNotLookedUp) {
  options.targets = {elsewhere, here};
  options.budgetSeconds = 60;
  plant(elsewhere, 0, record(2));
  plant(here, 0, record(1)), plant(here, 2, record(1));
  Outcome out = tuned();
  EXPECT_EQ(taken["elsewhere"], (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(taken["here"], (std::vector<size_t>{1, 1, 1}));
  ASSERT_EQ(out.notes.size(), 1u);
  EXPECT_EQ(out.notes[0].find("elsewhere does not run on this machine"), 0u) << out.notes[0];
  EXPECT_EQ(out.left, 0u);
  EXPECT_EQ(compiles, 1u);
  EXPECT_EQ(out.records.size(), 2u);
}

TEST_F(RecordsDecide, WithoutAStoreNothingIsKept) {
  options.store = nullptr;
  EXPECT_EQ(tuned().left, 2u);
}

TEST_F(RecordsDecide, AProgramThatCannotRunLeavesTheCostModelsChoices) {
  options.budgetSeconds = 60; // the compiled models above hold no code
  Outcome out = tuned();
  EXPECT_EQ(out.left, 2u);
  ASSERT_EQ(out.notes.size(), 1u);
  EXPECT_EQ(out.notes[0].find("here cannot be measured"), 0u) << out.notes[0];
  EXPECT_TRUE(out.records.empty()) << "it will not be otherwise the next time";
}

TEST_F(RecordsDecide, AHitHoldsWhileRecordsAreAsTheyWere) {
  plant(here, 0, record(2));
  cache::CompileSummary summary;
  summary.records = tuned().records;
  EXPECT_TRUE(cache::recordsHold(*store, summary, false));
  EXPECT_FALSE(cache::recordsHold(*store, summary, true)) << "there is more to measure";
  cache::Key program{}, first = cache::artifactOfRecords(program, summary);
  EXPECT_NE(first, program);
  plant(here, 2, record(1));
  EXPECT_FALSE(cache::recordsHold(*store, summary, false)) << "a record has come";
  summary.records = tuned().records;
  EXPECT_TRUE(cache::recordsHold(*store, summary, true));
  EXPECT_NE(cache::artifactOfRecords(program, summary), first);
  plant(here, 0, record(1));
  EXPECT_FALSE(cache::recordsHold(*store, summary, false)) << "a record says something else";
  store->drop(cache::EntryKind::Tuning, keyOf(here, 0));
  EXPECT_FALSE(cache::recordsHold(*store, summary, false)) << "a record has gone";
  EXPECT_TRUE(cache::recordsHold(*store, {}, true));
  EXPECT_EQ(cache::artifactOfRecords(program, {}), program);
}

TEST_F(RecordsDecide, SummariesKeepTheirRecords) {
  plant(here, 0, record(2));
  cache::CompileSummary summary;
  summary.name = "net";
  summary.records = tuned().records;
  cache::Key key = cache::digestOf("program");
  cache::putSummary(*store, key, summary);
  std::optional<cache::CompileSummary> read = cache::findSummary(*store, key);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->records.size(), summary.records.size());
  for (size_t i = 0; i < read->records.size(); ++i) {
    EXPECT_EQ(read->records[i].key, summary.records[i].key);
    EXPECT_EQ(read->records[i].digest, summary.records[i].digest);
    EXPECT_EQ(read->records[i].found, summary.records[i].found);
    EXPECT_EQ(read->records[i].open, summary.records[i].open);
  }
}

} // namespace
