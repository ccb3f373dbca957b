// planQuantisation on the shapes that real networks have, and on the corners of the rule. The text of a plan: quantisers
// that are not at a group's result first, then a line per group (`=`: with a linear-like anchor, `:` without).
#include "GraphBuilder.h"

#include "triton/Support/Diagnostics.h"
#include "triton/Support/Json.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::test;

namespace {

const Dim N = Dim::variable("N");

TEST(Plan, LinearChainTakesNormAndActivation) {
  GraphBuilder b;
  ValueId x = b.input({N, 3, 8, 8});                                        // v0
  b.path = "stem";
  ValueId y = b.same(OpKind::Relu, b.bn(b.conv(x, 4)));                     // conv v2, norm v7, relu v8
  b.path = "";
  ValueId z = b.node(OpKind::Flatten, {y}, {N, 256});                       // v9
  b.path = "head";
  b.output(b.linear(z, 10));                                                // v12
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d batch_norm relu = v8: uint8 stem.act0.scale\n"
                      "linear = v12\n");
  std::vector<std::optional<uint32_t>> sources = codeSources(b.graph);
  EXPECT_EQ(sources[z], sources[y]); // moved along
  EXPECT_TRUE(sources[y].has_value());
  EXPECT_FALSE(sources[12].has_value());
}

TEST(Plan, ResidualBlockWithIdentity) {
  GraphBuilder b;
  ValueId x = b.same(OpKind::Relu, b.conv(b.input({N, 3, 8, 8}), 4));      // v0; v2, v3
  b.path = "layer1.0";
  ValueId y = b.same(OpKind::Relu, b.bn(b.conv(x, 4)));                     // v5, v10, v11
  y = b.bn(b.conv(y, 4));                                                   // v13, v18
  ValueId out = b.same(OpKind::Relu, b.add(y, x));                          // v19, v20
  b.path = "";
  b.output(b.node(OpKind::GlobalAvgPool, {out}, {N, 4}));                   // v21
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d relu = v3: uint8 act1.scale\n"
                      "conv2d batch_norm relu = v11: uint8 layer1.0.act0.scale\n"
                      "conv2d batch_norm add relu +v3 = v20: uint8 layer1.0.act1.scale\n"
                      "global_avg_pool : v21\n");
}

TEST(Plan, ResidualBlockWithProjectionAddsAtTheLaterChain) {
  GraphBuilder b;
  ValueId x = b.same(OpKind::Relu, b.conv(b.input({N, 3, 8, 8}), 4));      // v3
  b.path = "layer2.0";
  ValueId y = b.bn(b.conv(x, 8));                                           // v5, v10
  b.path = "layer2.0.downsample.0";
  ValueId d = b.conv(x, 8, DType::Trit, 1);                                 // v12
  b.path = "layer2.0.downsample.1";
  d = b.bn(d);                                                              // v17
  b.path = "layer2.0";
  ValueId out = b.same(OpKind::Relu, b.add(y, d));                          // v18, v19
  b.path = "";
  b.output(b.node(OpKind::GlobalAvgPool, {out}, {N, 8}));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d relu = v3: uint8 act1.scale\n"
                      "conv2d batch_norm = v10: int8 layer2.0.act0.scale\n"
                      "conv2d batch_norm add relu +v10 = v19: uint8 layer2.0.act1.scale\n"
                      "global_avg_pool : v20\n");
}

TEST(Plan, ResidualMayComeThroughMovingOperations) {
  GraphBuilder b;
  ValueId x = b.same(OpKind::Relu, b.conv(b.input({N, 3, 8, 8}), 4));      // v3
  x = b.node(OpKind::MaxPool, {x}, {N, 4, 8, 8});                           // v4
  b.output(b.node(OpKind::Mean, {b.add(x, b.conv(x, 4))}, {N, 4, 8}));      // conv v6, add v7, mean v8
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d relu = v3: uint8 act1.scale\n"
                      "conv2d add +v4 = v7: int8 act2.scale\n"
                      "mean : v8\n");
}

TEST(Plan, AResidualMustBeTheResultOfAnotherGroup) {
  // The model's input and a parameter are none: the chain ends before the add.
  GraphBuilder b;
  ValueId x = b.input({N, 4, 8, 8});                                        // v0
  ValueId y = b.add(b.conv(x, 4), x);                                       // v2, v3
  ValueId c = b.conv(y, 4), given = b.param({N, 4, 8, 8});                  // v5, v6
  ValueId z = b.add(c, given);                                              // v7
  b.output(b.same(OpKind::Exp, z));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d = v2: int8 act1.scale\n"
                      "add : v3: int8 act2.scale\n"
                      "conv2d = v5: int8 act3.scale\n"
                      "add : v7: int8 act4.scale\n"
                      "exp : v8\n");
}

TEST(Plan, OnlyOneResidualAndOneActivation) {
  GraphBuilder b;
  ValueId x = b.same(OpKind::Relu, b.conv(b.input({N, 4, 8, 8}), 4));      // v3
  ValueId y = b.add(b.add(b.conv(x, 4), x), x);                             // v5, v6, v7
  y = b.same(OpKind::Relu6, b.same(OpKind::Hardswish, y));                  // v8, v9
  b.output(b.same(OpKind::Exp, y));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d relu = v3: uint8 act1.scale\n"
                      "conv2d add +v3 = v6: int8 act2.scale\n"
                      "add hardswish : v8: int8 act3.scale\n"
                      "relu6 : v9: uint8 act4.scale\n"
                      "exp : v10\n");
}

TEST(Plan, AddingAValueToItselfIsNoResidual) {
  GraphBuilder b;
  ValueId y = b.conv(b.input({N, 4, 8, 8}), 4);
  b.output(b.same(OpKind::Exp, b.add(y, y)));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d = v2: int8 act1.scale\n"
                      "add : v3: int8 act2.scale\n"
                      "exp : v4\n");
}

TEST(Plan, SharedValuesEndTheirGroupAndHaveOneQuantiser) {
  GraphBuilder b;
  ValueId y = b.bn(b.conv(b.input({N, 4, 8, 8}), 4));                       // v2, v7: two users
  ValueId p = b.conv(b.same(OpKind::Relu, y), 4);                           // relu v8 on codes, conv v10
  ValueId q = b.conv(y, 4);                                                 // v12
  b.output(b.node(OpKind::Concat, {p, q}, {N, 8, 8, 8}));                   // v13
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d batch_norm = v7: int8 act1.scale\n"
                      "conv2d = v10: int8 act2.scale\n"
                      "conv2d = v12: int8 act3.scale\n"
                      "concat : v13\n");
  EXPECT_EQ(codeSources(b.graph)[8], codeSources(b.graph)[7]);
}

TEST(Plan, ReluOnCodesKeepsTheSignedFormAndPoolingAfterItIsUnsigned) {
  GraphBuilder b;
  ValueId y = b.node(OpKind::MaxPool, {b.conv(b.input({N, 4, 8, 8}), 4)}, {N, 4, 4, 4}); // v2, v3
  ValueId r = b.same(OpKind::Relu, y);                                                   // v4: moves codes
  ValueId p = b.node(OpKind::AvgPool, {r}, {N, 4, 2, 2});                                // v5
  b.output(b.same(OpKind::Exp, p));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d = v2: int8 act1.scale\n"
                      "avg_pool : v5: uint8 act2.scale\n"
                      "exp : v6\n");
}

TEST(Plan, MobileNetInvertedResidual) {
  GraphBuilder b(DType::UInt8);
  ValueId x = b.bn(b.conv(b.input({N, 3, 8, 8}), 4));                       // v7
  ValueId h = b.same(OpKind::Relu6, b.bn(b.conv(x, 24, DType::Trit, 1)));   // v9, v14, v15
  h = b.same(OpKind::Relu6, b.bn(b.conv(h, 24)));                           // v17, v22, v23
  h = b.bn(b.conv(h, 4, DType::Trit, 1));                                   // v25, v30
  ValueId out = b.add(x, h);                                                // v31
  b.output(b.node(OpKind::GlobalAvgPool, {out}, {N, 4}));                   // v32
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d batch_norm = v7: int8 act1.scale\n"
                      "conv2d batch_norm relu6 = v15: uint8 act2.scale\n"
                      "conv2d batch_norm relu6 = v23: uint8 act3.scale\n"
                      "conv2d batch_norm add +v7 = v31: int8 act4.scale\n"
                      "global_avg_pool : v32\n");
}

TEST(Plan, UnsignedFormsFollowTheFunction) {
  const struct {
    OpKind op;
    const char *form;
  } cases[] = {{OpKind::Relu, "uint4"},    {OpKind::Relu6, "uint4"}, {OpKind::Hardsigmoid, "uint4"}, {OpKind::Sigmoid, "uint4"},
               {OpKind::Softmax, "uint4"}, {OpKind::Silu, "int4"},   {OpKind::Hardswish, "int4"},    {OpKind::Tanh, "int4"},
               {OpKind::Gelu, "int4"},     {OpKind::Exp, "int4"},    {OpKind::Abs, "int4"}};
  for (const auto &c : cases) {
    GraphBuilder b(DType::Int4);
    ValueId y = b.same(c.op, b.conv(b.input({N, 4, 8, 8}), 4));
    b.output(b.same(OpKind::Exp, y));
    planQuantisation(b.graph);
    EXPECT_STREQ(dtypeName(b.graph.quantizers.back().dtype), c.form) << opName(c.op);
  }
  GraphBuilder trits(DType::Trit);
  trits.output(trits.same(OpKind::Exp, trits.same(OpKind::Relu, trits.conv(trits.input({N, 4, 8, 8}), 4))));
  planQuantisation(trits.graph);
  EXPECT_EQ(trits.graph.quantizers.back().dtype, DType::Trit);
}

TEST(Plan, ModelOutputsStayReal) {
  GraphBuilder b;
  ValueId y = b.linear(b.input({N, 8}), 10);                                // v3: an output and argmax's operand
  ValueId digit = b.node(OpKind::Argmax, {y}, {N}, {}, DType::Int32);       // v4
  b.output(digit);
  b.output(y);
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "linear = v3\n"
                      "argmax : v4\n");
  GraphBuilder moved;
  ValueId z = moved.linear(moved.input({N, 8}), 10);                        // v3: only reshaped on its way out
  moved.output(moved.node(OpKind::Reshape, {z}, {N, 2, 5}));
  EXPECT_EQ(moved.plan(), "v0: int8 act0.scale\nlinear = v3\n");
  GraphBuilder both;
  ValueId w = both.linear(both.input({N, 8}), 8);                           // v3: reshaped on its way out, and used
  both.output(both.node(OpKind::Reshape, {w}, {N, 2, 4}));
  both.output(both.linear(w, 2));
  EXPECT_EQ(both.plan(), "v0: int8 act0.scale\nlinear = v3: int8 act1.scale\nlinear = v7\n");
  GraphBuilder identity;
  identity.output(identity.input({N, 8}));
  EXPECT_EQ(identity.plan(), "");
}

TEST(Plan, DynamicModeQuantisesOnlyWhatLinearOperationsRead) {
  GraphBuilder b(DType::Int8, ActMode::Dynamic);
  ValueId x = b.input({N, 8});                                              // v0
  ValueId q = b.linear(x, 8, false), k = b.linear(x, 8, false);             // v2, v4: one quantiser for both
  ValueId s = b.same(OpKind::Silu, b.add(q, k));                            // v5, v6
  ValueId r = b.same(OpKind::Relu, b.linear(s, 8));                         // v9, v10
  b.output(b.linear(r, 4, true, DType::Float32));                           // floats take real inputs
  EXPECT_EQ(b.plan(), "v0: int8 dynamic\n"
                      "v6: int8 dynamic\n"
                      "linear = v2\n"
                      "linear = v4\n"
                      "add silu : v6\n"
                      "linear relu = v10\n"
                      "linear = v13\n");
}

TEST(Plan, FloatPoliciesHaveNoQuantisers) {
  for (DType d : {DType::Float32, DType::Float16}) {
    GraphBuilder b(d);
    b.output(b.same(OpKind::Relu, b.bn(b.conv(b.input({N, 3, 8, 8}), 4))));
    EXPECT_EQ(b.plan(), "conv2d batch_norm relu = v8\n");
  }
}

TEST(Plan, ThePolicyAtTheLastNodeDecidesTheQuantiser) {
  GraphBuilder b;
  ActPolicy outer = b.policy, real;
  ValueId x = b.input({N, 3, 8, 8});
  b.policy = real;
  ValueId c = b.conv(x, 4);                                                 // v2 under float
  b.policy = outer;
  ValueId y = b.same(OpKind::Relu, c);                                      // v3 under int8
  b.policy = real;
  ValueId z = b.same(OpKind::Relu, b.bn(b.conv(y, 4)));                     // v5, v10, v11 under float
  b.policy = outer;
  ValueId w = b.conv(z, 4);                                                 // v13: reads reals
  ValueId sum = b.add(w, z);                                                // v14: z has no codes, so no residual
  b.output(b.same(OpKind::Exp, sum));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d relu = v3: uint8 act1.scale\n"
                      "conv2d batch_norm relu = v11\n"
                      "conv2d = v13: int8 act2.scale\n"
                      "add : v14: int8 act3.scale\n"
                      "exp : v15\n");
}

TEST(Plan, FloatWeightsStillGetAQuantiserAtTheResult) {
  GraphBuilder b;
  ValueId y = b.same(OpKind::Relu, b.conv(b.input({N, 3, 8, 8}), 4, DType::Float32)); // v3
  b.output(b.conv(y, 4));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\nconv2d relu = v3: uint8 act1.scale\nconv2d = v5\n");
}

TEST(Plan, AddedBiasesJoinWhereTheyArePerChannel) {
  GraphBuilder b;
  ValueId x = b.input({N, 3, 8, 8});
  ValueId c = b.conv(x, 4), bias = b.param({4, 1, 1});                      // v2, v3
  ValueId y = b.bn(b.add(c, bias));                                         // v4, norm v9
  ValueId flat = b.node(OpKind::Flatten, {y}, {N, 256});                    // v10
  ValueId w = b.param({256, 6}, DType::Trit, true);                         // v11
  ValueId m = b.node(OpKind::Matmul, {flat, w}, {N, 6});                    // v12
  ValueId z = b.add(m, b.param({6}));                                       // v14
  ValueId l = b.linear(z, 6);                                               // v17 has a bias
  l = b.add(l, b.param({6}));                                               // v19 stands alone
  l = b.linear(l, 6, false);                                                // v21
  b.output(b.same(OpKind::Exp, b.add(l, b.param({1}))));                    // v23 is no bias of 6 channels
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d add batch_norm = v9: int8 act1.scale\n"
                      "matmul add = v14: int8 act2.scale\n"
                      "linear = v17: int8 act3.scale\n"
                      "add : v19: int8 act4.scale\n"
                      "linear = v21: int8 act5.scale\n"
                      "add : v23: int8 act6.scale\n"
                      "exp : v24\n");
}

TEST(Plan, ANormAcrossTheWrongAxisStandsAlone) {
  GraphBuilder b;
  ValueId y = b.linear(b.input({N, 7, 8}), 5);                              // [N, 7, 5]: axis 1 is no output channel
  Shape c = {7};
  ValueId n = b.node(OpKind::BatchNorm, {y, b.param(c), b.param(c), b.param(c), b.param(c)}, {N, 7, 5});
  b.output(b.same(OpKind::Exp, n));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\nlinear = v3: int8 act1.scale\nbatch_norm : v8: int8 act2.scale\nexp : v9\n");
}

TEST(Plan, ProductsOfActivationsHaveNoAnchor) {
  GraphBuilder b;
  ValueId x = b.input({4, 8}), y = b.input({8, 4});
  ValueId m = b.node(OpKind::Matmul, {x, y}, {4, 4});
  b.output(b.same(OpKind::Exp, b.same(OpKind::Relu, m)));
  // The product alone; relu moves its codes.
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\nv1: int8 act1.scale\nmatmul : v2: int8 act2.scale\nexp : v4\n");
}

TEST(Plan, IntegersAndIdsHaveNoQuantisers) {
  GraphBuilder b;
  ValueId ids = b.input({N, 7}, DType::Int32);                              // v0
  ValueId e = b.node(OpKind::Embedding, {ids, b.param({9, 8})}, {N, 7, 8}); // v2
  ValueId n = b.node(OpKind::RmsNorm, {e, b.param({8})}, {N, 7, 8});        // v4
  b.output(b.linear(n, 9, false));                                          // v6
  EXPECT_EQ(b.plan(), "embedding : v2: int8 act0.scale\nrms_norm : v4: int8 act1.scale\nlinear = v6\n");
}

TEST(Plan, ExplicitQuantisersTakeTheirDtypeAndReplaceTheImplicitOne) {
  GraphBuilder b;
  b.path = "q";
  ValueId y = b.same(OpKind::Relu, b.conv(b.input({N, 3, 8, 8}), 4));      // v3
  ValueId q = b.node(OpKind::Quantize, {y}, {N, 4, 8, 8}, {{"d", DType::UInt6}, {"scale", 0.25}}); // v4
  ValueId r = b.node(OpKind::Dequantize, {q}, {N, 4, 8, 8});                // v5
  b.output(b.conv(r, 4));                                                   // v7
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d relu = v3\n"
                      "quantize : v4: uint6 q.act0.scale scale 0.25\n"
                      "dequantize : v5\n"
                      "conv2d = v7\n");
  GraphBuilder floats(DType::Float32);
  ValueId z = floats.node(OpKind::Quantize, {floats.input({N, 8})}, {N, 8}, {{"d", DType::Int8}});
  floats.output(floats.linear(z, 4));
  EXPECT_EQ(floats.plan(), "quantize : v1: int8 act0.scale\nlinear = v4\n");
}

TEST(Plan, KeysAreCountedPerPathInOrderOfExecution) {
  // Two interleaved chains: the one that begins later ends first.
  GraphBuilder b;
  b.path = "a";
  ValueId x = b.input({N, 3, 8, 8});
  ValueId p = b.conv(x, 4), q = b.conv(x, 4);                               // v2, v4
  ValueId rq = b.same(OpKind::Relu, q), rp = b.same(OpKind::Relu, p);       // v5, v6
  b.output(b.same(OpKind::Exp, b.node(OpKind::Concat, {rp, rq}, {N, 8, 8, 8})));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d relu = v5: uint8 a.act0.scale\n"
                      "conv2d relu = v6: uint8 a.act1.scale\n"
                      "concat : v7: int8 a.act2.scale\n"
                      "exp : v8\n");
}

TEST(Plan, ALaterResidualIsKnownBeforeTheChainReachesIt) {
  // a = conv1, b = conv2, c = bn(a), b + c: the residual's group begins after the chain's.
  GraphBuilder b;
  ValueId x = b.input({N, 3, 8, 8});
  ValueId a = b.conv(x, 4), r = b.conv(x, 4), c = b.bn(a);                  // v2, v4, v9 (in this order)
  b.output(b.same(OpKind::Exp, b.add(r, c)));                               // v10
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "conv2d = v4: int8 act1.scale\n"
                      "conv2d batch_norm add +v4 = v10: int8 act2.scale\n"
                      "exp : v11\n");
}

TEST(Plan, DeadNodesDoNotMatter) {
  GraphBuilder b;
  ValueId x = b.input({N, 3, 8, 8});
  ValueId y = b.conv(x, 4);
  b.same(OpKind::Exp, y); // never used: `y` has one user all the same
  ValueId z = b.same(OpKind::Relu, y);
  b.output(b.same(OpKind::Exp, z));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\nconv2d relu = v4: uint8 act1.scale\nexp : v5\n");
}

TEST(Plan, WithoutAModelPolicyTheFirstUserDecidesAtAnInput) {
  GraphBuilder b;
  b.graph.acts.reset();
  b.output(b.conv(b.input({N, 3, 8, 8}), 4));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\nconv2d = v2\n");
}

TEST(Plan, TransformerBlock) {
  GraphBuilder b;
  Shape s = {2, 7, 8};
  ValueId x = b.same(OpKind::Exp, b.input(s));                              // v1, shared
  ValueId h = b.node(OpKind::RmsNorm, {x, b.param({8})}, s);                // v3
  ValueId qkv = b.linear(h, 24, false);                                     // v5, shared by three slices
  auto part = [&](int64_t i) {
    ValueId y = b.node(OpKind::Slice, {qkv}, s, {{"axis", int64_t(2)}, {"from", i * 8}, {"to", i * 8 + 8}});
    return b.node(OpKind::Transpose, {b.node(OpKind::Reshape, {y}, {2, 7, 2, 4})}, {2, 2, 7, 4});
  };
  ValueId q = b.same(OpKind::Rope, part(0)), k = b.same(OpKind::Rope, part(1)), v = part(2); // v9, v13, v16
  ValueId a = b.node(OpKind::Attention, {q, k, v}, {2, 2, 7, 4});           // v17
  a = b.node(OpKind::Reshape, {b.node(OpKind::Transpose, {a}, {2, 7, 2, 4})}, s);
  ValueId y = b.add(x, b.linear(a, 8, false));                              // linear v21, add v22
  b.output(b.same(OpKind::Exp, y));
  EXPECT_EQ(b.plan(), "v0: int8 act0.scale\n"
                      "exp : v1: int8 act1.scale\n"
                      "rms_norm : v3: int8 act2.scale\n"
                      "linear = v5: int8 act3.scale\n"
                      "rope : v9: int8 act4.scale\n"
                      "rope : v13: int8 act5.scale\n"
                      "attention : v17: int8 act6.scale\n"
                      "linear add +v1 = v22: int8 act7.scale\n"
                      "exp : v23\n");
}

// ---- checkSums -----------------------------------------------------------------------------------------------------------

std::string sums(const Graph &graph) {
  SourceManager sources;
  DiagnosticEngine diags(sources);
  bool fine = checkSums(graph, diags);
  if (fine) return diags.hasErrors() ? "an error all the same" : "fine";
  return diags.sorted()[0].message + " | " + diags.sorted()[0].help;
}

TEST(Sums, AreProvenFromTermsAndRanges) {
  auto net = [](int64_t terms, DType weight, DType acts, ActMode mode = ActMode::Static) {
    GraphBuilder b(acts, mode);
    b.output(b.linear(b.input({N, terms}), 4, false, weight));
    return b.graph;
  };
  EXPECT_EQ(sums(net(16909320, DType::Trit, DType::Int8)), "fine");
  EXPECT_EQ(sums(net(20000000, DType::Trit, DType::Int8)),
            "sum may overflow int32: 20000000 terms of at most 127 reach 2540000000 | at most 16909320 terms fit; slice both "
            "operands and add the parts");
  EXPECT_EQ(sums(net(133144, DType::Int8, DType::Int8)), "fine");
  EXPECT_NE(sums(net(133145, DType::Int8, DType::Int8)), "fine");
  EXPECT_NE(sums(net(133145, DType::Int8, DType::Int8, ActMode::Dynamic)), "fine");
  EXPECT_EQ(sums(net(20000000, DType::Float32, DType::Int8)), "fine");
  EXPECT_EQ(sums(net(20000000, DType::Trit, DType::Float32)), "fine");
  // Plain integers: int8 x int8, and unsigned codes after a relu.
  GraphBuilder ints;
  ValueId x = ints.input({2, 131072}, DType::Int8), w = ints.value({131072, 3}, DType::Int8);
  ints.graph.nodes.push_back({OpKind::Matmul, {x, w}, {ints.value({2, 3}, DType::Int32)}, {}, "", {}, {}});
  EXPECT_NE(sums(ints.graph), "fine");
  GraphBuilder relu;
  ValueId r = relu.same(OpKind::Relu, relu.conv(relu.input({N, 8421505, 1, 1}), 8421505, DType::Trit, 1));
  relu.output(relu.conv(r, 2, DType::Trit, 1));
  EXPECT_EQ(sums(relu.graph).substr(0, 72), "sum may overflow int32: 8421505 terms of at most 255 reach 2147483775 | ");
}

// ---- JSON ----------------------------------------------------------------------------------------------------------------

TEST(GraphJson, Golden) {
  GraphBuilder b;
  ValueId x = b.input({N, 1, 2, 2});
  b.graph.inputs[0].name = "image";
  b.graph.inputs[0].dtypes = {DType::UInt8, DType::Float32};
  b.graph.inputs[0].preprocess = Preprocess{{0.1307}, {0.3081}, 1.0 / 255};
  b.path = "fc \"1\"";
  ValueId f = b.node(OpKind::Flatten, {x}, {N, 4}, {{"start", int64_t(1)}});
  ValueId y = b.linear(f, 2);
  b.graph.params[1].init = {{0.5, -1.0}};
  ValueId z = b.node(OpKind::Slice, {y}, {N, N * 2 - 1},
                     {{"axis", int64_t(1)}, {"from", int64_t(0)}, {"to", std::vector<Dim>{N * 2 - 1}}});
  b.output(z);
  planQuantisation(b.graph);
  EXPECT_EQ(graphToJson(b.graph, "net.tri"), R"json({
  "format": "triton-graph",
  "version": 1,
  "model": "Net",
  "export": "Net",
  "source": "net.tri",
  "dims": ["N"],
  "inputs": [
    {
      "name": "image",
      "value": 0,
      "dtypes": ["uint8", "float32"],
      "preprocess": {
        "mean": [0.1307],
        "std": [0.3081],
        "scale": 0.00392156862745098
      }
    }
  ],
  "outputs": [
    {
      "name": "y0",
      "value": 5
    }
  ],
  "params": [
    {
      "key": "p0",
      "value": 2,
      "storage": "trit",
      "scale": "per_channel",
      "method": "twn",
      "threshold": 0.7,
      "group": 0,
      "seed": 0,
      "channel_axis": 0,
      "frozen": false
    },
    {
      "key": "p1",
      "value": 3,
      "storage": "float32",
      "scale": "per_channel",
      "method": "twn",
      "threshold": 0.7,
      "group": 0,
      "seed": 0,
      "channel_axis": 0,
      "frozen": false,
      "init": [0.5, -1.0]
    }
  ],
  "values": [
    {
      "id": 0,
      "dtype": "float32",
      "shape": ["N", 1, 2, 2]
    },
    {
      "id": 1,
      "dtype": "float32",
      "shape": ["N", 4]
    },
    {
      "id": 2,
      "dtype": "trit",
      "shape": [2, 4]
    },
    {
      "id": 3,
      "dtype": "float32",
      "shape": [2]
    },
    {
      "id": 4,
      "dtype": "float32",
      "shape": ["N", 2]
    },
    {
      "id": 5,
      "dtype": "float32",
      "shape": ["N", "2*N - 1"]
    }
  ],
  "nodes": [
    {
      "id": 0,
      "op": "flatten",
      "operands": [0],
      "results": [1],
      "path": "fc \"1\"",
      "attrs": {
        "start": 1
      }
    },
    {
      "id": 1,
      "op": "linear",
      "operands": [1, 2, 3],
      "results": [4],
      "path": "fc \"1\"",
      "attrs": {}
    },
    {
      "id": 2,
      "op": "slice",
      "operands": [4],
      "results": [5],
      "path": "fc \"1\"",
      "attrs": {
        "axis": 1,
        "from": 0,
        "to": "2*N - 1"
      }
    }
  ],
  "groups": [
    {
      "nodes": [1],
      "anchor": 1,
      "residual": null,
      "value": 4,
      "quantizer": null
    }
  ],
  "quantizers": [
    {
      "value": 0,
      "key": "act0.scale",
      "dtype": "int8",
      "lo": -127,
      "hi": 127,
      "mode": "static",
      "per": "tensor",
      "clip": 99.99,
      "scale": null
    }
  ]
}
)json");
}

} // namespace
