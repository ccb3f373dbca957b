// What happens to finished sums: y = fma(f(acc), m, t), then codes or reals.
//
// Where it is proven that y fits an integer, four vectors become codes together: converted (to nearest even), packed with saturation to
// bytes, clamped there. Else each vector is clamped as reals first: see KernelBuilder::roundClampLow8.
#include "DotTile.h"

using namespace mlir;

namespace triton {

Val emitAffine(KernelBuilder &k, const Epilogue &epilogue, Val sum, Val m, Val b, Val scale, Val residual, int64_t lanes) {
  Val t = b;
  if (residual) {
    Val r;
    if (epilogue.residual == Epilogue::Residual::Real) {
      r = k.load(k.vec(lanes, k.f32()), residual);
    } else {
      Val codes = k.load(k.vec(lanes, k.i8()), residual);
      if (epilogue.residual == Epilogue::Residual::Excess)
        codes = codes ^ k.constantInt(codes.type(), -128);
      r = k.intToFloat(epilogue.residual == Epilogue::Residual::Unsigned ? k.zeroExtend(codes, k.i32()) : k.signExtend(codes, k.i32()));
    }
    t = k.fma(r, k.splat(k.f32c(epilogue.residualM), lanes), b);
  }
  if (!isa<FloatType>(getElementTypeOrSelf(sum.type())))
    sum = k.intToFloat(sum);
  return k.fma(sum, scale ? k.splat(scale, lanes) * m : m, t);
}

bool endsPacked(const TargetDesc &target, const Epilogue &epilogue) {
  return target.arch == Arch::X86_64 && epilogue.out == Epilogue::Out::Codes && epilogue.bounded;
}

Val emitPackedCodes(KernelBuilder &k, const Epilogue &epilogue, ArrayRef<Val> four, bool inOrder) {
  llvm::SmallVector<Val, 4> rounded;
  for (Val y : four)
    rounded.push_back(k.roundToInt(y));
  return emitPackedInts(k, epilogue, rounded, inOrder);
}

Val emitPackedInts(KernelBuilder &k, const Epilogue &epilogue, ArrayRef<Val> four, bool inOrder) {
  bool isUnsigned = epilogue.lo >= 0;
  Val codes = k.packToBytes(four, isUnsigned, inOrder);
  if (epilogue.lo > (isUnsigned ? 0 : -128))
    codes = k.maxInt(codes, k.constantInt(codes.type(), epilogue.lo), isUnsigned);
  if (epilogue.hi < (isUnsigned ? 255 : 127))
    codes = k.minInt(codes, k.constantInt(codes.type(), epilogue.hi), isUnsigned);
  return epilogue.excess ? codes ^ k.constantInt(codes.type(), -128) : codes;
}

void emitEpilogue(KernelBuilder &k, const Epilogue &epilogue, Val sum, Val m, Val b, Val scale, Val residual, Val out, int64_t lanes,
                  int64_t channels) {
  if (epilogue.out == Epilogue::Out::Sums)
    return k.storeLanes(sum, channels, out);
  Val y = emitAffine(k, epilogue, sum, m, b, scale, residual, lanes);
  if (epilogue.out == Epilogue::Out::Real)
    return k.storeLanes(y, channels, out);
  // A NaN can only come from a run-time scale or a real residual; its code is 0.
  if (scale || epilogue.residual == Epilogue::Residual::Real)
    y = select(compare(Cmp::Eq, y, y), y, k.constant(y.type(), 0.0));
  Val codes = k.roundClampLow8(y, double(epilogue.lo), double(epilogue.hi), epilogue.excess ? 128 : 0);
  k.storeLanes(k.truncate(codes, k.i8()), channels, out);
}

namespace {

/// The two ways to end a tile; both walk its vectors in the order in which they lie in memory.
class TileEnd {
public:
  TileEnd(KernelBuilder &k, const Epilogue &epilogue, ArrayRef<Val> sums, const TilePointers &at, int64_t lanes, int64_t positions,
          int64_t vectors, int64_t lanesOfLast)
      : k(k), epilogue(epilogue), sums(sums), at(at), lanes(lanes), positions(positions), vectors(vectors), lanesOfLast(lanesOfLast) {}

  void single() {
    for (int64_t v = 0; v < vectors; ++v) {
      // Channel vector by channel vector, so that m and b are loaded once.
      auto [m, b] = factors(v);
      for (int64_t p = 0; p < positions; ++p) {
        Val scale = epilogue.scale == Epilogue::Scale::None     ? Val()
                    : epilogue.scale == Epilogue::Scale::PerRow ? k.load(k.f32(), k.offset(at.scale, p * at.scaleStride))
                                                                : k.load(k.f32(), at.scale);
        emitEpilogue(k, epilogue, sums[p * vectors + v], m, b, scale, residualAt(p, v),
                     k.offset(at.out, p * at.outStride + v * lanes * epilogue.outBytes()), lanes, storedOf(v));
      }
    }
  }

  void packed() {
    std::vector<std::pair<Val, Val>> perVector;
    for (int64_t v = 0; v < vectors; ++v)
      perVector.push_back(factors(v));
    int64_t count = positions * vectors;
    for (int64_t first = 0; first < count; first += 4) {
      llvm::SmallVector<Val, 4> four;
      int64_t used = std::min<int64_t>(4, count - first);
      for (int64_t i = 0; i < used; ++i) {
        int64_t p = (first + i) / vectors, v = (first + i) % vectors;
        auto [m, b] = perVector[v];
        four.push_back(emitAffine(k, epilogue, sums[first + i], m, b, {}, residualAt(p, v), lanes));
      }
      four.resize(4, four.back());
      storeGroup(emitPackedCodes(k, epilogue, four), first, used);
    }
  }

private:
  /// Stores the codes of vectors [first, first + used): neighbours of one position together.
  void storeGroup(Val codes, int64_t first, int64_t used) {
    for (int64_t i = 0; i < used;) {
      int64_t p = (first + i) / vectors, v = (first + i) % vectors, run = std::min(used - i, vectors - v);
      int64_t bytes = (run - 1) * lanes + storedOf(v + run - 1);
      Val part = i == 0 && bytes == 4 * lanes ? codes : k.slice(codes, i * lanes, run * lanes);
      k.storeLanes(part, bytes, k.offset(at.out, p * at.outStride + v * lanes));
      i += run;
    }
  }
  std::pair<Val, Val> factors(int64_t v) {
    if (epilogue.out == Epilogue::Out::Sums)
      return {};
    Type f32s = k.vec(lanes, k.f32());
    return {k.load(f32s, k.offset(at.m, v * lanes * 4), lanes * 4), k.load(f32s, k.offset(at.b, v * lanes * 4), lanes * 4)};
  }
  Val residualAt(int64_t p, int64_t v) {
    if (epilogue.residual == Epilogue::Residual::None)
      return {};
    return k.offset(at.residual, p * at.residualStride + v * lanes * epilogue.residualBytes());
  }
  int64_t storedOf(int64_t v) const { return v + 1 == vectors ? lanesOfLast : lanes; }

  KernelBuilder &k;
  const Epilogue &epilogue;
  ArrayRef<Val> sums;
  const TilePointers &at;
  int64_t lanes, positions, vectors, lanesOfLast;
};

} // namespace

void emitTileEnd(KernelBuilder &k, const Epilogue &epilogue, ArrayRef<Val> sums, const TilePointers &at, int64_t lanes, int64_t positions,
                 int64_t vectors, int64_t lanesOfLast) {
  TileEnd end(k, epilogue, sums, at, lanes, positions, vectors, lanesOfLast);
  if (endsPacked(k.target(), epilogue))
    end.packed();
  else
    end.single();
}

} // namespace triton
