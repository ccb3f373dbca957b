// The float functions of docs/numerics.md, operation by operation, on scalars or vectors of binary32.
#pragma once

#include "KernelBuilder.h"

namespace triton {

Val emitExp(Val x);
Val emitLog(Val x);
Val emitTanh(Val x);
Val emitErf(Val x);
Val emitSin(Val x);
Val emitCos(Val x);

Val emitRelu(Val x);
Val emitRelu6(Val x);
Val emitHardsigmoid(Val x);
Val emitHardswish(Val x);
Val emitSigmoid(Val x);
Val emitSilu(Val x);
Val emitGelu(Val x);
Val emitGeluTanh(Val x);
/// NaN stays NaN.
Val emitClamp(Val x, float lo, float hi);

/// clamp(rne(x), lo, hi) as i32; NaN gives 0 (clamped).
Val emitRoundToCode(Val x, int64_t lo, int64_t hi);
/// The sign where |x| > half, else 0 (also for NaN).
Val emitRoundToTrit(Val x, Val half);

/// binary16 and bfloat16 as their bits in i16, without hardware conversions.
Val emitFloatToHalfBits(Val x);
Val emitHalfBitsToFloat(Val bits);
Val emitFloatToBfloatBits(Val x);
Val emitBfloatBitsToFloat(Val bits);

} // namespace triton
