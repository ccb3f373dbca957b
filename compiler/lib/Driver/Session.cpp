// Opens artifacts and runs them through the C API.
#include "Session.h"

#include "Compile.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

namespace triton::driver {

PaddedBuffer::PaddedBuffer(size_t size) : count(size) {
  size_t padded = (size + 64 + 63) / 64 * 64;
  auto *p = static_cast<uint8_t *>(std::aligned_alloc(64, padded));
  if (!p) {
    fmt::print(stderr, "triton: error: no memory for a buffer of {} bytes\n", size);
    std::exit(kEnvironment);
  }
  std::memset(p, 0, padded);
  bytes.reset(p);
}

Error runtimeError(const tri_error &error, const std::string &path) {
  ErrorKind kind = ErrorKind::Internal;
  switch (error.status) {
  case TRI_CORRUPT:
  case TRI_INVALID_INPUT:
  case TRI_NOT_FOUND: kind = ErrorKind::Input; break;
  case TRI_DIGEST_MISMATCH: kind = ErrorKind::Mismatch; break;
  case TRI_NO_MEMORY:
  case TRI_IO_ERROR:
  case TRI_UNSUPPORTED:
  case TRI_NOT_ALLOWED:
  case TRI_SYSTEM_ERROR: kind = ErrorKind::Environment; break;
  default: break;
  }
  // Messages about opening a file name it already.
  std::string message = error.message;
  return Error{message.compare(0, path.size(), path) == 0 ? message : path + ": " + message, kind};
}

std::string OpenModel::variant() const {
  tri_variant_info info{};
  if (this->info.loaded_variant < 0 ||
      tri_model_get_variant(model.get(), uint32_t(this->info.loaded_variant), &info) != TRI_OK)
    return "";
  return info.target;
}

static Result<OpenModel> describe(const Arguments &arguments, OpenModel out) {
  tri_model_get_info(out.model.get(), &out.info);
  std::string wanted = arguments.get(OptionId::Entry);
  if (!wanted.empty() && tri_model_find_entry(out.model.get(), wanted.c_str(), &out.entry) != TRI_OK)
    return Error{fmt::format("{}: no entry point '{}'", out.path, wanted)};
  if (tri_model_get_entry(out.model.get(), out.entry, &out.entryInfo) != TRI_OK)
    return Error{out.path + ": no entry point"};
  for (uint32_t i = 0; i < out.entryInfo.inputs; ++i) {
    out.inputs.emplace_back();
    if (tri_model_get_input(out.model.get(), out.entry, i, &out.inputs.back()) != TRI_OK)
      return Error{out.path + ": an input cannot be read", ErrorKind::Internal};
  }
  for (uint32_t i = 0; i < out.entryInfo.outputs; ++i) {
    out.outputs.emplace_back();
    if (tri_model_get_output(out.model.get(), out.entry, i, &out.outputs.back()) != TRI_OK)
      return Error{out.path + ": an output cannot be read", ErrorKind::Internal};
  }
  return out;
}

/// Opens a model with the variant of --variant by `open(options, &model, &error)`, timed, and describes it.
template <typename Open>
static Result<OpenModel> openWith(const Arguments &arguments, const std::string &path, Open open) {
  OpenModel out;
  out.path = path;
  std::string variant = arguments.get(OptionId::Variant);
  tri_model_options options{};
  options.allow_code = 1;
  options.variant = variant.empty() ? nullptr : variant.c_str();
  tri_model *model = nullptr;
  tri_error error{};
  Timing::Clock::time_point start = Timing::Clock::now();
  if (open(&options, &model, &error) != TRI_OK) return runtimeError(error, path);
  out.loadMs = std::chrono::duration<double, std::milli>(Timing::Clock::now() - start).count();
  out.model.reset(model);
  if (arguments.has(OptionId::PerfMap) && tri_model_write_perf_map(model, nullptr, &error) != TRI_OK) return runtimeError(error, path);
  return describe(arguments, std::move(out));
}

Result<OpenModel> openArtifact(const Arguments &arguments, const std::vector<uint8_t> &bytes, const std::string &path) {
  return openWith(arguments, path, [&](const tri_model_options *options, tri_model **model, tri_error *error) {
    return tri_model_open(bytes.data(), bytes.size(), options, model, error);
  });
}

Result<OpenModel> openModel(const Arguments &arguments, const std::string &path, std::vector<uint8_t> *outBytes) {
  if (path.ends_with(".tri")) {
    Timing timing;
    Result<CompiledArtifact> artifact = compileFile(arguments, path, timing);
    if (!artifact) return artifact.takeError();
    printWarnings(arguments, artifact->report.summary);
    if (outBytes) *outBytes = artifact->bytes;
    return openArtifact(arguments, artifact->bytes, path);
  }
  for (OptionId id : {OptionId::OptLevel, OptionId::Target, OptionId::Weights, OptionId::RandomWeights})
    if (arguments.has(id))
      return Error{fmt::format("'{}' steers the compiler, but {} is compiled already", allOptions()[size_t(id)].longName, path),
                   ErrorKind::Usage};
  if (outBytes) {
    Result<std::string> text = readFileBytes(path);
    if (!text) return text.takeError();
    std::vector<uint8_t> bytes(text->begin(), text->end());
    Result<OpenModel> model = openArtifact(arguments, bytes, path);
    *outBytes = std::move(bytes);
    return model;
  }
  return openWith(arguments, path, [&](const tri_model_options *options, tri_model **model, tri_error *error) {
    return tri_model_open_file(path.c_str(), options, model, error);
  });
}

int64_t elementCount(const tri_tensor_info &tensor, int64_t batch) {
  int64_t count = 1;
  for (uint32_t i = 0; i < tensor.rank; ++i) count *= tensor.dims[i] < 0 ? batch : tensor.dims[i];
  return count;
}

Result<Runner> Runner::create(const OpenModel &model, int threads, int64_t batch) {
  Runner out;
  out.model = &model;
  out.sessionBatch = batch;
  std::string entry = model.entryInfo.name;
  tri_session_options options{};
  options.entry = entry.c_str();
  options.batch = batch;
  options.threads = threads;
  tri_session *session = nullptr;
  tri_error error{};
  if (tri_session_create(model.model.get(), &options, &session, &error) != TRI_OK) return runtimeError(error, model.path);
  out.session.reset(session);
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    uint64_t largest = 0;
    for (uint32_t d = 0; d < model.inputs[i].dtype_count; ++d)
      largest = std::max(largest, tri_session_input_bytes(session, uint32_t(i), tri_dtype(model.inputs[i].dtypes[d]), batch));
    out.inputBuffers.emplace_back(largest);
    out.inputDtypes.push_back(tri_dtype(model.inputs[i].dtypes[0]));
  }
  for (size_t i = 0; i < model.outputs.size(); ++i)
    out.outputBuffers.emplace_back(tri_session_output_bytes(session, uint32_t(i), batch));
  return out;
}

void Runner::setInputDtype(size_t i, tri_dtype dtype) { inputDtypes[i] = dtype; }

Result<void> Runner::run(int64_t batch) {
  if (batch == 0) batch = sessionBatch;
  // Arrays on the stack: a run of the session allocates nothing, and neither should its caller here.
  constexpr size_t kMost = 16;
  tri_input inputs[kMost];
  tri_output outputs[kMost];
  if (inputBuffers.size() > kMost || outputBuffers.size() > kMost)
    return Error{model->path + ": more than 16 inputs or outputs", ErrorKind::Environment};
  for (size_t i = 0; i < inputBuffers.size(); ++i)
    inputs[i] = {inputBuffers[i].data(), tri_session_input_bytes(session.get(), uint32_t(i), inputDtypes[i], batch),
                 inputDtypes[i], TRI_BUFFER_PADDED};
  for (size_t i = 0; i < outputBuffers.size(); ++i)
    outputs[i] = {outputBuffers[i].data(), tri_session_output_bytes(session.get(), uint32_t(i), batch),
                  tri_dtype(model->outputs[i].dtypes[0]), TRI_BUFFER_PADDED};
  tri_run_args args{};
  args.inputs = inputs;
  args.outputs = outputs;
  args.input_count = uint32_t(inputBuffers.size());
  args.output_count = uint32_t(outputBuffers.size());
  args.batch = batch;
  args.profile_ns = profile.empty() ? nullptr : profile.data();
  args.profile_count = uint32_t(profile.size());
  tri_error error{};
  if (tri_session_run(session.get(), &args, &error) != TRI_OK) return runtimeError(error, model->path);
  return {};
}

} // namespace triton::driver
