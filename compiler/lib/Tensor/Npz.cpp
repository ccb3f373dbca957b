// Reads the zip archive of a .npz file: the end record, the central directory, then each entry. The sizes of the central
// directory count; every offset is checked against the file.
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Npy.h"

#include <algorithm>
#include <zlib.h>

namespace triton {

// What one array may inflate to: more than any input of a network, less than what would hurt.
static constexpr uint64_t maxEntryBytes = uint64_t(1) << 31;
static constexpr size_t endRecordBytes = 22, centralBytes = 46, localBytes = 30;

namespace {

struct ZipEntry {
  std::string name;
  uint32_t method, crc;
  uint64_t packed, size, localAt;
};

class ZipReader {
public:
  ZipReader(std::string_view bytes, const std::string &file) : bytes(bytes), file(file) {}

  Result<std::vector<ZipEntry>> entries() const {
    if (bytes.size() < endRecordBytes) return bad(0, "not a .npz file: too short for a zip archive");
    // The end record stands last, before a comment of at most 65535 bytes.
    size_t lowest = bytes.size() - std::min(bytes.size(), endRecordBytes + 65535);
    size_t end = bytes.size() - endRecordBytes + 1;
    do {
      if (end-- == lowest) return bad(bytes.size(), "not a .npz file: no end record of a zip archive");
    } while (u32(end) != 0x06054B50 || end + endRecordBytes + u16(end + 20) != bytes.size());
    size_t count = u16(end + 10), at = u32(end + 16), directoryBytes = u32(end + 12);
    if (u16(end + 4) != 0 || u16(end + 8) != count) return bad(end, "archives in several parts are not supported");
    if (at == 0xFFFFFFFF || count == 0xFFFF) return bad(end, "zip64 archives are not supported");
    if (at > end || directoryBytes > end - at) return bad(end + 16, "the central directory leaves the file");
    std::vector<ZipEntry> out;
    size_t limit = at + directoryBytes;
    for (size_t i = 0; i < count; ++i) {
      if (limit - at < centralBytes || u32(at) != 0x02014B50) return bad(at, "the central directory is damaged");
      size_t nameBytes = u16(at + 28), rest = nameBytes + u16(at + 30) + u16(at + 32);
      if (limit - at - centralBytes < rest) return bad(at, "an entry of the central directory leaves it");
      ZipEntry e{std::string(bytes.substr(at + centralBytes, nameBytes)), u16(at + 10), u32(at + 16), u32(at + 20), u32(at + 24),
                 u32(at + 42)};
      if (u16(at + 8) & 1) return bad(at, "entry '" + e.name + "' is encrypted");
      if (e.packed == 0xFFFFFFFF || e.size == 0xFFFFFFFF) return bad(at, "entry '" + e.name + "' needs zip64, which is not supported");
      if (e.size > maxEntryBytes) return bad(at, "entry '" + e.name + "' is larger than " + std::to_string(maxEntryBytes) + " bytes");
      out.push_back(std::move(e));
      at += centralBytes + rest;
    }
    return out;
  }

  Result<std::string> contents(const ZipEntry &e) const {
    if (e.localAt > bytes.size() || bytes.size() - e.localAt < localBytes || u32(e.localAt) != 0x04034B50)
      return bad(e.localAt, "no local header for entry '" + e.name + "'");
    uint64_t dataAt = e.localAt + localBytes + u16(e.localAt + 26) + u16(e.localAt + 28);
    if (dataAt > bytes.size() || e.packed > bytes.size() - dataAt) return bad(e.localAt, "entry '" + e.name + "' leaves the file");
    std::string_view packed = bytes.substr(dataAt, e.packed);
    std::string out;
    if (e.method == 0) {
      if (e.packed != e.size) return bad(dataAt, "entry '" + e.name + "' is stored with two different sizes");
      out = packed;
    } else if (e.method == 8) {
      Result<std::string> inflated = inflateRaw(packed, e, dataAt);
      if (!inflated) return inflated.takeError();
      out = std::move(*inflated);
    } else {
      return bad(e.localAt, "entry '" + e.name + "' is packed by method " + std::to_string(e.method) + " (0 and 8 are supported)");
    }
    if (::crc32(0, reinterpret_cast<const Bytef *>(out.data()), static_cast<uInt>(out.size())) != e.crc)
      return bad(dataAt, "the checksum of entry '" + e.name + "' is wrong");
    return out;
  }

private:
  std::string_view bytes;
  const std::string &file;

  Error bad(uint64_t offset, const std::string &what) const { return {file + ": offset " + std::to_string(offset) + ": " + what}; }
  uint32_t u16(size_t at) const {
    return static_cast<unsigned char>(bytes[at]) | uint32_t(static_cast<unsigned char>(bytes[at + 1])) << 8;
  }
  uint32_t u32(size_t at) const { return u16(at) | u16(at + 2) << 16; }

  Result<std::string> inflateRaw(std::string_view packed, const ZipEntry &e, uint64_t dataAt) const {
    z_stream stream{};
    if (inflateInit2(&stream, -15) != Z_OK) return Error{file + ": zlib cannot start", ErrorKind::Environment};
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    // Grown as data comes: a small file that claims to be large costs nothing.
    std::string out;
    std::vector<char> chunk(1 << 16);
    int status = Z_OK;
    while (status == Z_OK && out.size() <= e.size) {
      stream.next_out = reinterpret_cast<Bytef *>(chunk.data());
      stream.avail_out = static_cast<uInt>(chunk.size());
      status = inflate(&stream, Z_NO_FLUSH);
      out.append(chunk.data(), chunk.size() - stream.avail_out);
    }
    inflateEnd(&stream);
    if (status != Z_STREAM_END || out.size() != e.size) return bad(dataAt, "entry '" + e.name + "' does not inflate to its size");
    return out;
  }
};

} // namespace

Result<std::vector<std::pair<std::string, HostTensor>>> parseNpz(std::string_view bytes, const std::string &name) {
  ZipReader zip(bytes, name);
  Result<std::vector<ZipEntry>> entries = zip.entries();
  if (!entries) return entries.takeError();
  std::vector<std::pair<std::string, HostTensor>> out;
  for (const ZipEntry &e : *entries) {
    Result<std::string> contents = zip.contents(e);
    if (!contents) return contents.takeError();
    Result<HostTensor> tensor = parseNpy(*contents, name + "/" + e.name);
    if (!tensor) return tensor.takeError();
    std::string key = e.name.ends_with(".npy") ? e.name.substr(0, e.name.size() - 4) : e.name;
    out.emplace_back(std::move(key), std::move(*tensor));
  }
  std::sort(out.begin(), out.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
  for (size_t i = 1; i < out.size(); ++i)
    if (out[i].first == out[i - 1].first) return Error{name + ": two entries are named '" + out[i].first + "'"};
  return out;
}

Result<std::vector<std::pair<std::string, HostTensor>>> readNpz(const std::string &path) {
  Result<std::string> bytes = readFileBytes(path);
  if (!bytes) return bytes.takeError();
  return parseNpz(*bytes, path);
}

} // namespace triton
