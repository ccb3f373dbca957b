// Parameters, constants, quantisers and conversions.
#include "Kernel.h"

#include <algorithm>

using namespace mlir;
using namespace triton::ternary;

namespace triton::oracle {

Result<Tensor> constantOf(Operation *op, const BuildContext &context) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (auto constant = dyn_cast<ConstantOp>(op)) return decode(constant.getValue(), type);
  auto param = cast<ParamOp>(op);
  std::string key = param.getKey().str();
  if (context.options.param) {
    Result<HostTensor> host = context.options.param(op);
    if (!host) return host.takeError();
    if (host->shape != TensorShape(type.getShape().begin(), type.getShape().end()))
      return Error{"parameter '" + key + "' has shape " + formatShape(host->shape), ErrorKind::Internal};
    Type element = type.getElementType();
    if (isReal(element) && host->type == ElementType::F32) element = Float32Type::get(op->getContext());
    Result<Tensor> tensor = fromHost(*host, element);
    if (!tensor) return Error{"parameter '" + key + "' " + tensor.error().message, ErrorKind::Internal};
    if (type.getElementType().isF16())
      for (float &v : tensor->f) v = roundToHalf(v);
    if (type.getElementType().isBF16())
      for (float &v : tensor->f) v = roundToBfloat16(v);
    return tensor;
  }
  if (!param.getInit()) return Error{"parameter '" + key + "' has no value"};
  return decode(*param.getInit(), type);
}

/// A static quantiser: clamp(rne(fl(x * r)), lo, hi), and the sign beyond s / 2 for trits.
static int32_t code(float x, CodeKind kind, float scale, float reciprocal, Range range) {
  if (kind == CodeKind::T) return quantiseTrit(x, scale);
  return quantiseCode(x, reciprocal, static_cast<int32_t>(range.lo), static_cast<int32_t>(range.hi));
}

/// The dynamic scale of one run of elements: fl(a / hi) and fl(hi / a), a the greatest |x|.
struct DynamicScale {
  float scale = 1, reciprocal = 0;
};
static DynamicScale dynamicScale(const float *x, int64_t n, float hi) {
  float a = 0;
  for (int64_t i = 0; i < n; ++i) a = atLeast(std::fabs(x[i]), a);
  if (a == 0) return {};
  return {a / hi, hi / a};
}

/// Codes by run-time scales, each over a run of `n` elements.
static void quantiseDynamic(const Tensor &x, int64_t n, CodeKind kind, std::vector<int32_t> &codes, std::vector<float> &scales) {
  Range range{codeLo(kind), codeHi(kind)};
  codes.resize(x.f.size());
  for (size_t start = 0; start < x.f.size(); start += static_cast<size_t>(n)) {
    DynamicScale s = dynamicScale(x.f.data() + start, n, static_cast<float>(range.hi));
    scales.push_back(s.scale);
    for (size_t i = start; i < start + static_cast<size_t>(n); ++i) codes[i] = code(x.f[i], kind, s.scale, s.reciprocal, range);
  }
}

/// Elements that share one dynamic scale.
static int64_t runLength(const Tensor &x, QuantPer per) {
  return per == QuantPer::Tensor || x.shape.empty() ? x.count() : x.shape.back();
}

static Result<Kernel> buildFakeQuantize(FakeQuantizeOp op, const BuildContext &context) {
  auto unchanged = [](const Operands &in, std::vector<Tensor> &out) { out[0] = *in[0]; };
  if (!context.options.quantises) return kernel(unchanged);
  CodeKind kind = op.getKind();
  Range range{codeLo(kind), codeHi(kind)};
  if (op.getMode() == QuantMode::Dynamic) {
    QuantPer per = op.getPer();
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      std::vector<int32_t> codes;
      std::vector<float> scales;
      int64_t n = runLength(*in[0], per);
      quantiseDynamic(*in[0], n, kind, codes, scales);
      out[0] = *in[0];
      for (size_t i = 0; i < codes.size(); ++i) out[0].f[i] = static_cast<float>(codes[i]) * scales[i / static_cast<size_t>(n)];
    });
  }
  std::optional<float> scale;
  if (op.getScale()) scale = static_cast<float>(op.getScale()->convertToDouble());
  if (!scale && context.options.scale) scale = context.options.scale(op);
  if (!scale) return kernel(unchanged);
  return kernel([=, s = *scale](const Operands &in, std::vector<Tensor> &out) {
    out[0] = *in[0];
    for (float &v : out[0].f) v = static_cast<float>(code(v, kind, s, 1.0f / s, range)) * s;
  });
}

static Kernel buildDequantize(DequantizeOp op) {
  bool dynamic = bool(op.getScale());
  QuantType quant = quantType(op.getX());
  if (!quant) return kernel([](const Operands &in, std::vector<Tensor> &out) { out[0] = *in[0]; });
  float scale = quant.getScale();
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    const Tensor &x = *in[0];
    out[0] = Tensor(Tensor::Real, x.shape);
    size_t n = x.i.size();
    size_t run = dynamic ? n / in[1]->f.size() : std::max<size_t>(n, 1);
    for (size_t i = 0; i < n; ++i) out[0].f[i] = static_cast<float>(x.i[i]) * (dynamic ? in[1]->f[i / run] : scale);
  });
}

/// To an integer: to nearest even, then saturate; NaN gives 0.
static int64_t castToInteger(float x, Range range) {
  if (x != x) return std::clamp<int64_t>(0, range.lo, range.hi);
  double r = std::nearbyint(static_cast<double>(x));
  if (r <= static_cast<double>(range.lo)) return range.lo;
  if (r >= static_cast<double>(range.hi)) return range.hi;
  return static_cast<int64_t>(r);
}

static Kernel buildCast(CastOp op) {
  Type to = cast<ShapedType>(op.getResult().getType()).getElementType();
  Tensor::Kind kind = kindOf(op.getResult().getType());
  bool trit = isa<TritType>(to);
  Range range = isReal(to) ? Range{0, 0} : rangeOf(to, op.getLo(), op.getHi());
  return kernel([=](const Operands &in, std::vector<Tensor> &out) {
    const Tensor &x = *in[0];
    Tensor &y = out[0] = Tensor(kind, x.shape);
    for (size_t i = 0; i < static_cast<size_t>(x.count()); ++i) {
      if (kind == Tensor::Real) {
        y.f[i] = x.kind == Tensor::Real ? x.f[i] : static_cast<float>(x.integer(i));
        continue;
      }
      Range wide = trit ? Range{-1, 1} : range;
      int64_t v = x.kind == Tensor::Real ? castToInteger(x.f[i], wide) : std::clamp(x.integer(i), wide.lo, wide.hi);
      y.setInteger(i, v);
    }
  });
}

static Result<Kernel> buildCodes(CodesOp op, const BuildContext &context) {
  if (auto param = op.getX().getDefiningOp<ParamOp>(); param && param.getPolicy()) {
    if (!context.options.paramCodes) return Error{"the codes of parameter '" + param.getKey().str() + "' are not known here"};
    Result<HostTensor> host = context.options.paramCodes(param);
    if (!host) return host.takeError();
    Result<Tensor> codes = fromHost(*host, IntegerType::get(op.getContext(), 8));
    if (!codes) return codes.takeError();
    return kernel([codes = std::move(*codes)](const Operands &, std::vector<Tensor> &out) { out[0] = codes; });
  }
  return kernel([](const Operands &in, std::vector<Tensor> &out) { out[0] = *in[0]; });
}

Result<Kernel> buildQuantise(Operation *op, const BuildContext &context) {
  if (auto fake = dyn_cast<FakeQuantizeOp>(op)) return buildFakeQuantize(fake, context);
  if (auto dequantize = dyn_cast<DequantizeOp>(op)) return buildDequantize(dequantize);
  if (auto castOp = dyn_cast<CastOp>(op)) return buildCast(castOp);
  if (auto codes = dyn_cast<CodesOp>(op)) return buildCodes(codes, context);
  if (auto quantize = dyn_cast<QuantizeOp>(op)) {
    QuantType quant = quantType(quantize.getResult());
    CodeKind kind = quant.getKind();
    float scale = quant.getScale();
    Range range = rangeOf(quant);
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      out[0] = Tensor(Tensor::Int, in[0]->shape);
      float reciprocal = 1.0f / scale;
      for (size_t i = 0; i < out[0].i.size(); ++i) out[0].i[i] = code(in[0]->f[i], kind, scale, reciprocal, range);
    });
  }
  if (auto dynamic = dyn_cast<QuantizeDynamicOp>(op)) {
    CodeKind kind = dynamic.getKind();
    QuantPer per = dynamic.getPer();
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      const Tensor &x = *in[0];
      out[0] = Tensor(Tensor::Int, x.shape);
      TensorShape rows = x.shape;
      if (per == QuantPer::Tensor)
        rows.clear();
      else
        rows.pop_back();
      out[1] = Tensor(Tensor::Real, rows);
      out[1].f.clear();
      quantiseDynamic(x, runLength(x, per), kind, out[0].i, out[1].f);
    });
  }
  if (auto lookup = dyn_cast<LookupOp>(op)) {
    FailureOr<std::vector<int64_t>> table = intVector(lookup.getTable());
    if (failed(table)) return Error{"a look-up table cannot be read", ErrorKind::Internal};
    int64_t axis = static_cast<int64_t>(lookup.getAxis());
    return kernel([=, table = std::move(*table)](const Operands &in, std::vector<Tensor> &out) {
      const Tensor &x = *in[0];
      out[0] = Tensor(Tensor::Int, x.shape);
      AxisView view(x.shape, axis);
      size_t rows = table.size() / 256;
      for (size_t i = 0; i < x.i.size(); ++i) {
        size_t c = rows == 1 ? 0 : i / static_cast<size_t>(view.inner) % static_cast<size_t>(view.axis);
        out[0].i[i] = static_cast<int32_t>(table[c * 256 + static_cast<size_t>(x.i[i])]);
      }
    });
  }
  return Kernel();
}

} // namespace triton::oracle
