// What a profile needs to know about a variant beyond what the C API tells.
#include "triton/Artifact/Artifact.h"

#include "artifact/reader.h"

using namespace triton;

static std::string textOf(const flatbuffers::String *text) { return text ? text->str() : std::string(); }

Result<VariantDetails> triton::variantDetails(std::span<const uint8_t> bytes, uint32_t variant, std::string_view name) {
  artifact::Container container;
  artifact::Problem problem;
  if (!artifact::readContainer(bytes.data(), bytes.size(), container, problem)) return Error{std::string(name) + ": " + problem.message};
  // A vector's memory is aligned for every fundamental type, which is what the reader asks for.
  const uint8_t *from = container.data(artifact::kMetadataSection);
  const std::vector<uint8_t> metadata(from, from + container.bytes(artifact::kMetadataSection));
  const fb::Model *model = artifact::readModel(container, metadata.data(), problem);
  if (!model) return Error{std::string(name) + ": " + problem.message};
  if (variant >= model->variants()->size()) return Error{std::string(name) + ": no variant " + std::to_string(variant)};
  const fb::Variant &found = *model->variants()->Get(variant);
  VariantDetails out;
  for (uint32_t i = 0; i < (found.placements() ? found.placements()->size() : 0); ++i) {
    const fb::Placement &placement = *found.placements()->Get(i);
    out.blobs.push_back({textOf(model->blobs()->Get(placement.blob())->key()), placement.arena_bytes()});
  }
  for (uint32_t i = 0; i < (found.choices() ? found.choices()->size() : 0); ++i) {
    const fb::Choice &choice = *found.choices()->Get(i);
    out.choices.push_back({textOf(choice.layer()), textOf(choice.algorithm()), textOf(choice.packing()), textOf(choice.reason())});
  }
  return out;
}
