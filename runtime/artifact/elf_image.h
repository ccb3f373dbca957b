/* The restricted ELF shared object that holds a variant's code, and its checks. One understanding of the format for the writer,
 * the reader and the loader. C11 and C++.
 *
 * Allowed: ELF64, little-endian, ET_DYN, the expected machine; up to TRI_MAX_SEGMENTS PT_LOAD segments in ascending order, no
 * two on one 4 KiB page, none both writable and executable, file offset and address equal modulo 4096; RELATIVE relocations
 * in DT_RELA that lie in writable segments. Not allowed: needed libraries, imports that would bind at run time (any other
 * relocation), constructors and destructors, thread-local storage, an interpreter, an executable stack. Symbols, notes and
 * section headers are ignored. */
#ifndef TRITON_ARTIFACT_ELF_IMAGE_H
#define TRITON_ARTIFACT_ELF_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRI_MAX_SEGMENTS 16
#define TRI_ELF_PAGE 4096u
/* Addresses end below this, which is far above any sane code and keeps sums far from overflow. */
#define TRI_MAX_IMAGE_BYTES (UINT64_C(1) << 32)

enum { TRI_SEGMENT_EXECUTE = 1, TRI_SEGMENT_WRITE = 2, TRI_SEGMENT_READ = 4 }; /* as in p_flags */

typedef struct tri_elf_segment {
  uint64_t file_offset, address, file_bytes, memory_bytes;
  uint32_t flags;
} tri_elf_segment;

typedef struct tri_elf_image {
  uint32_t segment_count;
  tri_elf_segment segments[TRI_MAX_SEGMENTS];
  uint64_t end;               /* one past the last address, rounded up to TRI_ELF_PAGE */
  uint64_t relocation_offset; /* file offset of the relocation table (24 bytes each), 0 if there is none */
  uint64_t relocation_count;
} tri_elf_image;

/* Checks the object and describes it. `feature_mask` tells the machine by its architecture bit. Returns NULL, or what is
 * wrong (a constant sentence without full stop); `image` is then unspecified. Reads nothing outside `elf[0, bytes)`. */
const char *tri_elf_parse(const uint8_t *elf, size_t bytes, uint64_t feature_mask, tri_elf_image *image);

/* Whether a function may start at `address`: in the file bytes of an executable segment. */
int tri_elf_is_code(const tri_elf_image *image, uint64_t address);

/* Relocation `index`: 64 bits at `*address` become load address + `*addend`. tri_elf_parse has checked all of them. */
void tri_elf_relocation(const tri_elf_image *image, const uint8_t *elf, uint64_t index, uint64_t *address, uint64_t *addend);

#ifdef __cplusplus
}
#endif
#endif
