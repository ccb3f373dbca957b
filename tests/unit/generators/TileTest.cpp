// The register tile against a naive loop: every target that runs here, sizes around the tile, extreme values.
#include "Emit.h"
#include "Products.h"
#include "StepRunner.h"

#include "artifact/cpu_features.h"
#include "artifact/packing.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>
#include <random>

using namespace triton;
using namespace triton::test;

namespace {

/// Owns a context with what the generators emit.
struct Module {
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> op;
  Module() {
    context.loadDialect<mlir::arith::ArithDialect, mlir::scf::SCFDialect, mlir::LLVM::LLVMDialect>();
    op = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  }
};

TargetDesc targetOf(const std::string &name) {
  auto target = parseTarget(name);
  EXPECT_TRUE(bool(target)) << (target ? "" : target.error().message);
  return *target;
}
bool runsHere(const TargetDesc &target) { return (tri_cpu_features() & target.features) == target.features; }

struct LinearCase {
  int64_t rows, outputs, inputs;
  bool actUnsigned, trits;
  int pattern; // 0 random, 1 all +1 and greatest x, 2 all -1 and least x, 3 all zero
};

void checkLinear(const TargetDesc &target, const LinearCase &c, int32_t threads) {
  TileChoice tile = chooseTile(target, c.trits, c.actUnsigned, c.outputs, 0);
  int64_t kr = tile.dot.kr(), nr = tile.dot.nr();
  int64_t xRow = (c.inputs + 3) / 4 * 4, blocks = (c.outputs + nr - 1) / nr;
  LinearShape shape;
  shape.outputs = shape.storedChannels = c.outputs;
  shape.reduction.steps = (c.inputs + kr - 1) / kr;
  shape.xRow = xRow;
  shape.outRow = c.outputs * 4;
  Epilogue epilogue;
  epilogue.out = Epilogue::Out::Sums;

  Module module;
  KernelBuilder k(*module.op, target);
  std::string function = emitLinear(k, "linear", shape, tile, epilogue);
  tri_panel_layout layout = {uint32_t(c.outputs), 1, uint32_t(c.inputs), uint32_t(nr), uint32_t(kr)};
  size_t panelBytes = (tri_panel_bytes(&layout) + 63) / 64 * 64;
  auto args = k.begin("step", {k.ptr()}, k.i32(), false);
  Val weights = k.load(k.ptr(), args[0]), inputs = k.load(k.ptr(), k.offset(args[0], offsetof(tri_kernel_args, inputs)));
  Val outputs = k.load(k.ptr(), k.offset(args[0], offsetof(tri_kernel_args, outputs)));
  Val part = k.signExtend(k.load(k.i32(), k.offset(args[0], offsetof(tri_kernel_args, part))), k.i64());
  Val all = k.signExtend(k.load(k.i32(), k.offset(args[0], offsetof(tri_kernel_args, parts))), k.i64());
  Val x = k.load(k.ptr(), inputs), out = k.load(k.ptr(), outputs), batch = k.load(k.i64(), k.offset(args[0], offsetof(tri_kernel_args, batch)));
  Val start = k.offset(weights, panelBytes);
  k.call(function, {x, weights, start, start, start, start, start, out, batch, part, all, all, start});
  k.end(k.i32c(0));
  auto code = emitSharedObject(*module.op, target, CodegenOptions{});
  ASSERT_TRUE(bool(code)) << code.error().message;

  std::mt19937 random(unsigned(c.rows * 131 + c.outputs * 17 + c.inputs + c.pattern));
  int lo = c.actUnsigned ? 0 : -127, hi = c.actUnsigned ? 255 : 127, wmax = c.trits ? 1 : 127;
  std::vector<int> xs(c.rows * c.inputs), ws(c.outputs * c.inputs);
  for (int &v : xs)
    v = c.pattern == 1 ? hi : c.pattern == 2 ? lo : c.pattern == 3 ? 0 : std::uniform_int_distribution<int>(lo, hi)(random);
  for (int &v : ws)
    v = c.pattern == 1 ? wmax : c.pattern == 2 ? -wmax : std::uniform_int_distribution<int>(-wmax, wmax)(random);
  Job job;
  job.elf = code->elf;
  job.steps = {code->functions["step"]};
  std::vector<int8_t> canonical(ws.begin(), ws.end());
  job.weights.resize(panelBytes + blocks * nr * 4);
  tri_pack_panels(canonical.data(), &layout, reinterpret_cast<int8_t *>(job.weights.data()));
  for (int64_t o = 0; o < c.outputs; ++o) {
    int32_t sum = 0;
    for (int64_t i = 0; i < c.inputs; ++i)
      sum -= 128 * ws[o * c.inputs + i];
    memcpy(job.weights.data() + panelBytes + o * 4, &sum, 4);
  }
  job.inputs.emplace_back(c.rows * xRow, 0x77); // what lies between rows must not matter
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t i = 0; i < c.inputs; ++i)
      job.inputs[0][r * xRow + i] = uint8_t(xs[r * c.inputs + i]);
  job.outputBytes = {uint64_t(c.rows * c.outputs * 4)};
  job.batch = c.rows;
  job.threads = threads;
  JobResult result = runJob(job);
  ASSERT_EQ(result.error, "");
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t o = 0; o < c.outputs; ++o) {
      int32_t want = 0, got;
      for (int64_t i = 0; i < c.inputs; ++i)
        want += xs[r * c.inputs + i] * ws[o * c.inputs + i];
      memcpy(&got, result.outputs[0].data() + (r * c.outputs + o) * 4, 4);
      ASSERT_EQ(got, want) << target.name << " row " << r << " output " << o << " of " << c.rows << "x" << c.outputs << "x" << c.inputs;
    }
}

class Tile : public testing::TestWithParam<const char *> {};

TEST_P(Tile, LinearSumsEqualNaiveLoops) {
  TargetDesc target = targetOf(GetParam());
  if (!runsHere(target))
    GTEST_SKIP() << "this machine lacks " << target.name;
  for (bool actUnsigned : {true, false})
    for (bool trits : {true, false})
      for (LinearCase c : {LinearCase{1, 10, 84, actUnsigned, trits, 0}, LinearCase{15, 33, 37, actUnsigned, trits, 0},
                           LinearCase{29, 64, 129, actUnsigned, trits, 1}, LinearCase{3, 7, 5, actUnsigned, trits, 2},
                           LinearCase{2, 40, 1, actUnsigned, trits, 3}})
        checkLinear(target, c, 2);
}

INSTANTIATE_TEST_SUITE_P(Targets, Tile, testing::Values("x86-64", "x86-64-v3", "x86-64-v4", "x86-64-v4+vnni"), [](const auto &info) {
  std::string name = info.param;
  for (char &c : name)
    if (!isalnum(c))
      c = '_';
  return name;
});

} // namespace
