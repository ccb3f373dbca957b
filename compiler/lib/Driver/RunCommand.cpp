// `triton run`: one inference on files.
#include "Compile.h"
#include "Inputs.h"
#include "Session.h"
#include "Zoo.h"
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Npy.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <optional>

namespace triton::driver {

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
  int64_t batch = 1;
  Result<std::vector<GivenInput>> inputsGiven = readInputs(arguments, *model, batch);
  if (!inputsGiven) return fail(arguments, inputsGiven.error());
  std::vector<GivenInput> &given = *inputsGiven;

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
