// Text and JSON of a profile; the HTML is in ProfileHtml.cpp.
#include "ProfileReport.h"

#include <fmt/format.h>

#include <algorithm>

namespace triton::driver {

uint64_t Profile::macs() const {
  uint64_t sum = 0;
  for (const ProfileStep &step : steps) sum += step.macs;
  return sum;
}

double Profile::stepsMs() const {
  double sum = 0;
  for (const ProfileStep &step : steps) sum += step.ms.median;
  return sum;
}

std::vector<ProfileLayer> Profile::layers() const {
  std::vector<ProfileLayer> out;
  for (const ProfileStep &step : steps) {
    auto same = [&](const ProfileLayer &layer) { return layer.name == step.layer; };
    auto found = step.layer.empty() ? out.end() : std::find_if(out.begin(), out.end(), same);
    if (found == out.end()) {
      out.emplace_back();
      found = out.end() - 1;
      found->name = step.layer.empty() ? step.name : step.layer;
      for (const LayerChoice &choice : choices)
        if (choice.layer == step.layer && !step.layer.empty()) {
          found->algorithm = choice.algorithm;
          found->packing = choice.packing;
          found->reason = choice.reason;
        }
    }
    ++found->steps;
    found->macs += step.macs;
    found->bytes += step.activationBytes + step.weightBytes;
    found->medianMs += step.ms.median;
  }
  return out;
}

std::optional<double> Profile::shareOfPeak(uint64_t count, double ms) const {
  const Peak *peak = bestIntegerPeak(peaks, variantFeatures);
  if (!peak || peak->best <= 0 || !count || ms <= 0) return std::nullopt;
  return double(count) / (ms * 1e6) / peak->best;
}

std::optional<double> Profile::shareOfMemory(uint64_t bytes, double ms) const {
  const Peak *peak = memoryPeak(peaks);
  if (!peak || !bytes || ms <= 0) return std::nullopt;
  return double(bytes) / (ms * 1e6) / peak->best;
}

void assignWeightBytes(std::vector<ProfileStep> &steps, const std::vector<VariantDetails::LoadedBlob> &blobs) {
  for (const VariantDetails::LoadedBlob &blob : blobs) {
    ProfileStep *owner = nullptr;
    for (ProfileStep &step : steps) {
      const std::string &layer = step.layer;
      if (layer.empty() || !blob.key.starts_with(layer) || (blob.key.size() > layer.size() && blob.key[layer.size()] != '.')) continue;
      if (!owner || layer.size() > owner->layer.size() || (layer == owner->layer && !owner->macs && step.macs)) owner = &step;
    }
    if (owner) owner->weightBytes += blob.bytes;
  }
}

/// "12.3", or "-" where there is nothing to divide by.
static std::string rate(uint64_t amount, double ms) {
  return amount && ms > 0 ? fmt::format("{:.1f}", double(amount) / (ms * 1e6)) : "-";
}
static std::string percent(std::optional<double> share) { return share ? fmt::format("{:.1f}", *share * 100) : "-"; }

std::string profileText(const Profile &p) {
  std::string out = fmt::format("{}: -O{}, {}, {} thread{}, batch {}, {} runs after {}{}\n", p.model, p.optLevel, p.variant, p.threads,
                                p.threads == 1 ? "" : "s", p.batch, p.iterations, p.warmup,
                                p.input == "pattern" ? ", input: a fixed pattern" : "");
  out += fmt::format("median {:.4f} ms   mean {:.4f} (95 % {:.4f}..{:.4f})   p95 {:.4f}   p99 {:.4f}\n", p.total.median, p.total.mean,
                     p.total.ciLow, p.total.ciHigh, p.total.p95, p.total.p99);
  const Peak *peak = bestIntegerPeak(p.peaks, p.variantFeatures);
  if (peak)
    out += fmt::format("ceiling: {:.1f} {} by {} (measured now, {} times, spread {:.1f} %)\n", peak->best, peak->unit, peak->name,
                       peak->repeats, peak->spread() * 100);
  if (const Peak *memory = memoryPeak(p.peaks))
    out += fmt::format("main memory: {:.1f} GB/s reading (spread {:.1f} %)\n", memory->best, memory->spread() * 100);
  const std::vector<ProfileLayer> layers = p.layers();
  size_t width = 5;
  for (const ProfileLayer &layer : layers) width = std::max(width, std::min<size_t>(layer.name.size(), 44));
  out += fmt::format("{:<{}} {:>9} {:>6} {:>9} {:>9} {:>7} {:>8}  {}\n", "layer", width, "ms", "%", "M MAC", "G MAC/s", "% peak", "GB/s", "kernel");
  for (const ProfileLayer &layer : layers)
    out += fmt::format("{:<{}} {:>9.4f} {:>6.1f} {:>9.2f} {:>9} {:>7} {:>8}  {}\n", layer.name, width, layer.medianMs,
                       p.total.median > 0 ? layer.medianMs / p.total.median * 100 : 0.0, double(layer.macs) / 1e6,
                       rate(layer.macs, layer.medianMs), percent(p.shareOfPeak(layer.macs, layer.medianMs)), rate(layer.bytes, layer.medianMs),
                       layer.algorithm);
  out += fmt::format("{:<{}} {:>9.4f} {:>6.1f}\n", "(outside)", width, p.outsideMs(),
                     p.total.median > 0 ? p.outsideMs() / p.total.median * 100 : 0.0);
  out += fmt::format("{:<{}} {:>9.4f} {:>6.1f} {:>9.2f} {:>9} {:>7}\n", "total", width, p.total.median, 100.0, double(p.macs()) / 1e6,
                     rate(p.macs(), p.total.median), percent(p.shareOfPeak(p.macs(), p.total.median)));
  return out;
}

static json::Object spreadJson(const Spread &spread) {
  json::Object out;
  out.append("mean_ms", spread.mean);
  out.append("median_ms", spread.median);
  out.append("min_ms", spread.min);
  out.append("p95_ms", spread.p95);
  out.append("p99_ms", spread.p99);
  out.append("ci95_ms", json::Array{spread.ciLow, spread.ciHigh});
  return out;
}

/// Adds what is derived from MACs, bytes and a time.
static void appendRates(json::Object &out, const Profile &p, uint64_t macs, uint64_t bytes, double ms) {
  auto or0 = [&](uint64_t amount) { return ms > 0 ? double(amount) / (ms * 1e6) : 0.0; };
  std::optional<double> ofPeak = p.shareOfPeak(macs, ms), ofMemory = p.shareOfMemory(bytes, ms);
  out.append("share", p.total.median > 0 ? ms / p.total.median : 0.0);
  out.append("macs", int64_t(macs));
  out.append("bytes", int64_t(bytes));
  out.append("gmacs_per_s", or0(macs));
  out.append("gbytes_per_s", or0(bytes));
  out.append("share_of_peak", ofPeak ? json::Value(*ofPeak) : json::Value());
  out.append("share_of_memory", ofMemory ? json::Value(*ofMemory) : json::Value());
}

json::Object profileJson(const Profile &p) {
  json::Object out;
  out.append("model", p.model);
  out.append("opt", p.optLevel);
  out.append("variant", p.variant);
  out.append("threads", p.threads);
  out.append("batch", p.batch);
  out.append("warmup", p.warmup);
  out.append("iterations", p.iterations);
  out.append("input", p.input);
  for (auto &[key, value] : spreadJson(p.total)) out.append(key, value);
  out.append("steps_ms", p.stepsMs());
  out.append("outside_ms", p.outsideMs());
  out.append("macs", int64_t(p.macs()));
  out.append("gmacs_per_s", p.total.median > 0 ? double(p.macs()) / (p.total.median * 1e6) : 0.0);
  std::optional<double> share = p.shareOfPeak(p.macs(), p.total.median);
  out.append("share_of_peak", share ? json::Value(*share) : json::Value());
  const Peak *peak = bestIntegerPeak(p.peaks, p.variantFeatures);
  out.append("peak", peak ? json::Value(peak->name) : json::Value());
  out.append("peaks", peaksJson(p.peaks));
  json::Array layers, steps;
  for (const ProfileLayer &layer : p.layers()) {
    json::Object one;
    one.append("layer", layer.name);
    one.append("steps", int64_t(layer.steps));
    one.append("median_ms", layer.medianMs);
    appendRates(one, p, layer.macs, layer.bytes, layer.medianMs);
    one.append("algorithm", layer.algorithm);
    one.append("packing", layer.packing);
    one.append("reason", layer.reason);
    layers.emplace_back(std::move(one));
  }
  for (const ProfileStep &step : p.steps) {
    json::Object one;
    one.append("name", step.name);
    one.append("layer", step.layer);
    for (auto &[key, value] : spreadJson(step.ms)) one.append(key, value);
    appendRates(one, p, step.macs, step.activationBytes + step.weightBytes, step.ms.median);
    one.append("activation_bytes", int64_t(step.activationBytes));
    one.append("weight_bytes", int64_t(step.weightBytes));
    one.append("code_bytes", int64_t(step.codeBytes));
    steps.emplace_back(std::move(one));
  }
  out.append("layers", std::move(layers));
  out.append("steps", std::move(steps));
  return out;
}

} // namespace triton::driver
