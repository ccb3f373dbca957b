#include "triton/IRGen/IRGen.h"

#include "Emitter.h"

#include "mlir/IR/Verifier.h"

/// More values than this tell a reader nothing.
static constexpr int64_t kPrintedElements = 64;

using namespace mlir;

namespace triton {

static OwningOpRef<ModuleOp> emptyModule(MLIRContext &context) {
  context.loadDialect<ternary::TernaryDialect, func::FuncDialect>();
  return OwningOpRef<ModuleOp>(ModuleOp::create(UnknownLoc::get(&context)));
}

/// The checker accepts no program that breaks a constraint, so what the verifier says is a fault of ours.
static Result<OwningOpRef<ModuleOp>> verified(OwningOpRef<ModuleOp> module) {
  std::string text;
  ScopedDiagnosticHandler handler(module->getContext(), [&](Diagnostic &diagnostic) {
    llvm::raw_string_ostream(text) << (text.empty() ? "" : "; ") << diagnostic.getLocation() << ": "
                                   << diagnostic.str();
  });
  if (succeeded(verify(*module))) return module;
  return Error{"the generated graph is not valid: " + text, ErrorKind::Internal};
}

Result<OwningOpRef<ModuleOp>> generateIR(MLIRContext &context, const std::vector<Graph> &graphs,
                                         const SourceManager &sources) {
  OwningOpRef<ModuleOp> module = emptyModule(context);
  for (const Graph &graph : graphs)
    if (Result<void> made = irgen::Emitter(context, graph, sources).emitModel(*module); !made) return made.error();
  return verified(std::move(module));
}

Result<OwningOpRef<ModuleOp>> generateIR(MLIRContext &context, const Graph &graph, const SourceManager &sources) {
  OwningOpRef<ModuleOp> module = emptyModule(context);
  if (Result<void> made = irgen::Emitter(context, graph, sources).emitModel(*module); !made) return made.error();
  return verified(std::move(module));
}

Result<OwningOpRef<ModuleOp>> generateTestIR(MLIRContext &context, const TestCase &test, const SourceManager &sources) {
  OwningOpRef<ModuleOp> module = emptyModule(context);
  // A test's graph has no outputs of its own: what the asserts compare are its outputs, and the plan starts from there.
  Graph graph = test.graph;
  graph.outputs.clear();
  for (const TestAssert &check : test.asserts)
    for (ValueId side : {check.left, check.right}) graph.outputs.push_back({"", side});
  graph.groups.clear();
  graph.quantizers.clear();
  planQuantisation(graph);
  if (Result<void> made = irgen::Emitter(context, graph, sources).emitTest(*module, test); !made) return made.error();
  return verified(std::move(module));
}

std::string moduleToText(ModuleOp module, bool withLocations, bool withData) {
  OpPrintingFlags flags;
  if (withLocations) flags.enableDebugInfo();
  if (!withData) {
    flags.elideLargeElementsAttrs(kPrintedElements);
    flags.elideLargeResourceString(kPrintedElements);
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, flags);
  stream << '\n';
  return text;
}

} // namespace triton
