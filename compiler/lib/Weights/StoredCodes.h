// A quantised weight as bytes for the compile cache: header, scales, then trits five to a byte or codes as they are.
#pragma once

#include "triton/Weights/WeightStore.h"

#include <optional>
#include <span>
#include <vector>

namespace triton {

/// Everything that decides a weight's codes beside the checkpoint, as text: part of the name under which they are kept.
std::string describeRequest(const WeightRequest &request);

/// What a request for codes gives, still without scales and codes.
LoadedWeight withoutCodes(const WeightRequest &request, const ScaleLayout &layout);

std::vector<uint8_t> encodeCodes(const LoadedWeight &weight);
/// Nothing if the bytes are not what encodeCodes gives for such a request.
std::optional<LoadedWeight> decodeCodes(std::span<const uint8_t> bytes, const WeightRequest &request);

} // namespace triton
