// The end record, the central directory, then each entry's own header. The sizes of the central directory count; every offset is checked
// against the file before it is used.
#include "Zip.h"

#include <algorithm>
#include <zlib.h>

namespace triton {

static constexpr uint64_t kEndBytes = 22, kCentralBytes = 46, kLocalBytes = 30, kLocatorBytes = 20, kEnd64Bytes = 56;
static constexpr uint32_t kSaturated16 = 0xFFFF, kSaturated32 = 0xFFFFFFFF; ///< zip64 has the number

Error ZipArchive::bad(uint64_t offset, const std::string &what) const {
  return {file + ": offset " + std::to_string(offset) + ": " + what};
}

uint32_t ZipArchive::u16(uint64_t at) const {
  return static_cast<unsigned char>(bytes[at]) | uint32_t(static_cast<unsigned char>(bytes[at + 1])) << 8;
}
uint32_t ZipArchive::u32(uint64_t at) const { return u16(at) | u16(at + 2) << 16; }
uint64_t ZipArchive::u64(uint64_t at) const { return u32(at) | uint64_t(u32(at + 4)) << 32; }

Result<ZipArchive> ZipArchive::open(std::string_view bytes, std::string file, const std::string &kind) {
  ZipArchive archive;
  archive.bytes = bytes;
  archive.file = std::move(file);
  if (Result<void> read = archive.readDirectory(kind); !read) return read.takeError();
  return archive;
}

Result<void> ZipArchive::readDirectory(const std::string &kind) {
  if (bytes.size() < kEndBytes) return bad(0, "not a " + kind + " file: too short for a zip archive");
  // The end record stands last, before a comment of at most 65535 bytes.
  uint64_t lowest = bytes.size() - std::min<uint64_t>(bytes.size(), kEndBytes + 65535);
  uint64_t end = bytes.size() - kEndBytes + 1;
  do {
    if (end-- == lowest) return bad(bytes.size(), "not a " + kind + " file: no end record of a zip archive");
  } while (u32(end) != 0x06054B50 || end + kEndBytes + u16(end + 20) != bytes.size());
  uint64_t count = u16(end + 10), at = u32(end + 16), directoryBytes = u32(end + 12), limit = end;
  if (u16(end + 4) != 0 || u16(end + 8) != count) return bad(end, "archives in several parts are not supported");
  if (count == kSaturated16 || at == kSaturated32 || directoryBytes == kSaturated32) {
    if (end < kLocatorBytes || u32(end - kLocatorBytes) != 0x07064B50) return bad(end, "the zip64 locator is missing");
    uint64_t end64 = u64(end - kLocatorBytes + 8);
    if (end64 > end - kLocatorBytes || end - kLocatorBytes - end64 < kEnd64Bytes || u32(end64) != 0x06064B50)
      return bad(end - kLocatorBytes, "the zip64 end record is not where its locator says");
    count = u64(end64 + 32), directoryBytes = u64(end64 + 40), at = u64(end64 + 48), limit = end64;
    if (u32(end64 + 16) != 0 || u64(end64 + 24) != count) return bad(end64, "archives in several parts are not supported");
  }
  if (at > limit || directoryBytes > limit - at) return bad(end + 16, "the central directory leaves the file");
  if (count > directoryBytes / kCentralBytes) return bad(at, "the central directory is too short for " + std::to_string(count) + " entries");
  uint64_t directoryAt = at, directoryEnd = at + directoryBytes;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t entryBytes = 0;
    Result<Entry> entry = readEntry(at, directoryEnd, entryBytes);
    if (!entry) return entry.takeError();
    all.push_back(std::move(*entry));
    at += entryBytes;
  }
  return readLocalHeaders(directoryAt);
}

Result<ZipArchive::Entry> ZipArchive::readEntry(uint64_t at, uint64_t limit, uint64_t &entryBytes) const {
  if (limit - at < kCentralBytes || u32(at) != 0x02014B50) return bad(at, "the central directory is damaged");
  uint64_t nameBytes = u16(at + 28), extraBytes = u16(at + 30), rest = nameBytes + extraBytes + u16(at + 32);
  if (limit - at - kCentralBytes < rest) return bad(at, "an entry of the central directory leaves it");
  entryBytes = kCentralBytes + rest;
  Entry e;
  e.name = bytes.substr(at + kCentralBytes, nameBytes);
  e.method = u16(at + 10);
  e.crc = u32(at + 16);
  e.packed = u32(at + 20);
  e.size = u32(at + 24);
  e.localAt = u32(at + 42);
  if (u16(at + 8) & 1) return bad(at, "entry '" + e.name + "' is encrypted");
  // A number that is saturated here stands in the zip64 field, in this order.
  uint64_t field = at + kCentralBytes + nameBytes, fieldEnd = field + extraBytes;
  bool needs64 = e.packed == kSaturated32 || e.size == kSaturated32 || e.localAt == kSaturated32;
  for (; needs64 && fieldEnd - field >= 4; field += 4 + u16(field + 2)) {
    uint64_t have = u16(field + 2);
    if (have > fieldEnd - field - 4) break;
    if (u16(field) != 1) continue;
    uint64_t from = field + 4, left = have;
    for (uint64_t *number : {&e.size, &e.packed, &e.localAt}) {
      if (*number != kSaturated32) continue;
      if (left < 8) return bad(field, "the zip64 field of entry '" + e.name + "' is too short");
      *number = u64(from);
      from += 8, left -= 8;
    }
    needs64 = false;
    break;
  }
  if (needs64) return bad(at, "entry '" + e.name + "' has no zip64 field");
  return e;
}

Result<void> ZipArchive::readLocalHeaders(uint64_t directoryAt) {
  std::vector<Entry *> byPlace;
  for (Entry &e : all) {
    if (e.localAt > directoryAt || directoryAt - e.localAt < kLocalBytes || u32(e.localAt) != 0x04034B50)
      return bad(e.localAt, "no local header for entry '" + e.name + "'");
    uint64_t nameBytes = u16(e.localAt + 26), before = kLocalBytes + nameBytes + u16(e.localAt + 28);
    if (before > directoryAt - e.localAt || e.packed > directoryAt - e.localAt - before)
      return bad(e.localAt, "entry '" + e.name + "' leaves the file");
    if (bytes.substr(e.localAt + kLocalBytes, nameBytes) != e.name)
      return bad(e.localAt, "entry '" + e.name + "' has another name in its own header");
    e.dataAt = e.localAt + before;
    if (e.method == 0 && e.packed != e.size) return bad(e.localAt, "entry '" + e.name + "' is stored with two different sizes");
    byPlace.push_back(&e);
  }
  // Entries over the same bytes are how a small file pretends to be a large one.
  std::sort(byPlace.begin(), byPlace.end(), [](const Entry *a, const Entry *b) { return a->localAt < b->localAt; });
  for (size_t i = 1; i < byPlace.size(); ++i)
    if (byPlace[i]->localAt < byPlace[i - 1]->dataAt + byPlace[i - 1]->packed)
      return bad(byPlace[i]->localAt, "entries '" + byPlace[i - 1]->name + "' and '" + byPlace[i]->name + "' overlap");
  std::sort(byPlace.begin(), byPlace.end(), [](const Entry *a, const Entry *b) { return a->name < b->name; });
  for (size_t i = 1; i < byPlace.size(); ++i)
    if (byPlace[i]->name == byPlace[i - 1]->name) return Error{file + ": two entries are named '" + byPlace[i]->name + "'"};
  return {};
}

Result<void> ZipArchive::checkCrc(const Entry &e, std::string_view contents) const {
  auto crc = ::crc32_z(0, reinterpret_cast<const Bytef *>(contents.data()), contents.size());
  if (crc != e.crc) return bad(e.dataAt, "the checksum of entry '" + e.name + "' is wrong");
  return {};
}

Result<std::string_view> ZipArchive::stored(const Entry &e) const {
  if (e.method != 0) return bad(e.localAt, "entry '" + e.name + "' is compressed, which is not expected here");
  std::string_view view = bytes.substr(e.dataAt, e.size);
  if (Result<void> intact = checkCrc(e, view); !intact) return intact.takeError();
  return view;
}

Result<std::string> ZipArchive::contents(const Entry &e, uint64_t limitBytes) const {
  if (e.size > limitBytes) return bad(e.localAt, "entry '" + e.name + "' is larger than " + std::to_string(limitBytes) + " bytes");
  if (e.method == 0) {
    Result<std::string_view> view = stored(e);
    if (!view) return view.takeError();
    return std::string(*view);
  }
  if (e.method != 8)
    return bad(e.localAt, "entry '" + e.name + "' is packed by method " + std::to_string(e.method) + " (0 and 8 are supported)");
  Result<std::string> out = inflateRaw(e);
  if (!out) return out.takeError();
  if (Result<void> intact = checkCrc(e, *out); !intact) return intact.takeError();
  return out;
}

Result<std::string> ZipArchive::inflateRaw(const Entry &e) const {
  std::string_view packed = bytes.substr(e.dataAt, e.packed);
  z_stream stream{};
  if (inflateInit2(&stream, -15) != Z_OK) return Error{file + ": zlib cannot start", ErrorKind::Environment};
  // Grown as data comes: a small file that claims to be large costs nothing. zlib counts its input in 32 bits.
  std::string out;
  std::vector<char> chunk(1 << 16);
  int status = Z_OK;
  while (status == Z_OK && out.size() <= e.size) {
    if (stream.avail_in == 0 && !packed.empty()) {
      std::string_view part = packed.substr(0, size_t(1) << 30);
      stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(part.data()));
      stream.avail_in = static_cast<uInt>(part.size());
      packed.remove_prefix(part.size());
    }
    stream.next_out = reinterpret_cast<Bytef *>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(chunk.data(), chunk.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || out.size() != e.size) return bad(e.dataAt, "entry '" + e.name + "' does not inflate to its size");
  return out;
}

} // namespace triton
