// Reads a .tern file: verify before believe. Shared by the loader and the compiler's `inspect`. No exceptions, no allocation.
#pragma once

#include "artifact/adds.h"
#include "artifact/artifact_generated.h"
#include "artifact/container.h"
#include "artifact/elf_image.h"

#include <cstddef>
#include <cstdint>

namespace triton::artifact {

/// Limits of the format. They bound what a hostile file can cost, and are far above what networks need.
inline constexpr uint32_t kMaxRank = 16, kMaxTensors = 64, kMaxSteps = 1u << 16, kMaxBlobs = 1u << 20, kMaxEntries = 64;
inline constexpr uint32_t kMaxNameBytes = 1024, kMaxTextBytes = 1u << 20;
/// Fixed elements of a tensor, and workspace bytes: products with a 32-bit batch stay below 2^63 with room to spare.
inline constexpr uint64_t kMaxElements = uint64_t(1) << 40, kMaxWorkspaceBytes = uint64_t(1) << 46;

/// What is wrong with a file.
struct Problem {
  enum Kind : uint8_t {
    None,
    Corrupt,     ///< The bytes contradict themselves or the format.
    Unsupported, ///< Well-formed, but made for another version.
  } kind = None;
  char message[240] = {}; ///< Which section and field, what was found.
};

/// The frame of a file whose header, section table, checksums and padding are right. Views the file's bytes.
struct Container {
  const uint8_t *file = nullptr;
  uint64_t fileBytes = 0;
  tri_section sections[TRI_MAX_SECTIONS] = {};
  uint32_t sectionCount = 0;

  const uint8_t *data(uint32_t section) const { return file + sections[section].offset; }
  uint64_t bytes(uint32_t section) const { return sections[section].bytes; }
};

inline constexpr uint32_t kMetadataSection = 0, kWeightsSection = 1, kFirstCodeSection = 2;
/// What the metadata's address must be a multiple of.
inline constexpr size_t kMetadataAlignment = 16;

/// Checks the frame. Reads nothing outside `bytes[0, size)`.
bool readContainer(const uint8_t *bytes, size_t size, Container &out, Problem &problem);

/// Checks the metadata and everything that it says about the other sections but the code (readCode); null and `problem` if something is wrong.
/// `metadata` is section 0 or a copy of it, suitably aligned; the result points into it.
const fb::Model *readModel(const Container &container, const uint8_t *metadata, Problem &problem);

/// The layout of a placement whose kind is Adds.
tri_adds_layout addsLayout(const fb::Placement &placement);

/// Expands the code of a variant that readModel has accepted to `elf`, which has variant.code_bytes() bytes, and checks it and the addresses
/// in it.
bool readCode(const Container &container, const fb::Model &model, const fb::Variant &variant, uint8_t *elf, tri_elf_image &image, Problem &problem);

} // namespace triton::artifact
