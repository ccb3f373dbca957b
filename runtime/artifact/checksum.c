/* The checksum of sections. The one place that includes xxHash. */
#include "artifact/container.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t tri_checksum(const void *data, size_t bytes) { return XXH3_64bits(data, bytes); }
