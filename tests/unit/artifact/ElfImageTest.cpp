// The restricted ELF object: what is allowed, and each thing that is not.
#include "TestModel.h"

#include "artifact/container.h"
#include "artifact/cpu_features.h"
#include "artifact/elf_image.h"

#include <cstring>
#include <elf.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory>

using namespace triton;

static const uint64_t hereMask = tri_target_features(test::baseTarget().c_str());

/// A minimal object made field by field: headers, one code segment, one data segment, a dynamic section and one relocation.
struct SmallObject {
  SmallObject() {
    memcpy(header.e_ident, "\x7f"
                           "ELF\2\1\1",
           7);
    header.e_type = ET_DYN;
    header.e_machine = hereMask & TRI_CPU_X86_64 ? EM_X86_64 : EM_AARCH64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 4;
    code = {PT_LOAD, PF_R | PF_X, 0, 0, 0, 0x1000, 0x1000, 0x1000};
    data = {PT_LOAD, PF_R | PF_W, 0x1000, 0x1000, 0, 0x800, 0x1000, 0x1000};
    dynamicHeader = {PT_DYNAMIC, PF_R | PF_W, 0x1000, 0x1000, 0, sizeof dynamic, sizeof dynamic, 8};
    stack = {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16};
    dynamic[0] = {DT_RELA, {0x1200}};
    dynamic[1] = {DT_RELASZ, {sizeof relocation}};
    dynamic[2] = {DT_RELAENT, {sizeof relocation}};
    dynamic[3] = {DT_NULL, {0}};
    relocation = {0x1400, uint64_t(hereMask & TRI_CPU_X86_64 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE), 0x500};
  }
  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> out(0x1800);
    memcpy(&out[0], &header, sizeof header);
    const Elf64_Phdr headers[] = {code, data, dynamicHeader, stack};
    memcpy(&out[sizeof header], headers, sizeof headers);
    memcpy(&out[0x1000], dynamic, sizeof dynamic);
    memcpy(&out[0x1200], &relocation, sizeof relocation);
    return out;
  }
  Elf64_Ehdr header{};
  Elf64_Phdr code{}, data{}, dynamicHeader{}, stack{};
  Elf64_Dyn dynamic[8]{};
  Elf64_Rela relocation{};
};

static std::string problemOf(const std::vector<uint8_t> &bytes, uint64_t mask = hereMask) {
  const auto exact = std::make_unique<uint8_t[]>(bytes.size());
  if (!bytes.empty()) memcpy(exact.get(), bytes.data(), bytes.size());
  tri_elf_image image;
  const char *problem = tri_elf_parse(exact.get(), bytes.size(), mask, &image);
  return problem ? problem : "";
}

TEST(ElfImage, TheLinkersObjectIsAccepted) {
  const std::vector<uint8_t> elf = test::kernelObject();
  tri_elf_image image;
  ASSERT_EQ(tri_elf_parse(elf.data(), elf.size(), hereMask, &image), nullptr);
  EXPECT_GE(image.segment_count, 2u);
  EXPECT_GT(image.relocation_count, 0u); // the table of addresses
  EXPECT_TRUE(tri_elf_is_code(&image, *findElfSymbol(elf, "dense")));
  EXPECT_FALSE(tri_elf_is_code(&image, image.end));
  EXPECT_FALSE(tri_elf_is_code(&image, UINT64_MAX));
}

TEST(ElfImage, TheSmallObjectIsAccepted) {
  const std::vector<uint8_t> elf = SmallObject().bytes();
  tri_elf_image image;
  ASSERT_EQ(tri_elf_parse(elf.data(), elf.size(), hereMask, &image), nullptr);
  EXPECT_EQ(image.segment_count, 2u);
  EXPECT_EQ(image.end, 0x2000u);
  ASSERT_EQ(image.relocation_count, 1u);
  uint64_t address, addend;
  tri_elf_relocation(&image, elf.data(), 0, &address, &addend);
  EXPECT_EQ(address, 0x1400u);
  EXPECT_EQ(addend, 0x500u);
}

TEST(ElfImage, EachRuleIsChecked) {
  const struct {
    const char *problem;
    std::function<void(SmallObject &)> damage;
  } rows[] = {
      {"not a little-endian ELF64 object", [](auto &o) { o.header.e_ident[EI_CLASS] = ELFCLASS32; }},
      {"not a little-endian ELF64 object", [](auto &o) { o.header.e_ident[EI_DATA] = ELFDATA2MSB; }},
      {"not a shared object", [](auto &o) { o.header.e_type = ET_EXEC; }},
      {"not a shared object", [](auto &o) { o.header.e_type = ET_REL; }},
      {"the object is for another machine than its variant", [](auto &o) { o.header.e_machine = EM_RISCV; }},
      {"the program header table is out of range", [](auto &o) { o.header.e_phoff = UINT64_MAX; }},
      {"the program header table is out of range", [](auto &o) { o.header.e_phoff = 0x17ff; }},
      {"the program header table is out of range", [](auto &o) { o.header.e_phnum = 65; }},
      {"the program header table is out of range", [](auto &o) { o.header.e_phentsize = 32; }},
      {"the object has no loadable segment", [](auto &o) { o.header.e_phnum = 0; }},
      {"a segment is writable and executable", [](auto &o) { o.code.p_flags = PF_R | PF_W | PF_X; }},
      {"a segment is not readable", [](auto &o) { o.code.p_flags = PF_X; }},
      {"a segment has unknown flags", [](auto &o) { o.code.p_flags = 0x80000005; }},
      {"a segment reaches outside the object", [](auto &o) { o.data.p_filesz = 0x801; }},
      {"a segment reaches outside the object", [](auto &o) { o.data.p_offset = UINT64_MAX - 0xfff; }},
      {"a segment has more bytes in the file than in memory", [](auto &o) { o.data.p_memsz = 0x7ff; }},
      {"a read-only segment has bytes that the file does not give", [](auto &o) { o.code.p_filesz = 0xfff; }},
      {"a segment's address is out of range", [](auto &o) { o.data.p_vaddr = UINT64_MAX - 0xfff; }},
      {"a segment's address is out of range", [](auto &o) { o.data.p_memsz = UINT64_MAX; }},
      {"a segment's address is out of range", [](auto &o) { o.data.p_vaddr = uint64_t(1) << 32; }},
      {"a segment's address and file offset differ modulo the page size", [](auto &o) { o.data.p_vaddr = 0x1010; }},
      {"a segment has too much zero-filled memory", [](auto &o) { o.data.p_memsz = 0x800 + (1 << 24) + 1; }},
      {"segments overlap or are out of order", [](auto &o) { o.code.p_vaddr = 0x2000; }},
      {"segments overlap or are out of order", [](auto &o) { o.data.p_vaddr = 0; }},
      {"the object names an interpreter", [](auto &o) { o.stack.p_type = PT_INTERP; }},
      {"the object has thread-local storage", [](auto &o) { o.stack.p_type = PT_TLS; }},
      {"the object wants an executable stack", [](auto &o) { o.stack.p_flags = PF_R | PF_W | PF_X; }},
      {"the dynamic section reaches outside the object", [](auto &o) { o.dynamicHeader.p_filesz = 0x801; }},
      {"the dynamic section reaches outside the object", [](auto &o) { o.dynamicHeader.p_offset = UINT64_MAX; }},
      {"the object needs another library", [](auto &o) { o.dynamic[3] = {DT_NEEDED, {1}}; }},
      {"the object has constructors or destructors", [](auto &o) { o.dynamic[3] = {DT_INIT, {0x10}}; }},
      {"the object has constructors or destructors", [](auto &o) { o.dynamic[3] = {DT_INIT_ARRAY, {0x10}}; }},
      {"the object has constructors or destructors", [](auto &o) { o.dynamic[3] = {DT_FINI_ARRAY, {0x10}}; }},
      {"the object has constructors or destructors", [](auto &o) { o.dynamic[3] = {DT_PREINIT_ARRAY, {0x10}}; }},
      {"the object relocates its code", [](auto &o) { o.dynamic[3] = {DT_TEXTREL, {0}}; }},
      {"the object has relocations of a kind that is not supported", [](auto &o) { o.dynamic[3] = {DT_REL, {0x1200}}; }},
      {"the object has relocations of a kind that is not supported", [](auto &o) { o.dynamic[3] = {36 /* DT_RELR */, {0x1200}}; }},
      {"the object imports functions", [](auto &o) { o.dynamic[3] = {DT_JMPREL, {0x1200}}; }},
      {"the relocation table has a wrong size", [](auto &o) { o.dynamic[1].d_un.d_val = 25; }},
      {"the relocation table has a wrong size", [](auto &o) { o.dynamic[2].d_un.d_val = 16; }},
      {"the relocation table lies outside the segments", [](auto &o) { o.dynamic[0].d_un.d_val = 0x17f0; }},
      {"the relocation table lies outside the segments", [](auto &o) { o.dynamic[1].d_un.d_val = UINT64_MAX / 24 * 24; }},
      {"the object has a relocation that is not RELATIVE", [](auto &o) { o.relocation.r_info = 6; }},
      {"the object has a relocation that is not RELATIVE", [](auto &o) { o.relocation.r_info |= uint64_t(1) << 32; }},
      {"a relocation lies outside the writable segments", [](auto &o) { o.relocation.r_offset = 0x100; }},
      {"a relocation lies outside the writable segments", [](auto &o) { o.relocation.r_offset = 0x17fc; }},
      {"a relocation lies outside the writable segments", [](auto &o) { o.relocation.r_offset = UINT64_MAX - 3; }},
      {"a relocation points outside the object", [](auto &o) { o.relocation.r_addend = 0x2001; }},
      {"a relocation points outside the object", [](auto &o) { o.relocation.r_addend = -1; }},
  };
  for (const auto &row : rows) {
    SmallObject object;
    row.damage(object);
    EXPECT_EQ(problemOf(object.bytes()), row.problem);
  }
  EXPECT_EQ(problemOf(SmallObject().bytes(), 0), "the required features name no single architecture");
}

TEST(ElfImage, TooManySegmentsAreRefused) {
  std::vector<uint8_t> elf(0x20000);
  SmallObject object;
  object.header.e_phnum = 17;
  memcpy(&elf[0], &object.header, sizeof object.header);
  for (uint64_t i = 0; i < 17; ++i) {
    const Elf64_Phdr segment = {PT_LOAD, PF_R, i << 12, i << 12, 0, 0x1000, 0x1000, 0x1000};
    memcpy(&elf[sizeof object.header + i * sizeof segment], &segment, sizeof segment);
  }
  EXPECT_EQ(problemOf(elf), "too many loadable segments");
}

TEST(ElfImage, EveryTruncationAndEveryByteGiveAnAnswer) {
  const std::vector<uint8_t> elf = SmallObject().bytes();
  for (size_t size = 0; size < elf.size(); size += size < 512 ? 1 : 13) (void)problemOf({elf.begin(), elf.begin() + std::ptrdiff_t(size)});
  for (size_t i = 0; i < elf.size(); i += i < 0x200 ? 1 : 3)
    for (const uint8_t value : {0, 1, 0x7f, 0x80, 0xff}) {
      std::vector<uint8_t> bad = elf;
      bad[i] = value;
      (void)problemOf(bad);
    }
}
