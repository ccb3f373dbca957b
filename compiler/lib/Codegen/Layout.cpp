// The one place that decides where elements lie.
#include "Layout.h"
#include "StepContext.h"

#include "ternary/TernaryOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/EquivalenceClasses.h"

#include <functional>

using namespace mlir;
using namespace triton::ternary;

namespace triton {

Elem elemOf(Type element) {
  if (element.isF16())
    return Elem::F16;
  if (element.isBF16())
    return Elem::BF16;
  if (isa<FloatType>(element))
    return Elem::F32;
  if (auto quant = dyn_cast<QuantType>(element))
    return quant.isSigned() ? Elem::I8 : Elem::U8;
  if (auto integer = dyn_cast<IntegerType>(element))
    switch (integer.getWidth()) {
    case 1: return Elem::U8;
    case 8: return integer.isUnsigned() ? Elem::U8 : Elem::I8;
    case 16: return Elem::I16;
    case 32: return Elem::I32;
    default: return Elem::I64;
    }
  return Elem::I8; // trits
}

int64_t elemBytes(Elem elem) {
  switch (elem) {
  case Elem::I8: case Elem::U8: return 1;
  case Elem::I16: case Elem::F16: case Elem::BF16: return 2;
  case Elem::I32: case Elem::F32: return 4;
  case Elem::I64: return 8;
  }
  return 0;
}

int64_t Layout::unitElements() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= ShapedType::isDynamic(size) ? 1 : size;
  return count;
}

bool Layout::isDense() const {
  int64_t expected = elemBytes(elem);
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] == 1)
      continue; // its stride is never used
    if (strides[d] != expected)
      return false;
    if (!ShapedType::isDynamic(shape[d]))
      expected *= shape[d];
  }
  return origin == 0;
}

Layout Layout::rowMajor(RankedTensorType type) {
  Layout layout;
  layout.elem = elemOf(type.getElementType());
  layout.shape.assign(type.getShape().begin(), type.getShape().end());
  layout.strides.resize(layout.shape.size());
  int64_t stride = elemBytes(layout.elem);
  for (size_t d = layout.shape.size(); d-- > 0;) {
    layout.strides[d] = stride;
    if (!ShapedType::isDynamic(layout.shape[d]))
      stride *= layout.shape[d];
  }
  layout.unitBytes = stride;
  return layout;
}

Layout Layout::nhwc(RankedTensorType type, int64_t haloH, int64_t haloW) {
  Layout layout = rowMajor(type);
  int64_t channels = layout.shape[1], height = layout.shape[2], width = layout.shape[3], bytes = elemBytes(layout.elem);
  int64_t row = (width + 2 * haloW) * channels * bytes, image = (height + 2 * haloH) * row;
  layout.strides = {image, bytes, row, channels * bytes};
  layout.origin = haloH * row + haloW * channels * bytes;
  layout.haloH = haloH;
  layout.haloW = haloW;
  layout.channelsLast = true;
  layout.unitBytes = ShapedType::isDynamic(layout.shape[0]) ? image : image * layout.shape[0];
  return layout;
}

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }
static bool isByteCode(Value v) {
  Elem e = elemOf(tensorOf(v).getElementType());
  Type t = tensorOf(v).getElementType();
  return (e == Elem::I8 || e == Elem::U8) && !t.isInteger(1);
}
static bool isConstantWeight(Value w) {
  if (!w.getDefiningOp<ConstantOp>())
    return false;
  Type element = tensorOf(w).getElementType();
  return isa<TritType>(element) || element.isSignlessInteger(8);
}

/// -128 as a plain int8 would leave the range in which every dot product is exact; codes never hold it.
static bool isTiledInput(Value x) { return isByteCode(x) && isa<QuantType, TritType>(tensorOf(x).getElementType()); }

/// A convolution of codes that the tiled generator takes, if it takes so many groups.
static bool isCodeConv(Operation *op, llvm::function_ref<bool(uint64_t groups)> takes) {
  auto fits = [&](auto conv) {
    return takes(conv.getGroups()) && !conv.getKGroups() && isTiledInput(conv.getX()) && isConstantWeight(conv.getW());
  };
  if (auto conv = dyn_cast<Conv2dOp>(op))
    return fits(conv) && !conv.getBias() && tensorOf(conv.getResult()).getElementType().isInteger(32);
  if (auto conv = dyn_cast<FusedConv2dOp>(op))
    return fits(conv) && !conv.getPoolKernel();
  return false;
}

bool isTiledConv(Operation *op) {
  return isCodeConv(op, [](uint64_t groups) { return groups == 1; });
}

bool isGroupedConv(Operation *op) {
  return !isDepthwiseConv(op) && isCodeConv(op, [](uint64_t groups) { return groups > 1; });
}

bool isRealConv(Operation *op) {
  auto conv = dyn_cast<Conv2dOp>(op);
  if (!conv || conv.getKGroups() || !tensorOf(conv.getX()).getElementType().isF32() || !tensorOf(conv.getResult()).getElementType().isF32())
    return false;
  return isConstantWeight(conv.getW()) || (conv.getW().getDefiningOp<ConstantOp>() && tensorOf(conv.getW()).getElementType().isF32());
}

bool isDepthwiseConv(Operation *op) {
  auto fits = [](auto conv) {
    return conv.getGroups() > 1 && conv.getGroups() == uint64_t(tensorOf(conv.getX()).getDimSize(1)) &&
           tensorOf(conv.getW()).getDimSize(0) == tensorOf(conv.getX()).getDimSize(1) && !conv.getKGroups() &&
           isTiledInput(conv.getX()) && isConstantWeight(conv.getW());
  };
  if (auto conv = dyn_cast<FusedConv2dOp>(op))
    return fits(conv) && !conv.getPoolKernel() && !conv.getScale();
  return false;
}

bool isTiledLinear(Operation *op) {
  auto fits = [](auto linear) { return !linear.getKGroups() && isTiledInput(linear.getX()) && isConstantWeight(linear.getW()); };
  if (auto linear = dyn_cast<LinearOp>(op))
    return fits(linear) && !linear.getBias() && tensorOf(linear.getResult()).getElementType().isInteger(32);
  if (auto linear = dyn_cast<FusedLinearOp>(op))
    return fits(linear);
  return false;
}

/// Operations whose image operands and result want one layout.
static bool keepsImage(Operation *op) {
  return isa<QuantizeOp, DequantizeOp, LookupOp, AffineOp, ReluOp, Relu6Op, AbsOp, NegOp, HardsigmoidOp, HardswishOp, SigmoidOp, SiluOp,
             TanhOp, ExpOp, LogOp, SqrtOp, GeluOp, ClampOp, AddOp, SubOp, MulOp, DivOp, BatchNormOp, CastOp, CodesOp, ConcatOp, PadOp,
             SliceOp, MaxPoolOp, AvgPoolOp, Conv2dOp, FusedConv2dOp>(op);
}

Layouts chooseLayouts(func::FuncOp function, int optLevel) {
  Layouts layouts;
  llvm::EquivalenceClasses<void *> classes;
  llvm::DenseMap<Value, std::pair<int64_t, int64_t>> halo;
  llvm::SmallVector<Value> wantsImage;
  auto isImage = [](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type && type.getRank() == 4 && !v.getDefiningOp<ConstantOp>() && !isa<BlockArgument>(v);
  };
  if (optLevel >= 2)
    function.walk([&](Operation *op) {
      if (!keepsImage(op))
        return;
      llvm::SmallVector<Value> images;
      for (Value v : op->getOperands())
        if (isImage(v))
          images.push_back(v);
      for (Value v : op->getResults())
        if (isImage(v))
          images.push_back(v);
      for (size_t i = 1; i < images.size(); ++i)
        classes.unionSets(images[0].getAsOpaquePointer(), images[i].getAsOpaquePointer());
      if (!images.empty() && isa<MaxPoolOp, AvgPoolOp, Conv2dOp, FusedConv2dOp>(op))
        wantsImage.push_back(images[0]);
      if (isTiledConv(op) || isDepthwiseConv(op) || isGroupedConv(op) || isRealConv(op)) {
        auto padding = isa<Conv2dOp>(op) ? cast<Conv2dOp>(op).getPadding() : cast<FusedConv2dOp>(op).getPadding();
        auto &h = halo[op->getOperand(0)];
        h.first = std::max(h.first, padding[0]);
        h.second = std::max(h.second, padding[1]);
      }
    });
  llvm::DenseSet<void *> nhwc;
  for (Value v : wantsImage) {
    nhwc.insert(v.getAsOpaquePointer());
    auto leader = classes.findLeader(v.getAsOpaquePointer());
    for (auto it = leader; it != classes.member_end(); ++it)
      nhwc.insert(*it);
  }
  auto decide = [&](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    if (!type)
      return;
    if (nhwc.contains(v.getAsOpaquePointer())) {
      auto h = halo.lookup(v);
      layouts.of[v] = Layout::nhwc(type, h.first, h.second);
    } else {
      layouts.of[v] = Layout::rowMajor(type);
    }
  };
  for (BlockArgument argument : function.getArguments())
    decide(argument);
  function.walk([&](Operation *op) {
    for (Value v : op->getResults())
      decide(v);
    // An image flattened only for linear layers stays where it is: their weights change their order instead.
    auto reshape = dyn_cast<ReshapeOp>(op);
    if (optLevel < 2 || !reshape || !layouts.of[reshape.getX()].channelsLast || tensorOf(reshape.getResult()).getRank() != 2)
      return;
    auto type = tensorOf(reshape.getResult());
    if (type.getDimSize(0) != tensorOf(reshape.getX()).getDimSize(0) || type.getElementType().isInteger(1))
      return;
    bool all = !reshape.getResult().use_empty();
    for (Operation *user : reshape.getResult().getUsers())
      all &= isTiledLinear(user) && user->getOperand(0) == reshape.getResult() &&
             !llvm::is_contained(user->getOperands().drop_front(), reshape.getResult());
    if (all)
      layouts.permuted[reshape.getResult()] = {reshape.getX()};
  });
  return layouts;
}

namespace {

/// What an operation does with signed codes that lie as code + 128.
enum class ExcessUse : uint8_t { Gains, Copes, Fails };

ExcessUse excessUse(Operation *op, Value v, const TargetDesc &target) {
  auto trits = [](Value w) { return isa<TritType>(tensorOf(w).getElementType()); };
  bool conv = isTiledConv(op) || isGroupedConv(op), linear = isTiledLinear(op);
  if (conv || linear) {
    if (op->getOperand(0) != v)
      return ExcessUse::Copes; // a residual
    return dotWantsUnsigned(target.dotKind(trits(op->getOperand(1)))) ? ExcessUse::Gains : ExcessUse::Fails;
  }
  if (isDepthwiseConv(op))
    return op->getOperand(0) != v ? ExcessUse::Copes : ExcessUse::Fails;
  return isElementwise(op) && !isa<ReshapeOp>(op) ? ExcessUse::Copes : ExcessUse::Fails;
}

} // namespace

void chooseExcess(Layouts &layouts, const TargetDesc &target, llvm::function_ref<bool(Value)> free) {
  llvm::SmallVector<Value> chosen;
  for (auto &[v, layout] : layouts.of) {
    Operation *def = v.getDefiningOp();
    if (layout.elem != Elem::I8 || !isa<QuantType, TritType>(tensorOf(v).getElementType()) || !def || !free(v))
      continue;
    bool products = isTiledConv(def) || isTiledLinear(def) || isDepthwiseConv(def) || isGroupedConv(def);
    if (!products && (!isElementwise(def) || isa<ReshapeOp, ConstantOp>(def)))
      continue;
    bool gains = false, fails = false;
    std::function<void(Value)> visit = [&](Value value) {
      for (Operation *user : value.getUsers()) {
        if (user->getNumResults() == 1 && layouts.permuted.contains(user->getResult(0))) {
          visit(user->getResult(0));
          continue;
        }
        ExcessUse use = excessUse(user, value, target);
        gains |= use == ExcessUse::Gains;
        fails |= use == ExcessUse::Fails;
      }
    };
    visit(v);
    if (gains && !fails)
      chosen.push_back(v);
  }
  for (Value v : chosen) {
    layouts.of[v].excess = true;
    for (Operation *user : v.getUsers())
      if (user->getNumResults() == 1 && layouts.permuted.contains(user->getResult(0)))
        layouts.of[user->getResult(0)].excess = true;
  }
}

} // namespace triton
