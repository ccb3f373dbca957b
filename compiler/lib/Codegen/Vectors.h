// Loops over the elements of a value, many at once.
#pragma once

#include "StepContext.h"

namespace triton {

/// Shorter rows are not worth a vector.
constexpr int64_t kFewestLanes = 4;

/// A value's elements as rows of neighbours: along dimension `lane`, `extent` of them. The other dimensions are counted, those that are far
/// apart in memory first.
struct VectorRows {
  const Layout &layout;
  int lane;
  int64_t extent;
  llvm::SmallVector<int, 5> outer;

  VectorRows(const Layout &layout, int lane);
  /// Calls `body` for this thread's rows, with the index of their first element.
  void forEach(StepContext &c, const std::function<void(const Index &)> &body) const;
  /// Calls `body` for elements [from, from + size) of a row, c.lanes of them at a time. The last vector overlaps its neighbour.
  void alongRow(StepContext &c, const Index &row, int64_t from, int64_t size, const std::function<void(const Index &)> &body) const;
};

} // namespace triton
