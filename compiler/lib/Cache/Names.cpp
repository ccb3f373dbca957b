// Names, sizes and places of the cache, as people write them.
#include "triton/Cache/Store.h"

#include <cstdlib>

namespace triton::cache {

static constexpr std::string_view kindNames[kEntryKinds] = {"manifest", "artifact", "object", "weights", "tuning"};

std::string_view kindName(EntryKind kind) { return size_t(kind) < kEntryKinds ? kindNames[size_t(kind)] : "unknown"; }

std::optional<EntryKind> kindFromName(std::string_view name) {
  for (size_t i = 0; i < kEntryKinds; ++i)
    if (kindNames[i] == name) return EntryKind(i);
  return std::nullopt;
}

std::string toHex(const Key &key) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * key.size());
  for (uint8_t byte : key) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::optional<Key> keyFromHex(std::string_view hex) {
  Key key;
  if (hex.size() != 2 * key.size()) return std::nullopt;
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (size_t i = 0; i < key.size(); ++i) {
    int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    key[i] = uint8_t(high << 4 | low);
  }
  return key;
}

std::string defaultDirectory() {
  if (const char *own = std::getenv("TRITON_DSL_CACHE_DIR"); own && *own) return own;
  // A relative path in the next two is to be ignored, says the XDG specification.
  if (const char *xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg == '/') return std::string(xdg) + "/triton-dsl";
  if (const char *home = std::getenv("HOME"); home && *home == '/') return std::string(home) + "/.cache/triton-dsl";
  return "";
}

Result<uint64_t> parseSize(std::string_view text) {
  Error bad{"'" + std::string(text) + "' is no size; write for example 500M, 2G or 1.5GiB", ErrorKind::Usage};
  size_t at = 0;
  // A thousandth is exact enough for a limit, and integers keep the result the same everywhere.
  uint64_t thousandths = 0, scale = 1000;
  bool digits = false, point = false;
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    digits = true;
    if (point) {
      scale /= 10;
      thousandths += uint64_t(c - '0') * scale;
      continue;
    }
    if (thousandths > uint64_t(1) << 58) return bad;
    thousandths = thousandths * 10 + uint64_t(c - '0') * 1000;
  }
  if (!digits) return bad;
  std::string_view unit = text.substr(at);
  unsigned shift = 0;
  if (!unit.empty() && unit != "B") {
    static constexpr std::string_view letters = "KMGT";
    size_t letter = letters.find(unit[0] >= 'a' && unit[0] <= 'z' ? char(unit[0] - 'a' + 'A') : unit[0]);
    std::string_view rest = unit.substr(1);
    if (letter == letters.npos || (!rest.empty() && rest != "B" && rest != "iB" && rest != "ib" && rest != "b")) return bad;
    shift = 10 * unsigned(letter + 1);
  }
  if (thousandths > (uint64_t(1) << 63) >> shift) return bad;
  return (thousandths << shift) / 1000;
}

Result<uint64_t> defaultMaxBytes() {
  const char *text = std::getenv("TRITON_DSL_CACHE_SIZE");
  if (!text || !*text) return uint64_t(5) << 30;
  Result<uint64_t> size = parseSize(text);
  if (!size) return Error{"TRITON_DSL_CACHE_SIZE: " + size.error().message, ErrorKind::Usage};
  return size;
}

} // namespace triton::cache
