// What the generators of products share around their tiles: names by content, arguments, loops over blocks of channels.
#pragma once

#include "Products.h"

namespace triton {

/// A short, stable digest of a description, so that shapes that differ get names that differ.
std::string digest(const std::string &text);

template <typename... T>
std::string keyOf(const T &...values) {
  std::string key;
  ((key += std::to_string(values) + ","), ...);
  return key;
}
std::string keyOf(const PlaneStrides &s);
std::string keyOf(const DotSpec &d);
std::string keyOf(const ConvShape &s);

/// Begins a private function with the arguments of a product; returns them, see ProductArgument.
std::vector<Val> beginProduct(KernelBuilder &k, const std::string &name);

/// Calls `body(block, vectors, lanes of the last)` for the blocks [from, to): whole ones in a loop, the last one with fewer channels
/// by itself.
void forBlocks(KernelBuilder &k, const DotSpec &dot, int64_t stored, Val from, Val to,
               const std::function<void(Val block, int64_t vectors, int64_t lanes)> &body);

/// The pointers of a block of channels: weights, factors, and the first output and residual.
TilePointers blockPointers(KernelBuilder &k, const std::vector<Val> &args, const DotSpec &dot, int64_t panel, const Epilogue &epilogue,
                           Val block);

} // namespace triton
