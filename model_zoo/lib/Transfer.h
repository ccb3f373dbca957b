// One request for one file: HTTP by libcurl, or a copy of a local file. Fetch.h decides what to ask whom, and how often.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace triton::zoo {

/// What is asked for, and where it goes.
struct TransferRequest {
  std::string url;
  int fd = -1;              ///< the partial file, open for writing; bytes go to its end
  uint64_t from = 0;        ///< the bytes that it has; what follows them is asked for
  uint64_t size = 0;        ///< of the whole file
  std::string validator;    ///< for If-Range; may be empty
  int connectMs = 10000, stallMs = 20000;
  const std::atomic<bool> *cancel = nullptr; ///< may be null
  std::function<void(uint64_t bytes)> progress; ///< bytes that the partial file has now; may be empty
};

/// How it went.
struct TransferOutcome {
  enum class Kind {
    Whole,     ///< the partial file has `size` bytes
    Retry,     ///< may work later: it broke off, stalled, or the server is busy
    Useless,   ///< this address will not do: another status, another size, a redirection that is not followed
    Local,     ///< the disk failed, or libcurl is missing; no other address helps
    Cancelled,
  };
  Kind kind = Kind::Whole;
  std::string reason;       ///< for people
  uint64_t bytes = 0;       ///< that the partial file has now
  bool resumed = false;     ///< the server went on where the partial file ended
  std::string validator;    ///< the server's strong ETag or its date, for a later If-Range
  int retryAfterSeconds = 0;
};

/// Carries out a request. Never leaves more than `size` bytes in the partial file. http and https go through libcurl, which reads
/// http_proxy, https_proxy, all_proxy and no_proxy; at most five redirections, to http and https only.
TransferOutcome transfer(const TransferRequest &request);

} // namespace triton::zoo
