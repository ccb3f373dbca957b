// Servers on loopback for the tests of remotes: one whose answers a test makes up, a small HTTP store, and real programs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace triton::cache {

/// Listens on 127.0.0.1 and gives each connection to `serve` in a thread of its own; the connection is closed afterwards. `stop` is
/// set when the server goes away: an endless answer must end then.
class LoopbackServer {
public:
  using Serve = std::function<void(int fd, const std::atomic<bool> &stop)>;
  explicit LoopbackServer(Serve serve);
  ~LoopbackServer();
  int port() const { return number; }
  std::string url(const std::string &scheme = "http") const { return scheme + "://127.0.0.1:" + std::to_string(number); }
  int connections() const { return count; }

private:
  Serve serve;
  int listener, number;
  std::atomic<int> count{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::vector<std::thread> threads;
  std::vector<int> open;
  std::thread acceptor;
};

struct HttpRequest {
  std::string method, path, headers, body;
};

/// One request, or an empty method when the connection ended.
HttpRequest readHttpRequest(int fd);
bool sendText(int fd, std::string_view text);
/// "HTTP/1.1 <status>" with a length and the body.
std::string httpAnswer(const std::string &status, std::string_view body = "");

/// Keeps what is PUT. `spoil` may change an answer's body (or make one up), and `refuse` gives another status for a request ("" for none).
class HttpStore {
public:
  HttpStore();
  std::map<std::string, std::string> files();
  std::vector<HttpRequest> requests();
  std::function<std::string(const HttpRequest &)> refuse;
  std::function<void(const std::string &path, std::string &body)> spoil;
  std::string url() const { return server.url(); }
  int port() const { return server.port(); }

private:
  std::mutex mutex;
  std::map<std::string, std::string> kept;
  std::vector<HttpRequest> seen;
  LoopbackServer server;
};

/// A program that runs until this goes away. `started` is false if it cannot be run.
class ServerProcess {
public:
  explicit ServerProcess(const std::vector<std::string> &words);
  ~ServerProcess();
  /// Waits until somebody listens on the port.
  bool waitFor(int port) const;
  bool started() const { return pid > 0; }

private:
  pid_t pid = -1;
};

/// A port that is free now.
int freePort();

} // namespace triton::cache
