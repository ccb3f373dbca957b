// Products of binary32 by constant weights: convolutions over images with channels last, linear layers over rows.
//
//   for a block of output channels     its weights as a panel: element by element of the window, a block's channels side by side
//     for a row of the output            threads take rows
//       for P positions:                   P broadcasts meet the panel's vectors in P x V sums, which end as they are
//
// Depthwise layers have channels in the lanes of both operands. Products of reals may be summed in any order (docs/numerics.md); here an
// element's order is its own: neither threads nor the batch nor the place in a tile change it.
#include "StepContext.h"

#include "../Generators/ProductLoops.h"

#include "ternary/Constants.h"

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }

namespace {

/// A constant's elements as binary32: reals, trits or bytes. Empty if it holds anything else, or is no constant.
std::vector<float> constantReals(Value v) {
  auto constant = v ? v.getDefiningOp<ConstantOp>() : ConstantOp();
  if (!constant)
    return {};
  Type element = tensorOf(v).getElementType();
  if (element.isF32()) {
    auto values = floatVector(constant.getValue());
    return succeeded(values) ? std::move(*values) : std::vector<float>();
  }
  if (!isa<TritType>(element) && !element.isSignlessInteger(8))
    return {};
  auto codes = tritVector(constant.getValue());
  return succeeded(codes) ? std::vector<float>(codes->begin(), codes->end()) : std::vector<float>();
}

/// How many sums a tile has: rows of it by vectors of channels.
struct RealTile {
  int64_t lanes, vectors, positions;
  int64_t channels() const { return lanes * vectors; }
};
/// Two vectors of weights, one broadcast and the sums fill the registers.
RealTile chooseRealTile(const TargetDesc &target) {
  int64_t lanes = target.lanes32(), vectors = lanes >= 8 ? 2 : 4, spare = target.hasFma ? 2 : 3;
  return {lanes, vectors, (int64_t(target.vectorRegisters) - vectors - spare) / vectors};
}

class RealProduct {
public:
  RealProduct(StepContext &c, const std::string &key) : c(c), k(c.k), key(key), tile(chooseRealTile(c.k.target())) {}

  /// `weights` as [groups][outputs][steps], to a panel for each block of channels of a group; the bytes between panels.
  void setWeights(const std::vector<float> &weights, const std::vector<float> &biases, int64_t groups, int64_t outputs, int64_t steps) {
    int64_t nr = tile.channels();
    blocks = (outputs + nr - 1) / nr;
    panelBytes = steps * nr * 4;
    std::vector<float> panels(groups * blocks * steps * nr), starts(groups * blocks * nr);
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t o = 0; o < outputs; ++o) {
        int64_t block = g * blocks + o / nr;
        for (int64_t step = 0; step < steps; ++step)
          panels[(block * steps + step) * nr + o % nr] = weights[(g * outputs + o) * steps + step];
        if (!biases.empty())
          starts[block * nr + o % nr] = biases[g * outputs + o];
      }
    panel = c.table(key + ".panels", panels);
    start = c.table(key + ".start", starts);
  }

  /// Calls `body(its panel, its start, the block, vectors, lanes of the last)` for blocks `range` of a group.
  void forBlocks(Val group, int64_t outputs, const Range &range, const std::function<void(Val, Val, Val, int64_t, int64_t)> &body) {
    DotSpec panels;
    panels.lanes = tile.lanes, panels.vectors = tile.vectors;
    triton::forBlocks(k, panels, outputs, range.from, range.to, [&](Val block, int64_t vectors, int64_t lanes) {
      Val index = group * k.index(blocks) + block;
      body(k.offset(panel, index * k.index(panelBytes)), k.offset(start, index * k.index(tile.channels() * 4)), block, vectors, lanes);
    });
  }

  struct Level {
    int64_t count, stride; ///< bytes of x
  };
  /// The sums of `positions` rows of x, xStride bytes apart, by `vectors` of a panel; x is read along `levels`, the innermost gapless.
  void emitTile(Val x, int64_t xStride, Val weights, Val starts, ArrayRef<Level> levels, Val out, int64_t outStride, int64_t positions, int64_t vectors,
                int64_t lanesOfLast) {
    Type type = k.vec(tile.lanes, k.f32());
    std::vector<Val> state;
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t v = 0; v < vectors; ++v)
        state.push_back(k.load(type, k.offset(starts, v * tile.lanes * 4), tile.lanes * 4));
    state.push_back(weights);
    std::function<std::vector<Val>(std::vector<Val>, Val, size_t)> nest = [&](std::vector<Val> in, Val at, size_t level) {
      if (level < levels.size())
        return k.forLoop(0, levels[level].count * levels[level].stride, levels[level].stride, in,
                         [&](Val i, const std::vector<Val> &values) { return nest(values, k.offset(at, i), level + 1); });
      std::vector<Val> w;
      for (int64_t v = 0; v < vectors; ++v)
        w.push_back(k.load(type, k.offset(in.back(), v * tile.lanes * 4), tile.lanes * 4));
      for (int64_t p = 0; p < positions; ++p) {
        Val a = k.splat(k.load(k.f32(), k.offset(at, p * xStride), 4), tile.lanes);
        for (int64_t v = 0; v < vectors; ++v)
          in[p * vectors + v] = multiplyAdd(a, w[v], in[p * vectors + v]);
      }
      in.back() = k.offset(in.back(), tile.channels() * 4);
      return in;
    };
    state = nest(state, x, 0);
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t v = 0; v < vectors; ++v)
        k.storeLanes(state[p * vectors + v], v + 1 == vectors ? lanesOfLast : tile.lanes, k.offset(out, p * outStride + v * tile.lanes * 4));
  }
  Val multiplyAdd(Val a, Val b, Val sum) { return k.target().hasFma ? k.fma(a, b, sum) : sum + a * b; }

  StepContext &c;
  KernelBuilder &k;
  std::string key;
  RealTile tile;
  Val panel, start;
  int64_t blocks = 0, panelBytes = 0;
};

std::string keyOf(Value w) {
  auto constant = w.getDefiningOp<ConstantOp>();
  return constant && constant.getKey() ? constant.getKey()->str() : "weight";
}

LayerChoice describe(const std::string &layer, const std::string &algorithm, const RealTile &tile, const std::string &reason) {
  LayerChoice choice;
  choice.layer = layer;
  choice.algorithm = algorithm + " " + std::to_string(tile.positions) + "x" + std::to_string(tile.channels());
  choice.packing = "f32 panels of " + std::to_string(tile.channels()) + " channels";
  choice.reason = reason;
  return choice;
}

class RealConv : RealProduct {
public:
  RealConv(StepContext &c, Conv2dOp op)
      : RealProduct(c, keyOf(op.getW())), op(op), x(c.view(op.getX())), out(c.view(op.getResult())), groups(int64_t(op.getGroups())) {
    auto w = tensorOf(op.getW()).getShape();
    outputs = w[0] / groups, channels = w[1], kernelH = w[2], kernelW = w[3];
  }

  std::optional<LayerChoice> run(const std::string &layer) {
    auto padding = op.getPadding();
    const Layout &xl = x.layout, &ol = out.layout;
    std::vector<float> weights = constantReals(op.getW()), biases = constantReals(op.getBias());
    if (!xl.channelsLast || !ol.channelsLast || xl.haloH < padding[0] || xl.haloW < padding[1] || weights.empty() || (op.getBias() && biases.empty()))
      return std::nullopt;
    first = k.offset(x.base, -padding[0] * xl.strides[2] - padding[1] * xl.strides[3]);
    bool depthwise = channels == 1 && outputs == 1;
    if (depthwise)
      runDepthwise(weights, biases);
    else
      runDense(weights, biases);
    emitZeroHalo(k, out.base, PlaneStrides{ol.strides[0], ol.strides[2], ol.strides[3]}, ol.shape[2], ol.shape[3], ol.strides[3], ol.haloH, ol.haloW,
                 ol.isDynamic() ? c.batch : k.index(ol.shape[0]), c.part, c.parts);
    return describe(layer, depthwise ? "real depthwise convolution" : "real convolution", tile, depthwise ? "lanes are channels" : "sums in registers, lanes are channels");
  }

private:
  /// Calls `body(where its windows begin, where it is written)` for this thread's rows.
  void rows(const std::function<void(Val x, Val out)> &body) {
    const Layout &xl = x.layout, &ol = out.layout;
    Val images = ol.isDynamic() ? c.batch : k.index(ol.shape[0]);
    Range range = partition(k, images * k.index(ol.shape[2]), c.part, c.parts);
    k.forLoop(range.from, range.to, 1, [&](Val unit) {
      Val image = unit / k.index(ol.shape[2]), y = unit - image * k.index(ol.shape[2]);
      body(k.offset(k.offset(first, image * k.index(xl.strides[0])), y * k.index(op.getStride()[0] * xl.strides[2])),
           k.offset(k.offset(out.base, image * k.index(ol.strides[0])), y * k.index(ol.strides[2])));
    });
  }
  /// The tiles of a row: `body(offset in x, offset in the result, positions)`. The last overlaps its neighbour.
  void tiles(int64_t most, const std::function<void(Val, Val, int64_t)> &body) {
    int64_t width = out.layout.shape[3], positions = std::min(most, width);
    k.forLoop(0, (width + positions - 1) / positions, 1, [&](Val i) {
      Val at = minOf(i * k.index(positions), k.index(width - positions));
      body(at * k.index(op.getStride()[1] * x.layout.strides[3]), at * k.index(out.layout.strides[3]), positions);
    });
  }

  void runDense(const std::vector<float> &weights, const std::vector<float> &biases) {
    const Layout &xl = x.layout, &ol = out.layout;
    auto dilation = op.getDilation();
    bool runs = dilation[1] == 1 && groups == 1; // the taps of a row lie one after the other
    int64_t taps = kernelH * kernelW;
    std::vector<float> ordered(weights.size());
    for (int64_t o = 0; o < groups * outputs; ++o)
      for (int64_t ch = 0; ch < channels; ++ch)
        for (int64_t tap = 0; tap < taps; ++tap)
          ordered[(o * taps + tap) * channels + ch] = weights[(o * channels + ch) * taps + tap];
    setWeights(ordered, biases, groups, outputs, taps * channels);
    llvm::SmallVector<Level, 3> levels;
    levels.push_back({kernelH, dilation[0] * xl.strides[2]});
    if (runs) {
      levels.push_back({kernelW * channels, 4});
    } else {
      levels.push_back({kernelW, dilation[1] * xl.strides[3]});
      levels.push_back({channels, 4});
    }
    k.forLoop(0, groups, 1, [&](Val g) {
      forBlocks(g, outputs, {k.index(0), k.index(blocks)}, [&](Val panelAt, Val startAt, Val block, int64_t vectors, int64_t lanes) {
        Val to = (g * k.index(outputs) + block * k.index(tile.channels())) * k.index(4);
        rows([&](Val from, Val row) {
          tiles(tile.positions, [&](Val inX, Val inOut, int64_t positions) {
            emitTile(k.offset(k.offset(from, inX), g * k.index(channels * 4)), op.getStride()[1] * xl.strides[3], panelAt, startAt, levels,
                     k.offset(k.offset(row, inOut), to), ol.strides[3], positions, vectors, lanes);
          });
        });
      });
    });
  }

  void runDepthwise(const std::vector<float> &weights, const std::vector<float> &biases) {
    const Layout &xl = x.layout, &ol = out.layout;
    int64_t lanes = tile.lanes, taps = kernelH * kernelW, padded = (groups + lanes - 1) / lanes * lanes;
    auto dilation = op.getDilation();
    std::vector<float> ordered(taps * padded), starts(padded);
    for (int64_t ch = 0; ch < groups; ++ch) {
      for (int64_t tap = 0; tap < taps; ++tap)
        ordered[tap * padded + ch] = weights[ch * taps + tap];
      if (!biases.empty())
        starts[ch] = biases[ch];
    }
    Val w = c.table(key + ".taps", ordered), startAt = c.table(key + ".start", starts);
    Type type = k.vec(lanes, k.f32());
    auto one = [&](Val from, Val to, Val channel, int64_t positions, int64_t count) {
      Val bytes = channel * k.index(4);
      std::vector<Val> sums(positions, k.load(type, k.offset(startAt, bytes), lanes * 4));
      for (int64_t r = 0; r < kernelH; ++r)
        for (int64_t s = 0; s < kernelW; ++s) {
          Val weight = k.load(type, k.offset(k.offset(w, (r * kernelW + s) * padded * 4), bytes), lanes * 4);
          for (int64_t p = 0; p < positions; ++p) {
            Val at = k.offset(k.offset(from, bytes), r * dilation[0] * xl.strides[2] + (s * dilation[1] + p * op.getStride()[1]) * xl.strides[3]);
            sums[p] = multiplyAdd(k.loadLanes(type, count, at), weight, sums[p]);
          }
        }
      for (int64_t p = 0; p < positions; ++p)
        k.storeLanes(sums[p], count, k.offset(k.offset(to, bytes), p * ol.strides[3]));
    };
    rows([&](Val from, Val row) {
      tiles(4, [&](Val inX, Val inOut, int64_t positions) {
        Val xAt = k.offset(from, inX), outAt = k.offset(row, inOut);
        int64_t whole = groups / lanes * lanes;
        k.forLoop(0, whole, lanes, [&](Val channel) { one(xAt, outAt, channel, positions, lanes); });
        if (whole < groups)
          one(xAt, outAt, k.index(whole), positions, groups - whole);
      });
    });
  }

  Conv2dOp op;
  View x, out;
  Val first;
  int64_t groups, outputs, channels, kernelH, kernelW;
};

std::optional<LayerChoice> lowerRealLinear(StepContext &c, LinearOp op, const std::string &layer) {
  KernelBuilder &k = c.k;
  const Layout &x = c.variant.layouts.of[op.getX()], &out = c.variant.layouts.of[op.getResult()];
  auto w = tensorOf(op.getW()).getShape();
  int64_t outputs = w[0], inputs = w[1];
  std::vector<float> weights = constantReals(op.getW()), biases = constantReals(op.getBias());
  if (x.elem != Elem::F32 || out.elem != Elem::F32 || !x.isDense() || !out.isDense() || op.getKGroups() || weights.empty() ||
      (op.getBias() && biases.empty()) || isa_and_nonnull<ConstantOp>(op.getX().getDefiningOp()))
    return std::nullopt;
  RealProduct product(c, keyOf(op.getW()));
  product.setWeights(weights, biases, 1, outputs, inputs);
  Val from = c.view(op.getX()).base, to = c.view(op.getResult()).base;
  int64_t each = out.unitElements() / outputs;
  Val rows = out.isDynamic() ? c.batch * k.index(each) : k.index(each);
  // Rows while every thread gets some, else blocks of outputs.
  Val byRows = compare(Cmp::Ge, rows, c.parts);
  auto [range, blocks] = shareEither(k, rows, product.blocks, c.part, c.parts, byRows);
  product.forBlocks(k.index(0), outputs, blocks, [&](Val panel, Val start, Val block, int64_t vectors, int64_t lanes) {
    forRowTiles(k, range, product.tile.positions, [&](Val row, int64_t positions) {
      Val at = k.offset(from, row * k.index(inputs * 4));
      Val end = k.offset(k.offset(to, row * k.index(outputs * 4)), block * k.index(product.tile.channels() * 4));
      product.emitTile(at, inputs * 4, panel, start, {{inputs, 4}}, end, outputs * 4, positions, vectors, lanes);
    });
  });
  return describe(layer, "real GEMM", product.tile, "sums in registers, lanes are outputs");
}

} // namespace

std::optional<LayerChoice> lowerRealProduct(StepContext &c, Operation *op, const std::string &layer) {
  for (Value v : op->getOperands())
    if (auto argument = dyn_cast<BlockArgument>(v); argument && c.guard && c.guard->first == argument.getArgNumber())
      return std::nullopt; // raw bytes
  if (isRealConv(op))
    return RealConv(c, cast<Conv2dOp>(op)).run(layer);
  if (auto linear = dyn_cast<LinearOp>(op))
    return lowerRealLinear(c, linear, layer);
  return std::nullopt;
}

} // namespace triton
