// Quantisers of inputs as vectors: rows of reals or raw bytes (NCHW, few channels, or any dense tensor) to codes, channels last where the
// result lies so.
//
//   for a row, for 64 pixels:  each channel's codes, 16 reals at a time or by table, then the channels side by side
//
// The same operations as LowerElements.cpp, so the same codes.
#include "StepContext.h"

#include "InputTable.h"
#include "../Generators/Products.h"

#include "ternary/TernaryOps.h"

#include <algorithm>

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }

namespace {

/// The tensor as rows: `outer` of them a unit of the batch (or in all), `channels` planes each.
struct Rows {
  int64_t channels = 1, rows = 1, width = 1;
  bool image = false; ///< NHWC result
};

class InputLowering {
public:
  InputLowering(StepContext &c, QuantizeOp op, const Rows &rows, bool raw)
      : c(c), k(c.k), type(cast<QuantType>(tensorOf(op.getResult()).getElementType())), rows(rows), out(c.view(op.getResult())),
        in(c.view(op.getX())), raw(raw) {
    pixels = rows.width >= 64 ? 64 : rows.width >= 32 ? 32 : 16;
    if (raw)
      for (int8_t code : inputCodes(type, cast<BlockArgument>(op.getX())))
        codes.push_back(int8_t(out.layout.excess ? uint8_t(code) ^ 0x80 : uint8_t(code)));
  }

  void run() {
    int64_t tiles = (rows.width + pixels - 1) / pixels, bytes = raw ? 1 : 4, plane = rows.rows * rows.width * bytes;
    Val units = out.layout.isDynamic() ? c.batch : k.index(out.layout.shape[0]);
    Range range = partition(k, units * k.index(rows.rows), c.part, c.parts);
    std::vector<std::vector<Val>> tables(rows.channels);
    if (raw)
      for (int64_t ch = 0; ch < rows.channels; ++ch)
        tables[ch] = loadTable(ch);
    k.forLoop(range.from, range.to, 1, [&](Val unit) {
      Val image = unit / k.index(rows.rows), y = unit - image * k.index(rows.rows);
      Val from = k.offset(k.offset(in.base, image * k.index(rows.channels * plane)), y * k.index(rows.width * bytes));
      Val to = k.offset(out.base, image * k.index(out.layout.isDynamic() || rows.image ? out.layout.strides[0] : out.layout.unitBytes / out.layout.shape[0]));
      to = k.offset(to, y * k.index(rows.image ? out.layout.strides[2] : rows.width));
      k.forLoop(0, tiles, 1, [&](Val i) {
        Val x = minOf(i * k.index(pixels), k.index(rows.width - pixels)); // the last tile overlaps its neighbour
        std::vector<Val> planes;
        for (int64_t ch = 0; ch < rows.channels; ++ch) {
          Val at = k.offset(k.offset(from, x * k.index(bytes)), ch * plane);
          planes.push_back(raw ? lookUp(tables[ch], k.load(k.vec(pixels, k.i8()), at)) : quantise(at));
        }
        storeInterleaved(planes, k.offset(to, x * k.index(rows.channels)));
      });
    });
    const Layout &l = out.layout;
    if (l.channelsLast)
      emitZeroHalo(k, out.base, PlaneStrides{l.strides[0], l.strides[2], l.strides[3]}, l.shape[2], l.shape[3], l.strides[3], l.haloH, l.haloW,
                   units, c.part, c.parts, l.excess ? -128 : 0);
  }

private:
  /// `pixels` reals to codes.
  Val quantise(Val at) {
    int64_t lanes = int64_t(k.target().lanes32());
    Val reciprocal = k.f32c(1.0f / type.getScale());
    Epilogue clamp;
    clamp.lo = type.getLo();
    clamp.hi = type.getHi();
    clamp.excess = out.layout.excess;
    std::vector<Val> parts;
    for (int64_t first = 0; first < pixels; first += 4 * lanes) {
      llvm::SmallVector<Val, 4> four;
      for (int64_t i = 0; i < 4 && first + i * lanes < pixels; ++i) {
        Val y = k.load(k.vec(lanes, k.f32()), k.offset(at, (first + i * lanes) * 4)) * k.splat(reciprocal, lanes);
        // Reals may be anything. What is no number gets code 0; what is too small for an integer becomes the smallest one, as it should;
        // what is too large would, too.
        Val isNumber = compare(Cmp::Eq, y, y);
        Val rounded = k.roundToInt(minOf(y, k.constant(y.type(), double(clamp.hi))));
        four.push_back(select(isNumber, rounded, k.constantInt(rounded.type(), 0)));
      }
      int64_t count = int64_t(four.size()) * lanes;
      four.resize(4, four.back());
      Val packed = emitPackedInts(k, clamp, four);
      parts.push_back(count == 4 * lanes ? packed : k.slice(packed, 0, count));
    }
    return join(parts);
  }

  /// The 256 codes of a channel in four registers.
  std::vector<Val> loadTable(int64_t channel) {
    Val table = c.table("input.codes", codes);
    int64_t row = int64_t(codes.size()) == 256 ? 0 : channel * 256;
    std::vector<Val> parts;
    for (int64_t i = 0; i < 4; ++i)
      parts.push_back(k.load(k.vec(64, k.i8()), k.offset(table, row + i * 64)));
    return parts;
  }
  Val lookUp(const std::vector<Val> &table, Val bytes) {
    int64_t count = cast<VectorType>(bytes.type()).getNumElements();
    Type full = k.vec(64, k.i8());
    if (count < 64) {
      llvm::SmallVector<int32_t> widen;
      for (int32_t i = 0; i < 64; ++i)
        widen.push_back(i < count ? i : 0);
      bytes = k.shuffle(bytes, bytes, widen);
    }
    Val low = k.intrinsic("llvm.x86.avx512.vpermi2var.qi.512", full, {table[0], bytes, table[1]});
    Val high = k.intrinsic("llvm.x86.avx512.vpermi2var.qi.512", full, {table[2], bytes, table[3]});
    Val result = select(compare(Cmp::Lt, bytes, k.constantInt(full, 0)), high, low);
    return count < 64 ? k.slice(result, 0, count) : result;
  }

  Val join(std::vector<Val> parts) {
    while (parts.size() > 1) {
      std::vector<Val> next;
      for (size_t i = 0; i + 1 < parts.size(); i += 2) {
        llvm::SmallVector<int32_t> all;
        for (int32_t j = 0; j < 2 * cast<VectorType>(parts[i].type()).getNumElements(); ++j)
          all.push_back(j);
        next.push_back(k.shuffle(parts[i], parts[i + 1], all));
      }
      parts = next;
    }
    return parts[0];
  }

  /// Pixel by pixel, channel by channel.
  void storeInterleaved(const std::vector<Val> &planes, Val to) {
    int64_t channels = int64_t(planes.size());
    if (channels == 1)
      return k.store(planes[0], to);
    // All planes in one vector, of a power of two many, then one choice of bytes for each piece of the result.
    std::vector<Val> padded = planes;
    while (padded.size() & (padded.size() - 1))
      padded.push_back(planes[0]);
    Val all = join(padded);
    for (int64_t piece = 0; piece < channels; ++piece) {
      llvm::SmallVector<int32_t> order;
      for (int64_t j = 0; j < pixels; ++j) {
        int64_t at = piece * pixels + j;
        order.push_back(int32_t(at % channels * pixels + at / channels));
      }
      k.store(k.shuffle(all, all, order), k.offset(to, piece * pixels));
    }
  }

  StepContext &c;
  KernelBuilder &k;
  QuantType type;
  Rows rows;
  View out, in;
  bool raw;
  int64_t pixels = 64;
  std::vector<int8_t> codes;
};

} // namespace

bool lowerVectorQuantise(StepContext &c, Operation *op) {
  auto quantize = dyn_cast<QuantizeOp>(op);
  const TargetDesc &target = c.k.target();
  if (!quantize || target.arch != Arch::X86_64)
    return false;
  Value x = quantize.getX();
  auto type = dyn_cast<QuantType>(tensorOf(op->getResult(0)).getElementType());
  if (!type || type.getKind() == CodeKind::T || !tensorOf(x).getElementType().isF32() ||
      (x.getDefiningOp() && (c.inlined.contains(x.getDefiningOp()) || isa<ConstantOp>(x.getDefiningOp()))))
    return false;
  auto argument = dyn_cast<BlockArgument>(x);
  bool raw = argument && c.guard && c.guard->first == argument.getArgNumber() && c.guard->second == DType::UInt8;
  if (raw && !target.hasVbmi)
    return false;
  const Layout &in = c.variant.layouts.of[x], &out = c.variant.layouts.of[op->getResult(0)];
  if (!in.isDense() || in.shape.empty())
    return false;
  Rows rows;
  if (out.channelsLast) {
    rows = {out.shape[1], out.shape[2], out.shape[3], true};
    if (rows.channels > 4)
      return false;
  } else {
    if (!out.isDense())
      return false;
    rows.width = out.unitElements() / (out.isDynamic() ? 1 : out.shape[0]);
    if (raw && inputCodes(type, argument).size() != 256)
      return false; // channels lie one after the other
  }
  if (rows.width < 16)
    return false;
  InputLowering(c, quantize, rows, raw).run();
  return true;
}

} // namespace triton
