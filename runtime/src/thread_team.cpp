// Spin-then-sleep waiting and the central barrier.
#include "thread_team.h"

#include <climits>
#include <csignal>
#include <sched.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

using namespace triton::runtime;

static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory"); // `yield` does nothing on most cores; isb takes tens of cycles
#endif
}

bool Signal::spin(uint32_t old, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    if (value() != old) return true;
    relax();
  }
  return false;
}

void Signal::wait(uint32_t old, int rounds) {
  if (spin(old, rounds)) return;
  // Sequential consistency on both sides: either the waker sees this sleeper, or the sleeper sees the new value.
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (word.load(std::memory_order_seq_cst) == old) {
#if defined(__linux__)
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
#else
    sched_yield();
#endif
  }
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void Signal::advance() {
  word.fetch_add(1, std::memory_order_seq_cst);
#if defined(__linux__)
  if (sleepers.load(std::memory_order_seq_cst) != 0)
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#endif
}

/// The processor that this thread runs on, or -1.
static int currentProcessor() {
#if defined(__linux__)
  const int processor = sched_getcpu();
  return processor <= INT16_MAX ? processor : -1;
#else
  return -1;
#endif
}

void ThreadTeam::noteProcessor(int32_t member) { processors[member].store(int16_t(currentProcessor()), std::memory_order_relaxed); }

void ThreadTeam::leaveSharedProcessor(int32_t member) {
  noteProcessor(member);
#if defined(__linux__)
  const int here = processors[member].load(std::memory_order_relaxed);
  if (member == 0 || here < 0 || spinsInside == 0) return; // without room for all no processor is free
  bool shared = false;
  for (int32_t other = 0; other < count && !shared; ++other)
    shared = other != member && processors[other].load(std::memory_order_relaxed) == here;
  if (!shared) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t free = allowed;
  for (int32_t other = 0; other < count; ++other)
    if (const int taken = processors[other].load(std::memory_order_relaxed); taken >= 0 && taken < CPU_SETSIZE) CPU_CLR(taken, &free);
  if (CPU_COUNT(&free) == 0) return;
  int target = (here + member) % CPU_SETSIZE; // members that move at the same time begin to look at different places
  while (!CPU_ISSET(target, &free)) target = (target + 1) % CPU_SETSIZE;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(target, &one);
  processors[member].store(int16_t(target), std::memory_order_relaxed);
  if (sched_setaffinity(0, sizeof one, &one) == 0) sched_setaffinity(0, sizeof allowed, &allowed);
#endif
}

void ThreadTeam::barrier(int32_t member) {
  // A member that shares the caller's processor only comes here when the caller does not run, and so need not wait: look each time.
  if (member != 0 && spinsInside != 0 && currentProcessor() == processors[0].load(std::memory_order_relaxed)) leaveSharedProcessor(member);
  const uint32_t phase = passed.value();
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
    arrived.store(0, std::memory_order_relaxed);
    passed.advance();
  } else if (!passed.spin(phase, spinsForJob)) {
    leaveSharedProcessor(member);
    passed.wait(phase, spinsInside);
  }
}

void *ThreadTeam::threadMain(void *team) {
  static_cast<ThreadTeam *>(team)->work();
  return nullptr;
}

void ThreadTeam::work() {
  const int32_t member = nextMember.fetch_add(1, std::memory_order_relaxed);
  // Jobs begin only after all members have been created, and `begin` counts from 0.
  for (uint32_t seen = 0;; ++seen) {
    begin.wait(seen, spinsForJob);
    if (!currentJob) return;
    leaveSharedProcessor(member);
    currentJob(currentArgument, member);
  }
}

/// The processors that this process may use: in a container often fewer than the machine has.
static int usableProcessors() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return int(sysconf(_SC_NPROCESSORS_ONLN));
}

bool ThreadTeam::start(int32_t threads, pthread_t *storage) {
  count = threads;
  handles = storage;
  // None where threads would spin on the processors that the others need. Nobody knows when the next job comes: about 20 microseconds.
  // Inside a job the others are at work, and waking up takes longer than most steps: about 100.
  const bool roomForAll = usableProcessors() >= threads;
  spinsForJob = roomForAll ? 500 : 0;
  spinsInside = roomForAll ? 2000 : 0;
  for (std::atomic<int16_t> &processor : processors) processor.store(-1, std::memory_order_relaxed);
  // Signals of the host application stay with its own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  constexpr size_t stackBytes = size_t(1) << 20; // generated code calls nothing and spills little
  pthread_attr_setstacksize(&attributes, stackBytes);
  int32_t created = 0;
  while (created < threads - 1 && pthread_create(&handles[created], &attributes, threadMain, this) == 0) ++created;
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (created == threads - 1) return true;
  count = created + 1;
  stop();
  return false;
}

void ThreadTeam::stop() {
  currentJob = nullptr;
  begin.advance();
  for (int32_t i = 0; i < count - 1; ++i) pthread_join(handles[i], nullptr);
}

void ThreadTeam::run(Job job, void *argument) {
  currentJob = job;
  currentArgument = argument;
  noteProcessor(0);
  begin.advance();
  job(argument, 0);
}

void PartShares::deal(int32_t member, uint32_t phase, int32_t members, int32_t parts) {
  const auto bound = [&](int32_t i) { return uint64_t(i) * uint64_t(parts) / uint64_t(members); };
  rests[member].parts[phase % 2].store(bound(member) << 32 | bound(member + 1), std::memory_order_relaxed); // the barrier publishes it
}

int32_t PartShares::take(int32_t member, uint32_t phase, int32_t members) {
  constexpr uint64_t one = uint64_t(1) << 32;
  for (int32_t i = 0; i < members; ++i) {
    std::atomic<uint64_t> &parts = rests[(member + i) % members].parts[phase % 2];
    uint64_t rest = parts.load(std::memory_order_relaxed);
    while (rest / one < rest % one)
      if (parts.compare_exchange_weak(rest, i == 0 ? rest + one : rest - 1, std::memory_order_relaxed))
        return int32_t(i == 0 ? rest / one : rest % one - 1);
  }
  return -1;
}
