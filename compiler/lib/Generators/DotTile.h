// The register tile of every product: P positions (pixels or rows) by V vectors of output channels.
//
//            weights: one panel of NR = V * lanes channels, KR steps of the reduction a lane
//   x[p] --> broadcast of KR bytes --> acc[p][v] += dot(x, w[v])      accumulators never leave registers
//
// All sums are exact in 32 bits; the compiler has proven that they fit.
#pragma once

#include "KernelBuilder.h"

namespace triton {

/// The reduction of one output: nested loops over taps around a run of contiguous elements. Weights lie in the same order without gaps.
struct Reduction {
  struct Level {
    int64_t count;   ///< iterations
    int64_t xStride; ///< bytes between them in the activations
  };
  std::vector<Level> levels; ///< outermost first
  int64_t steps = 1;         ///< of KR elements each, contiguous
  /// Of all levels together.
  int64_t allSteps() const {
    int64_t all = steps;
    for (const Level &level : levels)
      all *= level.count;
    return all;
  }
};

/// What a tile computes with.
struct DotSpec {
  DotKind kind = DotKind::MaddWd;
  bool actUnsigned = true;
  bool excess = false; ///< signed codes lie in memory as code + 128 (Layout::excess)
  bool wide = false;   ///< MaddWd: activations lie as 16-bit words, so that a broadcast of two steps is one load
  bool twoBit = false; ///< Dpbusd: weights are t2 panels, unpacked in registers for each tile
  int64_t lanes = 4;   ///< 32-bit lanes of a vector
  int64_t vectors = 2; ///< V of a panel
  int64_t kr() const { return dotSteps(kind); }
  int64_t nr() const { return lanes * vectors; }
  int64_t xBytes() const { return wide ? 2 * kr() : kr(); } ///< of the activations, one step
  int64_t packed() const { return twoBit ? 4 : 1; }         ///< steps whose weights lie in one byte
  /// Signed codes go to an unsigned instruction as code + 128; the sums then start at -128 * sum(w). Unless they lie so in memory,
  /// every broadcast adds the 128.
  bool biased() const { return dotWantsUnsigned(kind) && !actUnsigned; }
};

/// So far ahead of its use a stream of weights is fetched into the second-level cache: the processor's own prefetchers follow a stream not as far as memory is
/// away. Above 4 KiB more makes no difference; it is what a core that reads 16 GB/s waits for 0.5 us.
constexpr int64_t kFetchedAhead = 8192;
/// Fetches the lines so far ahead of the `bytes` at `weights`.
void fetchAhead(KernelBuilder &k, Val weights, int64_t bytes);

/// How a target's registers are shared out.
struct TileChoice {
  DotSpec dot;
  int64_t positions = 1; ///< P
  std::string name() const; ///< "14x32"
};

/// The most positions whose sums stay in registers with panels of `vectors` vectors.
int64_t mostPositions(const TargetDesc &target, const DotSpec &dot, int64_t vectors);

/// Chooses the tile for `channels` outputs at `width` positions in a row (0: as many as one likes). `wide`: activations may be given as words
/// to what multiplies words.
TileChoice chooseTile(const TargetDesc &target, bool trits, bool actUnsigned, int64_t channels, int64_t width, bool excess = false,
                      bool wide = false, int64_t inputs = 0);

/// The tiles of a row: the first ones have the tile's positions, then come some with one less. Together they are the row; where that is not possible, or two
/// kinds of tiles in one function leave too few registers for addresses (128-bit vectors), the last one overlaps its neighbour, and low is 0.
struct RowTiles {
  RowTiles(const TargetDesc &target, int64_t width, int64_t positions);
  int64_t high, low;
};

/// The width of equal tiles, at most `most`, that cover `count` positions at the least cost: a tile, the last one too, costs as much as its positions
/// and `overhead` more.
int64_t cheapestPositions(int64_t most, int64_t count, double overhead);

/// What happens to finished sums: y = fma(f(acc), m, t), then codes or reals. Arrays are padded to whole panels.
struct Epilogue {
  enum class Out : uint8_t { Codes, Real, Sums } out = Out::Codes;
  int64_t lo = 0, hi = 0;
  enum class Residual : uint8_t { None, Signed, Unsigned, Real, Excess } residual = Residual::None; ///< Excess: code + 128
  float residualM = 1.0f;
  enum class Scale : uint8_t { None, PerTensor, PerRow } scale = Scale::None;
  bool excess = false;  ///< codes are stored as code + 128
  bool bounded = false; ///< |y| < 2^30 for all sums that can occur: y may be rounded to an integer before it is clamped
  int64_t outBytes() const { return out == Out::Codes ? 1 : 4; }
  int64_t residualBytes() const { return residual == Residual::Real ? 4 : 1; }
};

/// Pointers of one tile, already at its block of channels and its first position.
struct TilePointers {
  Val x, weights, start, m, b, scale, residual, out;
  Val prefetch, prefetchStep; ///< (may be absent) an address * 256 to fetch into the second-level cache, and what each step adds to it
  bool streams = false;                                    ///< weights are fetched kFetchedAhead before they are used
  int64_t xStride = 0, residualStride = 0, outStride = 0; ///< bytes between positions
  int64_t scaleStride = 0;
};

/// fma(f(sum), m, t) for one vector of sums, integers or integral reals: m and b are vectors, `scale` and `residual` may be absent.
Val emitAffine(KernelBuilder &k, const Epilogue &epilogue, Val sum, Val m, Val b, Val scale, Val residual, int64_t lanes);
/// True if sums may end by emitPackedCodes.
bool endsPacked(const TargetDesc &target, const Epilogue &epilogue);
/// Reals to codes, four vectors at once: rounded, packed with saturation, clamped as bytes. `epilogue` is endsPacked. Not
/// in order: as packToBytes.
Val emitPackedCodes(KernelBuilder &k, const Epilogue &epilogue, mlir::ArrayRef<Val> four, bool inOrder = true);
/// The same from reals that were rounded to integers. What is beyond 16 bits counts as their nearest.
Val emitPackedInts(KernelBuilder &k, const Epilogue &epilogue, mlir::ArrayRef<Val> four, bool inOrder = true);
/// Emits the end of one vector of sums: m and b are vectors, `scale` (may be absent) a scalar, `channels` lanes are stored.
void emitEpilogue(KernelBuilder &k, const Epilogue &epilogue, Val sum, Val m, Val b, Val scale, Val residual, Val out, int64_t lanes,
                  int64_t channels);

/// Emits the end of a whole tile: sums[p * vectors + v].
void emitTileEnd(KernelBuilder &k, const Epilogue &epilogue, mlir::ArrayRef<Val> sums, const TilePointers &at, int64_t lanes,
                 int64_t positions, int64_t vectors, int64_t lanesOfLast);

/// Emits one tile: P positions, the first `vectors` vectors of the panel, `lanesOfLast` channels stored of the last one. Returns where
/// the next tile's prefetch goes on.
Val emitTile(KernelBuilder &k, const DotSpec &dot, const Reduction &reduction, const Epilogue &epilogue, const TilePointers &at,
              int64_t positions, int64_t vectors, int64_t lanesOfLast);

} // namespace triton
