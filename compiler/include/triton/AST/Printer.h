// Prints the AST as an indented tree (--emit=ast). Deterministic; places are `line:column`.
#pragma once

#include "triton/AST/AST.h"

#include <iosfwd>

namespace triton::ast {

void printTree(const Program &program, const SourceManager &sources, std::ostream &out);

} // namespace triton::ast
