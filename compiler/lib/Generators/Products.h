// Generators of products: convolution (implicit GEMM over taps), linear layers (GEMM and GEMV), depthwise convolution.
// Each writes one private function for a shape; layers of the same shape share it.
#pragma once

#include "DotTile.h"

#include <optional>

namespace triton {

/// Where the positions of a tensor lie, in bytes. Channels of one position are contiguous.
struct PlaneStrides {
  int64_t image = 0, row = 0, pixel = 0;
};

/// A convolution as its generator sees it; activations are NHWC with a physical zero halo.
struct ConvShape {
  int64_t channels = 1, outputs = 1;           ///< of one group
  int64_t kernelH = 1, kernelW = 1, strideH = 1, strideW = 1, dilationH = 1, dilationW = 1;
  int64_t outH = 1, outW = 1;
  PlaneStrides x, out, residual;               ///< x: the pointer is at the first tap of output (0, 0)
  int64_t storedChannels = 1;                  ///< channels of the output in memory, outputs and padding
  bool rowRuns = false;                        ///< few channels without padding: a run is a row of taps, kernelW * channels bytes
  int64_t haloH = 0, haloW = 0;                ///< of the output, to be filled with zeros
};

/// A linear layer: rows of x by panels of weights.
struct LinearShape {
  int64_t inputs = 1, outputs = 1, storedChannels = 1;
  bool twoBit = false; ///< weights as t2 panels: emitLinear takes writeTwoBitLinear
  bool streams = false; ///< the weights do not stay close from run to run: they are fetched ahead
  Reduction reduction;
  int64_t xRow = 0, outRow = 0, residualRow = 0; ///< bytes between rows
  int64_t rows = 0;                              ///< if they are known: tiles that fit them
};

/// Channels that the depthwise generator takes at once; its weights lie as [C / 16][taps][16].
constexpr int64_t kDepthwiseLanes = 16;

/// A depthwise convolution (one input and one output channel a group), vectorised over channels.
struct DepthwiseShape {
  ConvShape conv;       ///< channels = outputs = the channel count
  bool actUnsigned = true, trits = true;
  int64_t sumBound = 0; ///< of |acc|: 16-bit sums where they fit
};

/// The reduction that a convolution's layout gives.
Reduction convReduction(const ConvShape &shape, const DotSpec &dot);

/// True if a convolution that multiplies words should first widen the rows that one row of the output reads: few enough to stay close.
bool wideRowsPay(const TargetDesc &target, const ConvShape &shape);
/// Bytes of scratch that PaScratch points at; 0 if the convolution needs none.
int64_t convScratch(const ConvShape &shape, const TileChoice &tile);

/// Estimated vector instructions of the direct form for a batch.
double directInstructions(const TargetDesc &target, const ConvShape &shape, const TileChoice &tile, int64_t batch);

/// About how long the direct form takes for a batch, in vector additions: products, unpacking, and weights from where they lie in a network with
/// `allWeights` weights.
double directTime(const TargetDesc &target, const ConvShape &shape, const TileChoice &tile, int64_t batch, uint64_t allWeights);
/// The tile for weights of two bits, given that for bytes; nothing if they cannot be taken: they need trits, on vpdpbusd with 512 bits.
std::optional<TileChoice> twoBitTile(const TargetDesc &target, const ConvShape &shape, const TileChoice &tile, bool trits);
/// True if they are estimated to take less than `most` times as long; never for a layer whose bytes fit the first-level cache.
bool twoBitPays(const TargetDesc &target, const ConvShape &shape, const TileChoice &bytes, const TileChoice &twoBit, int64_t batch, uint64_t allWeights,
                double most);

/// The arguments of a product function, in order. Unused pointers are null.
enum ProductArgument { PaX, PaWeights, PaStart, PaM, PaB, PaScale, PaResidual, PaOut, PaRows, PaPart, PaParts, PaThreads, PaScratch, PaCount };

/// Write (once) the function for a shape and return its name. `label` begins the name: "conv3x3_u8_t".
/// PaRows is the batch for convolutions, the number of rows for linear layers. A call does part PaPart of PaParts, which PaThreads threads do.
std::string emitConv(KernelBuilder &k, const std::string &label, const ConvShape &shape, const TileChoice &tile, const Epilogue &epilogue);
std::string emitLinear(KernelBuilder &k, const std::string &label, const LinearShape &shape, const TileChoice &tile,
                       const Epilogue &epilogue);
std::string emitDepthwise(KernelBuilder &k, const std::string &label, const DepthwiseShape &shape, const Epilogue &epilogue);

/// Channels that emitDepthwiseDot takes at once; tables and weights are padded to it.
constexpr int64_t kDepthwiseDotChannels = 64;
/// True if emitDepthwiseDot covers a shape on a target: vpdpbusd with 512 bits, windows of at most 4 x 4.
bool depthwiseDotTakes(const TargetDesc &target, const DepthwiseShape &shape, const Epilogue &epilogue);
/// The channel whose weights and factors stand at a position.
int64_t depthwiseDotChannel(int64_t position);
/// Bytes of scratch that PaScratch points at.
int64_t depthwiseDotScratch(const DepthwiseShape &shape);
/// As emitDepthwise with other orders: weights as panels [positions][kernelW][kernelH] of 16 x 4, m, b and start by position.
std::string emitDepthwiseDot(KernelBuilder &k, const std::string &label, const DepthwiseShape &shape, const Epilogue &epilogue);

/// Whether a layer's weights are fetched ahead in a network with `allWeights` weights: with at most a quarter of that in bytes they stay in any
/// second-level cache.
constexpr bool weightsStream(uint64_t allWeights) { return allWeights > (1 << 19); }

/// True if weights of two bits pay: trits that do not fit the first-level cache as bytes, on vpdpbusd with 512 bits.
bool twoBitTakes(const TargetDesc &target, const LinearShape &shape, bool trits);
/// Bytes of scratch that PaScratch points at.
int64_t twoBitScratch(const TargetDesc &target, const LinearShape &shape);
/// Its tile where there are many rows, for people: "6x64".
std::string twoBitTileName(const LinearShape &shape, const TileChoice &tile);
/// The body of emitLinear's function. PaStart: 128 * sum(w) for unsigned codes, -128 * sum(w) for signed ones.
void writeTwoBitLinear(KernelBuilder &k, const LinearShape &shape, const TileChoice &tile, const Epilogue &epilogue, const std::vector<Val> &args);

/// Part `part` of `parts` of 0..count.
struct Range {
  Val from, to;
};
Range partition(KernelBuilder &k, Val count, Val part, Val parts);

/// Covers rows by tiles of at most `positions` rows, of several heights the one that costs least for their number; the last tile overlaps
/// its neighbour. `known`: about how many rows there are, if that is known.
void forRowTiles(KernelBuilder &k, const Range &rows, int64_t positions, const std::function<void(Val row, int64_t positions)> &body,
                 int64_t known = 0);

/// Fills the halo of an NHWC tensor with zeros, or what stands for them; all parts together cover it. `out` is at element
/// (0, 0, 0).
void emitZeroHalo(KernelBuilder &k, Val out, const PlaneStrides &strides, int64_t height, int64_t width, int64_t pixelBytes,
                  int64_t haloH, int64_t haloW, Val batch, Val part, Val parts, int64_t fill = 0);

} // namespace triton
