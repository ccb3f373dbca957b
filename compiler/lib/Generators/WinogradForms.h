// What the forms of Winograd.h do with vectors: the transforms of a row or column, and the geometry that follows from a shape and a choice.
#pragma once

#include "ProductLoops.h"
#include "Winograd.h"

namespace triton {

using WinogradRow = llvm::SmallVector<Val, 6>;

/// B' of a window's row of activations.
WinogradRow winogradActivations(KernelBuilder &k, const WinogradForm &form, const WinogradRow &d);
/// G of a row of three weights.
WinogradRow winogradWeights(KernelBuilder &k, const WinogradForm &form, Val w0, Val w1, Val w2);
/// The same of bytes that are rows of three trits, see tri_pack_panels3: 512 bits with vpermb, whose tables have 64 bytes.
WinogradRow winogradWeightsOfTaps(KernelBuilder &k, Val taps);
/// Its tables, and a look-up.
WinogradRow winogradTables(KernelBuilder &k);
Val winogradLookup(KernelBuilder &k, Val table, Val taps);
/// A of a row of sums.
WinogradRow winogradSums(KernelBuilder &k, const WinogradForm &form, const WinogradRow &m);

/// A pixel of a tensor.
Val pixelAt(KernelBuilder &k, Val pointer, const PlaneStrides &s, Val image, Val y, Val x);
/// What the end of a tile writes and reads beside sums, whose first result is that pixel.
TilePointers tileAt(KernelBuilder &k, const ConvShape &shape, const Epilogue &epilogue, const TilePointers &block, Val image, Val y, Val x);

/// How many tiles the last fill of a group computes for `tiles` that are left, where whole ones take `most`: there is code for few sizes.
int64_t winogradFill(int64_t tiles, int64_t most);

/// Sizes that follow from a shape and a choice, in bytes where nothing else is said.
///
/// The words' form has V of a group as [position][tile] and M as [tile]. The bytes' form goes by fills, which are as many tiles as the register tile
/// takes: V is [fill][position][tile of the fill], so that what a tile of activations is written to lies close together, and M is of one fill.
struct WinogradGeometry {
  WinogradGeometry(const ConvShape &shape, const WinogradChoice &choice);

  WinogradForm form;
  int64_t tilesX, tilesY;
  int64_t steps;    ///< of the products, kr channels each
  int64_t elements; ///< of V and U in a vector
  int64_t laneBytes, nr, blocks, panel;
  int64_t vectors = 0; ///< of V: the channels of a tile and position
  int64_t vTile = 0, vPosition = 0, vFill = 0, uPosition = 0, uBlock = 0, mVector = 0, mTile = 0, uAt = 0, mAt = 0, scratch = 0;
  // Bytes only. A block of a group fetches the panel of the block after the next, or of the next layer; where U is kept, a share of the next
  // layer's weights, taken to lie behind and to be as many.
  int64_t fetchBytes = 0, fetchStep = 0; ///< of a block of a group; what a step of the products adds to an address * 256
  int64_t uSlice = 0;                    ///< steps of the next block's U that are made after each position of a fill
  bool keepsU = false; ///< U of all blocks is made before all groups
};

} // namespace triton
