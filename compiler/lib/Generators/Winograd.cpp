// The code of the Winograd form.
//
//   for a group of rows of tiles                  V of the group stays in the second-level cache
//     V[position][tile][channel] = B' d B         16-bit words; the last tile of a row or column overlaps its neighbour
//     for a block of NR channels
//       U[position][channel pair][NR] = G g G'    from the panel of trits, which is all that lies in memory; before all groups where
//                                                 U of all blocks is small
//       for 36 positions, for P tiles             M[tile][vector][position] = sum over channels, by the register tile
//       for a tile                                A M A', division as reals, the usual end of a tile
#include "Winograd.h"

#include "ProductLoops.h"
#include "Ways.h"

#include <algorithm>
#include <array>

using namespace mlir;

namespace triton {

namespace {

constexpr int64_t kPositions = 36;
/// Rows of tiles go together until V and M of a group reach these sizes: they share the second-level cache with U.
constexpr int64_t kGroupTiles = 56, kGroupBytes = 1024 * 1024;
/// U of all blocks is kept for all groups up to this size.
constexpr int64_t kKeptBytes = 512 * 1024;
/// Beyond this, V, U and M of a group do not stay in the second-level cache any more, and everything takes longer by the factor.
constexpr int64_t kCachedBytes = 1536 * 1024;
constexpr double kUncachedFactor = 1.45;

/// Sizes that follow from a shape and a choice.
struct Geometry {
  Geometry(const ConvShape &shape, const WinogradChoice &choice)
      : tilesX(ceilDiv(shape.outW, 4)), tilesY(ceilDiv(shape.outH, 4)), steps(ceilDiv(shape.channels, 2)), words(choice.tile.dot.lanes * 2),
        laneBytes(choice.tile.dot.lanes * 4), nr(choice.tile.dot.nr()), blocks(ceilDiv(shape.storedChannels, nr)),
        panel(9 * steps * nr * 2) {
    wordVectors = ceilDiv(shape.channels, words);
    vTile = wordVectors * words * 2;
    vPosition = oddLines(ceilDiv(choice.groupRows * tilesX, choice.tile.positions) * choice.tile.positions * vTile);
    uPosition = oddLines(steps * nr * 4);
    mVector = kPositions * laneBytes;
    mTile = choice.tile.dot.vectors * mVector;
    uAt = kPositions * vPosition;
    uBlock = kPositions * uPosition;
    keepsU = blocks * uBlock <= kKeptBytes;
    mAt = uAt + (keepsU ? blocks * uBlock : uBlock);
    scratch = mAt + ceilDiv(choice.groupRows * tilesX, choice.tile.positions) * choice.tile.positions * mTile;
  }

  int64_t tilesX, tilesY, steps, words, laneBytes, nr, blocks, panel;
  int64_t wordVectors = 0, vTile = 0, vPosition = 0, uPosition = 0, uBlock = 0, mVector = 0, mTile = 0, uAt = 0, mAt = 0, scratch = 0;
  bool keepsU = false;
};

/// What the parts cost, in vector instructions at the speed of the products. The generator writes about 260 for a vector of V, 117 for one of U and
/// 370 for one of results; the first two store to 36 places that are not in the first-level cache, and then the lines' way there and back was
/// measured to take longest: four to five cycles each.
struct Costs {
  Costs(const TargetDesc &target, const ConvShape &shape, const WinogradChoice &choice) {
    Geometry g(shape, choice);
    bool wide = target.vectorBytes == 64;
    double dot = target.dotCost(target.hasVnni ? DotKind::Dpbusd : DotKind::MaddWd), perU = wide ? 320 : 290, perResult = wide ? 320 : 430;
    double tileVectors = double(g.tilesX * g.blocks * choice.tile.dot.vectors);
    row = int64_t(double(g.tilesX * g.wordVectors) * 420);
    // The products of a row of tiles, with its share of what fills the last tile of a group.
    int64_t tiles = std::min(choice.groupRows, g.tilesY) * g.tilesX, filled = ceilDiv(tiles, choice.tile.positions) * choice.tile.positions;
    bool cached = tiles * g.vTile * kPositions + (g.keepsU ? g.blocks : 1) * g.uBlock + tiles * g.mTile <= kCachedBytes;
    double slower = cached ? 1.0 : kUncachedFactor;
    rowBlocks = int64_t(slower * tileVectors * (double(filled) / double(tiles) * kPositions * (double(g.steps) * dot + 2) + perResult));
    allBlocks = int64_t(slower * double(g.blocks * choice.tile.dot.vectors * g.steps) * perU);
    keepsU = g.keepsU;
  }
  int64_t row = 0;       ///< V of a row of tiles
  int64_t rowBlocks = 0; ///< products and ends of a row of tiles, all blocks
  int64_t allBlocks = 0; ///< U of all blocks, for each group or once
  bool keepsU = false;
};

class Winograd {
public:
  Winograd(KernelBuilder &k, const ConvShape &shape, const WinogradChoice &choice, const Epilogue &epilogue, const std::vector<Val> &args)
      : k(k), shape(shape), choice(choice), dot(choice.tile.dot), epilogue(epilogue), args(args), g(shape, choice) {}

  void emit() {
    Val rows = args[PaRows] * k.index(g.tilesY);
    Range row = partition(k, rows, args[PaThread], args[PaThreads]), block = partition(k, k.index(g.blocks), args[PaThread], args[PaThreads]);
    Val byRows = splitsRows(rows);
    row = {select(byRows, row.from, k.index(0)), select(byRows, row.to, rows)};
    block = {select(byRows, k.index(0), block.from), select(byRows, k.index(g.blocks), block.to)};
    auto eachBlock = [&](const std::function<void(Val, int64_t, int64_t)> &body) {
      forBlocks(k, dot, shape.storedChannels, block.from, block.to, body);
    };
    auto uOf = [&](Val index) { return k.offset(scratch(g.uAt), g.keepsU ? index * k.index(g.uBlock) : k.index(0)); };
    auto panelOf = [&](Val index) { return k.offset(args[PaWeights], index * k.index(g.panel)); };
    if (g.keepsU)
      eachBlock([&](Val index, int64_t vectors, int64_t) { transformWeights(panelOf(index), uOf(index), vectors); });
    k.forLoop(row.from, row.to, choice.groupRows, [&](Val first) {
      Val count = minOf(row.to - first, k.index(choice.groupRows));
      transformInput(first, count);
      eachBlock([&](Val index, int64_t vectors, int64_t lanes) {
        TilePointers at = blockPointers(k, args, dot, g.panel, epilogue, index);
        if (dot.excess)
          at.start = k.offset(args[PaStart], index * k.index(g.nr * 4));
        if (!g.keepsU)
          transformWeights(at.weights, uOf(index), vectors);
        multiply(count, vectors, uOf(index), k.offset(at.weights, g.panel));
        transformOutput(first, count, at, vectors, lanes);
      });
    });
  }

private:
  Type i32s() { return k.vec(dot.lanes, k.i32()); }
  Type i16s() { return k.vec(g.words, k.i16()); }
  Val scratch(int64_t at) { return k.offset(args[PaScratch], at); }
  Val doubled(Val v) { return v + v; }

  /// Threads share rows of tiles, and then each makes all of U, or blocks of channels, and then each makes all of V: what costs the thread
  /// with the most work less.
  Val splitsRows(Val rows) {
    Costs costs(k.target(), shape, choice);
    Val threads = args[PaThreads];
    auto shareOf = [&](Val count) { return (count + threads - k.index(1)) / threads; };
    auto timesU = [&](Val count) { return costs.keepsU ? k.index(1) : (count + k.index(choice.groupRows - 1)) / k.index(choice.groupRows); };
    Val own = shareOf(rows);
    Val byRows = own * k.index(costs.row + costs.rowBlocks) + timesU(own) * k.index(costs.allBlocks);
    Val perBlock = rows * k.index(costs.rowBlocks / g.blocks) + timesU(rows) * k.index(costs.allBlocks / g.blocks);
    Val byBlocks = rows * k.index(costs.row) + shareOf(k.index(g.blocks)) * perBlock;
    return compare(Cmp::Le, byRows, byBlocks);
  }

  /// The first row (or column) of a tile: the last tile ends with the image.
  Val firstOf(Val tile, int64_t size) {
    Val at = tile * k.index(4);
    return size % 4 ? minOf(at, k.index(size - 4)) : at;
  }
  /// Calls `body(tile of the group, image, first row of the tile before overlapping, row, column)`.
  void forTiles(Val first, Val count, const std::function<void(Val tile, Val image, Val nominal, Val y, Val x)> &body) {
    k.forLoop(k.index(0), count, 1, [&](Val i) {
      Val unit = first + i;
      Val image = unit / k.index(g.tilesY), ty = unit - image * k.index(g.tilesY);
      Val y = firstOf(ty, shape.outH), nominal = ty * k.index(4);
      k.forLoop(0, g.tilesX, 1, [&](Val tx) { body(i * k.index(g.tilesX) + tx, image, nominal, y, firstOf(tx, shape.outW)); });
    });
  }
  Val placeOf(Val pointer, const PlaneStrides &s, Val image, Val y, Val x) {
    return k.offset(k.offset(k.offset(pointer, image * k.index(s.image)), y * k.index(s.row)), x * k.index(s.pixel));
  }

  // ---- Activations -------------------------------------------------------------------------------------------------------

  using Six = std::array<Val, 6>;

  /// B' of six vectors of words.
  Six inputRow(const Six &d) {
    auto times4 = [&](Val v) { return k.shiftLeft(v, 2); };
    Val a = d[4] - times4(d[2]), b = d[3] - times4(d[1]), c = d[4] - d[2], e = d[3] - d[1];
    Val e2 = doubled(e);
    return {times4(d[0]) - d[2] + a, a + b, a - b, c + e2, c - e2, d[5] - d[3] - times4(e)};
  }

  void transformInput(Val first, Val count) {
    Type bytes = k.vec(g.words, k.i8());
    bool isSigned = !dot.actUnsigned && !dot.excess;
    forTiles(first, count, [&](Val tile, Val image, Val, Val y, Val x) {
      Val from = placeOf(args[PaX], shape.x, image, y, x), to = k.offset(scratch(0), tile * k.index(g.vTile));
      k.forLoop(0, g.wordVectors * g.words, g.words, [&](Val c) {
        Val at = k.offset(from, c);
        std::array<Six, 6> rows;
        for (int64_t i = 0; i < 6; ++i) {
          Six d;
          for (int64_t j = 0; j < 6; ++j) {
            // Behind the channels of a pixel lies something that may be read; its products are with zero weights or left out.
            Val raw = k.load(bytes, k.offset(at, i * shape.x.row + j * shape.x.pixel));
            d[j] = isSigned ? k.signExtend(raw, k.i16()) : k.zeroExtend(raw, k.i16());
          }
          rows[i] = inputRow(d);
        }
        Val out = k.offset(to, doubled(c));
        for (int64_t j = 0; j < 6; ++j) {
          Six column = inputRow({rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]});
          for (int64_t i = 0; i < 6; ++i)
            k.store(column[i], k.offset(out, (i * 6 + j) * g.vPosition), 32);
        }
      });
    });
  }

  // ---- Weights -----------------------------------------------------------------------------------------------------------

  /// G of three vectors of words.
  Six weightRow(Val w0, Val w1, Val w2) {
    Val q = doubled(w1), s = w0 + w2, p = w0 + k.shiftLeft(w2, 2);
    return {k.shiftLeft(w0, 2) + doubled(w0), k.shiftLeft(s + w1, 2), k.shiftLeft(s - w1, 2), p + q, p - q, k.shiftLeft(w2, 4) + k.shiftLeft(w2, 3)};
  }

  void transformWeights(Val panel, Val u, int64_t vectors) {
    Type bytes = k.vec(g.words, k.i8());
    k.forLoop(0, g.steps, 1, [&](Val step) {
      Val from = k.offset(panel, step * k.index(g.nr * 2)), to = k.offset(u, step * k.index(g.nr * 4));
      for (int64_t v = 0; v < vectors; ++v) {
        std::array<Six, 3> columns;
        for (int64_t s = 0; s < 3; ++s) {
          Val w[3];
          for (int64_t r = 0; r < 3; ++r)
            w[r] = k.signExtend(k.load(bytes, k.offset(from, (r * 3 + s) * g.steps * g.nr * 2 + v * g.words), g.words), k.i16());
          columns[s] = weightRow(w[0], w[1], w[2]);
        }
        for (int64_t i = 0; i < 6; ++i) {
          Six row = weightRow(columns[0][i], columns[1][i], columns[2][i]);
          for (int64_t j = 0; j < 6; ++j)
            k.store(row[j], k.offset(to, (i * 6 + j) * g.uPosition + v * g.laneBytes), g.laneBytes);
        }
      }
    });
  }

  // ---- Products ----------------------------------------------------------------------------------------------------------

  Val product(Val sum, Val a, Val b) {
    bool wide = dot.lanes == 16;
    if (k.target().hasVnni)
      return k.intrinsic(wide ? "llvm.x86.avx512.vpdpwssd.512" : "llvm.x86.avx512.vpdpwssd.256", i32s(), {sum, a, b});
    return sum + k.intrinsic(wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd", i32s(), {k.bitcast(a, i16s()), k.bitcast(b, i16s())});
  }

  /// The sums of all tiles and positions of a block. Tiles that only fill the last P hold what earlier groups left; nobody reads their sums.
  void multiply(Val count, int64_t vectors, Val allU, Val nextPanel) {
    int64_t positions = choice.tile.positions, lines = ceilDiv(g.panel, kPositions * 64);
    Val tiles = count * k.index(g.tilesX);
    Val fills = (tiles + k.index(positions - 1)) / k.index(positions);
    k.forLoop(0, kPositions, 1, [&](Val position) {
      // The panel of the next block, or of the next layer's first, comes meanwhile.
      Val fetched = k.offset(nextPanel, position * k.index(lines * 64));
      k.forLoop(0, lines, 1, [&](Val line) { k.prefetch(k.offset(fetched, line * k.index(64))); });
      Val u = k.offset(allU, position * k.index(g.uPosition)), v = k.offset(scratch(0), position * k.index(g.vPosition));
      Val m = k.offset(scratch(g.mAt), position * k.index(g.laneBytes));
      k.forLoop(k.index(0), fills, 1, [&](Val fill) {
        Val x = k.offset(v, fill * k.index(positions * g.vTile)), to = k.offset(m, fill * k.index(positions * g.mTile));
        std::vector<Val> carried(positions * vectors, k.constantInt(i32s(), 0));
        carried.push_back(u);
        carried = k.forLoop(0, g.steps * 4, 4, carried, [&](Val at, const std::vector<Val> &in) {
          std::vector<Val> out = in;
          Val here = k.offset(x, at), w[4];
          for (int64_t i = 0; i < vectors; ++i)
            w[i] = k.load(i32s(), k.offset(in.back(), i * g.laneBytes), g.laneBytes);
          for (int64_t p = 0; p < positions; ++p) {
            Val pair = k.splat(k.load(k.i32(), k.offset(here, p * g.vTile), 4), dot.lanes);
            for (int64_t i = 0; i < vectors; ++i)
              out[p * vectors + i] = product(in[p * vectors + i], pair, w[i]);
          }
          out.back() = k.offset(in.back(), g.nr * 4);
          return out;
        });
        for (int64_t p = 0; p < positions; ++p)
          for (int64_t i = 0; i < vectors; ++i)
            k.store(carried[p * vectors + i], k.offset(to, p * g.mTile + i * g.mVector), 32);
      });
    });
  }

  // ---- Results -----------------------------------------------------------------------------------------------------------

  /// A of six vectors of sums.
  std::array<Val, 4> outputRow(const Six &m) {
    Val a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    return {m[0] - a + c, doubled(d) - b, k.shiftLeft(c, 2) - a, k.shiftLeft(d, 3) - b + m[5]};
  }

  void transformOutput(Val first, Val count, const TilePointers &block, int64_t vectors, int64_t lanesOfLast) {
    Val inverse = k.splat(k.f32c(1.0f / kWinogradScale), dot.lanes);
    forTiles(first, count, [&](Val tile, Val image, Val nominal, Val y, Val x) {
      Val m = k.offset(scratch(g.mAt), tile * k.index(g.mTile));
      TilePointers place = block;
      place.out = placeOf(block.out, shape.out, image, y, x);
      place.outStride = shape.out.pixel;
      if (epilogue.residual != Epilogue::Residual::None)
        place.residual = placeOf(block.residual, shape.residual, image, y, x);
      place.residualStride = shape.residual.pixel;
      for (int64_t v = 0; v < vectors; ++v) {
        std::array<Six, 4> rows;
        for (int64_t j = 0; j < 6; ++j) {
          Six column;
          for (int64_t i = 0; i < 6; ++i)
            column[i] = k.load(i32s(), k.offset(m, v * g.mVector + (i * 6 + j) * g.laneBytes), 32);
          std::array<Val, 4> transformed = outputRow(column);
          for (int64_t i = 0; i < 4; ++i)
            rows[i][j] = transformed[i];
        }
        TilePointers at = place;
        Val start;
        if (dot.excess)
          start = k.intToFloat(k.load(i32s(), k.offset(block.start, v * g.laneBytes), g.laneBytes));
        at.m = k.offset(block.m, v * g.laneBytes);
        at.b = k.offset(block.b, v * g.laneBytes);
        for (int64_t i = 0; i < 4; ++i) {
          auto row = [&] {
            std::array<Val, 4> sums = outputRow(rows[i]);
            for (int64_t j = 0; j < 4; ++j) {
              sums[j] = k.intToFloat(sums[j]) * inverse; // an integer, exactly
              if (dot.excess)
                sums[j] = sums[j] + start;
              if (epilogue.out == Epilogue::Out::Sums)
                sums[j] = k.roundToInt(sums[j]);
            }
            at.out = k.offset(place.out, i * shape.out.row + v * dot.lanes * epilogue.outBytes());
            if (epilogue.residual != Epilogue::Residual::None)
              at.residual = k.offset(place.residual, i * shape.residual.row + v * dot.lanes * epilogue.residualBytes());
            emitTileEnd(k, epilogue, sums, at, dot.lanes, 4, 1, v + 1 == vectors ? lanesOfLast : dot.lanes);
          };
          // Rows that the tile above has are its: it may belong to another thread.
          if (shape.outH % 4 && i < 3)
            k.ifThen(compare(Cmp::Ge, y + k.index(i), nominal), row);
          else
            row();
        }
      }
    });
  }

  KernelBuilder &k;
  const ConvShape &shape;
  const WinogradChoice &choice;
  const DotSpec &dot;
  const Epilogue &epilogue;
  const std::vector<Val> &args;
  Geometry g;
};

} // namespace

WinogradChoice regrouped(const TargetDesc &target, const ConvShape &shape, WinogradChoice choice, int64_t batch, int64_t groupRows) {
  DotSpec &dot = choice.tile.dot;
  choice.groupRows = groupRows;
  Geometry bare(shape, choice);
  int64_t tiles = std::min(choice.groupRows, batch * bare.tilesY) * bare.tilesX;
  // Registers beside accumulators and weights: the broadcast, and the product where it is added by itself.
  int64_t limit = (int64_t(target.vectorRegisters) - dot.vectors - (target.hasVnni ? 1 : 3)) / dot.vectors;
  double best = 1e300;
  for (int64_t p = std::min<int64_t>({limit, tiles, 14}); p >= 1; --p)
    if (double cost = double(ceilDiv(tiles, p)) * (double(p) + 1.5); cost < best)
      best = cost, choice.tile.positions = p;
  Costs costs(target, shape, choice);
  int64_t rows = batch * bare.tilesY;
  choice.cost = double(rows) * double(costs.row + costs.rowBlocks) + double(costs.keepsU ? 1 : ceilDiv(rows, choice.groupRows)) * double(costs.allBlocks);
  return choice;
}

std::optional<WinogradChoice> chooseWinograd(const TargetDesc &target, const ConvShape &shape, const TileChoice &direct, bool trits,
                                             bool actUnsigned, bool excess, double mostSum, int64_t batch) {
  // Unsigned words: row 1 of B by itself takes from -32 to 68 times the greatest byte; signed ones: 10 * 10 times the magnitude.
  static_assert(68 * 255 <= INT16_MAX && 100 * 128 <= INT16_MAX && 24 * 24 <= INT16_MAX, "transformed values are 16-bit words");
  if (target.arch != Arch::X86_64 || target.vectorBytes < 32 || !trits || mostSum > double(kWinogradMostSum))
    return std::nullopt;
  if (shape.kernelH != 3 || shape.kernelW != 3 || shape.strideH != 1 || shape.strideW != 1 || shape.dilationH != 1 || shape.dilationW != 1 ||
      shape.outH < 4 || shape.outW < 4)
    return std::nullopt;
  WinogradChoice choice;
  DotSpec &dot = choice.tile.dot;
  dot.kind = DotKind::MaddWd;
  dot.actUnsigned = actUnsigned;
  dot.excess = excess;
  dot.lanes = target.lanes32();
  dot.vectors = std::min<int64_t>(2, ceilDiv(shape.storedChannels, dot.lanes));
  Geometry bare(shape, choice);
  int64_t mostTiles = std::max<int64_t>(1, std::min(kGroupTiles, kGroupBytes / (kPositions * bare.vTile)));
  choice = regrouped(target, shape, choice, batch, std::max<int64_t>(1, mostTiles / bare.tilesX));
  choice.directCost = directInstructions(target, shape, direct, batch);
  return choice;
}

int64_t winogradScratch(const ConvShape &shape, const WinogradChoice &choice) { return Geometry(shape, choice).scratch; }

std::string emitWinograd(KernelBuilder &k, const std::string &label, const ConvShape &shape, const WinogradChoice &choice,
                         const Epilogue &epilogue) {
  WinogradChoice own = choice;
  own.cost = own.directCost = 0; // why this way was taken changes no code
  return productKernel(k, label + "_" + own.tile.name(), Recipe("winograd", shape, own, epilogue), [&](const std::vector<Val> &args) {
    Winograd(k, shape, own, epilogue, args).emit();
    emitZeroHalo(k, args[PaOut], shape.out, shape.outH, shape.outW, shape.out.pixel, shape.haloH, shape.haloW, args[PaRows], args[PaThread],
                 args[PaThreads], epilogue.excess ? -128 : 0);
  });
}

} // namespace triton
