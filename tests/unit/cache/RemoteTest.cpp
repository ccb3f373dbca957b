// Remotes that work, and remotes that are dead, slow, or lie: never a wrong entry, never a long wait, one warning.
#include "Helpers.h"
#include "Servers.h"

#include "Remote/ActionResult.h"
#include "triton/Cache/Maintenance.h"
#include "triton/Cache/Remote.h"
#include "triton/Net/SharedLibrary.h"
#include "triton/Support/Sha256.h"

#include <gtest/gtest.h>

#include <chrono>
#include <sys/socket.h>
#include <sys/stat.h>

using namespace triton;
using namespace triton::cache;

namespace {

/// Local stores that know the same remote.
class Remotes : public testing::Test {
protected:
  Remotes() {
    for (const char *name : {"TRITON_DSL_REMOTE_USER", "TRITON_DSL_REMOTE_PASSWORD", "TRITON_DSL_REMOTE_TOKEN",
                             "TRITON_DSL_REMOTE_SECRET", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"})
      ::unsetenv(name);
    ::setenv("XDG_CONFIG_HOME", temp.path("config").c_str(), 1);
    options.connectMs = 1000;
    options.idleMs = 1000;
    options.requestMs = 1500;
    options.finishMs = 5000;
    options.warn = [this](const std::string &message) {
      std::lock_guard<std::mutex> guard(mutex);
      warnings.push_back(message);
    };
  }

  struct Client {
    std::unique_ptr<RemoteStore> remote;
    std::unique_ptr<Store> store;
  };
  Client client(const std::string &url, const std::string &local) {
    Client out;
    options.url = url;
    options.cacheDir = temp.path(local);
    out.store = Store::open({.dir = temp.path(local)});
    Result<std::unique_ptr<RemoteStore>> remote = openRemote(options);
    EXPECT_TRUE(remote) << remote.error().message;
    out.remote = std::move(*remote);
    out.store->setRemote(out.remote.get());
    return out;
  }
  /// A remote like this must cost little time once, give nothing, and be told of once.
  void expectUseless(const std::string &what, const std::string &url, const std::function<int()> &asked) {
    SCOPED_TRACE(what);
    warnings.clear();
    std::string local = "local-" + what;
    auto start = std::chrono::steady_clock::now();
    {
      Client c = client(url, local);
      for (uint64_t i = 0; i < 5; ++i) {
        EXPECT_FALSE(c.store->get(EntryKind::Artifact, numberedKey(i)));
        c.store->put(EntryKind::Artifact, numberedKey(i), numberedContent(i, 1000));
        EXPECT_TRUE(c.store->get(EntryKind::Artifact, numberedKey(i))) << "the compile goes on";
      }
      c.store->flush();
      EXPECT_EQ(counted(*c.store, Counter::RemoteErrors), 1u);
      EXPECT_EQ(counted(*c.store, Counter::RemoteHits), 0u);
      c.store.reset();
    }
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_LT(seconds, 20) << "it must not be waited for again and again";
    EXPECT_EQ(warnings.size(), 1u);
    EXPECT_EQ(verify(temp.path(local), true)->damaged, 0u);
    // The next process leaves it alone.
    int before = asked();
    warnings.clear();
    {
      Client c = client(url, local);
      EXPECT_FALSE(c.store->get(EntryKind::Artifact, numberedKey(77)));
      c.store.reset();
    }
    EXPECT_EQ(asked(), before);
    EXPECT_TRUE(warnings.empty());
  }

  TemporaryDirectory temp;
  RemoteOptions options;
  std::mutex mutex;
  std::vector<std::string> warnings;
};

TEST(SharedLibraries, SayWhatIsMissing) {
  SharedLibrary none("libno-such-library.so.1"), c("libc.so.6");
  int (*function)(int) = nullptr;
  EXPECT_FALSE(none.find("abs", function));
  EXPECT_NE(none.problem().find("libno-such-library"), std::string::npos) << none.problem();
  ASSERT_TRUE(c.find("abs", function)) << c.problem();
  EXPECT_EQ(function(-3), 3);
  EXPECT_FALSE(c.find("no_such_function", function));
  EXPECT_NE(c.problem().find("no_such_function"), std::string::npos) << c.problem();
}

TEST_F(Remotes, HttpSharesEntries) {
  HttpStore server;
  std::vector<uint8_t> content = numberedContent(5, 300000);
  {
    Client a = client(server.url() + "/some/path/", "a");
    a.store->put(EntryKind::Artifact, numberedKey(5), content);
    a.store->put(EntryKind::Manifest, numberedKey(5), numberedContent(6, 10));
    a.store->flush();
    EXPECT_EQ(counted(*a.store, Counter::RemoteStored), 2u);
    a.store.reset();
  }
  // bazel-remote's layout: the content under its SHA-256, and an ActionResult that names it.
  auto files = server.files();
  ASSERT_EQ(files.size(), 4u);
  size_t actions = 0;
  for (auto &[path, body] : files) {
    ASSERT_EQ(path.substr(0, 11), "/some/path/");
    if (path.substr(11, 4) == "cas/") {
      EXPECT_EQ(path.substr(15), sha256Hex(body));
    } else {
      ASSERT_EQ(path.substr(11, 3), "ac/");
      EXPECT_EQ(path.size(), 14 + 64u);
      std::optional<BlobDigest> digest = readActionResult({reinterpret_cast<const uint8_t *>(body.data()), body.size()});
      ASSERT_TRUE(digest);
      ASSERT_TRUE(files.count("/some/path/cas/" + digest->sha256Hex));
      EXPECT_EQ(files["/some/path/cas/" + digest->sha256Hex].size(), digest->bytes);
      ++actions;
    }
  }
  EXPECT_EQ(actions, 2u);
  Client b = client(server.url() + "/some/path", "b");
  std::optional<Blob> found = b.store->get(EntryKind::Artifact, numberedKey(5));
  ASSERT_TRUE(found);
  EXPECT_TRUE(equal(*found, content));
  ASSERT_TRUE(*b.store->copyOut(EntryKind::Manifest, numberedKey(5), temp.path("out")));
  EXPECT_TRUE(readBytes(temp.path("out")) == numberedContent(6, 10));
  EXPECT_FALSE(b.store->get(EntryKind::Artifact, numberedKey(9)));
  b.store->flush();
  EXPECT_EQ(counted(*b.store, Counter::RemoteHits), 2u);
  EXPECT_EQ(counted(*b.store, Counter::RemoteMisses), 1u);
  size_t before = server.requests().size();
  EXPECT_TRUE(b.store->get(EntryKind::Artifact, numberedKey(5))) << "it is here now";
  EXPECT_EQ(server.requests().size(), before);
  EXPECT_TRUE(warnings.empty());
  b.store.reset();
}

TEST_F(Remotes, HttpServersThatFail) {
  using Stop = const std::atomic<bool> &;
  auto endless = [](int fd, Stop stop, const std::string &head) {
    readHttpRequest(fd);
    if (!sendText(fd, head)) return;
    std::string chunk(1 << 20, 'x');
    while (!stop && sendText(fd, chunk)) {}
  };
  std::vector<std::pair<std::string, LoopbackServer::Serve>> servers = {
      {"hangs", [](int fd, Stop stop) { while (!stop && readHttpRequest(fd).method != "") {} }},
      {"hangs-at-once", [](int, Stop stop) { while (!stop) ::usleep(1000); }},
      {"resets", [](int fd, Stop) {
         readHttpRequest(fd);
         struct linger now = {1, 0};
         ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
       }},
      {"closes", [](int, Stop) {}},
      {"stops-in-the-middle", [](int fd, Stop) {
         readHttpRequest(fd);
         sendText(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
       }},
      {"drips", [](int fd, Stop stop) {
         readHttpRequest(fd);
         sendText(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
         while (!stop && sendText(fd, "x")) ::usleep(100000);
       }},
      {"sends-100-GB", [&](int fd, Stop stop) { endless(fd, stop, "HTTP/1.1 200 OK\r\nContent-Length: 107374182400\r\n\r\n"); }},
      {"sends-for-ever", [&](int fd, Stop stop) { endless(fd, stop, "HTTP/1.1 200 OK\r\n\r\n"); }},
      {"sends-content-for-ever", [&](int fd, Stop stop) {
         HttpRequest request = readHttpRequest(fd);
         std::vector<uint8_t> action = writeActionResult({std::string(64, 'a'), 1 << 20});
         if (request.path.compare(0, 4, "/ac/") != 0) return;
         if (!sendText(fd, httpAnswer("200 OK", {reinterpret_cast<const char *>(action.data()), action.size()}))) return;
         endless(fd, stop, "HTTP/1.1 200 OK\r\n\r\n");
       }},
      {"sends-headers-for-ever", [](int fd, Stop stop) {
         readHttpRequest(fd);
         if (!sendText(fd, "HTTP/1.1 200 OK\r\n")) return;
         std::string line = "X: " + std::string(1000, 'y') + "\r\n";
         while (!stop && sendText(fd, line)) {}
       }},
      {"talks-nonsense", [](int fd, Stop) {
         readHttpRequest(fd);
         sendText(fd, "SSH-2.0-OpenSSH_9.2\r\n");
       }},
      {"answers-nonsense", [](int fd, Stop) {
         readHttpRequest(fd);
         sendText(fd, httpAnswer("200 OK", "<html>log in first</html>"));
       }},
      {"redirects", [](int fd, Stop) {
         readHttpRequest(fd);
         sendText(fd, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
       }},
      {"is-broken", [](int fd, Stop) {
         readHttpRequest(fd);
         sendText(fd, httpAnswer("500 Internal Server Error", "oops"));
       }},
      {"wants-a-password", [](int fd, Stop) {
         readHttpRequest(fd);
         sendText(fd, httpAnswer("401 Unauthorized", "who are you"));
       }},
  };
  for (auto &[what, serve] : servers) {
    LoopbackServer server(serve);
    expectUseless(what, server.url(), [&] { return server.connections(); });
  }
  expectUseless("nobody-there", "http://127.0.0.1:" + std::to_string(freePort()), [] { return 0; });
}

TEST_F(Remotes, HttpServersThatLie) {
  Key key = numberedKey(5), other = numberedKey(6);
  std::vector<uint8_t> content = numberedContent(5, 3000);
  using Spoil = std::function<void(const std::string &path, std::string &body)>;
  auto inCas = [](Spoil spoil) {
    return [spoil](const std::string &path, std::string &body) {
      if (path.compare(0, 5, "/cas/") == 0) spoil(path, body);
    };
  };
  std::string otherCas, otherAction;
  auto lie = [](std::string body, std::string &cas, std::string &action) {
    cas = std::move(body);
    std::vector<uint8_t> bytes = writeActionResult({sha256Hex(cas), cas.size()});
    action.assign(bytes.begin(), bytes.end());
  };
  // A server that makes name and content fit each other, but has the wrong content.
  auto consistently = [&](const std::function<void(std::string &)> &change) {
    return [&, change](const std::string &path, std::string &body) {
      if (path.compare(0, 5, "/cas/") == 0) {
        body = otherCas;
      } else {
        std::vector<uint8_t> sealed = content;
        SealBytes seal = sealContent(EntryKind::Artifact, key, content);
        sealed.insert(sealed.end(), seal.begin(), seal.end());
        std::string text(sealed.begin(), sealed.end());
        change(text);
        lie(text, otherCas, otherAction);
        body = otherAction;
      }
    };
  };
  std::vector<std::pair<std::string, Spoil>> lies = {
      {"a-bit", inCas([](const std::string &, std::string &body) { body[100] ^= 1; })},
      {"shorter", inCas([](const std::string &, std::string &body) { body.pop_back(); })},
      {"longer", inCas([](const std::string &, std::string &body) { body += 'x'; })},
      {"empty", inCas([](const std::string &, std::string &body) { body.clear(); })},
      {"empty-action", [](const std::string &, std::string &body) { body.clear(); }},
      {"cut-action", [](const std::string &path, std::string &body) { if (path[1] == 'a') body.pop_back(); }},
      {"consistent-bit", consistently([](std::string &text) { text[7] ^= 1; })},
      {"consistent-cut", consistently([](std::string &text) { text.resize(10); })},
      {"consistent-nothing", consistently([](std::string &text) { text.clear(); })},
      {"consistent-other", consistently([&](std::string &text) {
         SealBytes seal = sealContent(EntryKind::Artifact, other, content);
         text.assign(content.begin(), content.end());
         text.append(seal.begin(), seal.end());
       })},
  };
  for (auto &[what, spoil] : lies) {
    SCOPED_TRACE(what);
    HttpStore server;
    {
      Client a = client(server.url(), "from-" + what);
      a.store->put(EntryKind::Artifact, key, content);
      a.store.reset();
    }
    server.spoil = spoil;
    warnings.clear();
    Client b = client(server.url(), "to-" + what);
    EXPECT_FALSE(b.store->get(EntryKind::Artifact, key));
    EXPECT_FALSE(*b.store->copyOut(EntryKind::Artifact, key, temp.path("out")));
    EXPECT_FALSE(std::filesystem::exists(temp.path("out")));
    b.store->flush();
    EXPECT_EQ(counted(*b.store, Counter::RemoteErrors), 1u);
    EXPECT_EQ(usage(temp.path("to-" + what))->entries, 0u) << "nothing of it may be kept";
    EXPECT_EQ(warnings.size(), 1u);
    b.store.reset();
  }
}

TEST_F(Remotes, PrunedContentIsAMissAndNoFailure) {
  HttpStore server;
  Client a = client(server.url(), "a");
  a.store->put(EntryKind::Artifact, numberedKey(1), numberedContent(1, 100));
  a.store->flush();
  server.refuse = [](const HttpRequest &request) { return request.path[1] == 'c' ? "404 Not Found" : ""; };
  Client b = client(server.url(), "b");
  EXPECT_FALSE(b.store->get(EntryKind::Artifact, numberedKey(1)));
  b.store->flush();
  EXPECT_EQ(counted(*b.store, Counter::RemoteMisses), 1u);
  EXPECT_TRUE(warnings.empty());
  a.store.reset();
  b.store.reset();
}

TEST_F(Remotes, AServerThatTakesNothingStillGives) {
  HttpStore server;
  Client a = client(server.url(), "a");
  a.store->put(EntryKind::Artifact, numberedKey(1), numberedContent(1, 100));
  a.store->flush();
  server.refuse = [](const HttpRequest &request) { return request.method == "PUT" ? "403 Forbidden" : ""; };
  Client b = client(server.url(), "b");
  b.store->put(EntryKind::Artifact, numberedKey(2), numberedContent(2, 100));
  b.store->flush();
  b.store->put(EntryKind::Artifact, numberedKey(3), numberedContent(3, 100));
  b.store->flush();
  EXPECT_TRUE(b.store->get(EntryKind::Artifact, numberedKey(1)));
  EXPECT_TRUE(warnings.empty());
  size_t puts = 0;
  for (const HttpRequest &request : server.requests()) puts += request.method == "PUT";
  EXPECT_EQ(puts, 3u) << "two that worked, one that was refused";
  a.store.reset();
  b.store.reset();
}

TEST_F(Remotes, AFailureIsForgottenWhenItWorksAgain) {
  HttpStore server;
  options.backOffSeconds = 0;
  server.refuse = [](const HttpRequest &) { return "503 Service Unavailable"; };
  {
    Client c = client(server.url(), "c");
    EXPECT_FALSE(c.store->get(EntryKind::Artifact, numberedKey(1)));
    c.store.reset();
  }
  auto remembered = [&] {
    size_t n = 0;
    for (const auto &item : std::filesystem::directory_iterator(temp.path("c/v1")))
      n += item.path().filename().string().starts_with("remote-");
    return n;
  };
  EXPECT_EQ(remembered(), 1u);
  server.refuse = nullptr;
  size_t before = server.requests().size();
  Client c = client(server.url(), "c");
  EXPECT_FALSE(c.store->get(EntryKind::Artifact, numberedKey(1)));
  EXPECT_EQ(server.requests().size(), before + 1);
  EXPECT_EQ(remembered(), 0u);
  c.store.reset();
}

TEST_F(Remotes, WithASecretOnlySignedEntriesAreBelieved) {
  HttpStore server;
  auto share = [&](const char *secret, const char *local, uint64_t number, bool put) {
    secret ? ::setenv("TRITON_DSL_REMOTE_SECRET", secret, 1) : ::unsetenv("TRITON_DSL_REMOTE_SECRET");
    Client c = client(server.url(), local);
    bool found = true;
    if (put)
      c.store->put(EntryKind::Artifact, numberedKey(number), numberedContent(number, 100));
    else
      found = c.store->get(EntryKind::Artifact, numberedKey(number)).has_value();
    c.store.reset();
    return found;
  };
  share("hunter2", "a", 1, true);
  EXPECT_TRUE(share("hunter2", "b", 1, false));
  EXPECT_FALSE(share("hunter3", "c", 1, false));
  EXPECT_FALSE(share(nullptr, "d", 1, false)) << "a signature is no entry";
  share(nullptr, "e", 2, true);
  EXPECT_FALSE(share("hunter2", "f", 2, false)) << "not signed";
  for (const std::string &warning : warnings) EXPECT_EQ(warning.find("hunter"), warning.npos) << warning;
  ::unsetenv("TRITON_DSL_REMOTE_SECRET");
}

TEST_F(Remotes, CredentialsComeFromTheUsersFileOrTheEnvironment) {
  HttpStore server;
  std::filesystem::create_directories(temp.path("config/triton-dsl"));
  std::string file = temp.path("config/triton-dsl/credentials");
  auto authorization = [&]() -> std::string {
    Client c = client(server.url(), "c");
    c.store->get(EntryKind::Artifact, numberedKey(1));
    c.store.reset();
    std::string headers = server.requests().back().headers;
    size_t at = headers.find("Authorization: ");
    return at == headers.npos ? "" : headers.substr(at + 15, headers.find("\r\n", at) - at - 15);
  };
  EXPECT_EQ(authorization(), "");
  std::string text = "# mine\n\nexample.org token=wrong\n127.0.0.1 token=general\n127.0.0.1:" + std::to_string(server.port()) +
                     " user=me password=secret\n";
  writeBytes(file, {text.begin(), text.end()});
  ::chmod(file.c_str(), 0600);
  EXPECT_EQ(authorization(), "Basic bWU6c2VjcmV0");
  ::setenv("TRITON_DSL_REMOTE_TOKEN", "from-environment", 1);
  EXPECT_EQ(authorization(), "Bearer from-environment");
  ::setenv("TRITON_DSL_REMOTE_TOKEN", "a\r\nX-Evil: 1", 1);
  options.url = server.url();
  EXPECT_FALSE(openRemote(options)) << "a line break must not get into a header";
  ::unsetenv("TRITON_DSL_REMOTE_TOKEN");
  ::chmod(file.c_str(), 0640);
  Result<std::unique_ptr<RemoteStore>> open = openRemote(options);
  ASSERT_FALSE(open);
  EXPECT_NE(open.error().message.find("chmod 600"), std::string::npos);
  EXPECT_EQ(open.error().message.find("secret"), std::string::npos);
  std::string bad = "127.0.0.1 passwrd=hunter2\n";
  writeBytes(file, {bad.begin(), bad.end()});
  ::chmod(file.c_str(), 0600);
  open = openRemote(options);
  ASSERT_FALSE(open);
  EXPECT_NE(open.error().message.find("line 1"), std::string::npos);
  EXPECT_EQ(open.error().message.find("hunter2"), std::string::npos);
  std::filesystem::remove(file);
}

TEST_F(Remotes, UrlsThatCannotBeMeant) {
  for (const char *url :
       {"", "localhost", "ftp://host", "file:///etc/passwd", "http://", "http:///path", "http://host:0", "http://host:99999",
        "http://host:x", "http://ho st", "http://host/a?b", "http://host/#a", "http://host\n", "redis://host/x", "redis://",
        "http://[::1", "http://a:b:c", "rediss://host", "gopher://host", "http://[::1]x"}) {
    options.url = url;
    Result<std::unique_ptr<RemoteStore>> open = openRemote(options);
    ASSERT_FALSE(open) << url;
    EXPECT_EQ(open.error().kind, ErrorKind::Usage) << url;
  }
  for (const char *url : {"http://me:hunter2@host/", "redis://:hunter2@host", "https://hunter2@host"}) {
    options.url = url;
    Result<std::unique_ptr<RemoteStore>> open = openRemote(options);
    ASSERT_FALSE(open) << url;
    EXPECT_EQ(open.error().message.find("hunter2"), std::string::npos) << open.error().message;
  }
  for (const char *url : {"http://host", "https://host:8443/a/b", "http://[::1]:80/x", "redis://host:6379/3", "redis://host"}) {
    options.url = url;
    EXPECT_TRUE(openRemote(options)) << url;
  }
}

TEST_F(Remotes, ActionResultsSurviveNonsense) {
  std::vector<uint8_t> good = writeActionResult({std::string(64, 'a'), 123456789});
  std::optional<BlobDigest> read = readActionResult(good);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bytes, 123456789u);
  for (size_t at = 0; at < good.size(); ++at) {
    readActionResult(Bytes(good).first(at));
    for (unsigned value = 0; value < 256; ++value) {
      std::vector<uint8_t> bytes = good;
      bytes[at] = uint8_t(value);
      std::optional<BlobDigest> odd = readActionResult(bytes);
      EXPECT_TRUE(!odd || odd->sha256Hex.find_first_not_of("0123456789abcdef") == std::string::npos);
    }
  }
  EXPECT_FALSE(readActionResult({}));
}

TEST_F(Remotes, RedisServersThatFail) {
  using Stop = const std::atomic<bool> &;
  auto answering = [](std::string text, bool endless = false) {
    return [text, endless](int fd, Stop stop) {
      char buffer[65536];
      while (::recv(fd, buffer, sizeof buffer, 0) > 0) {
        if (!sendText(fd, text)) return;
        std::string chunk(1 << 20, 'x');
        while (endless && !stop && sendText(fd, chunk)) {}
      }
    };
  };
  std::vector<std::pair<std::string, LoopbackServer::Serve>> servers = {
      {"hangs", [](int, Stop stop) { while (!stop) ::usleep(1000); }},
      {"closes", [](int, Stop) {}},
      {"resets", [](int fd, Stop) {
         struct linger now = {1, 0};
         ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
       }},
      {"sends-100-GB", answering("$107374182400\r\n", true)},
      {"sends-for-ever", answering("", true)},
      {"wrong-length", answering("$5\r\nabcdefghijkl\r\n")},
      {"wrong-bytes", answering("$5\r\nabcde\r\n")},
      {"minus", answering("$-7\r\n")},
      {"arrays", answering("*1000000000\r\n*1000000000\r\n")},
      {"an-error", answering("-NOAUTH Authentication required.\r\n")},
      {"a-status", answering("+OK\r\n")},
      {"nonsense", answering("HTTP/1.1 400 Bad Request\r\n\r\n")},
  };
  options.maxEntryBytes = 64 << 20;
  for (auto &[what, serve] : servers) {
    LoopbackServer server(serve);
    expectUseless("redis-" + what, server.url("redis"), [&] { return server.connections(); });
  }
  expectUseless("redis-nobody-there", "redis://127.0.0.1:" + std::to_string(freePort()), [] { return 0; });
}

TEST_F(Remotes, RedisSharesEntries) {
  int port = freePort();
  std::string number = std::to_string(port);
  ServerProcess redis({"redis-server", "--port", number, "--bind", "127.0.0.1", "--save", "", "--dir", temp.path(),
                       "--requirepass", "open-sesame"});
  if (!redis.started()) GTEST_SKIP() << "redis-server is not installed (Debian: apt-get install redis-server)";
  ASSERT_TRUE(redis.waitFor(port)) << "redis-server does not listen";
  ::setenv("TRITON_DSL_REMOTE_PASSWORD", "open-sesame", 1);
  std::string url = "redis://127.0.0.1:" + number + "/3";
  {
    Client a = client(url, "a");
    for (uint64_t i = 0; i < 50; ++i) a.store->put(EntryKind::Object, numberedKey(i), numberedContent(i, i * i * 100));
    a.store->flush();
    EXPECT_EQ(counted(*a.store, Counter::RemoteStored), 50u);
    a.store.reset();
  }
  Client b = client(url, "b");
  for (uint64_t i = 0; i < 50; ++i) {
    std::optional<Blob> found = b.store->get(EntryKind::Object, numberedKey(i));
    ASSERT_TRUE(found) << i;
    EXPECT_TRUE(equal(*found, numberedContent(i, i * i * 100)));
  }
  EXPECT_FALSE(b.store->get(EntryKind::Weights, numberedKey(1)));
  b.store.reset();
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  // What is too large for us is refused while it comes.
  options.maxEntryBytes = 1000;
  Client small = client(url, "small");
  EXPECT_TRUE(small.store->get(EntryKind::Object, numberedKey(1)));
  EXPECT_FALSE(small.store->get(EntryKind::Object, numberedKey(49)));
  small.store.reset();
  ::setenv("TRITON_DSL_REMOTE_PASSWORD", "wrong-word", 1);
  warnings.clear();
  Client wrong = client(url, "wrong");
  EXPECT_FALSE(wrong.store->get(EntryKind::Object, numberedKey(1)));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].find("wrong-word"), std::string::npos);
  wrong.store.reset();
  ::unsetenv("TRITON_DSL_REMOTE_PASSWORD");
}

TEST_F(Remotes, BazelRemoteSharesEntries) {
  const char *named = std::getenv("TRITON_BAZEL_REMOTE");
  int port = freePort();
  ServerProcess server({named ? named : "bazel-remote", "--dir", temp.path("bazel"), "--max_size", "1", "--http_address",
                        "127.0.0.1:" + std::to_string(port), "--grpc_address", "none"});
  if (!server.started()) GTEST_SKIP() << "there is no bazel-remote in PATH (TRITON_BAZEL_REMOTE may name one)";
  ASSERT_TRUE(server.waitFor(port)) << "bazel-remote does not listen";
  options.requestMs = 10000;
  std::string url = "http://127.0.0.1:" + std::to_string(port);
  {
    Client a = client(url, "a");
    for (uint64_t i = 0; i < 20; ++i) a.store->put(EntryKind::Object, numberedKey(i), numberedContent(i, i * i * 1000));
    a.store->flush();
    EXPECT_EQ(counted(*a.store, Counter::RemoteStored), 20u);
    a.store.reset();
  }
  Client b = client(url, "b");
  for (uint64_t i = 0; i < 20; ++i) {
    std::optional<Blob> found = b.store->get(EntryKind::Object, numberedKey(i));
    ASSERT_TRUE(found) << i;
    EXPECT_TRUE(equal(*found, numberedContent(i, i * i * 1000)));
  }
  EXPECT_FALSE(b.store->get(EntryKind::Object, numberedKey(99)));
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  b.store.reset();
}

TEST_F(Remotes, WhatCannotBeSentInTimeIsLeft) {
  LoopbackServer server([](int, const std::atomic<bool> &stop) { while (!stop) ::usleep(1000); });
  options.requestMs = 60000;
  options.idleMs = 60000;
  options.finishMs = 200;
  Client c = client(server.url(), "c");
  for (uint64_t i = 0; i < 3; ++i) c.store->put(EntryKind::Object, numberedKey(i), numberedContent(i, 1 << 20));
  auto start = std::chrono::steady_clock::now();
  c.store.reset();
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 10);
}

} // namespace
