// The operations of the language as LibTorch calls.
#pragma once

#include "Graph.h"

#include <torch/torch.h>

namespace triton::trainer {

/// True if runOp knows the operation.
bool knowsOp(const std::string &op);

/// True for operations that multiply by a weight (operand 1).
bool isLinearLike(const std::string &op);

/// Runs one operation. `operands` has undefined tensors where an optional one is absent; `shape` is the result's shape with
/// -1 for at most one unknown size. Throws c10::Error.
at::Tensor runOp(const NodeInfo &node, const std::vector<at::Tensor> &operands, const std::vector<int64_t> &shape, bool training);

} // namespace triton::trainer
