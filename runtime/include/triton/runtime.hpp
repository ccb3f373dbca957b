// C++17 over the C API (runtime.h): RAII and results instead of pairs of calls and status codes. Header-only, throws nothing of its
// own. What runtime.h says about errors, threads and untrusted files holds here too.
//
//   tri::ModelOptions options;
//   options.allow_code = true;
//   auto model = tri::Model::open("lenet.tern", options);
//   if (!model) return report(model.error().message);
//   auto session = tri::Session::create(*model);
//   if (auto error = session->run({tri::input(image)}, {tri::output(logits)})) return report(error->message);
#ifndef TRITON_RUNTIME_HPP
#define TRITON_RUNTIME_HPP

#include "triton/runtime.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <type_traits>
#include <utility>

namespace tri {

/// A status other than TRI_OK, with its message.
using Error = tri_error;

/// A value or an Error. Look before use: `if (result) use(*result)`.
template <typename T>
class [[nodiscard]] Result {
public:
  Result(T value) : stored(std::move(value)) {}
  Result(const Error &error) : failure(error) {}
  explicit operator bool() const { return stored.has_value(); }
  T &operator*() { return *stored; }
  const T &operator*() const { return *stored; }
  T *operator->() { return &*stored; }
  const T *operator->() const { return &*stored; }
  const Error &error() const { return failure; }

private:
  std::optional<T> stored;
  Error failure{};
};

/// All zero: describe only, any file, malloc.
using ModelOptions = tri_model_options;
/// All zero: first entry point, batch 1, one thread.
using SessionOptions = tri_session_options;

/// An opened artifact. Move-only; thread-safe once opened; must outlive its sessions.
class Model {
public:
  static Result<Model> open(const char *path, const ModelOptions &options = {}) {
    tri_model *model = nullptr;
    Error error{};
    return tri_model_open_file(path, &options, &model, &error) == TRI_OK ? Result<Model>(Model(model)) : Result<Model>(error);
  }
  /// `bytes` is not needed after the call.
  static Result<Model> open(const void *bytes, size_t size, const ModelOptions &options = {}) {
    tri_model *model = nullptr;
    Error error{};
    return tri_model_open(bytes, size, &options, &model, &error) == TRI_OK ? Result<Model>(Model(model)) : Result<Model>(error);
  }

  Model(Model &&other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  Model &operator=(Model &&other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~Model() { tri_model_destroy(handle); }

  tri_model_info info() const {
    tri_model_info out{};
    tri_model_get_info(handle, &out);
    return out;
  }
  std::optional<tri_entry_info> entry(uint32_t index) const { return get<tri_entry_info>(tri_model_get_entry, index); }
  std::optional<tri_tensor_info> input(uint32_t entry, uint32_t index) const { return get<tri_tensor_info>(tri_model_get_input, entry, index); }
  std::optional<tri_tensor_info> output(uint32_t entry, uint32_t index) const { return get<tri_tensor_info>(tri_model_get_output, entry, index); }
  std::optional<tri_step_info> step(uint32_t entry, uint32_t index) const { return get<tri_step_info>(tri_model_get_step, entry, index); }
  std::optional<tri_variant_info> variant(uint32_t index) const { return get<tri_variant_info>(tri_model_get_variant, index); }
  /// For the profiler `perf`; see tri_model_write_perf_map.
  std::optional<Error> writePerfMap(const char *path = nullptr) const {
    Error error{};
    return tri_model_write_perf_map(handle, path, &error) == TRI_OK ? std::nullopt : std::optional<Error>(error);
  }
  /// The name of a class, or null.
  const char *label(uint32_t entry, uint32_t index) const { return tri_model_get_label(handle, entry, index); }
  std::optional<uint32_t> findEntry(const char *name) const {
    uint32_t index;
    return tri_model_find_entry(handle, name, &index) == TRI_OK ? std::optional(index) : std::nullopt;
  }
  tri_model *get() const { return handle; }

private:
  explicit Model(tri_model *model) : handle(model) {}
  template <typename Info, typename Getter, typename... Index>
  std::optional<Info> get(Getter getter, Index... index) const {
    Info out{};
    return getter(handle, index..., &out) == TRI_OK ? std::optional<Info>(out) : std::nullopt;
  }
  tri_model *handle;
};

/// The dtype of a C++ element type.
template <typename T>
constexpr tri_dtype dtypeOf() {
  using E = std::remove_cv_t<T>;
  static_assert(std::is_same_v<E, int8_t> || std::is_same_v<E, uint8_t> || std::is_same_v<E, int16_t> || std::is_same_v<E, int32_t> ||
                    std::is_same_v<E, int64_t> || std::is_same_v<E, float>,
                "state the dtype: this type is not one of its own");
  if (std::is_same_v<E, int8_t>) return TRI_INT8;
  if (std::is_same_v<E, uint8_t>) return TRI_UINT8;
  if (std::is_same_v<E, int16_t>) return TRI_INT16;
  if (std::is_same_v<E, int32_t>) return TRI_INT32;
  if (std::is_same_v<E, int64_t>) return TRI_INT64;
  return TRI_FLOAT32;
}

/// Tensors from anything with data() and size() (std::vector, std::array, std::span). The memory is borrowed until the run ends.
template <typename Range>
tri_input input(const Range &range) {
  using Element = std::remove_pointer_t<decltype(range.data())>;
  return {range.data(), range.size() * sizeof(Element), dtypeOf<Element>(), 0};
}
template <typename Range>
tri_input input(const Range &range, tri_dtype dtype) {
  return {range.data(), range.size() * sizeof(*range.data()), dtype, 0};
}
template <typename Range>
tri_output output(Range &range) {
  using Element = std::remove_pointer_t<decltype(range.data())>;
  return {range.data(), range.size() * sizeof(Element), dtypeOf<Element>(), 0};
}
template <typename Range>
tri_output output(Range &range, tri_dtype dtype) {
  return {range.data(), range.size() * sizeof(*range.data()), dtype, 0};
}

/// Memory and threads for one entry point. Move-only; one-thread.
class Session {
public:
  /// `model` is borrowed until the session ends.
  static Result<Session> create(const Model &model, const SessionOptions &options = {}) {
    tri_session *session = nullptr;
    Error error{};
    return tri_session_create(model.get(), &options, &session, &error) == TRI_OK ? Result<Session>(Session(session)) : Result<Session>(error);
  }
  Session(Session &&other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  Session &operator=(Session &&other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~Session() { tri_session_destroy(handle); }

  /// Nothing if it worked.
  [[nodiscard]] std::optional<Error> run(const tri_run_args &args) {
    Error error{};
    return tri_session_run(handle, &args, &error) == TRI_OK ? std::nullopt : std::optional<Error>(error);
  }
  /// `batch` 0 means the session's.
  [[nodiscard]] std::optional<Error> run(std::initializer_list<tri_input> inputs, std::initializer_list<tri_output> outputs, int64_t batch = 0) {
    return run({inputs.begin(), outputs.begin(), uint32_t(inputs.size()), uint32_t(outputs.size()), batch, nullptr, 0, 0});
  }
  uint64_t workspaceBytes() const { return tri_session_workspace_bytes(handle); }
  uint64_t inputBytes(uint32_t index, tri_dtype dtype, int64_t batch) const { return tri_session_input_bytes(handle, index, dtype, batch); }
  uint64_t outputBytes(uint32_t index, int64_t batch) const { return tri_session_output_bytes(handle, index, batch); }
  tri_session *get() const { return handle; }

private:
  explicit Session(tri_session *session) : handle(session) {}
  tri_session *handle;
};

} // namespace tri

#endif
