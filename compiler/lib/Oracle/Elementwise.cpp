// Elementwise operations with broadcasting: reals, codes by section 10's integer definitions, plain integers.
#include "Kernel.h"

#include <algorithm>

using namespace mlir;
using namespace triton::ternary;

namespace triton::oracle {

/// A real operation of one operand, or nothing.
static std::function<float(float)> realFunction(Operation *op) {
  if (isa<ReluOp>(op)) return reluf;
  if (isa<Relu6Op>(op)) return relu6f;
  if (isa<AbsOp>(op)) return [](float x) { return std::fabs(x); };
  if (isa<NegOp>(op)) return [](float x) { return -x; };
  if (isa<HardsigmoidOp>(op)) return hardsigmoidf;
  if (isa<HardswishOp>(op)) return hardswishf;
  if (isa<SigmoidOp>(op)) return sigmoidf;
  if (isa<SiluOp>(op)) return siluf;
  if (isa<TanhOp>(op)) return tanh32;
  if (isa<ExpOp>(op)) return exp32;
  if (isa<LogOp>(op)) return log32;
  if (isa<SqrtOp>(op)) return [](float x) { return std::sqrt(x); };
  if (auto gelu = dyn_cast<GeluOp>(op)) return gelu.getApprox() ? geluTanhf : geluf;
  return {};
}

static Type elementOf(Value v) { return cast<ShapedType>(v.getType()).getElementType(); }

/// An integer result: saturated to the range, or wrapped for int32 and int64.
static int64_t fit(int64_t v, bool wraps, Range range, Tensor::Kind kind) {
  if (!wraps) return std::clamp(v, range.lo, range.hi);
  return kind == Tensor::Wide ? v : static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint64_t>(v)));
}

/// relu, relu6, abs, neg on codes (relu6 at rne(6 / s)), trits and integers.
static Kernel exactUnary(Operation *op) {
  Type element = elementOf(op->getResult(0));
  auto attr = [&](const char *name) -> std::optional<int64_t> {
    if (auto a = op->getAttrOfType<IntegerAttr>(name)) return a.getInt();
    return std::nullopt;
  };
  std::optional<int64_t> lo = attr("lo"), hi = attr("hi");
  bool wraps = !lo && (element.isInteger(32) || element.isInteger(64));
  Range range = rangeOf(element, lo, hi);
  int64_t six = 6;
  if (auto quant = dyn_cast<QuantType>(element))
    six = static_cast<int64_t>(std::min(1e6, std::nearbyint(6.0 / static_cast<double>(quant.getScale()))));
  enum { Relu, Relu6, Abs, Neg } what = isa<ReluOp>(op) ? Relu : isa<Relu6Op>(op) ? Relu6 : isa<AbsOp>(op) ? Abs : Neg;
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    out[0] = *in[0];
    for (size_t i = 0; i < static_cast<size_t>(out[0].count()); ++i) {
      auto v = static_cast<uint64_t>(out[0].integer(i)); // unsigned, so that the least int64 negates without overflow
      auto s = static_cast<int64_t>(v);
      int64_t y = what == Relu ? std::max<int64_t>(s, 0) : what == Relu6 ? std::clamp<int64_t>(s, 0, six)
                  : what == Abs && s >= 0 ? s : static_cast<int64_t>(0 - v);
      out[0].setInteger(i, fit(y, wraps, range, out[0].kind));
    }
  });
}

/// For each place of the result, the place in an operand that is broadcast to it. Empty if the shapes are equal.
static std::vector<size_t> broadcastIndex(const TensorShape &from, const TensorShape &to) {
  if (from == to) return {};
  std::vector<size_t> index(static_cast<size_t>(sizeOf(to)));
  size_t missing = to.size() - from.size();
  for (size_t i = 0; i < index.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), at = 0, stride = 1;
    for (size_t axis = to.size(); axis-- > missing;) {
      int64_t size = from[axis - missing];
      if (size != 1) at += rest % to[axis] * stride;
      rest /= to[axis];
      stride *= size;
    }
    index[i] = static_cast<size_t>(at);
  }
  return index;
}

static TensorShape broadcastShape(const TensorShape &a, const TensorShape &b) {
  TensorShape out(std::max(a.size(), b.size()), 1);
  for (const TensorShape *s : {&a, &b})
    for (size_t i = 0; i < s->size(); ++i) out[out.size() - s->size() + i] = std::max(out[out.size() - s->size() + i], (*s)[i]);
  return out;
}

/// Calls body(i, a, b) for each place of the result with the places of the operands.
template <typename F>
static void eachPair(const Tensor &a, const Tensor &b, const TensorShape &shape, F body) {
  std::vector<size_t> ia = broadcastIndex(a.shape, shape), ib = broadcastIndex(b.shape, shape);
  auto n = static_cast<size_t>(sizeOf(shape));
  for (size_t i = 0; i < n; ++i) body(i, ia.empty() ? i : ia[i], ib.empty() ? i : ib[i]);
}

/// An operand of a real operation: exact operands (trits, codes of weights) convert.
static float realAt(const Tensor &t, size_t i) { return t.kind == Tensor::Real ? t.f[i] : static_cast<float>(t.integer(i)); }

enum class Binary { Add, Sub, Mul, Div };

static Kernel realBinary(Binary what) {
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    const Tensor &a = *in[0], &b = *in[1];
    TensorShape shape = broadcastShape(a.shape, b.shape);
    Tensor &y = out[0] = Tensor(Tensor::Real, shape);
    eachPair(a, b, shape, [&](size_t i, size_t ia, size_t ib) {
      float u = realAt(a, ia), v = realAt(b, ib);
      y.f[i] = what == Binary::Add ? u + v : what == Binary::Sub ? u - v : what == Binary::Mul ? u * v : u / v;
    });
  });
}

/// add and mul on codes with scales s_a, s_b to codes with scale s_y.
static Kernel codeBinary(Operation *op, Binary what, Range range) {
  float sa = quantType(op->getOperand(0)).getScale(), sb = quantType(op->getOperand(1)).getScale();
  float sy = quantType(op->getResult(0)).getScale();
  auto lo = static_cast<int32_t>(range.lo), hi = static_cast<int32_t>(range.hi);
  float ra = sa / sy, rb = sb / sy;
  float m = sa * sb;
  m = m / sy;
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    const Tensor &a = *in[0], &b = *in[1];
    TensorShape shape = broadcastShape(a.shape, b.shape);
    Tensor &y = out[0] = Tensor(Tensor::Int, shape);
    eachPair(a, b, shape, [&](size_t i, size_t ia, size_t ib) {
      auto u = static_cast<float>(a.i[ia]), v = static_cast<float>(b.i[ib]);
      if (what == Binary::Add) {
        y.i[i] = roundClamp(std::fmaf(u, ra, v * rb), lo, hi);
      } else {
        float product = u * v;
        y.i[i] = roundClamp(product * m, lo, hi);
      }
    });
  });
}

/// Plain integers and trits: saturate to the result's range; int32 and int64 wrap.
static Kernel integerBinary(Operation *op, Binary what, std::optional<int64_t> lo, std::optional<int64_t> hi) {
  Type element = elementOf(op->getResult(0));
  bool wraps = !lo && (element.isInteger(32) || element.isInteger(64));
  Range range = rangeOf(element, lo, hi);
  Tensor::Kind kind = kindOf(op->getResult(0).getType());
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    const Tensor &a = *in[0], &b = *in[1];
    TensorShape shape = broadcastShape(a.shape, b.shape);
    Tensor &y = out[0] = Tensor(kind, shape);
    eachPair(a, b, shape, [&](size_t i, size_t ia, size_t ib) {
      auto u = static_cast<uint64_t>(a.integer(ia)), v = static_cast<uint64_t>(b.integer(ib));
      uint64_t r = what == Binary::Add ? u + v : what == Binary::Sub ? u - v : u * v;
      y.setInteger(i, fit(static_cast<int64_t>(r), wraps, range, kind));
    });
  });
}

template <typename Op>
static Result<Kernel> buildBinary(Op op, Binary what) {
  Type result = elementOf(op.getResult());
  if (isReal(result)) return realBinary(what);
  if (isa<QuantType>(result)) {
    if (what == Binary::Sub || what == Binary::Div || !quantType(op.getLhs()) || !quantType(op.getRhs()))
      return Error{"codes cannot go into '" + op->getName().getStringRef().str() + "'", ErrorKind::Internal};
    return codeBinary(op, what, rangeOf(result, op.getLo(), op.getHi()));
  }
  return integerBinary(op, what, op.getLo(), op.getHi());
}

static Kernel buildClamp(ClampOp op) {
  Type element = elementOf(op.getResult());
  double lo = op.getLo().convertToDouble(), hi = op.getHi().convertToDouble();
  if (!isReal(element)) {
    // The bounds may lie outside the element type.
    Range range = rangeOf(element);
    auto bound = [&](double v) {
      return v <= static_cast<double>(range.lo) ? range.lo : v >= static_cast<double>(range.hi) ? range.hi : static_cast<int64_t>(v);
    };
    int64_t low = bound(lo), high = bound(hi);
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      out[0] = *in[0];
      for (size_t i = 0; i < static_cast<size_t>(out[0].count()); ++i)
        out[0].setInteger(i, std::min(std::max(out[0].integer(i), low), high));
    });
  }
  auto low = static_cast<float>(lo), high = static_cast<float>(hi);
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    out[0] = *in[0];
    for (float &v : out[0].f) {
      float y = select(v < low, low, v);
      v = select(y > high, high, y);
    }
  });
}

Result<Kernel> buildElementwise(Operation *op, const BuildContext &) {
  if (auto add = dyn_cast<AddOp>(op)) return buildBinary(add, Binary::Add);
  if (auto sub = dyn_cast<SubOp>(op)) return buildBinary(sub, Binary::Sub);
  if (auto mul = dyn_cast<MulOp>(op)) return buildBinary(mul, Binary::Mul);
  if (auto div = dyn_cast<DivOp>(op)) return buildBinary(div, Binary::Div);
  if (auto clamp = dyn_cast<ClampOp>(op)) return buildClamp(clamp);
  if (auto function = realFunction(op)) {
    if (!isReal(elementOf(op->getResult(0)))) return exactUnary(op);
    return kernel([function](const Operands &in, std::vector<Tensor> &out) {
      out[0] = *in[0];
      for (float &v : out[0].f) v = function(v);
    });
  }
  return Kernel();
}

} // namespace triton::oracle
