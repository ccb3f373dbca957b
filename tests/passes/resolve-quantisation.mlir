// RUN: ternary-opt %s -split-input-file -ternary-resolve-quantisation | FileCheck %s
// RUN: ternary-opt %s -split-input-file -ternary-resolve-quantisation | ternary-opt -split-input-file -ternary-resolve-quantisation | FileCheck %s --check-prefix=TWICE

// A convolution with batch norm, ReLU and quantiser is one product and one affine end; nothing of the float graph is left.
// CHECK-LABEL: func.func @conv_bn_relu
// CHECK-NOT: ternary.param
// CHECK: %[[X:.*]] = ternary.quantize %arg0 {{.*}}!ternary.quant<i8, 0.5>
// CHECK-NEXT: %[[ACC:.*]] = ternary.conv2d %[[X]], %{{.*}}ternary.acc_exact_f32, ternary.acc_max
// CHECK-SAME: -> tensor<?x2x8x8xi32>
// CHECK-NEXT: %[[Q:.*]] = ternary.affine %[[ACC]] {{.*}}hi = 255 : i64, lo = 0 : i64
// CHECK-SAME: !ternary.quant<u8, 0.25>
// CHECK-NEXT: ternary.dequantize %[[Q]]
// CHECK-NOT: batch_norm
// TWICE-LABEL: func.func @conv_bn_relu
// TWICE: ternary.affine
func.func @conv_bn_relu(%x: tensor<?x1x8x8xf32>) -> tensor<?x2x8x8xf32> {
  %w = ternary.param {key = "conv.weight", policy = #ternary.weights<trit, per_channel, twn, threshold = 0.7>} : tensor<2x1x3x3xf32>
  %g = ternary.param {key = "bn.weight"} : tensor<2xf32>
  %b = ternary.param {key = "bn.bias"} : tensor<2xf32>
  %m = ternary.param {key = "bn.running_mean"} : tensor<2xf32>
  %v = ternary.param {key = "bn.running_var"} : tensor<2xf32>
  %q = ternary.fake_quantize %x i8 static per_tensor {scale = 0.5 : f64} : tensor<?x1x8x8xf32>
  %c = ternary.conv2d %q, %w {padding = array<i64: 1, 1>, ternary.group = 0 : i64} : (tensor<?x1x8x8xf32>, tensor<2x1x3x3xf32>) -> tensor<?x2x8x8xf32>
  %n = ternary.batch_norm %c, %g, %b, %m, %v {ternary.group = 0 : i64} : (tensor<?x2x8x8xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2x8x8xf32>
  %r = ternary.relu %n {ternary.group = 0 : i64} : tensor<?x2x8x8xf32>
  %y = ternary.fake_quantize %r u8 static per_tensor {scale = 0.25 : f64, ternary.group = 0 : i64} : tensor<?x2x8x8xf32>
  return %y : tensor<?x2x8x8xf32>
}

// -----

// The residual of another group joins the one rounding; relu6 clamps at the code of six: rne(6 / 0.25) = 24.
// CHECK-LABEL: func.func @residual
// CHECK: ternary.affine %{{.*}} residual %[[X:.*]] {{.*}}hi = 24 : i64, lo = 0 : i64{{.*}}residual_m = 2.000000e+00 : f32
func.func @residual(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %w = ternary.param {key = "w", policy = #ternary.weights<trit, per_tensor, twn, threshold = 0.7>} : tensor<8x8xf32>
  %q = ternary.fake_quantize %x i8 static per_tensor {scale = 0.5 : f64} : tensor<4x8xf32>
  %c = ternary.linear %q, %w {ternary.group = 0 : i64} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %a = ternary.add %q, %c {ternary.group = 0 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %r = ternary.relu6 %a {ternary.group = 0 : i64} : tensor<4x8xf32>
  %y = ternary.fake_quantize %r u8 static per_tensor {scale = 0.25 : f64, ternary.group = 0 : i64} : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Another activation: a real affine end, the function, then codes.
// CHECK-LABEL: func.func @gelu
// CHECK: %[[Y:.*]] = ternary.affine {{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: %[[G:.*]] = ternary.gelu %[[Y]]
// CHECK-NEXT: ternary.quantize %[[G]]
func.func @gelu(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %w = ternary.param {key = "w", policy = #ternary.weights<i8>} : tensor<8x8xf32>
  %q = ternary.fake_quantize %x i8 static per_tensor {scale = 0.5 : f64} : tensor<4x8xf32>
  %c = ternary.linear %q, %w {ternary.group = 0 : i64} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %r = ternary.gelu %c {ternary.group = 0 : i64} : tensor<4x8xf32>
  %y = ternary.fake_quantize %r i8 static per_tensor {scale = 0.25 : f64, ternary.group = 0 : i64} : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Per-group scales keep the groups' sums apart.
// CHECK-LABEL: func.func @groups
// CHECK: %[[ACC:.*]] = ternary.linear {{.*}}k_groups = 4 : i64{{.*}} -> tensor<4x8x4xi32>
// CHECK-NEXT: ternary.affine %[[ACC]] {{.*}}: tensor<8x4xf32>
func.func @groups(%x: tensor<4x16xf32>) -> tensor<4x8xf32> {
  %w = ternary.param {key = "w", policy = #ternary.weights<trit, per_group, twn, threshold = 0.7, group = 4>} : tensor<8x16xf32>
  %q = ternary.fake_quantize %x i8 static per_tensor {scale = 0.5 : f64} : tensor<4x16xf32>
  %c = ternary.linear %q, %w {ternary.group = 0 : i64} : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  return %c : tensor<4x8xf32>
}

// -----

// A dynamic scale enters the affine end at run time.
// CHECK-LABEL: func.func @dynamic
// CHECK: %[[Q:.*]], %[[S:.*]] = ternary.quantize_dynamic %arg0 i8 per_row
// CHECK: %[[ACC:.*]] = ternary.linear %[[Q]]
// CHECK-NEXT: ternary.affine %[[ACC]] scale %[[S]]
func.func @dynamic(%x: tensor<4x16xf32>) -> tensor<4x8xf32> {
  %w = ternary.param {key = "w", policy = #ternary.weights<trit, per_channel, absmean, threshold = 0.7>} : tensor<8x16xf32>
  %q = ternary.fake_quantize %x i8 dynamic per_row : tensor<4x16xf32>
  %c = ternary.linear %q, %w {ternary.group = 0 : i64} : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  return %c : tensor<4x8xf32>
}

// -----

// Does not fire: real inputs multiply codes, float weights stay a real product.
// CHECK-LABEL: func.func @mixed
// CHECK: %[[R:.*]] = ternary.linear %arg0, %{{.*}} : (tensor<4x16xf32>, tensor<8x16x!ternary.trit>) -> tensor<4x8xf32>
// CHECK-NEXT: %[[A:.*]] = ternary.affine %[[R]]
// CHECK-NEXT: ternary.linear %[[A]], %{{.*}} : (tensor<4x8xf32>, tensor<2x8xf32>) -> tensor<4x2xf32>
// CHECK-NOT: quantize
func.func @mixed(%x: tensor<4x16xf32>) -> tensor<4x2xf32> {
  %w = ternary.param {key = "w", policy = #ternary.weights<trit, per_channel, twn, threshold = 0.7>} : tensor<8x16xf32>
  %h = ternary.param {key = "h", policy = #ternary.weights<f32>} : tensor<2x8xf32>
  %c = ternary.linear %x, %w {ternary.group = 0 : i64} : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  %d = ternary.linear %c, %h {ternary.group = 1 : i64} : (tensor<4x8xf32>, tensor<2x8xf32>) -> tensor<4x2xf32>
  return %d : tensor<4x2xf32>
}

// -----

// add, mean and concat between quantisers work on codes; moving operations keep codes and scale.
// CHECK-LABEL: func.func @codes
// CHECK: %[[P:.*]] = ternary.max_pool %{{.*}} -> tensor<1x2x2x2x!ternary.quant<i8, 0.5>>
// CHECK-NEXT: %[[A:.*]] = ternary.add %[[P]], %[[P]] {hi = 255 : i64, lo = 0 : i64{{.*}}!ternary.quant<u8, 0.25>
// CHECK-NEXT: %[[G:.*]] = ternary.global_avg_pool %[[A]] {{.*}}!ternary.quant<u8, 0.125>
// CHECK-NEXT: ternary.dequantize %[[G]]
func.func @codes(%x: tensor<1x2x4x4xf32>) -> tensor<1x2xf32> {
  %q = ternary.fake_quantize %x i8 static per_tensor {scale = 0.5 : f64} : tensor<1x2x4x4xf32>
  %p = ternary.max_pool %q {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32>
  %a = ternary.add %p, %p {ternary.group = 0 : i64} : (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  %r = ternary.relu %a {ternary.group = 0 : i64} : tensor<1x2x2x2xf32>
  %s = ternary.fake_quantize %r u8 static per_tensor {scale = 0.25 : f64, ternary.group = 0 : i64} : tensor<1x2x2x2xf32>
  %g = ternary.global_avg_pool %s {ternary.group = 1 : i64} : (tensor<1x2x2x2xf32>) -> tensor<1x2xf32>
  %t = ternary.fake_quantize %g u8 static per_tensor {scale = 0.125 : f64, ternary.group = 1 : i64} : tensor<1x2xf32>
  return %t : tensor<1x2xf32>
}

// -----

// Everything else is real between dequantize and quantize.
// CHECK-LABEL: func.func @softmax
// CHECK: %[[D:.*]] = ternary.dequantize
// CHECK-NEXT: %[[S:.*]] = ternary.softmax %[[D]]
// CHECK-NEXT: ternary.quantize %[[S]]
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %q = ternary.fake_quantize %x i8 static per_tensor {scale = 0.5 : f64} : tensor<4x8xf32>
  %s = ternary.softmax %q {axis = 1 : i64} : tensor<4x8xf32>
  %t = ternary.fake_quantize %s u8 static per_tensor {scale = 0.00390625 : f64} : tensor<4x8xf32>
  return %t : tensor<4x8xf32>
}
