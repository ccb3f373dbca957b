// What must be known before a recursive parser may look at the tokens: that brackets pair, and how deep they nest.
#pragma once

#include "Token.h"

#include "triton/Support/Diagnostics.h"

namespace triton::parse {

/// Brackets, blocks and prefix operators may nest this deep.
constexpr unsigned nestingLimit = 1024;

/// Pairs the brackets of `scanned`: reports TRI0110, TRI0112, stray closers (TRI0113) and wrong ones (TRI0111), puts in the
/// closers that are missing and drops the stray ones, so that the parser sees balanced brackets and one mistake is one
/// message. Also tells attributes from products, and a `return` with values from one without. False if the parser must not
/// look at the result. Linear, without recursion.
bool structure(ScannedFile &scanned, FileId file, DiagnosticEngine &diags);

/// Whether a token of this type can start an expression.
bool startsExpression(uint8_t type);
/// Whether a token of this type can be a name (contextual words are names).
bool isNameToken(uint8_t type);

} // namespace triton::parse
