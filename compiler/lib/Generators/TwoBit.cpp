// Linear layers on trits of two bits: a byte holds four steps of the reduction, so a vector of 64 bytes is 16 rows by 16 steps.
//
//   one row of x:   mask two bits of every byte and multiply where they lie (the unsigned operand is (w + 1) * 4^g), one sum for each of the
//                   four places; shifted once at the end, less the sum of x for the 1 that is in every code
//   a batch:        two bits of every byte at a time, shifted down and masked, meet all rows of a tile
//   many rows:      each block of weights becomes bytes in this thread's scratch first, then the register tile takes it
//
// x is the signed operand: unsigned codes are taken less 128, and the sums start at 128 * sum(w).
#include "ProductLoops.h"
#include "Ways.h"

using namespace mlir;

namespace triton {

namespace {

constexpr int64_t kSteps = 16; ///< of the reduction in one vector of weights

class TwoBitLinear {
public:
  TwoBitLinear(KernelBuilder &k, const LinearShape &shape, const TileChoice &tile, const Epilogue &epilogue, const std::vector<Val> &args)
      : k(k), shape(shape), tile(tile), dot(tile.dot), epilogue(epilogue), args(args), inputs(shape.inputs),
        groups((shape.inputs + kSteps - 1) / kSteps), panel(groups * dot.vectors * 64) {}

  void emit() {
    int64_t nr = dot.nr(), blocks = (shape.storedChannels + nr - 1) / nr;
    Range block = partition(k, k.index(blocks), args[PaThread], args[PaThreads]);
    Val few = compare(Cmp::Lt, args[PaRows], k.index(kFewRows)), batch = compare(Cmp::Le, args[PaRows], k.index(kBatchRows));
    k.ifElse(few, {}, [&] { return fewRows(block), std::vector<Val>(); }, [&] {
      return k.ifElse(batch, {}, [&] { return batchRows(block), std::vector<Val>(); }, [&] { return manyRows(block), std::vector<Val>(); });
    });
  }

  /// Bytes of a prepared row: whole vectors, and an odd number of them, so that rows do not meet in one set of the cache.
  static int64_t preparedRow(int64_t inputs) { return oddLines(inputs); }
  /// Up to here unpacking a block for all rows costs more than it saves.
  static constexpr int64_t kBatchRows = 16;

private:
  /// Up to here a row at a time is faster than unpacking.
  static constexpr int64_t kFewRows = 4;

  Type i32s() { return k.vec(16, k.i32()); }
  Type bytes() { return k.vec(64, k.i8()); }
  Val dpbusd(Val acc, Val a, Val b) { return k.intrinsic("llvm.x86.avx512.vpdpbusd.512", i32s(), {acc, k.bitcast(a, i32s()), k.bitcast(b, i32s())}); }

  TilePointers pointersAt(Val block, Val row) {
    TilePointers at;
    Val channels = block * k.index(dot.nr() * 4);
    at.start = k.offset(args[PaStart], channels);
    at.m = k.offset(args[PaM], channels);
    at.b = k.offset(args[PaB], channels);
    at.x = k.offset(args[PaX], row * k.index(shape.xRow));
    at.xStride = shape.xRow;
    at.out = k.offset(k.offset(args[PaOut], block * k.index(dot.nr() * epilogue.outBytes())), row * k.index(shape.outRow));
    at.outStride = shape.outRow;
    at.scaleStride = 4;
    at.scale = epilogue.scale == Epilogue::Scale::PerRow ? k.offset(args[PaScale], row * k.index(4)) : args[PaScale];
    at.residual = args[PaResidual];
    if (epilogue.residual != Epilogue::Residual::None)
      at.residual = k.offset(k.offset(args[PaResidual], block * k.index(dot.nr() * epilogue.residualBytes())), row * k.index(shape.residualRow));
    at.residualStride = shape.residualRow;
    return at;
  }
  void forBlocks(const Range &range, const std::function<void(Val block, int64_t vectors, int64_t lanes)> &body) {
    triton::forBlocks(k, dot, shape.storedChannels, range.from, range.to, body);
  }

  // ---- One row after the other -----------------------------------------------------------------------------------------

  /// Writes x as signed bytes to `to`, zeros behind it; gives its sum in all lanes.
  Val prepareRow(Val x, Val to) {
    bool flips = dot.actUnsigned || dot.excess;
    Val ones = k.constantInt(bytes(), 1), flip = k.constantInt(bytes(), -128);
    int64_t whole = inputs / 64 * 64, rest = inputs - whole;
    auto each = [&](Val sum, Val v, Val at) {
      k.store(v, at, 64);
      return dpbusd(sum, ones, v);
    };
    Val sum = k.forLoop(0, whole, 64, {k.constantInt(i32s(), 0)}, [&](Val i, const std::vector<Val> &carried) {
      Val v = k.load(bytes(), k.offset(x, i));
      return std::vector<Val>{each(carried[0], flips ? v ^ flip : v, k.offset(to, i))};
    })[0];
    if (rest > 0) {
      Val v = k.load(bytes(), k.offset(x, whole)); // behind the row lies something that may be read
      if (flips)
        v = v ^ flip;
      llvm::SmallVector<int32_t> keep;
      for (int32_t i = 0; i < 64; ++i)
        keep.push_back(i < rest ? i : 64);
      sum = each(sum, k.shuffle(v, k.constantInt(bytes(), 0), keep), k.offset(to, whole));
    }
    for (int64_t width = 8; width >= 1; width /= 2) {
      llvm::SmallVector<int32_t> swapped;
      for (int32_t i = 0; i < 16; ++i)
        swapped.push_back(i ^ int32_t(width));
      sum = sum + k.shuffle(sum, sum, swapped);
    }
    return sum;
  }

  void fewRows(const Range &range) {
    k.forLoop(k.index(0), args[PaRows], 1, [&](Val row) {
      Val total = prepareRow(k.offset(args[PaX], row * k.index(shape.xRow)), args[PaScratch]);
      forBlocks(range, [&](Val block, int64_t vectors, int64_t lanes) {
        Val weights = k.offset(args[PaWeights], block * k.index(panel));
        std::vector<Val> acc(vectors * 4, k.constantInt(i32s(), 0));
        acc = k.forLoop(0, groups, 1, acc, [&](Val g, const std::vector<Val> &carried) {
          std::vector<Val> next = carried;
          Val at = k.offset(weights, g * k.index(dot.vectors * 64)), x = k.offset(args[PaScratch], g * k.index(kSteps));
          std::vector<Val> w;
          for (int64_t v = 0; v < vectors; ++v)
            w.push_back(k.load(bytes(), k.offset(at, v * 64), 64));
          for (int64_t place = 0; place < 4; ++place) {
            Val quad = k.splat(k.load(k.i32(), k.offset(x, place * 4)), 16);
            for (int64_t v = 0; v < vectors; ++v)
              next[v * 4 + place] = dpbusd(next[v * 4 + place], w[v] & k.constantInt(bytes(), int8_t(uint8_t(3u << (2 * place)))), quad);
          }
          return next;
        });
        TilePointers here = pointersAt(block, row);
        std::vector<Val> sums;
        for (int64_t v = 0; v < vectors; ++v) {
          Val sum = acc[v * 4];
          for (int64_t place = 1; place < 4; ++place)
            sum = sum + k.shiftRight(acc[v * 4 + place], 2 * place); // nothing is shifted out
          sum = sum - total;
          sums.push_back(dot.actUnsigned ? sum + k.load(i32s(), k.offset(here.start, v * 64), 64) : sum);
        }
        emitTileEnd(k, epilogue, sums, here, 16, 1, vectors, lanes);
      });
    });
  }

  // ---- A batch ---------------------------------------------------------------------------------------------------------

  void batchRows(const Range &range) {
    Val xRow = k.index(preparedRow(inputs)), totals = k.offset(args[PaScratch], kBatchRows * preparedRow(inputs));
    k.forLoop(k.index(0), args[PaRows], 1, [&](Val row) {
      Val total = prepareRow(k.offset(args[PaX], row * k.index(shape.xRow)), k.offset(args[PaScratch], row * xRow));
      k.store(total, k.offset(totals, row * k.index(64)), 64);
    });
    forBlocks(range, [&](Val block, int64_t vectors, int64_t lanes) {
      Val weights = k.offset(args[PaWeights], block * k.index(panel));
      forRowTiles(k, {k.index(0), args[PaRows]}, 8, [&](Val row, int64_t rows) {
        Val x = k.offset(args[PaScratch], row * xRow);
        std::vector<Val> sums(rows * vectors, k.constantInt(i32s(), 0));
        sums = k.forLoop(0, groups, 1, sums, [&](Val g, const std::vector<Val> &carried) {
          std::vector<Val> next = carried;
          Val at = k.offset(weights, g * k.index(dot.vectors * 64)), xs = k.offset(x, g * k.index(kSteps));
          std::vector<Val> codes;
          for (int64_t v = 0; v < vectors; ++v)
            codes.push_back(k.load(i32s(), k.offset(at, v * 64), 64));
          for (int64_t place = 0; place < 4; ++place) {
            std::vector<Val> w;
            for (Val each : codes)
              w.push_back(k.bitcast(place ? k.shiftRightLogical(each, 2 * place) : each, bytes()) & k.constantInt(bytes(), 3));
            for (int64_t p = 0; p < rows; ++p) {
              Val quad = k.splat(k.load(k.i32(), k.offset(xs, p * preparedRow(inputs) + place * 4)), 16);
              for (int64_t v = 0; v < vectors; ++v)
                next[p * vectors + v] = dpbusd(next[p * vectors + v], w[v], quad);
            }
          }
          return next;
        });
        TilePointers here = pointersAt(block, row);
        for (int64_t p = 0; p < rows; ++p) {
          Val total = k.load(i32s(), k.offset(k.offset(totals, row * k.index(64)), p * 64), 64);
          for (int64_t v = 0; v < vectors; ++v) {
            Val sum = sums[p * vectors + v] - total;
            sums[p * vectors + v] = dot.actUnsigned ? sum + k.load(i32s(), k.offset(here.start, v * 64), 64) : sum;
          }
        }
        emitTileEnd(k, epilogue, sums, here, 16, rows, vectors, lanes);
      });
    });
  }

  // ---- Many rows -------------------------------------------------------------------------------------------------------

  void manyRows(const Range &range) {
    forBlocks(range, [&](Val block, int64_t vectors, int64_t lanes) {
      Val packed = k.offset(args[PaWeights], block * k.index(panel)), unpacked = args[PaScratch];
      k.forLoop(0, groups, 1, [&](Val g) {
        Val from = k.offset(packed, g * k.index(dot.vectors * 64)), to = k.offset(unpacked, g * k.index(dot.vectors * 256));
        for (int64_t v = 0; v < vectors; ++v) {
          Val codes = k.load(i32s(), k.offset(from, v * 64), 64);
          for (int64_t place = 0; place < 4; ++place) {
            Val w = k.bitcast(place ? k.shiftRightLogical(codes, 2 * place) : codes, bytes()) & k.constantInt(bytes(), 3);
            k.store(w - k.constantInt(bytes(), 1), k.offset(to, (place * dot.vectors + v) * 64), 64);
          }
        }
      });
      auto tileAt = [&](Val row, int64_t positions) {
        TilePointers here = pointersAt(block, row);
        here.weights = unpacked;
        emitTile(k, dot, shape.reduction, epilogue, here, positions, vectors, lanes);
      };
      forRowTiles(k, {k.index(0), args[PaRows]}, tile.positions, tileAt);
    });
  }

  KernelBuilder &k;
  const LinearShape &shape;
  const TileChoice &tile;
  const DotSpec &dot;
  const Epilogue &epilogue;
  const std::vector<Val> &args;
  int64_t inputs, groups, panel;
};

} // namespace

bool twoBitCan(const TargetDesc &target, const LinearShape &shape, bool trits) {
  return trits && target.vectorBytes == 64 && target.dotKind(true) == DotKind::Dpbusd && shape.reduction.levels.empty();
}
bool twoBitTakes(const TargetDesc &target, const LinearShape &shape, bool trits) {
  return twoBitCan(target, shape, trits) && shape.inputs * shape.outputs > int64_t(target.firstCacheBytes);
}

int64_t twoBitScratch(const LinearShape &shape, const TileChoice &tile) {
  int64_t unpacked = (shape.inputs + kSteps - 1) / kSteps * kSteps * tile.dot.nr() + 64;
  return std::max(unpacked, TwoBitLinear::kBatchRows * (TwoBitLinear::preparedRow(shape.inputs) + 64));
}

void writeTwoBitLinear(KernelBuilder &k, const LinearShape &shape, const TileChoice &tile, const Epilogue &epilogue, const std::vector<Val> &args) {
  TwoBitLinear(k, shape, tile, epilogue, args).emit();
}

} // namespace triton
