// Making and reading the values of `ternary.constant` and of the f32 attributes of affine ends. Small values (up to 64
// elements) are `dense<>`, big ones are resources, so that weights are neither uniqued nor printed number by number.
#pragma once

#include "ternary/TernaryOps.h"

#include <memory>

namespace triton::ternary {

/// Values of up to this many elements are kept inline.
constexpr int64_t kInlineElements = 64;

/// The element type in which an attribute holds elements of this type: `i8` for trits and signed codes, `ui8` for
/// unsigned codes, itself for everything else.
mlir::Type storageElement(mlir::Type element);

// Readers. They take what the builders below make, `dense<>` (splats too) and resources of the same layout. Failure:
// another element type or layout. Without copying where the attribute holds plain elements; else the values are put
// into `storage`.
mlir::FailureOr<llvm::ArrayRef<int8_t>> trits(mlir::ElementsAttr attr, llvm::SmallVectorImpl<int8_t> &storage);
mlir::FailureOr<llvm::ArrayRef<float>> floats(mlir::ElementsAttr attr, llvm::SmallVectorImpl<float> &storage);
/// The element bytes in row-major order, whatever the element type (i1 is not supported).
mlir::FailureOr<llvm::ArrayRef<char>> rawBytes(mlir::ElementsAttr attr, llvm::SmallVectorImpl<char> &storage);
// The same as vectors, for those who keep them.
mlir::FailureOr<std::vector<int8_t>> tritVector(mlir::ElementsAttr attr);
mlir::FailureOr<std::vector<float>> floatVector(mlir::ElementsAttr attr);
/// Integers of any width and sign as int64.
mlir::FailureOr<std::vector<int64_t>> intVector(mlir::ElementsAttr attr);

// Builders. The number of values must be the shape's product.
/// Trits, `i8` codes and plain `int8`: the attribute is tensor<shape x i8>.
mlir::ElementsAttr int8Elements(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> shape,
                                llvm::ArrayRef<int8_t> values);
mlir::ElementsAttr uint8Elements(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> shape,
                                 llvm::ArrayRef<uint8_t> values);
mlir::ElementsAttr int32Elements(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> shape,
                                 llvm::ArrayRef<int32_t> values);
mlir::ElementsAttr floatElements(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> shape,
                                 llvm::ArrayRef<float> values);
/// `bytes` in the layout of `type`'s storage. Large ones are copied, or kept where they are if their owner is given.
mlir::ElementsAttr rawElements(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes, std::shared_ptr<const void> owner = nullptr);

/// A constant of trits. Large ones are copied, or kept where they are if their owner is given.
ConstantOp tritConstant(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<int8_t> values, llvm::StringRef key = "", std::shared_ptr<const void> owner = nullptr);
/// A constant of `i8` (weight codes of int8 and int4).
ConstantOp int8Constant(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<int8_t> values, llvm::StringRef key = "", std::shared_ptr<const void> owner = nullptr);
ConstantOp floatConstant(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<int64_t> shape,
                         llvm::ArrayRef<float> values, llvm::StringRef key = "");

} // namespace triton::ternary
