// A checked network as a PyTorch module: one Python file that needs nothing but PyTorch. No LLVM.
#pragma once

#include "triton/Sema/Graph.h"
#include "triton/Support/Result.h"

#include <string>

namespace triton {

/// The text of a Python file with a class named as the model: parameters under the graph's keys, and the fake quantisation that the
/// graph's quantisers and weights ask for. The graph must be planned. `source` names the program in a comment. Deterministic.
/// Errors: an operation that has no form for training (explicit codes), a constant of a size that is not known.
Result<std::string> torchModule(const Graph &graph, const std::string &source);

} // namespace triton
