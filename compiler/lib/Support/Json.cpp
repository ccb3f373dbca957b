// A recursive-descent parser for RFC 8259 with a depth limit, and a deterministic writer.
#include "triton/Support/Json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <unordered_set>

namespace triton::json {

const Value *Object::find(std::string_view key) const {
  for (const Member &m : members)
    if (m.first == key) return &m.second;
  return nullptr;
}

Value *Object::find(std::string_view key) {
  return const_cast<Value *>(static_cast<const Object *>(this)->find(key));
}

void Object::set(std::string key, Value value) {
  if (Value *old = find(key))
    *old = std::move(value);
  else
    append(std::move(key), std::move(value));
}

void Object::append(std::string key, Value value) { members.emplace_back(std::move(key), std::move(value)); }

double Value::number() const {
  if (const int64_t *i = asInt()) return static_cast<double>(*i);
  if (const double *d = std::get_if<double>(&data)) return *d;
  return 0;
}

const Value *Value::find(std::string_view key) const {
  const Object *object = asObject();
  return object ? object->find(key) : nullptr;
}

namespace {

/// Length of the UTF-8 sequence at `p` with `left` bytes to read, or 0 if it is not well formed (RFC 3629).
size_t sequenceLength(const unsigned char *p, size_t left) {
  auto tail = [&](size_t i) { return i < left && (p[i] & 0xC0) == 0x80; };
  if (p[0] < 0x80) return 1;
  if (p[0] >= 0xC2 && p[0] <= 0xDF) return tail(1) ? 2 : 0;
  if (p[0] >= 0xE0 && p[0] <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (p[0] == 0xE0 && p[1] < 0xA0) return 0; // Overlong.
    if (p[0] == 0xED && p[1] > 0x9F) return 0; // Surrogate.
    return 3;
  }
  if (p[0] >= 0xF0 && p[0] <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (p[0] == 0xF0 && p[1] < 0x90) return 0;
    if (p[0] == 0xF4 && p[1] > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void appendUtf8(std::string &out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

/// One pass over the text. The first failure is kept in `message` and `errorAt`; every function returns false after it.
class Parser {
public:
  explicit Parser(std::string_view text) : text(text) {}

  bool document(Value &out) {
    skipSpace();
    if (!value(out, 0)) return false;
    skipSpace();
    return at == text.size() || fail("text after the end of the document");
  }

  Error error(std::string_view name) const {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < errorAt && i < text.size(); ++i) {
      if (text[i] == '\n') {
        ++line;
        column = 1;
      } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
        ++column;
      }
    }
    return {std::string(name) + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + message};
  }

private:
  std::string_view text;
  size_t at = 0;
  size_t errorAt = 0;
  std::string message;

  bool failAt(size_t where, std::string what) {
    errorAt = where;
    message = std::move(what);
    return false;
  }
  bool fail(std::string what) { return failAt(at, std::move(what)); }

  std::string found() const {
    if (at >= text.size()) return "the end of the text";
    auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x20 && c < 0x7F) return std::string("'") + text[at] + "'";
    char hex[8];
    static const char *digits = "0123456789ABCDEF";
    hex[0] = digits[c >> 4];
    hex[1] = digits[c & 15];
    return "the byte 0x" + std::string(hex, 2);
  }

  void skipSpace() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
  }

  bool word(std::string_view w) {
    if (text.substr(at, w.size()) != w) return fail("expected a value, found " + found());
    at += w.size();
    return true;
  }

  bool value(Value &out, size_t depth) {
    if (at >= text.size()) return fail("expected a value, found the end of the text");
    switch (text[at]) {
    case '{': return object(out, depth);
    case '[': return array(out, depth);
    case '"': {
      std::string s;
      if (!string(s)) return false;
      out = Value(std::move(s));
      return true;
    }
    case 't': out = Value(true); return word("true");
    case 'f': out = Value(false); return word("false");
    case 'n': out = Value(); return word("null");
    default: return number(out);
    }
  }

  bool array(Value &out, size_t depth) {
    size_t opened = at++;
    if (depth >= maxDepth()) return failAt(opened, "nesting is too deep (limit " + std::to_string(maxDepth()) + ")");
    Array items;
    skipSpace();
    if (at < text.size() && text[at] == ']') {
      ++at;
      out = Value(std::move(items));
      return true;
    }
    while (true) {
      skipSpace();
      items.emplace_back();
      if (!value(items.back(), depth + 1)) return false;
      skipSpace();
      if (at < text.size() && text[at] == ',') {
        ++at;
        continue;
      }
      if (at < text.size() && text[at] == ']') break;
      return fail("expected ',' or ']' in an array, found " + found());
    }
    ++at;
    out = Value(std::move(items));
    return true;
  }

  bool object(Value &out, size_t depth) {
    size_t opened = at++;
    if (depth >= maxDepth()) return failAt(opened, "nesting is too deep (limit " + std::to_string(maxDepth()) + ")");
    Object members;
    std::unordered_set<std::string> seen;
    skipSpace();
    if (at < text.size() && text[at] == '}') {
      ++at;
      out = Value(std::move(members));
      return true;
    }
    while (true) {
      skipSpace();
      size_t keyAt = at;
      if (at >= text.size() || text[at] != '"') return fail("expected a key in quotes, found " + found());
      std::string key;
      if (!string(key)) return false;
      if (!seen.insert(key).second) return failAt(keyAt, "the key " + quote(key) + " is given twice");
      skipSpace();
      if (at >= text.size() || text[at] != ':') return fail("expected ':' after a key, found " + found());
      ++at;
      skipSpace();
      Value item;
      if (!value(item, depth + 1)) return false;
      members.append(std::move(key), std::move(item));
      skipSpace();
      if (at < text.size() && text[at] == ',') {
        ++at;
        continue;
      }
      if (at < text.size() && text[at] == '}') break;
      return fail("expected ',' or '}' in an object, found " + found());
    }
    ++at;
    out = Value(std::move(members));
    return true;
  }

  std::optional<uint32_t> hex4() {
    if (text.size() - at < 4) return std::nullopt;
    uint32_t v = 0;
    for (int i = 0; i < 4; ++i) {
      char c = text[at + i];
      int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (d < 0) return std::nullopt;
      v = v * 16 + static_cast<uint32_t>(d);
    }
    at += 4;
    return v;
  }

  bool escape(std::string &out) {
    size_t start = at++;
    if (at >= text.size()) return failAt(start, "the string is never closed");
    char c = text[at++];
    switch (c) {
    case '"': out += '"'; return true;
    case '\\': out += '\\'; return true;
    case '/': out += '/'; return true;
    case 'b': out += '\b'; return true;
    case 'f': out += '\f'; return true;
    case 'n': out += '\n'; return true;
    case 'r': out += '\r'; return true;
    case 't': out += '\t'; return true;
    case 'u': break;
    default: return failAt(start, "unknown escape in a string");
    }
    std::optional<uint32_t> unit = hex4();
    if (!unit) return failAt(start, "'\\u' needs four hexadecimal digits");
    if (*unit >= 0xDC00 && *unit <= 0xDFFF) return failAt(start, "a low surrogate without a high one before it");
    if (*unit >= 0xD800 && *unit <= 0xDBFF) {
      if (text.substr(at, 2) != "\\u") return failAt(start, "a high surrogate without a low one after it");
      at += 2;
      std::optional<uint32_t> low = hex4();
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return failAt(start, "a high surrogate without a low one after it");
      unit = 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00);
    }
    appendUtf8(out, *unit);
    return true;
  }

  bool string(std::string &out) {
    size_t opened = at++;
    while (true) {
      if (at >= text.size()) return failAt(opened, "the string is never closed");
      auto c = static_cast<unsigned char>(text[at]);
      if (c == '"') {
        ++at;
        return true;
      }
      if (c == '\\') {
        if (!escape(out)) return false;
        continue;
      }
      if (c < 0x20) return fail("a control character in a string");
      size_t n = sequenceLength(reinterpret_cast<const unsigned char *>(text.data()) + at, text.size() - at);
      if (n == 0) return fail("invalid UTF-8");
      out.append(text, at, n);
      at += n;
    }
  }

  bool digits() {
    size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at != start;
  }

  bool number(Value &out) {
    size_t start = at;
    bool negative = text[at] == '-';
    if (negative) ++at;
    size_t first = at;
    if (!digits()) {
      at = start;
      return fail("expected a value, found " + found());
    }
    if (text[first] == '0' && at - first > 1) return failAt(start, "a number with a leading zero");
    bool integer = true;
    if (at < text.size() && text[at] == '.') {
      integer = false;
      ++at;
      if (!digits()) return fail("expected a digit after '.', found " + found());
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
      integer = false;
      ++at;
      if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
      if (!digits()) return fail("expected a digit in an exponent, found " + found());
    }
    std::string_view token = text.substr(start, at - start);
    if (integer && token != "-0") {
      int64_t i = 0;
      if (std::from_chars(token.data(), token.data() + token.size(), i).ec == std::errc()) {
        out = Value(i);
        return true;
      }
    }
    double d = 0;
    if (std::from_chars(token.data(), token.data() + token.size(), d).ec == std::errc::result_out_of_range) {
      // Too large is an error, too small is zero or a subnormal; from_chars does not say which.
      d = std::strtod(std::string(token).c_str(), nullptr);
      if (std::isinf(d)) return failAt(start, "a number outside the range of a double");
    }
    out = Value(d);
    return true;
  }
};

void writeDouble(std::string &out, double d) {
  if (!std::isfinite(d)) {
    out += "null";
    return;
  }
  char buffer[40];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), d).ptr;
  std::string_view token(buffer, static_cast<size_t>(end - buffer));
  out += token;
  if (token.find_first_of(".e") == std::string_view::npos) out += ".0"; // Stays a double when read back.
}

void writeInto(std::string &out, const Value &value, unsigned indent, unsigned level) {
  auto newline = [&](unsigned l) {
    if (indent == 0) return;
    out += '\n';
    out.append(static_cast<size_t>(indent) * l, ' ');
  };
  switch (value.kind()) {
  case Value::Kind::Null: out += "null"; return;
  case Value::Kind::Bool: out += *value.asBool() ? "true" : "false"; return;
  case Value::Kind::Int: out += std::to_string(*value.asInt()); return;
  case Value::Kind::Double: writeDouble(out, value.number()); return;
  case Value::Kind::String: out += quote(*value.asString()); return;
  case Value::Kind::Array: {
    const Array &items = *value.asArray();
    bool flat = true;
    for (const Value &item : items) flat = flat && item.kind() != Value::Kind::Array && item.kind() != Value::Kind::Object;
    out += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out += flat && indent ? ", " : ",";
      if (!flat) newline(level + 1);
      writeInto(out, items[i], indent, level + 1);
    }
    if (!flat && !items.empty()) newline(level);
    out += ']';
    return;
  }
  case Value::Kind::Object: {
    const Object &members = *value.asObject();
    out += '{';
    bool first = true;
    for (const auto &[key, item] : members) {
      if (!first) out += ',';
      first = false;
      newline(level + 1);
      out += quote(key);
      out += indent ? ": " : ":";
      writeInto(out, item, indent, level + 1);
    }
    if (!members.empty()) newline(level);
    out += '}';
    return;
  }
  }
}

} // namespace

Result<Value> parse(std::string_view text, std::string_view name) {
  Parser parser(text);
  Value out;
  if (!parser.document(out)) return parser.error(name);
  return out;
}

std::string write(const Value &value, unsigned indent) {
  std::string out;
  writeInto(out, value, indent, 0);
  if (indent) out += '\n';
  return out;
}

std::string quote(std::string_view text) {
  static const char *digits = "0123456789abcdef";
  std::string out = "\"";
  for (char ch : text) {
    auto c = static_cast<unsigned char>(ch);
    switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\b': out += "\\b"; break;
    case '\f': out += "\\f"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default:
      if (c < 0x20 || c == 0x7F) {
        out += "\\u00";
        out += digits[c >> 4];
        out += digits[c & 15];
      } else {
        out += ch;
      }
    }
  }
  return out + '"';
}

} // namespace triton::json
