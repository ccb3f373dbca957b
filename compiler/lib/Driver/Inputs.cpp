// Reads the files of --input, and makes inputs up for timing.
#include "Inputs.h"

#include "Samples.h"
#include "triton/Tensor/Files.h"
#include "triton/Tensor/Npy.h"

#include <fmt/format.h>

#include <cstring>

namespace triton::driver {

std::optional<ElementType> elementOf(tri_dtype dtype) {
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

/// The array for an input in a .npz file: the one with its name, or the only one.
static Result<HostTensor> readArchive(const std::string &file, const std::string &name) {
  Result<std::vector<std::pair<std::string, HostTensor>>> arrays = readNpz(file);
  if (!arrays) return arrays.takeError();
  std::string names;
  for (auto &[key, array] : *arrays) {
    if (key == name || arrays->size() == 1) return std::move(array);
    names += (names.empty() ? "" : ", ") + key;
  }
  return Error{fmt::format("{}: no array '{}' for the input of that name; it holds: {}", file, name, names.empty() ? "none" : names)};
}

std::optional<zoo::ImageShape> imageShapeOf(const tri_tensor_info &tensor) {
  return imageShapeOf(std::span<const int64_t>(tensor.dims, tensor.rank));
}

bool accepts(const tri_tensor_info &tensor, tri_dtype dtype) {
  for (uint32_t d = 0; d < tensor.dtype_count; ++d)
    if (tensor.dtypes[d] == dtype) return true;
  return false;
}

Result<std::optional<uint32_t>> resizeOption(const Arguments &arguments) {
  if (!arguments.has(OptionId::Resize)) return std::optional<uint32_t>();
  Result<int64_t> size = arguments.number(OptionId::Resize, 0, 1, 1 << 15);
  if (!size) return size.takeError();
  return std::optional<uint32_t>(uint32_t(*size));
}

/// A picture, cut to the input's size: as it is where that is its size, otherwise as classifiers are evaluated.
static Result<GivenInput> readPicture(const Arguments &arguments, const tri_tensor_info &tensor, const std::string &file) {
  std::optional<zoo::ImageShape> shape = imageShapeOf(tensor);
  if (!shape) return Error{fmt::format("{}: input '{}' of shape {} takes no picture", file, tensor.name, shapeText(tensor))};
  if (!accepts(tensor, TRI_UINT8))
    return Error{fmt::format("{}: input '{}' does not take uint8, as pictures are; give a .npy of {}", file, tensor.name,
                             tri_dtype_name(tri_dtype(tensor.dtypes[0])))};
  Result<std::optional<uint32_t>> resize = resizeOption(arguments);
  if (!resize) return resize.takeError();
  Result<zoo::Image> image = zoo::readImage(file);
  if (!image) return image.takeError();
  zoo::Preparation preparation;
  if (*resize)
    preparation.resize = **resize;
  else if (image->width != shape->width || image->height != shape->height)
    preparation.resize = zoo::usualResize(shape->width, shape->height);
  Result<zoo::Image> prepared = zoo::prepareImage(*image, preparation, shape->width, shape->height, file);
  if (!prepared) return prepared.takeError();
  if (preparation.resize && !arguments.has(OptionId::Quiet))
    fmt::print(stderr, "triton: {}: {} x {} pixels, the shorter side resized to {}, {} x {} in the centre taken\n", file, image->width, image->height,
               preparation.resize, shape->width, shape->height);
  GivenInput out{};
  out.dtype = TRI_UINT8;
  out.batch = 1;
  out.bytes.resize(shape->elements());
  zoo::writePlanes(*prepared, shape->channels, out.bytes.data());
  for (uint32_t i = 0; i < tensor.rank; ++i) out.shape.push_back(tensor.dims[i] < 0 ? 1 : tensor.dims[i]);
  return out;
}

Result<GivenInput> readInput(const Arguments &arguments, const tri_tensor_info &tensor, const std::string &file) {
  if (zoo::hasImageName(file)) return readPicture(arguments, tensor, file);
  GivenInput out{};
  int64_t perBatch = elementCount(tensor, 1);
  bool batched = tensor.rank > 0 && tensor.dims[0] < 0;
  if (file.ends_with(".npy") || file.ends_with(".npz")) {
    Result<HostTensor> given = file.ends_with(".npz") ? readArchive(file, tensor.name) : readNpy(file);
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

Result<std::vector<std::string>> inputFiles(const Arguments &arguments, const OpenModel &model) {
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

Result<std::vector<GivenInput>> readInputs(const Arguments &arguments, const OpenModel &model, int64_t &outBatch) {
  Result<std::vector<std::string>> files = inputFiles(arguments, model);
  if (!files) return files.takeError();
  std::vector<GivenInput> out;
  outBatch = 1;
  for (size_t i = 0; i < files->size(); ++i) {
    Result<GivenInput> input = readInput(arguments, model.inputs[i], (*files)[i]);
    if (!input) return input.takeError();
    bool batched = model.inputs[i].rank > 0 && model.inputs[i].dims[0] < 0;
    if (batched && outBatch != 1 && input->batch != outBatch)
      return Error{fmt::format("{}: batch {} differs from another input's {}", (*files)[i], input->batch, outBatch)};
    if (batched) outBatch = input->batch;
    out.push_back(std::move(*input));
  }
  return out;
}

Result<Runner> runnerWithInputs(const Arguments &arguments, const OpenModel &model, int threads, int64_t &batch) {
  std::vector<GivenInput> given;
  if (arguments.has(OptionId::Input)) {
    if (arguments.has(OptionId::Batch)) return Error{"--input states the batch: leave out --batch", ErrorKind::Usage};
    Result<std::vector<GivenInput>> inputs = readInputs(arguments, model, batch);
    if (!inputs) return inputs.takeError();
    given = std::move(*inputs);
  }
  Result<Runner> runner = Runner::create(model, threads, batch);
  if (!runner) return runner;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    if (given.empty()) {
      fillWithPattern(runner->input(i), tri_dtype(model.inputs[i].dtypes[0]));
    } else {
      runner->setInputDtype(i, given[i].dtype);
      std::memcpy(runner->input(i).data(), given[i].bytes.data(), given[i].bytes.size());
    }
  }
  return runner;
}

void fillWithPattern(PaddedBuffer &buffer, tri_dtype dtype) {
  uint64_t state = 0x9E3779B97F4A7C15;
  auto next = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  };
  if (dtype == TRI_FLOAT32) {
    for (size_t i = 0; i + 4 <= buffer.size(); i += 4) {
      float value = float(next() >> 40) / float(1 << 23) - 1.0f;
      std::memcpy(buffer.data() + i, &value, 4);
    }
  } else if (dtype == TRI_UINT8) {
    for (size_t i = 0; i < buffer.size(); ++i) buffer.data()[i] = uint8_t(next() >> 32);
  }
}

} // namespace triton::driver
