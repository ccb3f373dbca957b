// Writer -> reader: what goes in comes out, always with the same bytes; what the loader would refuse is not written.
#include "TestModel.h"

#include "artifact/cpu_features.h"
#include "artifact/kernel_abi.h"
#include "artifact/reader.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

using namespace triton;

namespace {

/// An artifact that has been read. Owns what the description points into.
struct ReadArtifact {
  explicit ReadArtifact(std::vector<uint8_t> given) : bytes(std::move(given)) {
    if (!artifact::readContainer(bytes.data(), bytes.size(), container, problem)) return;
    const uint8_t *from = container.data(artifact::kMetadataSection);
    metadata.assign(from, from + container.bytes(artifact::kMetadataSection));
    model = artifact::readModel(container, metadata.data(), problem);
  }
  std::vector<uint8_t> bytes, metadata;
  artifact::Container container;
  artifact::Problem problem;
  const fb::Model *model = nullptr;
};

} // namespace

TEST(RoundTrip, EverythingComesBack) {
  CompiledModel source = test::denseModel();
  source.checks = {{"N / 4", "<=", "16", "too many"}};
  const ReadArtifact read(test::written(source));
  ASSERT_TRUE(read.model) << read.problem.message;
  const fb::Model &m = *read.model;
  const fb::SizeCheck &check = *m.entries()->Get(0)->checks()->Get(0);
  EXPECT_EQ(check.left()->str() + " " + check.relation()->str() + " " + check.right()->str() + ": " + check.message()->str(),
            "N / 4 <= 16: too many");
  EXPECT_EQ(m.name()->str(), "dense");
  EXPECT_EQ(m.compiler()->str(), "test 1.0");
  EXPECT_EQ(m.opt_level(), 2);
  EXPECT_EQ(m.parameters(), 36u);
  EXPECT_EQ(m.weight_trits(), 32u);
  EXPECT_EQ(m.zero_trits(), 10u);
  EXPECT_EQ(m.fp32_bytes(), 144u);
  ASSERT_EQ(m.entries()->size(), 1u);
  const fb::Entry &entry = *m.entries()->Get(0);
  EXPECT_EQ(entry.name()->str(), "forward");
  ASSERT_EQ(entry.labels()->size(), 4u);
  EXPECT_EQ(entry.labels()->Get(3)->str(), "three");
  ASSERT_EQ(entry.steps()->size(), 6u);
  EXPECT_EQ(entry.steps()->Get(0)->only_input(), 0);
  EXPECT_EQ(entry.steps()->Get(0)->only_dtype(), fb::DType::UInt8);
  EXPECT_EQ(entry.steps()->Get(2)->only_input(), -1);
  const fb::Tensor &x = *entry.inputs()->Get(0);
  EXPECT_EQ(x.scale(), 1.0 / 255);
  EXPECT_EQ(x.std()->Get(0), 0.25);
  ASSERT_EQ(m.blobs()->size(), 2u);
  EXPECT_EQ(m.blobs()->Get(0)->bytes(), 7u); // 32 trits
  EXPECT_EQ(m.blobs()->Get(1)->offset(), 64u);
  const fb::Variant &variant = *m.variants()->Get(0);
  EXPECT_EQ(variant.features(), tri_target_features(test::baseTarget().c_str())); // the writer asked for the target's
  EXPECT_EQ(variant.kernel_abi(), uint32_t(TRI_KERNEL_ABI_VERSION));
  ASSERT_EQ(variant.placements()->size(), 2u);
  EXPECT_EQ(variant.placements()->Get(0)->arena_offset(), 0u); // sorted
  EXPECT_EQ(variant.placements()->Get(1)->arena_offset(), 64u);
  EXPECT_EQ(variant.choices()->Get(0)->reason()->str(), "one row at a time");
  const fb::Program &program = *variant.programs()->Get(0);
  for (uint32_t i = 0; i < 6; ++i) EXPECT_EQ(program.step_offsets()->Get(i), source.variants[0].stepOffsets[i]);
  EXPECT_EQ(program.scratch_per_thread(), 128u);
  EXPECT_EQ(program.step_parts(), nullptr);
  ASSERT_EQ(m.input_digests()->size(), 1u);
  EXPECT_EQ(m.input_digests()->Get(0)->blake3()->Get(0), 0xaf);
  std::vector<uint8_t> elf(variant.code_bytes());
  tri_elf_image image;
  artifact::Problem problem;
  EXPECT_TRUE(artifact::readCode(read.container, m, variant, elf.data(), image, problem)) << problem.message;
  EXPECT_EQ(elf, source.variants[0].elf);
}

TEST(RoundTrip, PartsOfStepsComeBackOneForEachStep) {
  const ReadArtifact read(test::written(test::tallyModel(8, 1000)));
  ASSERT_TRUE(read.model) << read.problem.message;
  const fb::Program &program = *read.model->variants()->Get(0)->programs()->Get(0);
  ASSERT_EQ(program.step_parts()->size(), 3u);
  EXPECT_EQ(program.step_parts()->Get(1), 8u);
}

TEST(RoundTrip, TheSameModelGivesTheSameBytes) { EXPECT_EQ(test::written(test::denseModel()), test::written(test::denseModel())); }

TEST(RoundTrip, SectionsAreAlignedAndTheFileEndsWithTheLast) {
  const ReadArtifact read(test::written(test::denseModel()));
  ASSERT_EQ(read.container.sectionCount, 3u);
  for (uint32_t i = 0; i < 3; ++i) EXPECT_EQ(read.container.sections[i].offset % TRI_SECTION_ALIGNMENT, 0u);
  EXPECT_EQ(read.container.sections[2].offset + read.container.bytes(2), read.bytes.size());
}

TEST(RoundTrip, AModelWithoutWeightsOrCodeIsPossible) {
  CompiledModel source = test::relayModel(1);
  source.variants.clear();
  const ReadArtifact read(test::written(source));
  ASSERT_TRUE(read.model) << read.problem.message;
  EXPECT_EQ(read.container.bytes(artifact::kWeightsSection), 0u);
  EXPECT_EQ(read.model->variants()->size(), 0u);
}

TEST(RoundTrip, SeveralVariantsShareTheWeights) {
  CompiledModel source = test::denseModel();
  const size_t one = test::written(source).size();
  for (int i = 0; i < 3; ++i) {
    source.variants.push_back(source.variants[0]);
    source.variants.back().target += "-copy" + std::to_string(i);
    source.variants.back().features = source.variants[0].features ? source.variants[0].features : tri_target_features(test::baseTarget().c_str());
  }
  const ReadArtifact read(test::written(source));
  ASSERT_TRUE(read.model) << read.problem.message;
  EXPECT_EQ(read.model->variants()->size(), 4u);
  EXPECT_LT(read.bytes.size(), one + 3 * (source.variants[0].elf.size() + 2 * TRI_SECTION_ALIGNMENT));
}

/// Every field of a model that may be wrong: the writer names it, and so does the reader, which has the same checks.
TEST(RoundTrip, WrongModelsAreNotWritten) {
  const std::string t = test::baseTarget();
  const struct {
    const char *message;
    std::function<void(CompiledModel &)> damage;
  } rows[] = {
      {"metadata: the model's name has a byte that is not printable UTF-8", [](auto &m) { m.name = "a\x1b[2J"; }},
      {"metadata: the model's name has a byte that is not printable UTF-8", [](auto &m) { m.name = "\xc3("; }},
      {"metadata: the model's name has a byte that is not printable UTF-8", [](auto &m) { m.name = "\xed\xa0\x80"; }},
      {"metadata: the model's name has a byte that is not printable UTF-8", [](auto &m) { m.name = "\xf4\x90\x80\x80"; }},
      {"metadata: the model's name has a byte that is not printable UTF-8", [](auto &m) { m.name = std::string("a\0b", 3); }},
      {"metadata: the model's name has 1025 bytes; the limit is 1024", [](auto &m) { m.name = std::string(1025, 'x'); }},
      {"metadata: optimisation level 4", [](auto &m) { m.optLevel = 4; }},
      {"metadata: optimisation level -1", [](auto &m) { m.optLevel = -1; }},
      {"metadata: more zero trits than trits", [](auto &m) { m.zeroTrits = m.weightTrits + 1; }},
      {"metadata: an entry point has 1 inputs and 0 outputs", [](auto &m) { m.outputs.clear(); }},
      {"metadata: an entry point has 65 inputs and 2 outputs", [](auto &m) { m.inputs.resize(65, m.inputs[0]); }},
      {"metadata: an input has 0 dtypes", [](auto &m) { m.inputs[0].dtypes.clear(); }},
      {"metadata: an input has dtype 7, which is unknown or given twice", [](auto &m) { m.inputs[0].dtypes = {DType::UInt8, DType::UInt8}; }},
      {"metadata: an input has dtype 14, which is unknown or given twice", [](auto &m) { m.inputs[0].dtypes = {DType(14)}; }},
      {"metadata: an input has dtype 255, which is unknown or given twice", [](auto &m) { m.inputs[0].dtypes = {DType(255)}; }},
      {"metadata: an output has 2 dtypes", [](auto &m) { m.outputs[0].dtypes = {DType::Int32, DType::Int8}; }},
      {"metadata: an input has rank 17", [](auto &m) { m.inputs[0].shape.assign(17, 1); }},
      {"metadata: an input has size 0 on axis 1", [](auto &m) { m.inputs[0].shape = {-1, 0}; }},
      {"metadata: an input has size -2 on axis 0", [](auto &m) { m.inputs[0].shape = {-2, 8}; }},
      {"metadata: an input has size 1099511627777 on axis 1", [](auto &m) { m.inputs[0].shape = {-1, (int64_t(1) << 40) + 1}; }},
      {"metadata: an output has size 2097152 on axis 1", [](auto &m) { m.outputs[0].shape = {1 << 20, 1 << 21}; }},
      {"metadata: an output has size 9223372036854775807 on axis 1", [](auto &m) { m.outputs[0].shape = {3, INT64_MAX}; }},
      {"metadata: a mean is not a finite number", [](auto &m) { m.inputs[0].mean = {__builtin_nan("")}; }},
      {"metadata: a standard deviation is not a finite number", [](auto &m) { m.inputs[0].std = {__builtin_inf()}; }},
      {"metadata: a scale is not a finite number", [](auto &m) { m.inputs[0].scale = -__builtin_inf(); }},
      {"metadata: step 2 depends on input 1, which does not exist", [](auto &m) { m.steps[2].onlyInput = 1; }},
      {"metadata: step 2 depends on input -2, which does not exist", [](auto &m) { m.steps[2].onlyInput = -2; }},
      {"metadata: step 0 depends on dtype 6, which its input does not take", [](auto &m) { m.steps[0].onlyDtype = DType::Int8; }},
      {"metadata: 'N +' is not a size", [](auto &m) { m.checks = {{"N +", "==", "1", ""}}; }},
      {"metadata: 'N;' is not a size", [](auto &m) { m.checks = {{"1", "==", "N;", ""}}; }},
      {"metadata: '=>' is not a relation", [](auto &m) { m.checks = {{"N", "=>", "1", ""}}; }},
      {"metadata: a message has a byte that is not printable UTF-8", [](auto &m) { m.checks = {{"N", "<", "1", "\x1b["}}; }},
      {"metadata: blob 0 has encoding 2", [](auto &m) { m.blobs[0].encoding = Blob::Encoding(2); }},
      {"metadata: blob 0 has 7 bytes, its count needs 8", [](auto &m) { m.blobs[0].count = 36; }},
      {"metadata: blob 1 has 16 bytes, its count needs 17", [](auto &m) { m.blobs[1].count = 17; }},
      {"metadata: blob 0 has 7 bytes, its count needs 3689348814741910323", [](auto &m) { m.blobs[0].count = UINT64_MAX; }},
      {"metadata: placement 1 uses blob 2, which does not exist", [](auto &m) { m.variants[0].placements[0].blob = 2; }},
      {"metadata: placement 1 copies but has a panel layout", [](auto &m) { m.variants[0].placements[0].kr = 1; }},
      {"metadata: placement 0 has a panel layout that is not that of blob 0", [](auto &m) { m.variants[0].placements[1].ki = 7; }},
      {"metadata: placement 0 has a panel layout that is not that of blob 0", [](auto &m) { m.variants[0].placements[1].nr = 0; }},
      {"metadata: placement 0 has a panel layout that is not that of blob 0",
       [](auto &m) { // 2^33 * 2^31 + 32 elements, modulo 2^64
         Placement &p = m.variants[0].placements[1];
         p.o = p.ko = p.ki = UINT32_MAX;
       }},
      {"metadata: placement 0 has kind 6", [](auto &m) { m.variants[0].placements[1].kind = Placement::Kind(6); }},
      {"metadata: placement 0 has a panel layout that is not that of blob 0", // a byte holds three taps
       [](auto &m) { m.variants[0].placements[1].kind = Placement::Panels3; }},
      {"metadata: placement 1 has packed trits of blob 1, which holds no trits",
       [](auto &m) {
         Placement &p = m.variants[0].placements[0];
         p.kind = Placement::Panels3, p.o = 1, p.ko = 3, p.ki = 5, p.nr = 16, p.kr = 1;
       }},
      {"metadata: placement 1 has packed trits of blob 1, which holds no trits",
       [](auto &m) {
         Placement &p = m.variants[0].placements[0];
         p.kind = Placement::Panels2, p.o = 1, p.ko = 1, p.ki = 16, p.nr = 16, p.kr = 1;
       }},
      {"metadata: placement 0 has a panel layout that is not that of blob 0",
       [](auto &m) { // a code holds five trits at most
         Placement &p = m.variants[0].placements[1];
         p.kind = Placement::Codes, p.kr = 6;
       }},
      {"metadata: placement 1 has codes for blob 1, which holds no trits",
       [](auto &m) {
         Placement &p = m.variants[0].placements[0];
         p.kind = Placement::Codes, p.o = 1, p.ko = 1, p.ki = 16, p.nr = 16, p.kr = 2;
       }},
      {"metadata: placement 0 has a chunk but makes no code", [](auto &m) { m.variants[0].placements[1].chunk = 8; }},
      {"metadata: placement 0 has a chunk but makes no code", [](auto &m) { m.variants[0].placements[1].vector = 32; }},
      {"metadata: placement 0 has a layout of code that is not that of blob 0", [](auto &m) { m.variants[0].placements[1].kind = Placement::Adds; }},
      {"metadata: placement 0 has a layout of code that is not that of blob 0",
       [](auto &m) {
         Placement &p = m.variants[0].placements[1];
         p.kind = Placement::Adds, p.chunk = 8, p.vector = 32, p.ki = 9;
       }},
      {"metadata: placement 0 has 32 bytes and needs 8",
       [](auto &m) {
         Placement &p = m.variants[0].placements[1];
         p.kind = Placement::Adds, p.chunk = 8, p.vector = 64;
       }},
      {"metadata: placement 0 has a layout of code that is not that of blob 0",
       [](auto &m) {
         Placement &p = m.variants[0].placements[1];
         p.kind = Placement::Adds, p.chunk = 8, p.vector = 48;
       }},
      {"metadata: placement 1 makes code of blob 1, which holds no trits",
       [](auto &m) {
         Placement &p = m.variants[0].placements[0];
         p.kind = Placement::Adds, p.o = 1, p.ko = 1, p.ki = 16, p.nr = p.kr = 16, p.chunk = 16, p.vector = 32;
       }},
      {"metadata: placement 0 has 31 bytes and needs 32", [](auto &m) { m.variants[0].placements[1].arenaBytes = 31; }},
      {"metadata: placement 1 at offset 65 does not fit the arena", [](auto &m) { m.variants[0].placements[0].arenaOffset = 65; }},
      {"metadata: placement 1 at offset 0 does not fit the arena", [](auto &m) { m.variants[0].placements[0].arenaOffset = 0; }},
      {"metadata: placement 1 at offset 128 does not fit the arena", [](auto &m) { m.variants[0].placements[0].arenaOffset = 128; }},
      {"metadata: placement 1 at offset 18446744073709551552 does not fit the arena",
       [](auto &m) { m.variants[0].placements[0].arenaOffset = UINT64_MAX - 63; }},
      {"metadata: an arena of 1099511627776 bytes for these weights", [](auto &m) { m.variants[0].arenaBytes = uint64_t(1) << 40; }},
      {"metadata: an arena of 18446744073709551615 bytes for these weights", [](auto &m) { m.variants[0].arenaBytes = UINT64_MAX; }},
      {"has 5 step names and 6 addresses for 6 steps", [](auto &m) { m.variants[0].stepNames.pop_back(); }},
      {"has 6 step names and 5 addresses for 6 steps", [](auto &m) { m.variants[0].stepOffsets.pop_back(); }},
      {"the address of step 3 is not in its code", [](auto &m) { m.variants[0].stepOffsets[3] = 0; }},
      {"the address of step 3 is not in its code", [](auto &m) { m.variants[0].stepOffsets[3] = UINT64_MAX; }},
      {"has a workspace size of 63", [](auto &m) { m.variants[0].workspaceFixed = 63; }},
      {"has a workspace size of 32", [](auto &m) { m.variants[0].workspacePerBatch = 32; }},
      {"has a workspace size of 70368744177728", [](auto &m) { m.variants[0].scratchPerThread = (uint64_t(1) << 46) + 64; }},
      {"is given twice", [](auto &m) { m.variants.push_back(m.variants[0]); }},
      {"the required features name no single architecture", [](auto &m) { m.variants[0].features = TRI_CPU_AVX; }},
      {"the required features name no single architecture", [](auto &m) { m.variants[0].features = TRI_CPU_ARCH_MASK; }},
      {"the object is for another machine than its variant",
       [t](auto &m) { m.variants[0].features = t == "aarch64" ? TRI_CPU_X86_64 : TRI_CPU_AARCH64; }},
      {"not a little-endian ELF64 object", [](auto &m) { m.variants[0].elf[0] = 0; }},
      {"a variant has no code", [](auto &m) { m.variants[0].elf.clear(); }},
      {"too short for an ELF header", [](auto &m) { m.variants[0].elf.resize(63); }},
  };
  for (const auto &row : rows) {
    CompiledModel model = test::denseModel();
    row.damage(model);
    const auto bytes = writeArtifact(model);
    ASSERT_FALSE(bytes) << row.message;
    EXPECT_NE(bytes.error().message.find(row.message), std::string::npos) << bytes.error().message << "\nexpected: " << row.message;
    EXPECT_EQ(bytes.error().kind, ErrorKind::Internal);
  }
}

TEST(RoundTrip, MoreVariantsThanTheFormatHoldsAreRefused) {
  CompiledModel model = test::relayModel(1);
  for (int i = 0; i < 64; ++i) model.variants.push_back(model.variants[0]);
  EXPECT_FALSE(writeArtifact(model));
}

TEST(FindElfSymbol, NamesWhatIsNotThere) {
  const std::vector<uint8_t> elf = test::kernelObject();
  EXPECT_TRUE(findElfSymbol(elf, "dense"));
  for (const char *name : {"dens", "densely", "", "memcpy"}) EXPECT_FALSE(findElfSymbol(elf, name)) << name;
  EXPECT_EQ(findElfSymbol(elf, "densely").error().message, "the linked code does not define 'densely'");
  EXPECT_FALSE(findElfSymbol({}, "dense"));
  for (size_t bytes = 0; bytes < elf.size(); bytes += 97) // cut anywhere: an answer or an error, no over-read
    (void)findElfSymbol({elf.data(), bytes}, "dense");
}
