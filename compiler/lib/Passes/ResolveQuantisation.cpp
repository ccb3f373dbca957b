// ternary-resolve-quantisation: the float graph to the integer graph (section 10 of the language), the same at every -O level.
// Expects: functions of one block as IRGen makes them. Guarantees: no `param` and no `fake_quantize` is left; every scale, batch
// norm and bias is folded in float64 and rounded once; every integer sum is proven to fit int32.
#include "Calibration.h"
#include "OperationGroups.h"

#include "ternary/Constants.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace triton {
using namespace ternary;

#define GEN_PASS_DECL_RESOLVEQUANTISATION
#define GEN_PASS_DEF_RESOLVEQUANTISATION
#include "TernaryPasses.h.inc"

namespace {

/// The codes and the run-time scale of a dynamically quantised value.
struct DynamicCodes {
  Value codes, scale;
};

/// A clamp of codes that stands for the activation function at a group's end.
struct CodeClamp {
  std::optional<int64_t> lo, hi;
};

/// Rewrites one function. New operations are made beside the old ones, which are erased at the end.
class Resolver {
public:
  Resolver(func::FuncOp function, const ParamTable &params, const ScaleMap &scales)
      : function(function), params(params), scales(scales), builder(function.getContext()) {}

  LogicalResult run();

private:
  LogicalResult rewrite(Operation *op);
  LogicalResult emitChain(const Chain &chain);
  void emitCodeOperation(Operation *op, Operation *last, CodeKind kindForClampOnly);
  bool emitOnCodes(Operation *op);
  bool emitMove(Operation *op);
  void emitFakeQuantize(FakeQuantizeOp op);
  bool foldNorm(BatchNormOp op);
  void cloneReal(Operation *op);

  Value realOf(Value v);
  Value constantOf(ParamOp param);
  Value weightCodes(Value w);
  std::vector<double> constantValues(Value v);
  Value cast(Value v, Type element, Location loc);
  Value quantise(Value real, FakeQuantizeOp target);
  QuantType typeOf(FakeQuantizeOp target) {
    return QuantType::get(builder.getContext(), target.getKind(), scales.lookup(target.getOperation()));
  }
  /// The operation's notes for people (path, group) on a new operation.
  template <typename Op>
  Op annotated(Op made, Operation *from) {
    for (const char *name : {"ternary.path", "ternary.group"})
      if (Attribute attr = from->getAttr(name)) made->setAttr(name, attr);
    return made;
  }

  struct Ends {
    SmallVector<FakeQuantizeOp> quantisers; ///< static ones
    bool others = false;                    ///< somebody needs the real value
  };
  Ends endsOf(Value v);

  struct Fold {
    std::vector<float> m, b;
    int64_t channels = 1, groups = 1;
  };
  Fold fold(const Chain &chain, double xScale, std::optional<double> yScale);
  LogicalResult proveSums(const Chain &chain, int64_t xMax);
  Value product(const Chain &chain, Value x, int64_t groups);
  Value affine(const Chain &chain, Value acc, Value residual, double residualM, Value scale, const Fold &f, Type element, CodeClamp clamp);

  func::FuncOp function;
  const ParamTable &params;
  const ScaleMap &scales;
  OpBuilder builder;
  DenseMap<Value, Value> codes, real; ///< old value -> new value
  DenseMap<Value, DynamicCodes> dynamic;
  DenseMap<Value, Value> weights; ///< old weight -> constant of its codes
  DenseMap<Operation *, Chain> chains; ///< by last operation
  DenseSet<Operation *> inChain;
};

Type elementOf(Value v) { return mlir::cast<ShapedType>(v.getType()).getElementType(); }
RankedTensorType withElement(Value v, Type element) {
  return RankedTensorType::get(mlir::cast<ShapedType>(v.getType()).getShape(), element);
}

} // namespace

// ---- Values ---------------------------------------------------------------------------------------------------------------

Value Resolver::constantOf(ParamOp param) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(param);
  const ParamTable::Entry &entry = params.at(param);
  auto type = mlir::cast<RankedTensorType>(param.getType());
  Type element = type.getElementType();
  if (element.isF32()) return floatConstant(builder, param.getLoc(), type.getShape(), entry.real(), param.getKey());
  if (isa<TritType>(element)) return tritConstant(builder, param.getLoc(), type.getShape(), entry.weight.codes.codes, param.getKey());
  std::vector<char> bytes;
  auto append = [&](auto v) { bytes.insert(bytes.end(), reinterpret_cast<char *>(&v), reinterpret_cast<char *>(&v) + sizeof v); };
  for (float v : entry.real()) {
    switch (entry.request.dtype) {
    case DType::Float16: append(doubleToHalf(v)); break;
    case DType::BFloat16: append(doubleToBfloat16(v)); break;
    case DType::Int16: append(static_cast<int16_t>(v)); break;
    case DType::Int32: append(static_cast<int32_t>(v)); break;
    case DType::Int64: append(static_cast<int64_t>(v)); break;
    case DType::UInt8: append(static_cast<uint8_t>(v)); break;
    default: append(static_cast<int8_t>(v)); break;
    }
  }
  auto made = builder.create<ConstantOp>(param.getLoc(), type, rawElements(type, bytes));
  made.setKeyAttr(param.getKeyAttr());
  return made;
}

/// The value as a real tensor (or plain integers, as it was); codes are dequantised once, at the first use.
Value Resolver::realOf(Value v) {
  if (Value known = real.lookup(v)) return known;
  Value made;
  if (auto param = v.getDefiningOp<ParamOp>()) {
    made = constantOf(param);
  } else if (Value c = codes.lookup(v)) {
    made = builder.create<DequantizeOp>(v.getLoc(), v.getType(), c);
  } else if (auto it = dynamic.find(v); it != dynamic.end()) {
    made = builder.create<DequantizeOp>(v.getLoc(), v.getType(), it->second.codes, it->second.scale);
  } else {
    made = v; // arguments and constants
  }
  real[v] = made;
  return made;
}

Value Resolver::weightCodes(Value w) {
  auto param = w.getDefiningOp<ParamOp>();
  if (!param) return w; // a constant of trits
  Value &known = weights[w];
  if (known) return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(param);
  const ParamTable::Entry &entry = params.at(param);
  ArrayRef<int64_t> shape = mlir::cast<ShapedType>(w.getType()).getShape();
  auto make = entry.weight.storage == DType::Trit ? tritConstant : int8Constant;
  known = make(builder, w.getLoc(), shape, entry.weight.codes.codes, param.getKey(), params.share(param));
  return known;
}

/// The numbers of a parameter or a constant, as they were loaded (binary32 or narrower).
std::vector<double> Resolver::constantValues(Value v) {
  if (auto param = v.getDefiningOp<ParamOp>()) {
    std::vector<float> values = params.at(param).real();
    return {values.begin(), values.end()};
  }
  ElementsAttr attr = v.getDefiningOp<ConstantOp>().getValue();
  if (FailureOr<std::vector<float>> values = floatVector(attr); succeeded(values)) return {values->begin(), values->end()};
  std::vector<double> out;
  for (const APFloat &f : mlir::cast<DenseFPElementsAttr>(attr).getValues<APFloat>()) {
    APFloat wide = f;
    bool lost;
    wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
    out.push_back(wide.convertToDouble());
  }
  return out;
}

Value Resolver::cast(Value v, Type element, Location loc) {
  if (elementOf(v) == element) return v;
  return builder.create<CastOp>(loc, withElement(v, element), v);
}

Value Resolver::quantise(Value value, FakeQuantizeOp target) {
  return annotated(builder.create<QuantizeOp>(target.getLoc(), withElement(value, typeOf(target)), value), target);
}

Resolver::Ends Resolver::endsOf(Value v) {
  Ends ends;
  for (Operation *user : v.getUsers()) {
    auto fake = dyn_cast<FakeQuantizeOp>(user);
    if (fake && fake.getMode() == QuantMode::Static)
      ends.quantisers.push_back(fake);
    else
      ends.others = true;
  }
  // Users come in no order that means anything: the order of the program is the same in every run.
  llvm::sort(ends.quantisers, [](FakeQuantizeOp a, FakeQuantizeOp b) { return a->isBeforeInBlock(b); });
  return ends;
}

// ---- Linear-like chains -----------------------------------------------------------------------------------------------------

/// Depth of the sums and the greatest weight code.
static int64_t depthOf(const Chain &chain) {
  auto w = mlir::cast<ShapedType>(chain.w.getType());
  if (auto conv = dyn_cast<Conv2dOp>(chain.anchor)) return w.getDimSize(1) * w.getDimSize(2) * w.getDimSize(3);
  if (isa<LinearOp>(chain.anchor)) return w.getDimSize(1);
  return mlir::cast<ShapedType>(chain.anchor->getOperand(0).getType()).getShape().back();
}

LogicalResult Resolver::proveSums(const Chain &chain, int64_t xMax) {
  int64_t wMax = 1;
  if (auto param = chain.w.getDefiningOp<ParamOp>()) wMax = largestCode(params.at(param).weight.storage);
  int64_t depth = depthOf(chain), each = xMax * wMax;
  if (depth >= (int64_t(1) << 31) / each + 1 || depth * each >= int64_t(1) << 31)
    return chain.anchor->emitError("sum may overflow int32: ") << depth << " terms of at most " << each << " reach " << depth * each
                                                               << " [TRI0705]";
  return success();
}

/// m and b of section 10 in float64: m = s_x s_w g / s_y, b = o / s_y (without s_y for a real result).
Resolver::Fold Resolver::fold(const Chain &chain, double xScale, std::optional<double> yScale) {
  std::vector<float> wScales = {1};
  int64_t groups = 1;
  if (auto param = chain.w.getDefiningOp<ParamOp>()) {
    wScales = params.at(param).weight.codes.scales;
    groups = params.at(param).weight.codes.groups;
  }
  int64_t channels = static_cast<int64_t>(wScales.size()) / groups;
  std::vector<double> bias, gamma, beta, mean, var;
  if (chain.bias) bias = constantValues(chain.bias);
  double eps = 0;
  if (BatchNormOp norm = chain.norm) {
    gamma = constantValues(norm.getWeight()), beta = constantValues(norm.getBias());
    mean = constantValues(norm.getMean()), var = constantValues(norm.getVar());
    eps = norm.getEps().convertToDouble();
  }
  int64_t all = mlir::cast<ShapedType>(chain.anchor->getResult(0).getType()).getDimSize(static_cast<unsigned>(chain.axis));
  bool perChannel = channels > 1 || !gamma.empty();
  Fold f;
  f.groups = groups;
  f.channels = perChannel ? all : 1;
  auto pick = [](const std::vector<double> &v, int64_t c, double otherwise) {
    return v.empty() ? otherwise : v[v.size() == 1 ? 0 : static_cast<size_t>(c)];
  };
  auto factor = [&](int64_t c) { return gamma.empty() ? 1.0 : pick(gamma, c, 1) / std::sqrt(pick(var, c, 1) + eps); };
  for (int64_t c = 0; c < f.channels; ++c)
    for (int64_t g = 0; g < groups; ++g) {
      double m = xScale * static_cast<double>(wScales[static_cast<size_t>((channels == 1 ? 0 : c) * groups + g)]) * factor(c);
      f.m.push_back(static_cast<float>(yScale ? m / *yScale : m));
    }
  int64_t shifts = bias.empty() && gamma.empty() ? 1 : all;
  for (int64_t c = 0; c < shifts; ++c) {
    double o = gamma.empty() ? pick(bias, c, 0) : (pick(bias, c, 0) - pick(mean, c, 0)) * factor(c) + pick(beta, c, 0);
    f.b.push_back(static_cast<float>(yScale ? o / *yScale : o));
  }
  return f;
}

/// The sums: the anchor on new operands, without its bias.
Value Resolver::product(const Chain &chain, Value x, int64_t groups) {
  Value w = weightCodes(chain.w);
  Location loc = chain.anchor->getLoc();
  IntegerAttr kGroups = groups > 1 ? builder.getI64IntegerAttr(groups) : IntegerAttr();
  if (auto conv = dyn_cast<Conv2dOp>(chain.anchor))
    return annotated(builder.create<Conv2dOp>(loc, x, w, Value(), conv.getStride(), conv.getPadding(), conv.getDilation(),
                                              conv.getGroups(), kGroups), conv);
  if (isa<LinearOp>(chain.anchor)) return annotated(builder.create<LinearOp>(loc, x, w, Value(), kGroups), chain.anchor);
  bool right = chain.anchor->getOperand(1) == chain.w;
  return annotated(builder.create<MatmulOp>(loc, right ? x : w, right ? w : x, kGroups), chain.anchor);
}

Value Resolver::affine(const Chain &chain, Value acc, Value residual, double residualM, Value scale, const Fold &f, Type element,
                       CodeClamp clamp) {
  auto i64 = [&](std::optional<int64_t> v) { return v ? builder.getI64IntegerAttr(*v) : IntegerAttr(); };
  SmallVector<int64_t> mShape = {f.channels};
  if (f.groups > 1) mShape.push_back(f.groups);
  FloatAttr rm = residual ? builder.getF32FloatAttr(static_cast<float>(residualM)) : FloatAttr();
  return annotated(builder.create<AffineOp>(chain.anchor->getLoc(), withElement(chain.anchor->getResult(0), element), acc, residual, scale,
                                            static_cast<uint64_t>(chain.axis), floatElements(builder.getContext(), mShape, f.m),
                                            floatElements(builder.getContext(), {static_cast<int64_t>(f.b.size())}, f.b), rm, i64(clamp.lo),
                                            i64(clamp.hi)), chain.anchor);
}

/// What relu and relu6 do to the clamp of codes; nothing for other functions.
static std::optional<CodeClamp> clampOf(Operation *activation, QuantType to) {
  if (!activation) return CodeClamp();
  if (isa<ReluOp>(activation)) return CodeClamp{0, to.getHi()};
  if (isa<Relu6Op>(activation)) {
    double six = std::nearbyint(6.0 / static_cast<double>(to.getScale()));
    return CodeClamp{0, static_cast<int64_t>(std::min(static_cast<double>(to.getHi()), six))};
  }
  return std::nullopt;
}

/// A bound on |acc| from the weights themselves, for the note on the product.
static int64_t sumBound(ArrayRef<int8_t> codes, int64_t channels, bool lastAxis, int64_t xMax) {
  std::vector<int64_t> sums(static_cast<size_t>(std::max<int64_t>(channels, 1)));
  const size_t inner = lastAxis ? sums.size() : codes.size() / sums.size();
  for (size_t at = 0, row = 0; inner && at + inner <= codes.size(); at += inner, ++row) {
    const int8_t *code = codes.data() + at;
    if (lastAxis) {
      for (size_t c = 0; c < inner; ++c) sums[c] += std::abs(static_cast<int>(code[c]));
    } else {
      int32_t sum = 0;
      for (size_t c = 0; c < inner; ++c) sum += std::abs(static_cast<int>(code[c]));
      sums[row] = sum;
    }
  }
  return *std::max_element(sums.begin(), sums.end()) * xMax;
}

LogicalResult Resolver::emitChain(const Chain &chain) {
  Type f32 = builder.getF32Type();
  Value xCodes = codes.lookup(chain.x);
  auto dyn = dynamic.find(chain.x);
  bool isDynamic = dyn != dynamic.end();
  Type resultElement = elementOf(chain.result());
  // A scale per row of the last axis stays outside the sum only for a linear operation and a right-hand weight.
  if (isDynamic && mlir::cast<ShapedType>(dyn->second.scale.getType()).getRank() > 0 &&
      chain.axis != mlir::cast<ShapedType>(chain.anchor->getResult(0).getType()).getRank() - 1)
    isDynamic = false;
  if (isDynamic && isa<Conv2dOp>(chain.anchor) && mlir::cast<ShapedType>(dyn->second.scale.getType()).getRank() > 0) isDynamic = false;
  bool exact = xCodes || isDynamic;
  Value x = xCodes ? xCodes : isDynamic ? dyn->second.codes : cast(realOf(chain.x), f32, chain.anchor->getLoc());
  Value runTimeScale = isDynamic ? dyn->second.scale : Value();
  double xScale = 1;
  int64_t xMax = 0;
  if (exact) {
    auto quant = mlir::cast<QuantType>(elementOf(x));
    if (xCodes) xScale = quant.getScale();
    xMax = std::max(-quant.getLo(), quant.getHi());
    if (failed(proveSums(chain, xMax))) return failure();
  }

  Value residual = xCodes && chain.residual ? codes.lookup(chain.residual) : Value();
  double residualScale = residual ? mlir::cast<QuantType>(elementOf(residual)).getScale() : 1;
  // What the affine end does not take in is done on reals behind it.
  SmallVector<Operation *> rest;
  if (chain.residualAdd && !residual) rest.push_back(chain.residualAdd);
  if (chain.activation) rest.push_back(chain.activation);

  int64_t groups = fold(chain, 1, {}).groups;
  Value acc = product(chain, x, groups);
  if (auto constant = weightCodes(chain.w).getDefiningOp<ConstantOp>(); exact && constant) {
    SmallVector<int8_t> storage;
    if (FailureOr<ArrayRef<int8_t>> codes = trits(constant.getValue(), storage); succeeded(codes)) {
      bool last = isa<MatmulOp>(chain.anchor) && chain.anchor->getOperand(1) == chain.w;
      int64_t channels = mlir::cast<ShapedType>(chain.w.getType()).getDimSize(last ? mlir::cast<ShapedType>(chain.w.getType()).getRank() - 1 : 0);
      int64_t bound = sumBound(*codes, channels, last, xMax);
      acc.getDefiningOp()->setAttr("ternary.acc_max", builder.getI64IntegerAttr(bound));
      if (bound < int64_t(1) << 24) acc.getDefiningOp()->setAttr("ternary.acc_exact_f32", builder.getUnitAttr());
    }
  }

  Ends ends = endsOf(chain.result());
  bool simple = rest.empty() || (rest.size() == 1 && rest[0] == chain.activation && isa<ReluOp, Relu6Op>(chain.activation));
  bool direct = xCodes && simple;
  if (direct)
    for (FakeQuantizeOp target : ends.quantisers) {
      QuantType to = typeOf(target);
      double yScale = to.getScale();
      codes[target.getResult()] = affine(chain, acc, residual, residualScale / yScale, Value(), fold(chain, xScale, yScale), to,
                                         *clampOf(chain.activation, to));
    }
  if (direct && !ends.others) return success();

  Fold f = fold(chain, xScale, {});
  bool identity = !exact && f.groups == 1 && llvm::all_of(f.m, [](float v) { return v == 1; }) &&
                  llvm::all_of(f.b, [](float v) { return v == 0; });
  Value y = identity ? acc : affine(chain, acc, residual, residualScale, runTimeScale, f, f32, {});
  y = cast(y, resultElement, chain.anchor->getLoc());
  // The remaining operations see y where the chain stood before them.
  Value before = chain.activation ? chain.activation->getOperand(0) : chain.result();
  if (AddOp add = chain.residualAdd; add && !residual) before = add.getLhs() == chain.residual ? add.getRhs() : add.getLhs();
  real[before] = y;
  for (Operation *op : rest) cloneReal(op);
  real[chain.result()] = rest.empty() ? y : real.lookup(chain.result());
  if (!direct)
    for (FakeQuantizeOp target : ends.quantisers) codes[target.getResult()] = quantise(real.lookup(chain.result()), target);
  return success();
}

// ---- Other operations -------------------------------------------------------------------------------------------------------

/// The same operation on real operands.
void Resolver::cloneReal(Operation *op) {
  IRMapping mapping;
  for (Value operand : op->getOperands()) mapping.map(operand, realOf(operand));
  Operation *made = builder.clone(*op, mapping);
  for (auto [from, to] : llvm::zip(op->getResults(), made->getResults())) real[from] = to;
}

/// add, mul, means and concat whose operands are all codes: one operation on codes for each quantiser behind it.
bool Resolver::emitOnCodes(Operation *op) {
  if (!isa<AddOp, MulOp, AvgPoolOp, GlobalAvgPoolOp, MeanOp, ConcatOp>(op)) return false;
  for (Value operand : op->getOperands())
    if (!codes.lookup(operand)) return false;
  Operation *activation = nullptr;
  Value result = op->getResult(0);
  if (isa<AddOp>(op) && result.hasOneUse()) {
    Operation *user = *result.user_begin();
    if (isa<ReluOp, Relu6Op>(user) && user->getAttr("ternary.group") == op->getAttr("ternary.group")) {
      activation = user;
      result = user->getResult(0);
    }
  }
  Ends ends = endsOf(result);
  if (ends.quantisers.empty()) return false;
  for (FakeQuantizeOp target : ends.quantisers) {
    QuantType to = typeOf(target);
    IRMapping mapping;
    for (Value operand : op->getOperands()) mapping.map(operand, codes.lookup(operand));
    Operation *made = builder.clone(*op, mapping);
    made->getResult(0).setType(withElement(op->getResult(0), to));
    if (activation) {
      CodeClamp clamp = *clampOf(activation, to);
      auto add = mlir::cast<AddOp>(made);
      add.setLo(*clamp.lo);
      add.setHi(*clamp.hi);
    }
    codes[target.getResult()] = made->getResult(0);
  }
  if (activation) inChain.insert(activation);
  if (!ends.others) return true;
  cloneReal(op);
  if (activation) cloneReal(activation);
  return true;
}

/// Operations that move elements keep codes and scale.
bool Resolver::emitMove(Operation *op) {
  if (!isa<ReshapeOp, TransposeOp, SliceOp, IndexOp, PadOp, MaxPoolOp, ReluOp>(op)) return false;
  Value c = codes.lookup(op->getOperand(0));
  if (!c) return false;
  if (auto pad = dyn_cast<PadOp>(op); pad && !pad.getValue().isZero()) return false; // only zero is a code in every scale
  auto quant = mlir::cast<QuantType>(elementOf(c));
  IRMapping mapping;
  mapping.map(op->getOperand(0), c);
  Operation *made = builder.clone(*op, mapping);
  made->getResult(0).setType(withElement(op->getResult(0), quant));
  codes[op->getResult(0)] = made->getResult(0);
  return true;
}

void Resolver::emitFakeQuantize(FakeQuantizeOp op) {
  if (op.getMode() == QuantMode::Static) {
    if (!codes.lookup(op.getResult())) codes[op.getResult()] = quantise(realOf(op.getX()), op);
    return;
  }
  auto made = annotated(builder.create<QuantizeDynamicOp>(op.getLoc(), realOf(op.getX()), op.getKind(), op.getPer()), op);
  dynamic[op.getResult()] = {made.getCodes(), made.getScale()};
}

/// A batch norm with known parameters is one affine step on reals.
bool Resolver::foldNorm(BatchNormOp op) {
  if (!elementOf(op.getX()).isF32() || !llvm::all_of(op->getOperands().drop_front(), isRealConstant)) return false;
  std::vector<double> gamma = constantValues(op.getWeight()), beta = constantValues(op.getBias());
  std::vector<double> mean = constantValues(op.getMean()), var = constantValues(op.getVar());
  std::vector<float> m, b;
  for (size_t c = 0; c < gamma.size(); ++c) {
    double g = gamma[c] / std::sqrt(var[c] + op.getEps().convertToDouble());
    m.push_back(static_cast<float>(g));
    b.push_back(static_cast<float>(beta[c] - mean[c] * g));
  }
  auto size = static_cast<int64_t>(m.size());
  real[op.getResult()] = annotated(
      builder.create<AffineOp>(op.getLoc(), op.getType(), realOf(op.getX()), Value(), Value(), uint64_t(1),
                               floatElements(builder.getContext(), {size}, m), floatElements(builder.getContext(), {size}, b), FloatAttr(),
                               IntegerAttr(), IntegerAttr()), op);
  return true;
}

LogicalResult Resolver::rewrite(Operation *op) {
  builder.setInsertionPoint(op);
  if (auto chain = chains.find(op); chain != chains.end()) return emitChain(chain->second);
  if (inChain.contains(op)) return success();
  if (isa<ParamOp, ConstantOp>(op)) return success();
  if (auto fake = dyn_cast<FakeQuantizeOp>(op)) {
    emitFakeQuantize(fake);
    return success();
  }
  if (auto dequantize = dyn_cast<DequantizeOp>(op); dequantize && isReal(elementOf(dequantize.getX())) && !dequantize.getScale()) {
    real[dequantize.getResult()] = realOf(dequantize.getX());
    return success();
  }
  if (auto codesOp = dyn_cast<CodesOp>(op)) {
    Value source;
    if (auto param = codesOp.getX().getDefiningOp<ParamOp>(); param && hasCodePolicy(param))
      source = weightCodes(codesOp.getX());
    else
      source = codes.lookup(codesOp.getX());
    if (source) {
      real[codesOp.getResult()] =
          elementOf(source).isSignlessInteger(8) ? source : builder.create<CodesOp>(op->getLoc(), source).getResult();
      return success();
    }
  }
  if (auto norm = dyn_cast<BatchNormOp>(op); norm && foldNorm(norm)) return success();
  if (emitOnCodes(op) || emitMove(op)) return success();
  cloneReal(op);
  return success();
}

LogicalResult Resolver::run() {
  Block &block = function.getBody().front();
  std::vector<Operation *> old;
  for (Operation &op : block.without_terminator()) {
    old.push_back(&op);
    if (inChain.contains(&op)) continue;
    std::optional<Chain> chain = findChain(&op);
    if (!chain) continue;
    for (Operation *member : {chain->anchor, chain->biasAdd, static_cast<Operation *>(chain->norm), static_cast<Operation *>(chain->residualAdd),
                              chain->activation})
      if (member) inChain.insert(member);
    chains[chain->last] = *chain;
  }
  for (Operation *op : old)
    if (failed(rewrite(op))) return failure();
  Operation *ret = block.getTerminator();
  builder.setInsertionPoint(ret);
  for (OpOperand &operand : ret->getOpOperands()) operand.set(realOf(operand.get()));
  for (Operation *op : llvm::reverse(old))
    if (!isa<ConstantOp>(op) || op->use_empty()) op->erase();
  return success();
}

// ---- The pass -----------------------------------------------------------------------------------------------------------------

/// Scales of all static quantisers of a function: given, stored under their key, or calibrated. Reports what is missing.
static FailureOr<ScaleMap> findScales(func::FuncOp function, const ParamTable &params, const ResolveInputs &inputs) {
  ScaleMap scales;
  std::vector<FakeQuantizeOp> missing;
  bool failedAny = false;
  function.walk([&](FakeQuantizeOp op) {
    if (op.getMode() != QuantMode::Static) return;
    if (op.getScale()) {
      scales[op] = static_cast<float>(op.getScale()->convertToDouble());
      return;
    }
    if (op.getKey()) {
      Result<std::optional<float>> stored = inputs.weights->activationScale(op.getKey()->str());
      if (!stored) {
        op.emitError(stored.error().message);
        failedAny = true;
        return;
      }
      if (*stored) {
        scales[op] = **stored;
        return;
      }
    }
    missing.push_back(op);
  });
  if (failedAny) return failure();
  if (missing.empty()) return scales;
  auto given = inputs.calibration.find(function.getName().str());
  std::vector<std::vector<HostTensor>> samples;
  if (given != inputs.calibration.end()) samples = given->second;
  unsigned synthetic = std::max(inputs.syntheticSamples, inputs.weights->isRandom() ? 1u : 0u);
  for (unsigned i = 0; samples.empty() && i < synthetic; ++i) {
    for (unsigned j = 0; j < synthetic; ++j) samples.push_back(syntheticSample(function, inputs.seed + j));
  }
  if (samples.empty()) {
    std::string keys;
    for (FakeQuantizeOp op : missing) keys += (keys.empty() ? "'" : ", '") + (op.getKey() ? op.getKey()->str() : std::string("?")) + "'";
    return function.emitError() << inputs.weights->name() << ": no scale for " << missing.size()
                                << " activation quantiser(s) and no data to calibrate them on: " << keys;
  }
  Result<ScaleMap> calibrated = calibrate(function, params, samples, missing, inputs.threads);
  if (!calibrated) return function.emitError(calibrated.error().message);
  for (auto &[op, scale] : *calibrated) scales[op] = scale;
  return scales;
}

namespace {

struct ResolveQuantisationPass : impl::ResolveQuantisationBase<ResolveQuantisationPass> {
  using ResolveQuantisationBase::ResolveQuantisationBase;
  ResolveQuantisationPass() = default;
  explicit ResolveQuantisationPass(ResolveInputs inputs) : inputs(std::move(inputs)) {}

  void runOnOperation() override {
    WeightStore made = WeightStore::random(randomWeights);
    ResolveInputs used = inputs;
    if (!used.weights) used.weights = &made;
    FailureOr<ParamTable> params = ParamTable::load(getOperation(), *used.weights, used.warnings, used.threads);
    if (failed(params)) return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal()) continue;
      if (!function.getBody().hasOneBlock()) {
        function.emitError("ternary-resolve-quantisation needs a function of one block");
        return signalPassFailure();
      }
      FailureOr<ScaleMap> scales = findScales(function, *params, used);
      if (failed(scales) || failed(Resolver(function, *params, *scales).run())) return signalPassFailure();
    }
  }

  ResolveInputs inputs;
};

} // namespace

std::unique_ptr<Pass> createResolveQuantisationPass(ResolveInputs inputs) {
  return std::make_unique<ResolveQuantisationPass>(std::move(inputs));
}
std::unique_ptr<Pass> createResolveQuantisationPass() { return std::make_unique<ResolveQuantisationPass>(); }

} // namespace triton
