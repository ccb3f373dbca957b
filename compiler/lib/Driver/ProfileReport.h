// What `triton profile` measured, and its three forms: text, JSON, HTML. Plain data: it neither runs nor measures.
#pragma once

#include "triton/Artifact/Artifact.h"
#include "triton/Peaks/Peaks.h"
#include "triton/Support/Statistics.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace triton::driver {

/// One step of the program.
struct ProfileStep {
  std::string name, layer;
  uint64_t macs = 0;            ///< for the batch that ran
  uint64_t activationBytes = 0; ///< read and written, for the batch that ran
  uint64_t weightBytes = 0;     ///< of its layer, as they lie in memory
  uint64_t codeBytes = 0;
  Spread ms;
};

/// All steps of one layer, in the order of the first of them; steps without a layer stand alone under their own name.
struct ProfileLayer {
  std::string name, algorithm, packing, reason;
  unsigned steps = 0;
  uint64_t macs = 0, bytes = 0;
  double medianMs = 0;          ///< the sum of its steps' medians
};

struct Profile {
  std::string model, variant, input; ///< input: "given", or "pattern" if none was given
  uint64_t variantFeatures = 0;
  int64_t optLevel = 0, threads = 1, batch = 1, warmup = 0, iterations = 0;
  Spread total;                 ///< ms of whole runs, seen from outside
  std::vector<ProfileStep> steps;
  std::vector<LayerChoice> choices;
  std::vector<Peak> peaks;      ///< empty: not measured

  uint64_t macs() const;
  double stepsMs() const;       ///< the sum of the steps' medians
  /// What is left of the median run: the call, copies of inputs and outputs. Negative only by noise.
  double outsideMs() const { return total.median - stepsMs(); }
  std::vector<ProfileLayer> layers() const;
  /// The rate as a fraction of the best integer ceiling of the variant's instructions; nothing without MACs, time or ceilings.
  std::optional<double> shareOfPeak(uint64_t macs, double ms) const;
  /// Bytes a second as a fraction of what main memory gives.
  std::optional<double> shareOfMemory(uint64_t bytes, double ms) const;
};

/// Gives every step the bytes of its layer's blobs: those whose key is the layer's, or begins with it and a dot. Of several layers the
/// longest name wins; of several steps of a layer the first with MACs, else the first.
void assignWeightBytes(std::vector<ProfileStep> &steps, const std::vector<VariantDetails::LoadedBlob> &blobs);

std::string profileText(const Profile &profile);
json::Object profileJson(const Profile &profile);
/// One file that needs nothing else: no scripts, no fonts, no network.
std::string profileHtml(const Profile &profile);

} // namespace triton::driver
