#include "triton/Support/Parallel.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace triton {

void parallelFor(size_t count, unsigned threads, const std::function<void(size_t, unsigned)> &work) {
  std::atomic<size_t> next{0};
  auto drain = [&](unsigned thread) {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) work(i, thread);
  };
  std::vector<std::thread> helpers;
  size_t most = std::min<size_t>(std::max(threads, 1u), count);
  for (size_t t = 1; t < most; ++t) {
    try {
      helpers.emplace_back(drain, static_cast<unsigned>(t));
    } catch (const std::system_error &) {
      break; // no more threads for this process: those there are do the work
    }
  }
  drain(0);
  for (std::thread &helper : helpers) helper.join();
}

} // namespace triton
