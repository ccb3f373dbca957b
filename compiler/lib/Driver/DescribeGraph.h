// A checked network as JSON, as `inspect` and `zoo show` print it.
#pragma once

#include "triton/Sema/Graph.h"
#include "triton/Support/Json.h"

#include <map>
#include <string>

namespace triton::driver {

/// How a parameter is stored: its `Weight`'s storage, or the dtype of its tensor.
std::string storageText(const GraphParam &param, const Graph &graph);

/// Trained elements by storage; running statistics of batch norm are not among them.
std::map<std::string, uint64_t> elementsByStorage(const Graph &graph);

/// name, export, params, macs, nodes, inputs, outputs and parameters (key, shape, storage).
json::Object describeGraph(const Graph &graph);

} // namespace triton::driver
