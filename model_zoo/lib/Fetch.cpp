#include "Fetch.h"

#include "Tar.h"
#include "Transfer.h"

#include "triton/Support/Json.h"
#include "triton/Tensor/Files.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace triton::zoo {

namespace fs = std::filesystem;
using Kind = TransferOutcome::Kind;

// Attempts in all, however much each of them brings.
static constexpr int kMaxAttempts = 200;
static constexpr int kMaxWaitMs = 60000;

static Error systemError(const std::string &path, const char *what, int code) {
  return {path + ": " + what + ": " + std::strerror(code), ErrorKind::Environment};
}

namespace {

/// A file descriptor that is closed at the end.
struct Fd {
  int fd = -1;
  explicit Fd(int fd) : fd(fd) {}
  Fd(Fd &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  Fd(const Fd &) = delete;
  ~Fd() {
    if (fd >= 0) ::close(fd);
  }
};

/// The names that a file has while it is on its way: by its digest, so that networks and addresses share what they have.
struct Partial {
  std::string folder, file, from, lock;
  Partial(const std::string &store, const std::string &sha256)
      : folder(store + "/partial"), file(folder + "/" + sha256), from(file + ".from"), lock(file + ".lock") {}
  void forget() const {
    ::unlink(file.c_str());
    ::unlink(from.c_str());
  }
};

} // namespace

static Result<void> makeFolder(const std::string &path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Error{path + ": cannot make the folder: " + error.message(), ErrorKind::Environment};
  return {};
}

static bool isCancelled(const FetchOptions &options) { return options.cancel && options.cancel->load(); }

static void say(const FetchOptions &options, const std::string &message) {
  if (options.note) options.note(message);
}

/// Waits until no other process works on the file.
static Result<Fd> takeLock(const Partial &partial, const AssetFile &file, const FetchOptions &options) {
  Fd lock(::open(partial.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (lock.fd < 0) return systemError(partial.lock, "cannot open", errno);
  for (bool told = false; ::flock(lock.fd, LOCK_EX | LOCK_NB) != 0;) {
    if (errno != EWOULDBLOCK && errno != EINTR) return systemError(partial.lock, "cannot lock", errno);
    if (!std::exchange(told, true)) say(options, file.path + ": another process fetches it; waiting");
    if (isCancelled(options)) return Error{file.path + ": interrupted", ErrorKind::Environment};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return lock;
}

/// Renames a file and makes the new name last.
static Result<void> place(const std::string &from, const std::string &to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return systemError(to, "cannot rename into place", errno);
  Fd folder(::open(fs::path(to).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.fd >= 0) ::fsync(folder.fd); // not every file system can; the file itself is safe
  return {};
}

/// The receipt of an archive lies beside what was taken out of it.
static std::string receiptPath(const AssetFile &file, const std::string &folder) { return folder + "/." + fs::path(file.path).filename().string() + ".json"; }

/// Takes the wanted members out of a verified archive.
static Result<void> unpack(const AssetFile &file, const std::string &archive, const Partial &partial, const std::string &folder) {
  std::string work = partial.file + ".d";
  std::error_code error;
  fs::remove_all(work, error);
  struct Cleaner {
    const std::string &path;
    ~Cleaner() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } cleaner{work};
  if (Result<void> made = makeFolder(work); !made) return made;
  Result<std::vector<std::string>> paths = extractTarGz(archive, file.path, file.members, work);
  if (!paths) return paths.takeError();
  json::Object digests;
  for (size_t i = 0; i < file.members.size(); ++i) {
    Result<std::string> sha256 = fileSha256((*paths)[i]);
    if (!sha256) return sha256.takeError();
    digests.append(file.members[i].path, *sha256);
    std::string to = folder + "/" + file.members[i].path;
    if (Result<void> made = makeFolder(fs::path(to).parent_path().string()); !made) return made;
    if (Result<void> placed = place((*paths)[i], to); !placed) return placed;
  }
  // Last: without it nothing counts as there.
  json::Object receipt;
  receipt.append("archive_sha256", file.sha256);
  receipt.append("members", std::move(digests));
  return writeFileAtomically(receiptPath(file, folder), json::write(receipt, 2) + "\n");
}

static Error mismatch(const std::string &what, const std::string &found, const std::string &expected) {
  return {what + ": SHA-256 is " + found + ", the manifest says " + expected, ErrorKind::Mismatch};
}

static Result<void> verifyMembers(const AssetFile &file, const std::string &folder) {
  Result<std::string> text = readFileBytes(receiptPath(file, folder), 1 << 20);
  if (!text) return Error{folder + ": '" + file.path + "' was not unpacked there"};
  Result<json::Value> receipt = json::parse(*text, receiptPath(file, folder));
  if (!receipt) return receipt.takeError();
  const json::Value *archive = receipt->find("archive_sha256"), *members = receipt->find("members");
  if (!archive || !archive->asString() || !members) return Error{receiptPath(file, folder) + ": not a receipt"};
  if (*archive->asString() != file.sha256) return mismatch(receiptPath(file, folder) + ": the archive's", *archive->asString(), file.sha256);
  for (const ArchiveMember &member : file.members) {
    const json::Value *expected = members->find(member.path);
    std::string path = folder + "/" + member.path;
    Result<std::string> found = fileSha256(path);
    if (!found) return found.takeError();
    if (!expected || !expected->asString()) return Error{receiptPath(file, folder) + ": nothing of '" + member.path + "'"};
    if (*found != *expected->asString())
      return Error{path + ": SHA-256 is " + *found + ", it was unpacked with " + *expected->asString(), ErrorKind::Mismatch};
  }
  return {};
}

Result<void> verifyAsset(const AssetFile &file, const std::string &folder) {
  if (!file.members.empty()) return verifyMembers(file, folder);
  std::string path = folder + "/" + file.path;
  Result<std::string> found = fileSha256(path);
  if (!found) return found.takeError();
  if (*found == file.sha256) return {};
  // The same content, compressed by somebody else.
  if (!file.contentSha256.empty())
    if (Result<std::string> plain = inflatedSha256(path, uint64_t(1) << 31); plain && *plain == file.contentSha256) return {};
  return mismatch(path, *found, file.sha256);
}

/// Whom the partial file came from, and its validator; only from there may a request be conditional on it.
static std::pair<std::string, std::string> readFrom(const Partial &partial) {
  Result<std::string> text = readFileBytes(partial.from, 1 << 16);
  size_t end = text ? text->find('\n') : std::string::npos;
  if (end == std::string::npos) return {};
  std::string validator = text->substr(end + 1);
  for (char c : validator)
    if (static_cast<unsigned char>(c) < ' ') return {}; // it would end the header that it goes into
  return {text->substr(0, end), validator};
}

static void waitFor(int64_t ms, const FetchOptions &options) {
  for (auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms); std::chrono::steady_clock::now() < end && !isCancelled(options);)
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min<int64_t>(ms, 20)));
}

/// Fills the partial file from one address after the other. Done when it has all bytes; whether they are right is another question.
static Result<Fetched> receive(const AssetFile &file, const Partial &partial, const FetchOptions &options) {
  Fd fd(::open(partial.file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (fd.fd < 0) return systemError(partial.file, "cannot open", errno);
  struct stat info {};
  if (::fstat(fd.fd, &info) != 0 || !S_ISREG(info.st_mode)) return Error{partial.file + ": not a regular file", ErrorKind::Environment};
  auto have = uint64_t(info.st_size);
  if (have > file.size) {
    if (::ftruncate(fd.fd, 0) != 0) return systemError(partial.file, "cannot shorten", errno);
    have = 0;
  }
  Fetched out;
  out.resumedBytes = have;
  out.joined = have > 0;
  std::vector<std::string> urls, reasons;
  for (const std::string &url : file.urls)
    if (!options.offline || url.starts_with("file://")) urls.push_back(url);
  reasons.resize(urls.size());
  std::vector<bool> useless(urls.size());
  auto outcomeText = [&] {
    std::string text = file.path + ": could not be fetched";
    for (size_t i = 0; i < urls.size(); ++i) text += "\n  " + urls[i] + ": " + (reasons[i].empty() ? "not asked" : reasons[i]);
    return Error{text, ErrorKind::Environment};
  };
  if (have == file.size) return out; // an earlier attempt ended after the last byte
  auto [from, validator] = readFrom(partial);
  int idle = 0, retryAfter = 0;
  for (int attempts = 0; idle < options.rounds && attempts < kMaxAttempts; ++idle) {
    if (attempts) {
      int64_t ms = std::min<int64_t>(int64_t(options.backOffMs) << std::min(idle > 0 ? idle - 1 : 0, 16), kMaxWaitMs);
      ms = std::min<int64_t>(std::max<int64_t>(ms, int64_t(retryAfter) * 1000), kMaxWaitMs);
      say(options, file.path + ": trying again" + (ms >= 1000 ? " in " + std::to_string(ms / 1000) + " s" : ""));
      waitFor(ms, options);
    }
    retryAfter = 0;
    for (size_t i = 0; i < urls.size(); ++i) {
      if (useless[i]) continue;
      if (isCancelled(options)) return Error{file.path + ": interrupted", ErrorKind::Environment};
      ++attempts;
      TransferRequest request;
      request.url = urls[i];
      request.fd = fd.fd;
      request.from = have;
      request.size = file.size;
      request.validator = from == urls[i] ? validator : "";
      request.connectMs = options.connectMs;
      request.stallMs = options.stallMs;
      request.cancel = options.cancel;
      if (options.progress) request.progress = [&](uint64_t bytes) { options.progress(bytes, file.size); };
      ::lseek(fd.fd, off_t(have), SEEK_SET);
      TransferOutcome outcome = transfer(request);
      if (!outcome.resumed && outcome.bytes != have) out.resumedBytes = 0; // it began again
      uint64_t got = outcome.resumed ? outcome.bytes - have : outcome.bytes == have ? 0 : outcome.bytes;
      out.receivedBytes += got;
      have = outcome.bytes;
      if (outcome.kind == Kind::Useless && got) { // bytes of another file: the next address must not go on after them
        if (::ftruncate(fd.fd, 0) != 0) return systemError(partial.file, "cannot shorten", errno);
        have = got = 0;
        out.resumedBytes = 0;
      }
      if (got) {
        out.joined = outcome.resumed;
        from = urls[i];
        validator = outcome.validator;
        (void)writeFileAtomically(partial.from, from + "\n" + validator); // without it a later attempt is unconditional
        idle = -1; // there is progress: the count begins again
      }
      reasons[i] = outcome.reason;
      out.url = urls[i];
      switch (outcome.kind) {
      case Kind::Whole:
        if (::fsync(fd.fd) != 0) return systemError(partial.file, "cannot write", errno);
        return out;
      case Kind::Local: return Error{file.path + ": " + outcome.reason, ErrorKind::Environment};
      case Kind::Cancelled: return Error{file.path + ": interrupted; the next attempt goes on after " + std::to_string(have) + " bytes", ErrorKind::Environment};
      case Kind::Useless: useless[i] = true; break;
      case Kind::Retry: retryAfter = std::max(retryAfter, outcome.retryAfterSeconds); break;
      }
      say(options, urls[i] + ": " + outcome.reason);
    }
    if (std::all_of(useless.begin(), useless.end(), [](bool u) { return u; })) break;
  }
  return outcomeText();
}

Result<Fetched> fetchAsset(const AssetFile &file, const std::string &folder, const FetchOptions &options) {
  Fetched there;
  there.already = true;
  Result<void> present = verifyAsset(file, folder);
  if (present) return there;
  bool reachable = std::any_of(file.urls.begin(), file.urls.end(), [&](const std::string &url) { return !options.offline || url.starts_with("file://"); });
  if (!reachable) {
    if (present.error().kind == ErrorKind::Mismatch) return present.error();
    return Error{options.offline && !file.urls.empty() ? file.path + " is not in the store, and --offline asks no network"
                                                       : file.path + " is published nowhere yet",
                 ErrorKind::Environment};
  }
  if (options.store.empty()) return Error{"there is no folder for a store: none of TRITON_DSL_CACHE_DIR, XDG_CACHE_HOME and HOME is set; give --store", ErrorKind::Environment};
  Partial partial(options.store, file.sha256);
  for (const std::string &needed : {partial.folder, fs::path(folder + "/" + file.path).parent_path().string()})
    if (Result<void> made = makeFolder(needed); !made) return made.takeError();
  Result<Fd> lock = takeLock(partial, file, options);
  if (!lock) return lock.takeError();
  if (verifyAsset(file, folder)) return there; // another process was faster
  if (present.error().kind == ErrorKind::Mismatch) say(options, present.error().message + "; fetching it again");
  for (bool fresh = false;; fresh = true) {
    Result<Fetched> got = receive(file, partial, options);
    if (!got) return got;
    Result<std::string> found = fileSha256(partial.file);
    if (!found) return found.takeError();
    if (*found != file.sha256) {
      partial.forget();
      // Two halves of different files look like this too: once more, from the first byte.
      if (got->joined && !fresh) {
        say(options, file.path + ": what earlier attempts left does not fit; fetching it from the beginning");
        continue;
      }
      return mismatch(file.path + " from " + got->url, *found, file.sha256);
    }
    if (file.members.empty()) {
      if (Result<void> placed = place(partial.file, folder + "/" + file.path); !placed) return placed.takeError();
    } else {
      if (Result<void> unpacked = unpack(file, partial.file, partial, folder); !unpacked) return unpacked.takeError();
    }
    partial.forget();
    return got;
  }
}

} // namespace triton::zoo
