// From source text to a verified float graph: the programs of the language page, each with its plan of quantisers.
#include "triton/IRGen/IRGen.h"
#include "triton/Parse/Parser.h"
#include "triton/Sema/Sema.h"
#include "triton/Tensor/Files.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace triton;

namespace {

struct Program {
  const char *file;
  const char *model = ""; ///< a model to add, where the file is a library
};

inline std::ostream &operator<<(std::ostream &stream, const Program &program) {
  return stream << program.file;
}

size_t count(const std::string &text, const std::string &part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

class Programs : public ::testing::TestWithParam<Program> {};

TEST_P(Programs, GiveAVerifiedGraph) {
  std::string path = TRITON_PROGRAMS_DIR "/";
  path += GetParam().file;
  auto text = readFileBytes(path);
  ASSERT_TRUE(text) << text.error().message;
  SourceManager sources;
  FileId file = sources.addFile(GetParam().file, *text + GetParam().model);
  DiagnosticEngine diags(sources);
  auto program = parseFile(sources, file, diags);
  TypedModule module = analyse(*program, sources, diags, {});
  ASSERT_FALSE(diags.hasErrors());
  ASSERT_FALSE(module.models.empty());

  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  for (Graph &graph : module.models) {
    planQuantisation(graph);
    auto ir = generateIR(context, graph, sources);
    ASSERT_TRUE(ir) << ir.error().message;
    std::string printed = moduleToText(**ir);
    size_t statics = 0;
    for (const Quantizer &quantizer : graph.quantizers) statics += quantizer.policy.mode == ActMode::Static;
    EXPECT_EQ(count(printed, " static per_tensor"), statics) << printed;
    for (const GraphOutput &output : graph.outputs)
      EXPECT_EQ(count(printed, "ternary.name = \"" + output.name + "\""), 1u);
  }
  for (TestCase &test : module.tests) {
    planQuantisation(test.graph);
    auto ir = generateTestIR(context, test, sources);
    EXPECT_TRUE(ir) << test.title << ": " << ir.error().message;
  }
}

const char *const kTransformer = "\nmodel Transformer(x: Tensor[N, 16, 64]) -> Tensor[N, 16, 64] {\n"
                                 "    let block = Block(64, 4, 128)\n    return block(x)\n}\n";

INSTANTIATE_TEST_SUITE_P(Language, Programs,
                         ::testing::Values(Program{"mlp.tri"}, Program{"mnist_mlp.tri"}, Program{"lenet5.tri"},
                                           Program{"resnet18.tri"}, Program{"resnet34.tri"},
                                           Program{"mobilenet_v2.tri"}, Program{"transformer_block.tri", kTransformer}),
                         [](const auto &info) {
                           std::string name = info.param.file;
                           return name.substr(0, name.find('.'));
                         });

} // namespace
