// Random small networks, all levels and thread counts; and what the code of inner loops looks like.
#include "GraphText.h"
#include "ProgramRunner.h"

#include <array>
#include <gtest/gtest.h>

using namespace triton;
using namespace triton::test;

namespace {

/// A network in the manner of a small ResNet: a stem on bytes or reals, residual blocks, functions of reals, gates of channels, groups,
/// channels put together, pooling, a head with or without softmax; sizes by chance.
std::string randomNetwork(unsigned seed) {
  GraphText g(seed);
  auto pick = [&](int64_t lo, int64_t hi) { return lo + int64_t(g.random() % unsigned(hi - lo + 1)); };
  const char *kinds[] = {"i8", "u8", "i6", "u6", "u4", "i4", "t"};
  auto codes = [&] { return quant(kinds[g.random() % 7], 0.05); };
  int64_t size = pick(6, 13), channels = pick(1, 4);
  Ref image = g.argument("f32", {-1, channels, size, size + pick(0, 3)},
                         "ternary.dtypes = [\"uint8\", \"float32\"], ternary.scale = 0.01 : f64, ternary.mean = array<f64: 0.4>, ternary.std = array<f64: 0.3>");
  Ref x = g.conv(g.quantize(image, quant("i8", 0.03)), g.weights(g.random() % 2, {pick(3, 40), channels, 3, 3}), codes(), pick(1, 2), 1);
  for (int64_t blocks = pick(1, 3); blocks > 0; --blocks) {
    int64_t kernel = g.random() % 2 ? 3 : 1;
    Ref y = g.conv(x, g.weights(true, {x.shape[1], x.shape[1], kernel, kernel}), codes(), 1, kernel / 2);
    x = g.conv(y, g.weights(g.random() % 4 != 0, {x.shape[1], x.shape[1], 3, 3}), codes(), 1, 1, 1, 1, &x);
    switch (g.random() % 6) {
    case 0: { // a function of reals, then codes again
      const char *functions[] = {"silu", "hardswish", "gelu", "tanh", "sigmoid"};
      Ref real = g.conv(x, g.weights(true, {x.shape[1], x.shape[1], 1, 1}), "f32", 1, 0);
      x = g.quantize(g.same(functions[g.random() % 5], real), codes());
      break;
    }
    case 1: { // squeeze and excite
      Ref mean = g.op("global_avg_pool", {x}, "", quant("i8", 0.04), {-1, x.shape[1]});
      Ref gate = g.conv(g.op("reshape", {mean}, "", mean.element, {-1, x.shape[1], 1, 1}), g.weights(true, {x.shape[1], x.shape[1], 1, 1}), "f32", 1, 0);
      x = g.op("mul", {x, g.quantize(g.same("hardsigmoid", gate), quant("u8", 0.004))}, "", codes(), x.shape);
      break;
    }
    case 2: { // groups
      int64_t groups = pick(2, 5), each = pick(1, 9);
      Ref wide = g.conv(x, g.weights(true, {groups * pick(1, 6), x.shape[1], 1, 1}), codes(), 1, 0);
      x = g.conv(wide, g.weights(g.random() % 2, {groups * each, wide.shape[1] / groups, 3, 3}), codes(), 1, 1, 1, groups);
      break;
    }
    case 3: { // side by side
      Ref part = g.conv(x, g.weights(true, {pick(1, 20), x.shape[1], 1, 1}), codes(), 1, 0);
      x = g.op("concat", {x, part}, "axis = 1 : i64", quant("i8", 0.05), {-1, x.shape[1] + part.shape[1], x.shape[2], x.shape[3]});
      break;
    }
    default:
      break;
    }
    if (g.random() % 2 && x.shape[2] >= 4)
      x = g.op("max_pool", {x}, "kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>", x.element, {-1, x.shape[1], x.shape[2] / 2, x.shape[3] / 2});
  }
  Ref head = g.random() % 2 ? g.op("global_avg_pool", {x}, "", quant("i8", 0.04), {-1, x.shape[1]})
                            : g.op("reshape", {x}, "", x.element, {-1, GraphText::count(x.shape)});
  Ref logits = g.linear(head, g.weights(g.random() % 2, {pick(2, 20), head.shape[1]}), "f32");
  if (g.random() % 2)
    logits = g.same("softmax", logits, "axis = 1 : i64");
  Ref index = g.op("argmax", {logits}, "axis = 1 : i64", "i32", {-1});
  return g.finish({index, logits, x});
}

TEST(Networks, RandomOnesEqualTheOracleAtAllLevels) {
  for (unsigned seed = 100; seed < 110; ++seed) {
    Graph graph = parseGraph(randomNetwork(seed));
    ASSERT_TRUE(bool(graph.module)) << "seed " << seed;
    for (int level : {0, 1, 2}) {
      Comparison how;
      how.optLevel = level;
      how.seed = seed;
      how.batch = 1 + seed % 3;
      how.threads = 1 + (seed + unsigned(level)) % 2;
      how.rawBytes = seed % 2;
      if (seed % 3 == 0)
        how.convolutions = ConvAlgorithm::Lookup; // trits by trits, whatever it costs
      else if (seed % 3 == 1)
        how.convolutions = ConvAlgorithm::WinogradBytes; // where codes have at most six bits
      else if (seed % 4 == 1)
        how.convolutions = ConvAlgorithm::WinogradRows;
      const char *wide = seed % 4 == 1 ? "x86-64-v4+vnni+vbmi" : "x86-64-v4+vnni";
      expectEqualsOracle(graph, level == 2 && seed % 2 ? wide : "x86-64-v3", how);
      ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
  }
}

std::string assemblyOf(const std::string &text, const std::string &targetName) {
  Graph graph = parseGraph(text);
  CodegenOptions options;
  options.targets = {*parseTarget(targetName)};
  options.convolutions = ConvAlgorithm::Direct; // the other form has a test of its own, in generators/InnerLoopTest.cpp
  options.emitKinds = {EmitKind::Assembly};
  std::string assembly;
  options.onEmit = [&](EmitKind, const TargetDesc &, std::string_view bytes) { assembly = bytes; };
  auto model = compileModule(*graph.module, options);
  EXPECT_TRUE(bool(model)) << (model ? "" : model.error().message);
  return assembly;
}

/// The innermost loops that hold `instruction`: from a label to the jump back to it.
std::vector<std::string> innerLoops(const std::string &assembly, const std::string &instruction) {
  std::vector<std::string> loops;
  size_t at = 0;
  while ((at = assembly.find("\n.LBB", at)) != std::string::npos) {
    size_t colon = assembly.find(':', at);
    std::string label = assembly.substr(at + 1, colon - at - 1);
    size_t next = assembly.find("\n.LBB", colon);
    std::string block = assembly.substr(colon, next == std::string::npos ? next : next + 1 - colon);
    size_t jump = block.rfind("\t" + label + "\n");
    if (block.find(instruction) != std::string::npos && jump != std::string::npos)
      loops.push_back(block.substr(0, jump));
    at = colon;
  }
  return loops;
}

TEST(Networks, InnerLoopsOfConvolutionsDoNotSpill) {
  for (const char *kind : {"u8", "i8"})
    for (auto [target, instruction] : {std::pair<const char *, const char *>{"x86-64-v4+vnni", "vpdpbusd"}, {"x86-64-v4", "vpmaddubsw"},
                                       {"x86-64-v3", "vpmaddubsw"}, {"aarch64", "smlal"}, {"x86-64", "pmaddwd"}}) {
      GraphText g(7);
      Ref x = g.argument("f32", {-1, 64, 28, 28});
      Ref y = g.conv(g.quantize(x, quant(kind, 0.02)), g.weights(true, {64, 64, 3, 3}), quant("u8", 0.1), 1, 1);
      std::string assembly = assemblyOf(g.finish({y}), target);
      std::vector<std::string> loops = innerLoops(assembly, instruction);
      ASSERT_FALSE(loops.empty()) << target;
      for (const std::string &loop : loops) {
        EXPECT_EQ(loop.find("rsp"), std::string::npos) << target << " " << kind << loop;
        EXPECT_EQ(loop.find("[sp"), std::string::npos) << target << " " << kind << loop;
      }
    }
}

TEST(Networks, InnerLoopsOfGroupsAndRealsDoNotSpill) {
  for (auto [target, dot, multiply] : {std::array<const char *, 3>{"x86-64-v4+vnni", "vpdpbusd", "vfmadd"}, {"x86-64-v3", "vpmaddubsw", "vfmadd"},
                                       {"aarch64", "smlal", "fmla"}, {"x86-64", "pmaddwd", "mulps"}}) {
    GraphText g(8);
    Ref x = g.argument("f32", {-1, 64, 28, 28});
    Ref y = g.conv(g.quantize(x, quant("u8", 0.02)), g.weights(true, {64, 16, 3, 3}), quant("u8", 0.1), 1, 1, 1, 4);
    GraphText h(9);
    Ref real = h.argument("f32", {-1, 64, 28, 28});
    Ref z = h.op("conv2d", {h.same("relu", real), h.reals({64, 64, 3, 3}, -1, 1)}, "padding = array<i64: 1, 1>", "f32", {-1, 64, 28, 28});
    for (auto &[text, instruction] : {std::pair(g.finish({y}), dot), std::pair(h.finish({z}), multiply)}) {
      std::vector<std::string> loops = innerLoops(assemblyOf(text, target), instruction);
      ASSERT_FALSE(loops.empty()) << target << " " << instruction;
      for (const std::string &loop : loops) {
        EXPECT_EQ(loop.find("rsp"), std::string::npos) << target << loop;
        EXPECT_EQ(loop.find("[sp"), std::string::npos) << target << loop;
      }
    }
  }
}

TEST(Networks, SameInputSameBytes) {
  std::string text = randomNetwork(42);
  CodegenOptions options;
  options.targets = {*parseTarget("x86-64-v3"), *parseTarget("aarch64")};
  Graph a = parseGraph(text), b = parseGraph(text);
  auto first = compileModule(*a.module, options), second = compileModule(*b.module, options);
  ASSERT_TRUE(first && second);
  ASSERT_EQ(first->blobs.size(), second->blobs.size());
  for (size_t i = 0; i < first->blobs.size(); ++i)
    EXPECT_EQ(first->blobs[i].bytes, second->blobs[i].bytes);
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(first->variants[i].elf, second->variants[i].elf);
}

/// A cache of objects that all networks share changes no byte, whoever compiled a kernel first.
TEST(Networks, ObjectsOfOthersGiveTheSameBytes) {
  std::map<ObjectKey, std::vector<uint8_t>> cache;
  unsigned compiled = 0, units = 0;
  for (const char *name : {"x86-64-v4+vnni", "x86-64-v3", "aarch64"})
    for (int64_t channels : {32, 64})
      for (int64_t size : {28, 14, 7})
        for (const char *kind : {"u8", "i8"})
          for (bool again : {false, true}) {
            GraphText g(unsigned(channels * size));
            Ref x = g.quantize(g.argument("f32", {-1, channels, size, size}), quant(kind, 0.02));
            Ref y = g.conv(x, g.weights(true, {channels, channels, 3, 3}), quant("u8", 0.1), 1, 1);
            y = g.conv(y, g.weights(true, {32, channels, 1, 1}), quant("u8", 0.1), 1, 0);
            Graph graph = parseGraph(g.finish({y}));
            CodegenOptions options;
            options.targets = {*parseTarget(name)};
            auto plain = compileModule(*graph.module, options);
            options.buildId = "test";
            options.findObject = [&](const ObjectKey &key) {
              auto it = cache.find(key);
              return it == cache.end() ? std::nullopt : std::optional(it->second);
            };
            options.storeObject = [&](const ObjectKey &key, const std::vector<uint8_t> &object) {
              EXPECT_TRUE(cache.emplace(key, object).second) << "compiled although it was there";
            };
            auto cached = compileModule(*graph.module, options);
            ASSERT_TRUE(plain && cached);
            EXPECT_EQ(plain->variants[0].elf, cached->variants[0].elf) << name << " " << channels << " " << size << " " << kind;
            EXPECT_EQ(plain->variants[0].stepOffsets, cached->variants[0].stepOffsets);
            EXPECT_EQ(plain->variants[0].units, cached->variants[0].units);
            if (again) {
              EXPECT_EQ(cached->variants[0].unitsCompiled, 0u);
            }
            compiled += cached->variants[0].unitsCompiled;
            units += cached->variants[0].units;
          }
  EXPECT_LT(compiled, units / 2);
}

TEST(Networks, UnknownTargetsGetAHint) {
  EXPECT_EQ(parseTarget("x86-64-v5").error().message, "unknown target 'x86-64-v5'; did you mean 'x86-64-v4'?");
  EXPECT_EQ(parseTarget("aarch46").error().message, "unknown target 'aarch46'; did you mean 'aarch64'?");
  EXPECT_EQ(parseTarget("x86-64-v4+vni").error().message, "unknown feature 'vni' of target 'x86-64-v4'; did you mean 'vnni'?");
  EXPECT_EQ(parseTarget("x86-64-v4+vnni")->name, "x86-64-v4+vnni");
  auto list = parseTargets("x86-64-v3,aarch64,x86-64-v3");
  ASSERT_TRUE(bool(list));
  EXPECT_EQ(list->size(), 2u);
}

} // namespace
