// An artifact's checked metadata, for what the compiler says about a file. Private to this folder.
#pragma once

#include "triton/Support/Result.h"

#include "artifact/reader.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace triton {

/// `model` points into `metadata`, `container` into the bytes that were given.
struct ReadModel {
  artifact::Container container;
  std::vector<uint8_t> metadata;
  const fb::Model *model = nullptr;
};

/// Checks a whole file; `name` stands in messages.
inline Result<ReadModel> readModelOf(std::span<const uint8_t> bytes, std::string_view name) {
  ReadModel out;
  artifact::Problem problem;
  if (!artifact::readContainer(bytes.data(), bytes.size(), out.container, problem)) return Error{std::string(name) + ": " + problem.message};
  // A vector's memory is aligned for every fundamental type, which is what the reader asks for; moving keeps its place.
  const uint8_t *from = out.container.data(artifact::kMetadataSection);
  out.metadata.assign(from, from + out.container.bytes(artifact::kMetadataSection));
  out.model = artifact::readModel(out.container, out.metadata.data(), problem);
  if (!out.model) return Error{std::string(name) + ": " + problem.message};
  for (const fb::Variant *variant : *out.model->variants()) {
    std::vector<uint8_t> elf(variant->code_bytes());
    tri_elf_image image;
    if (!artifact::readCode(out.container, *out.model, *variant, elf.data(), image, problem)) return Error{std::string(name) + ": " + problem.message};
  }
  return out;
}

inline std::string textOf(const flatbuffers::String *text) { return text ? text->str() : std::string(); }

template <typename Vector>
uint32_t countOf(const Vector *vector) {
  return vector ? vector->size() : 0;
}

} // namespace triton
