// Reads the program's own build id from its ELF notes.
#include "triton/Driver/Version.h"

#include "triton/Target/TargetDesc.h"

#include <llvm/Config/llvm-config.h>

#include <cstring>
#include <elf.h>
#include <fmt/format.h>
#include <link.h>

namespace triton::driver {

static int findBuildId(dl_phdr_info *info, size_t, void *out) {
  // The program itself comes first in the list.
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const char *p = reinterpret_cast<const char *>(info->dlpi_addr + header.p_vaddr);
    const char *end = p + header.p_memsz;
    while (p + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, p, sizeof note);
      const char *name = p + sizeof note;
      const char *data = name + ((note.n_namesz + 3) & ~3u);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
        auto &text = *static_cast<std::string *>(out);
        for (unsigned b = 0; b < note.n_descsz; ++b) text += fmt::format("{:02x}", static_cast<unsigned char>(data[b]));
        return 1;
      }
      p = data + ((note.n_descsz + 3) & ~3u);
    }
  }
  return 1;
}

std::string buildId() {
  std::string id;
  dl_iterate_phdr(findBuildId, &id);
  return id.empty() ? "unknown" : id;
}

std::string versionNumber() { return TRITON_VERSION; }

std::string versionText() {
  std::string targets;
  for (const std::string &name : knownTargets()) targets += " " + name;
  return fmt::format("triton {} (a compiler for ternary networks)\nLLVM {}\ntargets:{}\nbuild id {}\n", versionNumber(),
                     LLVM_VERSION_STRING, targets, buildId());
}

} // namespace triton::driver
