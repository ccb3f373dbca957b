// Diagnostics as text for people and as JSON lines.
#include "triton/Support/Diagnostics.h"
#include "triton/Support/Utf8.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace triton {

namespace {

const char *severityName(Severity severity) {
  switch (severity) {
  case Severity::Error: return "error";
  case Severity::Warning: return "warning";
  case Severity::Remark: return "remark";
  }
  return "error";
}

std::string codeName(Diag code) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "TRI%04u", diagInfo(code).number);
  return buffer;
}

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

struct Colours {
  const char *bold = "", *error = "", *warning = "", *note = "", *caret = "", *off = "";
  const char *of(Severity severity) const {
    return severity == Severity::Error ? error : severity == Severity::Warning ? warning : note;
  }
};
constexpr Colours plain;
constexpr Colours ansi{"\033[1m", "\033[1;31m", "\033[1;35m", "\033[1;36m", "\033[1;32m", "\033[0m"};

/// One source line cut into cells: what is printed for each column, and the byte offset each column starts at.
struct Line {
  std::vector<std::string_view> cells;
  std::vector<size_t> offsets; ///< One more than cells: the end of the line.

  explicit Line(std::string_view text) {
    size_t i = 0;
    while (i < text.size()) {
      size_t length = utf8Length(text.substr(i));
      offsets.push_back(i);
      if (length == 0) {
        cells.push_back(replacement);
        ++i;
        continue;
      }
      if (text[i] == '\t') cells.push_back(" "); // one column, so that the marks below stay in place
      else cells.push_back(isInvisible(utf8Decode(text.substr(i, length))) ? replacement : text.substr(i, length));
      i += length;
    }
    offsets.push_back(text.size());
  }

  /// The column (from 0) of a byte offset in the line; the end of the line is a column too.
  size_t column(size_t offset) const {
    auto next = std::upper_bound(offsets.begin(), offsets.end(), offset);
    return next == offsets.begin() ? 0 : static_cast<size_t>(next - offsets.begin()) - 1;
  }
};

void printSnippet(const SourceManager &sources, const Diagnostic &diagnostic, const Colours &colours,
                  std::ostream &out) {
  const SourceRange &range = diagnostic.range;
  LineColumn place = sources.lineColumn(range.file, range.begin);
  std::string_view whole = sources.text(range.file);
  std::string_view text = sources.line(range.file, place.line);
  size_t lineBegin = text.empty() ? range.begin : static_cast<size_t>(text.data() - whole.data());

  // A long line (generated text, a damaged file) is shown as a window about the caret. Cutting it first keeps the cost of a
  // message independent of the line.
  constexpr size_t widest = 200, before = 60, after = 100;
  std::string_view cutLeft, cutRight;
  auto isContinuation = [&](size_t i) { return i < whole.size() && (static_cast<unsigned char>(whole[i]) & 0xC0) == 0x80; };
  if (text.size() > widest) {
    size_t from = lineBegin, to = lineBegin + text.size();
    size_t caret = std::min<size_t>(std::max<size_t>(range.begin, from), to);
    if (caret - from > before) {
      from = caret - before;
      for (int i = 0; i < 3 && isContinuation(from); ++i) --from;
      cutLeft = "...";
    }
    if (to - caret > after) {
      to = caret + after;
      for (int i = 0; i < 3 && isContinuation(to); ++i) ++to;
      cutRight = "...";
    }
    lineBegin = from;
    text = whole.substr(from, to - from);
  }
  Line line(text);

  std::string marks(line.cells.size() + 1, ' ');
  auto underline = [&](const SourceRange &r) {
    if (r.file != range.file || r.end <= lineBegin || r.begin > lineBegin + text.size()) return;
    size_t first = line.column(r.begin > lineBegin ? r.begin - lineBegin : 0);
    size_t last = line.column(std::min<size_t>(r.end - lineBegin, text.size()));
    for (size_t i = first; i < std::min(last, marks.size()); ++i) marks[i] = '~';
  };
  for (const SourceRange &r : diagnostic.underline) underline(r);
  underline(range);
  marks[line.column(range.begin > lineBegin ? range.begin - lineBegin : 0)] = '^';
  char number[24];
  std::snprintf(number, sizeof number, "%5u | ", place.line);
  out << number << cutLeft;
  for (std::string_view cell : line.cells) out << cell;
  out << cutRight << '\n';
  marks.erase(marks.find_last_not_of(' ') + 1);
  size_t gutter = std::string_view(number).size() - 2;
  out << std::string(gutter, ' ') << "| " << std::string(cutLeft.size(), ' ') << colours.caret << marks << colours.off
      << '\n';
}

void printPlace(const SourceManager &sources, SourceRange range, std::ostream &out) {
  if (!range.isValid()) return;
  LineColumn place = sources.lineColumn(range.file, range.begin);
  out << sources.name(range.file) << ':' << place.line << ':' << place.column << ": ";
}

/// A message of several lines: the following ones are indented, so that they are not taken for messages of their own.
void printMessage(std::string_view message, std::ostream &out) {
  for (char c : message) {
    out << c;
    if (c == '\n') out << "    ";
  }
}

void jsonString(std::string_view text, std::ostream &out) {
  out << '"';
  for (size_t i = 0; i < text.size();) {
    size_t length = utf8Length(text.substr(i));
    auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      out << "\\ufffd";
      ++i;
      continue;
    }
    if (byte == '"' || byte == '\\') out << '\\' << text[i];
    else if (byte == '\n') out << "\\n";
    else if (byte == '\t') out << "\\t";
    else if (byte == '\r') out << "\\r";
    else if (byte < 0x20 || byte == 0x7F) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", byte);
      out << buffer;
    } else out << text.substr(i, length);
    i += length;
  }
  out << '"';
}

void jsonPlace(const SourceManager &sources, SourceRange range, std::ostream &out) {
  if (!range.isValid()) {
    out << "\"file\":null,\"line\":0,\"column\":0";
    return;
  }
  LineColumn place = sources.lineColumn(range.file, range.begin);
  out << "\"file\":";
  jsonString(sources.name(range.file), out);
  out << ",\"line\":" << place.line << ",\"column\":" << place.column;
}

/// What is printed under a limit of errors, and how many errors are left out.
std::pair<std::vector<Diagnostic>, size_t> upTo(std::vector<Diagnostic> all, unsigned maxErrors, size_t errorCount) {
  if (maxErrors == 0 || errorCount <= maxErrors) return {std::move(all), 0};
  size_t seen = 0, end = 0;
  while (end < all.size() && (all[end].severity != Severity::Error || ++seen <= maxErrors)) ++end;
  all.resize(end);
  return {std::move(all), errorCount - maxErrors};
}

} // namespace

void DiagnosticEngine::print(std::ostream &out, unsigned maxErrors, bool colour) const {
  const Colours &colours = colour ? ansi : plain;
  auto [shown, hidden] = upTo(sorted(), maxErrors, errors);
  for (const Diagnostic &d : shown) {
    out << colours.bold;
    printPlace(sources, d.range, out);
    out << colours.off << colours.of(d.severity) << severityName(d.severity) << ':' << colours.off << ' ' << colours.bold;
    printMessage(d.message, out);
    out << colours.off << " [" << codeName(d.code) << "]\n";
    if (d.range.isValid()) printSnippet(sources, d, colours, out);
    for (const Note &note : d.notes) {
      out << colours.bold;
      printPlace(sources, note.range, out);
      out << colours.off << colours.note << "note:" << colours.off << ' ';
      printMessage(note.message, out);
      out << '\n';
    }
    if (!d.help.empty()) {
      out << colours.note << "help:" << colours.off << ' ';
      printMessage(d.help, out);
      out << '\n';
    }
  }
  if (hidden != 0)
    out << hidden << (hidden == 1 ? " more error is" : " more errors are") << " not shown (--max-errors=" << maxErrors << ")\n";
}

void DiagnosticEngine::printJson(std::ostream &out, unsigned maxErrors) const {
  auto [shown, hidden] = upTo(sorted(), maxErrors, errors);
  for (const Diagnostic &d : shown) {
    out << '{';
    jsonPlace(sources, d.range, out);
    out << ",\"severity\":\"" << severityName(d.severity) << "\",\"code\":\"" << codeName(d.code) << "\",\"message\":";
    jsonString(d.message, out);
    out << ",\"arguments\":[";
    for (size_t i = 0; i < d.arguments.size(); ++i) {
      if (i) out << ',';
      jsonString(d.arguments[i], out);
    }
    out << "],\"notes\":[";
    for (size_t i = 0; i < d.notes.size(); ++i) {
      out << (i ? ",{" : "{");
      jsonPlace(sources, d.notes[i].range, out);
      out << ",\"message\":";
      jsonString(d.notes[i].message, out);
      out << '}';
    }
    out << "],\"help\":";
    if (d.help.empty()) out << "null";
    else jsonString(d.help, out);
    out << ",\"fixits\":[";
    for (size_t i = 0; i < d.fixits.size(); ++i) {
      const FixIt &fix = d.fixits[i];
      LineColumn end = sources.lineColumn(fix.range.file, fix.range.end);
      out << (i ? ",{" : "{");
      jsonPlace(sources, fix.range, out);
      out << ",\"endLine\":" << end.line << ",\"endColumn\":" << end.column << ",\"begin\":" << fix.range.begin
          << ",\"end\":" << fix.range.end << ",\"text\":";
      jsonString(fix.text, out);
      out << '}';
    }
    out << "]}\n";
  }
}

} // namespace triton
