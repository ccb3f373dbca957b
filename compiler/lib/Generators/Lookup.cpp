// The code of products from a table.
//
//   activations   before a band: two or three trits of a pixel become one code, times what the table's rows are long
//   a step        row = table[code of the pixel]                           one load, broadcast where a row is 16 bytes
//                 sum[p][v] += look up row by codes[v]                     bytes: a code of the weights for each of the vector's outputs
//   a chunk       as many steps as bytes hold, then the sums are added to words in this thread's scratch
//   a tile        words to 32 bits, less the 1 that each product has too much, and the usual end
//
// Entries are sums of products plus the number of trits, so they and their sums are unsigned.
#include "Lookup.h"

#include "ProductLoops.h"

#include "artifact/cpu_features.h"

using namespace mlir;

namespace triton {

namespace {

/// Codes of a band of rows stay in the second-level cache.
constexpr int64_t kBandBytes = 192 * 1024;
/// Rows of a linear layer whose codes are made together.
constexpr int64_t kRows = 64;
/// A thread takes at least so many rows of an image before threads share the outputs instead: as in the direct form.
constexpr int64_t kThreadRows = 14;

int64_t codesOf(int64_t trits) { return trits == 3 ? 27 : 9; }
int64_t rowBytes(int64_t trits) { return trits == 3 ? 64 : 16; }
/// Steps whose entries a byte can add.
int64_t chunkSteps(int64_t trits) { return 255 / (2 * trits); }

/// Where the codes of a band lie, and the reduction over them. A linear layer is a band of rows with one tap.
struct Geometry {
  Geometry(const ConvShape &s, const LookupChoice &c)
      : groups(ceilDiv(s.channels, c.trits)), width((s.outW - 1) * s.strideW + (s.kernelW - 1) * s.dilationW + 1), codesRow(oddLines(width * groups)) {
    int64_t most = std::max<int64_t>(1, (kBandBytes / codesRow - (s.kernelH - 1) * s.dilationH - 1) / s.strideH + 1);
    bandRows = ceilDiv(s.outH, ceilDiv(s.outH, std::min(most, s.outH)));
    inputRows = (bandRows - 1) * s.strideH + (s.kernelH - 1) * s.dilationH + 1;
    if (s.kernelH > 1)
      reduction.levels.push_back({s.kernelH, s.dilationH * codesRow});
    if (s.dilationW > 1 && s.kernelW > 1)
      reduction.levels.push_back({s.kernelW, s.dilationW * groups});
    reduction.steps = s.dilationW > 1 ? groups : s.kernelW * groups;
    finish(c);
  }
  Geometry(const LinearShape &s, const LookupChoice &c) : groups(ceilDiv(s.inputs, c.trits)), width(1), codesRow(oddLines(groups)), inputRows(kRows) {
    reduction.steps = groups;
    finish(c);
  }
  void finish(const LookupChoice &c) {
    steps = reduction.allSteps();
    codesAt = c.positions * c.vectors * 2 * c.bytes;
    scratch = codesAt + inputRows * codesRow + 64; // the last codes are stored as a whole vector
    panel = steps * c.bytes;
  }

  int64_t groups, width, codesRow, inputRows = 1, bandRows = 1;
  int64_t steps = 0, panel = 0; ///< of the whole reduction; bytes of one vector of outputs
  int64_t codesAt = 0, scratch = 0;
  Reduction reduction; ///< xStride counts codes
};

/// Bytes of the vectors by which the trits of a pixel become codes.
int64_t packBytes(const LookupChoice &choice, int64_t groups) {
  int64_t bytes = 16;
  while (bytes < choice.bytes && bytes < groups)
    bytes *= 2;
  return bytes;
}

class Lookup {
public:
  Lookup(KernelBuilder &k, const LookupChoice &choice, const Geometry &g, const Epilogue &epilogue, const std::vector<Val> &args)
      : k(k), choice(choice), g(g), epilogue(epilogue), args(args), lanes(choice.bytes / 4) {
    // The blocks of channels and their ends, as the tile of dot products sees them.
    dot.lanes = lanes;
    dot.vectors = 4 * choice.vectors;
  }

  void conv(const ConvShape &shape) {
    int64_t blocks = ceilDiv(shape.storedChannels, choice.nr()), bands = ceilDiv(shape.outH, g.bandRows);
    int64_t positions = choice.positions, tiles = ceilDiv(shape.outW, positions);
    Val part = args[PaPart], parts = args[PaParts], rows = args[PaRows] * k.index(shape.outH);
    Val byRows = compare(Cmp::Ge, rows, parts * k.index(kThreadRows)) | compare(Cmp::Gt, parts, k.index(blocks));
    auto [row, block] = shareEither(k, rows, blocks, part, parts, byRows);
    auto bandOf = [&](Val r) {
      Val image = r / k.index(shape.outH);
      return image * k.index(bands) + (r - image * k.index(shape.outH)) / k.index(g.bandRows);
    };
    auto work = [&] {
      k.forLoop(bandOf(row.from), bandOf(row.to - k.index(1)) + k.index(1), 1, [&](Val band) {
        Val image = band / k.index(bands), first = image * k.index(shape.outH), nominal = (band - image * k.index(bands)) * k.index(g.bandRows);
        Val from = maxOf(nominal, row.from - first), to = minOf(minOf(nominal + k.index(g.bandRows), k.index(shape.outH)), row.to - first);
        auto rowOf = [&](Val pointer, const PlaneStrides &s, Val y) { return k.offset(k.offset(pointer, image * k.index(s.image)), y * k.index(s.row)); };
        Val input = rowOf(args[PaX], shape.x, from * k.index(shape.strideH));
        Val count = (to - from - k.index(1)) * k.index(shape.strideH) + k.index((shape.kernelH - 1) * shape.dilationH + 1);
        k.forLoop(k.index(0), count, 1, [&](Val r) {
          Val x = k.offset(input, r * k.index(shape.x.row)), codes = codesOfRow(r);
          k.forLoop(0, g.width, 1, [&](Val p) { pack(k.offset(x, p * k.index(shape.x.pixel)), k.offset(codes, p * k.index(g.groups)), shape.channels); });
        });
        forBlocks(k, dot, shape.storedChannels, block.from, block.to, [&](Val index, int64_t vectors, int64_t lanesOfLast) {
          TilePointers base = pointers(index);
          base.xStride = shape.strideW * g.groups;
          base.outStride = shape.out.pixel;
          base.residualStride = shape.residual.pixel;
          k.forLoop(from, to, 1, [&](Val y) {
            TilePointers at = base;
            at.x = codesOfRow((y - from) * k.index(shape.strideH));
            at.out = rowOf(base.out, shape.out, y);
            if (hasResidual())
              at.residual = rowOf(base.residual, shape.residual, y);
            k.forLoop(0, tiles, 1, [&](Val i) {
              Val x = minOf(i * k.index(positions), k.index(shape.outW - positions));
              TilePointers here = at;
              here.x = k.offset(at.x, x * k.index(base.xStride));
              here.out = k.offset(at.out, x * k.index(shape.out.pixel));
              if (hasResidual())
                here.residual = k.offset(at.residual, x * k.index(shape.residual.pixel));
              tile(here, positions, vectors, lanesOfLast);
            });
          });
        });
      });
    };
    k.ifThen(compare(Cmp::Lt, row.from, row.to) & compare(Cmp::Lt, block.from, block.to), work);
    emitZeroHalo(k, args[PaOut], shape.out, shape.outH, shape.outW, shape.out.pixel, shape.haloH, shape.haloW, args[PaRows], part, parts,
                 epilogue.excess ? -128 : 0);
  }

  void linear(const LinearShape &shape) {
    int64_t blocks = ceilDiv(shape.storedChannels, choice.nr());
    Val byRows = compare(Cmp::Ge, args[PaRows], args[PaParts] * k.index(choice.positions));
    auto [row, block] = shareEither(k, args[PaRows], blocks, args[PaPart], args[PaParts], byRows);
    k.forLoop(row.from, row.to, kRows, [&](Val first) {
      Val count = minOf(row.to - first, k.index(kRows));
      k.forLoop(k.index(0), count, 1, [&](Val r) { pack(k.offset(args[PaX], (first + r) * k.index(shape.xRow)), codesOfRow(r), shape.inputs); });
      forBlocks(k, dot, shape.storedChannels, block.from, block.to, [&](Val index, int64_t vectors, int64_t lanesOfLast) {
        TilePointers base = pointers(index);
        base.xStride = g.codesRow;
        base.outStride = shape.outRow;
        base.residualStride = shape.residualRow;
        base.scaleStride = 4;
        forRowTiles(k, {k.index(0), count}, choice.positions, [&](Val r, int64_t positions) {
          TilePointers here = base;
          Val at = first + r;
          here.x = codesOfRow(r);
          here.out = k.offset(base.out, at * k.index(shape.outRow));
          if (hasResidual())
            here.residual = k.offset(base.residual, at * k.index(shape.residualRow));
          if (epilogue.scale == Epilogue::Scale::PerRow)
            here.scale = k.offset(base.scale, at * k.index(4));
          tile(here, positions, vectors, lanesOfLast);
        });
      });
    });
  }

private:
  Type bytes() { return k.vec(choice.bytes, k.i8()); }
  Type words() { return k.vec(choice.bytes / 2, k.i16()); }
  bool hasResidual() const { return epilogue.residual != Epilogue::Residual::None; }
  Val codesOfRow(Val r) { return k.offset(args[PaScratch], r * k.index(g.codesRow) + k.index(g.codesAt)); }

  TilePointers pointers(Val block) { return blockPointers(k, args, dot, choice.vectors * g.panel, epilogue, block); }

  /// The codes of one pixel or row: code j has the trits j, j + groups and so on; the last run ends with the channels, see packing.h. That a
  /// trit lies as code + 128 cancels out: what it adds is a multiple of 256.
  void pack(Val x, Val to, int64_t channels) {
    int64_t size = packBytes(choice, g.groups), scale = rowBytes(choice.trits) / 8;
    Type type = k.vec(size, k.i8());
    auto times3 = [](Val v) { return v + v + v; };
    auto at = [&](Val i) {
      // Behind the channels of a pixel lies something that may be read; its codes are overwritten or never used.
      Val code = k.load(type, k.offset(x, i));
      for (int64_t t = 1; t < choice.trits; ++t)
        code = times3(code) + k.load(type, k.offset(k.offset(x, i), std::min(t * g.groups, channels - g.groups)));
      for (int64_t factor = scale; factor > 1; factor /= 2)
        code = code + code;
      k.store(code + k.constantInt(type, int8_t(uint8_t(codesOf(choice.trits) / 2 * scale))), k.offset(to, i));
    };
    if (g.groups <= size)
      at(k.index(0));
    else
      k.forLoop(0, g.groups, size, at);
  }

  /// The row of the table for a code in memory, in every 128 bits if it is 16 bytes long.
  Val tableRow(Val code) {
    Val row = k.offset(args[PaStart], k.shiftLeft(k.zeroExtend(k.load(k.i8(), code), k.i64()), 3));
    if (choice.trits == 3)
      return k.load(bytes(), row, 64);
    Val entries = k.load(k.vec(16, k.i8()), row, 16);
    if (choice.bytes == 16)
      return entries;
    llvm::SmallVector<int32_t> repeated;
    for (int64_t i = 0; i < choice.bytes; ++i)
      repeated.push_back(int32_t(i % 16));
    return k.shuffle(entries, entries, repeated);
  }
  Val lookUp(Val row, Val codes) {
    const char *name = choice.trits == 3                         ? "llvm.x86.avx512.permvar.qi.512"
                       : k.target().arch == Arch::AArch64        ? "llvm.aarch64.neon.tbl1.v16i8"
                       : choice.bytes == 64                      ? "llvm.x86.avx512.pshuf.b.512"
                       : choice.bytes == 32                      ? "llvm.x86.avx2.pshuf.b"
                                                                 : "llvm.x86.ssse3.pshuf.b.128";
    return k.intrinsic(name, bytes(), {row, codes});
  }

  /// So many steps in bytes, from the codes at x and the weights at w, then added to the words in scratch (or stored, if there is nothing yet).
  void chunk(const std::function<std::vector<Val>(std::vector<Val>)> &steps, int64_t positions, int64_t vectors, bool adds) {
    std::vector<Val> sums = steps(std::vector<Val>(positions * vectors, k.constantInt(bytes(), 0)));
    for (int64_t i = 0; i < positions * vectors; ++i) {
      Val both = k.bitcast(sums[i], words()), at = k.offset(args[PaScratch], i * 2 * choice.bytes);
      Val low = both & k.constantInt(words(), 255), high = k.shiftRightLogical(both, 8), to = k.offset(at, choice.bytes);
      k.store(adds ? k.load(words(), at, choice.bytes) + low : low, at, choice.bytes);
      k.store(adds ? k.load(words(), to, choice.bytes) + high : high, to, choice.bytes);
    }
  }

  /// `steps` consecutive codes.
  std::vector<Val> run(std::vector<Val> sums, Val x, Val w, int64_t steps, int64_t xStride, int64_t positions, int64_t vectors) {
    return k.forLoop(0, steps, 1, sums, [&](Val step, const std::vector<Val> &carried) {
      std::vector<Val> next = carried, codes;
      Val weights = k.offset(w, step * k.index(choice.bytes)), from = k.offset(x, step);
      for (int64_t v = 0; v < vectors; ++v)
        codes.push_back(k.load(bytes(), k.offset(weights, v * g.panel), choice.bytes));
      for (int64_t p = 0; p < positions; ++p) {
        Val row = tableRow(k.offset(from, p * xStride));
        for (int64_t v = 0; v < vectors; ++v)
          next[p * vectors + v] = next[p * vectors + v] + lookUp(row, codes[v]);
      }
      return next;
    });
  }

  void tile(const TilePointers &at, int64_t positions, int64_t sumVectors, int64_t lanesOfLast) {
    int64_t vectors = ceilDiv(sumVectors, 4), most = chunkSteps(choice.trits);
    bool once = g.steps <= most;
    if (!once)
      for (int64_t i = 0; i < positions * vectors * 2; ++i)
        k.store(k.constantInt(words(), 0), k.offset(args[PaScratch], i * choice.bytes), choice.bytes);
    auto belowOf = [&](size_t level) {
      int64_t below = g.reduction.steps;
      for (size_t i = level; i < g.reduction.levels.size(); ++i)
        below *= g.reduction.levels[i].count;
      return below;
    };
    /// All steps below a level on the same bytes.
    std::function<std::vector<Val>(std::vector<Val>, Val, Val, size_t)> narrow = [&](std::vector<Val> sums, Val x, Val w, size_t level) {
      if (level == g.reduction.levels.size())
        return run(std::move(sums), x, w, g.reduction.steps, at.xStride, positions, vectors);
      const Reduction::Level &l = g.reduction.levels[level];
      return k.forLoop(0, l.count, 1, sums, [&](Val i, const std::vector<Val> &carried) {
        return narrow(carried, k.offset(x, i * k.index(l.xStride)), k.offset(w, i * k.index(belowOf(level + 1) * choice.bytes)), level + 1);
      });
    };
    std::function<void(Val, Val, size_t)> wide = [&](Val x, Val w, size_t level) {
      if (belowOf(level) <= most)
        return chunk([&](std::vector<Val> sums) { return narrow(std::move(sums), x, w, level); }, positions, vectors, !once);
      if (level < g.reduction.levels.size()) {
        const Reduction::Level &l = g.reduction.levels[level];
        k.forLoop(0, l.count, 1, [&](Val i) {
          wide(k.offset(x, i * k.index(l.xStride)), k.offset(w, i * k.index(belowOf(level + 1) * choice.bytes)), level + 1);
        });
        return;
      }
      // Chunks of equal size, the last one with what is left.
      int64_t steps = g.reduction.steps, each = ceilDiv(steps, ceilDiv(steps, most)), whole = steps / each * each;
      auto part = [&](Val from, int64_t count) {
        chunk([&](std::vector<Val> sums) {
          return run(std::move(sums), k.offset(x, from), k.offset(w, from * k.index(choice.bytes)), count, at.xStride, positions, vectors);
        }, positions, vectors, true);
      };
      k.forLoop(0, whole, each, [&](Val from) { part(from, each); });
      if (whole < steps)
        part(k.index(whole), steps - whole);
    };
    wide(at.x, at.weights, 0);
    k.forLoop(0, positions, 1, [&](Val p) { end(at, p, sumVectors, lanesOfLast, vectors); });
  }

  /// The end of one position, from the words in scratch: even bytes are the first half of a vector's outputs.
  void end(const TilePointers &at, Val p, int64_t sumVectors, int64_t lanesOfLast, int64_t vectors) {
    Val from = k.offset(args[PaScratch], p * k.index(vectors * 2 * choice.bytes));
    std::vector<Val> sums;
    for (int64_t v = 0; v < sumVectors; ++v) {
      Val sum = k.zeroExtend(k.load(k.vec(lanes, k.i16()), k.offset(from, v * lanes * 2), lanes * 2), k.i32());
      sums.push_back(sum - k.constantInt(sum.type(), g.steps * choice.trits));
    }
    TilePointers here = at;
    here.out = k.offset(at.out, p * k.index(at.outStride));
    if (hasResidual())
      here.residual = k.offset(at.residual, p * k.index(at.residualStride));
    if (epilogue.scale == Epilogue::Scale::PerRow)
      here.scale = k.offset(at.scale, p * k.index(at.scaleStride));
    emitTileEnd(k, epilogue, sums, here, lanes, 1, sumVectors, lanesOfLast);
  }

  KernelBuilder &k;
  const LookupChoice &choice;
  const Geometry &g;
  const Epilogue &epilogue;
  const std::vector<Val> &args;
  DotSpec dot;
  int64_t lanes;
};

/// The tile for so many outputs at `width` positions in a row (0: as many as one likes), or nothing where a target has no look-ups or the words of
/// a sum would not do.
std::optional<LookupChoice> tileFor(const TargetDesc &target, int64_t outputs, int64_t width, int64_t taps, int64_t channels) {
  LookupChoice choice;
  choice.trits = lookupTrits(target);
  if (!choice.trits || taps * ceilDiv(channels, choice.trits) * 2 * choice.trits > 65535)
    return std::nullopt;
  choice.bytes = target.vectorBytes;
  // A row of the table serves all vectors of a position, a vector of codes all positions.
  choice.vectors = std::min<int64_t>(target.arch == Arch::AArch64 ? 4 : 2, ceilDiv(outputs, choice.bytes));
  int64_t limit = std::min<int64_t>(12, (int64_t(target.vectorRegisters) - choice.vectors - 2) / choice.vectors);
  if (width <= 0) {
    choice.positions = std::min<int64_t>(8, limit);
    return choice;
  }
  choice.positions = cheapestPositions(std::min(limit, width), width, 0.75);
  return choice;
}

/// Vector instructions beside look-ups and additions: a row of the table for a position and a step, the widening of a vector of sums, the
/// end of a vector of 32-bit sums, the codes of a vector of bytes. The first was measured (an instruction of its own, though it is only loads).
constexpr double kRowCost = 1.0, kWidenCost = 8, kEndCost = 8, kPackCost = 16;

double stepsCost(const LookupChoice &c, const Geometry &g) {
  double chunks = g.steps <= chunkSteps(c.trits) ? 1 : std::max(double(g.steps) / double(chunkSteps(c.trits)), double(g.steps) / double(g.reduction.steps));
  double vectors = double(c.vectors);
  return double(g.steps) * (2 * vectors + kRowCost) + vectors * (chunks * kWidenCost + 4 * kEndCost);
}

} // namespace

int64_t lookupTrits(const TargetDesc &target) {
  if (target.arch == Arch::AArch64)
    return 2;
  if (target.hasVbmi && target.vectorBytes == 64)
    return 3;
  return target.features & TRI_CPU_SSSE3 ? 2 : 0;
}

std::optional<LookupChoice> chooseLookup(const TargetDesc &target, const ConvShape &shape, const TileChoice &direct, int64_t batch) {
  std::optional<LookupChoice> choice = tileFor(target, shape.outputs, shape.outW, shape.kernelH * shape.kernelW, shape.channels);
  if (!choice)
    return std::nullopt;
  Geometry g(shape, *choice);
  double tiles = double(shape.outH * ceilDiv(shape.outW, choice->positions) * choice->positions * ceilDiv(shape.storedChannels, choice->nr()));
  double packed = double(ceilDiv(shape.outH, g.bandRows) * g.inputRows * g.width * ceilDiv(g.groups, packBytes(*choice, g.groups)));
  choice->cost = double(batch) * (tiles * stepsCost(*choice, g) + packed * kPackCost);
  choice->directCost = directInstructions(target, shape, direct, batch);
  return choice;
}

std::optional<LookupChoice> chooseLookup(const TargetDesc &target, const LinearShape &shape, const TileChoice &direct) {
  if (!shape.reduction.levels.empty())
    return std::nullopt;
  std::optional<LookupChoice> choice = tileFor(target, shape.outputs, 0, 1, shape.inputs);
  if (!choice)
    return std::nullopt;
  Geometry g(shape, *choice);
  choice->cost = double(ceilDiv(shape.storedChannels, choice->nr())) * stepsCost(*choice, g) +
                 double(ceilDiv(g.groups, packBytes(*choice, g.groups))) * kPackCost;
  double vectors = double(ceilDiv(shape.storedChannels, direct.dot.nr()) * direct.dot.vectors);
  choice->directCost = vectors * (double(shape.reduction.steps) * target.dotCost(direct.dot.kind) + 6);
  return choice;
}

std::vector<uint8_t> lookupTable(int64_t trits) {
  int64_t codes = codesOf(trits), row = rowBytes(trits);
  std::vector<uint8_t> table(codes * row);
  for (int64_t x = 0; x < codes; ++x)
    for (int64_t w = 0; w < codes; ++w) {
      int64_t sum = trits;
      for (int64_t t = 0, power = 1; t < trits; ++t, power *= 3)
        sum += (x / power % 3 - 1) * (w / power % 3 - 1);
      table[x * row + w] = uint8_t(sum);
    }
  return table;
}

int64_t lookupScratch(const ConvShape &shape, const LookupChoice &choice) { return Geometry(shape, choice).scratch; }
int64_t lookupScratch(const LinearShape &shape, const LookupChoice &choice) { return Geometry(shape, choice).scratch; }

/// Why this way was taken changes no code.
static LookupChoice withoutCosts(LookupChoice choice) {
  choice.cost = choice.directCost = 0;
  return choice;
}

std::string emitLookupConv(KernelBuilder &k, const std::string &label, const ConvShape &shape, const LookupChoice &choice, const Epilogue &epilogue) {
  return productKernel(k, label + "_" + choice.name(), Recipe("lookup conv", shape, withoutCosts(choice), epilogue),
                       [&](const std::vector<Val> &args) { Lookup(k, choice, Geometry(shape, choice), epilogue, args).conv(shape); });
}

std::string emitLookupLinear(KernelBuilder &k, const std::string &label, const LinearShape &shape, const LookupChoice &choice,
                             const Epilogue &epilogue) {
  return productKernel(k, label + "_" + choice.name(), Recipe("lookup linear", shape, withoutCosts(choice), epilogue),
                       [&](const std::vector<Val> &args) { Lookup(k, choice, Geometry(shape, choice), epilogue, args).linear(shape); });
}

} // namespace triton
