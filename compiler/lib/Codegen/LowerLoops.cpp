// Plain loops for every operation: the whole of -O0, and what no faster generator takes at the other levels.
#include "Vectors.h"

#include "../Generators/FloatFunctions.h"
#include "../Generators/Products.h"

#include "ternary/Constants.h"

#include "artifact/kernel_abi.h"

#include <cmath>

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }
static Type elementType(Value v) { return tensorOf(v).getElementType(); }
static QuantType quantOf(Value v) { return dyn_cast<QuantType>(elementType(v)); }

namespace {

constexpr float kMinusInfinity = -INFINITY;

/// A sum of reals in 16 lanes (docs/numerics.md): element i goes to lane i mod 16, then the lanes fold. As many sums side by side as the
/// context has lanes.
class LaneSum {
public:
  explicit LaneSum(StepContext &c) : c(c), lanes(c.local(16 * 64)) {}
  void clear() {
    for (int64_t i = 0; i < 16; ++i)
      c.k.store(c.k.constant(type(), 0.0), c.k.offset(lanes, i * bytes()), 4);
  }
  void add(Val index, Val value) {
    KernelBuilder &k = c.k;
    Val lane = k.offset(lanes, (index & k.index(15)) * k.index(bytes()));
    k.store(k.load(type(), lane, 4) + value, lane, 4);
  }
  Val fold() {
    std::vector<Val> v;
    for (int64_t i = 0; i < 16; ++i)
      v.push_back(c.k.load(type(), c.k.offset(lanes, i * bytes()), 4));
    for (int64_t width = 8; width >= 1; width /= 2)
      for (int64_t i = 0; i < width; ++i)
        v[i] = v[i] + v[i + width];
    return v[0];
  }

private:
  Type type() { return c.k.vec(c.lanes, c.k.f32()); }
  int64_t bytes() { return 4 * c.lanes; }

  StepContext &c;
  Val lanes;
};

class LoopLowering {
public:
  LoopLowering(StepContext &c, Operation *op) : c(c), k(c.k), op(op), out(c.view(op->getResult(0))) {}

  bool run() {
    if (isElementwise(op)) {
      c.forEach(out.layout, [&](const Index &at) { store(at, emitOwnElement(c, op, at)); });
      return finish();
    }
    bool known = TypeSwitchOf();
    return known && finish();
  }

private:
  void store(const Index &at, Val value) { c.storeElement(out, at, value); }
  bool finish() {
    const Layout &l = out.layout;
    if (l.channelsLast)
      emitZeroHalo(k, out.base, PlaneStrides{l.strides[0], l.strides[2], l.strides[3]}, l.shape[2], l.shape[3], l.strides[3], l.haloH,
                   l.haloW, l.isDynamic() ? c.batch : k.index(l.shape[0]), c.part, c.parts, l.excess ? -128 : 0);
    return true;
  }
  Val in(unsigned i, const Index &at) { return emitElement(c, op->getOperand(i), at); }
  Val real(Val v) { return v.type() == k.f32() ? v : k.intToFloat(v); }

  bool TypeSwitchOf() {
    if (auto o = dyn_cast<Conv2dOp>(op)) return conv(o);
    if (auto o = dyn_cast<LinearOp>(op)) return linear(o);
    if (auto o = dyn_cast<MatmulOp>(op)) return matmul(o);
    if (auto o = dyn_cast<FusedConv2dOp>(op)) return fusedConv(o);
    if (auto o = dyn_cast<FusedLinearOp>(op)) return fusedLinear(o);
    if (auto o = dyn_cast<MaxPoolOp>(op)) return maxPool(o);
    if (auto o = dyn_cast<AvgPoolOp>(op)) return avgPool(o);
    if (auto o = dyn_cast<GlobalAvgPoolOp>(op)) return globalAvgPool(o);
    if (auto o = dyn_cast<MeanOp>(op)) return reduction(o, o.getKeep());
    if (auto o = dyn_cast<SumOp>(op)) return reduction(o, o.getKeep());
    if (auto o = dyn_cast<MaxOp>(op)) return reduction(o, o.getKeep());
    if (auto o = dyn_cast<ArgmaxOp>(op)) return argmax(o);
    if (auto o = dyn_cast<SoftmaxOp>(op)) return softmax(o);
    if (auto o = dyn_cast<LayerNormOp>(op)) return layerNorm(o);
    if (auto o = dyn_cast<RmsNormOp>(op)) return rmsNorm(o);
    if (auto o = dyn_cast<EmbeddingOp>(op)) return embedding(o);
    if (auto o = dyn_cast<RopeOp>(op)) return rope(o);
    if (auto o = dyn_cast<AttentionOp>(op)) return attention(o);
    if (auto o = dyn_cast<QuantizeDynamicOp>(op)) return quantizeDynamic(o);
    return false;
  }

  // ---- Products --------------------------------------------------------------------------------------------------------

  /// The type that a product sums in, and one term of it.
  Type sumType() { return isReal(elementType(op->getResult(0))) ? k.f32() : k.i32(); }
  Val term(Type sum, Val a, Val b) {
    if (sum == k.f32())
      return real(a) * real(b);
    if (a.type() == k.i64())
      a = k.truncate(a, k.i32());
    if (b.type() == k.i64())
      b = k.truncate(b, k.i32());
    return a * b;
  }
  Val zeroOf(Type type) { return k.constant(type, 0.0); }
  /// Stores a sum, with the bias at channel index `channel`.
  void storeSum(const Index &at, Val sum, Value bias, Val channel) {
    if (bias)
      sum = sum + emitElement(c, bias, Index{channel});
    store(at, sum);
  }

  /// The sum over [kFrom, kTo) of the flattened (c, r, s) of a convolution's window.
  template <typename Conv>
  Val convSum(Conv o, const Index &at, Type type, Val kFrom, Val kTo) {
    auto x = tensorOf(o.getX()).getShape(), w = tensorOf(o.getW()).getShape();
    int64_t perGroup = w[0] / int64_t(o.getGroups()), channels = w[1], kh = w[2], kw = w[3];
    Val first = o.getGroups() == 1 ? k.index(0) : at[1] / k.index(perGroup) * k.index(channels);
    auto stride = o.getStride(), padding = o.getPadding(), dilation = o.getDilation();
    Val y0 = at[2] * k.index(stride[0]) - k.index(padding[0]), x0 = at[3] * k.index(stride[1]) - k.index(padding[1]);
    auto tap = [&](Val ch, Val r, Val s, Val acc) {
      Val y = y0 + r * k.index(dilation[0]), xx = x0 + s * k.index(dilation[1]);
      auto value = [&] {
        Val a = emitElement(c, o.getX(), Index{at[0], first + ch, y, xx});
        Val b = emitElement(c, o.getW(), Index{at[1], ch, r, s});
        return std::vector<Val>{acc + term(type, a, b)};
      };
      if (padding[0] == 0 && padding[1] == 0)
        return value()[0];
      Val inside = compare(Cmp::Ge, y, k.index(0)) & compare(Cmp::Lt, y, k.index(x[2])) & compare(Cmp::Ge, xx, k.index(0)) &
                   compare(Cmp::Lt, xx, k.index(x[3]));
      return k.ifElse(inside, {type}, value, [&] { return std::vector<Val>{acc}; })[0];
    };
    if (kFrom) // a run of the flattened window (per-group scales)
      return k.forLoop(kFrom, kTo, 1, {zeroOf(type)}, [&](Val i, const std::vector<Val> &acc) {
        Val ch = i / k.index(kh * kw), rs = i - ch * k.index(kh * kw), r = rs / k.index(kw), s = rs - r * k.index(kw);
        return std::vector<Val>{tap(ch, r, s, acc[0])};
      })[0];
    return k.forLoop(0, channels, 1, {zeroOf(type)}, [&](Val ch, const std::vector<Val> &a) {
      return k.forLoop(0, kh, 1, a, [&](Val r, const std::vector<Val> &b) {
        return k.forLoop(0, kw, 1, b, [&](Val s, const std::vector<Val> &acc) { return std::vector<Val>{tap(ch, r, s, acc[0])}; });
      });
    })[0];
  }

  bool conv(Conv2dOp o) {
    Type type = sumType();
    auto w = tensorOf(o.getW()).getShape();
    if (!o.getKGroups()) {
      c.forEach(out.layout, [&](const Index &at) { storeSum(at, convSum(o, at, type, {}, {}), o.getBias(), at[1]); });
      return true;
    }
    int64_t run = w[1] * w[2] * w[3] / int64_t(*o.getKGroups());
    c.forEach(out.layout, [&](const Index &at) {
      store(at, convSum(o, at, type, at[4] * k.index(run), (at[4] + k.index(1)) * k.index(run)));
    });
    return true;
  }

  template <typename Linear>
  Val linearSum(Linear o, const Index &row, Val output, Type type, Val from, Val to) {
    return k.forLoop(from, to, 1, {zeroOf(type)}, [&](Val i, const std::vector<Val> &acc) {
      Index at = row;
      at.push_back(i);
      return std::vector<Val>{acc[0] + term(type, emitElement(c, o.getX(), at), emitElement(c, o.getW(), Index{output, i}))};
    })[0];
  }

  bool linear(LinearOp o) {
    Type type = sumType();
    int64_t inputs = tensorOf(o.getX()).getShape().back(), rank = tensorOf(o.getX()).getRank();
    c.forEach(out.layout, [&](const Index &at) {
      Index row(at.begin(), at.begin() + rank - 1);
      Val output = at[rank - 1];
      if (!o.getKGroups())
        return storeSum(at, linearSum(o, row, output, type, k.index(0), k.index(inputs)), o.getBias(), output);
      int64_t run = inputs / int64_t(*o.getKGroups());
      Val group = at.back();
      store(at, linearSum(o, row, output, type, group * k.index(run), (group + k.index(1)) * k.index(run)));
    });
    return true;
  }

  bool matmul(MatmulOp o) {
    Type type = sumType();
    auto lhs = tensorOf(o.getLhs()).getShape(), rhs = tensorOf(o.getRhs()).getShape();
    int64_t inner = lhs.back(), groups = o.getKGroups() ? int64_t(*o.getKGroups()) : 1;
    c.forEach(out.layout, [&](const Index &at) {
      size_t rank = o.getKGroups() ? at.size() - 1 : at.size();
      auto leading = [&](ArrayRef<int64_t> shape) {
        Index index;
        for (size_t d = 0; d + 2 < shape.size(); ++d) {
          size_t from = rank - shape.size() + d;
          index.push_back(shape[d] == 1 ? k.index(0) : at[from]);
        }
        return index;
      };
      Index left = leading(lhs), right = leading(rhs);
      int64_t run = inner / groups;
      Val from = o.getKGroups() ? at.back() * k.index(run) : k.index(0), to = from + k.index(run);
      Val sum = k.forLoop(from, to, 1, {zeroOf(type)}, [&](Val i, const std::vector<Val> &acc) {
        Index l = left, r = right;
        l.append({at[rank - 2], i});
        r.append({i, at[rank - 1]});
        return std::vector<Val>{acc[0] + term(type, in(0, l), in(1, r))};
      })[0];
      store(at, sum);
    });
    return true;
  }

  /// The affine end of a fused product, for shapes that no tiled generator takes.
  template <typename Fused>
  Val affine(Fused o, const Index &at, Val channel, Val residualAt, const std::function<Val(Val group)> &sum, int64_t channels) {
    (void)residualAt;
    auto m = floatVector(o.getM()), b = floatVector(o.getB());
    int64_t groups = o.getKGroups() ? int64_t(*o.getKGroups()) : 1;
    auto entry = [&](const char *key, const std::vector<float> &values, Val index) {
      return values.size() == 1 ? k.f32c(values[0]) : k.load(k.f32(), k.offset(c.table(key, values), index * k.index(4)), 4);
    };
    Val y = entry("affine.b", *b, channel);
    if (o.getResidual())
      y = k.fma(real(emitElement(c, o.getResidual(), at)), k.f32c(o.getResidualM()->convertToFloat()), y);
    Val scale;
    if (o.getScale()) {
      Index row = at;
      row.pop_back();
      scale = emitElement(c, o.getScale(), tensorOf(o.getScale()).getRank() == 0 ? Index() : row);
    }
    bool perChannel = int64_t(m->size()) == channels * groups;
    auto step = [&](Val g, Val y) {
      Val factor = entry("affine.m", *m, perChannel ? channel * k.index(groups) + g : g);
      if (scale)
        factor = scale * factor;
      return k.fma(real(sum(g)), factor, y);
    };
    y = k.forLoop(0, groups, 1, {y}, [&](Val g, const std::vector<Val> &carried) { return std::vector<Val>{step(g, carried[0])}; })[0];
    if (QuantType q = quantOf(o.getResult()))
      return emitRoundToCode(y, o.getLo().value_or(q.getLo()), o.getHi().value_or(q.getHi()));
    return y;
  }
  bool fusedConv(FusedConv2dOp o) {
    if (o.getPoolKernel())
      return false;
    auto w = tensorOf(o.getW()).getShape();
    int64_t total = w[1] * w[2] * w[3], groups = o.getKGroups() ? int64_t(*o.getKGroups()) : 1, run = total / groups;
    c.forEach(out.layout, [&](const Index &at) {
      auto sum = [&](Val g) {
        return groups == 1 ? convSum(o, at, k.i32(), {}, {}) : convSum(o, at, k.i32(), g * k.index(run), (g + k.index(1)) * k.index(run));
      };
      store(at, affine(o, at, at[1], {}, sum, w[0]));
    });
    return true;
  }
  bool fusedLinear(FusedLinearOp o) {
    int64_t inputs = tensorOf(o.getX()).getShape().back(), groups = o.getKGroups() ? int64_t(*o.getKGroups()) : 1, run = inputs / groups;
    c.forEach(out.layout, [&](const Index &at) {
      Index row(at.begin(), at.end() - 1);
      auto sum = [&](Val g) { return linearSum(o, row, at.back(), k.i32(), g * k.index(run), (g + k.index(1)) * k.index(run)); };
      store(at, affine(o, at, at.back(), {}, sum, tensorOf(o.getW()).getDimSize(0)));
    });
    return true;
  }

  // ---- Windows ---------------------------------------------------------------------------------------------------------

  /// Calls `body(y, x, place in the window, carried)` for the places of a window that lie inside the input.
  template <typename Pool>
  std::vector<Val> window(Pool o, const Index &at, std::vector<Val> init,
                          const std::function<std::vector<Val>(Val, Val, Val, const std::vector<Val> &)> &body) {
    auto shape = tensorOf(o.getX()).getShape();
    auto kernel = o.getKernel(), stride = o.getStride(), padding = o.getPadding();
    auto bounds = [&](Val position, int64_t size, int64_t d) {
      Val start = position * k.index(stride[d]) - k.index(padding[d]);
      Val from = padding[d] ? maxOf(start, k.index(0)) : start;
      Val to = minOf(start + k.index(kernel[d]), k.index(size));
      return std::array<Val, 3>{start, from, to};
    };
    auto [ys, yf, yt] = bounds(at[2], shape[2], 0);
    auto [xs, xf, xt] = bounds(at[3], shape[3], 1);
    return k.forLoop(yf, yt, 1, init, [&, ys = ys, xs = xs, xf = xf, xt = xt](Val y, const std::vector<Val> &a) {
      return k.forLoop(xf, xt, 1, a, [&](Val x, const std::vector<Val> &b) {
        return body(y, x, (y - ys) * k.index(kernel[1]) + (x - xs), b);
      });
    });
  }

  Val lowest(Type element, Type type) {
    if (isReal(element))
      return k.constant(type, double(kMinusInfinity));
    int64_t lo = quantOf(op->getResult(0)) ? quantOf(op->getResult(0)).getLo() : ternary::integerRange(element).first;
    return k.constantInt(type, lo);
  }

  /// Calls `body` for this thread's elements of an image's pool: many channels at once where they are reals side by side.
  void pooled(const std::function<void(const Index &)> &body) {
    const Layout &x = c.variant.layouts.of[op->getOperand(0)], &l = out.layout;
    if (c.optLevel < 2 || !x.channelsLast || x.elem != Elem::F32 || l.elem != Elem::F32 || l.strides[1] != 4 || l.shape[1] < kFewestLanes ||
        !takesLanes(c, op->getOperand(0), 1))
      return c.forEach(l, body);
    VectorRows rows(l, 1);
    rows.forEach(c, [&](const Index &row) { rows.alongRow(c, row, 0, rows.extent, body); });
    c.lanes = 1;
    c.plainLoops = false;
  }
  /// The pool's input at a place of the window, of the channels of `at`.
  Val pixel(const Index &at, Val y, Val x) {
    Index from{at[0], at[1], y, x};
    from.lane = at.lane;
    return in(0, from);
  }

  bool maxPool(MaxPoolOp o) {
    pooled([&](const Index &at) {
      Type type = c.computeType(out.layout.elem, at);
      store(at, window(o, at, {lowest(elementType(o.getX()), type)}, [&](Val y, Val x, Val, const std::vector<Val> &m) {
        return std::vector<Val>{maxOf(pixel(at, y, x), m[0])};
      })[0]);
    });
    return true;
  }

  /// The mean of codes: rne(fl(f(sum) * fl(s_x / fl(n * s_y)))).
  Val codeMean(Val sum, QuantType x, QuantType y, Val n) {
    Val m = k.f32c(x.getScale()) / (n * k.f32c(y.getScale()));
    return emitRoundToCode(k.intToFloat(sum) * m, y.getLo(), y.getHi());
  }

  bool avgPool(AvgPoolOp o) {
    int64_t places = o.getKernel()[0] * o.getKernel()[1];
    QuantType qx = quantOf(o.getX()), qy = quantOf(o.getResult());
    std::optional<LaneSum> lanes;
    if (!qx)
      lanes.emplace(c);
    pooled([&](const Index &at) {
      Val zero = k.index(0);
      if (qx) {
        auto sums = window(o, at, {k.i32c(0), zero}, [&](Val y, Val x, Val, const std::vector<Val> &s) {
          return std::vector<Val>{s[0] + in(0, {at[0], at[1], y, x}), s[1] + k.index(1)};
        });
        Val n = o.getCountPad() ? k.f32c(float(places)) : k.intToFloat(k.truncate(sums[1], k.i32()));
        return store(at, codeMean(sums[0], qx, qy, n));
      }
      lanes->clear();
      Val count = window(o, at, {zero}, [&](Val y, Val x, Val place, const std::vector<Val> &s) {
        lanes->add(place, pixel(at, y, x));
        return std::vector<Val>{s[0] + k.index(1)};
      })[0];
      Val n = o.getCountPad() ? k.f32c(float(places)) : k.intToFloat(k.truncate(count, k.i32()));
      store(at, lanes->fold() / c.spread(n, at));
    });
    return true;
  }

  bool globalAvgPool(GlobalAvgPoolOp o) {
    auto shape = tensorOf(o.getX()).getShape();
    QuantType qx = quantOf(o.getX()), qy = quantOf(o.getResult());
    Val n = k.f32c(float(shape[2] * shape[3]));
    std::optional<LaneSum> lanes;
    if (!qx)
      lanes.emplace(c);
    pooled([&](const Index &at) {
      if (qx) {
        Val sum = k.forLoop(0, shape[2], 1, {k.i32c(0)}, [&](Val y, const std::vector<Val> &a) {
          return k.forLoop(0, shape[3], 1, a, [&](Val x, const std::vector<Val> &s) {
            return std::vector<Val>{s[0] + in(0, {at[0], at[1], y, x})};
          });
        })[0];
        return store(at, codeMean(sum, qx, qy, n));
      }
      lanes->clear();
      k.forLoop(0, shape[2], 1, [&](Val y) {
        k.forLoop(0, shape[3], 1, [&](Val x) { lanes->add(y * k.index(shape[3]) + x, pixel(at, y, x)); });
      });
      store(at, lanes->fold() / c.spread(n, at));
    });
    return true;
  }

  // ---- Reductions along an axis ----------------------------------------------------------------------------------------

  Index withAxis(const Index &at, size_t axis, Val i, bool keep) {
    Index from = at;
    if (keep)
      from[axis] = i;
    else
      from.insert(from.begin() + axis, i);
    return from;
  }

  bool reduction(Operation *o, bool keep) {
    Value x = o->getOperand(0);
    size_t axis = isa<MeanOp>(o) ? cast<MeanOp>(o).getAxis() : isa<SumOp>(o) ? cast<SumOp>(o).getAxis() : cast<MaxOp>(o).getAxis();
    const Layout &shape = c.variant.layouts.of[x];
    Val count = c.size(shape, axis);
    QuantType qx = quantOf(x), qy = quantOf(o->getResult(0));
    bool isRealSum = isReal(elementType(o->getResult(0))) && !isa<MaxOp>(o);
    std::optional<LaneSum> lanes;
    if (isRealSum)
      lanes.emplace(c);
    Type type = c.computeType(shape.elem);
    c.forEach(out.layout, [&](const Index &at) {
      auto element = [&](Val i) {
        Val v = emitElement(c, x, withAxis(at, axis, i, keep));
        return isRealSum && qx ? k.intToFloat(v) * k.f32c(qx.getScale()) : v;
      };
      if (isa<MaxOp>(o)) {
        Val m = k.forLoop(k.index(0), count, 1, {lowest(elementType(x), type)},
                          [&](Val i, const std::vector<Val> &m) { return std::vector<Val>{maxOf(element(i), m[0])}; })[0];
        return store(at, m);
      }
      if (isRealSum) {
        lanes->clear();
        k.forLoop(k.index(0), count, 1, [&](Val i) { lanes->add(i, element(i)); });
        Val sum = lanes->fold();
        return store(at, isa<MeanOp>(o) ? sum / k.intToFloat(k.truncate(count, k.i32())) : sum);
      }
      // Integers: narrow ones saturate at the end of the sum, wide ones wrap.
      Type wide = qx ? k.i32() : k.i64();
      Val sum = k.forLoop(k.index(0), count, 1, {k.constantInt(wide, 0)}, [&](Val i, const std::vector<Val> &s) {
        Val v = element(i);
        return std::vector<Val>{s[0] + (v.type() == wide ? v : k.signExtend(v, wide))};
      })[0];
      if (qx && qy && isa<MeanOp>(o))
        return store(at, codeMean(sum, qx, qy, k.intToFloat(k.truncate(count, k.i32()))));
      Type element_ = elementType(o->getResult(0));
      if (element_.isInteger(64))
        return store(at, sum);
      if (element_.isInteger(32))
        return store(at, sum.type() == k.i32() ? sum : k.truncate(sum, k.i32()));
      auto [lo, hi] = ternary::integerRange(element_);
      Val clamped = minOf(maxOf(sum, k.constantInt(sum.type(), lo)), k.constantInt(sum.type(), hi));
      store(at, clamped.type() == k.i32() ? clamped : k.truncate(clamped, k.i32()));
    });
    return true;
  }

  bool argmax(ArgmaxOp o) {
    size_t axis = o.getAxis();
    const Layout &shape = c.variant.layouts.of[o.getX()];
    Type type = c.computeType(shape.elem);
    c.forEach(out.layout, [&](const Index &at) {
      Val start = isReal(elementType(o.getX())) ? k.f32c(kMinusInfinity) : in(0, withAxis(at, axis, k.index(0), false));
      (void)type;
      Val best = k.forLoop(k.index(0), c.size(shape, axis), 1, {start, k.i32c(0)}, [&](Val i, const std::vector<Val> &b) {
        Val v = in(0, withAxis(at, axis, i, false));
        Val greater = compare(Cmp::Gt, v, b[0]);
        return std::vector<Val>{select(greater, v, b[0]), select(greater, k.truncate(i, k.i32()), b[1])};
      })[1];
      store(at, best);
    });
    return true;
  }

  // ---- Rows ------------------------------------------------------------------------------------------------------------

  /// Calls `body(index of element i along the axis)` for this thread's rows: all places but those along `axis`.
  void forRows(const Layout &layout, size_t axis, const std::function<void(const std::function<Index(Val)> &)> &body) {
    Layout rows = layout;
    rows.shape.erase(rows.shape.begin() + axis);
    rows.strides.erase(rows.strides.begin() + axis);
    c.forEach(rows, [&](const Index &at) {
      body([&, at](Val i) {
        Index from = at;
        from.insert(from.begin() + axis, i);
        return from;
      });
    });
  }

  bool softmax(SoftmaxOp o) {
    size_t axis = o.getAxis();
    LaneSum lanes(c);
    Val n = c.size(out.layout, axis);
    bool narrow = out.layout.elem != Elem::F32;
    forRows(out.layout, axis, [&](const std::function<Index(Val)> &at) {
      Val m = k.forLoop(k.index(0), n, 1, {k.f32c(kMinusInfinity)},
                        [&](Val i, const std::vector<Val> &best) { return std::vector<Val>{maxOf(in(0, at(i)), best[0])}; })[0];
      lanes.clear();
      k.forLoop(k.index(0), n, 1, [&](Val i) {
        Val e = emitExp(in(0, at(i)) - m);
        lanes.add(i, e);
        if (!narrow)
          store(at(i), e);
      });
      Val sum = lanes.fold();
      k.forLoop(k.index(0), n, 1, [&](Val i) {
        // A 16-bit result cannot hold the numerators between the passes.
        Val e = narrow ? emitExp(in(0, at(i)) - m) : c.loadElement(out, at(i));
        store(at(i), e / sum);
      });
    });
    return true;
  }

  bool layerNorm(LayerNormOp o) {
    size_t axis = out.layout.shape.size() - 1;
    LaneSum lanes(c);
    int64_t d = out.layout.shape[axis];
    Val eps = k.f32c(float(o.getEps().convertToDouble())), count = k.f32c(float(d));
    forRows(out.layout, axis, [&](const std::function<Index(Val)> &at) {
      lanes.clear();
      k.forLoop(0, d, 1, [&](Val i) { lanes.add(i, in(0, at(i))); });
      Val mean = lanes.fold() / count;
      lanes.clear();
      k.forLoop(0, d, 1, [&](Val i) {
        Val centred = in(0, at(i)) - mean;
        lanes.add(i, centred * centred);
      });
      Val root = k.sqrt(lanes.fold() / count + eps);
      k.forLoop(0, d, 1, [&](Val i) {
        store(at(i), (in(0, at(i)) - mean) / root * emitElement(c, o.getWeight(), {i}) + emitElement(c, o.getBias(), {i}));
      });
    });
    return true;
  }

  bool rmsNorm(RmsNormOp o) {
    size_t axis = out.layout.shape.size() - 1;
    LaneSum lanes(c);
    int64_t d = out.layout.shape[axis];
    Val eps = k.f32c(float(o.getEps().convertToDouble())), count = k.f32c(float(d));
    forRows(out.layout, axis, [&](const std::function<Index(Val)> &at) {
      lanes.clear();
      k.forLoop(0, d, 1, [&](Val i) {
        Val x = in(0, at(i));
        lanes.add(i, x * x);
      });
      Val root = k.sqrt(lanes.fold() / count + eps);
      k.forLoop(0, d, 1, [&](Val i) { store(at(i), in(0, at(i)) / root * emitElement(c, o.getWeight(), {i})); });
    });
    return true;
  }

  bool embedding(EmbeddingOp o) {
    int64_t rows = tensorOf(o.getTable()).getDimSize(0);
    size_t rank = tensorOf(o.getIds()).getRank();
    c.forEachPrefix(out.layout, unsigned(rank), [&](const Index &at) {
      Val id = in(0, at);
      if (id.type() != k.i64())
        id = k.signExtend(id, k.i64());
      Val bad = compare(Cmp::Lt, id, k.index(0)) | compare(Cmp::Ge, id, k.index(rows));
      k.ifThen(bad, [&] { c.fail(TRI_STEP_INDEX_OUT_OF_RANGE); });
      Val row = select(bad, k.index(0), id);
      k.forLoop(0, out.layout.shape.back(), 1, [&](Val d) {
        Index to = at;
        to.push_back(d);
        store(to, emitElement(c, o.getTable(), {row, d}));
      });
    });
    return true;
  }

  bool rope(RopeOp o) {
    int64_t half = out.layout.shape[3] / 2;
    std::vector<float> frequencies;
    double base = o.getBase().convertToDouble();
    for (int64_t i = 0; i < half; ++i)
      frequencies.push_back(float(std::pow(base, -2.0 * double(i) / double(2 * half))));
    c.forEachPrefix(out.layout, 3, [&](const Index &at) {
      Val position = k.intToFloat(k.truncate(at[2] + k.index(int64_t(o.getOffset())), k.i32()));
      k.forLoop(0, half, 1, [&](Val i) {
        Val angle = position * k.load(k.f32(), k.offset(c.table("rope.frequencies", frequencies), i * k.index(4)), 4);
        Val cosine = emitCos(angle), sine = emitSin(angle);
        Index low = at, high = at;
        low.push_back(i);
        high.push_back(i + k.index(half));
        Val a = in(0, low), b = in(0, high);
        store(low, a * cosine - b * sine);
        store(high, a * sine + b * cosine);
      });
    });
    return true;
  }

  bool attention(AttentionOp o) {
    auto q = tensorOf(o.getQ()).getShape(), kv = tensorOf(o.getK()).getShape();
    int64_t heads = q[1] / kv[1], length = q[2], positions = kv[2], d = q[3];
    double given = o.getScale().convertToDouble();
    float scale = given == 0.0 ? float(1.0 / std::sqrt(double(d))) : float(given);
    Val scores = c.scratch(positions * 4);
    LaneSum lanes(c);
    c.forEachPrefix(out.layout, 3, [&](const Index &at) {
      Val head = at[1] / k.index(heads);
      Val visible = k.index(positions);
      if (o.getCausal())
        visible = minOf(visible, maxOf(at[2] + k.index(positions - length + 1), k.index(0)));
      auto score = [&](Val s) { return k.offset(scores, s * k.index(4)); };
      Val m = k.forLoop(k.index(0), visible, 1, {k.f32c(kMinusInfinity)}, [&](Val s, const std::vector<Val> &best) {
        Val dot = k.forLoop(0, d, 1, {k.f32c(0.0f)}, [&](Val i, const std::vector<Val> &acc) {
          return std::vector<Val>{acc[0] + in(0, {at[0], at[1], at[2], i}) * in(1, {at[0], head, s, i})};
        })[0];
        Val scaled = dot * k.f32c(scale);
        k.store(scaled, score(s), 4);
        return std::vector<Val>{maxOf(scaled, best[0])};
      })[0];
      lanes.clear();
      k.forLoop(k.index(0), visible, 1, [&](Val s) {
        Val e = emitExp(k.load(k.f32(), score(s), 4) - m);
        lanes.add(s, e);
        k.store(e, score(s), 4);
      });
      Val sum = lanes.fold();
      k.forLoop(k.index(0), visible, 1, [&](Val s) { k.store(k.load(k.f32(), score(s), 4) / sum, score(s), 4); });
      k.forLoop(0, d, 1, [&](Val i) {
        Val total = k.forLoop(k.index(0), visible, 1, {k.f32c(0.0f)}, [&](Val s, const std::vector<Val> &acc) {
          return std::vector<Val>{acc[0] + k.load(k.f32(), score(s), 4) * in(2, {at[0], head, s, i})};
        })[0];
        Index to = at;
        to.push_back(i);
        store(to, total);
      });
    });
    return true;
  }

  bool quantizeDynamic(QuantizeDynamicOp o) {
    View scales = c.view(o.getScale());
    CodeKind kind = o.getKind();
    int64_t lo = codeLo(kind), hi = codeHi(kind);
    auto absMax = [&](Val x, Val best) { return maxOf(k.abs(x), best); };
    auto finishScale = [&](Val a) {
      Val isZero = compare(Cmp::Eq, a, 0.0);
      Val high = k.f32c(float(hi));
      return std::pair<Val, Val>{select(isZero, k.f32c(1.0f), a / high), select(isZero, k.f32c(0.0f), high / a)};
    };
    auto code = [&](Val x, std::pair<Val, Val> s) {
      return kind == CodeKind::T ? emitRoundToTrit(x, s.first * 0.5) : emitRoundToCode(x * s.second, lo, hi);
    };
    const Layout &layout = out.layout;
    if (o.getPer() == QuantPer::Row) {
      size_t axis = layout.shape.size() - 1;
      forRows(layout, axis, [&](const std::function<Index(Val)> &at) {
        Val n = c.size(layout, axis);
        Val a = k.forLoop(k.index(0), n, 1, {k.f32c(0.0f)},
                          [&](Val i, const std::vector<Val> &m) { return std::vector<Val>{absMax(in(0, at(i)), m[0])}; })[0];
        auto s = finishScale(a);
        Index row = at(k.index(0));
        row.pop_back();
        c.storeElement(scales, row, s.first);
        k.forLoop(k.index(0), n, 1, [&](Val i) { store(at(i), code(in(0, at(i)), s)); });
      });
      return true;
    }
    // Every thread finds the greatest magnitude by itself: no barrier stands inside a step.
    std::function<Val(size_t, Index, Val)> scan = [&](size_t dim, Index at, Val best) {
      if (dim == layout.shape.size())
        return absMax(in(0, at), best);
      return k.forLoop(k.index(0), c.size(layout, dim), 1, {best}, [&](Val i, const std::vector<Val> &m) {
        Index next = at;
        next.push_back(i);
        return std::vector<Val>{scan(dim + 1, next, m[0])};
      })[0];
    };
    auto s = finishScale(scan(0, {}, k.f32c(0.0f)));
    k.ifThen(compare(Cmp::Eq, c.part, k.index(0)), [&] { c.storeElement(scales, {}, s.first); });
    c.forEach(layout, [&](const Index &at) { store(at, code(in(0, at), s)); });
    return true;
  }

  StepContext &c;
  KernelBuilder &k;
  Operation *op;
  View out;
};

} // namespace

bool lowerByLoops(StepContext &c, Operation *op) { return LoopLowering(c, op).run(); }

void lowerCopy(StepContext &c, const View &to, Value from) {
  c.forEach(to.layout, [&](const Index &at) { c.storeElement(to, at, emitElement(c, from, at)); });
}

} // namespace triton
