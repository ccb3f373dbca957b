// Real weights to codes and scales, exactly as section 10 of the language says. No LibTorch.
#pragma once

#include "Graph.h"

#include <cstdint>
#include <vector>

namespace triton::trainer {

/// A weight cut into `rows` runs of `cols` consecutive elements that share one scale each.
struct WeightCodes {
  int64_t rows = 0, cols = 0;
  std::vector<int8_t> codes;
  std::vector<float> scales; ///< One per row.
};

/// True for the storages that have codes: trit, int8, int4.
bool hasCodes(const ParamInfo &param);

/// The shape of the scales in a checkpoint: [] per tensor, [O] per channel, [O, G] per group.
std::vector<int64_t> scaleShape(const ParamInfo &param);

/// Quantises `count` weights in channel-major order (the channel axis moved to the front). `delta` and `scale` hold one number
/// per row and are read by method=learned only. `seed` replaces the parameter's seed for method=stochastic.
WeightCodes quantizeWeights(const float *weights, int64_t count, const ParamInfo &param, const float *delta = nullptr,
                            const float *scale = nullptr, uint64_t seed = 0);

/// The SplitMix64 step that the language uses for random trits: number `index` of the stream `seed`.
uint64_t splitMix(uint64_t seed, uint64_t index);

/// FNV-1a-64 of a text; seeds what has no seed of its own.
uint64_t fnv1a(std::string_view text);

} // namespace triton::trainer
