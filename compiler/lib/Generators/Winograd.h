// 3x3 convolutions of stride 1 with a quarter of the products: exact integer Winograd F(4x4, 3x3) on 16-bit words.
// What is computed, why it is exact, and when it pays: docs/rfcs/0004-winograd.md.
#pragma once

#include "Products.h"

#include <optional>

namespace triton {

/// The transforms, scaled to integers: V = B'dB of 6x6 activations, U = GgG' of 3x3 weights, M = the sum over channels of U * V, and
/// A M A' = kWinogradScale * result.
inline constexpr int kWinogradB[6][6] = {{4, 0, -5, 0, 1, 0}, {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                         {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
inline constexpr int kWinogradG[6][3] = {{6, 0, 0}, {4, 4, 4}, {4, -4, 4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 24}};
inline constexpr int kWinogradA[4][6] = {{1, -1, -1, 1, 1, 0}, {0, -1, 1, 2, -2, 0}, {0, -1, -1, 4, 4, 0}, {0, -1, 1, 8, -8, 1}};
inline constexpr int kWinogradScale = 576; ///< 9 * 2^6

/// The largest |result| whose 9-fold a binary32 holds: then its 576-fold is one too, and multiplied by the binary32 next to 1 / 576, which is off by
/// 2^-27 of itself, it rounds to the result.
inline constexpr int64_t kWinogradMostSum = (int64_t(1) << 24) / 9;

/// How a convolution is computed this way.
struct WinogradChoice {
  TileChoice tile;           ///< of the products: tiles of the output by channels
  int64_t groupRows = 1;     ///< rows of tiles that are transformed together
  double cost = 0, directCost = 0; ///< estimated vector instructions of a batch of one, this way and directly
  bool pays() const { return cost < directCost; }
};

/// The choice for a convolution that the generator takes on this target: x86 with at least 256 bits, windows of 3x3 with stride and dilation
/// 1, at least 4x4 results, trits. `mostSum`: the largest |sum| that the stored activations (code + 128 where `excess`) can give.
/// `batch`: 1 if it is not known.
std::optional<WinogradChoice> chooseWinograd(const TargetDesc &target, const ConvShape &shape, const TileChoice &direct, bool trits,
                                             bool actUnsigned, bool excess, double mostSum, int64_t batch);

/// Panels that PaWeights points at: [outputs][9][channels] of nr = tile.dot.nr(), kr = 2. Bytes of scratch that PaScratch points at:
int64_t winogradScratch(const ConvShape &shape, const WinogradChoice &choice);

/// As emitConv. PaStart is read where the activations are stored as code + 128.
std::string emitWinograd(KernelBuilder &k, const std::string &label, const ConvShape &shape, const WinogradChoice &choice,
                         const Epilogue &epilogue);

} // namespace triton
