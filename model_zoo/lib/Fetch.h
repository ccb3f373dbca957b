// Brings one file of a manifest to where it belongs: from any of its addresses, whole or going on where an earlier attempt ended,
// verified before it has its name. Any number of processes may ask for the same file at once. Brings libcurl.
#pragma once

#include "Assets.h"

#include <atomic>
#include <functional>

namespace triton::zoo {

struct FetchOptions {
  std::string store;     ///< the folder that holds everything written: partial files and locks in `store`/partial
  bool offline = false;  ///< ask no network; file URLs are read
  int connectMs = 10000; ///< until a connection stands
  int stallMs = 20000;   ///< a connection that brings nothing for so long is given up
  int backOffMs = 1000;  ///< before all addresses are asked again; doubles each time, up to a minute
  int rounds = 5;        ///< times that all addresses are asked without a byte of progress
  const std::atomic<bool> *cancel = nullptr;
  std::function<void(uint64_t bytes, uint64_t total)> progress = {};
  std::function<void(const std::string &message)> note = {}; ///< what people may want to know: another attempt, another address
};

struct Fetched {
  bool already = false;       ///< it was there, and is what the manifest says
  std::string url;            ///< where it came from; empty if it was there
  uint64_t resumedBytes = 0;  ///< that an earlier attempt had left
  bool joined = false;        ///< its bytes came in more than one piece
  uint64_t receivedBytes = 0; ///< over all attempts of this call
};

/// Puts `file` at `folder`/`file.path` (its archive's members, where it has some). Errors: kind Mismatch names both digests where
/// a whole file is not what the manifest says, and the file is not kept; kind Environment lists every address with its reason.
Result<Fetched> fetchAsset(const AssetFile &file, const std::string &folder, const FetchOptions &options);

/// Is the file (are its members) in place, and what the manifest says? An Error of kind Mismatch names both digests; of kind Input:
/// it is not there. For members the digests are those of the receipt that unpacking left.
Result<void> verifyAsset(const AssetFile &file, const std::string &folder);

} // namespace triton::zoo
