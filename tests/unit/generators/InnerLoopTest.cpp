// The generated assembly of products: in no innermost loop with a dot product do vectors go to the stack or come from there.
#include "Emit.h"
#include "Lookup.h"
#include "TestName.h"
#include "Ways.h"
#include "Winograd.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <sstream>

using namespace triton;

namespace {

struct Loop {
  size_t from, to; // lines
};

struct Assembly {
  std::vector<std::string> lines;
  std::vector<Loop> innermost;
};

/// Lines, and the loops that hold no other: a jump back to a label and what stands between.
Assembly parse(const std::string &text) {
  Assembly result;
  std::map<std::string, size_t> labels;
  std::vector<Loop> loops;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    size_t at = result.lines.size();
    if (line.rfind(".LBB", 0) == 0)
      labels[line.substr(0, line.find(':'))] = at;
    if (size_t j = line.find("\tj"); j == 0)
      if (size_t target = line.find(".LBB"); target != std::string::npos)
        if (auto it = labels.find(line.substr(target)); it != labels.end())
          loops.push_back({it->second, at});
    result.lines.push_back(std::move(line));
  }
  for (const Loop &loop : loops)
    if (std::none_of(loops.begin(), loops.end(), [&](const Loop &other) {
          return other.from >= loop.from && other.to <= loop.to && (other.from != loop.from || other.to != loop.to);
        }))
      result.innermost.push_back(loop);
  return result;
}

std::string assemblyOf(mlir::ModuleOp module, const TargetDesc &target) {
  CodegenOptions options;
  options.emitKinds = {EmitKind::Assembly};
  std::string text;
  options.onEmit = [&](EmitKind, const TargetDesc &, std::string_view bytes) { text += bytes; };
  auto code = emitSharedObject(module, target, options);
  EXPECT_TRUE(bool(code)) << code.error().message;
  return text;
}

struct ConvCase {
  int64_t channels, outputs, kernel, stride, outWidth;
  bool actUnsigned, excess, trits;
};

ConvShape shapeOf(const ConvCase &c) {
  ConvShape shape;
  shape.channels = c.channels;
  shape.outputs = shape.storedChannels = c.outputs;
  shape.kernelH = shape.kernelW = c.kernel;
  shape.strideH = shape.strideW = c.stride;
  shape.outH = shape.outW = c.outWidth;
  int64_t width = (c.outWidth - 1) * c.stride + c.kernel;
  shape.x = {width * width * c.channels, width * c.channels, c.channels};
  shape.out = {c.outWidth * c.outWidth * c.outputs, c.outWidth * c.outputs, c.outputs};
  shape.rowRuns = true;
  return shape;
}

enum class Form { Direct, TwoBit, WinogradWords, WinogradBytes, WinogradRows, Lookup };

/// A convolution's code, called from one public function. `other`: which of the tiles beside the usual one, if not that.
std::string convAssembly(const TargetDesc &target, const ConvCase &c, Form form = Form::Direct, std::optional<size_t> other = {}) {
  ConvShape shape = shapeOf(c);
  Epilogue epilogue;
  epilogue.hi = 255;
  epilogue.bounded = true;

  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<mlir::arith::ArithDialect, mlir::scf::SCFDialect, mlir::LLVM::LLVMDialect>();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  KernelBuilder k(*module, target);
  TileChoice tile = chooseTile(target, c.trits, c.actUnsigned, c.outputs, c.outWidth, c.excess, wideRowsPay(target, shape));
  if (other)
    tile = otherTiles(target, tile, c.outputs, c.outWidth).at(*other);
  if (form == Form::TwoBit)
    tile = *twoBitTile(target, shape, tile, c.trits);
  std::string function;
  if (form == Form::Lookup)
    function = emitLookupConv(k, "lookup", shape, *chooseLookup(target, shape, tile, 1), epilogue);
  else if (form == Form::WinogradWords || form == Form::WinogradBytes || form == Form::WinogradRows)
    for (const WinogradChoice &choice : winogradChoices(target, shape, tile, {true, c.actUnsigned, c.excess, 31, 1.0}, 1)) {
      if (choice.rows == (form == Form::WinogradRows) && choice.form().bytes() == (form != Form::WinogradWords))
        function = emitWinograd(k, "winograd", shape, choice, epilogue);
    }
  else
    function = emitConv(k, "conv", shape, tile, epilogue);
  Val args = k.begin("step", {k.ptr()}, k.i32(), false)[0];
  Val pointer = k.load(k.ptr(), args), one = k.index(1), zero = k.index(0);
  k.call(function, {pointer, pointer, pointer, pointer, pointer, pointer, pointer, pointer, one, zero, one, one, pointer});
  k.end(k.i32c(0));
  return assemblyOf(*module, target);
}

/// A linear layer's code. `rows`: 0 if they are not known.
std::string linearAssembly(const TargetDesc &target, int64_t inputs, int64_t outputs, int64_t rows, bool actUnsigned, bool twoBit) {
  Epilogue epilogue;
  epilogue.out = Epilogue::Out::Real;
  LinearShape shape;
  shape.inputs = shape.xRow = inputs;
  shape.outputs = shape.storedChannels = outputs;
  shape.outRow = outputs * 4;
  shape.rows = rows;
  shape.twoBit = twoBit;
  shape.streams = true; // needs the most registers

  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<mlir::arith::ArithDialect, mlir::scf::SCFDialect, mlir::LLVM::LLVMDialect>();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  KernelBuilder k(*module, target);
  TileChoice tile = chooseTile(target, true, actUnsigned, outputs, 0, !actUnsigned);
  shape.reduction.steps = (inputs + tile.dot.kr() - 1) / tile.dot.kr();
  std::string function = emitLinear(k, "linear", shape, tile, epilogue);
  std::vector<Val> args = k.begin("step", {k.ptr(), k.i64()}, k.i32(), false);
  Val pointer = k.load(k.ptr(), args[0]), one = k.index(1), zero = k.index(0);
  k.call(function, {pointer, pointer, pointer, pointer, pointer, pointer, pointer, pointer, args[1], zero, one, one, pointer});
  k.end(k.i32c(0));
  return assemblyOf(*module, target);
}

/// The instruction that only the products themselves use (pmaddwd also widens the sums of vpmaddubsw).
const char *dotInstruction(DotKind kind) {
  return kind == DotKind::Dpbusd ? "vpdpbusd" : kind == DotKind::MaddUbs ? "pmaddubsw" : "pmaddwd";
}
bool touchesStack(const std::string &line) {
  bool isVector = line.find("%xmm") != std::string::npos || line.find("%ymm") != std::string::npos || line.find("%zmm") != std::string::npos;
  return isVector && line.find("(%rsp") != std::string::npos; // %rbp is a register like any other here
}

/// Innermost loops with the instruction `dot`; reports those that touch the stack.
size_t countDots(const Assembly &code, const std::string &dot, const std::string &what) {
  size_t dots = 0;
  for (const Loop &loop : code.innermost) {
    auto begin = code.lines.begin() + std::ptrdiff_t(loop.from), end = code.lines.begin() + std::ptrdiff_t(loop.to);
    if (std::none_of(begin, end, [&](const std::string &line) { return line.find(dot) != std::string::npos; }))
      continue;
    ++dots;
    for (auto line = begin; line != end; ++line)
      EXPECT_FALSE(touchesStack(*line)) << what << ": " << *line;
  }
  return dots;
}

class InnerLoops : public testing::TestWithParam<const char *> {};

TEST_P(InnerLoops, OfConvolutionsDoNotTouchTheStack) {
  auto target = parseTarget(GetParam());
  ASSERT_TRUE(bool(target)) << target.error().message;
  for (const ConvCase &c : {ConvCase{64, 64, 3, 1, 56, true, false, true}, ConvCase{512, 512, 3, 1, 7, true, false, true},
                            ConvCase{128, 256, 3, 2, 14, true, false, true}, ConvCase{64, 128, 1, 2, 28, true, false, true},
                            ConvCase{3, 64, 7, 2, 112, false, true, true}, ConvCase{3, 64, 7, 2, 112, false, false, true},
                            ConvCase{16, 96, 1, 1, 112, false, true, true}, ConvCase{16, 16, 3, 1, 28, true, false, true},
                            ConvCase{3, 64, 7, 2, 112, false, true, false}, ConvCase{64, 20, 3, 1, 10, true, false, false}}) {
    std::string what = std::string(GetParam()) + ", " + std::to_string(c.channels) + "->" + std::to_string(c.outputs) + ", " +
                       std::to_string(c.kernel) + "x" + std::to_string(c.kernel);
    size_t dots = countDots(parse(convAssembly(*target, c)), dotInstruction(target->dotKind(c.trits)), what);
    EXPECT_GE(dots, 1u) << GetParam() << ": no loop with a dot product was found";
  }
}

/// Tiles that are tried at -O3.
TEST_P(InnerLoops, OfOtherTilesDoNotTouchTheStack) {
  auto target = parseTarget(GetParam());
  ASSERT_TRUE(bool(target)) << target.error().message;
  for (const ConvCase &c : {ConvCase{64, 64, 3, 1, 56, true, false, true}, ConvCase{128, 128, 3, 1, 7, false, true, true},
                            ConvCase{64, 128, 1, 1, 28, true, false, false}, ConvCase{16, 64, 3, 2, 30, false, false, true}}) {
    TileChoice usual = chooseTile(*target, c.trits, c.actUnsigned, c.outputs, c.outWidth, c.excess, wideRowsPay(*target, shapeOf(c)));
    std::vector<TileChoice> others = otherTiles(*target, usual, c.outputs, c.outWidth);
    EXPECT_EQ(others.size() >= 2, target->arch != Arch::X86_64 || target->vectorBytes > 16);
    for (size_t i = 0; i < others.size(); ++i) {
      std::string what = std::string(GetParam()) + ", " + others[i].name() + " for " + std::to_string(c.channels) + "->" + std::to_string(c.outputs);
      EXPECT_GE(countDots(parse(convAssembly(*target, c, Form::Direct, i)), dotInstruction(target->dotKind(c.trits)), what), 1u) << what;
    }
  }
}

TEST_P(InnerLoops, OfLinearLayersDoNotTouchTheStack) {
  auto target = parseTarget(GetParam());
  ASSERT_TRUE(bool(target)) << target.error().message;
  for (bool twoBit : {false, true})
    for (bool actUnsigned : {false, true})
      for (int64_t rows : {0, 8, 12, 128}) {
        LinearShape shape;
        if (twoBit && !twoBitCan(*target, shape, true))
          continue;
        std::string what = std::string(GetParam()) + (twoBit ? ", two bits, " : ", ") + std::to_string(rows) + " rows";
        size_t dots = countDots(parse(linearAssembly(*target, 1000, 1000, rows, actUnsigned, twoBit)), dotInstruction(target->dotKind(true)), what);
        EXPECT_GE(dots, 1u) << what << ": no loop with a dot product was found";
      }
}

TEST_P(InnerLoops, OfTwoBitsDoNotTouchTheStack) {
  auto target = parseTarget(GetParam());
  ASSERT_TRUE(bool(target)) << target.error().message;
  if (target->vectorBytes < 64 || !target->hasVnni)
    GTEST_SKIP() << "the form is not generated for " << GetParam();
  for (int64_t width : {1, 4, 7, 8, 11, 26, 56})
    for (const ConvCase &c : {ConvCase{512, 512, 3, 1, width, true, false, true}, ConvCase{512, 128, 1, 2, width, false, true, true},
                              ConvCase{128, 48, 3, 1, width, false, false, true}, ConvCase{96, 16, 1, 1, width, true, false, true}}) {
      std::string what = std::string(GetParam()) + ", two bits, " + std::to_string(c.channels) + "->" + std::to_string(c.outputs) + ", " + std::to_string(width);
      EXPECT_GE(countDots(parse(convAssembly(*target, c, Form::TwoBit)), "vpdpbusd", what), 1u) << what << ": no loop with a dot product was found";
    }
}

TEST_P(InnerLoops, OfWinogradDoNotTouchTheStack) {
  auto target = parseTarget(GetParam());
  ASSERT_TRUE(bool(target)) << target.error().message;
  if (target->vectorBytes < 32)
    GTEST_SKIP() << "the form is not generated for " << GetParam();
  for (const ConvCase &c : {ConvCase{64, 64, 3, 1, 56, true, false, true}, ConvCase{128, 128, 3, 1, 28, false, true, true},
                            ConvCase{256, 256, 3, 1, 14, false, false, true}, ConvCase{512, 512, 3, 1, 7, true, false, true},
                            ConvCase{33, 20, 3, 1, 9, true, false, true}, ConvCase{48, 16, 3, 1, 112, true, false, true}}) {
    std::string what = std::string(GetParam()) + ", Winograd, " + std::to_string(c.channels) + "->" + std::to_string(c.outputs);
    size_t dots = countDots(parse(convAssembly(*target, c, Form::WinogradWords)), target->hasVnni ? "vpdpwssd" : "pmaddwd", what);
    EXPECT_GE(dots, 1u) << what << ": no loop with a dot product was found";
    if (target->hasVnni) {
      dots = countDots(parse(convAssembly(*target, c, Form::WinogradBytes)), "vpdpbusd", what + ", bytes");
      EXPECT_GE(dots, 1u) << what << ", bytes: no loop with a dot product was found";
    }
  }
}

TEST_P(InnerLoops, OfWinogradAlongRowsDoNotTouchTheStack) {
  auto target = parseTarget(GetParam());
  ASSERT_TRUE(bool(target)) << target.error().message;
  if (!target->hasVnni || !target->hasVbmi)
    GTEST_SKIP() << "the form is not generated for " << GetParam();
  // All numbers of positions that go together, one and two vectors, steps that are left over.
  for (const ConvCase &c : {ConvCase{512, 512, 3, 1, 4, true, false, true}, ConvCase{512, 512, 3, 1, 7, false, true, true},
                            ConvCase{512, 512, 3, 1, 3, false, false, true}, ConvCase{512, 512, 3, 1, 2, true, false, true},
                            ConvCase{66, 20, 3, 1, 9, true, false, true}, ConvCase{48, 16, 3, 1, 28, true, false, true}}) {
    std::string what = std::string(GetParam()) + ", Winograd along rows, " + std::to_string(c.channels) + "->" + std::to_string(c.outputs);
    Assembly code = parse(convAssembly(*target, c, Form::WinogradRows));
    EXPECT_GE(countDots(code, "vpdpbusd", what), 1u) << what << ": no loop with a dot product was found";
    for (const Loop &loop : code.innermost) {
      auto count = [&](const char *instruction) {
        return std::count_if(code.lines.begin() + std::ptrdiff_t(loop.from), code.lines.begin() + std::ptrdiff_t(loop.to),
                             [&](const std::string &line) { return line.find(instruction) != std::string::npos; });
      };
      if (count("prefetcht0")) {
        EXPECT_EQ(count("vpermb"), c.outputs > 16 ? 8 : 4) << what;
      }
    }
  }
}

TEST_P(InnerLoops, OfLookupsDoNotTouchTheStack) {
  auto target = parseTarget(GetParam());
  ASSERT_TRUE(bool(target)) << target.error().message;
  if (!lookupTrits(*target))
    GTEST_SKIP() << "the form is not generated for " << GetParam();
  for (const ConvCase &c : {ConvCase{64, 64, 3, 1, 56, false, true, true}, ConvCase{128, 256, 3, 2, 14, false, true, true},
                            ConvCase{512, 512, 3, 1, 7, false, false, true}, ConvCase{16, 24, 3, 1, 12, false, false, true},
                            ConvCase{256, 128, 1, 1, 28, false, false, true}, ConvCase{3, 40, 5, 2, 33, false, true, true}}) {
    std::string what = std::string(GetParam()) + ", look-up, " + std::to_string(c.channels) + "->" + std::to_string(c.outputs);
    size_t dots = countDots(parse(convAssembly(*target, c, Form::Lookup)), lookupTrits(*target) == 3 ? "vpermb" : "pshufb", what);
    EXPECT_GE(dots, 1u) << what << ": no loop with a look-up was found";
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, InnerLoops,
                         testing::Values("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni", "x86-64-v4+vnni+vbmi"), [](const auto &info) { return triton::test::testName(info.param); });

} // namespace
