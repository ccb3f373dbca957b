// The codes that a quantiser makes of the bytes of a raw input.
#pragma once

#include "ternary/TernaryOps.h"

#include <cstdint>
#include <vector>

namespace triton {

/// For each channel of the pre-processing (one, or as many as it has means or deviations) the codes of the bytes 0 to 255.
std::vector<int8_t> inputCodes(ternary::QuantType type, mlir::BlockArgument argument);

} // namespace triton
