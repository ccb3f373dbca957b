// Linear-like operations, their affine end and the fused forms. One broken constraint each, by its label.
// RUN: ternary-opt %s -verify-diagnostics -split-input-file

func.func @linear_c1(%x: tensor<4x8xf32>, %w: tensor<5x7xf32>) {
  // expected-error @below {{linear_c1: x must be [.., K] and w [O, K]}}
  // expected-error @below {{'ternary.linear' op failed to infer returned types}}
  %0 = ternary.linear %x, %w : (tensor<4x8xf32>, tensor<5x7xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @linear_c2(%x: tensor<4x8xi8>, %w: tensor<5x8xf32>) {
  // expected-error @below {{linear_c2: no product of 'i8' with 'f32'}}
  // expected-error @below {{'ternary.linear' op failed to infer returned types}}
  %0 = ternary.linear %x, %w : (tensor<4x8xi8>, tensor<5x8xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @linear_c3(%x: tensor<4x8xf32>, %w: tensor<5x8xf32>, %b: tensor<4xf32>) {
  // expected-error @below {{linear_c3: the bias must be 'tensor<5xf32>'}}
  // expected-error @below {{'ternary.linear' op failed to infer returned types}}
  %0 = ternary.linear %x, %w bias %b : (tensor<4x8xf32>, tensor<5x8xf32>, tensor<4xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @linear_c4(%x: tensor<4x8xi8>, %w: tensor<5x8xi8>) {
  // expected-error @below {{linear_c4: k_groups must divide 8}}
  // expected-error @below {{'ternary.linear' op failed to infer returned types}}
  %0 = ternary.linear %x, %w {k_groups = 3 : i64} : (tensor<4x8xi8>, tensor<5x8xi8>) -> tensor<4x5x3xi32>
  return
}

// -----

func.func @linear_result(%x: tensor<4x8xi8>, %w: tensor<5x8xi8>) {
  // expected-error @below {{inferred type(s)}}
  // expected-error @below {{'ternary.linear' op failed to infer returned types}}
  %0 = ternary.linear %x, %w : (tensor<4x8xi8>, tensor<5x8xi8>) -> tensor<4x5xi64>
  return
}

// -----

func.func @linear_batch(%x: tensor<4x?x8xf32>, %w: tensor<5x8xf32>) {
  // expected-error @below {{operand #0 must be tensor of reals, codes, trits or integers with at most axis 0 dynamic}}
  %0 = ternary.linear %x, %w : (tensor<4x?x8xf32>, tensor<5x8xf32>) -> tensor<4x?x5xf32>
  return
}

// -----

func.func @conv2d_c1(%x: tensor<4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{conv2d_c1: x and w must have rank 4, found 3 and 4}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w : (tensor<4x8x8xf32>, tensor<8x4x3x3xf32>) -> tensor<8x6x6xf32>
  return
}

// -----

func.func @conv2d_c2(%x: tensor<?x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{conv2d_c2: stride and dilation must be two positive sizes}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w {stride = array<i64: 0, 1>} : (tensor<?x4x8x8xf32>, tensor<8x4x3x3xf32>) -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv2d_c2_three(%x: tensor<?x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{conv2d_c2: stride and dilation must be two positive sizes}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w {dilation = array<i64: 1, 1, 1>} : (tensor<?x4x8x8xf32>, tensor<8x4x3x3xf32>) -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv2d_c2_padding(%x: tensor<?x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{conv2d_c2: stride and dilation must be two positive sizes, padding two that are not negative}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w {padding = array<i64: -1, 0>} : (tensor<?x4x8x8xf32>, tensor<8x4x3x3xf32>) -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv2d_c3(%x: tensor<?x4x8x8xf32>, %w: tensor<9x1x3x3xf32>) {
  // expected-error @below {{conv2d_c3: 3 groups do not fit 4 input channels}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w {groups = 3 : i64} : (tensor<?x4x8x8xf32>, tensor<9x1x3x3xf32>) -> tensor<?x9x6x6xf32>
  return
}

// -----

func.func @conv2d_c3_zero(%x: tensor<?x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{conv2d_c3: 0 groups do not fit}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w {groups = 0 : i64} : (tensor<?x4x8x8xf32>, tensor<8x4x3x3xf32>) -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv2d_c4(%x: tensor<?x4x8x8xf32>, %w: tensor<8x4x9x9xf32>) {
  // expected-error @below {{conv2d_c4: the output is empty}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w : (tensor<?x4x8x8xf32>, tensor<8x4x9x9xf32>) -> tensor<?x8x1x1xf32>
  return
}

// -----

func.func @conv2d_c5(%x: tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{conv2d_c5: no product of '!ternary.quant<u8, 0.5>' with 'f32'}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w : (tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, tensor<8x4x3x3xf32>) -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv2d_c6(%x: tensor<?x4x8x8xf32>, %w: tensor<8x4x3x3xf32>, %b: tensor<8xf16>) {
  // expected-error @below {{conv2d_c6: the bias must be 'tensor<8xf32>', found 'tensor<8xf16>'}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w bias %b : (tensor<?x4x8x8xf32>, tensor<8x4x3x3xf32>, tensor<8xf16>) -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv2d_c7(%x: tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, %w: tensor<8x4x3x3x!ternary.trit>) {
  // expected-error @below {{conv2d_c7: k_groups must divide 36}}
  // expected-error @below {{'ternary.conv2d' op failed to infer returned types}}
  %0 = ternary.conv2d %x, %w {k_groups = 5 : i64} : (tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, tensor<8x4x3x3x!ternary.trit>) -> tensor<?x8x6x6x5xi32>
  return
}

// -----

func.func @matmul_c1(%x: tensor<4x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @below {{matmul_c1: operands must be}}
  // expected-error @below {{'ternary.matmul' op failed to infer returned types}}
  %0 = ternary.matmul %x, %w : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @matmul_c1_rank(%x: tensor<8xf32>, %w: tensor<8x4xf32>) {
  // expected-error @below {{matmul_c1: operands must be}}
  // expected-error @below {{'ternary.matmul' op failed to infer returned types}}
  %0 = ternary.matmul %x, %w : (tensor<8xf32>, tensor<8x4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @matmul_c2(%x: tensor<2x4x8xf32>, %w: tensor<3x8x4xf32>) {
  // expected-error @below {{matmul_c2: the leading axes of}}
  // expected-error @below {{'ternary.matmul' op failed to infer returned types}}
  %0 = ternary.matmul %x, %w : (tensor<2x4x8xf32>, tensor<3x8x4xf32>) -> tensor<3x4x4xf32>
  return
}

// -----

func.func @matmul_c3(%x: tensor<4x8xf32>, %w: tensor<8x4xi32>) {
  // expected-error @below {{matmul_c3: no product of 'f32' with 'i32'}}
  // expected-error @below {{'ternary.matmul' op failed to infer returned types}}
  %0 = ternary.matmul %x, %w : (tensor<4x8xf32>, tensor<8x4xi32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @matmul_c4(%x: tensor<4x8xi8>, %w: tensor<8x4xi8>) {
  // expected-error @below {{matmul_c4: k_groups must divide 8}}
  // expected-error @below {{'ternary.matmul' op failed to infer returned types}}
  %0 = ternary.matmul %x, %w {k_groups = 0 : i64} : (tensor<4x8xi8>, tensor<8x4xi8>) -> tensor<4x4x1xi32>
  return
}

// -----

func.func @affine_c1(%acc: tensor<?x4x8x8xi32>) {
  // expected-error @below {{affine_c1: sums of}}
  %0 = ternary.affine %acc {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>} : (tensor<?x4x8x8xi32>) -> tensor<?x4x8x7x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @affine_c2(%acc: tensor<?x4x8x8xi32>) {
  // expected-error @below {{affine_c2: m and b must be f32 of 1 or 4 values}}
  %0 = ternary.affine %acc {m = dense<0.5> : tensor<5xf32>, b = dense<0.0> : tensor<1xf32>} : (tensor<?x4x8x8xi32>) -> tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @affine_c2_type(%acc: tensor<?x4x8x8xi32>) {
  // expected-error @below {{affine_c2: m and b must be f32}}
  %0 = ternary.affine %acc {m = dense<0.5> : tensor<4xf32>, b = dense<0.0> : tensor<4xf64>} : (tensor<?x4x8x8xi32>) -> tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @affine_c2_groups(%acc: tensor<?x4x8x8x2xi32>) {
  // expected-error @below {{affine_c2: m and b must be f32 of 1 or 4 values, m one row for each}}
  %0 = ternary.affine %acc {m = dense<0.5> : tensor<4xf32>, b = dense<0.0> : tensor<4xf32>} : (tensor<?x4x8x8x2xi32>) -> tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @affine_c3(%acc: tensor<?x4x8x8xi32>) {
  // expected-error @below {{affine_c3: a residual has the result's shape and comes with residual_m}}
  %0 = ternary.affine %acc {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, residual_m = 1.0 : f32} : (tensor<?x4x8x8xi32>) -> tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @affine_c3_shape(%acc: tensor<?x4x8x8xi32>, %r: tensor<?x4x8x7x!ternary.quant<u8, 0.5>>) {
  // expected-error @below {{affine_c3: a residual has the result's shape}}
  %0 = ternary.affine %acc residual %r {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, residual_m = 1.0 : f32} : (tensor<?x4x8x8xi32>, tensor<?x4x8x7x!ternary.quant<u8, 0.5>>) -> tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @affine_c4(%acc: tensor<?x4x8x8xi32>) {
  // expected-error @below {{affine_c4: lo and hi come together, inside the range}}
  %0 = ternary.affine %acc {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, lo = -1 : i64, hi = 255 : i64} : (tensor<?x4x8x8xi32>) -> tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @affine_c4_real(%acc: tensor<?x4x8x8xi32>) {
  // expected-error @below {{affine_c4: lo and hi come together}}
  %0 = ternary.affine %acc {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, lo = 0 : i64, hi = 6 : i64} : (tensor<?x4x8x8xi32>) -> tensor<?x4x8x8xf32>
  return
}

// -----

func.func @affine_c5(%acc: tensor<?x4x8x8xi32>, %s: tensor<4xf32>) {
  // expected-error @below {{affine_c5: 'tensor<4xf32>' is no scale of}}
  %0 = ternary.affine %acc scale %s {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>} : (tensor<?x4x8x8xi32>, tensor<4xf32>) -> tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @affine_c6(%acc: tensor<?x4x8x8xi32>) {
  // expected-error @below {{affine_c6: axis 4 is out of range for rank 4}}
  %0 = ternary.affine %acc {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, axis = 4 : i64} : (tensor<?x4x8x8xi32>) -> tensor<?x4x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @fused_conv2d_c1(%x: tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, %w: tensor<8x3x1x1x!ternary.trit>) {
  // expected-error @below {{conv2d_c3: 1 groups do not fit 4 input channels}}
  // expected-error @below {{fused_conv2d_c1: the convolution is not valid}}
  %0 = ternary.fused_conv2d %x, %w {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>} : (tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, tensor<8x3x1x1x!ternary.trit>) -> tensor<?x8x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @fused_conv2d_c2(%x: tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, %w: tensor<8x4x1x1x!ternary.trit>) {
  // expected-error @below {{fused_conv2d_c2: m and b must be f32 of 1 or 8 values}}
  %0 = ternary.fused_conv2d %x, %w {m = dense<0.5> : tensor<4xf32>, b = dense<0.0> : tensor<1xf32>} : (tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, tensor<8x4x1x1x!ternary.trit>) -> tensor<?x8x8x8x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @fused_conv2d_c3(%x: tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, %w: tensor<8x4x1x1x!ternary.trit>) {
  // expected-error @below {{fused_conv2d_c3: without a pool the result is}}
  %0 = ternary.fused_conv2d %x, %w {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>} : (tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, tensor<8x4x1x1x!ternary.trit>) -> tensor<?x8x4x4x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @fused_conv2d_c3_pool(%x: tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, %w: tensor<8x4x1x1x!ternary.trit>) {
  // expected-error @below {{fused_conv2d_c3: the pool does not make}}
  %0 = ternary.fused_conv2d %x, %w {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>, pool_kernel = array<i64: 3, 3>} : (tensor<?x4x8x8x!ternary.quant<u8, 0.5>>, tensor<8x4x1x1x!ternary.trit>) -> tensor<?x8x4x4x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @fused_linear_c1(%x: tensor<4x8x!ternary.quant<u8, 0.5>>, %w: tensor<5x7x!ternary.trit>) {
  // expected-error @below {{linear_c1: x must be}}
  // expected-error @below {{fused_linear_c1: the product is not valid}}
  %0 = ternary.fused_linear %x, %w {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>} : (tensor<4x8x!ternary.quant<u8, 0.5>>, tensor<5x7x!ternary.trit>) -> tensor<4x5xf32>
  return
}

// -----

func.func @fused_linear_c2(%x: tensor<4x8x!ternary.quant<u8, 0.5>>, %w: tensor<5x8x!ternary.trit>) {
  // expected-error @below {{fused_linear_c2: sums of}}
  %0 = ternary.fused_linear %x, %w {m = dense<0.5> : tensor<1xf32>, b = dense<0.0> : tensor<1xf32>} : (tensor<4x8x!ternary.quant<u8, 0.5>>, tensor<5x8x!ternary.trit>) -> tensor<4x6xf32>
  return
}

// -----

func.func @lookup_c1(%x: tensor<?x3xui8>) {
  // expected-error @below {{lookup_c1: }}
  %0 = ternary.lookup %x {table = dense<0> : tensor<1x256xui8>} : (tensor<?x3xui8>) -> tensor<?x4x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @lookup_c2(%x: tensor<?x3xui8>) {
  // expected-error @below {{lookup_c2: the table must be [1 or 3, 256] of 'ui8'}}
  %0 = ternary.lookup %x {table = dense<0> : tensor<2x256xui8>} : (tensor<?x3xui8>) -> tensor<?x3x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @lookup_c2_storage(%x: tensor<?x3xui8>) {
  // expected-error @below {{lookup_c2: the table must be [1 or 3, 256] of 'ui8'}}
  %0 = ternary.lookup %x {table = dense<0> : tensor<3x256xi8>} : (tensor<?x3xui8>) -> tensor<?x3x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @lookup_c3(%x: tensor<?x3xui8>) {
  // expected-error @below {{lookup_c3: axis 2 is out of range for rank 2}}
  %0 = ternary.lookup %x {axis = 2 : i64, table = dense<0> : tensor<1x256xui8>} : (tensor<?x3xui8>) -> tensor<?x3x!ternary.quant<u8, 0.5>>
  return
}
