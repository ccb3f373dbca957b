// Post-training quantisation: a checkpoint of floats becomes one of codes and scales, with a report of what each layer lost. No LLVM.
#pragma once

#include "triton/Tensor/Safetensors.h"
#include "triton/Weights/Quantise.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace triton {

/// How a weight is to be stored.
struct WeightTarget {
  WeightPolicy policy;
  bool signs = false;      ///< storage Trit, but without zero: the sign of each weight (zero counts as plus), scaled by their mean magnitude
  int64_t channelAxis = 0;
};

/// A key pattern of --keep: `conv1` is a layer (conv1.weight and all below conv1.), `conv1.weight` a key, `*` any text.
struct KeepRule {
  std::string pattern;
  DType storage = DType::Float32;
  bool matches(std::string_view key) const;
};

/// What became of one weight.
struct LayerError {
  std::string key;
  TensorShape shape;
  DType storage = DType::Float32;
  int64_t scales = 0;
  double zeroFraction = 0;          ///< of the codes
  std::optional<double> sqnrDb;     ///< 10 log10(sum w^2 / sum (w - w')^2); nothing where the two are equal or all is zero
  double bitsPerWeight = 0;         ///< codes and scales as the artifact stores them: trits 1.6 bits
};

/// A weight as it stands in a checkpoint of codes, and what it lost.
struct QuantisedWeight {
  HostTensor codes;                ///< I8 codes, or the floats of a storage that has no codes
  std::optional<HostTensor> scale; ///< F32, in the layout that the loader expects under `K.scale`
  LayerError error;
};

/// Quantises the floats of `entry`; method=learned takes the threshold and the scale with the least squared error. Errors name the key: integers, NaN or infinity, groups that do not divide a channel.
Result<QuantisedWeight> quantiseWeight(const SafetensorsFile::Entry &entry, const WeightTarget &target);

/// The storage that `rules` give a key: the last rule that matches counts. Nothing if none does.
std::optional<DType> keptStorage(const std::vector<KeepRule> &rules, std::string_view key);

} // namespace triton
