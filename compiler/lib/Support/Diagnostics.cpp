// Collecting diagnostics: filling patterns, dropping repetitions, ordering.
#include "triton/Support/Diagnostics.h"
#include "triton/Support/Utf8.h"

#include <algorithm>
#include <cstdio>
#include <tuple>
#include <utility>

namespace triton {

const DiagInfo &diagInfo(Diag code) {
  static constexpr DiagInfo table[] = {
#define TRITON_DIAG(NAME, NUMBER, SEVERITY, TEXT) {NUMBER, Severity::SEVERITY, #NAME, TEXT},
#include "triton/Support/Diagnostics.def"
  };
  return table[static_cast<size_t>(code)];
}

namespace {
/// What a message repeats from the source may be long or hold characters that steer a terminal; the user gets neither.
std::string presentable(std::string_view argument) {
  constexpr size_t longest = 160;
  std::string out;
  size_t i = 0;
  while (i < argument.size() && i < longest) {
    size_t length = utf8Length(argument.substr(i));
    uint32_t code = length == 0 ? static_cast<unsigned char>(argument[i]) : utf8Decode(argument.substr(i, length));
    char escape[16];
    if (length == 0) std::snprintf(escape, sizeof escape, "\\x%02X", code);
    else std::snprintf(escape, sizeof escape, "\\u{%04X}", code);
    if (length == 0 || isInvisible(code)) out += escape;
    else out += argument.substr(i, length);
    i += std::max<size_t>(length, 1);
  }
  if (i < argument.size()) out += "...";
  return out;
}

std::string fill(std::string_view pattern, const std::vector<std::string> &arguments) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '{' && i + 2 < pattern.size() && pattern[i + 2] == '}' && pattern[i + 1] >= '0' &&
        pattern[i + 1] <= '9') {
      size_t index = static_cast<size_t>(pattern[i + 1] - '0');
      if (index < arguments.size()) out += presentable(arguments[index]);
      i += 2;
      continue;
    }
    out += pattern[i];
  }
  return out;
}
} // namespace

DiagnosticBuilder::~DiagnosticBuilder() {
  if (engine) engine->add(std::move(value));
}

DiagnosticBuilder DiagnosticEngine::report(Diag code, SourceRange range, std::initializer_list<std::string> arguments) {
  const DiagInfo &info = diagInfo(code);
  Diagnostic diagnostic;
  diagnostic.code = code;
  diagnostic.severity = info.severity;
  diagnostic.range = range;
  diagnostic.arguments = arguments;
  diagnostic.message = fill(info.text, diagnostic.arguments);
  return DiagnosticBuilder(*this, std::move(diagnostic));
}

void DiagnosticEngine::add(Diagnostic diagnostic) {
  // Only the place counts: two messages of one code at one caret have one cause.
  if (!places.insert({diagnostic.range.file, diagnostic.range.begin, diagnostic.code}).second) return;
  if (warningsAsErrors && diagnostic.severity == Severity::Warning) diagnostic.severity = Severity::Error;
  if (diagnostic.severity == Severity::Error) ++errors;
  if (diagnostic.severity == Severity::Warning) ++warnings;
  diagnostics.push_back(std::move(diagnostic));
}

std::vector<Diagnostic> DiagnosticEngine::sorted() const {
  std::vector<Diagnostic> out = diagnostics;
  std::stable_sort(out.begin(), out.end(), [](const Diagnostic &a, const Diagnostic &b) {
    return std::make_tuple(a.range.file, a.range.begin, a.code) < std::make_tuple(b.range.file, b.range.begin, b.code);
  });
  return out;
}

bool DiagnosticEngine::tentatively(const std::function<void()> &body) {
  // `body` must not see what was reported before, or a repeated error would be dropped and not counted.
  std::vector<Diagnostic> kept = std::exchange(diagnostics, {});
  auto keptPlaces = std::exchange(places, {});
  size_t keptErrors = std::exchange(errors, 0), keptWarnings = std::exchange(warnings, 0);
  body();
  bool failed = errors != 0;
  diagnostics = std::move(kept);
  places = std::move(keptPlaces);
  errors = keptErrors;
  warnings = keptWarnings;
  return failed;
}

} // namespace triton
