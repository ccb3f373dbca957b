// What the op families share: run-time tensors, and the registration of one closure per operation.
#pragma once

#include "triton/Oracle/FloatMath.h"
#include "triton/Oracle/Interpreter.h"

#include "ternary/Constants.h"
#include "ternary/TernaryOps.h"

namespace triton::oracle {

/// A value while it is interpreted. Reals live in `f` (16-bit ones already rounded), codes, trits and integers up to 32 bits in
/// `i`, int64 in `l`; the others are empty.
struct Tensor {
  enum Kind : uint8_t { Real, Int, Wide } kind = Real;
  TensorShape shape;
  std::vector<float> f;
  std::vector<int32_t> i;
  std::vector<int64_t> l;

  Tensor() = default;
  Tensor(Kind kind, TensorShape shape);

  int64_t count() const { return static_cast<int64_t>(kind == Real ? f.size() : kind == Int ? i.size() : l.size()); }
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t dim(int64_t axis) const { return shape[static_cast<size_t>(axis)]; }
  /// An exact element as int64.
  int64_t integer(size_t at) const { return kind == Int ? i[at] : l[at]; }
  void setInteger(size_t at, int64_t value) {
    if (kind == Int)
      i[at] = static_cast<int32_t>(value);
    else
      l[at] = value;
  }
};

/// The product of shape[from..to).
int64_t sizeOf(const TensorShape &shape, size_t from, size_t to);
inline int64_t sizeOf(const TensorShape &shape) { return sizeOf(shape, 0, shape.size()); }

/// The storage of a tensor type's elements.
Tensor::Kind kindOf(mlir::Type tensorType);

/// One operation: the operands that are there in, results out.
using Operands = std::vector<const Tensor *>;
using Kernel = std::function<Result<void>(const Operands &in, std::vector<Tensor> &out)>;

/// Gives the closure of an operation, or nothing if the operation is not of this family.
struct BuildContext {
  const InterpretOptions &options;
};
/// The value of a `ternary.constant` or a `ternary.param`.
Result<Tensor> constantOf(mlir::Operation *op, const BuildContext &context);
Result<Kernel> buildQuantise(mlir::Operation *op, const BuildContext &context);
Result<Kernel> buildProduct(mlir::Operation *op, const BuildContext &context);
Result<Kernel> buildElementwise(mlir::Operation *op, const BuildContext &context);
Result<Kernel> buildNorm(mlir::Operation *op, const BuildContext &context);
Result<Kernel> buildReduce(mlir::Operation *op, const BuildContext &context);
Result<Kernel> buildAttention(mlir::Operation *op, const BuildContext &context);
Result<Kernel> buildMoving(mlir::Operation *op, const BuildContext &context);

/// A kernel that cannot fail.
template <typename F>
Kernel kernel(F body) {
  return [body = std::move(body)](const Operands &in, std::vector<Tensor> &out) -> Result<void> {
    body(in, out);
    return {};
  };
}

/// An attribute's values as a tensor of the given type (reals of any width become float).
Result<Tensor> decode(mlir::ElementsAttr attr, mlir::RankedTensorType type);
/// Between run-time tensors and host tensors of an MLIR element type.
HostTensor toHost(const Tensor &tensor, mlir::Type element);
Result<Tensor> fromHost(const HostTensor &host, mlir::Type element);

/// The code range of a result, with the `lo` and `hi` attributes of its operation if there are any.
struct Range {
  int64_t lo, hi;
};
Range rangeOf(mlir::Type element, std::optional<int64_t> lo = {}, std::optional<int64_t> hi = {});
inline ternary::QuantType quantType(mlir::Value value) {
  return llvm::dyn_cast<ternary::QuantType>(llvm::cast<mlir::ShapedType>(value.getType()).getElementType());
}

/// Runs of an axis: element (o, a, i) of a tensor stands at (o * axis + a) * inner + i.
struct AxisView {
  int64_t outer, axis, inner;
  AxisView(const TensorShape &shape, int64_t at)
      : outer(sizeOf(shape, 0, static_cast<size_t>(at))), axis(shape[static_cast<size_t>(at)]),
        inner(sizeOf(shape, static_cast<size_t>(at) + 1, shape.size())) {}
};
TensorShape withoutAxis(const TensorShape &shape, int64_t axis, bool keep);

/// Windows of a pool: the input places that each output place covers.
struct Window {
  int64_t kernelH, kernelW, strideH, strideW, padH, padW;
  int64_t outH(int64_t h) const { return (h + 2 * padH - kernelH) / strideH + 1; }
  int64_t outW(int64_t w) const { return (w + 2 * padW - kernelW) / strideW + 1; }
};
Tensor maxPool(const Tensor &x, const Window &window);

} // namespace triton::oracle
