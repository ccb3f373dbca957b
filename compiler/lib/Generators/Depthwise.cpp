// Depthwise convolution: lanes are channels, 16 at a time; a row of P pixels shares the taps' weights.
//
//   for a row, for 16 channels, for P pixels:  acc[p] += x[p + tap] * w[tap], 16-bit where the bound of the sum allows
//
// The end (requantisation, residual, store) is that of the register tile.
#include "ProductLoops.h"

#include <algorithm>

using namespace mlir;

namespace triton {

/// 16-bit sums hold every result.
static bool isNarrow(const DepthwiseShape &shape) { return shape.sumBound <= 32767; }

/// Pixels that share the weights.
static int64_t positionsFor(const TargetDesc &target, const DepthwiseShape &shape) {
  // One vector of 16 sums takes this many registers of the target.
  int64_t registers = std::max<int64_t>(1, kDepthwiseLanes * (isNarrow(shape) ? 2 : 4) / int64_t(target.vectorBytes)), positions = 1;
  int64_t limit = std::clamp<int64_t>(int64_t(target.vectorRegisters) / 2 / registers, 1, 8), outW = shape.conv.outW;
  double best = 1e300;
  for (int64_t p = std::min(limit, outW); p >= 1; --p)
    if (double cost = double((outW + p - 1) / p) * (double(p) + 1.0); cost < best)
      best = cost, positions = p;
  return positions;
}

static void writeDepthwise(KernelBuilder &k, const DepthwiseShape &shape, const Epilogue &epilogue, const std::vector<Val> &args) {
  const ConvShape &conv = shape.conv;
  int64_t lanes = kDepthwiseLanes, positions = positionsFor(k.target(), shape);
  bool narrow = isNarrow(shape);
  int64_t taps = conv.kernelH * conv.kernelW, tiles = (conv.outW + positions - 1) / positions;
  Type word = narrow ? k.i16() : k.i32();
  Type words = k.vec(lanes, word);
  Range range = partition(k, args[PaRows] * k.index(conv.outH), args[PaPart], args[PaParts]);

  auto tile = [&](Val x, Val out, Val residual, Val weights, Val m, Val b, int64_t channels) {
    std::vector<Val> acc(positions, k.constantInt(words, 0));
    for (int64_t tap = 0; tap < taps; ++tap) {
      Val w = k.signExtend(k.load(k.vec(lanes, k.i8()), k.offset(weights, tap * lanes), 16), word);
      int64_t at = tap / conv.kernelW * conv.dilationH * conv.x.row + tap % conv.kernelW * conv.dilationW * conv.x.pixel;
      for (int64_t p = 0; p < positions; ++p) {
        Val bytes = k.load(k.vec(lanes, k.i8()), k.offset(x, at + p * conv.strideW * conv.x.pixel));
        Val a = shape.actUnsigned ? k.zeroExtend(bytes, word) : k.signExtend(bytes, word);
        acc[p] = acc[p] + a * w;
      }
    }
    for (int64_t p = 0; p < positions; ++p) {
      Val sum = narrow ? k.signExtend(acc[p], k.i32()) : acc[p];
      emitEpilogue(k, epilogue, sum, m, b, {}, residual ? k.offset(residual, p * conv.residual.pixel) : Val(),
                   k.offset(out, p * conv.out.pixel), lanes, channels);
    }
  };
  k.forLoop(range.from, range.to, 1, [&](Val unit) {
    Val image = unit / k.index(conv.outH), y = unit - image * k.index(conv.outH);
    auto rowOf = [&](Val pointer, const PlaneStrides &s, int64_t step) {
      return k.offset(k.offset(pointer, image * k.index(s.image)), y * k.index(s.row * step));
    };
    bool hasResidual = epilogue.residual != Epilogue::Residual::None;
    Val x = rowOf(args[PaX], conv.x, conv.strideH), out = rowOf(args[PaOut], conv.out, 1);
    Val residual = hasResidual ? rowOf(args[PaResidual], conv.residual, 1) : Val();
    auto block = [&](Val index, int64_t channels) {
      Val first = index * k.index(lanes);
      Val weights = k.offset(args[PaWeights], first * k.index(taps));
      Val m = k.load(k.vec(lanes, k.f32()), k.offset(args[PaM], first * k.index(4)), 64);
      Val b = k.load(k.vec(lanes, k.f32()), k.offset(args[PaB], first * k.index(4)), 64);
      k.forLoop(0, tiles, 1, [&](Val i) {
        Val px = minOf(i * k.index(positions), k.index(conv.outW - positions));
        auto at = [&](Val pointer, int64_t pixel, int64_t bytes) {
          return k.offset(k.offset(pointer, px * k.index(pixel)), first * k.index(bytes));
        };
        tile(at(x, conv.strideW * conv.x.pixel, 1), at(out, conv.out.pixel, epilogue.outBytes()),
             hasResidual ? at(residual, conv.residual.pixel, epilogue.residualBytes()) : Val(), weights, m, b, channels);
      });
    };
    int64_t whole = conv.outputs / lanes, rest = conv.outputs % lanes;
    if (whole > 0)
      k.forLoop(0, whole, 1, [&](Val index) { block(index, lanes); });
    if (rest > 0)
      block(k.index(whole), rest);
  });
  emitZeroHalo(k, args[PaOut], conv.out, conv.outH, conv.outW, conv.out.pixel, conv.haloH, conv.haloW, args[PaRows], args[PaPart],
               args[PaParts], epilogue.excess ? -128 : 0);
}

std::string emitDepthwise(KernelBuilder &k, const std::string &label, const DepthwiseShape &shape, const Epilogue &epilogue) {
  DepthwiseShape own = shape;
  own.trits = true; // a weight is a byte
  own.sumBound = isNarrow(shape) ? 0 : INT64_MAX;
  return productKernel(k, label + "_" + std::to_string(positionsFor(k.target(), own)) + "x16", Recipe("depthwise", own, epilogue),
                       [&](const std::vector<Val> &args) { writeDepthwise(k, own, epilogue, args); });
}

} // namespace triton
