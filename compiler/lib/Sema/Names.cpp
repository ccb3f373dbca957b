// See Names.h. A walk over the tree with the scopes that the evaluator will have, in program order. What a branch in a layer
// body declares belongs to the layer, so such names are "conditional": the evaluator decides for each instance.
#include "Names.h"

#include <algorithm>

namespace triton::sema {

namespace {

using ast::Expr;
using ast::Stmt;

struct Entry {
  enum Kind : uint8_t { Let, Param, Loop, Def, Dimension, Import } kind = Let;
  SourceRange declared;
  const Stmt *decl = nullptr; // Def
  bool used = false;
  bool conditional = false;
  bool warnUnused = false;
};

struct NameScope {
  enum Kind : uint8_t { Imports, File, Layer, Fn, Model, Test, Block } kind = Block;
  std::unordered_map<std::string_view, Entry> names;
  std::vector<std::string_view> order; // of declaration, for warnings
  std::unordered_map<std::string_view, SourceRange> later; // `let`s of this scope that stand further down

  bool isBody() const { return kind >= Layer && kind <= Test; }
};

bool anyStatement(const std::vector<ast::StmtPtr> &items, Stmt::Kind kind, std::string_view name = {}) {
  for (auto &item : items) {
    if (!item)
      continue;
    if (item->kind == kind && (name.empty() || item->name.text == name))
      return true;
    if (item->kind != Stmt::If && item->kind != Stmt::For)
      continue;
    for (const Stmt *at = item.get(); at; at = at->elseIf.get())
      if (anyStatement(at->body.items, kind, name) || (at->elseBlock && anyStatement(at->elseBlock->items, kind, name)))
        return true;
  }
  return false;
}

bool alwaysReturns(const std::vector<ast::StmtPtr> &items);

bool alwaysReturns(const Stmt &stmt) {
  if (stmt.kind == Stmt::Return || stmt.kind == Stmt::Error) // recovery may have lost a return
    return true;
  if (stmt.kind != Stmt::If)
    return false;
  for (const Stmt *at = &stmt; at; at = at->elseIf.get()) {
    if (!alwaysReturns(at->body.items))
      return false;
    if (!at->elseIf)
      return at->elseBlock && alwaysReturns(at->elseBlock->items);
  }
  return false;
}

bool alwaysReturns(const std::vector<ast::StmtPtr> &items) {
  return std::any_of(items.begin(), items.end(), [](auto &item) { return item && alwaysReturns(*item); });
}

class Checker {
public:
  Checker(const SourceFile &file, DiagnosticEngine &diags) : file(file), diags(diags) {}

  bool nameErrors = false;

  void run(std::unordered_set<const Stmt *> &recursive) {
    push(NameScope::Imports);
    for (auto &slot : file.imports->all())
      top().names[slot->name] = {Entry::Import, slot->declared};
    push(NameScope::File);
    block(file.program->items);
    pop();
    pop();
    findCycles(recursive);
  }

private:
  const SourceFile &file;
  DiagnosticEngine &diags;
  std::vector<NameScope> scopes;
  std::vector<const Stmt *> defs; // definitions around, outermost first
  size_t loops = 0;               // around, in the running body
  bool conditional = false;       // in a branch of a layer body
  size_t hints = 0;

  struct Edge {
    const Stmt *to;
    SourceRange at;
  };
  std::vector<const Stmt *> nodes;
  std::unordered_map<const Stmt *, std::vector<Edge>> edges;

  // ---- Scopes ----------------------------------------------------------------------------------------------------------
  NameScope &top() { return scopes.back(); }
  void push(NameScope::Kind kind) {
    scopes.emplace_back();
    top().kind = kind;
  }

  void pop() {
    if (!file.library && !nameErrors) // a misspelt use leaves the name unused
      for (auto name : top().order) {
        Entry &entry = top().names.at(name);
        if (entry.warnUnused && !entry.used && name[0] != '_')
          diags.report(Diag::UnusedLocal, entry.declared, {std::string(name)});
      }
    scopes.pop_back();
  }

  /// The body that is running: the innermost scope that is not a block.
  NameScope &body() {
    size_t i = scopes.size() - 1;
    while (i > 1 && !scopes[i].isBody())
      --i;
    return scopes[i];
  }

  Entry *declare(const ast::Name &name, Entry::Kind kind) {
    if (name.text.empty())
      return nullptr;
    auto found = top().names.find(name.text);
    if (found != top().names.end() && found->second.kind != Entry::Dimension) {
      Entry &first = found->second;
      if (kind == Entry::Param && first.kind == Entry::Param)
        diags.report(Diag::DuplicateParameter, name.range, {name.text}).note(first.declared, "the first one is here");
      else if (!first.conditional)
        diags.report(Diag::Redeclared, name.range, {name.text}).note(first.declared, "the first declaration is here");
      return &first;
    }
    if (!file.library && kind != Entry::Dimension && isBuiltinName(name.text))
      diags.report(Diag::ShadowsBuiltin, name.range, {name.text});
    Entry entry{kind, name.range};
    entry.conditional = conditional && top().kind == NameScope::Layer;
    NameScope::Kind where = body().kind;
    entry.warnUnused = kind == Entry::Let && (where == NameScope::Fn || where == NameScope::Model || where == NameScope::Test);
    if (found == top().names.end())
      top().order.push_back(name.text);
    return &(top().names[name.text] = entry);
  }

  void collectLater(const std::vector<ast::StmtPtr> &items) {
    for (auto &item : items) {
      if (!item)
        continue;
      if (item->kind == Stmt::Let)
        for (auto &name : item->binder.names)
          top().later.emplace(name.text, name.range);
      if (item->kind == Stmt::Param)
        top().later.emplace(item->name.text, item->name.range);
      if (item->kind == Stmt::If && top().kind == NameScope::Layer)
        for (const Stmt *at = item.get(); at; at = at->elseIf.get()) {
          collectLater(at->body.items);
          if (at->elseBlock)
            collectLater(at->elseBlock->items);
        }
    }
  }

  void hoist(const std::vector<ast::StmtPtr> &items) {
    for (auto &item : items)
      if (item && (item->kind == Stmt::Layer || item->kind == Stmt::Fn || item->kind == Stmt::Model))
        if (Entry *entry = declare(item->name, Entry::Def); entry && entry->kind == Entry::Def && !entry->decl)
          entry->decl = item.get();
  }

  // ---- Names -----------------------------------------------------------------------------------------------------------
  Entry *find(std::string_view name) {
    for (size_t i = scopes.size(); i-- > 0;)
      if (auto it = scopes[i].names.find(name); it != scopes[i].names.end())
        return &it->second;
    return nullptr;
  }

  void use(const std::string &name, SourceRange at) {
    if (name.empty())
      return;
    if (Entry *entry = find(name)) {
      entry->used = true;
      if (entry->kind == Entry::Def && entry->decl && !defs.empty())
        edges[defs.back()].push_back({entry->decl, at});
      return;
    }
    if (isBuiltinName(name))
      return;
    nameErrors = true;
    for (size_t i = scopes.size(); i-- > 0;)
      if (auto it = scopes[i].later.find(name); it != scopes[i].later.end()) {
        diags.report(Diag::UsedBeforeDeclaration, at, {name}).note(it->second, "it is declared here");
        return;
      }
    if (file.incomplete)
      return; // the name may be one that an import would have brought
    auto builder = diags.report(Diag::UndefinedName, at, {name});
    constexpr size_t kMaxHints = 100; // a search over all names for each of thousands of errors helps nobody
    if (++hints > kMaxHints)
      return;
    std::vector<std::string> known = builtinNames();
    for (auto &scope : scopes)
      for (auto &[each, entry] : scope.names)
        known.emplace_back(each);
    std::sort(known.begin(), known.end());
    std::string near = nearestName(name, known);
    if (!near.empty())
      builder.help("did you mean '" + near + "'?").fixit(at, near);
  }

  // ---- Expressions -----------------------------------------------------------------------------------------------------
  void expr(const Expr *at) {
    while (at) {
      switch (at->kind) {
      case Expr::NameRef: use(at->text, at->range); return;
      case Expr::Member:
      case Expr::Negate:
      case Expr::Not: at = at->operand.get(); continue;
      case Expr::Call:
        for (auto &arg : at->args)
          expr(arg.value.get());
        at = at->operand.get();
        continue;
      case Expr::Index:
        for (auto &element : at->elements)
          expr(element.get());
        at = at->operand.get();
        continue;
      case Expr::Binary:
        expr(at->rhs.get());
        at = at->lhs.get();
        continue;
      case Expr::Conditional:
        expr(at->condition.get());
        expr(at->lhs.get());
        at = at->rhs.get();
        continue;
      case Expr::TensorLiteral:
        if (at->type)
          type(*at->type);
        for (auto &arg : at->args)
          expr(arg.value.get());
        return;
      case Expr::List:
        for (auto &element : at->elements)
          expr(element.get());
        return;
      case Expr::Comprehension:
        loopRange(at->loop);
        push(NameScope::Block);
        for (auto &name : at->binder.names)
          declare(name, Entry::Loop);
        expr(at->operand.get());
        pop();
        return;
      default: return;
      }
    }
  }

  void loopRange(const ast::LoopRange &loop) {
    expr(loop.from.get());
    expr(loop.to.get());
    expr(loop.step.get());
  }

  /// A dimension: capital names that nothing declares are variables of the running body.
  void dimension(const Expr *at) {
    while (at) {
      if (at->kind == Expr::NameRef && !at->text.empty() && std::isupper(static_cast<unsigned char>(at->text[0])) &&
          !find(at->text)) {
        body().names[at->text] = {Entry::Dimension, at->range};
        return;
      }
      if (at->kind == Expr::Binary) {
        dimension(at->rhs.get());
        at = at->lhs.get();
      } else if (at->kind == Expr::Negate) {
        at = at->operand.get();
      } else {
        expr(at);
        return;
      }
    }
  }

  void type(const ast::TypeSpec &spec) {
    for (auto &arg : spec.args)
      if (arg.kind == ast::TypeArg::Dimension)
        dimension(arg.dimension.get());
    if (spec.inner)
      type(*spec.inner);
  }

  void attributes(const Stmt &stmt) {
    for (auto &attr : stmt.attributes)
      for (auto &arg : attr.args) {
        if (!arg.value)
          continue;
        if (arg.value->kind != Expr::NameRef)
          expr(arg.value.get());
        else if (Entry *entry = find(arg.value->text)) // else a word of the attribute
          entry->used = true;
      }
  }

  // ---- Statements ------------------------------------------------------------------------------------------------------
  void block(const std::vector<ast::StmtPtr> &items, bool collect = true) {
    if (collect)
      collectLater(items);
    hoist(items);
    bool ended = false, warned = false;
    for (auto &item : items) {
      if (!item)
        continue;
      bool isDef = item->kind == Stmt::Fn || item->kind == Stmt::Layer;
      bool inFunction = body().isBody() && body().kind != NameScope::Test;
      if (ended && !warned && !isDef && inFunction && !file.library) {
        diags.report(Diag::UnreachableCode, item->keyword.isValid() ? item->keyword : item->range);
        warned = true;
      }
      statement(*item);
      ended |= item->kind != Stmt::Error && alwaysReturns(*item);
    }
  }

  void scoped(const std::vector<ast::StmtPtr> &items) {
    push(NameScope::Block);
    block(items);
    pop();
  }

  void ifStatement(const Stmt &stmt) {
    if (top().kind != NameScope::Layer) {
      for (const Stmt *at = &stmt; at; at = at->elseIf.get()) {
        expr(at->value.get());
        scoped(at->body.items);
        if (at->elseBlock)
          scoped(at->elseBlock->items);
      }
      return;
    }
    // Branches of a layer body declare members; the same one may stand in several branches.
    bool outer = conditional;
    conditional = true;
    for (const Stmt *at = &stmt; at; at = at->elseIf.get()) {
      expr(at->value.get());
      block(at->body.items, false);
      if (at->elseBlock)
        block(at->elseBlock->items, false);
    }
    conditional = outer;
  }

  void statement(const Stmt &stmt) {
    attributes(stmt);
    switch (stmt.kind) {
    case Stmt::Let:
      expr(stmt.value.get());
      if (stmt.type)
        type(*stmt.type);
      if (stmt.dots)
        parameter(stmt);
      for (auto &name : stmt.binder.names)
        if (Entry *entry = declare(name, Entry::Let); entry && stmt.dots)
          entry->warnUnused = false;
      break;
    case Stmt::Param:
      expr(stmt.value.get());
      if (stmt.type)
        type(*stmt.type);
      parameter(stmt);
      if (Entry *entry = declare(stmt.name, Entry::Let))
        entry->warnUnused = false;
      break;
    case Stmt::Assign:
      expr(stmt.value.get());
      assign(stmt);
      break;
    case Stmt::Return:
      for (auto &value : stmt.values)
        expr(value.get());
      checkReturn(stmt);
      break;
    case Stmt::If: ifStatement(stmt); break;
    case Stmt::For:
      loopRange(stmt.loop);
      push(NameScope::Block);
      for (auto &name : stmt.binder.names)
        declare(name, Entry::Loop);
      ++loops;
      block(stmt.body.items);
      --loops;
      pop();
      break;
    case Stmt::Assert: expr(stmt.value.get()); break;
    case Stmt::Layer:
    case Stmt::Fn:
    case Stmt::Model:
    case Stmt::Test: definition(stmt); break;
    default: break;
    }
  }

  void parameter(const Stmt &stmt) {
    NameScope::Kind where = body().kind;
    SourceRange at = stmt.kind == Stmt::Param ? stmt.keyword
                     : stmt.binder.names.empty() ? stmt.keyword : stmt.binder.names.front().range;
    if (where == NameScope::Model)
      return;
    if (where != NameScope::Layer) {
      diags.report(Diag::ParamOutsideLayer, at);
      return;
    }
    const Stmt &layer = *defs.back();
    if (!anyStatement(layer.body.items, Stmt::Fn, "forward") && anyStatement(layer.body.items, Stmt::Return))
      diags.report(Diag::ParamNeedsForward, at)
          .note(layer.name.range, "'" + layer.name.text + "' returns a value, so it is a function");
  }

  void assign(const Stmt &stmt) {
    const std::string &name = stmt.name.text;
    if (name.empty())
      return;
    bool crossed = false;
    for (size_t i = scopes.size(); i-- > 0;) {
      auto it = scopes[i].names.find(name);
      if (it != scopes[i].names.end()) {
        if (crossed || scopes[i].kind == NameScope::Imports)
          diags.report(Diag::AssignToTopLevel, stmt.name.range, {name})
              .note(it->second.declared, "it is declared here")
              .help("declare a local one with 'let'");
        return;
      }
      crossed |= scopes[i].isBody();
    }
    if (!file.library)
      diags.report(Diag::AssignmentDeclares, stmt.name.range, {name}).help("write 'let " + name + " = ..'");
    if (Entry *entry = declare(stmt.name, Entry::Let))
      entry->warnUnused &= !isBuiltinName(name);
  }

  void checkReturn(const Stmt &stmt) {
    NameScope &where = body();
    bool inLayerWithForward = where.kind == NameScope::Layer && anyStatement(defs.back()->body.items, Stmt::Fn, "forward");
    if (where.kind == NameScope::File || where.kind == NameScope::Imports || where.kind == NameScope::Test || inLayerWithForward)
      diags.report(Diag::ReturnOutsideFunction, stmt.keyword);
    else if (loops > 0)
      diags.report(Diag::ReturnInsideLoop, stmt.keyword);
  }

  void definition(const Stmt &stmt) {
    if (stmt.kind != Stmt::Test) {
      nodes.push_back(&stmt);
      if (!defs.empty())
        edges[defs.back()].push_back({&stmt, {}});
    }
    defs.push_back(&stmt);
    size_t outerLoops = loops;
    bool outerConditional = conditional;
    loops = 0;
    conditional = false;
    push(stmt.kind == Stmt::Layer ? NameScope::Layer : stmt.kind == Stmt::Fn ? NameScope::Fn
         : stmt.kind == Stmt::Model ? NameScope::Model : NameScope::Test);
    for (auto &param : stmt.params) {
      if (param.type)
        type(*param.type);
      expr(param.defaultValue.get());
      declare(param.name, Entry::Param);
    }
    if (stmt.result)
      for (auto &item : stmt.result->items)
        if (item.type && stmt.kind != Stmt::Layer)
          type(*item.type);
    block(stmt.body.items);
    if (stmt.result && stmt.kind == Stmt::Layer)
      for (auto &item : stmt.result->items)
        if (item.type)
          type(*item.type);
    bool hasForward = stmt.kind == Stmt::Layer && anyStatement(stmt.body.items, Stmt::Fn, "forward");
    bool mustReturn = stmt.kind == Stmt::Model || (stmt.result && !hasForward);
    if (mustReturn && !alwaysReturns(stmt.body.items))
      diags.report(Diag::MissingReturn, stmt.name.range, {stmt.name.text});
    pop();
    loops = outerLoops;
    conditional = outerConditional;
    defs.pop_back();
  }

  // ---- TRI0207 ---------------------------------------------------------------------------------------------------------
  /// Depth-first search with its own stack; each cycle is reported at the reference that closes it.
  void findCycles(std::unordered_set<const Stmt *> &recursive) {
    enum Colour : uint8_t { White, Grey, Black };
    std::unordered_map<const Stmt *, Colour> colour;
    for (const Stmt *start : nodes) {
      if (colour[start] != White)
        continue;
      struct Level {
        const Stmt *node;
        size_t next = 0;
      };
      std::vector<Level> path{{start}};
      colour[start] = Grey;
      while (!path.empty()) {
        Level &level = path.back();
        auto &out = edges[level.node];
        if (level.next == out.size()) {
          colour[level.node] = Black;
          path.pop_back();
          continue;
        }
        Edge edge = out[level.next++];
        Colour &c = colour[edge.to];
        if (c == White) {
          c = Grey;
          path.push_back({edge.to});
        } else if (c == Grey) {
          std::string cycle;
          bool inside = false;
          for (auto &each : path) {
            inside |= each.node == edge.to;
            if (!inside)
              continue;
            recursive.insert(each.node);
            cycle += each.node->name.text + " -> ";
          }
          diags.report(Diag::RecursiveCall, edge.at, {cycle + edge.to->name.text});
        }
      }
    }
  }
};

} // namespace

bool checkNames(const SourceFile &file, DiagnosticEngine &diags, std::unordered_set<const ast::Stmt *> &recursive) {
  Checker checker(file, diags);
  checker.run(recursive);
  return !checker.nameErrors;
}

} // namespace triton::sema
