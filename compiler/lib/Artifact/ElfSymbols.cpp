// Looks functions up in a shared object that the linker has just made, and digests.
#include "triton/Artifact/Artifact.h"

#include "artifact/blake3.h"
#include "artifact/container.h"

#include <cstring>

using namespace triton;

static Error notAnObject() { return {"the linked code is not a well-formed ELF64 shared object", ErrorKind::Internal}; }

Result<uint64_t> triton::findElfSymbol(std::span<const uint8_t> elf, std::string_view symbol) {
  constexpr uint64_t headerBytes = 64, sectionBytes = 64, symbolBytes = 24;
  constexpr uint32_t dynamicSymbols = 11; // SHT_DYNSYM
  const auto inside = [&](uint64_t offset, uint64_t bytes) { return offset <= elf.size() && bytes <= elf.size() - offset; };
  if (!inside(0, headerBytes) || memcmp(elf.data(), "\x7f"
                                                    "ELF\2\1",
                                        6) != 0)
    return notAnObject();
  const uint64_t sections = tri_load_u64(&elf[40]);
  const uint32_t count = elf[60] | uint32_t(elf[61]) << 8;
  if (!inside(sections, count * sectionBytes)) return notAnObject();
  const auto section = [&](uint32_t index) { return &elf[sections + index * sectionBytes]; };
  for (uint32_t i = 0; i < count; ++i) {
    if (tri_load_u32(section(i) + 4) != dynamicSymbols) continue;
    const uint64_t table = tri_load_u64(section(i) + 24), tableBytes = tri_load_u64(section(i) + 32);
    const uint32_t link = tri_load_u32(section(i) + 40);
    if (link >= count || !inside(table, tableBytes)) return notAnObject();
    const uint64_t names = tri_load_u64(section(link) + 24), namesBytes = tri_load_u64(section(link) + 32);
    if (!inside(names, namesBytes)) return notAnObject();
    for (uint64_t at = 0; at + symbolBytes <= tableBytes; at += symbolBytes) {
      const uint8_t *entry = &elf[table + at];
      const uint64_t name = tri_load_u32(entry);
      const bool isDefined = entry[6] != 0 || entry[7] != 0;
      if (!isDefined || name >= namesBytes || symbol.size() >= namesBytes - name) continue;
      const auto *text = reinterpret_cast<const char *>(&elf[names + name]);
      if (symbol == std::string_view(text, symbol.size()) && text[symbol.size()] == '\0') return tri_load_u64(entry + 8);
    }
  }
  return Error{"the linked code does not define '" + std::string(symbol) + "'", ErrorKind::Internal};
}

std::array<uint8_t, 32> triton::blake3(std::span<const uint8_t> bytes) {
  std::array<uint8_t, 32> digest;
  tri_blake3(bytes.data(), bytes.size(), digest.data());
  return digest;
}

std::string triton::hexDigest(std::span<const uint8_t> digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}
