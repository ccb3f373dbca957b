// Diagnostics about the user's program: collected, ordered by place, printed for people or as JSON lines.
// Every code is one row of Diagnostics.def; language.md section 12 is the list that users see.
#pragma once

#include "triton/Support/Source.h"

#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace triton {

enum class Severity { Error, Warning, Remark };

/// One enumerator per row of Diagnostics.def, e.g. Diag::UndefinedName for TRI0201.
enum class Diag : uint16_t {
#define TRITON_DIAG(NAME, NUMBER, SEVERITY, TEXT) NAME,
#include "triton/Support/Diagnostics.def"
};

/// The number (201 for TRI0201), severity and text pattern (`{0}`, `{1}`, ..) of a code.
struct DiagInfo {
  uint16_t number;
  Severity severity;
  std::string_view name;
  std::string_view text;
};
const DiagInfo &diagInfo(Diag code);

/// A second place that explains the first. `range` may be invalid (then only the message is printed).
struct Note {
  SourceRange range;
  std::string message;
};

/// An exact edit that fixes the error: replace `range` by `text`.
struct FixIt {
  SourceRange range;
  std::string text;
};

struct Diagnostic {
  Diag code;
  Severity severity;
  SourceRange range;                  ///< The operator or name at fault: the caret is at its begin.
  std::vector<SourceRange> underline; ///< Operands, drawn with `~`.
  std::string message;
  std::vector<std::string> arguments; ///< The values that filled the pattern.
  std::vector<Note> notes;
  std::string help;                   ///< Printed as a `help:` line when not empty.
  std::vector<FixIt> fixits;
};

/// Builds one diagnostic; reported when the builder is destroyed. Use:
///   diags.report(Diag::UndefinedName, range, {name}).help("did you mean 'relu'?").note(place, "declared here");
class DiagnosticEngine;
class DiagnosticBuilder {
public:
  DiagnosticBuilder(DiagnosticEngine &engine, Diagnostic diagnostic) : engine(&engine), value(std::move(diagnostic)) {}
  DiagnosticBuilder(DiagnosticBuilder &&other) : engine(other.engine), value(std::move(other.value)) {
    other.engine = nullptr;
  }
  DiagnosticBuilder(const DiagnosticBuilder &) = delete;
  ~DiagnosticBuilder();

  DiagnosticBuilder &help(std::string text) { value.help = std::move(text); return *this; }
  DiagnosticBuilder &note(SourceRange range, std::string text) {
    value.notes.push_back({range, std::move(text)});
    return *this;
  }
  DiagnosticBuilder &underline(SourceRange range) { value.underline.push_back(range); return *this; }
  DiagnosticBuilder &fixit(SourceRange range, std::string text) {
    value.fixits.push_back({range, std::move(text)});
    return *this;
  }

private:
  DiagnosticEngine *engine;
  Diagnostic value;
};

/// Collects diagnostics. At most one of a code is kept for one place. One-thread.
class DiagnosticEngine {
public:
  explicit DiagnosticEngine(const SourceManager &sources) : sources(sources) {}

  /// Starts a diagnostic; `{i}` in the code's text is replaced by arguments[i].
  DiagnosticBuilder report(Diag code, SourceRange range, std::initializer_list<std::string> arguments = {});
  void add(Diagnostic diagnostic);

  bool hasErrors() const { return errors != 0; }
  size_t errorCount() const { return errors; }
  size_t warningCount() const { return warnings; }
  void setWarningsAsErrors(bool on) { warningsAsErrors = on; }
  const SourceManager &sourceManager() const { return sources; }

  /// All diagnostics so far in order of (file, place, code).
  std::vector<Diagnostic> sorted() const;
  /// Prints at most `maxErrors` errors (and the warnings among them) with source lines, carets, notes and help.
  void print(std::ostream &out, unsigned maxErrors = 20, bool colour = false) const;
  /// One JSON object per line: {"file","line","column","severity","code","message","arguments","notes","help","fixits"}.
  void printJson(std::ostream &out, unsigned maxErrors = 20) const;

  /// Runs `body` without keeping what it reports; true if it reported an error. For trial checks.
  bool tentatively(const std::function<void()> &body);

private:
  const SourceManager &sources;
  std::vector<Diagnostic> diagnostics;
  std::set<std::tuple<FileId, uint32_t, Diag>> places; ///< What is kept, to drop repetitions.
  size_t errors = 0;
  size_t warnings = 0;
  bool warningsAsErrors = false;
};

/// The nearest of `candidates` to `name` by edit distance, or empty if none is near enough to be likely meant.
std::string nearestName(std::string_view name, const std::vector<std::string> &candidates);

} // namespace triton
