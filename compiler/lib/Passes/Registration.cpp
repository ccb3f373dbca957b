// Makes the passes known by name.
#include "triton/Passes/Passes.h"

#include "ternary/TernaryDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace triton {
#define GEN_PASS_REGISTRATION
#include "TernaryPasses.h.inc"

void registerTernaryPasses() { registerGeneratedPasses(); }
} // namespace triton
