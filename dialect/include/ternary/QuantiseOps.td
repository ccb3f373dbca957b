// Where values come from and where codes are made: parameters, constants, quantisers, conversions.
#ifndef TERNARY_QUANTISE_OPS_TD
#define TERNARY_QUANTISE_OPS_TD

include "ternary/TernaryOpBase.td"

def Ternary_ParamOp : Ternary_Op<"param"> {
  let summary = "a loaded tensor, real";
  let description = [{
    The tensor that the checkpoint holds under `key`. With a `policy` it is a weight: resolve-quantisation makes codes and scales
    of it, along `axis` where the scale is per channel. Without one it stays as loaded. `init` is its value when no
    checkpoint has the key. Stands only in the float graph.

    Constraints: (C1) the key is not empty. (C2) the shape is static. (C3) `init` has the result's type. (C4) `axis` is an
    axis. (C5) with `per_group`, the group is positive and divides the elements of a channel; otherwise it is 0.
    (C6) a policy needs an `f32` result.

    Example: `%w = ternary.param {key = "conv1.weight", policy = #ternary.weights<trit, per_channel, twn, threshold = 0.7>}
    : tensor<16x1x3x3xf32>`
  }];
  let arguments = (ins StrAttr:$key, OptionalAttr<Ternary_WeightsAttr>:$policy, DefaultValuedAttr<I64Attr, "0">:$axis,
                       UnitAttr:$frozen, OptionalAttr<ElementsAttr>:$init);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Ternary_ConstantOp : Ternary_Op<"constant", [ConstantLike]> {
  let summary = "a tensor known now";
  let description = [{
    Literals, weight codes and folded values. Trits and codes are stored as bytes (`i8`, or `ui8` for unsigned kinds), so the
    attribute's type and the result's may differ; then both are written. `key` says which parameter it came from. Use the
    helpers of `ternary/Constants.h` to build and read: big values live in resources, not in `dense<>`.

    Constraints: (C1) the attribute's shape is the result's. (C2) the attribute's element type is the storage of the
    result's. (C3) small trit constants hold only -1, 0 and 1, and codes lie in their kind's range (big ones are checked by
    who makes them).

    Example: `%w = ternary.constant dense<[1, 0, -1]> : tensor<3xi8> -> tensor<3x!ternary.trit>`
  }];
  let arguments = (ins ElementsAttr:$value, OptionalAttr<StrAttr>:$key);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "attr-dict custom<ConstantValue>($value, type($result))";
  let hasFolder = 1;
  let hasVerifier = 1;
  let builders = [
    OpBuilder<(ins "::mlir::ElementsAttr":$value),
              [{ build($_builder, $_state, value.getType(), value, ::mlir::StringAttr()); }]>,
    OpBuilder<(ins "::mlir::Type":$type, "::mlir::ElementsAttr":$value),
              [{ build($_builder, $_state, type, value, ::mlir::StringAttr()); }]>];
}

def Ternary_FakeQuantizeOp : Ternary_Op<"fake_quantize", [SameOperandsAndResultType]> {
  let summary = "where codes will be made";
  let description = [{
    Marks a real value that the integer graph holds as codes. Static: the scale is `scale` if given, else the checkpoint's
    value under `key`, else found by calibration with the `clip` percentile. Dynamic: taken at run time. Stands only in the
    float graph; resolve-quantisation replaces it.

    Constraints: (C1) static needs `key` or `scale`, dynamic has neither. (C2) `per_row` needs a rank of 1 or more and
    `dynamic`. (C3) `clip` lies in (0, 100]. (C4) `scale` is positive and finite.

    Example: `%q = ternary.fake_quantize %x u8 static per_tensor {key = "act0.scale"} : tensor<?x16x28x28xf32>`
  }];
  let arguments = (ins Ternary_RealTensor:$x, Ternary_CodeKindAttr:$kind, Ternary_QuantModeAttr:$mode,
                       Ternary_QuantPerAttr:$per, OptionalAttr<StrAttr>:$key, DefaultValuedAttr<F64Attr, "99.99">:$clip,
                       OptionalAttr<F64Attr>:$scale);
  let results = (outs Ternary_RealTensor:$result);
  let assemblyFormat = "$x `` $kind `` $mode `` $per attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Ternary_QuantizeOp : Ternary_Op<"quantize"> {
  let summary = "reals to codes by a static scale";
  let description = [{
    `clamp(rne(fl(x * r)), lo, hi)` with `r = fl(1/scale)`; NaN gives 0. Kind and scale are those of the result type.

    Constraints: (C1) operand and result have the same shape.

    Example: `%q = ternary.quantize %x : tensor<4x8xf32> -> tensor<4x8x!ternary.quant<u8, 0.0125>>`
  }];
  let arguments = (ins Ternary_RealTensor:$x);
  let results = (outs Ternary_CodeTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Ternary_DequantizeOp : Ternary_Op<"dequantize"> {
  let summary = "codes to reals";
  let description = [{
    `fl(q * scale)`. In the float graph it also stands on a parameter with a policy (`dequantize(w)` of the language): the
    real values that its codes and scales mean. The optional operand `scale` is a dynamic scale (`quantize_dynamic`): the
    result is `fl(q * scale)` with it instead of the type's, per tensor (rank 0) or per row.

    Constraints: (C1) operand and result have the same shape. (C2) `scale` is of rank 0 or has the operand's shape without its
    last axis, and needs codes. (C3) the result is real; a real operand has the result's type.

    Example: `%x = ternary.dequantize %q : (tensor<4x8x!ternary.quant<u8, 0.0125>>) -> tensor<4x8xf32>`
  }];
  let arguments = (ins Ternary_RealOrCodeTensor:$x, Optional<Ternary_ScaleTensor>:$scale);
  let results = (outs Ternary_RealTensor:$result);
  let assemblyFormat = "$x (`scale` $scale^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$x),
                            [{ build($_builder, $_state, type, x, ::mlir::Value()); }]>];
}

def Ternary_QuantizeDynamicOp : Ternary_InferredOp<"quantize_dynamic"> {
  let summary = "reals to codes by a scale found at run time";
  let description = [{
    Per tensor or per row (last axis): `a = max |x|`, scale `s = fl(a / hi)` (1 if a = 0), `r = fl(hi / a)` (0 if a = 0), codes
    `clamp(rne(fl(x * r)), lo, hi)`. The code type's own scale is 1; the second result is s, of rank 0 or of x's shape
    without its last axis.

    Constraints: (C1) `per_row` needs a rank of 1 or more.

    Example: `%q, %s = ternary.quantize_dynamic %x i8 per_row : (tensor<4x8xf32>) -> (tensor<4x8x!ternary.quant<i8, 1.0>>,
    tensor<4xf32>)`
  }];
  let arguments = (ins Ternary_RealTensor:$x, Ternary_CodeKindAttr:$kind, Ternary_QuantPerAttr:$per);
  let results = (outs Ternary_CodeTensor:$codes, Ternary_ScaleTensor:$scale);
  let assemblyFormat = "$x `` $kind `` $per attr-dict `:` functional-type(operands, results)";
}

def Ternary_CodesOp : Ternary_InferredOp<"codes"> {
  let summary = "the codes of a weight as plain int8";
  let description = [{
    `codes(w)` of the language. In the float graph the operand is a parameter with a policy or trits; codes (`!ternary.quant`)
    give their codes.

    Example: `%c = ternary.codes %w : (tensor<2x3x!ternary.trit>) -> tensor<2x3xi8>`
  }];
  let arguments = (ins Ternary_Tensor:$x);
  let results = (outs Ternary_IntTensor:$result);
  let hasFolder = 1;
}

def Ternary_CastOp : Ternary_Op<"cast"> {
  let summary = "conversion between plain dtypes";
  let description = [{
    To an integer: round half to even, then saturate, to `lo`..`hi` where given (`int4` and its like), else to the type; NaN
    gives 0. To a trit: the sign after that rounding. To a real: to nearest even.

    Constraints: (C1) operand and result have the same shape. (C2) no codes on either side (`quantize` and `dequantize` are for
    them). (C3) as in the binary operations for `lo` and `hi`.

    Example: `%y = ternary.cast %x : (tensor<4xf32>) -> tensor<4xi8>`
  }];
  let arguments = (ins Ternary_Tensor:$x, OptionalAttr<I64Attr>:$lo, OptionalAttr<I64Attr>:$hi);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$x),
                            [{ build($_builder, $_state, type, x, ::mlir::IntegerAttr(), ::mlir::IntegerAttr()); }]>];
}

#endif // TERNARY_QUANTISE_OPS_TD
