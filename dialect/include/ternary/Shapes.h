// Shapes and element types of results: one place for the builders, the verifiers and whoever makes operations.
// A dimension may be ShapedType::kDynamic along axis 0. Functions that report do so at `loc` and return failure.
#pragma once

#include "ternary/TernaryDialect.h"

#include <optional>

namespace triton::ternary {

using OptionalLoc = std::optional<mlir::Location>;
using Sizes = llvm::SmallVector<int64_t, 5>;

/// NumPy-style broadcasting from the right; nothing if the shapes do not broadcast. A dynamic size meets itself or 1.
std::optional<Sizes> broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

/// The sum's element type of a product: the real type, `i32` for exact operands; null if the two do not go together.
mlir::Type productElementType(mlir::Type x, mlir::Type w);

/// out(L) of section 11; 0 or less where the output is empty.
int64_t windowOutput(int64_t length, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation = 1);

/// What a convolution needs besides its operands.
struct ConvSizes {
  llvm::ArrayRef<int64_t> stride, padding, dilation;
  int64_t groups = 1;
  std::optional<int64_t> kGroups;
};

// The result types, or an error with the label of the broken constraint (`conv2d_c1: ...`).
mlir::FailureOr<mlir::RankedTensorType> inferConv2d(OptionalLoc loc, mlir::RankedTensorType x, mlir::RankedTensorType w,
                                                    mlir::RankedTensorType biasOrNull, const ConvSizes &sizes);
mlir::FailureOr<mlir::RankedTensorType> inferLinear(OptionalLoc loc, mlir::RankedTensorType x, mlir::RankedTensorType w,
                                                    mlir::RankedTensorType biasOrNull, std::optional<int64_t> kGroups);
mlir::FailureOr<mlir::RankedTensorType> inferMatmul(OptionalLoc loc, mlir::RankedTensorType lhs,
                                                    mlir::RankedTensorType rhs, std::optional<int64_t> kGroups);
/// `op` is the name for labels: max_pool or avg_pool.
mlir::FailureOr<Sizes> inferPool(OptionalLoc loc, llvm::StringRef op, llvm::ArrayRef<int64_t> x,
                                 llvm::ArrayRef<int64_t> kernel, llvm::ArrayRef<int64_t> stride,
                                 llvm::ArrayRef<int64_t> padding);

/// The axis of x with size d removed, or of size 1 with `keep`.
Sizes withoutAxis(llvm::ArrayRef<int64_t> shape, int64_t axis, bool keep = false);
/// x's shape without its last axis: the shape of a per-row scale.
inline llvm::ArrayRef<int64_t> rowShape(llvm::ArrayRef<int64_t> shape) {
  return shape.drop_back();
}

/// Another shape or element type of the same tensor.
inline mlir::RankedTensorType withShape(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> shape) {
  return mlir::RankedTensorType::get(shape, type.getElementType());
}
inline mlir::RankedTensorType withElement(mlir::RankedTensorType type, mlir::Type element) {
  return mlir::RankedTensorType::get(type.getShape(), element);
}

} // namespace triton::ternary
