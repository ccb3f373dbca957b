// The `ternary` dialect itself. Why it is as it is: docs/dialect/rationale.md.
#ifndef TERNARY_DIALECT_TD
#define TERNARY_DIALECT_TD

include "mlir/IR/OpBase.td"

def Ternary_Dialect : Dialect {
  let name = "ternary";
  let summary = "Networks of trits: exact integer arithmetic on tensors of codes, and the real graph it comes from";
  let description = [{
    Most operations have two forms, told apart by their types: *real* (`f32`, `f16`, `bf16`) and *codes*
    (`!ternary.quant`, `!ternary.trit`, plain integers). The real form is the float graph that IRGen builds; the code form
    is the integer graph after `ternary-resolve-quantisation`, where every sum is exact. Tensors are ranked, at least 1
    in every dimension, and dynamic only along axis 0, the batch. Layout is logical: NCHW and [O, C/groups, kh, kw].

    Attributes of the dialect on functions and their arguments are checked: `ternary.entry` (unit) marks an entry point,
    `ternary.model` and `ternary.doc` are strings, `ternary.dims` lists the names of dynamic dimensions, `ternary.labels` those of classes;
    an argument may carry `ternary.name`, `ternary.dtypes`, `ternary.mean`, `ternary.std` and `ternary.scale`, a result
    `ternary.name`. Any operation may carry `ternary.group` (the index of its operation group) and `ternary.path`.
  }];
  let cppNamespace = "::triton::ternary";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let extraClassDeclaration = [{
    void registerAttrs(); // in TernaryAttributes.cpp, beside the attributes
  }];
}

#endif // TERNARY_DIALECT_TD
