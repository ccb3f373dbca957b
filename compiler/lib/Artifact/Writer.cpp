// CompiledModel -> .tern: the FlatBuffer, the weights section, the code sections, then the frame around them (container.h).
#include "triton/Artifact/Artifact.h"

#include "artifact/artifact_generated.h"
#include "artifact/cpu_features.h"
#include "artifact/kernel_abi.h"
#include "ReadModel.h"

#include <algorithm>
#include <cstring>
#include <lz4hc.h>

using namespace triton;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

static_assert(uint8_t(fb::DType::Trit) == uint8_t(DType::Trit) && uint8_t(fb::DType::Int4) == uint8_t(DType::Int4) &&
              uint8_t(fb::DType::Int8) == uint8_t(DType::Int8) && uint8_t(fb::DType::UInt8) == uint8_t(DType::UInt8) &&
              uint8_t(fb::DType::Int64) == uint8_t(DType::Int64) && uint8_t(fb::DType::Float32) == uint8_t(DType::Float32) &&
              uint8_t(fb::DType::MAX) == uint8_t(DType::Float32));
static_assert(uint8_t(fb::Encoding::T5) == Blob::T5 && uint8_t(fb::PlacementKind::Panels) == Placement::Panels &&
              uint8_t(fb::PlacementKind::Panels2) == Placement::Panels2 && uint8_t(fb::PlacementKind::Adds) == Placement::Adds &&
              uint8_t(fb::PlacementKind::Codes) == Placement::Codes && uint8_t(fb::PlacementKind::Panels3) == Placement::Panels3);

namespace {

/// Where the blobs lie in the weights section.
struct WeightsSection {
  std::vector<uint64_t> offsets;
  uint64_t bytes = 0;
};

/// Builds the metadata.
class MetadataWriter {
public:
  MetadataWriter(const CompiledModel &model, const WeightsSection &weights) : model(model), weights(weights) {}
  FlatBufferBuilder write();

private:
  Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> strings(const std::vector<std::string> &texts);
  Offset<fb::Tensor> tensor(const TensorSpec &spec);
  Offset<fb::Entry> entry();
  Offset<fb::Variant> variant(const CompiledVariant &v, uint32_t index);

  const CompiledModel &model;
  const WeightsSection &weights;
  FlatBufferBuilder b;
};

} // namespace

static uint64_t alignUp(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> MetadataWriter::strings(const std::vector<std::string> &texts) {
  std::vector<Offset<flatbuffers::String>> offsets;
  for (const std::string &text : texts) offsets.push_back(b.CreateString(text));
  return b.CreateVector(offsets);
}

Offset<fb::Tensor> MetadataWriter::tensor(const TensorSpec &spec) {
  std::vector<uint8_t> dtypes;
  for (const DType dtype : spec.dtypes) dtypes.push_back(uint8_t(dtype));
  const auto name = b.CreateString(spec.name), batchName = b.CreateString(spec.batchName);
  const auto dtypesAt = b.CreateVector(dtypes);
  const auto shape = b.CreateVector(spec.shape);
  const auto mean = b.CreateVector(spec.mean), std = b.CreateVector(spec.std);
  fb::TensorBuilder t(b);
  t.add_name(name);
  t.add_dtypes(dtypesAt.o);
  t.add_shape(shape);
  t.add_batch_name(batchName);
  t.add_mean(mean);
  t.add_std(std);
  t.add_scale(spec.scale);
  t.add_preprocessed(spec.preprocessed);
  return t.Finish();
}

Offset<fb::Entry> MetadataWriter::entry() {
  std::vector<Offset<fb::Tensor>> inputs, outputs;
  for (const TensorSpec &spec : model.inputs) inputs.push_back(tensor(spec));
  for (const TensorSpec &spec : model.outputs) outputs.push_back(tensor(spec));
  std::vector<Offset<fb::Step>> steps;
  for (const Step &step : model.steps) {
    const auto name = b.CreateString(step.name), layer = b.CreateSharedString(step.layer);
    steps.push_back(fb::CreateStep(b, name, layer, step.macsPerBatch, step.bytesPerBatch, step.onlyInput, fb::DType(step.onlyDtype)));
  }
  std::vector<Offset<fb::SizeCheck>> checks;
  for (const SizeCheck &check : model.checks) {
    const auto left = b.CreateString(check.left), relation = b.CreateString(check.relation), right = b.CreateString(check.right);
    checks.push_back(fb::CreateSizeCheck(b, left, relation, right, b.CreateString(check.message)));
  }
  const auto name = b.CreateString(model.exportName);
  const auto inputsAt = b.CreateVector(inputs), outputsAt = b.CreateVector(outputs);
  const auto labels = strings(model.labels);
  const auto stepsAt = b.CreateVector(steps);
  const auto checksAt = b.CreateVector(checks);
  return fb::CreateEntry(b, name, inputsAt, outputsAt, labels, stepsAt, model.macsPerBatch, checksAt);
}

static uint64_t featuresOf(const CompiledVariant &v) { return v.features ? v.features : tri_target_features(v.target.c_str()); }

Offset<fb::Variant> MetadataWriter::variant(const CompiledVariant &v, uint32_t index) {
  std::vector<fb::Placement> placements;
  for (const Placement &p : v.placements)
    placements.emplace_back(p.arenaOffset, p.arenaBytes, p.blob, p.o, p.ko, p.ki, p.nr, p.kr, fb::PlacementKind(p.kind), p.vector, p.chunk);
  // The order has no meaning for code generation; the format wants it ascending.
  std::stable_sort(placements.begin(), placements.end(),
                   [](const fb::Placement &x, const fb::Placement &y) { return x.arena_offset() < y.arena_offset(); });
  std::vector<Offset<fb::Choice>> choices;
  for (const LayerChoice &c : v.choices) {
    const auto layer = b.CreateSharedString(c.layer), algorithm = b.CreateSharedString(c.algorithm);
    const auto packing = b.CreateSharedString(c.packing), reason = b.CreateSharedString(c.reason);
    choices.push_back(fb::CreateChoice(b, layer, algorithm, packing, reason));
  }
  const auto stepNames = strings(v.stepNames);
  const auto stepOffsets = b.CreateVector(v.stepOffsets);
  const Offset<flatbuffers::Vector<uint32_t>> stepCosts = v.stepCosts.empty() ? 0 : b.CreateVector(v.stepCosts);
  const std::vector<Offset<fb::Program>> programs = {
      fb::CreateProgram(b, stepNames, stepOffsets, v.workspaceFixed, v.workspacePerBatch, v.scratchPerThread, stepCosts,
                        v.stepParts.empty() ? 0 : b.CreateVector(v.stepParts))};
  const auto target = b.CreateString(v.target);
  const auto placementsAt = b.CreateVectorOfStructs(placements);
  const auto programsAt = b.CreateVector(programs);
  const auto choicesAt = b.CreateVector(choices);
  return fb::CreateVariant(b, target, featuresOf(v), TRI_KERNEL_ABI_VERSION, artifact::kFirstCodeSection + index, v.arenaBytes, placementsAt,
                           programsAt, choicesAt, v.elf.size());
}

FlatBufferBuilder MetadataWriter::write() {
  const std::vector<Offset<fb::Entry>> entries = {entry()};
  std::vector<Offset<fb::Blob>> blobs;
  for (size_t i = 0; i < model.blobs.size(); ++i) {
    const Blob &blob = model.blobs[i];
    const auto key = b.CreateString(blob.key);
    blobs.push_back(fb::CreateBlob(b, key, fb::Encoding(blob.encoding), blob.count, weights.offsets[i], blob.bytes.size()));
  }
  std::vector<Offset<fb::Variant>> variants;
  for (size_t i = 0; i < model.variants.size(); ++i) variants.push_back(variant(model.variants[i], uint32_t(i)));
  std::vector<Offset<fb::InputDigest>> digests;
  for (const auto &[name, digest] : model.inputDigests) {
    const auto nameAt = b.CreateString(name);
    const auto bytes = b.CreateVector(digest.data(), digest.size());
    digests.push_back(fb::CreateInputDigest(b, nameAt, bytes));
  }
  const auto name = b.CreateString(model.name), doc = b.CreateString(model.doc), compiler = b.CreateString(model.compiler);
  const auto entriesAt = b.CreateVector(entries);
  const auto blobsAt = b.CreateVector(blobs);
  const auto variantsAt = b.CreateVector(variants);
  const auto digestsAt = b.CreateVector(digests);
  fb::FinishModelBuffer(b, fb::CreateModel(b, name, doc, compiler, model.optLevel, entriesAt, blobsAt, variantsAt, digestsAt, model.parameters,
                                           model.weightTrits, model.zeroTrits, model.fp32Bytes));
  return std::move(b);
}

/// Appends a section at the next multiple of the alignment and notes it in the table.
static void appendSection(std::vector<uint8_t> &out, uint32_t index, uint32_t kind, std::span<const uint8_t> bytes) {
  out.resize(alignUp(out.size(), TRI_SECTION_ALIGNMENT));
  uint8_t *entry = &out[TRI_HEADER_BYTES + index * TRI_SECTION_ENTRY_BYTES];
  tri_store_u32(entry, kind);
  tri_store_u64(entry + 8, out.size());
  tri_store_u64(entry + 16, bytes.size());
  tri_store_u64(entry + 24, tri_checksum(bytes.data(), bytes.size()));
  if (index == artifact::kMetadataSection) {
    tri_store_u64(&out[TRI_HEADER_METADATA_OFFSET], out.size());
    tri_store_u64(&out[TRI_HEADER_METADATA_BYTES], bytes.size());
  }
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// An LZ4 block that expands to `bytes`; equal for equal bytes.
static Result<std::vector<uint8_t>> compressed(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return Error{"a variant has no code", ErrorKind::Internal};
  if (bytes.size() > LZ4_MAX_INPUT_SIZE) return Error{"a variant has too much code", ErrorKind::Usage};
  std::vector<uint8_t> out(size_t(LZ4_compressBound(int(bytes.size()))));
  const int written = LZ4_compress_HC(reinterpret_cast<const char *>(bytes.data()), reinterpret_cast<char *>(out.data()), int(bytes.size()),
                                      int(out.size()), LZ4HC_CLEVEL_DEFAULT);
  if (written <= 0) return Error{"LZ4 failed", ErrorKind::Internal};
  out.resize(size_t(written));
  return out;
}

Result<std::vector<uint8_t>> triton::writeArtifact(const CompiledModel &model) {
  if (model.variants.size() > TRI_MAX_SECTIONS - artifact::kFirstCodeSection)
    return Error{"an artifact holds at most 64 variants", ErrorKind::Usage};
  WeightsSection weights;
  std::vector<uint8_t> weightBytes;
  for (const Blob &blob : model.blobs) {
    weightBytes.resize(alignUp(weightBytes.size(), TRI_BLOB_ALIGNMENT));
    weights.offsets.push_back(weightBytes.size());
    weightBytes.insert(weightBytes.end(), blob.bytes.begin(), blob.bytes.end());
  }
  const FlatBufferBuilder metadata = MetadataWriter(model, weights).write();

  const uint32_t sections = artifact::kFirstCodeSection + uint32_t(model.variants.size());
  std::vector<uint8_t> out(TRI_HEADER_BYTES + sections * TRI_SECTION_ENTRY_BYTES);
  memcpy(out.data(), TRI_CONTAINER_MAGIC, TRI_MAGIC_BYTES);
  tri_store_u32(&out[TRI_HEADER_VERSION], TRI_CONTAINER_VERSION);
  tri_store_u32(&out[TRI_HEADER_SECTIONS], sections);
  appendSection(out, artifact::kMetadataSection, TRI_SECTION_METADATA, {metadata.GetBufferPointer(), metadata.GetSize()});
  appendSection(out, artifact::kWeightsSection, TRI_SECTION_WEIGHTS, weightBytes);
  for (size_t i = 0; i < model.variants.size(); ++i) {
    Result<std::vector<uint8_t>> code = compressed(model.variants[i].elf);
    if (!code) return code.takeError();
    appendSection(out, uint32_t(artifact::kFirstCodeSection + i), TRI_SECTION_CODE, *code);
  }
  tri_store_u64(&out[TRI_HEADER_FILE_BYTES], out.size());
  tri_store_u64(&out[TRI_HEADER_CHECKSUM], tri_checksum(out.data(), TRI_HEADER_BYTES + sections * TRI_SECTION_ENTRY_BYTES));

  // What the loader would refuse must not leave the compiler.
  if (Result<ReadModel> read = readModelOf(out, "the artifact that was written is not valid"); !read)
    return Error{read.takeError().message, ErrorKind::Internal};
  return out;
}
