// Every other operation against the oracle: plain loops at -O0, fused chains at -O1, everything at -O2.
#include "GraphText.h"
#include "ProgramRunner.h"

#include <gtest/gtest.h>

using namespace triton::test;

namespace {

/// Runs one graph at all levels, one and two threads. Sums of products of reals may be taken in any order: `tolerance` for those.
void checkAll(const std::string &text, float tolerance = 0, int64_t batch = 3, bool rawBytes = false) {
  for (int level : {0, 1, 2}) {
    Graph graph = parseGraph(text);
    ASSERT_TRUE(bool(graph.module));
    Comparison how;
    how.optLevel = level;
    how.threads = level == 1 ? 1 : 2;
    how.batch = batch;
    how.tolerance = tolerance;
    how.rawBytes = rawBytes;
    // The baseline has neither fma nor roundings of its own; the second target has both.
    expectEqualsOracle(graph, level == 1 ? "x86-64" : "x86-64-v3", how);
    if (testing::Test::HasFailure())
      return;
  }
}

TEST(Elements, RealFunctions) {
  GraphText g(1);
  Ref x = g.argument("f32", {-1, 5, 7});
  std::vector<Ref> results;
  for (const char *name : {"relu", "relu6", "abs", "neg", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh", "exp", "gelu"})
    results.push_back(g.same(name, x));
  results.push_back(g.same("gelu", x, "approx"));
  results.push_back(g.same("log", g.same("abs", x)));
  results.push_back(g.same("sqrt", g.same("abs", x)));
  results.push_back(g.same("clamp", x, "lo = -0.3 : f64, hi = 0.7 : f64"));
  checkAll(g.finish(results));
}

TEST(Elements, SixteenBitRealsRoundOncePerOperation) {
  for (const char *type : {"f16", "bf16"}) {
    GraphText g(2);
    Ref x = g.argument(type, {-1, 33}), y = g.argument(type, {-1, 33});
    Ref a = g.op("add", {x, y}, "", type, {-1, 33});
    Ref m = g.op("mul", {a, y}, "", type, {-1, 33});
    Ref s = g.same("silu", m);
    Ref n = g.same("softmax", s, "axis = 1 : i64");
    checkAll(g.finish({s, n, a}));
  }
}

TEST(Elements, BinaryOperationsBroadcast) {
  GraphText g(3);
  Ref x = g.argument("f32", {-1, 4, 6}), v = g.reals({4, 1}, -2, 2), w = g.reals({6}, 0.5f, 2);
  Ref a = g.op("add", {x, v}, "", "f32", {-1, 4, 6}), b = g.op("mul", {a, w}, "", "f32", {-1, 4, 6});
  Ref c = g.op("div", {b, w}, "", "f32", {-1, 4, 6}), d = g.op("sub", {c, v}, "", "f32", {-1, 4, 6});
  checkAll(g.finish({d, b}));
}

TEST(Elements, CodesAddMultiplyConcatenateAndPool) {
  GraphText g(4);
  Ref x = g.argument("f32", {-1, 6, 8, 9}), y = g.argument("f32", {-1, 6, 8, 9});
  Ref a = g.quantize(x, quant("i8", 0.02)), b = g.quantize(y, quant("u8", 0.013));
  Ref sum = g.op("add", {a, b}, "lo = 0 : i64, hi = 127 : i64", quant("i8", 0.05), a.shape);
  Ref product = g.op("mul", {a, b}, "", quant("i6", 0.07), a.shape);
  Ref both = g.op("concat", {sum, product, b}, "axis = 1 : i64", quant("i8", 0.04), {-1, 18, 8, 9});
  Ref pooled = g.op("max_pool", {both}, "kernel = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1>", both.element, {-1, 18, 4, 5});
  Ref mean = g.op("avg_pool", {both}, "kernel = array<i64: 3, 2>, stride = array<i64: 2, 2>, padding = array<i64: 1, 0>, count_pad = false",
                  quant("i8", 0.03), {-1, 18, 4, 4});
  Ref counted = g.op("avg_pool", {both}, "kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>", quant("i8", 0.03), {-1, 18, 4, 4});
  Ref global = g.op("global_avg_pool", {pooled}, "", quant("u8", 0.011), {-1, 18});
  Ref relu = g.same("relu", pooled);
  Ref real = g.dequantize(relu);
  checkAll(g.finish({real, mean, global, counted}));
}

TEST(Elements, RealReductionsUseSixteenLanes) {
  GraphText g(5);
  Ref x = g.argument("f32", {-1, 5, 37});
  Ref mean = g.op("mean", {x}, "axis = 2 : i64", "f32", {-1, 5}), sum = g.op("sum", {x}, "axis = 1 : i64, keep", "f32", {-1, 1, 37});
  Ref greatest = g.op("max", {x}, "axis = 2 : i64", "f32", {-1, 5}), index = g.op("argmax", {x}, "axis = 2 : i64", "i32", {-1, 5});
  Ref soft = g.same("softmax", x, "axis = 2 : i64"), across = g.same("softmax", x, "axis = 1 : i64");
  Ref w = g.reals({37}, 0.5f, 1.5f), b = g.reals({37}, -1, 1);
  Ref layer = g.op("layer_norm", {x, w, b}, "", "f32", x.shape), rms = g.op("rms_norm", {x, w}, "", "f32", x.shape);
  checkAll(g.finish({mean, sum, greatest, index, soft, across, layer, rms}));
}

TEST(Elements, RealPoolsAndBatchNorm) {
  GraphText g(6);
  Ref x = g.argument("f32", {-1, 5, 7, 8});
  std::string window = "kernel = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1>";
  Ref most = g.op("max_pool", {x}, window, "f32", {-1, 5, 4, 4}), mean = g.op("avg_pool", {x}, window, "f32", {-1, 5, 4, 4});
  Ref global = g.op("global_avg_pool", {mean}, "", "f32", {-1, 5});
  Ref norm = g.op("batch_norm", {x, g.reals({5}, 0.5f, 1), g.reals({5}, -1, 1), g.reals({5}, -1, 1), g.reals({5}, 0.1f, 2)}, "", "f32", x.shape);
  checkAll(g.finish({most, mean, global, norm}));
}

TEST(Elements, MovingOperations) {
  GraphText g(7);
  Ref x = g.argument("f32", {-1, 4, 6});
  Ref t = g.op("transpose", {x}, "order = array<i64: 0, 2, 1>", "f32", {-1, 6, 4}), s = g.op("slice", {t}, "axis = 1 : i64, from = 2 : i64, to = 5 : i64", "f32", {-1, 3, 4});
  Ref r = g.op("reshape", {s}, "", "f32", {-1, 12}), p = g.op("pad", {r}, "low = array<i64: 0, 2>, high = array<i64: 0, 1>, value = 0.5 : f64", "f32", {-1, 15});
  Ref c = g.op("concat", {p, r}, "axis = 1 : i64", "f32", {-1, 27});
  Ref fixed = g.argument("f32", {3, 5});
  Ref row = g.op("index", {fixed}, "indices = array<i64: 1>", "f32", {5});
  checkAll(g.finish({c, t, row, x}));
}

TEST(Elements, PlainIntegersSaturateAndWrap) {
  GraphText g(8);
  for (const char *type : {"i8", "ui8", "i16", "i32", "i64"}) {
    Ref x = g.argument(type, {-1, 9}), y = g.argument(type, {-1, 9});
    (void)x, (void)y;
  }
  std::vector<Ref> results;
  int a = 0;
  for (const char *type : {"i8", "ui8", "i16", "i32", "i64"}) {
    Ref x{"%a" + std::to_string(2 * a), type, {-1, 9}}, y{"%a" + std::to_string(2 * a + 1), type, {-1, 9}};
    ++a;
    Ref sum = g.op("add", {x, y}, "", type, x.shape), product = g.op("mul", {x, sum}, "", type, x.shape);
    results.push_back(g.op("sub", {product, y}, "", type, x.shape));
    results.push_back(g.op("argmax", {x}, "axis = 1 : i64", "i32", {-1}));
  }
  Ref real = g.argument("f32", {-1, 9});
  results.push_back(g.op("cast", {real}, "", "i8", real.shape));
  results.push_back(g.op("cast", {real}, "", "i64", real.shape));
  results.push_back(g.op("cast", {real}, "", "!ternary.trit", real.shape));
  results.push_back(g.op("cast", {results[0]}, "", "f32", real.shape));
  checkAll(g.finish(results));
}

TEST(Elements, AttentionRopeAndEmbedding) {
  GraphText g(9);
  Ref ids = g.argument("i32", {-1, 5});
  Ref table = g.reals({8, 16}, -1, 1);
  Ref e = g.op("embedding", {ids, table}, "", "f32", {-1, 5, 16});
  Ref heads = g.op("transpose", {g.op("reshape", {e}, "", "f32", {-1, 5, 4, 4})}, "order = array<i64: 0, 2, 1, 3>", "f32", {-1, 4, 5, 4});
  Ref turned = g.same("rope", heads, "offset = 3 : i64");
  Ref kv = g.op("slice", {turned}, "axis = 1 : i64, from = 0 : i64, to = 2 : i64", "f32", {-1, 2, 5, 4});
  Ref att = g.op("attention", {turned, kv, kv}, "causal", "f32", turned.shape);
  checkAll(g.finish({att, turned}), 1e-5f);
}

TEST(Elements, RealProductsAreClose) {
  GraphText g(10);
  Ref x = g.argument("f32", {-1, 3, 6, 6});
  Ref y = g.op("conv2d", {x, g.reals({4, 3, 3, 3}, -1, 1), g.reals({4}, -1, 1)}, "", "f32", {-1, 4, 4, 4});
  Ref flat = g.op("reshape", {y}, "", "f32", {-1, 64});
  Ref z = g.op("linear", {flat, g.weights(true, {5, 64})}, "", "f32", {-1, 5});
  Ref m = g.op("matmul", {z, g.reals({5, 7}, -1, 1)}, "", "f32", {-1, 7});
  std::string text = g.finish({m});
  size_t at = text.find("ternary.conv2d");
  at = text.find(", ", text.find(", ", at) + 2);
  text.replace(at, 2, " bias ");
  checkAll(text, 1e-5f);
}

TEST(Elements, DynamicActivationsAndGroupedScales) {
  for (const char *per : {"per_row", "per_tensor"}) {
    GraphText g(11);
    Ref x = g.argument("f32", {-1, 24});
    bool row = std::string(per) == "per_row";
    Ref q = g.fresh("!ternary.quant<i8, 1.0>", x.shape), s = g.fresh("f32", row ? std::vector<int64_t>{-1} : std::vector<int64_t>{});
    g.body += "  " + q.name + ", " + s.name + " = ternary.quantize_dynamic " + x.name + " i8 " + per + " : (" + x.type() + ") -> (" + q.type() + ", " + s.type() + ")\n";
    Ref acc = g.op("linear", {q, g.weights(true, {9, 24})}, "", "i32", {-1, 9});
    Ref y = g.fresh("f32", {-1, 9});
    g.body += "  " + y.name + " = ternary.affine " + acc.name + " scale " + s.name + " {m = " + g.floatAttr(g.floats(9, 0.1f, 1)) + ", b = " +
              g.floatAttr(g.floats(1, 0, 1)) + "} : (" + acc.type() + ", " + s.type() + ") -> " + y.type() + "\n";
    Ref groups = g.op("linear", {q, g.weights(true, {9, 24})}, "k_groups = 4 : i64", "i32", {-1, 9, 4});
    Ref z = g.fresh("f32", {-1, 9});
    std::string m = g.floatAttr(g.floats(36, 0.1f, 1));
    m.replace(m.find("tensor<36x"), 10, "tensor<9x4x");
    g.body += "  " + z.name + " = ternary.affine " + groups.name + " {m = " + m + ", b = " + g.floatAttr(g.floats(9, 0, 1)) + "} : (" + groups.type() + ") -> " + z.type() + "\n";
    checkAll(g.finish({y, z, s}));
  }
}

TEST(Elements, ImagesComeAsBytesOrReals) {
  for (bool raw : {false, true}) {
    GraphText g(12);
    Ref x = g.argument("f32", {-1, 3, 6, 6}, "ternary.dtypes = [\"uint8\", \"float32\"], ternary.mean = array<f64: 0.485, 0.456, 0.406>, "
                                              "ternary.std = array<f64: 0.229, 0.224, 0.225>, ternary.scale = 0.00392156862745098 : f64");
    Ref q = g.quantize(x, quant("i8", 0.0186));
    Ref y = g.conv(q, g.weights(true, {8, 3, 3, 3}), quant("u8", 0.1), 1, 1);
    Ref flat = g.op("reshape", {y}, "", y.element, {-1, 288});
    Ref z = g.linear(flat, g.weights(true, {10, 288}), "f32");
    checkAll(g.finish({z}), 0, 2, raw);
    GraphText h(13);
    Ref image = h.argument("f32", {-1, 1, 4, 4}, "ternary.dtypes = [\"uint8\", \"float32\"], ternary.mean = array<f64: 0.1307>, ternary.std = array<f64: 0.3081>");
    Ref doubled = h.op("add", {image, image}, "", "f32", image.shape);
    checkAll(h.finish({doubled}), 0, 2, raw);
  }
}

} // namespace
