// `triton run`: one inference on files.
#include "Compile.h"
#include "Session.h"
#include "Zoo.h"
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Npy.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <optional>

namespace triton::driver {

namespace {
/// One given input: which it is, and its elements.
struct GivenInput {
  tri_dtype dtype;
  int64_t batch;
  std::vector<uint8_t> bytes;
  TensorShape shape;
};
} // namespace

static std::optional<ElementType> elementOf(tri_dtype dtype) {
  switch (dtype) {
  case TRI_BOOL: return ElementType::Bool;
  case TRI_TRIT: case TRI_INT4: case TRI_INT6: case TRI_INT8: return ElementType::I8;
  case TRI_UINT4: case TRI_UINT6: case TRI_UINT8: return ElementType::U8;
  case TRI_INT16: return ElementType::I16;
  case TRI_INT32: return ElementType::I32;
  case TRI_INT64: return ElementType::I64;
  case TRI_FLOAT16: return ElementType::F16;
  case TRI_BFLOAT16: return ElementType::BF16;
  case TRI_FLOAT32: return ElementType::F32;
  default: return std::nullopt;
  }
  return std::nullopt;
}

static std::string shapeText(const tri_tensor_info &tensor) {
  std::string out = "[";
  for (uint32_t i = 0; i < tensor.rank; ++i)
    out += (i ? ", " : "") + (tensor.dims[i] < 0 ? std::string(tensor.batch_name) : std::to_string(tensor.dims[i]));
  return out + "]";
}

/// Reads a file for an input: .npy states dtype and shape; other files are raw bytes in the input's first dtype that fits.
static Result<GivenInput> readInput(const tri_tensor_info &tensor, const std::string &file) {
  GivenInput out{};
  int64_t perBatch = elementCount(tensor, 1);
  bool batched = tensor.rank > 0 && tensor.dims[0] < 0;
  if (file.ends_with(".npy")) {
    Result<HostTensor> given = readNpy(file);
    if (!given) return given.takeError();
    std::string accepted;
    bool found = false;
    for (uint32_t d = 0; d < tensor.dtype_count && !found; ++d) {
      out.dtype = tri_dtype(tensor.dtypes[d]);
      found = elementOf(out.dtype) == given->type;
      accepted += (d ? " or " : "") + std::string(tri_dtype_name(out.dtype));
    }
    if (!found) return Error{fmt::format("{}: input '{}' takes {}, the file holds {}", file, tensor.name, accepted, safetensorsName(given->type))};
    // A missing batch axis is read as a batch of one.
    TensorShape shape = given->shape;
    if (batched && shape.size() + 1 == tensor.rank) shape.insert(shape.begin(), 1);
    bool fits = shape.size() == tensor.rank;
    for (size_t i = 0; fits && i < shape.size(); ++i) fits = tensor.dims[i] < 0 ? shape[i] >= 1 : shape[i] == tensor.dims[i];
    if (!fits) return Error{fmt::format("{}: input '{}' has shape {}, the file holds {}", file, tensor.name, shapeText(tensor), formatShape(given->shape))};
    out.batch = batched ? shape[0] : 1;
    out.bytes = std::move(given->bytes);
    out.shape = shape;
    return out;
  }
  Result<std::string> bytes = readFileBytes(file);
  if (!bytes) return bytes.takeError();
  for (uint32_t d = 0; d < tensor.dtype_count; ++d) {
    out.dtype = tri_dtype(tensor.dtypes[d]);
    uint64_t unit = uint64_t(perBatch) * tri_dtype_bytes(out.dtype);
    if (bytes->empty() || bytes->size() % unit || (!batched && bytes->size() != unit)) continue;
    out.batch = int64_t(bytes->size() / unit);
    out.bytes.assign(bytes->begin(), bytes->end());
    for (uint32_t i = 0; i < tensor.rank; ++i) out.shape.push_back(tensor.dims[i] < 0 ? out.batch : tensor.dims[i]);
    return out;
  }
  return Error{fmt::format("{}: {} bytes are no whole number of inputs '{}' of shape {}", file, bytes->size(), tensor.name, shapeText(tensor))};
}

/// The files of --input in the order of the model's inputs.
static Result<std::vector<std::string>> inputFiles(const Arguments &arguments, const OpenModel &model) {
  std::vector<std::string> files(model.inputs.size());
  std::vector<std::string> given = arguments.all(OptionId::Input);
  std::string names;
  for (const tri_tensor_info &input : model.inputs) names += (names.empty() ? "" : ", ") + std::string(input.name);
  for (size_t k = 0; k < given.size(); ++k) {
    size_t equals = given[k].find('='), index = k;
    std::string file = given[k];
    if (equals != std::string::npos) {
      std::string name = given[k].substr(0, equals);
      for (index = 0; index < model.inputs.size() && name != model.inputs[index].name; ++index) {}
      if (index == model.inputs.size())
        return Error{fmt::format("no input '{}'; the model's inputs: {}", name, names), ErrorKind::Usage};
      file = given[k].substr(equals + 1);
    }
    if (index >= files.size()) return Error{fmt::format("more --input than the model has inputs ({})", names), ErrorKind::Usage};
    files[index] = file;
  }
  for (size_t i = 0; i < files.size(); ++i)
    if (files[i].empty())
      return Error{fmt::format("input '{}' is missing: --input {}=FILE", model.inputs[i].name, model.inputs[i].name), ErrorKind::Usage};
  return files;
}

/// Writes outputs: FILE.npy for the only one; several go to FILE with the output's name put before its extension.
static Result<void> writeOutputs(const std::string &file, const OpenModel &model, const std::vector<HostTensor> &outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::filesystem::path path = file;
    if (outputs.size() > 1)
      path.replace_filename(path.stem().string() + "." + model.outputs[i].name + path.extension().string());
    Result<void> done;
    if (path.extension() == ".npy")
      done = writeNpy(path.string(), outputs[i]);
    else
      done = writeFileAtomically(path.string(), std::string_view(reinterpret_cast<const char *>(outputs[i].bytes.data()), outputs[i].bytes.size()));
    if (!done) return done.takeError();
  }
  return {};
}

static void printOutputs(const OpenModel &model, const std::vector<HostTensor> &outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    fmt::print("{} {} {}\n", model.outputs[i].name, tri_dtype_name(tri_dtype(model.outputs[i].dtypes[0])), formatShape(outputs[i].shape));
    std::vector<float> values = toFloats(outputs[i].type, outputs[i].bytes);
    size_t shown = std::min<size_t>(values.size(), 20);
    std::string line = " ";
    for (size_t k = 0; k < shown; ++k) line += fmt::format(" {:.6g}", values[k]);
    fmt::print("{}{}\n", line, shown < values.size() ? fmt::format(" ... ({} values)", values.size()) : "");
  }
}

int runRun(const Arguments &arguments) {
  if (arguments.positional.size() != 1)
    return fail(arguments, Error{"run needs one file: triton run M.tern --input x.npy", ErrorKind::Usage});
  Result<int64_t> threads = arguments.number(OptionId::Threads, 1, 1, TRI_MAX_THREADS);
  if (!threads) return fail(arguments, threads.error());
  const std::string &path = arguments.positional[0];
  Result<OpenModel> model = openModel(arguments, path);
  if (!model) return model.error().message.empty() ? int(kInputAtFault) : fail(arguments, model.error());
  Result<std::vector<std::string>> files = inputFiles(arguments, *model);
  if (!files) return fail(arguments, files.error());
  std::vector<GivenInput> given;
  int64_t batch = 1;
  for (size_t i = 0; i < files->size(); ++i) {
    Result<GivenInput> input = readInput(model->inputs[i], (*files)[i]);
    if (!input) return fail(arguments, input.error());
    bool batched = model->inputs[i].rank > 0 && model->inputs[i].dims[0] < 0;
    if (batched && batch != 1 && input->batch != batch)
      return fail(arguments, Error{fmt::format("{}: batch {} differs from another input's {}", (*files)[i], input->batch, batch)});
    if (batched) batch = input->batch;
    given.push_back(std::move(*input));
  }

  std::vector<HostTensor> outputs;
  if (arguments.has(OptionId::Oracle)) {
    if (!path.ends_with(".tri"))
      return fail(arguments, Error{"--oracle interprets a program: give the .tri file", ErrorKind::Usage});
    Result<OracleModel> oracle = openOracle(arguments, path);
    if (!oracle) return fail(arguments, oracle.error());
    std::vector<HostTensor> inputs;
    for (GivenInput &input : given) {
      HostTensor tensor;
      tensor.type = *elementOf(input.dtype);
      tensor.shape = input.shape;
      tensor.bytes = input.bytes;
      inputs.push_back(std::move(tensor));
    }
    Result<std::vector<HostTensor>> results = oracle->pipeline->interpret(inputs);
    if (!results) return fail(arguments, results.error());
    outputs = std::move(*results);
  } else {
    Result<Runner> runner = Runner::create(*model, int(*threads), batch);
    if (!runner) return fail(arguments, runner.error());
    for (size_t i = 0; i < given.size(); ++i) {
      runner->setInputDtype(i, given[i].dtype);
      std::memcpy(runner->input(i).data(), given[i].bytes.data(), given[i].bytes.size());
    }
    if (Result<void> ran = runner->run(batch); !ran) return fail(arguments, ran.error());
    for (size_t i = 0; i < model->outputs.size(); ++i) {
      HostTensor tensor;
      tensor.type = *elementOf(tri_dtype(model->outputs[i].dtypes[0]));
      for (uint32_t d = 0; d < model->outputs[i].rank; ++d)
        tensor.shape.push_back(model->outputs[i].dims[d] < 0 ? batch : model->outputs[i].dims[d]);
      tensor.bytes.assign(runner->output(i).data(), runner->output(i).data() + runner->output(i).size());
      outputs.push_back(std::move(tensor));
    }
  }
  if (arguments.has(OptionId::Output)) {
    if (Result<void> written = writeOutputs(arguments.get(OptionId::Output), *model, outputs); !written)
      return fail(arguments, written.error());
  }
  if (arguments.has(OptionId::Json)) {
    json::Array list;
    for (size_t i = 0; i < outputs.size(); ++i) {
      json::Object o;
      o.append("name", model->outputs[i].name);
      o.append("dtype", tri_dtype_name(tri_dtype(model->outputs[i].dtypes[0])));
      json::Array shape, data;
      for (int64_t size : outputs[i].shape) shape.push_back(size);
      for (float value : toFloats(outputs[i].type, outputs[i].bytes)) data.push_back(double(value));
      o.append("shape", std::move(shape));
      o.append("data", std::move(data));
      list.push_back(std::move(o));
    }
    json::Object document;
    document.append("model", std::string(model->info.name));
    document.append("variant", arguments.has(OptionId::Oracle) ? "oracle" : model->variant());
    document.append("outputs", std::move(list));
    printJson(document);
  } else if (!arguments.has(OptionId::Output)) {
    printOutputs(*model, outputs);
  }
  return kDone;
}

} // namespace triton::driver
