// Result shapes and element types.
#include "ternary/Shapes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"

using namespace mlir;

namespace triton::ternary {

std::optional<Sizes> broadcastShapes(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  if (a.size() < b.size()) std::swap(a, b);
  Sizes result(a.begin(), a.end());
  size_t skip = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t &size = result[skip + i];
    if (size == b[i] || b[i] == 1) continue;
    if (size != 1) return std::nullopt;
    size = b[i];
  }
  // A batch may not meet another axis: dynamic only along axis 0.
  for (int64_t size : ArrayRef(result).drop_front(result.empty() ? 0 : 1))
    if (ShapedType::isDynamic(size)) return std::nullopt;
  return result;
}

Type productElementType(Type x, Type w) {
  if (isReal(x)) {
    if (isReal(w) || isa<TritType>(w) || w.isSignlessInteger(8)) return x;
    return {};
  }
  if (isa<TritType>(x) && isReal(w)) return w;
  return isExact(x) && isExact(w) ? IntegerType::get(x.getContext(), 32) : Type();
}

int64_t windowOutput(int64_t length, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  int64_t span = length + 2 * padding - dilation * (kernel - 1) - 1;
  return span < 0 ? 0 : span / stride + 1;
}

Sizes withoutAxis(ArrayRef<int64_t> shape, int64_t axis, bool keep) {
  Sizes result(shape.begin(), shape.end());
  if (keep)
    result[axis] = 1;
  else
    result.erase(result.begin() + axis);
  return result;
}

/// Strides, paddings and the like above this cannot be meant; times a tensor's size (at most 2^40) they stay in 64
/// bits.
static constexpr int64_t kMaxSize = int64_t(1) << 20;

static bool isPair(ArrayRef<int64_t> values, int64_t least) {
  return values.size() == 2 && llvm::all_of(values, [&](int64_t v) { return v >= least && v <= kMaxSize; });
}

/// Whether sums of n terms may be split into the given number of equal runs.
static bool splits(std::optional<int64_t> groups, int64_t n) {
  return !groups || (*groups > 0 && !ShapedType::isDynamic(n) && n % *groups == 0);
}

FailureOr<RankedTensorType> inferConv2d(OptionalLoc loc, RankedTensorType x, RankedTensorType w, RankedTensorType bias,
                                        const ConvSizes &sizes) {
  if (x.getRank() != 4 || w.getRank() != 4)
    return emitOptionalError(loc, "conv2d_c1: x and w must have rank 4, found ", x.getRank(), " and ", w.getRank());
  if (!isPair(sizes.stride, 1) || !isPair(sizes.dilation, 1) || !isPair(sizes.padding, 0))
    return emitOptionalError(loc, "conv2d_c2: stride and dilation must be two positive sizes, padding two that are not "
                                  "negative");
  int64_t channels = x.getDimSize(1), filters = w.getDimSize(0), perGroup = w.getDimSize(1);
  if (sizes.groups < 1 || channels % sizes.groups || filters % sizes.groups || perGroup != channels / sizes.groups)
    return emitOptionalError(loc, "conv2d_c3: ", sizes.groups, " groups do not fit ", channels,
                             " input channels and the weight's ", filters, " x ", perGroup);
  Sizes shape = {x.getDimSize(0), filters};
  for (int i = 0; i < 2; ++i)
    shape.push_back(
        windowOutput(x.getDimSize(2 + i), w.getDimSize(2 + i), sizes.stride[i], sizes.padding[i], sizes.dilation[i]));
  if (shape[2] < 1 || shape[3] < 1) return emitOptionalError(loc, "conv2d_c4: the output is empty");
  Type element = productElementType(x.getElementType(), w.getElementType());
  if (!element)
    return emitOptionalError(loc, "conv2d_c5: no product of ", x.getElementType(), " with ", w.getElementType());
  if (bias && bias != RankedTensorType::get({filters}, element))
    return emitOptionalError(loc, "conv2d_c6: the bias must be ", RankedTensorType::get({filters}, element), ", found ",
                             bias);
  int64_t terms = perGroup * w.getDimSize(2) * w.getDimSize(3);
  if (!splits(sizes.kGroups, terms) || (sizes.kGroups && bias))
    return emitOptionalError(loc, "conv2d_c7: k_groups must divide ", terms, " and go without bias");
  if (sizes.kGroups) shape.push_back(*sizes.kGroups);
  return RankedTensorType::get(shape, element);
}

FailureOr<RankedTensorType> inferLinear(OptionalLoc loc, RankedTensorType x, RankedTensorType w, RankedTensorType bias,
                                        std::optional<int64_t> kGroups) {
  if (x.getRank() < 1 || w.getRank() != 2 || x.getShape().back() != w.getDimSize(1))
    return emitOptionalError(loc, "linear_c1: x must be [.., K] and w [O, K], found ", x, " and ", w);
  Type element = productElementType(x.getElementType(), w.getElementType());
  if (!element)
    return emitOptionalError(loc, "linear_c2: no product of ", x.getElementType(), " with ", w.getElementType());
  if (bias && bias != RankedTensorType::get({w.getDimSize(0)}, element))
    return emitOptionalError(loc, "linear_c3: the bias must be ", RankedTensorType::get({w.getDimSize(0)}, element),
                             ", found ", bias);
  if (!splits(kGroups, w.getDimSize(1)) || (kGroups && bias))
    return emitOptionalError(loc, "linear_c4: k_groups must divide ", w.getDimSize(1), " and go without bias");
  Sizes shape(x.getShape().drop_back());
  shape.push_back(w.getDimSize(0));
  if (kGroups) shape.push_back(*kGroups);
  return RankedTensorType::get(shape, element);
}

FailureOr<RankedTensorType> inferMatmul(OptionalLoc loc, RankedTensorType lhs, RankedTensorType rhs,
                                        std::optional<int64_t> kGroups) {
  ArrayRef<int64_t> a = lhs.getShape(), b = rhs.getShape();
  if (a.size() < 2 || b.size() < 2 || a.back() != b[b.size() - 2])
    return emitOptionalError(loc, "matmul_c1: operands must be [.., M, K] and [.., K, N], found ", lhs, " and ", rhs);
  std::optional<Sizes> shape = broadcastShapes(a.drop_back(2), b.drop_back(2));
  if (!shape) return emitOptionalError(loc, "matmul_c2: the leading axes of ", lhs, " and ", rhs, " do not broadcast");
  Type element = productElementType(lhs.getElementType(), rhs.getElementType());
  if (!element)
    return emitOptionalError(loc, "matmul_c3: no product of ", lhs.getElementType(), " with ", rhs.getElementType());
  if (!splits(kGroups, a.back())) return emitOptionalError(loc, "matmul_c4: k_groups must divide ", a.back());
  shape->push_back(a[a.size() - 2]);
  shape->push_back(b.back());
  if (kGroups) shape->push_back(*kGroups);
  return RankedTensorType::get(*shape, element);
}

FailureOr<Sizes> inferPool(OptionalLoc loc, StringRef op, ArrayRef<int64_t> x, ArrayRef<int64_t> kernel,
                           ArrayRef<int64_t> stride, ArrayRef<int64_t> padding) {
  if (x.size() != 4) return emitOptionalError(loc, op, "_c1: x must have rank 4, found ", x.size());
  if (!isPair(kernel, 1) || !isPair(stride, 1) || !isPair(padding, 0) || padding[0] > kernel[0] / 2 ||
      padding[1] > kernel[1] / 2)
    return emitOptionalError(loc, op,
                             "_c2: kernel and stride must be two positive sizes, padding two of 0 to half the kernel");
  Sizes shape = {x[0], x[1]};
  for (int i = 0; i < 2; ++i) shape.push_back(windowOutput(x[2 + i], kernel[i], stride[i], padding[i]));
  if (shape[2] < 1 || shape[3] < 1) return emitOptionalError(loc, op, "_c3: the output is empty");
  return shape;
}

} // namespace triton::ternary
