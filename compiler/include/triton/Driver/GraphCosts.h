// Parameters and multiply-accumulates of a graph, counted as the field counts them.
#pragma once

#include "triton/Sema/Graph.h"

#include <cstdint>

namespace triton::driver {

struct GraphCosts {
  uint64_t parameters = 0; ///< trained numbers: without running statistics of batch norm
  uint64_t weights = 0;    ///< of those, elements of `Weight`s
  uint64_t macs = 0;       ///< of linear-like operations, every dimension variable taken as 1
};
GraphCosts graphCosts(const Graph &graph);

/// True for a running mean or variance of batch norm: state, not a trained parameter.
bool isRunningStatistic(const GraphParam &param);

} // namespace triton::driver
