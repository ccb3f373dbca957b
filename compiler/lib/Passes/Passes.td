// The passes on the `ternary` dialect: name, summary, what each expects and guarantees, options. One .cpp per pass.
#ifndef TRITON_PASSES_TD
#define TRITON_PASSES_TD

include "mlir/Pass/PassBase.td"

def ResolveQuantisation : Pass<"ternary-resolve-quantisation", "::mlir::ModuleOp"> {
  let summary = "float graph to integer graph, exactly as section 10 of the language says";
  let description = [{
    Loads parameters, quantises weights, finds the scale of every quantiser (given, in the checkpoint, or by calibration) and folds
    scales, batch norm and bias of each linear-like group into one `ternary.affine`. `add`, `mul`, means and `concat` between
    quantisers become their integer forms, moving operations keep codes, everything else stays real between `dequantize` and
    `quantize`. A product notes the bound on its sums that follows from its weights (`ternary.acc_max`; `ternary.acc_exact_f32` if
    it is below 2^24).

    Expects functions of one block as IRGen makes them. Guarantees that no `ternary.param` and no `ternary.fake_quantize` is
    left and that every integer sum fits int32 (else error TRI0705).

    The compiler gives the pass a weight store and calibration data; without them, as in ternary-opt, weights are made up.
    Before: `%c = ternary.conv2d %q, %w; %n = ternary.batch_norm %c, ..; %r = ternary.relu %n; %y = ternary.fake_quantize %r ..`.
    After: `%acc = ternary.conv2d %q, %trits; %y = ternary.affine %acc {m, b, lo = 0, hi = 255}`.
  }];
  let constructor = "::triton::createResolveQuantisationPass()";
  let dependentDialects = ["::triton::ternary::TernaryDialect"];
  let options = [Option<"randomWeights", "random-weights", "uint64_t", "0", "Seed of made-up weights when no store is given">];
}

#endif // TRITON_PASSES_TD
