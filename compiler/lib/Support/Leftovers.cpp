#include "triton/Support/Leftovers.h"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

namespace triton {

static std::atomic<bool> keeps{false};

void keepLeftovers() { keeps = true; }

void leave(std::shared_ptr<void> object) {
  if (!keeps) return;
  // Reachable to the end, so that leak checkers see that it is meant.
  static std::mutex guard;
  static std::vector<std::shared_ptr<void>> kept;
  std::lock_guard<std::mutex> lock(guard);
  kept.push_back(std::move(object));
}

} // namespace triton
