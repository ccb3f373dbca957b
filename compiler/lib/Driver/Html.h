// What the reports in HTML share.
#pragma once

#include <string>
#include <string_view>

namespace triton::driver {

/// `text` with the characters that HTML and SVG give a meaning replaced.
inline std::string htmlEscaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
    case '&': out += "&amp;"; break;
    case '<': out += "&lt;"; break;
    case '>': out += "&gt;"; break;
    case '"': out += "&quot;"; break;
    default: out += c;
    }
  }
  return out;
}

} // namespace triton::driver
