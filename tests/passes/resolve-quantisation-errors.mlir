// RUN: ternary-opt %s -split-input-file -verify-diagnostics -ternary-resolve-quantisation

// Sums that may leave int32 are refused: 2^21 terms of 127 * 127.
func.func @overflow(%x: tensor<1x2097152xf32>) -> tensor<1x1xf32> {
  %w = ternary.param {key = "w", policy = #ternary.weights<i8>} : tensor<1x2097152xf32>
  %q = ternary.fake_quantize %x i8 static per_tensor {scale = 0.5 : f64} : tensor<1x2097152xf32>
  // expected-error@+1 {{sum may overflow int32: 2097152 terms of at most 16129 reach 33824964608 [TRI0705]}}
  %c = ternary.linear %q, %w {ternary.group = 0 : i64} : (tensor<1x2097152xf32>, tensor<1x2097152xf32>) -> tensor<1x1xf32>
  return %c : tensor<1x1xf32>
}
