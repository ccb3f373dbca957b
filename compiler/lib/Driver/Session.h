// Artifacts opened through the C API, for the commands that run them.
#pragma once

#include "Command.h"
#include "triton/Driver/Timing.h"
#include "triton/Tensor/HostTensor.h"

#include <triton/runtime.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace triton::driver {

struct ModelDeleter {
  void operator()(tri_model *model) const { tri_model_destroy(model); }
};
struct SessionDeleter {
  void operator()(tri_session *session) const { tri_session_destroy(session); }
};
using ModelPtr = std::unique_ptr<tri_model, ModelDeleter>;
using SessionPtr = std::unique_ptr<tri_session, SessionDeleter>;

/// Memory that generated code may use in place: starts at a multiple of 64 and has 64 readable bytes behind its end.
class PaddedBuffer {
public:
  explicit PaddedBuffer(size_t bytes = 0);
  uint8_t *data() { return bytes.get(); }
  size_t size() const { return count; }

private:
  struct Free {
    void operator()(uint8_t *p) const { std::free(p); }
  };
  std::unique_ptr<uint8_t, Free> bytes;
  size_t count;
};

/// An opened model with one entry point.
struct OpenModel {
  ModelPtr model;
  std::string path;
  uint32_t entry = 0;
  tri_model_info info{};
  tri_entry_info entryInfo{};
  std::vector<tri_tensor_info> inputs, outputs;
  double loadMs = 0;

  /// The loaded variant's target name.
  std::string variant() const;
};

/// An Error of the right kind for a status of the runtime.
Error runtimeError(const tri_error &error, const std::string &path);

/// Opens an artifact's bytes and loads the variant that --variant asks for. `path` stands in messages.
Result<OpenModel> openArtifact(const Arguments &arguments, const std::vector<uint8_t> &bytes, const std::string &path);

/// Opens PATH: a `.tri` file is compiled first, anything else is taken for an artifact. When the program itself was at fault the
/// diagnostics are printed already, and the Error's message is empty. With `outBytes` the artifact is read into memory, opened from
/// there and left in it.
Result<OpenModel> openModel(const Arguments &arguments, const std::string &path, std::vector<uint8_t> *outBytes = nullptr);

/// A session with buffers for every input and output. One-thread.
class Runner {
public:
  static Result<Runner> create(const OpenModel &model, int threads, int64_t batch);

  /// The buffer of input i for `dtype`; its size fits the session's batch.
  PaddedBuffer &input(size_t i) { return inputBuffers[i]; }
  PaddedBuffer &output(size_t i) { return outputBuffers[i]; }
  void setInputDtype(size_t i, tri_dtype dtype);
  Result<void> run(int64_t batch = 0);
  /// From now on every run writes the nanoseconds of each step into `times`, one for each step of the entry point; empty: no times.
  void setProfile(std::span<uint64_t> times) { profile = times; }
  uint64_t workspaceBytes() const { return tri_session_workspace_bytes(session.get()); }
  tri_session *handle() { return session.get(); }

private:
  const OpenModel *model = nullptr;
  SessionPtr session;
  int64_t sessionBatch = 1;
  std::vector<PaddedBuffer> inputBuffers, outputBuffers;
  std::vector<tri_dtype> inputDtypes;
  std::span<uint64_t> profile;
};

/// Elements of a tensor for one batch; the batch axis counts as `batch`.
int64_t elementCount(const tri_tensor_info &tensor, int64_t batch);

} // namespace triton::driver
