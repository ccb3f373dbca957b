// ternary-opt: reads IR, verifies it, runs passes, prints it. For tests and for people who write passes.
#include "ternary/TernaryDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

#ifdef TRITON_HAVE_PASSES
#include "triton/Passes/Passes.h"
#endif

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<triton::ternary::TernaryDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect>();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
#ifdef TRITON_HAVE_PASSES
  triton::registerTernaryPasses();
#endif
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "ternary dialect optimiser\n", registry));
}
