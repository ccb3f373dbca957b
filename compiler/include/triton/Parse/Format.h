// Canonical formatting of programs (`triton fmt`).
#pragma once

#include "triton/Support/Diagnostics.h"

#include <optional>
#include <string>

namespace triton {

/// The file in canonical form: four spaces per block, one statement a line, attributes on lines of their own, single spaces
/// about binary operators, at most one blank line in a row, no `;`. Comments stay, and so do line breaks inside a statement
/// and blocks that were written on one line. Formatting twice changes nothing, and the tree is the same. Nothing if the file
/// has syntax errors; those are in `diags`.
std::optional<std::string> formatSource(const SourceManager &sources, FileId file, DiagnosticEngine &diags);

} // namespace triton
