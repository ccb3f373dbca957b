// Runs the steps of generated code on guarded buffers, in this process. Needs nothing but POSIX, so that the same code, cross-built,
// runs foreign code under an emulator. Every buffer ends where over-reads stop being allowed (TRI_BUFFER_ALIGNMENT bytes past its end).
#pragma once

#include "artifact/kernel_abi.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace triton::test {

using Bytes = std::vector<unsigned char>;

/// One run of a program.
struct Job {
  Bytes elf;
  std::vector<uint64_t> steps; ///< addresses in the object, in order
  Bytes weights;
  Bytes adds;                          ///< weights as code; this process only
  std::vector<uint64_t> addsAddresses; ///< where `weights` has offsets in `adds` that become addresses
  uint64_t workspaceBytes = 0;
  uint64_t scratchBytes = 0; ///< of each thread
  std::vector<Bytes> inputs;
  std::vector<uint64_t> outputBytes;
  int64_t batch = 1;
  int32_t threads = 1;
  std::vector<int32_t> parts; ///< of each step; empty: `threads` each
};

struct JobResult {
  int32_t status = 0; ///< of the first step that failed
  std::vector<Bytes> outputs;
  std::string error;  ///< the harness failed
};

/// Memory whose last admitted byte lies before a page that faults.
class GuardedBuffer {
public:
  explicit GuardedBuffer(size_t bytes, unsigned char fill = 0xA5) : bytes(bytes) {
    size_t page = 4096, padded = (bytes + TRI_BUFFER_ALIGNMENT - 1) / TRI_BUFFER_ALIGNMENT * TRI_BUFFER_ALIGNMENT + TRI_BUFFER_ALIGNMENT;
    mapped = (padded + page - 1) / page * page + page;
    base = static_cast<unsigned char *>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base == MAP_FAILED)
      std::abort();
    memset(base, fill, mapped - page); // nothing may depend on fresh memory being zero
    mprotect(base + mapped - page, page, PROT_NONE);
    data = base + mapped - page - padded;
  }
  ~GuardedBuffer() { munmap(base, mapped); }
  GuardedBuffer(const GuardedBuffer &) = delete;
  /// Nothing may have been written into the slack behind the end.
  bool slackIntact(unsigned char fill = 0xA5) const {
    for (const unsigned char *p = data + bytes; p < base + mapped - 4096; ++p)
      if (*p != fill)
        return false;
    return true;
  }
  unsigned char *data;
  size_t bytes;

private:
  unsigned char *base;
  size_t mapped;
};

inline JobResult runJob(const Job &job) {
  JobResult result;
  int fd = memfd_create("code", 0);
  if (fd < 0 || write(fd, job.elf.data(), job.elf.size()) != ssize_t(job.elf.size())) {
    result.error = "memfd failed";
    return result;
  }
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  close(fd);
  if (!handle) {
    result.error = dlerror();
    return result;
  }
  struct link_map *map = nullptr;
  dlinfo(handle, RTLD_DI_LINKMAP, &map);
  {
    GuardedBuffer weights(job.weights.size()), workspace(job.workspaceBytes);
    Bytes loaded = job.weights;
    void *adds = nullptr;
    if (!job.adds.empty()) {
      adds = mmap(nullptr, job.adds.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (adds == MAP_FAILED)
        std::abort();
      memcpy(adds, job.adds.data(), job.adds.size());
      mprotect(adds, job.adds.size(), PROT_READ | PROT_EXEC);
      for (uint64_t at : job.addsAddresses) {
        uint64_t address;
        memcpy(&address, loaded.data() + at, sizeof address);
        address += reinterpret_cast<uintptr_t>(adds);
        memcpy(loaded.data() + at, &address, sizeof address);
      }
    }
    if (!loaded.empty()) memcpy(weights.data, loaded.data(), loaded.size());
    std::vector<GuardedBuffer *> inputs, outputs;
    std::vector<const void *> inputPointers;
    std::vector<void *> outputPointers;
    for (const Bytes &input : job.inputs) {
      inputs.push_back(new GuardedBuffer(input.size()));
      memcpy(inputs.back()->data, input.data(), input.size());
      inputPointers.push_back(inputs.back()->data);
    }
    for (uint64_t bytes : job.outputBytes) {
      outputs.push_back(new GuardedBuffer(bytes));
      outputPointers.push_back(outputs.back()->data);
    }
    std::vector<std::unique_ptr<GuardedBuffer>> scratch;
    for (int32_t t = 0; t < job.threads; ++t)
      scratch.push_back(std::make_unique<GuardedBuffer>(job.scratchBytes));
    tri_kernel_args args = {weights.data, workspace.data, nullptr, inputPointers.data(), outputPointers.data(), job.batch, 0, 0, job.threads};
    for (size_t s = 0; s < job.steps.size() && result.status == 0; ++s) {
      args.parts = job.parts.empty() ? job.threads : job.parts[s];
      // Every thread does several parts, which are neighbours in every other step, and may find what the one before left.
      bool neighbours = (s + size_t(job.threads)) % 2;
      int32_t stride = neighbours ? 1 : args.parts % 3 ? 3 : args.parts % 5 ? 5 : 1, each = (args.parts + job.threads - 1) / job.threads;
      for (int32_t i = 0; i < args.parts && result.status == 0; ++i) {
        GuardedBuffer &own = *scratch[size_t(i / each)];
        args.scratch = job.scratchBytes ? own.data : nullptr;
        if (i % each == 0 && job.scratchBytes)
          memset(own.data, 0, TRI_SCRATCH_HEADER);
        args.part = int32_t(int64_t(i) * stride % args.parts);
        result.status = reinterpret_cast<tri_step_fn>(map->l_addr + job.steps[s])(&args);
      }
    }
    for (const auto &own : scratch)
      if (!own->slackIntact())
        result.error = "scratch was written past its end";
    for (GuardedBuffer *buffer : outputs) {
      if (!buffer->slackIntact())
        result.error = "an output was written past its end";
      result.outputs.emplace_back(buffer->data, buffer->data + buffer->bytes);
      delete buffer;
    }
    if (!workspace.slackIntact())
      result.error = "the workspace was written past its end";
    if (memcmp(weights.data, loaded.data(), loaded.size()) != 0)
      result.error = "the weights were written";
    if (adds)
      munmap(adds, job.adds.size());
    for (GuardedBuffer *buffer : inputs)
      delete buffer;
  }
  dlclose(handle);
  return result;
}

// ---- Jobs as files, for the cross-built runner ----------------------------------------------------------------------------

inline void writeBytes(FILE *f, const Bytes &b) {
  uint64_t n = b.size();
  fwrite(&n, 8, 1, f);
  fwrite(b.data(), 1, b.size(), f);
}
inline Bytes readBytes(FILE *f) {
  uint64_t n = 0;
  if (fread(&n, 8, 1, f) != 1)
    return {};
  Bytes b(n);
  if (fread(b.data(), 1, n, f) != n)
    return {};
  return b;
}
template <typename T>
void writeOne(FILE *f, T v) { fwrite(&v, sizeof v, 1, f); }
template <typename T>
T readOne(FILE *f) {
  T v{};
  if (fread(&v, sizeof v, 1, f) != 1)
    v = T{};
  return v;
}

inline void writeJob(FILE *f, const Job &job) {
  writeBytes(f, job.elf);
  writeOne<uint64_t>(f, job.steps.size());
  for (uint64_t s : job.steps)
    writeOne(f, s);
  writeBytes(f, job.weights);
  writeOne(f, job.workspaceBytes);
  writeOne<uint64_t>(f, job.inputs.size());
  for (const Bytes &b : job.inputs)
    writeBytes(f, b);
  writeOne<uint64_t>(f, job.outputBytes.size());
  for (uint64_t n : job.outputBytes)
    writeOne(f, n);
  writeOne(f, job.batch);
  writeOne(f, job.threads);
  writeOne(f, job.scratchBytes);
  writeOne<uint64_t>(f, job.parts.size());
  for (int32_t n : job.parts)
    writeOne(f, n);
}
inline Job readJob(FILE *f) {
  Job job;
  job.elf = readBytes(f);
  job.steps.resize(readOne<uint64_t>(f));
  for (uint64_t &s : job.steps)
    s = readOne<uint64_t>(f);
  job.weights = readBytes(f);
  job.workspaceBytes = readOne<uint64_t>(f);
  job.inputs.resize(readOne<uint64_t>(f));
  for (Bytes &b : job.inputs)
    b = readBytes(f);
  job.outputBytes.resize(readOne<uint64_t>(f));
  for (uint64_t &n : job.outputBytes)
    n = readOne<uint64_t>(f);
  job.batch = readOne<int64_t>(f);
  job.threads = readOne<int32_t>(f);
  job.scratchBytes = readOne<uint64_t>(f);
  job.parts.resize(readOne<uint64_t>(f));
  for (int32_t &n : job.parts)
    n = readOne<int32_t>(f);
  return job;
}
inline void writeResult(FILE *f, const JobResult &r) {
  writeOne(f, r.status);
  writeBytes(f, Bytes(r.error.begin(), r.error.end()));
  writeOne<uint64_t>(f, r.outputs.size());
  for (const Bytes &b : r.outputs)
    writeBytes(f, b);
}
inline JobResult readResult(FILE *f) {
  JobResult r;
  r.status = readOne<int32_t>(f);
  Bytes error = readBytes(f);
  r.error.assign(error.begin(), error.end());
  r.outputs.resize(readOne<uint64_t>(f));
  for (Bytes &b : r.outputs)
    b = readBytes(f);
  return r;
}

} // namespace triton::test
