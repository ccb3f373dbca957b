// Names of parametrised tests.
#pragma once

#include <cctype>
#include <string>

namespace triton::test {

/// A parameter's text as GoogleTest admits it in a name: letters and digits, `_` for all else.
inline std::string testName(std::string text) {
  for (char &c : text)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return text;
}

} // namespace triton::test
