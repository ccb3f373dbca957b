// A team of threads that runs the same job together, with barriers inside. Between jobs and at barriers a thread spins and then sleeps,
// so that short steps cost about a microsecond and idle sessions cost nothing.
#pragma once

#include "triton/runtime.h"

#include <atomic>
#include <cstdint>
#include <pthread.h>

namespace triton::runtime {

/// One word on which threads wait for a change.
class Signal {
public:
  uint32_t value() const { return word.load(std::memory_order_acquire); }
  /// Returns true when the value is no longer `old`, false when it still is after so many rounds.
  bool spin(uint32_t old, int rounds);
  /// Returns when the value is no longer `old`; spins first.
  void wait(uint32_t old, int rounds);
  /// Adds one and wakes all waiters.
  void advance();

private:
  std::atomic<uint32_t> word{0};
  std::atomic<uint32_t> sleepers{0};
};

/// `threads` members, of which the caller of `run` is number 0. Lives in the session's memory; members are one-thread except
/// `barrier`, which the job calls.
///
/// Some systems let two members take turns on one processor for seconds while another is idle, and a member that spins then waits for
/// one that cannot run. So a member that finds itself where another one runs moves to a free processor. Its affinity is afterwards
/// what it was: the system and the host application may move it again. The caller's thread is never moved.
class ThreadTeam {
public:
  using Job = void (*)(void *argument, int32_t thread);

  /// Starts threads - 1 threads, kept in `handles` (threads - 1 of them, borrowed). False, with none running, if the system refuses.
  bool start(int32_t threads, pthread_t *handles);
  /// Ends and joins the threads.
  void stop();
  /// Runs job(argument, i) on every member. The job must end with a barrier, so that nobody is inside it afterwards.
  void run(Job job, void *argument);
  /// Waits until all members are here.
  void barrier(int32_t member);

private:
  static void *threadMain(void *team);
  void work();
  void noteProcessor(int32_t member);
  void leaveSharedProcessor(int32_t member);

  // The words that threads write often lie on cache lines of their own.
  alignas(64) Signal begin;
  alignas(64) Signal passed;
  alignas(64) std::atomic<int32_t> arrived{0};
  alignas(64) std::atomic<int32_t> nextMember{1};
  int32_t count = 1;
  int spinsForJob = 0, spinsInside = 0; // rounds of waiting before sleep: for the next job, and for the others at a barrier
  Job currentJob = nullptr; // null ends the threads
  void *currentArgument = nullptr;
  pthread_t *handles = nullptr;
  std::atomic<int16_t> processors[TRI_MAX_THREADS] = {}; // where each member was last seen; negative: unknown
};

/// The parts of the steps that members do in common. Each begins with parts of its own, neighbours as in the step before, and then takes those that others
/// have not begun, from their end: one that is slower, or does not run for a while, keeps nobody waiting for more than a part.
///
/// A phase lies between two barriers. What is dealt for the next one lies beside the current one's, so nobody waits for it.
class PartShares {
public:
  /// A member's parts, in two phases in turn, on a cache line of its own.
  struct alignas(64) Rest {
    std::atomic<uint64_t> parts[2]; // from << 32 | to
  };

  /// `storage`: one for each member, borrowed.
  explicit PartShares(Rest *storage = nullptr) : rests(storage) {}
  /// Gives `member` its parts of a phase that is shared by the first `members`. Before the barrier at which the phase begins.
  void deal(int32_t member, uint32_t phase, int32_t members, int32_t parts);
  /// A part that nobody has taken, for one of `members`; -1 if there is none.
  int32_t take(int32_t member, uint32_t phase, int32_t members);

private:
  Rest *rests;
};

} // namespace triton::runtime
