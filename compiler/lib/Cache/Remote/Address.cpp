// URLs and credentials. Nothing of what is secret gets into a message.
#include "Transport.h"

#include "triton/Net/Curl.h"

#include "../Directory.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

namespace triton::cache {

static constexpr size_t kMaxCredentialsBytes = 64 << 10;

static Error badUrl(const std::string &what) {
  return Error{"--remote-cache: " + what + "; write for example https://cache.example.org/triton or redis://localhost:6379",
               ErrorKind::Usage};
}

static std::optional<int> parsePort(std::string_view text) {
  int port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) return std::nullopt;
  return port;
}

Result<RemoteAddress> parseRemoteUrl(const std::string &url) {
  for (char c : url)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F) return badUrl("there is a space or a control character in the URL");
  size_t colon = url.find("://");
  if (colon == url.npos) return badUrl("the URL has no scheme");
  RemoteAddress out;
  out.scheme = url.substr(0, colon);
  std::string rest = url.substr(colon + 3);
  std::string authority = rest.substr(0, rest.find_first_of("/?#"));
  // A password in a command line is in every process list and build log.
  if (authority.find('@') != authority.npos)
    return Error{"--remote-cache: no user and password in the URL; set TRITON_DSL_REMOTE_USER and TRITON_DSL_REMOTE_PASSWORD, or "
                 "write them to " + (credentialsPath().empty() ? "the credentials file" : credentialsPath()),
                 ErrorKind::Usage};
  if (rest.find_first_of("?#") != rest.npos) return badUrl("the URL must have no '?' and no '#'");
  if (out.scheme != "http" && out.scheme != "https" && out.scheme != "redis")
    return badUrl("'" + out.scheme + "' is not a kind of remote that is known");
  std::string path = rest.substr(authority.size());
  while (!path.empty() && path.back() == '/') path.pop_back();
  std::string portText;
  size_t bracket = authority.find(']'), portAt = authority.rfind(':');
  if (!authority.empty() && authority[0] == '[') {
    if (bracket == authority.npos) return badUrl("'[' without ']'");
    out.host = authority.substr(1, bracket - 1);
    if (bracket + 1 < authority.size() && authority[bracket + 1] != ':') return badUrl("nothing but a port may follow ']'");
    if (bracket + 1 < authority.size()) portText = authority.substr(bracket + 2);
  } else {
    out.host = authority.substr(0, portAt);
    if (portAt != authority.npos) portText = authority.substr(portAt + 1);
  }
  if (out.host.empty() || (authority[0] != '[' && out.host.find(':') != out.host.npos)) return badUrl("the URL has no host");
  out.port = out.scheme == "https" ? 443 : out.scheme == "http" ? 80 : 6379;
  if (portAt != authority.npos && (authority[0] != '[' || bracket + 1 < authority.size())) {
    std::optional<int> port = parsePort(portText);
    if (!port) return badUrl("the port is no number from 1 to 65535");
    out.port = *port;
  }
  if (out.scheme != "redis") {
    out.base = out.scheme + "://" + authority + path;
    // libcurl has the last word on what is a URL.
    const Curl &lib = libcurl();
    if (!lib.problem.empty()) return Error{"--remote-cache: " + lib.problem, ErrorKind::Environment};
    CURLU *parsed = lib.curl_url();
    bool good = parsed && lib.curl_url_set(parsed, CURLUPART_URL, out.base.c_str(), 0) == CURLUE_OK;
    lib.curl_url_cleanup(parsed);
    if (!good) return badUrl("this is no URL");
    return out;
  }
  out.base = path.empty() ? "" : path.substr(1);
  if (out.base.size() > 4 || out.base.find_first_not_of("0123456789") != out.base.npos)
    return badUrl("what follows redis://host:port/ is the number of a database");
  return out;
}

std::string credentialsPath() {
  if (const char *xdg = std::getenv("XDG_CONFIG_HOME"); xdg && *xdg == '/') return std::string(xdg) + "/triton-dsl/credentials";
  if (const char *home = std::getenv("HOME"); home && *home == '/') return std::string(home) + "/.config/triton-dsl/credentials";
  return "";
}

/// The text of the user's file; "" if there is none.
static Result<std::string> readCredentialsFile(const std::string &path) {
  if (path.empty()) return std::string();
  Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::string();
  if (!fd) return systemError("cannot open '" + path + "'", errno);
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return systemError("cannot inspect '" + path + "'", errno);
  if (!S_ISREG(st.st_mode) || st.st_size > off_t(kMaxCredentialsBytes))
    return Error{"'" + path + "' is no small regular file", ErrorKind::Environment};
  if (st.st_uid != ::geteuid() && st.st_uid != 0) return Error{"'" + path + "' belongs to another user", ErrorKind::Environment};
  if (st.st_mode & 077)
    return Error{"'" + path + "' can be read by others, so it is not used; run: chmod 600 '" + path + "'", ErrorKind::Environment};
  std::string text(size_t(st.st_size), '\0');
  if (!readExactly(fd.get(), reinterpret_cast<uint8_t *>(text.data()), text.size(), 0))
    return systemError("cannot read '" + path + "'", errno);
  return text;
}

static std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  for (size_t at = 0; (at = line.find_first_not_of(" \t\r", at)) != line.npos;) {
    size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

Result<Credentials> findCredentials(const std::string &host, int port) {
  Credentials out;
  std::pair<const char *, std::string Credentials::*> fields[] = {
      {"user", &Credentials::user}, {"password", &Credentials::password}, {"token", &Credentials::token},
      {"secret", &Credentials::secret}};
  std::string path = credentialsPath();
  Result<std::string> text = readCredentialsFile(path);
  if (!text) return text.takeError();
  size_t lineNumber = 0;
  bool exact = false;
  for (size_t at = 0; at < text->size();) {
    size_t end = std::min(text->find('\n', at), text->size());
    std::vector<std::string_view> line = words(std::string_view(*text).substr(at, end - at));
    at = end + 1;
    ++lineNumber;
    if (line.empty() || line[0][0] == '#') continue;
    Credentials read;
    for (size_t i = 1; i < line.size(); ++i) {
      size_t equals = line[i].find('=');
      bool known = false;
      for (auto &[name, field] : fields)
        if (equals != line[i].npos && line[i].substr(0, equals) == name) {
          read.*field = line[i].substr(equals + 1);
          known = true;
        }
      if (!known)
        return Error{"'" + path + "' line " + std::to_string(lineNumber) +
                         ": after the host come user=, password=, token= and secret=, without spaces in them",
                     ErrorKind::Environment};
    }
    bool withPort = line[0] == host + ":" + std::to_string(port);
    if (!withPort && (exact || line[0] != host)) continue;
    exact = exact || withPort;
    out = read;
  }
  const char *variables[] = {"TRITON_DSL_REMOTE_USER", "TRITON_DSL_REMOTE_PASSWORD", "TRITON_DSL_REMOTE_TOKEN",
                             "TRITON_DSL_REMOTE_SECRET"};
  for (size_t i = 0; i < std::size(variables); ++i)
    if (const char *value = std::getenv(variables[i]); value && *value) out.*fields[i].second = value;
  // A line break would end the header that this goes into.
  for (auto &[name, field] : fields)
    for (char c : out.*field)
      if (c == '\r' || c == '\n' || c == '\0')
        return Error{std::string("the ") + name + " for the remote cache has a line break in it", ErrorKind::Environment};
  return out;
}

} // namespace triton::cache
