// Where the code of steps lies, and the symbol map that Linux `perf` reads. Runs only when it is called.
#include "internal.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

using namespace triton::runtime;
namespace fb = triton::fb;

static const fb::Variant *loadedVariant(const tri_model &model) {
  return model.loadedVariant < 0 ? nullptr : model.description->variants()->Get(uint32_t(model.loadedVariant));
}

/// One past the last instruction of the segment that holds `offset`.
static uint64_t segmentEnd(const tri_model &model, uint64_t offset) {
  for (uint32_t i = 0; i < model.executableCount; ++i)
    if (offset >= model.executable[i].begin && offset < model.executable[i].end) return model.executable[i].end;
  return offset;
}

extern "C" tri_status tri_model_get_step_code(const tri_model *model, uint32_t entry, uint32_t index, const void **out_address,
                                              uint64_t *out_bytes) {
  if (!model || !out_address || !out_bytes) return TRI_INVALID_ARGUMENT;
  const fb::Variant *variant = loadedVariant(*model);
  if (!variant) return TRI_NOT_ALLOWED;
  if (entry >= variant->programs()->size() || index >= variant->programs()->Get(entry)->step_offsets()->size()) return TRI_INVALID_ARGUMENT;
  const uint64_t start = variant->programs()->Get(entry)->step_offsets()->Get(index);
  uint64_t end = segmentEnd(*model, start);
  for (const fb::Program *program : *variant->programs())
    for (const uint64_t other : *program->step_offsets())
      if (other > start && other < end) end = other;
  *out_address = model->code + start;
  *out_bytes = end - start;
  return TRI_OK;
}

//===-- The map ----------------------------------------------------------------------------------------------------===//

namespace {
struct Symbol {
  uint64_t start;
  const char *name;
};

/// Text for a file, written in blocks.
class MapFile {
public:
  explicit MapFile(int fd) : fd(fd) {}
  void add(const char *text, size_t bytes) {
    if (used + bytes > sizeof buffer) flush();
    memcpy(buffer + used, text, bytes); // bytes <= sizeof line below
    used += bytes;
  }
  bool finish() {
    flush();
    return good;
  }

private:
  void flush() {
    for (size_t done = 0; good && done < used;) {
      const ssize_t wrote = write(fd, buffer + done, used - done);
      if (wrote > 0)
        done += size_t(wrote);
      else if (errno != EINTR)
        good = false;
    }
    used = 0;
  }
  int fd;
  bool good = true;
  size_t used = 0;
  char buffer[8192];
};
} // namespace

static int byAddress(const void *a, const void *b) {
  const uint64_t x = static_cast<const Symbol *>(a)->start, y = static_cast<const Symbol *>(b)->start;
  return x < y ? -1 : x > y;
}

static size_t symbolCount(const fb::Variant &variant) {
  size_t count = 0;
  for (const fb::Program *program : *variant.programs()) count += program->step_offsets()->size();
  return count;
}

/// Weights as code: a line for each layer, in the order in which the loader wrote them.
static void addWeights(MapFile &file, const tri_model &model, const fb::Variant &variant) {
  const uint64_t end = uint64_t(reinterpret_cast<uintptr_t>(model.adds)) + model.addsSpan;
  const fb::Placement *layer = nullptr;
  uint64_t start = 0;
  auto line = [&](uint64_t next) {
    if (!layer) return;
    char text[1200];
    const char *key = model.description->blobs()->Get(layer->blob())->key()->c_str();
    file.add(text, size_t(snprintf(text, sizeof text, "%llx %llx %s__adds\n", (unsigned long long)start, (unsigned long long)(next - start), key)));
  };
  for (uint32_t i = 0; i < (variant.placements() ? variant.placements()->size() : 0); ++i) {
    const fb::Placement &p = *variant.placements()->Get(i);
    if (p.kind() != fb::PlacementKind::Adds) continue;
    uint64_t first;
    memcpy(&first, model.arena + p.arena_offset(), sizeof first);
    line(first);
    layer = &p;
    start = first;
  }
  line(end);
}

static bool writeMap(const tri_model &model, const fb::Variant &variant, Symbol *symbols, int fd) {
  size_t count = 0;
  for (const fb::Program *program : *variant.programs())
    for (uint32_t i = 0; i < program->step_offsets()->size(); ++i)
      symbols[count++] = {program->step_offsets()->Get(i), program->step_names()->Get(i)->c_str()};
  qsort(symbols, count, sizeof *symbols, byAddress);
  MapFile file(fd);
  for (size_t i = 0; i < count; ++i) {
    uint64_t end = segmentEnd(model, symbols[i].start);
    if (i + 1 < count && symbols[i + 1].start < end) end = symbols[i + 1].start;
    if (end == symbols[i].start) continue; // two entry points share the step
    char line[1200]; // names are printable and at most 1024 bytes long (artifact/reader.h)
    const int length = snprintf(line, sizeof line, "%llx %llx %s\n",
                                (unsigned long long)(reinterpret_cast<uintptr_t>(model.code) + symbols[i].start),
                                (unsigned long long)(end - symbols[i].start), symbols[i].name);
    file.add(line, size_t(length));
  }
  addWeights(file, model, variant);
  return file.finish();
}

extern "C" tri_status tri_model_write_perf_map(const tri_model *model, const char *path, tri_error *err) {
  if (!model) return fail(err, TRI_INVALID_ARGUMENT, "tri_model_write_perf_map: the model is NULL");
  const fb::Variant *variant = loadedVariant(*model);
  if (!variant) return fail(err, TRI_NOT_ALLOWED, "the model was opened without allow_code, so there is no code to name");
  char standard[64];
  snprintf(standard, sizeof standard, "/tmp/perf-%ld.map", long(getpid()));
  if (!path) path = standard;
  // In a folder that everybody may write to, a link of that name could lead anywhere.
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(err, TRI_IO_ERROR, "%.160s: %s", path, strerror(errno));
  const size_t bytes = (symbolCount(*variant) + 1) * sizeof(Symbol);
  auto *symbols = static_cast<Symbol *>(allocate(model->allocator, bytes, alignof(Symbol) < sizeof(void *) ? sizeof(void *) : alignof(Symbol)));
  if (!symbols) {
    close(fd);
    return fail(err, TRI_NO_MEMORY, "no memory for %llu bytes of symbols", (unsigned long long)bytes);
  }
  const bool written = writeMap(*model, *variant, symbols, fd);
  const int reason = errno;
  release(model->allocator, symbols, bytes);
  if (close(fd) != 0 || !written) return fail(err, TRI_IO_ERROR, "%.160s: %s", path, strerror(written ? errno : reason));
  return TRI_OK;
}
