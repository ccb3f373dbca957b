// The link, in this process, and the checks of its result.
#include "Link.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace triton {

static Error internal(std::string message) { return Error{"code generation: " + std::move(message), ErrorKind::Internal}; }

namespace {

/// A file that goes away with its owner.
struct TemporaryFile {
  llvm::SmallString<128> path;
  ~TemporaryFile() {
    if (!path.empty())
      llvm::sys::fs::remove(path);
  }
};

/// Bytes in memory that have a path while their owner lives.
class MemoryFile {
public:
  MemoryFile() = default;
  MemoryFile(MemoryFile &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  MemoryFile &operator=(MemoryFile &&) = delete;
  ~MemoryFile() {
    if (fd >= 0)
      ::close(fd);
  }
  bool fill(const ObjectFile &bytes) {
    fd = ::memfd_create("triton-object", MFD_CLOEXEC);
    for (size_t at = 0; fd >= 0 && at < bytes.size();) {
      ssize_t written = ::write(fd, bytes.data() + at, bytes.size() - at);
      if (written < 0 && errno == EINTR)
        continue;
      if (written <= 0)
        return false;
      at += size_t(written);
    }
    return fd >= 0;
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }

private:
  int fd = -1;
};

template <typename F>
Result<void> withElf(const std::vector<uint8_t> &elf, F &&f) {
  llvm::MemoryBufferRef buffer(llvm::StringRef(reinterpret_cast<const char *>(elf.data()), elf.size()), "code");
  auto file = llvm::object::ObjectFile::createELFObjectFile(buffer);
  if (!file)
    return internal("bad ELF: " + llvm::toString(file.takeError()));
  auto *object = llvm::dyn_cast<llvm::object::ELF64LEObjectFile>(file->get());
  if (!object)
    return internal("bad ELF: not 64-bit little-endian");
  return f(*object);
}

uint16_t machineOf(const TargetDesc &target) { return target.arch == Arch::X86_64 ? llvm::ELF::EM_X86_64 : llvm::ELF::EM_AARCH64; }

} // namespace

Result<std::vector<uint8_t>> linkSharedObject(const std::vector<ObjectFile> &objects) {
  std::vector<MemoryFile> inputs(objects.size());
  std::vector<std::string> paths;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!inputs[i].fill(objects[i]))
      return Error{std::string("cannot write a temporary file: ") + std::strerror(errno), ErrorKind::Environment};
    paths.push_back(inputs[i].path());
  }
  // The linker renames its output into place, so that one needs a real path.
  TemporaryFile output;
  int fd = -1;
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("triton", "so", fd, output.path))
    return Error{"cannot write a temporary file: " + error.message(), ErrorKind::Environment};
  ::close(fd);
  std::string messages;
  std::vector<const char *> args = {"ld.lld", "-shared", "--threads=1", "-z", "now", "-z", "norelro", "-z", "separate-code",
                                    "-z", "max-page-size=4096", "-z", "noexecstack", "--no-undefined", "--gc-sections",
                                    "--hash-style=gnu", "--build-id=none", "-o", output.path.c_str()};
  for (const std::string &path : paths)
    args.push_back(path.c_str());
  llvm::raw_string_ostream os(messages);
  {
    // lld keeps global state: one link at a time.
    static std::mutex mutex;
    std::lock_guard<std::mutex> lock(mutex);
    lld::Result result = lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
    if (result.retCode != 0)
      return internal("link failed: " + messages);
  }
  auto buffer = llvm::MemoryBuffer::getFile(output.path);
  if (!buffer)
    return Error{"cannot read " + std::string(output.path) + ": " + buffer.getError().message(), ErrorKind::Environment};
  llvm::StringRef bytes = (*buffer)->getBuffer();
  return std::vector<uint8_t>(bytes.bytes_begin(), bytes.bytes_end());
}

Result<void> checkSharedObject(const std::vector<uint8_t> &elf, const TargetDesc &target) {
  return withElf(elf, [&](llvm::object::ELF64LEObjectFile &object) -> Result<void> {
    auto &file = object.getELFFile();
    if (file.getHeader().e_type != llvm::ELF::ET_DYN || file.getHeader().e_machine != machineOf(target))
      return internal("the linked code is not a shared object of its machine");
    auto headers = file.program_headers();
    if (!headers)
      return internal("bad ELF: " + llvm::toString(headers.takeError()));
    for (const auto &header : *headers)
      if (header.p_type == llvm::ELF::PT_LOAD && (header.p_flags & llvm::ELF::PF_W) && (header.p_flags & llvm::ELF::PF_X))
        return internal("a segment is writable and executable");
    auto entries = file.dynamicEntries();
    if (!entries)
      return internal("bad ELF: " + llvm::toString(entries.takeError()));
    for (const auto &entry : *entries)
      switch (entry.getTag()) {
      case llvm::ELF::DT_NEEDED:
        return internal("the code needs a library");
      case llvm::ELF::DT_RELA: case llvm::ELF::DT_REL: case llvm::ELF::DT_JMPREL: case llvm::ELF::DT_RELR:
        return internal("the code needs run-time relocations");
      case llvm::ELF::DT_INIT: case llvm::ELF::DT_INIT_ARRAY: case llvm::ELF::DT_FINI: case llvm::ELF::DT_FINI_ARRAY:
        return internal("the code runs something when it is loaded");
      }
    for (const auto &symbol : object.getDynamicSymbolIterators()) {
      auto flags = symbol.getFlags();
      if (flags && (*flags & llvm::object::SymbolRef::SF_Undefined) && !(*flags & llvm::object::SymbolRef::SF_FormatSpecific))
        return internal("the code has an import");
    }
    return {};
  });
}

Result<std::map<std::string, uint64_t>> exportedFunctions(const std::vector<uint8_t> &elf) {
  std::map<std::string, uint64_t> functions;
  auto found = withElf(elf, [&](llvm::object::ELF64LEObjectFile &file) -> Result<void> {
    for (const auto &symbol : file.getDynamicSymbolIterators()) {
      auto name = symbol.getName();
      auto address = symbol.getAddress();
      if (name && address && !name->empty())
        functions[name->str()] = *address;
    }
    return {};
  });
  if (!found)
    return found.takeError();
  return functions;
}

bool isObjectFor(const ObjectFile &object, const TargetDesc &target) {
  return bool(withElf(object, [&](llvm::object::ELF64LEObjectFile &file) -> Result<void> {
    const auto &header = file.getELFFile().getHeader();
    if (header.e_type != llvm::ELF::ET_REL || header.e_machine != machineOf(target))
      return internal("another kind of file");
    return {};
  }));
}

} // namespace triton
