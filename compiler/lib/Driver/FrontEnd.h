// Source text to typed module, as every command that reads a `.tri` file does it.
#pragma once

#include "Command.h"
#include "triton/Driver/Timing.h"
#include "triton/Sema/Sema.h"

#include <memory>

namespace triton::driver {

/// A checked program and what is needed to talk about it.
struct CheckedProgram {
  std::unique_ptr<SourceManager> sources = std::make_unique<SourceManager>();
  std::unique_ptr<DiagnosticEngine> diags = std::make_unique<DiagnosticEngine>(*sources);
  std::unique_ptr<ast::Program> tree;
  TypedModule module;
};

/// Reads, parses and analyses `path`. An Error is about the file or the options; errors in the program are in `diags`.
/// Quantisers are planned in every graph.
Result<CheckedProgram> checkProgram(const Arguments &arguments, const std::string &path, Timing &timing,
                                    bool instantiate = true);

/// The graph of the model that --entry names, or of the only model. Errors list the models there are.
Result<Graph *> chooseModel(const Arguments &arguments, CheckedProgram &program, const std::string &path);

} // namespace triton::driver
