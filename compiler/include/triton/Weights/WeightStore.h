// Where a model's parameters come from: a checkpoint, or a seeded generator. No LLVM.
#pragma once

#include "triton/Tensor/Safetensors.h"
#include "triton/Weights/Quantise.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace triton {

/// What a parameter is for, where that decides its random value (see WeightStore::random).
enum class ParamRole : uint8_t {
  Auto, ///< rank 2 and more: uniform in +-sqrt(6 / fan_in); rank 0 and 1 (biases): uniform in +-0.1
  One,  ///< the factor of a norm, the running variance
  Zero, ///< the shift of a norm, the running mean
};

/// A parameter as the program declares it.
struct WeightRequest {
  std::string key;
  TensorShape shape;
  bool isWeight = false;    ///< `policy` holds; otherwise the tensor is loaded as `dtype`
  WeightPolicy policy;
  int64_t channelAxis = 0;
  DType dtype = DType::Float32;
  ParamRole role = ParamRole::Auto;
  std::optional<std::vector<double>> init; ///< the source's value for when no checkpoint has the key
  bool initIsTrits = false;                ///< `init` holds trits with scale 1
};

/// A parameter ready for use. Exactly one of `codes.codes` and `values` is filled (both are empty for no elements).
struct LoadedWeight {
  DType storage = DType::Float32;
  TensorShape shape;
  WeightCodes codes;         ///< trit, int8, int4
  std::vector<float> values; ///< floats; 16-bit storages hold values that their format has
  bool fromCheckpoint = false;

  /// The real numbers that the parameter stands for (code times scale), in row-major order.
  std::vector<float> real(const ScaleLayout &layout) const;
};

/// Everything that a look over a checkpoint found; each line is a whole message.
struct WeightReport {
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

/// Quantised weights of earlier compiles. `name` says what they were made from and how; the owner adds the checkpoint's digest. Both
/// functions are called by any number of threads.
struct QuantisedCache {
  std::function<std::optional<std::vector<uint8_t>>(const std::string &name)> find;
  std::function<void(const std::string &name, const std::vector<uint8_t> &bytes)> put;
};

/// Serves tensors by key. Immutable once made; may be shared between threads.
class WeightStore {
public:
  /// A checkpoint file of any format that `readCheckpoint` takes.
  static Result<WeightStore> open(const std::string &path);
  /// The same for tensors in memory; `name` stands in messages.
  static Result<WeightStore> fromTensors(const std::vector<std::pair<std::string, HostTensor>> &tensors, std::string name);
  /// Makes every tensor up: element i of key K is drawn from SplitMix64 with the seed keyHash64(K) xor `seed`, as ParamRole says.
  static WeightStore random(uint64_t seed);
  /// Holds nothing: only parameters with an `init` load.
  static WeightStore none();

  /// From now on makes up what the checkpoint lacks, as `random` does.
  void fillMissing(uint64_t seed) { randomSeed = seed; }

  /// From now on large weights are looked for there before they are quantised, and kept there afterwards.
  void setCache(QuantisedCache quantised) { cache = std::move(quantised); }

  /// True if there is no checkpoint and everything is made up.
  bool isRandom() const { return randomSeed.has_value() && !file; }
  uint64_t seed() const { return randomSeed.value_or(0); }
  const std::string &name() const { return storeName; }
  /// What reading the checkpoint took off or left out; each is a whole message.
  const std::vector<std::string> &notes() const { return readingNotes; }
  bool contains(std::string_view key) const { return file && file->find(key); }
  /// True if it has floats, and not codes, under `key`.
  bool holdsFloats(std::string_view key) const {
    const SafetensorsFile::Entry *e = file ? file->find(key) : nullptr;
    return e && isFloat(e->type);
  }

  /// Loads and, for a weight with codes, quantises. Errors name the store, the key and what is wrong: missing (with the
  /// nearest key present), shape (both), NaN or infinity (element and offset), codes out of range, scales.
  Result<LoadedWeight> load(const WeightRequest &request) const;
  /// The scale under `key`: nothing if the store does not have it. Errors: not one positive finite number.
  Result<std::optional<float>> activationScale(const std::string &key) const;

  /// Checks that every request can be served and says what is left over. `scaleKeys` are activation scales that the program
  /// would read; they may be absent.
  WeightReport check(const std::vector<WeightRequest> &requests, const std::vector<std::string> &scaleKeys) const;
  /// The warnings of `check` alone: what the store holds and nobody reads. Loads nothing.
  std::vector<std::string> unused(const std::vector<WeightRequest> &requests, const std::vector<std::string> &scaleKeys) const;

private:
  WeightStore() = default;
  Result<const SafetensorsFile::Entry *> entry(const std::string &key, const TensorShape *shape) const;
  Result<std::vector<double>> reals(const std::string &key, const SafetensorsFile::Entry &e) const;
  Result<std::vector<double>> sideValues(const std::string &key, const ScaleLayout &layout) const;
  template <typename T>
  Result<void> checkFinite(const std::string &key, const SafetensorsFile::Entry &e, std::span<const T> values) const;
  template <typename T>
  Result<LoadedWeight> quantised(const WeightRequest &request, std::span<const T> values) const;
  Result<LoadedWeight> finish(const WeightRequest &request, const std::vector<double> &values) const;
  Result<LoadedWeight> loadCodes(const WeightRequest &request, const SafetensorsFile::Entry &e) const;
  std::vector<double> randomValues(const WeightRequest &request) const;

  std::string storeName;
  std::optional<SafetensorsFile> file;
  std::optional<uint64_t> randomSeed;
  QuantisedCache cache;
  std::vector<std::string> readingNotes;
  bool offsetsAreInFile = false; ///< entries with an offset lie there in the user's own file
};

} // namespace triton
