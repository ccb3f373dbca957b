// The front program as a function. No LLVM, no ANTLR.
#pragma once

#include <span>
#include <string>

namespace triton::driver {

/// Answers a compile from the cache, or becomes the compiler with the same arguments (`argv` ends in a null pointer). Returns an
/// exit status.
int front(std::span<const std::string> words, char **argv);

} // namespace triton::driver
