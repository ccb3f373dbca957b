#include "OperationGroups.h"

using namespace mlir;

namespace triton {
using namespace ternary;

bool hasCodePolicy(ParamOp param) {
  std::optional<WeightsAttr> policy = param.getPolicy();
  if (!policy) return isa<TritType>(cast<ShapedType>(param.getType()).getElementType());
  WeightStorage s = policy->getStorage();
  return s == WeightStorage::Trit || s == WeightStorage::Int8 || s == WeightStorage::Int4;
}

static Type elementOf(Value v) { return cast<ShapedType>(v.getType()).getElementType(); }

bool isRealConstant(Value value) {
  return value && isReal(elementOf(value)) && isa_and_nonnull<ParamOp, ConstantOp>(value.getDefiningOp());
}

static bool isCodedWeight(Value v) {
  if (auto param = v.getDefiningOp<ParamOp>()) return hasCodePolicy(param);
  return v.getDefiningOp<ConstantOp>() && isa<TritType>(elementOf(v));
}

/// True if the scales of `w` go with the channels on its axis `axis`.
static bool scalesAlong(Value w, int64_t axis) {
  auto param = w.getDefiningOp<ParamOp>();
  if (!param || !param.getPolicy()) return true; // scale 1
  if (param.getPolicy()->getStorage() == WeightStorage::Trit && param.getPolicy()->getScale() == WeightScale::PerTensor) return true;
  return static_cast<int64_t>(param.getAxis()) == axis;
}

static bool isActivation(Operation *op) {
  return isa<ReluOp, Relu6Op, HardsigmoidOp, HardswishOp, SigmoidOp, SiluOp, TanhOp, GeluOp>(op);
}

std::optional<Chain> findChain(Operation *op) {
  Chain chain;
  chain.anchor = chain.last = op;
  if (auto linear = dyn_cast<LinearOp>(op)) {
    chain.x = linear.getX(), chain.w = linear.getW(), chain.bias = linear.getBias();
    chain.axis = cast<ShapedType>(linear.getType()).getRank() - 1;
    if (!scalesAlong(chain.w, 0)) return std::nullopt;
  } else if (auto conv = dyn_cast<Conv2dOp>(op)) {
    chain.x = conv.getX(), chain.w = conv.getW(), chain.bias = conv.getBias();
    chain.axis = 1;
    if (!scalesAlong(chain.w, 0)) return std::nullopt;
  } else if (auto product = dyn_cast<MatmulOp>(op)) {
    int64_t rank = cast<ShapedType>(product.getType()).getRank();
    bool right = isCodedWeight(product.getRhs());
    chain.x = right ? product.getLhs() : product.getRhs();
    chain.w = right ? product.getRhs() : product.getLhs();
    chain.axis = right ? rank - 1 : rank - 2;
    int64_t wRank = cast<ShapedType>(chain.w.getType()).getRank();
    // The left matrix has its channels along axis 0, which are the rows of the result only for a plain matrix.
    if (!scalesAlong(chain.w, right ? wRank - 1 : 0) || (!right && wRank != 2)) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (!isCodedWeight(chain.w) || !isReal(elementOf(op->getResult(0)))) return std::nullopt;
  if (chain.bias && !isRealConstant(chain.bias)) return std::nullopt;

  Attribute group = op->getAttr("ternary.group");
  while (chain.result().hasOneUse()) {
    Operation *user = *chain.result().user_begin();
    if (user->getAttr("ternary.group") != group || user->getBlock() != op->getBlock()) break;
    auto norm = dyn_cast<BatchNormOp>(user);
    if (norm && !chain.norm && !chain.residualAdd && norm.getX() == chain.result() && chain.axis == 1 &&
        llvm::all_of(norm->getOperands().drop_front(), isRealConstant)) {
      chain.norm = norm;
    } else if (auto add = dyn_cast<AddOp>(user); add && !chain.residualAdd) {
      Value other = add.getLhs() == chain.result() ? add.getRhs() : add.getLhs();
      // The add belongs to the operand that is computed last.
      if (Operation *source = other.getDefiningOp(); source && chain.last->isBeforeInBlock(source)) break;
      auto shape = cast<ShapedType>(chain.result().getType());
      auto otherShape = cast<ShapedType>(other.getType());
      bool vector = isRealConstant(other) && otherShape.getRank() == 1 && shape.getRank() > 0 &&
                    chain.axis == shape.getRank() - 1 && otherShape.getDimSize(0) == shape.getShape().back();
      if (vector && !chain.bias && !chain.norm) {
        chain.bias = other;
        chain.biasAdd = user;
      } else if (otherShape.getShape() == shape.getShape() && add.getType() == chain.result().getType() && other != chain.result() &&
                 !isRealConstant(other)) {
        chain.residualAdd = add;
        chain.residual = other;
      } else {
        break;
      }
    } else if (isActivation(user)) {
      chain.activation = user;
      chain.last = user;
      break;
    } else {
      break;
    }
    chain.last = user;
  }
  return chain;
}

} // namespace triton
