// The program behind `triton`: every command, with LLVM, MLIR and ANTLR.
#include "triton/Driver/Main.h"

#include <malloc.h>
#include <string>
#include <vector>

int main(int argc, char **argv) {
  // Weights come and go in pieces of megabytes. Memory that goes back to the system each time comes back page by page, and costs more
  // than what is done with it.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  std::vector<std::string> words(argv + 1, argv + argc);
  return triton::driver::main(words);
}
