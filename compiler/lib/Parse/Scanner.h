// Bytes to tokens, with every check of the language's section 2 that needs no grammar.
#pragma once

#include "Token.h"

#include "triton/Support/Diagnostics.h"

namespace triton::parse {

/// More errors of one kind of check than this, and the file is not looked at further: it is no program.
constexpr unsigned errorLimit = 100;

/// Reads the tokens of a file. Reports TRI0101 to TRI0107. Linear in the text.
ScannedFile scan(const SourceManager &sources, FileId file, DiagnosticEngine &diags);

/// The value of a string token without its quotes, escapes resolved.
std::string unescape(std::string_view literal);
/// The value of a well-formed integer token, or false if it needs more than 63 bits.
bool integerValue(std::string_view literal, int64_t &value);
/// The value of a well-formed float token, or false if it overflows.
bool floatValue(std::string_view literal, double &value);
/// The words that are no names, with their token types (contextual ones are not among them).
bool isReservedWord(uint8_t type);

} // namespace triton::parse
