// Collecting diagnostics: filling patterns, dropping repetitions, ordering.
#include "triton/Support/Diagnostics.h"

#include <algorithm>
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
/// What a message repeats from the source may be long or hold control characters; the terminal of the user gets neither.
std::string presentable(std::string_view argument) {
  constexpr size_t longest = 160;
  std::string out;
  for (char c : argument.substr(0, longest)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      out += c;
      continue;
    }
    static const char digits[] = "0123456789ABCDEF";
    out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
  }
  if (argument.size() > longest) {
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
    out += "...";
  }
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
