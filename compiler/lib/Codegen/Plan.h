// The plan of a program: which steps there are, what each reads and writes, and where buffers lie. The same for all targets.
#pragma once

#include "Layout.h"
#include "StepContext.h"

#include "triton/Support/Result.h"

#include <string>
#include <vector>

namespace triton {

struct PlannedStep {
  enum Kind : uint8_t {
    Compute,     ///< `op`, with what is fused into it
    Materialise, ///< argument `value` as reals into its buffer
    CopyOut,     ///< `value` to output `output`
  } kind = Compute;
  mlir::Operation *op = nullptr;
  mlir::Value value;
  unsigned output = 0;
  std::optional<std::pair<unsigned, DType>> guard; ///< only when this input has this dtype
  std::string name;   ///< of the operation: "conv1__fused_conv2d"
  std::string layer;  ///< key of the layer, or empty
  uint64_t macsPerBatch = 0, bytesPerBatch = 0;
};

struct Plan {
  Layouts layouts;
  llvm::DenseMap<mlir::Value, Storage> storage;
  llvm::DenseMap<mlir::Value, mlir::Value> alias;
  llvm::DenseSet<mlir::Operation *> inlined;
  int64_t workspaceFixed = 0, workspacePerBatch = 0;
  std::vector<PlannedStep> steps;
};

/// The dtypes that an argument takes at run time.
std::vector<DType> acceptedDTypes(mlir::func::FuncOp function, unsigned argument);
/// The dtype that a tensor's elements have outside.
DType outsideDType(mlir::Type element);

/// Errors: an operation that no lowering covers, an input that accepts what cannot be converted.
Result<Plan> planProgram(mlir::func::FuncOp function, int optLevel);

/// "at net.tri:12:3 (layer1.0)", from a location; empty if it says nothing.
std::string describeLocation(mlir::Location location);

} // namespace triton
