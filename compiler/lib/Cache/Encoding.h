// Numbers and strings in small records: little-endian, strings behind their length. A reader checks every length; after the first
// fault it gives zeros and empty strings, and says so at the end.
#pragma once

#include "triton/Cache/Store.h"

#include <cstring>
#include <string>
#include <string_view>

namespace triton::cache {

class RecordWriter {
public:
  void number(uint64_t value) {
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  }
  void text(std::string_view value) {
    number(value.size());
    bytes += value;
  }
  void key(const Key &value) { bytes.append(reinterpret_cast<const char *>(value.data()), value.size()); }
  Bytes content() const { return {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}; }

private:
  std::string bytes;
};

class RecordReader {
public:
  explicit RecordReader(Bytes bytes) : rest(bytes) {}

  uint64_t number() {
    uint64_t value = 0;
    if (!take(8)) return 0;
    for (int i = 0; i < 8; ++i) value |= uint64_t(taken[i]) << (8 * i);
    return value;
  }
  std::string text() {
    uint64_t size = number();
    return take(size) ? std::string(reinterpret_cast<const char *>(taken), size) : std::string();
  }
  Key key() {
    Key value{};
    if (take(value.size())) std::memcpy(value.data(), taken, value.size());
    return value;
  }
  /// The length of a list whose items take at least `itemBytes` each.
  size_t count(size_t itemBytes) {
    uint64_t n = number();
    if (n > rest.size() / itemBytes) failed = true;
    return failed ? 0 : size_t(n);
  }
  /// Nothing was missing and nothing is left.
  bool complete() const { return !failed && rest.empty(); }

private:
  bool take(uint64_t size) {
    if (failed || size > rest.size()) {
      failed = true;
      return false;
    }
    taken = rest.data();
    rest = rest.subspan(size);
    return true;
  }
  Bytes rest;
  const uint8_t *taken = nullptr;
  bool failed = false;
};

} // namespace triton::cache
