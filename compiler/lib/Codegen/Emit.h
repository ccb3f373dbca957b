// From an MLIR module of generated functions to a shared object: units, lowering, LLVM, object code, link.
#pragma once

#include "Link.h"

#include "triton/Codegen/Codegen.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace mlir {
class ModuleOp;
}

namespace triton {

/// A linked variant: the file image, and where each exported function lies in it (virtual address).
struct LinkedCode {
  std::vector<uint8_t> elf;
  std::map<std::string, uint64_t> functions;
  /// Exported functions whose code, or a kernel that they call, was compiled now and not found in the cache. The unit of steps that
  /// only call does not count: addresses of other layers change it.
  std::set<std::string> compiled;
  unsigned units = 0, unitsCompiled = 0;
};

/// Kernels by name, looked up by their recipes before any code is written.
struct KernelObjects {
  std::map<std::string, ObjectKey> keys;    ///< of those that were asked for
  std::map<std::string, ObjectFile> found;  ///< of those that are only declared
};

/// True if a compile with these options uses `options.findObject` and `options.storeObject`: what is shown of the code is made anew.
bool usesObjects(const CodegenOptions &options);

/// Looks for a kernel's object. True if it is in `kernels.found` now.
bool findKernel(const std::string &name, const std::string &recipe, const TargetDesc &target, const CodegenOptions &options, KernelObjects &kernels);

/// Compiles `module` (scf, arith and LLVM dialects; consumed) for `target`, in parts on `options.threads` threads. Exported
/// functions are those of external linkage. The bytes depend on neither threads nor cache.
/// Errors: Internal if the code needs anything from outside itself, Environment if no temporary file can be written.
Result<LinkedCode> emitSharedObject(mlir::ModuleOp module, const TargetDesc &target, const CodegenOptions &options, KernelObjects kernels = {});

} // namespace triton
