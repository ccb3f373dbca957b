#include "artifact/size_check.h"

#include <cstdio>
#include <cstring>

namespace triton::artifact {

namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isNameStart(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Recursive descent; the first failure stays.
class Evaluator {
public:
  Evaluator(const char *text, int64_t value) : at(text), value(value) {}

  SizeResult run(int64_t *out) {
    *out = sum();
    skipSpace();
    if (result == SizeResult::Ok && *at) result = SizeResult::Malformed;
    return result;
  }

private:
  void skipSpace() {
    while (*at == ' ') ++at;
  }
  bool take(char c) {
    skipSpace();
    if (*at != c) return false;
    ++at;
    return true;
  }
  int64_t failed(SizeResult why) {
    if (result == SizeResult::Ok) result = why;
    return 0;
  }

  int64_t sum() {
    if (++depth > kMaxSizeDepth) return failed(SizeResult::Malformed);
    const bool negative = take('-');
    int64_t total = product();
    if (negative && __builtin_sub_overflow(int64_t(0), total, &total)) return failed(SizeResult::Undefined);
    while (result == SizeResult::Ok) {
      const bool minus = take('-');
      if (!minus && !take('+')) break;
      const int64_t term = product();
      if (minus ? __builtin_sub_overflow(total, term, &total) : __builtin_add_overflow(total, term, &total))
        return failed(SizeResult::Undefined);
    }
    --depth;
    return total;
  }

  int64_t product() {
    int64_t total = operand();
    while (result == SizeResult::Ok) {
      const bool divide = take('/');
      if (!divide && !take('*')) break;
      const int64_t factor = operand();
      if (result != SizeResult::Ok) break;
      if (!divide) {
        if (__builtin_mul_overflow(total, factor, &total)) return failed(SizeResult::Undefined);
      } else if (factor <= 0) {
        return failed(SizeResult::Undefined);
      } else {
        total = total / factor - (total % factor < 0);
      }
    }
    return total;
  }

  int64_t operand() {
    if (result != SizeResult::Ok) return 0;
    if (take('(')) {
      const int64_t inner = sum();
      return take(')') ? inner : failed(SizeResult::Malformed);
    }
    skipSpace();
    if (isDigit(*at)) {
      int64_t number = 0;
      for (; isDigit(*at); ++at)
        if (__builtin_mul_overflow(number, int64_t(10), &number) || __builtin_add_overflow(number, int64_t(*at - '0'), &number))
          return failed(SizeResult::Undefined);
      return number;
    }
    if (!isNameStart(*at)) return failed(SizeResult::Malformed);
    while (isNameStart(*at) || isDigit(*at)) ++at;
    return value;
  }

  const char *at;
  int64_t value;
  uint32_t depth = 0;
  SizeResult result = SizeResult::Ok;
};

} // namespace

SizeResult evaluateSize(const char *text, int64_t value, int64_t *out) {
  if (strnlen(text, kMaxSizeTextBytes + 1) > kMaxSizeTextBytes) return SizeResult::Malformed;
  return Evaluator(text, value).run(out);
}

SizeResult compareSizes(int64_t left, const char *relation, int64_t right, bool *holds) {
  const char first = relation[0];
  const bool orEqual = first && relation[1] == '=';
  if (first && relation[orEqual ? 2 : 1]) return SizeResult::Malformed;
  if (orEqual && (first == '=' || first == '!')) *holds = (left == right) == (first == '=');
  else if (first == '<') *holds = left < right || (orEqual && left == right);
  else if (first == '>') *holds = left > right || (orEqual && left == right);
  else return SizeResult::Malformed;
  return SizeResult::Ok;
}

bool checkSize(const char *left, const char *relation, const char *right, const char *message, int64_t batch, char *why, size_t bytes) {
  int64_t l, r;
  bool holds = false;
  if (evaluateSize(left, batch, &l) != SizeResult::Ok || evaluateSize(right, batch, &r) != SizeResult::Ok ||
      compareSizes(l, relation, r, &holds) != SizeResult::Ok)
    snprintf(why, bytes, "batch %lld: '%.80s %s %.80s' cannot be computed", (long long)batch, left, relation, right);
  else if (!holds)
    snprintf(why, bytes, "batch %lld: the program needs %.60s %s %.60s, not %lld and %lld: %.80s", (long long)batch, left, relation, right,
             (long long)l, (long long)r, message);
  return holds;
}

} // namespace triton::artifact
