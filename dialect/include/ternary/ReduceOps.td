// Pooling, reductions, softmax, attention and look-ups.
#ifndef TERNARY_REDUCE_OPS_TD
#define TERNARY_REDUCE_OPS_TD

include "ternary/TernaryOpBase.td"

def Ternary_MaxPoolOp : Ternary_InferredOp<"max_pool"> {
  let summary = "maximum over windows";
  let description = [{
    x is [N, C, H, W]. Padding never wins. On codes type and scale stay.

    Constraints: (C1) x has rank 4. (C2) kernel and stride are two positive sizes, padding two that are not negative and at
    most half the kernel. (C3) the output is not empty.

    Example: `%y = ternary.max_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>} : (tensor<?x8x8x8xf32>) ->
    tensor<?x8x4x4xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$stride, Ternary_HW<"{0, 0}">:$padding);
  let results = (outs Ternary_Tensor:$result);
  let hasFolder = 1;
}

def Ternary_AvgPoolOp : Ternary_Op<"avg_pool"> {
  let summary = "mean over windows";
  let description = [{
    With `count_pad` the divisor is the window's size, else the number of elements inside x. Codes: int32 sum, then
    `clamp(rne(fl(f(sum) * fl(s_x / (n * s_y)))))`.

    Constraints: (C1) to (C3) as in `ternary.max_pool`. (C4) the result has the pooled shape; it is of x's element type, or
    codes if x is codes.

    Example: `%y = ternary.avg_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>} : (tensor<?x8x8x8xf32>) ->
    tensor<?x8x4x4xf32>`
  }];
  let arguments = (ins Ternary_RealOrCodeTensor:$x, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$stride,
                       Ternary_HW<"{0, 0}">:$padding, DefaultValuedAttr<BoolAttr, "true">:$count_pad);
  let results = (outs Ternary_RealOrCodeTensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Ternary_GlobalAvgPoolOp : Ternary_Op<"global_avg_pool"> {
  let summary = "mean over height and width";
  let description = [{
    [N, C, H, W] -> [N, C]. Codes as in `ternary.avg_pool`, n = H * W.

    Constraints: (C1) x has rank 4. (C2) the result is [N, C] of x's element type, or codes if x is codes.

    Example: `%y = ternary.global_avg_pool %x : (tensor<?x8x4x4xf32>) -> tensor<?x8xf32>`
  }];
  let arguments = (ins Ternary_RealOrCodeTensor:$x);
  let results = (outs Ternary_RealOrCodeTensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

class Ternary_ReductionOp<string mnemonic, string text, string details> : Ternary_Op<mnemonic> {
  let summary = text;
  let description = details # [{

    Constraints: (C1) `axis` is an axis of x. (C2) the result has x's shape without it (of size 1 with `keep`). (C3) the result is of
    x's element type, or wider in `sum`; codes may change their scale in `mean` alone.

    Example: `%y = ternary.}] # mnemonic # [{ %x {axis = 1 : i64} : (tensor<4x8xf32>) -> tensor<4xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, I64Attr:$axis, UnitAttr:$keep);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Ternary_MeanOp : Ternary_ReductionOp<"mean", "mean along an axis",
    "Reals, and codes as in `ternary.avg_pool` with n the size of the axis.">;
def Ternary_SumOp : Ternary_ReductionOp<"sum", "sum along an axis", "Reals, and integers and trits in an integer type at least as wide (`i32` for narrow ones); codes are dequantised first.">;
def Ternary_MaxOp : Ternary_ReductionOp<"max", "maximum along an axis", "Reals, codes (which keep type and scale) and integers.">;

def Ternary_SoftmaxOp : Ternary_Op<"softmax", [SameOperandsAndResultType]> {
  let summary = "exp(x - max) / sum along an axis";
  let description = [{
    Constraints: (C1) `axis` is an axis of x.

    Example: `%y = ternary.softmax %x {axis = 1 : i64} : tensor<4x8xf32>`
  }];
  let arguments = (ins Ternary_RealTensor:$x, I64Attr:$axis);
  let results = (outs Ternary_RealTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Ternary_ArgmaxOp : Ternary_InferredOp<"argmax"> {
  let summary = "index of the first greatest element along an axis";
  let description = [{
    The axis is removed; the result is `i32`.

    Constraints: (C1) `axis` is an axis of x.

    Example: `%y = ternary.argmax %x {axis = 1 : i64} : (tensor<?x10xf32>) -> tensor<?xi32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, I64Attr:$axis);
  let results = (outs Ternary_IntTensor:$result);
}

def Ternary_EmbeddingOp : Ternary_InferredOp<"embedding"> {
  let summary = "rows of a table";
  let description = [{
    ids [..], table [V, D] -> [.., D] of the table's element type. An id outside 0..V-1 is a run-time error.

    Constraints: (C1) the table has rank 2 and ids are integers.

    Example: `%y = ternary.embedding %ids, %t : (tensor<?x16xi32>, tensor<100x8xf32>) -> tensor<?x16x8xf32>`
  }];
  let arguments = (ins Ternary_IntTensor:$ids, Ternary_Tensor:$table);
  let results = (outs Ternary_Tensor:$result);
}

def Ternary_AttentionOp : Ternary_InferredOp<"attention"> {
  let summary = "softmax(scale * q kT + mask) v";
  let description = [{
    q is [B, Hq, T, D], k and v are [B, Hk, S, D], the result [B, Hq, T, D]; head h of q uses head h / (Hq / Hk). `scale` 0.0 means
    1/sqrt(D). With `causal`, position t sees positions up to t + S - T.

    Constraints: (C1) all have rank 4. (C2) k and v have one shape. (C3) B and D agree, and Hk divides Hq. (C4) one element type.

    Example: `%y = ternary.attention %q, %k, %v {causal} : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) ->
    tensor<1x4x8x16xf32>`
  }];
  let arguments = (ins Ternary_RealTensor:$q, Ternary_RealTensor:$k, Ternary_RealTensor:$v, UnitAttr:$causal,
                       DefaultValuedAttr<F64Attr, "0.0">:$scale);
  let results = (outs Ternary_RealTensor:$result);
}

def Ternary_RopeOp : Ternary_Op<"rope", [SameOperandsAndResultType]> {
  let summary = "rotary position embedding";
  let description = [{
    x is [B, H, T, D]: rotates the pairs (i, i + D/2) by (t + offset) * base^(-2i/D).

    Constraints: (C1) x has rank 4 and an even D. (C2) base is positive.

    Example: `%y = ternary.rope %x : tensor<1x4x8x16xf32>`
  }];
  let arguments = (ins Ternary_RealTensor:$x, DefaultValuedAttr<F64Attr, "10000.0">:$base,
                       DefaultValuedAttr<I64Attr, "0">:$offset);
  let results = (outs Ternary_RealTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let hasVerifier = 1;
}

#endif // TERNARY_REDUCE_OPS_TD
