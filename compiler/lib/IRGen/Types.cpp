#include "Types.h"

#include "ternary/Constants.h"

#include "mlir/IR/Builders.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace triton::irgen {

Type elementType(MLIRContext *context, DType dtype) {
  Builder builder(context);
  switch (dtype) {
  case DType::Trit:
    return ternary::TritType::get(context);
  case DType::Bool:
    return builder.getI1Type();
  case DType::Int4:
  case DType::Int6:
  case DType::Int8:
    return builder.getI8Type();
  case DType::UInt4:
  case DType::UInt6:
  case DType::UInt8:
    return builder.getIntegerType(8, /*isSigned=*/false);
  case DType::Int16:
    return builder.getI16Type();
  case DType::Int32:
    return builder.getI32Type();
  case DType::Int64:
    return builder.getI64Type();
  case DType::Float16:
    return builder.getF16Type();
  case DType::BFloat16:
    return builder.getBF16Type();
  case DType::Float32:
    return builder.getF32Type();
  }
  llvm_unreachable("unknown dtype");
}

std::optional<IntRange> narrowRange(DType dtype) {
  if (dtype == DType::Int4 || dtype == DType::UInt4 || dtype == DType::Int6 || dtype == DType::UInt6)
    return integerRange(dtype);
  return std::nullopt;
}

std::optional<ternary::CodeKind> codeKind(DType dtype) {
  switch (dtype) {
  case DType::Int8:
    return ternary::CodeKind::I8;
  case DType::UInt8:
    return ternary::CodeKind::U8;
  case DType::Int6:
    return ternary::CodeKind::I6;
  case DType::UInt6:
    return ternary::CodeKind::U6;
  case DType::Int4:
    return ternary::CodeKind::I4;
  case DType::UInt4:
    return ternary::CodeKind::U4;
  case DType::Trit:
    return ternary::CodeKind::T;
  default:
    return std::nullopt;
  }
}

ternary::WeightsAttr weightsAttr(MLIRContext *context, const WeightPolicy &policy) {
  auto storage = [&] {
    switch (policy.storage) {
    case DType::Trit:
      return ternary::WeightStorage::Trit;
    case DType::Int8:
      return ternary::WeightStorage::Int8;
    case DType::Int4:
      return ternary::WeightStorage::Int4;
    case DType::Float16:
      return ternary::WeightStorage::Float16;
    case DType::BFloat16:
      return ternary::WeightStorage::BFloat16;
    default:
      return ternary::WeightStorage::Float32;
    }
  }();
  if (storage != ternary::WeightStorage::Trit) // the rest has no meaning there, and is not printed
    return ternary::WeightsAttr::get(context, storage);
  auto scale = [&] {
    switch (policy.scale) {
    case WeightScale::PerTensor:
      return ternary::WeightScale::PerTensor;
    case WeightScale::PerChannel:
      return ternary::WeightScale::PerChannel;
    case WeightScale::PerGroup:
      return ternary::WeightScale::PerGroup;
    }
    llvm_unreachable("unknown weight scale");
  }();
  auto method = [&] {
    switch (policy.method) {
    case WeightMethod::Twn:
      return ternary::WeightMethod::Twn;
    case WeightMethod::AbsMean:
      return ternary::WeightMethod::AbsMean;
    case WeightMethod::Fixed:
      return ternary::WeightMethod::Fixed;
    case WeightMethod::Stochastic:
      return ternary::WeightMethod::Stochastic;
    case WeightMethod::Learned:
      return ternary::WeightMethod::Learned;
    }
    llvm_unreachable("unknown weight method");
  }();
  int64_t group = policy.scale == WeightScale::PerGroup ? policy.group : 0;
  return ternary::WeightsAttr::get(context, storage, scale, method, policy.threshold, group, policy.seed);
}

/// The name, if the size is a plain variable.
static std::optional<std::string> plainVariable(const Dim &dim) {
  if (dim.isUnknown() || dim.overflowed() || dim.constant()) return std::nullopt;
  std::vector<std::string> names = dim.variables();
  if (names.size() != 1 || !(dim == Dim::variable(names[0]))) return std::nullopt;
  return names[0];
}

std::string batchVariable(const Graph &graph) {
  for (const GraphInput &input : graph.inputs) {
    const Shape &shape = graph.values[input.value].type.shape;
    if (!shape.empty())
      if (std::optional<std::string> name = plainVariable(shape[0])) return *name;
  }
  return "";
}

Result<RankedTensorType> tensorType(MLIRContext *context, const TensorType &type, const std::string &batch,
                                    Type element) {
  (void)context;
  llvm::SmallVector<int64_t, 5> sizes;
  for (size_t axis = 0; axis < type.shape.size(); ++axis) {
    const Dim &dim = type.shape[axis];
    if (std::optional<int64_t> size = dim.constant()) {
      if (*size < 1) return Error{"a tensor of shape " + shapeString(type.shape) + " is empty"};
      sizes.push_back(*size);
      continue;
    }
    std::optional<std::string> name = plainVariable(dim);
    if (axis == 0 && name && *name == batch) {
      sizes.push_back(ShapedType::kDynamic);
      continue;
    }
    std::vector<std::string> variables = dim.variables();
    if (dim.isUnknown() || variables.empty())
      return Error{"axis " + std::to_string(axis) + " of " + shapeString(type.shape) + " is not known when compiling"};
    // The batch alone may stay open; say which one to fix, preferring a variable that is not the batch.
    std::string open = variables[0];
    for (const std::string &variable : variables)
      if (variable != batch) {
        open = variable;
        break;
      }
    return Error{"dimension '" + open + "' must be fixed (axis " + std::to_string(axis) + " of " +
                 shapeString(type.shape) + "): only the first axis of the inputs may stay open; compile with --dim " +
                 open + "=SIZE"};
  }
  return RankedTensorType::get(sizes, element);
}

std::string placeText(SourceRange range, const SourceManager &sources) {
  if (!range.isValid() || range.file >= sources.fileCount()) return "";
  LineColumn at = sources.lineColumn(range.file, range.begin);
  return std::string(sources.name(range.file)) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": ";
}

Location location(MLIRContext *context, SourceRange range, const std::string &path, const SourceManager &sources) {
  Location place = UnknownLoc::get(context);
  if (range.isValid() && range.file < sources.fileCount()) {
    LineColumn at = sources.lineColumn(range.file, range.begin);
    place = FileLineColLoc::get(context, std::string(sources.name(range.file)), at.line, at.column);
  }
  return path.empty() ? place : Location(NameLoc::get(StringAttr::get(context, path), place));
}

// ---- Constants
// ---------------------------------------------------------------------------------------------------------

/// Whole numbers into bytes of T; fails on what does not fit, which the checker should have refused.
template <typename T> static Result<std::vector<char>> packIntegers(const std::vector<double> &data) {
  std::vector<char> bytes(data.size() * sizeof(T));
  for (size_t i = 0; i < data.size(); ++i) {
    // 2^63 and beyond do not fit int64; comparing with the rounded limit of T itself would let 2^63 through.
    if (!(data[i] >= static_cast<double>(std::numeric_limits<T>::lowest()) && data[i] < 0x1p63 &&
          data[i] <= static_cast<double>(std::numeric_limits<T>::max())) ||
        data[i] != std::trunc(data[i]))
      return Error{"constant " + std::to_string(data[i]) + " does not fit its type", ErrorKind::Internal};
    T value = static_cast<T>(data[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

static Result<std::vector<char>> packFloats(Type element, const std::vector<double> &data) {
  const llvm::fltSemantics &semantics = cast<FloatType>(element).getFloatSemantics();
  unsigned size = element.getIntOrFloatBitWidth() / 8;
  std::vector<char> bytes(data.size() * size);
  for (size_t i = 0; i < data.size(); ++i) {
    APFloat value(data[i]);
    bool lossy = false;
    value.convert(semantics, APFloat::rmNearestTiesToEven, &lossy);
    uint64_t bits = value.bitcastToAPInt().getZExtValue();
    std::memcpy(bytes.data() + i * size, &bits, size); // little-endian hosts only, as all of this compiler's
  }
  return bytes;
}

Result<ElementsAttr> constantElements(RankedTensorType type, const std::vector<double> &data) {
  auto count = static_cast<size_t>(type.getNumElements());
  if (data.size() != count && data.size() != 1)
    return Error{"a constant of " + std::to_string(data.size()) + " values for " + std::to_string(count) + " elements",
                 ErrorKind::Internal};
  Type stored = ternary::storageElement(type.getElementType());
  auto storedType = RankedTensorType::get(type.getShape(), stored);
  if (stored.isInteger(1)) {
    llvm::SmallVector<bool> bits;
    for (double value : data) bits.push_back(value != 0);
    return ElementsAttr(DenseElementsAttr::get(storedType, bits));
  }
  Result<std::vector<char>> bytes = [&]() -> Result<std::vector<char>> {
    if (isa<FloatType>(stored)) return packFloats(stored, data);
    if (stored.isUnsignedInteger(8)) return packIntegers<uint8_t>(data);
    switch (stored.getIntOrFloatBitWidth()) {
    case 8:
      return packIntegers<int8_t>(data);
    case 16:
      return packIntegers<int16_t>(data);
    case 32:
      return packIntegers<int32_t>(data);
    default:
      return packIntegers<int64_t>(data);
    }
  }();
  if (!bytes) return bytes.takeError();
  if (data.size() == 1) // one value for all stays one value, however big the tensor
    return ElementsAttr(DenseElementsAttr::getFromRawBuffer(storedType, *bytes));
  return ternary::rawElements(storedType, *bytes);
}

} // namespace triton::irgen
