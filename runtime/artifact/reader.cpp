// The checks of a .tern file: first the frame (container.h), then the FlatBuffer, then every number in it against the sections
// and against each other.
#include "artifact/reader.h"

#include "artifact/cpu_features.h"
#include "artifact/kernel_abi.h"
#include "artifact/lz4.h"
#include "artifact/packing.h"
#include "artifact/size_check.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

using namespace triton::artifact;
namespace fb = triton::fb;

static bool fail(Problem &problem, Problem::Kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fail(Problem &problem, Problem::Kind kind, const char *format, ...) {
  problem.kind = kind;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem.message, sizeof problem.message, format, arguments);
  va_end(arguments);
  return false;
}

static bool inside(uint64_t offset, uint64_t bytes, uint64_t size) { return offset <= size && bytes <= size - offset; }

static unsigned long long number(uint64_t value) { return value; }

//===-- The frame --------------------------------------------------------------------------------------------------===//

static bool allZero(const uint8_t *from, const uint8_t *to) {
  for (; from != to; ++from)
    if (*from) return false;
  return true;
}

static bool readSections(Container &out, Problem &problem) {
  const uint8_t *bytes = out.file;
  uint64_t end = TRI_HEADER_BYTES + uint64_t(out.sectionCount) * TRI_SECTION_ENTRY_BYTES;
  for (uint32_t i = 0; i < out.sectionCount; ++i) {
    const uint8_t *entry = bytes + TRI_HEADER_BYTES + i * TRI_SECTION_ENTRY_BYTES;
    tri_section &section = out.sections[i];
    section = {tri_load_u32(entry), tri_load_u64(entry + 8), tri_load_u64(entry + 16), tri_load_u64(entry + 24)};
    const uint32_t kind = i == kMetadataSection ? TRI_SECTION_METADATA : i == kWeightsSection ? TRI_SECTION_WEIGHTS : TRI_SECTION_CODE;
    if (section.kind != kind || tri_load_u32(entry + 4) != 0)
      return fail(problem, Problem::Corrupt, "section %u: kind %u where %u is expected", i, section.kind, kind);
    const uint64_t expected = (end + TRI_SECTION_ALIGNMENT - 1) / TRI_SECTION_ALIGNMENT * TRI_SECTION_ALIGNMENT;
    if (section.offset != expected || !inside(section.offset, section.bytes, out.fileBytes))
      return fail(problem, Problem::Corrupt, "section %u: %llu bytes at offset %llu do not fit the file", i, number(section.bytes),
                  number(section.offset));
    if (!allZero(bytes + end, bytes + section.offset))
      return fail(problem, Problem::Corrupt, "section %u: the padding before it is not zero", i);
    end = section.offset + section.bytes;
  }
  if (end != out.fileBytes)
    return fail(problem, Problem::Corrupt, "the sections end at offset %llu, the file at %llu", number(end), number(out.fileBytes));
  for (uint32_t i = 0; i < out.sectionCount; ++i)
    if (tri_checksum(out.data(i), size_t(out.bytes(i))) != out.sections[i].checksum)
      return fail(problem, Problem::Corrupt, "section %u (offset %llu, %llu bytes): the checksum does not match", i,
                  number(out.sections[i].offset), number(out.bytes(i)));
  return true;
}

bool triton::artifact::readContainer(const uint8_t *bytes, size_t size, Container &out, Problem &problem) {
  out = Container();
  out.file = bytes;
  out.fileBytes = size;
  if (size < TRI_MAGIC_BYTES || memcmp(bytes, TRI_CONTAINER_MAGIC, TRI_MAGIC_BYTES) != 0)
    return fail(problem, Problem::Corrupt, "not a .tern file (the first 8 bytes are not its magic)");
  if (size < TRI_HEADER_BYTES)
    return fail(problem, Problem::Corrupt, "truncated: %llu bytes, the header has %d", number(size), TRI_HEADER_BYTES);
  const uint32_t version = tri_load_u32(bytes + TRI_HEADER_VERSION);
  if (version != TRI_CONTAINER_VERSION)
    return fail(problem, Problem::Unsupported, "container version %u; this build reads version %d", version, TRI_CONTAINER_VERSION);
  const uint64_t stated = tri_load_u64(bytes + TRI_HEADER_FILE_BYTES);
  if (stated != size)
    return fail(problem, Problem::Corrupt, "%s: the header says %llu bytes, there are %llu", stated > size ? "truncated" : "too long",
                number(stated), number(size));
  out.sectionCount = tri_load_u32(bytes + TRI_HEADER_SECTIONS);
  if (out.sectionCount < kFirstCodeSection || out.sectionCount > TRI_MAX_SECTIONS)
    return fail(problem, Problem::Corrupt, "header: %u sections; 2 to %d are possible", out.sectionCount, TRI_MAX_SECTIONS);
  const uint64_t tableEnd = TRI_HEADER_BYTES + uint64_t(out.sectionCount) * TRI_SECTION_ENTRY_BYTES;
  if (tableEnd > size) return fail(problem, Problem::Corrupt, "truncated: the section table ends at %llu", number(tableEnd));

  uint8_t head[TRI_HEADER_BYTES + TRI_MAX_SECTIONS * TRI_SECTION_ENTRY_BYTES];
  memcpy(head, bytes, size_t(tableEnd));
  tri_store_u64(head + TRI_HEADER_CHECKSUM, 0);
  if (tri_checksum(head, size_t(tableEnd)) != tri_load_u64(bytes + TRI_HEADER_CHECKSUM))
    return fail(problem, Problem::Corrupt, "header: the checksum does not match");
  if (!allZero(bytes + TRI_HEADER_RESERVED, bytes + TRI_HEADER_CHECKSUM))
    return fail(problem, Problem::Corrupt, "header: a reserved byte is not zero");
  if (!readSections(out, problem)) return false;
  if (tri_load_u64(bytes + TRI_HEADER_METADATA_OFFSET) != out.sections[kMetadataSection].offset ||
      tri_load_u64(bytes + TRI_HEADER_METADATA_BYTES) != out.bytes(kMetadataSection))
    return fail(problem, Problem::Corrupt, "header: the place of the metadata is not that of section 0");
  return true;
}

//===-- The metadata -----------------------------------------------------------------------------------------------===//

namespace {

/// Walks a FlatBuffer that the verifier has accepted. Each check returns false with `problem` filled.
class ModelChecker {
public:
  ModelChecker(const Container &container, const fb::Model &model, Problem &problem)
      : container(container), model(model), problem(problem) {}
  bool run();

private:
  bool checkName(const flatbuffers::String *text, const char *what) { return checkText(text, what, kMaxNameBytes, false); }
  bool checkText(const flatbuffers::String *text, const char *what, uint32_t limit, bool lines);
  bool checkDouble(double value, const char *what);
  bool checkTensor(const fb::Tensor &tensor, bool isOutput);
  bool checkStep(const fb::Entry &entry, const fb::Step &step, uint32_t index);
  bool checkSizeCheck(const fb::SizeCheck &check);
  bool checkEntry(const fb::Entry &entry);
  bool checkBlobs();
  bool checkPlacements(const fb::Variant &variant);
  bool checkProgram(const fb::Variant &variant, const fb::Entry &entry, const fb::Program &program);
  bool checkVariant(const fb::Variant &variant, uint32_t index);
  template <typename... T>
  bool corrupt(const char *format, T... arguments) {
    return fail(problem, Problem::Corrupt, format, arguments...);
  }

  const Container &container;
  const fb::Model &model;
  Problem &problem;
  /// Text may be shared between tables, so the sum of what is looked at has a bound of its own.
  uint64_t textBudget = uint64_t(1) << 26;
};

template <typename Vector>
uint32_t countOf(const Vector *vector) {
  return vector ? vector->size() : 0;
}

/// The verifier checks that a vector lies in the buffer, but aligns only its length: elements of eight bytes may still be misplaced.
template <typename Vector>
bool isAligned(const Vector *vector) {
  return !vector || vector->size() == 0 || reinterpret_cast<uintptr_t>(vector->Data()) % sizeof(uint64_t) == 0;
}

/// The length of the UTF-8 sequence at `p`, 0 if it is none. `p` ends with a zero byte, so no read leaves the text.
unsigned utf8Length(const uint8_t *p) {
  if (p[0] < 0x80) return 1;
  const unsigned length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  if (p[0] < 0xc2 || p[0] > 0xf4) return 0;
  for (unsigned i = 1; i < length; ++i)
    if ((p[i] & 0xc0) != 0x80) return 0;
  if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0; // overlong, surrogate
  if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0; // overlong, above U+10FFFF
  return length;
}

} // namespace

bool ModelChecker::checkText(const flatbuffers::String *text, const char *what, uint32_t limit, bool lines) {
  if (!text) return true;
  if (text->size() > limit) return corrupt("metadata: %s has %u bytes; the limit is %u", what, text->size(), limit);
  if (text->size() > textBudget) return corrupt("metadata: too much text");
  textBudget -= text->size();
  const uint8_t *p = text->Data(), *end = p + text->size();
  while (p != end) {
    const unsigned length = utf8Length(p);
    // Names are printed on terminals: no control characters, hence no escape sequences.
    if (!length || *p == 0x7f || (*p < 0x20 && !(lines && (*p == '\n' || *p == '\t'))))
      return corrupt("metadata: %s has a byte that is not printable UTF-8", what);
    p += length;
  }
  return true;
}

bool ModelChecker::checkDouble(double value, const char *what) {
  return value - value == 0.0 || corrupt("metadata: %s is not a finite number", what);
}

bool ModelChecker::checkTensor(const fb::Tensor &tensor, bool isOutput) {
  const char *what = isOutput ? "an output" : "an input";
  if (!checkName(tensor.name(), what) || !checkName(tensor.batch_name(), "a batch variable")) return false;
  const uint32_t dtypes = tensor.dtypes()->size();
  if (dtypes == 0 || dtypes > uint32_t(fb::DType::MAX) + 1 || (isOutput && dtypes != 1))
    return corrupt("metadata: %s has %u dtypes", what, dtypes);
  uint32_t seen = 0;
  for (uint32_t i = 0; i < dtypes; ++i) {
    const unsigned dtype = unsigned(tensor.dtypes()->Get(i));
    if (dtype > unsigned(fb::DType::MAX) || (seen >> dtype & 1))
      return corrupt("metadata: %s has dtype %u, which is unknown or given twice", what, dtype);
    seen |= 1u << dtype;
  }
  if (!isAligned(tensor.shape()) || !isAligned(tensor.mean()) || !isAligned(tensor.std()))
    return corrupt("metadata: %s has numbers at an odd place", what);
  if (tensor.shape()->size() > kMaxRank) return corrupt("metadata: %s has rank %u", what, tensor.shape()->size());
  uint64_t elements = 1;
  for (uint32_t i = 0; i < tensor.shape()->size(); ++i) {
    const int64_t dim = tensor.shape()->Get(i);
    if (dim == -1) continue;
    if (dim < 1 || uint64_t(dim) > kMaxElements / elements) return corrupt("metadata: %s has size %lld on axis %u", what, (long long)dim, i);
    elements *= uint64_t(dim);
  }
  if (countOf(tensor.mean()) > kMaxNameBytes || countOf(tensor.std()) > kMaxNameBytes)
    return corrupt("metadata: %s has too many pre-processing constants", what);
  for (uint32_t i = 0; i < countOf(tensor.mean()); ++i)
    if (!checkDouble(tensor.mean()->Get(i), "a mean")) return false;
  for (uint32_t i = 0; i < countOf(tensor.std()); ++i)
    if (!checkDouble(tensor.std()->Get(i), "a standard deviation")) return false;
  return checkDouble(tensor.scale(), "a scale");
}

bool ModelChecker::checkStep(const fb::Entry &entry, const fb::Step &step, uint32_t index) {
  if (!checkName(step.name(), "a step") || !checkName(step.layer(), "a layer")) return false;
  if (step.only_input() == -1) return true;
  if (step.only_input() < 0 || uint32_t(step.only_input()) >= entry.inputs()->size())
    return corrupt("metadata: step %u depends on input %d, which does not exist", index, step.only_input());
  const auto *dtypes = entry.inputs()->Get(uint32_t(step.only_input()))->dtypes();
  for (uint32_t i = 0; i < dtypes->size(); ++i)
    if (fb::DType(dtypes->Get(i)) == step.only_dtype()) return true;
  return corrupt("metadata: step %u depends on dtype %u, which its input does not take", index, unsigned(step.only_dtype()));
}

bool ModelChecker::checkSizeCheck(const fb::SizeCheck &check) {
  int64_t value;
  bool holds;
  for (const auto *side : {check.left(), check.right()}) {
    if (!checkText(side, "a size", kMaxSizeTextBytes, false)) return false;
    if (evaluateSize(side->c_str(), 1, &value) == SizeResult::Malformed) return corrupt("metadata: '%.100s' is not a size", side->c_str());
  }
  if (!checkName(check.relation(), "a relation") || !checkText(check.message(), "a message", kMaxTextBytes, true)) return false;
  return compareSizes(0, check.relation()->c_str(), 0, &holds) == SizeResult::Ok ||
         corrupt("metadata: '%.20s' is not a relation", check.relation()->c_str());
}

bool ModelChecker::checkEntry(const fb::Entry &entry) {
  if (!checkName(entry.name(), "an entry point")) return false;
  if (entry.inputs()->size() > kMaxTensors || entry.outputs()->size() > kMaxTensors || entry.outputs()->size() == 0)
    return corrupt("metadata: an entry point has %u inputs and %u outputs", entry.inputs()->size(), entry.outputs()->size());
  for (const fb::Tensor *tensor : *entry.inputs())
    if (!checkTensor(*tensor, false)) return false;
  for (const fb::Tensor *tensor : *entry.outputs())
    if (!checkTensor(*tensor, true)) return false;
  if (countOf(entry.labels()) > kMaxSteps || entry.steps()->size() > kMaxSteps)
    return corrupt("metadata: an entry point has %u labels and %u steps", countOf(entry.labels()), entry.steps()->size());
  for (uint32_t i = 0; i < countOf(entry.labels()); ++i)
    if (!checkName(entry.labels()->Get(i), "a label")) return false;
  for (uint32_t i = 0; i < entry.steps()->size(); ++i)
    if (!checkStep(entry, *entry.steps()->Get(i), i)) return false;
  if (countOf(entry.checks()) > kMaxSteps) return corrupt("metadata: an entry point has %u size checks", countOf(entry.checks()));
  for (uint32_t i = 0; i < countOf(entry.checks()); ++i)
    if (!checkSizeCheck(*entry.checks()->Get(i))) return false;
  return true;
}

bool ModelChecker::checkBlobs() {
  if (countOf(model.blobs()) > kMaxBlobs) return corrupt("metadata: %u blobs", countOf(model.blobs()));
  uint64_t end = 0;
  for (uint32_t i = 0; i < countOf(model.blobs()); ++i) {
    const fb::Blob &blob = *model.blobs()->Get(i);
    if (!checkName(blob.key(), "a blob")) return false;
    if (blob.encoding() > fb::Encoding::MAX) return corrupt("metadata: blob %u has encoding %u", i, unsigned(blob.encoding()));
    const uint64_t needed = blob.encoding() == fb::Encoding::T5 ? tri_t5_bytes(size_t(blob.count())) : blob.count();
    if (blob.bytes() != needed)
      return corrupt("metadata: blob %u has %llu bytes, its count needs %llu", i, number(blob.bytes()), number(needed));
    if (blob.offset() % TRI_BLOB_ALIGNMENT || blob.offset() < end ||
        !inside(blob.offset(), blob.bytes(), container.bytes(kWeightsSection)))
      return corrupt("metadata: blob %u at offset %llu does not fit the weights section", i, number(blob.offset()));
    end = blob.offset() + blob.bytes();
  }
  return true;
}

tri_adds_layout triton::artifact::addsLayout(const fb::Placement &p) { return {p.o(), p.ko(), p.ki(), p.nr(), p.kr(), p.chunk(), p.vector()}; }

bool ModelChecker::checkPlacements(const fb::Variant &variant) {
  if (countOf(variant.placements()) > kMaxBlobs) return corrupt("metadata: %u placements", countOf(variant.placements()));
  if (!isAligned(variant.placements())) return corrupt("metadata: the placements lie at an odd place");
  uint64_t end = 0;
  for (uint32_t i = 0; i < countOf(variant.placements()); ++i) {
    const fb::Placement &p = *variant.placements()->Get(i);
    if (p.blob() >= countOf(model.blobs())) return corrupt("metadata: placement %u uses blob %u, which does not exist", i, p.blob());
    const fb::Blob &blob = *model.blobs()->Get(p.blob());
    if ((p.chunk() || p.vector()) && p.kind() != fb::PlacementKind::Adds) return corrupt("metadata: placement %u has a chunk but makes no code", i);
    uint64_t needed = 0;
    if (p.kind() == fb::PlacementKind::Copy) {
      if (p.o() | p.ko() | p.ki() | p.nr() | p.kr()) return corrupt("metadata: placement %u copies but has a panel layout", i);
      needed = blob.bytes();
    } else if (p.kind() == fb::PlacementKind::Panels || p.kind() == fb::PlacementKind::Panels2 || p.kind() == fb::PlacementKind::Panels3 ||
               p.kind() == fb::PlacementKind::Codes) {
      const bool twoBits = p.kind() == fb::PlacementKind::Panels2, taps = p.kind() == fb::PlacementKind::Panels3, codes = p.kind() == fb::PlacementKind::Codes;
      const tri_panel_layout layout = {p.o(), p.ko(), p.ki(), p.nr(), p.kr()};
      if ((twoBits || taps) && blob.encoding() != fb::Encoding::T5) return corrupt("metadata: placement %u has packed trits of blob %u, which holds no trits", i, p.blob());
      if (codes && blob.encoding() != fb::Encoding::T5) return corrupt("metadata: placement %u has codes for blob %u, which holds no trits", i, p.blob());
      needed = twoBits ? tri_panel2_bytes(&layout) : taps ? tri_panel3_bytes(&layout) : codes ? tri_codes_bytes(&layout) : tri_panel_bytes(&layout);
      uint64_t elements;
      if (needed == 0 || __builtin_mul_overflow(uint64_t(p.o()) * p.ko(), uint64_t(p.ki()), &elements) || elements != blob.count())
        return corrupt("metadata: placement %u has a panel layout that is not that of blob %u", i, p.blob());
    } else if (p.kind() == fb::PlacementKind::Adds) {
      const tri_adds_layout layout = addsLayout(p);
      if (blob.encoding() != fb::Encoding::T5) return corrupt("metadata: placement %u makes code of blob %u, which holds no trits", i, p.blob());
      needed = uint64_t(tri_adds_functions(&layout)) * sizeof(uint64_t);
      uint64_t elements;
      if (needed == 0 || __builtin_mul_overflow(uint64_t(p.o()) * p.ko(), uint64_t(p.ki()), &elements) || elements != blob.count())
        return corrupt("metadata: placement %u has a layout of code that is not that of blob %u", i, p.blob());
    } else {
      return corrupt("metadata: placement %u has kind %u", i, unsigned(p.kind()));
    }
    if (p.arena_bytes() != needed)
      return corrupt("metadata: placement %u has %llu bytes and needs %llu", i, number(p.arena_bytes()), number(needed));
    if (p.arena_offset() % TRI_BLOB_ALIGNMENT || p.arena_offset() < end || !inside(p.arena_offset(), needed, variant.arena_bytes()))
      return corrupt("metadata: placement %u at offset %llu does not fit the arena", i, number(p.arena_offset()));
    end = p.arena_offset() + needed;
  }
  // A small file must not ask for much memory. Panels widen a trit of 1.6 bits to NR bytes at most when a layer has one output.
  const uint64_t limit = (container.bytes(kWeightsSection) < (uint64_t(1) << 52) ? container.bytes(kWeightsSection) : 0) * 1024 +
                         (uint64_t(1) << 24);
  if (variant.arena_bytes() > limit) return corrupt("metadata: an arena of %llu bytes for these weights", number(variant.arena_bytes()));
  return true;
}

bool ModelChecker::checkProgram(const fb::Variant &variant, const fb::Entry &entry, const fb::Program &program) {
  const char *target = variant.target()->c_str();
  const uint32_t steps = entry.steps()->size();
  if (program.step_names()->size() != steps || program.step_offsets()->size() != steps)
    return corrupt("metadata: variant '%s' has %u step names and %u addresses for %u steps", target, program.step_names()->size(),
                   program.step_offsets()->size(), steps);
  if (program.step_costs() && program.step_costs()->size() != steps)
    return corrupt("metadata: variant '%s' has %u step costs for %u steps", target, program.step_costs()->size(), steps);
  if (program.step_parts() && program.step_parts()->size() != steps)
    return corrupt("metadata: variant '%s' has %u numbers of parts for %u steps", target, program.step_parts()->size(), steps);
  if (!isAligned(program.step_offsets())) return corrupt("metadata: variant '%s' has addresses at an odd place", target);
  for (uint32_t i = 0; i < steps; ++i)
    if (!checkName(program.step_names()->Get(i), "a step")) return false;
  for (uint64_t bytes : {program.workspace_fixed(), program.workspace_per_batch(), program.scratch_per_thread()})
    if (bytes % TRI_BUFFER_ALIGNMENT || bytes > kMaxWorkspaceBytes)
      return corrupt("metadata: variant '%s' has a workspace size of %llu", target, number(bytes));
  return true;
}

bool ModelChecker::checkVariant(const fb::Variant &variant, uint32_t index) {
  if (!checkName(variant.target(), "a target")) return false;
  const char *target = variant.target()->c_str();
  for (uint32_t i = 0; i < index; ++i)
    if (strcmp(model.variants()->Get(i)->target()->c_str(), target) == 0) return corrupt("metadata: variant '%s' is given twice", target);
  if (variant.kernel_abi() != TRI_KERNEL_ABI_VERSION)
    return fail(problem, Problem::Unsupported, "variant '%s' has kernel interface %u; this build runs %d", target, variant.kernel_abi(),
                TRI_KERNEL_ABI_VERSION);
  if (variant.section() != kFirstCodeSection + index) return corrupt("metadata: variant '%s' has section %u", target, variant.section());
  // A small file must not ask for much memory.
  if (variant.code_bytes() == 0 || variant.code_bytes() > TRI_MAX_IMAGE_BYTES || variant.code_bytes() / TRI_LZ4_MOST_RATIO > container.bytes(variant.section()))
    return corrupt("metadata: variant '%s' has %llu bytes of code in a section of %llu", target, number(variant.code_bytes()),
                   number(container.bytes(variant.section())));
  if (!checkPlacements(variant)) return false;
  if (variant.programs()->size() != model.entries()->size())
    return corrupt("metadata: variant '%s' has %u programs for %u entry points", target, variant.programs()->size(), model.entries()->size());
  for (uint32_t i = 0; i < model.entries()->size(); ++i)
    if (!checkProgram(variant, *model.entries()->Get(i), *variant.programs()->Get(i))) return false;
  if (countOf(variant.choices()) > kMaxSteps) return corrupt("metadata: variant '%s' has %u choices", target, countOf(variant.choices()));
  for (uint32_t i = 0; i < countOf(variant.choices()); ++i) {
    const fb::Choice &choice = *variant.choices()->Get(i);
    if (!checkName(choice.layer(), "a layer") || !checkName(choice.algorithm(), "an algorithm") ||
        !checkName(choice.packing(), "a packing") || !checkText(choice.reason(), "a reason", kMaxTextBytes, true))
      return false;
  }
  return true;
}

bool ModelChecker::run() {
  if (!checkName(model.name(), "the model's name") || !checkText(model.doc(), "the doc text", kMaxTextBytes, true) ||
      !checkName(model.compiler(), "the compiler's name"))
    return false;
  if (model.opt_level() < 0 || model.opt_level() > 3) return corrupt("metadata: optimisation level %d", model.opt_level());
  if (model.zero_trits() > model.weight_trits()) return corrupt("metadata: more zero trits than trits");
  if (model.entries()->size() == 0 || model.entries()->size() > kMaxEntries)
    return corrupt("metadata: %u entry points", model.entries()->size());
  for (const fb::Entry *entry : *model.entries())
    if (!checkEntry(*entry)) return false;
  if (!checkBlobs()) return false;
  if (model.variants()->size() != container.sectionCount - kFirstCodeSection)
    return corrupt("metadata: %u variants for %u code sections", model.variants()->size(), container.sectionCount - kFirstCodeSection);
  for (uint32_t i = 0; i < model.variants()->size(); ++i)
    if (!checkVariant(*model.variants()->Get(i), i)) return false;
  if (countOf(model.input_digests()) > kMaxSteps) return corrupt("metadata: %u input digests", countOf(model.input_digests()));
  for (uint32_t i = 0; i < countOf(model.input_digests()); ++i) {
    const fb::InputDigest &digest = *model.input_digests()->Get(i);
    if (!checkName(digest.name(), "an input")) return false;
    if (digest.blake3()->size() != 32) return corrupt("metadata: an input digest has %u bytes", digest.blake3()->size());
  }
  return true;
}

const fb::Model *triton::artifact::readModel(const Container &container, const uint8_t *metadata, Problem &problem) {
  constexpr unsigned maxDepth = 8, maxTables = 1u << 20;
  const size_t bytes = size_t(container.bytes(kMetadataSection));
  bool valid = false;
  if (bytes < FLATBUFFERS_MAX_BUFFER_SIZE) {
    flatbuffers::Verifier verifier(metadata, bytes, maxDepth, maxTables);
    valid = fb::VerifyModelBuffer(verifier);
  }
  if (!valid) {
    fail(problem, Problem::Corrupt, "metadata (section 0): not a valid FlatBuffer of this schema");
    return nullptr;
  }
  const fb::Model *model = fb::GetModel(metadata);
  return ModelChecker(container, *model, problem).run() ? model : nullptr;
}

bool triton::artifact::readCode(const Container &container, const fb::Model &model, const fb::Variant &variant, uint8_t *elf,
                                tri_elf_image &image, Problem &problem) {
  const uint32_t section = variant.section();
  const char *target = variant.target()->c_str();
  const size_t bytes = size_t(variant.code_bytes());
  if (!tri_lz4_expand(container.data(section), size_t(container.bytes(section)), elf, bytes))
    return fail(problem, Problem::Corrupt, "code of variant '%s' (section %u): it does not expand to %zu bytes", target, section, bytes);
  if (const char *why = tri_elf_parse(elf, bytes, variant.features(), &image))
    return fail(problem, Problem::Corrupt, "code of variant '%s' (section %u): %s", target, section, why);
  for (uint32_t entry = 0; entry < model.entries()->size(); ++entry) {
    const auto &addresses = *variant.programs()->Get(entry)->step_offsets();
    for (uint32_t i = 0; i < addresses.size(); ++i)
      if (!tri_elf_is_code(&image, addresses.Get(i)))
        return fail(problem, Problem::Corrupt, "metadata: variant '%s': the address of step %u is not in its code", target, i);
  }
  return true;
}
