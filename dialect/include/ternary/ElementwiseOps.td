// Elementwise operations and norms.
#ifndef TERNARY_ELEMENTWISE_OPS_TD
#define TERNARY_ELEMENTWISE_OPS_TD

include "ternary/TernaryOpBase.td"

def Ternary_ReluOp : Ternary_AnyUnaryOp<"relu", "max(x, 0)">;
def Ternary_Relu6Op : Ternary_AnyUnaryOp<"relu6", "min(max(x, 0), 6)">;
def Ternary_AbsOp : Ternary_AnyUnaryOp<"abs", "|x|">;
def Ternary_NegOp : Ternary_AnyUnaryOp<"neg", "-x">;
def Ternary_HardsigmoidOp : Ternary_RealUnaryOp<"hardsigmoid", "relu6(x + 3) / 6">;
def Ternary_HardswishOp : Ternary_RealUnaryOp<"hardswish", "x * relu6(x + 3) / 6">;
def Ternary_SigmoidOp : Ternary_RealUnaryOp<"sigmoid", "1 / (1 + exp(-x))">;
def Ternary_SiluOp : Ternary_RealUnaryOp<"silu", "x * sigmoid(x)">;
def Ternary_TanhOp : Ternary_RealUnaryOp<"tanh", "tanh(x)">;
def Ternary_ExpOp : Ternary_RealUnaryOp<"exp", "exp(x)">;
def Ternary_LogOp : Ternary_RealUnaryOp<"log", "log(x)">;
def Ternary_SqrtOp : Ternary_RealUnaryOp<"sqrt", "sqrt(x)">;

def Ternary_GeluOp : Ternary_SameTypeOp<"gelu", Ternary_RealTensor, "x * (1 + erf(x / sqrt 2)) / 2, elementwise",
    "With `approx` the tanh form `x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2`.", (ins UnitAttr:$approx)>;

def Ternary_ClampOp : Ternary_SameTypeOp<"clamp", Ternary_Tensor, "min(max(x, lo), hi), elementwise",
    "", (ins F64Attr:$lo, F64Attr:$hi)> {
  let description = [{
    On reals and plain integers; NaN stays NaN.

    Constraints: (C1) `lo <= hi`. (C2) not on codes. (C3) the bounds are whole numbers on integers.

    Example: `%y = ternary.clamp %x {lo = -1.0, hi = 1.0} : tensor<4x8xf32>`
  }];
  let hasVerifier = 1;
}

def Ternary_AddOp : Ternary_BinaryOp<"add", "lhs + rhs",
    "Codes: `clamp(rne(fma(a, ra, fl(b * rb))), lo, hi)`, ra = fl(s_a/s_y), rb = fl(s_b/s_y).", [Commutative]>;
def Ternary_SubOp : Ternary_BinaryOp<"sub", "lhs - rhs", "Not on codes.">;
def Ternary_MulOp : Ternary_BinaryOp<"mul", "lhs * rhs",
    "Codes: `clamp(rne(fl(fl(a * b) * m)), lo, hi)`, m = fl(s_a * s_b / s_y). Trits by trits give trits.", [Commutative]>;
def Ternary_DivOp : Ternary_BinaryOp<"div", "lhs / rhs", "Reals only.">;

def Ternary_BatchNormOp : Ternary_Op<"batch_norm", [AllTypesMatch<["x", "result"]>]> {
  let summary = "(x - mean) * weight / sqrt(var + eps) + bias per channel";
  let description = [{
    x is [N, C, ..]; weight, bias, mean and var are [C].

    Constraints: (C1) x has rank 2 or more. (C2) the four are [C] of x's element type or `f32`.

    Example: `%y = ternary.batch_norm %x, %w, %b, %m, %v : (tensor<?x16x8x8xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>,
    tensor<16xf32>) -> tensor<?x16x8x8xf32>`
  }];
  let arguments = (ins Ternary_RealTensor:$x, Ternary_RealTensor:$weight, Ternary_RealTensor:$bias, Ternary_RealTensor:$mean,
                       Ternary_RealTensor:$var, DefaultValuedAttr<F64Attr, "1e-5">:$eps);
  let results = (outs Ternary_RealTensor:$result);
  let assemblyFormat = [{
    $x `,` $weight `,` $bias `,` $mean `,` $var attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Ternary_LayerNormOp : Ternary_Op<"layer_norm", [AllTypesMatch<["x", "result"]>]> {
  let summary = "normalises the last axis, then scales and shifts";
  let description = [{
    x is [.., D]; weight and bias are [D]; the variance is the biased one.

    Constraints: (C1) weight and bias are [D], D the size of the last axis.

    Example: `%y = ternary.layer_norm %x, %w, %b : (tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<4x8xf32>`
  }];
  let arguments = (ins Ternary_RealTensor:$x, Ternary_RealTensor:$weight, Ternary_RealTensor:$bias,
                       DefaultValuedAttr<F64Attr, "1e-5">:$eps);
  let results = (outs Ternary_RealTensor:$result);
  let assemblyFormat = "$x `,` $weight `,` $bias attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Ternary_RmsNormOp : Ternary_Op<"rms_norm", [AllTypesMatch<["x", "result"]>]> {
  let summary = "x / sqrt(mean(x^2) + eps) * weight along the last axis";
  let description = [{
    x is [.., D]; weight is [D].

    Constraints: (C1) weight is [D], D the size of the last axis.

    Example: `%y = ternary.rms_norm %x, %w : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>`
  }];
  let arguments = (ins Ternary_RealTensor:$x, Ternary_RealTensor:$weight, DefaultValuedAttr<F64Attr, "1e-6">:$eps);
  let results = (outs Ternary_RealTensor:$result);
  let assemblyFormat = "$x `,` $weight attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif // TERNARY_ELEMENTWISE_OPS_TD
