// What a program that ends soon need not give back. No LLVM.
#pragma once

#include <memory>

namespace triton {

/// From now on `leave` keeps what it is given until the process ends. For programs that do one thing: taking a graph of a hundred thousand
/// small pieces apart costs milliseconds, and the system takes the memory back as a whole.
void keepLeftovers();

/// Takes something that nobody uses any more: destroys it, or keeps it, see `keepLeftovers`. Nothing whose destructor does more than give
/// memory back. Thread-safe.
void leave(std::shared_ptr<void> object);

} // namespace triton
