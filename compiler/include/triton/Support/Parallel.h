// Independent pieces of work on several threads. No LLVM.
#pragma once

#include <cstddef>
#include <functional>

namespace triton {

/// Calls `work(i, thread)` once for each i in 0..count on up to `threads` threads, this one among them (it is thread 0), and
/// returns when all are done. Pieces begin in the order of i; which thread takes which says the scheduler, so results go to places
/// that i names. `work` must not throw. Where no thread can be started, this one does all of it.
void parallelFor(size_t count, unsigned threads, const std::function<void(size_t i, unsigned thread)> &work);

} // namespace triton
