// Compiles integer graphs and runs them beside the oracle: what the conformance tests share.
#pragma once

#include "StepRunner.h"

#include "triton/Codegen/Codegen.h"
#include "triton/Tensor/HostTensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>
#include <string>
#include <vector>

namespace triton::test {

/// A context with all dialects and one parsed or built module.
struct Graph {
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function();
};
Graph parseGraph(const std::string &text);
Graph emptyGraph();

/// The job of one run: guarded steps are chosen by the dtypes of the inputs. `partsOfShare`: parts that each thread's share of a step is cut into, where it may be.
Job jobOf(const CompiledModel &model, const CompiledVariant &variant, const std::vector<HostTensor> &inputs, int64_t batch, int32_t threads,
          int32_t partsOfShare = 1);

/// Whether code of this target can run: here, or in the emulator (aarch64).
enum class Where { Here, Emulator, Nowhere };
Where runsWhere(const TargetDesc &target);
std::vector<JobResult> runJobs(const TargetDesc &target, const std::vector<Job> &jobs);

/// Inputs for a function: random codes or reals of its argument types, `dtype` for arguments that accept several.
std::vector<HostTensor> randomInputs(mlir::func::FuncOp function, int64_t batch, unsigned seed, bool rawBytes);

struct Comparison {
  int optLevel = 2;
  int64_t batch = 1;
  int32_t threads = 1;
  bool rawBytes = false;
  float tolerance = 0; ///< of reals, relative to the greatest magnitude; 0 asks for equal bits
  unsigned seed = 1;
  ConvAlgorithm convolutions = ConvAlgorithm::Cheapest;
  ChooseProduct chooseProduct;
};
/// Compiles, runs, and compares with the oracle; reports through GoogleTest. Returns false where the target does not run.
bool expectEqualsOracle(Graph &graph, const std::string &target, const Comparison &how);

} // namespace triton::test
