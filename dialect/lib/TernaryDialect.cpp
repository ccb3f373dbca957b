// The dialect's registration, element types and tensors, and the attributes it checks on functions.
#include "ternary/TernaryDialect.h"
#include "ternary/TernaryOps.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <charconv>
#include <cmath>

#include "ternary/TernaryDialect.cpp.inc"
#include "ternary/TernaryEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "ternary/TernaryTypes.cpp.inc"

using namespace mlir;

namespace triton::ternary {

void TernaryDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "ternary/TernaryTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ternary/TernaryOps.cpp.inc"
      >();
  registerAttrs();
}

Operation *TernaryDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || !isTensor(type)) return nullptr;
  return builder.create<ConstantOp>(loc, type, elements);
}

// ---- Codes and element types
// -------------------------------------------------------------------------------------------

int64_t codeHi(CodeKind kind) {
  switch (kind) {
  case CodeKind::I8:
    return 127;
  case CodeKind::U8:
    return 255;
  case CodeKind::I6:
    return 31;
  case CodeKind::U6:
    return 63;
  case CodeKind::I4:
    return 7;
  case CodeKind::U4:
    return 15;
  case CodeKind::T:
    return 1;
  }
  llvm_unreachable("unknown code kind");
}

int64_t codeLo(CodeKind kind) {
  bool isUnsigned = kind == CodeKind::U8 || kind == CodeKind::U6 || kind == CodeKind::U4;
  return isUnsigned ? 0 : -codeHi(kind);
}

bool isReal(Type element) {
  return element.isF32() || element.isF16() || element.isBF16();
}

bool isPlainInt(Type element) {
  if (element.isUnsignedInteger(8)) return true;
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer || !integer.isSignless()) return false;
  unsigned width = integer.getWidth();
  return width == 1 || width == 8 || width == 16 || width == 32 || width == 64;
}

std::pair<int64_t, int64_t> integerRange(Type element) {
  if (auto quant = dyn_cast<QuantType>(element)) return {quant.getLo(), quant.getHi()};
  if (isa<TritType>(element)) return {-1, 1};
  auto integer = cast<IntegerType>(element);
  if (integer.isUnsigned()) return {0, 255};
  if (integer.getWidth() == 1) return {0, 1};
  int64_t hi = std::numeric_limits<int64_t>::max() >> (64 - integer.getWidth());
  return {-hi - 1, hi};
}

/// The language's limit (TRI0405). It also keeps every product of sizes in this library inside 64 bits.
static constexpr int64_t kMaxElements = int64_t(1) << 40;

static bool isTensorOf(Type type, bool (*accepts)(Type element)) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getEncoding() || !accepts(tensor.getElementType())) return false;
  int64_t elements = 1;
  for (auto [axis, size] : llvm::enumerate(tensor.getShape())) {
    if (ShapedType::isDynamic(size) && axis == 0) continue;
    if (size < 1 || llvm::MulOverflow(elements, size, elements) || elements > kMaxElements) return false;
  }
  return true;
}

bool isTensor(Type type) {
  return isTensorOf(type, [](Type e) { return isReal(e) || isExact(e); });
}
bool isRealTensor(Type type) {
  return isTensorOf(type, isReal);
}
bool isCodeTensor(Type type) {
  return isTensorOf(type, [](Type e) { return isa<QuantType>(e); });
}
bool isIntTensor(Type type) {
  return isTensorOf(type, isPlainInt);
}
bool isAccTensor(Type type) {
  return isTensorOf(type, [](Type e) { return e.isF32() || e.isSignlessInteger(32); });
}
bool isByteTensor(Type type) {
  return isTensorOf(type, [](Type e) { return e.isUnsignedInteger(8); });
}
bool isScaleTensor(Type type) {
  return isTensorOf(type, [](Type e) { return e.isF32(); });
}
bool isRealOrCodeTensor(Type type) {
  return isTensorOf(type, [](Type e) { return isReal(e) || isa<QuantType>(e); });
}

// ---- !ternary.quant
// ----------------------------------------------------------------------------------------------------

QuantType QuantType::get(MLIRContext *context, CodeKind kind, float scale) {
  assert(scale > 0 && std::isfinite(scale) && "a scale is positive and finite");
  return Base::get(context, kind, llvm::bit_cast<uint32_t>(scale));
}

/// The shortest decimal that reads back the same binary32, in MLIR's spelling of floats (with a point).
static std::string scaleText(float scale) {
  char buffer[64];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, scale).ptr);
  double back = 0;
  std::from_chars(text.data(), text.data() + text.size(), back);
  if (static_cast<float>(back) != scale) // rounding twice (by way of a double) went wrong: all digits then
    text.assign(buffer, std::to_chars(buffer, buffer + sizeof buffer, static_cast<double>(scale)).ptr);
  if (text.find('.') == std::string::npos) text.insert(std::min(text.find('e'), text.size()), ".0");
  return text;
}

void QuantType::print(AsmPrinter &printer) const {
  printer << '<' << stringifyCodeKind(getKind()) << ", " << scaleText(getScale()) << '>';
}

Type QuantType::parse(AsmParser &parser) {
  StringRef word;
  double scale = 0;
  if (parser.parseLess()) return {};
  SMLoc kindLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word)) return {};
  std::optional<CodeKind> kind = symbolizeCodeKind(word);
  if (!kind) {
    parser.emitError(kindLoc, "quant_c1: unknown kind of codes '") << word << "' (i8, u8, i6, u6, i4, u4 or t)";
    return {};
  }
  if (parser.parseComma()) return {};
  SMLoc scaleLoc = parser.getCurrentLocation();
  if (parser.parseFloat(scale) || parser.parseGreater()) return {};
  auto narrow = static_cast<float>(scale);
  if (!(narrow > 0) || !std::isfinite(narrow)) {
    parser.emitError(scaleLoc, "quant_c2: the scale must be a positive binary32");
    return {};
  }
  return get(parser.getContext(), *kind, narrow);
}

// ---- Attributes on functions
// -------------------------------------------------------------------------------------------

static bool isStringArray(Attribute value) {
  auto array = dyn_cast<ArrayAttr>(value);
  return array && llvm::all_of(array, [](Attribute item) { return isa<StringAttr>(item); });
}

LogicalResult TernaryDialect::verifyOperationAttribute(Operation *op, NamedAttribute attr) {
  StringRef name = attr.getName().strref();
  Attribute value = attr.getValue();
  auto expect = [&](bool holds, StringRef what) -> LogicalResult {
    return holds ? success() : op->emitOpError("attribute '") << name << "' must be " << what;
  };
  if (name == "ternary.group") {
    auto number = dyn_cast<IntegerAttr>(value);
    return expect(number && number.getType().isSignlessInteger(64) && number.getInt() >= 0,
                  "an i64 that is not negative");
  }
  if (name == "ternary.path") return expect(isa<StringAttr>(value), "a string");
  if (name == "ternary.entry" || name == "ternary.test") {
    if (!isa<FunctionOpInterface>(op)) return op->emitOpError("attribute '") << name << "' belongs on a function";
    return expect(isa<UnitAttr>(value), "a unit");
  }
  if (name == "ternary.model" || name == "ternary.doc") return expect(isa<StringAttr>(value), "a string");
  if (name == "ternary.dims" || name == "ternary.labels") return expect(isStringArray(value), "an array of strings");
  if (name == "ternary.checks") {
    auto checks = dyn_cast<ArrayAttr>(value);
    return expect(checks && llvm::all_of(checks,
                                         [](Attribute check) {
                                           return isStringArray(check) && cast<ArrayAttr>(check).size() == 4;
                                         }),
                  "an array of [left, relation, right, message]");
  }
  // Passes may keep notes of their own on operations; only the names above have a meaning fixed here.
  return success();
}

LogicalResult TernaryDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned index, NamedAttribute attr) {
  StringRef name = attr.getName().strref();
  Attribute value = attr.getValue();
  bool good = true;
  StringRef what;
  if (name == "ternary.name")
    good = isa<StringAttr>(value), what = "a string";
  else if (name == "ternary.dtypes")
    good = isStringArray(value), what = "an array of strings";
  else if (name == "ternary.mean" || name == "ternary.std")
    good = isa<DenseF64ArrayAttr>(value), what = "an array of f64";
  else if (name == "ternary.scale")
    good = isa<FloatAttr>(value) && cast<FloatAttr>(value).getType().isF64(), what = "an f64";
  if (!good) return op->emitOpError("attribute '") << name << "' of argument " << index << " must be " << what;
  return success();
}

LogicalResult TernaryDialect::verifyRegionResultAttribute(Operation *op, unsigned, unsigned index,
                                                          NamedAttribute attr) {
  if (attr.getName() == "ternary.name" && !isa<StringAttr>(attr.getValue()))
    return op->emitOpError("attribute 'ternary.name' of result ") << index << " must be a string";
  return success();
}

} // namespace triton::ternary
