// The `triton` program.
#include "triton/Driver/Main.h"

#include <string>
#include <vector>

int main(int argc, char **argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  return triton::driver::main(words);
}
