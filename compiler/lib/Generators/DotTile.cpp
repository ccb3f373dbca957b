// The register tile: see DotTile.h.
#include "DotTile.h"

#include "Ways.h"

#include <algorithm>

using namespace mlir;

namespace triton {

std::string TileChoice::name() const { return std::to_string(positions) + "x" + std::to_string(dot.nr()); }

int64_t mostPositions(const TargetDesc &target, const DotSpec &dot, int64_t vectors) {
  int64_t registers = target.vectorRegisters;
  // NEON widens weights to pairs of halves and keeps one register of activations a position.
  if (dot.kind == DotKind::MulLong)
    return std::clamp<int64_t>((registers - vectors / 2 - 5) / (vectors + 1), 1, 28);
  // Registers beside accumulators and weights: the broadcast, and what the dot product needs on the way.
  int64_t spare = dot.kind == DotKind::Dpbusd ? 1 : dot.wide ? 2 : 3;
  if (dot.biased() && !dot.excess)
    ++spare; // the constant 0x80
  if (dot.twoBit)
    spare += vectors + 4; // the codes of four steps, tables
  return std::clamp<int64_t>((registers - vectors - spare) / vectors, 1, 28);
}

int64_t cheapestPositions(int64_t most, int64_t count, double overhead) {
  int64_t cheapest = 1;
  double best = 1e300;
  for (int64_t p = most; p >= 1; --p)
    if (double cost = double((count + p - 1) / p) * (double(p) + overhead); cost < best)
      best = cost, cheapest = p;
  return cheapest;
}

/// Whether tiles of two widths cover rows without overlap.
static bool covers(const TargetDesc &target) { return target.vectorBytes >= 32; }

RowTiles::RowTiles(const TargetDesc &target, int64_t width, int64_t positions) : high((width + positions - 1) / positions), low(0) {
  if (int64_t missing = high * positions - width; covers(target) && missing <= high && positions > 1)
    low = missing, high -= missing;
}

/// Instructions of one step for a row and all channels, `all` vectors of them: products, broadcasts, weights, and the loop.
static int64_t rowInstructions(const TargetDesc &target, const DotSpec &dot, int64_t width, int64_t all) {
  constexpr int64_t loop = 2;
  int64_t most = mostPositions(target, dot, dot.vectors), tiles = (width + most - 1) / most;
  auto block = [&](int64_t vectors) { return vectors ? width * (vectors + 1) + tiles * (vectors + loop) : 0; };
  return all / dot.vectors * block(dot.vectors) + block(all % dot.vectors);
}

/// Rows that may have any number of positions are covered by tiles of at most so many.
static constexpr int64_t kMostRows = 14;

TileChoice chooseTile(const TargetDesc &target, bool trits, bool actUnsigned, int64_t channels, int64_t width, bool excess,
                      bool wide, int64_t inputs) {
  TileChoice tile;
  tile.dot.kind = target.dotKind(trits);
  tile.dot.actUnsigned = actUnsigned;
  tile.dot.excess = excess && tile.dot.biased();
  tile.dot.lanes = target.lanes32();
  tile.dot.wide = wide && tile.dot.kind == DotKind::MaddWd;
  int64_t lanes = tile.dot.lanes;
  bool neon = tile.dot.kind == DotKind::MulLong;
  int64_t most = std::max<int64_t>(1, (channels + lanes - 1) / lanes);
  tile.dot.vectors = neon ? 4 : std::min<int64_t>(2, most);
  if (target.vectorRegisters == 32 && !neon && width > 0 && most >= 4) {
    // Few positions: more channels keep the multipliers busy. Else a tile of more channels has fewer instructions beside the products, but reads its
    // weights more often.
    DotSpec four = tile.dot;
    four.vectors = 4;
    bool near = tile.dot.kind == DotKind::Dpbusd && inputs > 0 && inputs * four.nr() <= int64_t(target.firstCacheBytes) * 2 / 3;
    if (width <= 6 || (near && rowInstructions(target, four, width, most) < rowInstructions(target, tile.dot, width, most)))
      tile.dot.vectors = 4;
  }
  int64_t limit = mostPositions(target, tile.dot, tile.dot.vectors);
  if (width <= 0) {
    tile.positions = std::min(limit, kMostRows);
    return tile;
  }
  // The fewest tiles, as equal as can be. Where the last one overlaps its neighbour the cost is in whole tiles; each also loads weights once.
  int64_t tiles = (width + limit - 1) / limit;
  tile.positions = covers(target) ? (width + tiles - 1) / tiles : cheapestPositions(std::min(limit, width), width, 1.5);
  return tile;
}

std::vector<TileChoice> otherTiles(const TargetDesc &target, const TileChoice &chosen, int64_t channels, int64_t width) {
  std::vector<TileChoice> others;
  // Instructions of two operands need copies, for which some of these tiles leave no register.
  if (target.arch == Arch::X86_64 && target.vectorBytes == 16)
    return others;
  auto add = [&](DotSpec dot, size_t numbers) {
    TileChoice tile = chosen;
    tile.dot = dot;
    int64_t limit = mostPositions(target, dot, dot.vectors);
    if (width <= 0) {
      tile.positions = std::min(limit, kMostRows);
      if (dot.vectors != chosen.dot.vectors)
        others.push_back(tile);
      return;
    }
    // The fewest tiles that cover a row, and one or more tiles that are narrower.
    int64_t before = 0;
    for (int64_t count = (width + limit - 1) / limit; count <= width && numbers > 0; ++count) {
      tile.positions = (width + count - 1) / count;
      if (tile.positions == before)
        continue;
      before = tile.positions;
      --numbers;
      if (dot.vectors != chosen.dot.vectors || dot.wide != chosen.dot.wide || tile.positions != chosen.positions)
        others.push_back(tile);
    }
  };
  int64_t most = std::max<int64_t>(1, (channels + chosen.dot.lanes - 1) / chosen.dot.lanes);
  add(chosen.dot, 2);
  for (int64_t vectors : {1, 2, 4}) {
    DotSpec dot = chosen.dot;
    dot.vectors = vectors;
    if (vectors == chosen.dot.vectors || vectors > most || (dot.kind == DotKind::MulLong && vectors < 2))
      continue;
    add(dot, 1);
  }
  if (chosen.dot.wide) {
    DotSpec dot = chosen.dot;
    dot.wide = false;
    add(dot, 1);
  }
  return others;
}

namespace {

/// A run of so few steps of vpdpbusd is written out: the loop would cost more than it saves. Other dot products need registers on the way.
constexpr int64_t kUnrolledSteps = 8;

/// Steps in one turn of a longer loop of vpdpbusd.
constexpr int64_t kStepsTogether = 4;

/// vpmaddubsw makes pair sums of at most 2 * 255: so many of them fit 16 bits.
constexpr int64_t kNarrowSteps = 32767 / 510;

/// One step group of the reduction for all positions: loads, broadcasts, dot products.
class DotEmitter {
public:
  DotEmitter(KernelBuilder &k, const DotSpec &dot, int64_t positions, int64_t vectors)
      : k(k), dot(dot), positions(positions), vectors(vectors) {}

  using Accumulators = std::vector<Val>; // [p * vectors + v]

  /// Steps that one call of `steps` takes together.
  int64_t group(int64_t steps) const {
    if (dot.kind != DotKind::MulLong)
      return dot.packed();
    return steps % 8 == 0 ? 8 : steps % 4 == 0 ? 4 : 1;
  }

  void emit(Accumulators &acc, Val x, int64_t xStride, Val w, int64_t group) {
    switch (dot.kind) {
    case DotKind::Dpbusd: return dot.twoBit ? dpbusdTwoBit(acc, x, xStride, w) : dpbusd(acc, x, xStride, loadWeights(w, i32s(), dot.lanes * 4));
    case DotKind::MaddUbs: return maddUbs(acc, x, xStride, w);
    case DotKind::MaddWd: return maddWd(acc, x, xStride, w);
    case DotKind::MulLong: return mulLong(acc, x, xStride, w, group);
    }
  }

  /// Sums of pairs in 16 bits (MaddUbs), added to 32-bit sums.
  Val widened(Val sum, Val pairs) {
    bool wide = dot.lanes == 16;
    Val ones = k.constantInt(pairs.type(), 1);
    return sum + k.intrinsic(wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd", i32s(), {pairs, ones});
  }

private:
  Type i32s() { return k.vec(dot.lanes, k.i32()); }

  Val quad(Val x, int64_t at) {
    Val a = k.splat(k.load(k.i32(), k.offset(x, at)), dot.lanes);
    return dot.biased() && !dot.excess ? a ^ k.constantInt(a.type(), 0x80808080) : a;
  }
  std::vector<Val> loadWeights(Val w, Type type, int64_t bytes) {
    std::vector<Val> result;
    for (int64_t v = 0; v < vectors; ++v)
      result.push_back(k.load(type, k.offset(w, v * bytes), bytes));
    return result;
  }

  void dpbusd(Accumulators &acc, Val x, int64_t xStride, const std::vector<Val> &weights) {
    for (int64_t p = 0; p < positions; ++p) {
      Val a = quad(x, p * xStride);
      for (int64_t v = 0; v < vectors; ++v)
        acc[p * vectors + v] = k.intrinsic(dot.lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256", i32s(), {acc[p * vectors + v], a, weights[v]});
    }
  }

  /// The bytes -1, 0 and 1 that stand at two bits of each byte.
  Val unpacked(Val codes, int64_t place) {
    Type bytes = k.vec(dot.lanes * 4, k.i8());
    std::vector<int8_t> table(dot.lanes * 4);
    if (k.target().hasVbmi) {
      // Six bits of a byte are the index: only the last two of the eight must move.
      int64_t at = std::min<int64_t>(place, 2);
      for (size_t i = 0; i < table.size(); ++i)
        table[i] = int8_t((i >> (2 * at) & 3) - 1);
      Val index = place == 3 ? k.shiftRightLogical(codes, 2) : codes;
      return k.bitcast(k.intrinsic("llvm.x86.avx512.permvar.qi.512", bytes, {k.constantBytes(table), k.bitcast(index, bytes)}), i32s());
    }
    for (size_t i = 0; i < table.size(); ++i)
      table[i] = int8_t((i >> (2 * (place % 2)) & 3) - 1);
    Val index = (place < 2 ? codes : k.shiftRightLogical(codes, 4)) & k.constantInt(codes.type(), 0x0f0f0f0f);
    return k.bitcast(k.intrinsic(dot.lanes == 16 ? "llvm.x86.avx512.pshuf.b.512" : "llvm.x86.avx2.pshuf.b", bytes, {k.constantBytes(table), k.bitcast(index, bytes)}), i32s());
  }

  /// Four steps.
  void dpbusdTwoBit(Accumulators &acc, Val x, int64_t xStride, Val w) {
    std::vector<Val> codes = loadWeights(w, i32s(), dot.lanes * 4);
    for (int64_t place = 0; place < 4; ++place) {
      std::vector<Val> weights;
      for (Val each : codes)
        weights.push_back(unpacked(each, place));
      dpbusd(acc, k.offset(x, place * dot.xBytes()), xStride, weights);
    }
  }

  void maddUbs(Accumulators &acc, Val x, int64_t xStride, Val w) {
    bool wide = dot.lanes == 16;
    Type bytes = k.vec(dot.lanes * 4, k.i8()), words = k.vec(dot.lanes * 2, k.i16());
    std::vector<Val> weights = loadWeights(w, bytes, dot.lanes * 4);
    for (int64_t p = 0; p < positions; ++p) {
      Val a = k.bitcast(quad(x, p * xStride), bytes);
      for (int64_t v = 0; v < vectors; ++v)
        acc[p * vectors + v] =
            acc[p * vectors + v] + k.intrinsic(wide ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw", words, {a, weights[v]});
    }
  }

  void maddWd(Accumulators &acc, Val x, int64_t xStride, Val w) {
    const char *name = dot.lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                       : dot.lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                        : "llvm.x86.sse2.pmadd.wd";
    Type bytes = k.vec(dot.lanes * 2, k.i8());
    std::vector<Val> weights = loadWeights(w, bytes, dot.lanes * 2);
    for (Val &v : weights)
      v = k.signExtend(v, k.i16());
    for (int64_t p = 0; p < positions; ++p) {
      Val a;
      if (dot.wide) {
        a = k.bitcast(k.splat(k.load(k.i32(), k.offset(x, p * xStride)), dot.lanes), k.vec(dot.lanes * 2, k.i16()));
      } else {
        Val pair = k.bitcast(k.splat(k.load(k.i16(), k.offset(x, p * xStride)), dot.lanes), bytes);
        a = dot.actUnsigned ? k.zeroExtend(pair, k.i16()) : k.signExtend(pair, k.i16());
      }
      for (int64_t v = 0; v < vectors; ++v)
        acc[p * vectors + v] = acc[p * vectors + v] + k.intrinsic(name, i32s(), {a, weights[v]});
    }
  }

  void mulLong(Accumulators &acc, Val x, int64_t xStride, Val w, int64_t group) {
    std::vector<Val> a(positions);
    for (int64_t p = 0; p < positions; ++p) {
      Val raw = k.load(k.vec(group, k.i8()), k.offset(x, p * xStride));
      a[p] = dot.actUnsigned ? k.zeroExtend(raw, k.i16()) : k.signExtend(raw, k.i16());
    }
    for (int64_t g = 0; g < group; ++g) {
      std::vector<Val> weights;
      for (int64_t v = 0; v < vectors; ++v) {
        Val bytes = k.load(k.vec(dot.lanes, k.i8()), k.offset(w, (g * dot.vectors + v) * dot.lanes));
        weights.push_back(k.signExtend(k.signExtend(bytes, k.i16()), k.i32()));
      }
      for (int64_t p = 0; p < positions; ++p) {
        Val scalar = group == 1 ? k.splat(a[p], dot.lanes) : k.shuffle(a[p], a[p], llvm::SmallVector<int32_t>(dot.lanes, g));
        Val wide = k.signExtend(scalar, k.i32());
        for (int64_t v = 0; v < vectors; ++v)
          acc[p * vectors + v] = acc[p * vectors + v] + weights[v] * wide;
      }
    }
  }

  KernelBuilder &k;
  const DotSpec &dot;
  int64_t positions, vectors;
};

struct Running {
  std::vector<Val> acc; // all sets
  Val w;
  Val prefetch; // an address * 256, or absent
};

std::vector<Val> pack(const Running &r) {
  std::vector<Val> values = r.acc;
  values.push_back(r.w);
  if (r.prefetch)
    values.push_back(r.prefetch);
  return values;
}
Running unpack(std::vector<Val> values, bool prefetches) {
  Running r;
  if (prefetches) {
    r.prefetch = values.back();
    values.pop_back();
  }
  r.w = values.back();
  values.pop_back();
  r.acc = std::move(values);
  return r;
}

} // namespace

void fetchAhead(KernelBuilder &k, Val weights, int64_t bytes) {
  for (int64_t line = 0; line < bytes; line += 64)
    k.prefetch(k.offset(weights, kFetchedAhead + line));
}

Val emitTile(KernelBuilder &k, const DotSpec &dot, const Reduction &reduction, const Epilogue &epilogue, const TilePointers &at,
              int64_t positions, int64_t vectors, int64_t lanesOfLast) {
  DotEmitter emitter(k, dot, positions, vectors);
  Type i32s = k.vec(dot.lanes, k.i32());
  int64_t count = positions * vectors, group = emitter.group(reduction.steps);
  // Few accumulators would wait for each other: several sets take turns along the reduction.
  bool narrows = dot.kind == DotKind::MaddUbs; // sums wait in 16 bits for as many steps as are exact there
  int64_t sets = count >= 8 || narrows ? 1 : std::min<int64_t>({4, 8 / count, std::max<int64_t>(1, reduction.steps / group)});
  int64_t stepBytes = dot.nr() * dot.kr() / dot.packed();

  Running state;
  for (int64_t s = 0; s < sets; ++s)
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t v = 0; v < vectors; ++v)
        state.acc.push_back(s == 0 && dot.biased() ? k.load(i32s, k.offset(at.start, v * dot.lanes * 4), dot.lanes * 4)
                                                   : k.constantInt(i32s, 0));
  state.w = at.weights;
  state.prefetch = at.prefetch;
  bool prefetches = bool(at.prefetch);

  auto fetched = [&](Val prefetch, int64_t steps) {
    k.prefetch(k.pointerTo(k.shiftRightLogical(prefetch, 8)));
    return prefetch + (steps == 1 ? at.prefetchStep : at.prefetchStep * k.index(steps));
  };
  auto body = [&](Running in, Val x, int64_t useSets) {
    if (at.streams)
      fetchAhead(k, in.w, useSets * group * stepBytes);
    for (int64_t s = 0; s < useSets; ++s) {
      DotEmitter::Accumulators acc(in.acc.begin() + s * count, in.acc.begin() + (s + 1) * count);
      emitter.emit(acc, k.offset(x, s * group * dot.xBytes()), at.xStride, k.offset(in.w, s * group * stepBytes), group);
      std::copy(acc.begin(), acc.end(), in.acc.begin() + s * count);
    }
    in.w = k.offset(in.w, useSets * group * stepBytes);
    if (prefetches)
      in.prefetch = fetched(in.prefetch, useSets * group);
    return in;
  };
  // Several steps in one turn of the loop where registers hold the weights of all of them, which LLVM may load ahead. Tiles of four vectors stay in order.
  bool unrolls = dot.kind == DotKind::Dpbusd && dot.lanes == 16 && sets == 1 && group == 1 &&
                 (vectors == 4 || count + kStepsTogether * vectors + 1 <= int64_t(k.target().vectorRegisters));
  auto run = [&](Running in, Val x, int64_t steps) {
    int64_t stride = sets * group, whole = steps / stride * stride;
    // Where positions overlap, LLVM would keep what the steps share and run out of registers.
    bool overlaps = positions > 1 && at.xStride < steps * dot.xBytes();
    if (dot.kind == DotKind::Dpbusd && steps / stride <= kUnrolledSteps && whole == steps && !overlaps) {
      for (int64_t step = 0; step < whole; step += stride)
        in = body(in, k.offset(x, step * dot.xBytes()), sets);
      return in;
    }
    auto loop = [&](Running r, int64_t from, int64_t to, int64_t useSets) {
      auto each = [&](Val iv, const std::vector<Val> &values) { return pack(body(unpack(values, prefetches), k.offset(x, iv), useSets)); };
      return unpack(k.forLoop(from * dot.xBytes(), to * dot.xBytes(), useSets * group * dot.xBytes(), pack(r), each), prefetches);
    };
    if (unrolls && !overlaps) {
      whole = steps / kStepsTogether * kStepsTogether;
      auto each = [&](Val iv, const std::vector<Val> &values) {
        Running r = unpack(values, prefetches);
        if (at.streams)
          fetchAhead(k, r.w, kStepsTogether * stepBytes);
        for (int64_t i = 0; i < kStepsTogether; ++i) {
          emitter.emit(r.acc, k.offset(k.offset(x, iv), i * dot.xBytes()), at.xStride, k.offset(r.w, i * stepBytes), 1);
          if (prefetches && i % 2 == 1) // a line is fetched by several steps
            r.prefetch = fetched(r.prefetch, 2);
        }
        r.w = k.offset(r.w, kStepsTogether * stepBytes);
        return pack(r);
      };
      in = unpack(k.forLoop(0, whole * dot.xBytes(), kStepsTogether * dot.xBytes(), pack(in), each), prefetches);
    } else {
      in = loop(in, 0, whole, sets);
    }
    return loop(in, whole, steps, 1);
  };
  /// Runs `part` on fresh 16-bit sums and adds them to the 32-bit ones.
  auto narrowly = [&](Running in, const std::function<Running(Running)> &part) {
    Running narrow = in;
    narrow.acc.assign(count, k.constantInt(k.vec(dot.lanes * 2, k.i16()), 0));
    narrow = part(narrow);
    for (int64_t i = 0; i < count; ++i)
      narrow.acc[i] = emitter.widened(in.acc[i], narrow.acc[i]);
    return narrow;
  };
  std::function<Running(Running, Val, size_t, bool)> nest = [&](Running in, Val x, size_t level, bool wide) {
    int64_t below = reduction.steps;
    for (size_t i = level; i < reduction.levels.size(); ++i)
      below *= reduction.levels[i].count;
    if (narrows && wide && below <= kNarrowSteps)
      return narrowly(in, [&](Running narrow) { return nest(narrow, x, level, false); });
    if (level == reduction.levels.size()) {
      if (!narrows || !wide)
        return run(in, x, reduction.steps);
      int64_t whole = reduction.steps / kNarrowSteps * kNarrowSteps, bytes = kNarrowSteps * dot.xBytes();
      auto each = [&](Val iv, const std::vector<Val> &values) {
        return pack(narrowly(unpack(values, prefetches), [&](Running narrow) { return run(narrow, k.offset(x, iv), kNarrowSteps); }));
      };
      in = unpack(k.forLoop(0, whole * dot.xBytes(), bytes, pack(in), each), prefetches);
      if (whole == reduction.steps)
        return in;
      return narrowly(in, [&](Running narrow) { return run(narrow, k.offset(x, whole * dot.xBytes()), reduction.steps - whole); });
    }
    const Reduction::Level &l = reduction.levels[level];
    auto each = [&](Val iv, const std::vector<Val> &values) {
      return pack(nest(unpack(values, prefetches), k.offset(x, iv), level + 1, wide));
    };
    return unpack(k.forLoop(0, l.count * l.xStride, l.xStride, pack(in), each), prefetches);
  };
  state = nest(state, at.x, 0, true);
  for (int64_t s = 1; s < sets; ++s)
    for (int64_t i = 0; i < count; ++i)
      state.acc[i] = state.acc[i] + state.acc[s * count + i];

  emitTileEnd(k, epilogue, llvm::ArrayRef(state.acc).take_front(count), at, dot.lanes, positions, vectors, lanesOfLast);
  return state.prefetch;
}

} // namespace triton
