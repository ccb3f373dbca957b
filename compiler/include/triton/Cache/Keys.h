// Keys: BLAKE3 over tagged, delimited items, kept as a list too, so that a miss can be explained. No LLVM, no ANTLR.
#pragma once

#include "triton/Cache/Store.h"

#include <string>
#include <string_view>
#include <vector>

namespace triton::cache {

/// One ingredient of a key: a tag ("--target", "weights") and its value, as it is or as a digest in hexadecimal.
struct KeyItem {
  std::string tag, value;
  bool operator==(const KeyItem &) const = default;
};
using KeyItems = std::vector<KeyItem>;

/// BLAKE3 of some bytes.
Key digestOf(std::string_view bytes);

/// Collects items and hashes them. Lengths are hashed before contents, so that no two lists give the same bytes.
class KeyBuilder {
public:
  /// `purpose` separates the keys of one use from those of all others; it carries a version ("triton artifact 1").
  explicit KeyBuilder(std::string_view purpose) { add("key", purpose); }
  KeyBuilder &add(std::string_view tag, std::string_view value) {
    list.push_back({std::string(tag), std::string(value)});
    return *this;
  }
  KeyBuilder &add(std::string_view tag, const Key &digest) { return add(tag, toHex(digest)); }

  Key key() const;
  const KeyItems &items() const { return list; }

private:
  KeyItems list;
};

/// What makes two keys differ, one line each: "--target: 'x86-64-v3' and 'x86-64-v4'", "weights: only in the second". Empty if
/// nothing does.
std::vector<std::string> describeDifference(const KeyItems &first, const KeyItems &second);

/// A program's text without what means nothing: comments, blank lines, indentation, spaces between tokens. Two programs with the
/// same canonical text parse to the same tree. Documentation (`##` at the start of a line) stays, it goes into artifacts; so do
/// comments with bytes outside printable ASCII, since those can be errors.
std::string canonicalSource(std::string_view text);

/// The number of lines as people count them.
uint64_t countLines(std::string_view text);

} // namespace triton::cache
