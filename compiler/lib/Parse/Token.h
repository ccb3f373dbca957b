// Tokens as the scanner makes them, and what the structure scan adds. Small: a large program has some 300,000.
#pragma once

#include "triton/Support/Source.h"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace triton::parse {

struct Token {
  uint32_t begin = 0;
  uint32_t end = 0;
  uint8_t type = 0;          ///< A token type of grammar::TritonParser.
  bool firstOnLine = false;
  bool bad = false;          ///< Its text is wrong and was reported: its value is unknown.
  bool tainted = false;      ///< An error was reported on its line already: what seems wrong near it may be a consequence.
  bool inserted = false;     ///< Not in the text: a closing bracket that the structure scan put in.
  uint16_t blocks = 0;       ///< How many `{` are open around it. A `{` or `}` counts as outside its own block.
  uint16_t brackets = 0;     ///< How many `(` and `[` are open around it in its block, counted likewise.
};

/// The end of the text, as the scanner marks it; the parser's own EOF is -1.
constexpr uint8_t endOfText = 255;

struct ScannedFile {
  std::vector<Token> tokens;                              ///< Ends with `endOfText`.
  std::unordered_map<uint32_t, std::string> docs;         ///< `##` text by the begin of the token that follows it.
  std::unordered_map<uint32_t, std::string> corrected;    ///< ASCII spelling of names with look-alike letters, by begin.
  bool gaveUp = false;                                    ///< Too many errors: do not parse.
};

} // namespace triton::parse
