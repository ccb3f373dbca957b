// Makes PyTorch checkpoints for tests: a pickle written by hand, opcode by opcode, in an archive.
#pragma once

#include "triton/Tensor/Pth.h"

#include <zlib.h>

#include <string>
#include <utility>
#include <vector>

namespace triton::pth {

inline std::string little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += i < 8 ? static_cast<char>(value >> (8 * i)) : char();
  return out;
}

/// An archive of stored entries; the fields of an entry may be falsified before `finish`.
struct Archive {
  struct Entry {
    std::string name, data;
    uint32_t method = 0, flags = 0;
    std::string localName;         ///< another name in the local header
    int64_t sharesPlaceOf = -1;    ///< points at another entry's local header
    bool zip64 = false;
  };
  std::vector<Entry> entries;

  Archive &add(std::string name, std::string data) {
    Entry &entry = entries.emplace_back();
    entry.name = std::move(name);
    entry.data = std::move(data);
    return *this;
  }
  std::string finish() const {
    std::string out, central;
    std::vector<uint64_t> places;
    for (const Entry &e : entries) {
      uint64_t place = e.sharesPlaceOf >= 0 ? places[static_cast<size_t>(e.sharesPlaceOf)] : out.size();
      places.push_back(place);
      auto crc = static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef *>(e.data.data()), static_cast<uInt>(e.data.size())));
      std::string sizes = little(crc, 4) + little(e.data.size(), 4) + little(e.data.size(), 4);
      const std::string &local = e.localName.empty() ? e.name : e.localName;
      if (e.sharesPlaceOf < 0)
        out += "PK\3\4" + little(20, 2) + little(e.flags, 2) + little(e.method, 2) + little(0, 4) + sizes + little(local.size(), 2) +
               little(0, 2) + local + e.data;
      std::string extra;
      std::string at = little(place, 4);
      if (e.zip64) {
        sizes = little(crc, 4) + little(0xFFFFFFFF, 4) + little(0xFFFFFFFF, 4);
        at = little(0xFFFFFFFF, 4);
        extra = little(0x9999, 2) + little(3, 2) + "abc" + little(1, 2) + little(24, 2) + little(e.data.size(), 8) + little(e.data.size(), 8) + little(place, 8);
      }
      central += "PK\1\2" + little(20, 2) + little(20, 2) + little(e.flags, 2) + little(e.method, 2) + little(0, 4) + sizes +
                 little(e.name.size(), 2) + little(extra.size(), 2) + little(0, 10) + at + e.name + extra;
    }
    uint64_t at = out.size(), count = entries.size();
    out += central;
    bool zip64 = !entries.empty() && entries[0].zip64;
    if (zip64) {
      uint64_t end64 = out.size();
      out += "PK\6\6" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) + little(count, 8) + little(count, 8) +
             little(central.size(), 8) + little(at, 8);
      out += "PK\6\7" + little(0, 4) + little(end64, 8) + little(1, 4);
      count = 0xFFFF, at = 0xFFFFFFFF;
    }
    return out + "PK\5\6" + little(0, 4) + little(count, 2) + little(count, 2) + little(central.size(), 4) + little(at, 4) + little(0, 2);
  }
};

/// A pickle that is put together.
struct Pickle {
  std::string bytes = "\x80\x02";

  Pickle &raw(std::string_view more) {
    bytes += more;
    return *this;
  }
  Pickle &text(const std::string &s) { return raw("X" + little(s.size(), 4) + s); }
  Pickle &number(int64_t n) { return raw("\x8a\x08" + little(static_cast<uint64_t>(n), 8)); }
  Pickle &global(const std::string &module, const std::string &name) { return raw("c" + module + "\n" + name + "\n"); }
  Pickle &numbers(const std::vector<int64_t> &all) {
    raw("(");
    for (int64_t n : all) number(n);
    return raw("t");
  }
  Pickle &tensor(const std::string &storage, const std::string &type, int64_t elements, int64_t offset, const std::vector<int64_t> &sizes,
                 const std::vector<int64_t> &strides) {
    global("torch._utils", "_rebuild_tensor_v2").raw("((").text("storage").global("torch", type).text(storage).text("cpu").number(elements);
    return raw("tQ").number(offset).numbers(sizes).numbers(strides).raw("\x89}tR");
  }
  std::string stop() const { return bytes + "."; }
};

/// A checkpoint of one pickle and its storages, named "0", "1", ...
inline std::string checkpoint(const std::string &pickle, const std::vector<std::string> &storages = {}) {
  Archive archive;
  archive.add("net/data.pkl", pickle).add("net/byteorder", "little");
  for (size_t i = 0; i < storages.size(); ++i) archive.add("net/data/" + std::to_string(i), storages[i]);
  return archive.add("net/version", "3\n").finish();
}

inline Result<Checkpoint> parse(const std::string &bytes) {
  auto copy = std::make_shared<std::vector<uint8_t>>(bytes.begin(), bytes.end());
  std::span<const uint8_t> view(*copy);
  return parsePth(copy, view, "net.pth");
}

inline std::string errorOf(const std::string &bytes) {
  Result<Checkpoint> read = parse(bytes);
  return read ? "accepted" : read.error().message;
}

inline std::string floats(const std::vector<float> &values) {
  return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)};
}

} // namespace triton::pth
