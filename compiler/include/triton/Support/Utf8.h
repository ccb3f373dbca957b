// UTF-8 as the lexer and the printer of diagnostics see it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace triton {

/// Length of the well-formed sequence at the start of `text` (RFC 3629: no overlong forms, no surrogates), or 0.
size_t utf8Length(std::string_view text);
/// The code point of a well-formed sequence.
uint32_t utf8Decode(std::string_view sequence);

/// Control characters, and the invisible ones that join, reorder or hide text: never printed as they are.
bool isInvisible(uint32_t codePoint);

} // namespace triton
