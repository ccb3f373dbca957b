// Writes and describes .tern files. The byte layout and its checks live in runtime/artifact. No LLVM.
#pragma once

#include "triton/Codegen/CompiledModel.h"
#include "triton/Support/Json.h"
#include "triton/Support/Result.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace triton {

/// The bytes of the artifact. They depend on `model` alone. A variant whose `features` are 0 gets those of its target.
/// The result has been read back by the loader's own checks, so errors (kind Internal) say what the loader would refuse.
Result<std::vector<uint8_t>> writeArtifact(const CompiledModel &model);

/// What is in an artifact, as one JSON object: entry points with their tensors and steps, layers with bits per weight, variants with
/// choices, sizes and digests. `name` stands in messages. Errors: kind Input, with the section and field that is wrong.
Result<json::Object> describeArtifactJson(std::span<const uint8_t> bytes, std::string_view name);

/// The same for people.
Result<std::string> describeArtifact(std::span<const uint8_t> bytes, std::string_view name);

/// What one variant of an artifact has in memory, and why its layers got their kernels.
struct VariantDetails {
  struct LoadedBlob {
    std::string key;    ///< of the parameter or constant
    uint64_t bytes = 0; ///< expanded, with padding
  };
  std::vector<LoadedBlob> blobs;
  std::vector<LayerChoice> choices;
};

/// The details of variant `variant`. Errors: kind Input, also if there is no such variant.
Result<VariantDetails> variantDetails(std::span<const uint8_t> bytes, uint32_t variant, std::string_view name);

/// The address of a function in a shared object, from its dynamic symbol table. Errors (kind Internal): no such symbol, or not an ELF64
/// object.
Result<uint64_t> findElfSymbol(std::span<const uint8_t> elf, std::string_view symbol);

/// BLAKE3 of `bytes`, and its lower-case hexadecimal text.
std::array<uint8_t, 32> blake3(std::span<const uint8_t> bytes);
std::string hexDigest(std::span<const uint8_t> digest);

} // namespace triton
