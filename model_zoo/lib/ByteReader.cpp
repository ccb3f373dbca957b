// zlib reads plain files through the same calls.
#include "ByteReader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <zlib.h>

namespace triton::zoo {

static gzFile handle(const std::shared_ptr<void> &file) { return static_cast<gzFile>(file.get()); }

Result<ByteReader> ByteReader::open(const std::string &path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Error{path + ": " + std::strerror(errno), ErrorKind::Environment};
  if (!S_ISREG(info.st_mode)) return Error{path + ": not a regular file", ErrorKind::Environment};
  errno = 0;
  gzFile file = gzopen(path.c_str(), "rb");
  if (!file) return Error{path + ": " + (errno ? std::strerror(errno) : "out of memory"), ErrorKind::Environment};
  gzbuffer(file, 1 << 17);
  ByteReader reader;
  reader.file.reset(file, [](void *f) { gzclose(static_cast<gzFile>(f)); });
  reader.name = path;
  reader.size = uint64_t(info.st_size);
  return reader;
}

Error ByteReader::errorHere(const std::string &what) const { return Error{name + ": offset " + std::to_string(at) + ": " + what}; }

Result<size_t> ByteReader::readSome(std::span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    const unsigned wanted = unsigned(std::min<size_t>(out.size() - done, 1 << 30));
    const int got = gzread(handle(file), out.data() + done, wanted);
    int code = Z_OK;
    const char *text = gzerror(handle(file), &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      // zlib puts the path before its own text.
      const std::string own = name + ": ";
      return errorHere(std::string("gzip: ") + (std::strncmp(text, own.c_str(), own.size()) == 0 ? text + own.size() : text));
    }
    done += size_t(got);
    at += size_t(got);
    if (got == 0) break;
  }
  return done;
}

Result<void> ByteReader::read(std::span<uint8_t> out) {
  Result<size_t> got = readSome(out);
  if (!got) return got.takeError();
  if (*got != out.size()) return errorHere("the file ends here, " + std::to_string(out.size() - *got) + " bytes too early");
  return {};
}

Result<void> ByteReader::expectEnd() {
  const uint64_t end = at;
  uint8_t byte;
  Result<size_t> got = readSome({&byte, 1});
  if (!got) return got.takeError();
  if (*got != 0) return Error{name + ": offset " + std::to_string(end) + ": bytes after the last element"};
  return {};
}

} // namespace triton::zoo
