// The generated half of the operations.
#include "ternary/TernaryOps.h"

using namespace mlir;

namespace triton::ternary {

// `dense<..> : tensor<..>`, and ` -> type` where the result's type is not the attribute's own (trits and codes).
static ParseResult parseConstantValue(OpAsmParser &parser, ElementsAttr &value, Type &type) {
  SMLoc loc = parser.getCurrentLocation();
  Attribute attr;
  if (parser.parseAttribute(attr)) return failure();
  value = dyn_cast<ElementsAttr>(attr);
  if (!value) return parser.emitError(loc, "expected the elements of a tensor");
  if (succeeded(parser.parseOptionalArrow())) return parser.parseType(type);
  type = value.getType();
  return success();
}

static void printConstantValue(OpAsmPrinter &printer, ConstantOp, ElementsAttr value, Type type) {
  printer.printAttribute(value);
  if (value.getType() != type) printer << " -> " << type;
}

} // namespace triton::ternary

#define GET_OP_CLASSES
#include "ternary/TernaryOps.cpp.inc"
