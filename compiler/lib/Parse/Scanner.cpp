// The scanner: one pass over the bytes. After an error it goes on with the token that was most likely meant, so that one
// wrong character is one message.
#include "Scanner.h"

#include "LookAlikes.h"
#include "TritonParser.h"

#include "triton/Support/Utf8.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

namespace triton::parse {

using P = grammar::TritonParser;

namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isHexDigit(char c) { return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool isWordCharacter(char c) { return isLetter(c) || isDigit(c); }

struct Word {
  std::string_view text;
  uint8_t type;
};
/// In the order of their texts, for the search.
constexpr Word words[] = {
    {"Tensor", P::TENSOR},      {"TernaryTensor", P::TERNARY_TENSOR}, {"Weight", P::WEIGHT},
    {"and", P::AND},            {"as", P::AS},                        {"assert", P::ASSERT},
    {"bfloat16", P::BFLOAT16},  {"bool", P::BOOL},                    {"else", P::ELSE},
    {"false", P::FALSE},        {"float16", P::FLOAT16},              {"float32", P::FLOAT32},
    {"fn", P::FN},              {"for", P::FOR},                      {"if", P::IF},
    {"import", P::IMPORT},      {"in", P::IN},                        {"int16", P::INT16},
    {"int32", P::INT32},        {"int4", P::INT4},                    {"int6", P::INT6},
    {"int64", P::INT64},        {"int8", P::INT8},                    {"layer", P::LAYER},
    {"let", P::LET},            {"match", P::KEPT},                   {"model", P::MODEL},
    {"not", P::NOT},            {"or", P::OR},                        {"param", P::PARAM},
    {"return", P::RETURN},      {"state", P::KEPT},                   {"step", P::STEP},
    {"tensor", P::TENSOR_LOWER}, {"test", P::TEST},                   {"then", P::THEN},
    {"trit", P::TRIT},          {"true", P::TRUE},                    {"uint4", P::UINT4},
    {"uint6", P::UINT6},        {"uint8", P::UINT8},                  {"use", P::USE},
    {"while", P::KEPT},
};
static_assert(std::is_sorted(std::begin(words), std::end(words), [](Word a, Word b) { return a.text < b.text; }));

uint8_t wordType(std::string_view text) {
  auto found = std::lower_bound(std::begin(words), std::end(words), text, [](const Word &w, auto t) { return w.text < t; });
  return found != std::end(words) && found->text == text ? found->type : static_cast<uint8_t>(P::NAME);
}

/// Longer ones first.
constexpr Word operators[] = {
    {"...", P::ELLIPSIS}, {"..", P::RANGE},  {"->", P::ARROW},    {"==", P::EQ},       {"!=", P::NE},       {"<=", P::LE},
    {">=", P::GE},        {".", P::DOT},     {"<", P::LT},        {">", P::GT},        {"=", P::ASSIGN},    {"+", P::PLUS},
    {"-", P::MINUS},      {"*", P::STAR},    {"/", P::SLASH},     {"%", P::PERCENT},   {"@", P::AT},        {"(", P::LPAREN},
    {")", P::RPAREN},     {"[", P::LBRACKET}, {"]", P::RBRACKET}, {"{", P::LBRACE},    {"}", P::RBRACE},    {",", P::COMMA},
    {":", P::COLON},      {";", P::SEMICOLON}, {"|", P::BAR},     {"?", P::QUESTION},
};

std::optional<Word> operatorAt(std::string_view text) {
  for (const Word &w : operators)
    if (text.starts_with(w.text)) return w;
  return std::nullopt;
}

const LookAlike *findLookAlike(uint32_t code) {
  for (const LookAlike &l : lookAlikes)
    if (l.code == code) return &l;
  return nullptr;
}

/// Digits with single `_` between them.
bool digitsWithSeparators(std::string_view text, bool (*digit)(char)) {
  if (text.empty() || text.front() == '_' || text.back() == '_') return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (!digit(text[i]) && (text[i] != '_' || text[i + 1] == '_')) return false;
  return true;
}

bool wellFormedInteger(std::string_view t) {
  if (t.starts_with("0x")) return digitsWithSeparators(t.substr(2), isHexDigit);
  if (t.starts_with("0b")) return digitsWithSeparators(t.substr(2), [](char c) { return c == '0' || c == '1'; });
  return digitsWithSeparators(t, isDigit);
}

bool wellFormedFloat(std::string_view t) {
  size_t i = 0;
  auto digits = [&] {
    size_t from = i;
    while (i < t.size() && isDigit(t[i])) ++i;
    return i != from;
  };
  size_t whole = t.find_first_of(".eE");
  if (whole == std::string_view::npos || !digitsWithSeparators(t.substr(0, whole), isDigit)) return false;
  i = whole;
  if (t[i] == '.') {
    ++i;
    if (!digits()) return false;
  }
  if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
    ++i;
    if (i < t.size() && (t[i] == '+' || t[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == t.size();
}

std::string withoutSeparators(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

class Scanner {
public:
  Scanner(const SourceManager &sources, FileId file, DiagnosticEngine &diags)
      : text(sources.text(file)), file(file), diags(diags) {
    out.tokens.reserve(text.size() / 4 + 16);
  }

  ScannedFile run() {
    if (text.starts_with("\xEF\xBB\xBF")) at = 3;
    while (at < text.size() && errors <= errorLimit) next();
    out.gaveUp = errors > errorLimit;
    token(endOfText, text.size(), text.size());
    return std::move(out);
  }

private:
  std::string_view text;
  FileId file;
  DiagnosticEngine &diags;
  ScannedFile out;
  size_t at = 0;
  bool lineStart = true;
  bool taintedLine = false;
  unsigned errors = 0;
  std::string doc;
  bool hasDoc = false;

  char peek(size_t ahead = 0) const { return at + ahead < text.size() ? text[at + ahead] : '\0'; }

  Token &token(uint8_t type, size_t begin, size_t end) {
    Token t;
    t.type = type;
    t.begin = static_cast<uint32_t>(begin);
    t.end = static_cast<uint32_t>(end);
    t.firstOnLine = lineStart;
    t.tainted = taintedLine;
    lineStart = false;
    if (hasDoc) {
      out.docs.emplace(t.begin, std::move(doc));
      doc.clear();
      hasDoc = false;
    }
    out.tokens.push_back(t);
    return out.tokens.back();
  }

  SourceRange range(size_t begin, size_t end) const {
    return {file, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)};
  }
  DiagnosticBuilder error(Diag code, size_t begin, size_t end, std::initializer_list<std::string> arguments = {}) {
    ++errors;
    if (!taintedLine) {
      taintedLine = true;
      if (!lineStart)
        for (size_t i = out.tokens.size(); i-- > 0;) {
          out.tokens[i].tainted = true;
          if (out.tokens[i].firstOnLine) break;
        }
    }
    return diags.report(code, range(begin, end), arguments);
  }
  DiagnosticBuilder illegal(size_t begin, size_t length) {
    uint32_t code = utf8Decode(text.substr(begin, length));
    char number[12];
    std::snprintf(number, sizeof number, "%04X", code);
    return error(Diag::IllegalCharacter, begin, begin + length, {std::string(text.substr(begin, length)), number});
  }

  void next() {
    char c = text[at];
    auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\r') {
      lineStart = true;
      taintedLine = false;
      ++at;
    } else if (c == ' ' || c == '\t') {
      ++at;
    } else if (c == '#') {
      comment();
    } else if (isLetter(c)) {
      word();
    } else if (isDigit(c) || (c == '.' && isDigit(peek(1)))) {
      number();
    } else if (c == '"') {
      string(at, "\"");
    } else if (byte >= 0x80) {
      foreign();
    } else if (auto op = operatorAt(text.substr(at))) {
      token(op->type, at, at + op->text.size());
      at += op->text.size();
    } else {
      strayAscii();
    }
  }

  /// A byte of a comment or string that is not printable ASCII: true if it was an error. Advances `at` past it.
  bool textCharacter() {
    auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x20 && byte < 0x7F) return ++at, false;
    if (byte == '\t') return ++at, false;
    if (byte < 0x80) {
      illegal(at, 1);
      return ++at, true;
    }
    size_t length = utf8Length(text.substr(at, 4));
    if (length == 0) return invalidUtf8(), true;
    bool control = utf8Decode(text.substr(at, length)) < 0xA0;
    if (control) illegal(at, length);
    at += length;
    return control;
  }

  /// One message for a run of bytes that are not UTF-8.
  void invalidUtf8() {
    size_t begin = at;
    while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80 && utf8Length(text.substr(at, 4)) == 0) ++at;
    error(Diag::InvalidUtf8, begin, at);
  }

  bool atLineEnd() const { return at >= text.size() || text[at] == '\n' || text[at] == '\r'; }

  void comment() {
    bool isDoc = lineStart && peek(1) == '#';
    size_t begin = at + 2;
    while (!atLineEnd() && errors <= errorLimit) textCharacter();
    if (!isDoc) return;
    std::string_view line = text.substr(begin, at - begin);
    if (line.starts_with(' ')) line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    if (hasDoc) doc += '\n';
    doc += line;
    hasDoc = true;
  }

  /// Whether a character outside ASCII is meant as part of a name: what is no punctuation, symbol or space.
  static bool isForeignLetter(uint32_t code) {
    const LookAlike *like = findLookAlike(code);
    if (like) return !like->ascii.empty() && isLetter(like->ascii[0]);
    return code >= 0xC0 && !(code >= 0x2000 && code <= 0x2BFF) && !(code >= 0x3000 && code <= 0x303F) &&
           !(code >= 0xE000 && code <= 0xF8FF) && !(code >= 0xFE00 && code <= 0xFFFF) && code < 0x1F000;
  }

  /// A name or word. Letters outside ASCII are one error, and belong to it: as the letter they look like if there is one.
  void word() {
    size_t begin = at;
    std::string spelling;
    bool reported = false, bad = false;
    while (at < text.size()) {
      if (isWordCharacter(text[at])) {
        spelling += text[at++];
        continue;
      }
      size_t length = static_cast<unsigned char>(text[at]) >= 0x80 ? utf8Length(text.substr(at, 4)) : 0;
      uint32_t code = length ? utf8Decode(text.substr(at, length)) : 0;
      if (!length || !isForeignLetter(code)) break;
      const LookAlike *like = findLookAlike(code);
      if (!reported) {
        if (like) lookAlikeError(at, length, *like);
        else illegal(at, length).help("names are of A-Z, a-z, 0-9 and '_'; comments and strings may hold any text");
      }
      reported = true;
      bad = bad || !like;
      if (like) spelling += like->ascii;
      else spelling += text.substr(at, length);
      at += length;
    }
    if (reported) out.corrected.emplace(static_cast<uint32_t>(begin), spelling);
    token(wordType(spelling), begin, at).bad = bad;
  }

  void number() {
    size_t begin = at;
    auto run = [&] {
      while (at < text.size() && isWordCharacter(text[at])) ++at;
    };
    run();
    bool hex = text.substr(begin, at - begin).starts_with("0x");
    bool point = false;
    auto exponent = [&] {
      // The sign belongs to the number only after the `e` of a decimal one.
      if (hex || at == begin || (text[at - 1] != 'e' && text[at - 1] != 'E')) return;
      if ((peek() == '+' || peek() == '-') && isDigit(peek(1))) {
        ++at;
        run();
      }
    };
    exponent();
    while (peek() == '.' && isDigit(peek(1))) {
      point = true;
      ++at;
      run();
      exponent();
    }
    bool trailingPoint = peek() == '.' && peek(1) != '.';
    if (trailingPoint) {
      ++at;
      // `5.foo` is `5.` and a name; the message is about the point.
    }
    std::string_view literal = text.substr(begin, at - begin);
    std::string shown(literal);
    bool integer = wellFormedInteger(literal);
    Token &t = token(static_cast<uint8_t>(integer || !(point || trailingPoint) ? P::INT : P::FLOAT), begin, at);
    if (integer) {
      int64_t value;
      if (integerValue(literal, value)) return;
      t.bad = true;
      error(Diag::IntegerTooLarge, begin, at, {shown}).help("the largest integer is 9223372036854775807");
      return;
    }
    if (wellFormedFloat(literal)) {
      t.type = P::FLOAT;
      double value;
      if (floatValue(literal, value)) return;
      t.bad = true;
      error(Diag::FloatOutOfRange, begin, at, {shown});
      return;
    }
    t.bad = true;
    auto message = error(Diag::MalformedNumber, begin, at, {shown});
    if (literal.front() == '.') message.help("write a digit before the point: 0" + shown);
    else if (trailingPoint && wellFormedInteger(literal.substr(0, literal.size() - 1)))
      message.help("write a digit after the point: " + shown + "0");
    else if (literal.starts_with("0X") || literal.starts_with("0B"))
      message.help("write '0x' and '0b' in lower case");
    else if (literal.find('_') != std::string_view::npos)
      message.help("'_' may stand only between two digits");
    else if (literal.starts_with("0x"))
      message.help("'0x' is followed by digits and the letters a to f");
    else if (literal.starts_with("0b"))
      message.help("'0b' is followed by the digits 0 and 1");
    else if (literal.back() == 'e' || literal.back() == 'E')
      message.help("write the exponent after '" + shown.substr(shown.size() - 1) + "'");
    else if (!point && !trailingPoint)
      message.help("a name cannot begin with a digit");
  }

  /// A string that opens at `open` with `quote` (`"`, or a look-alike that was reported already).
  void string(size_t open, std::string_view quote) {
    bool plain = quote == "\"";
    at = open + quote.size();
    bool bad = !plain;
    while (!atLineEnd() && errors <= errorLimit) {
      if (plain && text[at] == '"') {
        ++at;
        token(P::STRING, open, at).bad = bad;
        return;
      }
      if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] != '\n' && text[at + 1] != '\r') {
        char escaped = text[at + 1];
        if (escaped != '"' && escaped != '\\' && escaped != 'n' && escaped != 't') {
          size_t length = std::max<size_t>(1, utf8Length(text.substr(at + 1, 4)));
          error(Diag::UnknownEscape, at, at + 1 + length, {std::string(text.substr(at + 1, length))})
              .help("the escapes are \\\" \\\\ \\n and \\t");
          bad = true;
          ++at;
          // What follows the backslash is looked at like any other character, but never ends the string.
          textCharacter();
        } else {
          at += 2;
        }
        continue;
      }
      if (textCharacter()) bad = true;
    }
    // It ends where the line does, less what more likely belongs to the code around it: then a forgotten quote does not take
    // the closing brackets with it.
    size_t end = at;
    while (end > open + quote.size() && std::string_view(" \t)]},;{").find(text[end - 1]) != std::string_view::npos) --end;
    if (plain) error(Diag::UnterminatedString, open, end).help("close it with '\"' on the same line");
    at = end;
    token(P::STRING, open, end).bad = true;
  }

  DiagnosticBuilder lookAlikeError(size_t begin, size_t length, const LookAlike &like) {
    std::string fix = like.ascii.empty()  ? "remove " + std::string(like.name) + ", it cannot be seen"
                      : like.ascii == " " ? "this is " + std::string(like.name) + "; write a plain space"
                                          : "this is " + std::string(like.name) + "; write '" + std::string(like.ascii) + "'";
    auto message = illegal(begin, length);
    message.help(std::move(fix)).fixit(range(begin, begin + length), std::string(like.ascii));
    return message;
  }

  /// A quotation mark of another script or ': the text to its partner on the same line is taken for a string.
  bool foreignString(std::string_view open) {
    static constexpr std::string_view closers[] = {"\xE2\x80\x9D", "\xE2\x80\x9C", "\xE2\x80\x99", "\xE2\x80\x98",
                                                   "\xC2\xBB",     "\xC2\xAB",     "\"",           "'"};
    size_t lineEnd = std::min(text.find_first_of("\r\n", at), text.size());
    std::string_view rest = text.substr(at + open.size(), lineEnd - at - open.size());
    size_t best = std::string_view::npos, bestLength = 0;
    for (std::string_view closer : closers) {
      size_t p = rest.find(closer);
      if (p < best) {
        best = p;
        bestLength = closer.size();
      }
    }
    if (best == std::string_view::npos) return false;
    size_t begin = at;
    at = at + open.size() + best + bestLength;
    token(P::STRING, begin, at).bad = true;
    return true;
  }

  /// A character outside ASCII where a token should begin.
  void foreign() {
    size_t length = utf8Length(text.substr(at, 4));
    if (length == 0) return invalidUtf8();
    uint32_t code = utf8Decode(text.substr(at, length));
    if (isForeignLetter(code)) return word();
    const LookAlike *like = findLookAlike(code);
    LookAlike made{};
    char fullWidth[2] = {};
    if (!like && code >= 0xFF01 && code <= 0xFF5E) {
      fullWidth[0] = static_cast<char>(code - 0xFF01 + '!');
      made = {code, std::string_view(fullWidth, 1), "a full-width character"};
      like = &made;
    } else if (!like && code >= 0x2000 && code <= 0x200A) {
      made = {code, " ", "a typographic space"};
      like = &made;
    }
    if (like) {
      lookAlikeError(at, length, *like);
      if (like->ascii == "\"" && foreignString(text.substr(at, length))) return;
      if (auto op = operatorAt(like->ascii)) token(op->type, at, at + length);
      at += length;
      return;
    }
    // One message for a run of symbols.
    size_t begin = at;
    do at += length;
    while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80 &&
           (length = utf8Length(text.substr(at, 4))) != 0 && !findLookAlike(utf8Decode(text.substr(at, length))) &&
           !isForeignLetter(utf8Decode(text.substr(at, length))));
    size_t first = utf8Length(text.substr(begin, 4));
    auto message = illegal(begin, first);
    if (code >= 0xA0) message.help("only comments and strings may hold characters outside ASCII");
  }

  /// An ASCII character that no token has.
  void strayAscii() {
    char c = text[at];
    auto message = illegal(at, 1);
    if (c == '!') message.help("write 'not'").fixit(range(at, at + 1), "not ");
    else if (c == '&') message.help("write 'and'");
    else if (c == '^') message.help("there is no power operator; multiply instead");
    else if (c == '\'') message.help("strings stand in '\"'");
    else if (c == '\\') message.help("a line needs no mark to go on in the next one");
    if (c == '\'' && foreignString("'")) return;
    if (c == '!') token(P::NOT, at, at + 1);
    if (c == '&') token(P::AND, at, at + (peek(1) == '&' ? 2 : 1));
    // A run of one character, or of control characters, is one fault.
    auto isControl = [](char x) { return static_cast<unsigned char>(x) < 0x20 && x != '\n' && x != '\r' && x != '\t'; };
    while (at + 1 < text.size() && (text[at + 1] == c || (isControl(c) && isControl(text[at + 1])))) ++at;
    ++at;
  }
};

} // namespace

ScannedFile scan(const SourceManager &sources, FileId file, DiagnosticEngine &diags) {
  return Scanner(sources, file, diags).run();
}

std::string unescape(std::string_view literal) {
  if (!literal.empty()) literal.remove_prefix(1);
  if (!literal.empty()) literal.remove_suffix(1);
  std::string out;
  for (size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      out += literal[i];
      continue;
    }
    char c = literal[++i];
    out += c == 'n' ? '\n' : c == 't' ? '\t' : c;
  }
  return out;
}

bool integerValue(std::string_view literal, int64_t &value) {
  std::string digits = withoutSeparators(literal);
  int base = digits.starts_with("0x") ? 16 : digits.starts_with("0b") ? 2 : 10;
  const char *first = digits.data() + (base == 10 ? 0 : 2);
  auto [end, status] = std::from_chars(first, digits.data() + digits.size(), value, base);
  return status == std::errc() && end == digits.data() + digits.size();
}

bool floatValue(std::string_view literal, double &value) {
  std::string digits = withoutSeparators(literal);
  auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (status == std::errc()) return true;
  // Out of range either way: too large, or so small that rounding to nearest gives zero. The place of the first digit that
  // counts tells which.
  value = 0;
  size_t e = std::min(digits.find_first_of("eE"), digits.size());
  std::string_view mantissa = std::string_view(digits).substr(0, e);
  size_t point = std::min(mantissa.find('.'), mantissa.size());
  size_t first = mantissa.find_first_not_of("0.");
  if (first == std::string_view::npos) return true;
  int64_t magnitude = static_cast<int64_t>(point) - static_cast<int64_t>(first) + (first > point ? 1 : 0);
  int64_t exponent = 0;
  if (e < digits.size()) {
    const char *sign = digits.data() + e + 1;
    bool negative = *sign == '-';
    if (std::from_chars(sign + (negative || *sign == '+'), digits.data() + digits.size(), exponent).ec != std::errc())
      exponent = INT64_MAX / 2;
    if (negative) exponent = -exponent;
  }
  return magnitude + exponent <= 0;
}

bool isReservedWord(uint8_t type) { return type >= P::LAYER && type <= P::KEPT; }

} // namespace triton::parse
