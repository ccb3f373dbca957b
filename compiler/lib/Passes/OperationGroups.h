// The chains behind linear-like operations: what one affine end takes in.
#pragma once

#include "ternary/TernaryOps.h"

#include <optional>
#include <vector>

namespace triton {

/// A linear-like operation with a weight that is stored as codes, and what follows it inside its group.
struct Chain {
  mlir::Operation *anchor = nullptr;
  mlir::Value x, w;              ///< w is a `ternary.param` with codes, or a constant of trits
  int64_t axis = 1;              ///< of the output channels in the result
  mlir::Value bias;              ///< constant or parameter, or null
  mlir::Operation *biasAdd = nullptr; ///< an `add` of a vector that is the bias
  ternary::BatchNormOp norm;     ///< its operands are constants or parameters
  ternary::AddOp residualAdd;
  mlir::Value residual;
  mlir::Operation *activation = nullptr;
  mlir::Operation *last = nullptr; ///< the last operation taken in

  mlir::Value result() const { return last->getResult(0); }
};

/// True if the parameter's policy stores codes (trit, int8, int4).
bool hasCodePolicy(ternary::ParamOp param);
/// True for a value known while compiling as reals: a parameter or a constant.
bool isRealConstant(mlir::Value value);

/// The chain that starts at `op`, if `op` is linear-like, its weight is stored as codes and the operation can apply the scales of
/// the weight to its sums. Follows single uses inside one `ternary.group`.
std::optional<Chain> findChain(mlir::Operation *op);

} // namespace triton
