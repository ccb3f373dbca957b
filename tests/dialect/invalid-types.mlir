// Types, attributes and the dialect's attributes on functions.
// RUN: ternary-opt %s -verify-diagnostics -split-input-file

// expected-error @+1 {{quant_c1: unknown kind of codes 'i7'}}
func.func private @quant_c1(tensor<4x!ternary.quant<i7, 0.5>>)

// -----

// expected-error @+1 {{quant_c2: the scale must be a positive binary32}}
func.func private @quant_c2(tensor<4x!ternary.quant<i8, -0.5>>)

// -----

// Too small for a binary32: would be read as 0.
// expected-error @+1 {{quant_c2: the scale must be a positive binary32}}
func.func private @quant_c2_underflow(tensor<4x!ternary.quant<i8, 1.0e-50>>)

// -----

func.func @weights_storage() {
  // expected-error @+1 {{unknown weight storage 'i5'}}
  %0 = ternary.param {key = "w", policy = #ternary.weights<i5>} : tensor<4xf32>
  return
}

// -----

func.func @weights_threshold() {
  // expected-error @+1 {{the threshold must be positive and the group not negative}}
  %0 = ternary.param {key = "w", policy = #ternary.weights<trit, per_tensor, twn, threshold = 0.0>} : tensor<4xf32>
  return
}

// -----

func.func @weights_parameter() {
  // expected-error @+1 {{unknown weight parameter 'treshold'}}
  %0 = ternary.param {key = "w", policy = #ternary.weights<trit, per_tensor, twn, treshold = 0.7>} : tensor<4xf32>
  return
}

// -----

// expected-error @+1 {{attribute 'ternary.dims' must be an array of strings}}
func.func private @dims() attributes {ternary.dims = [1]}

// -----

// expected-error @+1 {{attribute 'ternary.checks' must be an array of [left, relation, right, message]}}
func.func private @checks() attributes {ternary.checks = [["N", "<="]]}

// -----

// expected-error @+1 {{attribute 'ternary.mean' of argument 0 must be an array of f64}}
func.func private @mean(tensor<4xf32> {ternary.mean = 0.5})

// -----

// expected-error @+1 {{attribute 'ternary.name' of result 0 must be a string}}
func.func private @result() -> (tensor<4xf32> {ternary.name = 1 : i64})

// -----

func.func @group(%x: tensor<4xf32>) {
  // expected-error @+1 {{attribute 'ternary.group' must be an i64 that is not negative}}
  %0 = ternary.exp %x {ternary.group = -1 : i64} : tensor<4xf32>
  return
}

// -----

func.func @entry(%x: tensor<4xf32>) {
  // expected-error @+1 {{attribute 'ternary.entry' belongs on a function}}
  %0 = ternary.exp %x {ternary.entry} : tensor<4xf32>
  return
}

// -----

// 2^41 elements: beyond the language's limit, and beyond what sizes may multiply to here.
func.func @elements(%x: tensor<?x2199023255552xf32>) {
  // expected-error @+1 {{operand #0 must be tensor of f32, f16 or bf16}}
  %0 = ternary.exp %x : tensor<?x2199023255552xf32>
  return
}

// -----

// Sizes whose product leaves 64 bits.
func.func @wrapping(%x: tensor<9223372036854775807x3xf32>) {
  // expected-error @+1 {{operand #0 must be tensor of f32, f16 or bf16}}
  %0 = ternary.exp %x : tensor<9223372036854775807x3xf32>
  return
}

// -----

// A big splat is one value to check, not 2^40.
func.func @splat() {
  // expected-error @+1 {{constant_c3: a value lies outside -1..1}}
  %0 = ternary.constant dense<2> : tensor<1048576x1048576xi8> -> tensor<1048576x1048576x!ternary.trit>
  return
}
