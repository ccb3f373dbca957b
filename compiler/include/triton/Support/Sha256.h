// SHA-256 (FIPS 180-4), for manifests and golden sums. No LLVM.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace triton {

/// Hashes bytes as they come. One-thread; after `finish` only destruction is allowed.
class Sha256 {
public:
  Sha256();
  void update(const void *data, size_t bytes);
  std::array<uint8_t, 32> finish();
  /// `finish` in lower-case hexadecimal.
  std::string finishHex();

private:
  void block(const uint8_t *p);

  std::array<uint32_t, 8> state;
  std::array<uint8_t, 64> pending{};
  size_t pendingBytes = 0;
  uint64_t totalBytes = 0;
};

/// The digest of `bytes` in lower-case hexadecimal.
std::string sha256Hex(std::string_view bytes);

} // namespace triton
