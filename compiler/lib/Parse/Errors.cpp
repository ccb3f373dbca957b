#include "Errors.h"

#include "Scanner.h"
#include "Structure.h"
#include "TritonParser.h"

namespace triton::parse {

using P = grammar::TritonParser;

namespace {

bool isTensorHead(uint8_t type) { return type >= P::TENSOR_LOWER && type <= P::WEIGHT; }

/// What may follow any expression, and therefore tells nothing about what is missing.
bool continuesExpression(size_t type) {
  switch (type) {
  case P::DOT:
  case P::LPAREN:
  case P::LBRACKET:
  case P::PLUS:
  case P::MINUS:
  case P::STAR:
  case P::SLASH:
  case P::PERCENT:
  case P::AT:
  case P::EQ:
  case P::NE:
  case P::LT:
  case P::LE:
  case P::GT:
  case P::GE:
  case P::AND:
  case P::OR: return true;
  default: return false;
  }
}

} // namespace

std::string ErrorStrategy::textOf(size_t index) const { return std::string(sources.text(range(token(index)))); }

/// Where something is missing before a token: at the token, or at the end of the line before it.
SourceRange ErrorStrategy::place(size_t index) const {
  const Token &t = token(index);
  if (index == 0 || (!t.firstOnLine && t.type != endOfText)) return range(t);
  uint32_t end = token(index - 1).end;
  return {file, end, end};
}

std::string ErrorStrategy::found(size_t index) const {
  const Token &t = token(index);
  if (t.type == endOfText) return "the end of the file";
  if (t.firstOnLine && index > 0) return "the end of the line";
  return "'" + textOf(index) + "'";
}

/// A closer that was put in, and a line with an illegal character, have their message already.
bool ErrorStrategy::isConsequence(size_t index) const {
  auto reported = [&](const Token &t) { return t.inserted || t.tainted; };
  return reported(token(index)) || (index > 0 && reported(token(index - 1)));
}

std::string ErrorStrategy::after(size_t index) const { return index == 0 ? "" : " after '" + textOf(index - 1) + "'"; }

void ErrorStrategy::count() {
  if (++errors > errorLimit) throw antlr4::ParseCancellationException("too many syntax errors");
}

/// What is missing at `index`, told from what the grammar admits there and from the words before it.
std::string ErrorStrategy::expectation(const antlr4::misc::IntervalSet &set, const antlr4::dfa::Vocabulary &vocabulary,
                                       size_t rule, size_t index) const {
  auto has = [&](size_t type) { return set.contains(type); };
  uint8_t before = index > 0 ? token(index - 1).type : endOfText;
  uint8_t beforeThat = index > 1 ? token(index - 2).type : endOfText;

  if (before == P::LBRACKET && isTensorHead(beforeThat)) return "a shape after '" + textOf(index - 2) + "['";
  if (rule == P::RuleExpr && isTensorHead(before)) return "a shape in '[]'" + after(index);
  if (has(P::INT)) {
    if (has(P::QUESTION)) return "a dimension or a dtype" + after(index);
    if (before == P::IF) return "a condition" + after(index);
    return "an expression" + after(index);
  }
  if (has(P::TENSOR) && has(P::FLOAT32)) return "a type" + after(index);
  if (has(P::FLOAT32)) return "a dtype" + after(index);
  if (has(P::NAME)) {
    if (before == P::DOT) return "a member name after '.'";
    if (before == P::ATTR || before == P::AT) return "the name of an attribute after '@'";
    if (rule == P::RuleParameter || rule == P::RuleParams || ((rule == P::RuleFnHead || rule == P::RuleLayerHead || rule == P::RuleModelHead) && before == P::LPAREN))
      return "a parameter" + after(index);
    return "a name" + after(index);
  }
  bool listBegins = before == P::LPAREN || before == P::LBRACKET || before == P::COMMA;
  if (rule == P::RuleExpr && listBegins && has(P::RPAREN)) return "an argument or ')'" + after(index);
  if (rule == P::RuleExpr && listBegins && has(P::RBRACKET)) return "an element or ']'" + after(index);
  if ((rule == P::RuleLayerHead || rule == P::RuleFnHead || rule == P::RuleModelHead) && listBegins && has(P::RPAREN))
    return "a parameter or ')'" + after(index);
  if (has(P::STRING)) return "a string" + after(index);
  if (rule == P::RuleParameter && has(P::COLON)) return "':' and a type" + after(index);
  if (has(P::ARROW)) return "'->' and a type" + after(index);

  std::vector<std::string> texts;
  bool onlyOperators = true;
  for (ssize_t type : set.toList())
    if (!continuesExpression(static_cast<size_t>(type))) onlyOperators = false;
  for (ssize_t type : set.toList()) {
    if (!onlyOperators && continuesExpression(static_cast<size_t>(type))) continue;
    std::string literal = vocabulary.getLiteralName(static_cast<size_t>(type));
    if (!literal.empty()) texts.push_back(literal);
  }
  if (texts.empty()) return "the end of the file";
  if (texts.size() > 3) return "a statement" + after(index);
  std::string out;
  for (size_t i = 0; i < texts.size(); ++i) out += (i == 0 ? "" : i + 1 == texts.size() ? " or " : ", ") + texts[i];
  return out + after(index);
}

bool ErrorStrategy::startsStatement(size_t index) const {
  const Token &t = token(index);
  uint8_t before = index > 0 ? token(index - 1).type : static_cast<uint8_t>(P::SEMICOLON);
  bool first = t.firstOnLine || before == P::SEMICOLON || before == P::LBRACE || before == P::RBRACE;
  uint8_t next = token(index + 1).type;
  switch (t.type) {
  case P::LET:
  case P::RETURN:
  case P::RETURN_VALUE:
  case P::ASSERT:
  case P::FN:
  case P::ATTR:
  case P::SEMICOLON: return true;
  case P::FOR:
  case P::IF: return first;
  case P::LAYER: return first && isNameToken(next);
  case P::KEPT: return t.firstOnLine;
  default:
    if (!isNameToken(t.type) || !first) return false;
    // After an error a name that begins a line begins a statement, unless the line before asks for an operand.
    return next == P::ASSIGN || !(continuesExpression(before) || before == P::COMMA || before == P::ASSIGN);
  }
}

size_t ErrorStrategy::nextStatement(size_t from, unsigned blocks) const {
  size_t i = from;
  for (; token(i).type != endOfText; ++i) {
    const Token &t = token(i);
    if (t.blocks < blocks) break; // the end of the block around it
    if (t.blocks == blocks && t.brackets == 0 && startsStatement(i)) break;
  }
  return i;
}

/// A token with which no statement begins.
void ErrorStrategy::unexpectedStatement(size_t index) {
  const Token &t = token(index);
  if (isConsequence(index)) return;
  count();
  if (t.type == P::KEPT) {
    diags.report(Diag::ReservedWord, range(t), {textOf(index)}).help("it is kept for a later version of the language");
    return;
  }
  auto message = diags.report(Diag::Unexpected, range(t), {textOf(index)});
  if (t.type == P::ELSE) message.help("there is no 'if' that it could belong to");
  else if (t.type == P::SLASH && token(index + 1).type == P::SLASH) message.help("a comment begins with '#'");
  else if (startsExpression(t.type))
    message.help("an expression is no statement: bind it with 'let', or check it with 'assert'");
}

/// A statement that begins with a name which no `=` follows.
void ErrorStrategy::misspeltStatement(size_t start, size_t index) {
  static const std::vector<std::string> keywords = {"layer", "fn",    "let",    "return", "for",    "if",  "else",
                                                    "assert", "model", "param", "import", "use", "test"};
  static const std::pair<std::string_view, std::string_view> foreign[] = {
      {"def", "fn"}, {"func", "fn"}, {"function", "fn"}, {"class", "layer"}, {"var", "let"}, {"const", "let"}, {"from", "import"},
      {"elif", "else if"}, {"include", "import"}};
  std::string word = textOf(start);
  std::string meant;
  for (auto [theirs, ours] : foreign)
    if (word == theirs) meant = ours;
  if (meant.empty()) meant = nearestName(word, keywords);
  bool wordFollows = isNameToken(token(index).type) || token(index).type == P::STRING || token(index).type == P::LBRACE ||
                     isReservedWord(token(index).type);
  if (!meant.empty() && wordFollows && !token(index).firstOnLine) {
    diags.report(Diag::Unexpected, range(token(start)), {word})
        .help("did you mean '" + meant + "'?")
        .fixit(range(token(start)), meant);
    return;
  }
  auto message = diags.report(Diag::Expected, place(index), {"'=' after '" + word + "'", found(index)});
  if (token(index).type == P::LPAREN || token(index).type == P::DOT || token(index).type == P::LBRACKET)
    message.help("an expression is no statement: bind it with 'let', or check it with 'assert'");
}

void ErrorStrategy::reportError(antlr4::Parser *parser, const antlr4::RecognitionException &e) {
  if (recovering) return;
  recovering = true;
  size_t index = static_cast<const StreamToken *>(e.getOffendingToken())->index;
  const Token &t = token(index);
  if (isConsequence(index)) return;
  count();

  auto *ctx = static_cast<antlr4::ParserRuleContext *>(parser->getRuleContext());
  size_t rule = ctx->getRuleIndex();
  auto set = e.getExpectedTokens();
  if (rule == P::RuleAssignStmt) {
    size_t start = static_cast<const StreamToken *>(ctx->getStart())->index;
    if (index == start + 1) return misspeltStatement(start, index);
  }
  if (rule == P::RuleItem && index > 0 && token(index - 1).type != P::ATTR) {
    // The prediction looked past the first word of the statement.
    size_t start = static_cast<const StreamToken *>(ctx->getStart())->index;
    uint8_t first = token(start).type;
    if (index == start + 1 && isNameToken(first) && first != P::NAME) {
      std::string what = first == P::IMPORT ? "a file in quotes" : first == P::TEST ? "a title in quotes" : first == P::USE ? "a module" : "a name";
      if (isReservedWord(t.type) && !t.firstOnLine) {
        diags.report(Diag::ReservedWord, range(t), {textOf(index)});
        return;
      }
      diags.report(Diag::Expected, place(index), {what + after(index), found(index)});
      return;
    }
    if (index > start) {
      diags.report(Diag::Expected, place(index), {"a declaration after the attribute", found(index)});
      return;
    }
  }
  bool word = isReservedWord(t.type);
  uint8_t before = index > 0 ? token(index - 1).type : endOfText;
  bool nameWanted = set.contains(static_cast<size_t>(P::NAME)) || before == P::LPAREN || before == P::COMMA;
  bool asName = nameWanted && !set.contains(static_cast<size_t>(P::INT)) && !t.firstOnLine && !set.contains(static_cast<size_t>(P::FLOAT32));
  if (word && (asName || (nameWanted && (t.type == P::KEPT || token(index + 1).type == P::ASSIGN)))) {
    auto message = diags.report(Diag::ReservedWord, range(t), {textOf(index)});
    if (t.type == P::KEPT) message.help("it is kept for a later version of the language");
    else message.help("choose another name");
    return;
  }
  auto message = diags.report(Diag::Expected, place(index), {expectation(set, parser->getVocabulary(), rule, index), found(index)});
  if (t.type == P::SLASH && before == P::SLASH) message.help("a comment begins with '#'");
  else if (t.type == P::STAR && before == P::STAR) message.help("there is no power operator; multiply instead");
  else if (t.type == P::ASSIGN && (before == P::LT || before == P::GT)) message.help("write '<=' or '>=' without a space");
  else if (t.type == P::ASSIGN && rule != P::RuleArg && set.contains(static_cast<size_t>(P::EQ)))
    message.help("compare with '=='");
  else if (t.type == P::COLON && set.contains(static_cast<size_t>(P::LBRACE))) message.help("blocks stand in '{' and '}'");
}

antlr4::Token *ErrorStrategy::recoverInline(antlr4::Parser *parser) { throw antlr4::InputMismatchException(parser); }

void ErrorStrategy::sync(antlr4::Parser *parser) {
  auto *ctx = static_cast<antlr4::ParserRuleContext *>(parser->getRuleContext());
  size_t rule = ctx->getRuleIndex();
  if (rule != P::RuleProgram && rule != P::RuleBlock) return;
  size_t index = tokens.index();
  const Token &t = token(index);
  if (rule == P::RuleBlock && static_cast<const StreamToken *>(ctx->getStart())->index == index) return; // before its `{`
  switch (t.type) {
  case P::LAYER:
  case P::FN:
  case P::LET:
  case P::RETURN:
  case P::RETURN_VALUE:
  case P::FOR:
  case P::IF:
  case P::ASSERT:
  case P::ATTR:
  case P::SEMICOLON:
  case P::RBRACE:
  case endOfText: return;
  default:
    if (isNameToken(t.type)) return;
  }
  unexpectedStatement(index);
  tokens.seek(nextStatement(index + 1, t.blocks));
}

void ErrorStrategy::recover(antlr4::Parser *parser, std::exception_ptr e) {
  auto *ctx = static_cast<antlr4::ParserRuleContext *>(parser->getRuleContext());
  size_t start = static_cast<const StreamToken *>(ctx->getStart())->index;
  const Token &first = token(start);
  size_t i = tokens.index();
  switch (ctx->getRuleIndex()) {
  case P::RuleProgram:
    // Only the end of the text is missing there, and `sync` has seen to that.
    tokens.seek(tokens.size() - 1);
    recovering = false;
    return;
  case P::RuleItem:
    tokens.seek(nextStatement(std::max(i, start + 1), first.blocks));
    recovering = false;
    return;
  case P::RuleParameter:
  case P::RuleResultItem:
  case P::RuleArg:
  case P::RuleTypeArg: {
    // The next element, or the bracket that closes the list.
    if (first.brackets == 0) break;
    auto inList = [&](const Token &t) {
      return t.type != endOfText && t.blocks == first.blocks && t.brackets >= first.brackets;
    };
    while (inList(token(i)) && (token(i).type != P::COMMA || token(i).brackets != first.brackets)) ++i;
    uint8_t stop = token(i).type;
    if (stop != P::COMMA && stop != P::RPAREN && stop != P::RBRACKET) break;
    if (i == start && stop == P::COMMA) break; // an empty element: nothing to skip, nothing gained
    tokens.seek(i);
    recovering = false;
    return;
  }
  case P::RuleLayerHead:
  case P::RuleModelHead:
  case P::RuleFnHead:
  case P::RuleForHead:
  case P::RuleCondition:
    for (; token(i).type != endOfText && token(i).blocks >= first.blocks; ++i) {
      if (token(i).blocks != first.blocks || token(i).brackets != 0) continue;
      if (token(i).type == P::LBRACE) {
        tokens.seek(i);
        recovering = false;
        return;
      }
      if (i > start && startsStatement(i)) break;
    }
    break;
  default: break;
  }
  std::rethrow_exception(e);
}

} // namespace triton::parse
