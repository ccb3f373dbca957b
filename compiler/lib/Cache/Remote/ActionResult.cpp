// Protocol buffers' wire format, as far as an ActionResult needs it.
#include "ActionResult.h"

#include <algorithm>

namespace triton::cache {

static constexpr std::string_view kEntryPath = "entry";
enum WireType : uint64_t { Varint = 0, Fixed64 = 1, Length = 2, Fixed32 = 5 };

static void writeVarint(std::vector<uint8_t> &out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(uint8_t(value) | 0x80);
  out.push_back(uint8_t(value));
}

static void writeField(std::vector<uint8_t> &out, unsigned number, std::string_view bytes) {
  writeVarint(out, uint64_t(number) << 3 | Length);
  writeVarint(out, bytes.size());
  out.insert(out.end(), bytes.begin(), bytes.end());
}

static std::string_view view(const std::vector<uint8_t> &bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

std::vector<uint8_t> writeActionResult(const BlobDigest &blob) {
  std::vector<uint8_t> digest, file, result;
  writeField(digest, 1, blob.sha256Hex);
  writeVarint(digest, 2 << 3 | Varint);
  writeVarint(digest, blob.bytes);
  writeField(file, 1, kEntryPath);
  writeField(file, 2, view(digest));
  writeField(result, 2, view(file));
  return result;
}

namespace {

/// One field of a message.
struct Field {
  uint64_t number = 0, type = 0, value = 0;
  Bytes bytes;
};

/// Takes a message apart, field by field.
class Reader {
public:
  explicit Reader(Bytes message) : rest(message) {}
  bool failed() const { return bad; }

  std::optional<Field> next() {
    if (rest.empty() || bad) return std::nullopt;
    Field field;
    uint64_t tag = varint();
    field.number = tag >> 3;
    field.type = tag & 7;
    switch (field.type) {
    case Varint: field.value = varint(); break;
    case Fixed64: take(8); break;
    case Fixed32: take(4); break;
    case Length: field.bytes = take(varint()); break;
    default: bad = true;
    }
    if (bad || field.number == 0) {
      bad = true;
      return std::nullopt;
    }
    return field;
  }

private:
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
      uint8_t byte = rest[0];
      rest = rest.subspan(1);
      value |= uint64_t(byte & 0x7F) << shift;
      if (!(byte & 0x80)) return value;
    }
    bad = true;
    return 0;
  }
  Bytes take(uint64_t bytes) {
    if (bad || bytes > rest.size()) {
      bad = true;
      return {};
    }
    Bytes out = rest.first(size_t(bytes));
    rest = rest.subspan(size_t(bytes));
    return out;
  }

  Bytes rest;
  bool bad = false;
};

} // namespace

static std::string text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

static std::optional<BlobDigest> readDigest(Bytes message) {
  BlobDigest out;
  Reader reader(message);
  while (std::optional<Field> field = reader.next()) {
    if (field->number == 1 && field->type == Length) out.sha256Hex = text(field->bytes);
    if (field->number == 2 && field->type == Varint) out.bytes = field->value;
  }
  // The name becomes a part of a URL.
  bool hex = out.sha256Hex.size() == 64 && out.sha256Hex.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (reader.failed() || !hex) return std::nullopt;
  return out;
}

std::optional<BlobDigest> readActionResult(Bytes message) {
  std::optional<BlobDigest> found;
  Reader reader(message);
  while (std::optional<Field> field = reader.next()) {
    if (field->number != 2 || field->type != Length) continue;
    std::string path;
    std::optional<BlobDigest> digest;
    Reader file(field->bytes);
    while (std::optional<Field> part = file.next()) {
      if (part->number == 1 && part->type == Length) path = text(part->bytes);
      if (part->number == 2 && part->type == Length) digest = readDigest(part->bytes);
    }
    if (file.failed()) return std::nullopt;
    if (path == kEntryPath) found = digest;
  }
  return reader.failed() ? std::nullopt : found;
}

} // namespace triton::cache
