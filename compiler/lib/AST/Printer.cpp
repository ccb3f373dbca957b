// The AST as an indented tree, one node a line: its kind, what was written, and its place. A chain of binary operators is
// printed flat (`Chain` with its operands in order), since nesting it would make the output quadratic.
#include "triton/AST/Printer.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace triton::ast {

namespace {

const char *headText(TensorHead head) {
  static const char *const texts[] = {"Tensor", "tensor", "TernaryTensor", "Weight"};
  return texts[static_cast<size_t>(head)];
}

void quoted(std::string_view text, std::ostream &out) {
  out << '"';
  for (char c : text) {
    if (c == '"' || c == '\\') out << '\\' << c;
    else if (c == '\n') out << "\\n";
    else if (c == '\t') out << "\\t";
    else out << c;
  }
  out << '"';
}

class TreePrinter {
public:
  TreePrinter(const SourceManager &sources, std::ostream &out) : sources(sources), out(out) {}

  void program(const Program &p) {
    out << "Program";
    if (p.hadErrors) out << " (with errors)";
    out << '\n';
    Indent in(*this);
    for (const StmtPtr &s : p.items) stmt(*s);
  }

private:
  struct Indent {
    TreePrinter &printer;
    explicit Indent(TreePrinter &p) : printer(p) { ++printer.depth; }
    ~Indent() { --printer.depth; }
  };

  const SourceManager &sources;
  std::ostream &out;
  unsigned depth = 0;
  FileId lastFile = UINT32_MAX;
  uint32_t lastOffset = 0;
  LineColumn lastPlace;

  std::ostream &begin() {
    for (unsigned i = 0; i < depth; ++i) out << "  ";
    return out;
  }
  void place(SourceRange range) {
    if (!range.isValid()) return;
    LineColumn at = placeOf(range.file, range.begin);
    out << " <" << at.line << ':' << at.column << '>';
  }
  /// The nodes come nearly in the order of the text, so the place of the last one is near. Counting from there keeps the cost
  /// of a tree linear even if the program stands on one line.
  LineColumn placeOf(FileId file, uint32_t offset) {
    std::string_view text = sources.text(file);
    uint32_t from = std::min(offset, lastOffset), to = std::max(offset, lastOffset);
    bool plain = file == lastFile && to <= text.size() &&
                 std::all_of(text.begin() + from, text.begin() + to, [](char c) { return c >= ' ' && c <= '~'; });
    if (plain) lastPlace.column += offset - lastOffset;
    else lastPlace = sources.lineColumn(file, offset);
    lastFile = file;
    lastOffset = offset;
    return lastPlace;
  }
  void line(std::string_view text, SourceRange range) {
    begin() << text;
    place(range);
    out << '\n';
  }
  void names(const Binder &binder) {
    const char *open = binder.kind == Binder::Tuple ? "(" : binder.kind == Binder::List ? "[" : "";
    const char *close = binder.kind == Binder::Tuple ? ")" : binder.kind == Binder::List ? "]" : "";
    out << open;
    for (size_t i = 0; i < binder.names.size(); ++i) out << (i ? ", " : "") << binder.names[i].text;
    out << close;
  }

  // ---- Types ----

  void typeArg(const TypeArg &a) {
    switch (a.kind) {
    case TypeArg::Unknown: line("?", a.range); return;
    case TypeArg::Ellipsis: line("...", a.range); return;
    case TypeArg::Dimension:
      if (a.dimension) expr(*a.dimension);
      return;
    case TypeArg::DTypes:
      begin();
      for (size_t i = 0; i < a.dtypes.size(); ++i) out << (i ? "|" : "") << dtypeName(a.dtypes[i]);
      place(a.range);
      out << '\n';
    }
  }
  void type(const TypeSpec &t) {
    begin() << "Type ";
    switch (t.kind) {
    case TypeSpec::Scalar: out << dtypeName(t.dtype); break;
    case TypeSpec::Layer: out << "layer"; break;
    case TypeSpec::Named: out << t.name.text; break;
    case TypeSpec::Tensor:
      out << headText(t.head);
      if (t.angle) out << " <>";
      else if (t.hasArgs) out << " []";
    }
    place(t.range);
    out << '\n';
    Indent in(*this);
    for (const TypeArg &a : t.args) typeArg(a);
    if (t.inner) type(*t.inner);
  }
  void result(const Result &r) {
    line(r.tuple ? "Results" : "Result", r.range);
    Indent in(*this);
    for (const ResultItem &item : r.items) {
      if (item.name) {
        line("Named " + item.name->text, item.name->range);
        Indent inner(*this);
        if (item.type) type(*item.type);
      } else if (item.type) {
        type(*item.type);
      }
    }
  }

  // ---- Expressions ----

  void arg(const Arg &a) {
    if (!a.name) {
      if (a.value) expr(*a.value);
      return;
    }
    line("Arg " + a.name->text, a.range);
    Indent in(*this);
    if (a.value) expr(*a.value);
  }
  void loop(const LoopRange &r) {
    line(r.to ? "Range" : "Each", r.range);
    Indent in(*this);
    if (r.from) expr(*r.from);
    if (r.to) expr(*r.to);
    if (r.step) {
      line("Step", r.step->range);
      Indent inner(*this);
      expr(*r.step);
    }
  }
  void chain(const Expr &top) {
    std::vector<const Expr *> spine;
    const Expr *e = &top;
    for (; e && e->kind == Expr::Binary && (e == &top || !e->parenthesised); e = e->lhs.get()) spine.push_back(e);
    line(spine.size() == 1 ? "Binary" : "Chain", top.range);
    Indent in(*this);
    if (e) expr(*e);
    for (auto node = spine.rbegin(); node != spine.rend(); ++node) {
      line(binaryOpText((*node)->op), (*node)->opRange);
      Indent inner(*this);
      if ((*node)->rhs) expr(*(*node)->rhs);
    }
  }
  /// `f(x).y[0]` from the inside out, for the same reason as `chain`.
  void postfix(const Expr &top) {
    std::vector<const Expr *> spine;
    const Expr *e = &top;
    auto isPostfix = [](const Expr &x) {
      return x.kind == Expr::Member || x.kind == Expr::Call || x.kind == Expr::Index;
    };
    for (; e && isPostfix(*e); e = e->operand.get()) spine.push_back(e);
    line("Postfix", top.range);
    Indent in(*this);
    if (e) expr(*e);
    for (auto node = spine.rbegin(); node != spine.rend(); ++node) {
      const Expr &n = **node;
      if (n.kind == Expr::Member) {
        line("Member " + n.member.text, n.opRange);
        continue;
      }
      line(n.kind == Expr::Call ? "Call" : "Index", n.opRange);
      Indent inner(*this);
      for (const Arg &a : n.args) arg(a);
      for (const ExprPtr &x : n.elements) expr(*x);
    }
  }
  void expr(const Expr &e) {
    switch (e.kind) {
    case Expr::Int: return line("Int " + std::to_string(e.intValue), e.range);
    case Expr::Float: {
      char buffer[40];
      std::snprintf(buffer, sizeof buffer, "Float %.17g", e.floatValue);
      return line(buffer, e.range);
    }
    case Expr::String:
      begin() << "String ";
      quoted(e.text, out);
      place(e.range);
      out << '\n';
      return;
    case Expr::Bool: return line(e.boolValue ? "Bool true" : "Bool false", e.range);
    case Expr::NameRef: return line("Name " + e.text, e.range);
    case Expr::DTypeRef: return line(std::string("DType ") + dtypeName(e.dtype), e.range);
    case Expr::Member:
    case Expr::Call:
    case Expr::Index: return postfix(e);
    case Expr::Negate:
    case Expr::Not: {
      line(e.kind == Expr::Negate ? "Negate" : "Not", e.range);
      Indent in(*this);
      if (e.operand) expr(*e.operand);
      return;
    }
    case Expr::Binary: return chain(e);
    case Expr::Conditional: {
      line("Conditional", e.range);
      Indent in(*this);
      if (e.condition) expr(*e.condition);
      if (e.lhs) expr(*e.lhs);
      if (e.rhs) expr(*e.rhs);
      return;
    }
    case Expr::TensorLiteral: {
      line("TensorLiteral", e.range);
      Indent in(*this);
      if (e.type) type(*e.type);
      for (const Arg &a : e.args) arg(a);
      return;
    }
    case Expr::List: {
      line(e.openEnded ? "List ..." : "List", e.range);
      Indent in(*this);
      for (const ExprPtr &x : e.elements) expr(*x);
      return;
    }
    case Expr::Comprehension: {
      begin() << "Comprehension ";
      names(e.binder);
      place(e.range);
      out << '\n';
      Indent in(*this);
      if (e.operand) expr(*e.operand);
      loop(e.loop);
      return;
    }
    case Expr::Error: return line("Error", e.range);
    }
  }

  // ---- Statements ----

  void block(const char *title, const Block &b) {
    line(title, b.range);
    Indent in(*this);
    for (const StmtPtr &s : b.items) stmt(*s);
  }
  void key(const Stmt &s) {
    if (!s.key) return;
    begin() << "Key ";
    quoted(*s.key, out);
    place(s.keyRange);
    out << '\n';
  }
  void text(const char *title, const Stmt &s) {
    begin() << title << ' ';
    quoted(s.text, out);
    place(s.textRange);
    out << '\n';
  }
  void definition(const Stmt &s) {
    for (const Parameter &p : s.params) {
      line("Parameter " + p.name.text, p.range);
      Indent in(*this);
      if (p.type) type(*p.type);
      if (p.defaultValue) expr(*p.defaultValue);
    }
    if (s.result) result(*s.result);
    block("Block", s.body);
  }
  /// `else if` is a loop, so that a long ladder takes no stack.
  void ladder(const Stmt &first) {
    for (const Stmt *s = &first; s; s = s->elseIf.get()) {
      if (s != &first) line("ElseIf", s->range);
      Indent in(*this);
      if (s->value) expr(*s->value);
      block("Then", s->body);
      if (s->elseBlock) block("Else", *s->elseBlock);
    }
  }
  void stmt(const Stmt &s) {
    static const char *const kinds[] = {"Import", "Use",    "Layer",  "Model", "Fn", "Test",   "Let",
                                        "Param",  "Assign", "Return", "For",   "If", "Assert", "Error"};
    begin() << kinds[s.kind];
    if (!s.name.text.empty()) out << ' ' << s.name.text;
    if (s.kind == Stmt::Let || s.kind == Stmt::For) {
      out << ' ';
      names(s.binder);
    }
    for (size_t i = 0; i < s.path.size(); ++i) out << (i ? "." : " ") << s.path[i].text;
    if (s.kind == Stmt::Layer && s.hasParams && s.params.empty()) out << " ()";
    if (s.dots) out << " = ...";
    place(s.range);
    out << '\n';
    {
      Indent in(*this);
      if (!s.doc.empty()) {
        begin() << "Doc ";
        quoted(s.doc, out);
        out << '\n';
      }
      for (const Attribute &a : s.attributes) {
        line("Attribute " + a.name.text + (a.hasArgs && a.args.empty() ? " ()" : ""), a.range);
        Indent inner(*this);
        for (const Arg &x : a.args) arg(x);
      }
    }
    if (s.kind == Stmt::If) return ladder(s);
    Indent in(*this);
    switch (s.kind) {
    case Stmt::Import: text("Path", s); break;
    case Stmt::Test: text("Title", s); break;
    default: break;
    }
    if (s.type) type(*s.type);
    key(s);
    if (s.value) expr(*s.value);
    for (const ExprPtr &v : s.values) expr(*v);
    if (s.kind == Stmt::Assert && s.hasText) text("Message", s);
    switch (s.kind) {
    case Stmt::Layer:
    case Stmt::Model:
    case Stmt::Fn: definition(s); break;
    case Stmt::Test: block("Block", s.body); break;
    case Stmt::For:
      loop(s.loop);
      block("Block", s.body);
      break;
    default: break;
    }
  }
};

} // namespace

void printTree(const Program &program, const SourceManager &sources, std::ostream &out) {
  TreePrinter(sources, out).program(program);
}

} // namespace triton::ast
