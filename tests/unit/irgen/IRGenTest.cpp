// The float graph of hand-built typed modules: parameters, quantisers, groups, places, dimensions, tests.
#include "GraphMaker.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::test;

namespace {

/// `text` holds `part`; prints the text if not.
#define EXPECT_HAS(TEXT, PART)                                                                                         \
  do {                                                                                                                 \
    std::string text_ = (TEXT), part_ = (PART);                                                                        \
    EXPECT_NE(text_.find(part_), std::string::npos) << "missing: " << part_ << "\nin:\n" << text_;                     \
  } while (false)
#define EXPECT_LACKS(TEXT, PART) EXPECT_EQ(std::string(TEXT).find(PART), std::string::npos) << (TEXT)

ActPolicy acts(DType dtype, ActMode mode = ActMode::Static, ActPer per = ActPer::Tensor) {
  return {dtype, mode, per, 99.99};
}

TEST(IRGen, KeepsPolicyNamesAndPreprocessing) {
  GraphMaker g;
  ValueId x = g.input(DType::Float32, {g.n, 3, 8, 8});
  g.graph.inputs[0].dtypes = {DType::UInt8, DType::Float32};
  g.graph.inputs[0].preprocess = Preprocess{{0.5, 0.25, 0.125}, {1, 2, 4}, 1.0 / 256};
  ValueId w = g.weight("stem.weight", {16, 3, 3, 3});
  g.graph.params.back().frozen = true;
  ValueId y = g.node(OpKind::Conv2d, {x, w, kNoValue}, {DType::Float32, {g.n, 16, 8, 8}},
                     {{"stride", std::vector<int64_t>{1, 1}},
                      {"padding", std::vector<int64_t>{1, 1}},
                      {"dilation", std::vector<int64_t>{1, 1}},
                      {"groups", int64_t(1)}});
  g.output(y);
  g.graph.labels = {"cat", "dog"};
  std::string text = textOf(g.graph);
  EXPECT_HAS(text, "func.func @net(%arg0: tensor<?x3x8x8xf32>");
  EXPECT_HAS(text, "ternary.dtypes = [\"uint8\", \"float32\"]");
  EXPECT_HAS(text, "ternary.mean = array<f64: 5.000000e-01, 2.500000e-01, 1.250000e-01>");
  EXPECT_HAS(text, "ternary.scale = 3.906250e-03");
  EXPECT_HAS(text, "{ternary.name = \"y0\"}");
  EXPECT_HAS(text, "ternary.dims = [\"N\"]");
  EXPECT_HAS(text, "ternary.labels = [\"cat\", \"dog\"]");
  EXPECT_HAS(text, "ternary.param {frozen, key = \"stem.weight\", policy = #ternary.weights<trit, per_channel, twn, "
                   "threshold = 0.7>} : tensor<16x3x3x3xf32>");
  EXPECT_HAS(text, "{padding = array<i64: 1, 1>} : (tensor<?x3x8x8xf32>, tensor<16x3x3x3xf32>) -> "
                   "tensor<?x16x8x8xf32>");
}

TEST(IRGen, LaterUsesSeeTheQuantisedValue) {
  GraphMaker g;
  ValueId x = g.input(DType::Float32, {g.n, 8});
  ValueId a = g.node(OpKind::Relu, {x}, {DType::Float32, {g.n, 8}});
  ValueId b = g.node(OpKind::Add, {a, x}, {DType::Float32, {g.n, 8}});
  g.output(b);
  g.graph.quantizers = {{x, "act0.scale", DType::Int8, acts(DType::Int8), {}},
                        {a, "act1.scale", DType::UInt8, acts(DType::Int8), 0.5}};
  g.graph.groups = {{{0}, {}, {}, a, 1}, {{1}, {}, {}, b, {}}};
  std::string text = textOf(g.graph);
  EXPECT_HAS(text, "%0 = ternary.fake_quantize %arg0 i8 static per_tensor {key = \"act0.scale\"}");
  EXPECT_HAS(text, "%1 = ternary.relu %0 {ternary.group = 0 : i64}");
  EXPECT_HAS(text,
             "%2 = ternary.fake_quantize %1 u8 static per_tensor {key = \"act1.scale\", scale = 5.000000e-01 : f64, "
             "ternary.group = 0 : i64}");
  EXPECT_HAS(text, "ternary.add %2, %0 {ternary.group = 1 : i64}");
}

TEST(IRGen, DynamicQuantisersFeedOnlyProductsWithCodes) {
  GraphMaker g;
  ValueId x = g.input(DType::Float32, {g.n, 8});
  ValueId w = g.weight("a.weight", {4, 8}), f = g.weight("b.weight", {4, 8}, DType::Float32);
  ActPolicy dynamic = acts(DType::Int8, ActMode::Dynamic, ActPer::Row);
  ValueId a = g.node(OpKind::Linear, {x, w, kNoValue}, {DType::Float32, {g.n, 4}});
  g.graph.nodes.back().acts = dynamic;
  ValueId b = g.node(OpKind::Linear, {x, f, kNoValue}, {DType::Float32, {g.n, 4}});
  g.graph.nodes.back().acts = dynamic;
  g.output(a);
  g.output(b);
  g.graph.quantizers = {{x, {}, DType::Int8, dynamic, {}}};
  std::string text = textOf(g.graph);
  EXPECT_HAS(text, "%2 = ternary.fake_quantize %arg0 i8 dynamic per_row : tensor<?x8xf32>");
  EXPECT_HAS(text, "ternary.linear %2, %0");
  EXPECT_HAS(text, "ternary.linear %arg0, %1");
}

TEST(IRGen, DropsWhatNoOutputNeedsAndWhatDoesNothing) {
  GraphMaker g;
  ValueId x = g.input(DType::Float32, {g.n, 8});
  ValueId dead = g.node(OpKind::Exp, {x}, {DType::Float32, {g.n, 8}});
  (void)dead;
  ValueId same = g.node(OpKind::Dropout, {x}, {DType::Float32, {g.n, 8}});
  g.output(g.node(OpKind::Log, {same}, {DType::Float32, {g.n, 8}}));
  std::string text = textOf(g.graph);
  EXPECT_LACKS(text, "ternary.exp");
  EXPECT_HAS(text, "ternary.log %arg0");
}

TEST(IRGen, OnlyTheBatchMayStayOpen) {
  for (const char *name : {"H", "N"}) {
    GraphMaker g;
    Dim open = Dim::variable(name);
    ValueId x = g.input(DType::Float32, {g.n, open});
    g.output(g.node(OpKind::Relu, {x}, {DType::Float32, {g.n, open}}));
    std::string text = textOf(g.graph);
    EXPECT_HAS(text, std::string("dimension '") + name + "' must be fixed");
    EXPECT_HAS(text, std::string("--dim ") + name + "=SIZE");
  }
  GraphMaker g;
  ValueId x = g.input(DType::Float32, {g.n, 8});
  g.output(g.node(OpKind::Reshape, {x}, {DType::Float32, {g.n * Dim(2), 4}}));
  EXPECT_HAS(textOf(g.graph), "dimension 'N' must be fixed (axis 0 of [2*N, 4])");
}

TEST(IRGen, ASecondVariableOnAxisZeroIsNotTheBatch) {
  GraphMaker g;
  ValueId x = g.input(DType::Float32, {g.n, 8});
  ValueId y = g.input(DType::Float32, {Dim::variable("M"), 8});
  g.output(g.node(OpKind::Relu, {x}, {DType::Float32, {g.n, 8}}));
  g.output(g.node(OpKind::Relu, {y}, {DType::Float32, {Dim::variable("M"), 8}}));
  EXPECT_HAS(textOf(g.graph), "dimension 'M' must be fixed");
}

TEST(IRGen, ConstantsAndParametersNeedTheirSize) {
  GraphMaker g;
  g.output(g.input(DType::Float32, {g.n, 2}));
  g.output(g.node(OpKind::Constant, {}, {DType::Float32, {g.n, 2}}, {{"data", std::vector<double>{0}}}));
  EXPECT_HAS(textOf(g.graph), "a constant of shape [N, 2] must have a known size; fix it with --dim N=SIZE");
  GraphMaker h;
  ValueId x = h.input(DType::Float32, {h.n, 2});
  h.output(h.node(OpKind::Add, {x, h.param("p", {h.n, 2})}, {DType::Float32, {h.n, 2}}));
  EXPECT_HAS(textOf(h.graph), "the size of parameter 'p' depends on 'N'");
}

TEST(IRGen, ErrorsNameTheirPlace) {
  SourceManager sources;
  FileId file = sources.addFile("net.tri", "model\n  y = transpose(x)\n");
  GraphMaker g;
  ValueId x = g.input(DType::Float32, {g.n, 8});
  ValueId y = g.node(OpKind::Index, {x}, {DType::Float32, {8}}, {{"indices", std::vector<int64_t>{0}}});
  ValueId z = g.node(OpKind::Slice, {x}, {DType::Float32, {g.n, 8}},
                     {{"axis", int64_t(0)}, {"from", int64_t(1)}, {"to", std::vector<Dim>{g.n}}});
  g.graph.nodes.back().range = {file, 8, 9};
  g.output(y);
  g.output(z);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto module = generateIR(context, g.graph, sources);
  ASSERT_FALSE(module);
  EXPECT_HAS(module.error().message, "net.tri:2:3: model 'net': the slice bound N must be known");
}

TEST(IRGen, LocationsCarryPathAndPosition) {
  SourceManager sources;
  FileId file = sources.addFile("net.tri", "abc\n  def\n");
  GraphMaker g;
  ValueId x = g.input(DType::Float32, {g.n, 8});
  ValueId y = g.node(OpKind::Relu, {x}, {DType::Float32, {g.n, 8}}, {}, "layer1.0");
  g.graph.nodes.back().range = {file, 6, 9};
  g.output(y);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto module = generateIR(context, g.graph, sources);
  ASSERT_TRUE(module);
  std::string text = moduleToText(**module, /*withLocations=*/true);
  EXPECT_HAS(text, "#loc1 = loc(\"net.tri\":2:3)");
  EXPECT_HAS(text, "#loc2 = loc(\"layer1.0\"(#loc1))");
}

TEST(IRGen, NarrowIntegersSaturateToTheirRange) {
  GraphMaker g;
  ValueId x = g.input(DType::Int4, {g.n, 8});
  ValueId y = g.node(OpKind::Add, {x, x}, {DType::Int4, {g.n, 8}});
  g.output(g.node(OpKind::Cast, {y}, {DType::UInt6, {g.n, 8}}));
  std::string text = textOf(g.graph);
  EXPECT_HAS(text, "ternary.add %arg0, %arg0 {hi = 7 : i64, lo = -8 : i64}");
  EXPECT_HAS(text, "ternary.cast %0 {hi = 63 : i64, lo = 0 : i64} : (tensor<?x8xi8>) -> tensor<?x8xui8>");
}

TEST(IRGen, ConstantsAreStoredExactly) {
  GraphMaker g;
  ValueId t = g.node(OpKind::Constant, {}, {DType::Trit, {3}}, {{"data", std::vector<double>{1, 0, -1}}});
  ValueId f = g.node(OpKind::Constant, {}, {DType::Float16, {2}}, {{"data", std::vector<double>{0.5, -2}}});
  ValueId i = g.node(OpKind::Constant, {}, {DType::Int64, {}}, {{"data", std::vector<int64_t>{-7}}});
  ValueId z = g.node(OpKind::Constant, {}, {DType::Float32, {1000, 1000}}, {{"data", std::vector<double>{0}}});
  for (ValueId v : {t, f, i, z}) g.output(v);
  std::string text = textOf(g.graph);
  EXPECT_HAS(text, "dense<[1, 0, -1]> : tensor<3xi8> -> tensor<3x!ternary.trit>");
  EXPECT_HAS(text, "dense<[5.000000e-01, -2.000000e+00]> : tensor<2xf16>");
  EXPECT_HAS(text, "dense<-7> : tensor<i64>");
  EXPECT_HAS(text, "dense<0.000000e+00> : tensor<1000x1000xf32>");

  GraphMaker bad;
  bad.output(bad.node(OpKind::Constant, {}, {DType::UInt8, {2}}, {{"data", std::vector<double>{1, 256}}}));
  EXPECT_HAS(textOf(bad.graph), "does not fit its type");
}

TEST(IRGen, ParametersKeepTheirInitialValue) {
  GraphMaker g;
  ValueId w = g.weight("w", {1, 2});
  g.graph.params.back().init = std::vector<double>{1, -1};
  g.graph.params.back().channelAxis = 1;
  ValueId x = g.input(DType::Float32, {g.n, 1});
  g.output(g.node(OpKind::Matmul, {x, w}, {DType::Float32, {g.n, 2}}));
  EXPECT_HAS(textOf(g.graph), "{axis = 1 : i64, init = dense<");
}

TEST(IRGen, TestsReturnBothSidesOfEveryAssert) {
  TestCase test;
  test.title = "adds";
  GraphMaker g;
  ValueId a = g.node(OpKind::Constant, {}, {DType::Float32, {2}}, {{"data", std::vector<double>{1, 2}}});
  ValueId b = g.node(OpKind::Add, {a, a}, {DType::Float32, {2}});
  test.graph = g.graph;
  test.asserts = {{TestAssert::Equal, b, a, 0, "", {}}, {TestAssert::Close, a, a, 1e-6, "", {}}};
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  SourceManager sources;
  auto module = generateTestIR(context, test, sources);
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_HAS(moduleToText(**module), "return %1, %0, %0, %0");
}

TEST(IRGen, TwoEntryPointsCannotShareAName) {
  GraphMaker g;
  g.output(g.input(DType::Float32, {g.n, 8}));
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  SourceManager sources;
  auto module = generateIR(context, std::vector<Graph>{g.graph, g.graph}, sources);
  ASSERT_FALSE(module);
  EXPECT_HAS(module.error().message, "two entry points are named 'net'");
}

} // namespace
