// The form of an entry, on disk and at a remote: its content, then a seal of 80 bytes. The content comes first so that a copy
// that shares blocks with the entry needs only to be cut, and so that it is aligned like the file. All numbers little-endian.
//
//   offset in the seal  bytes
//                    0      8  magic 89 54 52 49 43 0D 0A 1A ("\x89TRIC\r\n\x1a")
//                    8      4  format version (kFormatVersion)
//                   12      4  kind (EntryKind)
//                   16     32  key
//                   48      8  bytes of content; the file has exactly kSealBytes more
//                   56     16  XXH3-128 of the content (canonical, big-endian)
//                   72      8  XXH3-64 of the 72 bytes before
//
// So every byte of an entry is covered by a checksum. The checksums find damage, not malice: who may write the directory may
// also seal (see docs/cache.md for what follows from that).
#pragma once

#include "triton/Cache/Store.h"

#include <array>
#include <memory>

namespace triton::cache {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kSealBytes = 80;
using SealBytes = std::array<uint8_t, kSealBytes>;
using ContentSum = std::array<uint8_t, 16>;

/// XXH3-128 in pieces.
class ContentHasher {
public:
  ContentHasher();
  ~ContentHasher();
  void update(Bytes bytes);
  ContentSum finish() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

/// What a seal says.
struct Seal {
  EntryKind kind;
  Key key;
  uint64_t contentBytes;
  ContentSum sum;
};

SealBytes writeSeal(const Seal &seal);
/// Nothing if the seal itself is damaged or of another version. Says nothing of the content yet.
std::optional<Seal> readSeal(Bytes sealBytes);

/// The seal of `content` under a key.
SealBytes sealContent(EntryKind kind, const Key &key, Bytes content);
/// Checks a whole entry; its content is then the first `contentBytes` bytes.
std::optional<Seal> checkEntry(Bytes sealed);
/// The same, and it must be the entry of this kind and key.
bool isEntry(Bytes sealed, EntryKind kind, const Key &key);

} // namespace triton::cache
