// The translation of every operation of the typed module. The switch names each OpKind, so that the compiler says which
// one is missing.
#include "Emitter.h"

#include "ternary/Shapes.h"

using namespace mlir;

namespace triton::irgen {

template <typename T> static T attr(const GraphNode &node, const char *name, T otherwise) {
  auto found = node.attrs.find(name);
  if (found == node.attrs.end()) return otherwise;
  if (const T *value = std::get_if<T>(&found->second)) return *value;
  if constexpr (std::is_same_v<T, double>)
    if (const int64_t *value = std::get_if<int64_t>(&found->second)) return static_cast<double>(*value);
  return otherwise;
}

static int64_t integer(const GraphNode &node, const char *name, int64_t otherwise) {
  return attr<int64_t>(node, name, otherwise);
}

/// Sizes along height and width, or a list.
static std::vector<int64_t> sizes(const GraphNode &node, const char *name, std::vector<int64_t> otherwise) {
  if (auto found = node.attrs.find(name); found != node.attrs.end())
    if (const int64_t *one = std::get_if<int64_t>(&found->second)) return {*one, *one};
  return attr(node, name, std::move(otherwise));
}

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

Value Emitter::convertedTo(Type element, Value x, Location loc) {
  if (!x || typeOf(x).getElementType() == element) return x;
  return builder.create<ternary::CastOp>(loc, ternary::withElement(typeOf(x), element), x);
}

/// The range attributes of results that are int4 and its like.
static std::pair<IntegerAttr, IntegerAttr> rangeAttrs(Builder &builder, DType dtype) {
  std::optional<IntRange> range = narrowRange(dtype);
  if (!range) return {};
  return {builder.getI64IntegerAttr(range->lo), builder.getI64IntegerAttr(range->hi)};
}

template <typename Op>
Value Emitter::arithmetic(const GraphNode &node, Values &x, RankedTensorType type, Location loc) {
  auto [lo, hi] = rangeAttrs(builder, graph.values[node.results[0]].type.dtype);
  return builder.create<Op>(loc, type, x[0], x[1], lo, hi);
}

template <typename Op> Value Emitter::saturatingUnary(const GraphNode &node, Value x, Location loc) {
  auto [lo, hi] = rangeAttrs(builder, graph.values[node.results[0]].type.dtype);
  return builder.create<Op>(loc, x.getType(), x, lo, hi);
}

template <typename Op> Value Emitter::reduction(const GraphNode &node, Value x, RankedTensorType type, Location loc) {
  return builder.create<Op>(loc, type, x, builder.getI64IntegerAttr(integer(node, "axis", 0)),
                            attr(node, "keep", false) ? builder.getUnitAttr() : UnitAttr());
}

/// A bound that must be a number now.
static std::optional<Dim> bound(const GraphNode &node, const char *name) {
  auto found = node.attrs.find(name);
  if (found == node.attrs.end()) return std::nullopt;
  if (const int64_t *value = std::get_if<int64_t>(&found->second)) return Dim(*value);
  if (const auto *dims = std::get_if<std::vector<Dim>>(&found->second); dims && dims->size() == 1) return dims->front();
  return std::nullopt;
}

Result<Value> Emitter::slice(const GraphNode &node, Value x, Location loc) {
  int64_t axis = integer(node, "axis", 0);
  std::optional<Dim> from = bound(node, "from"), to = bound(node, "to");
  const Shape &shape = graph.values[node.operands[0]].type.shape;
  if (!from || !to || axis < 0 || static_cast<size_t>(axis) >= shape.size())
    return Error{"a slice without bounds", ErrorKind::Internal};
  if (*from == Dim(0) && *to == shape[axis]) return x; // all of it, whatever size that is
  for (const Dim *end : {&*from, &*to})
    if (!end->constant()) {
      std::string names;
      for (const std::string &name : end->variables()) names += (names.empty() ? "" : ", ") + name;
      return Error{"the slice bound " + end->str() + " must be known when compiling; fix it with --dim (" + names +
                   ")"};
    }
  return Value(builder.create<ternary::SliceOp>(loc, x, axis, *from->constant(), *to->constant()));
}

Value Emitter::pad(const GraphNode &node, Value x, Location loc) {
  // The language lists [before, after] of the last axis first; operations keep one size per axis, in order.
  std::vector<int64_t> list = attr<std::vector<int64_t>>(node, "padding", {});
  auto rank = static_cast<size_t>(typeOf(x).getRank());
  llvm::SmallVector<int64_t> low(rank, 0), high(rank, 0);
  for (size_t i = 0; i + 1 < list.size() && i / 2 < rank; i += 2) {
    low[rank - 1 - i / 2] = list[i];
    high[rank - 1 - i / 2] = list[i + 1];
  }
  return builder.create<ternary::PadOp>(loc, x, low, high, APFloat(attr(node, "value", 0.0)));
}

Result<Value> Emitter::translate(const GraphNode &node, Values &x, RankedTensorType type, Location loc) {
  Type element = type.getElementType();
  auto same = [&]<typename Op>() -> Value { return builder.create<Op>(loc, x[0].getType(), x[0]); };
  auto real = [&](const char *name, double otherwise) { return builder.getF64FloatAttr(attr(node, name, otherwise)); };

  switch (node.op) {
  // Linear-like. The result's element type follows from x and w; a bias is brought to it.
  case OpKind::Linear:
  case OpKind::TernaryMatmul:
    return Value(builder.create<ternary::LinearOp>(
        loc, x[0], x[1], x.size() > 2 ? convertedTo(element, x[2], loc) : Value(), IntegerAttr()));
  case OpKind::Conv2d:
    return Value(builder.create<ternary::Conv2dOp>(
        loc, x[0], x[1], x.size() > 2 ? convertedTo(element, x[2], loc) : Value(), sizes(node, "stride", {1, 1}),
        sizes(node, "padding", {0, 0}), sizes(node, "dilation", {1, 1}), integer(node, "groups", 1), IntegerAttr()));
  case OpKind::Matmul:
    return Value(builder.create<ternary::MatmulOp>(loc, x[0], x[1], IntegerAttr()));

  case OpKind::BatchNorm:
    return Value(builder.create<ternary::BatchNormOp>(loc, type, x[0], x[1], x[2], x[3], x[4], real("eps", 1e-5)));
  case OpKind::LayerNorm:
    return Value(builder.create<ternary::LayerNormOp>(loc, type, x[0], x[1], x[2], real("eps", 1e-5)));
  case OpKind::RmsNorm:
    return Value(builder.create<ternary::RmsNormOp>(loc, type, x[0], x[1], real("eps", 1e-6)));

  case OpKind::Relu:
    return saturatingUnary<ternary::ReluOp>(node, x[0], loc);
  case OpKind::Relu6:
    return saturatingUnary<ternary::Relu6Op>(node, x[0], loc);
  case OpKind::Abs:
    return saturatingUnary<ternary::AbsOp>(node, x[0], loc);
  case OpKind::Neg:
    return saturatingUnary<ternary::NegOp>(node, x[0], loc);
  case OpKind::Hardsigmoid:
    return same.operator()<ternary::HardsigmoidOp>();
  case OpKind::Hardswish:
    return same.operator()<ternary::HardswishOp>();
  case OpKind::Sigmoid:
    return same.operator()<ternary::SigmoidOp>();
  case OpKind::Silu:
    return same.operator()<ternary::SiluOp>();
  case OpKind::Tanh:
    return same.operator()<ternary::TanhOp>();
  case OpKind::Exp:
    return same.operator()<ternary::ExpOp>();
  case OpKind::Log:
    return same.operator()<ternary::LogOp>();
  case OpKind::Sqrt:
    return same.operator()<ternary::SqrtOp>();
  case OpKind::Gelu:
    return Value(builder.create<ternary::GeluOp>(loc, x[0].getType(), x[0],
                                                 attr(node, "approx", false) ? builder.getUnitAttr() : UnitAttr()));
  case OpKind::Clamp:
    return Value(builder.create<ternary::ClampOp>(loc, x[0].getType(), x[0], real("lo", 0), real("hi", 0)));

  case OpKind::Add:
    return arithmetic<ternary::AddOp>(node, x, type, loc);
  case OpKind::Sub:
    return arithmetic<ternary::SubOp>(node, x, type, loc);
  case OpKind::Mul:
    return arithmetic<ternary::MulOp>(node, x, type, loc);
  case OpKind::Div:
    return arithmetic<ternary::DivOp>(node, x, type, loc);

  case OpKind::MaxPool: {
    std::vector<int64_t> kernel = sizes(node, "kernel", {1, 1});
    return Value(builder.create<ternary::MaxPoolOp>(loc, x[0], kernel, sizes(node, "stride", kernel),
                                                    sizes(node, "padding", {0, 0})));
  }
  case OpKind::AvgPool: {
    std::vector<int64_t> kernel = sizes(node, "kernel", {1, 1});
    return Value(builder.create<ternary::AvgPoolOp>(loc, type, x[0], kernel, sizes(node, "stride", kernel),
                                                    sizes(node, "padding", {0, 0}), attr(node, "count_pad", true)));
  }
  case OpKind::GlobalAvgPool:
    return Value(builder.create<ternary::GlobalAvgPoolOp>(loc, type, x[0]));
  case OpKind::Mean:
    return reduction<ternary::MeanOp>(node, x[0], type, loc);
  case OpKind::Sum:
    return reduction<ternary::SumOp>(node, x[0], type, loc);
  case OpKind::Max:
    return reduction<ternary::MaxOp>(node, x[0], type, loc);

  case OpKind::Concat: {
    for (Value &part : x) part = convertedTo(element, part, loc);
    return Value(builder.create<ternary::ConcatOp>(loc, type, x, builder.getI64IntegerAttr(integer(node, "axis", 1))));
  }
  case OpKind::Flatten:
  case OpKind::Reshape:
    return Value(builder.create<ternary::ReshapeOp>(loc, type, x[0]));
  case OpKind::Transpose: {
    std::vector<int64_t> order = attr<std::vector<int64_t>>(node, "order", {});
    if (order.empty() && typeOf(x[0]).getRank() >= 2) {
      for (int64_t i = 0; i < typeOf(x[0]).getRank(); ++i) order.push_back(i);
      std::swap(order[order.size() - 1], order[order.size() - 2]);
    }
    if (!typeOf(x[0]).hasStaticShape() && (order.empty() || order[0] != 0))
      return Error{"a transpose moves dimension '" + batch + "' away from the first axis; fix it with --dim " + batch +
                   "=SIZE"};
    return Value(builder.create<ternary::TransposeOp>(loc, x[0], order));
  }
  case OpKind::Slice:
    return slice(node, x[0], loc);
  case OpKind::Index:
    return Value(builder.create<ternary::IndexOp>(loc, x[0], sizes(node, "indices", {})));
  case OpKind::Pad:
    return pad(node, x[0], loc);

  case OpKind::Softmax:
    return Value(
        builder.create<ternary::SoftmaxOp>(loc, type, x[0], builder.getI64IntegerAttr(integer(node, "axis", 0))));
  case OpKind::Argmax:
    return Value(builder.create<ternary::ArgmaxOp>(loc, x[0], integer(node, "axis", 0)));
  case OpKind::Embedding:
    return Value(builder.create<ternary::EmbeddingOp>(loc, x[0], x[1]));
  case OpKind::Attention:
    return Value(builder.create<ternary::AttentionOp>(loc, x[0], convertedTo(element, x[1], loc),
                                                      convertedTo(element, x[2], loc), attr(node, "causal", false),
                                                      APFloat(attr(node, "scale", 0.0))));
  case OpKind::Rope:
    return Value(builder.create<ternary::RopeOp>(loc, type, x[0], real("base", 10000.0),
                                                 builder.getI64IntegerAttr(integer(node, "offset", 0))));

  // The planned quantiser of the result makes the codes; without a plan the node's own scale does.
  case OpKind::Quantize: {
    if (staticAt.count(node.results[0])) return x[0];
    std::optional<ternary::CodeKind> kind = codeKind(attr(node, "d", DType::Int8));
    if (!kind || !node.attrs.count("scale"))
      return Error{"quantize without a scale in a graph that is not planned", ErrorKind::Internal};
    return Value(builder.create<ternary::FakeQuantizeOp>(loc, x[0].getType(), x[0], *kind, ternary::QuantMode::Static,
                                                         ternary::QuantPer::Tensor, StringAttr(), APFloat(99.99),
                                                         real("scale", 1)));
  }
  case OpKind::Dequantize: {
    // Of a parameter with a policy: the values that its codes mean. Real values are already dequantised; trits of scale
    // 1 are their values.
    if (x[0].getDefiningOp<ternary::ParamOp>() && typeOf(x[0]).getElementType().isF32())
      return Value(builder.create<ternary::DequantizeOp>(loc, type, x[0]));
    return convertedTo(element, x[0], loc);
  }
  case OpKind::Codes:
    return Value(builder.create<ternary::CodesOp>(loc, x[0]));
  case OpKind::Dropout:
    return x[0];
  case OpKind::Cast: {
    if (x[0].getType() == type && !narrowRange(graph.values[node.results[0]].type.dtype)) return x[0];
    auto [lo, hi] = rangeAttrs(builder, graph.values[node.results[0]].type.dtype);
    return Value(builder.create<ternary::CastOp>(loc, type, x[0], lo, hi));
  }
  case OpKind::Constant: {
    if (!type.hasStaticShape())
      return Error{"a constant of shape " + shapeString(graph.values[node.results[0]].type.shape) +
                   " must have a known size; fix it with --dim " + batch + "=SIZE"};
    std::vector<double> data = attr<std::vector<double>>(node, "data", {});
    if (auto found = node.attrs.find("data"); found != node.attrs.end())
      if (const auto *whole = std::get_if<std::vector<int64_t>>(&found->second))
        data.assign(whole->begin(), whole->end());
    Result<ElementsAttr> elements = constantElements(type, data);
    if (!elements) return elements.takeError();
    return Value(builder.create<ternary::ConstantOp>(loc, type, *elements));
  }
  }
  return Error{"an operation without a translation", ErrorKind::Internal};
}

} // namespace triton::irgen
