// Linear layers on trits of two bits: a byte holds four steps of the reduction, so a vector of 64 bytes is 16 rows by 16 steps.
//
//   one row of x:   mask two bits of every byte and multiply where they lie (the unsigned operand is (w + 1) * 4^g), one sum for each of the
//                   four places; shifted once at the end
//   a batch:        two bits of every byte at a time, shifted down and masked, meet all rows of a tile
//   many rows:      weights of up to four vectors of outputs become bytes in this thread's scratch first, as many steps at a time as the
//                   first-level cache holds, then meet tiles of rows; between such pieces of the reduction the sums wait in scratch
//
// x is the signed operand: unsigned codes are taken less 128, and the sums start at 128 * sum(w). Each sum is less the sum of x for the 1
// that is in every weight's code.
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
    Range block = partition(k, k.index(blocks), args[PaPart], args[PaParts]);
    if (shape.rows > 0)
      return shape.rows < kFewRows ? fewRows(block) : shape.rows <= kBatchRows ? batchRows(block) : manyRows();
    Val few = compare(Cmp::Lt, args[PaRows], k.index(kFewRows)), batch = compare(Cmp::Le, args[PaRows], k.index(kBatchRows));
    k.ifElse(few, {}, [&] { return fewRows(block), std::vector<Val>(); }, [&] {
      return k.ifElse(batch, {}, [&] { return batchRows(block), std::vector<Val>(); }, [&] { return manyRows(), std::vector<Val>(); });
    });
  }

  static std::string tileName(const LinearShape &shape, const TileChoice &tile) {
    bool many = shape.rows == 0 || shape.rows > kBatchRows;
    int64_t vectors = std::min(kVectors, ceilDiv(shape.storedChannels, 16));
    return many ? std::to_string(kHeights[vectors]) + "x" + std::to_string(vectors * 16) : tile.name();
  }

  /// Scratch: prepared rows and their sums; if there are many rows also a piece of weights as bytes, and sums of tiles.
  static int64_t scratch(const TargetDesc &target, const LinearShape &shape) {
    int64_t most = std::max(kBatchRows, mostPrepared(shape));
    if (shape.rows > 0)
      most = std::min(most, shape.rows);
    bool many = shape.rows == 0 || shape.rows > kBatchRows;
    return preparedBytes(shape, most) + (many ? Pieces(target, shape.inputs).bytes() + sumBytes(most) : 0);
  }

private:
  /// Bytes of a prepared row: whole vectors, and an odd number of them, so that rows do not meet in one set of the cache.
  static int64_t preparedRow(int64_t inputs) { return oddLines(inputs); }
  /// Rows that are prepared together: few enough for the second-level cache, enough to pay for unpacking each block of weights.
  static int64_t mostPrepared(const LinearShape &shape) {
    int64_t most = std::clamp<int64_t>((512 << 10) / preparedRow(shape.inputs), 32, 128);
    return shape.rows > 0 ? ceilDiv(shape.rows, ceilDiv(shape.rows, most)) : most;
  }
  /// Bytes of `rows` prepared rows and their sums.
  static int64_t preparedBytes(const LinearShape &shape, int64_t rows) { return rows * preparedRow(shape.inputs) + ceilDiv(rows * 4, 64) * 64; }
  /// Bytes of the sums of all tiles that cover `rows` rows, the last one overlapping its neighbour.
  static int64_t sumBytes(int64_t rows) { return (rows + kMostHeight) * kVectors * 64; }

  /// The reduction in pieces whose weights fit the first-level cache: all have `groups` vectors but the last one.
  struct Pieces {
    Pieces(const TargetDesc &target, int64_t inputs)
        : count(ceilDiv(inputs * kVectors * 16, int64_t(target.firstCacheBytes))), groups(ceilDiv(ceilDiv(inputs, kSteps), count)) {}
    int64_t count, groups;
    int64_t bytes() const { return groups * kVectors * 256; }
  };

  /// Up to here unpacking weights for all rows costs more than it saves.
  static constexpr int64_t kBatchRows = 16;
  /// Up to here a row at a time is faster than unpacking.
  static constexpr int64_t kFewRows = 4;

  Val rowCount() { return shape.rows > 0 ? k.index(shape.rows) : args[PaRows]; }
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
  /// Fetches what stands ahead of `vectors` vectors of weights.
  void fetchVectors(Val weights, int64_t vectors) {
    if (shape.streams)
      fetchAhead(k, weights, vectors * 64);
  }
  void forBlocks(const Range &range, const std::function<void(Val block, int64_t vectors, int64_t lanes)> &body) {
    triton::forBlocks(k, dot, shape.storedChannels, range.from, range.to, body);
  }

  // ---- Rows of x -------------------------------------------------------------------------------------------------------

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

  /// Prepares rows [from, to), one after the other; less the sum of each comes to `totals`.
  void prepareRows(Val from, Val to, Val prepared, Val totals) {
    k.forLoop(from, to, 1, [&](Val row) {
      Val total = prepareRow(k.offset(args[PaX], row * k.index(shape.xRow)), k.offset(prepared, (row - from) * k.index(preparedRow(inputs))));
      k.store(k.lane(k.constantInt(i32s(), 0) - total, 0), k.offset(totals, (row - from) * k.index(4)));
    });
  }

  // ---- One row after the other -----------------------------------------------------------------------------------------

  void fewRows(const Range &range) {
    k.forLoop(k.index(0), rowCount(), 1, [&](Val row) {
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
          fetchVectors(at, vectors);
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

  // ---- Tiles of rows ---------------------------------------------------------------------------------------------------

  /// A tile of prepared rows.
  struct Rows {
    Val x;
    int64_t count, vectors;
  };

  /// What sums start with: less the sum of the row, and 128 times the sum of the weights if x is less 128.
  std::vector<Val> startOf(const Rows &rows, Val totals, const TilePointers &at) {
    std::vector<Val> start, sums;
    for (int64_t v = 0; v < rows.vectors && dot.actUnsigned; ++v)
      start.push_back(k.load(i32s(), k.offset(at.start, v * 64), 64));
    for (int64_t p = 0; p < rows.count; ++p) {
      Val total = k.splat(k.load(k.i32(), k.offset(totals, p * 4)), 16);
      for (int64_t v = 0; v < rows.vectors; ++v)
        sums.push_back(dot.actUnsigned ? total + start[v] : total);
    }
    return sums;
  }

  /// One step of the reduction for all rows: four elements of x at byte `at` + `more` by `w`, a vector of weights each.
  void products(const Rows &rows, std::vector<Val> &sums, const std::vector<Val> &w, Val at, int64_t more) {
    for (int64_t p = 0; p < rows.count; ++p) {
      Val quad = k.splat(k.load(k.i32(), k.offset(k.offset(rows.x, at), p * preparedRow(inputs) + more)), 16);
      for (int64_t v = 0; v < rows.vectors; ++v)
        sums[p * rows.vectors + v] = dpbusd(sums[p * rows.vectors + v], w[v], quad);
    }
  }

  /// Two bits of every byte.
  Val unpacked(Val codes, int64_t place) {
    return k.bitcast(place ? k.shiftRightLogical(codes, 2 * place) : codes, bytes()) & k.constantInt(bytes(), 3);
  }

  void batchRows(const Range &range) {
    Val prepared = args[PaScratch], totals = k.offset(prepared, std::min(kBatchRows, shape.rows > 0 ? shape.rows : kBatchRows) * preparedRow(inputs));
    unlessKept(k, prepared, k.index(0), rowCount(), [&] { prepareRows(k.index(0), rowCount(), prepared, totals); });
    forBlocks(range, [&](Val block, int64_t vectors, int64_t lanes) {
      Val weights = k.offset(args[PaWeights], block * k.index(panel));
      auto tileAt = [&](Val row, int64_t count) {
        Rows rows{k.offset(prepared, row * k.index(preparedRow(inputs))), count, vectors};
        TilePointers here = pointersAt(block, row);
        std::vector<Val> sums = startOf(rows, k.offset(totals, row * k.index(4)), here);
        sums = k.forLoop(0, groups, 1, sums, [&](Val g, const std::vector<Val> &carried) {
          std::vector<Val> next = carried, codes;
          Val at = k.offset(weights, g * k.index(dot.vectors * 64));
          for (int64_t v = 0; v < vectors; ++v)
            codes.push_back(k.load(i32s(), k.offset(at, v * 64), 64));
          fetchVectors(at, vectors);
          for (int64_t place = 0; place < 4; ++place) {
            std::vector<Val> w;
            for (Val each : codes)
              w.push_back(unpacked(each, place));
            products(rows, next, w, g * k.index(kSteps), place * 4);
          }
          return next;
        });
        emitTileEnd(k, epilogue, sums, here, 16, count, vectors, lanes);
      };
      forRowTiles(k, {k.index(0), rowCount()}, std::min<int64_t>(12, tile.positions), tileAt, shape.rows);
    });
  }

  // ---- Many rows -------------------------------------------------------------------------------------------------------

  /// Vectors of outputs that meet a row together: with four of them a broadcast serves four products. Loads and broadcasts beside the products
  /// cost time where another thread of the core is busy, too; 6 x 4 needs 10 of them for 24 products, 14 x 2 needs 16 for 28.
  static constexpr int64_t kVectors = 4;
  /// Rows of a tile by its vectors: sums, weights and a broadcast fill the registers.
  static constexpr int64_t kHeights[kVectors + 1] = {0, 13, 13, 8, 6};
  static constexpr int64_t kMostHeight = 13;

  /// Weights of `vectors` vectors of outputs as bytes 0, 1, 2, in the order of the steps: `count` groups of steps from `firstGroup` on.
  void unpackPiece(Val firstPanel, Val to, int64_t vectors, Val firstGroup, int64_t count) {
    k.forLoop(0, count, 1, [&](Val g) {
      Val from = k.offset(firstPanel, (firstGroup + g) * k.index(dot.vectors * 64)), at = k.offset(to, g * k.index(vectors * 256));
      for (int64_t first = 0; first < vectors; first += dot.vectors)
        fetchVectors(k.offset(from, first / dot.vectors * panel), std::min(vectors - first, dot.vectors));
      for (int64_t v = 0; v < vectors; ++v) {
        Val codes = k.load(i32s(), k.offset(from, v / dot.vectors * panel + v % dot.vectors * 64), 64);
        for (int64_t place = 0; place < 4; ++place)
          k.store(unpacked(codes, place), k.offset(at, (place * vectors + v) * 64), 64);
      }
    });
  }

  /// Adds the products of `steps` steps to the sums of a tile; `x` is at the first of them.
  std::vector<Val> reduce(const Rows &rows, std::vector<Val> sums, Val weights, int64_t steps) {
    auto step = [&](std::vector<Val> &into, Val g, int64_t place) {
      std::vector<Val> w;
      for (int64_t v = 0; v < rows.vectors; ++v)
        w.push_back(k.load(bytes(), k.offset(k.offset(weights, g * k.index(rows.vectors * 256)), (place * rows.vectors + v) * 64), 64));
      products(rows, into, w, g * k.index(kSteps), place * 4);
    };
    int64_t whole = steps / 4;
    sums = k.forLoop(0, whole, 1, sums, [&](Val g, const std::vector<Val> &carried) {
      std::vector<Val> next = carried;
      for (int64_t place = 0; place < 4; ++place)
        step(next, g, place);
      return next;
    });
    for (int64_t place = 0; place < steps % 4; ++place)
      step(sums, k.index(whole), place);
    return sums;
  }

  /// Calls `body(first block, vectors, lanes of the last)` for units of four vectors, the last one with fewer channels by itself.
  void forUnits(const Range &range, const std::function<void(Val block, int64_t vectors, int64_t lanes)> &body) {
    DotSpec unit = dot;
    unit.vectors = kVectors;
    triton::forBlocks(k, unit, shape.storedChannels, range.from, range.to,
                      [&](Val index, int64_t vectors, int64_t lanes) { body(index * k.index(kVectors / dot.vectors), vectors, lanes); });
  }

  void manyRows() {
    int64_t units = ceilDiv(shape.storedChannels, kVectors * 16), most = mostPrepared(shape);
    // Parts share the units; if there are more parts than units they share the rows, too.
    Val among = args[PaParts], groupsOfRows = maxOf(minOf(among / k.index(units), rowCount() / k.index(24)), k.index(1));
    auto [row, unit] = shareGrid(k, rowCount(), units, args[PaPart], among / groupsOfRows, groupsOfRows);
    Val count = row.to - row.from, parts = (count + k.index(most - 1)) / k.index(most);
    k.forLoop(k.index(0), parts, 1, [&](Val i) {
      Range part = partition(k, count, i, parts);
      rowsTogether({row.from + part.from, row.from + part.to}, unit);
    });
  }

  /// The rows, at most mostPrepared() and at least kMostHeight, by the units.
  void rowsTogether(const Range &range, const Range &units) {
    int64_t most = mostPrepared(shape), steps = ceilDiv(inputs, 4);
    Pieces pieces(k.target(), inputs);
    Val prepared = args[PaScratch], totals = k.offset(prepared, most * preparedRow(inputs)), weights = k.offset(prepared, preparedBytes(shape, most));
    Val waiting = k.offset(weights, pieces.bytes()), count = range.to - range.from;
    unlessKept(k, prepared, k.index(0), keyOf(k, range), [&] { prepareRows(range.from, range.to, prepared, totals); });
    forUnits(units, [&](Val block, int64_t vectors, int64_t lanes) {
      int64_t height = kHeights[vectors];
      Val panels = k.offset(args[PaWeights], block * k.index(panel));
      // As many tiles as are needed, the last ones a row lower where that covers all rows; the very last may overlap its neighbour. The body is
      // told where x lies from group `g` on, and where the sums wait.
      Val needed = (count + k.index(height - 1)) / k.index(height), low = minOf(needed, needed * k.index(height) - count), high = needed - low;
      auto tiles = [&](Val g, const std::function<void(const Rows &rows, Val row, Val sums)> &body) {
        auto tileAt = [&](Val i, Val row, int64_t rows) {
          Val x = k.offset(k.offset(prepared, row * k.index(preparedRow(inputs))), g * k.index(kSteps));
          body({x, rows, vectors}, row, k.offset(waiting, i * k.index(height * vectors * 64)));
        };
        k.forLoop(k.index(0), high, 1, [&](Val i) { tileAt(i, i * k.index(height), height); });
        k.forLoop(high, needed, 1, [&](Val i) {
          tileAt(i, minOf(high * k.index(height) + (i - high) * k.index(height - 1), count - k.index(height - 1)), height - 1);
        });
      };
      auto start = [&](const Rows &rows, Val row) { return startOf(rows, k.offset(totals, row * k.index(4)), pointersAt(block, range.from + row)); };
      auto load = [&](const Rows &rows, Val from) {
        std::vector<Val> sums;
        for (int64_t i = 0; i < rows.count * vectors; ++i)
          sums.push_back(k.load(i32s(), k.offset(from, i * 64), 64));
        return sums;
      };
      auto store = [&](const std::vector<Val> &sums, Val to) {
        for (size_t i = 0; i < sums.size(); ++i)
          k.store(sums[i], k.offset(to, int64_t(i) * 64), 64);
      };
      if (pieces.count > 1) {
        tiles(k.index(0), [&](const Rows &rows, Val row, Val sums) { store(start(rows, row), sums); });
        k.forLoop(0, pieces.count - 1, 1, [&](Val piece) {
          Val g = piece * k.index(pieces.groups);
          unpackPiece(panels, weights, vectors, g, pieces.groups);
          tiles(g, [&](const Rows &rows, Val, Val sums) { store(reduce(rows, load(rows, sums), weights, pieces.groups * 4), sums); });
        });
      }
      int64_t before = (pieces.count - 1) * pieces.groups;
      unpackPiece(panels, weights, vectors, k.index(before), groups - before);
      tiles(k.index(before), [&](const Rows &rows, Val row, Val sums) {
        std::vector<Val> all = reduce(rows, pieces.count > 1 ? load(rows, sums) : start(rows, row), weights, steps - before * 4);
        emitTileEnd(k, epilogue, all, pointersAt(block, range.from + row), 16, rows.count, vectors, lanes);
      });
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

std::string twoBitTileName(const LinearShape &shape, const TileChoice &tile) { return TwoBitLinear::tileName(shape, tile); }

int64_t twoBitScratch(const TargetDesc &target, const LinearShape &shape) { return TwoBitLinear::scratch(target, shape); }

void writeTwoBitLinear(KernelBuilder &k, const LinearShape &shape, const TileChoice &tile, const Epilogue &epilogue, const std::vector<Val> &args) {
  TwoBitLinear(k, shape, tile, epilogue, args).emit();
}

} // namespace triton
