// inferOperation: the shapes, types and messages of section 11, row by row, and the dtype rules of section 4.
#include "OpsTestUtil.h"

#include <gtest/gtest.h>

#include <random>

using namespace triton;
using namespace triton::test;

namespace {

const Dim N = Dim::variable("N"), H = Dim::variable("H"), W = Dim::variable("W");

TEST(Operations, TableNamesEveryOperationOnce) {
  for (const std::string &name : operationNames()) {
    const OpSignature *row = findOperation(name);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(row->spelling, name);
  }
  for (const char *name : {"linear", "conv2d", "random_ternary", "zeros", "ones", "full", "dropout", "equal", "close",
                           "quantize", "rope", "global_avg_pool"})
    EXPECT_NE(findOperation(name), nullptr) << name;
  EXPECT_EQ(findOperation("matmul"), nullptr); // the operator has no name
  EXPECT_EQ(findOperation("cast"), nullptr);
  EXPECT_EQ(findOperation(""), nullptr);
  EXPECT_EQ(operationNames().size(), 51u);
}

TEST(Operations, Linear) {
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 784}), weight({256, 784}), tensor({256})}), "Tensor[N, 256]");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({784}), weight({256, 784})}), "Tensor[256]");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 7, 4}), weight({3, 4}), absent()}), "Tensor[N, 7, 3]");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 4}, DType::Int8), tensor({3, 4}, DType::Trit)}), "Tensor[N, 3, int32]");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 4}, DType::Float16), weight({3, 4}), tensor({3})}), "Tensor[N, 3, float16]");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 4}), weight({3, 4}, DType::Int8)}), "Tensor[N, 3]");
  EXPECT_EQ(infer(OpKind::Linear, {unknownShape(DType::Float16), weight({3, 4})}), "float16[...]");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, W}), weight({3, 4})}), "Tensor[N, 3]");

  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 512}, DType::Float32, "x"), weight({512, 10})}),
            "401: 'linear': shape mismatch, [N, 512] and [512, 10] (axis 1: 512 and 10)");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 4}), weight({3, 4}), tensor({4})}),
            "401: 'linear': shape mismatch, [3, 4] and [4] (axis 0: 3 and 4)");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({}), weight({3, 4})}), "402: 'linear' expects rank 1 or more, found rank 0");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 4}), weight({3, 4, 1})}), "402: 'linear' expects rank 2, found rank 3");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 4}, DType::Int8, "x"), tensor({3, 4}, DType::Float32, "w")}),
            "302: operand types Tensor[N, 4, int8] and Tensor[3, 4] are not compatible for 'linear' | write float32(x)");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({N, 4}, DType::Int8, "x"), weight({3, 4})}),
            "302: operand types Tensor[N, 4, int8] and TernaryTensor[3, 4] are not compatible for 'linear' | the weight has a "
            "scale: write float32(x), or codes(w) for sums of its codes");
  EXPECT_EQ(infer(OpKind::TernaryMatmul, {tensor({N, 4}), tensor({3, 4})}),
            "301: type mismatch: expected trits, found Tensor[3, 4]");
  EXPECT_EQ(infer(OpKind::TernaryMatmul, {tensor({N, 4}, DType::Float16), tensor({3, 4}, DType::Trit)}),
            "Tensor[N, 3, float16]");
}

TEST(Operations, LinearOffersTheSwappedDeclaration) {
  SourceManager sources;
  FileId file = sources.addFile("head.tri", "layer L() {\n  param w: Weight[512, 10]\n  fn f(x: Tensor[N, 512]) { linear(x, w) }\n}\n");
  DiagnosticEngine diags(sources);
  std::vector<Operand> operands = {tensor({N, 512}, DType::Float32, "x"), weight({512, 10})};
  operands[0].range = {file, 76, 77};
  operands[0].declared = {file, 46, 47};
  operands[1].range = {file, 79, 80};
  operands[1].declared = {file, 20, 21};
  AttrMap attrs;
  EXPECT_FALSE(inferOperation(OpKind::Linear, operands, attrs, {file, 69, 75}, diags));
  ASSERT_EQ(diags.sorted().size(), 1u);
  const Diagnostic d = diags.sorted()[0];
  EXPECT_EQ(d.help, "declare it as Weight[10, 512]");
  ASSERT_GE(d.notes.size(), 1u);
  EXPECT_EQ(d.notes.back().message, "'w' is declared here as [512, 10]; 'linear' takes weights as [out, in]");
  EXPECT_EQ(d.underline.size(), 2u);
}

TEST(Operations, Conv2d) {
  Operand x = tensor({N, 3, 224, 224});
  EXPECT_EQ(infer(OpKind::Conv2d, {x, weight({64, 3, 7, 7}), absent()}, {{"stride", int64_t(2)}, {"padding", int64_t(3)}}),
            "Tensor[N, 64, 112, 112]");
  EXPECT_EQ(infer(OpKind::Conv2d, {x, weight({64, 3, 3, 1})}, {{"stride", ints({2, 1})}, {"dilation", ints({2, 5})}}),
            "Tensor[N, 64, 110, 224]");
  EXPECT_EQ(infer(OpKind::Conv2d, {tensor({N, 8, H, W}), weight({8, 1, 3, 3}), tensor({8})},
                  {{"stride", int64_t(2)}, {"padding", int64_t(1)}, {"groups", int64_t(8)}}),
            "Tensor[N, 8, (H - 1) / 2 + 1, (W - 1) / 2 + 1]");
  AttrMap attrs;
  infer(OpKind::Conv2d, {x, weight({64, 3, 7, 7})}, {{"padding", int64_t(3)}}, nullptr, &attrs);
  EXPECT_EQ(std::get<std::vector<int64_t>>(attrs["padding"]), (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(std::get<std::vector<int64_t>>(attrs["stride"]), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(std::get<int64_t>(attrs["groups"]), 1);

  EXPECT_EQ(infer(OpKind::Conv2d, {x, weight({64, 4, 3, 3})}),
            "401: 'conv2d': shape mismatch, [N, 3, 224, 224] and [64, 4, 3, 3] (axis 1: 3 and 4)");
  EXPECT_EQ(infer(OpKind::Conv2d, {tensor({N, 8, 4, 4}), weight({8, 8, 3, 3})}, {{"groups", int64_t(8)}}),
            "401: 'conv2d': shape mismatch, [N, 8, 4, 4] and [8, 8, 3, 3] (axis 1: 8/8 and 8) | with groups=8 each output "
            "channel sees 1 of the 8 input channels: the weight is [8, 1, 3, 3]");
  EXPECT_EQ(infer(OpKind::Conv2d, {tensor({N, 3, 4}), weight({8, 3, 3, 3})}), "402: 'conv2d' expects rank 4, found rank 3");
  EXPECT_EQ(infer(OpKind::Conv2d, {x, weight({64, 3, 3, 3})}, {{"stride", int64_t(0)}}), "404: 'stride' must be positive, got 0");
  EXPECT_EQ(infer(OpKind::Conv2d, {x, weight({64, 3, 3, 3})}, {{"padding", ints({0, -1})}}),
            "404: 'padding' must be zero or positive, got -1");
  EXPECT_EQ(infer(OpKind::Conv2d, {x, weight({64, 3, 3, 3})}, {{"groups", int64_t(0)}}), "404: 'groups' must be positive, got 0");
  EXPECT_EQ(infer(OpKind::Conv2d, {tensor({N, 3, 2, 9}), weight({8, 3, 3, 3})}), "406: 'conv2d': output is empty (0 x 7)");
  EXPECT_EQ(infer(OpKind::Conv2d, {tensor({N, 6, 9, 9}), weight({8, 2, 3, 3})}, {{"groups", int64_t(4)}}),
            "407: groups 4 do not divide 6 input channels");
  EXPECT_EQ(infer(OpKind::Conv2d, {tensor({N, 6, 9, 9}), weight({8, 2, 3, 3})}, {{"groups", int64_t(3)}}),
            "407: groups 3 do not divide 8 output channels");
  EXPECT_EQ(infer(OpKind::Conv2d, {x, weight({64, 3, 3, 3})}, {{"stride", ints({1, 2, 3})}}),
            "301: type mismatch: expected an int or [h, w], found a list of ints | argument 'stride' of 'conv2d'");
  EXPECT_EQ(infer(OpKind::Conv2d, {x, weight({64, 3, 3, 3})}, {{"dilation", INT64_MAX}}).substr(0, 3), "405");
}

TEST(Operations, MatrixProduct) {
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({N, 128}), tensor({128, 10})), "Tensor[N, 10]");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({2, N, 8}), tensor({8, 10}, DType::Trit)), "Tensor[2, N, 10]");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({2, 1, 3, 4}), tensor({5, 4, 6})), "Tensor[2, 5, 3, 6]");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({2, 4}, DType::Trit), tensor({4, 2}, DType::Trit)), "Tensor[2, 2, int32]");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({2, 4}, DType::UInt8), tensor({4, 2}, DType::Int8)), "Tensor[2, 2, int32]");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({2, 4}, DType::Trit), tensor({4, 2}, DType::Float16)), "Tensor[2, 2, float16]");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({2, 4}), weight({4, 2})), "Tensor[2, 2]");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({N, 128}), tensor({64, 10})),
            "410: matrix product: inner dimensions differ, [N, 128] @ [64, 10] (128 and 64)");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({N, 128}), tensor({10, 128}, DType::Float32, "w")),
            "410: matrix product: inner dimensions differ, [N, 128] @ [10, 128] (128 and 10) | write transpose(w) on the right");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({}), tensor({4, 4})),
            "302: operand types float32 and Tensor[4, 4] are not compatible for '@'");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({4}), tensor({4, 4})), "402: '@' expects rank 2 or more, found rank 1");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({2, 4}, DType::Int8), tensor({4, 4})).substr(0, 3), "302");
  EXPECT_EQ(inferOperator(OpKind::Matmul, weight({2, 4}), tensor({4, 4})).substr(0, 3), "302");
  EXPECT_EQ(inferOperator(OpKind::Matmul, tensor({2, 3, 4}), tensor({3, 4, 4})), "411: cannot broadcast [2] and [3]");
}

TEST(Operations, ArithmeticTypes) {
  struct Case {
    OpKind op;
    DType a, b;
    const char *result; // null: TRI0302
  };
  using enum DType;
  const Case cases[] = {
      {OpKind::Mul, Trit, Trit, "trit"},      {OpKind::Add, Trit, Trit, "int8"},      {OpKind::Sub, Trit, Trit, "int8"},
      {OpKind::Add, Trit, Int4, "int4"},      {OpKind::Add, Trit, UInt8, nullptr},    {OpKind::Add, Int8, Int16, "int16"},
      {OpKind::Mul, UInt8, Int16, "int16"},   {OpKind::Add, UInt8, Int8, nullptr},    {OpKind::Add, UInt4, Int6, "int6"},
      {OpKind::Sub, UInt6, UInt8, "uint8"},   {OpKind::Add, Int64, Int32, "int64"},   {OpKind::Div, Int32, Int32, nullptr},
      {OpKind::Add, Float16, Float32, "float32"}, {OpKind::Div, BFloat16, BFloat16, "bfloat16"},
      {OpKind::Add, Float16, BFloat16, nullptr},  {OpKind::Mul, Trit, Float32, nullptr}, {OpKind::Add, Int8, Float32, nullptr},
      {OpKind::Add, Bool, Int8, nullptr},     {OpKind::Div, Float32, Float32, "float32"},
  };
  for (const Case &c : cases) {
    for (bool swapped : {false, true}) {
      std::string got = inferOperator(c.op, tensor({}, swapped ? c.b : c.a), tensor({}, swapped ? c.a : c.b));
      if (c.result) EXPECT_EQ(got, c.result) << opName(c.op) << " " << dtypeName(c.a) << " " << dtypeName(c.b);
      else EXPECT_EQ(got.substr(0, 4), "302:") << opName(c.op) << " " << dtypeName(c.a) << " " << dtypeName(c.b);
    }
  }
  EXPECT_EQ(inferOperator(OpKind::Add, tensor({2}, Int8, "q"), tensor({2})),
            "302: operand types Tensor[2, int8] and Tensor[2] are not compatible for '+' | write float32(q)");
  EXPECT_EQ(inferOperator(OpKind::Mul, tensor({2}), weight({2})),
            "302: operand types TernaryTensor[2] with a scale and plain values are not compatible for '*' | write "
            "dequantize(w) for its values or codes(w) for its codes");
}

TEST(Operations, Broadcasting) {
  EXPECT_EQ(inferOperator(OpKind::Add, tensor({N, 3, H, W}), tensor({3, 1, 1})), "Tensor[N, 3, H, W]");
  EXPECT_EQ(inferOperator(OpKind::Add, tensor({4, 1}), tensor({1, 5})), "Tensor[4, 5]");
  EXPECT_EQ(inferOperator(OpKind::Add, tensor({}), tensor({N})), "Tensor[N]");
  EXPECT_EQ(inferOperator(OpKind::Add, tensor({N, 3}), tensor({N, 4})), "411: cannot broadcast [N, 3] and [N, 4]");
  EXPECT_EQ(inferOperator(OpKind::Add, tensor({N}), tensor({N + 1})), "411: cannot broadcast [N] and [N + 1]");
  EXPECT_EQ(inferOperator(OpKind::Add, tensor({N, 2}), unknownShape()), "float32[...]");
  EXPECT_EQ(inferOperator(OpKind::Add, tensor({Dim::unknown()}), tensor({5})), "Tensor[5]");
  std::vector<RuntimeCheck> waits;
  EXPECT_EQ(infer(OpKind::Add, {tensor({N, 2}), tensor({H, 2})}, {}, &waits), "Tensor[N, 2]");
  ASSERT_EQ(waits.size(), 1u); // the session must see that N == H
  EXPECT_EQ(waits[0].left, N);
  EXPECT_EQ(waits[0].relation, "==");
  EXPECT_EQ(waits[0].right, H);
  EXPECT_EQ(infer(OpKind::Add, {tensor({N, 2}), tensor({H, 2})}, {}, &waits), "Tensor[N, 2]");
  EXPECT_EQ(waits.size(), 1u); // once
}

TEST(Operations, Elementwise) {
  EXPECT_EQ(infer(OpKind::Relu, {tensor({N, 4}, DType::Int8)}), "Tensor[N, 4, int8]");
  EXPECT_EQ(infer(OpKind::Neg, {tensor({4}, DType::Trit)}), "TernaryTensor[4]");
  EXPECT_EQ(infer(OpKind::Sigmoid, {tensor({N, 4}, DType::BFloat16)}), "Tensor[N, 4, bfloat16]");
  EXPECT_EQ(infer(OpKind::Gelu, {tensor({})}), "float32");
  EXPECT_EQ(infer(OpKind::Sigmoid, {tensor({N, 4}, DType::Int8, "q")}),
            "301: type mismatch: expected a real tensor, found Tensor[N, 4, int8] | write float32(q)");
  EXPECT_EQ(infer(OpKind::Relu, {tensor({4}, DType::Bool)}), "301: type mismatch: expected numbers, found Tensor[4, bool]");
  EXPECT_EQ(infer(OpKind::Relu, {weight({4})}).substr(0, 4), "302:");
  EXPECT_EQ(infer(OpKind::Relu, {}), "305: 'relu' expects 1 arguments, got 0");
  EXPECT_EQ(infer(OpKind::Dropout, {tensor({4})}, {{"p", 1.5}}), "404: 'p' must be in 0..1, got 1.500000");
  EXPECT_EQ(infer(OpKind::Clamp, {tensor({4}, DType::Int8)}, {{"lo", int64_t(0)}, {"hi", int64_t(9)}}), "Tensor[4, int8]");
  EXPECT_EQ(infer(OpKind::Clamp, {tensor({4}, DType::Int8)}, {{"lo", int64_t(0)}, {"hi", int64_t(200)}}),
            "303: value 200 is out of range for int8 (-128..127)");
  EXPECT_EQ(infer(OpKind::Clamp, {tensor({4})}, {{"lo", 2.0}, {"hi", 1.0}}).substr(0, 4), "404:");
}

TEST(Operations, Norms) {
  Operand c = tensor({16});
  EXPECT_EQ(infer(OpKind::BatchNorm, {tensor({N, 16, H, W}), c, c, c, c}), "Tensor[N, 16, H, W]");
  EXPECT_EQ(infer(OpKind::BatchNorm, {tensor({N, 16}), c, c, c, c}), "Tensor[N, 16]");
  EXPECT_EQ(infer(OpKind::BatchNorm, {tensor({N, 16}), c, c, c, tensor({8})}),
            "401: 'batch_norm': shape mismatch, [N, 16] and [8] (axes 1 and 0: 16 and 8)");
  EXPECT_EQ(infer(OpKind::BatchNorm, {tensor({16}), c, c, c, c}), "402: 'batch_norm' expects rank 2 or more, found rank 1");
  EXPECT_EQ(infer(OpKind::LayerNorm, {tensor({N, 7, 16}), c, c}), "Tensor[N, 7, 16]");
  EXPECT_EQ(infer(OpKind::RmsNorm, {tensor({N, 7, 8}), c}),
            "401: 'rms_norm': shape mismatch, [N, 7, 8] and [16] (axes 2 and 0: 8 and 16)");
  EXPECT_EQ(infer(OpKind::RmsNorm, {tensor({N, 16}, DType::Int32), c}).substr(0, 4), "301:");
}

TEST(Operations, PoolsAndReductions) {
  EXPECT_EQ(infer(OpKind::MaxPool, {tensor({N, 6, 28, 28})}, {{"kernel", int64_t(2)}}), "Tensor[N, 6, 14, 14]");
  EXPECT_EQ(infer(OpKind::MaxPool, {tensor({N, 6, H, W}, DType::Int8)}, {{"kernel", int64_t(2)}}), "Tensor[N, 6, H / 2, W / 2, int8]");
  EXPECT_EQ(infer(OpKind::MaxPool, {tensor({N, 64, 112, 112})},
                  {{"kernel", int64_t(3)}, {"stride", int64_t(2)}, {"padding", int64_t(1)}}),
            "Tensor[N, 64, 56, 56]");
  EXPECT_EQ(infer(OpKind::MaxPool, {tensor({N, 6, 8, 8})}, {{"kernel", int64_t(3)}, {"padding", int64_t(2)}}),
            "404: 'padding' must be at most 1 (half of the kernel), got 2");
  EXPECT_EQ(infer(OpKind::AvgPool, {tensor({N, 6, 4, 4})}, {{"kernel", ints({5, 1})}}), "406: 'avg_pool': output is empty (0 x 4)");
  EXPECT_EQ(infer(OpKind::AvgPool, {tensor({N, 6, 4, 4}, DType::Int8)}, {{"kernel", int64_t(2)}}).substr(0, 4), "301:");
  EXPECT_EQ(infer(OpKind::GlobalAvgPool, {tensor({N, 512, 7, 7})}), "Tensor[N, 512]");
  EXPECT_EQ(infer(OpKind::GlobalAvgPool, {tensor({N, 512})}), "402: 'global_avg_pool' expects rank 4, found rank 2");
  EXPECT_EQ(infer(OpKind::Mean, {tensor({N, 4, 5})}, {{"axis", int64_t(-1)}}), "Tensor[N, 4]");
  EXPECT_EQ(infer(OpKind::Max, {tensor({N, 4, 5}, DType::Int8)}, {{"axis", int64_t(1)}, {"keep", true}}), "Tensor[N, 1, 5, int8]");
  EXPECT_EQ(infer(OpKind::Sum, {tensor({N, 4}, DType::Int8)}, {{"axis", int64_t(1)}}), "Tensor[N, int32]");
  EXPECT_EQ(infer(OpKind::Sum, {tensor({N, 4})}, {{"axis", int64_t(2)}}), "409: axis 2 is out of range for rank 2");
  EXPECT_EQ(infer(OpKind::Argmax, {tensor({N, 10})}), "Tensor[N, int32]");
  EXPECT_EQ(infer(OpKind::Argmax, {tensor({N, 10})}, {{"axis", int64_t(-3)}}), "409: axis -3 is out of range for rank 2");
  EXPECT_EQ(infer(OpKind::Softmax, {tensor({N, 10})}), "Tensor[N, 10]");
  EXPECT_EQ(infer(OpKind::Softmax, {tensor({})}), "409: axis -1 is out of range for rank 0");
}

TEST(Operations, Moving) {
  EXPECT_EQ(infer(OpKind::Concat, {tensor({N, 3, 4}), tensor({N, 5, 4})}), "Tensor[N, 8, 4]");
  EXPECT_EQ(infer(OpKind::Concat, {tensor({N, 3}), tensor({H, 3}), tensor({2, 3})}, {{"axis", int64_t(0)}}), "Tensor[H + N + 2, 3]");
  EXPECT_EQ(infer(OpKind::Concat, {tensor({N, 3, 4}), tensor({N, 5, 6})}),
            "401: 'concat': shape mismatch, [N, 3, 4] and [N, 5, 6] (axis 2: 4 and 6)");
  EXPECT_EQ(infer(OpKind::Concat, {tensor({N, 3}), tensor({N, 3}, DType::Int8)}).substr(0, 4), "302:");
  EXPECT_EQ(infer(OpKind::Concat, {}).substr(0, 4), "305:");
  EXPECT_EQ(infer(OpKind::Flatten, {tensor({N, 16, 5, 5})}), "Tensor[N, 400]");
  EXPECT_EQ(infer(OpKind::Flatten, {tensor({N, 16, H})}, {{"start", int64_t(-3)}}), "Tensor[16*H*N]");
  EXPECT_EQ(infer(OpKind::Flatten, {tensor({N})}), "409: axis 1 is out of range for rank 1");
  auto shape = [](std::vector<Dim> dims) -> AttrMap { return {{"shape", dims}}; };
  EXPECT_EQ(infer(OpKind::Reshape, {tensor({N, 12})}, shape({N, 3, 4})), "Tensor[N, 3, 4]");
  EXPECT_EQ(infer(OpKind::Reshape, {tensor({N, 12})}, shape({N, -1, 4})), "Tensor[N, 3, 4]");
  EXPECT_EQ(infer(OpKind::Reshape, {tensor({N, 12, H})}, shape({-1, H})), "Tensor[12*N, H]");
  EXPECT_EQ(infer(OpKind::Reshape, {tensor({3, 4})}, shape({5, 2})), "408: cannot reshape [3, 4] (12 elements) to [5, 2] (10 elements)");
  EXPECT_EQ(infer(OpKind::Reshape, {tensor({3, 4})}, shape({-1, 5})), "408: cannot reshape [3, 4] (12 elements) to [-1, 5] (5*n elements)");
  EXPECT_EQ(infer(OpKind::Reshape, {tensor({3, 4})}, shape({-1, -1})), "404: 'dimension' must be positive, got -1 | only one -1 can be worked out");
  EXPECT_EQ(infer(OpKind::Reshape, {tensor({3, 4})}, shape({0, -1})), "404: 'dimension' must be positive, got 0");
  EXPECT_EQ(infer(OpKind::Transpose, {tensor({N, 3, 4})}), "Tensor[N, 4, 3]");
  EXPECT_EQ(infer(OpKind::Transpose, {tensor({N, 3, 4})}, {{"order", ints({2, 0, -2})}}), "Tensor[4, N, 3]");
  EXPECT_EQ(infer(OpKind::Transpose, {tensor({N, 3, 4})}, {{"order", ints({0, 1, 3})}}), "409: axis 3 is out of range for rank 3");
  EXPECT_EQ(infer(OpKind::Transpose, {tensor({N, 3})}, {{"order", ints({0, 0})}}),
            "409: axis [0, 0] is out of range for rank 2 | 'order' must name each axis of 0..1 once");
  auto slice = [](Dim from, Dim to) -> AttrMap {
    return {{"axis", int64_t(1)}, {"from", std::vector<Dim>{from}}, {"to", std::vector<Dim>{to}}};
  };
  EXPECT_EQ(infer(OpKind::Slice, {tensor({N, 9})}, slice(2, 9)), "Tensor[N, 7]");
  EXPECT_EQ(infer(OpKind::Slice, {tensor({N, H * 3})}, slice(H, H * 2)), "Tensor[N, H]");
  EXPECT_EQ(infer(OpKind::Slice, {tensor({N, 9})}, slice(2, 10)), "413: index 10 is out of range (0..9)");
  EXPECT_EQ(infer(OpKind::Slice, {tensor({N, 9})}, slice(9, 9)), "413: index 9 is out of range (0..8)");
  EXPECT_EQ(infer(OpKind::Slice, {tensor({N, H})}, slice(0, H + 1)), "413: index H + 1 is out of range (0..H)");
  EXPECT_EQ(infer(OpKind::Slice, {tensor({N, 9})}, slice(-1, 2)), "413: index -1 is out of range (0..8)");
  EXPECT_EQ(infer(OpKind::Slice, {tensor({N, 9})}, slice(4, 4)), "404: 'dimension' must be positive, got 0");
  EXPECT_EQ(infer(OpKind::Index, {tensor({4, 5, 6})}, {{"indices", ints({3, 0})}}), "Tensor[6]");
  EXPECT_EQ(infer(OpKind::Index, {tensor({4}, DType::Trit)}, {{"indices", ints({3})}}), "trit");
  EXPECT_EQ(infer(OpKind::Index, {tensor({4, 5})}, {{"indices", ints({4})}}), "413: index 4 is out of range (0..3)");
  EXPECT_EQ(infer(OpKind::Index, {tensor({4})}, {{"indices", ints({0, 0})}}), "402: 'index' expects rank 2 or more, found rank 1");
  EXPECT_EQ(infer(OpKind::Pad, {tensor({N, 4, 5})}, {{"padding", ints({1, 2, 3, 0})}}), "Tensor[N, 7, 8]");
  EXPECT_EQ(infer(OpKind::Pad, {tensor({N, 4, 5})}, {{"padding", ints({1})}}).substr(0, 4), "403:");
  EXPECT_EQ(infer(OpKind::Pad, {tensor({4}, DType::Int8)}, {{"padding", ints({1, 1})}, {"value", 300.0}}).substr(0, 4), "303:");
}

TEST(Operations, AttentionRopeEmbedding) {
  Operand q = tensor({2, 8, N, 64}), k = tensor({2, 4, H, 64});
  EXPECT_EQ(infer(OpKind::Attention, {q, k, k}), "Tensor[2, 8, N, 64]");
  EXPECT_EQ(infer(OpKind::Attention, {q, tensor({2, 3, H, 64}), tensor({2, 3, H, 64})}),
            "401: 'attention': shape mismatch, [2, 8, N, 64] and [2, 3, H, 64] (axis 1: 8 and 3) | the number of key heads "
            "must divide the number of query heads");
  EXPECT_EQ(infer(OpKind::Attention, {q, k, tensor({2, 4, 9, 32})}),
            "401: 'attention': shape mismatch, [2, 8, N, 64] and [2, 4, 9, 32] (axis 3: 64 and 32)");
  EXPECT_EQ(infer(OpKind::Attention, {q, k, tensor({2, 4, H + 1, 64})}).substr(0, 4), "401:");
  EXPECT_EQ(infer(OpKind::Rope, {tensor({2, 8, N, 64})}), "Tensor[2, 8, N, 64]");
  EXPECT_EQ(infer(OpKind::Rope, {tensor({2, 8, N, 63})}), "404: 'last dimension' must be even, got 63");
  EXPECT_EQ(infer(OpKind::Embedding, {tensor({N, 7}, DType::Int32), tensor({100, 16})}), "Tensor[N, 7, 16]");
  EXPECT_EQ(infer(OpKind::Embedding, {tensor({}, DType::Int32), weight({100, 16})}), "Tensor[16]");
  EXPECT_EQ(infer(OpKind::Embedding, {tensor({N}), tensor({100, 16})}).substr(0, 4), "301:");
  EXPECT_EQ(infer(OpKind::Embedding, {tensor({N}, DType::Int64), tensor({100, 16})}).substr(0, 4), "301:");
}

TEST(Operations, Quantisation) {
  EXPECT_EQ(infer(OpKind::Quantize, {tensor({N, 4})}, {{"d", DType::UInt8}, {"scale", 0.5}}), "Tensor[N, 4]");
  EXPECT_EQ(infer(OpKind::Quantize, {tensor({N, 4})}, {{"d", DType::Int32}}).substr(0, 4), "301:");
  EXPECT_EQ(infer(OpKind::Quantize, {tensor({N, 4})}, {{"d", DType::Int8}, {"scale", 0.0}}).substr(0, 4), "404:");
  EXPECT_EQ(infer(OpKind::Quantize, {tensor({N, 4})}, {{"d", DType::Int8}, {"scale", 1e-60}}).substr(0, 4), "404:");
  EXPECT_EQ(infer(OpKind::Dequantize, {weight({4, 4})}), "Tensor[4, 4]");
  EXPECT_EQ(infer(OpKind::Dequantize, {tensor({4}, DType::Int8)}).substr(0, 4), "301:");
  EXPECT_EQ(infer(OpKind::Codes, {weight({4, 4})}), "Tensor[4, 4, int8]");
  EXPECT_EQ(infer(OpKind::Codes, {tensor({4, 4})}).substr(0, 4), "301:");
}

TEST(Operations, TooLargeTensors) {
  EXPECT_EQ(infer(OpKind::Linear, {tensor({int64_t(1) << 20, 4}), weight({int64_t(1) << 21, 4})}).substr(0, 4), "405:");
  EXPECT_EQ(infer(OpKind::Linear, {tensor({int64_t(1) << 20, 4}), weight({int64_t(1) << 20, 4})}), "Tensor[1048576, 1048576]");
  EXPECT_EQ(infer(OpKind::Pad, {tensor({4})}, {{"padding", ints({INT64_MAX, INT64_MAX})}}).substr(0, 4), "405:");
  SourceManager sources;
  DiagnosticEngine diags(sources);
  EXPECT_FALSE(checkShape({INT64_MAX, INT64_MAX, INT64_MAX}, {}, diags));
  EXPECT_FALSE(checkShape({N, Dim(0)}, {}, diags));
  EXPECT_TRUE(checkShape({N, Dim(int64_t(1) << 40)}, {}, diags));
}

TEST(Operations, Casts) {
  SourceManager sources;
  DiagnosticEngine diags(sources);
  EXPECT_EQ(describe(*inferCast(DType::Float32, tensor({N}, DType::Trit), {}, diags)), "Tensor[N]");
  EXPECT_EQ(describe(*inferCast(DType::Trit, tensor({N}), {}, diags)), "TernaryTensor[N]");
  EXPECT_FALSE(diags.hasErrors());
  EXPECT_FALSE(inferCast(DType::Float32, weight({4}), {}, diags));
  EXPECT_EQ(firstMessage(diags).substr(0, 4), "302:");
  EXPECT_FALSE(inferCast(DType::Int8, tensor({}, DType::Bool), {}, diags));
  using enum DType;
  EXPECT_TRUE(convertsImplicitly(Trit, Int4));
  EXPECT_FALSE(convertsImplicitly(Trit, UInt8));
  EXPECT_TRUE(convertsImplicitly(UInt8, Int16));
  EXPECT_FALSE(convertsImplicitly(UInt8, Int8));
  EXPECT_FALSE(convertsImplicitly(Int8, Float32));
  EXPECT_TRUE(convertsImplicitly(BFloat16, Float32));
  EXPECT_FALSE(convertsImplicitly(Float16, BFloat16));
  EXPECT_FALSE(convertsImplicitly(Int16, Int8));
}

TEST(Operations, RandomTritsHaveTheCheckValues) {
  EXPECT_EQ(randomTrits(1, 1.0 / 3, 10), (std::vector<int8_t>{1, 1, -1, 1, 1, -1, 1, 1, 0, -1}));
  EXPECT_EQ(randomTrits(0, 1.0 / 3, 10), (std::vector<int8_t>{1, -1, 0, -1, 0, 0, 0, -1, 0, -1}));
  EXPECT_EQ(randomTrits(3, 1.0, 5), std::vector<int8_t>(5, 0));
  for (int8_t t : randomTrits(3, 0.0, 100)) EXPECT_NE(t, 0);
  EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cu);
}

// ---- Against formulae on random sizes ------------------------------------------------------------------------------------

/// The number of window positions, counted one by one.
int64_t countPositions(int64_t length, int64_t k, int64_t s, int64_t p, int64_t d) {
  int64_t count = 0;
  for (int64_t start = -p; start + d * (k - 1) <= length - 1 + p; start += s) ++count;
  return count;
}

TEST(Operations, ConvolutionSizesAgreeWithCounting) {
  std::mt19937 random(11);
  auto pick = [&](int lo, int hi) { return int64_t(lo + int(random() % unsigned(hi - lo + 1))); };
  int empty = 0;
  for (int round = 0; round < 3000; ++round) {
    int64_t h = pick(1, 20), w = pick(1, 20), kh = pick(1, 7), kw = pick(1, 7), sh = pick(1, 4), sw = pick(1, 4),
            ph = pick(0, 3), pw = pick(0, 3), dh = pick(1, 3), dw = pick(1, 3), g = pick(1, 3), cg = pick(1, 3), og = pick(1, 3);
    AttrMap attrs = {{"stride", ints({sh, sw})}, {"padding", ints({ph, pw})}, {"dilation", ints({dh, dw})}, {"groups", g}};
    std::string got = infer(OpKind::Conv2d, {tensor({2, g * cg, h, w}), weight({g * og, cg, kh, kw})}, attrs);
    int64_t oh = countPositions(h, kh, sh, ph, dh), ow = countPositions(w, kw, sw, pw, dw);
    if (oh < 1 || ow < 1) {
      ++empty;
      ASSERT_EQ(got.substr(0, 4), "406:");
      continue;
    }
    ASSERT_EQ(got, typeString({DType::Float32, {2, g * og, oh, ow}}));
    // The symbolic form gives the same sizes.
    SourceManager sources;
    DiagnosticEngine diags(sources);
    auto symbolic = inferOperation(OpKind::Conv2d, {tensor({2, g * cg, H, W}), weight({g * og, cg, kh, kw})}, attrs, {}, diags);
    ASSERT_TRUE(symbolic);
    ASSERT_EQ(symbolic->front().type.shape[2].substitute({{"H", h}}).constant(), oh);
    ASSERT_EQ(symbolic->front().type.shape[3].substitute({{"W", w}}).constant(), ow);
  }
  EXPECT_GT(empty, 20);
}

TEST(Operations, RandomMovesKeepTheNumberOfElements) {
  std::mt19937 random(5);
  for (int round = 0; round < 1000; ++round) {
    Shape shape;
    int64_t total = 1;
    for (size_t i = 0, rank = 1 + random() % 4; i < rank; ++i) {
      shape.push_back(int64_t(1 + random() % 6));
      total *= *shape.back().constant();
    }
    SourceManager sources;
    DiagnosticEngine diags(sources);
    auto count = [](const Shape &s) {
      int64_t n = 1;
      for (const Dim &d : s) n *= *d.constant();
      return n;
    };
    AttrMap flat = {{"start", int64_t(random() % shape.size())}};
    auto flattened = inferOperation(OpKind::Flatten, {tensor(shape)}, flat, {}, diags);
    ASSERT_TRUE(flattened);
    ASSERT_EQ(count(flattened->front().type.shape), total);
    std::vector<int64_t> order(shape.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = int64_t(i);
    std::shuffle(order.begin(), order.end(), random);
    AttrMap turned = {{"order", order}};
    auto transposed = inferOperation(OpKind::Transpose, {tensor(shape)}, turned, {}, diags);
    ASSERT_TRUE(transposed);
    for (size_t i = 0; i < order.size(); ++i) ASSERT_EQ(transposed->front().type.shape[i], shape[size_t(order[i])]);
    int64_t divisor = int64_t(1 + random() % 12);
    AttrMap target = {{"shape", std::vector<Dim>{-1, divisor}}};
    auto reshaped = inferOperation(OpKind::Reshape, {tensor(shape)}, target, {}, diags);
    ASSERT_EQ(reshaped.has_value(), total % divisor == 0);
    if (reshaped) { ASSERT_EQ(*reshaped->front().type.shape[0].constant(), total / divisor); }
  }
}

} // namespace
