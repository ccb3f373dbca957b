// step_runner JOBS RESULTS: runs each job of a file (see StepRunner.h). Cross-built for machines that an emulator stands for.
#include "StepRunner.h"

using namespace triton::test;

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
  if (!in || !out)
    return 2;
  for (uint64_t n = readOne<uint64_t>(in); n > 0; --n)
    writeResult(out, runJob(readJob(in)));
  fclose(in);
  return fclose(out) == 0 ? 0 : 2;
}
