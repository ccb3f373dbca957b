/* BLAKE3 as a hash: chunks of 1 KiB, each a chain of 64-byte blocks, joined in a binary tree. */
#include "artifact/blake3.h"

#include "artifact/container.h"

#include <string.h>

enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };
enum { BLOCK_BYTES = 64, BLOCKS_PER_CHUNK = 16 };

static const uint32_t initial[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                    0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

/* The order of message words in round r is this permutation applied r times. */
static const uint8_t permutation[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};

static uint32_t rotate_right(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void mix(uint32_t *v, int a, int b, int c, int d, uint32_t x, uint32_t y) {
  v[a] += v[b] + x;
  v[d] = rotate_right(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotate_right(v[b] ^ v[c], 12);
  v[a] += v[b] + y;
  v[d] = rotate_right(v[d] ^ v[a], 8);
  v[c] += v[d];
  v[b] = rotate_right(v[b] ^ v[c], 7);
}

/* Replaces `cv` by the first half of the compression's output, which is all that a hash of 32 bytes needs. */
static void compress(uint32_t cv[8], const uint8_t block[BLOCK_BYTES], uint32_t block_bytes, uint64_t counter, uint32_t flags) {
  uint32_t m[16], v[16];
  for (int i = 0; i < 16; ++i) m[i] = tri_load_u32(block + 4 * i);
  memcpy(v, cv, 32);
  memcpy(v + 8, initial, 16);
  v[12] = (uint32_t)counter;
  v[13] = (uint32_t)(counter >> 32);
  v[14] = block_bytes;
  v[15] = flags;
  for (int round = 0; round < 7; ++round) {
    mix(v, 0, 4, 8, 12, m[0], m[1]);
    mix(v, 1, 5, 9, 13, m[2], m[3]);
    mix(v, 2, 6, 10, 14, m[4], m[5]);
    mix(v, 3, 7, 11, 15, m[6], m[7]);
    mix(v, 0, 5, 10, 15, m[8], m[9]);
    mix(v, 1, 6, 11, 12, m[10], m[11]);
    mix(v, 2, 7, 8, 13, m[12], m[13]);
    mix(v, 3, 4, 9, 14, m[14], m[15]);
    uint32_t next[16];
    for (int i = 0; i < 16; ++i) next[i] = m[permutation[i]];
    memcpy(m, next, sizeof m);
  }
  for (int i = 0; i < 8; ++i) cv[i] = v[i] ^ v[i + 8];
}

static void join(const uint32_t left[8], const uint32_t right[8], uint32_t flags, uint32_t out[8]) {
  uint8_t block[BLOCK_BYTES];
  for (int i = 0; i < 8; ++i) {
    tri_store_u32(block + 4 * i, left[i]);
    tri_store_u32(block + 32 + 4 * i, right[i]);
  }
  uint32_t cv[8];
  memcpy(cv, initial, sizeof cv);
  compress(cv, block, BLOCK_BYTES, 0, PARENT | flags);
  memcpy(out, cv, sizeof cv);
}

void tri_blake3_start(tri_blake3_state *state) {
  memset(state, 0, sizeof *state);
  memcpy(state->chunk_cv, initial, sizeof initial);
}

/* A full chunk has ended and more bytes follow: its value joins every finished subtree of the same size. */
static void push_chunk(tri_blake3_state *state) {
  uint32_t cv[8];
  memcpy(cv, state->chunk_cv, sizeof cv);
  uint64_t count = ++state->chunk_count;
  for (; (count & 1) == 0; count >>= 1) join(state->stack[--state->stack_height], cv, 0, cv);
  memcpy(state->stack[state->stack_height++], cv, sizeof cv);
  memcpy(state->chunk_cv, initial, sizeof initial);
  state->blocks_done = 0;
}

void tri_blake3_update(tri_blake3_state *state, const void *data, size_t bytes) {
  const uint8_t *from = (const uint8_t *)data;
  while (bytes) {
    if (state->block_bytes == BLOCK_BYTES) {
      const int last = state->blocks_done == BLOCKS_PER_CHUNK - 1;
      compress(state->chunk_cv, state->block, BLOCK_BYTES, state->chunk_count,
               (state->blocks_done ? 0u : CHUNK_START) | (last ? CHUNK_END : 0u));
      ++state->blocks_done;
      state->block_bytes = 0;
      if (last) push_chunk(state);
    }
    size_t take = BLOCK_BYTES - state->block_bytes;
    if (take > bytes) take = bytes;
    memcpy(state->block + state->block_bytes, from, take);
    state->block_bytes = (uint8_t)(state->block_bytes + take);
    from += take;
    bytes -= take;
  }
}

void tri_blake3_finish(const tri_blake3_state *state, uint8_t out[TRI_BLAKE3_BYTES]) {
  uint8_t block[BLOCK_BYTES] = {0};
  memcpy(block, state->block, state->block_bytes);
  uint32_t cv[8];
  memcpy(cv, state->chunk_cv, sizeof cv);
  compress(cv, block, state->block_bytes, state->chunk_count,
           (state->blocks_done ? 0u : CHUNK_START) | CHUNK_END | (state->stack_height ? 0u : ROOT));
  for (int level = state->stack_height; level > 0; --level) join(state->stack[level - 1], cv, level == 1 ? ROOT : 0u, cv);
  for (int i = 0; i < 8; ++i) tri_store_u32(out + 4 * i, cv[i]);
}

void tri_blake3(const void *data, size_t bytes, uint8_t out[TRI_BLAKE3_BYTES]) {
  tri_blake3_state state;
  tri_blake3_start(&state);
  tri_blake3_update(&state, data, bytes);
  tri_blake3_finish(&state, out);
}
