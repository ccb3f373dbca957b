// Program and weights to artifact, as compile, run, bench and zoo do it.
#pragma once

#include "FrontEnd.h"
#include "triton/Codegen/CompiledModel.h"

#include <string>
#include <vector>

namespace triton::driver {

struct CompiledArtifact {
  CompiledModel model;
  std::vector<uint8_t> bytes;
  std::vector<std::string> files; ///< every source file read
  uint64_t sourceLines = 0;
};

/// Compiles the model of `path` that the arguments choose. Diagnostics of the program and warnings are printed; when the program
/// is at fault the Error's message is empty (already reported).
Result<CompiledArtifact> compileFile(const Arguments &arguments, const std::string &path, Timing &timing);

} // namespace triton::driver
