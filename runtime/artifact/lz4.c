/* A block is a row of sequences: a token, literals, then a match, which repeats bytes that were written before. The token's upper four bits are
 * the number of literals, the lower four the match's length less four; 15 means that bytes follow that are added, up to one below 255. A
 * match is given by its distance, two bytes. The last sequence ends behind its literals. */
#include "artifact/lz4.h"

#include <string.h>

enum { LEAST_MATCH = 4, LONG_LENGTH = 15 };

/* The rest of a length that began with LONG_LENGTH; 0 if the block ends within it or the length reaches `most`. */
static int read_length(const uint8_t **at, const uint8_t *end, size_t most, size_t *length) {
  uint8_t more;
  do {
    if (*at == end) return 0;
    more = *(*at)++;
    *length += more;
    if (*length > most) return 0;
  } while (more == 255);
  return 1;
}

int tri_lz4_expand(const uint8_t *from, size_t from_bytes, uint8_t *to, size_t to_bytes) {
  const uint8_t *at = from, *const end = from + from_bytes;
  size_t written = 0;
  while (at != end) {
    const uint8_t token = *at++;
    size_t literals = token >> 4, match = token & 15;
    if (literals == LONG_LENGTH && !read_length(&at, end, to_bytes, &literals)) return 0;
    if (literals > (size_t)(end - at) || literals > to_bytes - written) return 0;
    memcpy(to + written, at, literals);
    written += literals;
    at += literals;
    if (at == end) return written == to_bytes;
    if (end - at < 2) return 0;
    const size_t distance = (size_t)at[0] | (size_t)at[1] << 8;
    at += 2;
    if (match == LONG_LENGTH && !read_length(&at, end, to_bytes, &match)) return 0;
    match += LEAST_MATCH;
    if (distance == 0 || distance > written || match > to_bytes - written) return 0;
    /* A match may reach into itself: then it repeats. */
    for (const uint8_t *source = to + written - distance; match; --match) to[written++] = *source++;
  }
  return 0; /* no token, or the block ends behind a match */
}
