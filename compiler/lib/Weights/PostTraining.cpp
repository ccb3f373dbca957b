#include "triton/Weights/PostTraining.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace triton {

/// Whether `text` fits a pattern in which `*` stands for any text. Linear but for one step back to the last star.
static bool fits(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, from = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1, t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool KeepRule::matches(std::string_view key) const { return fits(pattern, key) || fits(pattern + ".*", key); }

std::optional<DType> keptStorage(const std::vector<KeepRule> &rules, std::string_view key) {
  for (size_t i = rules.size(); i-- > 0;)
    if (rules[i].matches(key)) return rules[i].storage;
  return std::nullopt;
}

static double bitsOf(DType storage) {
  switch (storage) {
  case DType::Trit: return 1.6; // five to a byte
  case DType::Int4: return 4;
  case DType::Int8: return 8;
  case DType::Float16:
  case DType::BFloat16: return 16;
  default: return 32;
  }
}

/// Signs, and the mean magnitude of each scale group.
static WeightCodes signsOf(std::span<const double> values, const ScaleLayout &layout) {
  WeightCodes out;
  out.channels = layout.channels();
  out.groups = layout.groups();
  out.codes.resize(values.size());
  std::vector<double> sums(static_cast<size_t>(layout.scales())), counts(sums.size());
  layout.forEachRun(values.size(), [&](size_t begin, size_t end, size_t s) {
    for (size_t i = begin; i < end; ++i) {
      out.codes[i] = values[i] < 0 ? -1 : 1;
      sums[s] += std::fabs(values[i]);
    }
    counts[s] += static_cast<double>(end - begin);
  });
  for (size_t s = 0; s < sums.size(); ++s) out.scales.push_back(sums[s] > 0 ? static_cast<float>(sums[s] / counts[s]) : 1.0f);
  return out;
}

/// Thresholds and scales with the least squared error, one pair for each scale group. Weights above the threshold are the k greatest
/// magnitudes, their best scale is their mean S / k, and the error is then sum w^2 - S^2 / k: so the k with the greatest S^2 / k is
/// found by sorting.
static void fitThresholds(std::span<const double> values, const ScaleLayout &layout, std::vector<double> &delta, std::vector<double> &scale) {
  std::vector<std::vector<double>> magnitudes(static_cast<size_t>(layout.scales()));
  layout.forEachRun(values.size(), [&](size_t begin, size_t end, size_t s) {
    for (size_t i = begin; i < end; ++i) magnitudes[s].push_back(std::fabs(values[i]));
  });
  delta.assign(magnitudes.size(), 0);
  scale.assign(magnitudes.size(), 1);
  for (size_t s = 0; s < magnitudes.size(); ++s) {
    std::vector<double> &a = magnitudes[s];
    std::sort(a.begin(), a.end(), std::greater<>());
    double sum = 0, best = 0;
    for (size_t k = 1; k <= a.size() && a[k - 1] > 0; ++k) {
      sum += a[k - 1];
      double next = k < a.size() ? a[k] : 0, gain = sum * sum / static_cast<double>(k);
      // Equal magnitudes are all above a threshold or none is.
      if (next == a[k - 1] || gain <= best) continue;
      best = gain;
      delta[s] = next;
      scale[s] = sum / static_cast<double>(k);
    }
    a = {};
  }
}

static HostTensor narrowed(const SafetensorsFile::Entry &entry, std::span<const double> values, DType storage) {
  HostTensor out;
  out.shape = entry.shape;
  if (storage == DType::Float32) {
    std::vector<float> floats(values.begin(), values.end());
    return HostTensor::of<float>(entry.shape, floats);
  }
  out.type = storage == DType::Float16 ? ElementType::F16 : ElementType::BF16;
  for (double v : values) {
    uint16_t bits = storage == DType::Float16 ? doubleToHalf(v) : doubleToBfloat16(v);
    out.bytes.push_back(static_cast<uint8_t>(bits));
    out.bytes.push_back(static_cast<uint8_t>(bits >> 8));
  }
  return out;
}

Result<QuantisedWeight> quantiseWeight(const SafetensorsFile::Entry &entry, const WeightTarget &target) {
  if (!isFloat(entry.type)) return Error{"tensor '" + entry.key + "' holds " + std::string(safetensorsName(entry.type)) + ", expected floats to quantise"};
  std::vector<double> values = toDoubles(entry.type, entry.bytes);
  if (std::optional<size_t> i = firstNotFinite(std::span<const double>(values)))
    return Error{"tensor '" + entry.key + "' holds " + (std::isnan(values[*i]) ? "NaN" : "an infinity") + " at element " + std::to_string(*i)};
  QuantisedWeight out;
  LayerError &error = out.error;
  error.key = entry.key;
  error.shape = entry.shape;
  error.storage = target.policy.storage;
  error.bitsPerWeight = bitsOf(error.storage);
  std::vector<double> approximation(values.size());
  if (hasCodes(target.policy.storage)) {
    ScaleLayout layout = scaleLayout(target.policy, entry.shape, target.channelAxis);
    std::vector<double> delta, scale;
    if (!target.signs && target.policy.storage == DType::Trit && target.policy.method == WeightMethod::Learned &&
        (target.policy.scale != WeightScale::PerGroup || ScaleLayout::groupDivides(entry.shape, target.channelAxis, target.policy.group)))
      fitThresholds(values, layout, delta, scale);
    Result<WeightCodes> codes = target.signs ? Result<WeightCodes>(signsOf(values, layout))
                                             : quantiseWeights(values, entry.shape, target.channelAxis, target.policy, entry.key, delta, scale);
    if (!codes) return codes.takeError();
    int64_t zeros = 0;
    layout.forEachRun(values.size(), [&](size_t begin, size_t end, size_t s) {
      for (size_t i = begin; i < end; ++i) {
        approximation[i] = static_cast<double>(codes->codes[i]) * static_cast<double>(codes->scales[s]);
        zeros += codes->codes[i] == 0;
      }
    });
    error.scales = layout.scales();
    error.zeroFraction = values.empty() ? 0 : static_cast<double>(zeros) / static_cast<double>(values.size());
    if (!values.empty()) error.bitsPerWeight += 32.0 * static_cast<double>(error.scales) / static_cast<double>(values.size());
    out.codes = HostTensor::of<int8_t>(entry.shape, codes->codes);
    out.scale = HostTensor::of<float>(layout.shape(), codes->scales);
  } else {
    out.codes = narrowed(entry, values, target.policy.storage);
    approximation = toDoubles(out.codes.type, out.codes.bytes);
  }
  double signal = 0, noise = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    double difference = values[i] - approximation[i];
    signal += values[i] * values[i];
    noise += difference * difference;
  }
  if (signal > 0 && noise > 0) error.sqnrDb = 10 * std::log10(signal / noise);
  return out;
}

} // namespace triton
