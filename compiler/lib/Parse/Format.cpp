// The formatter works on the tokens, which keeps literals as they were written and comments where they stand. The tree tells
// it where statements begin and which blocks fit on their line.
#include "triton/Parse/Format.h"

#include "Scanner.h"
#include "Structure.h"
#include "TritonParser.h"

#include "triton/Parse/Parser.h"

#include <unordered_map>
#include <unordered_set>

namespace triton {

using P = grammar::TritonParser;
using namespace parse;

namespace {

/// Where statements and attributes begin, and the blocks that stay on one line, by the offsets of their tokens.
struct Layout {
  std::string_view text;
  std::unordered_set<uint32_t> starts;
  std::unordered_set<uint32_t> inlineBraces; ///< Both braces of such a block.
  std::unordered_set<uint32_t> inlineStarts; ///< Statements of such a block: they begin no line.

  void block(const ast::Block &b) {
    std::string_view written = text.substr(b.range.begin, b.range.end - b.range.begin);
    bool fits = written.find_first_of("\r\n#") == std::string_view::npos && b.items.size() <= 1 &&
                (b.items.empty() || b.items[0]->attributes.empty());
    for (const ast::StmtPtr &s : b.items) fits = statement(*s) && fits;
    if (!fits) return;
    inlineBraces.insert(b.range.begin);
    inlineBraces.insert(b.range.end - 1);
    for (const ast::StmtPtr &s : b.items) inlineStarts.insert(s->keyword.begin);
  }
  /// True if the statement stands on one line.
  bool statement(const ast::Stmt &s) {
    starts.insert(s.keyword.begin);
    for (const ast::Attribute &a : s.attributes) starts.insert(a.range.begin);
    bool fits = true;
    auto part = [&](const ast::Block &b) {
      block(b);
      fits = fits && (inlineBraces.count(b.range.begin) != 0);
    };
    switch (s.kind) {
    case ast::Stmt::Layer:
    case ast::Stmt::Model:
    case ast::Stmt::Fn:
    case ast::Stmt::Test:
    case ast::Stmt::For: part(s.body); break;
    case ast::Stmt::If:
      for (const ast::Stmt *rung = &s; rung; rung = rung->elseIf.get()) {
        part(rung->body);
        if (rung->elseBlock) part(*rung->elseBlock);
      }
      break;
    default: break;
    }
    return fits;
  }
};

bool isTensorHead(uint8_t type) { return type >= P::TENSOR_LOWER && type <= P::WEIGHT; }
bool endsOperand(uint8_t type) {
  return isNameToken(type) || (type >= P::TRIT && type <= P::FLOAT32) || isTensorHead(type) || type == P::INT ||
         type == P::FLOAT || type == P::STRING || type == P::TRUE || type == P::FALSE || type == P::RPAREN ||
         type == P::RBRACKET;
}

class Formatter {
public:
  Formatter(std::string_view text, const std::vector<Token> &tokens, const Layout &layout)
      : text(text), tokens(tokens), layout(layout) {}

  std::string run() {
    uint32_t previousEnd = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const Token &t = tokens[i];
      gap(text.substr(previousEnd, t.begin - previousEnd), t);
      previousEnd = t.end;
      if (t.type == P::SEMICOLON) continue; // it means nothing
      if (t.type == endOfText) break;
      emit(t);
      newlines = 0;
      sawComment = false;
    }
    while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
    if (!out.empty()) out += '\n';
    return std::move(out);
  }

private:
  std::string_view text;
  const std::vector<Token> &tokens;
  const Layout &layout;
  std::string out;
  unsigned newlines = 0; ///< Line ends since the last token or comment.
  bool sawComment = false;
  bool wroteComment = false; ///< The last line is a comment: only a new line may follow.
  // About the token emitted last:
  uint8_t before = 0, beforeThat = 0;
  bool beforeUnary = false; ///< It is a `-` or `@` that belongs to what follows.
  bool tightAssign = false; ///< It is the `=` of an argument.
  bool inAngle = false;     ///< Inside the `<>` of a type, which was opened at `angleDepth`.
  unsigned angleDepth = 0;

  bool statementStart(const Token &t) const {
    return layout.starts.count(t.begin) != 0 && layout.inlineStarts.count(t.begin) == 0;
  }

  static unsigned indentOf(const Token &t, bool continued) {
    unsigned brackets = t.brackets;
    return 4 * (t.blocks + brackets + (continued && brackets == 0 ? 1 : 0));
  }

  void newLine(unsigned indent, bool blank) {
    while (!out.empty() && out.back() == ' ') out.pop_back();
    if (!out.empty()) out += blank ? "\n\n" : "\n";
    out.append(indent, ' ');
    wroteComment = false;
  }

  /// Counts the line ends before a token and writes the comments there.
  void gap(std::string_view between, const Token &next) {
    for (size_t i = 0; i < between.size(); ++i) {
      char c = between[i];
      if (c == '\n' || c == '\r') {
        if (c == '\r' && i + 1 < between.size() && between[i + 1] == '\n') ++i;
        ++newlines;
        continue;
      }
      if (c != '#') continue;
      size_t end = std::min(between.find_first_of("\r\n", i), between.size());
      std::string_view comment = between.substr(i, end - i);
      while (!comment.empty() && (comment.back() == ' ' || comment.back() == '\t')) comment.remove_suffix(1);
      if (newlines == 0 && !out.empty() && !wroteComment) {
        out += "  ";
      } else {
        // A comment before a closing brace belongs to what is inside.
        bool closes = next.type == P::RBRACE || next.type == P::RPAREN || next.type == P::RBRACKET;
        bool inside = next.brackets != 0 || statementStart(next) || next.type == endOfText || closes;
        newLine(indentOf(next, !inside) + (closes ? 4 : 0), newlines > 1 && before != P::LBRACE && next.brackets == 0);
      }
      out += comment;
      wroteComment = sawComment = true;
      newlines = 0;
      i = end - 1;
    }
  }

  /// Whether the token after `name` in brackets is the `=` of an argument: no type stands before it.
  bool isArgument(const Token &t) const {
    return t.brackets != 0 && isNameToken(before) && (beforeThat == P::LPAREN || beforeThat == P::COMMA);
  }

  bool spaceBefore(const Token &t) const {
    switch (t.type) {
    case P::COMMA:
    case P::RPAREN:
    case P::RBRACKET:
    case P::COLON:
    case P::RANGE:
    case P::BAR: return false;
    case P::DOT: return before == P::INT; // `5.x` would be a malformed number
    case P::LPAREN:
    case P::LBRACKET:
      if (inAngle && before == P::COMMA) return true;
      if (endsOperand(before)) return false;
      break;
    case P::ASSIGN:
      // `f(name=value)`, but `fn f(name: T = value)`.
      if (isArgument(t)) return false;
      break;
    case P::LT:
      if (isTensorHead(before)) return false;
      break;
    case P::GT:
      if (inAngle) return false;
      break;
    default: break;
    }
    switch (before) {
    case P::LPAREN:
    case P::LBRACKET:
    case P::DOT:
    case P::RANGE:
    case P::ATTR:
    case P::BAR: return false;
    case P::ASSIGN: return !tightAssign;
    case P::MINUS: return !beforeUnary;
    case P::AT: return !beforeUnary;
    case P::LT: return !inAngle;
    default: return true;
    }
  }

  void emit(const Token &t) {
    bool start = statementStart(t);
    bool first = out.empty() && !wroteComment;
    bool closesBlock = t.type == P::RBRACE && layout.inlineBraces.count(t.begin) == 0;
    bool joins = t.type == P::ELSE || t.type == P::LBRACE;
    bool closes = t.type == P::RBRACE || t.type == P::RPAREN || t.type == P::RBRACKET;
    bool kept = newlines > 0 && !joins && t.type != P::RBRACE && !layout.inlineStarts.count(t.begin);
    if (first) {
      // nothing before it
    } else if (wroteComment || start || closesBlock || kept) {
      bool blank = newlines > 1 && (start || sawComment) && before != P::LBRACE && t.type != P::RBRACE && t.brackets == 0;
      newLine(indentOf(t, !start && !closes && !joins), blank);
    } else if (t.type == P::RBRACE) {
      out += ' ';
    } else if (spaceBefore(t)) {
      out += ' ';
    }
    bool attribute = t.type == P::ATTR || (t.type == P::AT && layout.starts.count(t.begin) != 0);
    bool unary = (t.type == P::MINUS && !endsOperand(before)) || attribute;
    tightAssign = t.type == P::ASSIGN && isArgument(t);
    if (t.type == P::LT && isTensorHead(before)) {
      inAngle = true;
      angleDepth = t.brackets;
    } else if (t.type == P::GT && inAngle && t.brackets == angleDepth) {
      inAngle = false;
    }
    out += text.substr(t.begin, t.end - t.begin);
    beforeThat = before;
    before = t.type;
    beforeUnary = unary;
  }
};

} // namespace

std::optional<std::string> formatSource(const SourceManager &sources, FileId file, DiagnosticEngine &diags) {
  auto program = parseFile(sources, file, diags);
  if (program->hadErrors) return std::nullopt;
  // The tokens again: the parser's own are gone. Without errors nothing is reported twice.
  ScannedFile scanned = scan(sources, file, diags);
  structure(scanned, file, diags);
  Layout layout;
  layout.text = sources.text(file);
  for (const ast::StmtPtr &s : program->items) layout.statement(*s);
  return Formatter(sources.text(file), scanned.tokens, layout).run();
}

} // namespace triton
