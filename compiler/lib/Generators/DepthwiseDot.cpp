// Depthwise convolution on vpdpbusd: the four bytes of a lane are four rows of one channel.
//
//   row y   c0 c1 ...   \                               weights of output row 0: w0 w1 w2 0
//   row y+1 c0 c1 ...    } interleaved: c0c0c0c0 c1...  weights of output row 1: 0 w0 w1 w2
//   row y+2, row y+3    /
//
// A column of the window is interleaved once and serves two output rows (stride 1) and all positions that it belongs to: it stays in
// registers while the window moves. Interleaving works within 128 bits, so vector q holds channels 16 * L + 4 * q + i at dword 4 * L + i; the
// weights and the factors m and b come in that order, and packing the results to bytes undoes it.
#include "ProductLoops.h"

#include <algorithm>

using namespace mlir;

namespace triton {

namespace {

constexpr int64_t kVectors = kDepthwiseDotChannels / 16;

/// Interleaves within 128 bits: the low or high halves of the lanes of a and b.
Val interleave(KernelBuilder &k, Val a, Val b, bool high) {
  int64_t count = cast<VectorType>(a.type()).getNumElements(), perLane = 16 / (64 / count), half = perLane / 2;
  llvm::SmallVector<int32_t> order;
  for (int64_t lane = 0; lane < count; lane += perLane)
    for (int64_t i = 0; i < half; ++i) {
      order.push_back(int32_t(lane + i + (high ? half : 0)));
      order.push_back(int32_t(count + lane + i + (high ? half : 0)));
    }
  return k.shuffle(a, b, order);
}

class DepthwiseDot {
public:
  DepthwiseDot(KernelBuilder &k, const DepthwiseShape &shape, const Epilogue &epilogue)
      : k(k), conv(shape.conv), isUnsigned(shape.actUnsigned), epilogue(epilogue), together(conv.strideH == 1 && conv.outH > 1 && conv.kernelH <= 3 ? 2 : 1),
        carried(std::max<int64_t>(0, conv.kernelW - conv.strideW)) {}

  void emit(const std::vector<Val> &args) {
    int64_t units = (conv.outH + together - 1) / together, blockBytes = kVectors * conv.kernelW * 64;
    Range range = partition(k, args[PaRows] * k.index(units), args[PaPart], args[PaParts]);
    auto block = [&](Val index, int64_t channels) {
      Val first = index * k.index(kDepthwiseDotChannels);
      weights = k.offset(args[PaWeights], index * k.index(blockBytes));
      m = k.offset(args[PaM], first * k.index(4));
      b = k.offset(args[PaB], first * k.index(4));
      start = isUnsigned ? Val() : k.offset(args[PaStart], first * k.index(4));
      shifted = args[PaScratch];
      if (together == 2)
        for (int64_t at = 0; at < blockBytes; at += 64)
          k.store(k.shiftLeft(k.load(i32s(), k.offset(weights, at), 64), 8), k.offset(shifted, at), 64);
      k.forLoop(range.from, range.to, 1, [&](Val unit) {
        Val image = unit / k.index(units), y = (unit - image * k.index(units)) * k.index(together);
        Val x = k.offset(k.offset(args[PaX], first), image * k.index(conv.x.image) + y * k.index(conv.strideH * conv.x.row));
        Val out = k.offset(k.offset(args[PaOut], first), image * k.index(conv.out.image) + y * k.index(conv.out.row));
        if (together == 1 || conv.outH % 2 == 0)
          return row(x, out, together, channels);
        k.ifElse(compare(Cmp::Lt, y, k.index(conv.outH - 1)), {}, [&] { return row(x, out, 2, channels), std::vector<Val>(); },
                 [&] { return row(x, out, 1, channels), std::vector<Val>(); });
      });
    };
    int64_t whole = conv.outputs / kDepthwiseDotChannels, rest = conv.outputs % kDepthwiseDotChannels;
    if (whole > 0)
      k.forLoop(0, whole, 1, [&](Val index) { block(index, kDepthwiseDotChannels); });
    if (rest > 0)
      block(k.index(whole), rest);
  }

private:
  using Column = std::vector<Val>; // kVectors of them

  Type i32s() { return k.vec(16, k.i32()); }

  /// Column `at` bytes right of x, `rows` of it being read; the weights of the others are zero.
  Column column(Val x, int64_t at, int64_t rows) {
    Type bytes = k.vec(64, k.i8()), words = k.vec(32, k.i16());
    Val r[4];
    for (int64_t i = 0; i < 4; ++i) {
      if (i > 0 && i >= rows) {
        r[i] = r[0];
        continue;
      }
      r[i] = k.load(bytes, k.offset(x, at + i * conv.dilationH * conv.x.row));
      if (!isUnsigned)
        r[i] = r[i] ^ k.constantInt(bytes, -128);
    }
    Column result;
    for (bool high : {false, true}) {
      Val upper = k.bitcast(interleave(k, r[0], r[1], high), words), lower = k.bitcast(interleave(k, r[2], r[3], high), words);
      for (bool quarter : {false, true})
        result.push_back(k.bitcast(interleave(k, upper, lower, quarter), i32s()));
    }
    return result;
  }

  /// One position of `rows` output rows from its columns.
  void position(const std::vector<Column> &columns, Val out, int64_t at, int64_t rows, int64_t channels) {
    for (int64_t r = 0; r < rows; ++r) {
      llvm::SmallVector<Val, 4> ends;
      for (int64_t q = 0; q < kVectors; ++q) {
        Val acc = start ? k.load(i32s(), k.offset(start, q * 64), 64) : k.constantInt(i32s(), 0);
        for (int64_t s = 0; s < conv.kernelW; ++s) {
          Val w = k.load(i32s(), k.offset(r == 0 ? weights : shifted, (q * conv.kernelW + s) * 64), 64);
          acc = k.intrinsic("llvm.x86.avx512.vpdpbusd.512", i32s(), {acc, columns[s][q], w});
        }
        Type f32s = k.vec(16, k.f32());
        ends.push_back(emitAffine(k, epilogue, acc, k.load(f32s, k.offset(m, q * 64), 64), k.load(f32s, k.offset(b, q * 64), 64), {}, {}, 16));
      }
      k.storeLanes(emitPackedCodes(k, epilogue, ends, false), channels, k.offset(out, at + r * conv.out.row));
    }
  }

  /// `count` positions in a row of `rows` output rows; takes and gives the columns that the next one shares.
  std::vector<Val> positions(Val x, Val out, int64_t count, int64_t rows, int64_t channels, std::vector<Val> values) {
    int64_t inputs = conv.kernelH + (rows - 1) * conv.strideH;
    std::vector<Column> columns;
    for (int64_t c = 0; c < carried; ++c)
      columns.emplace_back(values.begin() + c * kVectors, values.begin() + (c + 1) * kVectors);
    for (int64_t p = 0; p < count; ++p) {
      for (int64_t s = int64_t(columns.size()); s < conv.kernelW; ++s)
        columns.push_back(column(x, p * conv.strideW * conv.x.pixel + s * conv.dilationW * conv.x.pixel, inputs));
      position(columns, out, p * conv.out.pixel, rows, channels);
      columns.erase(columns.begin(), columns.begin() + std::min(conv.strideW, conv.kernelW));
    }
    std::vector<Val> next;
    for (const Column &c : columns)
      next.insert(next.end(), c.begin(), c.end());
    return next;
  }

  void row(Val x, Val out, int64_t rows, int64_t channels) {
    int64_t inputs = conv.kernelH + (rows - 1) * conv.strideH, step = std::min<int64_t>(conv.outW, conv.strideW == 1 ? 3 : 2);
    std::vector<Val> values;
    for (int64_t c = 0; c < carried; ++c)
      for (Val v : column(x, c * conv.x.pixel, inputs))
        values.push_back(v);
    int64_t whole = conv.outW / step;
    values = k.forLoop(0, whole, 1, values, [&](Val i, const std::vector<Val> &now) {
      return positions(k.offset(x, i * k.index(step * conv.strideW * conv.x.pixel)), k.offset(out, i * k.index(step * conv.out.pixel)), step,
                       rows, channels, now);
    });
    if (int64_t rest = conv.outW - whole * step)
      positions(k.offset(x, whole * step * conv.strideW * conv.x.pixel), k.offset(out, whole * step * conv.out.pixel), rest, rows, channels,
                values);
  }

  KernelBuilder &k;
  const ConvShape &conv;
  bool isUnsigned;
  const Epilogue &epilogue;
  int64_t together, carried; ///< output rows at once; columns that neighbours share
  Val weights, shifted, m, b, start;
};

} // namespace

bool depthwiseDotTakes(const TargetDesc &target, const DepthwiseShape &shape, const Epilogue &epilogue) {
  const ConvShape &c = shape.conv;
  return target.dotKind(true) == DotKind::Dpbusd && target.vectorBytes == 64 && endsPacked(target, epilogue) &&
         epilogue.residual == Epilogue::Residual::None && c.kernelH <= 4 && c.kernelW <= 4 && c.dilationH == 1 && c.dilationW == 1;
}

int64_t depthwiseDotScratch(const DepthwiseShape &shape) { return kVectors * shape.conv.kernelW * 64; }

int64_t depthwiseDotChannel(int64_t position) {
  int64_t block = position / kDepthwiseDotChannels, at = position % kDepthwiseDotChannels, q = at / 16, lane = at % 16 / 4, i = at % 4;
  return block * kDepthwiseDotChannels + lane * 16 + q * 4 + i;
}

std::string emitDepthwiseDot(KernelBuilder &k, const std::string &label, const DepthwiseShape &shape, const Epilogue &epilogue) {
  DepthwiseShape own = shape;
  own.trits = true, own.sumBound = 0; // 32-bit sums hold both
  return productKernel(k, label + "_dot", Recipe("depthwise dot", own, epilogue), [&](const std::vector<Val> &args) {
    const ConvShape &c = own.conv;
    DepthwiseDot(k, own, epilogue).emit(args);
    emitZeroHalo(k, args[PaOut], c.out, c.outH, c.outW, c.out.pixel, c.haloH, c.haloW, args[PaRows], args[PaPart], args[PaParts],
                 epilogue.excess ? -128 : 0);
  });
}

} // namespace triton
