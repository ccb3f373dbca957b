// Caches elsewhere: a store behind HTTP in bazel-remote's layout, or Redis. A library of its own (TritonCacheRemote), because a hit
// in the local cache must not load what it needs.
#pragma once

#include "triton/Cache/Store.h"

namespace triton::cache {

struct RemoteOptions {
  std::string url;      ///< http://, https:// or redis://, without user, password, query and fragment
  std::string cacheDir; ///< where it is remembered that a remote failed; empty: nowhere
  uint64_t maxEntryBytes = uint64_t(1) << 30; ///< larger entries are neither sent nor received
  uint64_t maxQueuedBytes = uint64_t(256) << 20; ///< what may wait to be sent; what comes on top is not sent
  int connectMs = 1000;   ///< until a connection stands
  int idleMs = 5000;      ///< without a byte while something is received
  int requestMs = 60000;  ///< for one request
  int totalMs = 120000;   ///< for all look-ups of a process together
  int finishMs = 15000;   ///< for what is still to be sent at the end
  int backOffSeconds = 30; ///< a remote that failed is left alone for so long; doubles with each failure, at most to ten minutes
  bool upload = true;
  /// Gets at most one message in all. It never has a password or token in it.
  std::function<void(const std::string &message)> warn = {};
};

/// Who we are to a remote; see docs/cache.md.
struct Credentials {
  std::string user, password, token, secret;
  bool empty() const { return user.empty() && password.empty() && token.empty() && secret.empty(); }
};

/// The environment's credentials (TRITON_DSL_REMOTE_USER, _PASSWORD, _TOKEN, _SECRET), and for what it does not set those of the
/// user's file for this "host" or "host:port". An Error for a file that others can read or that cannot be understood; the
/// message has no word of the file's content.
Result<Credentials> findCredentials(const std::string &host, int port);

/// Where the user's file is: $XDG_CONFIG_HOME/triton-dsl/credentials or $HOME/.config/triton-dsl/credentials; "" if neither is set.
std::string credentialsPath();

/// Connects lazily: an Error (kind Usage) is a URL that cannot be meant. From then on a remote in trouble is only slow once: it is
/// asked until it first fails, then left alone by this process, and by later ones for a while.
Result<std::unique_ptr<RemoteStore>> openRemote(RemoteOptions options);

} // namespace triton::cache
