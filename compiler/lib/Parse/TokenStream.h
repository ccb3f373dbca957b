// The scanned tokens as ANTLR wants to see them.
#pragma once

#include "Token.h"

#include "antlr4-runtime.h"

namespace triton::parse {

/// One token of the stream. Lines and columns are not asked for: messages are ours.
class StreamToken final : public antlr4::Token {
public:
  StreamToken(const parse::Token &token, size_t index, std::string_view source)
      : token(token), index(index), source(source) {}

  const parse::Token token;
  const size_t index;

  std::string getText() const override { return std::string(source.substr(token.begin, token.end - token.begin)); }
  size_t getType() const override { return token.type == endOfText ? antlr4::Token::EOF : token.type; }
  size_t getLine() const override { return 0; }
  size_t getCharPositionInLine() const override { return 0; }
  size_t getChannel() const override { return antlr4::Token::DEFAULT_CHANNEL; }
  size_t getTokenIndex() const override { return index; }
  size_t getStartIndex() const override { return token.begin; }
  size_t getStopIndex() const override { return token.end == 0 ? 0 : token.end - 1; }
  antlr4::TokenSource *getTokenSource() const override { return nullptr; }
  antlr4::CharStream *getInputStream() const override { return nullptr; }
  std::string toString() const override { return getText(); }

private:
  std::string_view source;
};

/// A stream over tokens that are all there already. Never empty: the last token is the end of the text.
class ScannedTokenStream final : public antlr4::TokenStream {
public:
  ScannedTokenStream(const std::vector<parse::Token> &scanned, std::string_view source) {
    tokens.reserve(scanned.size());
    for (size_t i = 0; i < scanned.size(); ++i) tokens.emplace_back(scanned[i], i, source);
  }

  const StreamToken &at(size_t i) const { return tokens[std::min(i, tokens.size() - 1)]; }

  void consume() override {
    if (position + 1 < tokens.size()) ++position;
  }
  size_t LA(ssize_t k) override {
    antlr4::Token *token = LT(k);
    return token ? token->getType() : antlr4::Token::INVALID_TYPE;
  }
  antlr4::Token *LT(ssize_t k) override {
    if (k == 0) return nullptr;
    if (k < 0) return static_cast<size_t>(-k) > position ? nullptr : &tokens[position - static_cast<size_t>(-k)];
    return &tokens[std::min(position + static_cast<size_t>(k) - 1, tokens.size() - 1)];
  }
  ssize_t mark() override { return 0; }
  void release(ssize_t) override {}
  size_t index() override { return position; }
  void seek(size_t index) override { position = std::min(index, tokens.size() - 1); }
  size_t size() override { return tokens.size(); }
  std::string getSourceName() const override { return "<source>"; }
  antlr4::Token *get(size_t index) const override { return const_cast<StreamToken *>(&at(index)); }
  antlr4::TokenSource *getTokenSource() const override { return nullptr; }
  // Texts of stretches are asked for only in messages of ANTLR's own, which are never shown.
  std::string getText(const antlr4::misc::Interval &) override { return {}; }
  std::string getText() override { return {}; }
  std::string getText(antlr4::RuleContext *) override { return {}; }
  std::string getText(antlr4::Token *, antlr4::Token *) override { return {}; }

private:
  std::vector<StreamToken> tokens;
  size_t position = 0;
};

inline const parse::Token &scanned(const antlr4::Token *token) { return static_cast<const StreamToken *>(token)->token; }

} // namespace triton::parse
