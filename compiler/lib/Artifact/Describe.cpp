// `triton inspect` of an artifact: one JSON object, and the text made from it.
#include "triton/Artifact/Artifact.h"

#include "ReadModel.h"

#include "artifact/cpu_features.h"
#include "artifact/packing.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

using namespace triton;

static json::Value number(uint64_t value) { return json::Value(int64_t(value)); }

static json::Array numbers(const flatbuffers::Vector<double> *values) {
  json::Array out;
  for (uint32_t i = 0; i < countOf(values); ++i) out.emplace_back(values->Get(i));
  return out;
}

static json::Value describeTensor(const fb::Tensor &tensor) {
  json::Object out;
  out.append("name", textOf(tensor.name()));
  json::Array dtypes, shape;
  for (uint32_t i = 0; i < tensor.dtypes()->size(); ++i) dtypes.emplace_back(dtypeName(DType(tensor.dtypes()->Get(i))));
  for (uint32_t i = 0; i < tensor.shape()->size(); ++i) {
    const int64_t dim = tensor.shape()->Get(i);
    const std::string batch = textOf(tensor.batch_name());
    shape.emplace_back(dim != -1 ? json::Value(dim) : json::Value(batch.empty() ? "N" : batch));
  }
  out.append("dtypes", std::move(dtypes));
  out.append("shape", std::move(shape));
  if (tensor.preprocessed()) {
    out.append("scale", tensor.scale());
    out.append("mean", numbers(tensor.mean()));
    out.append("std", numbers(tensor.std()));
  }
  return out;
}

static json::Value describeEntry(const fb::Entry &entry) {
  json::Object out;
  out.append("name", textOf(entry.name()));
  json::Array inputs, outputs, labels, steps, checks;
  for (const fb::Tensor *tensor : *entry.inputs()) inputs.emplace_back(describeTensor(*tensor));
  for (const fb::Tensor *tensor : *entry.outputs()) outputs.emplace_back(describeTensor(*tensor));
  for (uint32_t i = 0; i < countOf(entry.labels()); ++i) labels.emplace_back(textOf(entry.labels()->Get(i)));
  for (const fb::Step *step : *entry.steps()) {
    json::Object one;
    one.append("name", textOf(step->name()));
    one.append("layer", textOf(step->layer()));
    one.append("macs", number(step->macs_per_batch()));
    one.append("bytes", number(step->bytes_per_batch()));
    if (step->only_input() >= 0) {
      one.append("only_input", textOf(entry.inputs()->Get(uint32_t(step->only_input()))->name()));
      one.append("only_dtype", dtypeName(DType(step->only_dtype())));
    }
    steps.emplace_back(std::move(one));
  }
  out.append("macs", number(entry.macs_per_batch()));
  out.append("inputs", std::move(inputs));
  out.append("outputs", std::move(outputs));
  for (uint32_t i = 0; i < countOf(entry.checks()); ++i) {
    const fb::SizeCheck &check = *entry.checks()->Get(i);
    json::Object one;
    one.append("condition", textOf(check.left()) + " " + textOf(check.relation()) + " " + textOf(check.right()));
    one.append("message", textOf(check.message()));
    checks.emplace_back(std::move(one));
  }
  out.append("labels", std::move(labels));
  out.append("checks", std::move(checks));
  out.append("steps", std::move(steps));
  return out;
}

static json::Value describeVariant(const fb::Variant &variant) {
  json::Object out;
  out.append("target", textOf(variant.target()));
  char names[512];
  tri_feature_list(variant.features(), names, sizeof names);
  out.append("features", names);
  const uint64_t missing = variant.features() & ~tri_cpu_features();
  out.append("runs_here", missing == 0);
  if (missing) {
    tri_feature_list(missing, names, sizeof names);
    out.append("missing_here", names);
  }
  out.append("code_bytes", number(variant.code_bytes()));
  out.append("arena_bytes", number(variant.arena_bytes()));
  const fb::Program &program = *variant.programs()->Get(0);
  out.append("workspace_fixed_bytes", number(program.workspace_fixed()));
  out.append("workspace_per_batch_bytes", number(program.workspace_per_batch()));
  out.append("scratch_per_thread_bytes", number(program.scratch_per_thread()));
  json::Array choices;
  for (uint32_t i = 0; i < countOf(variant.choices()); ++i) {
    const fb::Choice &choice = *variant.choices()->Get(i);
    json::Object one;
    one.append("layer", textOf(choice.layer()));
    one.append("algorithm", textOf(choice.algorithm()));
    one.append("packing", textOf(choice.packing()));
    one.append("reason", textOf(choice.reason()));
    choices.emplace_back(std::move(one));
  }
  out.append("choices", std::move(choices));
  return out;
}

/// The fraction of zeros among the trits of a blob; the error if they are not trits.
static Result<double> zeroFraction(const fb::Blob &blob, const uint8_t *bytes, std::string_view name) {
  std::vector<int8_t> trits(blob.count());
  if (tri_unpack_t5(bytes, trits.size(), trits.data()) != 0)
    return Error{std::string(name) + ": weights '" + textOf(blob.key()) + "': a byte is not five trits"};
  uint64_t zeros = 0;
  for (const int8_t trit : trits) zeros += trit == 0;
  return trits.empty() ? 0.0 : double(zeros) / double(trits.size());
}

static Result<json::Array> describeWeights(const artifact::Container &container, const fb::Model &model, std::string_view name) {
  json::Array out;
  for (uint32_t i = 0; i < countOf(model.blobs()); ++i) {
    const fb::Blob &blob = *model.blobs()->Get(i);
    const bool ternary = blob.encoding() == fb::Encoding::T5;
    json::Object one;
    one.append("key", textOf(blob.key()));
    one.append("encoding", ternary ? "t5" : "raw");
    one.append("bytes", number(blob.bytes()));
    if (ternary) {
      auto zeros = zeroFraction(blob, container.data(artifact::kWeightsSection) + blob.offset(), name);
      if (!zeros) return zeros.takeError();
      one.append("trits", number(blob.count()));
      one.append("bits_per_weight", blob.count() ? double(blob.bytes()) * 8 / double(blob.count()) : 0.0);
      one.append("zero_fraction", *zeros);
    }
    out.emplace_back(std::move(one));
  }
  return out;
}

static json::Object describeModel(const artifact::Container &container, const fb::Model &model) {
  json::Object out;
  out.append("format", "tern");
  out.append("name", textOf(model.name()));
  out.append("doc", textOf(model.doc()));
  out.append("compiler", textOf(model.compiler()));
  out.append("opt", int64_t(model.opt_level()));
  out.append("blake3", hexDigest(blake3({container.file, size_t(container.fileBytes)})));
  out.append("artifact_bytes", number(container.fileBytes));
  out.append("weights_bytes", number(container.bytes(artifact::kWeightsSection)));
  out.append("fp32_bytes", number(model.fp32_bytes()));
  out.append("parameters", number(model.parameters()));
  out.append("weight_trits", number(model.weight_trits()));
  out.append("sparsity", model.weight_trits() ? double(model.zero_trits()) / double(model.weight_trits()) : 0.0);
  out.append("bits_per_weight",
             model.parameters() ? double(container.bytes(artifact::kWeightsSection)) * 8 / double(model.parameters()) : 0.0);
  return out;
}

Result<json::Object> triton::describeArtifactJson(std::span<const uint8_t> bytes, std::string_view name) {
  Result<ReadModel> read = readModelOf(bytes, name);
  if (!read) return read.takeError();
  const auto &[container, metadata, model] = *read;
  json::Object out = describeModel(container, *model);
  json::Array entries, variants, digests, sections;
  for (const fb::Entry *entry : *model->entries()) entries.push_back(describeEntry(*entry));
  for (const fb::Variant *variant : *model->variants()) variants.push_back(describeVariant(*variant));
  auto weights = describeWeights(container, *model, name);
  if (!weights) return weights.takeError();
  for (uint32_t i = 0; i < countOf(model->input_digests()); ++i) {
    const fb::InputDigest &digest = *model->input_digests()->Get(i);
    json::Object one;
    one.append("name", textOf(digest.name()));
    one.append("blake3", hexDigest({digest.blake3()->data(), digest.blake3()->size()}));
    digests.push_back(std::move(one));
  }
  for (uint32_t i = 0; i < container.sectionCount; ++i) {
    json::Object one;
    char checksum[17];
    snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long)container.sections[i].checksum);
    one.append("kind", i == 0 ? "metadata" : i == 1 ? "weights" : "code");
    one.append("offset", number(container.sections[i].offset));
    one.append("bytes", number(container.bytes(i)));
    one.append("xxh3", checksum);
    sections.push_back(std::move(one));
  }
  out.append("entries", std::move(entries));
  out.append("variants", std::move(variants));
  out.append("weights", std::move(*weights));
  out.append("inputs", std::move(digests));
  out.append("sections", std::move(sections));
  return out;
}

//===-- Text -------------------------------------------------------------------------------------------------------===//

namespace {

/// Lines of text from JSON members that this file has written, so each is there and of its kind.
class TextWriter {
public:
  explicit TextWriter(const json::Object &object) : root(object) {}
  std::string write();

private:
  static const json::Value &at(const json::Object &object, const char *key) { return *object.find(key); }
  static std::string str(const json::Object &object, const char *key) { return *at(object, key).asString(); }
  static int64_t num(const json::Object &object, const char *key) { return *at(object, key).asInt(); }
  static const json::Array &list(const json::Object &object, const char *key) { return *at(object, key).asArray(); }
  void line(const char *format, ...) __attribute__((format(printf, 2, 3)));
  void tensors(const char *kind, const json::Array &tensors);
  void entry(const json::Object &entry);
  void variant(const json::Object &variant);

  const json::Object &root;
  std::string out;
};

} // namespace

void TextWriter::line(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  va_list again;
  va_copy(again, arguments);
  const int length = vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  std::string text(size_t(length) + 1, '\0');
  vsnprintf(text.data(), text.size(), format, again);
  va_end(again);
  text.back() = '\n';
  out += text;
}

void TextWriter::tensors(const char *kind, const json::Array &tensors) {
  for (const json::Value &value : tensors) {
    const json::Object &tensor = *value.asObject();
    std::string dtypes, shape;
    for (const json::Value &dtype : list(tensor, "dtypes")) dtypes += (dtypes.empty() ? "" : " | ") + *dtype.asString();
    for (const json::Value &dim : list(tensor, "shape"))
      shape += (shape.empty() ? "" : ", ") + (dim.asInt() ? std::to_string(*dim.asInt()) : *dim.asString());
    line("  %-7s %s: Tensor[%s, %s]", kind, str(tensor, "name").c_str(), shape.c_str(), dtypes.c_str());
  }
}

void TextWriter::entry(const json::Object &entry) {
  line("entry %s: %lld MACs, %zu steps, %zu labels", str(entry, "name").c_str(), (long long)num(entry, "macs"), list(entry, "steps").size(),
       list(entry, "labels").size());
  tensors("input", list(entry, "inputs"));
  tensors("output", list(entry, "outputs"));
  for (const json::Value &value : list(entry, "steps")) {
    const json::Object &step = *value.asObject();
    line("  step    %-40s %12lld MACs %12lld bytes", str(step, "name").c_str(), (long long)num(step, "macs"), (long long)num(step, "bytes"));
  }
}

void TextWriter::variant(const json::Object &variant) {
  const bool here = *at(variant, "runs_here").asBool();
  line("variant %s: %lld bytes of code, %lld of weights in memory, workspace %lld + %lld a batch element + %lld a thread; %s%s",
       str(variant, "target").c_str(), (long long)num(variant, "code_bytes"), (long long)num(variant, "arena_bytes"),
       (long long)num(variant, "workspace_fixed_bytes"), (long long)num(variant, "workspace_per_batch_bytes"),
       (long long)num(variant, "scratch_per_thread_bytes"), here ? "runs here" : "this CPU lacks ",
       here ? "" : str(variant, "missing_here").c_str());
  for (const json::Value &value : list(variant, "choices")) {
    const json::Object &choice = *value.asObject();
    line("  %-32s %s, %s: %s", str(choice, "layer").c_str(), str(choice, "algorithm").c_str(), str(choice, "packing").c_str(),
         str(choice, "reason").c_str());
  }
}

std::string TextWriter::write() {
  line("%s: %lld bytes, -O%lld, by %s", str(root, "name").c_str(), (long long)num(root, "artifact_bytes"), (long long)num(root, "opt"),
       str(root, "compiler").c_str());
  line("blake3  %s", str(root, "blake3").c_str());
  line("%lld parameters, %lld trits (%.1f %% zero), %.2f bits a parameter on disk; %lld bytes of weights, %lld as float32",
       (long long)num(root, "parameters"), (long long)num(root, "weight_trits"), 100 * at(root, "sparsity").number(),
       at(root, "bits_per_weight").number(), (long long)num(root, "weights_bytes"), (long long)num(root, "fp32_bytes"));
  for (const json::Value &value : list(root, "entries")) entry(*value.asObject());
  for (const json::Value &value : list(root, "variants")) variant(*value.asObject());
  for (const json::Value &value : list(root, "weights")) {
    const json::Object &blob = *value.asObject();
    if (blob.find("trits"))
      line("weights %-32s t5  %10lld bytes, %lld trits, %.2f bits each, %.1f %% zero", str(blob, "key").c_str(), (long long)num(blob, "bytes"),
           (long long)num(blob, "trits"), at(blob, "bits_per_weight").number(), 100 * at(blob, "zero_fraction").number());
    else
      line("weights %-32s raw %10lld bytes", str(blob, "key").c_str(), (long long)num(blob, "bytes"));
  }
  for (const json::Value &value : list(root, "inputs")) {
    const json::Object &input = *value.asObject();
    line("made of %s blake3 %s", str(input, "name").c_str(), str(input, "blake3").c_str());
  }
  for (const json::Value &value : list(root, "sections")) {
    const json::Object &section = *value.asObject();
    line("section %-8s offset %10lld, %10lld bytes, xxh3 %s", str(section, "kind").c_str(), (long long)num(section, "offset"),
         (long long)num(section, "bytes"), str(section, "xxh3").c_str());
  }
  return out;
}

Result<std::string> triton::describeArtifact(std::span<const uint8_t> bytes, std::string_view name) {
  auto description = describeArtifactJson(bytes, name);
  if (!description) return description.takeError();
  return TextWriter(*description).write();
}
