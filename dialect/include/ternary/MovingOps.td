// Operations that only move elements: codes keep type and scale.
#ifndef TERNARY_MOVING_OPS_TD
#define TERNARY_MOVING_OPS_TD

include "ternary/TernaryOpBase.td"

def Ternary_ReshapeOp : Ternary_Op<"reshape"> {
  let summary = "the same elements in another shape";
  let description = [{
    Row-major order stays. `flatten` of the language is this operation. A dynamic batch stays the first dimension.

    Constraints: (C1) operand and result have one element type. (C2) they have the same number of elements; if one is
    dynamic so is the other, and the rest agrees.

    Example: `%y = ternary.reshape %x : (tensor<?x8x4x4xf32>) -> tensor<?x128xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$x);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Ternary_TransposeOp : Ternary_InferredOp<"transpose"> {
  let summary = "permutes the axes";
  let description = [{
    `result[i_0, ..]` is of size `x[order[0]], ..`.

    Constraints: (C1) `order` is a permutation of 0..rank-1. (C2) a dynamic batch stays axis 0.

    Example: `%y = ternary.transpose %x {order = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, DenseI64ArrayAttr:$order);
  let results = (outs Ternary_Tensor:$result);
  let hasFolder = 1;
}

def Ternary_SliceOp : Ternary_InferredOp<"slice"> {
  let summary = "elements from..to-1 along an axis";
  let description = [{
    Constraints: (C1) `axis` is an axis of x. (C2) `0 <= from < to <=` its size (a dynamic batch is checked at run time).

    Example: `%y = ternary.slice %x {axis = 1 : i64, from = 0 : i64, to = 4 : i64} : (tensor<4x8xf32>) -> tensor<4x4xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, I64Attr:$axis, I64Attr:$from, I64Attr:$to);
  let results = (outs Ternary_Tensor:$result);
  let hasFolder = 1;
}

def Ternary_IndexOp : Ternary_InferredOp<"index"> {
  let summary = "x[i, j, ..]: drops leading axes";
  let description = [{
    Constraints: (C1) there are at most rank indices. (C2) each lies in 0..size-1.

    Example: `%y = ternary.index %x {indices = array<i64: 2>} : (tensor<4x8xf32>) -> tensor<8xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, DenseI64ArrayAttr:$indices);
  let results = (outs Ternary_Tensor:$result);
  let hasFolder = 1;
}

def Ternary_PadOp : Ternary_InferredOp<"pad"> {
  let summary = "adds elements of one value at the borders";
  let description = [{
    `low[i]` elements before and `high[i]` after axis i. On codes the value is a code.

    Constraints: (C1) `low` and `high` have one size for each axis. (C2) none is negative, and those of a dynamic batch are
    0. (C3) the value fits the element type.

    Example: `%y = ternary.pad %x {low = array<i64: 0, 1>, high = array<i64: 0, 1>} : (tensor<4x8xf32>) -> tensor<4x10xf32>`
  }];
  let arguments = (ins Ternary_Tensor:$x, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high,
                       DefaultValuedAttr<F64Attr, "0.0">:$value);
  let results = (outs Ternary_Tensor:$result);
  let hasFolder = 1;
}

def Ternary_ConcatOp : Ternary_Op<"concat"> {
  let summary = "joins tensors along an axis";
  let description = [{
    Codes of another scale than the result's become `clamp(rne(fl(q * fl(s_part / s_y))))`.

    Constraints: (C1) there is at least one operand, and `axis` is an axis. (C2) all shapes agree but along `axis`, and the
    result's size there is the sum; a dynamic batch is not joined. (C3) one element type, or codes of any scale.

    Example: `%y = ternary.concat %a, %b {axis = 1 : i64} : (tensor<4x8xf32>, tensor<4x2xf32>) -> tensor<4x10xf32>`
  }];
  let arguments = (ins Variadic<Ternary_Tensor>:$parts, I64Attr:$axis);
  let results = (outs Ternary_Tensor:$result);
  let assemblyFormat = "$parts attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

#endif // TERNARY_MOVING_OPS_TD
