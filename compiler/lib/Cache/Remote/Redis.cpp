// Redis: an entry is the value of the key "triton:1:<kind>:<64 hex>". Its answers are read piece by piece, so that a limit on size
// and time holds whatever is at the other end.
#include "Transport.h"

#include "triton/Net/SharedLibrary.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

namespace triton::cache {

/// How long one read or write may block before limits and cancellation are looked at.
static constexpr int kSliceMs = 250;
/// A value of Redis has at most 512 MB.
static constexpr uint64_t kMaxValueBytes = uint64_t(512) << 20;
/// What the protocol puts around a value.
static constexpr uint64_t kProtocolBytes = 4096;

static struct timeval timeOf(int ms) { return {ms / 1000, (ms % 1000) * 1000}; }

namespace {

/// hiredis's functions, under their own names.
struct Hiredis {
#define TRITON_HIREDIS_FUNCTIONS(F) \
  F(redisConnectWithTimeout) F(redisSetTimeout) F(redisFree) F(redisFormatCommandArgv) F(redisFreeCommand) F(redisReaderFeed) \
  F(redisReaderGetReply) F(freeReplyObject)
  TRITON_HIREDIS_FUNCTIONS(TRITON_SHARED_MEMBER)
  std::string problem; ///< if it cannot be used

  Hiredis() {
    SharedLibrary library(TRITON_HIREDIS_SONAME);
    TRITON_HIREDIS_FUNCTIONS(TRITON_SHARED_FIND)
    problem = library.problem();
  }
};

const Hiredis &hiredis() {
  static const Hiredis lib;
  return lib;
}

struct FreeContext {
  void operator()(redisContext *context) const { hiredis().redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply *reply) const { hiredis().freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

class RedisTransport final : public Transport {
public:
  RedisTransport(const RemoteAddress &address, const Credentials &credentials, const RemoteOptions &options,
                 const std::atomic<bool> &cancel)
      : address(address), credentials(credentials), options(options), cancel(cancel) {}

  Outcome get(EntryKind kind, const Key &key, uint64_t limit, std::vector<uint8_t> &to) override;
  Outcome put(EntryKind kind, const Key &key, Bytes bytes) override;

private:
  Outcome connect();
  Outcome command(const std::vector<Bytes> &words, uint64_t limit, Reply &reply);
  Outcome expectOk(const std::vector<std::string> &words, const char *what);

  RemoteAddress address;
  Credentials credentials;
  RemoteOptions options;
  const std::atomic<bool> &cancel;
  const Hiredis &lib = hiredis();
  std::unique_ptr<redisContext, FreeContext> context;
};

Bytes bytesOf(std::string_view text) { return {reinterpret_cast<const uint8_t *>(text.data()), text.size()}; }

std::string valueName(EntryKind kind, const Key &key) { return "triton:1:" + std::string(kindName(kind)) + ":" + toHex(key); }

/// Sends one command and waits for its answer, at most `limit` bytes of it.
Outcome RedisTransport::command(const std::vector<Bytes> &words, uint64_t limit, Reply &reply) {
  std::vector<const char *> pointers;
  std::vector<size_t> sizes;
  for (Bytes word : words) {
    pointers.push_back(reinterpret_cast<const char *>(word.data()));
    sizes.push_back(word.size());
  }
  redisContext *c = context.get();
  const Clock::time_point start = Clock::now();
  Clock::time_point lastByte = start;
  auto late = [&]() -> const char * {
    Clock::time_point now = Clock::now();
    if (cancel.load()) return "it took too long";
    if (now - start > std::chrono::milliseconds(options.requestMs)) return "it took too long";
    return now - lastByte > std::chrono::milliseconds(options.idleMs) ? "no answer" : nullptr;
  };
  // To hiredis a time-out ends the connection, so the waiting is done here: a slice (SO_RCVTIMEO) without a byte is no error until
  // a limit is reached.
  auto slicePassed = [&] { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; };
  char *formatted = nullptr;
  int formattedBytes = lib.redisFormatCommandArgv(&formatted, int(words.size()), pointers.data(), sizes.data());
  if (formattedBytes < 0) return Outcome::failed("no memory for a request");
  std::unique_ptr<char, decltype(lib.redisFreeCommand)> freeFormatted(formatted, lib.redisFreeCommand);
  std::string_view out(formatted, size_t(formattedBytes));
  while (!out.empty()) {
    ssize_t n = ::send(c->fd, out.data(), std::min<size_t>(out.size(), 1 << 20), MSG_NOSIGNAL);
    if (n < 0 && !slicePassed()) return Outcome::failed(std::strerror(errno));
    if (n > 0) {
      out.remove_prefix(size_t(n));
      lastByte = Clock::now();
    }
    if (const char *why = late()) return Outcome::failed(why);
  }
  std::vector<char> buffer(64 << 10);
  for (uint64_t received = 0;;) {
    void *answer = nullptr;
    if (lib.redisReaderGetReply(c->reader, &answer) != REDIS_OK) return Outcome::failed("the answer is not in Redis's protocol");
    if (answer) {
      reply.reset(static_cast<redisReply *>(answer));
      return Outcome::done();
    }
    ssize_t n = ::recv(c->fd, buffer.data(), buffer.size(), 0);
    if (n == 0) return Outcome::failed("it closed the connection");
    if (n < 0 && !slicePassed()) return Outcome::failed(std::strerror(errno));
    if (n > 0) {
      lastByte = Clock::now();
      // Nothing that we ask is answered by an array, and a hostile one could ask for any amount of memory.
      if (received == 0 && !std::strchr("+-$", buffer[0])) return Outcome::failed("the answer is not in Redis's protocol");
      received += uint64_t(n);
      if (received > limit + kProtocolBytes) return Outcome::failed("it sent more than it may");
      if (lib.redisReaderFeed(c->reader, buffer.data(), size_t(n)) != REDIS_OK)
        return Outcome::failed("the answer is not in Redis's protocol");
    }
    if (const char *why = late()) return Outcome::failed(why);
  }
}

Outcome RedisTransport::expectOk(const std::vector<std::string> &words, const char *what) {
  std::vector<Bytes> views;
  for (const std::string &word : words) views.push_back(bytesOf(word));
  Reply reply;
  if (Outcome outcome = command(views, 0, reply); outcome.kind != Outcome::Kind::Done) return outcome;
  if (reply->type == REDIS_REPLY_STATUS) return Outcome::done();
  return Outcome::failed(std::string(what) + " was refused"); // its own words might repeat ours
}

Outcome RedisTransport::connect() {
  if (!lib.problem.empty()) return Outcome::failed(lib.problem);
  if (context) return Outcome::done();
  context.reset(lib.redisConnectWithTimeout(address.host.c_str(), address.port, timeOf(options.connectMs)));
  if (!context) return Outcome::failed("no memory for a connection");
  if (context->err) return Outcome::failed(context->errstr);
  if (lib.redisSetTimeout(context.get(), timeOf(kSliceMs)) != REDIS_OK) return Outcome::failed(context->errstr);
  if (!credentials.password.empty()) {
    std::vector<std::string> words = {"AUTH"};
    if (!credentials.user.empty()) words.push_back(credentials.user);
    words.push_back(credentials.password);
    if (Outcome outcome = expectOk(words, "the password"); outcome.kind != Outcome::Kind::Done) return outcome;
  }
  if (!address.base.empty()) return expectOk({"SELECT", address.base}, "the database");
  return Outcome::done();
}

Outcome RedisTransport::get(EntryKind kind, const Key &key, uint64_t limit, std::vector<uint8_t> &to) {
  Outcome outcome = connect();
  Reply reply;
  std::string name = valueName(kind, key);
  if (outcome.kind == Outcome::Kind::Done)
    outcome = command({bytesOf("GET"), bytesOf(name)}, std::min(limit, kMaxValueBytes), reply);
  if (outcome.kind != Outcome::Kind::Done) {
    context.reset(); // an answer may still come: the next request must not take it for its own
    return outcome;
  }
  if (reply->type == REDIS_REPLY_NIL) return Outcome::missing();
  if (reply->type != REDIS_REPLY_STRING) return Outcome::failed("it answered with an error");
  to.insert(to.end(), reply->str, reply->str + reply->len);
  return Outcome::done();
}

Outcome RedisTransport::put(EntryKind kind, const Key &key, Bytes bytes) {
  if (bytes.size() > kMaxValueBytes) return Outcome::refused("too large for Redis");
  Outcome outcome = connect();
  Reply reply;
  std::string name = valueName(kind, key);
  if (outcome.kind == Outcome::Kind::Done) outcome = command({bytesOf("SET"), bytesOf(name), bytes}, 0, reply);
  if (outcome.kind != Outcome::Kind::Done) {
    context.reset();
    return outcome;
  }
  // A full or read-only server.
  if (reply->type != REDIS_REPLY_STATUS) return Outcome::refused("it keeps nothing");
  return Outcome::done();
}

} // namespace

std::unique_ptr<Transport> makeRedisTransport(const RemoteAddress &address, const Credentials &credentials,
                                              const RemoteOptions &options, const std::atomic<bool> &cancel) {
  return std::make_unique<RedisTransport>(address, credentials, options, cancel);
}

} // namespace triton::cache
