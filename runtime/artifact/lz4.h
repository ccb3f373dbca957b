/* Expands a block of the LZ4 format (the public block format, without its frame): code sections are such blocks. C11 and C++. */
#ifndef TRITON_ARTIFACT_LZ4_H
#define TRITON_ARTIFACT_LZ4_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many bytes one byte of a block can stand for at most. */
#define TRI_LZ4_MOST_RATIO 255

/* Writes `to[0, to_bytes)`. Returns 1 if the block gives exactly so many bytes and ends there, else 0, and `to` is then unspecified.
 * Touches nothing outside `from[0, from_bytes)` and `to[0, to_bytes)`, whatever the block says. They do not overlap. */
int tri_lz4_expand(const uint8_t *from, size_t from_bytes, uint8_t *to, size_t to_bytes);

#ifdef __cplusplus
}
#endif
#endif
