// The structure scan. It follows the grammar just far enough to count what the parser would recurse into: brackets, blocks,
// prefix operators (a `-` ends with its operand, a `not` at `and`, `or` or the end of the expression), conditional
// expressions and ladders of `else if`.
#include "Structure.h"

#include "Scanner.h"
#include "TritonParser.h"

namespace triton::parse {

using P = grammar::TritonParser;

bool isNameToken(uint8_t type) { return type == P::NAME || (type >= P::MODEL && type <= P::AS); }

namespace {

bool isDType(uint8_t type) { return type >= P::TRIT && type <= P::FLOAT32; }
bool isTensorHead(uint8_t type) { return type >= P::TENSOR_LOWER && type <= P::WEIGHT; }
bool isOperand(uint8_t type) {
  return isNameToken(type) || isDType(type) || isTensorHead(type) || type == P::INT || type == P::FLOAT ||
         type == P::STRING || type == P::TRUE || type == P::FALSE || type == P::KEPT;
}

const char *bracketText(uint8_t type) {
  switch (type) {
  case P::LPAREN: return "(";
  case P::RPAREN: return ")";
  case P::LBRACKET: return "[";
  case P::RBRACKET: return "]";
  case P::LBRACE: return "{";
  default: return "}";
  }
}
uint8_t closerOf(uint8_t opener) {
  return static_cast<uint8_t>(opener == P::LPAREN ? P::RPAREN : opener == P::LBRACKET ? P::RBRACKET : P::RBRACE);
}

class StructureScan {
public:
  StructureScan(ScannedFile &scanned, FileId file, DiagnosticEngine &diags)
      : in(scanned.tokens), file(file), diags(diags) {
    out.reserve(in.size() + 8);
    levels.push_back({});
  }

  bool run() {
    for (index = 0; index < in.size() && in[index].type != endOfText; ++index) {
      if (errors > errorLimit) return false;
      if (!step(in[index])) return false;
    }
    const Token &end = in.back();
    while (levels.size() > 1) closeMissing(end.end);
    Token last = end;
    emit(last);
    in = std::move(out);
    return true;
  }

private:
  enum Prefix : uint8_t { Negate, Not, IfCondition, IfThen, IfElse };
  /// What the last token left: a statement may begin, an operand must follow, or an operand is complete.
  enum State : uint8_t { Start, Mid, End };
  struct Level {
    Token opener;
    size_t firstPrefix = 0; ///< Its prefix operators start here.
    unsigned ladder = 0;    ///< `else if`s of the ladder that is open in this block.
    bool afterBlock = false;
  };

  std::vector<Token> &in;
  FileId file;
  DiagnosticEngine &diags;
  std::vector<Token> out;
  std::vector<Level> levels; ///< The first one is the file.
  std::vector<Prefix> prefixes;
  size_t index = 0;
  unsigned blocks = 0, brackets = 0, ladders = 0;
  std::vector<unsigned> outerBrackets; ///< `brackets` outside each open block.
  State state = Start;
  unsigned errors = 0;

  SourceRange range(const Token &t) const { return {file, t.begin, t.end}; }
  uint8_t nextType(size_t ahead = 1) const { return index + ahead < in.size() ? in[index + ahead].type : endOfText; }
  uint8_t opener() const { return levels.size() > 1 ? levels.back().opener.type : static_cast<uint8_t>(0); }

  void emit(Token t) {
    t.blocks = static_cast<uint16_t>(blocks);
    t.brackets = static_cast<uint16_t>(brackets);
    out.push_back(t);
  }

  bool deepEnough(const Token &t) {
    if (levels.size() - 1 + prefixes.size() + ladders <= nestingLimit) return true;
    diags.report(Diag::NestingTooDeep, range(t));
    return false;
  }

  void endExpression() { prefixes.resize(levels.back().firstPrefix); }
  void popWhile(bool negations, bool nots) {
    while (prefixes.size() > levels.back().firstPrefix &&
           ((negations && prefixes.back() == Negate) || (nots && prefixes.back() == Not)))
      prefixes.pop_back();
  }
  /// Ends the expression up to the nearest conditional in that part, if there is one.
  bool popTo(Prefix part) {
    for (size_t i = prefixes.size(); i > levels.back().firstPrefix; --i)
      if (prefixes[i - 1] == part) return prefixes.resize(i), true;
    return false;
  }

  void open(const Token &t) {
    emit(t);
    Level level;
    level.opener = t;
    level.firstPrefix = prefixes.size();
    levels.push_back(level);
    if (t.type == P::LBRACE) {
      outerBrackets.push_back(brackets);
      brackets = 0;
      ++blocks;
      state = Start;
    } else {
      ++brackets;
      state = Mid;
    }
  }

  void close(const Token &t) {
    prefixes.resize(levels.back().firstPrefix);
    ladders -= levels.back().ladder;
    bool block = opener() == P::LBRACE;
    levels.pop_back();
    if (block) {
      --blocks;
      brackets = outerBrackets.back();
      outerBrackets.pop_back();
      levels.back().afterBlock = true;
    } else {
      --brackets;
    }
    emit(t);
    state = block ? Start : End;
  }

  /// Closes the innermost bracket with a closer that is not there, and says so. The place is right after the token before it,
  /// where the closer is missing.
  void closeMissing(uint32_t at) {
    const Token &o = levels.back().opener;
    uint32_t place = out.empty() ? at : out.back().end;
    if (out.empty() || !out.back().tainted) {
      ++errors;
      diags.report(Diag::NeverClosed, {file, place, place}, {bracketText(o.type)}).note(range(o), "opened here");
    }
    Token t;
    t.type = closerOf(o.type);
    t.begin = t.end = place;
    t.inserted = true;
    t.tainted = !out.empty() && out.back().tainted;
    close(t);
  }

  void closer(const Token &t) {
    // The nearest bracket that this one closes; `)` and `]` do not reach out of their block.
    size_t match = levels.size() - 1;
    while (match > 0 && closerOf(levels[match].opener.type) != t.type &&
           (t.type == P::RBRACE || levels[match].opener.type != P::LBRACE))
      --match;
    if (match > 0 && closerOf(levels[match].opener.type) == t.type) {
      while (levels.size() - 1 > match) closeMissing(t.begin);
      close(t);
      return;
    }
    if (levels.size() > 1 && opener() != P::LBRACE && t.type != P::RBRACE) {
      // The wrong one of two: read it as the right one.
      const Token o = levels.back().opener;
      std::string wanted = std::string("'") + bracketText(closerOf(o.type)) + "'";
      if (!t.tainted) {
        ++errors;
        diags.report(Diag::Expected, range(t), {wanted, std::string("'") + bracketText(t.type) + "'"})
            .note(range(o), "opened here");
      }
      Token fixed = t;
      fixed.type = closerOf(o.type);
      close(fixed);
      return;
    }
    if (t.tainted) return;
    // Where an operand was due, its absence has the same cause.
    if (state == Mid && !out.empty()) out.back().tainted = true;
    ++errors;
    diags.report(Diag::Unexpected, range(t), {bracketText(t.type)}).help("nothing is open that it could close");
  }

  /// A word that begins a statement and cannot stand inside brackets: what is open there was never closed.
  bool startsStatementForSure(const Token &t) const {
    switch (t.type) {
    case P::LET:
    case P::RETURN:
    case P::FN:
    case P::ASSERT:
    case P::LBRACE: return true;
    case P::LAYER: return t.firstOnLine && state != Mid && isNameToken(nextType());
    case P::MODEL: return t.firstOnLine && isNameToken(nextType()) && nextType(2) == P::LPAREN;
    case P::PARAM: return t.firstOnLine && isNameToken(nextType()) && nextType(2) == P::COLON;
    case P::USE: return t.firstOnLine && isNameToken(nextType());
    case P::IMPORT:
    case P::TEST: return t.firstOnLine && nextType() == P::STRING;
    default: return false;
    }
  }

  bool step(Token t) {
    if (brackets != 0 && startsStatementForSure(t))
      while (levels.size() > 1 && opener() != P::LBRACE) closeMissing(t.begin);
    if (levels.back().afterBlock) {
      levels.back().afterBlock = false;
      if (t.type != P::ELSE) {
        ladders -= levels.back().ladder;
        levels.back().ladder = 0;
      }
    }
    switch (t.type) {
    case P::LPAREN:
    case P::LBRACKET:
      if (state == Start) endExpression();
      open(t);
      return deepEnough(t);
    case P::LBRACE:
      endExpression();
      open(t);
      return deepEnough(t);
    case P::RPAREN:
    case P::RBRACKET:
    case P::RBRACE: closer(t); return true;
    case P::AT: {
      bool opens = t.firstOnLine;
      if (!out.empty()) {
        uint8_t before = out.back().type;
        opens = opens || before == P::LBRACE || before == P::RBRACE || before == P::SEMICOLON;
      }
      if (opens && brackets == 0) {
        t.type = P::ATTR;
        endExpression();
        state = Start;
      } else {
        popWhile(true, false);
        state = Mid;
      }
      break;
    }
    case P::MINUS:
      if (state == End) {
        popWhile(true, false);
        state = Mid;
        break;
      }
      prefixes.push_back(Negate);
      state = Mid;
      break;
    case P::NOT:
      if (state == End) endExpression();
      prefixes.push_back(Not);
      state = Mid;
      break;
    case P::STAR:
    case P::SLASH:
    case P::PERCENT:
    case P::PLUS:
    case P::EQ:
    case P::NE:
    case P::LT:
    case P::LE:
    case P::GT:
    case P::GE:
      popWhile(true, false);
      state = Mid;
      break;
    case P::AND:
    case P::OR:
      popWhile(true, true);
      state = Mid;
      break;
    case P::DOT: state = Mid; break; // a member: what stood before goes on
    case P::IF:
      if (state == Mid) {
        prefixes.push_back(IfCondition);
      } else {
        endExpression();
        state = Mid;
      }
      break;
    case P::THEN:
      if (popTo(IfCondition)) prefixes.back() = IfThen;
      else endExpression();
      state = Mid;
      break;
    case P::ELSE:
      if (state == End && popTo(IfThen)) {
        prefixes.back() = IfElse;
        state = Mid;
        break;
      }
      endExpression();
      state = Start;
      if (nextType() == P::IF) {
        ++levels.back().ladder;
        ++ladders;
      }
      break;
    case P::RETURN:
      endExpression();
      if (startsExpression(nextType())) t.type = P::RETURN_VALUE;
      state = Mid;
      break;
    case P::ASSERT:
    case P::COMMA:
    case P::COLON:
    case P::ASSIGN:
    case P::ARROW:
    case P::RANGE:
    case P::IN:
    case P::BAR:
      endExpression();
      state = Mid;
      break;
    case P::LAYER:
      if (state != Mid) endExpression();
      state = state == Mid ? End : Start;
      break;
    default:
      if (isOperand(t.type)) {
        if (state != Mid) endExpression(); // two operands side by side: the second begins something new
        state = End;
      } else {
        endExpression();
        state = Start;
      }
    }
    emit(t);
    return deepEnough(t);
  }
};

} // namespace

bool startsExpression(uint8_t type) {
  return isNameToken(type) || isDType(type) || isTensorHead(type) || type == P::INT || type == P::FLOAT ||
         type == P::STRING || type == P::TRUE || type == P::FALSE || type == P::MINUS || type == P::NOT || type == P::IF ||
         type == P::LPAREN || type == P::LBRACKET;
}

bool structure(ScannedFile &scanned, FileId file, DiagnosticEngine &diags) {
  return StructureScan(scanned, file, diags).run();
}

} // namespace triton::parse
