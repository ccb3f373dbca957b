// The code of the Winograd forms.
//
//   for a group of rows of tiles                  V of the group stays in the second-level cache
//     V[position][tile][channel] = B' d B         words or bytes; the last tile of a row or column overlaps its neighbour
//     for a block of NR channels
//       U[position][channels][NR] = G g G'        from the panel of trits, which is all that lies in memory; before all groups where
//                                                 U of all blocks is small; bytes: between the products of the block before
//       words: for all positions, for P tiles     M[tile][vector][position] = sum over channels, by the register tile
//       bytes: for P tiles, for all positions     the same; M of P tiles stays in the first-level cache
//       for a tile                                A M A', the division, the usual end of a tile
#include "WinogradCosts.h"
#include "WinogradRows.h"
#include "WinogradWeights.h"

#include "artifact/kernel_abi.h"

using namespace mlir;

namespace triton {

namespace {

/// U is kept of so many blocks at most: a byte each in the header of the scratch, behind the word for V.
constexpr int64_t kKeptBytes = 8, kKeptBlocks = TRI_SCRATCH_HEADER - kKeptBytes;

class Winograd {
public:
  Winograd(KernelBuilder &k, const ConvShape &shape, const WinogradChoice &choice, const Epilogue &epilogue, const std::vector<Val> &args)
      : k(k), shape(shape), choice(choice), dot(choice.tile.dot), epilogue(epilogue), args(args), form(choice.form()), g(shape, choice),
        weights(k, choice, g) {}

  void emit() {
    Val rows = args[PaRows] * k.index(g.tilesY);
    auto [row, block] = shares(rows);
    auto eachBlock = [&](const std::function<void(Val, int64_t, int64_t)> &body) {
      forBlocks(k, dot, shape.storedChannels, block.from, block.to, body);
    };
    auto uOf = [&](Val index) { return k.offset(scratch(g.uAt), g.keepsU ? index * k.index(g.uBlock) : k.index(0)); };
    auto panelOf = [&](Val index) { return k.offset(args[PaWeights], index * k.index(g.panel)); };
    auto place = [&](Val turn) { return k.offset(scratch(g.uAt), (turn & k.index(1)) * k.index(g.uBlock)); };
    Val none = k.index(0), allSteps = k.index(g.steps), isAny = compare(Cmp::Lt, row.from, row.to) & compare(Cmp::Lt, block.from, block.to);
    Val groups = (row.to - row.from + k.index(choice.groupRows - 1)) / k.index(choice.groupRows), firstTurn, isNext;
    if (g.keepsU)
      eachBlock([&](Val index, int64_t vectors, int64_t) {
        auto make = [&] { weights.transform(panelOf(index), uOf(index), vectors, none, allSteps); };
        if (g.blocks > kKeptBlocks)
          return make();
        unlessKept(k, args[PaScratch], index + k.index(kKeptBytes), k.constantInt(k.i8(), 1), make);
      });
    else if (form.bytes()) {
      // The part before may have made U of this part's first block, as this one does for the next part if the same thread takes it by itself.
      Val kept = k.load(k.i64(), keptBlock()), isOther = compare(Cmp::Ne, k.shiftRightLogical(kept, 1), block.from + k.index(1));
      k.ifThen(isAny & isOther, [&] { weights.transform(panelOf(block.from), place(none), dot.vectors, none, allSteps); });
      firstTurn = select(isOther, none, kept & k.index(1));
      auto threadOf = [&](Val part) { return part * args[PaThreads] / args[PaParts]; };
      isNext = compare(Cmp::Lt, block.to, k.index(g.blocks)) & compare(Cmp::Eq, threadOf(args[PaPart]), threadOf(args[PaPart] + k.index(1)));
    }
    k.forLoop(row.from, row.to, choice.groupRows, [&](Val first) {
      Val count = minOf(row.to - first, k.index(choice.groupRows));
      unlessKept(k, args[PaScratch], none, keyOf(k, {first, first + count}), [&] { transformInput(first, count); });
      eachBlock([&](Val index, int64_t vectors, int64_t lanes) {
        TilePointers at = blockPointers(k, args, dot, g.panel, epilogue, index);
        if (form.bytes() || dot.excess)
          at.start = k.offset(args[PaStart], index * k.index(g.nr * 4));
        if (!form.bytes()) {
          if (!g.keepsU)
            weights.transform(at.weights, uOf(index), vectors, none, allSteps);
          byPositions(first, count, at, uOf(index), vectors, lanes);
          return;
        }
        Ahead ahead;
        Val u = uOf(index);
        if (!g.keepsU) {
          // The blocks of all groups take the two places of U in turn.
          Val turn = firstTurn + (first - row.from) / k.index(choice.groupRows) * (block.to - block.from) + (index - block.from);
          Val next = index + k.index(1), more = compare(Cmp::Lt, next, block.to), others = compare(Cmp::Lt, first + k.index(choice.groupRows), row.to);
          u = place(turn);
          ahead = {panelOf(select(more, next, select(others, block.from, next))), place(turn + k.index(1)), more | others | isNext};
        }
        byFills(first, count, at, index, u, ahead, vectors, lanes);
      });
    });
    if (isNext)
      k.ifThen(isAny, [&] {
        Val turn = firstTurn + groups * (block.to - block.from);
        k.store(select(isNext, (block.to + k.index(1)) * k.index(2) + (turn & k.index(1)), none), keptBlock());
      });
  }

private:
  Type i32s() { return k.vec(dot.lanes, k.i32()); }
  /// Where the header of the scratch says which block's U lies in which of its two places: twice the block's number plus 1, plus the place.
  Val keptBlock() { return k.offset(args[PaScratch], kKeptBytes - TRI_SCRATCH_HEADER); }
  Val scratch(int64_t at) { return k.offset(args[PaScratch], at); }

  /// Parts that share rows of tiles make U of all their blocks each, those that share blocks of channels V of all their rows, unless the thread has
  /// kept it: U of all blocks, V of one group. All costs times blocks times parts.
  Share shares(Val rows) {
    WinogradCosts costs(k.target(), shape, choice);
    Val parts = args[PaParts], threads = args[PaThreads];
    return shareOut(k, rows, g.blocks, args, [&](Val ownRows, Val ownBlocks) {
      Val groups = (ownRows + k.index(choice.groupRows - 1)) / k.index(choice.groupRows);
      Val timesV = select(compare(Cmp::Eq, groups, k.index(1)), maxOf(ownBlocks * parts, threads * k.index(g.blocks)), parts * k.index(g.blocks));
      return ownRows * (k.index(costs.row) * timesV + k.index(costs.rowBlocks) * ownBlocks * parts) +
             k.index(costs.allBlocks) * ownBlocks * (costs.keepsU ? threads : groups * parts);
    });
  }

  // ---- Places ------------------------------------------------------------------------------------------------------------

  /// A tile of the image.
  struct Place {
    Val image, nominal, y, x; ///< its first row before overlapping, row, column
  };

  /// The first row (or column) of a tile: the last tile ends with the image.
  Val firstOf(Val tile, int64_t size) {
    Val at = tile * k.index(form.tile);
    return size % form.tile ? minOf(at, k.index(size - form.tile)) : at;
  }
  /// The first tile of a row of tiles.
  Place placeOfRow(Val unit) {
    Val image = unit / k.index(g.tilesY), ty = unit - image * k.index(g.tilesY);
    return {image, ty * k.index(form.tile), firstOf(ty, shape.outH), k.index(0)};
  }
  /// Calls `body(tile of the group, its place)` for `count` rows of tiles.
  void forRows(Val first, Val count, const std::function<void(Val tile, const Place &place)> &body) {
    k.forLoop(k.index(0), count, 1, [&](Val i) {
      Place place = placeOfRow(first + i);
      k.forLoop(0, g.tilesX, 1, [&](Val tx) { body(i * k.index(g.tilesX) + tx, {place.image, place.nominal, place.y, firstOf(tx, shape.outW)}); });
    });
  }
  /// The same for the tiles [from, to) of a group whose first row of tiles is `first`.
  void forTiles(Val first, Val from, Val to, const std::function<void(Val tile, const Place &place)> &body) {
    k.forLoop(from, to, 1, [&](Val tile) {
      Val row = tile / k.index(g.tilesX), tx = tile - row * k.index(g.tilesX);
      Place place = placeOfRow(first + row);
      body(tile, {place.image, place.nominal, place.y, firstOf(tx, shape.outW)});
    });
  }
  Val inputAt(const Place &at) { return pixelAt(k, args[PaX], shape.x, at.image, at.y, at.x); }

  // ---- Activations -------------------------------------------------------------------------------------------------------

  Val vOf(Val tile) {
    if (!form.bytes())
      return k.offset(scratch(0), tile * k.index(g.vTile));
    Val fill = tile / k.index(choice.tile.positions), rest = tile - fill * k.index(choice.tile.positions);
    return k.offset(k.offset(scratch(0), fill * k.index(g.vFill)), rest * k.index(g.vTile));
  }

  void transformInput(Val first, Val count) {
    if (form.bytes())
      return transformBytes(first, count);
    int64_t n = form.window();
    Type bytes = k.vec(g.elements, k.i8());
    bool isSigned = !dot.actUnsigned && !dot.excess;
    forRows(first, count, [&](Val tile, const Place &place) {
      Val from = inputAt(place), to = vOf(tile);
      k.forLoop(0, g.vectors * g.elements, g.elements, [&](Val c) {
        Val at = k.offset(from, c);
        llvm::SmallVector<WinogradRow, 6> rows;
        for (int64_t i = 0; i < n; ++i) {
          WinogradRow d;
          for (int64_t j = 0; j < n; ++j) {
            // Behind the channels of a pixel lies something that may be read; its products are with zero weights or left out.
            Val raw = k.load(bytes, k.offset(at, i * shape.x.row + j * shape.x.pixel));
            d.push_back(isSigned ? k.signExtend(raw, k.i16()) : k.zeroExtend(raw, k.i16()));
          }
          rows.push_back(winogradActivations(k, form, d));
        }
        Val out = k.offset(to, c + c);
        for (int64_t j = 0; j < n; ++j) {
          WinogradRow column;
          for (int64_t i = 0; i < n; ++i)
            column.push_back(rows[i][j]);
          column = winogradActivations(k, form, column);
          for (int64_t i = 0; i < n; ++i)
            k.store(column[i], k.offset(out, (i * n + j) * g.vPosition), 32);
        }
      });
    });
  }

  /// Two of the four columns of a window are those of the tile before it.
  void transformBytes(Val first, Val count) {
    int64_t n = form.window(), following = shape.outW / form.tile;
    Type bytes = k.vec(g.elements, k.i8());
    k.forLoop(k.index(0), count, 1, [&](Val i) {
      Place place = placeOfRow(first + i);
      Val from = inputAt(place), firstTile = i * k.index(g.tilesX);
      k.forLoop(0, g.vectors * g.elements, g.elements, [&](Val c) {
        auto column = [&](Val pixel, int64_t more) {
          Val at = k.offset(k.offset(from, c), pixel * k.index(shape.x.pixel));
          WinogradRow d;
          for (int64_t y = 0; y < n; ++y)
            d.push_back(k.load(bytes, k.offset(at, y * shape.x.row + more * shape.x.pixel)));
          return winogradActivations(k, form, d);
        };
        auto write = [&](Val tile, const std::vector<WinogradRow> &columns) {
          Val out = k.offset(vOf(firstTile + tile), c);
          for (int64_t y = 0; y < n; ++y) {
            // Sums of four unsigned codes are unsigned bytes, the others become so: each of them takes one of the last two columns.
            bool isMixed = dot.actUnsigned && y == 1;
            auto positive = [&](Val v) { return v ^ k.constantInt(bytes, -128); };
            WinogradRow row;
            for (int64_t x = 0; x < n; ++x)
              row.push_back(x >= 2 && !isMixed ? positive(columns[size_t(x)][y]) : columns[size_t(x)][y]);
            row = winogradActivations(k, form, row);
            for (int64_t x = 0; x < n; ++x)
              k.store(isMixed && x != 1 ? positive(row[x]) : row[x], k.offset(out, (y * n + x) * g.vPosition), 32);
          }
        };
        std::vector<Val> carried;
        for (int64_t x = 0; x < 2; ++x)
          for (Val v : column(k.index(0), x))
            carried.push_back(v);
        k.forLoop(0, following, 1, carried, [&](Val tile, const std::vector<Val> &before) {
          std::vector<WinogradRow> columns = {{before.begin(), before.begin() + n}, {before.begin() + n, before.end()}};
          for (int64_t x = 2; x < n; ++x)
            columns.push_back(column(tile * k.index(form.tile), x));
          write(tile, columns);
          std::vector<Val> next(columns[2].begin(), columns[2].end());
          next.insert(next.end(), columns[3].begin(), columns[3].end());
          return next;
        });
        if (following < g.tilesX) {
          std::vector<WinogradRow> columns;
          for (int64_t x = 0; x < n; ++x)
            columns.push_back(column(k.index(shape.outW - form.tile), x));
          write(k.index(following), columns);
        }
      });
    });
  }

  // ---- Products ----------------------------------------------------------------------------------------------------------

  Val product(Val sum, Val a, Val b) {
    bool wide = dot.lanes == 16;
    if (form.bytes())
      return k.intrinsic(wide ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256", i32s(), {sum, a, b});
    if (k.target().hasVnni)
      return k.intrinsic(wide ? "llvm.x86.avx512.vpdpwssd.512" : "llvm.x86.avx512.vpdpwssd.256", i32s(), {sum, a, b});
    Type i16s = k.vec(dot.lanes * 2, k.i16());
    return sum + k.intrinsic(wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd", i32s(), {k.bitcast(a, i16s), k.bitcast(b, i16s)});
  }

  /// Calls `body` for the fill that begins where so many tiles are left, with as many as it computes (winogradFill). What it has too many hold what
  /// earlier groups left, and nobody reads their sums.
  void forFill(Val left, const std::function<void(int64_t positions)> &body) {
    int64_t most = choice.tile.positions;
    for (int64_t fewer = 0, positions; fewer < most; fewer = positions) {
      positions = winogradFill(fewer + 1, most);
      Val fits = compare(Cmp::Gt, left, k.index(fewer));
      k.ifThen(positions < most ? fits & compare(Cmp::Le, left, k.index(positions)) : fits, [&] { body(positions); });
    }
  }

  /// The sums of so many tiles at one position, which begin with `sums`. `fetched` (may be absent): an address * 256, see
  /// WinogradGeometry::fetchStep. `column` (may be absent): made meanwhile.
  void multiply(Val x, Val u, Val to, int64_t positions, std::vector<Val> sums, int64_t vectors, Val fetched = {}, const WinogradWeights::Column &column = {}) {
    auto products = [&](std::vector<Val> &into, Val at, int64_t step) {
      Val here = k.offset(k.offset(x, at), step * 4), from = k.offset(k.offset(u, at * k.index(g.nr)), step * g.nr * 4), w[4];
      for (int64_t i = 0; i < vectors; ++i)
        w[i] = k.load(i32s(), k.offset(from, i * g.laneBytes), g.laneBytes);
      for (int64_t p = 0; p < positions; ++p) {
        Val broadcast = k.splat(k.load(k.i32(), k.offset(here, p * g.vTile), 4), dot.lanes);
        for (int64_t i = 0; i < vectors; ++i)
          into[p * vectors + i] = product(into[p * vectors + i], broadcast, w[i]);
      }
    };
    // What a turn of `steps` steps fetches: a line, or as many as keep up.
    auto fetch = [&](Val at, int64_t steps) {
      int64_t lines = ceilDiv(steps * g.fetchStep, 64 * 256);
      Val address = fetched + at * k.index(g.fetchStep / 4);
      for (int64_t i = 0; i < lines; ++i)
        k.prefetch(k.pointerTo(k.shiftRightLogical(i ? address + k.index(i * steps * g.fetchStep / lines) : address, 8)));
    };
    auto loop = [&](int64_t from, int64_t to, int64_t steps) {
      sums = k.forLoop(from * 4, to * 4, steps * 4, sums, [&](Val at, std::vector<Val> into) {
        if (fetched)
          fetch(at, steps);
        if (column && steps > 1)
          weights.makeVector(column, at * k.index(g.laneBytes / (steps * 4)));
        for (int64_t step = 0; step < steps; ++step)
          products(into, at, step);
        return into;
      });
    };
    int64_t whole = form.bytes() && dot.lanes == 16 && positions == choice.tile.positions ? weights.turns() * WinogradWeights::kStepsTogether : 0;
    loop(0, whole, WinogradWeights::kStepsTogether);
    loop(whole, g.steps, 1);
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t i = 0; i < vectors; ++i)
        k.store(sums[p * vectors + i], k.offset(to, p * g.mTile + i * g.mVector), 32);
  }

  /// What a block of a group fetches: see WinogradGeometry::fetchBytes.
  Val fetchedBy(Val first, Val index, const TilePointers &block) {
    if (!g.keepsU)
      return k.offset(block.weights, 2 * g.panel);
    Val group = first % g.tilesY / k.index(choice.groupRows);
    return k.offset(args[PaWeights], k.index(g.blocks * g.panel) + (group * k.index(g.blocks) + index) * k.index(g.fetchBytes));
  }

  /// Words: a position of U stays in the first-level cache for all tiles.
  void byPositions(Val first, Val count, const TilePointers &block, Val allU, int64_t vectors, int64_t lanesOfLast) {
    int64_t most = choice.tile.positions, lines = ceilDiv(g.panel, form.positions() * 64);
    Val nextPanel = k.offset(block.weights, g.panel), tiles = count * k.index(g.tilesX);
    k.forLoop(0, form.positions(), 1, [&](Val position) {
      // The panel of the next block, or of the next layer's first, comes meanwhile.
      Val fetched = k.offset(nextPanel, position * k.index(lines * 64));
      k.forLoop(0, lines, 1, [&](Val line) { k.prefetch(k.offset(fetched, line * k.index(64))); });
      Val u = k.offset(allU, position * k.index(g.uPosition)), v = k.offset(scratch(0), position * k.index(g.vPosition));
      Val m = k.offset(scratch(g.mAt), position * k.index(g.laneBytes));
      k.forLoop(k.index(0), tiles, most, [&](Val tile) {
        Val x = k.offset(v, tile * k.index(g.vTile)), to = k.offset(m, tile * k.index(g.mTile));
        forFill(tiles - tile, [&](int64_t positions) {
          multiply(x, u, to, positions, std::vector<Val>(positions * vectors, k.constantInt(i32s(), 0)), vectors);
        });
      });
    });
    forRows(first, count, [&](Val tile, const Place &place) { transformOutput(tile, place, block, vectors, lanesOfLast); });
  }

  /// The block whose U is made while another one is multiplied: the products leave the ways between the caches idle, which U needs.
  struct Ahead {
    Val panel, u, exists;
  };

  /// Bytes: the sums of one fill stay in the first-level cache, U comes from the second.
  void byFills(Val first, Val count, const TilePointers &block, Val index, Val allU, const Ahead &ahead, int64_t vectors, int64_t lanesOfLast) {
    int64_t most = choice.tile.positions, planeBytes = winogradPlaces(shape.storedChannels) * 4;
    auto ifAhead = [&](int64_t count) { return select(ahead.exists, k.index(count), k.index(0)); };
    auto sliceAt = [&](Val part) { return minOf(part * k.index(g.uSlice), ifAhead(g.steps)); };
    auto positionsOf = [&](Val fills) { return fills * k.index(form.positions()); };
    Val fetched = k.shiftLeft(k.addressOf(fetchedBy(first, index, block)), 8), tiles = count * k.index(g.tilesX);
    Val fills = (tiles + k.index(most - 1)) / k.index(most);
    k.forLoop(k.index(0), fills, 1, [&](Val fill) {
      Val v = k.offset(scratch(0), fill * k.index(g.vFill)), tile = fill * k.index(most);
      k.forLoop(0, form.positions(), 1, [&](Val position) {
        Val part = positionsOf(fill) + position;
        // A corner's sums begin with what V + 128 makes too much of one result, all others with zeros.
        Val y = position / k.index(form.window()), x = position - y * k.index(form.window());
        auto isEdge = [&](Val at) { return compare(Cmp::Eq, at, k.index(0)) | compare(Cmp::Eq, at, k.index(3)); };
        Val corner = y / k.index(2) * k.index(2) + x / k.index(2);
        Val mask = k.splat(select(isEdge(y) & isEdge(x), k.i32c(-1), k.i32c(0)), dot.lanes);
        std::vector<Val> starts;
        for (int64_t i = 0; i < vectors; ++i)
          starts.push_back(k.load(i32s(), k.offset(k.offset(block.start, corner * k.index(planeBytes)), i * g.laneBytes), g.laneBytes) & mask);
        forFill(tiles - tile, [&](int64_t positions) {
          std::vector<Val> sums;
          for (int64_t p = 0; p < positions; ++p)
            sums.insert(sums.end(), starts.begin(), starts.end());
          auto products = [&](const WinogradWeights::Column &column) {
            multiply(k.offset(v, position * k.index(g.vPosition)), k.offset(allU, position * k.index(g.uPosition)),
                     k.offset(scratch(g.mAt), position * k.index(g.laneBytes)), positions, sums, vectors, fetched + part * k.index(g.steps * g.fetchStep),
                     column);
            return std::vector<Val>();
          };
          if (weights.interleaves() && positions == most)
            k.ifElse(ahead.exists & compare(Cmp::Lt, part, k.index(weights.columnsPositions())), {}, [&] { return products(weights.columnOf(part, ahead.panel, ahead.u)); },
                     [&] { return products({}); });
          else
            products({});
        });
        if (ahead.exists && !weights.interleaves())
          weights.transform(ahead.panel, ahead.u, dot.vectors, sliceAt(part), sliceAt(part + k.index(1)));
      });
      forTiles(first, tile, minOf(tile + k.index(most), tiles),
               [&](Val of, const Place &place) { transformOutput(of - tile, place, block, vectors, lanesOfLast); });
    });
    if (!ahead.exists)
      return;
    // A group of fewer fills leaves some.
    if (weights.interleaves())
      k.forLoop(positionsOf(tiles / k.index(most)), ifAhead(weights.columnsPositions()), 1, [&](Val part) {
        WinogradWeights::Column column = weights.columnOf(part, ahead.panel, ahead.u);
        k.forLoop(0, weights.turns() * g.laneBytes, g.laneBytes, [&](Val at) { weights.makeVector(column, at); });
      });
    else
      weights.transform(ahead.panel, ahead.u, dot.vectors, sliceAt(positionsOf(fills)), ifAhead(g.steps));
  }

  // ---- Results -----------------------------------------------------------------------------------------------------------

  /// The sum of a result from A M A'.
  Val divided(Val sum, Val start) {
    if (form.bytes())
      return k.shiftRight(sum, 2);
    sum = k.intToFloat(sum) * k.splat(k.f32c(1.0f / kWinogradScale), dot.lanes); // an integer, exactly
    if (dot.excess)
      sum = sum + start;
    return epilogue.out == Epilogue::Out::Sums ? k.roundToInt(sum) : sum;
  }

  /// The tile whose sums are the `tile`th of M.
  void transformOutput(Val tile, const Place &place, const TilePointers &block, int64_t vectors, int64_t lanesOfLast) {
    Val m = k.offset(scratch(g.mAt), tile * k.index(g.mTile));
    TilePointers to = tileAt(k, shape, epilogue, block, place.image, place.y, place.x);
    // Results end four together: of one vector and a row of four pixels, or of two pixels and all vectors.
    int64_t together = form.bytes() ? vectors : 1;
    for (int64_t v = 0; v < vectors; v += together)
      endVectors(m, place, block, to, v, together, v + together == vectors ? lanesOfLast : dot.lanes);
  }

  /// The vectors [first, first + count) of a tile.
  void endVectors(Val m, const Place &place, const TilePointers &block, const TilePointers &to, int64_t first, int64_t count, int64_t lanesOfLast) {
    int64_t n = form.window();
    llvm::SmallVector<llvm::SmallVector<WinogradRow, 4>, 2> rows(count, llvm::SmallVector<WinogradRow, 4>(form.tile));
    for (int64_t v = 0; v < count; ++v)
      for (int64_t j = 0; j < n; ++j) {
        WinogradRow column;
        for (int64_t i = 0; i < n; ++i)
          column.push_back(k.load(i32s(), k.offset(m, (first + v) * g.mVector + (i * n + j) * g.laneBytes), 32));
        column = winogradSums(k, form, column);
        for (int64_t i = 0; i < form.tile; ++i)
          rows[v][i].push_back(column[i]);
      }
    TilePointers at = to;
    Val start;
    if (!form.bytes() && dot.excess)
      start = k.intToFloat(k.load(i32s(), k.offset(block.start, first * g.laneBytes), g.laneBytes));
    at.m = k.offset(block.m, first * g.laneBytes);
    at.b = k.offset(block.b, first * g.laneBytes);
    for (int64_t i = 0; i < form.tile; ++i) {
      auto row = [&] {
        std::vector<Val> sums(form.tile * count);
        for (int64_t v = 0; v < count; ++v) {
          WinogradRow results = winogradSums(k, form, rows[v][i]);
          for (int64_t j = 0; j < form.tile; ++j)
            sums[j * count + v] = divided(results[j], start);
        }
        at.out = k.offset(to.out, i * shape.out.row + first * dot.lanes * epilogue.outBytes());
        if (epilogue.residual != Epilogue::Residual::None)
          at.residual = k.offset(to.residual, i * shape.residual.row + first * dot.lanes * epilogue.residualBytes());
        emitTileEnd(k, epilogue, sums, at, dot.lanes, form.tile, count, lanesOfLast);
      };
      // Rows that the tile above has are its: it may belong to another part.
      if (shape.outH % form.tile && i < form.tile - 1)
        k.ifThen(compare(Cmp::Ge, place.y + k.index(i), place.nominal), row);
      else
        row();
    }
  }

  KernelBuilder &k;
  const ConvShape &shape;
  const WinogradChoice &choice;
  const DotSpec &dot;
  const Epilogue &epilogue;
  const std::vector<Val> &args;
  WinogradForm form;
  WinogradGeometry g;
  WinogradWeights weights;
};

} // namespace

std::string emitWinograd(KernelBuilder &k, const std::string &label, const ConvShape &shape, const WinogradChoice &choice,
                         const Epilogue &epilogue) {
  WinogradChoice own = choice;
  own.cost = own.directCost = 0; // why this way was taken changes no code
  return productKernel(k, label + "_" + own.tile.name(), Recipe("winograd", shape, own, epilogue), [&](const std::vector<Val> &args) {
    if (own.rows)
      writeWinogradRows(k, shape, own, epilogue, args);
    else
      Winograd(k, shape, own, epilogue, args).emit();
    emitZeroHalo(k, args[PaOut], shape.out, shape.outH, shape.outW, shape.out.pixel, shape.haloH, shape.haloW, args[PaRows], args[PaPart],
                 args[PaParts], epilogue.excess ? -128 : 0);
  });
}

} // namespace triton
