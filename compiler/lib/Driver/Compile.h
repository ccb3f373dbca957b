// Program and weights to artifact, as compile, run, bench and zoo do it.
#pragma once

#include "CompileReport.h"
#include "FrontEnd.h"
#include "triton/Weights/WeightStore.h"

#include <memory>
#include <string>
#include <vector>

namespace triton::driver {

struct CompiledArtifact {
  std::vector<uint8_t> bytes;
  CompileReport report; ///< all but the path of the output
};

/// The artifact of the model of `path` that the arguments choose, from the cache or compiled. Diagnostics of the program are
/// printed; when the program is at fault the Error's message is empty (already reported). Warnings about the weights are in the
/// report's summary, for `printWarnings`.
Result<CompiledArtifact> compileFile(const Arguments &arguments, const std::string &path, Timing &timing);

/// The artifact of a checked program with weights that are in memory: the bytes that compileFile gives with the same weights in a file.
/// The cache keeps its objects.
Result<CompiledArtifact> compileWith(const Arguments &arguments, const std::string &path, const CheckedProgram &program, const Graph &graph,
                                     std::shared_ptr<const WeightStore> store, Timing &timing);

} // namespace triton::driver
