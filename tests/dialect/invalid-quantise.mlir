// Parameters, constants, quantisers and conversions. One broken constraint each, by its label.
// RUN: ternary-opt %s -verify-diagnostics -split-input-file

func.func @param_c1() {
  // expected-error @below {{param_c1: the key must not be empty}}
  %0 = ternary.param {key = ""} : tensor<4xf32>
  return
}

// -----

func.func @param_c2() {
  // expected-error @below {{param_c2: a parameter must have a static shape}}
  %0 = ternary.param {key = "w"} : tensor<?x4xf32>
  return
}

// -----

func.func @param_c3() {
  // expected-error @below {{param_c3: init must have the result's type}}
  %0 = ternary.param {key = "w", init = dense<1> : tensor<4xi8>} : tensor<4xf32>
  return
}

// -----

func.func @param_c4() {
  // expected-error @below {{param_c4: axis 1 is out of range for rank 1}}
  %0 = ternary.param {key = "w", axis = 1 : i64} : tensor<4xf32>
  return
}

// -----

func.func @param_c5() {
  // expected-error @below {{param_c5: groups of 3 do not fit channels of 8 elements}}
  %0 = ternary.param {key = "w", policy = #ternary.weights<trit, per_group, twn, group = 3>} : tensor<4x8xf32>
  return
}

// -----

func.func @param_c5_group_without_need() {
  // expected-error @below {{param_c5: groups of 4 do not fit}}
  %0 = ternary.param {key = "w", policy = #ternary.weights<trit, per_channel, twn, group = 4>} : tensor<4x8xf32>
  return
}

// -----

func.func @param_c6() {
  // expected-error @below {{param_c6: a weight with a policy is f32}}
  %0 = ternary.param {key = "w", policy = #ternary.weights<i8>} : tensor<4xi8>
  return
}

// -----

func.func @constant_c1() {
  // expected-error @below {{constant_c1: the value has shape}}
  %0 = ternary.constant dense<1> : tensor<4xi8> -> tensor<5x!ternary.trit>
  return
}

// -----

func.func @constant_c2() {
  // expected-error @below {{constant_c2: '!ternary.trit' is stored as 'i8', found 'i32'}}
  %0 = ternary.constant dense<1> : tensor<4xi32> -> tensor<4x!ternary.trit>
  return
}

// -----

func.func @constant_c2_unsigned() {
  // expected-error @below {{constant_c2: '!ternary.quant<u8, 0.5>' is stored as 'ui8', found 'i8'}}
  %0 = ternary.constant dense<1> : tensor<4xi8> -> tensor<4x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @constant_c3() {
  // expected-error @below {{constant_c3: a value lies outside -1..1}}
  %0 = ternary.constant dense<[0, 1, 2]> : tensor<3xi8> -> tensor<3x!ternary.trit>
  return
}

// -----

func.func @constant_c3_codes() {
  // expected-error @below {{constant_c3: a value lies outside 0..15}}
  %0 = ternary.constant dense<[0, 16]> : tensor<2xui8> -> tensor<2x!ternary.quant<u4, 0.5>>
  return
}

// -----

func.func @fake_quantize_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{fake_quantize_c1: a static quantiser needs a key or a scale}}
  %0 = ternary.fake_quantize %x u8 static per_tensor : tensor<?x8xf32>
  return
}

// -----

func.func @fake_quantize_c1_dynamic(%x: tensor<?x8xf32>) {
  // expected-error @below {{fake_quantize_c1: a static quantiser needs a key or a scale, a dynamic one has neither}}
  %0 = ternary.fake_quantize %x u8 dynamic per_tensor {scale = 0.5} : tensor<?x8xf32>
  return
}

// -----

func.func @fake_quantize_c2(%x: tensor<?x8xf32>) {
  // expected-error @below {{fake_quantize_c2: per_row is for dynamic quantisers}}
  %0 = ternary.fake_quantize %x u8 static per_row {key = "s"} : tensor<?x8xf32>
  return
}

// -----

func.func @fake_quantize_c2_rank(%x: tensor<f32>) {
  // expected-error @below {{fake_quantize_c2: per_row is for dynamic quantisers of rank 1}}
  %0 = ternary.fake_quantize %x u8 dynamic per_row : tensor<f32>
  return
}

// -----

func.func @fake_quantize_c3(%x: tensor<?x8xf32>) {
  // expected-error @below {{fake_quantize_c3: clip must lie in}}
  %0 = ternary.fake_quantize %x u8 static per_tensor {key = "s", clip = 0.0} : tensor<?x8xf32>
  return
}

// -----

func.func @fake_quantize_c4(%x: tensor<?x8xf32>) {
  // expected-error @below {{fake_quantize_c4: the scale must be a positive binary32}}
  %0 = ternary.fake_quantize %x u8 static per_tensor {scale = 1.0e-60} : tensor<?x8xf32>
  return
}

// -----

func.func @quantize_c1(%x: tensor<4xf32>) {
  // expected-error @below {{quantize_c1: 'tensor<4xf32>' and}}
  %0 = ternary.quantize %x : tensor<4xf32> -> tensor<5x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @dequantize_c1(%x: tensor<4x!ternary.quant<u8, 0.5>>) {
  // expected-error @below {{dequantize_c1: 'tensor<4x}}
  %0 = ternary.dequantize %x : (tensor<4x!ternary.quant<u8, 0.5>>) -> tensor<5xf32>
  return
}

// -----

func.func @dequantize_c2(%x: tensor<4x8x!ternary.quant<u8, 0.5>>, %s: tensor<5xf32>) {
  // expected-error @below {{dequantize_c2: 'tensor<5xf32>' is no scale of}}
  %0 = ternary.dequantize %x scale %s : (tensor<4x8x!ternary.quant<u8, 0.5>>, tensor<5xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_c3(%x: tensor<4xf16>) {
  // expected-error @below {{dequantize_c3: a real operand keeps its type}}
  %0 = ternary.dequantize %x : (tensor<4xf16>) -> tensor<4xf32>
  return
}

// -----

func.func @quantize_dynamic_c1(%x: tensor<f32>) {
  // expected-error @below {{quantize_dynamic_c1: per_row needs a rank}}
  // expected-error @below {{'ternary.quantize_dynamic' op failed to infer returned types}}
  %0, %1 = ternary.quantize_dynamic %x i8 per_row : (tensor<f32>) -> (tensor<!ternary.quant<i8, 1.0>>, tensor<f32>)
  return
}

// -----

func.func @quantize_dynamic_types(%x: tensor<4xf32>) {
  // expected-error @below {{inferred type(s)}}
  // expected-error @below {{'ternary.quantize_dynamic' op failed to infer returned types}}
  %0, %1 = ternary.quantize_dynamic %x i8 per_tensor : (tensor<4xf32>) -> (tensor<4x!ternary.quant<u8, 1.0>>, tensor<f32>)
  return
}

// -----

func.func @cast_c1(%x: tensor<4xf32>) {
  // expected-error @below {{cast_c1: 'tensor<4xf32>' and 'tensor<5xi8>' have different shapes}}
  %0 = ternary.cast %x : (tensor<4xf32>) -> tensor<5xi8>
  return
}

// -----

func.func @cast_c2(%x: tensor<4x!ternary.quant<u8, 0.5>>) {
  // expected-error @below {{cast_c2: codes are not cast}}
  %0 = ternary.cast %x : (tensor<4x!ternary.quant<u8, 0.5>>) -> tensor<4xi8>
  return
}

// -----

func.func @cast_c3(%x: tensor<4xf32>) {
  // expected-error @below {{cast_c3: lo and hi come together}}
  %0 = ternary.cast %x {lo = 0 : i64} : (tensor<4xf32>) -> tensor<4xi8>
  return
}

// -----

func.func @cast_c3_range(%x: tensor<4xf32>) {
  // expected-error @below {{cast_c3: lo and hi come together, as a range inside}}
  %0 = ternary.cast %x {lo = 0 : i64, hi = 255 : i64} : (tensor<4xf32>) -> tensor<4xi8>
  return
}

// -----

func.func @codes_type(%x: tensor<4x!ternary.trit>) {
  // expected-error @below {{inferred type(s)}}
  // expected-error @below {{'ternary.codes' op failed to infer returned types}}
  %0 = ternary.codes %x : (tensor<4x!ternary.trit>) -> tensor<4xi16>
  return
}
