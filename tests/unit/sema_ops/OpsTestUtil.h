// Runs one operation check and gives its result or its first message as a string.
#pragma once

#include "triton/Sema/Operations.h"

#include <sstream>

namespace triton::test {

inline Dim var(const char *name) { return Dim::variable(name); }

/// A real tensor unless `type` says otherwise.
inline Operand tensor(Shape shape, DType type = DType::Float32, std::string name = "") {
  Operand operand;
  operand.type = {type, std::move(shape)};
  operand.name = std::move(name);
  return operand;
}
inline Operand weight(Shape shape, DType type = DType::Trit) {
  Operand operand = tensor(std::move(shape), type, "w");
  operand.isWeight = true;
  operand.hasScale = !isFloat(type);
  return operand;
}
inline Operand unknownShape(DType type = DType::Float32) {
  Operand operand = tensor({}, type);
  operand.shapeKnown = false;
  return operand;
}
inline Operand absent() {
  Operand operand;
  operand.present = false;
  return operand;
}

inline std::string describe(const OpResult &result) {
  if (!result.dtypeKnown) return result.shapeKnown ? "?" + shapeString(result.type.shape) : "?";
  if (!result.shapeKnown) return std::string(dtypeName(result.type.dtype)) + "[...]";
  return typeString(result.type);
}

inline std::string firstMessage(const DiagnosticEngine &diags) {
  for (const Diagnostic &d : diags.sorted()) {
    std::ostringstream text;
    text << diagInfo(d.code).number << ": " << d.message;
    if (!d.help.empty()) text << " | " << d.help;
    return text.str();
  }
  return "nothing";
}

/// `typeString` of the result, or `number: message | help` of the error.
inline std::string infer(OpKind op, std::vector<Operand> operands, AttrMap attrs = {},
                         std::vector<RuntimeCheck> *waits = nullptr, AttrMap *outAttrs = nullptr) {
  SourceManager sources;
  DiagnosticEngine diags(sources);
  auto result = inferOperation(op, operands, attrs, {}, diags, waits);
  if (outAttrs) *outAttrs = attrs;
  if (!result) return diags.errorCount() == 1 ? firstMessage(diags) : "not exactly one error";
  return diags.hasErrors() ? "a result and an error" : describe(result->front());
}

inline std::string inferOperator(OpKind op, const Operand &a, const Operand &b) {
  SourceManager sources;
  DiagnosticEngine diags(sources);
  auto result = inferBinary(op, a, b, {}, diags);
  if (!result) return diags.errorCount() == 1 ? firstMessage(diags) : "not exactly one error";
  return diags.hasErrors() ? "a result and an error" : describe(*result);
}

inline Attr ints(std::vector<int64_t> list) { return list; }

} // namespace triton::test
