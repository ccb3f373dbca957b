// Pooling over channels-last codes: lanes are channels.
#include "StepContext.h"

#include "../Generators/Products.h"

#include "ternary/TernaryOps.h"

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }
static QuantType quantOf(Value v) { return dyn_cast<QuantType>(tensorOf(v).getElementType()); }

namespace {

/// Calls `body(first channel, lanes to store)` for all channels, `lanes` at a time.
void forChannels(KernelBuilder &k, int64_t channels, int64_t lanes, const std::function<void(Val, int64_t)> &body) {
  int64_t whole = channels / lanes * lanes;
  k.forLoop(0, whole, lanes, [&](Val at) { body(at, lanes); });
  if (channels > whole)
    body(k.index(whole), channels - whole);
}

class PoolLowering {
public:
  explicit PoolLowering(StepContext &c, Value x, Value result) : c(c), k(c.k), in(c.view(x)), out(c.view(result)), x(x) {}

  void maxPool(MaxPoolOp op) {
    int64_t lanes = k.target().vectorBytes, channels = in.layout.shape[1];
    while (lanes > 16 && lanes / 2 >= channels)
      lanes /= 2;
    bool isUnsigned = in.layout.elem == Elem::U8;
    int64_t lo = quantOf(x) ? quantOf(x).getLo() : -1;
    Type bytes = k.vec(lanes, k.i8());
    rows([&](Val image, Val y) {
      auto [yFrom, yTo] = bounds(y, op.getKernel()[0], op.getStride()[0], op.getPadding()[0], in.layout.shape[2]);
      k.forLoop(0, out.layout.shape[3], 1, [&](Val px) {
        auto [xFrom, xTo] = bounds(px, op.getKernel()[1], op.getStride()[1], op.getPadding()[1], in.layout.shape[3]);
        forChannels(k, channels, lanes, [&, yFrom = yFrom, yTo = yTo, xFrom = xFrom, xTo = xTo](Val ch, int64_t count) {
          Val best = k.forLoop(yFrom, yTo, 1, {k.constantInt(bytes, lo)}, [&](Val iy, const std::vector<Val> &a) {
            return k.forLoop(xFrom, xTo, 1, a, [&](Val ix, const std::vector<Val> &b) {
              Val v = k.load(bytes, at(in, image, iy, ix, ch));
              return std::vector<Val>{k.maxInt(b[0], v, isUnsigned)};
            });
          })[0];
          k.storeLanes(best, count, at(out, image, y, px, ch));
        });
      });
    });
  }

  void avgPool(AvgPoolOp op) {
    QuantType qx = quantOf(x), qy = quantOf(op.getResult());
    Type sums = k.vec(16, k.i32());
    rows([&](Val image, Val y) {
      auto [yFrom, yTo] = bounds(y, op.getKernel()[0], op.getStride()[0], op.getPadding()[0], in.layout.shape[2]);
      k.forLoop(0, out.layout.shape[3], 1, [&](Val px) {
        auto [xFrom, xTo] = bounds(px, op.getKernel()[1], op.getStride()[1], op.getPadding()[1], in.layout.shape[3]);
        Val places = op.getCountPad() ? k.index(op.getKernel()[0] * op.getKernel()[1]) : (yTo - yFrom) * (xTo - xFrom);
        Val m = factor(qx, qy, places);
        forChannels(k, in.layout.shape[1], 16, [&, yFrom = yFrom, yTo = yTo, xFrom = xFrom, xTo = xTo](Val ch, int64_t count) {
          Val sum = k.forLoop(yFrom, yTo, 1, {k.constantInt(sums, 0)}, [&](Val iy, const std::vector<Val> &a) {
            return k.forLoop(xFrom, xTo, 1, a, [&](Val ix, const std::vector<Val> &b) {
              return std::vector<Val>{b[0] + codes(at(in, image, iy, ix, ch))};
            });
          })[0];
          store(sum, m, qy, count, at(out, image, y, px, ch));
        });
      });
    });
  }

  void globalAvgPool(GlobalAvgPoolOp op) {
    QuantType qx = quantOf(x), qy = quantOf(op.getResult());
    int64_t height = in.layout.shape[2], width = in.layout.shape[3];
    Type sums = k.vec(16, k.i32());
    Val images = in.layout.isDynamic() ? c.batch : k.index(in.layout.shape[0]);
    Range range = partition(k, images, c.part, c.parts);
    k.forLoop(range.from, range.to, 1, [&](Val image) {
      Val m = factor(qx, qy, k.index(height * width));
      forChannels(k, in.layout.shape[1], 16, [&](Val ch, int64_t count) {
        Val sum = k.forLoop(0, height, 1, {k.constantInt(sums, 0)}, [&](Val iy, const std::vector<Val> &a) {
          return k.forLoop(0, width, 1, a, [&](Val ix, const std::vector<Val> &b) {
            return std::vector<Val>{b[0] + codes(at(in, image, iy, ix, ch))};
          });
        })[0];
        store(sum, m, qy, count, k.offset(k.offset(out.base, image * k.index(out.layout.strides[0])), ch));
      });
    });
  }

  void halo() {
    const Layout &l = out.layout;
    if (l.channelsLast)
      emitZeroHalo(k, out.base, PlaneStrides{l.strides[0], l.strides[2], l.strides[3]}, l.shape[2], l.shape[3], l.strides[3], l.haloH, l.haloW,
                   l.isDynamic() ? c.batch : k.index(l.shape[0]), c.part, c.parts, l.excess ? -128 : 0);
  }

private:
  void rows(const std::function<void(Val image, Val y)> &body) {
    int64_t height = out.layout.shape[2];
    Val images = out.layout.isDynamic() ? c.batch : k.index(out.layout.shape[0]);
    Range range = partition(k, images * k.index(height), c.part, c.parts);
    k.forLoop(range.from, range.to, 1, [&](Val unit) {
      Val image = unit / k.index(height);
      body(image, unit - image * k.index(height));
    });
  }
  std::pair<Val, Val> bounds(Val position, int64_t kernel, int64_t stride, int64_t padding, int64_t size) {
    Val start = position * k.index(stride) - k.index(padding);
    return {maxOf(start, k.index(0)), minOf(start + k.index(kernel), k.index(size))};
  }
  Val at(const View &v, Val image, Val y, Val px, Val ch) {
    const auto &s = v.layout.strides;
    return k.offset(k.offset(k.offset(k.offset(v.base, image * k.index(s[0])), y * k.index(s[2])), px * k.index(s[3])), ch);
  }
  Val codes(Val pointer) {
    Val bytes = k.load(k.vec(16, k.i8()), pointer);
    return in.layout.elem == Elem::U8 ? k.zeroExtend(bytes, k.i32()) : k.signExtend(bytes, k.i32());
  }
  /// fl(s_x / fl(n * s_y)).
  Val factor(QuantType qx, QuantType qy, Val places) {
    Val n = k.intToFloat(k.truncate(places, k.i32()));
    return k.f32c(qx.getScale()) / (n * k.f32c(qy.getScale()));
  }
  void store(Val sum, Val m, QuantType qy, int64_t count, Val to) {
    Val y = k.intToFloat(sum) * k.splat(m, 16);
    k.storeLanes(k.truncate(k.roundClampLow8(y, double(qy.getLo()), double(qy.getHi())), k.i8()), count, to);
  }

  StepContext &c;
  KernelBuilder &k;
  View in, out;
  Value x;
};

} // namespace

std::optional<LayerChoice> lowerVectorPool(StepContext &c, Operation *op, const std::string &layer) {
  if (!isa<MaxPoolOp, AvgPoolOp, GlobalAvgPoolOp>(op))
    return std::nullopt;
  Value x = op->getOperand(0), result = op->getResult(0);
  const Layout &in = c.variant.layouts.of[x];
  Type element = tensorOf(x).getElementType();
  if (!in.channelsLast || elemBytes(in.elem) != 1 || !isa<QuantType, TritType>(element))
    return std::nullopt;
  if (!isa<MaxPoolOp>(op) && (!quantOf(x) || !quantOf(result)))
    return std::nullopt;
  if (!isa<GlobalAvgPoolOp>(op) && !c.variant.layouts.of[result].channelsLast)
    return std::nullopt;
  PoolLowering pool(c, x, result);
  if (auto o = dyn_cast<MaxPoolOp>(op))
    pool.maxPool(o);
  else if (auto o = dyn_cast<AvgPoolOp>(op))
    pool.avgPool(o);
  else
    pool.globalAvgPool(cast<GlobalAvgPoolOp>(op));
  pool.halo();
  LayerChoice choice;
  choice.layer = layer;
  choice.algorithm = "pooling over channels";
  return choice;
}

} // namespace triton
