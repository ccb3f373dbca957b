// Direct convolution and linear layers on the register tile.
//
//   for a block of NR channels                 weights of one block stay in the first-level cache
//     for a row of the output (all images)     parts share rows, blocks, or both (Share.cpp)
//       for P pixels of the row                the last tile overlaps its neighbour instead of having a size of its own
//
// Where words are multiplied and a window's rows are short (the first layer of a network), rows are outermost instead: what one row of the
// output reads is widened once, and a broadcast is one load.
#include "ProductLoops.h"

#include <algorithm>

using namespace mlir;

namespace triton {

/// A panel of at least so many weights is fetched ahead; smaller ones arrive before they cost anything.
constexpr int64_t kPrefetchedPanel = 8192;

static Val smaller(Val a, Val b) { return minOf(a, b); }

/// Elements of a row of x that a row of the output reads.
static int64_t rowElements(const ConvShape &shape) {
  return ((shape.outW - 1) * shape.strideW + (shape.kernelW - 1) * shape.dilationW + 1) * shape.channels;
}

/// Bytes between widened rows: whole vectors, and the step that reads behind the last element.
static int64_t wideRowBytes(const ConvShape &shape) { return (rowElements(shape) + 63) / 32 * 32 * 2; }

bool wideRowsPay(const TargetDesc &target, const ConvShape &shape) {
  return target.arch == Arch::X86_64 && shape.kernelH * wideRowBytes(shape) <= int64_t(target.firstCacheBytes) / 2;
}

int64_t convScratch(const ConvShape &shape, const TileChoice &tile) { return tile.dot.wide ? shape.kernelH * wideRowBytes(shape) : 0; }

Reduction convReduction(const ConvShape &shape, const DotSpec &dot) {
  Reduction reduction;
  int64_t rowStride = dot.wide ? wideRowBytes(shape) : shape.dilationH * shape.x.row;
  auto runs = [&](int64_t bytes) { return ceilDiv(bytes, dot.kr() * dot.packed()) * dot.packed(); };
  if (shape.rowRuns) {
    reduction.steps = runs(shape.kernelW * shape.channels);
    if (shape.kernelH > 1)
      reduction.levels.push_back({shape.kernelH, rowStride});
    return reduction;
  }
  reduction.steps = runs(shape.channels);
  bool gapless = shape.dilationW == 1 && reduction.steps * dot.kr() == shape.x.pixel;
  if (shape.kernelH > 1)
    reduction.levels.push_back({shape.kernelH, rowStride});
  if (gapless)
    reduction.steps *= shape.kernelW;
  else if (shape.kernelW > 1)
    reduction.levels.push_back({shape.kernelW, shape.dilationW * shape.x.pixel * dot.xBytes() / dot.kr()});
  return reduction;
}

double directInstructions(const TargetDesc &target, const ConvShape &shape, const TileChoice &tile, int64_t batch) {
  Reduction reduction = convReduction(shape, tile.dot);
  double steps = double(reduction.allSteps());
  RowTiles tiles(target, shape.outW, tile.positions);
  int64_t positions = tiles.high * tile.positions + tiles.low * (tile.positions - 1);
  double vectors = double(batch * shape.outH * positions * ceilDiv(shape.storedChannels, tile.dot.nr()) * tile.dot.vectors);
  return vectors * (steps * target.dotCost(tile.dot.kind) + 6);
}

/// Bytes of one panel of weights.
static int64_t panelBytes(const DotSpec &dot, const Reduction &reduction) {
  return reduction.allSteps() * dot.nr() * dot.kr() / dot.packed();
}

std::string productKernel(KernelBuilder &k, const std::string &stem, const Recipe &recipe,
                          const std::function<void(const std::vector<Val> &)> &write) {
  llvm::SmallVector<Type> types(PaCount, k.ptr());
  types[PaRows] = types[PaPart] = types[PaParts] = types[PaThreads] = k.i64();
  return k.kernel(stem, recipe.text(), types, write);
}

void forBlocks(KernelBuilder &k, const DotSpec &dot, int64_t stored, Val from, Val to,
               const std::function<void(Val block, int64_t vectors, int64_t lanes)> &body) {
  int64_t nr = dot.nr(), whole = stored / nr, rest = stored - whole * nr;
  if (whole > 0)
    k.forLoop(from, smaller(to, k.index(whole)), 1, [&](Val block) { body(block, dot.vectors, dot.lanes); });
  if (rest > 0)
    k.ifThen(compare(Cmp::Gt, to, k.index(whole)), [&] {
      int64_t vectors = (rest + dot.lanes - 1) / dot.lanes;
      body(k.index(whole), vectors, rest - (vectors - 1) * dot.lanes);
    });
}

TilePointers blockPointers(KernelBuilder &k, const std::vector<Val> &args, const DotSpec &dot, int64_t panel, const Epilogue &epilogue,
                           Val block) {
  TilePointers at;
  at.x = args[PaX];
  at.weights = k.offset(args[PaWeights], block * k.index(panel));
  Val channels = block * k.index(dot.nr() * 4);
  at.start = dot.biased() ? k.offset(args[PaStart], channels) : args[PaStart];
  at.m = k.offset(args[PaM], channels);
  at.b = k.offset(args[PaB], channels);
  at.scale = args[PaScale];
  at.residual = epilogue.residual == Epilogue::Residual::None
                    ? args[PaResidual]
                    : k.offset(args[PaResidual], block * k.index(dot.nr() * epilogue.residualBytes()));
  at.out = k.offset(args[PaOut], block * k.index(dot.nr() * epilogue.outBytes()));
  return at;
}

void emitZeroHalo(KernelBuilder &k, Val out, const PlaneStrides &strides, int64_t height, int64_t width, int64_t pixelBytes,
                  int64_t haloH, int64_t haloW, Val batch, Val part, Val parts, int64_t fill) {
  if (haloH == 0 && haloW == 0)
    return;
  auto zero = [&](Val at, int64_t bytes) {
    int64_t whole = bytes / 16 * 16;
    Val zeros = k.constantInt(k.vec(16, k.i8()), fill);
    k.forLoop(0, whole, 16, [&](Val i) { k.store(zeros, k.offset(at, i)); });
    if (bytes > whole)
      k.storeLanes(zeros, bytes - whole, k.offset(at, whole));
  };
  int64_t rows = height + 2 * haloH;
  Range range = partition(k, batch * k.index(rows), part, parts);
  Val first = k.offset(out, -haloH * strides.row - haloW * pixelBytes);
  k.forLoop(range.from, range.to, 1, [&](Val unit) {
    Val image = unit / k.index(rows), row = unit - image * k.index(rows);
    Val at = k.offset(k.offset(first, image * k.index(strides.image)), row * k.index(strides.row));
    auto edges = [&] {
      if (haloW > 0) {
        zero(at, haloW * pixelBytes);
        zero(k.offset(at, (haloW + width) * pixelBytes), haloW * pixelBytes);
      }
      return std::vector<Val>();
    };
    if (haloH == 0) {
      edges();
      return;
    }
    Val above = compare(Cmp::Lt, row, k.index(haloH)), below = compare(Cmp::Ge, row, k.index(haloH + height));
    k.ifElse(above | below, {}, [&] { return zero(at, (width + 2 * haloW) * pixelBytes), std::vector<Val>(); }, edges);
  });
}

/// Writes the rows of a window to `to` as words; `from` is at its first element.
static void widenRows(KernelBuilder &k, const ConvShape &shape, const DotSpec &dot, Val from, Val to) {
  int64_t words = dot.lanes * 2, elements = rowElements(shape), whole = elements / words * words;
  k.forLoop(0, shape.kernelH, 1, [&](Val r) {
    Val x = k.offset(from, r * k.index(shape.dilationH * shape.x.row)), out = k.offset(to, r * k.index(wideRowBytes(shape)));
    auto store = [&](Val bytes, Val at) { k.store(dot.actUnsigned ? k.zeroExtend(bytes, k.i16()) : k.signExtend(bytes, k.i16()), at); };
    Type bytes = k.vec(words, k.i8());
    k.forLoop(0, whole, words, [&](Val i) { store(k.load(bytes, k.offset(x, i)), k.offset(out, i * k.index(2))); });
    if (whole < elements)
      store(k.loadLanes(bytes, elements - whole, k.offset(x, whole)), k.offset(out, whole * 2));
  });
}

static void writeConv(KernelBuilder &k, const ConvShape &shape, const TileChoice &tile, const Epilogue &epilogue, const std::vector<Val> &args) {
  const DotSpec &dot = tile.dot;
  Reduction reduction = convReduction(shape, dot);
  int64_t panel = panelBytes(dot, reduction), blocks = (shape.storedChannels + dot.nr() - 1) / dot.nr();
  int64_t positions = tile.positions;
  RowTiles tiles(k.target(), shape.outW, positions);
  Val part = args[PaPart], parts = args[PaParts], rows = args[PaRows] * k.index(shape.outH);

  // The products of a row by a block, and the bytes of a panel and of a row that a part reads, each as long as 0.6 additions.
  int64_t work = int64_t(directInstructions(k.target(), shape, tile, 1) * 10) / (shape.outH * blocks);
  auto [row, block] = shareOut(k, rows, blocks, args, [&](Val ownRows, Val ownBlocks) {
    return ownRows * ownBlocks * k.index(work) + ownBlocks * k.index(panel * 6) + ownRows * k.index(shape.strideH * shape.x.row * 6);
  });

  auto rowOf = [&](Val pointer, const PlaneStrides &s, Val image, Val y) {
    return k.offset(k.offset(pointer, image * k.index(s.image)), y * k.index(s.row));
  };
  bool hasResidual = epilogue.residual != Epilogue::Residual::None;
  int64_t xPixel = shape.strideW * shape.x.pixel * dot.xBytes() / dot.kr();
  auto blockAt = [&](Val index) {
    TilePointers base = blockPointers(k, args, dot, panel, epilogue, index);
    base.xStride = xPixel;
    base.outStride = shape.out.pixel;
    base.residualStride = shape.residual.pixel;
    return base;
  };
  // The tiles of one row; at.x is where its windows begin. Carries what is to be fetched next, or nothing.
  auto tilesOfRow = [&](TilePointers at, Val image, Val y, int64_t vectors, int64_t lanes, const std::vector<Val> &fetched) {
    at.out = rowOf(at.out, shape.out, image, y);
    if (hasResidual)
      at.residual = rowOf(at.residual, shape.residual, image, y);
    auto tileAt = [&](Val x, int64_t width, const std::vector<Val> &fetchedTile) {
      TilePointers here = at;
      if (!fetchedTile.empty())
        here.prefetch = fetchedTile[0];
      here.x = k.offset(at.x, x * k.index(xPixel));
      here.out = k.offset(at.out, x * k.index(shape.out.pixel));
      if (hasResidual)
        here.residual = k.offset(at.residual, x * k.index(shape.residual.pixel));
      Val next = emitTile(k, dot, reduction, epilogue, here, width, vectors, lanes);
      return fetchedTile.empty() ? std::vector<Val>() : std::vector<Val>{next};
    };
    std::vector<Val> carried = k.forLoop(0, tiles.high, 1, fetched, [&](Val i, const std::vector<Val> &fetchedTile) {
      return tileAt(smaller(i * k.index(positions), k.index(shape.outW - positions)), positions, fetchedTile);
    });
    if (tiles.low == 0)
      return carried;
    return k.forLoop(0, tiles.low, 1, carried, [&](Val i, const std::vector<Val> &fetchedTile) {
      return tileAt(k.index(tiles.high * positions) + i * k.index(positions - 1), positions - 1, fetchedTile);
    });
  };
  auto forRows = [&](const std::vector<Val> &init, const std::function<std::vector<Val>(Val image, Val y, const std::vector<Val> &)> &body) {
    k.forLoop(row.from, row.to, 1, init, [&](Val unit, const std::vector<Val> &carried) {
      Val image = unit / k.index(shape.outH);
      return body(image, unit - image * k.index(shape.outH), carried);
    });
  };
  if (dot.wide) {
    forRows({}, [&](Val image, Val y, const std::vector<Val> &) {
      widenRows(k, shape, dot, rowOf(args[PaX], shape.x, image, y * k.index(shape.strideH)), args[PaScratch]);
      forBlocks(k, dot, shape.storedChannels, block.from, block.to, [&](Val index, int64_t vectors, int64_t lanes) {
        TilePointers at = blockAt(index);
        at.x = args[PaScratch];
        tilesOfRow(at, image, y, vectors, lanes, {});
      });
      return std::vector<Val>();
    });
  } else {
    forBlocks(k, dot, shape.storedChannels, block.from, block.to, [&](Val index, int64_t vectors, int64_t lanes) {
      TilePointers base = blockAt(index);
      std::vector<Val> fetched;
      if (panel * dot.packed() >= kPrefetchedPanel) {
        // The weights of the next block come while this one computes: as many bytes a step as make a panel in all of them.
        base.prefetchStep = k.index(panel * 256) / maxOf((row.to - row.from) * k.index(reduction.allSteps() * (tiles.high + tiles.low)), k.index(1));
        fetched = {k.shiftLeft(k.addressOf(k.offset(base.weights, panel)), 8)};
      }
      forRows(fetched, [&](Val image, Val y, const std::vector<Val> &fetchedRow) {
        TilePointers at = base;
        at.x = rowOf(base.x, shape.x, image, y * k.index(shape.strideH));
        return tilesOfRow(at, image, y, vectors, lanes, fetchedRow);
      });
    });
  }
  emitZeroHalo(k, args[PaOut], shape.out, shape.outH, shape.outW, shape.out.pixel, shape.haloH, shape.haloW, args[PaRows], part,
               parts, epilogue.excess ? -128 : 0);
}

std::string emitConv(KernelBuilder &k, const std::string &label, const ConvShape &shape, const TileChoice &tile,
                     const Epilogue &epilogue) {
  return productKernel(k, label + "_" + tile.name(), Recipe("conv", shape, tile, epilogue),
                       [&](const std::vector<Val> &args) { writeConv(k, shape, tile, epilogue, args); });
}

/// A tile costs as much as its rows and two and a half more for weights and loop: twice that.
static int64_t heightCost(int64_t height) { return 2 * height + 5; }

void forRowTiles(KernelBuilder &k, const Range &rows, int64_t positions, const std::function<void(Val row, int64_t positions)> &body,
                 int64_t known) {
  int64_t highest = positions;
  if (known > 0) {
    auto cost = [&](int64_t height) { return ceilDiv(known, height) * heightCost(height); };
    highest = std::min(known, positions);
    for (int64_t height = highest - 1; height >= 1; --height)
      if (cost(height) < cost(highest))
        highest = height;
  }
  llvm::SmallVector<int64_t, 6> heights = {highest};
  for (int64_t height : {13, 11, 8, 4, 1})
    if (height < heights.back() && (height <= 8 || (highest > 12 && known == 0)))
      heights.push_back(height);
  Val count = rows.to - rows.from;
  auto tiles = [&](int64_t height) { return (count + k.index(height - 1)) / k.index(height); };
  Val best = k.index(heights.back()), least = tiles(1) * k.index(heightCost(heights.back()));
  for (int64_t height : llvm::reverse(llvm::ArrayRef(heights).drop_back())) {
    Val cost = tiles(height) * k.index(heightCost(height));
    Val better = compare(Cmp::Ge, count, k.index(height)) & compare(Cmp::Le, cost, least);
    best = select(better, k.index(height), best);
    least = select(better, cost, least);
  }
  for (int64_t height : heights)
    k.ifThen(compare(Cmp::Eq, best, k.index(height)), [&] {
      k.forLoop(rows.from, rows.to, height, [&](Val row) { body(height == 1 ? row : smaller(row, rows.to - k.index(height)), height); });
    });
}

static void writeLinear(KernelBuilder &k, const LinearShape &shape, const TileChoice &tile, const Epilogue &epilogue, const std::vector<Val> &args) {
  if (shape.twoBit)
    return writeTwoBitLinear(k, shape, tile, epilogue, args);
  const DotSpec &dot = tile.dot;
  int64_t panel = panelBytes(dot, shape.reduction), blocks = (shape.storedChannels + dot.nr() - 1) / dot.nr();
  Val part = args[PaPart], parts = args[PaParts], rows = args[PaRows];
  auto [row, block] = shareEither(k, rows, blocks, part, parts, compare(Cmp::Ge, rows, parts * k.index(tile.positions)));

  forBlocks(k, dot, shape.storedChannels, block.from, block.to, [&](Val index, int64_t vectors, int64_t lanes) {
    TilePointers base = blockPointers(k, args, dot, panel, epilogue, index);
    base.xStride = shape.xRow;
    base.outStride = shape.outRow;
    base.residualStride = shape.residualRow;
    base.scaleStride = 4;
    base.streams = shape.streams;
    auto tileAt = [&](Val r, int64_t positions) {
      TilePointers here = base;
      here.x = k.offset(base.x, r * k.index(shape.xRow));
      here.out = k.offset(base.out, r * k.index(shape.outRow));
      if (epilogue.residual != Epilogue::Residual::None)
        here.residual = k.offset(base.residual, r * k.index(shape.residualRow));
      if (epilogue.scale == Epilogue::Scale::PerRow)
        here.scale = k.offset(base.scale, r * k.index(4));
      emitTile(k, dot, shape.reduction, epilogue, here, positions, vectors, lanes);
    };
    forRowTiles(k, row, tile.positions, tileAt, shape.rows);
  });
}

std::string emitLinear(KernelBuilder &k, const std::string &label, const LinearShape &shape, const TileChoice &tile,
                       const Epilogue &epilogue) {
  return productKernel(k, label + "_" + tile.name(), Recipe("linear", shape, tile, epilogue),
                       [&](const std::vector<Val> &args) { writeLinear(k, shape, tile, epilogue, args); });
}

} // namespace triton
