// What the parser's tests share: parse a text, look at the tree and at the messages.
#pragma once

#include "triton/AST/Printer.h"
#include "triton/Parse/Parser.h"

#include <gtest/gtest.h>

#include <ctime>
#include <regex>
#include <sstream>

namespace triton::test {

struct Parsed {
  SourceManager sources;
  FileId file;
  DiagnosticEngine diags{sources};
  std::unique_ptr<ast::Program> program;
  double seconds = 0; ///< CPU time of parsing and of throwing away what was parsed before.

  explicit Parsed(std::string text) : file(sources.addFile("t.tri", std::move(text))) {
    std::clock_t begin = std::clock();
    program = parseFile(sources, file, diags);
    seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  }

  std::string messages(unsigned limit = 20) const {
    std::ostringstream out;
    diags.print(out, limit);
    return out.str();
  }
  /// The codes with their lines, in order: "111@2 114@3".
  std::string codes() const {
    std::string out;
    for (const Diagnostic &d : diags.sorted())
      out += (out.empty() ? "" : " ") + std::to_string(diagInfo(d.code).number) + "@" +
             std::to_string(sources.lineColumn(d.range.file, d.range.begin).line);
    return out;
  }
  std::string tree(bool places = false) const {
    std::ostringstream out;
    ast::printTree(*program, sources, out);
    return places ? out.str() : std::regex_replace(out.str(), std::regex(" <[0-9]+:[0-9]+>"), "");
  }
};

/// Without the first line, and the others moved left.
inline std::string below(const std::string &tree) {
  std::string out;
  for (size_t i = tree.find('\n') + 1; i < tree.size();) {
    size_t end = tree.find('\n', i);
    out += tree.substr(i + 2, end - i - 1);
    i = end + 1;
  }
  return out;
}

/// The tree of a text that must be accepted, without the first line and without places.
inline std::string treeOf(std::string text) {
  Parsed p(std::move(text));
  EXPECT_EQ(p.messages(), "");
  EXPECT_FALSE(p.program->hadErrors);
  return below(p.tree());
}

/// The tree of an expression, `let x = <e>`.
inline std::string exprTree(const std::string &e) { return below(treeOf("let x = " + e)); }

} // namespace triton::test
