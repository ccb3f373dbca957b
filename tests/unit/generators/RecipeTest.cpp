// Recipes decide which kernels share an object in the cache: where code differs, recipes must.
#include "Emit.h"
#include "Recipe.h"
#include "TestName.h"
#include "Units.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace triton;

namespace {

/// Everything that an emitter takes.
struct Inputs {
  ConvShape conv;
  LinearShape linear;
  DepthwiseShape depthwise;
  TileChoice tile;
  WinogradChoice winograd;
  ConvShape pointwise;
  AddsChoice adds;
  LookupChoice lookup;
  Epilogue epilogue;
};

struct Generator {
  const char *name;
  std::string (*emit)(KernelBuilder &k, const Inputs &in);
  bool (*takes)(const TargetDesc &target, const Inputs &in);
};

bool takesTwoBits(const TargetDesc &target) {
  LinearShape large;
  large.inputs = large.outputs = 4096;
  return twoBitTakes(target, large, true);
}
bool isX86(const TargetDesc &target) { return target.arch == Arch::X86_64 && target.vectorBytes >= 32; }

const Generator kGenerators[] = {
    {"conv", [](KernelBuilder &k, const Inputs &in) { return emitConv(k, "f", in.conv, in.tile, in.epilogue); },
     [](const TargetDesc &target, const Inputs &in) {
       return !in.tile.dot.twoBit || (target.vectorBytes == 64 && in.tile.dot.kind == DotKind::Dpbusd);
     }},
    {"linear", [](KernelBuilder &k, const Inputs &in) { return emitLinear(k, "f", in.linear, in.tile, in.epilogue); },
     [](const TargetDesc &target, const Inputs &in) { return !in.tile.dot.twoBit && (!in.linear.twoBit || takesTwoBits(target)); }},
    {"depthwise", [](KernelBuilder &k, const Inputs &in) { return emitDepthwise(k, "f", in.depthwise, in.epilogue); },
     [](const TargetDesc &, const Inputs &) { return true; }},
    {"depthwise dot", [](KernelBuilder &k, const Inputs &in) { return emitDepthwiseDot(k, "f", in.depthwise, in.epilogue); },
     [](const TargetDesc &target, const Inputs &in) { return depthwiseDotTakes(target, in.depthwise, in.epilogue); }},
    {"winograd", [](KernelBuilder &k, const Inputs &in) { return emitWinograd(k, "f", in.conv, in.winograd, in.epilogue); },
     [](const TargetDesc &target, const Inputs &in) {
       return isX86(target) && in.winograd.tile.dot.lanes == target.lanes32() && (target.hasVnni || !in.winograd.form().bytes()) &&
              (target.hasVbmi || !in.winograd.rows);
     }},
    {"adds",
     [](KernelBuilder &k, const Inputs &in) {
       return emitAdds(k, "f", in.pointwise, in.adds, in.tile.dot.actUnsigned, in.winograd.tile.dot.excess, in.epilogue);
     },
     [](const TargetDesc &target, const Inputs &in) {
       return isX86(target) && target.vectorBytes >= 32 && in.epilogue.out == Epilogue::Out::Codes && in.epilogue.scale == Epilogue::Scale::None && in.epilogue.bounded;
     }},
    {"lookup conv", [](KernelBuilder &k, const Inputs &in) { return emitLookupConv(k, "f", in.conv, in.lookup, in.epilogue); },
     [](const TargetDesc &target, const Inputs &) { return lookupTrits(target) != 0; }},
    {"lookup linear", [](KernelBuilder &k, const Inputs &in) { return emitLookupLinear(k, "f", in.linear, in.lookup, in.epilogue); },
     [](const TargetDesc &target, const Inputs &in) { return lookupTrits(target) != 0 && in.linear.reduction.levels.empty() && !in.linear.twoBit; }},
};

Inputs baseFor(const TargetDesc &target) {
  Inputs in;
  in.conv.channels = 32, in.conv.outputs = in.conv.storedChannels = 40;
  in.conv.kernelH = in.conv.kernelW = 3;
  in.conv.outH = in.conv.outW = 8;
  in.conv.x = {3200, 320, 32}, in.conv.out = {2560, 320, 40};
  in.conv.rowRuns = true;
  in.linear.inputs = in.linear.xRow = 96;
  in.linear.outputs = in.linear.storedChannels = in.linear.outRow = 40;
  in.tile = chooseTile(target, true, true, 40, 8);
  in.linear.reduction.steps = (96 + in.tile.dot.kr() - 1) / in.tile.dot.kr();
  in.depthwise.conv = in.conv;
  in.depthwise.conv.channels = 40;
  in.depthwise.conv.x = {4000, 400, 40};
  in.depthwise.sumBound = 255 * 9;
  in.winograd.tile.dot = {.kind = DotKind::MaddWd, .actUnsigned = true, .excess = false, .lanes = target.lanes32(), .vectors = 2};
  in.winograd.tile.positions = 4;
  in.winograd.groupRows = 2;
  in.pointwise.channels = 64, in.pointwise.outputs = in.pointwise.storedChannels = 48;
  in.pointwise.outH = in.pointwise.outW = 16;
  in.pointwise.x = {16384, 1024, 64}, in.pointwise.out = in.pointwise.residual = {12288, 768, 48};
  in.adds.layout = {48, 1, 64, 16, 288, 64, 32};
  in.adds.bandRows = 16, in.adds.blocks = 16, in.adds.codeStride = 320, in.adds.functionBytes = 4096;
  in.lookup.trits = lookupTrits(target);
  in.lookup.bytes = target.vectorBytes;
  in.lookup.vectors = 2, in.lookup.positions = 4;
  in.epilogue.hi = 255;
  in.epilogue.bounded = true;
  return in;
}

struct Change {
  const char *field;
  void (*make)(Inputs &in);
};

/// Every field of what a recipe holds, with another value that the generators take.
const Change kChanges[] = {
    {"nothing", [](Inputs &) {}},
    {"channels", [](Inputs &in) { in.conv.channels = 28; }},
    {"outputs", [](Inputs &in) { in.conv.outputs = in.depthwise.conv.outputs = in.linear.outputs = 37; }},
    {"storedChannels", [](Inputs &in) { in.conv.storedChannels = in.linear.storedChannels = 37; }},
    {"kernelH", [](Inputs &in) { in.conv.kernelH = in.depthwise.conv.kernelH = 2; }},
    {"kernelW", [](Inputs &in) { in.conv.kernelW = in.depthwise.conv.kernelW = 2; }},
    {"strideH", [](Inputs &in) { in.conv.strideH = in.depthwise.conv.strideH = 2; }},
    {"strideW", [](Inputs &in) { in.conv.strideW = in.depthwise.conv.strideW = 2; }},
    {"dilationH", [](Inputs &in) { in.conv.dilationH = in.depthwise.conv.dilationH = 2; }},
    {"dilationW", [](Inputs &in) { in.conv.dilationW = in.depthwise.conv.dilationW = 2, in.conv.rowRuns = false; }},
    {"outH", [](Inputs &in) { in.conv.outH = in.depthwise.conv.outH = 9; }},
    {"outW", [](Inputs &in) { in.conv.outW = in.depthwise.conv.outW = 11; }},
    {"x.image", [](Inputs &in) { in.conv.x.image = in.depthwise.conv.x.image = 6400; }},
    {"x.row", [](Inputs &in) { in.conv.x.row = in.depthwise.conv.x.row = 640; }},
    {"x.pixel", [](Inputs &in) { in.conv.x.pixel = in.depthwise.conv.x.pixel = 64; }},
    {"out.image", [](Inputs &in) { in.conv.out.image = in.depthwise.conv.out.image = 5120; }},
    {"out.row", [](Inputs &in) { in.conv.out.row = in.depthwise.conv.out.row = 640; }},
    {"out.pixel", [](Inputs &in) { in.conv.out.pixel = in.depthwise.conv.out.pixel = 48; }},
    {"rowRuns", [](Inputs &in) { in.conv.rowRuns = false; }},
    {"haloH", [](Inputs &in) { in.conv.haloH = in.depthwise.conv.haloH = 1; }},
    {"haloW", [](Inputs &in) { in.conv.haloW = in.depthwise.conv.haloW = 1; }},
    {"residual of codes",
     [](Inputs &in) {
       in.epilogue.residual = Epilogue::Residual::Unsigned;
       in.conv.residual = in.depthwise.conv.residual = {2560, 320, 40}, in.linear.residualRow = 40;
     }},
    {"residual.image",
     [](Inputs &in) {
       in.epilogue.residual = Epilogue::Residual::Unsigned;
       in.conv.residual = in.depthwise.conv.residual = {5120, 320, 40}, in.linear.residualRow = 40;
     }},
    {"residual.row",
     [](Inputs &in) {
       in.epilogue.residual = Epilogue::Residual::Unsigned;
       in.conv.residual = in.depthwise.conv.residual = {2560, 640, 40}, in.linear.residualRow = 48;
     }},
    {"residual.pixel",
     [](Inputs &in) {
       in.epilogue.residual = Epilogue::Residual::Unsigned;
       in.conv.residual = in.depthwise.conv.residual = {2560, 320, 48}, in.linear.residualRow = 40;
     }},
    {"a signed residual",
     [](Inputs &in) {
       in.epilogue.residual = Epilogue::Residual::Signed;
       in.conv.residual = in.depthwise.conv.residual = {2560, 320, 40}, in.linear.residualRow = 40;
     }},
    {"an excess residual",
     [](Inputs &in) {
       in.epilogue.residual = Epilogue::Residual::Excess;
       in.conv.residual = in.depthwise.conv.residual = {2560, 320, 40}, in.linear.residualRow = 40;
     }},
    {"residualM",
     [](Inputs &in) {
       in.epilogue.residual = Epilogue::Residual::Unsigned, in.epilogue.residualM = 0.5f;
       in.conv.residual = in.depthwise.conv.residual = {2560, 320, 40}, in.linear.residualRow = 40;
     }},
    {"inputs, twice", [](Inputs &in) { in.linear.inputs = 192, in.linear.reduction.steps *= 2; }},
    {"rows", [](Inputs &in) { in.linear.rows = 3; }},
    {"many rows of two bits",
     [](Inputs &in) {
       in.linear.twoBit = true, in.tile.dot.kind = DotKind::Dpbusd, in.tile.dot.lanes = 16, in.linear.reduction.steps = 24;
       in.linear.rows = 60;
     }},
    {"xRow", [](Inputs &in) { in.linear.xRow = 128; }},
    {"outRow", [](Inputs &in) { in.linear.outRow = 64; }},
    {"levels", [](Inputs &in) { in.linear.reduction.levels = {{2, 512}}; }},
    {"more levels", [](Inputs &in) { in.linear.reduction.levels = {{2, 512}, {3, 128}}; }},
    {"count of a level", [](Inputs &in) { in.linear.reduction.levels = {{3, 512}}; }},
    {"stride of a level", [](Inputs &in) { in.linear.reduction.levels = {{2, 256}}; }},
    {"steps", [](Inputs &in) { in.linear.reduction.steps = 12; }},
    {"two bits",
     [](Inputs &in) { in.linear.twoBit = true, in.tile.dot.kind = DotKind::Dpbusd, in.tile.dot.lanes = 16, in.linear.reduction.steps = 24; }},
    {"two bits of signed codes",
     [](Inputs &in) {
       in.linear.twoBit = true, in.tile.dot.kind = DotKind::Dpbusd, in.tile.dot.lanes = 16, in.linear.reduction.steps = 24;
       in.tile.dot.actUnsigned = false;
     }},
    {"two bits unpacked for each tile", [](Inputs &in) { in.tile.dot.twoBit = true; }},
    {"actUnsigned", [](Inputs &in) { in.tile.dot.actUnsigned = in.depthwise.actUnsigned = in.winograd.tile.dot.actUnsigned = false; }},
    {"excess codes",
     [](Inputs &in) {
       in.tile.dot.actUnsigned = in.winograd.tile.dot.actUnsigned = false;
       in.tile.dot.excess = in.tile.dot.biased(), in.winograd.tile.dot.excess = true;
     }},
    {"vectors", [](Inputs &in) { in.tile.dot.vectors = in.winograd.tile.dot.vectors = 1; }},
    {"positions", [](Inputs &in) { in.tile.positions = 3, in.winograd.tile.positions = 3; }},
    {"groupRows", [](Inputs &in) { in.winograd.groupRows = 1; }},
    {"winograd of bytes", [](Inputs &in) { in.winograd.tile.dot.kind = DotKind::Dpbusd; }},
    {"winograd of signed bytes", [](Inputs &in) { in.winograd.tile.dot.kind = DotKind::Dpbusd, in.winograd.tile.dot.actUnsigned = false; }},
    {"groupRows of bytes", [](Inputs &in) { in.winograd.tile.dot.kind = DotKind::Dpbusd, in.winograd.groupRows = 1; }},
    {"positions of bytes", [](Inputs &in) { in.winograd.tile.dot.kind = DotKind::Dpbusd, in.winograd.tile.positions = 3; }},
    {"winograd along rows", [](Inputs &in) { in.winograd.tile.dot.kind = DotKind::Dpbusd, in.winograd.taps = in.winograd.rows = true; }},
    {"winograd along rows of signed bytes",
     [](Inputs &in) { in.winograd.tile.dot.kind = DotKind::Dpbusd, in.winograd.taps = in.winograd.rows = true, in.winograd.tile.dot.actUnsigned = false; }},
    {"groupRows along rows",
     [](Inputs &in) { in.winograd.tile.dot.kind = DotKind::Dpbusd, in.winograd.taps = in.winograd.rows = true, in.winograd.groupRows = 1; }},
    {"positions along rows",
     [](Inputs &in) { in.winograd.tile.dot.kind = DotKind::Dpbusd, in.winograd.taps = in.winograd.rows = true, in.winograd.tile.positions = 3; }},
    {"kind",
     [](Inputs &in) {
       if (in.tile.dot.kind != DotKind::MulLong)
         in.tile.dot.kind = DotKind::MaddWd, in.linear.reduction.steps = 48;
     }},
    {"wide rows", [](Inputs &in) { in.tile.dot.kind = DotKind::MaddWd, in.tile.dot.wide = true; }},
    {"cost",
     [](Inputs &in) {
       in.winograd.cost = in.adds.cost = in.lookup.cost = 3, in.adds.codeBytes = 99;
       in.winograd.directCost = in.adds.directCost = in.lookup.directCost = 4;
     }},
    {"lookup: vectors", [](Inputs &in) { in.lookup.vectors = 1; }},
    {"lookup: positions", [](Inputs &in) { in.lookup.positions = 5; }},
    {"adds: pitch", [](Inputs &in) { in.adds.layout.pitch = 18; }},
    {"adds: plane", [](Inputs &in) { in.adds.layout.plane = 320; }},
    {"adds: chunk", [](Inputs &in) { in.adds.layout.chunk = 32; }},
    {"adds: vector", [](Inputs &in) { in.adds.layout.vector = 64; }},
    {"adds: bandRows", [](Inputs &in) { in.adds.bandRows = 8; }},
    {"adds: blocks", [](Inputs &in) { in.adds.blocks = 18; }},
    {"adds: codeStride", [](Inputs &in) { in.adds.codeStride = 448; }},
    {"adds: functionBytes", [](Inputs &in) { in.adds.functionBytes = 8192; }},
    {"adds: functionBytes within the same lines", [](Inputs &in) { in.adds.functionBytes = 4090; }},
    {"trits", [](Inputs &in) { in.depthwise.trits = false; }},
    {"sumBound within 16 bits", [](Inputs &in) { in.depthwise.sumBound = 32767; }},
    {"sumBound", [](Inputs &in) { in.depthwise.sumBound = 32768; }},
    {"reals", [](Inputs &in) { in.epilogue.out = Epilogue::Out::Real; }},
    {"sums", [](Inputs &in) { in.epilogue.out = Epilogue::Out::Sums; }},
    {"lo", [](Inputs &in) { in.epilogue.lo = 3; }},
    {"a negative lo", [](Inputs &in) { in.epilogue.lo = -127; }},
    {"hi", [](Inputs &in) { in.epilogue.hi = 127; }},
    {"scale", [](Inputs &in) { in.epilogue.scale = Epilogue::Scale::PerTensor, in.epilogue.bounded = false; }},
    {"a scale a row", [](Inputs &in) { in.epilogue.scale = Epilogue::Scale::PerRow, in.epilogue.bounded = false; }},
    {"stored excess", [](Inputs &in) { in.epilogue.excess = true; }},
    {"bounded", [](Inputs &in) { in.epilogue.bounded = false; }},
};

struct Kernel {
  std::string name, recipe;
  ObjectKey code{}; ///< digest of its IR, the name left out
};

Kernel generate(mlir::MLIRContext &context, const TargetDesc &target, const Generator &generator, const Inputs &in) {
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  KernelBuilder k(*module, target);
  Kernel kernel;
  k.isKnown = [&](const std::string &, const std::string &recipe) {
    kernel.recipe = recipe;
    return false;
  };
  kernel.name = generator.emit(k, in);
  (*module->getOps<mlir::LLVM::LLVMFuncOp>().begin()).setName("f");
  kernel.code = unitKey(*module, target, CodegenOptions{});
  return kernel;
}

class Recipes : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    context.loadDialect<mlir::arith::ArithDialect, mlir::scf::SCFDialect, mlir::LLVM::LLVMDialect>();
    auto parsed = parseTarget(GetParam());
    ASSERT_TRUE(bool(parsed)) << parsed.error().message;
    target = *parsed;
  }
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  TargetDesc target;
};

TEST_P(Recipes, DifferWhereCodeDoes) {
  std::map<std::string, std::pair<ObjectKey, std::string>> codeOf; // recipe: code, and what gave it
  std::map<std::string, std::string> recipeOf;                     // by name
  std::set<ObjectKey> codes;
  auto add = [&](const Generator &generator, const Inputs &in, const std::string &what) {
    if (!generator.takes(target, in))
      return;
    Kernel kernel = generate(context, target, generator, in);
    codes.insert(kernel.code);
    auto known = codeOf.try_emplace(kernel.recipe, kernel.code, what).first->second;
    EXPECT_TRUE(known.first == kernel.code) << what << " and " << known.second << " have one recipe and two codes: " << kernel.recipe;
    EXPECT_EQ(recipeOf.try_emplace(kernel.name, kernel.recipe).first->second, kernel.recipe) << what;
  };
  // One field, and together with those where others may matter only then.
  std::set<std::string> partners = {"nothing", "residual of codes", "levels", "two bits", "excess codes", "reals"};
  if ((target.name != "x86-64-v3" && !target.hasVnni) || target.hasVbmi)
    partners = {"nothing"}; // for the time it takes
  for (const Generator &generator : kGenerators)
    for (const Change &first : kChanges)
      for (const Change &second : kChanges) {
        if (!partners.count(second.field))
          continue;
        Inputs in = baseFor(target);
        first.make(in);
        second.make(in);
        // What no caller gives: more vectors than channels, or a kind without its lanes.
        if (in.linear.twoBit && (in.tile.dot.kind != DotKind::Dpbusd || !in.linear.reduction.levels.empty() || in.tile.dot.lanes != target.lanes32()))
          continue;
        add(generator, in, std::string(generator.name) + ": " + first.field + ", " + second.field);
      }
  EXPECT_GT(codes.size(), 90u);
}

TEST_P(Recipes, LeaveOutOnlyWhatChangesNoCode) {
  const std::set<std::string> free = {"nothing", "cost", "trits", "sumBound within 16 bits", "adds: functionBytes within the same lines"};
  for (const Change &change : kChanges) {
    Inputs base = baseFor(target), in = base;
    change.make(in);
    bool differs = false;
    for (const Generator &generator : kGenerators)
      if (generator.takes(target, base) && generator.takes(target, in))
        differs |= generate(context, target, generator, in).recipe != generate(context, target, generator, base).recipe;
    bool isKindOfTarget = std::string(change.field) == "kind" && base.tile.dot.kind == in.tile.dot.kind;
    bool isNotTaken = (in.linear.twoBit && !kGenerators[1].takes(target, in)) || !kGenerators[0].takes(target, in);
    bool isOfOthers = (std::string(change.field) == "groupRows" && !isX86(target)) ||
                      (std::string(change.field).rfind("adds", 0) == 0 && target.vectorBytes < 32);
    isOfOthers |= (in.winograd.form().bytes() && !target.hasVnni) || (in.winograd.rows && !target.hasVbmi);
    if (!isNotTaken && !isKindOfTarget && !isOfOthers) {
      EXPECT_EQ(differs, !free.count(change.field)) << change.field;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Recipes, testing::Values("x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v4+vnni", "x86-64-v4+vnni+vbmi", "aarch64"),
                         [](const auto &info) { return triton::test::testName(info.param); });

TEST(Recipe, SeparatesFieldsAndGenerators) {
  ConvShape conv;
  EXPECT_NE(Recipe("a", conv).text(), Recipe("b", conv).text());
  Reduction one{{{1, 2}}, 3}, none{{}, 3};
  EXPECT_NE(Recipe("r", one, none).text(), Recipe("r", none, one).text());
  Epilogue plus, minus;
  minus.residualM = -plus.residualM;
  EXPECT_NE(Recipe("e", plus).text(), Recipe("e", minus).text());
}

TEST(Recipe, KernelsAreWrittenOnceAndAskedForOnce) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<mlir::arith::ArithDialect, mlir::scf::SCFDialect, mlir::LLVM::LLVMDialect>();
  auto target = parseTarget("x86-64-v3");
  ASSERT_TRUE(bool(target));
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  KernelBuilder k(*module, *target);
  std::vector<std::string> asked;
  k.isKnown = [&](const std::string &name, const std::string &) {
    asked.push_back(name);
    return name.rfind("known", 0) == 0;
  };
  int written = 0;
  auto kernel = [&](const char *stem, const char *recipe) {
    return k.kernel(stem, recipe, {k.ptr()}, [&](const std::vector<Val> &) { ++written; });
  };
  std::string a = kernel("new", "1"), b = kernel("new", "2"), c = kernel("known", "1");
  EXPECT_EQ(kernel("new", "1"), a);
  EXPECT_EQ(kernel("known", "1"), c);
  EXPECT_NE(a, b);
  EXPECT_EQ(asked, (std::vector<std::string>{a, b, c}));
  EXPECT_EQ(written, 2);
  std::vector<CompileUnit> units = splitUnits(*module);
  ASSERT_EQ(units.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(units[i].name, asked[i]);
  EXPECT_TRUE(units[0].module && units[1].module && !units[2].module);
}

TEST(Recipe, KeysTakeEveryFieldOfTheTarget) {
  std::set<ObjectKey> keys;
  CodegenOptions options;
  TargetDesc base;
  auto key = [&](const TargetDesc &target) { return kernelKey("f", "r", target, options); };
  keys.insert(key(base));
  const std::vector<void (*)(TargetDesc &)> changes = {
      [](TargetDesc &t) { t.name = "x"; },           [](TargetDesc &t) { t.arch = Arch::AArch64; }, [](TargetDesc &t) { t.triple = "x"; },
      [](TargetDesc &t) { t.cpu = "x"; },            [](TargetDesc &t) { t.llvmFeatures = "x"; },   [](TargetDesc &t) { t.features = 1; },
      [](TargetDesc &t) { t.vectorBytes = 32; },     [](TargetDesc &t) { t.vectorRegisters = 32; }, [](TargetDesc &t) { t.firstCacheBytes = 1; },
      [](TargetDesc &t) { t.hasFma = true; },        [](TargetDesc &t) { t.hasVnni = true; },       [](TargetDesc &t) { t.hasVbmi = true; }};
  for (auto change : changes) {
    TargetDesc target = base;
    change(target);
    EXPECT_TRUE(keys.insert(key(target)).second);
  }
  options.optLevel = 3;
  EXPECT_TRUE(keys.insert(key(base)).second);
  options.buildId = "another compiler";
  EXPECT_TRUE(keys.insert(key(base)).second);
  EXPECT_TRUE(keys.insert(kernelKey("g", "r", base, options)).second);
  EXPECT_TRUE(keys.insert(kernelKey("f", "s", base, options)).second);
}

} // namespace
