// Text to AST. The only library that sees ANTLR; no ANTLR type or exception leaves it.
#pragma once

#include "triton/AST/AST.h"
#include "triton/Support/Diagnostics.h"

namespace triton {

/// Parses one file of `sources`. Always returns a tree of what could be read; errors (TRI01xx) go to `diags` and set
/// `hadErrors`. Time and memory are linear in the text: nesting over 1024 is refused before the parser recurses.
std::unique_ptr<ast::Program> parseFile(const SourceManager &sources, FileId file, DiagnosticEngine &diags);

} // namespace triton
