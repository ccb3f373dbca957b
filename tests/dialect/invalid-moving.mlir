// Operations that move elements. One broken constraint each, by its label.
// RUN: ternary-opt %s -verify-diagnostics -split-input-file

func.func @reshape_c1(%x: tensor<4xf32>) {
  // expected-error @below {{reshape_c1: the element types differ}}
  %0 = ternary.reshape %x : (tensor<4xf32>) -> tensor<2x2xf16>
  return
}

// -----

func.func @reshape_c2(%x: tensor<4xf32>) {
  // expected-error @below {{reshape_c2: }}
  %0 = ternary.reshape %x : (tensor<4xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @reshape_c2_batch(%x: tensor<?x4xf32>) {
  // expected-error @below {{reshape_c2: }}
  %0 = ternary.reshape %x : (tensor<?x4xf32>) -> tensor<?x2xf32>
  return
}

// -----

func.func @transpose_c1(%x: tensor<4x8xf32>) {
  // expected-error @below {{transpose_c1: the order must be a permutation of the 2 axes}}
  // expected-error @below {{'ternary.transpose' op failed to infer returned types}}
  %0 = ternary.transpose %x {order = array<i64: 0, 0>} : (tensor<4x8xf32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @transpose_c1_range(%x: tensor<4x8xf32>) {
  // expected-error @below {{transpose_c1: the order must be a permutation of the 2 axes}}
  // expected-error @below {{'ternary.transpose' op failed to infer returned types}}
  %0 = ternary.transpose %x {order = array<i64: 0, 2>} : (tensor<4x8xf32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @transpose_c2(%x: tensor<?x8xf32>) {
  // expected-error @below {{transpose_c2: a dynamic batch must stay axis 0}}
  // expected-error @below {{'ternary.transpose' op failed to infer returned types}}
  %0 = ternary.transpose %x {order = array<i64: 1, 0>} : (tensor<?x8xf32>) -> tensor<8x4xf32>
  return
}

// -----

func.func @slice_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{slice_c1: axis 2 is out of range for rank 2}}
  // expected-error @below {{'ternary.slice' op failed to infer returned types}}
  %0 = ternary.slice %x {axis = 2 : i64, from = 0 : i64, to = 1 : i64} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  return
}

// -----

func.func @slice_c2(%x: tensor<?x8xf32>) {
  // expected-error @below {{slice_c2: 4..9 does not lie in an axis of size 8}}
  // expected-error @below {{'ternary.slice' op failed to infer returned types}}
  %0 = ternary.slice %x {axis = 1 : i64, from = 4 : i64, to = 9 : i64} : (tensor<?x8xf32>) -> tensor<?x5xf32>
  return
}

// -----

func.func @slice_c2_empty(%x: tensor<?x8xf32>) {
  // expected-error @below {{slice_c2: 4..4 does not lie}}
  // expected-error @below {{'ternary.slice' op failed to infer returned types}}
  %0 = ternary.slice %x {axis = 1 : i64, from = 4 : i64, to = 4 : i64} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  return
}

// -----

func.func @index_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{index_c1: 3 indices for rank 2}}
  // expected-error @below {{'ternary.index' op failed to infer returned types}}
  %0 = ternary.index %x {indices = array<i64: 0, 0, 0>} : (tensor<?x8xf32>) -> tensor<f32>
  return
}

// -----

func.func @index_c2(%x: tensor<?x8xf32>) {
  // expected-error @below {{index_c2: index 8 is out of range for axis 1}}
  // expected-error @below {{'ternary.index' op failed to infer returned types}}
  %0 = ternary.index %x {indices = array<i64: 0, 8>} : (tensor<?x8xf32>) -> tensor<f32>
  return
}

// -----

func.func @pad_c1(%x: tensor<4x8xf32>) {
  // expected-error @below {{pad_c1: low and high need 2 sizes each}}
  // expected-error @below {{'ternary.pad' op failed to infer returned types}}
  %0 = ternary.pad %x {low = array<i64: 1>, high = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x10xf32>
  return
}

// -----

func.func @pad_c2(%x: tensor<4x8xf32>) {
  // expected-error @below {{pad_c2: axis 1 of 'tensor<4x8xf32>' cannot be padded by -1 and 0}}
  // expected-error @below {{'ternary.pad' op failed to infer returned types}}
  %0 = ternary.pad %x {low = array<i64: 0, -1>, high = array<i64: 0, 0>} : (tensor<4x8xf32>) -> tensor<4x7xf32>
  return
}

// -----

func.func @pad_c2_batch(%x: tensor<?x8xf32>) {
  // expected-error @below {{pad_c2: axis 0 of 'tensor<?x8xf32>' cannot be padded by 1 and 0}}
  // expected-error @below {{'ternary.pad' op failed to infer returned types}}
  %0 = ternary.pad %x {low = array<i64: 1, 0>, high = array<i64: 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @pad_c3(%x: tensor<4xi8>) {
  // expected-error @below {{pad_c3: the value does not fit 'i8'}}
  // expected-error @below {{'ternary.pad' op failed to infer returned types}}
  %0 = ternary.pad %x {low = array<i64: 1>, high = array<i64: 1>, value = 0.5} : (tensor<4xi8>) -> tensor<6xi8>
  return
}

// -----

func.func @concat_c1(%a: tensor<?x8xf32>) {
  // expected-error @below {{concat_c1: needs an operand}}
  %0 = ternary.concat %a {axis = 2 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @concat_c2(%a: tensor<4x8xf32>, %b: tensor<5x8xf32>) {
  // expected-error @below {{concat_c2: 'tensor<5x8xf32>' does not join along axis 1}}
  %0 = ternary.concat %a, %b {axis = 1 : i64} : (tensor<4x8xf32>, tensor<5x8xf32>) -> tensor<4x16xf32>
  return
}

// -----

func.func @concat_c2_sum(%a: tensor<4x8xf32>) {
  // expected-error @below {{concat_c2: the parts have 16 elements along axis 1, the result 15}}
  %0 = ternary.concat %a, %a {axis = 1 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x15xf32>
  return
}

// -----

func.func @concat_c2_batch(%a: tensor<?x8xf32>) {
  // expected-error @below {{concat_c2: 'tensor<?x8xf32>' does not join along axis 0}}
  %0 = ternary.concat %a, %a {axis = 0 : i64} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @concat_c3(%a: tensor<4x8xf32>, %b: tensor<4x8xf16>) {
  // expected-error @below {{concat_c3: }}
  %0 = ternary.concat %a, %b {axis = 1 : i64} : (tensor<4x8xf32>, tensor<4x8xf16>) -> tensor<4x16xf32>
  return
}
