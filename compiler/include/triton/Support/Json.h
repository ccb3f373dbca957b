// JSON values, a strict parser that says where it stopped, and a writer whose output depends on the value alone. No LLVM.
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace triton::json {

class Value;
using Array = std::vector<Value>;

/// Members in the order in which they were added or read. Keys are unique: the parser refuses a second one.
class Object {
public:
  using Member = std::pair<std::string, Value>;

  /// The value of `key`, or null.
  const Value *find(std::string_view key) const;
  Value *find(std::string_view key);
  /// Replaces the value of `key`, or adds it at the end. Linear in the number of members.
  void set(std::string key, Value value);
  /// Adds a member that the caller knows to be new.
  void append(std::string key, Value value);

  size_t size() const { return members.size(); }
  bool empty() const { return members.empty(); }
  auto begin() const { return members.begin(); }
  auto end() const { return members.end(); }

private:
  std::vector<Member> members;
};

/// A JSON value. A number without fraction and exponent that fits int64 is an Int, every other one a Double.
class Value {
public:
  enum class Kind { Null, Bool, Int, Double, String, Array, Object };

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool v) : data(v) {}
  Value(int v) : data(int64_t(v)) {}
  Value(int64_t v) : data(v) {}
  Value(double v) : data(v) {}
  Value(const char *v) : data(std::string(v)) {}
  Value(std::string v) : data(std::move(v)) {}
  Value(std::string_view v) : data(std::string(v)) {}
  Value(Array v) : data(std::move(v)) {}
  Value(Object v) : data(std::move(v)) {}

  Kind kind() const { return static_cast<Kind>(data.index()); }
  bool isNull() const { return kind() == Kind::Null; }

  const bool *asBool() const { return std::get_if<bool>(&data); }
  const int64_t *asInt() const { return std::get_if<int64_t>(&data); }
  const std::string *asString() const { return std::get_if<std::string>(&data); }
  const Array *asArray() const { return std::get_if<Array>(&data); }
  Array *asArray() { return std::get_if<Array>(&data); }
  const Object *asObject() const { return std::get_if<Object>(&data); }
  Object *asObject() { return std::get_if<Object>(&data); }
  bool isNumber() const { return kind() == Kind::Int || kind() == Kind::Double; }
  /// The number as a double (0 if this is no number).
  double number() const;
  /// The member `key` of an object; null if there is none or this is no object.
  const Value *find(std::string_view key) const;

private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data;
};

inline size_t maxDepth() { return 256; }

/// Reads one JSON document. `name` stands in messages: "name:line:column: what is wrong" (columns count code points from 1).
/// Errors: anything that RFC 8259 does not allow, bytes that are not UTF-8, a key given twice, nesting deeper than maxDepth(),
/// a number outside double, text after the document.
Result<Value> parse(std::string_view text, std::string_view name);

/// The text of a value. `indent` 0 gives one line; otherwise every member and element has a line of its own, except that
/// arrays of numbers stay on one line. Doubles are the shortest text that reads back the same; NaN and infinity are null.
std::string write(const Value &value, unsigned indent = 0);

/// `text` in quotes, escaped.
std::string quote(std::string_view text);

} // namespace triton::json
