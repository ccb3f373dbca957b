// Compile units: a variant's functions in parts that are compiled, and cached, each on its own.
#pragma once

#include "triton/Codegen/Codegen.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace triton {

/// One module of generated functions that becomes one object file.
struct CompileUnit {
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< none for a kernel that is only declared: somebody has its object
  std::string name;                  ///< of its first function
  std::vector<std::string> defines;  ///< in the order of the program
  bool callsOnly = false;            ///< the step functions that only call kernels
  size_t operations = 0;
};

/// Takes the functions out of `module`: a unit for each private function (a kernel, which all layers of its shape share) and for
/// each step with loops of its own, and one for all steps that only call. So a change of one layer changes the units of its kernels
/// and that last one, which is small. Private functions become external and hidden. The order is that of the program, the unit of
/// calls comes last; whether kernels are written or only declared changes neither the units nor their order.
std::vector<CompileUnit> splitUnits(mlir::ModuleOp module);

/// The functions of external linkage that `module` defines, in order.
std::vector<std::string> publicFunctions(mlir::ModuleOp module);

/// The functions that each function of `module` calls.
std::map<std::string, std::set<std::string>> callsOf(mlir::ModuleOp module);

/// BLAKE3 over the unit's IR and everything else that decides its object code: target, level, the compiler's build id.
/// Equal for equal code whatever the context that holds it.
ObjectKey unitKey(mlir::ModuleOp unit, const TargetDesc &target, const CodegenOptions &options);

/// The same for a kernel whose code follows from its name and recipe (KernelBuilder::kernel): BLAKE3 over these, every field of the target,
/// level and build id. No code is needed.
ObjectKey kernelKey(const std::string &name, const std::string &recipe, const TargetDesc &target, const CodegenOptions &options);

} // namespace triton
