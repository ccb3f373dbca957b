// What the generators of products share around their tiles: arguments, loops over blocks of channels.
#pragma once

#include "Recipe.h"

namespace triton {

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// At least so many bytes, as an odd number of cache lines: streams this far apart do not meet in one set.
constexpr int64_t oddLines(int64_t bytes) { return (ceilDiv(bytes, 64) | 1) * 64; }

/// The kernel of a recipe with the arguments of a product, see ProductArgument.
std::string productKernel(KernelBuilder &k, const std::string &stem, const Recipe &recipe,
                          const std::function<void(const std::vector<Val> &args)> &write);

/// Calls `body(block, vectors, lanes of the last)` for the blocks [from, to): whole ones in a loop, the last one with fewer channels
/// by itself.
void forBlocks(KernelBuilder &k, const DotSpec &dot, int64_t stored, Val from, Val to,
               const std::function<void(Val block, int64_t vectors, int64_t lanes)> &body);

/// A part's rows by blocks of channels; perhaps nothing.
struct Share {
  Range rows, blocks;
};
/// Shares rows by blocks among the parts of a step as a grid: some parts beside each other share the blocks, groups of them the rows. Of the grids that
/// come into question the one that takes the threads least time, by the `cost(its rows, its blocks)` of the largest part; parts may be left with nothing
/// to do where more of them cost more. `args`: of the product.
Share shareOut(KernelBuilder &k, Val rows, int64_t blocks, const std::vector<Val> &args, const std::function<Val(Val rows, Val blocks)> &cost);

/// The grid of `beside` parts beside each other in each of `groups` groups. Parts that fill no group are left without rows.
Share shareGrid(KernelBuilder &k, Val rows, int64_t blocks, Val part, Val beside, Val groups);
/// Rows where `byRows`, else blocks.
Share shareEither(KernelBuilder &k, Val rows, int64_t blocks, Val part, Val parts, Val byRows);

/// What this thread made in an earlier part of the step and need not make again: `make` runs unless the header of the thread's scratch has `key` at byte `at`,
/// and then it has. A key is an integer of any width and never 0.
void unlessKept(KernelBuilder &k, Val scratch, Val at, Val key, const std::function<void()> &make);
/// The key of a range that is not empty.
Val keyOf(KernelBuilder &k, const Range &range);

/// The pointers of a block of channels: weights, factors, and the first output and residual.
TilePointers blockPointers(KernelBuilder &k, const std::vector<Val> &args, const DotSpec &dot, int64_t panel, const Epilogue &epilogue,
                           Val block);

} // namespace triton
