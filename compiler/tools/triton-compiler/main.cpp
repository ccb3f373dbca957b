// The program behind `triton`: every command, with LLVM, MLIR and ANTLR.
#include "triton/Driver/Main.h"

#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <string>
#include <vector>

int main(int argc, char **argv) {
  // Weights come and go in pieces of megabytes. Memory that goes back to the system each time comes back page by page, and costs more
  // than what is done with it.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  std::vector<std::string> words(argv + 1, argv + argc);
  const int status = triton::driver::main(words);
  // Nothing that still has a destructor to run holds more than memory: LLVM's registries take milliseconds to give theirs back.
  std::fflush(nullptr);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(TRITON_COVERAGE)
  return status;
#else
  std::_Exit(status);
#endif
}
