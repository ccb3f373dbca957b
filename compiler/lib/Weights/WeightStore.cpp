#include "triton/Weights/WeightStore.h"

#include "StoredCodes.h"

#include "triton/Support/Diagnostics.h"
#include "triton/Tensor/Checkpoint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>

namespace triton {

std::vector<float> LoadedWeight::real(const ScaleLayout &layout) const {
  if (!hasCodes(storage)) return values;
  std::vector<float> out(codes.codes.size());
  layout.forEachRun(out.size(), [&](size_t begin, size_t end, size_t s) {
    float scale = codes.scales[s];
    for (size_t i = begin; i < end; ++i) out[i] = static_cast<float>(codes.codes[i]) * scale;
  });
  return out;
}

Result<WeightStore> WeightStore::open(const std::string &path) {
  Result<Checkpoint> opened = readCheckpoint(path);
  if (!opened) return opened.takeError();
  WeightStore store;
  store.storeName = path;
  store.file = std::move(opened->tensors);
  store.readingNotes = std::move(opened->notes);
  store.offsetsAreInFile = true;
  return store;
}

Result<WeightStore> WeightStore::fromTensors(const std::vector<std::pair<std::string, HostTensor>> &tensors, std::string name) {
  Result<std::string> bytes = encodeSafetensors(tensors);
  if (!bytes) return bytes.takeError();
  Result<SafetensorsFile> opened = SafetensorsFile::fromBytes(*bytes, name);
  if (!opened) return opened.takeError();
  WeightStore store;
  store.storeName = std::move(name);
  store.file = std::move(*opened);
  return store;
}

WeightStore WeightStore::random(uint64_t seed) {
  WeightStore store;
  store.storeName = "random weights";
  store.randomSeed = seed;
  return store;
}

WeightStore WeightStore::none() {
  WeightStore store;
  store.storeName = "no weights";
  return store;
}

Result<const SafetensorsFile::Entry *> WeightStore::entry(const std::string &key, const TensorShape *shape) const {
  const SafetensorsFile::Entry *e = file ? file->find(key) : nullptr;
  if (!e) {
    std::string message = storeName + ": no tensor '" + key + "'";
    std::vector<std::string> near = file ? file->nearest(key, 1) : std::vector<std::string>();
    if (!near.empty()) message += "; the nearest key present is '" + near.front() + "'";
    return Error{message};
  }
  if (shape && *shape != e->shape)
    return Error{storeName + ": tensor '" + key + "' has shape " + formatShape(e->shape) + ", expected " + formatShape(*shape)};
  return e;
}

template <typename T>
Result<void> WeightStore::checkFinite(const std::string &key, const SafetensorsFile::Entry &e, std::span<const T> values) const {
  const std::optional<size_t> found = firstNotFinite(values);
  if (!found) return {};
  const size_t i = *found;
  return Error{storeName + ": tensor '" + key + "' holds " + (std::isnan(values[i]) ? "NaN" : "an infinity") + " at element " +
               std::to_string(i) + (offsetsAreInFile && e.begin ? " (offset " + std::to_string(e.begin + i * elementBytes(e.type)) + ")" : "")};
}

Result<std::vector<double>> WeightStore::reals(const std::string &key, const SafetensorsFile::Entry &e) const {
  std::vector<double> values = toDoubles(e.type, e.bytes);
  if (Result<void> finite = checkFinite(key, e, std::span<const double>(values)); !finite) return finite.takeError();
  return values;
}

/// The elements where they lie, if they are binary32 and lie as the processor wants them.
static std::optional<std::span<const float>> floatsInPlace(const SafetensorsFile::Entry &e) {
  if (e.type != ElementType::F32 || reinterpret_cast<uintptr_t>(e.bytes.data()) % alignof(float) != 0) return std::nullopt;
  return std::span(reinterpret_cast<const float *>(e.bytes.data()), e.bytes.size() / sizeof(float));
}

/// The numbers under K.scale or K.delta: one, or one for each scale of the layout.
Result<std::vector<double>> WeightStore::sideValues(const std::string &key, const ScaleLayout &layout) const {
  auto found = entry(key, nullptr);
  if (!found) return found.takeError();
  int64_t count = (*found)->count();
  if (count != layout.scales() && count != 1)
    return Error{storeName + ": tensor '" + key + "' has shape " + formatShape((*found)->shape) + ", expected " +
                 formatShape(layout.shape())};
  return reals(key, **found);
}

Result<LoadedWeight> WeightStore::loadCodes(const WeightRequest &request, const SafetensorsFile::Entry &e) const {
  const std::string &key = request.key;
  ScaleLayout layout = scaleLayout(request.policy, request.shape, request.channelAxis);
  Result<std::vector<double>> scales = sideValues(key + ".scale", layout);
  if (!scales) return Error{scales.error().message + " ('" + key + "' holds int8 codes, which need it)"};
  LoadedWeight out = withoutCodes(request, layout);
  out.fromCheckpoint = true;
  out.codes.codes.resize(e.bytes.size());
  int64_t limit = largestCode(out.storage);
  for (size_t i = 0; i < e.bytes.size(); ++i) {
    auto code = static_cast<int8_t>(e.bytes[i]);
    if (code < -limit || code > limit)
      return Error{storeName + ": tensor '" + key + "' holds the code " + std::to_string(code) + " at element " +
                   std::to_string(i) + "; codes of " + (out.storage == DType::Trit ? "trit" : out.storage == DType::Int4 ? "int4" : "int8") +
                   " are " + std::to_string(-limit) + ".." + std::to_string(limit)};
    out.codes.codes[i] = code;
  }
  for (int64_t s = 0; s < layout.scales(); ++s) {
    auto value = static_cast<float>((*scales)[scales->size() == 1 ? 0 : static_cast<size_t>(s)]);
    if (!(value > 0) || std::isinf(value))
      return Error{storeName + ": tensor '" + key + ".scale' holds " + std::to_string(value) + " at element " + std::to_string(s) +
                   "; a scale must be positive"};
    out.codes.scales.push_back(value);
  }
  return out;
}

static LoadedWeight tritsAsTheyAre(const WeightRequest &request, const std::vector<double> &values) {
  ScaleLayout layout = scaleLayout(request.policy, request.shape, request.channelAxis);
  LoadedWeight out = withoutCodes(request, layout);
  out.codes.scales.assign(static_cast<size_t>(layout.scales()), 1.0f);
  for (double v : values) out.codes.codes.push_back(static_cast<int8_t>(v));
  return out;
}

/// Real values to codes.
template <typename T>
Result<LoadedWeight> WeightStore::quantised(const WeightRequest &request, std::span<const T> values) const {
  LoadedWeight out;
  out.shape = request.shape;
  out.storage = request.policy.storage;
  std::vector<double> delta, scale;
  WeightPolicy policy = request.policy;
  bool learned = out.storage == DType::Trit && policy.method == WeightMethod::Learned;
  bool madeUp = randomSeed && !contains(request.key);
  if (learned && !madeUp) {
    ScaleLayout layout = scaleLayout(policy, request.shape, request.channelAxis);
    for (auto [suffix, into] : {std::pair{".delta", &delta}, std::pair{".scale", &scale}}) {
      Result<std::vector<double>> side = sideValues(request.key + suffix, layout);
      if (!side) return Error{side.error().message + " ('" + request.key + "' is quantised with method=learned)"};
      *into = std::move(*side);
    }
  } else if (learned) {
    policy.method = WeightMethod::Twn; // made-up weights have nothing learned
  }
  Result<WeightCodes> codes = quantiseWeights(values, request.shape, request.channelAxis, policy, request.key, delta, scale);
  if (!codes) return Error{storeName + ": " + codes.error().message, codes.error().kind};
  out.codes = std::move(*codes);
  return out;
}

/// Real values to what the request stores.
Result<LoadedWeight> WeightStore::finish(const WeightRequest &request, const std::vector<double> &values) const {
  if (request.isWeight && hasCodes(request.policy.storage)) return quantised<double>(request, values);
  LoadedWeight out;
  out.shape = request.shape;
  DType storage = request.isWeight ? request.policy.storage : request.dtype;
  out.storage = storage;
  out.values.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    float v = storage == DType::Float16    ? halfToFloat(doubleToHalf(values[i]))
              : storage == DType::BFloat16 ? bfloat16ToFloat(doubleToBfloat16(values[i]))
                                           : static_cast<float>(values[i]);
    if (std::isinf(v))
      return Error{storeName + ": tensor '" + request.key + "' holds " + std::to_string(values[i]) + " at element " +
                   std::to_string(i) + ", which does not fit its storage"};
    out.values.push_back(v);
  }
  return out;
}

std::vector<double> WeightStore::randomValues(const WeightRequest &request) const {
  int64_t count = elementCount(request.shape).value_or(0);
  std::vector<double> values(static_cast<size_t>(count));
  if (request.role != ParamRole::Auto) {
    std::fill(values.begin(), values.end(), request.role == ParamRole::One ? 1.0 : 0.0);
    return values;
  }
  double bound = 0.1;
  if (request.shape.size() >= 2) {
    auto axis = static_cast<size_t>(std::clamp<int64_t>(request.channelAxis, 0, static_cast<int64_t>(request.shape.size()) - 1));
    bound = std::sqrt(6.0 / static_cast<double>(std::max<int64_t>(count / std::max<int64_t>(request.shape[axis], 1), 1)));
  }
  uint64_t stream = keyHash64(request.key) ^ *randomSeed;
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>((static_cast<double>(splitMix64(stream, i) >> 11) * 0x1p-52 - 1) * bound);
  return values;
}

Result<LoadedWeight> WeightStore::load(const WeightRequest &request) const {
  if (randomSeed && !request.init && !contains(request.key)) return finish(request, randomValues(request));
  if (request.init && !contains(request.key)) {
    if (elementCount(request.shape) != static_cast<int64_t>(request.init->size()))
      return Error{"'" + request.key + "': the source gives " + std::to_string(request.init->size()) + " values for shape " +
                   formatShape(request.shape)};
    if (request.initIsTrits && request.isWeight && hasCodes(request.policy.storage)) return tritsAsTheyAre(request, *request.init);
    return finish(request, *request.init);
  }
  auto found = entry(request.key, &request.shape);
  if (!found) return found.takeError();
  const SafetensorsFile::Entry &e = **found;
  bool wantsCodes = request.isWeight && hasCodes(request.policy.storage);
  if (wantsCodes && e.type == ElementType::I8) return loadCodes(request, e);
  bool wantsFloats = wantsCodes || isFloat(request.isWeight ? request.policy.storage : request.dtype);
  if (wantsFloats != isFloat(e.type))
    return Error{storeName + ": tensor '" + request.key + "' holds " + std::string(safetensorsName(e.type)) + ", expected " +
                 (wantsCodes ? "floats, or int8 codes with '" + request.key + ".scale'" : wantsFloats ? "floats" : "integers")};
  // Small ones are quantised faster than found.
  constexpr size_t kKeptBytes = size_t(64) << 10;
  const bool kept = wantsCodes && cache.find && e.bytes.size() >= kKeptBytes;
  const std::string name = kept ? describeRequest(request) : std::string();
  if (kept)
    if (std::optional<std::vector<uint8_t>> bytes = cache.find(name))
      if (std::optional<LoadedWeight> known = decodeCodes(*bytes, request)) return std::move(*known);
  Result<LoadedWeight> out = [&]() -> Result<LoadedWeight> {
    if (std::optional<std::span<const float>> floats = wantsCodes ? floatsInPlace(e) : std::nullopt) {
      if (Result<void> finite = checkFinite(request.key, e, *floats); !finite) return finite.takeError();
      return quantised(request, *floats);
    }
    Result<std::vector<double>> values = reals(request.key, e);
    if (!values) return values.takeError();
    return finish(request, *values);
  }();
  if (!out) return out;
  out->fromCheckpoint = true;
  if (kept) cache.put(name, encodeCodes(*out));
  return out;
}

Result<std::optional<float>> WeightStore::activationScale(const std::string &key) const {
  if (!contains(key)) return std::optional<float>();
  const SafetensorsFile::Entry &e = **entry(key, nullptr);
  if (e.count() != 1 || !isFloat(e.type))
    return Error{storeName + ": tensor '" + key + "' has shape " + formatShape(e.shape) + " of " +
                 std::string(safetensorsName(e.type)) + ", expected one float: an activation scale"};
  auto value = static_cast<float>(toDoubles(e.type, e.bytes).front());
  if (!(value > 0) || std::isinf(value))
    return Error{storeName + ": tensor '" + key + "' holds " + std::to_string(value) + "; a scale must be positive and finite"};
  return std::optional<float>(value);
}

WeightReport WeightStore::check(const std::vector<WeightRequest> &requests, const std::vector<std::string> &scaleKeys) const {
  WeightReport report;
  for (const WeightRequest &request : requests) {
    Result<LoadedWeight> loaded = load(request);
    if (!loaded) report.errors.push_back(loaded.error().message);
  }
  for (const std::string &key : scaleKeys) {
    Result<std::optional<float>> scale = activationScale(key);
    if (!scale) report.errors.push_back(scale.error().message);
  }
  report.warnings = unused(requests, scaleKeys);
  return report;
}

static std::string meantFor(const std::string &key, const std::vector<std::string> &missing) {
  std::string near = nearestName(key, missing);
  return near.empty() ? "" : "; it lacks '" + near + "'";
}

std::vector<std::string> WeightStore::unused(const std::vector<WeightRequest> &requests, const std::vector<std::string> &scaleKeys) const {
  std::vector<std::string> warnings = readingNotes;
  if (!file) return warnings;
  std::vector<std::string> missing; // which a key that is left over may have been meant for
  for (const WeightRequest &request : requests)
    if (!contains(request.key)) missing.push_back(request.key);
  if (missing.size() > 64) missing.clear(); // another network altogether: no guess would help
  std::set<std::string> known(scaleKeys.begin(), scaleKeys.end());
  for (const WeightRequest &request : requests) known.insert({request.key, request.key + ".scale", request.key + ".delta"});
  for (const SafetensorsFile::Entry &e : file->entries()) {
    // PyTorch counts batches in every batch norm; nobody reads it.
    if (!known.count(e.key) && !std::string_view(e.key).ends_with("num_batches_tracked"))
      warnings.push_back(storeName + ": tensor '" + e.key + "' is not used by the program" + meantFor(e.key, missing));
  }
  return warnings;
}

} // namespace triton
