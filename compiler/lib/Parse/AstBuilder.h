// ANTLR's tree to ours.
#pragma once

#include "TokenStream.h"

#include "TritonParser.h"

#include "triton/AST/AST.h"
#include "triton/Support/Diagnostics.h"

namespace triton::parse {

/// Builds the AST of what was parsed. Where a rule failed it leaves an Error node, or nothing, so that later stages are silent
/// about it. Reports what only the tree shows: chained comparisons (TRI0115) and chains of calls and members that are too
/// deep (TRI0110).
void buildAst(const grammar::TritonParser::ProgramContext &tree, const ScannedFile &scanned, const SourceManager &sources,
              DiagnosticEngine &diags, ast::Program &program);

} // namespace triton::parse
