// Pooling, reductions, attention and look-ups. One broken constraint each, by its label.
// RUN: ternary-opt %s -verify-diagnostics -split-input-file

func.func @max_pool_c1(%x: tensor<4x8x8xf32>) {
  // expected-error @below {{max_pool_c1: x must have rank 4}}
  // expected-error @below {{'ternary.max_pool' op failed to infer returned types}}
  %0 = ternary.max_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>} : (tensor<4x8x8xf32>) -> tensor<4x4x4xf32>
  return
}

// -----

func.func @max_pool_c2(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{max_pool_c2: kernel and stride must be two positive sizes}}
  // expected-error @below {{'ternary.max_pool' op failed to infer returned types}}
  %0 = ternary.max_pool %x {kernel = array<i64: 2>, stride = array<i64: 2, 2>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x4xf32>
  return
}

// -----

func.func @max_pool_c2_padding(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{max_pool_c2: kernel and stride must be two positive sizes, padding two of 0 to half the kernel}}
  // expected-error @below {{'ternary.max_pool' op failed to infer returned types}}
  %0 = ternary.max_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 2, 0>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x4xf32>
  return
}

// -----

func.func @max_pool_c3(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{max_pool_c3: the output is empty}}
  // expected-error @below {{'ternary.max_pool' op failed to infer returned types}}
  %0 = ternary.max_pool %x {kernel = array<i64: 9, 9>, stride = array<i64: 1, 1>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x1x1xf32>
  return
}

// -----

func.func @avg_pool_c1(%x: tensor<4x8x8xf32>) {
  // expected-error @below {{avg_pool_c1: x must have rank 4}}
  %0 = ternary.avg_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>} : (tensor<4x8x8xf32>) -> tensor<4x4x4xf32>
  return
}

// -----

func.func @avg_pool_c2(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{avg_pool_c2: kernel and stride must be two positive sizes}}
  %0 = ternary.avg_pool %x {kernel = array<i64: 2>, stride = array<i64: 2, 2>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x4xf32>
  return
}

// -----

func.func @avg_pool_c2_padding(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{avg_pool_c2: kernel and stride must be two positive sizes, padding two of 0 to half the kernel}}
  %0 = ternary.avg_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 2, 0>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x4xf32>
  return
}

// -----

func.func @avg_pool_c3(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{avg_pool_c3: the output is empty}}
  %0 = ternary.avg_pool %x {kernel = array<i64: 9, 9>, stride = array<i64: 1, 1>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x1x1xf32>
  return
}

// -----

func.func @avg_pool_c4(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{avg_pool_c4: }}
  %0 = ternary.avg_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x5xf32>
  return
}

// -----

func.func @avg_pool_c4_form(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{avg_pool_c4: }}
  %0 = ternary.avg_pool %x {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x4x!ternary.quant<u8, 0.5>>
  return
}

// -----

func.func @global_avg_pool_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{global_avg_pool_c1: x must have rank 4}}
  %0 = ternary.global_avg_pool %x : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @global_avg_pool_c2(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{global_avg_pool_c2: }}
  %0 = ternary.global_avg_pool %x : (tensor<?x4x8x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @mean_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{mean_c1: axis 2 is out of range for rank 2}}
  %0 = ternary.mean %x {axis = 2 : i64} : (tensor<?x8xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @mean_c2(%x: tensor<?x8xf32>) {
  // expected-error @below {{mean_c2: }}
  %0 = ternary.mean %x {axis = 1 : i64} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  return
}

// -----

func.func @mean_c3(%x: tensor<4x8xf32>) {
  // expected-error @below {{mean_c3: no form takes}}
  %0 = ternary.mean %x {axis = 1 : i64} : (tensor<4x8xf32>) -> tensor<4xf16>
  return
}

// -----

func.func @sum_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{sum_c1: axis 2 is out of range for rank 2}}
  %0 = ternary.sum %x {axis = 2 : i64} : (tensor<?x8xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @sum_c2(%x: tensor<?x8xf32>) {
  // expected-error @below {{sum_c2: }}
  %0 = ternary.sum %x {axis = 1 : i64} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  return
}

// -----

func.func @sum_c3(%x: tensor<4x8xf32>) {
  // expected-error @below {{sum_c3: no form takes}}
  %0 = ternary.sum %x {axis = 1 : i64} : (tensor<4x8xf32>) -> tensor<4xf16>
  return
}

// -----

func.func @max_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{max_c1: axis 2 is out of range for rank 2}}
  %0 = ternary.max %x {axis = 2 : i64} : (tensor<?x8xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @max_c2(%x: tensor<?x8xf32>) {
  // expected-error @below {{max_c2: }}
  %0 = ternary.max %x {axis = 1 : i64} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  return
}

// -----

func.func @max_c3(%x: tensor<4x8xf32>) {
  // expected-error @below {{max_c3: no form takes}}
  %0 = ternary.max %x {axis = 1 : i64} : (tensor<4x8xf32>) -> tensor<4xf16>
  return
}

// -----

func.func @sum_c3_narrower(%x: tensor<4x8xi32>) {
  // expected-error @below {{sum_c3: no form takes 'i32' to 'i8'}}
  %0 = ternary.sum %x {axis = 1 : i64} : (tensor<4x8xi32>) -> tensor<4xi8>
  return
}

// -----

func.func @max_c3_scale(%x: tensor<4x8x!ternary.quant<u8, 0.5>>) {
  // expected-error @below {{max_c3: no form takes}}
  %0 = ternary.max %x {axis = 1 : i64} : (tensor<4x8x!ternary.quant<u8, 0.5>>) -> tensor<4x!ternary.quant<u8, 0.25>>
  return
}

// -----

func.func @softmax_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{softmax_c1: axis -1 is out of range}}
  %0 = ternary.softmax %x {axis = -1 : i64} : tensor<?x8xf32>
  return
}

// -----

func.func @argmax_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{argmax_c1: axis 2 is out of range}}
  // expected-error @below {{'ternary.argmax' op failed to infer returned types}}
  %0 = ternary.argmax %x {axis = 2 : i64} : (tensor<?x8xf32>) -> tensor<?xi32>
  return
}

// -----

func.func @embedding_c1(%i: tensor<4xi32>, %t: tensor<8xf32>) {
  // expected-error @below {{embedding_c1: the table must be}}
  // expected-error @below {{'ternary.embedding' op failed to infer returned types}}
  %0 = ternary.embedding %i, %t : (tensor<4xi32>, tensor<8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @attention_c1(%q: tensor<4x8x16xf32>, %k: tensor<1x4x8x16xf32>, %v: tensor<1x4x8x16xf32>) {
  // expected-error @below {{attention_c1: q, k and v must have rank 4}}
  // expected-error @below {{'ternary.attention' op failed to infer returned types}}
  %0 = ternary.attention %q, %k, %v : (tensor<4x8x16xf32>, tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>) -> tensor<4x8x16xf32>
  return
}

// -----

func.func @attention_c2(%q: tensor<1x4x8x16xf32>, %k: tensor<1x4x8x16xf32>, %v: tensor<1x4x9x16xf32>) {
  // expected-error @below {{attention_c2: k and v have different shapes}}
  // expected-error @below {{'ternary.attention' op failed to infer returned types}}
  %0 = ternary.attention %q, %k, %v : (tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>, tensor<1x4x9x16xf32>) -> tensor<1x4x8x16xf32>
  return
}

// -----

func.func @attention_c3(%q: tensor<1x4x8x16xf32>, %k: tensor<1x3x8x16xf32>, %v: tensor<1x3x8x16xf32>) {
  // expected-error @below {{attention_c3: q}}
  // expected-error @below {{'ternary.attention' op failed to infer returned types}}
  %0 = ternary.attention %q, %k, %v : (tensor<1x4x8x16xf32>, tensor<1x3x8x16xf32>, tensor<1x3x8x16xf32>) -> tensor<1x4x8x16xf32>
  return
}

// -----

func.func @attention_c4(%q: tensor<1x4x8x16xf32>, %k: tensor<1x4x8x16xf32>, %v: tensor<1x4x8x16xf16>) {
  // expected-error @below {{attention_c4: q, k and v must have one element type}}
  // expected-error @below {{'ternary.attention' op failed to infer returned types}}
  %0 = ternary.attention %q, %k, %v : (tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>, tensor<1x4x8x16xf16>) -> tensor<1x4x8x16xf32>
  return
}

// -----

func.func @rope_c1(%x: tensor<1x4x8x15xf32>) {
  // expected-error @below {{rope_c1: x must be}}
  %0 = ternary.rope %x : tensor<1x4x8x15xf32>
  return
}

// -----

func.func @rope_c2(%x: tensor<1x4x8x16xf32>) {
  // expected-error @below {{rope_c2: the base must be positive}}
  %0 = ternary.rope %x {base = 0.0} : tensor<1x4x8x16xf32>
  return
}
