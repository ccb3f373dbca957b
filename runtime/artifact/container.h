/* The frame of a .tern file: a fixed header and a section table, then sections. All numbers little-endian. C11 and C++.
 *
 *   offset  bytes  header
 *        0      8  magic 89 54 45 52 4E 0D 0A 1A ("\x89TERN\r\n\x1a": a text-mode copy or a 7-bit channel breaks it)
 *        8      4  container version (TRI_CONTAINER_VERSION)
 *       12      4  number of sections, 2..TRI_MAX_SECTIONS
 *       16      8  exact size of the file
 *       24      8  offset of the metadata (FlatBuffer, artifact.fbs): equal to section 0
 *       32      8  size of the metadata
 *       40     16  zero
 *       56      8  XXH3-64 of the header and the section table, taken with these eight bytes as zero
 *       64     32  each section: kind u32, zero u32, offset u64, size u64, XXH3-64 of its bytes u64
 *
 * Section 0 is the metadata, section 1 the weights (it may be empty), all others are code. Sections lie in this order at
 * multiples of TRI_SECTION_ALIGNMENT, each at the first one after its predecessor; what lies between is zero; the file ends
 * with the last section. So every byte of a file is covered by a checksum or is known to be zero. */
#ifndef TRITON_ARTIFACT_CONTAINER_H
#define TRITON_ARTIFACT_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRI_CONTAINER_VERSION 2
#define TRI_CONTAINER_MAGIC "\x89TERN\r\n\x1a"
#define TRI_MAGIC_BYTES 8
#define TRI_HEADER_BYTES 64
#define TRI_SECTION_ENTRY_BYTES 32
#define TRI_MAX_SECTIONS 66 /* metadata, weights and 64 variants */
#define TRI_SECTION_ALIGNMENT 64
#define TRI_BLOB_ALIGNMENT 64

enum {
  TRI_HEADER_VERSION = 8,
  TRI_HEADER_SECTIONS = 12,
  TRI_HEADER_FILE_BYTES = 16,
  TRI_HEADER_METADATA_OFFSET = 24,
  TRI_HEADER_METADATA_BYTES = 32,
  TRI_HEADER_RESERVED = 40,
  TRI_HEADER_CHECKSUM = 56
};

typedef enum tri_section_kind {
  TRI_SECTION_METADATA = 1,
  TRI_SECTION_WEIGHTS = 2,
  TRI_SECTION_CODE = 3 /* an ELF shared object (elf_image.h) as an LZ4 block (lz4.h) */
} tri_section_kind;

typedef struct tri_section {
  uint32_t kind;
  uint64_t offset, bytes, checksum;
} tri_section;

/* XXH3-64 with seed 0. */
uint64_t tri_checksum(const void *data, size_t bytes);

static inline uint32_t tri_load_u32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t tri_load_u64(const uint8_t *p) {
  return (uint64_t)tri_load_u32(p) | (uint64_t)tri_load_u32(p + 4) << 32;
}

static inline void tri_store_u32(uint8_t *p, uint32_t value) {
  for (int i = 0; i < 4; ++i) p[i] = (uint8_t)(value >> (8 * i));
}

static inline void tri_store_u64(uint8_t *p, uint64_t value) {
  tri_store_u32(p, (uint32_t)value);
  tri_store_u32(p + 4, (uint32_t)(value >> 32));
}

#ifdef __cplusplus
}
#endif
#endif
