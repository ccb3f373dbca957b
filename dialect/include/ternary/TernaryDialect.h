// The `ternary` dialect, its enums, attributes and types. Operations: TernaryOps.h.
#pragma once

#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

#include "ternary/TernaryDialect.h.inc"
#include "ternary/TernaryEnums.h.inc"

namespace triton::ternary {

/// Smallest and greatest code of a kind (i8: -127..127, u8: 0..255, ..., t: -1..1).
int64_t codeLo(CodeKind kind);
int64_t codeHi(CodeKind kind);
inline bool isUnsignedKind(CodeKind kind) {
  return codeLo(kind) == 0;
}

} // namespace triton::ternary

#define GET_ATTRDEF_CLASSES
#include "ternary/TernaryAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "ternary/TernaryTypes.h.inc"

namespace triton::ternary {

// Element types.
bool isReal(mlir::Type element);     ///< f32, f16, bf16
bool isPlainInt(mlir::Type element); ///< i1, i8, i16, i32, i64, ui8
/// Codes, trits and plain integers: what products take exactly.
inline bool isExact(mlir::Type element) {
  return isPlainInt(element) || llvm::isa<TritType, QuantType>(element);
}
/// The range of a plain integer type or of trits or codes.
std::pair<int64_t, int64_t> integerRange(mlir::Type element);

// The tensors of the dialect: ranked, no empty dimension, dynamic only along axis 0.
bool isTensor(mlir::Type type);
bool isRealTensor(mlir::Type type);
bool isCodeTensor(mlir::Type type);
bool isIntTensor(mlir::Type type);
bool isAccTensor(mlir::Type type);
bool isByteTensor(mlir::Type type);
bool isScaleTensor(mlir::Type type);
bool isRealOrCodeTensor(mlir::Type type);

} // namespace triton::ternary
