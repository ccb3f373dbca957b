// Threads that each run the same function once per call. A step of training splits its batch over them: they meet once per
// step, not once per operation, so a busy machine slows them down far less than it slows down threads inside operations.
#pragma once

#include <barrier>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace triton::trainer {

class Workers {
public:
  /// `count` workers; the calling thread is worker 0.
  explicit Workers(size_t count) : count(count), begin(static_cast<ptrdiff_t>(count)), end(static_cast<ptrdiff_t>(count)) {
    for (size_t i = 1; i < count; ++i)
      threads.emplace_back([this, i] {
        while (true) {
          begin.arrive_and_wait();
          if (!job) return;
          call(i);
          end.arrive_and_wait();
        }
      });
  }
  ~Workers() {
    job = nullptr;
    begin.arrive_and_wait();
    for (std::thread &t : threads) t.join();
  }
  Workers(const Workers &) = delete;
  Workers &operator=(const Workers &) = delete;

  size_t size() const { return count; }

  /// Runs body(0) .. body(size() - 1) at the same time and waits; rethrows an exception of the lowest worker that threw.
  void run(const std::function<void(size_t)> &body) {
    job = &body;
    failures.assign(count, nullptr);
    begin.arrive_and_wait();
    call(0);
    end.arrive_and_wait();
    for (const std::exception_ptr &f : failures)
      if (f) std::rethrow_exception(f);
  }

private:
  void call(size_t i) {
    try {
      (*job)(i);
    } catch (...) {
      failures[i] = std::current_exception();
    }
  }

  size_t count;
  std::barrier<> begin, end;
  const std::function<void(size_t)> *job = nullptr;
  std::vector<std::exception_ptr> failures;
  std::vector<std::thread> threads;
};

} // namespace triton::trainer
