// From source text to a verified float graph: small programs and networks of the zoo, each with its plan of quantisers.
#include "triton/IRGen/IRGen.h"
#include "triton/Parse/Parser.h"
#include "triton/Sema/Sema.h"
#include "triton/Tensor/Files.h"

#include "TestName.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace triton;

namespace {

struct Program {
  const char *file; ///< in tests/programs or model_zoo
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
  std::string path = std::string(TRITON_SOURCE_DIR) + "/" + GetParam().file;
  auto text = readFileBytes(path);
  ASSERT_TRUE(text) << text.error().message;
  SourceManager sources;
  FileId file = sources.addFile(path, *text + GetParam().model);
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
                         ::testing::Values(Program{"tests/programs/mlp.tri"}, Program{"tests/programs/mnist_mlp.tri"},
                                           Program{"tests/programs/lenet5.tri"}, Program{"tests/programs/transformer_block.tri", kTransformer},
                                           Program{"model_zoo/resnet18-imagenet/model.tri"}, Program{"model_zoo/resnet50-cifar100/model.tri"},
                                           Program{"model_zoo/mobilenetv2-imagenet/model.tri"},
                                           Program{"model_zoo/efficientnetb0-imagenet/model.tri"}),
                         [](const auto &info) { return triton::test::testName(info.param.file); });

} // namespace
