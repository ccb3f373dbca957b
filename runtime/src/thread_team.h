// A team of threads that runs the same job together, with barriers inside. Between jobs and at barriers a thread spins briefly and
// then sleeps, so that short steps cost about a microsecond and idle sessions cost nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <pthread.h>

namespace triton::runtime {

/// One word on which threads wait for a change.
class Signal {
public:
  uint32_t value() const { return word.load(std::memory_order_acquire); }
  /// Returns when the value is no longer `old`.
  void wait(uint32_t old, int spins);
  /// Adds one and wakes all waiters.
  void advance();

private:
  std::atomic<uint32_t> word{0};
  std::atomic<uint32_t> sleepers{0};
};

/// `threads` members, of which the caller of `run` is number 0. Lives in the session's memory; members are one-thread except
/// `barrier`, which the job calls.
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
  void barrier();

private:
  static void *threadMain(void *team);
  void work();

  // The words that threads write often lie on cache lines of their own.
  alignas(64) Signal begin;
  alignas(64) Signal passed;
  alignas(64) std::atomic<int32_t> arrived{0};
  alignas(64) std::atomic<int32_t> nextMember{1};
  int32_t count = 1;
  int spins = 0;
  Job currentJob = nullptr; // null ends the threads
  void *currentArgument = nullptr;
  pthread_t *handles = nullptr;
};

} // namespace triton::runtime
