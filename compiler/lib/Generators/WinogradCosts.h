// What the Winograd forms cost: decides which is taken, and how threads share it.
#pragma once

#include "WinogradForms.h"

namespace triton {

/// In vector instructions at the speed of the products.
struct WinogradCosts {
  WinogradCosts(const TargetDesc &target, const ConvShape &shape, const WinogradChoice &choice);

  int64_t row = 0;       ///< V of a row of tiles
  int64_t rowBlocks = 0; ///< products and ends of a row of tiles, all blocks
  int64_t allBlocks = 0; ///< U of all blocks, for each group or once
  bool keepsU = false;
};

} // namespace triton
