// Attributes of the dialect: their storage, and the text of #ternary.weights.
#include "ternary/TernaryDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <charconv>
#include <cmath>

#define GET_ATTRDEF_CLASSES
#include "ternary/TernaryAttrs.cpp.inc"

using namespace mlir;

namespace triton::ternary {

void TernaryDialect::registerAttrs() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ternary/TernaryAttrs.cpp.inc"
      >();
}

/// A double in MLIR's spelling of floats, with as many digits as reading back the same bits takes.
static std::string doubleText(double value) {
  char buffer[64];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  if (text.find('.') == std::string::npos) text.insert(std::min(text.find('e'), text.size()), ".0");
  return text;
}

void WeightsAttr::print(AsmPrinter &printer) const {
  printer << '<' << stringifyWeightStorage(getStorage());
  if (getStorage() == WeightStorage::Trit) {
    printer << ", " << stringifyWeightScale(getScale()) << ", " << stringifyWeightMethod(getMethod())
            << ", threshold = " << doubleText(getThreshold());
    if (getGroup()) printer << ", group = " << getGroup();
    if (getSeed()) printer << ", seed = " << getSeed();
  }
  printer << '>';
}

/// Reads `keyword` of an enum; reports and fails on an unknown one.
template <typename Enum>
static ParseResult parseWord(AsmParser &parser, Enum &value, std::optional<Enum> (*read)(StringRef), StringRef what) {
  StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word)) return failure();
  std::optional<Enum> found = read(word);
  if (!found) return parser.emitError(loc, "unknown ") << what << " '" << word << "'";
  value = *found;
  return success();
}

Attribute WeightsAttr::parse(AsmParser &parser, Type) {
  auto storage = WeightStorage::Trit;
  auto scale = WeightScale::PerChannel;
  auto method = WeightMethod::Twn;
  double threshold = 0.7;
  int64_t group = 0;
  uint64_t seed = 0;
  if (parser.parseLess() || parseWord<WeightStorage>(parser, storage, symbolizeWeightStorage, "weight storage"))
    return {};
  if (storage == WeightStorage::Trit) {
    if (parser.parseComma() || parseWord<WeightScale>(parser, scale, symbolizeWeightScale, "weight scale") ||
        parser.parseComma() || parseWord<WeightMethod>(parser, method, symbolizeWeightMethod, "weight method"))
      return {};
    while (succeeded(parser.parseOptionalComma())) {
      StringRef word;
      SMLoc loc = parser.getCurrentLocation();
      if (parser.parseKeyword(&word) || parser.parseEqual()) return {};
      ParseResult read = failure();
      SMLoc valueLoc = parser.getCurrentLocation();
      if (word == "threshold")
        read = parser.parseFloat(threshold);
      else if (word == "group")
        read = parser.parseInteger(group);
      else if (word == "seed")
        read = parser.parseInteger(seed);
      else
        parser.emitError(loc, "unknown weight parameter '") << word << "'";
      if (read) return {};
      if (!(threshold > 0) || !std::isfinite(threshold) || group < 0) {
        parser.emitError(valueLoc, "the threshold must be positive and the group not negative");
        return {};
      }
    }
  }
  if (parser.parseGreater()) return {};
  return get(parser.getContext(), storage, scale, method, threshold, group, seed);
}

} // namespace triton::ternary
