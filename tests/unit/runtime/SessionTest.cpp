// Running: threads, barriers, guards, batches, the profile, the host's pool, wrong arguments, and that nothing is allocated.
#include "TestModel.h"

#include "triton/runtime.h"

#include <atomic>
#include <cfenv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <malloc.h>
#include <memory>
#include <string>
#include <thread>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace triton;

namespace {

using ModelPointer = std::unique_ptr<tri_model, decltype(&tri_model_destroy)>;
using SessionPointer = std::unique_ptr<tri_session, decltype(&tri_session_destroy)>;

ModelPointer openModel(const CompiledModel &source) {
  const std::vector<uint8_t> bytes = test::written(source);
  tri_model_options options{};
  options.allow_code = 1;
  tri_model *model = nullptr;
  tri_error err{};
  EXPECT_EQ(tri_model_open(bytes.data(), bytes.size(), &options, &model, &err), TRI_OK) << err.message;
  return {model, tri_model_destroy};
}

SessionPointer createSession(const ModelPointer &model, int64_t batch, int32_t threads, tri_parallel_for host = nullptr, void *context = nullptr) {
  tri_session_options options{};
  options.batch = batch;
  options.threads = threads;
  options.parallel_for = host;
  options.parallel_for_context = context;
  tri_session *session = nullptr;
  tri_error err{};
  EXPECT_EQ(tri_session_create(model.get(), &options, &session, &err), TRI_OK) << err.message;
  return {session, tri_session_destroy};
}

/// Rows of small numbers, and the scores that belong to them.
struct DenseCase {
  explicit DenseCase(int64_t batch) : x(size_t(batch) * 8), scores(size_t(batch) * 4) {
    for (size_t i = 0; i < x.size(); ++i) x[i] = uint8_t((i * 37 + 11) % 200);
  }
  std::vector<int32_t> expected() const {
    std::vector<int32_t> out;
    for (size_t row = 0; row < x.size() / 8; ++row)
      for (int32_t score : test::denseOracle({x.begin() + std::ptrdiff_t(row * 8), x.begin() + std::ptrdiff_t(row * 8 + 8)})) out.push_back(score);
    return out;
  }
  tri_status run(tri_session *session, int64_t batch, tri_error *err = nullptr, std::vector<uint64_t> *profile = nullptr) {
    const tri_input input = {x.data(), x.size(), TRI_UINT8, 0};
    const tri_output outputs[] = {{scores.data(), scores.size() * 4, TRI_INT32, 0}, {threads, sizeof threads, TRI_INT32, 0}};
    const tri_run_args args = {&input, outputs, 1, 2, batch, profile ? profile->data() : nullptr, profile ? uint32_t(profile->size()) : 0, 0};
    return tri_session_run(session, &args, err);
  }
  std::vector<uint8_t> x;
  std::vector<int32_t> scores;
  int32_t threads[2] = {};
};

} // namespace

class SessionThreads : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Counts, SessionThreads, testing::Values(1, 2, 4, 7));

TEST_P(SessionThreads, ComputesTheDenseLayerForEveryBatchUpToItsOwn) {
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 9, GetParam());
  for (int64_t batch : {9, 1, 5, 9, 2}) {
    DenseCase dense(batch);
    tri_error err{};
    ASSERT_EQ(dense.run(session.get(), batch, &err), TRI_OK) << err.message;
    EXPECT_EQ(dense.scores, dense.expected()) << "batch " << batch;
    EXPECT_EQ(dense.threads[0], GetParam() * (GetParam() + 1) / 2);
    EXPECT_EQ(dense.threads[1], GetParam());
  }
}

TEST(Session, WhatTheProgramDemandsOfTheBatchIsCheckedWhenItOpensAndRuns) {
  CompiledModel source = test::denseModel();
  source.checks = {{"N", "<=", "8", "at most eight rows"}, {"N - N / 2 * 2", "==", "0", "rows come in pairs"}};
  const ModelPointer model = openModel(source);
  tri_session_options options{};
  tri_session *session = nullptr;
  tri_error err{};
  options.batch = 10;
  EXPECT_EQ(tri_session_create(model.get(), &options, &session, &err), TRI_INVALID_INPUT);
  EXPECT_EQ(std::string(err.message), "batch 10: the program needs N <= 8, not 10 and 8: at most eight rows");
  options.batch = 7;
  EXPECT_EQ(tri_session_create(model.get(), &options, &session, &err), TRI_INVALID_INPUT);
  EXPECT_EQ(std::string(err.message), "batch 7: the program needs N - N / 2 * 2 == 0, not 1 and 0: rows come in pairs");
  const SessionPointer opened = createSession(model, 8, 1);
  DenseCase even(6), odd(5);
  EXPECT_EQ(even.run(opened.get(), 6, &err), TRI_OK) << err.message;
  EXPECT_EQ(odd.run(opened.get(), 5, &err), TRI_INVALID_INPUT);
  EXPECT_EQ(std::string(err.message), "batch 5: the program needs N - N / 2 * 2 == 0, not 1 and 0: rows come in pairs");
  source.checks = {{"9223372036854775807 * N", ">", "0", ""}};
  const ModelPointer large = openModel(source);
  options.batch = 2;
  EXPECT_EQ(tri_session_create(large.get(), &options, &session, &err), TRI_INVALID_INPUT);
  EXPECT_EQ(std::string(err.message), "batch 2: '9223372036854775807 * N > 0' cannot be computed");
}

/// What one run of a relay model gives.
static int32_t relay(const SessionPointer &session) {
  int32_t sum = 0;
  const tri_output output = {&sum, 4, TRI_INT32, 0};
  const tri_run_args args = {nullptr, &output, 0, 1, 1, nullptr, 0, 0};
  EXPECT_EQ(tri_session_run(session.get(), &args, nullptr), TRI_OK);
  return sum;
}

TEST_P(SessionThreads, ABarrierStandsBetweenSteps) {
  const ModelPointer model = openModel(test::relayModel(500));
  const SessionPointer session = createSession(model, 1, GetParam());
  for (int run = 0; run < 3; ++run) EXPECT_EQ(relay(session), 1000 * GetParam());
}

static std::array<int32_t, 4> tally(tri_session *session) {
  std::array<int32_t, 4> tallies{};
  const tri_output output = {tallies.data(), sizeof tallies, TRI_INT32, 0};
  const tri_run_args args = {nullptr, &output, 0, 1, 1, nullptr, 0, 0};
  EXPECT_EQ(tri_session_run(session, &args, nullptr), TRI_OK);
  return tallies;
}

/// A step of 100 us a thread, cut into parts of at least fifteen.
TEST_P(SessionThreads, TakeEachPartOnce) {
  for (uint8_t most : {uint8_t(1), uint8_t(3), uint8_t(8), uint8_t(200)}) {
    const ModelPointer model = openModel(test::tallyModel(most, uint32_t(100000 * GetParam())));
    const SessionPointer session = createSession(model, 1, GetParam());
    const int32_t each = GetParam() == 1 ? 1 : std::min<int32_t>(most, 6);
    for (int run = 0; run < 20; ++run) {
      const auto [once, parts, threads, longest] = tally(session.get());
      EXPECT_EQ(once, each * GetParam());
      EXPECT_EQ(parts, each * GetParam());
      EXPECT_EQ(threads, GetParam());
      EXPECT_GE(longest, each); // who does fewer leaves them to another
      EXPECT_LE(longest, each * GetParam());
    }
  }
}

TEST(Session, TheHostsThreadsTakeOnePartEach) {
  const ModelPointer model = openModel(test::tallyModel(8, 300000));
  const tri_parallel_for serial = [](void *, void (*body)(void *, int32_t), void *argument, int32_t count) {
    for (int32_t i = count - 1; i >= 0; --i) body(argument, i);
  };
  const SessionPointer session = createSession(model, 1, 3, serial);
  EXPECT_EQ(tally(session.get()), (std::array<int32_t, 4>{3, 3, 3, 1}));
}

#if defined(__linux__)
TEST_P(SessionThreads, MayRunWhereTheHostMay) {
  // Threads that move out of each other's way give their affinity back; the caller's is never touched.
  auto allowed = [](const std::filesystem::path &task) {
    std::ifstream status(task / "status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("Cpus_allowed:")) return line;
    return std::string();
  };
  const std::string before = allowed("/proc/self");
  ASSERT_FALSE(before.empty());
  const ModelPointer model = openModel(test::relayModel(500));
  const SessionPointer session = createSession(model, 1, GetParam());
  for (int run = 0; run < 50; ++run) EXPECT_EQ(relay(session), 1000 * GetParam());
  int threads = 0;
  for (const auto &task : std::filesystem::directory_iterator("/proc/self/task")) {
    // One in the middle of a move is asked again.
    for (int attempt = 0; attempt < 1000 && allowed(task.path()) != before; ++attempt) std::this_thread::yield();
    EXPECT_EQ(allowed(task.path()), before);
    ++threads;
  }
  EXPECT_GE(threads, GetParam());
}
#endif

TEST_P(SessionThreads, AStepThatRefusesItsInputEndsTheRunAndNotTheSession) {
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 3, GetParam());
  for (int round = 0; round < 20; ++round) {
    DenseCase bad(3), good(3);
    bad.x[16] = 255;
    tri_error err{};
    EXPECT_EQ(bad.run(session.get(), 3, &err), TRI_INVALID_INPUT);
    EXPECT_EQ(std::string(err.message), "step 'check_" + test::baseTarget() + "': an index lies outside its table");
    ASSERT_EQ(good.run(session.get(), 3, &err), TRI_OK) << err.message;
    EXPECT_EQ(good.scores, good.expected());
  }
}

TEST_P(SessionThreads, TheProfileTimesTheStepsThatRan) {
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 64, GetParam());
  DenseCase dense(64);
  std::vector<uint64_t> profile(6, 12345);
  ASSERT_EQ(dense.run(session.get(), 64, nullptr, &profile), TRI_OK);
  EXPECT_EQ(dense.scores, dense.expected());
  EXPECT_GT(profile[0], 0u);
  EXPECT_EQ(profile[1], 0u); // widen_f32 does not run on uint8
  EXPECT_GT(profile[3], 0u);
  for (const uint64_t ns : profile) EXPECT_LT(ns, uint64_t(10) * 1000 * 1000 * 1000);
}

TEST_P(SessionThreads, RunningAllocatesNothing) {
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 16, GetParam());
  DenseCase dense(16);
  std::vector<uint64_t> profile(6);
  ASSERT_EQ(dense.run(session.get(), 16), TRI_OK);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer replaces malloc";
#else
  const struct mallinfo2 before = mallinfo2();
  for (int i = 0; i < 100; ++i) {
    if (dense.run(session.get(), 16, nullptr, &profile) != TRI_OK) FAIL();
  }
  const struct mallinfo2 after = mallinfo2();
  EXPECT_EQ(after.uordblks, before.uordblks);
  EXPECT_EQ(after.hblkhd, before.hblkhd);
  EXPECT_EQ(after.arena, before.arena);
#endif
}

TEST(Session, TheSessionsAllocatorIsCalledOnceAndNotByRuns) {
  struct Counter {
    int calls = 0;
    size_t live = 0;
  } counter;
  const tri_allocator allocator = {
      [](void *context, size_t bytes, size_t alignment) -> void * {
        auto &self = *static_cast<Counter *>(context);
        ++self.calls;
        self.live += bytes;
        return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
      },
      [](void *context, void *pointer, size_t bytes) {
        static_cast<Counter *>(context)->live -= bytes;
        free(pointer);
      },
      &counter};
  const ModelPointer model = openModel(test::denseModel());
  tri_session_options options{};
  options.batch = 4;
  options.threads = 2;
  options.allocator = &allocator;
  tri_session *session = nullptr;
  ASSERT_EQ(tri_session_create(model.get(), &options, &session, nullptr), TRI_OK);
  EXPECT_EQ(counter.calls, 1);
  DenseCase dense(4);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(dense.run(session, 4), TRI_OK);
  EXPECT_EQ(counter.calls, 1);
  tri_session_destroy(session);
  EXPECT_EQ(counter.live, 0u);
}

TEST(Session, StepsAreGuardedByTheInputsDtype) {
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 2, 1);
  DenseCase dense(2);
  const std::vector<float> x(dense.x.begin(), dense.x.end());
  const tri_input input = {x.data(), x.size() * sizeof(float), TRI_FLOAT32, 0};
  const tri_output outputs[] = {{dense.scores.data(), dense.scores.size() * 4, TRI_INT32, 0}, {dense.threads, 8, TRI_INT32, 0}};
  std::vector<uint64_t> profile(6);
  const tri_run_args args = {&input, outputs, 1, 2, 2, profile.data(), 6, 0};
  tri_error err{};
  ASSERT_EQ(tri_session_run(session.get(), &args, &err), TRI_OK) << err.message;
  EXPECT_EQ(dense.scores, dense.expected());
  EXPECT_EQ(profile[0], 0u);
  EXPECT_GT(profile[1], 0u);
}

TEST(Session, PaddedBuffersAreUsedInPlace) {
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 2, 2);
  DenseCase dense(2);
  alignas(64) uint8_t x[128] = {};
  alignas(64) int32_t scores[32] = {};
  memcpy(x, dense.x.data(), 16);
  tri_input input = {x, 16, TRI_UINT8, TRI_BUFFER_PADDED};
  tri_output outputs[] = {{scores, 32, TRI_INT32, TRI_BUFFER_PADDED}, {dense.threads, 8, TRI_INT32, 0}};
  const tri_run_args args = {&input, outputs, 1, 2, 2, nullptr, 0, 0};
  tri_error err{};
  ASSERT_EQ(tri_session_run(session.get(), &args, &err), TRI_OK) << err.message;
  EXPECT_EQ(std::vector<int32_t>(scores, scores + 8), dense.expected());
  input.data = x + 1;
  EXPECT_EQ(tri_session_run(session.get(), &args, &err), TRI_INVALID_ARGUMENT);
  EXPECT_NE(strstr(err.message, "input 0 'x' is said to be padded"), nullptr) << err.message;
}

TEST(Session, TheHostsPoolRunsTheParts) {
  struct Host {
    std::atomic<int> calls{0}, bodies{0};
  } host;
  const tri_parallel_for parallelFor = [](void *context, void (*body)(void *, int32_t), void *argument, int32_t count) {
    auto &self = *static_cast<Host *>(context);
    ++self.calls;
    std::vector<std::thread> threads;
    for (int32_t i = 0; i < count; ++i)
      threads.emplace_back([&self, body, argument, i] {
        ++self.bodies;
        body(argument, i);
      });
    for (std::thread &thread : threads) thread.join();
  };
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 5, 3, parallelFor, &host);
  DenseCase dense(5);
  std::vector<uint64_t> profile(6);
  ASSERT_EQ(dense.run(session.get(), 5, nullptr, &profile), TRI_OK);
  EXPECT_EQ(dense.scores, dense.expected());
  EXPECT_EQ(dense.threads[0], 6);
  EXPECT_EQ(host.calls, 5); // six steps, one of them for another dtype
  EXPECT_EQ(host.bodies, 15);
  dense.x[0] = 255;
  EXPECT_EQ(dense.run(session.get(), 5), TRI_INVALID_INPUT);
}

TEST(Session, OneModelServesManySessionsAtOnce) {
  const ModelPointer model = openModel(test::denseModel());
  std::vector<std::thread> users;
  std::atomic<int> wrong{0};
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&model, &wrong, user] {
      const SessionPointer session = createSession(model, 3, 1 + user % 2);
      for (int i = 0; i < 50; ++i) {
        DenseCase dense(3);
        dense.x[0] = uint8_t(user * 50 + i);
        if (dense.run(session.get(), 3) != TRI_OK || dense.scores != dense.expected()) ++wrong;
      }
    });
  for (std::thread &user : users) user.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Session, WrongArgumentsAreNamed) {
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 2, 1);
  DenseCase dense(2);
  tri_error err{};
  const auto expect = [&](tri_input input, tri_output output, tri_run_args args, const char *message) {
    const tri_output outputs[] = {output, {dense.threads, 8, TRI_INT32, 0}};
    args.inputs = &input;
    args.outputs = outputs;
    EXPECT_EQ(tri_session_run(session.get(), &args, &err), TRI_INVALID_ARGUMENT);
    EXPECT_EQ(std::string(err.message), message);
  };
  const tri_input input = {dense.x.data(), 16, TRI_UINT8, 0};
  const tri_output output = {dense.scores.data(), 32, TRI_INT32, 0};
  const tri_run_args args = {nullptr, nullptr, 1, 2, 2, nullptr, 0, 0};
  tri_run_args changed = args;
  changed.batch = 3;
  expect(input, output, changed, "batch 3; the session was made for 1 to 2");
  changed.batch = -1;
  expect(input, output, changed, "batch -1; the session was made for 1 to 2");
  changed = args;
  changed.input_count = 2;
  expect(input, output, changed, "the entry point has 1 inputs and 2 outputs, given are 2 and 2");
  uint64_t profile[1];
  changed = args;
  changed.profile_ns = profile;
  changed.profile_count = 1;
  expect(input, output, changed, "the entry point has 6 steps, the profile has room for 1");
  expect({dense.x.data(), 15, TRI_UINT8, 0}, output, args, "input 0 'x' has 16 bytes for batch 2, given are 15");
  expect({dense.x.data(), 16, TRI_INT8, 0}, output, args, "input 0 'x' is uint8 (or another dtype that it states), given is int8");
  expect({dense.x.data(), 16, tri_dtype(77), 0}, output, args, "input 0 'x' is uint8 (or another dtype that it states), given is no dtype");
  expect({nullptr, 16, TRI_UINT8, 0}, output, args, "input 0 'x': no data");
  expect({dense.x.data(), 16, TRI_UINT8, 6}, output, args, "input 0 'x': unknown flags 6");
  expect(input, {dense.scores.data(), 33, TRI_INT32, 0}, args, "output 0 'scores' has 32 bytes for batch 2, given are 33");
  expect(input, {dense.scores.data(), 32, TRI_FLOAT32, 0}, args, "output 0 'scores' is int32, given is float32");
  EXPECT_EQ(tri_session_run(session.get(), nullptr, &err), TRI_INVALID_ARGUMENT);
}

TEST(Session, WrongOptionsAreNamed) {
  const ModelPointer model = openModel(test::denseModel()), fixed = openModel(test::relayModel(1));
  tri_session *session = nullptr;
  tri_error err{};
  const auto create = [&](const ModelPointer &from, int64_t batch, int32_t threads, const char *entry) {
    tri_session_options options{};
    options.batch = batch;
    options.threads = threads;
    options.entry = entry;
    return tri_session_create(from.get(), &options, &session, &err);
  };
  EXPECT_EQ(create(model, -1, 1, nullptr), TRI_INVALID_ARGUMENT);
  EXPECT_EQ(create(model, 1, 257, nullptr), TRI_INVALID_ARGUMENT);
  EXPECT_EQ(create(model, 1, -2, nullptr), TRI_INVALID_ARGUMENT);
  EXPECT_EQ(create(model, 1, 1, "nothing"), TRI_NOT_FOUND);
  EXPECT_EQ(std::string(err.message), "no entry point 'nothing'; the first one is 'forward'");
  EXPECT_EQ(create(fixed, 2, 1, nullptr), TRI_INVALID_ARGUMENT);
  EXPECT_EQ(std::string(err.message), "batch 2, but 'forward' has no batch variable");
  for (int64_t batch : {INT64_MAX, INT64_MAX / 8, INT64_MAX / 64, int64_t(1) << 55}) EXPECT_EQ(create(model, batch, 1, nullptr), TRI_NO_MEMORY) << batch;
  EXPECT_EQ(session, nullptr);
}

TEST(Session, SizesAreTold) {
  const ModelPointer model = openModel(test::denseModel());
  const SessionPointer session = createSession(model, 3, 2);
  EXPECT_EQ(tri_session_input_bytes(session.get(), 0, TRI_UINT8, 3), 24u);
  EXPECT_EQ(tri_session_input_bytes(session.get(), 0, TRI_FLOAT32, 2), 64u);
  EXPECT_EQ(tri_session_input_bytes(session.get(), 0, TRI_INT8, 3), 0u);
  EXPECT_EQ(tri_session_input_bytes(session.get(), 1, TRI_UINT8, 3), 0u);
  EXPECT_EQ(tri_session_input_bytes(session.get(), 0, TRI_UINT8, INT64_MAX), 0u);
  EXPECT_EQ(tri_session_output_bytes(session.get(), 0, 3), 48u);
  EXPECT_EQ(tri_session_output_bytes(session.get(), 1, 3), 8u);
  // 3 * 64 of activations, 2 * 128 of scratch, and copies of 96, 48 and 8 bytes.
  EXPECT_EQ(tri_session_workspace_bytes(session.get()), 192u + 256 + 96 + 48 + 8);
}

TEST(Session, CodeRunsInTheDefaultFloatModeAndTheCallersIsRestored) {
  const ModelPointer model = openModel(test::oneStepModel("float_mode", DType::Float32));
  const SessionPointer alone = createSession(model, 1, 1), team = createSession(model, 1, 2);
  for (const SessionPointer *session : {&alone, &team}) {
    const int8_t x = 0;
    float y[2] = {};
    const tri_input input = {&x, 1, TRI_INT8, 0};
    const tri_output output = {y, sizeof y, TRI_FLOAT32, 0};
    const tri_run_args args = {&input, &output, 1, 1, 1, nullptr, 0, 0};
    const int before = fegetround();
    ASSERT_EQ(fesetround(FE_DOWNWARD), 0);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); // flush denormals to zero
    const unsigned mode = _mm_getcsr() & 0xffc0;
#endif
    const tri_status status = tri_session_run(session->get(), &args, nullptr);
#if defined(__x86_64__)
    const unsigned modeAfter = _mm_getcsr() & 0xffc0;
    _mm_setcsr(_mm_getcsr() & ~0x8040u);
    EXPECT_EQ(modeAfter, mode);
#endif
    EXPECT_EQ(fegetround(), FE_DOWNWARD);
    fesetround(before);
    ASSERT_EQ(status, TRI_OK);
    EXPECT_EQ(y[0], std::nextafterf(1.0f, 2.0f));
    EXPECT_EQ(y[1], 0x1p-127f);
  }
}
