// The table of built-in operations, argument normalisation, the dispatch to the checks, and random trits.
#include "triton/Sema/Operations.h"

#include "OperationChecks.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <map>

namespace triton {

const char *opName(OpKind op) {
  static const char *const names[] = {
#define TRITON_OP(NAME, SPELLING) SPELLING,
#include "triton/Sema/Ops.def"
  };
  return names[size_t(op)];
}

namespace {

using K = ArgKind;

OpParam tensor(std::string_view name) { return {name, K::Tensor, true, ""}; }
OpParam need(std::string_view name, ArgKind kind) { return {name, kind, true, ""}; }
OpParam with(std::string_view name, ArgKind kind, std::string_view defaultText) { return {name, kind, false, defaultText}; }

/// Section 11, row by row. `equal` and `close` are for tests; they and the makers of constants have no node of their own, so
/// the evaluator tells them by their spelling.
const std::vector<OpSignature> &table() {
  static const std::vector<OpSignature> rows = [] {
    std::vector<OpSignature> t;
    auto unary = [&](OpKind op) { t.push_back({op, opName(op), {tensor("x")}}); };
    auto binary = [&](OpKind op) { t.push_back({op, opName(op), {tensor("a"), tensor("b")}}); };
    t.push_back({OpKind::Linear, "linear", {tensor("x"), tensor("w"), with("bias", K::OptionalTensor, "")}});
    t.push_back({OpKind::TernaryMatmul, "ternary_matmul", {tensor("x"), tensor("w")}});
    t.push_back({OpKind::Conv2d, "conv2d",
                 {tensor("x"), tensor("w"), with("bias", K::OptionalTensor, ""), with("stride", K::Pair, "1"),
                  with("padding", K::Pair, "0"), with("dilation", K::Pair, "1"), with("groups", K::Int, "1")}});
    t.push_back({OpKind::BatchNorm, "batch_norm",
                 {tensor("x"), tensor("weight"), tensor("bias"), tensor("mean"), tensor("var"), with("eps", K::Float, "1e-5")}});
    t.push_back({OpKind::LayerNorm, "layer_norm", {tensor("x"), tensor("weight"), tensor("bias"), with("eps", K::Float, "1e-5")}});
    t.push_back({OpKind::RmsNorm, "rms_norm", {tensor("x"), tensor("weight"), with("eps", K::Float, "1e-6")}});
    for (OpKind op : {OpKind::Relu, OpKind::Relu6, OpKind::Hardsigmoid, OpKind::Hardswish, OpKind::Sigmoid, OpKind::Silu,
                      OpKind::Tanh, OpKind::Exp, OpKind::Log, OpKind::Sqrt, OpKind::Abs, OpKind::Neg})
      unary(op);
    t.push_back({OpKind::Gelu, "gelu", {tensor("x"), with("approx", K::Bool, "false")}});
    for (OpKind op : {OpKind::Add, OpKind::Sub, OpKind::Mul, OpKind::Div}) binary(op);
    t.push_back({OpKind::Clamp, "clamp", {tensor("x"), need("lo", K::Float), need("hi", K::Float)}});
    t.push_back({OpKind::MaxPool, "max_pool",
                 {tensor("x"), need("kernel", K::Pair), with("stride", K::Pair, "kernel"), with("padding", K::Pair, "0")}});
    t.push_back({OpKind::AvgPool, "avg_pool",
                 {tensor("x"), need("kernel", K::Pair), with("stride", K::Pair, "kernel"), with("padding", K::Pair, "0"),
                  with("count_pad", K::Bool, "true")}});
    unary(OpKind::GlobalAvgPool);
    for (OpKind op : {OpKind::Mean, OpKind::Sum, OpKind::Max})
      t.push_back({op, opName(op), {tensor("x"), need("axis", K::Int), with("keep", K::Bool, "false")}});
    t.push_back({OpKind::Concat, "concat", {need("parts", K::TensorList), with("axis", K::Int, "1")}});
    t.push_back({OpKind::Flatten, "flatten", {tensor("x"), with("start", K::Int, "1")}});
    t.push_back({OpKind::Reshape, "reshape", {tensor("x"), need("shape", K::DimList)}});
    t.push_back({OpKind::Transpose, "transpose", {tensor("x"), with("order", K::IntList, "")}});
    t.push_back({OpKind::Slice, "slice",
                 {tensor("x"), need("axis", K::Int), need("from", K::DimValue), need("to", K::DimValue)}});
    t.push_back({OpKind::Pad, "pad", {tensor("x"), need("padding", K::IntList), with("value", K::Float, "0")}});
    t.push_back({OpKind::Softmax, "softmax", {tensor("x"), with("axis", K::Int, "-1")}});
    t.push_back({OpKind::Argmax, "argmax", {tensor("x"), with("axis", K::Int, "-1")}});
    t.push_back({OpKind::Embedding, "embedding", {tensor("ids"), tensor("table")}});
    t.push_back({OpKind::Attention, "attention",
                 {tensor("q"), tensor("k"), tensor("v"), with("causal", K::Bool, "false"), with("scale", K::Float, "0.0")}});
    t.push_back({OpKind::Rope, "rope", {tensor("x"), with("base", K::Float, "10000.0"), with("offset", K::Int, "0")}});
    t.push_back({OpKind::Quantize, "quantize", {tensor("x"), need("d", K::Dtype), with("scale", K::Float, "")}});
    unary(OpKind::Dequantize);
    t.push_back({OpKind::Codes, "codes", {tensor("w")}});
    t.push_back({OpKind::Dropout, "dropout", {tensor("x"), with("p", K::Float, "0.5")}});
    t.push_back({OpKind::Constant, "random_ternary",
                 {need("shape", K::DimList), with("seed", K::Int, ""), with("zero", K::Float, "1.0/3")}});
    t.push_back({OpKind::Constant, "zeros", {need("shape", K::DimList), with("d", K::Dtype, "float32")}});
    t.push_back({OpKind::Constant, "ones", {need("shape", K::DimList), with("d", K::Dtype, "float32")}});
    t.push_back({OpKind::Constant, "full",
                 {need("shape", K::DimList), need("v", K::Float), with("d", K::Dtype, "float32")}});
    t.push_back({OpKind::Constant, "equal", {tensor("a"), tensor("b")}});
    t.push_back({OpKind::Constant, "close", {tensor("a"), tensor("b"), with("tol", K::Float, "1e-6")}});
    // What structure makes: not found by name.
    t.push_back({OpKind::Matmul, "", {tensor("a"), tensor("b")}});
    t.push_back({OpKind::Index, "", {tensor("x"), need("indices", K::IntList)}});
    return t;
  }();
  return rows;
}

const OpSignature *signatureOf(OpKind op) {
  for (const OpSignature &row : table())
    if (row.op == op && op != OpKind::Constant) return &row;
  return nullptr;
}

/// The value of a default as the table spells it.
std::optional<Attr> defaultOf(const OpParam &param, const AttrMap &attrs) {
  if (param.defaultText.empty()) return std::nullopt;
  std::string text(param.defaultText);
  auto other = attrs.find(text);
  if (other != attrs.end()) return other->second; // "kernel": the same as that argument
  if (param.kind == ArgKind::Bool) return Attr(text == "true");
  if (param.kind == ArgKind::Dtype) return Attr(*dtypeFromName(text));
  if (param.kind == ArgKind::Float) return Attr(text == "1.0/3" ? 1.0 / 3 : std::strtod(text.c_str(), nullptr));
  return Attr(int64_t(std::strtoll(text.c_str(), nullptr, 10)));
}

std::optional<std::vector<int64_t>> integersOf(const Attr &attr) {
  if (const int64_t *one = std::get_if<int64_t>(&attr)) return std::vector<int64_t>{*one};
  if (const auto *list = std::get_if<std::vector<int64_t>>(&attr)) return *list;
  if (const auto *dims = std::get_if<std::vector<Dim>>(&attr)) {
    std::vector<int64_t> list;
    for (const Dim &dim : *dims) {
      if (!dim.constant()) return std::nullopt;
      list.push_back(*dim.constant());
    }
    return list;
  }
  if (const auto *doubles = std::get_if<std::vector<double>>(&attr); doubles && doubles->empty())
    return std::vector<int64_t>{};
  return std::nullopt;
}

const char *attrTypeName(const Attr &attr) {
  static const char *const names[] = {"bool", "int", "float", "str", "dtype", "a list of ints", "a list of floats",
                                      "a list of dimensions"};
  return names[attr.index()];
}

/// Brings an attribute into the form that Operations.h promises; false if its type is wrong.
bool normalise(const OpParam &param, Attr &attr) {
  switch (param.kind) {
  case ArgKind::Int: {
    auto list = integersOf(attr);
    if (!list || list->size() != 1) return false;
    attr = list->front();
    return true;
  }
  case ArgKind::Float:
    if (const int64_t *value = std::get_if<int64_t>(&attr)) attr = double(*value);
    return std::holds_alternative<double>(attr);
  case ArgKind::Bool:
    return std::holds_alternative<bool>(attr);
  case ArgKind::Dtype:
    return std::holds_alternative<DType>(attr);
  case ArgKind::Pair: {
    auto list = integersOf(attr);
    if (!list || (list->size() != 1 && list->size() != 2)) return false;
    if (list->size() == 1) {
      if (!std::holds_alternative<int64_t>(attr)) return false; // [3] is neither
      list->push_back(list->front());
    }
    attr = std::move(*list);
    return true;
  }
  case ArgKind::IntList: {
    auto list = integersOf(attr);
    if (!list) return false;
    attr = std::move(*list);
    return true;
  }
  case ArgKind::DimList: {
    if (std::holds_alternative<std::vector<Dim>>(attr)) return true;
    auto list = integersOf(attr);
    if (!list) return false;
    attr = std::vector<Dim>(list->begin(), list->end());
    return true;
  }
  case ArgKind::DimValue: {
    if (auto *dims = std::get_if<std::vector<Dim>>(&attr); dims && dims->size() == 1 && !dims->front().constant()) return true;
    auto list = integersOf(attr);
    if (!list || list->size() != 1) return false;
    attr = list->front();
    return true;
  }
  case ArgKind::Tensor:
  case ArgKind::OptionalTensor:
  case ArgKind::TensorList:
    return true;
  }
  return true;
}

const char *expectedOf(ArgKind kind) {
  switch (kind) {
  case ArgKind::Int: return "int";
  case ArgKind::Float: return "float";
  case ArgKind::Bool: return "bool";
  case ArgKind::Dtype: return "dtype";
  case ArgKind::Pair: return "an int or [h, w]";
  case ArgKind::IntList: return "a list of ints";
  case ArgKind::DimList: return "a shape";
  case ArgKind::DimValue: return "a dimension";
  default: return "a tensor";
  }
}

bool isTensorKind(ArgKind kind) {
  return kind == ArgKind::Tensor || kind == ArgKind::OptionalTensor || kind == ArgKind::TensorList;
}

bool prepareAttrs(const OpSignature &signature, AttrMap &attrs, SourceRange at, DiagnosticEngine &diags) {
  for (const OpParam &param : signature.params) {
    if (isTensorKind(param.kind)) continue;
    std::string key(param.name);
    auto found = attrs.find(key);
    if (found == attrs.end()) {
      std::optional<Attr> value = defaultOf(param, attrs);
      if (!value) {
        if (!param.required) continue;
        diags.report(Diag::ArgumentCount, at, {opName(signature.op), std::to_string(signature.params.size()), "fewer"})
            .help("'" + key + "' is missing");
        return false;
      }
      found = attrs.emplace(key, *value).first;
    }
    if (!normalise(param, found->second)) {
      diags.report(Diag::TypeMismatch, at, {expectedOf(param.kind), attrTypeName(found->second)})
          .help("argument '" + key + "' of '" + opName(signature.op) + "'");
      return false;
    }
  }
  return true;
}

} // namespace

const OpSignature *findOperation(std::string_view spelling) {
  static const std::map<std::string_view, const OpSignature *> index = [] {
    std::map<std::string_view, const OpSignature *> made;
    for (const OpSignature &row : table())
      if (!row.spelling.empty()) made.emplace(row.spelling, &row);
    return made;
  }();
  auto found = index.find(spelling);
  return found == index.end() ? nullptr : found->second;
}

const std::vector<std::string> &operationNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> made;
    for (const OpSignature &row : table())
      if (!row.spelling.empty()) made.emplace_back(row.spelling);
    std::sort(made.begin(), made.end());
    return made;
  }();
  return names;
}

std::optional<std::vector<OpResult>> inferOperation(OpKind op, const std::vector<Operand> &given, AttrMap &attrs,
                                                    SourceRange at, DiagnosticEngine &diags,
                                                    std::vector<RuntimeCheck> *waits) {
  const OpSignature *signature = signatureOf(op);
  assert(signature && "casts and constants are not inferred here");
  if (!prepareAttrs(*signature, attrs, at, diags)) return std::nullopt;

  std::vector<Operand> operands = given;
  bool list = !signature->params.empty() && signature->params[0].kind == ArgKind::TensorList;
  if (!list) {
    size_t tensors = 0, required = 0;
    for (const OpParam &param : signature->params) {
      tensors += isTensorKind(param.kind);
      required += param.kind == ArgKind::Tensor;
    }
    size_t present = 0;
    for (size_t i = 0; i < operands.size(); ++i) present += operands[i].present;
    bool missing = operands.size() > tensors;
    for (size_t i = 0; i < required; ++i) missing |= i >= operands.size() || !operands[i].present;
    if (missing) {
      diags.report(Diag::ArgumentCount, at, {opName(op), std::to_string(required), std::to_string(present)});
      return std::nullopt;
    }
  }

  ops::Check check{op, opName(op), operands, attrs, at, diags, waits};
  switch (op) {
  case OpKind::Linear:
  case OpKind::TernaryMatmul: return checkLinear(check);
  case OpKind::Conv2d: return checkConv2d(check);
  case OpKind::BatchNorm: return checkBatchNorm(check);
  case OpKind::LayerNorm:
  case OpKind::RmsNorm: return checkLastAxisNorm(check);
  case OpKind::Relu:
  case OpKind::Relu6:
  case OpKind::Hardsigmoid:
  case OpKind::Hardswish:
  case OpKind::Sigmoid:
  case OpKind::Silu:
  case OpKind::Tanh:
  case OpKind::Gelu:
  case OpKind::Exp:
  case OpKind::Log:
  case OpKind::Sqrt:
  case OpKind::Abs:
  case OpKind::Neg:
  case OpKind::Dropout: return checkUnary(check);
  case OpKind::Add:
  case OpKind::Sub:
  case OpKind::Mul:
  case OpKind::Div: return checkArithmetic(check);
  case OpKind::Clamp: return checkClamp(check);
  case OpKind::MaxPool:
  case OpKind::AvgPool: return checkPool(check);
  case OpKind::GlobalAvgPool: return checkGlobalPool(check);
  case OpKind::Mean:
  case OpKind::Sum:
  case OpKind::Max: return checkReduction(check);
  case OpKind::Concat: return checkConcat(check);
  case OpKind::Flatten: return checkFlatten(check);
  case OpKind::Reshape: return checkReshape(check);
  case OpKind::Transpose: return checkTranspose(check);
  case OpKind::Slice: return checkSlice(check);
  case OpKind::Pad: return checkPad(check);
  case OpKind::Softmax: return checkSoftmax(check);
  case OpKind::Argmax: return checkArgmax(check);
  case OpKind::Embedding: return checkEmbedding(check);
  case OpKind::Attention: return checkAttention(check);
  case OpKind::Rope: return checkRope(check);
  case OpKind::Quantize:
  case OpKind::Dequantize:
  case OpKind::Codes: return checkQuantise(check);
  case OpKind::Matmul: {
    std::optional<OpResult> result = checkMatmul(check);
    if (!result) return std::nullopt;
    return std::vector<OpResult>{std::move(*result)};
  }
  case OpKind::Index: return checkIndex(check);
  case OpKind::Cast:
  case OpKind::Constant: break;
  }
  assert(false && "casts and constants are not inferred here");
  return std::nullopt;
}

std::optional<OpResult> inferBinary(OpKind op, const Operand &lhs, const Operand &rhs, SourceRange at,
                                    DiagnosticEngine &diags, std::vector<RuntimeCheck> *waits) {
  std::vector<Operand> operands = {lhs, rhs};
  AttrMap attrs;
  const char *spelling = op == OpKind::Add   ? "+"
                         : op == OpKind::Sub ? "-"
                         : op == OpKind::Mul ? "*"
                         : op == OpKind::Div ? "/"
                                             : "@";
  ops::Check check{op, spelling, operands, attrs, at, diags, waits};
  if (op == OpKind::Matmul) return checkMatmul(check);
  ops::Check::Result results = checkArithmetic(check);
  if (!results) return std::nullopt;
  return std::move(results->front());
}

// ---- Random trits ---------------------------------------------------------------------------------------------------------

std::vector<int8_t> randomTrits(uint64_t seed, double zero, size_t count) {
  // Probabilities are compared as 53-bit integers, so that no rounding enters.
  double scaled = std::floor(zero * 9007199254740992.0);
  uint64_t threshold = !(scaled > 0) ? 0 : scaled >= 9007199254740992.0 ? uint64_t(1) << 53 : uint64_t(scaled);
  std::vector<int8_t> trits(count);
  for (size_t i = 0; i < count; ++i) {
    uint64_t z = seed + (uint64_t(i) + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    trits[i] = (z >> 11) < threshold ? 0 : (z & 1) ? 1 : -1;
  }
  return trits;
}

uint64_t fnv1a64(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : text) hash = (hash ^ uint8_t(c)) * 0x100000001b3u;
  return hash;
}

} // namespace triton
