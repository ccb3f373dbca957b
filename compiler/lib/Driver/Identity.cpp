// What this compiler is, by content: the build ids of the program and of every library that it has loaded. A version number would
// call two builds the same that give different bytes.
#include "triton/Driver/Version.h"

#include <llvm/Support/BLAKE3.h>

#include <climits>
#include <cstring>
#include <elf.h>
#include <link.h>
#include <unistd.h>
#include <utility>

namespace triton::driver {

cache::Key hashQuickly(const cache::NextBytes &next) {
  llvm::BLAKE3 hasher;
  for (cache::Bytes bytes = next(); !bytes.empty(); bytes = next()) hasher.update(llvm::ArrayRef<uint8_t>(bytes.data(), bytes.size()));
  auto digest = hasher.final<32>();
  cache::Key key;
  std::copy(digest.begin(), digest.end(), key.begin());
  return key;
}

cache::Key hashQuickly(cache::Bytes bytes) {
  bool given = false;
  return hashQuickly([&]() -> cache::Bytes { return std::exchange(given, true) ? cache::Bytes() : bytes; });
}

namespace {

struct LoadedObject {
  std::string path, buildId; ///< the build id as bytes; empty if the linker gave none
};

/// The id in the notes of a segment.
std::string buildIdOf(const char *notes, size_t bytes) {
  for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= bytes;) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof note);
    size_t name = at + sizeof note, data = name + ((size_t(note.n_namesz) + 3) & ~size_t(3));
    if (data + note.n_descsz > bytes) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(notes + name, "GNU", 4) == 0)
      return std::string(notes + data, note.n_descsz);
    at = data + ((size_t(note.n_descsz) + 3) & ~size_t(3));
  }
  return "";
}

int collect(dl_phdr_info *info, size_t, void *out) {
  auto &objects = *static_cast<std::vector<LoadedObject> *>(out);
  LoadedObject object;
  object.path = info->dlpi_name;
  if (objects.empty()) { // the program itself comes first and has no name
    char path[PATH_MAX];
    ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    object.path.assign(path, length > 0 ? size_t(length) : 0);
  } else if (!object.path.starts_with('/')) {
    return 0; // the kernel's vdso
  }
  for (int i = 0; i < info->dlpi_phnum && object.buildId.empty(); ++i)
    if (info->dlpi_phdr[i].p_type == PT_NOTE)
      object.buildId = buildIdOf(reinterpret_cast<const char *>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr), info->dlpi_phdr[i].p_memsz);
  objects.push_back(std::move(object));
  return 0;
}

} // namespace

static CompilerIdentity makeIdentity() {
  std::vector<LoadedObject> objects;
  dl_iterate_phdr(collect, &objects);
  CompilerIdentity identity;
  cache::KeyBuilder key("triton compiler 1");
  std::unique_ptr<cache::Store> none = cache::Store::disabled();
  for (const LoadedObject &object : objects) {
    std::string name = object.path.substr(object.path.rfind('/') + 1);
    if (!object.buildId.empty()) {
      key.add(name, object.buildId);
    } else {
      Result<cache::Key> digest = cache::digestOfFile(*none, object.path, hashQuickly);
      // Not to be told from others: its own kind, so that it never meets a key of a known compiler.
      key.add(name, digest ? cache::toHex(*digest) : "unreadable " + std::to_string(::getpid()));
    }
    if (std::optional<cache::FileStamp> stamp = cache::stampOf(object.path)) identity.record.files.emplace_back(object.path, *stamp);
  }
  identity.program = objects.empty() ? "" : objects.front().path;
  identity.record.id = cache::toHex(key.key());
  return identity;
}

CompilerIdentity compilerIdentity() {
  static const CompilerIdentity identity = makeIdentity(); // what is loaded later, for a remote, does not count
  return identity;
}

} // namespace triton::driver
