// Elementwise operations, rows and products of reals as vectors: every target against the oracle, rows around the lengths of vectors,
// images with halos, values at and beyond the ends of their ranges.
#include "GraphText.h"
#include "ProgramRunner.h"
#include "TestName.h"

#include <gtest/gtest.h>

using namespace triton::test;

namespace {

const char *const kTargets[] = {"x86-64", "x86-64-v3", "x86-64-v4", "x86-64-v4+vnni", "aarch64"};
const char *const kFunctions[] = {"relu", "relu6", "abs", "neg", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh", "exp", "gelu"};

class Vectors : public testing::TestWithParam<const char *> {
protected:
  void check(const std::string &text, unsigned seed, float tolerance = 0, int64_t batch = 2) {
    Graph graph = parseGraph(text);
    ASSERT_TRUE(bool(graph.module)) << text;
    Comparison how;
    how.batch = batch;
    how.threads = 1 + seed % 3;
    how.seed = seed;
    how.tolerance = tolerance;
    if (!expectEqualsOracle(graph, GetParam(), how))
      GTEST_SKIP() << GetParam() << " does not run here";
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
};

TEST_P(Vectors, FunctionsOfRowsOfAnyLength) {
  unsigned seed = 1;
  for (int64_t n : {1, 4, 7, 15, 16, 33}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, n}), y = g.argument("f32", {-1, n});
    std::vector<Ref> results;
    for (unsigned i = 0; i < 4; ++i)
      results.push_back(g.same(kFunctions[(seed + 3 * i) % 11], x));
    Ref codes = g.quantize(g.same("silu", x), quant("i8", 0.01));
    results.push_back(g.op("add", {codes, g.quantize(y, quant("u8", 0.02))}, "", quant("i6", 0.03), x.shape));
    results.push_back(g.op("mul", {results[0], y}, "", "f32", x.shape));
    results.push_back(g.same("log", g.same("abs", y)));
    results.push_back(g.same("sqrt", results.back()));
    check(g.finish(results), seed++);
  }
}

/// Infinities, numbers that are none, zeros of both signs, tiny and huge ones through every function, then to codes.
TEST_P(Vectors, ExtremeReals) {
  unsigned seed = 20;
  for (const char *factor : {"0x7F000000", "0x00000100"}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, 37}), scale = g.fresh("f32", {1});
    g.body += "  " + scale.name + " = ternary.constant dense<" + factor + "> : tensor<1xf32>\n";
    Ref wide = g.op("mul", {x, scale}, "", "f32", x.shape), inf = g.op("mul", {wide, scale}, "", "f32", x.shape);
    Ref nan = g.op("sub", {inf, inf}, "", "f32", x.shape), zero = g.op("sub", {x, x}, "", "f32", x.shape);
    std::vector<Ref> results;
    int drawn = 0;
    for (const Ref &each : {wide, inf, nan, g.same("neg", zero)})
      for (const char *name : kFunctions) {
        // Without fma the functions are long: a third of them for each kind of number.
        if (++drawn % 3 != 0 && std::string(GetParam()) == "x86-64")
          continue;
        Ref y = g.same(name, each);
        results.push_back(y);
        results.push_back(g.quantize(y, quant(results.size() % 4 == 1 ? "i8" : results.size() % 4 == 3 ? "t" : "u4", 0.02)));
      }
    results.push_back(g.op("cast", {inf}, "", "i8", x.shape));
    results.push_back(g.op("cast", {nan}, "", "i64", x.shape));
    check(g.finish(results), seed++);
  }
}

/// An expansion with its function on reals, a gate for each channel, a projection: what EfficientNet is made of.
TEST_P(Vectors, GatesOfChannels) {
  unsigned seed = 40;
  for (int64_t channels : {3, 8, 20, 33, 48}) {
    GraphText g(seed);
    Ref image = g.argument("f32", {-1, 3, 9, 8});
    const char *kind = seed % 2 ? "i8" : "u8";
    Ref x = g.quantize(g.same("silu", g.conv(g.quantize(image, quant("i8", 0.02)), g.weights(true, {channels, 3, 3, 3}), "f32", 1, 1)), quant(kind, 0.4));
    Ref pooled = g.op("global_avg_pool", {x}, "", quant("i8", 0.1), {-1, channels});
    Ref squeezed = g.op("reshape", {pooled}, "", pooled.element, {-1, channels, 1, 1});
    Ref gate = g.quantize(g.same("sigmoid", g.conv(squeezed, g.weights(true, {channels, channels, 1, 1}), "f32", 1, 0)), quant("u8", 1.0 / 255));
    Ref weighed = g.op("mul", {x, gate}, "", quant("i8", 0.3), x.shape);
    Ref y = g.conv(weighed, g.weights(true, {channels, channels, 3, 3}), quant("i8", 0.1), 1, 1);
    Ref sum = g.op("add", {y, weighed}, seed % 3 == 0 ? "lo = 0 : i64, hi = 100 : i64" : "", quant("i8", 0.2), x.shape);
    check(g.finish({sum, g.conv(sum, g.weights(false, {5, channels, 1, 1}), "f32", 1, 0)}), seed++);
  }
}

TEST_P(Vectors, MovesAndBroadcasts) {
  unsigned seed = 60;
  for (int64_t n : {5, 16, 21}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, 6, n}), wide = g.argument("i16", {-1, 6, n}), half = g.argument("f16", {-1, 6, n});
    Ref turned = g.op("transpose", {x}, "order = array<i64: 0, 2, 1>", "f32", {-1, n, 6});
    Ref a = g.op("add", {turned, g.reals({n, 1}, -1, 1)}, "", "f32", turned.shape), b = g.op("div", {x, g.reals({n}, 0.5f, 2)}, "", "f32", x.shape);
    Ref cut = g.op("slice", {b}, "axis = 2 : i64, from = 1 : i64, to = " + std::to_string(n) + " : i64", "f32", {-1, 6, n - 1});
    Ref padded = g.op("pad", {cut}, "low = array<i64: 0, 2, 0>, high = array<i64: 0, 1, 0>, value = 0.5 : f64", "f32", {-1, 9, n - 1});
    Ref across = g.op("pad", {cut}, "low = array<i64: 0, 0, 3>, high = array<i64: 0, 0, 1>, value = -1.5 : f64", "f32", {-1, 6, n + 3});
    Ref joined = g.op("concat", {x, b, across}, "axis = 2 : i64", "f32", {-1, 6, 3 * n + 3});
    Ref stacked = g.op("concat", {x, b}, "axis = 1 : i64", "f32", {-1, 12, n});
    Ref product = g.op("mul", {wide, wide}, "", "i16", wide.shape), shifted = g.op("sub", {product, wide}, "", "i16", wide.shape);
    Ref soft = g.same("silu", g.op("mul", {half, half}, "", "f16", half.shape));
    Ref norm = g.op("batch_norm", {x, g.reals({6}, 0.5f, 1), g.reals({6}, -1, 1), g.reals({6}, -1, 1), g.reals({6}, 0.1f, 2)}, "", "f32", x.shape);
    check(g.finish({a, padded, joined, stacked, shifted, soft, norm, g.op("cast", {shifted}, "", "i64", wide.shape)}), seed++);
  }
}

/// Images whose channels are put side by side, each part with a scale of its own.
TEST_P(Vectors, ConcatenatedChannels) {
  unsigned seed = 70;
  for (int64_t channels : {4, 16, 19}) {
    GraphText g(seed);
    Ref x = g.quantize(g.argument("f32", {-1, 3, 7, 9}), quant("i8", 0.02));
    Ref a = g.conv(x, g.weights(true, {channels, 3, 3, 3}), quant("u8", 0.1), 1, 1), b = g.conv(x, g.weights(true, {16, 3, 1, 1}), quant("i8", 0.07), 1, 0);
    Ref c = g.conv(x, g.weights(true, {9, 3, 5, 5}), quant("i8", 0.1), 1, 2);
    Ref all = g.op("concat", {a, b, c}, "axis = 1 : i64", quant("i8", 0.1), {-1, channels + 25, 7, 9});
    check(g.finish({g.conv(all, g.weights(true, {8, channels + 25, 3, 3}), quant("u8", 0.1), 1, 1), all}), seed++);
  }
}

TEST_P(Vectors, SoftmaxAndNormsOfRowsOfAnyLength) {
  unsigned seed = 80;
  for (int64_t n : {1, 3, 10, 16, 17, 31, 47, 100}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, 5, n});
    Ref big = g.op("mul", {x, g.reals({n}, -60, 60)}, "", "f32", x.shape);
    Ref w = g.reals({n}, 0.5f, 1.5f), b = g.reals({n}, -1, 1);
    Ref soft = g.same("softmax", x, "axis = 2 : i64"), wide = g.same("softmax", big, "axis = 2 : i64");
    Ref layer = g.op("layer_norm", {big, w, b}, "", "f32", x.shape), rms = g.op("rms_norm", {x, w}, "", "f32", x.shape);
    check(g.finish({soft, wide, layer, rms, g.quantize(wide, quant("u8", 0.004))}), seed++);
  }
}

TEST_P(Vectors, GroupedConvolutions) {
  struct Case {
    int64_t groups, channels, outputs, kernel, stride, padding, dilation; ///< channels and outputs of a group
    const char *kind;
    bool trits;
    int mode;
    bool residual;
  };
  unsigned seed = 100;
  for (const Case &d : {Case{2, 8, 8, 3, 1, 1, 1, "u8", true, 0, true}, Case{4, 3, 5, 3, 2, 1, 1, "i8", true, 1, false}, Case{32, 4, 4, 3, 1, 1, 1, "i8", true, 0, true},
                        Case{3, 17, 33, 1, 1, 0, 1, "u8", false, -1, false}, Case{5, 1, 2, 3, 1, 1, 1, "i8", false, 0, false}, Case{2, 20, 1, 3, 1, 2, 2, "i6", true, 0, false},
                        Case{72, 1, 2, 3, 1, 1, 1, "u8", true, 0, false}, Case{66, 2, 1, 1, 1, 0, 1, "i8", true, 1, false}, Case{2, 64, 64, 3, 1, 1, 1, "t", true, 0, true}}) {
    GraphText g(seed);
    int64_t inputs = d.groups * d.channels, outputs = d.groups * d.outputs;
    Ref x = g.quantize(g.argument("f32", {-1, inputs, 8, 9}), quant(d.kind, 0.02));
    Ref y = g.conv(x, g.weights(d.trits, {outputs, d.channels, d.kernel, d.kernel}, d.mode), quant(d.kind, 0.1), d.stride, d.padding, d.dilation, d.groups,
                   d.residual ? &x : nullptr);
    Ref z = g.conv(y, g.weights(true, {outputs, d.outputs, 3, 3}), "f32", 1, 1, 1, d.groups);
    check(g.finish({z, g.conv(y, g.weights(true, {7, outputs, 3, 3}), quant("u8", 0.1), 1, 1)}), seed, 0, 1 + seed % 2);
    ++seed;
  }
}

TEST_P(Vectors, ProductsOfRealsAreClose) {
  struct Case {
    int64_t groups, channels, outputs, kernel, stride, padding, dilation;
  };
  unsigned seed = 130;
  for (const Case &d : {Case{1, 3, 16, 3, 2, 1, 1}, Case{1, 16, 33, 1, 1, 0, 1}, Case{1, 5, 70, 3, 1, 1, 2}, Case{20, 1, 1, 3, 1, 1, 1}, Case{33, 1, 1, 5, 2, 2, 1},
                        Case{4, 3, 5, 3, 1, 1, 1}, Case{3, 1, 2, 3, 1, 0, 1}}) {
    GraphText g(seed);
    Ref x = g.argument("f32", {-1, d.groups * d.channels, 10, 11});
    int64_t reach = d.dilation * (d.kernel - 1) + 1, outputs = d.groups * d.outputs;
    std::vector<int64_t> shape = {-1, outputs, (10 + 2 * d.padding - reach) / d.stride + 1, (11 + 2 * d.padding - reach) / d.stride + 1};
    auto pair = [](int64_t n) { return "array<i64: " + std::to_string(n) + ", " + std::to_string(n) + ">"; };
    std::string window = "stride = " + pair(d.stride) + ", padding = " + pair(d.padding) + ", dilation = " + pair(d.dilation) + ", groups = " + std::to_string(d.groups) + " : i64";
    Ref y = g.op("conv2d", {x, g.reals({outputs, d.channels, d.kernel, d.kernel}, -1, 1)}, window, "f32", shape);
    Ref z = g.op("conv2d", {g.same("relu", y), seed % 2 ? g.weights(true, {9, outputs, 3, 3}) : g.reals({9, outputs, 3, 3}, -1, 1)}, "padding = " + pair(1), "f32",
                 {-1, 9, shape[2], shape[3]});
    Ref flat = g.op("reshape", {z}, "", "f32", {-1, GraphText::count(z.shape)});
    Ref logits = g.op("linear", {flat, g.reals({37, flat.shape[1]}, -1, 1)}, "", "f32", {-1, 37});
    check(g.finish({y, z, logits}), seed, 2e-5f, seed % 3 == 0 ? 9 : 1);
    ++seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Vectors, testing::ValuesIn(kTargets), [](const auto &info) { return triton::test::testName(info.param); });

} // namespace
