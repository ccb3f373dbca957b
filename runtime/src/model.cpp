// Opening models and telling what is in them.
#include "internal.h"

#include "artifact/blake3.h"
#include "artifact/cpu_features.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace triton::artifact;
using namespace triton::runtime;
namespace fb = triton::fb;

static const char *textOf(const flatbuffers::String *text) { return text ? text->c_str() : ""; }

template <typename Vector>
static uint32_t countOf(const Vector *vector) {
  return vector ? vector->size() : 0;
}

//===-- Opening ----------------------------------------------------------------------------------------------------===//

namespace {
/// The bytes of an artifact.
struct Source {
  const uint8_t *bytes;
  size_t size;
};
} // namespace

static tri_status checkDigest(const Source &source, const uint8_t *expected, tri_error *err) {
  uint8_t found[TRI_BLAKE3_BYTES];
  tri_blake3(source.bytes, source.size, found);
  if (memcmp(found, expected, sizeof found) == 0) return TRI_OK;
  char text[2][2 * TRI_BLAKE3_BYTES + 1] = {};
  for (int i = 0; i < TRI_BLAKE3_BYTES; ++i)
    for (int j = 0; j < 2; ++j) {
      const uint8_t byte = j ? found[i] : expected[i];
      text[j][2 * i] = "0123456789abcdef"[byte >> 4];
      text[j][2 * i + 1] = "0123456789abcdef"[byte & 15];
    }
  return fail(err, TRI_DIGEST_MISMATCH, "BLAKE3 is %s, expected %s", text[1], text[0]);
}

static tri_status fillModel(tri_model &model, const Source &source, const tri_model_options &options, tri_error *err) {
  Container container;
  Problem problem;
  bool valid = readContainer(source.bytes, source.size, container, problem);
  if (valid) {
    const size_t bytes = size_t(container.bytes(kMetadataSection));
    model.metadata = static_cast<uint8_t *>(allocate(model.allocator, bytes + kMetadataAlignment, kMetadataAlignment));
    if (!model.metadata) return fail(err, TRI_NO_MEMORY, "no memory for %zu bytes of metadata", bytes);
    model.metadataBytes = bytes + kMetadataAlignment;
    memcpy(model.metadata, container.data(kMetadataSection), bytes);
    model.description = readModel(container, model.metadata, problem);
    valid = model.description != nullptr;
  }
  if (!valid) return fail(err, problem.kind == Problem::Unsupported ? TRI_UNSUPPORTED : TRI_CORRUPT, "%s", problem.message);
  model.fileBytes = source.size;
  model.weightsBytes = container.bytes(kWeightsSection);
  if (!options.allow_code) return TRI_OK;
  return loadVariant(model, container, options.variant, err);
}

static tri_status openSource(const Source &source, const tri_model_options &options, tri_model **out_model, tri_error *err) {
  if (options.blake3)
    if (const tri_status status = checkDigest(source, options.blake3, err); status != TRI_OK) return status;
  const tri_allocator &allocator = options.allocator ? *options.allocator : systemAllocator();
  auto *model = static_cast<tri_model *>(allocate(allocator, sizeof(tri_model), alignof(tri_model)));
  if (!model) return fail(err, TRI_NO_MEMORY, "no memory for a model");
  *model = tri_model{};
  model->allocator = allocator;
  model->loadedVariant = -1;
  const tri_status status = fillModel(*model, source, options, err);
  if (status != TRI_OK) {
    tri_model_destroy(model);
    return status;
  }
  *out_model = model;
  return TRI_OK;
}

static const tri_model_options defaultOptions = {};

extern "C" tri_status tri_model_open(const void *bytes, size_t size, const tri_model_options *options, tri_model **out_model, tri_error *err) {
  if (!out_model || (!bytes && size)) return fail(err, TRI_INVALID_ARGUMENT, "tri_model_open: a required pointer is NULL");
  static const uint8_t nothing[1] = {};
  return openSource({bytes ? static_cast<const uint8_t *>(bytes) : nothing, size}, options ? *options : defaultOptions, out_model, err);
}

/// Reads `bytes` into anonymous memory, so that nobody can change them after they have been hashed.
static void *readFile(int fd, size_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return memory;
  for (size_t done = 0; done < bytes;) {
    const ssize_t got = read(fd, static_cast<char *>(memory) + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (got == 0) errno = EIO; // shorter than a moment ago
      munmap(memory, bytes);
      return MAP_FAILED;
    }
    done += size_t(got);
  }
  return memory;
}

static tri_status openDescriptor(int fd, const tri_model_options &options, tri_model **out_model, tri_error *err) {
  struct stat info;
  if (fstat(fd, &info) != 0) return fail(err, TRI_IO_ERROR, "%s", strerror(errno));
  if (!S_ISREG(info.st_mode)) return fail(err, TRI_IO_ERROR, "not a regular file");
  const size_t bytes = size_t(info.st_size);
  if (bytes == 0) return fail(err, TRI_CORRUPT, "the file is empty");
  void *memory = options.blake3 ? readFile(fd, bytes) : mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (memory == MAP_FAILED) return fail(err, TRI_IO_ERROR, "cannot read the file: %s", strerror(errno));
  const tri_status status = openSource({static_cast<const uint8_t *>(memory), bytes}, options, out_model, err);
  munmap(memory, bytes);
  return status;
}

extern "C" tri_status tri_model_open_file(const char *path, const tri_model_options *options, tri_model **out_model, tri_error *err) {
  if (!path || !out_model) return fail(err, TRI_INVALID_ARGUMENT, "tri_model_open_file: a required pointer is NULL");
  tri_error inner = {};
  tri_status status;
  // O_NONBLOCK: opening a pipe that nobody writes must not hang.
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    status = fail(&inner, TRI_IO_ERROR, "%s", strerror(errno));
  } else {
    status = openDescriptor(fd, options ? *options : defaultOptions, out_model, &inner);
    close(fd);
  }
  if (status == TRI_OK) return status;
  // Long paths keep their end, which names the file.
  const size_t length = strlen(path), shown = length > 80 ? 80 : length;
  return fail(err, status, "%s%s: %s", shown < length ? "..." : "", path + (length - shown), inner.message);
}

extern "C" void tri_model_destroy(tri_model *model) {
  if (!model) return;
  if (model->code) munmap(model->code, model->codeSpan);
  if (model->adds) munmap(model->adds, model->addsSpan);
  const tri_allocator allocator = model->allocator;
  release(allocator, model->arena, model->arenaAllocated);
  release(allocator, model->metadata, model->metadataBytes);
  release(allocator, model, sizeof(tri_model));
}

//===-- Getters ----------------------------------------------------------------------------------------------------===//

extern "C" void tri_model_get_info(const tri_model *model, tri_model_info *out) {
  if (!model || !out) return;
  const fb::Model &m = *model->description;
  *out = tri_model_info{};
  out->name = textOf(m.name());
  out->doc = textOf(m.doc());
  out->compiler = textOf(m.compiler());
  out->opt_level = m.opt_level();
  out->entries = m.entries()->size();
  out->variants = m.variants()->size();
  out->loaded_variant = model->loadedVariant;
  out->parameters = m.parameters();
  out->weight_trits = m.weight_trits();
  out->zero_trits = m.zero_trits();
  out->fp32_bytes = m.fp32_bytes();
  out->file_bytes = model->fileBytes;
  out->weights_bytes = model->weightsBytes;
  out->arena_bytes = model->loadedVariant < 0 ? 0 : m.variants()->Get(uint32_t(model->loadedVariant))->arena_bytes();
}

static const fb::Entry *entryOf(const tri_model *model, uint32_t index) {
  return model && index < model->description->entries()->size() ? model->description->entries()->Get(index) : nullptr;
}

extern "C" tri_status tri_model_get_entry(const tri_model *model, uint32_t index, tri_entry_info *out) {
  const fb::Entry *entry = entryOf(model, index);
  if (!entry || !out) return TRI_INVALID_ARGUMENT;
  *out = {textOf(entry->name()), entry->inputs()->size(), entry->outputs()->size(), entry->steps()->size(), countOf(entry->labels()),
          entry->macs_per_batch()};
  return TRI_OK;
}

static tri_status describeTensor(const flatbuffers::Vector<flatbuffers::Offset<fb::Tensor>> *tensors, uint32_t index, tri_tensor_info *out) {
  if (!out || index >= countOf(tensors)) return TRI_INVALID_ARGUMENT;
  const fb::Tensor &tensor = *tensors->Get(index);
  *out = tri_tensor_info{};
  out->name = textOf(tensor.name());
  out->dtypes = tensor.dtypes()->Data();
  out->dtype_count = tensor.dtypes()->size();
  out->rank = tensor.shape()->size();
  out->dims = tensor.shape()->data();
  out->batch_name = textOf(tensor.batch_name());
  out->preprocessed = tensor.preprocessed();
  out->scale = tensor.scale();
  out->mean = tensor.mean() ? tensor.mean()->data() : nullptr;
  out->std = tensor.std() ? tensor.std()->data() : nullptr;
  out->mean_count = countOf(tensor.mean());
  out->std_count = countOf(tensor.std());
  return TRI_OK;
}

extern "C" tri_status tri_model_get_input(const tri_model *model, uint32_t entry, uint32_t index, tri_tensor_info *out) {
  const fb::Entry *found = entryOf(model, entry);
  return found ? describeTensor(found->inputs(), index, out) : TRI_INVALID_ARGUMENT;
}

extern "C" tri_status tri_model_get_output(const tri_model *model, uint32_t entry, uint32_t index, tri_tensor_info *out) {
  const fb::Entry *found = entryOf(model, entry);
  return found ? describeTensor(found->outputs(), index, out) : TRI_INVALID_ARGUMENT;
}

extern "C" tri_status tri_model_get_step(const tri_model *model, uint32_t entry, uint32_t index, tri_step_info *out) {
  const fb::Entry *found = entryOf(model, entry);
  if (!found || !out || index >= found->steps()->size()) return TRI_INVALID_ARGUMENT;
  const fb::Step &step = *found->steps()->Get(index);
  const flatbuffers::String *name = step.name();
  if (model->loadedVariant >= 0) {
    const fb::Variant &variant = *model->description->variants()->Get(uint32_t(model->loadedVariant));
    name = variant.programs()->Get(entry)->step_names()->Get(index);
  }
  *out = {textOf(name), textOf(step.layer()), step.macs_per_batch(), step.bytes_per_batch()};
  return TRI_OK;
}

extern "C" tri_status tri_model_get_variant(const tri_model *model, uint32_t index, tri_variant_info *out) {
  if (!model || !out || index >= model->description->variants()->size()) return TRI_INVALID_ARGUMENT;
  const fb::Variant &variant = *model->description->variants()->Get(index);
  *out = {textOf(variant.target()), variant.features(), variant.features() & ~tri_cpu_features(), variant.code_bytes(), variant.arena_bytes()};
  return TRI_OK;
}

extern "C" const char *tri_model_get_label(const tri_model *model, uint32_t entry, uint32_t index) {
  const fb::Entry *found = entryOf(model, entry);
  return found && index < countOf(found->labels()) ? found->labels()->Get(index)->c_str() : nullptr;
}

extern "C" tri_status tri_model_find_entry(const tri_model *model, const char *name, uint32_t *out_entry) {
  if (!model || !name || !out_entry) return TRI_INVALID_ARGUMENT;
  for (uint32_t i = 0; i < model->description->entries()->size(); ++i)
    if (strcmp(textOf(entryOf(model, i)->name()), name) == 0) {
      *out_entry = i;
      return TRI_OK;
    }
  return TRI_NOT_FOUND;
}
