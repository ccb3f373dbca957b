// The code around weights as code.
//
//   for a band of rows                          its planes and results stay in the second-level cache; parts share bands, outputs, or both
//     planes[channel][pixel] = x                words, from bytes [pixel][channel], rows with their halo one after the other
//     for a group of outputs                    a group that two parts need is computed by both: groups are no multiples of 16 outputs
//       for a chunk of inputs, for a vector     the chunk's function: sums[chunk][vector][output][pixel]; the next function is fetched meanwhile
//       for an output, for two vectors          the chunks' sums together, the usual end: results[channel][pixel]
//     out = results                             bytes [pixel][channel] again
//
// Pixels of the halo between two rows are computed too and not stored.
#include "Adds.h"

#include "ProductLoops.h"

#include <algorithm>

using namespace mlir;

namespace triton {

namespace {

/// Pixels, and channels, that change places together between bytes [pixel][channel] and planes.
constexpr int64_t kTile = 16;
/// Planes of a band and its pixels: what stays in a second-level cache beside sums, results and code.
constexpr int64_t kBandBytes = 512 * 1024, kBandPixels = 1024;
/// Code that runs for fewer pixels takes longer to fetch than to run.
constexpr int64_t kLeastPixels = 192;
/// Functions of a layer that are planned to estimate all of them.
constexpr int64_t kSamples = 4;
/// Straight-line code runs slower than a loop of as many instructions: by a factor for decoding, and not faster than it arrives, a byte in the time
/// of so many instructions. Windows beyond 1x1 also read across cache lines, which Zen does at little cost.
constexpr double kDecoded = 1.2, kDecodedWindow = 1.8, kDecodedWindowZen = 1.25, kByteArrives = 1.9;
/// Code of one layer at most: it stands where the weights would.
constexpr uint64_t kMostCodeBytes = 4 << 20;

/// Pixels of x that a band reads.
int64_t pixelsRead(const ConvShape &shape, int64_t rows, int64_t pitch) {
  return (rows + shape.kernelH - 2) * pitch + shape.outW + shape.kernelW - 1;
}

/// What it takes to make the planes of a band: 16 by 16 bytes change places in about a hundred instructions.
double planeInstructions(const ConvShape &shape, int64_t rows, int64_t pitch) {
  return double(shape.channels / kTile * ceilDiv(pixelsRead(shape, rows, pitch), kTile)) * 112;
}

/// Where the parts of a band lie in the scratch, in bytes.
struct ScratchLayout {
  ScratchLayout(const ConvShape &shape, const AddsChoice &choice, const Epilogue &epilogue)
      : chunks(ceilDiv(int64_t(choice.layout.ko) * choice.layout.ki, choice.layout.chunk)),
        sums(oddLines(shape.channels * int64_t(choice.layout.plane) * 2)), results(sums + chunks * choice.blocks * tri_adds_sums_bytes(&choice.layout)),
        residuals(results + shape.outputs * choice.codeStride),
        bytes(residuals + (epilogue.residual == Epilogue::Residual::None ? 0 : shape.outputs * choice.codeStride) + 64) {}
  int64_t chunks, sums, results, residuals, bytes; ///< the planes come first; 64 bytes behind the end may be read
};

class Adds {
public:
  Adds(KernelBuilder &k, const ConvShape &shape, const AddsChoice &choice, bool actUnsigned, bool excess, const Epilogue &epilogue,
       const std::vector<Val> &args)
      : k(k), shape(shape), choice(choice), layout(choice.layout), zeroExtends(actUnsigned || excess), excess(excess), epilogue(epilogue),
        args(args), pixels(tri_adds_pixels(&layout)), group(tri_adds_group(&layout)), sumsBytes(tri_adds_sums_bytes(&layout)),
        groups(ceilDiv(shape.outputs, group)), planes(args[PaScratch]) {
    ScratchLayout at(shape, choice, epilogue);
    chunks = at.chunks;
    sums = k.offset(planes, at.sums);
    results = k.offset(planes, at.results);
    residuals = k.offset(planes, at.residuals);
  }

  void emit() {
    int64_t bands = shape.outH / choice.bandRows, tiles = shape.outputs / kTile;
    // As instructions: the sums of 16 outputs, and the planes of a band, which all threads that share its outputs make.
    int64_t work = kTile * int64_t(layout.ko) * layout.ki * choice.blocks / 2, toPlanes = int64_t(planeInstructions(shape, choice.bandRows, layout.pitch));
    auto [band, tile] = shareOut(k, args[PaRows] * k.index(bands), tiles, args, [&](Val ownBands, Val ownTiles) {
      // The parts beside each other that one thread does make them once; everything times `tiles` times the number of parts.
      Val makes = maxOf(ownTiles * args[PaParts], k.index(tiles) * args[PaThreads]);
      return ownBands * (ownTiles * k.index(tiles * work) * args[PaParts] + makes * k.index(toPlanes));
    });
    Range output = {tile.from * k.index(kTile), tile.to * k.index(kTile)};
    k.forLoop(band.from, band.to, 1, [&](Val unit) {
      Val image = unit / k.index(bands), y = (unit - image * k.index(bands)) * k.index(choice.bandRows);
      auto placeOf = [&](Val pointer, const PlaneStrides &s) { return k.offset(k.offset(pointer, image * k.index(s.image)), y * k.index(s.row)); };
      unlessKept(k, planes, k.index(0), unit + k.index(1), [&] { widen(placeOf(args[PaX], shape.x)); });
      if (epilogue.residual != Epilogue::Residual::None)
        readResiduals(placeOf(args[PaResidual], shape.residual), output);
      k.forLoop(output.from / k.index(group), (output.to + k.index(group - 1)) / k.index(group), 1, [&](Val g) {
        add(g);
        finish(g, output);
      });
      write(placeOf(args[PaOut], shape.out), output);
    });
  }

private:
  using Sixteen = std::vector<Val>;
  Type bytes16() { return k.vec(16, k.i8()); }

  /// Rows become columns.
  Sixteen transposed(Sixteen rows) {
    llvm::SmallVector<int32_t, 16> low, high;
    for (int32_t i = 0; i < 8; ++i) {
      low.append({i, 16 + i});
      high.append({8 + i, 24 + i});
    }
    for (int stage = 0; stage < 4; ++stage) {
      Sixteen next;
      for (int64_t i = 0; i < 8; ++i) {
        next.push_back(k.shuffle(rows[i], rows[i + 8], low));
        next.push_back(k.shuffle(rows[i], rows[i + 8], high));
      }
      rows = std::move(next);
    }
    return rows;
  }

  void widen(Val x) {
    int64_t read = pixelsRead(shape, choice.bandRows, layout.pitch);
    k.forLoop(0, ceilDiv(read, kTile), 1, [&](Val tile) {
      Val first = minOf(tile * k.index(kTile), k.index(read - kTile));
      Val from = k.offset(x, first * k.index(shape.x.pixel)), to = k.offset(planes, first * k.index(2));
      k.forLoop(0, shape.channels, 16, [&](Val c) {
        Sixteen rows;
        for (int64_t i = 0; i < kTile; ++i)
          rows.push_back(k.load(bytes16(), k.offset(k.offset(from, c), i * shape.x.pixel)));
        rows = transposed(std::move(rows));
        Val out = k.offset(to, c * k.index(int64_t(layout.plane) * 2));
        for (int64_t i = 0; i < 16; ++i)
          k.store(zeroExtends ? k.zeroExtend(rows[i], k.i16()) : k.signExtend(rows[i], k.i16()), k.offset(out, i * int64_t(layout.plane) * 2));
      });
    });
  }

  /// Calls `body(first pixel in memory, first pixel of the band, pixels)` for tiles of 16 pixels of a row, or fewer in a narrow one.
  void forTiles(Val memory, const PlaneStrides &s, const std::function<void(Val, Val, int64_t)> &body) {
    int64_t width = std::min(shape.outW, kTile);
    k.forLoop(0, choice.bandRows, 1, [&](Val y) {
      k.forLoop(0, ceilDiv(shape.outW, kTile), 1, [&](Val tile) {
        Val x = minOf(tile * k.index(kTile), k.index(shape.outW - width));
        body(k.offset(k.offset(memory, y * k.index(s.row)), x * k.index(s.pixel)), y * k.index(int64_t(layout.pitch)) + x, width);
      });
    });
  }

  void readResiduals(Val residual, const Range &output) {
    forTiles(residual, shape.residual, [&](Val from, Val pixel, int64_t width) {
      k.forLoop(output.from, output.to, kTile, [&](Val c) {
        Sixteen rows;
        for (int64_t i = 0; i < 16; ++i)
          rows.push_back(k.load(bytes16(), k.offset(k.offset(from, c), std::min(i, width - 1) * shape.residual.pixel)));
        rows = transposed(std::move(rows));
        Val to = k.offset(k.offset(residuals, c * k.index(choice.codeStride)), pixel);
        for (int64_t i = 0; i < 16; ++i) // a narrow row's rest is the next row's beginning, which comes later
          k.store(rows[i], k.offset(to, i * choice.codeStride));
      });
    });
  }

  void write(Val out, const Range &output) {
    forTiles(out, shape.out, [&](Val to, Val pixel, int64_t width) {
      k.forLoop(output.from, output.to, kTile, [&](Val c) {
        Val from = k.offset(k.offset(results, c * k.index(choice.codeStride)), pixel);
        Sixteen rows;
        for (int64_t i = 0; i < 16; ++i)
          rows.push_back(k.load(bytes16(), k.offset(from, i * choice.codeStride)));
        rows = transposed(std::move(rows));
        for (int64_t i = 0; i < width; ++i)
          k.store(rows[i], k.offset(k.offset(to, c), i * shape.out.pixel));
      });
    });
  }

  /// The sums of a group's chunks.
  void add(Val g) {
    int64_t lines = ceilDiv(ceilDiv(choice.functionBytes, 64), choice.blocks);
    k.forLoop(0, chunks, 1, [&](Val chunk) {
      Val index = g * k.index(chunks) + chunk;
      auto functionAt = [&](Val i) { return k.load(k.ptr(), k.offset(args[PaWeights], i * k.index(8)), 8); };
      Val function = functionAt(index), next = functionAt(minOf(index + k.index(1), k.index(groups * chunks - 1)));
      Val to = k.offset(sums, chunk * k.index(choice.blocks * sumsBytes));
      k.forLoop(0, choice.blocks, 1, [&](Val block) {
        for (int64_t line = 0; line < lines; ++line)
          k.prefetch(k.offset(next, block * k.index(lines * 64) + k.index(line * 64)));
        k.callPointer(function, {k.offset(planes, block * k.index(pixels * 2)), k.offset(to, block * k.index(sumsBytes))});
      });
    });
  }

  /// Sums of the group's outputs that are in the range to codes, two vectors of pixels of an output at a time.
  void finish(Val g, const Range &range) {
    int64_t lanes = pixels / 2;
    Type words = k.vec(lanes, k.i16()), sums32 = k.vec(lanes, k.i32());
    Val first = g * k.index(group);
    k.forLoop(maxOf(range.from - first, k.index(0)), minOf(k.index(group), range.to - first), 1, [&](Val output) {
      Val channel = first + output;
      auto factor = [&](ProductArgument a, Type type) { return k.splat(k.load(type, k.offset(args[a], channel * k.index(4))), lanes); };
      Val m = factor(PaM, k.f32()), b = factor(PaB, k.f32()), start = excess ? factor(PaStart, k.i32()) : k.constantInt(sums32, 0);
      Val from = k.offset(sums, output * k.index(pixels * 2)), to = k.offset(results, channel * k.index(choice.codeStride));
      Val residual = k.offset(residuals, channel * k.index(choice.codeStride));
      k.forLoop(0, choice.blocks, 2, [&](Val block) {
        Val at = k.offset(from, block * k.index(sumsBytes));
        std::vector<Val> four(4, start);
        four = k.forLoop(0, chunks * choice.blocks * sumsBytes, choice.blocks * sumsBytes, four, [&](Val chunk, const std::vector<Val> &carried) {
          std::vector<Val> out = carried;
          for (int64_t i = 0; i < 4; ++i)
            out[i] = out[i] + k.signExtend(k.load(words, k.offset(k.offset(at, chunk), i / 2 * sumsBytes + i % 2 * lanes * 2)), k.i32());
          return out;
        });
        Val pixel = block * k.index(pixels);
        for (int64_t i = 0; i < 4; ++i)
          four[i] = emitAffine(k, epilogue, four[i], m, b, {},
                               epilogue.residual == Epilogue::Residual::None ? Val() : k.offset(residual, pixel + k.index(i * lanes)), lanes);
        k.store(emitPackedCodes(k, epilogue, four), k.offset(to, pixel));
      });
    });
  }

  KernelBuilder &k;
  const ConvShape &shape;
  const AddsChoice &choice;
  const tri_adds_layout &layout;
  bool zeroExtends, excess;
  const Epilogue &epilogue;
  const std::vector<Val> &args;
  int64_t pixels, group, sumsBytes; ///< pixels of a vector; outputs of a function and bytes that it writes
  int64_t groups, chunks = 0;
  Val planes, sums, results, residuals;
};

} // namespace

std::optional<AddsChoice> chooseAdds(const TargetDesc &target, const ConvShape &shape, const TileChoice &direct, const Epilogue &epilogue,
                                     const int8_t *weights, int64_t batch) {
  if (target.arch != Arch::X86_64 || !endsPacked(target, epilogue))
    return std::nullopt;
  // With vpdpbusd in 32 bytes a loop of products is always cheaper; 16 bytes have no generator.
  if (target.vectorBytes != 64 && (target.vectorBytes != 32 || direct.dot.kind != DotKind::MaddUbs))
    return std::nullopt;
  if (shape.kernelH != shape.kernelW || shape.strideH != 1 || shape.strideW != 1 || shape.dilationH != 1 || shape.dilationW != 1 ||
      shape.channels % kTile || shape.outputs % kTile || shape.storedChannels != shape.outputs || shape.x.pixel != shape.channels ||
      shape.x.row % shape.x.pixel)
    return std::nullopt;
  AddsChoice choice;
  tri_adds_layout &layout = choice.layout;
  layout = {uint32_t(shape.outputs), uint32_t(shape.kernelH * shape.kernelW), uint32_t(shape.channels), uint32_t(shape.x.row / shape.x.pixel), 0, 0,
            target.vectorBytes};
  int64_t pitch = layout.pitch, pixels = tri_adds_pixels(&layout), group = tri_adds_group(&layout);
  for (int64_t rows = 1; rows <= shape.outH; ++rows) {
    if (shape.outH % rows)
      continue;
    int64_t blocks = ceilDiv(rows * pitch, 2 * pixels) * 2;
    int64_t plane = oddLines((blocks * pixels + (shape.kernelH - 1) * pitch + shape.kernelW + pixels) * 2);
    if (rows > 1 && choice.blocks * pixels >= kLeastPixels && (rows * pitch > kBandPixels || shape.channels * plane > kBandBytes))
      break;
    choice.bandRows = rows, choice.blocks = blocks;
    layout.plane = uint32_t(plane / 2);
  }
  if (choice.blocks * pixels < kLeastPixels || pixelsRead(shape, choice.bandRows, pitch) < kTile)
    return std::nullopt;
  layout.chunk = tri_adds_chunk(weights, &layout);
  int64_t functions = int64_t(tri_adds_functions(&layout));
  if (functions == 0)
    return std::nullopt;
  // Beside the functions: bytes change places, calls take a few instructions, sums are widened and ended.
  double instructions = 0, bytes = 0, samples = double(std::min(functions, kSamples));
  for (int64_t i = 0; i < int64_t(samples); ++i) {
    tri_adds_size size = tri_adds_measure(weights, &layout, size_t(i * functions / int64_t(samples)));
    instructions += double(size.instructions) / samples, bytes += double(size.bytes) / samples;
  }
  int64_t inputs = int64_t(layout.ko) * layout.ki, groups = ceilDiv(shape.outputs, group), chunks = ceilDiv(inputs, layout.chunk);
  double outputs = double(shape.outputs), blocks = double(choice.blocks);
  double decoded = shape.kernelH == 1 ? kDecoded : target.fastAdd ? kDecodedWindowZen : kDecodedWindow;
  double band = double(functions) * std::max(instructions * decoded * blocks, bytes * kByteArrives) + double(groups * chunks) * blocks * 8 +
                outputs * blocks * (4 * double(chunks) + 12) + planeInstructions(shape, choice.bandRows, pitch) +
                double(shape.outputs / kTile * choice.bandRows * ceilDiv(shape.outW, kTile)) * (epilogue.residual == Epilogue::Residual::None ? 96 : 192);
  choice.cost = double(batch * (shape.outH / choice.bandRows)) * band;
  choice.directCost = directInstructions(target, shape, direct, batch);
  choice.functionBytes = int64_t(bytes);
  choice.codeBytes = uint64_t(bytes * double(functions));
  choice.codeStride = oddLines(choice.blocks * pixels + pixels);
  if (choice.codeBytes > kMostCodeBytes)
    return std::nullopt;
  return choice;
}

int64_t addsScratch(const ConvShape &shape, const AddsChoice &choice, const Epilogue &epilogue) {
  return ScratchLayout(shape, choice, epilogue).bytes;
}

std::string emitAdds(KernelBuilder &k, const std::string &label, const ConvShape &shape, const AddsChoice &choice, bool actUnsigned, bool excess,
                     const Epilogue &epilogue) {
  AddsChoice own = choice;
  own.codeBytes = 0, own.cost = own.directCost = 0; // why this way was taken changes no code
  // Of the functions' size, which other weights change a little, only the lines to fetch for each block count.
  own.functionBytes = ceilDiv(ceilDiv(choice.functionBytes, 64), choice.blocks) * choice.blocks * 64;
  return productKernel(k, label, Recipe("adds", shape, own, actUnsigned, excess, epilogue), [&](const std::vector<Val> &args) {
    Adds(k, shape, own, actUnsigned, excess, epilogue, args).emit();
    emitZeroHalo(k, args[PaOut], shape.out, shape.outH, shape.outW, shape.out.pixel, shape.haloH, shape.haloW, args[PaRows], args[PaPart],
                 args[PaParts], epilogue.excess ? -128 : 0);
  });
}

} // namespace triton
