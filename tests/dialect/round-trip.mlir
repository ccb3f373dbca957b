// Every operation, type and attribute prints what it reads: text -> text and text -> bytecode -> text. A break here means
// that --emit=ternary shows something other than what runs.
// RUN: ternary-opt %s | ternary-opt | FileCheck %s
// RUN: ternary-opt %s --emit-bytecode | ternary-opt | FileCheck %s
// RUN: ternary-opt %s --mlir-print-op-generic | ternary-opt | FileCheck %s

// CHECK-LABEL: func.func @float_graph(
// CHECK-SAME: ternary.dtypes = ["uint8", "float32"], ternary.mean = array<f64: 5.000000e-01>
func.func @float_graph(%image: tensor<?x3x32x32xf32> {ternary.name = "image", ternary.dtypes = ["uint8", "float32"],
    ternary.mean = array<f64: 0.5>, ternary.std = array<f64: 0.25>, ternary.scale = 0.00392156862745098})
    -> (tensor<?x10xf32> {ternary.name = "logits"})
    attributes {ternary.entry, ternary.model = "Net", ternary.dims = ["N"],
                ternary.checks = [["N", "<=", "64", "too many"]]} {
  // CHECK: ternary.param {key = "w", policy = #ternary.weights<trit, per_channel, twn, threshold = 0.7>} : tensor<16x3x3x3xf32>
  %w = ternary.param {key = "w", policy = #ternary.weights<trit, per_channel, twn>} : tensor<16x3x3x3xf32>
  // CHECK: #ternary.weights<trit, per_group, stochastic, threshold = 0.05, group = 4, seed = 18446744073709551615>
  %g = ternary.param {key = "g", policy = #ternary.weights<trit, per_group, stochastic, threshold = 5.0e-2, group = 4,
      seed = 18446744073709551615>} : tensor<16x8xf32>
  // CHECK: ternary.param {axis = 1 : i64, frozen, init = dense<1.000000e+00> : tensor<16x10xf32>, key = "h", policy = #ternary.weights<i8>}
  %h = ternary.param {key = "h", policy = #ternary.weights<i8>, axis = 1 : i64, frozen,
      init = dense<1.0> : tensor<16x10xf32>} : tensor<16x10xf32>
  // CHECK: ternary.param {key = "b"} : tensor<16xf32>
  %b = ternary.param {key = "b"} : tensor<16xf32>
  // CHECK: ternary.fake_quantize %{{.*}} i8 static per_tensor {key = "act0.scale"} : tensor<?x3x32x32xf32>
  %q = ternary.fake_quantize %image i8 static per_tensor {key = "act0.scale"} : tensor<?x3x32x32xf32>
  // CHECK: ternary.conv2d %{{.*}}, %{{.*}} bias %{{.*}} {dilation = array<i64: 2, 1>, padding = array<i64: 1, 1>, stride = array<i64: 2, 2>, ternary.group = 0 : i64}
  // CHECK-SAME: -> tensor<?x16x15x16xf32>
  %y = ternary.conv2d %q, %w bias %b {stride = array<i64: 2, 2>, padding = array<i64: 1, 1>, dilation = array<i64: 2, 1>,
      ternary.group = 0 : i64} : (tensor<?x3x32x32xf32>, tensor<16x3x3x3xf32>, tensor<16xf32>) -> tensor<?x16x15x16xf32>
  // CHECK: ternary.batch_norm %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {eps = 1.000000e-03 : f64} :
  %n = ternary.batch_norm %y, %b, %b, %b, %b {eps = 1.0e-3} : (tensor<?x16x15x16xf32>, tensor<16xf32>, tensor<16xf32>,
      tensor<16xf32>, tensor<16xf32>) -> tensor<?x16x15x16xf32>
  // CHECK: ternary.relu %{{.*}} : tensor<?x16x15x16xf32>
  %r = ternary.relu %n : tensor<?x16x15x16xf32>
  // CHECK: ternary.fake_quantize %{{.*}} t dynamic per_row {clip = 9.950000e+01 : f64} :
  %d = ternary.fake_quantize %r t dynamic per_row {clip = 99.5} : tensor<?x16x15x16xf32>
  // CHECK: ternary.global_avg_pool
  %p = ternary.global_avg_pool %d : (tensor<?x16x15x16xf32>) -> tensor<?x16xf32>
  // CHECK: ternary.matmul %{{.*}}, %{{.*}} : (tensor<?x16xf32>, tensor<16x10xf32>) -> tensor<?x10xf32>
  %z = ternary.matmul %p, %h : (tensor<?x16xf32>, tensor<16x10xf32>) -> tensor<?x10xf32>
  // CHECK: ternary.dequantize %{{.*}} : (tensor<16x8xf32>) -> tensor<16x8xf32>
  %gd = ternary.dequantize %g : (tensor<16x8xf32>) -> tensor<16x8xf32>
  // CHECK: ternary.codes %{{.*}} : (tensor<16x8xf32>) -> tensor<16x8xi8>
  %gc = ternary.codes %g : (tensor<16x8xf32>) -> tensor<16x8xi8>
  return %z : tensor<?x10xf32>
}

// CHECK-LABEL: func.func @integer_graph(
func.func @integer_graph(%x: tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>, %raw: tensor<?x3x8x8xui8>, %f: tensor<?x8xf32>) {
  // CHECK: ternary.constant {key = "w"} dense<1> : tensor<8x8x1x1xi8> -> tensor<8x8x1x1x!ternary.trit>
  %w = ternary.constant {key = "w"} dense<1> : tensor<8x8x1x1xi8> -> tensor<8x8x1x1x!ternary.trit>
  // CHECK: ternary.constant dense<[200, 255]> : tensor<2xui8> -> tensor<2x!ternary.quant<u8, 1.0>>
  %c = ternary.constant dense<[200, 255]> : tensor<2xui8> -> tensor<2x!ternary.quant<u8, 1.0>>
  // CHECK: ternary.constant dense_resource<big> : tensor<10x8xi8> -> tensor<10x8x!ternary.trit>
  %v = ternary.constant dense_resource<big> : tensor<10x8xi8> -> tensor<10x8x!ternary.trit>
  // CHECK: ternary.conv2d %{{.*}} -> tensor<?x8x8x8xi32>
  %a = ternary.conv2d %x, %w : (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>, tensor<8x8x1x1x!ternary.trit>)
      -> tensor<?x8x8x8xi32>
  // CHECK: ternary.affine %{{.*}} residual %{{.*}} {b = dense<0.000000e+00> : tensor<1xf32>, hi = 255 : i64, lo = 0 : i64, m = dense<5.000000e-01> : tensor<8xf32>, residual_m = 2.500000e-01 : f32}
  %q = ternary.affine %a residual %x {m = dense<0.5> : tensor<8xf32>, b = dense<0.0> : tensor<1xf32>, residual_m = 0.25 : f32,
      lo = 0 : i64, hi = 255 : i64} : (tensor<?x8x8x8xi32>, tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>)
      -> tensor<?x8x8x8x!ternary.quant<u8, 0.5>>
  // CHECK: ternary.conv2d {{.*}}k_groups = 2 : i64{{.*}} -> tensor<?x8x8x8x2xi32>
  %ag = ternary.conv2d %x, %w {k_groups = 2 : i64} : (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>,
      tensor<8x8x1x1x!ternary.trit>) -> tensor<?x8x8x8x2xi32>
  // CHECK: ternary.affine {{.*}} : (tensor<?x8x8x8x2xi32>) -> tensor<?x8x8x8xf32>
  %qg = ternary.affine %ag {m = dense<0.5> : tensor<8x2xf32>, b = dense<0.0> : tensor<8xf32>} : (tensor<?x8x8x8x2xi32>)
      -> tensor<?x8x8x8xf32>
  // CHECK: ternary.quantize_dynamic %{{.*}} i8 per_row : (tensor<?x8xf32>) -> (tensor<?x8x!ternary.quant<i8, 1.0>>, tensor<?xf32>)
  %dq, %s = ternary.quantize_dynamic %f i8 per_row : (tensor<?x8xf32>) -> (tensor<?x8x!ternary.quant<i8, 1.0>>, tensor<?xf32>)
  // CHECK: ternary.dequantize %{{.*}} scale %{{.*}} :
  %back = ternary.dequantize %dq scale %s : (tensor<?x8x!ternary.quant<i8, 1.0>>, tensor<?xf32>) -> tensor<?x8xf32>
  // CHECK: ternary.linear %{{.*}} -> tensor<?x10xi32>
  %l = ternary.linear %dq, %v : (tensor<?x8x!ternary.quant<i8, 1.0>>, tensor<10x8x!ternary.trit>) -> tensor<?x10xi32>
  // CHECK: ternary.affine %{{.*}} scale %{{.*}}
  %la = ternary.affine %l scale %s {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<10xf32>} :
      (tensor<?x10xi32>, tensor<?xf32>) -> tensor<?x10xf32>
  // CHECK: ternary.fused_conv2d %{{.*}}, %{{.*}} residual %{{.*}}pool_kernel = array<i64: 2, 2>
  %fc = ternary.fused_conv2d %x, %w residual %x {m = dense<0.5> : tensor<8xf32>, b = dense<0.0> : tensor<1xf32>,
      residual_m = 0.25 : f32, pool_kernel = array<i64: 2, 2>} : (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>,
      tensor<8x8x1x1x!ternary.trit>, tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>) -> tensor<?x8x4x4x!ternary.quant<u8, 0.5>>
  // CHECK: ternary.fused_linear %{{.*}}, %{{.*}} scale %{{.*}}
  %fl = ternary.fused_linear %dq, %v scale %s {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<10xf32>} :
      (tensor<?x8x!ternary.quant<i8, 1.0>>, tensor<10x8x!ternary.trit>, tensor<?xf32>) -> tensor<?x10xf32>
  // CHECK: ternary.lookup %{{.*}} {table = dense<0> : tensor<3x256xi8>} : (tensor<?x3x8x8xui8>) -> tensor<?x3x8x8x!ternary.quant<i8, 0.02>>
  %lk = ternary.lookup %raw {table = dense<0> : tensor<3x256xi8>} : (tensor<?x3x8x8xui8>)
      -> tensor<?x3x8x8x!ternary.quant<i8, 0.02>>
  // CHECK: ternary.add %{{.*}}, %{{.*}} {hi = 100 : i64, lo = 0 : i64}
  %add = ternary.add %x, %x {lo = 0 : i64, hi = 100 : i64} : (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>,
      tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>) -> tensor<?x8x8x8x!ternary.quant<u8, 0.02>>
  // CHECK: ternary.mul {{.*}} -> tensor<?x8x8x8x!ternary.quant<i4, 0.25>>
  %mul = ternary.mul %x, %x : (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>, tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>)
      -> tensor<?x8x8x8x!ternary.quant<i4, 0.25>>
  // CHECK: ternary.avg_pool {{.*}}count_pad = false
  %ap = ternary.avg_pool %x {kernel = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 1, 1>, count_pad = false} :
      (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>) -> tensor<?x8x8x8x!ternary.quant<u8, 0.1>>
  // CHECK: ternary.max_pool {{.*}}kernel = array<i64: 3, 3>, padding = array<i64: 1, 1>, stride = array<i64: 2, 2>
  %mp = ternary.max_pool %x {kernel = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1>} :
      (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>) -> tensor<?x8x4x4x!ternary.quant<u8, 0.0125>>
  // CHECK: ternary.concat %{{.*}}, %{{.*}} {axis = 1 : i64}
  %cc = ternary.concat %x, %add {axis = 1 : i64} : (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>,
      tensor<?x8x8x8x!ternary.quant<u8, 0.02>>) -> tensor<?x16x8x8x!ternary.quant<u8, 0.02>>
  // CHECK: ternary.mean {{.*}} {axis = 1 : i64, keep} : {{.*}} -> tensor<?x1x8x8x!ternary.quant<u8, 0.1>>
  %mean = ternary.mean %x {axis = 1 : i64, keep} : (tensor<?x8x8x8x!ternary.quant<u8, 0.0125>>)
      -> tensor<?x1x8x8x!ternary.quant<u8, 0.1>>
  // CHECK: ternary.quantize %{{.*}} : tensor<?x8xf32> -> tensor<?x8x!ternary.quant<t, 1.0>>
  %t = ternary.quantize %f : tensor<?x8xf32> -> tensor<?x8x!ternary.quant<t, 1.0>>
  return
}

// CHECK-LABEL: func.func @floats(
func.func @floats(%x: tensor<?x8xf32>, %i: tensor<?x4x8x8xf32>, %h: tensor<8xf16>, %d: tensor<8xf32>, %s: tensor<f32>,
    %x2: tensor<10x8xf32>) {
  // CHECK-NEXT: ternary.relu6
  %0 = ternary.relu6 %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.abs
  %1 = ternary.abs %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.neg
  %2 = ternary.neg %s : tensor<f32>
  // CHECK-NEXT: ternary.hardsigmoid
  %3 = ternary.hardsigmoid %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.hardswish
  %4 = ternary.hardswish %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.sigmoid
  %5 = ternary.sigmoid %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.silu
  %6 = ternary.silu %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.tanh
  %7 = ternary.tanh %h : tensor<8xf16>
  // CHECK-NEXT: ternary.gelu %{{.*}} {approx} :
  %8 = ternary.gelu %x {approx} : tensor<?x8xf32>
  // CHECK-NEXT: ternary.exp
  %9 = ternary.exp %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.log
  %10 = ternary.log %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.sqrt
  %11 = ternary.sqrt %x : tensor<?x8xf32>
  // CHECK-NEXT: ternary.clamp %{{.*}} {hi = 1.000000e+00 : f64, lo = -1.000000e+00 : f64}
  %12 = ternary.clamp %x {lo = -1.0, hi = 1.0} : tensor<?x8xf32>
  // CHECK-NEXT: ternary.sub
  %13 = ternary.sub %x, %d : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  // CHECK-NEXT: ternary.div
  %14 = ternary.div %x, %s : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  // CHECK-NEXT: ternary.layer_norm
  %15 = ternary.layer_norm %x, %d, %d : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  // CHECK-NEXT: ternary.rms_norm
  %16 = ternary.rms_norm %x, %d : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  // CHECK-NEXT: ternary.sum
  %17 = ternary.sum %x {axis = 1 : i64} : (tensor<?x8xf32>) -> tensor<?xf32>
  // CHECK-NEXT: ternary.max
  %18 = ternary.max %x {axis = 0 : i64, keep} : (tensor<?x8xf32>) -> tensor<1x8xf32>
  // CHECK-NEXT: ternary.softmax
  %19 = ternary.softmax %x {axis = 1 : i64} : tensor<?x8xf32>
  // CHECK-NEXT: ternary.argmax {{.*}} -> tensor<?xi32>
  %20 = ternary.argmax %x {axis = 1 : i64} : (tensor<?x8xf32>) -> tensor<?xi32>
  // CHECK-NEXT: ternary.embedding
  %21 = ternary.embedding %20, %x2 : (tensor<?xi32>, tensor<10x8xf32>) -> tensor<?x8xf32>
  // CHECK-NEXT: ternary.reshape
  %22 = ternary.reshape %i : (tensor<?x4x8x8xf32>) -> tensor<?x256xf32>
  // CHECK-NEXT: ternary.transpose
  %23 = ternary.transpose %i {order = array<i64: 0, 2, 3, 1>} : (tensor<?x4x8x8xf32>) -> tensor<?x8x8x4xf32>
  // CHECK-NEXT: ternary.slice
  %24 = ternary.slice %i {axis = 1 : i64, from = 1 : i64, to = 3 : i64} : (tensor<?x4x8x8xf32>) -> tensor<?x2x8x8xf32>
  // CHECK-NEXT: ternary.index
  %25 = ternary.index %i {indices = array<i64: 0, 3>} : (tensor<?x4x8x8xf32>) -> tensor<8x8xf32>
  // CHECK-NEXT: ternary.pad {{.*}}high = array<i64: 0, 0, 1, 1>, low = array<i64: 0, 0, 0, 1>, value = -1.000000e+00 : f64
  %26 = ternary.pad %i {low = array<i64: 0, 0, 0, 1>, high = array<i64: 0, 0, 1, 1>, value = -1.0} : (tensor<?x4x8x8xf32>)
      -> tensor<?x4x9x10xf32>
  // CHECK-NEXT: ternary.attention {{.*}} {causal, scale = 5.000000e-01 : f64}
  %27 = ternary.attention %i, %i, %i {causal, scale = 0.5} : (tensor<?x4x8x8xf32>, tensor<?x4x8x8xf32>, tensor<?x4x8x8xf32>)
      -> tensor<?x4x8x8xf32>
  // CHECK-NEXT: ternary.rope {{.*}} {base = 5.000000e+02 : f64, offset = -3 : i64}
  %28 = ternary.rope %i {base = 500.0, offset = -3 : i64} : tensor<?x4x8x8xf32>
  // CHECK-NEXT: ternary.cast {{.*}} {hi = 7 : i64, lo = -8 : i64}
  %29 = ternary.cast %x {lo = -8 : i64, hi = 7 : i64} : (tensor<?x8xf32>) -> tensor<?x8xi8>
  // CHECK-NEXT: ternary.cast {{.*}} -> tensor<?x8x!ternary.trit>
  %30 = ternary.cast %x : (tensor<?x8xf32>) -> tensor<?x8x!ternary.trit>
  return
}

// Scales keep every bit: the shortest text that reads back, also of the smallest and the largest binary32.
// CHECK-LABEL: func.func private @scales(
// CHECK-SAME: tensor<1x!ternary.quant<i8, 0.1>>, tensor<1x!ternary.quant<i6, 1.0e-45>>, tensor<1x!ternary.quant<u6, 3.4028235e+38>>
// CHECK-SAME: tensor<1x!ternary.quant<u4, 0.33333334>>, tensor<1x!ternary.quant<i4, 1.0e+10>>
func.func private @scales(tensor<1x!ternary.quant<i8, 0.1>>, tensor<1x!ternary.quant<i6, 1.4e-45>>,
    tensor<1x!ternary.quant<u6, 3.40282347e+38>>, tensor<1x!ternary.quant<u4, 0.333333343267>>,
    tensor<1x!ternary.quant<i4, 10000000000.0>>)

// Trits and codes may live in memory.
// CHECK: memref<4x!ternary.trit>, memref<4x!ternary.quant<u8, 0.5>>
func.func private @memory(memref<4x!ternary.trit>, memref<4x!ternary.quant<u8, 0.5>>)

{-#
  dialect_resources: {
    builtin: {
      big: "0x0100000001010101010101010101010101010101010101010101010101010101010101010101010101010101ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    }
  }
#-}
