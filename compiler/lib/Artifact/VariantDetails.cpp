// What a profile needs to know about a variant beyond what the C API tells.
#include "triton/Artifact/Artifact.h"

#include "ReadModel.h"

using namespace triton;

Result<VariantDetails> triton::variantDetails(std::span<const uint8_t> bytes, uint32_t variant, std::string_view name) {
  Result<ReadModel> read = readModelOf(bytes, name);
  if (!read) return read.takeError();
  const fb::Model *model = read->model;
  if (variant >= model->variants()->size()) return Error{std::string(name) + ": no variant " + std::to_string(variant)};
  const fb::Variant &found = *model->variants()->Get(variant);
  VariantDetails out;
  for (uint32_t i = 0; i < countOf(found.placements()); ++i) {
    const fb::Placement &placement = *found.placements()->Get(i);
    out.blobs.push_back({textOf(model->blobs()->Get(placement.blob())->key()), placement.arena_bytes()});
  }
  for (uint32_t i = 0; i < countOf(found.choices()); ++i) {
    const fb::Choice &choice = *found.choices()->Get(i);
    out.choices.push_back({textOf(choice.layer()), textOf(choice.algorithm()), textOf(choice.packing()), textOf(choice.reason())});
  }
  return out;
}
