// The two messages of Bazel's remote execution API that an entry needs, written and read by hand:
//
//   ActionResult { repeated OutputFile output_files = 2; }
//   OutputFile   { string path = 1; Digest digest = 2; bytes contents = 5; }
//   Digest       { string hash = 1; int64 size_bytes = 2; }
#pragma once

#include "triton/Cache/Store.h"

namespace triton::cache {

/// Where an entry's bytes lie: in the content-addressed part, under the SHA-256 of them.
struct BlobDigest {
  std::string sha256Hex;
  uint64_t bytes = 0;
};

/// An ActionResult with the one output file "entry".
std::vector<uint8_t> writeActionResult(const BlobDigest &digest);

/// Nothing for bytes that are no ActionResult with that one file. Fields that we do not know are skipped.
std::optional<BlobDigest> readActionResult(Bytes message);

} // namespace triton::cache
