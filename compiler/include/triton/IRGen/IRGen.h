// Typed module to the `ternary` dialect: the float graph of docs/dialect/rationale.md. No optimisation.
#pragma once

#include "triton/Sema/Graph.h"
#include "triton/Support/Result.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace triton {

/// One function per graph, named as exported. Loads the dialects it needs into `context`. The graphs must be planned
/// (`planQuantisation`) and their sizes fixed but for one variable, the batch, along axis 0; otherwise an error names
/// the dimension and `--dim`. The module is verified; what the verifier refuses is an internal error.
Result<mlir::OwningOpRef<mlir::ModuleOp>> generateIR(mlir::MLIRContext &context, const std::vector<Graph> &graphs,
                                                     const SourceManager &sources);
Result<mlir::OwningOpRef<mlir::ModuleOp>> generateIR(mlir::MLIRContext &context, const Graph &graph,
                                                     const SourceManager &sources);

/// A function `test` without arguments that returns left and right of every assert, in order: results 2*i and 2*i + 1.
/// Plans the quantisers itself, with the compared values as outputs.
Result<mlir::OwningOpRef<mlir::ModuleOp>> generateTestIR(mlir::MLIRContext &context, const TestCase &test,
                                                         const SourceManager &sources);

/// The module as `--emit=ternary` prints it. Big values are left out as `__elided__` unless `withData`; positions are
/// printed with `withLocations`.
std::string moduleToText(mlir::ModuleOp module, bool withLocations = false, bool withData = false);

} // namespace triton
