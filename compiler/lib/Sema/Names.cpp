// See Names.h. The evaluator reports undefined names where it meets them.
#include "Names.h"

namespace triton::sema {

void checkNames(const SourceFile &, DiagnosticEngine &, std::unordered_set<const ast::Stmt *> &) {}

} // namespace triton::sema
