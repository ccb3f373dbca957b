#include "Servers.h"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace triton::cache {

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(uint16_t(port));
  return address;
}

static int listenOnLoopback(int &port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<struct sockaddr *>(&address), length) != 0 || ::listen(fd, 64) != 0 ||
      ::getsockname(fd, reinterpret_cast<struct sockaddr *>(&address), &length) != 0)
    std::abort();
  port = ntohs(address.sin_port);
  return fd;
}

int freePort() {
  int port = 0;
  ::close(listenOnLoopback(port));
  return port;
}

LoopbackServer::LoopbackServer(Serve given) : serve(std::move(given)) {
  listener = listenOnLoopback(number);
  acceptor = std::thread([this] {
    while (!stop) {
      struct pollfd waiting = {listener, POLLIN, 0};
      if (::poll(&waiting, 1, 50) <= 0) continue;
      int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++count;
      std::lock_guard<std::mutex> guard(mutex);
      open.push_back(fd);
      threads.emplace_back([this, fd] {
        serve(fd, stop);
        std::lock_guard<std::mutex> closing(mutex);
        std::erase(open, fd);
        ::close(fd);
      });
    }
  });
}

LoopbackServer::~LoopbackServer() {
  stop = true;
  acceptor.join();
  {
    std::lock_guard<std::mutex> guard(mutex);
    for (int fd : open) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread &thread : threads) thread.join();
  ::close(listener);
}

bool sendText(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(size_t(n));
  }
  return true;
}

HttpRequest readHttpRequest(int fd) {
  HttpRequest request;
  std::string text;
  size_t end;
  char buffer[65536];
  while ((end = text.find("\r\n\r\n")) == text.npos) {
    ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return request;
    text.append(buffer, size_t(n));
  }
  request.headers = text.substr(0, end + 2);
  size_t first = text.find(' '), second = text.find(' ', first + 1);
  size_t at = request.headers.find("Content-Length: ");
  size_t length = at == request.headers.npos ? 0 : std::stoull(request.headers.substr(at + 16));
  request.body = text.substr(end + 4);
  while (request.body.size() < length) {
    ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return request;
    request.body.append(buffer, size_t(n));
  }
  request.method = text.substr(0, first);
  request.path = text.substr(first + 1, second - first - 1);
  return request;
}

std::string httpAnswer(const std::string &status, std::string_view body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

HttpStore::HttpStore()
    : server([this](int fd, const std::atomic<bool> &) {
        for (;;) {
          HttpRequest request = readHttpRequest(fd);
          if (request.method.empty()) return;
          std::string answer;
          {
            std::lock_guard<std::mutex> guard(mutex);
            seen.push_back(request);
            std::string status = refuse ? refuse(request) : "";
            auto found = kept.find(request.path);
            if (!status.empty()) {
              answer = httpAnswer(status, "no");
            } else if (request.method == "PUT") {
              kept[request.path] = request.body;
              answer = httpAnswer("200 OK");
            } else {
              std::string body = found == kept.end() ? "" : found->second;
              if (spoil) spoil(request.path, body);
              bool there = found != kept.end() || spoil;
              answer = there ? httpAnswer("200 OK", body) : httpAnswer("404 Not Found", "nothing here");
            }
          }
          if (!sendText(fd, answer)) return;
        }
      }) {}

std::map<std::string, std::string> HttpStore::files() {
  std::lock_guard<std::mutex> guard(mutex);
  return kept;
}

std::vector<HttpRequest> HttpStore::requests() {
  std::lock_guard<std::mutex> guard(mutex);
  return seen;
}

ServerProcess::ServerProcess(const std::vector<std::string> &words) {
  std::vector<char *> argv;
  for (const std::string &word : words) argv.push_back(const_cast<char *>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  if (::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
}

ServerProcess::~ServerProcess() {
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

bool ServerProcess::waitFor(int port) const {
  for (int attempt = 0; attempt < 200 && started(); ++attempt) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(port);
    bool there = ::connect(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof address) == 0;
    ::close(fd);
    if (there) return true;
    int status;
    if (::waitpid(pid, &status, WNOHANG) == pid) return false;
    ::usleep(50000);
  }
  return false;
}

} // namespace triton::cache
