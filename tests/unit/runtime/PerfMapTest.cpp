// Where steps lie, and the symbol map for `perf`.
#include "TestModel.h"

#include "triton/runtime.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

using namespace triton;

namespace {

class PerfMap : public testing::Test {
protected:
  void SetUp() override {
    char name[] = "/tmp/triton-test-XXXXXX";
    folder = mkdtemp(name);
    open(/*allowCode=*/true);
  }
  void TearDown() override {
    tri_model_destroy(model);
    unlink(path().c_str());
    rmdir(folder.c_str());
  }
  void open(bool allowCode) {
    tri_model_destroy(model);
    const std::vector<uint8_t> bytes = test::written(test::denseModel());
    tri_model_options options{};
    options.allow_code = allowCode;
    tri_error err{};
    ASSERT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_OK) << err.message;
  }
  /// As open, with the layer's weights as code too, twice.
  void openWithCode() {
    tri_model_destroy(model);
    CompiledModel made = test::denseModel();
    CompiledVariant &variant = made.variants[0];
    for (uint32_t pitch : {16u, 32u}) {
      Placement adds;
      adds.kind = Placement::Adds;
      adds.o = 4, adds.ko = 1, adds.ki = 8, adds.nr = pitch, adds.kr = 32, adds.chunk = 8, adds.vector = 32;
      adds.arenaOffset = variant.arenaBytes;
      adds.arenaBytes = 8;
      variant.placements.push_back(adds);
      variant.arenaBytes += 64;
    }
    const std::vector<uint8_t> bytes = test::written(made);
    tri_model_options options{};
    options.allow_code = true;
    ASSERT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_OK) << err.message;
  }
  std::string path() const { return folder + "/perf.map"; }
  std::string text() const {
    std::ifstream file(path());
    std::stringstream out;
    out << file.rdbuf();
    return out.str();
  }
  std::string folder;
  tri_model *model = nullptr;
  tri_error err{};
};

struct Code {
  uint64_t start, bytes;
};

} // namespace

static std::map<std::string, Code> codeOfSteps(const tri_model *model) {
  std::map<std::string, Code> out;
  tri_entry_info entry{};
  EXPECT_EQ(tri_model_get_entry(model, 0, &entry), TRI_OK);
  for (uint32_t i = 0; i < entry.steps; ++i) {
    tri_step_info step{};
    const void *address = nullptr;
    uint64_t bytes = 0;
    EXPECT_EQ(tri_model_get_step(model, 0, i, &step), TRI_OK);
    EXPECT_EQ(tri_model_get_step_code(model, 0, i, &address, &bytes), TRI_OK);
    out[step.name] = {uint64_t(reinterpret_cast<uintptr_t>(address)), bytes};
  }
  return out;
}

TEST_F(PerfMap, StepsHaveCodeThatDoesNotOverlapAndMayBeExecuted) {
  std::vector<Code> all;
  for (auto &[name, code] : codeOfSteps(model)) {
    EXPECT_GT(code.bytes, 0u) << name;
    all.push_back(code);
  }
  std::sort(all.begin(), all.end(), [](const Code &a, const Code &b) { return a.start < b.start; });
  for (size_t i = 0; i + 1 < all.size(); ++i) EXPECT_LE(all[i].start + all[i].bytes, all[i + 1].start);
  std::ifstream maps("/proc/self/maps");
  uint64_t begin = 0, end = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long from = 0, to = 0;
    if (sscanf(line.c_str(), "%llx-%llx r-xp", &from, &to) == 2 && line.find("r-xp") != std::string::npos && from <= all[0].start && all[0].start < to) {
      begin = from;
      end = to;
    }
  }
  EXPECT_LE(begin, all.front().start);
  EXPECT_GE(end, all.back().start + all.back().bytes);
}

/// The protection of the memory at an address, as /proc says it.
static std::string protectionOf(uint64_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long long from = 0, to = 0;
    char protection[5] = {};
    if (sscanf(line.c_str(), "%llx-%llx %4s", &from, &to, protection) == 3 && from <= address && address < to) return protection;
  }
  return "none";
}

TEST_F(PerfMap, NamesWeightsThatAreCodeAndNobodyMayWriteThem) {
  openWithCode();
  ASSERT_EQ(tri_model_write_perf_map(model, path().c_str(), &err), TRI_OK) << err.message;
  std::istringstream lines(text());
  std::vector<Code> found;
  for (std::string line; std::getline(lines, line);) {
    unsigned long long start = 0, bytes = 0;
    char name[200];
    ASSERT_EQ(sscanf(line.c_str(), "%llx %llx %199s", &start, &bytes, name), 3) << line;
    if (std::string(name) == "fc.weight__adds") found.push_back({start, bytes});
  }
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].start + found[0].bytes, found[1].start);
  for (const Code &code : found) {
    EXPECT_GT(code.bytes, 64u);
    EXPECT_EQ(protectionOf(code.start), "r-xp");
    EXPECT_EQ(protectionOf(code.start + code.bytes - 1), "r-xp");
  }
}

TEST_F(PerfMap, HasOneLineForEachStepAndIsAppendedTo) {
  ASSERT_EQ(tri_model_write_perf_map(model, path().c_str(), &err), TRI_OK) << err.message;
  std::map<std::string, Code> expected = codeOfSteps(model);
  std::istringstream lines(text());
  size_t count = 0;
  uint64_t last = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    unsigned long long start = 0, bytes = 0;
    char name[200];
    ASSERT_EQ(sscanf(line.c_str(), "%llx %llx %199s", &start, &bytes, name), 3) << line;
    ASSERT_TRUE(expected.count(name)) << line;
    EXPECT_EQ(start, expected[name].start) << line;
    EXPECT_EQ(bytes, expected[name].bytes) << line;
    EXPECT_GT(start, last) << line;
    last = start;
  }
  EXPECT_EQ(count, expected.size());
  const std::string once = text();
  ASSERT_EQ(tri_model_write_perf_map(model, path().c_str(), &err), TRI_OK);
  EXPECT_EQ(text(), once + once);
  struct stat info;
  ASSERT_EQ(stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u) << "others may read or write the map";
}

TEST_F(PerfMap, WithoutCodeThereIsNothingToName) {
  open(/*allowCode=*/false);
  const void *address;
  uint64_t bytes;
  EXPECT_EQ(tri_model_get_step_code(model, 0, 0, &address, &bytes), TRI_NOT_ALLOWED);
  EXPECT_EQ(tri_model_write_perf_map(model, path().c_str(), &err), TRI_NOT_ALLOWED);
  EXPECT_NE(access(path().c_str(), F_OK), 0) << "a map was written";
}

TEST_F(PerfMap, WrongIndicesAndPlacesAreRefused) {
  const void *address;
  uint64_t bytes;
  EXPECT_EQ(tri_model_get_step_code(model, 1, 0, &address, &bytes), TRI_INVALID_ARGUMENT);
  EXPECT_EQ(tri_model_get_step_code(model, 0, 1000, &address, &bytes), TRI_INVALID_ARGUMENT);
  EXPECT_EQ(tri_model_write_perf_map(model, (folder + "/none/perf.map").c_str(), &err), TRI_IO_ERROR);
  EXPECT_NE(std::string(err.message).find("/none/perf.map"), std::string::npos) << err.message;
  // A link that somebody else put there is not followed.
  ASSERT_EQ(symlink("/dev/null", path().c_str()), 0);
  EXPECT_EQ(tri_model_write_perf_map(model, path().c_str(), &err), TRI_IO_ERROR);
}
