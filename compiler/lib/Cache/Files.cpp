#include "triton/Cache/Files.h"
#include "triton/Cache/Keys.h"

#include "Encoding.h"

#include "triton/Support/Parallel.h"

#include "artifact/blake3.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace triton::cache {

/// Of a large file; part of what its digest is.
static constexpr uint64_t kPieceBytes = uint64_t(4) << 20;

static int64_t nanoseconds(const struct timespec &t) { return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec; }

static FileStamp stampFrom(const struct stat &info) {
  FileStamp stamp;
  stamp.size = uint64_t(info.st_size);
  stamp.inode = info.st_ino;
  stamp.device = info.st_dev;
  stamp.modifiedNs = nanoseconds(info.st_mtim);
  stamp.changedNs = nanoseconds(info.st_ctim);
  return stamp;
}

std::optional<FileStamp> stampOf(const std::string &path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return stampFrom(info);
}

bool isRacy(const FileStamp &stamp, int64_t nowNs) { return std::max(stamp.modifiedNs, stamp.changedNs) > nowNs - kRacyNs; }

static int64_t now() {
  struct timespec time {};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return nanoseconds(time);
}

Key hashPortably(const NextBytes &next) {
  tri_blake3_state state;
  tri_blake3_start(&state);
  for (Bytes bytes = next(); !bytes.empty(); bytes = next()) tri_blake3_update(&state, bytes.data(), bytes.size());
  Key key;
  tri_blake3_finish(&state, key.data());
  return key;
}

std::string absolutePath(const std::string &path) {
  std::error_code error;
  std::filesystem::path made = std::filesystem::absolute(path, error);
  return error ? path : made.lexically_normal().string();
}

static void writeStamp(RecordWriter &out, const FileStamp &stamp) {
  for (uint64_t field : {stamp.size, stamp.inode, stamp.device, uint64_t(stamp.modifiedNs), uint64_t(stamp.changedNs)}) out.number(field);
}
static FileStamp readStamp(RecordReader &in) {
  FileStamp stamp;
  stamp.size = in.number();
  stamp.inode = in.number();
  stamp.device = in.number();
  stamp.modifiedNs = int64_t(in.number());
  stamp.changedNs = int64_t(in.number());
  return stamp;
}

/// Hashes a whole file. The stamp is taken before and after: a file that changes meanwhile is an error.
static Result<Key> readAndHash(const std::string &path, FileStamp &stamp, HashFunction hash) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{path + ": cannot open: " + std::strerror(errno)};
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat before {}, after {};
  if (::fstat(fd, &before) != 0 || !S_ISREG(before.st_mode)) return Error{path + ": not a regular file"};
  stamp = stampFrom(before);
  // Not a mapping: a file that shrinks meanwhile would end the process. Large files are hashed in pieces, on several threads, and what
  // names them is the hash of the pieces' hashes.
  const uint64_t pieces = stamp.size < kStampedBytes ? 1 : (stamp.size + kPieceBytes - 1) / kPieceBytes;
  std::vector<Key> digests(pieces);
  std::atomic<int> code{0};
  auto hashPiece = [&](size_t piece, unsigned) {
    std::vector<uint8_t> buffer(size_t(256) << 10); // stays in the processor's cache
    uint64_t at = piece * kPieceBytes;
    const uint64_t end = pieces == 1 ? UINT64_MAX : at + kPieceBytes;
    digests[piece] = hash([&]() -> Bytes {
      ssize_t n = 0;
      do n = ::pread(fd, buffer.data(), size_t(std::min<uint64_t>(buffer.size(), end - at)), off_t(at));
      while (n < 0 && errno == EINTR);
      if (n < 0) code = errno;
      at += n > 0 ? uint64_t(n) : 0;
      return {buffer.data(), n > 0 ? size_t(n) : 0};
    });
  };
  parallelFor(pieces, pieces == 1 ? 1 : std::clamp(std::thread::hardware_concurrency(), 1u, 8u), hashPiece);
  Key digest = digests[0];
  if (pieces > 1) {
    bool given = false;
    digest = hash([&]() -> Bytes {
      return std::exchange(given, true) ? Bytes() : Bytes(digests[0].data(), digests.size() * sizeof(Key));
    });
    digest[0] ^= 0x80; // not the digest of a small file that holds the pieces' digests
  }
  if (code) return Error{path + ": cannot read: " + std::strerror(code), ErrorKind::Environment};
  if (::fstat(fd, &after) != 0 || !(stampFrom(after) == stamp))
    return Error{path + ": the file changed while it was read", ErrorKind::Environment};
  return digest;
}

Result<Key> digestOfFile(Store &store, const std::string &path, HashFunction hash) {
  std::optional<FileStamp> seen = stampOf(path);
  bool stamped = seen && seen->size >= kStampedBytes && store.usable();
  Key record = KeyBuilder("triton file 1").add("path", absolutePath(path)).key();
  if (stamped)
    if (std::optional<Blob> known = store.get(EntryKind::Manifest, record)) {
      RecordReader in(*known);
      FileStamp stamp = readStamp(in);
      int64_t recordedNs = int64_t(in.number());
      Key digest = in.key();
      if (in.complete() && stamp == *seen && !isRacy(stamp, recordedNs)) return digest;
    }
  // Portable code takes a second for what the compiler's own hash does in 30 ms.
  if (!hash && seen && seen->size >= kStampedBytes) return Error{path + ": a large file that the cache does not know"};
  int64_t startedNs = now();
  FileStamp stamp;
  Result<Key> digest = readAndHash(path, stamp, hash ? hash : hashPortably);
  if (!digest || !stamped) return digest;
  RecordWriter out;
  writeStamp(out, stamp);
  out.number(uint64_t(startedNs));
  out.key(*digest);
  store.put(EntryKind::Manifest, record, out.content());
  return digest;
}

static Key compilerKey(const std::string &program) { return KeyBuilder("triton compiler 1").add("program", program).key(); }

void putCompilerRecord(Store &store, const std::string &program, const CompilerRecord &record) {
  int64_t nowNs = now();
  for (const auto &[path, stamp] : record.files)
    if (isRacy(stamp, nowNs)) return; // just built: the next compile will record it
  RecordWriter out;
  out.text(record.id);
  out.number(record.files.size());
  for (const auto &[path, stamp] : record.files) {
    out.text(path);
    writeStamp(out, stamp);
  }
  store.put(EntryKind::Manifest, compilerKey(program), out.content());
}

std::string knownCompilerId(Store &store, const std::string &program) {
  std::optional<Blob> content = store.get(EntryKind::Manifest, compilerKey(program));
  if (!content) return "";
  RecordReader in(*content);
  std::string id = in.text();
  size_t count = in.count(48);
  for (size_t i = 0; i < count; ++i) {
    std::string path = in.text();
    FileStamp stamp = readStamp(in);
    std::optional<FileStamp> seen = stampOf(path);
    if (!seen || !(*seen == stamp)) return "";
  }
  return in.complete() && count > 0 ? id : "";
}

} // namespace triton::cache
