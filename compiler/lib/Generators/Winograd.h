// 3x3 convolutions of stride 1 with fewer products: exact integer Winograd, F(4x4, 3x3) on 16-bit words and, where activations have at most six
// bits, F(2x2, 3x3) on bytes, or F(1x2, 3x3), which is F(2, 3) along rows alone. What is computed, why it is exact, and when it pays: docs/rfcs/0004-winograd.md.
#pragma once

#include "Products.h"

#include <optional>
#include <string>
#include <vector>

namespace triton {

/// The transforms, scaled to integers: V = B'dB of 6x6 activations, U = GgG' of 3x3 weights, M = the sum over channels of U * V, and
/// A M A' = kWinogradScale * result.
inline constexpr int kWinogradB[6][6] = {{4, 0, -5, 0, 1, 0}, {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                         {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
inline constexpr int kWinogradG[6][3] = {{6, 0, 0}, {4, 4, 4}, {4, -4, 4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 24}};
inline constexpr int kWinogradA[4][6] = {{1, -1, -1, 1, 1, 0}, {0, -1, 1, 2, -2, 0}, {0, -1, -1, 4, 4, 0}, {0, -1, 1, 8, -8, 1}};
inline constexpr int kWinogradScale = 576; ///< 9 * 2^6

/// The same of 4x4 activations: A M A' = 4 * result.
inline constexpr int kWinogradBytesB[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
inline constexpr int kWinogradBytesG[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
inline constexpr int kWinogradBytesA[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};

/// The largest |result| of the words' form whose 9-fold a binary32 holds: then its 576-fold is one too, and multiplied by the binary32 next to
/// 1 / 576, which is off by 2^-27 of itself, it rounds to the result.
inline constexpr int64_t kWinogradMostSum = (int64_t(1) << 24) / 9;

/// The greatest |code| of which the bytes' form can add four: all of one sign for unsigned codes, two of each else.
constexpr int64_t winogradMostCode(bool actUnsigned) { return actUnsigned ? 63 : 31; }
/// The greatest |code| of which the rows' form can add two.
constexpr int64_t winogradRowsMostCode(bool actUnsigned) { return actUnsigned ? 127 : 63; }

/// Sizes of a form, which the products' instruction says.
struct WinogradForm {
  int64_t tile = 4;         ///< results, of this many squared, or in a row
  int64_t elementBytes = 2; ///< of V and U
  bool rows = false;        ///< transforms go along rows alone
  int64_t window() const { return tile + 2; }
  int64_t positions() const { return rows ? window() : window() * window(); }
  bool bytes() const { return elementBytes == 1; }
};

/// How a convolution is computed this way.
struct WinogradChoice {
  TileChoice tile;           ///< of the products: tiles of the output by channels. Dpbusd: bytes, MaddWd: words
  int64_t groupRows = 1;     ///< rows of tiles that are transformed together
  bool taps = false;         ///< bytes: weights as t3 panels, whose bytes are indices of tables with a row of U
  bool rows = false;         ///< F(1x2), which wants `taps`
  double cost = 0, directCost = 0; ///< estimated vector instructions of a batch of one, this way and directly
  bool pays() const { return cost < directCost; }
  WinogradForm form() const { return tile.dot.kind == DotKind::Dpbusd ? WinogradForm{2, 1, rows} : WinogradForm{4, 2}; }
  std::string name() const; ///< "Winograd F(4x4)"
};

/// What decides which forms are exact.
struct WinogradOperands {
  bool trits = true, actUnsigned = true;
  bool excess = false;    ///< signed activations lie as code + 128
  int64_t mostCode = 255; ///< the greatest |code|
  double mostSum = 0;     ///< the largest |sum| that the stored activations (code + 128 where `excess`) can give
};

/// The forms that a convolution can take on this target, the cheapest first: x86 with at least 256 bits, windows of 3x3 with stride and dilation
/// 1, at least a tile of results, trits. `batch`: 1 if it is not known.
std::vector<WinogradChoice> winogradChoices(const TargetDesc &target, const ConvShape &shape, const TileChoice &direct,
                                            const WinogradOperands &operands, int64_t batch);
/// A choice with so many rows of tiles at once; not of the rows' form.
WinogradChoice regrouped(const TargetDesc &target, const ConvShape &shape, WinogradChoice choice, int64_t batch, int64_t groupRows);

/// What PaStart points at for the bytes' form, from weights [outputs][9][channels]: [4][places] of the corners' sums (0, 0), (0, 3), (3, 0) and
/// (3, 3) before any product, for V + 128.
std::vector<int32_t> winogradStarts(const std::vector<int8_t> &weights, int64_t outputs, int64_t places, bool actUnsigned);
/// The same for the rows' form: [2][places] of the sums 0 and 3.
std::vector<int32_t> winogradRowsStarts(const std::vector<int8_t> &weights, int64_t outputs, int64_t places, bool actUnsigned);
/// The places of a plane of these.
constexpr int64_t winogradPlaces(int64_t outputs) { return (outputs + 63) / 64 * 64; }

/// Panels that PaWeights points at: [outputs][9][channels] of nr = tile.dot.nr(), kr = tile.dot.kr(), t3 if `taps`. Bytes of scratch that PaScratch points at:
int64_t winogradScratch(const ConvShape &shape, const WinogradChoice &choice);

/// As emitConv. PaStart: winogradStarts, or where words are multiplied and the activations are stored as code + 128, -128 * sum(w).
std::string emitWinograd(KernelBuilder &k, const std::string &label, const ConvShape &shape, const WinogradChoice &choice,
                         const Epilogue &epilogue);

} // namespace triton
