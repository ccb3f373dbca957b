// Names of the tree's parts, and its destruction.
#include "triton/AST/AST.h"

namespace triton::ast {

const char *binaryOpText(BinaryOp op) {
  static const char *const texts[] = {"*", "/", "%", "@", "+", "-", "==", "!=", "<", "<=", ">", ">=", "and", "or"};
  return texts[static_cast<size_t>(op)];
}

/// A chain of operators is as deep as it is long. Its left spine is taken apart from the top: each node is freed only after
/// the operand below it was taken out. The other children nest at most as deep as the parser admits.
Expr::~Expr() {
  auto below = [](Expr &e) { return e.kind == Binary ? std::move(e.lhs) : std::move(e.operand); };
  for (ExprPtr next = below(*this); next; next = below(*next)) {
    // The assignment frees the node that `next` held, whose spine is empty by now.
  }
}

} // namespace triton::ast
