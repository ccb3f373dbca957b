// Every operation of the typed module has a translation: its own checker says what it takes and gives, and what IRGen
// makes of that must verify. A new line in Ops.def fails here until it has a sample and a translation.
#include "GraphMaker.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::test;

namespace {

struct Sample {
  std::vector<TensorType> operands;
  AttrMap attrs;
  int weight = -1;      ///< which operand is a trit weight, if one is
  std::string mustHold; ///< text of the module
};

TensorType f32(Shape shape) {
  return {DType::Float32, std::move(shape)};
}

Sample sampleOf(OpKind op) {
  Dim n = Dim::variable("N");
  TensorType image = f32({n, 4, 8, 8}), rows = f32({n, 8}), channels = f32({4}), lasts = f32({8});
  std::vector<int64_t> two = {2, 2};
  switch (op) {
  case OpKind::Linear:
    return {{rows, {DType::Trit, {5, 8}}, f32({5})}, {}, 1, "ternary.linear"};
  case OpKind::TernaryMatmul:
    return {{rows, {DType::Trit, {5, 8}}}, {}, 1, "ternary.linear"};
  case OpKind::Conv2d:
    return {{image, {DType::Trit, {6, 2, 3, 3}}, f32({6})}, {{"groups", int64_t(2)}, {"stride", two}}, 1, "groups = 2"};
  case OpKind::BatchNorm:
    return {{image, channels, channels, channels, channels}, {}, -1, "ternary.batch_norm"};
  case OpKind::LayerNorm:
    return {{rows, lasts, lasts}, {{"eps", 0.5}}, -1, "eps = 5.0"};
  case OpKind::RmsNorm:
    return {{rows, lasts}, {}, -1, "ternary.rms_norm"};
  case OpKind::Relu:
    return {{rows}, {}, -1, "ternary.relu "};
  case OpKind::Relu6:
    return {{rows}, {}, -1, "ternary.relu6"};
  case OpKind::Hardsigmoid:
    return {{rows}, {}, -1, "ternary.hardsigmoid"};
  case OpKind::Hardswish:
    return {{rows}, {}, -1, "ternary.hardswish"};
  case OpKind::Sigmoid:
    return {{rows}, {}, -1, "ternary.sigmoid"};
  case OpKind::Silu:
    return {{rows}, {}, -1, "ternary.silu"};
  case OpKind::Tanh:
    return {{rows}, {}, -1, "ternary.tanh"};
  case OpKind::Gelu:
    return {{rows}, {{"approx", true}}, -1, "{approx}"};
  case OpKind::Exp:
    return {{rows}, {}, -1, "ternary.exp"};
  case OpKind::Log:
    return {{rows}, {}, -1, "ternary.log"};
  case OpKind::Sqrt:
    return {{rows}, {}, -1, "ternary.sqrt"};
  case OpKind::Abs:
    return {{rows}, {}, -1, "ternary.abs"};
  case OpKind::Neg:
    return {{rows}, {}, -1, "ternary.neg"};
  case OpKind::Add:
    return {{image, f32({4, 1, 1})}, {}, -1, "ternary.add"};
  case OpKind::Sub:
    return {{rows, f32({})}, {}, -1, "ternary.sub"};
  case OpKind::Mul:
    return {{rows, lasts}, {}, -1, "ternary.mul"};
  case OpKind::Div:
    return {{rows, rows}, {}, -1, "ternary.div"};
  case OpKind::Clamp:
    return {{rows}, {{"lo", -1.0}, {"hi", 2.0}}, -1, "hi = 2.0"};
  case OpKind::MaxPool:
    return {{image}, {{"kernel", two}}, -1, "stride = array<i64: 2, 2>"};
  case OpKind::AvgPool:
    return {{image}, {{"kernel", two}, {"count_pad", false}}, -1, "count_pad = false"};
  case OpKind::GlobalAvgPool:
    return {{image}, {}, -1, "ternary.global_avg_pool"};
  case OpKind::Mean:
    return {{image}, {{"axis", int64_t(-1)}, {"keep", true}}, -1, "keep"};
  case OpKind::Sum:
    return {{{DType::Int8, {n, 8}}}, {{"axis", int64_t(1)}}, -1, "tensor<?xi32>"};
  case OpKind::Max:
    return {{rows}, {{"axis", int64_t(0)}}, -1, "ternary.max "};
  case OpKind::Concat:
    return {{image, image}, {}, -1, "tensor<?x8x8x8xf32>"};
  case OpKind::Flatten:
    return {{image}, {}, -1, "tensor<?x256xf32>"};
  case OpKind::Reshape:
    return {{image}, {{"shape", std::vector<Dim>{n, Dim(-1), Dim(16)}}}, -1, "tensor<?x16x16xf32>"};
  case OpKind::Transpose:
    return {{image}, {}, -1, "order = array<i64: 0, 1, 3, 2>"};
  case OpKind::Slice:
    return {{image}, {{"axis", int64_t(1)}, {"from", int64_t(1)}, {"to", int64_t(3)}}, -1, "from = 1 : i64"};
  case OpKind::Pad:
    return {{image}, {{"padding", std::vector<int64_t>{1, 2}}, {"value", 3.0}}, -1, "high = array<i64: 0, 0, 0, 2>"};
  case OpKind::Softmax:
    return {{rows}, {}, -1, "axis = 1"};
  case OpKind::Argmax:
    return {{rows}, {}, -1, "tensor<?xi32>"};
  case OpKind::Embedding:
    return {{{DType::Int32, {n}}, f32({10, 8})}, {}, -1, "ternary.embedding"};
  case OpKind::Attention:
    return {{f32({n, 4, 8, 16}), f32({n, 2, 8, 16}), f32({n, 2, 8, 16})}, {{"causal", true}}, -1, "{causal}"};
  case OpKind::Rope:
    return {{f32({n, 4, 8, 16})}, {{"offset", int64_t(3)}}, -1, "offset = 3"};
  case OpKind::Quantize:
    return {{rows}, {{"d", DType::Int6}, {"scale", 0.5}}, -1, "fake_quantize %arg0 i6 static per_tensor"};
  case OpKind::Dequantize:
    return {{{DType::Trit, {5, 8}}}, {}, 0, "ternary.dequantize"};
  case OpKind::Codes:
    return {{{DType::Trit, {5, 8}}}, {}, 0, "ternary.codes"};
  case OpKind::Dropout:
    return {{rows}, {}, -1, "return %arg0"};
  case OpKind::Matmul:
    return {{f32({n, 2, 3}), f32({3, 4})}, {}, -1, "ternary.matmul"};
  case OpKind::Cast:
    return {{rows}, {{"to", DType::Int8}}, -1, "ternary.cast"};
  case OpKind::Constant:
    return {{}, {{"data", std::vector<double>{1, 2}}}, -1, "ternary.constant"};
  case OpKind::Index:
    return {{image}, {{"indices", std::vector<int64_t>{0, 1}}}, -1, "indices = array<i64: 0, 1>"};
  }
  return {};
}

class EveryOperation : public ::testing::TestWithParam<OpKind> {};

TEST_P(EveryOperation, HasATranslation) {
  OpKind op = GetParam();
  Sample sample = sampleOf(op);
  ASSERT_FALSE(sample.mustHold.empty()) << "no sample of '" << opName(op) << "'";
  GraphMaker g;
  std::vector<ValueId> values;
  std::vector<Operand> operands;
  for (size_t i = 0; i < sample.operands.size(); ++i) {
    const TensorType &type = sample.operands[i];
    Operand operand;
    operand.type = type;
    if (int(i) == sample.weight) {
      values.push_back(g.weight("w", type.shape));
      operand.isWeight = operand.hasScale = true;
    } else {
      values.push_back(g.input(type.dtype, type.shape));
    }
    operands.push_back(operand);
  }

  SourceManager sources;
  DiagnosticEngine diags(sources);
  TensorType result{DType::Float32, {2}};
  if (op == OpKind::Cast) {
    auto inferred = inferCast(DType::Int8, operands[0], {}, diags);
    ASSERT_TRUE(inferred);
    result = inferred->type;
  } else if (op != OpKind::Constant) {
    auto inferred = inferOperation(op, operands, sample.attrs, {}, diags);
    ASSERT_TRUE(inferred) << opName(op);
    result = inferred->front().type;
  }
  g.output(g.node(op, values, result, sample.attrs));
  std::string text = textOf(g.graph);
  EXPECT_NE(text.find(sample.mustHold), std::string::npos) << text;
}

std::vector<OpKind> allOperations() {
  return {
#define TRITON_OP(NAME, SPELLING) OpKind::NAME,
#include "triton/Sema/Ops.def"
  };
}

INSTANTIATE_TEST_SUITE_P(Ops, EveryOperation, ::testing::ValuesIn(allOperations()),
                         [](const auto &info) { return std::string(opName(info.param)); });

} // namespace
