// Seals: how an entry says what it is and that it is whole.
#include "triton/Cache/Entry.h"

#include "artifact/container.h"

#include <cstdlib>
#include <cstring>
#include <new>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace triton::cache {

enum SealOffset { Magic = 0, Version = 8, Kind = 12, KeyAt = 16, Length = 48, Sum = 56, SealSum = 72 };
static constexpr char kMagic[] = "\x89TRIC\r\n\x1a";

void Blob::Free::operator()(uint8_t *p) const { std::free(p); }

Blob Blob::allocate(size_t bytes) {
  Blob out;
  if (bytes > SIZE_MAX - 128) return out;
  // A multiple of the alignment, and never nothing, as aligned_alloc asks for.
  out.memory.reset(static_cast<uint8_t *>(std::aligned_alloc(64, (bytes + 64) & ~size_t(63))));
  if (out.memory) out.count = bytes;
  return out;
}

struct ContentHasher::State {
  alignas(64) XXH3_state_t xxh;
};

ContentHasher::ContentHasher() : state(std::make_unique<State>()) { XXH3_128bits_reset(&state->xxh); }
ContentHasher::~ContentHasher() = default;
void ContentHasher::update(Bytes bytes) {
  if (!bytes.empty()) XXH3_128bits_update(&state->xxh, bytes.data(), bytes.size());
}

static ContentSum canonical(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  ContentSum out;
  static_assert(sizeof bytes.digest == sizeof out);
  std::memcpy(out.data(), bytes.digest, out.size());
  return out;
}

ContentSum ContentHasher::finish() const { return canonical(XXH3_128bits_digest(&state->xxh)); }

SealBytes writeSeal(const Seal &seal) {
  SealBytes out;
  std::memcpy(out.data() + Magic, kMagic, 8);
  tri_store_u32(out.data() + Version, kFormatVersion);
  tri_store_u32(out.data() + Kind, uint32_t(seal.kind));
  std::memcpy(out.data() + KeyAt, seal.key.data(), seal.key.size());
  tri_store_u64(out.data() + Length, seal.contentBytes);
  std::memcpy(out.data() + Sum, seal.sum.data(), seal.sum.size());
  tri_store_u64(out.data() + SealSum, XXH3_64bits(out.data(), SealSum));
  return out;
}

std::optional<Seal> readSeal(Bytes bytes) {
  if (bytes.size() != kSealBytes || std::memcmp(bytes.data() + Magic, kMagic, 8) != 0) return std::nullopt;
  if (tri_load_u64(bytes.data() + SealSum) != XXH3_64bits(bytes.data(), SealSum)) return std::nullopt;
  uint32_t kind = tri_load_u32(bytes.data() + Kind);
  if (tri_load_u32(bytes.data() + Version) != kFormatVersion || kind >= kEntryKinds) return std::nullopt;
  Seal seal;
  seal.kind = EntryKind(kind);
  std::memcpy(seal.key.data(), bytes.data() + KeyAt, seal.key.size());
  seal.contentBytes = tri_load_u64(bytes.data() + Length);
  std::memcpy(seal.sum.data(), bytes.data() + Sum, seal.sum.size());
  return seal;
}

SealBytes sealContent(EntryKind kind, const Key &key, Bytes content) {
  return writeSeal({kind, key, content.size(), canonical(XXH3_128bits(content.data(), content.size()))});
}

std::optional<Seal> checkEntry(Bytes sealed) {
  if (sealed.size() < kSealBytes) return std::nullopt;
  Bytes content = sealed.first(sealed.size() - kSealBytes);
  std::optional<Seal> seal = readSeal(sealed.last(kSealBytes));
  if (!seal || seal->contentBytes != content.size()) return std::nullopt;
  if (canonical(XXH3_128bits(content.data(), content.size())) != seal->sum) return std::nullopt;
  return seal;
}

bool isEntry(Bytes sealed, EntryKind kind, const Key &key) {
  std::optional<Seal> seal = checkEntry(sealed);
  return seal && seal->kind == kind && seal->key == key;
}

} // namespace triton::cache
