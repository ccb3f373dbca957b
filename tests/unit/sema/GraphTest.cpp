// What the graph of a model holds: nodes with paths, parameters with keys and policies, checks for the session.
#include "Analysed.h"

using namespace triton;

namespace {

TEST(Graph, HasTheOperationsInProgramOrderWithPaths) {
  Analysed a("use std.nn\n"
             "model M(x: Tensor[N, 4]) -> (y: Tensor[N, 2]) {\n"
             "  let fc = Linear(4, 2)\n"
             "  let h = relu(x)\n"
             "  return fc(h)\n"
             "}\n");
  auto &g = a.model();
  EXPECT_EQ(operations(g), (std::vector<std::string>{"relu", "linear"}));
  EXPECT_EQ(g.nodes[0].path, "");
  EXPECT_EQ(g.nodes[1].path, "fc");
  EXPECT_EQ(g.values[g.nodes[0].results[0]].hint, "h");
  EXPECT_EQ(shapeString(g.values[g.outputs[0].value].type.shape), "[N, 2]");
  EXPECT_EQ(g.dims, (std::vector<std::string>{"N"}));
  EXPECT_EQ(keys(g), (std::vector<std::string>{"fc.weight", "fc.bias"}));
}

TEST(Graph, MemberNamesMakeKeys) {
  Analysed a("use std.nn\n"
             "layer Inner(c: int) {\n"
             "  param w: Weight[c, c] as \"kernel\"\n"
             "  fn forward(x: Tensor[N, c]) -> Tensor[N, c] { return linear(x, w) }\n"
             "}\n"
             "layer Outer(c: int) {\n"
             "  let parts = [Inner(c)]\n"
             "  for i in 0..2 { parts = parts + [Inner(c)] }\n"
             "  let last = Inner(c) as \"head\"\n"
             "  let plain = Inner(c) as \"\"\n"
             "  fn forward(x: Tensor[N, c]) -> Tensor { return plain(last(parts(x))) }\n"
             "}\n"
             "model M(x: Tensor[N, 3]) -> Tensor { let o = Outer(3)\n return o(x) }\n");
  EXPECT_EQ(keys(a.model()), (std::vector<std::string>{"o.parts.0.kernel", "o.parts.1.kernel", "o.parts.2.kernel",
                                                       "o.head.kernel", "o.kernel"}))
      << a.messages();
}

TEST(Graph, AnInstanceReachedTwiceIsOneInstance) {
  Analysed a("use std.nn\n"
             "model M(ids: Tensor[N, int32]) -> Tensor[N, 7] {\n"
             "  let embed = Embedding(7, 4)\n"
             "  let again = [embed, embed]\n"
             "  let h = again[1](ids)\n"
             "  return linear(h, embed.weight)\n"
             "}\n");
  EXPECT_EQ(keys(a.model()), (std::vector<std::string>{"embed.weight"})) << a.messages();
  auto &g = a.model();
  EXPECT_EQ(g.nodes[0].operands[1], g.nodes[1].operands[1]);
}

TEST(Graph, InnermostAttributeWinsArgumentByArgument) {
  Analysed a("use std.nn\n"
             "@ternary(scale=per_tensor, threshold=0.5)\n"
             "@acts(int8, clip=99)\n"
             "model M(x: Tensor[N, 4]) -> Tensor[N, 4] {\n"
             "  @weights(int8)\n"
             "  let a = Linear(4, 4)\n"
             "  @ternary(method=absmean)\n"
             "  @acts(uint4)\n"
             "  @frozen\n"
             "  let b = Linear(4, 4)\n"
             "  return b(a(x))\n"
             "}\n");
  ASSERT_FALSE(a.diags.hasErrors()) << a.messages();
  EXPECT_EQ(a.param("a.weight")->policy.storage, DType::Int8);
  auto &b = a.param("b.weight")->policy;
  EXPECT_EQ(b.storage, DType::Trit);
  EXPECT_EQ(b.method, WeightMethod::AbsMean);
  EXPECT_EQ(b.scale, WeightScale::PerTensor);
  EXPECT_DOUBLE_EQ(b.threshold, 0.5);
  EXPECT_TRUE(a.param("b.weight")->frozen);
  EXPECT_FALSE(a.param("a.weight")->frozen);
  EXPECT_FALSE(a.param("a.bias")->isWeight);
  EXPECT_EQ(a.model().nodes[0].acts.dtype, DType::Int8);
  EXPECT_EQ(a.model().nodes[1].acts.dtype, DType::UInt4);
  EXPECT_DOUBLE_EQ(a.model().nodes[1].acts.clip, 99);
}

TEST(Graph, ChannelsOfWhatStandsRightOfAtAreItsColumns) {
  Analysed a("layer P(n: int) {\n"
             "  param w: TernaryTensor[n, 3]\n"
             "  param v: TernaryTensor[5, 3]\n"
             "  fn forward(x: Tensor[N, n]) -> Tensor { return linear(x @ w, v) }\n"
             "}\n"
             "model M(x: Tensor[N, 4]) -> Tensor { let p = P(4)\n return p(x) }\n");
  ASSERT_FALSE(a.diags.hasErrors()) << a.messages();
  EXPECT_EQ(a.param("p.w")->channelAxis, 1);
  EXPECT_EQ(a.param("p.v")->channelAxis, 0);
  EXPECT_EQ(a.param("p.w")->policy.storage, DType::Trit);
}

TEST(Graph, SizesThatOnlyASessionKnowsBecomeChecks) {
  Analysed a("model M(x: Tensor[N, 4], y: Tensor[K, 4]) -> Tensor {\n"
             "  assert shape(x)[0] == 2 * shape(y)[0], \"two rows for each\"\n"
             "  return relu(x)\n"
             "}\n");
  ASSERT_EQ(a.model().checks.size(), 1u) << a.messages();
  EXPECT_EQ(a.model().checks[0].left.str(), "N");
  EXPECT_EQ(a.model().checks[0].right.str(), "2*K");
  EXPECT_EQ(a.model().checks[0].relation, "==");
  EXPECT_EQ(a.model().checks[0].message, "two rows for each");
}

TEST(Graph, DimensionsCanBeFixed) {
  SemaOptions options;
  options.dims["N"] = 8;
  Analysed a("model M(x: Tensor[N, 4]) -> Tensor[N, 4] {\n"
             "  let y = x\n"
             "  for i in 0..shape(x)[0] { y = relu(y) }\n"
             "  return y\n"
             "}\n",
             options);
  EXPECT_EQ(a.model().nodes.size(), 8u) << a.messages();
  EXPECT_TRUE(a.model().dims.empty());
}

TEST(Graph, DefinesOverrideTopLevelValues) {
  SemaOptions options;
  options.defines["width"] = "6";
  Analysed a("let width = 4\nmodel M(x: Tensor[N, width]) -> Tensor { return relu(x) }\n", options);
  EXPECT_EQ(shapeString(a.model().values[0].type.shape), "[N, 6]") << a.messages();
  options.defines["width"] = "true";
  EXPECT_EQ(Analysed("let width = 4\n", options).errors(), (std::vector<unsigned>{301}));
  options.defines.clear();
  options.defines["wdth"] = "1";
  EXPECT_EQ(Analysed("let width = 4\n", options).errors(), (std::vector<unsigned>{201}));
}

TEST(Graph, ATopLevelTensorIsBroughtIntoEveryModelThatUsesIt) {
  Analysed a("let t = TernaryTensor[2, 2](1, 0, -1, 1)\n"
             "let u = t @ t\n"
             "model A(x: Tensor[N, 2, int32]) -> Tensor { return x + u[0] }\n"
             "model B(x: Tensor[N, 2]) -> Tensor { return x @ t }\n");
  EXPECT_EQ(operations(a.model(0)), (std::vector<std::string>{"constant", "matmul", "index", "add"})) << a.messages();
  EXPECT_EQ(operations(a.model(1)), (std::vector<std::string>{"constant", "matmul"}));
}

TEST(Graph, AParameterMayBringItsValue) {
  Analysed a("layer S(n: int) {\n"
             "  param scale: Tensor[n] = ones([n])\n"
             "  fn forward(x: Tensor[N, n]) -> Tensor[N, n] { return x * scale }\n"
             "}\n"
             "model M(x: Tensor[N, 3]) -> Tensor { let s = S(3)\n return s(x) }\n");
  ASSERT_TRUE(a.param("s.scale")) << a.messages();
  EXPECT_EQ(a.param("s.scale")->init, (std::vector<double>{1, 1, 1}));
}

TEST(Graph, RandomTritsAreSeededByTheirKey) {
  auto program = [](const char *name) {
    return std::string("layer R(n: int) {\n"
                       "  let W: TernaryTensor = random_ternary([n, n])\n"
                       "  fn forward(x: Tensor[N, n]) -> Tensor[N, n] { return ternary_matmul(x, W) }\n"
                       "}\n"
                       "model M(x: Tensor[N, 8]) -> Tensor { let ") +
           name + " = R(8)\n return " + name + "(x) }\n";
  };
  Analysed a(program("a")), again(program("a")), b(program("b"));
  auto data = [](const Analysed &m) { return std::get<std::vector<double>>(m.model().nodes.at(0).attrs.at("data")); };
  EXPECT_EQ(data(a), data(again));
  EXPECT_NE(data(a), data(b));
  EXPECT_EQ(data(a).size(), 64u);
}

TEST(Graph, FullTensorsAreOneElement) {
  Analysed a("model M(x: Tensor[N, 4]) -> Tensor { return x + full([1024, 1, 4], 0.5) }\n");
  EXPECT_EQ(std::get<std::vector<double>>(a.model().nodes.at(0).attrs.at("data")), std::vector<double>{0.5}) << a.messages();
}

} // namespace
