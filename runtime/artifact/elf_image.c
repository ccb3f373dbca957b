/* Checks of the restricted ELF shared object. Reads through byte offsets: the bytes are hostile and perhaps unaligned. */
#include "artifact/elf_image.h"

#include "artifact/container.h"
#include "artifact/cpu_features.h"

#include <string.h>

/* The few constants of the ELF and psABI documents that are needed; <elf.h> is not everywhere. */
enum {
  EHDR_BYTES = 64, PHDR_BYTES = 56, DYN_BYTES = 16, RELA_BYTES = 24,
  ELF_TYPE_DYN = 3, MACHINE_X86_64 = 62, MACHINE_AARCH64 = 183,
  SEGMENT_LOAD = 1, SEGMENT_DYNAMIC = 2, SEGMENT_INTERP = 3, SEGMENT_TLS = 7,
  TAG_NULL = 0, TAG_NEEDED = 1, TAG_PLT_BYTES = 2, TAG_RELA = 7, TAG_RELA_BYTES = 8, TAG_RELA_ENTRY = 9, TAG_INIT = 12, TAG_FINI = 13,
  TAG_REL = 17, TAG_TEXTREL = 22, TAG_JMPREL = 23, TAG_INIT_ARRAY = 25, TAG_FINI_ARRAY = 26, TAG_PREINIT_ARRAY = 32, TAG_RELR = 36,
  RELOCATION_X86_64_RELATIVE = 8, RELOCATION_AARCH64_RELATIVE = 1027
};
#define SEGMENT_GNU_STACK UINT32_C(0x6474e551)
#define MAX_PROGRAM_HEADERS 64

static uint16_t load_u16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

/* Whether [offset, offset + bytes) lies in [0, size). */
static int inside(uint64_t offset, uint64_t bytes, uint64_t size) { return offset <= size && bytes <= size - offset; }

static uint64_t page_down(uint64_t x) { return x & ~(uint64_t)(TRI_ELF_PAGE - 1); }
static uint64_t page_up(uint64_t x) { return page_down(x + TRI_ELF_PAGE - 1); }

static const char *parse_load(const uint8_t *header, size_t bytes, tri_elf_image *image) {
  if (image->segment_count == TRI_MAX_SEGMENTS) return "too many loadable segments";
  tri_elf_segment s;
  s.flags = tri_load_u32(header + 4);
  s.file_offset = tri_load_u64(header + 8);
  s.address = tri_load_u64(header + 16);
  s.file_bytes = tri_load_u64(header + 32);
  s.memory_bytes = tri_load_u64(header + 40);
  if (s.memory_bytes == 0 && s.file_bytes == 0) return NULL;
  if (s.flags & ~7u) return "a segment has unknown flags";
  if (!(s.flags & TRI_SEGMENT_READ)) return "a segment is not readable";
  if ((s.flags & TRI_SEGMENT_WRITE) && (s.flags & TRI_SEGMENT_EXECUTE)) return "a segment is writable and executable";
  if (!inside(s.file_offset, s.file_bytes, bytes)) return "a segment reaches outside the object";
  if (s.file_bytes > s.memory_bytes) return "a segment has more bytes in the file than in memory";
  if (s.file_bytes < s.memory_bytes && !(s.flags & TRI_SEGMENT_WRITE)) return "a read-only segment has bytes that the file does not give";
  if (!inside(s.address, s.memory_bytes, TRI_MAX_IMAGE_BYTES)) return "a segment's address is out of range";
  if ((s.address - s.file_offset) % TRI_ELF_PAGE != 0) return "a segment's address and file offset differ modulo the page size";
  /* Zero-filled memory is bounded by the object, so that a small file cannot ask for gigabytes. */
  if (s.memory_bytes - s.file_bytes > (UINT64_C(1) << 24)) return "a segment has too much zero-filled memory";
  if (image->segment_count) {
    const tri_elf_segment *last = &image->segments[image->segment_count - 1];
    if (page_up(last->address + last->memory_bytes) > page_down(s.address)) return "segments overlap or are out of order";
  }
  image->segments[image->segment_count++] = s;
  image->end = page_up(s.address + s.memory_bytes);
  return NULL;
}

/* The file offset of `length` bytes at `address`; UINT64_MAX if no segment's file bytes hold them all. */
static uint64_t file_offset_of(const tri_elf_image *image, uint64_t address, uint64_t length, uint32_t needed_flags) {
  for (uint32_t i = 0; i < image->segment_count; ++i) {
    const tri_elf_segment *s = &image->segments[i];
    if ((s->flags & needed_flags) != needed_flags || address < s->address) continue;
    if (inside(address - s->address, length, s->file_bytes)) return s->file_offset + (address - s->address);
  }
  return UINT64_MAX;
}

static const char *parse_dynamic(const uint8_t *elf, uint64_t offset, uint64_t dynamic_bytes, uint32_t relative, tri_elf_image *image) {
  uint64_t rela = 0, rela_bytes = 0, rela_entry = RELA_BYTES;
  for (uint64_t at = 0; at + DYN_BYTES <= dynamic_bytes; at += DYN_BYTES) {
    const uint64_t tag = tri_load_u64(elf + offset + at), value = tri_load_u64(elf + offset + at + 8);
    if (tag == TAG_NULL) break;
    switch (tag) {
    case TAG_NEEDED: return "the object needs another library";
    case TAG_INIT: case TAG_FINI: case TAG_INIT_ARRAY: case TAG_FINI_ARRAY: case TAG_PREINIT_ARRAY:
      return "the object has constructors or destructors";
    case TAG_TEXTREL: return "the object relocates its code";
    case TAG_REL: case TAG_RELR: return "the object has relocations of a kind that is not supported";
    case TAG_JMPREL: case TAG_PLT_BYTES:
      if (value) return "the object imports functions";
      break;
    case TAG_RELA: rela = value; break;
    case TAG_RELA_BYTES: rela_bytes = value; break;
    case TAG_RELA_ENTRY: rela_entry = value; break;
    default: break;
    }
  }
  if (rela_bytes == 0) return NULL;
  if (rela_entry != RELA_BYTES || rela_bytes % RELA_BYTES != 0) return "the relocation table has a wrong size";
  const uint64_t table = file_offset_of(image, rela, rela_bytes, TRI_SEGMENT_READ);
  if (table == UINT64_MAX) return "the relocation table lies outside the segments";
  image->relocation_offset = table;
  image->relocation_count = rela_bytes / RELA_BYTES;
  for (uint64_t i = 0; i < image->relocation_count; ++i) {
    const uint64_t info = tri_load_u64(elf + table + i * RELA_BYTES + 8);
    if ((uint32_t)info != relative || info >> 32 != 0) return "the object has a relocation that is not RELATIVE";
    uint64_t address, addend;
    tri_elf_relocation(image, elf, i, &address, &addend);
    if (file_offset_of(image, address, 8, TRI_SEGMENT_WRITE) == UINT64_MAX) return "a relocation lies outside the writable segments";
    if (addend > image->end) return "a relocation points outside the object";
  }
  return NULL;
}

const char *tri_elf_parse(const uint8_t *elf, size_t bytes, uint64_t feature_mask, tri_elf_image *image) {
  memset(image, 0, sizeof *image);
  if (bytes < EHDR_BYTES) return "too short for an ELF header";
  static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little-endian */, 1 /* version */};
  if (memcmp(elf, ident, sizeof ident) != 0) return "not a little-endian ELF64 object";
  if (load_u16(elf + 16) != ELF_TYPE_DYN) return "not a shared object";
  uint16_t machine = 0;
  uint32_t relative = 0;
  if ((feature_mask & TRI_CPU_ARCH_MASK) == TRI_CPU_X86_64) {
    machine = MACHINE_X86_64;
    relative = RELOCATION_X86_64_RELATIVE;
  } else if ((feature_mask & TRI_CPU_ARCH_MASK) == TRI_CPU_AARCH64) {
    machine = MACHINE_AARCH64;
    relative = RELOCATION_AARCH64_RELATIVE;
  } else {
    return "the required features name no single architecture";
  }
  if (load_u16(elf + 18) != machine) return "the object is for another machine than its variant";
  const uint64_t headers = tri_load_u64(elf + 32);
  const uint16_t header_bytes = load_u16(elf + 54), header_count = load_u16(elf + 56);
  if (header_bytes != PHDR_BYTES || header_count > MAX_PROGRAM_HEADERS ||
      !inside(headers, (uint64_t)header_count * PHDR_BYTES, bytes))
    return "the program header table is out of range";

  uint64_t dynamic_offset = 0, dynamic_bytes = 0;
  for (uint16_t i = 0; i < header_count; ++i) {
    const uint8_t *header = elf + headers + (size_t)i * PHDR_BYTES;
    const uint32_t type = tri_load_u32(header);
    const char *problem = NULL;
    if (type == SEGMENT_LOAD) {
      problem = parse_load(header, bytes, image);
    } else if (type == SEGMENT_DYNAMIC) {
      dynamic_offset = tri_load_u64(header + 8);
      dynamic_bytes = tri_load_u64(header + 32);
      if (!inside(dynamic_offset, dynamic_bytes, bytes)) problem = "the dynamic section reaches outside the object";
    } else if (type == SEGMENT_INTERP) {
      problem = "the object names an interpreter";
    } else if (type == SEGMENT_TLS) {
      problem = "the object has thread-local storage";
    } else if (type == SEGMENT_GNU_STACK && (tri_load_u32(header + 4) & TRI_SEGMENT_EXECUTE)) {
      problem = "the object wants an executable stack";
    }
    if (problem) return problem;
  }
  if (!image->segment_count) return "the object has no loadable segment";
  return parse_dynamic(elf, dynamic_offset, dynamic_bytes, relative, image);
}

int tri_elf_is_code(const tri_elf_image *image, uint64_t address) {
  return file_offset_of(image, address, 1, TRI_SEGMENT_EXECUTE) != UINT64_MAX;
}

void tri_elf_relocation(const tri_elf_image *image, const uint8_t *elf, uint64_t index, uint64_t *address, uint64_t *addend) {
  const uint8_t *entry = elf + image->relocation_offset + index * RELA_BYTES;
  *address = tri_load_u64(entry);
  *addend = tri_load_u64(entry + 16);
}
