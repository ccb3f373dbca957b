// Elementwise operations and norms. One broken constraint each, by its label.
// RUN: ternary-opt %s -verify-diagnostics -split-input-file

func.func @relu_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{relu_c1: lo and hi come together}}
  %0 = ternary.relu %x {lo = 0 : i64, hi = 6 : i64} : tensor<?x8xf32>
  return
}

// -----

func.func @relu6_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{relu6_c1: lo and hi come together}}
  %0 = ternary.relu6 %x {lo = 0 : i64, hi = 6 : i64} : tensor<?x8xf32>
  return
}

// -----

func.func @abs_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{abs_c1: lo and hi come together}}
  %0 = ternary.abs %x {lo = 0 : i64, hi = 6 : i64} : tensor<?x8xf32>
  return
}

// -----

func.func @neg_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{neg_c1: lo and hi come together}}
  %0 = ternary.neg %x {lo = 0 : i64, hi = 6 : i64} : tensor<?x8xf32>
  return
}

// -----

func.func @neg_c1_range(%x: tensor<4xi8>) {
  // expected-error @below {{neg_c1: -8..300 is not a range inside -128..127}}
  %0 = ternary.neg %x {lo = -8 : i64, hi = 300 : i64} : tensor<4xi8>
  return
}

// -----

func.func @add_c1(%a: tensor<4x8xf32>, %b: tensor<7xf32>) {
  // expected-error @below {{add_c1: 'tensor<4x8xf32>' and 'tensor<7xf32>' do not broadcast}}
  %0 = ternary.add %a, %b : (tensor<4x8xf32>, tensor<7xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @add_c2(%a: tensor<4xf32>, %b: tensor<4xi8>) {
  // expected-error @below {{add_c2: no form takes}}
  %0 = ternary.add %a, %b : (tensor<4xf32>, tensor<4xi8>) -> tensor<4xf32>
  return
}

// -----

func.func @add_c3(%a: tensor<4xi8>, %b: tensor<4xi8>) {
  // expected-error @below {{add_c3: 7..-8 is not a range inside -128..127}}
  %0 = ternary.add %a, %b {lo = 7 : i64, hi = -8 : i64} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @sub_c1(%a: tensor<4x8xf32>, %b: tensor<7xf32>) {
  // expected-error @below {{sub_c1: 'tensor<4x8xf32>' and 'tensor<7xf32>' do not broadcast}}
  %0 = ternary.sub %a, %b : (tensor<4x8xf32>, tensor<7xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @sub_c2(%a: tensor<4xf32>, %b: tensor<4xi8>) {
  // expected-error @below {{sub_c2: no form takes}}
  %0 = ternary.sub %a, %b : (tensor<4xf32>, tensor<4xi8>) -> tensor<4xf32>
  return
}

// -----

func.func @sub_c3(%a: tensor<4xi8>, %b: tensor<4xi8>) {
  // expected-error @below {{sub_c3: 7..-8 is not a range inside -128..127}}
  %0 = ternary.sub %a, %b {lo = 7 : i64, hi = -8 : i64} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @mul_c1(%a: tensor<4x8xf32>, %b: tensor<7xf32>) {
  // expected-error @below {{mul_c1: 'tensor<4x8xf32>' and 'tensor<7xf32>' do not broadcast}}
  %0 = ternary.mul %a, %b : (tensor<4x8xf32>, tensor<7xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @mul_c2(%a: tensor<4xf32>, %b: tensor<4xi8>) {
  // expected-error @below {{mul_c2: no form takes}}
  %0 = ternary.mul %a, %b : (tensor<4xf32>, tensor<4xi8>) -> tensor<4xf32>
  return
}

// -----

func.func @mul_c3(%a: tensor<4xi8>, %b: tensor<4xi8>) {
  // expected-error @below {{mul_c3: 7..-8 is not a range inside -128..127}}
  %0 = ternary.mul %a, %b {lo = 7 : i64, hi = -8 : i64} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @div_c1(%a: tensor<4x8xf32>, %b: tensor<7xf32>) {
  // expected-error @below {{div_c1: 'tensor<4x8xf32>' and 'tensor<7xf32>' do not broadcast}}
  %0 = ternary.div %a, %b : (tensor<4x8xf32>, tensor<7xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @div_c2(%a: tensor<4xi8>, %b: tensor<4xi8>) {
  // expected-error @below {{div_c2: no form takes}}
  %0 = ternary.div %a, %b : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @div_c3(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error @below {{div_c3: lo and hi come together}}
  %0 = ternary.div %a, %b {lo = 0 : i64, hi = 1 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @add_c1_batch(%a: tensor<?x8xf32>, %b: tensor<4x8xf32>) {
  // expected-error @below {{add_c1: }}
  %0 = ternary.add %a, %b : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @sub_c2_codes(%a: tensor<4x!ternary.quant<u8, 0.5>>, %b: tensor<4x!ternary.quant<u8, 0.5>>) {
  // expected-error @below {{sub_c2: no form takes}}
  %0 = ternary.sub %a, %b : (tensor<4x!ternary.quant<u8, 0.5>>, tensor<4x!ternary.quant<u8, 0.5>>) -> tensor<4x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @mul_c2_narrow(%a: tensor<4xi32>, %b: tensor<4xi8>) {
  // expected-error @below {{mul_c2: no form takes 'i32' and 'i8' to 'i8'}}
  %0 = ternary.mul %a, %b : (tensor<4xi32>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @clamp_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{clamp_c1: lo must be at most hi}}
  %0 = ternary.clamp %x {lo = 1.0, hi = 0.0} : tensor<?x8xf32>
  return
}

// -----

func.func @clamp_c2(%x: tensor<?x4x8x8x!ternary.quant<u8, 0.5>>) {
  // expected-error @below {{clamp_c2: codes cannot be clamped}}
  %0 = ternary.clamp %x {lo = 0.0, hi = 1.0} : tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @clamp_c3(%x: tensor<4xi8>) {
  // expected-error @below {{clamp_c3: the bounds of integers must be whole numbers}}
  %0 = ternary.clamp %x {lo = 0.5, hi = 1.0} : tensor<4xi8>
  return
}

// -----

func.func @exp_on_integers(%x: tensor<4xi8>) {
  // expected-error @below {{operand #0 must be tensor of f32, f16 or bf16}}
  %0 = ternary.exp %x : tensor<4xi8>
  return
}

// -----

func.func @exp_on_empty(%x: tensor<0xf32>) {
  // expected-error @below {{operand #0 must be tensor of f32, f16 or bf16}}
  %0 = ternary.exp %x : tensor<0xf32>
  return
}

// -----

func.func @batch_norm_c1(%x: tensor<4xf32>) {
  // expected-error @below {{batch_norm_c1: x must have rank 2 or more}}
  %0 = ternary.batch_norm %x, %x, %x, %x, %x : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @batch_norm_c2(%x: tensor<4x8xf32>, %w: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{batch_norm_c2: weight, bias, mean and var must be [8], found 'tensor<4xf32>'}}
  %0 = ternary.batch_norm %x, %w, %w, %w, %v : (tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @layer_norm_c1(%x: tensor<4x8xf32>, %w: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{layer_norm_c1: weight and bias must be}}
  %0 = ternary.layer_norm %x, %w, %v : (tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @rms_norm_c1(%x: tensor<4x8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{rms_norm_c1: the weight must be}}
  %0 = ternary.rms_norm %x, %v : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xf32>
  return
}
