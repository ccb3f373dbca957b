// Source text without what means nothing. Errs on the side of keeping: text kept needlessly costs a look-up at the next level, text
// dropped wrongly would be a wrong answer.
#include "triton/Cache/Keys.h"

#include <algorithm>

namespace triton::cache {

namespace {

bool isSpace(char c) { return c == ' ' || c == '\t'; }
bool isLineEnd(char c) { return c == '\n' || c == '\r'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }
/// Characters that may continue a name or a number. A point may be a part of a number, and bytes outside ASCII of anything.
bool isWord(char c) {
  return isDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || static_cast<unsigned char>(c) >= 0x7F ||
         static_cast<unsigned char>(c) < 0x20;
}
/// Characters that are always tokens of their own.
bool isBracket(char c) { return std::string_view("()[]{},;").find(c) != std::string_view::npos; }

class Canonical {
public:
  explicit Canonical(std::string_view text) : text(text) { out.reserve(text.size()); }

  std::string run() {
    while (at < text.size()) next();
    return std::move(out);
  }

private:
  void next() {
    char c = text[at];
    if (isLineEnd(c)) {
      newLine = true;
      ++at;
    } else if (isSpace(c)) {
      ++at;
    } else if (c == '#') {
      comment();
    } else if (c == '"') {
      token(stringEnd());
    } else if (isBracket(c)) {
      token(at + 1);
    } else if (isWord(c)) {
      token(wordEnd());
    } else {
      // Operators stay as they are joined: `< =` is not `<=`.
      size_t end = at;
      while (end < text.size() && !isSpace(text[end]) && !isLineEnd(text[end]) && !isWord(text[end]) && !isBracket(text[end]) &&
             text[end] != '"' && text[end] != '#')
        ++end;
      token(end);
    }
  }

  /// Appends text[at, end) behind a space, or a line end where the source has one.
  void token(size_t end) {
    if (!out.empty()) out += newLine ? '\n' : ' ';
    newLine = false;
    out += text.substr(at, end - at);
    at = end;
  }

  void comment() {
    size_t end = at;
    bool plain = true;
    for (; end < text.size() && !isLineEnd(text[end]); ++end) {
      auto byte = static_cast<unsigned char>(text[end]);
      plain = plain && (byte == '\t' || (byte >= 0x20 && byte < 0x7F));
    }
    bool startsLine = newLine || out.empty();
    if (plain && !(startsLine && text.substr(at).starts_with("##"))) {
      at = end;
      return;
    }
    token(end);
    newLine = true;
  }

  /// The end of a string: its closing quote, or the end of a line that has none (an error, which no cache keeps).
  size_t stringEnd() const {
    size_t end = at + 1;
    while (end < text.size() && text[end] != '"' && !isLineEnd(text[end])) end += text[end] == '\\' ? 2 : 1;
    return std::min(text.size(), end < text.size() && text[end] == '"' ? end + 1 : end);
  }

  size_t wordEnd() const {
    size_t end = at;
    bool number = isDigit(text[at]) || text[at] == '.';
    while (end < text.size()) {
      bool exponentSign = number && end > at && (text[end] == '+' || text[end] == '-') && (text[end - 1] == 'e' || text[end - 1] == 'E');
      if (!isWord(text[end]) && !exponentSign) break;
      if (isLineEnd(text[end]) || isSpace(text[end])) break;
      ++end;
    }
    return end;
  }

  std::string_view text;
  std::string out;
  size_t at = 0;
  bool newLine = false;
};

} // namespace

std::string canonicalSource(std::string_view text) { return Canonical(text).run(); }

uint64_t countLines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')) + (!text.empty() && text.back() != '\n');
}

} // namespace triton::cache
