// Syntax errors in the words of the language, and where the parser goes on after one.
#pragma once

#include "TokenStream.h"

#include "triton/Support/Diagnostics.h"

namespace triton::parse {

/// Reports one message per statement that is wrong and goes on with the next one; a broken parameter, argument or header does
/// not take the rest of its statement with it. The exception travels up (each rule's handler throws it on) to the rule that
/// can go on. After `errorLimit` messages it throws ParseCancellationException.
class ErrorStrategy final : public antlr4::ANTLRErrorStrategy {
public:
  ErrorStrategy(ScannedTokenStream &tokens, const SourceManager &sources, FileId file, DiagnosticEngine &diags)
      : tokens(tokens), sources(sources), file(file), diags(diags) {}

  void reset(antlr4::Parser *) override { recovering = false; }
  antlr4::Token *recoverInline(antlr4::Parser *parser) override;
  void recover(antlr4::Parser *parser, std::exception_ptr e) override;
  void sync(antlr4::Parser *parser) override;
  bool inErrorRecoveryMode(antlr4::Parser *) override { return recovering; }
  void reportMatch(antlr4::Parser *) override {}
  void reportError(antlr4::Parser *parser, const antlr4::RecognitionException &e) override;

private:
  ScannedTokenStream &tokens;
  const SourceManager &sources;
  FileId file;
  DiagnosticEngine &diags;
  bool recovering = false;
  unsigned errors = 0;

  const Token &token(size_t index) const { return tokens.at(index).token; }
  SourceRange range(const Token &t) const { return {file, t.begin, t.end}; }
  std::string textOf(size_t index) const;
  std::string found(size_t index) const;
  SourceRange place(size_t index) const;
  bool isConsequence(size_t index) const;
  std::string after(size_t index) const;
  std::string expectation(const antlr4::misc::IntervalSet &set, const antlr4::dfa::Vocabulary &vocabulary, size_t rule,
                          size_t index) const;
  void count();
  void unexpectedStatement(size_t index);
  void misspeltStatement(size_t start, size_t index);
  bool startsStatement(size_t index) const;
  /// Where the next statement of the block at depth `blocks` starts, or that block or the text ends.
  size_t nextStatement(size_t from, unsigned blocks) const;
};

} // namespace triton::parse
