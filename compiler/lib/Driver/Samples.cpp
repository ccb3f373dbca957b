#include "Samples.h"

#include "Inputs.h"
#include "Manifest.h"
#include "triton/Tensor/Npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace triton::driver {

namespace fs = std::filesystem;

Result<SampleRequest> sampleRequest(const Arguments &arguments, const std::string &program) {
  SampleRequest request;
  request.path = arguments.get(OptionId::Calibration);
  request.program = program;
  if (arguments.has(OptionId::Samples)) {
    if (request.path.empty()) return Error{"'--samples N' says how many of '--calibrate' count: give both", ErrorKind::Usage};
    Result<int64_t> limit = arguments.number(OptionId::Samples, 0, 1, INT64_C(1) << 40);
    if (!limit) return limit.takeError();
    request.limit = uint64_t(*limit);
  }
  Result<std::optional<uint32_t>> resize = resizeOption(arguments);
  if (!resize) return resize.takeError();
  request.resize = *resize;
  return request;
}

std::optional<zoo::ImageShape> imageShapeOf(std::span<const int64_t> given) {
  std::vector<int64_t> dims(given.begin(), given.end());
  // A batch of any size, or one that was fixed to a single image.
  if (!dims.empty() && (dims[0] < 0 || (dims[0] == 1 && (dims.size() == 4 || dims.size() == 2)))) dims.erase(dims.begin());
  for (int64_t size : dims)
    if (size < 1 || size > (1 << 24)) return std::nullopt;
  auto shape = [](int64_t c, int64_t h, int64_t w) { return zoo::ImageShape{uint32_t(c), uint32_t(h), uint32_t(w)}; };
  if (dims.size() == 3 && (dims[0] == 1 || dims[0] == 3)) return shape(dims[0], dims[1], dims[2]);
  if (dims.size() == 2) return shape(1, dims[0], dims[1]);
  if (dims.size() != 1) return std::nullopt;
  for (int64_t channels : {1, 3}) {
    const auto side = int64_t(std::lround(std::sqrt(double(dims[0]) / double(channels))));
    if (channels * side * side == dims[0]) return shape(channels, side, side);
  }
  return std::nullopt;
}

/// How pictures become inputs: as --resize says, else as the manifest beside a program of the zoo, else as `run` takes them.
static zoo::Preparation preparationFor(const SampleRequest &request, const zoo::ImageShape &shape) {
  zoo::Preparation preparation;
  if (Result<std::vector<zoo::ZooModel>> models = zoo::listZoo())
    for (const zoo::ZooModel &model : *models) {
      std::error_code error;
      if (fs::equivalent(model.program, request.program, error) && !error) preparation = model.preparation;
    }
  if (request.resize) preparation.resize = *request.resize;
  preparation.otherwise = zoo::usualResize(shape.width, shape.height);
  return preparation;
}

/// The i-th of `taken` samples that lie evenly among `all`.
static uint64_t placeOf(uint64_t i, uint64_t taken, uint64_t all) {
  return uint64_t(static_cast<unsigned __int128>(i) * all / taken);
}

static Result<void> checkBytes(const std::string &path, uint64_t samples, uint64_t bytesEach) {
  if (bytesEach == 0 || samples <= kMostSampleBytes / bytesEach) return {};
  return Error{fmt::format("{}: {} samples of {} bytes are more than {} bytes; take fewer with --samples", path, samples, bytesEach, kMostSampleBytes)};
}

static Result<HostTensor> fromArray(const SampleRequest &request) {
  Result<HostTensor> all = readNpy(request.path);
  if (!all) return all;
  if (all->shape.empty() || all->shape[0] < 1) return Error{request.path + ": no samples"};
  const auto count = uint64_t(all->shape[0]), taken = std::min(request.limit.value_or(count), count);
  if (taken == count) return all;
  const size_t each = all->bytes.size() / count;
  HostTensor some;
  some.type = all->type;
  some.shape = all->shape;
  some.shape[0] = int64_t(taken);
  for (uint64_t i = 0; i < taken; ++i) {
    auto from = all->bytes.begin() + ptrdiff_t(placeOf(i, taken, count) * each);
    some.bytes.insert(some.bytes.end(), from, from + ptrdiff_t(each));
  }
  return some;
}

static Result<HostTensor> fromDataSet(const SampleRequest &request, const zoo::DataSetRequest &wanted, const TensorShape &inputShape) {
  Result<std::unique_ptr<zoo::DataSet>> data = zoo::openDataSet(wanted);
  if (!data) return data.takeError();
  const uint64_t count = (*data)->count, taken = std::min(request.limit.value_or(kUsualSamples), count);
  if (Result<void> fits = checkBytes(request.path, taken, (*data)->imageBytes()); !fits) return fits.takeError();
  HostTensor out;
  out.type = (*data)->type;
  out.shape = inputShape;
  out.shape[0] = int64_t(taken);
  out.bytes.resize(taken * (*data)->imageBytes());
  uint16_t label = 0;
  for (uint64_t i = 0, next = 0; i < taken; ++i) {
    const uint64_t place = placeOf(i, taken, count);
    if (Result<void> skipped = (*data)->skip(place - next); !skipped) return skipped.takeError();
    if (Result<void> got = (*data)->read(1, out.bytes.data() + i * (*data)->imageBytes(), &label); !got) return got.takeError();
    next = place + 1;
  }
  return out;
}

static Result<HostTensor> fromPicture(const SampleRequest &request, const zoo::DataSetRequest &wanted, const TensorShape &inputShape) {
  Result<zoo::Image> image = zoo::readImage(request.path);
  if (!image) return image.takeError();
  Result<zoo::Image> prepared = zoo::prepareImage(*image, wanted.preparation, wanted.shape.width, wanted.shape.height, request.path);
  if (!prepared) return prepared.takeError();
  HostTensor out;
  out.type = ElementType::U8;
  out.shape = inputShape;
  out.shape[0] = 1;
  out.bytes.resize(wanted.shape.elements());
  zoo::writePlanes(*prepared, wanted.shape.channels, out.bytes.data());
  return out;
}

Result<HostTensor> readSamples(const Graph &graph, const SampleRequest &request) {
  if (graph.inputs.size() != 1)
    return Error{fmt::format("--calibrate takes one file for a model with one input; this one has {}", graph.inputs.size()), ErrorKind::Usage};
  std::error_code error;
  const bool folder = fs::is_directory(request.path, error), picture = zoo::hasImageName(request.path);
  if (!folder && !picture) return fromArray(request);
  const GraphInput &input = graph.inputs[0];
  TensorShape shape;
  for (const Dim &dim : graph.values[input.value].type.shape) shape.push_back(dim.constant().value_or(-1));
  // The first axis counts images, also where --batch fixed it.
  const bool counts = !shape.empty() && (shape[0] < 0 || shape.size() == 4 || shape.size() == 2);
  if (counts) shape[0] = -1;
  std::optional<zoo::ImageShape> image = counts ? imageShapeOf(shape) : std::nullopt;
  if (!image)
    return Error{fmt::format("{}: input '{}' takes no pictures; calibrate with a .npy file", request.path, input.name)};
  zoo::DataSetRequest wanted;
  wanted.folder = request.path;
  wanted.training = true;
  wanted.labelled = false;
  wanted.shape = *image;
  auto accepted = [&](DType type) { return std::find(input.dtypes.begin(), input.dtypes.end(), type) != input.dtypes.end(); };
  wanted.bytesAccepted = accepted(DType::UInt8);
  wanted.floatsAccepted = accepted(DType::Float32);
  wanted.preparation = preparationFor(request, *image);
  wanted.threads = request.threads;
  if (folder) return fromDataSet(request, wanted, shape);
  if (!wanted.bytesAccepted)
    return Error{fmt::format("{}: input '{}' does not take uint8, as pictures are; calibrate with a .npy file", request.path, input.name)};
  return fromPicture(request, wanted, shape);
}

} // namespace triton::driver
