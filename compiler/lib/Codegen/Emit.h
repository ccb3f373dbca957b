// From an MLIR module of generated functions to a shared object: lowering, LLVM, object code, link.
#pragma once

#include "triton/Codegen/Codegen.h"

#include <map>
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
};

/// Lowers `module` (scf, arith and LLVM dialects; consumed) for `target`. Exported functions are those of external linkage.
/// Errors: Internal if the code needs anything from outside itself, Environment if no temporary file can be written.
Result<LinkedCode> emitSharedObject(mlir::ModuleOp module, const TargetDesc &target, const CodegenOptions &options);

/// Checks the promises that the loader relies on: a shared object for `arch`, without needed libraries, imports, run-time
/// relocations, or a segment that is both writable and executable.
Result<void> checkSharedObject(const std::vector<uint8_t> &elf, const TargetDesc &target);

} // namespace triton
