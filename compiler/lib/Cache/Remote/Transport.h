// What differs between the kinds of remotes: moving the bytes of one entry. Not thread-safe; Remote.cpp has one for each thread.
#pragma once

#include "triton/Cache/Remote.h"

#include <atomic>
#include <chrono>

namespace triton::cache {

/// How a request went.
struct Outcome {
  enum class Kind {
    Done,
    Missing, ///< it is in order, and has no such entry
    Refused, ///< it takes no such entry from us (not allowed, too large); others may still be fetched
    Failed,  ///< it is dead, slow, or answers nonsense
  };
  Kind kind = Kind::Done;
  std::string reason; ///< for people; no credentials

  static Outcome done() { return {}; }
  static Outcome missing() { return {Kind::Missing, ""}; }
  static Outcome refused(std::string reason) { return {Kind::Refused, std::move(reason)}; }
  static Outcome failed(std::string reason) { return {Kind::Failed, std::move(reason)}; }
};

/// The parts of a remote's URL.
struct RemoteAddress {
  std::string scheme, host;
  int port = 0;
  std::string base; ///< http: the URL without a final slash; redis: the number of the database, or ""
};

/// Takes a URL apart. Errors do not repeat it when it might have a password in it.
Result<RemoteAddress> parseRemoteUrl(const std::string &url);

class Transport {
public:
  using Clock = std::chrono::steady_clock;
  virtual ~Transport() = default;
  /// Appends what the remote has under `name` to `to`, at most `limit` bytes.
  virtual Outcome get(EntryKind kind, const Key &key, uint64_t limit, std::vector<uint8_t> &to) = 0;
  virtual Outcome put(EntryKind kind, const Key &key, Bytes bytes) = 0;
};

/// `cancel`: set by another thread; a running request then ends within about a second.
std::unique_ptr<Transport> makeHttpTransport(const RemoteAddress &address, const Credentials &credentials,
                                             const RemoteOptions &options, const std::atomic<bool> &cancel);
std::unique_ptr<Transport> makeRedisTransport(const RemoteAddress &address, const Credentials &credentials,
                                              const RemoteOptions &options, const std::atomic<bool> &cancel);

} // namespace triton::cache
