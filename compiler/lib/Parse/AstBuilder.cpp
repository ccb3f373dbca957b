#include "AstBuilder.h"

#include "Scanner.h"
#include "Structure.h"

namespace triton::parse {

using P = grammar::TritonParser;
using namespace ast;

namespace {

/// Visitors of the AST may recurse this deep. Nested brackets give at most two nodes each in any usual program.
constexpr unsigned deepestTree = 3 * nestingLimit;

bool isComparison(BinaryOp op) { return op >= BinaryOp::Eq && op <= BinaryOp::Ge; }

BinaryOp binaryOp(uint8_t type) {
  switch (type) {
  case P::STAR: return BinaryOp::Mul;
  case P::SLASH: return BinaryOp::Div;
  case P::PERCENT: return BinaryOp::Mod;
  case P::AT: return BinaryOp::MatMul;
  case P::PLUS: return BinaryOp::Add;
  case P::MINUS: return BinaryOp::Sub;
  case P::EQ: return BinaryOp::Eq;
  case P::NE: return BinaryOp::Ne;
  case P::LT: return BinaryOp::Lt;
  case P::LE: return BinaryOp::Le;
  case P::GT: return BinaryOp::Gt;
  case P::GE: return BinaryOp::Ge;
  case P::AND: return BinaryOp::And;
  default: return BinaryOp::Or;
  }
}

DType dtypeOf(uint8_t type) {
  // The token types and the enumerators stand in the same order.
  static_assert(P::FLOAT32 - P::TRIT == static_cast<int>(DType::Float32) && P::BFLOAT16 - P::TRIT == static_cast<int>(DType::BFloat16));
  return static_cast<DType>(type - P::TRIT);
}

class AstBuilder {
public:
  AstBuilder(const ScannedFile &scanned, const SourceManager &sources, DiagnosticEngine &diags, FileId file)
      : file_(file), scanned_(scanned), sources(sources), diags(diags) {}

  void items(const std::vector<P::ItemContext *> &contexts, std::vector<StmtPtr> &out) {
    out.reserve(contexts.size());
    for (P::ItemContext *c : contexts)
      if (StmtPtr s = item(*c)) out.push_back(std::move(s));
  }

private:
  FileId file_;
  const ScannedFile &scanned_;
  const SourceManager &sources;
  DiagnosticEngine &diags;

  // ---- Places and names ----

  SourceRange range(const antlr4::Token *t) const { return {file_, scanned(t).begin, scanned(t).end}; }
  SourceRange range(const antlr4::ParserRuleContext &c) const {
    const Token &first = scanned(c.start);
    uint32_t end = c.stop ? scanned(c.stop).end : first.begin;
    return {file_, first.begin, std::max(end, first.begin)};
  }
  static SourceRange join(SourceRange a, SourceRange b) { return {a.file, std::min(a.begin, b.begin), std::max(a.end, b.end)}; }
  std::string text(const antlr4::Token *t) const {
    auto corrected = scanned_.corrected.find(scanned(t).begin);
    return corrected != scanned_.corrected.end() ? corrected->second : std::string(sources.text(range(t)));
  }
  Name name(P::NameContext *c) const {
    if (!c || c->exception || !c->start) return {};
    return {text(c->start), range(c->start)};
  }
  std::string stringValue(const antlr4::Token *t) const {
    // What stands in a broken string is not its value, but better than nothing for a title or a message.
    return unescape(sources.text(range(t)));
  }

  // ---- Types ----

  static DType dtype(P::DtypeContext *c) { return dtypeOf(scanned(c->start).type); }
  static TensorHead head(P::TensorHeadContext *c) {
    switch (scanned(c->start).type) {
    case P::TENSOR_LOWER: return TensorHead::TensorLower;
    case P::TERNARY_TENSOR: return TensorHead::TernaryTensor;
    case P::WEIGHT: return TensorHead::Weight;
    default: return TensorHead::Tensor;
    }
  }
  std::vector<DType> dtypes(P::DtypesContext *c) const {
    std::vector<DType> out;
    for (P::DtypeContext *d : c->list)
      if (!d->exception) out.push_back(dtype(d));
    return out;
  }
  TypeArg typeArg(P::TypeArgContext *c) {
    TypeArg a;
    a.range = range(*c);
    if (c->exception) {
      a.dimension = errorExpr(a.range);
    } else if (c->dtypes()) {
      a.kind = TypeArg::DTypes;
      a.dtypes = dtypes(c->dtypes());
    } else if (c->unknown) {
      a.kind = TypeArg::Unknown;
    } else if (c->ellipsis) {
      a.kind = TypeArg::Ellipsis;
    } else {
      a.dimension = expr(c->expr());
    }
    return a;
  }
  /// Null where the type is missing or broken.
  TypeSpecPtr type(P::TypeSpecContext *c) {
    if (!c || c->exception) return nullptr;
    auto t = std::make_unique<TypeSpec>();
    t->range = range(*c);
    if (auto *d = c->dtype()) {
      t->kind = TypeSpec::Scalar;
      t->dtype = dtype(d);
    } else if (auto *h = c->tensorHead()) {
      t->kind = TypeSpec::Tensor;
      t->head = head(h);
      t->hasArgs = c->open || c->angle;
      t->angle = c->angle != nullptr;
      if (auto *d = c->dtypes()) {
        TypeArg a;
        a.kind = TypeArg::DTypes;
        a.range = range(*d);
        a.dtypes = dtypes(d);
        t->args.push_back(std::move(a));
      }
      for (P::TypeArgContext *a : c->list) t->args.push_back(typeArg(a));
    } else if (c->layer) {
      t->kind = TypeSpec::Layer;
    } else {
      t->name = name(c->name());
      t->inner = type(c->inner);
    }
    return t;
  }
  std::optional<ast::Result> result(P::ResultContext *c) {
    if (!c || c->exception) return std::nullopt;
    ast::Result r;
    r.range = range(*c);
    r.tuple = !c->single;
    if (c->single) r.items.push_back({std::nullopt, type(c->single)});
    for (P::ResultItemContext *i : c->list) {
      ResultItem item;
      if (i->name()) item.name = name(i->name());
      item.type = type(i->typeSpec());
      r.items.push_back(std::move(item));
    }
    return r;
  }

  // ---- Expressions ----

  /// How far a visitor recurses into the expression built last: chains of binary operators count as one.
  unsigned depth = 0;

  ExprPtr errorExpr(SourceRange range) {
    auto e = std::make_unique<Expr>();
    e->range = range;
    depth = 1;
    return e;
  }
  ExprPtr make(Expr::Kind kind, SourceRange range, SourceRange opRange = {}) {
    auto e = std::make_unique<Expr>();
    e->kind = kind;
    e->range = range;
    e->opRange = opRange.isValid() ? opRange : range;
    return e;
  }
  /// A missing one is an Error at `fallback`.
  ExprPtr exprOr(P::ExprContext *c, SourceRange fallback) { return c ? expr(c) : errorExpr(fallback); }

  std::vector<Arg> arguments(P::ArgsContext *c, unsigned &deepest) {
    std::vector<Arg> out;
    if (!c) return out;
    out.reserve(c->list.size());
    for (P::ArgContext *a : c->list) {
      Arg arg;
      arg.range = range(*a);
      if (a->name()) arg.name = name(a->name());
      if (arg.name && arg.name->text.empty()) arg.name.reset();
      arg.value = a->exception ? errorExpr(arg.range) : exprOr(a->value, arg.range);
      deepest = std::max(deepest, depth);
      out.push_back(std::move(arg));
    }
    return out;
  }
  std::vector<ExprPtr> list(const std::vector<P::ExprContext *> &contexts, unsigned &deepest) {
    std::vector<ExprPtr> out;
    out.reserve(contexts.size());
    for (P::ExprContext *c : contexts) {
      out.push_back(expr(c));
      deepest = std::max(deepest, depth);
    }
    return out;
  }
  Binder binder(P::BinderContext *c) {
    Binder b;
    if (!c) return b;
    b.range = range(*c);
    b.kind = !c->open ? Binder::Single : scanned(c->open).type == P::LPAREN ? Binder::Tuple : Binder::List;
    for (P::NameContext *n : c->name()) {
      Name made = name(n);
      if (!made.text.empty()) b.names.push_back(std::move(made));
    }
    return b;
  }
  LoopRange loop(P::LoopRangeContext *c) {
    LoopRange r;
    if (!c || c->exception) {
      r.from = errorExpr({file_, 0, 0});
      if (c) r.from->range = range(*c);
      r.range = r.from->range;
      return r;
    }
    r.range = range(*c);
    unsigned deepest = 0;
    r.from = exprOr(c->from, r.range);
    deepest = std::max(deepest, depth);
    if (c->to) {
      r.to = expr(c->to);
      deepest = std::max(deepest, depth);
    }
    if (c->by) {
      r.step = expr(c->by);
      deepest = std::max(deepest, depth);
    }
    depth = deepest;
    return r;
  }

  ExprPtr number(const antlr4::Token *t) {
    bool isInt = scanned(t).type == P::INT;
    auto e = make(isInt ? Expr::Int : Expr::Float, range(t));
    if (scanned(t).bad) return errorExpr(e->range);
    std::string_view literal = sources.text(e->range);
    bool fits = isInt ? integerValue(literal, e->intValue) : floatValue(literal, e->floatValue);
    return fits ? std::move(e) : errorExpr(e->range);
  }

  /// An expression that is no chain: a literal, a name, or something in brackets or behind a prefix.
  ExprPtr primary(P::ExprContext *c) {
    SourceRange r = range(*c);
    depth = 1;
    if (c->exception) return errorExpr(r);
    if (c->atom) {
      switch (scanned(c->atom).type) {
      case P::STRING: {
        if (scanned(c->atom).bad) return errorExpr(r);
        auto e = make(Expr::String, r);
        e->text = stringValue(c->atom);
        return e;
      }
      case P::TRUE:
      case P::FALSE: {
        auto e = make(Expr::Bool, r);
        e->boolValue = scanned(c->atom).type == P::TRUE;
        return e;
      }
      default: return number(c->atom);
      }
    }
    if (c->minus || c->negation) {
      auto e = make(c->minus ? Expr::Negate : Expr::Not, r, range(c->minus ? c->minus : c->negation));
      e->operand = exprOr(c->operand, r);
      ++depth;
      return e;
    }
    if (c->paren) {
      ExprPtr e = exprOr(c->operand, r);
      e->parenthesised = true;
      e->range = r;
      return e;
    }
    unsigned deepest = 0;
    if (c->conditional) {
      auto e = make(Expr::Conditional, r, range(c->conditional));
      e->condition = exprOr(c->test, r);
      deepest = depth;
      e->lhs = exprOr(c->lhs, r);
      deepest = std::max(deepest, depth);
      e->rhs = exprOr(c->rhs, r);
      depth = std::max(deepest, depth) + 1;
      return e;
    }
    if (c->bracket) {
      auto e = make(c->loopRange() ? Expr::Comprehension : Expr::List, r);
      if (c->loopRange()) {
        e->operand = c->list.empty() ? errorExpr(r) : expr(c->list.front());
        deepest = depth;
        e->binder = binder(c->binder());
        e->loop = loop(c->loopRange());
        deepest = std::max(deepest, depth);
      } else {
        e->elements = list(c->list, deepest);
        e->openEnded = c->ellipsis != nullptr;
      }
      depth = deepest + 1;
      return e;
    }
    if (c->shape) {
      auto e = make(Expr::TensorLiteral, r, range(c->tensorHead()->start));
      e->type = std::make_unique<TypeSpec>();
      e->type->kind = TypeSpec::Tensor;
      e->type->head = head(c->tensorHead());
      e->type->hasArgs = true;
      for (P::TypeArgContext *a : c->types) e->type->args.push_back(typeArg(a));
      e->type->range = {file_, r.begin, c->RBRACKET() ? range(c->RBRACKET()->getSymbol()).end : r.end};
      e->args = arguments(c->args(), deepest);
      depth = deepest + 1;
      return e;
    }
    if (auto *n = c->name()) {
      if (n->exception || scanned(n->start).bad) return errorExpr(r);
      auto e = make(Expr::NameRef, r);
      e->text = text(n->start);
      return e;
    }
    if (auto *d = c->dtype()) {
      auto e = make(Expr::DTypeRef, r);
      e->dtype = dtype(d);
      return e;
    }
    return errorExpr(r);
  }

  /// An expression. Its left spine (binary operators, calls, members, subscripts) may be very long and is built with a loop.
  ExprPtr expr(P::ExprContext *c) {
    if (!c) return errorExpr({file_, 0, 0});
    std::vector<P::ExprContext *> spine;
    bool broken = false;
    while (c->base || (c->lhs && c->op)) {
      broken = broken || c->exception;
      spine.push_back(c);
      c = c->base ? c->base : c->lhs;
    }
    // Rather nothing than half of what was meant.
    if (broken) return errorExpr(range(*spine.front()));
    ExprPtr left = primary(c);
    unsigned leftDepth = depth;
    bool chainReported = false;
    for (size_t i = spine.size(); i-- > 0;) {
      P::ExprContext *node = spine[i];
      SourceRange whole = join(left->range, range(*node));
      unsigned deepest = 0;
      if (node->op) {
        auto e = make(Expr::Binary, whole, range(node->op));
        e->op = binaryOp(scanned(node->op).type);
        bool chained = isComparison(e->op) && left->kind == Expr::Binary && isComparison(left->op) && !left->parenthesised;
        if (chained && !chainReported)
          diags.report(Diag::ChainedComparison, e->opRange)
              .underline(left->range)
              .help("join two comparisons with 'and'");
        chainReported = chained;
        e->lhs = std::move(left);
        e->rhs = exprOr(node->rhs, whole);
        leftDepth = std::max(leftDepth, depth + 1);
        left = std::move(e);
      } else if (node->dot) {
        auto e = make(Expr::Member, whole, node->member ? join(range(node->dot), range(*node->member)) : range(node->dot));
        e->member = name(node->member);
        e->operand = std::move(left);
        ++leftDepth;
        left = std::move(e);
      } else {
        bool call = node->call != nullptr;
        auto e = make(call ? Expr::Call : Expr::Index, whole, range(call ? node->call : node->index));
        if (call) e->args = arguments(node->args(), deepest);
        else e->elements = list(node->list, deepest);
        e->operand = std::move(left);
        leftDepth = std::max(leftDepth, deepest) + 1;
        left = std::move(e);
      }
      if (leftDepth > deepestTree) {
        // Hardly anything but a long chain of calls, members or subscripts: brackets and prefixes were counted before.
        diags.report(Diag::NestingTooDeep, left->opRange);
        return errorExpr(range(*spine.front()));
      }
    }
    depth = leftDepth;
    return left;
  }

  // ---- Statements ----

  Block block(P::BlockContext *c) {
    Block b;
    if (!c) return b;
    b.range = range(*c);
    items(c->items, b.items);
    return b;
  }
  std::vector<Parameter> parameters(P::ParamsContext *c) {
    std::vector<Parameter> out;
    if (!c) return out;
    for (P::ParameterContext *p : c->list) {
      Parameter made;
      made.name = name(p->name());
      if (made.name.text.empty()) continue;
      made.range = range(*p);
      made.type = type(p->typeSpec());
      if (p->value) made.defaultValue = expr(p->value);
      out.push_back(std::move(made));
    }
    return out;
  }
  std::vector<Attribute> attributes(P::AttrsContext *c) {
    std::vector<Attribute> out;
    uint32_t sign = 0;
    for (auto *child : c->children) {
      if (auto *leaf = dynamic_cast<antlr4::tree::TerminalNode *>(child)) {
        sign = scanned(leaf->getSymbol()).begin; // the `@`
        continue;
      }
      auto *a = static_cast<P::AttrContext *>(child);
      Attribute made;
      made.name = name(a->name());
      if (made.name.text.empty()) continue;
      made.hasArgs = a->open != nullptr;
      unsigned deepest = 0;
      made.args = arguments(a->args(), deepest);
      made.range = range(*a);
      made.range.begin = sign;
      out.push_back(std::move(made));
    }
    return out;
  }

  void key(Stmt &s, const antlr4::Token *t) {
    if (!t) return;
    s.keyRange = range(t);
    if (!scanned(t).bad) s.key = stringValue(t);
  }
  void textOf(Stmt &s, const antlr4::Token *t) {
    if (!t) return;
    s.textRange = range(t);
    s.text = stringValue(t);
    s.hasText = true;
  }

  /// Name, parameters and result of a layer, model or fn. False if there is not even a name.
  template <typename Head> bool definition(Stmt &s, Stmt::Kind kind, Head *h, P::BlockContext *body) {
    if (!h) return false;
    s.kind = kind;
    s.name = name(h->name());
    if (s.name.text.empty()) return false;
    s.params = parameters(h->params());
    s.result = result(h->result());
    s.hasParams = h->LPAREN() != nullptr;
    s.body = block(body);
    return true;
  }

  StmtPtr item(P::ItemContext &c) {
    auto s = std::make_unique<Stmt>();
    s->range = range(c);
    s->keyword = c.start ? range(c.start) : s->range;
    bool failed = c.exception != nullptr;
    antlr4::ParserRuleContext *inner = nullptr;
    for (auto *child : c.children) {
      auto *rule = dynamic_cast<antlr4::ParserRuleContext *>(child);
      if (!rule) continue;
      if (rule->getRuleIndex() == P::RuleAttrs) s->attributes = attributes(static_cast<P::AttrsContext *>(rule));
      else inner = rule;
    }
    if (!inner || !inner->start) return s;
    s->keyword = range(inner->start);
    s->range = join(s->keyword, range(*inner));
    documentation(*s, c.start, inner->start);
    if (!statement(*s, inner, failed)) {
      auto broken = std::make_unique<Stmt>();
      broken->range = s->range;
      broken->keyword = s->keyword;
      return broken;
    }
    return s;
  }

  /// Doc comments stand before the attributes, or between them and the keyword.
  void documentation(Stmt &s, const antlr4::Token *first, const antlr4::Token *keyword) {
    auto append = [&](const antlr4::Token *t) {
      auto found = scanned_.docs.find(scanned(t).begin);
      if (found == scanned_.docs.end()) return;
      if (!s.doc.empty()) s.doc += '\n';
      s.doc += found->second;
    };
    append(first);
    if (keyword != first) append(keyword);
  }

  /// False if nothing useful can be told about it.
  bool statement(Stmt &s, antlr4::ParserRuleContext *inner, bool failed) {
    SourceRange here = s.range;
    switch (inner->getRuleIndex()) {
    case P::RuleImportDecl: {
      auto *c = static_cast<P::ImportDeclContext *>(inner);
      if (!c->path || scanned(c->path).bad) return false;
      s.kind = Stmt::Import;
      textOf(s, c->path);
      if (c->alias) s.name = name(c->alias);
      return true;
    }
    case P::RuleUseDecl: {
      auto *c = static_cast<P::UseDeclContext *>(inner);
      if (failed) return false;
      s.kind = Stmt::Use;
      for (P::NameContext *n : c->path) s.path.push_back(name(n));
      return true;
    }
    case P::RuleLayerDef: {
      auto *c = static_cast<P::LayerDefContext *>(inner);
      return definition(s, Stmt::Layer, c->layerHead(), c->block());
    }
    case P::RuleModelDef: {
      auto *c = static_cast<P::ModelDefContext *>(inner);
      return definition(s, Stmt::Model, c->modelHead(), c->block());
    }
    case P::RuleFnDef: {
      auto *c = static_cast<P::FnDefContext *>(inner);
      return definition(s, Stmt::Fn, c->fnHead(), c->block());
    }
    case P::RuleTestDef: {
      auto *c = static_cast<P::TestDefContext *>(inner);
      s.kind = Stmt::Test;
      textOf(s, c->title);
      s.body = block(c->block());
      return true;
    }
    case P::RuleLetStmt: {
      auto *c = static_cast<P::LetStmtContext *>(inner);
      s.kind = Stmt::Let;
      s.binder = binder(c->binder());
      if (s.binder.names.empty()) return false;
      s.type = type(c->typeSpec());
      if (c->value) s.value = expr(c->value);
      else if (failed) s.value = errorExpr(here);
      s.dots = c->dots != nullptr;
      key(s, c->key);
      return true;
    }
    case P::RuleParamStmt: {
      auto *c = static_cast<P::ParamStmtContext *>(inner);
      s.kind = Stmt::Param;
      s.name = name(c->name());
      if (s.name.text.empty()) return false;
      s.type = type(c->typeSpec());
      key(s, c->key);
      if (c->value) s.value = expr(c->value);
      return true;
    }
    case P::RuleAssignStmt: {
      auto *c = static_cast<P::AssignStmtContext *>(inner);
      s.name = name(c->name());
      // Without the `=` it was no assignment, and must not declare anything.
      if (s.name.text.empty() || !c->ASSIGN()) return false;
      s.kind = Stmt::Assign;
      s.value = exprOr(c->value, here);
      return true;
    }
    case P::RuleReturnStmt: {
      auto *c = static_cast<P::ReturnStmtContext *>(inner);
      s.kind = Stmt::Return;
      for (P::ExprContext *e : c->values) s.values.push_back(expr(e));
      if (failed) s.values.push_back(errorExpr(here));
      return true;
    }
    case P::RuleForStmt: {
      auto *c = static_cast<P::ForStmtContext *>(inner);
      if (!c->forHead()) return false;
      s.kind = Stmt::For;
      s.binder = binder(c->forHead()->binder());
      s.loop = loop(c->forHead()->loopRange());
      s.body = block(c->block());
      return true;
    }
    case P::RuleIfStmt: ifStatement(s, static_cast<P::IfStmtContext *>(inner)); return true;
    case P::RuleAssertStmt: {
      auto *c = static_cast<P::AssertStmtContext *>(inner);
      if (!c->value) return false;
      s.kind = Stmt::Assert;
      s.value = expr(c->value);
      textOf(s, c->message);
      return true;
    }
    default: return false;
    }
  }

  void ifStatement(Stmt &s, P::IfStmtContext *c) {
    s.kind = Stmt::If;
    auto *condition = c->condition();
    s.value = condition && !condition->exception ? exprOr(condition->expr(), s.range) : errorExpr(s.range);
    s.body = block(c->then);
    if (c->elseIf) {
      s.elseIf = std::make_unique<Stmt>();
      s.elseIf->range = range(*c->elseIf);
      s.elseIf->keyword = range(c->elseIf->start);
      ifStatement(*s.elseIf, c->elseIf);
    }
    if (c->elseBlock) s.elseBlock = block(c->elseBlock);
  }
};

} // namespace

void buildAst(const P::ProgramContext &tree, const ScannedFile &scanned, const SourceManager &sources,
              DiagnosticEngine &diags, ast::Program &program) {
  AstBuilder(scanned, sources, diags, program.file).items(tree.items, program.items);
}

} // namespace triton::parse
