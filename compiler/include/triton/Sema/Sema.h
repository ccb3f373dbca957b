// AST to typed module: names, types, shapes, layers, keys, attributes, imports. Knows no MLIR.
#pragma once

#include "triton/AST/AST.h"
#include "triton/Sema/Graph.h"
#include "triton/Support/Diagnostics.h"

#include <map>
#include <string>
#include <vector>

namespace triton {

struct SemaOptions {
  std::vector<std::string> importDirs;       ///< -I, after the importing file's own folder
  std::map<std::string, int64_t> dims;       ///< --dim N=8
  std::map<std::string, std::string> defines; ///< -D name=value: overrides a top-level `let name` of a compile-time type
  bool fp32 = false;                         ///< --fp32: @ternary, @weights and @acts are checked, but change nothing
  bool instantiate = true;                   ///< build graphs (off: definitions are checked, models too, graphs dropped)
};

/// Checks a parsed file and all that it imports (parsed on the way, added to `sources`), and builds the graph of every model
/// and test. Returns what could be built; errors are in `diags`. Quantisers are not planned yet.
TypedModule analyse(const ast::Program &program, SourceManager &sources, DiagnosticEngine &diags,
                    const SemaOptions &options);

} // namespace triton
