// The code of F(1x2) on bytes.
//
//   for a group of rows of results                 V of the group stays in the second-level cache
//     V[position][row of x][tile][channel] = B' d  bytes; a tile is two results of a row, the last one of a row may overlap its neighbour
//     for a block of NR channels
//       for an image's rows in the group, for T tiles of them
//         for a row r of the window, for a position of four
//           M[tile][vector][position] += sum over channels, by the register tile: U is a table's entry for a byte of the panel's row r,
//                                      made in a register right before its T products and stored nowhere; V is r rows below the tile
//         for a tile                               A M, half of it, the usual end of a tile
//
// The tiles of an image's rows are linear in memory, so T of them may go on in the next row. The window's rows are outermost: a third of the panel is in
// the first-level cache for all positions, and the next third comes there meanwhile.
#include "WinogradRows.h"

#include "WinogradForms.h"

#include <algorithm>

using namespace mlir;

namespace triton {

namespace {

constexpr int64_t kWindowRows = 3, kPositions = 4, kVectorBytes = 64;
/// Sums in registers: 16, and codes, U and a table are left room beside them.
constexpr int64_t kSums = 16;
/// vpdpbusd takes five cycles, of which two may begin in each; a little more, since U comes between.
constexpr int64_t kBusySums = 12;
/// V of a group, which shares the second-level cache with panels.
constexpr int64_t kGroupBytes = 256 * 1024;

/// What parts of this form cost, in vector instructions at the speed of the products: V of a vector of channels, all positions; a tile's results
/// of a vector.
constexpr int64_t kPerV = 20, kPerResult = 40;

/// Sizes in bytes where nothing else is said.
struct Geometry {
  Geometry(const ConvShape &shape, const WinogradChoice &choice)
      : tilesX(ceilDiv(shape.outW, 2)), steps(ceilDiv(shape.channels, choice.tile.dot.kr())), vectors(ceilDiv(shape.channels, kVectorBytes)),
        most(choice.tile.positions), blocks(ceilDiv(shape.storedChannels, choice.tile.dot.nr())) {
    // Few sums would wait for each other: some positions go together.
    int64_t sums = most * choice.tile.dot.vectors;
    together = sums >= kBusySums ? 1 : 2 * sums >= kBusySums ? 2 : 4;
    vTile = vectors * kVectorBytes;
    vRow = tilesX * vTile;
    // The rows of an image need two more; the last tiles of all may be such that nobody reads.
    int64_t images = std::min(choice.groupRows, (choice.groupRows + shape.outH - 2) / shape.outH + 1);
    vPosition = oddLines((choice.groupRows + 2 * images) * vRow + most * vTile);
    stepBytes = choice.tile.dot.nr() * choice.tile.dot.kr();
    panelRow = steps * stepBytes;
    panel = kWindowRows * panelRow;
    mVector = kPositions * kVectorBytes;
    mTile = choice.tile.dot.vectors * mVector;
    mAt = kPositions * vPosition;
    scratch = mAt + most * mTile;
  }

  int64_t tilesX, steps, vectors; ///< steps of the products; vectors of a tile's channels
  int64_t most, blocks;           ///< tiles at once
  int64_t together;               ///< positions
  int64_t vTile, vRow, vPosition, stepBytes, panelRow, panel, mVector, mTile, mAt, scratch;
};

/// In the unit of WinogradCosts: V of a row of x, and T tiles by a block.
struct Costs {
  Costs(const Geometry &g, const DotSpec &dot) : row(g.tilesX * g.vectors * kPerV) {
    int64_t sums = g.most * dot.vectors * g.together;
    double waits = std::max(1.0, double(kBusySums) / double(sums));
    double products = double(kWindowRows * kPositions * g.steps) * (double(g.most) * waits + 1);
    fill = int64_t(double(dot.vectors) * (products + double(g.most * kPerResult)));
  }
  int64_t row, fill;
};

class WinogradRows {
public:
  WinogradRows(KernelBuilder &k, const ConvShape &shape, const WinogradChoice &choice, const Epilogue &epilogue, const std::vector<Val> &args)
      : k(k), shape(shape), choice(choice), dot(choice.tile.dot), epilogue(epilogue), args(args), g(shape, choice) {}

  void emit() {
    auto [row, block] = shares(args[PaRows] * k.index(shape.outH));
    k.forLoop(row.from, row.to, choice.groupRows, [&](Val first) {
      Range rows = {first, minOf(first + k.index(choice.groupRows), row.to)};
      unlessKept(k, args[PaScratch], k.index(0), keyOf(k, rows), [&] { transformInput(rows); });
      forBlocks(k, dot, shape.storedChannels, block.from, block.to, [&](Val index, int64_t vectors, int64_t lanes) {
        TilePointers at = blockPointers(k, args, dot, g.panel, epilogue, index);
        at.start = k.offset(args[PaStart], index * k.index(dot.nr() * 4));
        multiplyBlock(rows, at, vectors, lanes);
      });
    });
  }

private:
  Type i32s() { return k.vec(dot.lanes, k.i32()); }
  Val scratch(int64_t at) { return k.offset(args[PaScratch], at); }
  Val imageOf(Val row) { return row / k.index(shape.outH); }

  /// Parts that share rows multiply as many tiles at once as others, those that share blocks make V of all their rows, unless the thread has kept it.
  /// All costs times blocks times parts.
  Share shares(Val rows) {
    Costs costs(g, dot);
    Val parts = args[PaParts], threads = args[PaThreads], blocks = k.index(g.blocks);
    auto fillsOf = [&](Val rows) { return (rows * k.index(g.tilesX) + k.index(g.most - 1)) / k.index(g.most); };
    return shareOut(k, rows, g.blocks, args, [&](Val ownRows, Val ownBlocks) {
      Val isGroup = compare(Cmp::Le, ownRows, k.index(choice.groupRows));
      Val timesV = select(isGroup, maxOf(ownBlocks * parts, threads * blocks), parts * blocks);
      Val images = ownRows / k.index(shape.outH), fills = images * fillsOf(k.index(shape.outH)) + fillsOf(ownRows - images * k.index(shape.outH));
      return (ownRows + k.index(2)) * k.index(costs.row) * timesV + fills * k.index(costs.fill) * ownBlocks * parts;
    });
  }

  // ---- Activations -------------------------------------------------------------------------------------------------------

  /// The first column of a tile: the last tile ends with the row.
  Val columnOf(Val tx) {
    Val at = tx * k.index(2);
    return shape.outW % 2 ? minOf(at, k.index(shape.outW - 2)) : at;
  }

  /// V of what some rows of results read, image by image.
  void transformInput(const Range &rows) {
    Type bytes = k.vec(kVectorBytes, k.i8());
    int64_t height = shape.outH + kWindowRows - 1;
    Val firstImage = imageOf(rows.from), images = imageOf(rows.to - k.index(1)) - firstImage + k.index(1);
    k.forLoop(k.index(0), rows.to - rows.from + images * k.index(2), 1, [&](Val i) {
      Val unit = rows.from + firstImage * k.index(2) + i, image = unit / k.index(height), y = unit - image * k.index(height);
      Val x = k.offset(k.offset(args[PaX], image * k.index(shape.x.image)), y * k.index(shape.x.row)), v = k.offset(scratch(0), i * k.index(g.vRow));
      k.forLoop(0, g.tilesX, 1, [&](Val tx) {
        Val from = k.offset(x, columnOf(tx) * k.index(shape.x.pixel)), to = k.offset(v, tx * k.index(g.vTile));
        k.forLoop(0, g.vTile, kVectorBytes, [&](Val c) {
          WinogradRow d;
          // Behind the channels of a pixel lies something that may be read; its products are with zero weights or left out.
          for (int64_t j = 0; j < kPositions; ++j)
            d.push_back(k.load(bytes, k.offset(k.offset(from, c), j * shape.x.pixel)));
          d = winogradActivations(k, choice.form(), d);
          for (int64_t j = 0; j < kPositions; ++j) {
            // Sums of two unsigned codes are unsigned bytes, the others become so.
            if (!(dot.actUnsigned && j == 1))
              d[j] = d[j] ^ k.constantInt(bytes, -128);
            k.store(d[j], k.offset(k.offset(to, c), j * g.vPosition), kVectorBytes);
          }
        });
      });
    });
  }

  // ---- Products ----------------------------------------------------------------------------------------------------------

  /// All tiles of some rows by a block.
  void multiplyBlock(const Range &rows, const TilePointers &block, int64_t vectors, int64_t lanesOfLast) {
    Val firstImage = imageOf(rows.from), lastImage = imageOf(rows.to - k.index(1));
    k.forLoop(firstImage, lastImage + k.index(1), 1, [&](Val image) {
      Val top = image * k.index(shape.outH), from = maxOf(rows.from, top), to = minOf(rows.to, top + k.index(shape.outH));
      Val v = k.offset(scratch(0), (from - rows.from + (image - firstImage) * k.index(2)) * k.index(g.vRow)), tiles = (to - from) * k.index(g.tilesX);
      k.forLoop(k.index(0), (tiles + k.index(g.most - 1)) / k.index(g.most), 1, [&](Val fill) {
        Val first = fill * k.index(g.most), end = minOf(first + k.index(g.most), tiles);
        Val isLast = compare(Cmp::Eq, image, lastImage) & compare(Cmp::Eq, end, tiles);
        multiplyFill(k.offset(v, first * k.index(g.vTile)), block, isLast, vectors);
        k.forLoop(first, end, 1, [&](Val tile) {
          Val ty = tile / k.index(g.tilesX), tx = tile - ty * k.index(g.tilesX);
          endTile(k.offset(scratch(g.mAt), (tile - first) * k.index(g.mTile)), block, image, from - top + ty, columnOf(tx), vectors, lanesOfLast);
        });
      });
    });
  }

  /// M of T tiles whose V begins at `v`. `isLast`: the block has no other tiles after these.
  void multiplyFill(Val v, const TilePointers &block, Val isLast, int64_t vectors) {
    // The sums 0 and 3 begin with what V + 128 makes too much of the one result that each of them takes part in.
    Val m = scratch(g.mAt), zero = k.constantInt(i32s(), 0);
    for (int64_t i = 0; i < vectors; ++i)
      for (int64_t position = 0; position < kPositions; ++position) {
        int64_t plane = position / 3 * winogradPlaces(shape.storedChannels) * 4;
        Val start = position % 3 ? zero : k.load(i32s(), k.offset(block.start, plane + i * kVectorBytes), kVectorBytes);
        for (int64_t t = 0; t < g.most; ++t)
          k.store(start, k.offset(m, t * g.mTile + i * g.mVector + position * kVectorBytes), kVectorBytes);
      }
    k.forLoop(0, kWindowRows, 1, [&](Val r) {
      // The next row of the panel is fetched, behind which lies the next block, or the first row again.
      Val row = k.offset(block.weights, r * k.index(g.panelRow)), next = k.offset(row, g.panelRow);
      next = select(compare(Cmp::Lt, r, k.index(kWindowRows - 1)) | isLast, next, block.weights);
      Val x = k.offset(v, r * k.index(g.vRow));
      for (int64_t position = 0; position < kPositions; position += g.together)
        multiply(k.offset(x, position * g.vPosition), row, k.offset(m, position * kVectorBytes), position,
                 k.offset(next, position / g.together * (g.steps / turn()) * g.stepBytes), vectors);
    });
  }

  /// Steps in one turn of the products' loop: then a turn fetches as many bytes as a step has weights, in all positions together a row of them.
  int64_t turn() const { return kPositions / g.together; }

  /// Adds a row of weights to the sums of T tiles at the positions that go together.
  void multiply(Val x, Val weights, Val m, int64_t position, Val fetched, int64_t vectors) {
    Type bytes = k.vec(kVectorBytes, k.i8());
    WinogradRow tables = winogradTables(k);
    auto sumAt = [&](int64_t p, int64_t t, int64_t i) { return k.offset(m, t * g.mTile + i * g.mVector + p * kVectorBytes); };
    auto forSums = [&](const std::function<void(int64_t p, int64_t t, int64_t i)> &body) {
      for (int64_t p = 0; p < g.together; ++p)
        for (int64_t t = 0; t < g.most; ++t)
          for (int64_t i = 0; i < vectors; ++i)
            body(p, t, i);
    };
    auto step = [&](std::vector<Val> &sums, Val here, Val from) {
      llvm::SmallVector<Val, 2> taps;
      for (int64_t i = 0; i < vectors; ++i)
        taps.push_back(k.load(bytes, k.offset(from, i * kVectorBytes), kVectorBytes));
      Val *sum = sums.data();
      for (int64_t p = 0; p < g.together; ++p) {
        llvm::SmallVector<Val, 2> u;
        for (Val each : taps)
          u.push_back(k.bitcast(winogradLookup(k, tables[size_t(position + p)], each), i32s()));
        for (int64_t t = 0; t < g.most; ++t) {
          Val broadcast = k.splat(k.load(k.i32(), k.offset(here, p * g.vPosition + t * g.vTile), 4), dot.lanes);
          for (int64_t i = 0; i < vectors; ++i, ++sum)
            *sum = k.intrinsic("llvm.x86.avx512.vpdpbusd.512", i32s(), {*sum, broadcast, u[size_t(i)]});
        }
      }
    };
    std::vector<Val> carried;
    // LLVM would keep the sums of other positions, too, and has no registers for them.
    forSums([&](int64_t p, int64_t t, int64_t i) { carried.push_back(k.loadAnew(i32s(), sumAt(p, t, i), kVectorBytes)); });
    carried.push_back(weights);
    carried.push_back(fetched);
    int64_t whole = g.steps / turn() * turn(), bytesOfStep = dot.kr();
    auto loop = [&](int64_t first, int64_t end, int64_t count, bool fetches) {
      carried = k.forLoop(first * bytesOfStep, end * bytesOfStep, count * bytesOfStep, carried, [&](Val at, std::vector<Val> in) {
        Val from = in[in.size() - 2], next = in.back(), here = k.offset(x, at);
        for (int64_t i = 0; i < count; ++i)
          step(in, k.offset(here, i * bytesOfStep), k.offset(from, i * g.stepBytes));
        for (int64_t line = 0; fetches && line < g.stepBytes; line += 64)
          k.prefetch(k.offset(next, line), true);
        in[in.size() - 2] = k.offset(from, count * g.stepBytes);
        in.back() = fetches ? k.offset(next, g.stepBytes) : next;
        return in;
      });
    };
    loop(0, whole, turn(), true);
    loop(whole, g.steps, 1, false);
    const Val *sum = carried.data();
    forSums([&](int64_t p, int64_t t, int64_t i) { k.store(*sum++, sumAt(p, t, i), kVectorBytes); });
  }

  // ---- Results -----------------------------------------------------------------------------------------------------------

  void endTile(Val m, const TilePointers &block, Val image, Val y, Val x, int64_t vectors, int64_t lanesOfLast) {
    TilePointers at = tileAt(k, shape, epilogue, block, image, y, x);
    std::vector<Val> sums(2 * vectors);
    for (int64_t i = 0; i < vectors; ++i) {
      WinogradRow row;
      for (int64_t j = 0; j < kPositions; ++j)
        row.push_back(k.load(i32s(), k.offset(m, i * g.mVector + j * kVectorBytes), kVectorBytes));
      row = winogradSums(k, choice.form(), row);
      for (int64_t j = 0; j < 2; ++j)
        sums[j * vectors + i] = k.shiftRight(row[j], 1);
    }
    emitTileEnd(k, epilogue, sums, at, dot.lanes, 2, vectors, lanesOfLast);
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

std::optional<WinogradChoice> chooseWinogradRows(const TargetDesc &target, const ConvShape &shape, const WinogradOperands &operands, int64_t batch) {
  static_assert(2 * winogradRowsMostCode(true) <= 255 && winogradRowsMostCode(true) <= 127 && 2 * winogradRowsMostCode(false) <= 127,
                "sums and differences of two codes are bytes");
  if (target.vectorBytes != kVectorBytes || !target.hasVnni || !target.hasVbmi || shape.outW < 2)
    return std::nullopt;
  // Twice a result is a 32-bit sum.
  if (operands.mostCode > winogradRowsMostCode(operands.actUnsigned) || 9 * shape.channels * operands.mostCode >= int64_t(1) << 30)
    return std::nullopt;
  WinogradChoice choice;
  choice.taps = choice.rows = true;
  DotSpec &dot = choice.tile.dot;
  dot.kind = DotKind::Dpbusd;
  dot.actUnsigned = operands.actUnsigned;
  dot.lanes = target.lanes32();
  dot.vectors = std::min<int64_t>(2, ceilDiv(shape.storedChannels, dot.lanes));
  int64_t tiles = shape.outH * ceilDiv(shape.outW, 2), perImage = 0;
  for (int64_t most = std::min(kSums / dot.vectors, tiles); most >= 1; --most) {
    WinogradChoice other = choice;
    other.tile.positions = most;
    int64_t cost = ceilDiv(tiles, most) * Costs(Geometry(shape, other), dot).fill;
    if (perImage == 0 || cost < perImage)
      choice.tile.positions = most, perImage = cost;
  }
  // Whole images where they fit: what reaches from one group into the next needs two rows of V twice.
  Geometry bare(shape, choice);
  int64_t row = kPositions * bare.vRow, imagesAtOnce = kGroupBytes / (row * (shape.outH + 2));
  choice.groupRows = imagesAtOnce > 0 ? imagesAtOnce * shape.outH : std::max<int64_t>(1, kGroupBytes / row - 2);
  choice.cost = double(batch) * (double((shape.outH + 2) * Costs(bare, dot).row) + double(bare.blocks) * double(perImage));
  return choice;
}

std::vector<int32_t> winogradRowsStarts(const std::vector<int8_t> &weights, int64_t outputs, int64_t places, bool actUnsigned) {
  std::vector<int32_t> starts(2 * places);
  int64_t channels = int64_t(weights.size()) / outputs / 9;
  for (int64_t o = 0; o < outputs; ++o) {
    int64_t sums[3] = {}, m[kPositions] = {};
    for (int64_t tap = 0; tap < 9; ++tap)
      for (int64_t c = 0; c < channels; ++c)
        sums[tap % 3] += weights[(o * 9 + tap) * channels + c];
    // -128 * U of all rows and channels, where V lies as V + 128.
    for (int p = 0; p < kPositions; ++p)
      for (int s = 0; s < 3; ++s)
        if (!actUnsigned || p != 1)
          m[p] -= 128 * kWinogradBytesG[p][s] * sums[s];
    for (int x = 0; x < 2; ++x) {
      int64_t result = 0;
      for (int p = 0; p < kPositions; ++p)
        result += kWinogradBytesA[x][p] * m[p];
      starts[x * places + o] = int32_t(kWinogradBytesA[x][3 * x] * result);
    }
  }
  return starts;
}

int64_t winogradRowsScratch(const ConvShape &shape, const WinogradChoice &choice) { return Geometry(shape, choice).scratch; }

void writeWinogradRows(KernelBuilder &k, const ConvShape &shape, const WinogradChoice &choice, const Epilogue &epilogue, const std::vector<Val> &args) {
  WinogradRows(k, shape, choice, epilogue, args).emit();
}

} // namespace triton
