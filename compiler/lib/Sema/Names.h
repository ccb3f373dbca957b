// Checks names before anything runs: what is declared where, in branches that are not taken too.
#pragma once

#include "Evaluator.h"

namespace triton::sema {

/// Reports TRI0201, 0203, 0204, 0207..0211, 0310, 0311, 0602, 0604 and the warnings of one file whose imports are open.
/// `recursive` gets every definition that reaches itself. False if a name is undefined.
bool checkNames(const SourceFile &file, DiagnosticEngine &diags, std::unordered_set<const ast::Stmt *> &recursive);

/// The spellings of all built-ins.
std::vector<std::string> builtinNames();
bool isBuiltinName(std::string_view name);

} // namespace triton::sema
