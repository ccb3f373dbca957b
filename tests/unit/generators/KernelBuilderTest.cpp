// What the builder of kernels promises beyond what every kernel shows.
#include "Emit.h"
#include "KernelBuilder.h"
#include "StepRunner.h"

#include "artifact/cpu_features.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::test;

TEST(KernelBuilder, OffsetsOfAnySizeAreKept) {
  std::vector<int64_t> offsets;
  for (int bit = 0; bit < 46; ++bit)
    for (int64_t near : {-1, 0, 1}) {
      offsets.push_back((int64_t(1) << bit) + near);
      offsets.push_back(-(int64_t(1) << bit) + near);
    }
  for (const char *name : {"x86-64", "aarch64"}) {
    auto target = parseTarget(name);
    ASSERT_TRUE(bool(target));
    if ((tri_cpu_features() & target->features) != target->features)
      continue;
    mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
    context.loadDialect<mlir::arith::ArithDialect, mlir::scf::SCFDialect, mlir::LLVM::LLVMDialect>();
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
    KernelBuilder k(*module, *target);
    auto args = k.begin("step", {k.ptr()}, k.i32(), false);
    Val out = k.load(k.ptr(), k.load(k.ptr(), k.offset(args[0], offsetof(tri_kernel_args, outputs))));
    // The pointer is moved by as much as a value that nobody knows when compiling (the batch) and back by a constant.
    Val unknown = k.load(k.i64(), k.offset(args[0], offsetof(tri_kernel_args, batch)));
    for (size_t i = 0; i < offsets.size(); ++i) {
      Val away = k.offset(out, k.index(0) - unknown * k.index(offsets[i]));
      k.store(k.addressOf(k.offset(away, offsets[i])) - k.addressOf(out), k.offset(out, int64_t(i) * 8));
    }
    k.end(k.i32c(0));
    auto code = emitSharedObject(*module, *target, CodegenOptions{});
    ASSERT_TRUE(bool(code)) << code.error().message;
    Job job;
    job.elf = code->elf;
    job.steps = {code->functions["step"]};
    job.outputBytes = {offsets.size() * 8};
    job.batch = 1;
    JobResult result = runJob(job);
    ASSERT_EQ(result.error, "");
    for (size_t i = 0; i < offsets.size(); ++i) {
      int64_t difference;
      memcpy(&difference, result.outputs[0].data() + i * 8, 8);
      EXPECT_EQ(difference, 0) << offsets[i];
    }
  }
}
