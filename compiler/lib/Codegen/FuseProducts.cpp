// ternary-fuse-products: a product on codes and its affine end become one operation, so that sums never leave registers.
// Expects the integer graph. Guarantees the same values (ternary.fused_* are defined as their parts). Fires where the sums have no
// other reader and the affine end's channels are the product's.
#include "FuseProducts.h"

#include "Layout.h"

#include "ternary/Constants.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }

/// `x @ w` with a constant [K, N] matrix is a linear layer with [N, K] weights.
static void matmulToLinear(MatmulOp op, RewriterBase &rewriter) {
  auto constant = op.getRhs().getDefiningOp<ConstantOp>();
  auto type = tensorOf(op.getRhs());
  if (!constant || type.getRank() != 2 || op.getKGroups() || !tensorOf(op.getResult()).getElementType().isInteger(32))
    return;
  auto codes = tritVector(constant.getValue());
  if (failed(codes))
    return;
  int64_t inputs = type.getDimSize(0), outputs = type.getDimSize(1);
  std::vector<int8_t> transposed(codes->size());
  for (int64_t i = 0; i < inputs; ++i)
    for (int64_t o = 0; o < outputs; ++o)
      transposed[o * inputs + i] = (*codes)[i * outputs + o];
  rewriter.setInsertionPoint(op);
  llvm::StringRef key = constant.getKey() ? *constant.getKey() : llvm::StringRef();
  ConstantOp weights = isa<TritType>(type.getElementType()) ? tritConstant(rewriter, constant.getLoc(), {outputs, inputs}, transposed, key)
                                                            : int8Constant(rewriter, constant.getLoc(), {outputs, inputs}, transposed, key);
  auto linear = rewriter.create<LinearOp>(op.getLoc(), TypeRange(op.getResult().getType()), op.getLhs(), weights.getResult(), Value(), IntegerAttr());
  rewriter.replaceOp(op, linear.getResult());
}

static void fuse(AffineOp affine, RewriterBase &rewriter) {
  Operation *product = affine.getAcc().getDefiningOp();
  if (!product || !affine.getAcc().hasOneUse() || !tensorOf(affine.getAcc()).getElementType().isInteger(32))
    return;
  rewriter.setInsertionPoint(affine);
  Operation *fused = nullptr;
  Location location = rewriter.getFusedLoc({product->getLoc(), affine.getLoc()});
  auto f32 = affine.getResidualMAttr();
  if (auto conv = dyn_cast<Conv2dOp>(product)) {
    if (conv.getBias() || affine.getAxis() != 1)
      return;
    fused = rewriter.create<FusedConv2dOp>(location, affine.getResult().getType(), conv.getX(), conv.getW(), affine.getResidual(),
                                           affine.getScale(), conv.getStrideAttr(), conv.getPaddingAttr(), conv.getDilationAttr(),
                                           conv.getGroupsAttr(), conv.getKGroupsAttr(), affine.getM(), affine.getB(), f32,
                                           affine.getLoAttr(), affine.getHiAttr(), DenseI64ArrayAttr(), DenseI64ArrayAttr(), DenseI64ArrayAttr());
  } else if (auto linear = dyn_cast<LinearOp>(product)) {
    if (linear.getBias() || int64_t(affine.getAxis()) + 1 != tensorOf(affine.getResult()).getRank())
      return;
    fused = rewriter.create<FusedLinearOp>(location, affine.getResult().getType(), linear.getX(), linear.getW(), affine.getResidual(),
                                           affine.getScale(), linear.getKGroupsAttr(), affine.getM(), affine.getB(), f32,
                                           affine.getLoAttr(), affine.getHiAttr());
  } else {
    return;
  }
  rewriter.replaceOp(affine, fused->getResults());
  rewriter.eraseOp(product);
}

/// A convolution of reals reads channels side by side, within a halo. An argument lies as the caller laid it, so it is copied first.
static void copyArgument(Conv2dOp conv, RewriterBase &rewriter) {
  auto argument = dyn_cast<BlockArgument>(conv.getX());
  if (!argument || !isRealConv(conv))
    return;
  rewriter.setInsertionPoint(conv);
  int64_t channels = tensorOf(argument).getDimSize(1);
  auto copy = rewriter.create<SliceOp>(conv.getLoc(), TypeRange(argument.getType()), argument, rewriter.getI64IntegerAttr(1), rewriter.getI64IntegerAttr(0),
                                       rewriter.getI64IntegerAttr(channels));
  rewriter.modifyOpInPlace(conv, [&] { conv.getXMutable().assign(copy.getResult()); });
}

void fuseProducts(func::FuncOp function) {
  IRRewriter rewriter(function.getContext());
  llvm::SmallVector<Conv2dOp> convolutions;
  function.walk([&](Conv2dOp conv) { convolutions.push_back(conv); });
  for (Conv2dOp conv : convolutions)
    copyArgument(conv, rewriter);
  llvm::SmallVector<Operation *> matmuls, affines;
  function.walk([&](Operation *op) {
    if (isa<MatmulOp>(op))
      matmuls.push_back(op);
    if (isa<AffineOp>(op))
      affines.push_back(op);
  });
  for (Operation *op : matmuls)
    matmulToLinear(cast<MatmulOp>(op), rewriter);
  for (Operation *op : affines)
    fuse(cast<AffineOp>(op), rewriter);
}

} // namespace triton
