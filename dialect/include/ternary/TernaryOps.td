// All operations of the `ternary` dialect, by family.
#ifndef TERNARY_OPS_TD
#define TERNARY_OPS_TD

include "ternary/QuantiseOps.td"
include "ternary/ProductOps.td"
include "ternary/ElementwiseOps.td"
include "ternary/ReduceOps.td"
include "ternary/MovingOps.td"

#endif // TERNARY_OPS_TD
