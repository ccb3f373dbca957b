#include "triton/Cache/Keys.h"

#include "artifact/blake3.h"

#include <algorithm>

namespace triton::cache {

Key digestOf(std::string_view bytes) {
  Key key;
  tri_blake3(bytes.data(), bytes.size(), key.data());
  return key;
}

static void append(std::string &out, std::string_view bytes) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>(uint64_t(bytes.size()) >> (8 * i));
  out += bytes;
}

Key KeyBuilder::key() const {
  std::string bytes;
  for (const KeyItem &item : list) {
    append(bytes, item.tag);
    append(bytes, item.value);
  }
  return digestOf(bytes);
}

std::vector<std::string> describeDifference(const KeyItems &first, const KeyItems &second) {
  std::vector<std::string> lines;
  auto quoted = [](const std::string &value) { return "'" + (value.size() > 72 ? value.substr(0, 69) + "..." : value) + "'"; };
  auto find = [](const KeyItems &items, const std::string &tag) {
    return std::find_if(items.begin(), items.end(), [&](const KeyItem &item) { return item.tag == tag; });
  };
  for (const KeyItem &item : first) {
    auto other = find(second, item.tag);
    if (other == second.end())
      lines.push_back(item.tag + ": only in the first (" + quoted(item.value) + ")");
    else if (other->value != item.value)
      lines.push_back(item.tag + ": " + quoted(item.value) + " and " + quoted(other->value));
  }
  for (const KeyItem &item : second)
    if (find(first, item.tag) == first.end()) lines.push_back(item.tag + ": only in the second (" + quoted(item.value) + ")");
  return lines;
}

} // namespace triton::cache
