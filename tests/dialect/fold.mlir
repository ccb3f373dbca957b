// What folds away, and beside each what must not.
// RUN: ternary-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @idempotent(
func.func @idempotent(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: %[[A:.*]] = ternary.relu %arg0
  // CHECK-NEXT: %[[B:.*]] = ternary.relu6 %[[A]]
  // CHECK-NEXT: %[[C:.*]] = ternary.abs %arg0
  // CHECK-NEXT: return %[[A]], %[[B]], %[[C]]
  %0 = ternary.relu %x : tensor<4xf32>
  %1 = ternary.relu %0 : tensor<4xf32>
  %2 = ternary.relu6 %1 : tensor<4xf32>
  %3 = ternary.relu6 %2 : tensor<4xf32>
  %4 = ternary.abs %x : tensor<4xf32>
  %5 = ternary.abs %4 : tensor<4xf32>
  return %1, %3, %5 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -(-x) is x on reals; on int8 the smallest one is not.
// CHECK-LABEL: func.func @negations(
func.func @negations(%x: tensor<4xf32>, %i: tensor<4xi8>) -> (tensor<4xf32>, tensor<4xi8>) {
  // CHECK-NEXT: %[[A:.*]] = ternary.neg %arg1
  // CHECK-NEXT: %[[B:.*]] = ternary.neg %[[A]]
  // CHECK-NEXT: return %arg0, %[[B]]
  %0 = ternary.neg %x : tensor<4xf32>
  %1 = ternary.neg %0 : tensor<4xf32>
  %2 = ternary.neg %i : tensor<4xi8>
  %3 = ternary.neg %2 : tensor<4xi8>
  return %1, %3 : tensor<4xf32>, tensor<4xi8>
}

// CHECK-LABEL: func.func @moves_of_nothing(
func.func @moves_of_nothing(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> {
  // CHECK-NEXT: return %arg0
  %0 = ternary.reshape %x : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %1 = ternary.transpose %0 {order = array<i64: 0, 1, 2, 3>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %2 = ternary.slice %1 {axis = 1 : i64, from = 0 : i64, to = 4 : i64} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %3 = ternary.pad %2 {low = array<i64: 0, 0, 0, 0>, high = array<i64: 0, 0, 0, 0>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %4 = ternary.concat %3 {axis = 1 : i64} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %5 = ternary.max_pool %4 {kernel = array<i64: 1, 1>, stride = array<i64: 1, 1>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %6 = ternary.avg_pool %5 {kernel = array<i64: 1, 1>, stride = array<i64: 1, 1>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %7 = ternary.index %6 {indices = array<i64>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %8 = ternary.cast %7 : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  return %8 : tensor<?x4x8x8xf32>
}

// A pool of one element that strides, or codes that change their scale, is work.
// CHECK-LABEL: func.func @pools_that_stay(
func.func @pools_that_stay(%x: tensor<?x4x8x8xf32>, %q: tensor<?x4x8x8x!ternary.quant<u8, 0.5>>)
    -> (tensor<?x4x4x4xf32>, tensor<?x4x8x8x!ternary.quant<u8, 0.25>>) {
  // CHECK: ternary.max_pool
  // CHECK: ternary.avg_pool
  %0 = ternary.max_pool %x {kernel = array<i64: 1, 1>, stride = array<i64: 2, 2>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x4xf32>
  %1 = ternary.avg_pool %q {kernel = array<i64: 1, 1>, stride = array<i64: 1, 1>} : (tensor<?x4x8x8x!ternary.quant<u8, 0.5>>)
      -> tensor<?x4x8x8x!ternary.quant<u8, 0.25>>
  return %0, %1 : tensor<?x4x4x4xf32>, tensor<?x4x8x8x!ternary.quant<u8, 0.25>>
}

// CHECK-LABEL: func.func @chains(
func.func @chains(%x: tensor<2x3x4xf32>) -> (tensor<3x8xf32>, tensor<4x2x3xf32>, tensor<2x3x4xf32>) {
  // CHECK-NEXT: %[[A:.*]] = ternary.reshape %arg0 : (tensor<2x3x4xf32>) -> tensor<3x8xf32>
  // CHECK-NEXT: %[[B:.*]] = ternary.transpose %arg0 {order = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  // CHECK-NEXT: return %[[A]], %[[B]], %arg0
  %0 = ternary.reshape %x : (tensor<2x3x4xf32>) -> tensor<24xf32>
  %1 = ternary.reshape %0 : (tensor<24xf32>) -> tensor<3x8xf32>
  %2 = ternary.transpose %x {order = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %3 = ternary.transpose %2 {order = array<i64: 1, 2, 0>} : (tensor<3x4x2xf32>) -> tensor<4x2x3xf32>
  %4 = ternary.transpose %3 {order = array<i64: 1, 2, 0>} : (tensor<4x2x3xf32>) -> tensor<2x3x4xf32>
  return %1, %3, %4 : tensor<3x8xf32>, tensor<4x2x3xf32>, tensor<2x3x4xf32>
}

// q -> real -> the same codes is q; into another scale, or by way of a dynamic scale, it is not.
// CHECK-LABEL: func.func @requantised(
func.func @requantised(%q: tensor<4x!ternary.quant<u8, 0.1>>, %s: tensor<f32>)
    -> (tensor<4x!ternary.quant<u8, 0.1>>, tensor<4x!ternary.quant<u8, 0.2>>, tensor<4x!ternary.quant<u8, 0.1>>) {
  // CHECK: %[[B:.*]] = ternary.quantize
  // CHECK: %[[C:.*]] = ternary.quantize
  // CHECK: return %arg0, %[[B]], %[[C]]
  %0 = ternary.dequantize %q : (tensor<4x!ternary.quant<u8, 0.1>>) -> tensor<4xf32>
  %1 = ternary.quantize %0 : tensor<4xf32> -> tensor<4x!ternary.quant<u8, 0.1>>
  %2 = ternary.quantize %0 : tensor<4xf32> -> tensor<4x!ternary.quant<u8, 0.2>>
  %3 = ternary.dequantize %q scale %s : (tensor<4x!ternary.quant<u8, 0.1>>, tensor<f32>) -> tensor<4xf32>
  %4 = ternary.quantize %3 : tensor<4xf32> -> tensor<4x!ternary.quant<u8, 0.1>>
  return %1, %2, %4 : tensor<4x!ternary.quant<u8, 0.1>>, tensor<4x!ternary.quant<u8, 0.2>>, tensor<4x!ternary.quant<u8, 0.1>>
}

// CHECK-LABEL: func.func @constants(
func.func @constants() -> (tensor<4xi8>, tensor<2x2x!ternary.trit>, tensor<4xi8>, tensor<3xf32>, tensor<2xf32>) {
  // CHECK-DAG: %[[R:.*]] = ternary.constant dense<{{\[}}[1, 0], [-1, 1]]> : tensor<2x2xi8> -> tensor<2x2x!ternary.trit>
  // CHECK-DAG: %[[C:.*]] = ternary.constant dense<[1, 0, -1, 1]> : tensor<4xi8>{{$}}
  // CHECK-DAG: %[[S:.*]] = ternary.constant dense<2.000000e+00> : tensor<3xf32>
  // CHECK-DAG: %[[T:.*]] = ternary.constant dense<2.000000e+00> : tensor<2xf32>
  // CHECK: return %[[C]], %[[R]], %[[C]], %[[S]], %[[T]]
  %t = ternary.constant dense<[1, 0, -1, 1]> : tensor<4xi8> -> tensor<4x!ternary.trit>
  %f = ternary.constant dense<2.0> : tensor<2x3xf32>
  %0 = ternary.codes %t : (tensor<4x!ternary.trit>) -> tensor<4xi8>
  %1 = ternary.reshape %t : (tensor<4x!ternary.trit>) -> tensor<2x2x!ternary.trit>
  %2 = ternary.cast %t : (tensor<4x!ternary.trit>) -> tensor<4xi8>
  %3 = ternary.index %f {indices = array<i64: 1>} : (tensor<2x3xf32>) -> tensor<3xf32>
  %4 = ternary.slice %3 {axis = 0 : i64, from = 1 : i64, to = 3 : i64} : (tensor<3xf32>) -> tensor<2xf32>
  return %0, %1, %2, %3, %4 : tensor<4xi8>, tensor<2x2x!ternary.trit>, tensor<4xi8>, tensor<3xf32>, tensor<2xf32>
}

// Operations have no side effects: what nobody uses goes.
// CHECK-LABEL: func.func @unused(
func.func @unused(%x: tensor<4xf32>) {
  // CHECK-NEXT: return
  %0 = ternary.exp %x : tensor<4xf32>
  %1 = ternary.param {key = "w"} : tensor<4xf32>
  return
}
