// 3x3 convolutions of stride 1 with a quarter of the products: exact integer Winograd F(4x4, 3x3) on 16-bit words.
// What is computed, why it is exact, and when it pays: docs/rfcs/0004-winograd.md.
#pragma once

#include "Products.h"

#include <optional>

namespace triton {

/// The transforms, scaled to integers: V = B'dB of 6x6 activations, U = GgG' of 3x3 weights, M = the sum over channels of U * V, and
/// A M A' = kWinogradRowScale[i] * kWinogradRowScale[j] * result(i, j).
inline constexpr int kWinogradB[6][6] = {{4, 0, -5, 0, 1, 0}, {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                         {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
inline constexpr int kWinogradG[6][3] = {{1, 0, 0}, {-1, -1, -1}, {-1, 1, -1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 1}};
inline constexpr int kWinogradA[4][6] = {{6, 4, 4, 1, 1, 0}, {0, 2, -2, 1, -1, 0}, {0, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 6}};
inline constexpr int kWinogradRowScale[4] = {24, 12, 6, 6}; ///< each 3 * 2^kWinogradRowShift
inline constexpr int kWinogradRowShift[4] = {3, 2, 1, 1};
/// 9 times this is 1 modulo 2^32.
inline constexpr uint32_t kWinogradInverse9 = 0x38E38E39;

/// The largest |result| that comes back from its 64-fold in 32 bits.
inline constexpr int64_t kWinogradMostSum = (int64_t(1) << 25) - 1;

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
