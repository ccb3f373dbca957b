#include "Tar.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

namespace triton::zoo {

// The blocks of the format (POSIX.1-1988, "ustar"), and how far an archive may inflate: no data set of ours comes near.
static constexpr size_t kBlock = 512;
static constexpr uint64_t kMaxInflated = uint64_t(1) << 36;

namespace {

/// The inflated bytes of a gzip file, in order.
class Inflater {
public:
  explicit Inflater(const std::string &path) : file(gzopen(path.c_str(), "rbe")) {
    if (file) gzbuffer(file, 1 << 17);
  }
  ~Inflater() {
    if (file) gzclose_r(file);
  }
  Inflater(const Inflater &) = delete;
  bool isOpen() const { return file && !gzdirect(file); }
  uint64_t offset() const { return at; }

  /// Exactly `bytes` bytes; false when they are not there or not intact.
  bool read(char *to, size_t bytes) {
    while (bytes) {
      int n = gzread(file, to, unsigned(std::min<size_t>(bytes, 1 << 20)));
      if (n <= 0) return false;
      to += n;
      bytes -= size_t(n);
      at += uint64_t(n);
    }
    return true;
  }
  std::string reason() const {
    int code = Z_OK;
    const char *text = gzerror(file, &code);
    return code == Z_OK || code == Z_BUF_ERROR || !*text ? "it is cut off" : "the gzip data is damaged";
  }

private:
  gzFile file;
  uint64_t at = 0;
};

} // namespace

/// An octal number of a header; nothing if it is none.
static std::optional<uint64_t> octal(const char *field, size_t bytes) {
  uint64_t value = 0;
  size_t i = 0, digits = 0;
  while (i < bytes && field[i] == ' ') ++i;
  for (; i < bytes && field[i] >= '0' && field[i] <= '7'; ++i, ++digits) {
    if (value >> 60) return std::nullopt;
    value = value * 8 + uint64_t(field[i] - '0');
  }
  for (; i < bytes; ++i)
    if (field[i] != ' ' && field[i] != '\0') return std::nullopt;
  return digits ? std::optional<uint64_t>(value) : std::nullopt;
}

static std::string fieldText(const char *field, size_t bytes) { return {field, strnlen(field, bytes)}; }

/// The sum of a header's bytes, its own field counted as spaces.
static uint64_t headerSum(const char *block) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? uint64_t(' ') : uint64_t(static_cast<unsigned char>(block[i]));
  return sum;
}

static Result<void> copyMember(Inflater &in, uint64_t size, const std::string &path, const std::string &where) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) return Error{path + ": cannot create: " + std::strerror(errno), ErrorKind::Environment};
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  std::vector<char> buffer(size_t(1) << 18);
  for (uint64_t left = size; left;) {
    size_t bytes = size_t(std::min<uint64_t>(left, buffer.size()));
    if (!in.read(buffer.data(), bytes)) return Error{where + ": " + in.reason()};
    for (size_t done = 0; done < bytes;) {
      ssize_t n = ::write(fd, buffer.data() + done, bytes - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return Error{path + ": cannot write: " + std::strerror(errno), ErrorKind::Environment};
      done += size_t(n);
    }
    left -= bytes;
  }
  if (::fsync(fd) != 0) return Error{path + ": cannot write: " + std::strerror(errno), ErrorKind::Environment};
  return {};
}

Result<std::vector<std::string>> extractTarGz(const std::string &archive, const std::string &name, const std::vector<ArchiveMember> &members,
                                              const std::string &folder) {
  Inflater in(archive);
  if (!in.isOpen()) return Error{name + ": not a gzip file"};
  std::vector<std::string> out(members.size());
  std::vector<char> block(kBlock);
  size_t found = 0;
  while (found < members.size()) {
    std::string where = name + ": offset " + std::to_string(in.offset()) + " of the archive";
    if (in.offset() > kMaxInflated) return Error{where + ": it inflates to too much"};
    if (!in.read(block.data(), kBlock)) {
      // Also where the blocks of zeros that end an archive are missing.
      for (size_t i = 0; i < members.size(); ++i)
        if (out[i].empty()) return Error{where + ": " + in.reason() + ", and '" + members[i].path + "' has not come yet"};
    }
    if (std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; })) break;
    std::optional<uint64_t> sum = octal(&block[148], 8), size = octal(&block[124], 12);
    if (!sum || *sum != headerSum(block.data())) return Error{where + ": the header's checksum is wrong: not a tar archive, or damaged"};
    if (!size) return Error{where + ": the entry has no size"};
    std::string path = fieldText(&block[0], 100);
    if (std::memcmp(&block[257], "ustar", 5) == 0)
      if (std::string prefix = fieldText(&block[345], 155); !prefix.empty()) path = prefix + "/" + path;
    if (path.starts_with("./")) path.erase(0, 2);
    size_t i = 0;
    while (i < members.size() && members[i].path != path) ++i;
    uint64_t padding = (kBlock - *size % kBlock) % kBlock;
    if (i < members.size()) {
      const char type = block[156];
      if (type != '0' && type != '\0') return Error{where + ": '" + path + "' is no plain file"};
      if (!out[i].empty()) return Error{where + ": '" + path + "' is there twice"};
      if (!members[i].size && *size > kMaxUnsizedBytes) return Error{where + ": '" + path + "' has " + std::to_string(*size) + " bytes, which no text there has"};
      if (members[i].size && *size != members[i].size)
        return Error{where + ": '" + path + "' has " + std::to_string(*size) + " bytes, the manifest says " + std::to_string(members[i].size)};
      out[i] = folder + "/" + std::to_string(i);
      ++found;
      if (Result<void> copied = copyMember(in, *size, out[i], where); !copied) return copied.takeError();
    } else {
      if (*size > kMaxInflated) return Error{where + ": an entry of " + std::to_string(*size) + " bytes"};
      padding += *size;
    }
    for (std::vector<char> skipped(size_t(1) << 16); padding;) {
      size_t bytes = size_t(std::min<uint64_t>(padding, skipped.size()));
      if (!in.read(skipped.data(), bytes)) return Error{where + ": " + in.reason()};
      padding -= bytes;
    }
  }
  for (size_t i = 0; i < members.size(); ++i)
    if (out[i].empty()) return Error{name + ": the archive has no '" + members[i].path + "'"};
  return out;
}

} // namespace triton::zoo
