#include "Transfer.h"

#include "triton/Net/Curl.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace triton::zoo {

static constexpr uint64_t kMaxHeaderBytes = 64 << 10;
static constexpr long kMaxRedirections = 5;
/// A connection that brings less than this in the time of `stallMs` is given up: a drop now and then would keep it open for ever.
static constexpr int64_t kSlowBytes = 1024;

using Kind = TransferOutcome::Kind;
using Clock = std::chrono::steady_clock;

static bool writeAll(int fd, const char *data, size_t bytes) {
  while (bytes) {
    ssize_t n = ::write(fd, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    bytes -= size_t(n);
  }
  return true;
}

static std::string countOf(uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

static std::optional<uint64_t> numberIn(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

namespace {

/// What a running request has seen. The header fields are those of the last answer: each redirection begins anew.
struct State {
  const TransferRequest *request = nullptr;
  CURL *curl = nullptr;
  uint64_t at = 0;       ///< the length of the partial file
  uint64_t headerBytes = 0;
  long status = 0;
  bool begun = false;    ///< the first byte of the body that counts is there
  bool resumed = false;
  std::string etag, modified, range, retryAfter;
  std::optional<uint64_t> length;
  // Why we ended it ourselves.
  std::optional<TransferOutcome> verdict;
  // What came since then says whether it stalls.
  Clock::time_point windowBegin = Clock::now();
  curl_off_t windowBytes = 0;
};

bool refuse(State &state, Kind kind, std::string reason) {
  TransferOutcome outcome;
  outcome.kind = kind;
  outcome.reason = std::move(reason);
  state.verdict = std::move(outcome);
  return false;
}

/// Is the answer one that the partial file can take? Called once, before its first byte.
bool begin(State &state) {
  state.begun = true;
  const TransferRequest &request = *state.request;
  if (state.status == 206) {
    // "bytes FIRST-LAST/TOTAL"
    std::string_view text = state.range;
    size_t dash = text.find('-'), slash = text.find('/');
    bool known = text.starts_with("bytes ") && dash != text.npos && slash != text.npos && dash < slash;
    std::optional<uint64_t> first = known ? numberIn(text.substr(6, dash - 6)) : std::nullopt;
    std::optional<uint64_t> total = known ? numberIn(text.substr(slash + 1)) : std::nullopt;
    if (!first || *first != state.at) return refuse(state, Kind::Useless, "it sent another range than the one asked for");
    if (total && *total != request.size)
      return refuse(state, Kind::Useless, "it has " + countOf(*total) + ", the manifest says " + std::to_string(request.size));
    state.resumed = state.at > 0;
    return true;
  }
  if (state.length && *state.length != request.size)
    return refuse(state, Kind::Useless, "it has " + countOf(*state.length) + ", the manifest says " + std::to_string(request.size));
  // It sends the file from its beginning.
  if (state.at > 0 && ::ftruncate(request.fd, 0) != 0)
    return refuse(state, Kind::Local, std::string("cannot begin the partial file again: ") + std::strerror(errno));
  if (state.at > 0) ::lseek(request.fd, 0, SEEK_SET);
  state.at = 0;
  return true;
}

size_t receiveBody(char *data, size_t size, size_t count, void *user) {
  auto &state = *static_cast<State *>(user);
  size_t bytes = size * count;
  if (state.status != 200 && state.status != 206) { // libcurl itself skips the body of a redirection
    refuse(state, Kind::Useless, "HTTP status " + std::to_string(state.status));
    return 0;
  }
  if (!state.begun && !begin(state)) return 0;
  if (bytes > state.request->size - state.at) {
    refuse(state, Kind::Useless, "it sends more than the " + countOf(state.request->size) + " of the manifest");
    return 0;
  }
  if (!writeAll(state.request->fd, data, bytes)) {
    refuse(state, Kind::Local, std::string("cannot write the partial file: ") + std::strerror(errno));
    return 0;
  }
  state.at += bytes;
  if (state.request->progress) state.request->progress(state.at);
  return bytes;
}

size_t receiveHeader(char *data, size_t size, size_t count, void *user) {
  auto &state = *static_cast<State *>(user);
  size_t bytes = size * count;
  state.headerBytes += bytes;
  if (state.headerBytes > kMaxHeaderBytes) {
    refuse(state, Kind::Useless, "its header has no end");
    return 0;
  }
  std::string_view line(data, bytes);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    state.etag.clear(), state.modified.clear(), state.range.clear(), state.retryAfter.clear();
    state.length.reset();
    return bytes;
  }
  if (line.empty()) libcurl().curl_easy_getinfo(state.curl, CURLINFO_RESPONSE_CODE, &state.status);
  size_t colon = line.find(':');
  if (colon == line.npos) return bytes;
  std::string name(line.substr(0, colon));
  for (char &c : name) c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (name == "etag") state.etag = value;
  if (name == "last-modified") state.modified = value;
  if (name == "content-range") state.range = value;
  if (name == "retry-after") state.retryAfter = value;
  if (name == "content-length") state.length = numberIn(value);
  return bytes;
}

int watch(void *user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t) {
  auto &state = *static_cast<State *>(user);
  const TransferRequest &request = *state.request;
  if (request.cancel && request.cancel->load()) {
    refuse(state, Kind::Cancelled, "it was interrupted");
    return 1;
  }
  auto now = Clock::now();
  if (now - state.windowBegin <= std::chrono::milliseconds(request.stallMs)) return 0;
  if (std::abs(received - state.windowBytes) < kSlowBytes) {
    refuse(state, Kind::Retry, "less than " + std::to_string(kSlowBytes) + " bytes in " + std::to_string((request.stallMs + 999) / 1000) + " s");
    return 1;
  }
  state.windowBegin = now;
  state.windowBytes = received;
  return 0;
}

/// Keeps what a later request can be made conditional on. A weak ETag says nothing of bytes.
std::string validatorOf(const State &state) {
  if (state.etag.size() < 1024 && state.etag.starts_with("\"")) return state.etag;
  return state.modified.size() < 64 ? state.modified : "";
}

TransferOutcome httpTransfer(const TransferRequest &request) {
  const Curl &lib = libcurl();
  if (!lib.problem.empty()) return {Kind::Local, lib.problem, request.from, false, "", 0};
  State state;
  state.request = &request;
  state.at = request.from;
  CURL *curl = lib.curl_easy_init();
  if (!curl) return {Kind::Local, "no memory for a connection", request.from, false, "", 0};
  state.curl = curl;
  char reason[CURL_ERROR_SIZE] = "";
  auto set = [&](CURLoption option, auto value) { lib.curl_easy_setopt(curl, option, value); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_ERRORBUFFER, reason);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, kMaxRedirections);
  set(CURLOPT_UNRESTRICTED_AUTH, 0L);
  set(CURLOPT_NETRC, long(CURL_NETRC_IGNORED));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, long(request.connectMs));
  set(CURLOPT_USERAGENT, "triton-zoo/1");
  set(CURLOPT_WRITEFUNCTION, receiveBody);
  set(CURLOPT_WRITEDATA, &state);
  set(CURLOPT_HEADERFUNCTION, receiveHeader);
  set(CURLOPT_HEADERDATA, &state);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, watch);
  set(CURLOPT_XFERINFODATA, &state);
  // The body of an error may have no end, and is nothing to keep.
  set(CURLOPT_FAILONERROR, 1L);
  // The bytes of the file and no others: no content encoding is asked for.
  curl_slist *headers = nullptr;
  if (request.from > 0) {
    headers = lib.curl_slist_append(headers, ("Range: bytes=" + std::to_string(request.from) + "-").c_str());
    if (!request.validator.empty()) headers = lib.curl_slist_append(headers, ("If-Range: " + request.validator).c_str());
  }
  set(CURLOPT_HTTPHEADER, headers);
  CURLcode code = lib.curl_easy_perform(curl);
  lib.curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &state.status);
  lib.curl_slist_free_all(headers);
  lib.curl_easy_cleanup(curl);

  TransferOutcome out;
  if (state.verdict) out = std::move(*state.verdict);
  out.bytes = state.at;
  out.resumed = state.resumed;
  if (state.begun) out.validator = validatorOf(state);
  if (state.verdict) return out;
  auto failed = [&](Kind kind, std::string why) {
    out.kind = kind;
    out.reason = std::move(why);
    return out;
  };
  std::string said = reason[0] ? reason : lib.curl_easy_strerror(code);
  if (code == CURLE_TOO_MANY_REDIRECTS) return failed(Kind::Useless, "more than " + std::to_string(kMaxRedirections) + " redirections");
  if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
    return failed(Kind::Useless, (state.status / 100 == 3 ? "it redirects to what is neither http nor https: " : "") + said);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) return failed(Kind::Useless, said);
  if (code == CURLE_HTTP_RETURNED_ERROR) {
    if (std::optional<uint64_t> seconds = numberIn(state.retryAfter)) out.retryAfterSeconds = int(std::min<uint64_t>(*seconds, 86400));
    // 416: what we have is no beginning of what it has.
    bool busy = state.status >= 500 || state.status == 408 || state.status == 425 || state.status == 429 || state.status == 416;
    if (state.status == 416) {
      out.bytes = 0;
      if (::ftruncate(request.fd, 0) != 0) return failed(Kind::Local, std::string("cannot begin the partial file again: ") + std::strerror(errno));
      ::lseek(request.fd, 0, SEEK_SET);
    }
    return failed(busy ? Kind::Retry : Kind::Useless, "HTTP status " + std::to_string(state.status));
  }
  if (code != CURLE_OK) return failed(Kind::Retry, said);
  if (state.status != 200 && state.status != 206) return failed(Kind::Useless, "HTTP status " + std::to_string(state.status));
  if (!state.begun && !begin(state)) { // an empty body
    TransferOutcome verdict = std::move(*state.verdict);
    verdict.bytes = state.at;
    return verdict;
  }
  out.bytes = state.at;
  if (state.at < request.size)
    return failed(Kind::Retry, "it ended after " + std::to_string(state.at) + " of " + countOf(request.size));
  return out;
}

/// The path of a file URL, its %XX taken back; "" if that cannot be.
std::string filePath(std::string_view url) {
  std::string out;
  std::string_view text = url.substr(std::strlen("file://"));
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    auto [end, error] = i + 3 <= text.size() ? std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16)
                                             : std::from_chars_result{text.data(), std::errc::invalid_argument};
    if (error != std::errc() || end != text.data() + i + 3 || value == 0) return "";
    out += char(value);
    i += 2;
  }
  return out;
}

TransferOutcome copyTransfer(const TransferRequest &request) {
  TransferOutcome out;
  auto failed = [&](Kind kind, std::string why) {
    out.kind = kind;
    out.reason = std::move(why);
    return out;
  };
  std::string path = filePath(request.url);
  int fd = path.empty() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe must not hang us
  if (fd < 0) return failed(Kind::Useless, path.empty() ? "no path" : std::strerror(errno));
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return failed(Kind::Useless, "not a regular file");
  if (uint64_t(info.st_size) != request.size)
    return failed(Kind::Useless, "it has " + countOf(uint64_t(info.st_size)) + ", the manifest says " + std::to_string(request.size));
  if (::ftruncate(request.fd, 0) != 0 || ::lseek(request.fd, 0, SEEK_SET) != 0) return failed(Kind::Local, std::strerror(errno));
  std::vector<char> buffer(size_t(1) << 18);
  while (out.bytes < request.size) {
    if (request.cancel && request.cancel->load()) return failed(Kind::Cancelled, "it was interrupted");
    ssize_t n = ::read(fd, buffer.data(), size_t(std::min<uint64_t>(buffer.size(), request.size - out.bytes)));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed(Kind::Useless, n < 0 ? std::strerror(errno) : "it became shorter while it was read");
    if (!writeAll(request.fd, buffer.data(), size_t(n)))
      return failed(Kind::Local, std::string("cannot write the partial file: ") + std::strerror(errno));
    out.bytes += uint64_t(n);
    if (request.progress) request.progress(out.bytes);
  }
  return out;
}

} // namespace

TransferOutcome transfer(const TransferRequest &request) {
  return request.url.starts_with("file://") ? copyTransfer(request) : httpTransfer(request);
}

} // namespace triton::zoo
