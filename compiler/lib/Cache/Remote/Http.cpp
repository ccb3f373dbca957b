// HTTP in the layout of bazel-remote: GET and PUT of /ac/<64 hex> (an ActionResult that names a file by its SHA-256) and of
// /cas/<SHA-256> (the file). Any server that keeps what is PUT under a path and gives it back will do.
#include "ActionResult.h"
#include "Transport.h"

#include "triton/Net/Curl.h"
#include "triton/Support/Sha256.h"

#include "artifact/blake3.h"

#include <algorithm>
#include <cstring>

namespace triton::cache {

static constexpr uint64_t kMaxActionBytes = 64 << 10, kMaxHeaderBytes = 64 << 10;

/// An entry's name in /ac/. Kind and version are hashed in: the part is shared with whatever else uses the server.
static std::string actionName(EntryKind kind, const Key &key) {
  static constexpr char tag[] = "triton compile cache entry 1";
  uint8_t kindByte = uint8_t(kind);
  tri_blake3_state state;
  tri_blake3_start(&state);
  tri_blake3_update(&state, tag, sizeof tag);
  tri_blake3_update(&state, &kindByte, 1);
  tri_blake3_update(&state, key.data(), key.size());
  Key name;
  tri_blake3_finish(&state, name.data());
  return toHex(name);
}

namespace {

/// What a running request has seen.
struct Progress {
  std::vector<uint8_t> *to = nullptr;
  uint64_t limit = 0, headerBytes = 0;
  bool tooLong = false;
  Bytes send;
  const std::atomic<bool> *cancel = nullptr;
};

size_t receiveBody(char *data, size_t size, size_t count, void *user) {
  auto &progress = *static_cast<Progress *>(user);
  size_t bytes = size * count;
  if (!progress.to) return bytes; // the body of an answer that has none to give
  if (bytes > progress.limit - progress.to->size()) {
    progress.tooLong = true;
    return 0;
  }
  progress.to->insert(progress.to->end(), data, data + bytes);
  return bytes;
}

size_t receiveHeader(char *, size_t size, size_t count, void *user) {
  auto &progress = *static_cast<Progress *>(user);
  progress.headerBytes += size * count;
  if (progress.headerBytes <= kMaxHeaderBytes) return size * count;
  progress.tooLong = true;
  return 0;
}

size_t sendBody(char *to, size_t size, size_t count, void *user) {
  auto &progress = *static_cast<Progress *>(user);
  size_t bytes = std::min(size * count, progress.send.size());
  if (bytes) std::memcpy(to, progress.send.data(), bytes);
  progress.send = progress.send.subspan(bytes);
  return bytes;
}

int watch(void *user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Progress *>(user)->cancel->load() ? 1 : 0;
}

class HttpTransport final : public Transport {
public:
  HttpTransport(const RemoteAddress &address, const Credentials &credentials, const RemoteOptions &options,
                const std::atomic<bool> &cancel)
      : base(address.base), credentials(credentials), options(options), cancel(cancel) {
    if (lib.problem.empty()) curl = lib.curl_easy_init();
  }
  ~HttpTransport() override {
    if (curl) lib.curl_easy_cleanup(curl);
  }
  HttpTransport(const HttpTransport &) = delete;
  HttpTransport &operator=(const HttpTransport &) = delete;

  Outcome get(EntryKind kind, const Key &key, uint64_t limit, std::vector<uint8_t> &to) override;
  Outcome put(EntryKind kind, const Key &key, Bytes bytes) override;

private:
  Outcome request(const std::string &path, Progress &progress, bool sending);

  std::string base;
  Credentials credentials;
  RemoteOptions options;
  const std::atomic<bool> &cancel;
  const Curl &lib = libcurl();
  CURL *curl = nullptr;
};

Outcome HttpTransport::request(const std::string &path, Progress &progress, bool sending) {
  if (!lib.problem.empty()) return Outcome::failed(lib.problem);
  if (!curl) return Outcome::failed("no memory for a connection");
  progress.cancel = &cancel;
  std::string url = base + path;
  char reason[CURL_ERROR_SIZE] = "";
  auto set = [&](CURLoption option, auto value) { lib.curl_easy_setopt(curl, option, value); };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_ERRORBUFFER, reason);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  // No redirection: what follows it would get our credentials, and could be any machine inside.
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NETRC, long(CURL_NETRC_IGNORED));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, long(options.connectMs));
  set(CURLOPT_TIMEOUT_MS, long(options.requestMs));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, long(std::max(1, options.idleMs / 1000)));
  set(CURLOPT_USERAGENT, "triton-cache/1");
  set(CURLOPT_WRITEFUNCTION, receiveBody);
  set(CURLOPT_WRITEDATA, &progress);
  set(CURLOPT_HEADERFUNCTION, receiveHeader);
  set(CURLOPT_HEADERDATA, &progress);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, watch);
  set(CURLOPT_XFERINFODATA, &progress);
  if (!credentials.token.empty()) {
    set(CURLOPT_HTTPAUTH, long(CURLAUTH_BEARER));
    set(CURLOPT_XOAUTH2_BEARER, credentials.token.c_str());
  } else if (!credentials.user.empty() || !credentials.password.empty()) {
    set(CURLOPT_HTTPAUTH, long(CURLAUTH_BASIC));
    set(CURLOPT_USERNAME, credentials.user.c_str());
    set(CURLOPT_PASSWORD, credentials.password.c_str());
  }
  // Without "Expect: 100-continue", which costs a second at servers that do not know it.
  curl_slist *headers = lib.curl_slist_append(nullptr, "Expect:");
  if (sending) {
    headers = lib.curl_slist_append(headers, "Content-Type: application/octet-stream");
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, sendBody);
    set(CURLOPT_READDATA, &progress);
    set(CURLOPT_INFILESIZE_LARGE, curl_off_t(progress.send.size()));
  } else {
    set(CURLOPT_HTTPGET, 1L);
    set(CURLOPT_MAXFILESIZE_LARGE, curl_off_t(progress.limit));
  }
  set(CURLOPT_HTTPHEADER, headers);
  // An error's body may be long, and is nothing to keep: HTTP errors are failures here, told apart below.
  set(CURLOPT_FAILONERROR, 1L);
  CURLcode code = lib.curl_easy_perform(curl);
  lib.curl_slist_free_all(headers);
  long status = 0;
  lib.curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  lib.curl_easy_reset(curl); // the buffers that it was given end here
  if (progress.tooLong || code == CURLE_FILESIZE_EXCEEDED) return Outcome::failed("it sent more than it may");
  if (code != CURLE_OK && code != CURLE_HTTP_RETURNED_ERROR)
    return Outcome::failed(reason[0] ? reason : lib.curl_easy_strerror(code));
  if (status >= 200 && status < 300) return Outcome::done();
  std::string said = "HTTP status " + std::to_string(status);
  if (!sending && (status == 404 || status == 410)) return Outcome::missing();
  if (sending && (status == 401 || status == 403 || status == 405 || status == 413)) return Outcome::refused(said);
  return Outcome::failed(said);
}

Outcome HttpTransport::get(EntryKind kind, const Key &key, uint64_t limit, std::vector<uint8_t> &to) {
  std::vector<uint8_t> action;
  Progress first;
  first.to = &action;
  first.limit = kMaxActionBytes;
  if (Outcome outcome = request("/ac/" + actionName(kind, key), first, false); outcome.kind != Outcome::Kind::Done)
    return outcome;
  std::optional<BlobDigest> digest = readActionResult(action);
  if (!digest) return Outcome::failed("what it has under our name is no entry");
  if (digest->bytes > limit) return Outcome::missing();
  Progress second;
  second.to = &to;
  second.limit = digest->bytes;
  to.reserve(size_t(std::min<uint64_t>(digest->bytes, 16 << 20)));
  // A content that is gone while its name is left was pruned there: no failure.
  if (Outcome outcome = request("/cas/" + digest->sha256Hex, second, false); outcome.kind != Outcome::Kind::Done)
    return outcome;
  if (to.size() != digest->bytes ||
      sha256Hex({reinterpret_cast<const char *>(to.data()), to.size()}) != digest->sha256Hex)
    return Outcome::failed("the content is not what its name says");
  return Outcome::done();
}

Outcome HttpTransport::put(EntryKind kind, const Key &key, Bytes bytes) {
  BlobDigest digest{sha256Hex({reinterpret_cast<const char *>(bytes.data()), bytes.size()}), bytes.size()};
  // The content first: the name must never be there without it.
  Progress first;
  first.send = bytes;
  if (Outcome outcome = request("/cas/" + digest.sha256Hex, first, true); outcome.kind != Outcome::Kind::Done) return outcome;
  std::vector<uint8_t> action = writeActionResult(digest);
  Progress second;
  second.send = action;
  return request("/ac/" + actionName(kind, key), second, true);
}

} // namespace

std::unique_ptr<Transport> makeHttpTransport(const RemoteAddress &address, const Credentials &credentials,
                                             const RemoteOptions &options, const std::atomic<bool> &cancel) {
  return std::make_unique<HttpTransport>(address, credentials, options, cancel);
}

} // namespace triton::cache
