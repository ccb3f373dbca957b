// What holds for every kind of remote: entries are checked in both directions, sending happens behind the compile's back, and a
// remote that failed is left alone, by this process for good and by later ones for a while.
#include "triton/Cache/Remote.h"

#include "../Directory.h"
#include "Transport.h"

#include "artifact/blake3.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <time.h>
#include <unistd.h>

namespace triton::cache {

static constexpr int kMaxBackOffSeconds = 600;
static constexpr size_t kMacBytes = TRI_BLAKE3_BYTES;

namespace {

/// Writing to a connection that the other side closed raises SIGPIPE, which would end the program.
class WithoutSigpipe {
public:
  WithoutSigpipe() {
    sigset_t pipe, pendingBefore;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pendingBefore);
    wasPending = sigismember(&pendingBefore, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
  }
  ~WithoutSigpipe() {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const struct timespec now {};
    if (!wasPending)
      while (sigtimedwait(&pipe, nullptr, &now) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe &) = delete;
  WithoutSigpipe &operator=(const WithoutSigpipe &) = delete;

private:
  sigset_t old;
  bool wasPending;
};

/// DIR/v1/remote-<16 hex>: "<failures> <seconds since 1970>", until when the remote is left alone. Losing it costs one more try.
class FailureMemory {
public:
  FailureMemory(const std::string &cacheDir, const std::string &url, int firstSeconds) : firstSeconds(firstSeconds) {
    if (cacheDir.empty()) return;
    Result<Directory> opened = Directory::open(cacheDir, false);
    if (!opened) return;
    directory = std::move(*opened);
    Key hash;
    tri_blake3(url.data(), url.size(), hash.data());
    name = "remote-" + toHex(hash).substr(0, 16);
    Fd fd(::openat(directory->versionFd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    char text[64] = "";
    ssize_t n = fd ? ::read(fd.get(), text, sizeof text - 1) : 0;
    long long readUntil = 0;
    unsigned readFailures = 0;
    if (n <= 0 || std::sscanf(text, "%5u %18lld", &readFailures, &readUntil) != 2) return;
    known = true;
    failures = readFailures;
    until = readUntil;
  }
  /// A time further away than we would write is a wrong clock or a joke.
  bool resting() const {
    long long now = ::time(nullptr);
    return until > now && until <= now + kMaxBackOffSeconds;
  }
  void failed() {
    if (!directory) return;
    long long wait = std::min<long long>(static_cast<long long>(firstSeconds) << std::min(failures, 8u), kMaxBackOffSeconds);
    std::string text = std::to_string(++failures) + " " + std::to_string(::time(nullptr) + wait) + "\n";
    Fd fd(::openat(directory->versionFd(), name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    known = fd && writeAll(fd.get(), {reinterpret_cast<const uint8_t *>(text.data()), text.size()});
  }
  void worked() {
    if (directory && known) ::unlinkat(directory->versionFd(), name.c_str(), 0);
    known = false;
    failures = 0;
  }

private:
  std::optional<Directory> directory;
  std::string name;
  int firstSeconds;
  bool known = false;
  unsigned failures = 0;
  long long until = 0;
};

/// With a shared secret every entry carries BLAKE3(derived secret, entry) behind it: only who has the secret can make entries that
/// are believed. The derived secret has a fixed length, and BLAKE3 cannot be extended, so a prefix is enough for that.
class Signature {
public:
  explicit Signature(const std::string &secret) : active(!secret.empty()) {
    std::string text = "triton compile cache secret 1" + secret;
    tri_blake3(text.data(), text.size(), derived.data());
  }
  Key of(Bytes sealed) const {
    tri_blake3_state state;
    tri_blake3_start(&state);
    tri_blake3_update(&state, derived.data(), derived.size());
    tri_blake3_update(&state, sealed.data(), sealed.size());
    Key out;
    tri_blake3_finish(&state, out.data());
    return out;
  }
  void append(std::vector<uint8_t> &sealed) const {
    if (!active) return;
    Key mac = of(sealed);
    sealed.insert(sealed.end(), mac.begin(), mac.end());
  }
  /// Takes the signature off; false if it is wrong.
  bool remove(std::vector<uint8_t> &bytes) const {
    if (!active) return true;
    if (bytes.size() < kMacBytes) return false;
    size_t sealedBytes = bytes.size() - kMacBytes;
    Key mac = of({bytes.data(), sealedBytes});
    uint8_t difference = 0;
    for (size_t i = 0; i < kMacBytes; ++i) difference |= uint8_t(mac[i] ^ bytes[sealedBytes + i]);
    bytes.resize(sealedBytes);
    return difference == 0;
  }
  size_t size() const { return active ? kMacBytes : 0; }

private:
  bool active;
  Key derived;
};

class Remote final : public RemoteStore {
public:
  Remote(RemoteOptions given, RemoteAddress address, Credentials who)
      : options(std::move(given)), address(std::move(address)), credentials(std::move(who)), signature(credentials.secret),
        memory(options.cacheDir, options.url, options.backOffSeconds) {
    resting = memory.resting();
  }
  ~Remote() override { finish(); }

  std::optional<Blob> fetch(EntryKind kind, const Key &key) override;
  void send(EntryKind kind, const Key &key, Blob sealed) override;
  void finish() override;
  Counters takeCounters() override {
    Counters out;
    for (size_t i = 0; i < kCounters; ++i) out[i] = counters[i].exchange(0);
    return out;
  }

private:
  struct Job {
    EntryKind kind;
    Key key;
    Blob sealed;
  };

  std::unique_ptr<Transport> makeTransport() {
    auto make = address.scheme == "redis" ? makeRedisTransport : makeHttpTransport;
    return make(address, credentials, options, cancel);
  }
  void count(Counter counter) { ++counters[size_t(counter)]; }
  void failed(const std::string &reason);
  void work();

  RemoteOptions options;
  RemoteAddress address;
  Credentials credentials;
  Signature signature;
  std::array<std::atomic<uint64_t>, kCounters> counters{};
  std::atomic<bool> down{false}, cancel{false}, refusesUploads{false};
  bool resting = false;

  std::mutex fetching; // guards the next three
  std::unique_ptr<Transport> fetcher;
  std::chrono::milliseconds waited{0};
  bool fetchWorked = false;

  std::mutex failing; // guards memory and warned
  FailureMemory memory;
  bool warned = false;

  std::mutex queueing; // guards the rest
  std::condition_variable changed;
  std::deque<Job> queue;
  uint64_t queuedBytes = 0;
  bool busy = false, closing = false;
  std::thread sender;
};

void Remote::failed(const std::string &reason) {
  count(Counter::RemoteErrors);
  down = true;
  std::lock_guard<std::mutex> guard(failing);
  if (warned) return; // one failure, whichever thread sees it first
  warned = true;
  memory.failed();
  if (options.warn) options.warn("the remote cache " + options.url + " failed (" + reason + "); going on without it");
}

std::optional<Blob> Remote::fetch(EntryKind kind, const Key &key) {
  if (down || resting) return std::nullopt;
  std::vector<uint8_t> bytes;
  Outcome outcome;
  {
    std::lock_guard<std::mutex> guard(fetching);
    if (down) return std::nullopt;
    WithoutSigpipe quiet;
    if (!fetcher) fetcher = makeTransport();
    Transport::Clock::time_point start = Transport::Clock::now();
    outcome = fetcher->get(kind, key, options.maxEntryBytes + kSealBytes + signature.size(), bytes);
    waited += std::chrono::duration_cast<std::chrono::milliseconds>(Transport::Clock::now() - start);
    bool answered = outcome.kind == Outcome::Kind::Done || outcome.kind == Outcome::Kind::Missing;
    if (answered && waited > std::chrono::milliseconds(options.totalMs)) failed("it was too slow in all");
    if (answered && !fetchWorked && !down) {
      fetchWorked = true;
      std::lock_guard<std::mutex> remember(failing);
      memory.worked();
    }
  }
  if (outcome.kind == Outcome::Kind::Missing) {
    count(Counter::RemoteMisses);
    return std::nullopt;
  }
  if (outcome.kind != Outcome::Kind::Done) {
    failed(outcome.reason);
    return std::nullopt;
  }
  if (!signature.remove(bytes)) {
    failed("an entry is not signed with our secret");
    return std::nullopt;
  }
  Blob sealed = Blob::allocate(bytes.size());
  if (!sealed.data()) return std::nullopt;
  if (!bytes.empty()) std::memcpy(sealed.data(), bytes.data(), bytes.size());
  if (!isEntry(sealed, kind, key)) {
    failed("an entry is damaged, or of another key");
    return std::nullopt;
  }
  count(Counter::RemoteHits);
  return sealed;
}

void Remote::send(EntryKind kind, const Key &key, Blob sealed) {
  if (!options.upload || down || resting || refusesUploads) return;
  if (sealed.size() > options.maxEntryBytes + kSealBytes) return;
  std::lock_guard<std::mutex> guard(queueing);
  if (queuedBytes + sealed.size() > options.maxQueuedBytes) return;
  queuedBytes += sealed.size();
  queue.push_back({kind, key, std::move(sealed)});
  if (!sender.joinable()) sender = std::thread([this] { work(); });
  changed.notify_all();
}

void Remote::work() {
  WithoutSigpipe quiet;
  std::unique_ptr<Transport> transport = makeTransport();
  std::unique_lock<std::mutex> lock(queueing);
  for (;;) {
    changed.wait(lock, [&] { return closing || !queue.empty(); });
    if (queue.empty()) return;
    Job job = std::move(queue.front());
    queue.pop_front();
    queuedBytes -= job.sealed.size();
    if (!down && !refusesUploads && !cancel) {
      busy = true;
      lock.unlock();
      Bytes sealed = job.sealed;
      std::vector<uint8_t> bytes(sealed.begin(), sealed.end());
      signature.append(bytes);
      Outcome outcome = transport->put(job.kind, job.key, bytes);
      if (outcome.kind == Outcome::Kind::Done) count(Counter::RemoteStored);
      if (outcome.kind == Outcome::Kind::Refused) refusesUploads = true; // we may read only: nothing to warn of
      if (outcome.kind == Outcome::Kind::Failed) failed(outcome.reason);
      lock.lock();
      busy = false;
    }
    changed.notify_all();
  }
}

void Remote::finish() {
  std::unique_lock<std::mutex> lock(queueing);
  if (!sender.joinable()) return;
  changed.wait_for(lock, std::chrono::milliseconds(options.finishMs), [&] { return queue.empty() && !busy; });
  if (!queue.empty() || busy) cancel = true; // the sender drops what is left, and its request ends within a second
  closing = true;
  changed.notify_all();
  lock.unlock();
  sender.join();
  lock.lock();
  sender = std::thread();
  closing = false;
}

} // namespace

Result<std::unique_ptr<RemoteStore>> openRemote(RemoteOptions options) {
  Result<RemoteAddress> address = parseRemoteUrl(options.url);
  if (!address) return address.takeError();
  Result<Credentials> credentials = findCredentials(address->host, address->port);
  if (!credentials) return credentials.takeError();
  return std::unique_ptr<RemoteStore>(std::make_unique<Remote>(std::move(options), std::move(*address), std::move(*credentials)));
}

} // namespace triton::cache
