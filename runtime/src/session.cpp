// Sessions: one block of memory that holds everything a run needs, so that running allocates nothing.
#include "artifact/size_check.h"
#include "internal.h"
#include "thread_team.h"

#include <atomic>
#include <cstring>
#include <ctime>
#include <new>

using namespace triton::artifact;
using namespace triton::runtime;
namespace fb = triton::fb;

namespace {

/// A step as the run loop wants it.
struct ReadyStep {
  tri_step_fn function;
  uint32_t index;
  int32_t onlyInput;
  tri_dtype onlyDtype;
  uint32_t cost;  // nanoseconds on one thread for batch 1, roughly; 0: not known
  int32_t threads; // that share it in the current run
  int32_t parts;   // that it is cut into: `threads`, or more, which they then take from each other
  uint8_t mostParts; // of a thread's share
};

/// A tensor of the entry point, with the session's own buffer for callers whose buffers are not padded.
struct Slot {
  const fb::Tensor *tensor;
  uint8_t *staging;
};

} // namespace

struct tri_session {
  tri_allocator allocator;
  size_t blockBytes;
  const tri_model *model;
  const fb::Entry *entry;
  const fb::Program *program;
  int64_t maxBatch;
  int32_t threads;
  tri_parallel_for parallelFor;
  void *parallelForContext;
  bool hasTeam;
  uint64_t workspaceBytes; // without padding, with staging
  uint32_t inputCount, outputCount, stepCount;
  Slot *inputs, *outputs;
  ReadyStep *steps;
  ReadyStep **active;       // the steps of the current run
  const void **inputPointers;
  void **outputPointers;
  uint8_t *workspace, *scratch;
  pthread_t *threadHandles;

  // The current run.
  uint32_t activeCount;
  bool shared; // by several threads: at least one step is
  int64_t batch;
  uint64_t *profile;
  uint32_t hostPosition; // the step that the host's threads do
  std::atomic<int64_t> failure; // 0, or (1 + position of the step) << 32 | its code

  ThreadTeam team;
  PartShares shares;
};

//===-- Sizes ------------------------------------------------------------------------------------------------------===//

/// Bytes of a tensor; 0 if that does not fit.
static uint64_t tensorBytes(const fb::Tensor &tensor, tri_dtype dtype, int64_t batch) {
  uint64_t bytes = tri_dtype_bytes(dtype);
  for (uint32_t i = 0; i < tensor.shape()->size(); ++i) {
    const int64_t dim = tensor.shape()->Get(i);
    if (__builtin_mul_overflow(bytes, uint64_t(dim == -1 ? batch : dim), &bytes) || bytes > (uint64_t(1) << 62)) return 0;
  }
  return bytes;
}

static bool takes(const fb::Tensor &tensor, tri_dtype dtype) {
  for (uint32_t i = 0; i < tensor.dtypes()->size(); ++i)
    if (unsigned(tensor.dtypes()->Get(i)) == unsigned(dtype)) return true;
  return false;
}

/// The most bytes that the caller may pass for a tensor; 0 if that does not fit.
static uint64_t largestBytes(const fb::Tensor &tensor, int64_t batch) {
  uint64_t largest = 0;
  for (uint32_t i = 0; i < tensor.dtypes()->size(); ++i) {
    const uint64_t bytes = tensorBytes(tensor, tri_dtype(tensor.dtypes()->Get(i)), batch);
    if (!bytes) return 0;
    if (bytes > largest) largest = bytes;
  }
  return largest;
}

/// The user's half of a 48-bit address space: what no allocator can give need not be asked for.
static constexpr uint64_t kMaxAddressableBytes = uint64_t(1) << 47;

/// Lays aligned parts out one after the other in one block.
class BlockPlan {
public:
  /// The offset of a part of `bytes` bytes that may be read TRI_BUFFER_ALIGNMENT bytes past its end.
  uint64_t add(uint64_t bytes) {
    const uint64_t offset = total;
    uint64_t padded;
    if (__builtin_add_overflow(bytes, uint64_t(2 * TRI_BUFFER_ALIGNMENT - 1), &padded) ||
        __builtin_add_overflow(total, padded / TRI_BUFFER_ALIGNMENT * TRI_BUFFER_ALIGNMENT, &total))
      overflow = true;
    return offset;
  }
  uint64_t total = 0;
  bool overflow = false;
};

//===-- Creation ---------------------------------------------------------------------------------------------------===//

static tri_status checkOptions(const tri_model *model, const tri_session_options &options, uint32_t *entry, tri_error *err) {
  if (model->loadedVariant < 0)
    return fail(err, TRI_NOT_ALLOWED, "the model was opened without allow_code, so it cannot run");
  *entry = 0;
  if (options.entry && tri_model_find_entry(model, options.entry, entry) != TRI_OK)
    return fail(err, TRI_NOT_FOUND, "no entry point '%.100s'; the first one is '%.60s'", options.entry,
                model->description->entries()->Get(0)->name()->c_str());
  if (options.batch < 0) return fail(err, TRI_INVALID_ARGUMENT, "batch %lld; it must be at least 1", (long long)options.batch);
  if (options.threads < 0 || options.threads > TRI_MAX_THREADS)
    return fail(err, TRI_INVALID_ARGUMENT, "%d threads; 1 to %d are possible", options.threads, TRI_MAX_THREADS);
  return TRI_OK;
}

static bool hasBatch(const fb::Entry &entry) {
  for (const auto *tensors : {entry.inputs(), entry.outputs()})
    for (const fb::Tensor *tensor : *tensors)
      for (uint32_t i = 0; i < tensor->shape()->size(); ++i)
        if (tensor->shape()->Get(i) == -1) return true;
  return false;
}

/// What the program demands of the batch.
static tri_status checkSizes(const fb::Entry &entry, int64_t batch, tri_error *err) {
  for (uint32_t i = 0; entry.checks() && i < entry.checks()->size(); ++i) {
    const fb::SizeCheck &check = *entry.checks()->Get(i);
    char why[sizeof(tri_error::message)];
    if (!triton::artifact::checkSize(check.left()->c_str(), check.relation()->c_str(), check.right()->c_str(),
                                     check.message() ? check.message()->c_str() : "", batch, why, sizeof why))
      return fail(err, TRI_INVALID_INPUT, "%s", why);
  }
  return TRI_OK;
}

static void fillSteps(tri_session &session) {
  const auto *costs = session.program->step_costs();
  const auto *parts = session.program->step_parts();
  for (uint32_t i = 0; i < session.stepCount; ++i) {
    const fb::Step &step = *session.entry->steps()->Get(i);
    uint8_t *address = session.model->code + session.program->step_offsets()->Get(i);
    session.steps[i] = {reinterpret_cast<tri_step_fn>(reinterpret_cast<uintptr_t>(address)), i, step.only_input(),
                        tri_dtype(step.only_dtype()), costs ? costs->Get(i) : 0, 1, 1,
                        parts && parts->Get(i) ? parts->Get(i) : uint8_t(1)};
  }
}

extern "C" tri_status tri_session_create(const tri_model *model, const tri_session_options *given, tri_session **out_session, tri_error *err) {
  if (!model || !out_session) return fail(err, TRI_INVALID_ARGUMENT, "tri_session_create: a required pointer is NULL");
  const tri_session_options options = given ? *given : tri_session_options{};
  uint32_t entryIndex;
  if (const tri_status status = checkOptions(model, options, &entryIndex, err); status != TRI_OK) return status;
  const fb::Entry &entry = *model->description->entries()->Get(entryIndex);
  const fb::Program &program = *model->description->variants()->Get(uint32_t(model->loadedVariant))->programs()->Get(entryIndex);
  const int64_t batch = options.batch ? options.batch : 1;
  const int32_t threads = options.threads ? options.threads : 1;
  if (batch > 1 && !hasBatch(entry))
    return fail(err, TRI_INVALID_ARGUMENT, "batch %lld, but '%.100s' has no batch variable", (long long)batch, entry.name()->c_str());
  if (const tri_status status = checkSizes(entry, batch, err); status != TRI_OK) return status;

  const uint32_t inputs = entry.inputs()->size(), outputs = entry.outputs()->size(), steps = entry.steps()->size();
  BlockPlan plan;
  plan.add(sizeof(tri_session));
  const uint64_t inputsAt = plan.add((inputs + outputs) * sizeof(Slot));
  const uint64_t stepsAt = plan.add(steps * sizeof(ReadyStep));
  const uint64_t activeAt = plan.add(steps * sizeof(ReadyStep *));
  const uint64_t pointersAt = plan.add((inputs + outputs) * sizeof(void *));
  const uint64_t handlesAt = plan.add(uint64_t(threads) * sizeof(pthread_t));
  const uint64_t sharesAt = plan.add(uint64_t(threads) * sizeof(PartShares::Rest));
  uint64_t activations, stagingAt[2 * kMaxTensors], stagingBytes = 0;
  if (__builtin_mul_overflow(program.workspace_per_batch(), uint64_t(batch), &activations)) plan.overflow = true;
  // Both terms are at most kMaxWorkspaceBytes * TRI_MAX_THREADS = 2^54.
  const uint64_t fixed = program.workspace_fixed() + program.scratch_per_thread() * uint64_t(threads);
  if (__builtin_add_overflow(activations, fixed, &activations)) plan.overflow = true;
  const uint64_t workspaceAt = plan.add(activations);
  for (uint32_t i = 0; i < inputs + outputs; ++i) {
    const uint64_t bytes = largestBytes(i < inputs ? *entry.inputs()->Get(i) : *entry.outputs()->Get(i - inputs), batch);
    if (!bytes) plan.overflow = true;
    stagingBytes += bytes; // at most 128 * 2^62; only used if the plan does not overflow
    stagingAt[i] = plan.add(bytes);
  }
  if (plan.overflow || plan.total > kMaxAddressableBytes)
    return fail(err, TRI_NO_MEMORY, "batch %lld needs more memory than there are addresses", (long long)batch);

  const tri_allocator &allocator = options.allocator ? *options.allocator : model->allocator;
  auto *block = static_cast<uint8_t *>(allocate(allocator, size_t(plan.total), TRI_BUFFER_ALIGNMENT));
  if (!block) return fail(err, TRI_NO_MEMORY, "no memory for a session of %llu bytes (batch %lld)", (unsigned long long)plan.total, (long long)batch);
  auto *session = ::new (block) tri_session{};
  session->allocator = allocator;
  session->blockBytes = size_t(plan.total);
  session->model = model;
  session->entry = &entry;
  session->program = &program;
  session->maxBatch = batch;
  session->threads = threads;
  session->parallelFor = options.parallel_for;
  session->parallelForContext = options.parallel_for_context;
  session->workspaceBytes = activations + stagingBytes;
  session->inputCount = inputs;
  session->outputCount = outputs;
  session->stepCount = steps;
  session->inputs = reinterpret_cast<Slot *>(block + inputsAt);
  session->outputs = session->inputs + inputs;
  session->steps = reinterpret_cast<ReadyStep *>(block + stepsAt);
  session->active = reinterpret_cast<ReadyStep **>(block + activeAt);
  session->inputPointers = reinterpret_cast<const void **>(block + pointersAt);
  session->outputPointers = reinterpret_cast<void **>(block + pointersAt) + inputs;
  session->threadHandles = reinterpret_cast<pthread_t *>(block + handlesAt);
  session->shares = PartShares(reinterpret_cast<PartShares::Rest *>(block + sharesAt));
  session->workspace = block + workspaceAt;
  session->scratch = session->workspace + activations - program.scratch_per_thread() * uint64_t(threads); // each thread's, one after the other
  for (uint32_t i = 0; i < inputs; ++i) session->inputs[i] = {entry.inputs()->Get(i), block + stagingAt[i]};
  for (uint32_t i = 0; i < outputs; ++i) session->outputs[i] = {entry.outputs()->Get(i), block + stagingAt[inputs + i]};
  fillSteps(*session);
  if (threads > 1 && !options.parallel_for) {
    session->hasTeam = session->team.start(threads, session->threadHandles);
    if (!session->hasTeam) {
      tri_session_destroy(session);
      return fail(err, TRI_SYSTEM_ERROR, "the system does not start %d threads", threads - 1);
    }
  }
  *out_session = session;
  return TRI_OK;
}

extern "C" void tri_session_destroy(tri_session *session) {
  if (!session) return;
  if (session->hasTeam) session->team.stop();
  const tri_allocator allocator = session->allocator;
  const size_t bytes = session->blockBytes;
  session->~tri_session();
  release(allocator, session, bytes);
}

extern "C" uint64_t tri_session_workspace_bytes(const tri_session *session) { return session ? session->workspaceBytes : 0; }

extern "C" uint64_t tri_session_input_bytes(const tri_session *session, uint32_t index, tri_dtype dtype, int64_t batch) {
  if (!session || index >= session->inputCount || batch < 1 || !takes(*session->inputs[index].tensor, dtype)) return 0;
  return tensorBytes(*session->inputs[index].tensor, dtype, batch);
}

extern "C" uint64_t tri_session_output_bytes(const tri_session *session, uint32_t index, int64_t batch) {
  if (!session || index >= session->outputCount || batch < 1) return 0;
  const fb::Tensor &tensor = *session->outputs[index].tensor;
  return tensorBytes(tensor, tri_dtype(tensor.dtypes()->Get(0)), batch);
}

//===-- Running ----------------------------------------------------------------------------------------------------===//

namespace {

/// Gives the code the floating-point mode in which its results are defined, and restores the caller's.
class DefaultFloatMode {
public:
#if defined(__x86_64__)
  DefaultFloatMode() : saved(__builtin_ia32_stmxcsr()) {
    constexpr unsigned allMaskedNearest = 0x1f80;
    if (saved != allMaskedNearest) __builtin_ia32_ldmxcsr(allMaskedNearest);
  }
  ~DefaultFloatMode() { __builtin_ia32_ldmxcsr(saved); }

private:
  unsigned saved;
#elif defined(__aarch64__)
  DefaultFloatMode() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    if (saved != 0) __asm__ volatile("msr fpcr, %0" ::"r"(uint64_t(0)));
  }
  ~DefaultFloatMode() { __asm__ volatile("msr fpcr, %0" ::"r"(saved)); }

private:
  uint64_t saved;
#endif
};

} // namespace

static uint64_t nowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

/// A thread should have at least this much of a step: well above what it costs to wake the others and to meet at a barrier.
static constexpr uint64_t kNanosecondsForOneMore = 5000;

/// How many threads share a step: fixed before the run, by the compiler's estimate and the batch.
static int32_t threadsOf(const tri_session &session, uint32_t cost, int64_t batch) {
  if (cost == 0) return session.threads;
  const uint64_t parts = uint64_t(cost) * uint64_t(batch) / kNanosecondsForOneMore; // a product too large wraps, which costs time only
  return parts < 2 ? 1 : parts < uint64_t(session.threads) ? int32_t(parts) : session.threads;
}

/// A part should take at least this long: its beginning and end cost a fraction of a microsecond, and memory that it reads again more.
static constexpr uint64_t kNanosecondsOfPart = 15000;

/// How many parts the threads of a step take. The host's threads take one each.
static int32_t partsOf(const tri_session &session, const ReadyStep &step, int64_t batch) {
  const uint64_t parts = uint64_t(step.cost) * uint64_t(batch) / uint64_t(step.threads) / kNanosecondsOfPart;
  if (!session.hasTeam || step.threads == 1 || parts < 2) return step.threads;
  return step.threads * int32_t(parts < step.mostParts ? parts : step.mostParts);
}

static uint8_t *scratchOf(const tri_session &session, int32_t thread) { return session.scratch + uint64_t(thread) * session.program->scratch_per_thread(); }

/// Before a thread's first part of a step.
static void beginStep(const tri_session &session, int32_t thread) {
  if (session.program->scratch_per_thread()) memset(scratchOf(session, thread), 0, TRI_SCRATCH_HEADER);
}

/// Does part `part` of a step on a thread of the session.
static void runPart(tri_session &session, uint32_t position, int32_t part, int32_t thread) {
  const ReadyStep &step = *session.active[position];
  const tri_kernel_args args = {session.model->arena,   session.workspace, scratchOf(session, thread), session.inputPointers,
                                session.outputPointers, session.batch,     part,                       step.parts,
                                step.threads};
  if (const int32_t code = step.function(&args)) {
    // All parts of a step end before the next one begins, so the first to get here is of the first step that fails.
    int64_t none = 0;
    session.failure.compare_exchange_strong(none, int64_t(position + 1) << 32 | uint32_t(code));
  }
}

/// Whether step `position` or one before it has failed. A fast thread may already have recorded a failure of the next one.
static bool failedBy(const tri_session &session, uint32_t position) {
  const int64_t failure = session.failure.load(std::memory_order_relaxed);
  return failure && (failure >> 32) <= int64_t(position) + 1;
}

/// The part of a thread that shares the step with as many threads as there are parts.
static void runOwnPart(tri_session &session, uint32_t position, int32_t thread) {
  beginStep(session, thread);
  runPart(session, position, thread, thread);
}

static void dealStep(tri_session &session, uint32_t position, int32_t thread, uint32_t phase) {
  const ReadyStep &step = *session.active[position];
  if (step.parts != step.threads && thread < step.threads) session.shares.deal(thread, phase, step.threads, step.parts);
}

static void teamJob(void *argument, int32_t thread) {
  auto &session = *static_cast<tri_session *>(argument);
  const DefaultFloatMode mode;
  const uint32_t count = session.activeCount;
  const bool timed = thread == 0 && session.profile;
  uint64_t before = timed ? nowNs() : 0;
  uint32_t phase = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const ReadyStep &step = *session.active[i];
    if (thread < step.threads && step.parts == step.threads) {
      runOwnPart(session, i, thread);
    } else if (thread < step.threads) {
      beginStep(session, thread);
      for (int32_t part; (part = session.shares.take(thread, phase, step.threads)) >= 0;) runPart(session, i, part, thread);
    }
    // Steps of one thread follow each other without meeting the others. If one of them fails, the next ones compute from what it left.
    const bool alone = i + 1 < count && step.threads == 1 && session.active[i + 1]->threads == 1;
    if (!alone) {
      ++phase;
      if (i + 1 < count) dealStep(session, i + 1, thread, phase);
      session.team.barrier(thread);
    }
    if (timed) {
      const uint64_t now = nowNs();
      session.profile[session.active[i]->index] = now - before;
      before = now;
    }
    // After its last barrier a thread must not look at the session: the next run may already be filling it.
    if (i + 1 == count) return;
    if (!alone && failedBy(session, i)) {
      session.team.barrier(thread);
      return;
    }
  }
}

static void hostJob(void *argument, int32_t thread) {
  auto &session = *static_cast<tri_session *>(argument);
  const DefaultFloatMode mode;
  if (thread >= 0 && thread < session.threads) runOwnPart(session, session.hostPosition, thread);
}

/// One thread, or the host's threads with a call for each step.
static void runWithoutTeam(tri_session &session) {
  const DefaultFloatMode mode;
  uint64_t before = session.profile ? nowNs() : 0;
  for (uint32_t i = 0; i < session.activeCount && !(i && failedBy(session, i - 1)); ++i) {
    if (session.parallelFor && session.active[i]->threads > 1) {
      session.hostPosition = i;
      session.parallelFor(session.parallelForContext, hostJob, &session, session.active[i]->threads);
    } else {
      runOwnPart(session, i, 0);
    }
    if (!session.profile) continue;
    const uint64_t now = nowNs();
    session.profile[session.active[i]->index] = now - before;
    before = now;
  }
}

static tri_status checkBuffer(const char *kind, uint32_t index, const fb::Tensor &tensor, const void *data, uint64_t bytes, tri_dtype dtype,
                              uint32_t flags, int64_t batch, tri_error *err) {
  const char *name = tensor.name()->c_str();
  if (!data) return fail(err, TRI_INVALID_ARGUMENT, "%s %u '%.80s': no data", kind, index, name);
  if (!takes(tensor, dtype)) {
    const char *given = tri_dtype_name(dtype);
    return fail(err, TRI_INVALID_ARGUMENT, "%s %u '%.80s' is %s%s, given is %s", kind, index, name,
                tri_dtype_name(tri_dtype(tensor.dtypes()->Get(0))), tensor.dtypes()->size() > 1 ? " (or another dtype that it states)" : "",
                given ? given : "no dtype");
  }
  const uint64_t needed = tensorBytes(tensor, dtype, batch);
  if (bytes != needed)
    return fail(err, TRI_INVALID_ARGUMENT, "%s %u '%.80s' has %llu bytes for batch %lld, given are %llu", kind, index, name,
                (unsigned long long)needed, (long long)batch, (unsigned long long)bytes);
  if (flags & ~TRI_BUFFER_PADDED) return fail(err, TRI_INVALID_ARGUMENT, "%s %u '%.80s': unknown flags %u", kind, index, name, flags);
  if ((flags & TRI_BUFFER_PADDED) && reinterpret_cast<uintptr_t>(data) % TRI_BUFFER_ALIGNMENT)
    return fail(err, TRI_INVALID_ARGUMENT, "%s %u '%.80s' is said to be padded but does not start at a multiple of %d", kind, index, name,
                TRI_BUFFER_ALIGNMENT);
  return TRI_OK;
}

static tri_status checkRun(const tri_session *session, const tri_run_args *args, int64_t batch, tri_error *err) {
  if (batch < 1 || batch > session->maxBatch)
    return fail(err, TRI_INVALID_ARGUMENT, "batch %lld; the session was made for 1 to %lld", (long long)batch, (long long)session->maxBatch);
  if (batch != session->maxBatch)
    if (const tri_status status = checkSizes(*session->entry, batch, err); status != TRI_OK) return status;
  if (args->input_count != session->inputCount || args->output_count != session->outputCount)
    return fail(err, TRI_INVALID_ARGUMENT, "the entry point has %u inputs and %u outputs, given are %u and %u", session->inputCount,
                session->outputCount, args->input_count, args->output_count);
  if ((!args->inputs && args->input_count) || !args->outputs) return fail(err, TRI_INVALID_ARGUMENT, "no inputs or no outputs");
  if (args->profile_ns && args->profile_count != session->stepCount)
    return fail(err, TRI_INVALID_ARGUMENT, "the entry point has %u steps, the profile has room for %u", session->stepCount, args->profile_count);
  for (uint32_t i = 0; i < session->inputCount; ++i) {
    const tri_input &input = args->inputs[i];
    const tri_status status = checkBuffer("input", i, *session->inputs[i].tensor, input.data, input.bytes, input.dtype, input.flags, batch, err);
    if (status != TRI_OK) return status;
  }
  for (uint32_t i = 0; i < session->outputCount; ++i) {
    const tri_output &output = args->outputs[i];
    const tri_status status =
        checkBuffer("output", i, *session->outputs[i].tensor, output.data, output.bytes, output.dtype, output.flags, batch, err);
    if (status != TRI_OK) return status;
  }
  return TRI_OK;
}

static void prepareRun(tri_session &session, const tri_run_args &args, int64_t batch) {
  session.batch = batch;
  session.profile = args.profile_ns;
  session.failure.store(0, std::memory_order_relaxed);
  if (args.profile_ns) memset(args.profile_ns, 0, session.stepCount * sizeof(uint64_t));
  for (uint32_t i = 0; i < session.inputCount; ++i) {
    const tri_input &input = args.inputs[i];
    if (!(input.flags & TRI_BUFFER_PADDED)) memcpy(session.inputs[i].staging, input.data, input.bytes);
    session.inputPointers[i] = (input.flags & TRI_BUFFER_PADDED) ? input.data : session.inputs[i].staging;
  }
  for (uint32_t i = 0; i < session.outputCount; ++i)
    session.outputPointers[i] = (args.outputs[i].flags & TRI_BUFFER_PADDED) ? args.outputs[i].data : session.outputs[i].staging;
  session.activeCount = 0;
  session.shared = false;
  for (uint32_t i = 0; i < session.stepCount; ++i) {
    ReadyStep &step = session.steps[i];
    if (step.onlyInput >= 0 && args.inputs[step.onlyInput].dtype != step.onlyDtype) continue;
    step.threads = threadsOf(session, step.cost, batch);
    step.parts = partsOf(session, step, batch);
    session.shared |= step.threads > 1;
    session.active[session.activeCount++] = &step;
  }
}

static tri_status reportFailure(const tri_session &session, int64_t failure, tri_error *err) {
  const ReadyStep &step = *session.active[(failure >> 32) - 1];
  const char *name = session.program->step_names()->Get(step.index)->c_str();
  const int32_t code = int32_t(uint32_t(failure));
  if (code == TRI_STEP_INDEX_OUT_OF_RANGE)
    return fail(err, TRI_INVALID_INPUT, "step '%.150s': an index lies outside its table", name);
  return fail(err, TRI_INVALID_INPUT, "step '%.150s' refused its input (code %d)", name, code);
}

extern "C" tri_status tri_session_run(tri_session *session, const tri_run_args *args, tri_error *err) {
  if (!session || !args) return fail(err, TRI_INVALID_ARGUMENT, "tri_session_run: a required pointer is NULL");
  const int64_t batch = args->batch ? args->batch : session->maxBatch;
  if (const tri_status status = checkRun(session, args, batch, err); status != TRI_OK) return status;
  prepareRun(*session, *args, batch);
  if (session->hasTeam && session->shared) {
    for (int32_t i = 0; i < session->threads; ++i) dealStep(*session, 0, i, 0);
    session->team.run(teamJob, session);
  } else {
    runWithoutTeam(*session);
  }
  if (const int64_t failure = session->failure.load(std::memory_order_relaxed)) return reportFailure(*session, failure, err);
  for (uint32_t i = 0; i < session->outputCount; ++i)
    if (!(args->outputs[i].flags & TRI_BUFFER_PADDED)) memcpy(args->outputs[i].data, session->outputs[i].staging, args->outputs[i].bytes);
  return TRI_OK;
}
