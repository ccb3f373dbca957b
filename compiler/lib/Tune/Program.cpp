#include "Program.h"

#include "triton/Artifact/Artifact.h"

#include <cstring>

namespace triton::tuning {

namespace {

Error failed(const tri_error &error) { return Error{error.message, ErrorKind::Environment}; }

/// Plausible values of a type: small reals, all codes, and 0 for what may be an index.
std::vector<uint8_t> madeUp(tri_dtype type, uint64_t bytes) {
  std::vector<uint8_t> out(bytes);
  uint64_t state = 0x9E3779B97F4A7C15u;
  auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return uint32_t(state >> 33);
  };
  auto fill = [&](auto value) {
    using T = decltype(value());
    for (size_t i = 0; i + sizeof(T) <= bytes; i += sizeof(T)) {
      T v = value();
      std::memcpy(out.data() + i, &v, sizeof v);
    }
  };
  switch (type) {
  case TRI_TRIT: fill([&] { return int8_t(int(next() % 3) - 1); }); break;
  case TRI_BOOL: fill([&] { return uint8_t(next() & 1); }); break;
  case TRI_INT4: fill([&] { return int8_t(int(next() & 15) - 8); }); break;
  case TRI_UINT4: fill([&] { return uint8_t(next() & 15); }); break;
  case TRI_INT6: fill([&] { return int8_t(int(next() & 63) - 32); }); break;
  case TRI_UINT6: fill([&] { return uint8_t(next() & 63); }); break;
  case TRI_INT8:
  case TRI_UINT8: fill([&] { return uint8_t(next()); }); break;
  case TRI_FLOAT32: fill([&] { return float(next() & 0xffff) / 65536.0f; }); break;
  case TRI_FLOAT16: fill([&] { return uint16_t(0x3800 | (next() & 0x3ff)); }); break; // 0.5 to 1
  case TRI_BFLOAT16: fill([&] { return uint16_t(0x3f00 | (next() & 0x7f)); }); break;
  default: break;
  }
  return out;
}

} // namespace

Result<Program> Program::open(const CompiledModel &compiled, const std::string &target) {
  Result<std::vector<uint8_t>> bytes = writeArtifact(compiled);
  if (!bytes) return bytes.takeError();
  Program out;
  tri_error error{};
  tri_model_options options{};
  options.allow_code = 1;
  options.variant = target.c_str();
  tri_model *model = nullptr;
  if (tri_model_open(bytes->data(), bytes->size(), &options, &model, &error) != TRI_OK) return failed(error);
  out.model.reset(model);
  tri_entry_info entry{};
  if (tri_model_get_entry(model, 0, &entry) != TRI_OK) return Error{"the program has no entry point", ErrorKind::Internal};
  out.steps = entry.steps;
  tri_session_options how{};
  how.batch = how.threads = 1;
  tri_tensor_info info{};
  // A fixed batch is in the shapes; where it is not fixed the dimension is -1.
  tri_session *session = nullptr;
  if (tri_session_create(model, &how, &session, &error) != TRI_OK) return failed(error);
  out.session.reset(session);
  for (uint32_t i = 0; i < entry.inputs; ++i) {
    if (tri_model_get_input(model, 0, i, &info) != TRI_OK || info.dtype_count == 0) return Error{"an input has no type", ErrorKind::Internal};
    out.inputTypes.push_back(tri_dtype(info.dtypes[0]));
    out.inputs.push_back(madeUp(out.inputTypes.back(), tri_session_input_bytes(session, i, out.inputTypes.back(), 1)));
  }
  for (uint32_t i = 0; i < entry.outputs; ++i) {
    if (tri_model_get_output(model, 0, i, &info) != TRI_OK || info.dtype_count == 0) return Error{"an output has no type", ErrorKind::Internal};
    out.resultTypes.push_back(tri_dtype(info.dtypes[0]));
    out.results.emplace_back(tri_session_output_bytes(session, i, 1));
  }
  return out;
}

Result<void> Program::run(std::vector<uint64_t> &times) {
  std::vector<tri_input> in;
  std::vector<tri_output> out;
  for (size_t i = 0; i < inputs.size(); ++i) in.push_back({inputs[i].data(), inputs[i].size(), inputTypes[i], 0});
  for (size_t i = 0; i < results.size(); ++i) out.push_back({results[i].data(), results[i].size(), resultTypes[i], 0});
  times.assign(steps, 0);
  tri_run_args args{};
  args.inputs = in.data();
  args.outputs = out.data();
  args.input_count = uint32_t(in.size());
  args.output_count = uint32_t(out.size());
  args.batch = 1;
  args.profile_ns = times.data();
  args.profile_count = steps;
  tri_error error{};
  if (tri_session_run(session.get(), &args, &error) != TRI_OK) return failed(error);
  return {};
}

} // namespace triton::tuning
