// What the operations share: base classes that keep an ordinary operation at a few lines.
#ifndef TERNARY_OP_BASE_TD
#define TERNARY_OP_BASE_TD

include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "ternary/TernaryAttrs.td"
include "ternary/TernaryDialect.td"
include "ternary/TernaryTypes.td"

// Every operation is free of side effects: CSE and dead-code elimination apply to all.
class Ternary_Op<string mnemonic, list<Trait> traits = []> : Op<Ternary_Dialect, mnemonic, !listconcat([Pure], traits)>;

// The result type follows from operands and attributes; builders need not be told and the verifier compares.
class Ternary_InferredOp<string mnemonic, list<Trait> traits = []>
    : Ternary_Op<mnemonic, !listconcat([InferTypeOpAdaptor], traits)> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

// One operand, and a result of the same type.
class Ternary_SameTypeOp<string mnemonic, Type tensor, string text, string details, dag extra = (ins)>
    : Ternary_Op<mnemonic, [SameOperandsAndResultType]> {
  let summary = text;
  let description = details # "\n\nExample: `%y = ternary." # mnemonic # " %x : tensor<4x8xf32>`\n";
  let arguments = !con((ins tensor:$x), extra);
  let results = (outs tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}
class Ternary_RealUnaryOp<string mnemonic, string formula>
    : Ternary_SameTypeOp<mnemonic, Ternary_RealTensor, formula # ", elementwise",
                         "Real: `" # formula # "` in binary32, rounded once for 16-bit types (section 10).">;
// Also on codes (which keep type and scale) and integers.
class Ternary_AnyUnaryOp<string mnemonic, string formula>
    : Ternary_SameTypeOp<mnemonic, Ternary_Tensor, formula # ", elementwise",
                         "`" # formula # "` on reals, codes and integers; codes keep type and scale. Integers of a "
                         # "narrower range saturate to `lo`..`hi` where given, `i32` and `i64` wrap, others saturate.\n\n"
                         # "Constraints: (C1) `lo` and `hi` come together, `lo <= hi`, inside the range of the codes or "
                         # "integers, and never with reals.",
                         (ins OptionalAttr<I64Attr>:$lo, OptionalAttr<I64Attr>:$hi)> {
  let hasFolder = 1;
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$x),
                            [{ build($_builder, $_state, x.getType(), x, ::mlir::IntegerAttr(), ::mlir::IntegerAttr()); }]>];
}

// Elementwise with broadcasting from the right. On codes the result's scale is a choice, so the type is written.
class Ternary_BinaryOp<string mnemonic, string formula, string onCodes, list<Trait> traits = []>
    : Ternary_Op<mnemonic, traits> {
  let summary = formula # ", elementwise with broadcasting";
  let description = [{
    Sizes are matched from the right; they are equal or one of them is 1.
  }] # onCodes # [{

    Plain integers saturate to `lo`..`hi` where given (`int4`, `uint6`, ... live in `i8` and `ui8`), else to the type; `i32` and
    `i64` wrap.

    Constraints: (C1) the shapes broadcast, and the result has that shape. (C2) the element types are a form of section 4 of the
    language or of section 10 (codes with codes gives codes). (C3) `lo` and `hi` come together, `lo <= hi`, inside the
    result's range, and never with reals.

    Example: `%y = ternary.}] # mnemonic # [{ %a, %b : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$lhs, Ternary_Tensor:$rhs, OptionalAttr<I64Attr>:$lo, OptionalAttr<I64Attr>:$hi);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$lhs, "::mlir::Value":$rhs), [{
    build($_builder, $_state, type, lhs, rhs, ::mlir::IntegerAttr(), ::mlir::IntegerAttr());
  }]>];
}

// Sizes along height and width.
class Ternary_HW<string value> : DefaultValuedAttr<DenseI64ArrayAttr, value>;

#endif // TERNARY_OP_BASE_TD
