#include "Assets.h"

#include "Idx.h"
#include "Manifest.h"

#include "triton/Support/Sha256.h"
#include "triton/Tensor/Files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace triton::zoo {

namespace fs = std::filesystem;

// What a description may ask for: it bounds what a hostile one can make us write and hold.
static constexpr uint64_t kMaxFileBytes = uint64_t(1) << 40;
static constexpr size_t kMaxFiles = 4096, kMaxPathBytes = 1024, kMaxUrlBytes = 4096;

bool isSafePath(std::string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes) return false;
  size_t begin = 0;
  while (true) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    for (char c : part)
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7F || c == '\\') return false;
    if (end == path.size()) return true;
    begin = end + 1;
  }
}

std::string urlProblem(std::string_view url) {
  if (url.size() > kMaxUrlBytes) return "it is too long";
  for (char c : url)
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7F)
      return "it has a space, a control character or one outside ASCII";
  size_t colon = url.find("://");
  std::string_view scheme = colon == url.npos ? "" : url.substr(0, colon);
  if (scheme == "file") return url.substr(colon + 3).starts_with("/") ? "" : "a file URL needs an absolute path: file:///path";
  if (scheme != "http" && scheme != "https") return "only http, https and file are fetched";
  std::string_view rest = url.substr(colon + 3), authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty()) return "it names no host";
  if (authority.find('@') != authority.npos) return "a user or password has no place in it";
  return "";
}

static bool isHexDigest(const std::string &text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// The string member `key`; "" where there is none.
static std::string textOf(const json::Value &value, const char *key) {
  const json::Value *v = value.find(key);
  return v && v->asString() ? *v->asString() : "";
}

static Result<ArchiveMember> parseMember(const json::Value &value, const std::string &where, bool sizeOptional) {
  ArchiveMember member;
  member.path = textOf(value, "path");
  if (!isSafePath(member.path)) return Error{where + ": 'path' " + json::quote(member.path) + " is no relative path below the folder"};
  const json::Value *size = value.find("size");
  if (!size && sizeOptional) return member;
  if (!size || !size->asInt() || *size->asInt() <= 0 || uint64_t(*size->asInt()) > kMaxFileBytes)
    return Error{where + ": 'size' of '" + member.path + "' must be the number of its bytes"};
  member.size = uint64_t(*size->asInt());
  return member;
}

Result<AssetFile> parseAssetFile(const json::Value &value, const std::string &where) {
  Result<ArchiveMember> base = parseMember(value, where, false);
  if (!base) return base.takeError();
  AssetFile file;
  file.path = std::move(base->path);
  file.size = base->size;
  std::string at = where + ": '" + file.path + "'";
  file.sha256 = textOf(value, "sha256");
  if (!isHexDigest(file.sha256)) return Error{at + ": 'sha256' must be 64 hexadecimal digits, in lower case"};
  file.contentSha256 = textOf(value, "content_sha256");
  if (!file.contentSha256.empty() && !isHexDigest(file.contentSha256))
    return Error{at + ": 'content_sha256' must be 64 hexadecimal digits, in lower case"};
  file.licence = textOf(value, "licence");
  if (const json::Value *urls = value.find("urls")) {
    if (!urls->asArray()) return Error{at + ": 'urls' must be a list"};
    for (const json::Value &url : *urls->asArray()) {
      if (!url.asString()) return Error{at + ": 'urls' must be a list of texts"};
      if (std::string problem = urlProblem(*url.asString()); !problem.empty())
        return Error{at + ": the URL " + json::quote(*url.asString()) + " is not taken: " + problem};
      file.urls.push_back(*url.asString());
    }
  }
  if (const json::Value *members = value.find("unpack")) {
    if (!members->asArray() || members->asArray()->size() > kMaxFiles) return Error{at + ": 'unpack' must be a list of paths with sizes"};
    for (const json::Value &entry : *members->asArray()) {
      Result<ArchiveMember> member = parseMember(entry, at + ": unpack", true);
      if (!member) return member.takeError();
      file.members.push_back(std::move(*member));
    }
  }
  return file;
}

static Result<Dataset> readDataset(const fs::path &path) {
  std::string name = path.string();
  Result<std::string> text = readFileBytes(name, 1 << 20);
  if (!text) return text.takeError();
  Result<json::Value> value = json::parse(*text, name);
  if (!value) return value.takeError();
  Dataset out;
  out.name = path.stem().string();
  out.description = textOf(*value, "description");
  out.licence = textOf(*value, "licence");
  out.home = textOf(*value, "home");
  out.citation = textOf(*value, "citation");
  out.manual = textOf(*value, "manual");
  if (const json::Value *places = value->find("places"); places && places->asArray())
    for (const json::Value &place : *places->asArray())
      if (place.asString() && place.asString()->starts_with("/")) out.places.push_back(*place.asString());
  std::set<std::string> seen;
  auto twice = [&](const std::string &file) { return Error{name + ": '" + file + "' is named twice"}; };
  if (const json::Value *files = value->find("files")) {
    if (!files->asArray() || files->asArray()->size() > kMaxFiles) return Error{name + ": 'files' must be a list"};
    for (const json::Value &entry : *files->asArray()) {
      Result<AssetFile> file = parseAssetFile(entry, name);
      if (!file) return file.takeError();
      if (!seen.insert(file->path).second) return twice(file->path);
      for (const ArchiveMember &member : file->members)
        if (!seen.insert(member.path).second) return twice(member.path);
      out.files.push_back(std::move(*file));
    }
  }
  if (out.files.empty() && out.manual.empty()) return Error{name + ": neither 'files' nor 'manual'"};
  return out;
}

Result<std::vector<Dataset>> listDatasets() {
  Result<std::string> folder = zooFolder();
  if (!folder) return folder.takeError();
  std::vector<fs::path> paths;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(*folder + "/datasets", error))
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Dataset> out;
  for (const fs::path &path : paths) {
    Result<Dataset> dataset = readDataset(path);
    if (!dataset) return dataset.takeError();
    out.push_back(std::move(*dataset));
  }
  return out;
}

Result<std::optional<Dataset>> findDataset(const std::string &name) {
  Result<std::vector<Dataset>> all = listDatasets();
  if (!all) return all.takeError();
  for (Dataset &dataset : *all)
    if (dataset.name == name) return std::optional<Dataset>(std::move(dataset));
  return std::optional<Dataset>();
}

std::string modelFolder(const std::string &store, const std::string &name) { return store + "/models/" + name; }
std::string datasetFolder(const std::string &store, const std::string &name) { return store + "/datasets/" + name; }

std::vector<ArchiveMember> filesInPlace(const Dataset &dataset) {
  std::vector<ArchiveMember> out;
  for (const AssetFile &file : dataset.files) {
    if (file.members.empty()) out.push_back({file.path, file.size});
    out.insert(out.end(), file.members.begin(), file.members.end());
  }
  return out;
}

bool isComplete(const Dataset &dataset, const std::string &folder, bool sizesCount) {
  if (dataset.files.empty()) return false;
  for (const ArchiveMember &file : filesInPlace(dataset)) {
    struct stat info {};
    if (::stat((folder + "/" + file.path).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    if (sizesCount && file.size && uint64_t(info.st_size) != file.size) return false;
  }
  return true;
}

Result<std::string> findDatasetFolder(const std::string &name, const std::string &given, const std::string &store) {
  if (!given.empty()) return given;
  Result<std::optional<Dataset>> found = findDataset(name);
  if (!found) return found.takeError();
  if (!*found) return Error{"no description of the data set '" + name + "' in the zoo; give its folder with --data-dir", ErrorKind::Environment};
  const Dataset &dataset = **found;
  if (!store.empty() && isComplete(dataset, datasetFolder(store, name), true)) return datasetFolder(store, name);
  for (const std::string &place : dataset.places)
    if (isComplete(dataset, place, false)) return place;
  if (dataset.files.empty())
    return Error{"the data set '" + name + "' must be got by hand (" + dataset.manual + "); then give its folder with --data-dir",
                 ErrorKind::Environment};
  return Error{"the data set '" + name + "' is not here; get it with 'triton zoo download " + name + "', or give its folder with --data-dir",
               ErrorKind::Environment};
}

Result<std::string> fileSha256(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe in a file's place must not hang us
  if (int code = errno; fd < 0)
    return Error{path + ": cannot open: " + std::strerror(code), code == ENOENT ? ErrorKind::Input : ErrorKind::Environment};
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return Error{path + ": not a regular file"};
  Sha256 hash;
  std::vector<char> buffer(size_t(1) << 18);
  while (true) {
    ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{path + ": cannot read: " + std::strerror(errno), ErrorKind::Environment};
    if (n == 0) break;
    hash.update(buffer.data(), size_t(n));
  }
  return hash.finishHex();
}

Result<std::string> inflatedSha256(const std::string &path, uint64_t limitBytes) {
  Result<std::string> packed = readFileBytes(path, limitBytes);
  if (!packed) return packed.takeError();
  Result<std::string> plain = gunzip(*packed, path, limitBytes);
  if (!plain) return plain.takeError();
  return sha256Hex(*plain);
}

} // namespace triton::zoo
