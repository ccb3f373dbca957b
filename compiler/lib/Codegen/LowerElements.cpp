// Single elements: what one element of a result is, from elements of the operands. Consumers call this for operands that are fused
// into them, so one function covers plain loops (-O0) and fused chains (-O1 and above).
#include "StepContext.h"

#include "InputTable.h"

#include "../Generators/FloatFunctions.h"

#include "ternary/Constants.h"

#include "artifact/kernel_abi.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }
static Type elementType(Value v) { return tensorOf(v).getElementType(); }
static QuantType quantOf(Value v) { return dyn_cast<QuantType>(elementType(v)); }

bool isElementwise(Operation *op) {
  return isa<QuantizeOp, DequantizeOp, CodesOp, CastOp, LookupOp, ReluOp, Relu6Op, AbsOp, NegOp, HardsigmoidOp, HardswishOp, SigmoidOp,
             SiluOp, TanhOp, ExpOp, LogOp, SqrtOp, GeluOp, ClampOp, AddOp, SubOp, MulOp, DivOp, BatchNormOp, AffineOp, TransposeOp, SliceOp,
             IndexOp, PadOp, ConcatOp, ReshapeOp>(op);
}

namespace {

/// A constant of a value's type: in all lanes of a vector.
Val constantLike(Val x, double value) { return x.k->constant(x.type(), value); }

/// Where the lane dimension of a result of rank `rank` is in an operand that is broadcast from the right; -1 where all lanes see one element.
int broadcastLane(Value operand, size_t rank, int lane) {
  auto shape = tensorOf(operand).getShape();
  int own = lane - int(rank - shape.size());
  return lane < 0 || own < 0 || shape[own] == 1 ? -1 : own;
}

/// Index of an operand that is broadcast from the right to a result's index.
Index broadcastIndex(StepContext &c, Value operand, const Index &at) {
  auto shape = tensorOf(operand).getShape();
  Index result;
  size_t skip = at.size() - shape.size();
  for (size_t d = 0; d < shape.size(); ++d)
    result.push_back(shape[d] == 1 ? c.k.index(0) : at[d + skip]);
  result.lane = broadcastLane(operand, at.size(), at.lane);
  return result;
}

/// A plain integer result: wraps for i32 and i64, saturates otherwise. `wide` was computed in a type that holds it.
Val saturate(StepContext &c, Type element, std::optional<int64_t> lo, std::optional<int64_t> hi, Val wide) {
  auto [low, high] = ternary::integerRange(element);
  if (!lo && !hi && (element.isInteger(32) || element.isInteger(64)))
    return wide;
  int64_t from = lo.value_or(low), to = hi.value_or(high);
  return minOf(maxOf(wide, c.k.constantInt(wide.type(), from)), c.k.constantInt(wide.type(), to));
}

/// An integer as i64.
Val widened(Val x) { return getElementTypeOrSelf(x.type()).isInteger(64) ? x : x.k->signExtend(x, x.k->i64()); }

/// Binary integer arithmetic: i32 and i64 wrap; narrower types fit i32 before they saturate, except products of 16 bits, which fit too.
template <typename Op, typename F>
Val integerBinary(StepContext &c, Op op, Val a, Val b, F f) {
  Type element = elementType(op.getResult());
  if (element.isInteger(64)) {
    a = widened(a);
    b = widened(b);
  }
  return saturate(c, element, op.getLo(), op.getHi(), f(a, b));
}

Val quantizeElement(QuantType type, Val x) {
  float scale = type.getScale();
  if (type.getKind() == CodeKind::T)
    return emitRoundToTrit(x, constantLike(x, scale * 0.5f));
  float reciprocal = 1.0f / scale;
  return emitRoundToCode(x * constantLike(x, reciprocal), type.getLo(), type.getHi());
}

/// clamp(rne(y)) to the result's codes, with optional tighter bounds.
Val toCodes(StepContext &c, Value result, std::optional<int64_t> lo, std::optional<int64_t> hi, Val y) {
  (void)c;
  QuantType type = quantOf(result);
  return emitRoundToCode(y, lo.value_or(type.getLo()), hi.value_or(type.getHi()));
}

Val addElement(StepContext &c, AddOp op, Val a, Val b) {
  if (QuantType y = quantOf(op.getResult())) {
    QuantType qa = quantOf(op.getLhs()), qb = quantOf(op.getRhs());
    float ra = qa.getScale() / y.getScale(), rb = qb.getScale() / y.getScale();
    Val ya = c.k.intToFloat(a), yb = c.k.intToFloat(b);
    Val sum = c.k.fma(ya, constantLike(ya, ra), yb * constantLike(yb, rb));
    return toCodes(c, op.getResult(), op.getLo(), op.getHi(), sum);
  }
  if (isReal(elementType(op.getResult())))
    return a + b;
  return integerBinary(c, op, a, b, [](Val x, Val y) { return x + y; });
}
Val mulElement(StepContext &c, MulOp op, Val a, Val b) {
  if (QuantType y = quantOf(op.getResult())) {
    float product = quantOf(op.getLhs()).getScale() * quantOf(op.getRhs()).getScale(), m = product / y.getScale();
    return toCodes(c, op.getResult(), op.getLo(), op.getHi(), c.k.intToFloat(a) * c.k.intToFloat(b) * double(m));
  }
  if (isReal(elementType(op.getResult())))
    return a * b;
  return integerBinary(c, op, a, b, [](Val x, Val y) { return x * y; });
}

Val castElement(StepContext &c, CastOp op, Val x) {
  KernelBuilder &k = c.k;
  Type from = elementType(op.getX()), to = elementType(op.getResult());
  if (isReal(to))
    return isReal(from) ? x : k.intToFloat(x);
  bool wide = to.isInteger(64);
  int64_t lo, hi;
  if (isa<TritType>(to)) {
    lo = -1, hi = 1;
  } else {
    auto [low, high] = ternary::integerRange(to);
    lo = op.getLo().value_or(low), hi = op.getHi().value_or(high);
  }
  if (!isReal(from)) {
    if (wide)
      return widened(x);
    Val clamped = minOf(maxOf(x, k.constantInt(x.type(), lo)), k.constantInt(x.type(), hi));
    return getElementTypeOrSelf(clamped.type()).isInteger(64) ? k.truncate(clamped, k.i32()) : clamped;
  }
  // Round in binary64, where every binary32 has room to be rounded by adding and taking away 1.5 * 2^52; what is larger in
  // magnitude than 2^51 is an integer already.
  Val d = k.toFloat64(x);
  Val rounded = (d + 0x1.8p52) - 0x1.8p52;
  rounded = select(compare(Cmp::Lt, k.abs(d), 0x1p51), rounded, d);
  Type integer = wide ? k.i64() : k.i32();
  Val low = constantLike(d, double(lo)), high = constantLike(d, double(hi));
  Val below = compare(Cmp::Le, rounded, low), above = compare(Cmp::Ge, rounded, high), nan = compare(Cmp::Ne, x, x);
  Val safe = select(below | above | nan, constantLike(d, 0.0), rounded);
  Val value = k.floatToInt(safe, integer);
  value = select(below, k.constantInt(value.type(), lo), value);
  value = select(above, k.constantInt(value.type(), hi), value);
  int64_t ofNan = 0 < lo ? lo : 0 > hi ? hi : 0;
  return select(nan, k.constantInt(value.type(), ofNan), value);
}

/// Where the scale of an element's row lies: one for all, or one for each place of all dimensions but the last.
Index rowIndex(Value scale, const Index &at) {
  if (tensorOf(scale).getRank() == 0)
    return {};
  Index row = at;
  row.pop_back();
  if (row.lane == int(row.size()))
    row.lane = -1;
  return row;
}

Val affineElement(StepContext &c, AffineOp op, const Index &at) {
  KernelBuilder &k = c.k;
  auto shape = tensorOf(op.getResult()).getShape();
  int64_t axis = int64_t(op.getAxis());
  auto m = floatVector(op.getM()), b = floatVector(op.getB());
  bool groups = tensorOf(op.getAcc()).getRank() > tensorOf(op.getResult()).getRank();
  int64_t count = groups ? tensorOf(op.getAcc()).getShape().back() : 1;
  int64_t channels = shape.empty() ? 1 : shape[axis];
  Val channel = shape.empty() ? k.index(0) : at[axis];
  bool alongChannels = at.lane >= 0 && at.lane == int(axis);
  auto entry = [&](const char *what, const std::vector<float> &values, Val index, bool isVector) {
    return c.spread(values.size() == 1 ? k.f32c(values[0]) : c.loadEntries(c.table(what, values), index, isVector), at);
  };
  Val t = entry("affine.b", *b, channel, alongChannels);
  if (op.getResidual()) {
    Val r = emitElement(c, op.getResidual(), at);
    if (!isReal(elementType(op.getResidual())))
      r = k.intToFloat(r);
    t = k.fma(r, constantLike(r, op.getResidualM()->convertToFloat()), t);
  }
  Val scale;
  if (op.getScale())
    scale = c.spread(emitElement(c, op.getScale(), rowIndex(op.getScale(), at)), at);
  auto toReal = [&](Val acc) { return isReal(elementType(op.getAcc())) ? acc : k.intToFloat(acc); };
  bool perChannelM = int64_t(m->size()) == channels * count && channels > 1;
  auto step = [&](Val acc, Val group, Val y) {
    Val index = groups ? (perChannelM ? channel * k.index(count) + group : group) : channel;
    Val factor = entry("affine.m", *m, index, alongChannels && !groups);
    if (scale)
      factor = scale * factor;
    return k.fma(toReal(acc), factor, y);
  };
  Val y;
  if (!groups) {
    y = step(emitElement(c, op.getAcc(), at), k.index(0), t);
  } else {
    View acc = c.view(op.getAcc());
    y = k.forLoop(0, count, 1, {t}, [&](Val g, const std::vector<Val> &carried) {
      Index with = at;
      with.push_back(g);
      return std::vector<Val>{step(c.loadElement(acc, with), g, carried[0])};
    })[0];
  }
  if (quantOf(op.getResult()))
    return toCodes(c, op.getResult(), op.getLo(), op.getHi(), y);
  return c.roundTo(elemOf(elementType(op.getResult())), y);
}

Val unary(StepContext &c, Operation *op, Val x) {
  KernelBuilder &k = c.k;
  Type element = elementType(op->getResult(0));
  if (isReal(element)) {
    if (isa<ReluOp>(op)) return emitRelu(x);
    if (isa<Relu6Op>(op)) return emitRelu6(x);
    if (isa<AbsOp>(op)) return k.abs(x);
    if (isa<NegOp>(op)) return -x;
    if (isa<HardsigmoidOp>(op)) return emitHardsigmoid(x);
    if (isa<HardswishOp>(op)) return emitHardswish(x);
    if (isa<SigmoidOp>(op)) return emitSigmoid(x);
    if (isa<SiluOp>(op)) return emitSilu(x);
    if (isa<TanhOp>(op)) return emitTanh(x);
    if (isa<ExpOp>(op)) return emitExp(x);
    if (isa<LogOp>(op)) return emitLog(x);
    if (isa<SqrtOp>(op)) return k.sqrt(x);
    if (auto gelu = dyn_cast<GeluOp>(op)) return gelu.getApprox() ? emitGeluTanh(x) : emitGelu(x);
    if (auto clamp = dyn_cast<ClampOp>(op)) {
      // The bounds are rounded once to the type (docs/numerics.md).
      auto bound = [&](const APFloat &value) {
        APFloat rounded = value;
        bool lost;
        rounded.convert(cast<FloatType>(element).getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
        rounded.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
        return rounded.convertToFloat();
      };
      return emitClamp(x, bound(clamp.getLo()), bound(clamp.getHi()));
    }
    return {};
  }
  if (auto clamp = dyn_cast<ClampOp>(op)) {
    auto bound = [](const APFloat &value) {
      double d = value.convertToDouble();
      return d <= -0x1p63 ? INT64_MIN : d >= 0x1p63 ? INT64_MAX : int64_t(d);
    };
    auto [low, high] = ternary::integerRange(element);
    int64_t lo = std::clamp(bound(clamp.getLo()), low, high), hi = std::clamp(bound(clamp.getHi()), low, high);
    return minOf(maxOf(x, k.constantInt(x.type(), lo)), k.constantInt(x.type(), hi));
  }
  Val zero = k.constantInt(x.type(), 0);
  auto bounded = [&](auto typed, Val wide) {
    if (quantOf(op->getResult(0))) {
      QuantType q = quantOf(op->getResult(0));
      return saturate(c, element, typed.getLo().value_or(q.getLo()), typed.getHi().value_or(q.getHi()), wide);
    }
    return saturate(c, element, typed.getLo(), typed.getHi(), wide);
  };
  if (auto relu = dyn_cast<ReluOp>(op))
    return bounded(relu, maxOf(x, zero));
  if (auto relu6 = dyn_cast<Relu6Op>(op)) {
    // On codes the 6 is 6 / scale (docs/numerics.md, Integer forms).
    int64_t six = 6;
    if (QuantType q = quantOf(op->getResult(0))) {
      double exact = std::nearbyint(6.0 / double(q.getScale()));
      six = exact >= double(q.getHi()) ? q.getHi() : int64_t(exact);
    }
    return bounded(relu6, minOf(maxOf(x, zero), k.constantInt(x.type(), six)));
  }
  if (auto abs = dyn_cast<AbsOp>(op))
    return bounded(abs, select(compare(Cmp::Lt, x, zero), zero - x, x));
  if (auto neg = dyn_cast<NegOp>(op))
    return bounded(neg, zero - x);
  return {};
}

Val concatElement(StepContext &c, ConcatOp op, const Index &at) {
  KernelBuilder &k = c.k;
  size_t axis = op.getAxis();
  auto part = [&](Value v, int64_t start) { return emitConcatPart(c, op, v, start, at); };
  Type type = c.computeType(elemOf(elementType(op.getResult())), at);
  std::function<Val(size_t, int64_t)> choose = [&](size_t i, int64_t start) {
    Value v = op.getParts()[i];
    if (i + 1 == op.getParts().size())
      return part(v, start);
    int64_t end = start + tensorOf(v).getDimSize(axis);
    return k.ifElse(compare(Cmp::Lt, at[axis], k.index(end)), {type}, [&] { return std::vector<Val>{part(v, start)}; },
                    [&] { return std::vector<Val>{choose(i + 1, end)}; })[0];
  };
  return choose(0, 0);
}

Val padElement(StepContext &c, PadOp op, const Index &at) {
  KernelBuilder &k = c.k;
  Elem elem = elemOf(elementType(op.getResult()));
  Type type = c.computeType(elem, at);
  Val inside;
  Index from = at;
  auto shape = tensorOf(op.getX()).getShape();
  for (size_t d = 0; d < at.size(); ++d) {
    if (op.getLow()[d] == 0 && op.getHigh()[d] == 0)
      continue;
    from[d] = at[d] - k.index(op.getLow()[d]);
    Val here = compare(Cmp::Ge, from[d], k.index(0)) & compare(Cmp::Lt, from[d], k.index(shape[d]));
    inside = inside ? inside & here : here;
  }
  if (!inside)
    return emitElement(c, op.getX(), at);
  double value = op.getValue().convertToDouble();
  return k.ifElse(inside, {type}, [&] { return std::vector<Val>{emitElement(c, op.getX(), from)}; },
                  [&] { return std::vector<Val>{isRealElem(elem) ? c.roundTo(elem, k.constant(type, float(value))) : k.constantInt(type, int64_t(value))}; })[0];
}

/// The dimension of a reshape's operand along which a whole row of the result's dimension `lane` lies; -1 if there is none.
int reshapedLane(Value from, Value to, int lane) {
  auto fromShape = tensorOf(from).getShape(), toShape = tensorOf(to).getShape();
  auto last = [](ArrayRef<int64_t> shape) { // the last dimension that is not 1
    int d = int(shape.size()) - 1;
    while (d > 0 && shape[d] == 1)
      --d;
    return d;
  };
  int own = last(fromShape);
  bool fits = lane >= 0 && !fromShape.empty() && lane == last(toShape) && !ShapedType::isDynamic(fromShape[own]) &&
              !ShapedType::isDynamic(toShape[lane]) && fromShape[own] % toShape[lane] == 0;
  return fits ? own : -1;
}

/// The operand's index of the same row-major place.
Index reshapedIndex(StepContext &c, Value from, Value to, const Index &at) {
  KernelBuilder &k = c.k;
  auto fromShape = tensorOf(from).getShape(), toShape = tensorOf(to).getShape();
  // A dynamic batch stays the first dimension of both.
  size_t first = !fromShape.empty() && ShapedType::isDynamic(fromShape[0]) ? 1 : 0;
  Val linear = k.index(0);
  for (size_t d = first; d < toShape.size(); ++d)
    linear = linear * k.index(toShape[d]) + at[d];
  Index result(fromShape.size(), Val());
  if (first)
    result[0] = at[0];
  for (size_t d = fromShape.size(); d-- > first;) {
    Val quotient = linear / k.index(fromShape[d]);
    result[d] = linear - quotient * k.index(fromShape[d]);
    linear = quotient;
  }
  result.lane = reshapedLane(from, to, at.lane);
  return result;
}

/// Raw bytes of an input as the reals that pre-processing makes of them, 256 for each channel.
struct Preprocessing {
  std::vector<float> table;
  int64_t channels = 1;
};
std::vector<float> floatsOf(Attribute attr) {
  std::vector<float> out;
  if (auto array = dyn_cast_or_null<ArrayAttr>(attr)) {
    for (Attribute a : array)
      if (auto f = dyn_cast<FloatAttr>(a))
        out.push_back(float(f.getValueAsDouble()));
  } else if (auto dense = dyn_cast_or_null<DenseF64ArrayAttr>(attr)) {
    for (double d : dense.asArrayRef())
      out.push_back(float(d));
  } else if (auto narrow = dyn_cast_or_null<DenseF32ArrayAttr>(attr)) {
    out.assign(narrow.asArrayRef().begin(), narrow.asArrayRef().end());
  } else if (auto one = dyn_cast_or_null<FloatAttr>(attr)) {
    out.push_back(float(one.getValueAsDouble()));
  }
  return out;
}
Preprocessing preprocessingOf(BlockArgument argument) {
  auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  unsigned i = argument.getArgNumber();
  std::vector<float> scale = floatsOf(function.getArgAttr(i, "ternary.scale")), mean = floatsOf(function.getArgAttr(i, "ternary.mean")),
                     std = floatsOf(function.getArgAttr(i, "ternary.std"));
  if (scale.empty())
    scale = {1.0f};
  if (mean.empty())
    mean = {0.0f};
  if (std.empty())
    std = {1.0f};
  Preprocessing result;
  result.channels = int64_t(std::max(mean.size(), std.size()));
  for (int64_t ch = 0; ch < result.channels; ++ch)
    for (int code = 0; code < 256; ++code) {
      float scaled = float(code) * scale[0];
      float centred = scaled - mean[mean.size() == 1 ? 0 : size_t(ch)];
      result.table.push_back(centred / std[std.size() == 1 ? 0 : size_t(ch)]);
    }
  return result;
}
/// Place of an element's row in a table of `channels` rows: channels lie along axis 1 (0 for rank 1).
Val channelOf(StepContext &c, const Index &at, int64_t channels) {
  if (channels == 1)
    return c.k.index(0);
  return (at.size() >= 2 ? at[1] : at[0]) % channels;
}

Val argumentElement(StepContext &c, BlockArgument argument, const Index &at) {
  View view = c.view(argument);
  bool bytes = c.guard && c.guard->first == argument.getArgNumber() && c.guard->second == DType::UInt8;
  if (!bytes || !isReal(elementType(argument)))
    return c.loadElement(view, at);
  View raw = view;
  raw.layout = Layout::rowMajor(RankedTensorType::get(tensorOf(argument).getShape(), IntegerType::get(argument.getContext(), 8, IntegerType::Unsigned)));
  Val code = c.loadElement(raw, at);
  Preprocessing p = preprocessingOf(argument);
  Val row = channelOf(c, at, p.channels) * c.k.index(1024);
  Val table = c.table("input.table", p.table);
  return c.k.load(c.k.f32(), c.k.offset(c.k.offset(table, row), c.k.zeroExtend(code, c.k.i64()) * c.k.index(4)), 4);
}

/// quantize of a uint8 input: one table of codes (section 10).
Val inputLookup(StepContext &c, QuantizeOp op, BlockArgument argument, const Index &at) {
  QuantType type = quantOf(op.getResult());
  std::vector<int8_t> codes = inputCodes(type, argument);
  View raw = c.view(argument);
  raw.layout = Layout::rowMajor(RankedTensorType::get(tensorOf(argument).getShape(), IntegerType::get(argument.getContext(), 8, IntegerType::Unsigned)));
  Val code = c.k.zeroExtend(c.loadElement(raw, at), c.k.i64());
  Val place = channelOf(c, at, int64_t(codes.size()) / 256) * c.k.index(256) + code;
  Val byte = c.k.load(c.k.i8(), c.k.offset(c.table("input.codes", codes), place));
  return type.isSigned() ? c.k.signExtend(byte, c.k.i32()) : c.k.zeroExtend(byte, c.k.i32());
}

Val computeElement(StepContext &c, Operation *op, const Index &at) {
  KernelBuilder &k = c.k;
  auto in = [&](unsigned i) { return emitElement(c, op->getOperand(i), at); };
  auto broadcast = [&](unsigned i) {
    return c.spread(emitElement(c, op->getOperand(i), broadcastIndex(c, op->getOperand(i), at)), at);
  };
  if (auto quantize = dyn_cast<QuantizeOp>(op)) {
    auto argument = dyn_cast<BlockArgument>(quantize.getX());
    if (argument && c.guard && c.guard->first == argument.getArgNumber() && c.guard->second == DType::UInt8)
      return inputLookup(c, quantize, argument, at);
    return quantizeElement(quantOf(quantize.getResult()), in(0));
  }
  if (auto dequantize = dyn_cast<DequantizeOp>(op)) {
    QuantType q = quantOf(dequantize.getX());
    if (!q)
      return in(0);
    Value s = dequantize.getScale();
    return k.intToFloat(in(0)) * c.spread(s ? emitElement(c, s, rowIndex(s, at)) : k.f32c(q.getScale()), at);
  }
  if (isa<CodesOp>(op))
    return in(0);
  if (auto cast = dyn_cast<CastOp>(op))
    return castElement(c, cast, in(0));
  if (auto lookup = dyn_cast<LookupOp>(op)) {
    llvm::SmallVector<char> storage;
    auto raw = rawBytes(lookup.getTable(), storage);
    std::vector<int8_t> table(raw->begin(), raw->end());
    bool perChannel = table.size() != 256, isSigned = quantOf(lookup.getResult()).isSigned();
    Val row = perChannel ? at[lookup.getAxis()] * k.index(256) : k.index(0), place = in(0), all;
    Val base = k.offset(c.table("lookup", table), row);
    for (int64_t i = 0; i < (at.lane < 0 ? 1 : c.lanes); ++i) {
      int64_t of = perChannel && at.lane == int(lookup.getAxis()) ? i * 256 : 0;
      Val byte = k.load(k.i8(), k.offset(k.offset(base, of), k.zeroExtend(k.lane(place, i), k.i64())));
      all = i == 0 ? c.spread(byte, at) : withLane(all, i, byte);
    }
    return isSigned ? k.signExtend(all, k.i32()) : k.zeroExtend(all, k.i32());
  }
  if (auto affine = dyn_cast<AffineOp>(op))
    return affineElement(c, affine, at);
  if (auto add = dyn_cast<AddOp>(op))
    return addElement(c, add, broadcast(0), broadcast(1));
  if (auto mul = dyn_cast<MulOp>(op))
    return mulElement(c, mul, broadcast(0), broadcast(1));
  if (auto sub = dyn_cast<SubOp>(op)) {
    Val a = broadcast(0), b = broadcast(1);
    return isReal(elementType(sub.getResult())) ? a - b : integerBinary(c, sub, a, b, [](Val x, Val y) { return x - y; });
  }
  if (isa<DivOp>(op))
    return broadcast(0) / broadcast(1);
  if (auto norm = dyn_cast<BatchNormOp>(op)) {
    auto channel = [&](Value v) {
      Index own{at[1]};
      own.lane = at.lane == 1 ? 0 : -1;
      return c.spread(emitElement(c, v, own), at);
    };
    Val x = in(0), var = channel(norm.getVar());
    Val root = k.sqrt(var + constantLike(var, float(norm.getEps().convertToDouble())));
    return (x - channel(norm.getMean())) * channel(norm.getWeight()) / root + channel(norm.getBias());
  }
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    Index from(at.size(), Val());
    for (auto [i, d] : llvm::enumerate(transpose.getOrder())) {
      from[size_t(d)] = at[i];
      if (int(i) == at.lane)
        from.lane = int(d);
    }
    return emitElement(c, transpose.getX(), from);
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    Index from = at;
    from[slice.getAxis()] = at[slice.getAxis()] + k.index(int64_t(slice.getFrom()));
    return emitElement(c, slice.getX(), from);
  }
  if (auto index = dyn_cast<IndexOp>(op)) {
    Index from;
    for (int64_t i : index.getIndices())
      from.push_back(k.index(i));
    from.append(at.begin(), at.end());
    from.lane = at.lane < 0 ? -1 : at.lane + int(index.getIndices().size());
    return emitElement(c, index.getX(), from);
  }
  if (auto pad = dyn_cast<PadOp>(op))
    return padElement(c, pad, at);
  if (auto concat = dyn_cast<ConcatOp>(op))
    return concatElement(c, concat, at);
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return emitElement(c, reshape.getX(), reshapedIndex(c, reshape.getX(), reshape.getResult(), at));
  return unary(c, op, in(0));
}

} // namespace

std::vector<int8_t> inputCodes(QuantType type, BlockArgument argument) {
  std::vector<int8_t> codes;
  float scale = type.getScale(), reciprocal = 1.0f / scale;
  for (float x : preprocessingOf(argument).table) {
    float scaled = x * reciprocal;
    int64_t code;
    if (type.getKind() == CodeKind::T)
      code = !(std::fabs(x) > scale * 0.5f) ? 0 : x > 0 ? 1 : -1;
    else if (scaled != scaled)
      code = std::clamp<int64_t>(0, type.getLo(), type.getHi());
    else
      code = int64_t(std::clamp(std::nearbyint(scaled), float(type.getLo()), float(type.getHi())));
    codes.push_back(int8_t(code));
  }
  return codes;
}

Val emitElement(StepContext &c, Value v, const Index &at) {
  if (auto argument = dyn_cast<BlockArgument>(v); argument && c.variant.storage[v].kind == Storage::Input)
    return argumentElement(c, argument, at);
  Operation *op = v.getDefiningOp();
  if (op && c.inlined.contains(op)) {
    Val value = computeElement(c, op, at);
    return isReal(elementType(v)) ? c.roundTo(elemOf(elementType(v)), value) : value;
  }
  if (auto constant = dyn_cast_or_null<ConstantOp>(op); constant && tensorOf(v).getNumElements() == 1) {
    Type element = elementType(v);
    if (isReal(element)) {
      if (auto dense = dyn_cast<DenseFPElementsAttr>(constant.getValue())) {
        APFloat value = *dense.getValues<APFloat>().begin();
        bool lost;
        value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
        return c.k.f32c(value.convertToFloat());
      }
    } else if (auto values = intVector(constant.getValue()); succeeded(values)) {
      return c.k.constantInt(c.computeType(elemOf(element)), (*values)[0]);
    }
  }
  return c.loadElement(c.view(v), at);
}

Val emitOwnElement(StepContext &c, Operation *op, const Index &at) { return computeElement(c, op, at); }

Val emitConcatPart(StepContext &c, ConcatOp op, Value part, int64_t start, const Index &at) {
  Index shifted = at;
  shifted[op.getAxis()] = at[op.getAxis()] - c.k.index(start);
  Val q = emitElement(c, part, shifted);
  QuantType from = quantOf(part), y = quantOf(op.getResult());
  if (!y || !from)
    return q;
  if (from.getScaleBits() != y.getScaleBits())
    return toCodes(c, op.getResult(), {}, {}, c.k.intToFloat(q) * double(from.getScale() / y.getScale()));
  bool fits = from.getLo() >= y.getLo() && from.getHi() <= y.getHi();
  return fits ? q : minOf(maxOf(q, c.k.constantInt(q.type(), y.getLo())), c.k.constantInt(q.type(), y.getHi()));
}

bool takesLanes(StepContext &c, Value v, int lane) {
  if (lane < 0)
    return true;
  if (auto argument = dyn_cast<BlockArgument>(v); argument && c.guard && c.guard->first == argument.getArgNumber())
    return c.guard->second != DType::UInt8; // bytes come by table
  Operation *op = v.getDefiningOp();
  return !op || !c.inlined.contains(op) || ownTakesLanes(c, op, lane);
}

bool ownTakesLanes(StepContext &c, Operation *op, int lane) {
  int64_t rank = tensorOf(op->getResult(0)).getRank();
  auto all = [&](int own) { return llvm::all_of(op->getOperands(), [&](Value v) { return takesLanes(c, v, own); }); };
  if (isa<AddOp, SubOp, MulOp, DivOp>(op))
    return llvm::all_of(op->getOperands(), [&](Value v) { return takesLanes(c, v, broadcastLane(v, size_t(rank), lane)); });
  if (auto affine = dyn_cast<AffineOp>(op))
    return tensorOf(affine.getAcc()).getRank() == rank && takesLanes(c, affine.getAcc(), lane) &&
           (!affine.getResidual() || takesLanes(c, affine.getResidual(), lane));
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return all(int(transpose.getOrder()[lane]));
  if (auto index = dyn_cast<IndexOp>(op))
    return all(lane + int(index.getIndices().size()));
  if (auto pad = dyn_cast<PadOp>(op))
    return pad.getLow()[lane] == 0 && pad.getHigh()[lane] == 0 && all(lane);
  if (auto concat = dyn_cast<ConcatOp>(op))
    return int(concat.getAxis()) != lane && all(lane);
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    int from = reshapedLane(reshape.getX(), reshape.getResult(), lane);
    return from >= 0 && all(from);
  }
  if (isa<DequantizeOp, BatchNormOp>(op))
    return takesLanes(c, op->getOperand(0), lane); // scales and norms are read from memory
  return isElementwise(op) && all(lane);
}

} // namespace triton
