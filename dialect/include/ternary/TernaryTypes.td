// Types of the `ternary` dialect and the type constraints of its operations.
#ifndef TERNARY_TYPES_TD
#define TERNARY_TYPES_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinTypeInterfaces.td"
include "ternary/TernaryDialect.td"

class Ternary_Type<string name, string typeMnemonic> : TypeDef<Ternary_Dialect, name, [MemRefElementTypeInterface]> {
  let mnemonic = typeMnemonic;
}

def Ternary_TritType : Ternary_Type<"Trit", "trit"> {
  let summary = "one of -1, 0, 1";
  let description = [{
    The code of a ternary weight. In attributes (`ternary.constant`) trits are stored as `i8`; in memory the generators
    choose an encoding (`runtime/artifact/packing.h`).
  }];
}

def Ternary_QuantType : Ternary_Type<"Quant", "quant"> {
  let summary = "an activation code and the scale that makes it real";
  let description = [{
    `!ternary.quant<u8, 0.0125>`: a code q stands for the real number fl(q * scale). The kind gives the range: `i8`
    -127..127, `u8` 0..255, `i6` -31..31, `u6` 0..63, `i4` -7..7, `u4` 0..15, `t` -1..1. The scale is a positive binary32,
    printed with enough digits to read back the same bits. A code takes one byte.

    Constraints: (C1) the kind is one of these. (C2) the scale is positive and finite.
  }];
  let parameters = (ins "::triton::ternary::CodeKind":$kind, "uint32_t":$scaleBits);
  let skipDefaultBuilders = 1;
  let builders = [TypeBuilder<(ins "::triton::ternary::CodeKind":$kind, "float":$scale)>];
  let extraClassDeclaration = [{
    float getScale() const { return ::llvm::bit_cast<float>(getScaleBits()); }
    int64_t getLo() const { return codeLo(getKind()); }
    int64_t getHi() const { return codeHi(getKind()); }
    bool isSigned() const { return getLo() < 0; }
  }];
  let hasCustomAssemblyFormat = 1;
}

// Tensors. "Of the dialect": ranked, no empty dimension, dynamic only along axis 0, and of one of the element types.
class Ternary_TensorOf<string predicate, string text>
    : Type<CPred<"::triton::ternary::" # predicate # "($_self)">, text, "::mlir::RankedTensorType">;

def Ternary_Tensor : Ternary_TensorOf<"isTensor",
    "tensor of reals, codes, trits or integers with at most axis 0 dynamic">;
def Ternary_RealTensor : Ternary_TensorOf<"isRealTensor", "tensor of f32, f16 or bf16 with at most axis 0 dynamic">;
def Ternary_CodeTensor : Ternary_TensorOf<"isCodeTensor", "tensor of !ternary.quant with at most axis 0 dynamic">;
def Ternary_IntTensor : Ternary_TensorOf<"isIntTensor", "tensor of integers with at most axis 0 dynamic">;
def Ternary_AccTensor : Ternary_TensorOf<"isAccTensor", "tensor of i32 or f32 with at most axis 0 dynamic">;
def Ternary_ByteTensor : Ternary_TensorOf<"isByteTensor", "tensor of ui8 with at most axis 0 dynamic">;
def Ternary_ScaleTensor : Ternary_TensorOf<"isScaleTensor", "tensor of f32 with at most axis 0 dynamic">;
def Ternary_RealOrCodeTensor : Ternary_TensorOf<"isRealOrCodeTensor",
    "tensor of reals or codes with at most axis 0 dynamic">;

#endif // TERNARY_TYPES_TD
