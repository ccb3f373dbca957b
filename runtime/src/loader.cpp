// Loads one variant: places its ELF segments (never writable and executable at once) and expands its weights into the arena.
#include "internal.h"

#include "artifact/adds.h"
#include "artifact/cpu_features.h"
#include "artifact/packing.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace triton::artifact;
using namespace triton::runtime;
namespace fb = triton::fb;

//===-- Which variant ----------------------------------------------------------------------------------------------===//

namespace {
/// Text for a message; what does not fit is cut.
struct Text {
  char text[160] = {};
  size_t length = 0;
  void add(const char *word) {
    for (; *word && length + 1 < sizeof text; ++word) text[length++] = *word;
  }
};
} // namespace

static Text targetNames(const fb::Model &description) {
  Text names;
  for (const fb::Variant *variant : *description.variants()) {
    if (names.length) names.add(", ");
    names.add(variant->target()->c_str());
  }
  return names;
}

/// What to say about a variant that does not run: "this CPU lacks avx512bw; recompile with --target x86-64-v3".
static Text whatIsMissing(uint64_t missing, uint64_t here) {
  char list[96], best[64];
  Text text;
  if (missing & TRI_CPU_ARCH_MASK) {
    tri_feature_list(here & TRI_CPU_ARCH_MASK, list, sizeof list);
    text.add("this CPU is ");
  } else {
    tri_feature_list(missing, list, sizeof list);
    text.add("this CPU lacks ");
  }
  text.add(list);
  if (tri_target_of_features(here, best, sizeof best)) {
    text.add("; recompile with --target ");
    text.add(best);
  }
  return text;
}

static tri_status chooseVariant(const fb::Model &description, const char *wanted, int32_t *chosen, tri_error *err) {
  const uint64_t here = tri_cpu_features();
  const uint32_t count = description.variants()->size();
  if (wanted) {
    for (uint32_t i = 0; i < count; ++i) {
      const fb::Variant &variant = *description.variants()->Get(i);
      if (strcmp(variant.target()->c_str(), wanted) != 0) continue;
      if (const uint64_t missing = variant.features() & ~here)
        return fail(err, TRI_UNSUPPORTED, "variant '%.64s' does not run here: %s", wanted, whatIsMissing(missing, here).text);
      *chosen = int32_t(i);
      return TRI_OK;
    }
    return fail(err, TRI_NOT_FOUND, "no variant '%.64s'; the file has %s", wanted, count ? targetNames(description).text : "no code");
  }
  int bestBits = -1, fewestMissing = 65;
  uint64_t nearest = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t features = description.variants()->Get(i)->features(), missing = features & ~here;
    const int bits = __builtin_popcountll(features), lacks = __builtin_popcountll(missing) + ((missing & TRI_CPU_ARCH_MASK) ? 64 : 0);
    if (!missing && bits > bestBits) {
      bestBits = bits;
      *chosen = int32_t(i);
    }
    if (missing && (!nearest || lacks < fewestMissing)) {
      fewestMissing = lacks;
      nearest = missing;
    }
  }
  if (bestBits >= 0) return TRI_OK;
  if (!count) return fail(err, TRI_NOT_FOUND, "the file has no code; recompile it with --target");
  return fail(err, TRI_UNSUPPORTED, "no variant runs here: the file has %.80s, %s", targetNames(description).text,
              whatIsMissing(nearest, here).text);
}

//===-- Code -------------------------------------------------------------------------------------------------------===//

static int protection(uint32_t flags) {
  // Writable segments hold only relocated constants: nothing in the image is written after loading.
  return PROT_READ | ((flags & TRI_SEGMENT_EXECUTE) ? PROT_EXEC : 0);
}

/// Copies one segment into the reserved range. `page` is the system's page size.
static bool placeSegment(uint8_t *base, const tri_elf_segment &segment, const uint8_t *elf, uint64_t page) {
  const uint64_t start = segment.address / page * page, end = alignUp(segment.address + segment.memory_bytes, page);
  if (mmap(base + start, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) return false;
  memcpy(base + segment.address, elf + segment.file_offset, segment.file_bytes);
  return true;
}

/// Places the image whose bytes are `elf`.
static tri_status placeImage(tri_model &model, const tri_elf_image &image, const uint8_t *elf, tri_error *err) {
  const uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  uint64_t last = 0;
  for (uint32_t i = 0; i < image.segment_count; ++i) {
    const tri_elf_segment &segment = image.segments[i];
    if (i && segment.address / page * page < last)
      return fail(err, TRI_UNSUPPORTED, "the code is laid out for pages smaller than this system's %llu bytes", (unsigned long long)page);
    last = alignUp(segment.address + segment.memory_bytes, page);
  }
  void *base = mmap(nullptr, last, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return fail(err, TRI_NO_MEMORY, "no address range of %llu bytes for the code", (unsigned long long)last);
  model.code = static_cast<uint8_t *>(base);
  model.codeSpan = last;
  for (uint32_t i = 0; i < image.segment_count; ++i)
    if (const tri_elf_segment &segment = image.segments[i]; segment.flags & TRI_SEGMENT_EXECUTE)
      model.executable[model.executableCount++] = {segment.address, segment.address + segment.file_bytes};
  for (uint32_t i = 0; i < image.segment_count; ++i)
    if (!placeSegment(model.code, image.segments[i], elf, page))
      return fail(err, TRI_NO_MEMORY, "no memory for the code: %s", strerror(errno));
  for (uint64_t i = 0; i < image.relocation_count; ++i) {
    uint64_t address, addend;
    tri_elf_relocation(&image, elf, i, &address, &addend);
    const uint64_t value = uint64_t(reinterpret_cast<uintptr_t>(model.code)) + addend;
    memcpy(model.code + address, &value, sizeof value);
  }
  for (uint32_t i = 0; i < image.segment_count; ++i) {
    const tri_elf_segment &segment = image.segments[i];
    const uint64_t start = segment.address / page * page, bytes = alignUp(segment.address + segment.memory_bytes, page) - start;
    if (segment.flags & TRI_SEGMENT_EXECUTE)
      __builtin___clear_cache(reinterpret_cast<char *>(model.code + start), reinterpret_cast<char *>(model.code + start + bytes));
    if (mprotect(model.code + start, bytes, protection(segment.flags)) != 0)
      return fail(err, TRI_NOT_ALLOWED, "the system does not allow code to be loaded: %s", strerror(errno));
  }
  return TRI_OK;
}

static tri_status loadCode(tri_model &model, const Container &container, const fb::Variant &variant, tri_error *err) {
  const uint64_t bytes = variant.code_bytes();
  uint8_t *elf = static_cast<uint8_t *>(allocate(model.allocator, size_t(bytes), TRI_BUFFER_ALIGNMENT));
  if (!elf) return fail(err, TRI_NO_MEMORY, "no memory for %llu bytes of code", (unsigned long long)bytes);
  tri_elf_image image;
  Problem problem;
  const tri_status status = readCode(container, *model.description, variant, elf, image, problem)
                                ? placeImage(model, image, elf, err)
                                : fail(err, TRI_CORRUPT, "%s", problem.message);
  release(model.allocator, elf, size_t(bytes));
  return status;
}

//===-- Weights ----------------------------------------------------------------------------------------------------===//

/// Reserves room for the variant's weights as code; memory is taken as it is written.
static tri_status reserveAdds(tri_model &model, const fb::Variant &variant, tri_error *err) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < (variant.placements() ? variant.placements()->size() : 0); ++i) {
    const fb::Placement &p = *variant.placements()->Get(i);
    if (p.kind() != fb::PlacementKind::Adds) continue;
    const tri_adds_layout layout = addsLayout(p);
    bytes += alignUp(tri_adds_code_bytes(&layout), 64);
  }
  if (!bytes) return TRI_OK;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return fail(err, TRI_NO_MEMORY, "no memory for %llu bytes of weights as code", (unsigned long long)bytes);
  model.adds = static_cast<uint8_t *>(memory);
  model.addsSpan = bytes;
  return TRI_OK;
}

/// Gives back what was not written and makes the rest executable.
static tri_status finishAdds(tri_model &model, uint64_t used, tri_error *err) {
  if (!model.adds) return TRI_OK;
  const uint64_t kept = alignUp(used ? used : 1, uint64_t(sysconf(_SC_PAGESIZE)));
  if (kept < model.addsSpan) {
    munmap(model.adds + kept, model.addsSpan - kept);
    model.addsSpan = kept;
  }
  __builtin___clear_cache(reinterpret_cast<char *>(model.adds), reinterpret_cast<char *>(model.adds + kept));
  if (mprotect(model.adds, kept, PROT_READ | PROT_EXEC) != 0)
    return fail(err, TRI_NOT_ALLOWED, "the system does not allow weights to become code: %s", strerror(errno));
  return TRI_OK;
}

static tri_status fillArena(tri_model &model, const Container &container, const fb::Variant &variant, uint8_t *trits, tri_error *err) {
  if (const tri_status status = reserveAdds(model, variant, err); status != TRI_OK) return status;
  uint64_t addsUsed = 0;
  const uint8_t *weights = container.data(kWeightsSection);
  uint64_t end = 0;
  for (uint32_t i = 0; i < (variant.placements() ? variant.placements()->size() : 0); ++i) {
    const fb::Placement &p = *variant.placements()->Get(i);
    const fb::Blob &blob = *model.description->blobs()->Get(p.blob());
    const uint8_t *bytes = weights + blob.offset();
    uint8_t *to = model.arena + p.arena_offset();
    memset(model.arena + end, 0, p.arena_offset() - end);
    end = p.arena_offset() + p.arena_bytes();
    if (p.kind() == fb::PlacementKind::Copy) {
      memcpy(to, bytes, p.arena_bytes());
      continue;
    }
    const int8_t *canonical = reinterpret_cast<const int8_t *>(bytes);
    if (blob.encoding() == fb::Encoding::T5) {
      if (tri_unpack_t5(bytes, blob.count(), reinterpret_cast<int8_t *>(trits)) != 0)
        return fail(err, TRI_CORRUPT, "weights '%.100s' (blob %u): a byte is not five trits", blob.key()->c_str(), p.blob());
      canonical = reinterpret_cast<const int8_t *>(trits);
    }
    if (p.kind() == fb::PlacementKind::Adds) {
      const tri_adds_layout layout = addsLayout(p);
      auto *addresses = reinterpret_cast<uint64_t *>(to);
      const uint64_t bytes = tri_adds_emit(canonical, &layout, model.adds + addsUsed, addresses);
      for (size_t f = 0; f < tri_adds_functions(&layout); ++f) addresses[f] += uint64_t(reinterpret_cast<uintptr_t>(model.adds + addsUsed));
      addsUsed += alignUp(bytes, 64);
      continue;
    }
    const tri_panel_layout layout = {p.o(), p.ko(), p.ki(), p.nr(), p.kr()};
    if (p.kind() == fb::PlacementKind::Panels2)
      tri_pack_panels2(canonical, &layout, to);
    else if (p.kind() == fb::PlacementKind::Panels3)
      tri_pack_panels3(canonical, &layout, to);
    else if (p.kind() == fb::PlacementKind::Codes)
      tri_pack_codes(canonical, &layout, to);
    else
      tri_pack_panels(canonical, &layout, reinterpret_cast<int8_t *>(to));
  }
  memset(model.arena + end, 0, model.arenaAllocated - end);
  return finishAdds(model, addsUsed, err);
}

static tri_status loadWeights(tri_model &model, const Container &container, const fb::Variant &variant, tri_error *err) {
  uint64_t largest = 0; // trits that are unpacked at one time
  for (uint32_t i = 0; i < (variant.placements() ? variant.placements()->size() : 0); ++i) {
    const fb::Blob &blob = *model.description->blobs()->Get(variant.placements()->Get(i)->blob());
    if (blob.encoding() == fb::Encoding::T5 && blob.count() > largest) largest = blob.count();
  }
  const size_t arenaBytes = size_t(alignUp(variant.arena_bytes(), TRI_BUFFER_ALIGNMENT)) + TRI_BUFFER_ALIGNMENT;
  model.arena = static_cast<uint8_t *>(allocate(model.allocator, arenaBytes, TRI_BUFFER_ALIGNMENT));
  if (!model.arena) return fail(err, TRI_NO_MEMORY, "no memory for %llu bytes of weights", (unsigned long long)arenaBytes);
  model.arenaAllocated = arenaBytes;
  uint8_t *trits = nullptr;
  if (largest && !(trits = static_cast<uint8_t *>(allocate(model.allocator, largest, TRI_BUFFER_ALIGNMENT))))
    return fail(err, TRI_NO_MEMORY, "no memory to unpack %llu weights", (unsigned long long)largest);
  const tri_status status = fillArena(model, container, variant, trits, err);
  release(model.allocator, trits, largest);
  return status;
}

tri_status triton::runtime::loadVariant(tri_model &model, const Container &container, const char *wanted, tri_error *err) {
  int32_t chosen = -1;
  tri_status status = chooseVariant(*model.description, wanted, &chosen, err);
  if (status != TRI_OK) return status;
  const fb::Variant &variant = *model.description->variants()->Get(uint32_t(chosen));
  status = loadCode(model, container, variant, err);
  if (status == TRI_OK) status = loadWeights(model, container, variant, err);
  if (status == TRI_OK) model.loadedVariant = chosen;
  return status;
}
