// What --calibrate names: inputs on which activation scales and statistics are measured.
#pragma once

#include "triton/Driver/CommandLine.h"
#include "triton/Sema/Graph.h"
#include "triton/Support/Result.h"
#include "triton/Tensor/HostTensor.h"

#include "DataSet.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace triton::driver {

/// What is to be read, and how.
struct SampleRequest {
  std::string path;                 ///< of --calibrate: .npy, a picture, a folder of pictures or of a data set; empty for none
  std::optional<uint64_t> limit;    ///< of --samples
  std::optional<uint32_t> resize;   ///< of --resize
  std::string program;              ///< a program of the zoo has a manifest that says how its pictures are prepared
  unsigned threads = 1;             ///< to decode pictures on
};

/// Reads the options. Errors are of kind Usage: numbers out of range, options about samples where there are none.
Result<SampleRequest> sampleRequest(const Arguments &arguments, const std::string &program);

/// The picture that an input of these sizes takes (below 0: any): [N, C, H, W], [N, H, W] or [C, H, W], or flat with a square number of
/// pixels. Nothing for other inputs.
std::optional<zoo::ImageShape> imageShapeOf(std::span<const int64_t> dims);

/// The samples for the model's only input, along the first axis. A .npy file gives all that it holds, everything else
/// `kUsualSamples`, if no limit is given. Those that are taken lie evenly over all that there are, since folders are sorted by class. Pictures
/// are decoded one after the other; what is kept is what the network takes, at most `kMostSampleBytes`.
/// Errors: several inputs (Usage); nothing there that fits the input; a file that cannot be read, with its name and the place.
Result<HostTensor> readSamples(const Graph &graph, const SampleRequest &request);

inline constexpr uint64_t kUsualSamples = 128;
inline constexpr uint64_t kMostSampleBytes = uint64_t(1) << 30;

} // namespace triton::driver
