// Linear-like operations and their affine end.
#ifndef TERNARY_PRODUCT_OPS_TD
#define TERNARY_PRODUCT_OPS_TD

include "ternary/TernaryOpBase.td"

def Ternary_LinearOp : Ternary_InferredOp<"linear"> {
  let summary = "x times w transposed, plus bias";
  let description = [{
    `result[.., o] = sum_k x[.., k] * w[o, k] + bias[o]`. Real x gives x's type (w real, trits or `i8` codes, no scale applied);
    codes, trits and integers give `i32`, exact. With `k_groups = G` the sums of the G equal runs of k are kept apart
    in one more, last axis of the result (per-group weight scales).

    Constraints: (C1) x is [.., K], w is [O, K]. (C2) the element types are a form above. (C3) bias is [O] of the result's
    element type. (C4) `k_groups` is positive, divides K and goes without bias.

    Example: `%y = ternary.linear %x, %w : (tensor<?x784x!ternary.quant<i8, 0.02>>, tensor<256x784x!ternary.trit>) ->
    tensor<?x256xi32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, Ternary_Tensor:$w, Optional<Ternary_Tensor>:$bias,
                       OptionalAttr<I64Attr>:$k_groups);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "$x `,` $w (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def Ternary_Conv2dOp : Ternary_InferredOp<"conv2d"> {
  let summary = "two-dimensional cross-correlation with zero padding";
  let description = [{
    x is [N, C, H, W], w is [O, C/groups, kh, kw], the result [N, O, out(H), out(W)] with
    `out(L) = (L + 2 * padding - dilation * (k - 1) - 1) / stride + 1`. Element types and `k_groups` (runs of the row-major
    C/groups * kh * kw) are as in `ternary.linear`; the result then is [N, O, out(H), out(W), G].

    Constraints: (C1) x and w have rank 4. (C2) stride and dilation are two positive sizes, padding two that are not negative.
    (C3) groups is positive and divides C and O, and w has C/groups input channels. (C4) the output is not empty. (C5) the
    element types are a form of `ternary.linear`. (C6) bias is [O] of the result's element type. (C7) `k_groups` is positive,
    divides C/groups * kh * kw and goes without bias.

    Example: `%y = ternary.conv2d %x, %w {padding = array<i64: 1, 1>} : (tensor<?x3x32x32xf32>, tensor<16x3x3x3xf32>) ->
    tensor<?x16x32x32xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, Ternary_Tensor:$w, Optional<Ternary_Tensor>:$bias, Ternary_HW<"{1, 1}">:$stride,
                       Ternary_HW<"{0, 0}">:$padding, Ternary_HW<"{1, 1}">:$dilation,
                       DefaultValuedAttr<I64Attr, "1">:$groups, OptionalAttr<I64Attr>:$k_groups);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "$x `,` $w (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def Ternary_MatmulOp : Ternary_InferredOp<"matmul"> {
  let summary = "matrix product of the last two axes";
  let description = [{
    `result[.., m, n] = sum_k lhs[.., m, k] * rhs[.., k, n]`; leading axes broadcast from the right. Reals with reals or trits give
    the real type; codes, trits and integers give `i32`, exact. A real right operand with a trit left one takes its type.
    `k_groups` is as in `ternary.linear`.

    Constraints: (C1) both ranks are at least 2 and K agrees. (C2) leading axes broadcast. (C3) the element types are a form
    above. (C4) `k_groups` is positive and divides K.

    Example: `%y = ternary.matmul %a, %b : (tensor<4x512x!ternary.quant<i8, 0.1>>, tensor<512x10x!ternary.trit>) -> tensor<4x10xi32>`
  }];
  let arguments = (ins Ternary_Tensor:$lhs, Ternary_Tensor:$rhs, OptionalAttr<I64Attr>:$k_groups);
  let results = (outs Ternary_Tensor:$result);
}

// What an affine end takes besides the sums: shared by `affine` and the fused products.
defvar affineAttrs = (ins ElementsAttr:$m, ElementsAttr:$b, OptionalAttr<F32Attr>:$residual_m,
                          OptionalAttr<I64Attr>:$lo, OptionalAttr<I64Attr>:$hi);

def Ternary_AffineOp : Ternary_Op<"affine", [AttrSizedOperandSegments]> {
  let summary = "the one affine step at a layer's end";
  let description = [{
    `t = b[c]`, or `fma(f(r), residual_m, b[c])` with a residual r; `y = fma(f(acc), m[c], t)`, c the index along `axis` of the
    result. f converts to binary32, to nearest even. The result is y (`f32`), or `clamp(rne(y), lo, hi)` (codes; lo and hi
    default to the kind's range and include relu and relu6). If acc has one more, last axis of size G, `m` is [C, G] and the
    groups are added in order of g, `y = fma(f(acc[.., g]), m[c, g], y)`, starting at t. With `scale` s (dynamic activations,
    rank 0 or one per row) `fl(s * m)` takes the place of m.

    Constraints: (C1) the result's shape is acc's, or acc's without its last axis. (C2) `b` is `f32` of 1 or C values, C the
    size along `axis`; `m` likewise, [C, G] or [1, G] with groups. (C3) residual and `residual_m` come together; the residual
    has the result's shape. (C4) `lo <= hi` lie in the kind's range and only go with codes. (C5) `scale` is of rank 0 or has
    the result's shape without its last axis. (C6) `axis` is an axis of the result, or the result is of rank 0.

    Example: `%q = ternary.affine %acc {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, lo = 0 : i64, hi = 255 : i64}
    : (tensor<?x16x8x8xi32>) -> tensor<?x16x8x8x!ternary.quant<u8, 0.1>>`
  }];
  let arguments = !con((ins Ternary_AccTensor:$acc, Optional<Ternary_RealOrCodeTensor>:$residual,
                            Optional<Ternary_ScaleTensor>:$scale, DefaultValuedAttr<I64Attr, "1">:$axis), affineAttrs);
  let results = (outs Ternary_RealOrCodeTensor:$result);
  let assemblyFormat = [{
    $acc (`residual` $residual^)? (`scale` $scale^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Ternary_FusedConv2dOp : Ternary_Op<"fused_conv2d", [AttrSizedOperandSegments]> {
  let summary = "conv2d, affine end, residual and pooling in one operation";
  let description = [{
    Exactly `max_pool(affine(conv2d(x, w), residual, scale))` with the attributes of those operations; the pool only if `pool_kernel`
    is there. Made by the -O2 pipeline; it says what is computed, never another rounding.

    Constraints: those of the three parts. (C1) the convolution is valid. (C2) the affine end is valid, with the residual at
    the convolution's size and `axis` 1. (C3) the pool is valid and the result has its shape.

    Example: `%q = ternary.fused_conv2d %x, %w residual %r {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>,
    residual_m = 1.0 : f32} : (tensor<?x8x8x8x!ternary.quant<i8, 0.1>>, tensor<8x8x1x1x!ternary.trit>,
    tensor<?x8x8x8x!ternary.quant<i8, 0.1>>) -> tensor<?x8x8x8x!ternary.quant<i8, 0.2>>`
  }];
  let arguments = !con((ins Ternary_Tensor:$x, Ternary_Tensor:$w, Optional<Ternary_RealOrCodeTensor>:$residual,
                            Optional<Ternary_ScaleTensor>:$scale, Ternary_HW<"{1, 1}">:$stride,
                            Ternary_HW<"{0, 0}">:$padding, Ternary_HW<"{1, 1}">:$dilation,
                            DefaultValuedAttr<I64Attr, "1">:$groups, OptionalAttr<I64Attr>:$k_groups), affineAttrs,
                       (ins OptionalAttr<DenseI64ArrayAttr>:$pool_kernel, OptionalAttr<DenseI64ArrayAttr>:$pool_stride,
                            OptionalAttr<DenseI64ArrayAttr>:$pool_padding));
  let results = (outs Ternary_RealOrCodeTensor:$result);
  let assemblyFormat = [{
    $x `,` $w (`residual` $residual^)? (`scale` $scale^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Ternary_FusedLinearOp : Ternary_Op<"fused_linear", [AttrSizedOperandSegments]> {
  let summary = "linear, affine end and residual in one operation";
  let description = [{
    Exactly `affine(linear(x, w), residual, scale)` with the channels along the last axis.

    Constraints: (C1) the product is valid. (C2) the affine end is valid, with the last axis as `axis`.

    Example: `%y = ternary.fused_linear %x, %w {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>} :
    (tensor<?x64x!ternary.quant<i8, 0.1>>, tensor<10x64x!ternary.trit>) -> tensor<?x10xf32>`
  }];
  let arguments = !con((ins Ternary_Tensor:$x, Ternary_Tensor:$w, Optional<Ternary_RealOrCodeTensor>:$residual,
                            Optional<Ternary_ScaleTensor>:$scale, OptionalAttr<I64Attr>:$k_groups), affineAttrs);
  let results = (outs Ternary_RealOrCodeTensor:$result);
  let assemblyFormat = [{
    $x `,` $w (`residual` $residual^)? (`scale` $scale^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Ternary_LookupOp : Ternary_Op<"lookup"> {
  let summary = "a table from raw bytes to codes";
  let description = [{
    `result[.., c, ..] = table[c][x[.., c, ..]]`: pre-processing and quantisation of a `ui8` input as a table of 256 codes for
    each channel along `axis` (or one for all).

    Constraints: (C1) operand and result have the same shape. (C2) the table is [C, 256] or [1, 256] of the codes' storage
    (`i8`, or `ui8` for unsigned kinds), C the size along `axis`. (C3) `axis` is an axis.

    Example: `%q = ternary.lookup %x {table = dense<0> : tensor<1x256xi8>} : (tensor<?x3x32x32xui8>) ->
    tensor<?x3x32x32x!ternary.quant<i8, 0.02>>`
  }];
  let arguments = (ins Ternary_ByteTensor:$x, ElementsAttr:$table, DefaultValuedAttr<I64Attr, "1">:$axis);
  let results = (outs Ternary_CodeTensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif // TERNARY_PRODUCT_OPS_TD
