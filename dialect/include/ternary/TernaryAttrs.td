// Enums and attributes of the `ternary` dialect.
#ifndef TERNARY_ATTRS_TD
#define TERNARY_ATTRS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "ternary/TernaryDialect.td"

class Ternary_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::triton::ternary";
  let genSpecializedAttr = 0;
}

def Ternary_CodeKind : Ternary_Enum<"CodeKind", "width and sign of activation codes", [
    I32EnumAttrCase<"I8", 0, "i8">, I32EnumAttrCase<"U8", 1, "u8">, I32EnumAttrCase<"I6", 2, "i6">,
    I32EnumAttrCase<"U6", 3, "u6">, I32EnumAttrCase<"I4", 4, "i4">, I32EnumAttrCase<"U4", 5, "u4">,
    I32EnumAttrCase<"T", 6, "t">]>;
def Ternary_QuantMode : Ternary_Enum<"QuantMode", "where an activation scale comes from", [
    I32EnumAttrCase<"Static", 0, "static">, I32EnumAttrCase<"Dynamic", 1, "dynamic">]>;
def Ternary_QuantPer : Ternary_Enum<"QuantPer", "what one activation scale covers", [
    I32EnumAttrCase<"Tensor", 0, "per_tensor">, I32EnumAttrCase<"Row", 1, "per_row">]>;
def Ternary_WeightStorage : Ternary_Enum<"WeightStorage", "how a weight is stored", [
    I32EnumAttrCase<"Trit", 0, "trit">, I32EnumAttrCase<"Int8", 1, "i8">, I32EnumAttrCase<"Int4", 2, "i4">,
    I32EnumAttrCase<"Float32", 3, "f32">, I32EnumAttrCase<"Float16", 4, "f16">, I32EnumAttrCase<"BFloat16", 5, "bf16">]>;
def Ternary_WeightScale : Ternary_Enum<"WeightScale", "what one weight scale covers", [
    I32EnumAttrCase<"PerTensor", 0, "per_tensor">, I32EnumAttrCase<"PerChannel", 1, "per_channel">,
    I32EnumAttrCase<"PerGroup", 2, "per_group">]>;
def Ternary_WeightMethod : Ternary_Enum<"WeightMethod", "how real weights become trits", [
    I32EnumAttrCase<"Twn", 0, "twn">, I32EnumAttrCase<"AbsMean", 1, "absmean">, I32EnumAttrCase<"Fixed", 2, "fixed">,
    I32EnumAttrCase<"Stochastic", 3, "stochastic">, I32EnumAttrCase<"Learned", 4, "learned">]>;

def Ternary_CodeKindAttr : EnumAttr<Ternary_Dialect, Ternary_CodeKind, "kind">;
def Ternary_QuantModeAttr : EnumAttr<Ternary_Dialect, Ternary_QuantMode, "mode">;
def Ternary_QuantPerAttr : EnumAttr<Ternary_Dialect, Ternary_QuantPer, "per">;

def Ternary_WeightsAttr : AttrDef<Ternary_Dialect, "Weights"> {
  let mnemonic = "weights";
  let summary = "how a weight becomes codes and scales (section 9 of the language)";
  let description = [{
    `#ternary.weights<trit, per_channel, twn, threshold = 0.7>`, with `group = n` for `per_group` and `seed = n` for
    `stochastic`. For a storage other than `trit` only the storage matters: `#ternary.weights<i8>`.
  }];
  let parameters = (ins "::triton::ternary::WeightStorage":$storage, "::triton::ternary::WeightScale":$scale,
                        "::triton::ternary::WeightMethod":$method, APFloatParameter<"a double">:$thresholdValue,
                        "int64_t":$group, "uint64_t":$seed);
  let skipDefaultBuilders = 1;
  let builders = [
    AttrBuilder<(ins "::triton::ternary::WeightStorage":$storage,
                     CArg<"::triton::ternary::WeightScale", "::triton::ternary::WeightScale::PerChannel">:$scale,
                     CArg<"::triton::ternary::WeightMethod", "::triton::ternary::WeightMethod::Twn">:$method,
                     CArg<"double", "0.7">:$threshold, CArg<"int64_t", "0">:$group, CArg<"uint64_t", "0">:$seed),
    [{ return $_get($_ctxt, storage, scale, method, ::llvm::APFloat(threshold), group, seed); }]>];
  let extraClassDeclaration = [{
    double getThreshold() const { return getThresholdValue().convertToDouble(); }
  }];
  let hasCustomAssemblyFormat = 1;
}

#endif // TERNARY_ATTRS_TD
