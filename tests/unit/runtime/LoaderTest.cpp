// Opening artifacts: variants, digests, memory that runs out, and what the loader maps.
#include "TestModel.h"

#include "artifact/cpu_features.h"
#include "triton/runtime.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

using namespace triton;

namespace {

/// Counts what is allocated and fails at a chosen allocation.
struct CountingAllocator {
  int64_t live = 0, calls = 0, failAt = -1;
  tri_allocator get() { return {allocate, release, this}; }

  static void *allocate(void *context, size_t bytes, size_t alignment) {
    auto &self = *static_cast<CountingAllocator *>(context);
    if (self.calls++ == self.failAt) return nullptr;
    void *pointer = nullptr;
    if (posix_memalign(&pointer, alignment < sizeof(void *) ? sizeof(void *) : alignment, bytes) != 0) return nullptr;
    self.live += int64_t(bytes);
    return pointer;
  }
  static void release(void *context, void *pointer, size_t bytes) {
    static_cast<CountingAllocator *>(context)->live -= int64_t(bytes);
    free(pointer);
  }
};

/// A file that is removed at the end of the test.
class TemporaryFile {
public:
  explicit TemporaryFile(const std::vector<uint8_t> &bytes) {
    char name[] = "/tmp/triton-test-XXXXXX";
    const int fd = mkstemp(name);
    path = name;
    if (write(fd, bytes.data(), bytes.size()) != ssize_t(bytes.size())) ADD_FAILURE() << "cannot write " << path;
    close(fd);
  }
  ~TemporaryFile() { unlink(path.c_str()); }
  std::string path;
};

std::vector<int32_t> runDense(const tri_model *model) {
  tri_session *session = nullptr;
  tri_error err{};
  EXPECT_EQ(tri_session_create(model, nullptr, &session, &err), TRI_OK) << err.message;
  if (!session) return {};
  const uint8_t x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<int32_t> scores(4), threads(2);
  const tri_input input = {x, 8, TRI_UINT8, 0};
  const tri_output outputs[] = {{scores.data(), 16, TRI_INT32, 0}, {threads.data(), 8, TRI_INT32, 0}};
  const tri_run_args args = {&input, outputs, 1, 2, 0, nullptr, 0, 0};
  EXPECT_EQ(tri_session_run(session, &args, &err), TRI_OK) << err.message;
  tri_session_destroy(session);
  return scores;
}

tri_model_options allowCode() {
  tri_model_options options{};
  options.allow_code = 1;
  return options;
}

} // namespace

TEST(Loader, RunsFromMemoryAtAnyAlignment) {
  const std::vector<uint8_t> bytes = test::written(test::denseModel());
  for (size_t shift : {0, 1, 3, 8}) {
    std::vector<uint8_t> moved(bytes.size() + shift);
    memcpy(moved.data() + shift, bytes.data(), bytes.size());
    tri_model *model = nullptr;
    tri_error err{};
    const tri_model_options options = allowCode();
    ASSERT_EQ(tri_model_open(moved.data() + shift, bytes.size(), &options, &model, &err), TRI_OK) << err.message;
    moved.assign(moved.size(), 0xcc); // the bytes are not needed after opening
    EXPECT_EQ(runDense(model), test::denseOracle({1, 2, 3, 4, 5, 6, 7, 8}));
    tri_model_destroy(model);
  }
}

TEST(Loader, RunsFromAFileThatIsDeletedAfterOpening) {
  tri_model *model = nullptr;
  tri_error err{};
  const tri_model_options options = allowCode();
  {
    const TemporaryFile file(test::written(test::denseModel()));
    ASSERT_EQ(tri_model_open_file(file.path.c_str(), &options, &model, &err), TRI_OK) << err.message;
  }
  EXPECT_EQ(runDense(model), test::denseOracle({1, 2, 3, 4, 5, 6, 7, 8}));
  tri_model_destroy(model);
}

TEST(Loader, KeepsNothingOfTheFileAndNothingIsWritableAndExecutable) {
  const TemporaryFile file(test::written(test::denseModel()));
  tri_model *model = nullptr;
  tri_error err{};
  const tri_model_options options = allowCode();
  ASSERT_EQ(tri_model_open_file(file.path.c_str(), &options, &model, &err), TRI_OK) << err.message;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    EXPECT_EQ(line.find("rwx"), std::string::npos) << line;
    EXPECT_EQ(line.find(file.path), std::string::npos) << line;
  }
  tri_model_destroy(model);
}

TEST(Loader, WithoutPermissionThereIsADescriptionButNoCode) {
  const std::vector<uint8_t> bytes = test::written(test::denseModel());
  tri_model *model = nullptr;
  tri_error err{};
  ASSERT_EQ(tri_model_open(bytes.data(), bytes.size(), nullptr, &model, &err), TRI_OK) << err.message;
  tri_model_info info;
  tri_model_get_info(model, &info);
  EXPECT_EQ(info.loaded_variant, -1);
  EXPECT_EQ(info.arena_bytes, 0u);
  EXPECT_STREQ(info.name, "dense");
  tri_session *session = nullptr;
  EXPECT_EQ(tri_session_create(model, nullptr, &session, &err), TRI_NOT_ALLOWED);
  EXPECT_EQ(session, nullptr);
  tri_model_destroy(model);
}

TEST(Loader, DescribesTensorsStepsAndVariants) {
  const std::vector<uint8_t> bytes = test::written(test::denseModel());
  tri_model *model = nullptr;
  const tri_model_options options = allowCode();
  ASSERT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, nullptr), TRI_OK);
  tri_entry_info entry;
  ASSERT_EQ(tri_model_get_entry(model, 0, &entry), TRI_OK);
  EXPECT_STREQ(entry.name, "forward");
  EXPECT_EQ(entry.inputs, 1u);
  EXPECT_EQ(entry.outputs, 2u);
  EXPECT_EQ(entry.steps, 6u);
  EXPECT_EQ(entry.macs_per_batch, 32u);
  EXPECT_EQ(tri_model_get_entry(model, 1, &entry), TRI_INVALID_ARGUMENT);
  tri_tensor_info x;
  ASSERT_EQ(tri_model_get_input(model, 0, 0, &x), TRI_OK);
  EXPECT_STREQ(x.name, "x");
  EXPECT_STREQ(x.batch_name, "N");
  ASSERT_EQ(x.dtype_count, 2u);
  EXPECT_EQ(x.dtypes[0], TRI_UINT8);
  EXPECT_EQ(x.dtypes[1], TRI_FLOAT32);
  ASSERT_EQ(x.rank, 2u);
  EXPECT_EQ(x.dims[0], -1);
  EXPECT_EQ(x.dims[1], 8);
  ASSERT_EQ(x.mean_count, 1u);
  EXPECT_EQ(x.mean[0], 0.5);
  EXPECT_TRUE(x.preprocessed);
  EXPECT_EQ(tri_model_get_input(model, 0, 1, &x), TRI_INVALID_ARGUMENT);
  EXPECT_EQ(tri_model_get_output(model, 0, 2, &x), TRI_INVALID_ARGUMENT);
  tri_step_info step;
  ASSERT_EQ(tri_model_get_step(model, 0, 3, &step), TRI_OK);
  EXPECT_EQ(step.name, "dense_" + test::baseTarget());
  EXPECT_STREQ(step.layer, "fc");
  EXPECT_EQ(tri_model_get_step(model, 0, 6, &step), TRI_INVALID_ARGUMENT);
  EXPECT_STREQ(tri_model_get_label(model, 0, 2), "two");
  EXPECT_EQ(tri_model_get_label(model, 0, 4), nullptr);
  uint32_t index = 9;
  EXPECT_EQ(tri_model_find_entry(model, "forward", &index), TRI_OK);
  EXPECT_EQ(index, 0u);
  EXPECT_EQ(tri_model_find_entry(model, "backward", &index), TRI_NOT_FOUND);
  tri_variant_info variant;
  ASSERT_EQ(tri_model_get_variant(model, 0, &variant), TRI_OK);
  EXPECT_EQ(variant.missing, 0u);
  EXPECT_EQ(variant.arena_bytes, 128u);
  EXPECT_EQ(tri_model_get_variant(model, 1, &variant), TRI_INVALID_ARGUMENT);
  tri_model_destroy(model);
}

TEST(Loader, TakesTheRunnableVariantWithMostFeatures) {
  CompiledModel source = test::denseModel();
  CompiledVariant second = source.variants[0], third = second;
  // The same code under other names: a feature that every machine of the test has, and one that nobody has.
  char here[128];
  tri_target_of_features(tri_cpu_features(), here, sizeof here);
  second.target = std::string(here) == test::baseTarget() ? test::baseTarget() + "-twin" : here;
  second.features = tri_cpu_features();
  third.target = "future";
  third.features = tri_cpu_features() | UINT64_C(1) << 39;
  source.variants.push_back(second);
  source.variants.push_back(third);
  const std::vector<uint8_t> bytes = test::written(source);
  tri_model_options options = allowCode();
  tri_model *model = nullptr;
  tri_error err{};
  ASSERT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_OK) << err.message;
  tri_model_info info;
  tri_model_get_info(model, &info);
  EXPECT_EQ(info.loaded_variant, source.variants[0].features == second.features ? 0 : 1);
  EXPECT_EQ(runDense(model), test::denseOracle({1, 2, 3, 4, 5, 6, 7, 8}));
  tri_model_destroy(model);

  const std::string wanted = test::baseTarget();
  options.variant = wanted.c_str();
  ASSERT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_OK) << err.message;
  tri_model_get_info(model, &info);
  EXPECT_EQ(info.loaded_variant, 0);
  tri_model_destroy(model);

  options.variant = "future";
  EXPECT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_UNSUPPORTED);
  EXPECT_NE(strstr(err.message, "this CPU lacks feature 39; recompile with --target "), nullptr) << err.message;
  options.variant = "x86-64-v9";
  EXPECT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_NOT_FOUND);
  EXPECT_NE(strstr(err.message, "no variant 'x86-64-v9'; the file has "), nullptr) << err.message;
}

TEST(Loader, SaysWhatIsMissingWhenNoVariantRuns) {
  CompiledModel source = test::denseModel();
  source.variants[0].target = "future";
  source.variants[0].features = tri_cpu_features() | UINT64_C(1) << 39;
  std::vector<uint8_t> bytes = test::written(source);
  const tri_model_options options = allowCode();
  tri_model *model = nullptr;
  tri_error err{};
  EXPECT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_UNSUPPORTED);
  EXPECT_NE(strstr(err.message, "no variant runs here: the file has future, this CPU lacks feature 39"), nullptr) << err.message;
  EXPECT_EQ(model, nullptr);
  // Without code it can still be described.
  ASSERT_EQ(tri_model_open(bytes.data(), bytes.size(), nullptr, &model, &err), TRI_OK) << err.message;
  tri_model_destroy(model);
}

TEST(Loader, ChecksTheDigestOfTheFile) {
  const std::vector<uint8_t> bytes = test::written(test::denseModel());
  const TemporaryFile file(bytes);
  auto digest = blake3(bytes);
  tri_model_options options = allowCode();
  options.blake3 = digest.data();
  tri_model *model = nullptr;
  tri_error err{};
  ASSERT_EQ(tri_model_open_file(file.path.c_str(), &options, &model, &err), TRI_OK) << err.message;
  EXPECT_EQ(runDense(model), test::denseOracle({1, 2, 3, 4, 5, 6, 7, 8}));
  tri_model_destroy(model);
  model = nullptr;
  digest[31] ^= 1;
  EXPECT_EQ(tri_model_open_file(file.path.c_str(), &options, &model, &err), TRI_DIGEST_MISMATCH);
  EXPECT_NE(strstr(err.message, hexDigest(digest).c_str()), nullptr) << err.message;
  EXPECT_EQ(model, nullptr);
}

TEST(Loader, EveryAllocationMayFail) {
  const std::vector<uint8_t> bytes = test::written(test::denseModel());
  bool succeeded = false;
  for (int64_t failAt = 0; failAt < 20 && !succeeded; ++failAt) {
    CountingAllocator memory;
    memory.failAt = failAt;
    const tri_allocator allocator = memory.get();
    tri_model_options options = allowCode();
    options.allocator = &allocator;
    tri_model *model = nullptr;
    tri_session *session = nullptr;
    tri_error err{};
    tri_status status = tri_model_open(bytes.data(), bytes.size(), &options, &model, &err);
    if (status == TRI_OK) status = tri_session_create(model, nullptr, &session, &err);
    succeeded = status == TRI_OK;
    EXPECT_EQ(status, succeeded ? TRI_OK : TRI_NO_MEMORY) << "allocation " << failAt;
    EXPECT_EQ(session != nullptr, succeeded);
    tri_session_destroy(session);
    tri_model_destroy(model);
    EXPECT_EQ(memory.live, 0) << "allocation " << failAt;
  }
  EXPECT_TRUE(succeeded);
}

TEST(Loader, RelocatesTablesOfAddresses) {
  const std::vector<uint8_t> bytes = test::written(test::oneStepModel("from_table", DType::Int32));
  const tri_model_options options = allowCode();
  tri_model *model = nullptr;
  tri_session *session = nullptr;
  tri_error err{};
  ASSERT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_OK) << err.message;
  ASSERT_EQ(tri_session_create(model, nullptr, &session, &err), TRI_OK) << err.message;
  const int8_t x = 0;
  int32_t y[2] = {};
  const tri_input input = {&x, 1, TRI_INT8, 0};
  const tri_output output = {y, sizeof y, TRI_INT32, 0};
  const tri_run_args args = {&input, &output, 1, 1, 1, nullptr, 0, 0};
  ASSERT_EQ(tri_session_run(session, &args, &err), TRI_OK) << err.message;
  EXPECT_EQ(y[0], 20);
  tri_session_destroy(session);
  tri_model_destroy(model);
}

TEST(Loader, FilesThatAreNoArtifactsNameTheFile) {
  const TemporaryFile empty({}), text({'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd'});
  tri_model *model = nullptr;
  tri_error err{};
  EXPECT_EQ(tri_model_open_file(empty.path.c_str(), nullptr, &model, &err), TRI_CORRUPT);
  EXPECT_EQ(std::string(err.message), empty.path + ": the file is empty");
  EXPECT_EQ(tri_model_open_file(text.path.c_str(), nullptr, &model, &err), TRI_CORRUPT);
  EXPECT_EQ(std::string(err.message).find(text.path + ": not a .tern file"), 0u) << err.message;
  EXPECT_EQ(tri_model_open_file("/tmp", nullptr, &model, &err), TRI_IO_ERROR);
  const std::string pipe = text.path + ".pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(tri_model_open_file(pipe.c_str(), nullptr, &model, &err), TRI_IO_ERROR); // and does not wait for a writer
  unlink(pipe.c_str());
}

/// Runs tri-run on the dense model and compares what it writes.
static void expectRunner(const std::string &runner, const std::vector<uint8_t> &artifact, const std::string &options) {
  const TemporaryFile file(artifact), input({1, 2, 3, 4, 5, 6, 7, 8, 8, 7, 6, 5, 4, 3, 2, 1}), output({});
  const std::string command = runner + " " + file.path + " --input x=" + input.path + " --output scores=" + output.path + " --batch 2 " + options;
  ASSERT_EQ(system(command.c_str()), 0) << command;
  std::ifstream stream(output.path, std::ios::binary);
  std::vector<int32_t> scores(9);
  stream.read(reinterpret_cast<char *>(scores.data()), 36);
  ASSERT_EQ(stream.gcount(), 32);
  std::vector<int32_t> expected = test::denseOracle({1, 2, 3, 4, 5, 6, 7, 8}), second = test::denseOracle({8, 7, 6, 5, 4, 3, 2, 1});
  expected.insert(expected.end(), second.begin(), second.end());
  scores.resize(8);
  EXPECT_EQ(scores, expected);
}

TEST(Runner, RunsAnArtifact) {
  expectRunner(TRITON_TEST_RUNNER, test::written(test::denseModel()), "--threads 2 --variant " + test::baseTarget());
}

TEST(Runner, RefusesWrongUseWithStatusTwoAndBadFilesWithOne) {
  const std::string quiet = " >/dev/null 2>&1";
  EXPECT_EQ(WEXITSTATUS(system((TRITON_TEST_RUNNER + quiet).c_str())), 2);
  EXPECT_EQ(WEXITSTATUS(system((std::string(TRITON_TEST_RUNNER) + " a.tern --threads zero" + quiet).c_str())), 2);
  const TemporaryFile text({'x', 'y', 'z'});
  EXPECT_EQ(WEXITSTATUS(system((std::string(TRITON_TEST_RUNNER) + " " + text.path + " --list" + quiet).c_str())), 1);
  EXPECT_EQ(WEXITSTATUS(system((std::string(TRITON_TEST_RUNNER) + " /nonexistent.tern --list" + quiet).c_str())), 3);
}

#ifdef TRITON_TEST_EMBED
TEST(Example, EmbedInCRunsAnArtifact) {
  const TemporaryFile file(test::written(test::denseModel())), input({1, 0, 0, 0, 0, 0, 0, 0}), output({});
  const auto run = [&](const std::string &arguments) {
    const int status = system((std::string(TRITON_TEST_EMBED) + " " + file.path + " " + arguments + " >" + output.path + " 2>&1").c_str());
    std::ifstream stream(output.path);
    return std::to_string(WEXITSTATUS(status)) + "\n" + std::string(std::istreambuf_iterator<char>(stream), {});
  };
  EXPECT_EQ(run(""), "0\nscores (int32, 4 elements): 100 -7 0 3\n  largest: 0 = zero\n"
                     "threads (int32, 2 elements): 1 1\n  largest: 0 = zero\n");
  EXPECT_EQ(run(input.path), "0\nscores (int32, 4 elements): 101 -7 -1 4\n  largest: 0 = zero\n"
                             "threads (int32, 2 elements): 1 1\n  largest: 0 = zero\n");
  EXPECT_EQ(run(file.path), "1\nembed: " + file.path + ": not a readable file of 8 bytes\n");
}
#endif

#ifdef TRITON_TEST_KERNELS_AARCH64
TEST(Runner, RunsAnAArch64ArtifactUnderTheEmulator) {
  if (system("command -v qemu-aarch64 >/dev/null") != 0) GTEST_SKIP() << "qemu-aarch64 is not installed";
  const std::vector<uint8_t> bytes = test::written(test::denseModel("aarch64"));
  for (const char *threads : {"--threads 1", "--threads 2"})
    expectRunner(std::string("qemu-aarch64 -cpu max ") + TRITON_TEST_RUNNER_AARCH64, bytes, threads);
}

TEST(Runner, NamesMissingFeaturesUnderTheEmulator) {
  if (system("command -v qemu-aarch64 >/dev/null") != 0) GTEST_SKIP() << "qemu-aarch64 is not installed";
  CompiledModel model = test::denseModel("aarch64");
  model.variants[0].target = "aarch64+dotprod+i8mm";
  model.variants[0].features = 0; // the target's
  const TemporaryFile file(test::written(model)), output({});
  const auto firstLine = [&](const char *cpu) {
    const std::string command = std::string("qemu-aarch64 -cpu ") + cpu + " " + TRITON_TEST_RUNNER_AARCH64 + " " + file.path + " --list >" + output.path;
    EXPECT_EQ(system(command.c_str()), 0);
    std::ifstream stream(output.path);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  EXPECT_NE(firstLine("cortex-a57").find("this CPU lacks dotprod, i8mm"), std::string::npos);
  EXPECT_NE(firstLine("neoverse-n1").find("this CPU lacks i8mm"), std::string::npos);
  EXPECT_NE(firstLine("max").find("runs here"), std::string::npos);
}

TEST(Loader, CodeForAnotherMachineIsNamed) {
  if (test::baseTarget() == "aarch64") GTEST_SKIP() << "this machine is the other machine";
  const std::vector<uint8_t> bytes = test::written(test::denseModel("aarch64"));
  const tri_model_options options = allowCode();
  tri_model *model = nullptr;
  tri_error err{};
  EXPECT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_UNSUPPORTED);
  EXPECT_NE(strstr(err.message, "the file has aarch64, this CPU is x86-64; recompile with --target x86-64"), nullptr) << err.message;
}
#endif
