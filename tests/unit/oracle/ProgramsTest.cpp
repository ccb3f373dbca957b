// Source text to integer graph to numbers: every kind of operation between real layers, against the float graph.
#include "Interpret.h"

#include "triton/IRGen/IRGen.h"
#include "triton/Parse/Parser.h"
#include "triton/Passes/Parameters.h"
#include "triton/Passes/Passes.h"
#include "triton/Sema/Sema.h"

#include "mlir/Pass/PassManager.h"

#include <cmath>
#include <sstream>

using namespace triton;
using namespace triton::testing;

namespace {

struct Program {
  SourceManager sources;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  explicit Program(const std::string &text) {
    FileId file = sources.addFile("net.tri", text);
    DiagnosticEngine diags(sources);
    auto tree = parseFile(sources, file, diags);
    TypedModule typed = analyse(*tree, sources, diags, {});
    std::ostringstream errors;
    diags.print(errors);
    EXPECT_FALSE(diags.hasErrors()) << errors.str();
    if (diags.hasErrors()) return;
    for (Graph &graph : typed.models) planQuantisation(graph);
    auto made = generateIR(context, typed.models, sources);
    EXPECT_TRUE(bool(made)) << (made ? "" : made.error().message);
    if (made) module = std::move(*made);
  }
  mlir::func::FuncOp function() { return *module->getOps<mlir::func::FuncOp>().begin(); }
};

struct Outcome {
  std::vector<HostTensor> real, integer;
  std::string text; ///< the integer graph
};

/// Random weights, made-up calibration data, one made-up input through both graphs.
Outcome runBoth(const std::string &source, std::vector<HostTensor> inputs) {
  Outcome out;
  Program program(source);
  if (!program.module) return out;
  WeightStore store = WeightStore::random(1);
  auto params = ParamTable::load(*program.module, store);
  EXPECT_TRUE(mlir::succeeded(params));
  auto real = interpret(program.function(), inputs, params->interpretOptions());
  EXPECT_TRUE(bool(real)) << (real ? "" : real.error().message);
  ResolveInputs given;
  given.weights = &store;
  given.calibration[program.function().getName().str()] = {inputs};
  mlir::PassManager passes(&program.context);
  passes.addPass(createResolveQuantisationPass(given));
  EXPECT_TRUE(mlir::succeeded(passes.run(*program.module)));
  program.module->walk([&](mlir::Operation *op) { EXPECT_FALSE((llvm::isa<ternary::ParamOp, ternary::FakeQuantizeOp>(op))); });
  out.text = moduleToText(*program.module);
  auto integer = interpret(program.function(), inputs);
  EXPECT_TRUE(bool(integer)) << (integer ? "" : integer.error().message);
  if (real && integer) out.real = *real, out.integer = *integer;
  return out;
}

std::vector<float> wave(size_t n, unsigned seed) {
  std::vector<float> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = static_cast<float>(static_cast<double>(splitMix64(seed, i) >> 11) * 0x1p-52 - 1);
  return v;
}

/// The mean error of the integer graph against the float graph, as a share of the values' size.
double relativeError(const HostTensor &real, const HostTensor &integer) {
  std::vector<float> a = toFloats(real.type, real.bytes), b = toFloats(integer.type, integer.bytes);
  double error = 0, size = 1e-12;
  for (size_t i = 0; i < a.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - b[i], 2);
    size += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(error / size);
}

struct Case {
  const char *name;
  std::string source;
  TensorShape input;
  double tolerance;
  std::vector<std::string> expected; ///< operations of the integer graph
};

const std::string kHead = "use std.nn\n";

} // namespace

class Programs : public ::testing::TestWithParam<Case> {};

TEST_P(Programs, IntegerGraphFollowsTheFloatGraph) {
  const Case &k = GetParam();
  auto n = static_cast<size_t>(*elementCount(k.input));
  Outcome out = runBoth(k.source, {reals(k.input, wave(n, 5))});
  ASSERT_FALSE(out.integer.empty());
  double error = relativeError(out.real[0], out.integer[0]);
  EXPECT_LT(error, k.tolerance);
  for (const std::string &op : k.expected) EXPECT_NE(out.text.find(op), std::string::npos) << op << "\n" << out.text;
}

INSTANTIATE_TEST_SUITE_P(
    Models, Programs,
    ::testing::Values(
        Case{"lenet", kHead + R"(
@ternary
@acts(int8)
model M(image: Tensor[N, 1, 32, 32]) -> (logits: Tensor[N, 10]) {
    @weights(int8)
    let conv1 = Conv2d(1, 6, 5)
    let conv2 = Conv2d(6, 16, 5)
    let fc1 = Linear(400, 120)
    let fc3 = Linear(120, 10)
    let x = max_pool(relu(conv1(image)), 2)
    x = flatten(max_pool(relu(conv2(x)), 2))
    return fc3(relu(fc1(x)))
})", {2, 1, 32, 32}, 0.05, {"ternary.affine", "ternary.max_pool"}},
        Case{"residual", kHead + R"(
layer Block(c: int) {
    let conv1 = Conv2d(c, c, 3, padding=1, bias=false)
    let bn1 = BatchNorm2d(c)
    let conv2 = Conv2d(c, c, 3, padding=1, bias=false)
    let bn2 = BatchNorm2d(c)
    fn forward(x: Tensor[N, c, H, W]) -> Tensor { return relu(bn2(conv2(relu(bn1(conv1(x))))) + x) }
}
@ternary
@acts(int8)
model M(image: Tensor[N, 3, 16, 16]) -> (logits: Tensor[N, 10]) {
    let stem = Conv2d(3, 8, 3, padding=1)
    let a = Block(8)
    let b = Block(8)
    let fc = Linear(8, 10)
    return fc(global_avg_pool(b(a(relu(stem(image))))))
})", {2, 3, 16, 16}, 0.06, {"residual", "ternary.global_avg_pool"}},
        Case{"squeezeExcite", kHead + R"(
@ternary
@acts(int8)
model M(x: Tensor[N, 8, 8, 8]) -> Tensor[N, 8, 8, 8] {
    let conv = Conv2d(8, 8, 3, padding=1, groups=8)
    let down = Linear(8, 4)
    let up = Linear(4, 8)
    let y = hardswish(conv(x))
    let s = hardsigmoid(up(relu(down(global_avg_pool(y)))))
    return relu6(y * reshape(s, [-1, 8, 1, 1])) * 2.0
})", {2, 8, 8, 8}, 0.06, {"ternary.mul", "ternary.hardswish", "ternary.hardsigmoid"}},
        Case{"concatAndPools", kHead + R"(
@ternary(scale=per_tensor)
@acts(uint8)
model M(x: Tensor[N, 4, 8, 8]) -> Tensor[N, 10] {
    let a = Conv2d(4, 8, 1)
    let b = Conv2d(4, 8, 3, padding=1)
    let fc = Linear(256, 10)
    let y = concat([relu(a(x)), relu6(b(x))])
    return fc(flatten(avg_pool(y, 2)))
})", {2, 4, 8, 8}, 0.06, {"ternary.concat", "ternary.avg_pool"}},
        Case{"perGroupMixed", kHead + R"(
@ternary(scale=per_group, group=16, method=absmean)
@acts(int8)
model M(x: Tensor[N, 64]) -> Tensor[N, 5] {
    let a = Linear(64, 32)
    @weights(float16)
    let b = Linear(32, 16)
    @weights(int4)
    let c = Linear(16, 5)
    return softmax(c(gelu(b(relu(a(x))))))
})", {4, 64}, 0.08, {"k_groups = 4", "ternary.softmax", "ternary.gelu"}},
        Case{"realActivations", kHead + R"(
@ternary
model M(x: Tensor[N, 64]) -> Tensor[N, 5] {
    let a = Linear(64, 32)
    let b = Linear(32, 5)
    return b(silu(a(x)))
})", {4, 64}, 1e-5, {"tensor<32x64x!ternary.trit>", "ternary.silu"}},
        Case{"transformerDynamic", kHead + R"(
layer Block(d: int, heads: int, hidden: int) {
    let norm1 = RMSNorm(d)
    let norm2 = LayerNorm(d)
    let qkv = Linear(d, 3 * d, bias=false)
    let proj = Linear(d, d, bias=false)
    let up = Linear(d, hidden, bias=false)
    let down = Linear(hidden, d, bias=false)
    fn split(x: Tensor[B, T, 3 * d], part: int) -> Tensor[B, heads, T, d / heads] {
        let y = slice(x, 2, part * d, (part + 1) * d)
        return transpose(reshape(y, [B, T, heads, d / heads]), [0, 2, 1, 3])
    }
    fn forward(x: Tensor[B, T, d]) -> Tensor[B, T, d] {
        let h = qkv(norm1(x))
        let a = attention(rope(split(h, 0)), rope(split(h, 1)), split(h, 2), causal=true)
        x = x + proj(reshape(transpose(a, [0, 2, 1, 3]), [B, T, d]))
        return x + down(silu(up(norm2(x))))
    }
}
@ternary(method=absmean)
@acts(int8, mode=dynamic, per=row)
model M(x: Tensor[B, 12, 32]) -> Tensor[B, 12, 32] {
    let block = Block(32, 4, 64)
    return block(x)
})", {2, 12, 32}, 0.03, {"ternary.quantize_dynamic", "ternary.attention", "ternary.rope", " scale %"}},
        Case{"transformerStatic", kHead + R"(
@ternary
@acts(int8)
model M(x: Tensor[B, 12, 32]) -> Tensor[B, 12, 32] {
    let norm = RMSNorm(32)
    let q = Linear(32, 32)
    let k = Linear(32, 32)
    let v = Linear(32, 32)
    let up = Linear(32, 64)
    let down = Linear(64, 32)
    let h = norm(x)
    let s = softmax(q(h) @ transpose(k(h)) / 5.65)
    let y = x + s @ v(h)
    return y + down(tanh(up(y)))
})", {2, 12, 32}, 0.08, {"ternary.softmax", "ternary.matmul"}},
        Case{"fewBits", kHead + R"(
@ternary(method=fixed, threshold=0.05)
@acts(int4)
model M(x: Tensor[N, 64]) -> Tensor[N, 5] {
    let a = Linear(64, 64)
    let b = Linear(64, 5)
    return b(relu(a(x)))
})", {4, 64}, 0.25, {"!ternary.quant<i4", "!ternary.quant<u4"}}),
    [](const auto &info) { return info.param.name; });

TEST(Programs, BytesGoThroughPreprocessing) {
  std::string source = kHead + R"(
@ternary
@acts(int8)
@preprocess(image, mean=[0.1307], std=[0.3081])
model M(image: Tensor[N, 1, 28, 28, uint8|float32]) -> (digit: Tensor[N, int32], logits: Tensor[N, 10]) {
    let a = Linear(784, 64)
    let b = Linear(64, 10)
    let y = b(relu(a(flatten(image))))
    return argmax(y), y
})";
  std::vector<uint8_t> pixels(2 * 784);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(splitMix64(3, i) >> 56);
  Outcome out = runBoth(source, {bytes({2, 1, 28, 28}, pixels)});
  ASSERT_EQ(out.integer.size(), 2u);
  EXPECT_LT(relativeError(out.real[1], out.integer[1]), 0.05);
  EXPECT_EQ(out.real[0].bytes, out.integer[0].bytes);
  // The same image as real numbers gives the same codes.
  std::vector<float> real(pixels.size());
  for (size_t i = 0; i < real.size(); ++i) real[i] = (static_cast<float>(pixels[i]) * static_cast<float>(1.0 / 255) - 0.1307f) / 0.3081f;
  Outcome again = runBoth(source, {reals({2, 1, 28, 28}, real)});
  EXPECT_EQ(again.integer[1].bytes, out.integer[1].bytes);
}

TEST(Programs, HalfPrecisionProductsGiveHalf) {
  Outcome out = runBoth(kHead + R"(
layer SimpleTernary(in_features: int, out_features: int) -> TernaryTensor {
    let W: TernaryTensor = random_ternary([out_features, in_features])
    fn forward(x: Tensor[float16]) -> Tensor[float16] {
        let output = ternary_matmul(x, W)
        return output
    }
}
model M(x: Tensor[4, 8, float16]) -> Tensor[4, 3, float16] {
    let s = SimpleTernary(8, 3)
    return s(x)
})", [] {
    HostTensor x{ElementType::F16, {4, 8}, {}};
    for (int i = 0; i < 32; ++i) {
      x.bytes.push_back(0);
      x.bytes.push_back(static_cast<uint8_t>(0x3C + i % 5));
    }
    return std::vector<HostTensor>{x};
  }());
  ASSERT_FALSE(out.integer.empty());
  EXPECT_EQ(out.integer[0].type, ElementType::F16);
  EXPECT_EQ(out.integer[0].bytes, out.real[0].bytes);
}
