// The `triton` program that people start. It answers what the cache knows and hands everything else to `triton-compiler`, which
// brings LLVM, MLIR and ANTLR: loading those costs more than a hit.
#include "triton/Driver/Front.h"

#include <string>
#include <vector>

int main(int argc, char **argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  return triton::driver::front(words, argv);
}
