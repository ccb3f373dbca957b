// What this machine can do at most, measured on the spot by small loops of the very instructions that kernels are made of. No LLVM.
#pragma once

#include "triton/Support/Json.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace triton {

/// One ceiling: the best of `repeats` short measurements, and how far the others lay below it.
struct Peak {
  std::string name;        ///< "vpdpbusd zmm"
  std::string unit;        ///< "GMAC/s", or "GB/s" for memory
  std::string kind;        ///< "int8", "int16 sums", "fp32" or "read"
  uint64_t features = 0;   ///< bits of artifact/cpu_features.h that the loop needs
  double best = 0, median = 0, worst = 0;
  unsigned repeats = 0;

  /// The distance between the best and the worst measurement as a fraction of the best.
  double spread() const { return best > 0 ? (best - worst) / best : 0; }
};

struct PeakOptions {
  unsigned threads = 1;
  unsigned repeats = 9;       ///< at least 1
  double millisOfEach = 4;    ///< of one measurement; long enough that the clock does not matter
  bool memory = true;         ///< also read rates, which takes some hundred milliseconds
};

/// All ceilings that the processor's features allow, all threads together. Threads are spread over the processors that the caller
/// may use, one each. Empty on processors for which there are no loops. Not thread-safe: it measures.
std::vector<Peak> measurePeaks(const PeakOptions &options = {});

/// The fastest arithmetic ceiling of the integer kinds that code with `features` may use; null if none was measured.
const Peak *bestIntegerPeak(const std::vector<Peak> &peaks, uint64_t features);
/// The rate of memory reads from main memory; null if none was measured.
const Peak *memoryPeak(const std::vector<Peak> &peaks);

/// Bytes that the measurement of main memory reads: more than the last-level cache holds, if memory allows.
uint64_t memoryPeakBytes();

json::Array peaksJson(const std::vector<Peak> &peaks);

} // namespace triton
