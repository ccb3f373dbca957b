// Linear-like operations: the sums, exact for codes, and the affine end.
#include "Kernel.h"

#include "triton/Support/Parallel.h"

#include <algorithm>

using namespace mlir;
using namespace triton::ternary;

namespace triton::oracle {

/// a + w * b; int32 wraps as the language says (sums of codes are proven not to).
template <typename T>
static inline T multiplyAdd(T a, T w, T b) {
  if constexpr (std::is_same_v<T, float>)
    return a + w * b;
  else
    return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(w) * static_cast<uint32_t>(b));
}

// Wider vectors where the machine has them, for the same code: no sum is reassociated and nothing contracts to fma.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TRITON_WIDER __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TRITON_WIDER
#endif

/// row[i] += w[0] * columns[0][i] + .. + w[3] * columns[3][i], one after the other.
TRITON_WIDER static void addFour(float *row, const float *w, const float *columns, int64_t n) {
  const float *c0 = columns, *c1 = c0 + n, *c2 = c1 + n, *c3 = c2 + n;
  for (int64_t i = 0; i < n; ++i) row[i] = (((row[i] + w[0] * c0[i]) + w[1] * c1[i]) + w[2] * c2[i]) + w[3] * c3[i];
}

/// sums[o][n] += sum_k w[o][k] * columns[k][n], k in order. Zero codes add nothing and are skipped (exact operands only).
template <typename T>
static void addProduct(T *sums, const T *w, const T *columns, int64_t outputs, int64_t depth, int64_t wStride, int64_t n, bool codes) {
  for (int64_t o = 0; o < outputs; ++o) {
    T *row = sums + o * n;
    int64_t k = 0;
    if constexpr (std::is_same_v<T, float>)
      for (; !codes && k + 4 <= depth; k += 4) addFour(row, w + o * wStride + k, columns + k * n, n);
    for (; k < depth; ++k) {
      T weight = w[o * wStride + k];
      const T *column = columns + k * n;
      if (codes && weight == 0) continue;
      if (codes && weight == 1)
        for (int64_t i = 0; i < n; ++i) row[i] = multiplyAdd(row[i], T(1), column[i]);
      else if (codes && weight == -1)
        for (int64_t i = 0; i < n; ++i) row[i] = multiplyAdd(row[i], T(-1), column[i]);
      else
        for (int64_t i = 0; i < n; ++i) row[i] = multiplyAdd(row[i], weight, column[i]);
    }
  }
}

namespace {

struct Conv {
  int64_t strideH, strideW, padH, padW, dilationH, dilationW, groups, kGroups;
  unsigned threads = 1;
};

/// The elements of a tensor as T: its own storage, or converted into `scratch`.
template <typename T>
const std::vector<T> &elements(const Tensor &t, std::vector<T> &scratch) {
  if constexpr (std::is_same_v<T, float>) {
    if (t.kind == Tensor::Real) return t.f;
  } else {
    if (t.kind == Tensor::Int) return t.i;
  }
  scratch.resize(static_cast<size_t>(t.count()));
  for (size_t i = 0; i < scratch.size(); ++i) scratch[i] = static_cast<T>(t.integer(i));
  return scratch;
}

} // namespace

template <typename T>
static std::vector<T> &result(Tensor &t) {
  if constexpr (std::is_same_v<T, float>)
    return t.f;
  else
    return t.i;
}

/// The places of one kernel position under every output place, zero outside: one row of the column matrix.
template <typename T>
static void gatherColumn(const T *plane, int64_t h, int64_t w, int64_t outH, int64_t outW, int64_t y0, int64_t x0, const Conv &c, T *out) {
  for (int64_t oy = 0; oy < outH; ++oy) {
    int64_t y = oy * c.strideH + y0;
    for (int64_t ox = 0; ox < outW; ++ox) {
      int64_t x = ox * c.strideW + x0;
      out[oy * outW + ox] = y >= 0 && y < h && x >= 0 && x < w ? plane[y * w + x] : T(0);
    }
  }
}

/// Cross-correlation, [N, O, outH, outW] or with one more axis of group sums.
template <typename T>
static Tensor convolve(const Tensor &xt, const Tensor &wt, const Tensor *bias, const Conv &c, Tensor::Kind kind) {
  std::vector<T> xScratch, wScratch;
  const std::vector<T> &x = elements<T>(xt, xScratch), &w = elements<T>(wt, wScratch);
  int64_t batch = xt.dim(0), channels = xt.dim(1), h = xt.dim(2), width = xt.dim(3);
  int64_t outputs = wt.dim(0), depthC = wt.dim(1), kh = wt.dim(2), kw = wt.dim(3);
  int64_t outH = (h + 2 * c.padH - c.dilationH * (kh - 1) - 1) / c.strideH + 1;
  int64_t outW = (width + 2 * c.padW - c.dilationW * (kw - 1) - 1) / c.strideW + 1;
  int64_t places = outH * outW, depth = depthC * kh * kw, perGroup = outputs / c.groups, parts = std::max<int64_t>(c.kGroups, 1);
  TensorShape shape = {batch, outputs, outH, outW};
  if (c.kGroups) shape.push_back(c.kGroups);
  Tensor out(kind, shape);
  std::vector<T> columns(static_cast<size_t>(depth * places));
  std::vector<T> sums(static_cast<size_t>(perGroup * places));
  std::vector<T> &y = result<T>(out);
  bool codes = wt.kind != Tensor::Real;
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t g = 0; g < c.groups; ++g) {
      for (int64_t ci = 0, row = 0; ci < depthC; ++ci)
        for (int64_t ky = 0; ky < kh; ++ky)
          for (int64_t kx = 0; kx < kw; ++kx, ++row)
            gatherColumn(x.data() + ((n * channels) + g * depthC + ci) * h * width, h, width, outH, outW,
                         ky * c.dilationH - c.padH, kx * c.dilationW - c.padW, c, columns.data() + row * places);
      for (int64_t part = 0; part < parts; ++part) {
        int64_t run = depth / parts;
        std::fill(sums.begin(), sums.end(), T(0));
        // Outputs are independent. Small layers are not worth a thread.
        constexpr int64_t kOutputsAPiece = 16, kWorthThreads = 1 << 20;
        bool small = perGroup * run * places < kWorthThreads;
        auto pieces = static_cast<size_t>((perGroup + kOutputsAPiece - 1) / kOutputsAPiece);
        parallelFor(pieces, small ? 1 : c.threads, [&](size_t piece, unsigned) {
          int64_t from = static_cast<int64_t>(piece) * kOutputsAPiece, to = std::min(perGroup, from + kOutputsAPiece);
          addProduct(sums.data() + from * places, w.data() + (g * perGroup + from) * depth + part * run,
                     columns.data() + part * run * places, to - from, run, depth, places, codes);
          for (int64_t o = from; o < to; ++o) {
            int64_t first = (n * outputs + g * perGroup + o) * places;
            for (int64_t i = 0; i < places; ++i)
              y[static_cast<size_t>((first + i) * parts + part)] = sums[static_cast<size_t>(o * places + i)];
          }
        });
      }
    }
  if (bias) {
    std::vector<T> bScratch;
    const std::vector<T> &b = elements<T>(*bias, bScratch);
    for (size_t i = 0; i < y.size(); ++i) y[i] = multiplyAdd(y[i], T(1), b[i / static_cast<size_t>(places) % static_cast<size_t>(outputs)]);
  }
  return out;
}

/// sum over k of x[k] * w[k], several partial sums (the language leaves the order of float products open).
template <typename T>
static T dot(const T *x, const T *w, int64_t n) {
  T lanes[16] = {};
  int64_t k = 0;
  for (; k + 16 <= n; k += 16)
    for (int64_t j = 0; j < 16; ++j) lanes[j] = multiplyAdd(lanes[j], w[k + j], x[k + j]);
  for (; k < n; ++k) lanes[0] = multiplyAdd(lanes[0], w[k], x[k]);
  T sum = 0;
  for (T lane : lanes) sum = multiplyAdd(sum, T(1), lane);
  return sum;
}

/// x [.., K] by w [O, K]: [.., O], or [.., O, G] with groups of k.
template <typename T>
static Tensor multiplyTransposed(const Tensor &xt, const Tensor &wt, const Tensor *bias, int64_t kGroups, Tensor::Kind kind) {
  std::vector<T> xScratch, wScratch, bScratch;
  const std::vector<T> &x = elements<T>(xt, xScratch), &w = elements<T>(wt, wScratch);
  int64_t depth = xt.shape.back(), outputs = wt.dim(0), rows = sizeOf(xt.shape) / depth, parts = std::max<int64_t>(kGroups, 1);
  TensorShape shape = xt.shape;
  shape.back() = outputs;
  if (kGroups) shape.push_back(kGroups);
  Tensor out(kind, shape);
  std::vector<T> &y = result<T>(out);
  int64_t run = depth / parts;
  for (int64_t r = 0, at = 0; r < rows; ++r)
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t part = 0; part < parts; ++part, ++at)
        y[static_cast<size_t>(at)] = dot(x.data() + r * depth + part * run, w.data() + o * depth + part * run, run);
  if (bias) {
    const std::vector<T> &b = elements<T>(*bias, bScratch);
    for (size_t i = 0; i < y.size(); ++i) y[i] = multiplyAdd(y[i], T(1), b[i % static_cast<size_t>(outputs)]);
  }
  return out;
}

/// Where each leading index of a broadcast product finds its matrix.
static std::vector<int64_t> broadcastOffsets(const TensorShape &shape, const TensorShape &to) {
  std::vector<int64_t> offsets(static_cast<size_t>(sizeOf(to)));
  for (size_t i = 0; i < offsets.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), offset = 0, stride = 1;
    for (size_t axis = to.size(); axis-- > 0;) {
      int64_t index = rest % to[axis];
      rest /= to[axis];
      size_t missing = to.size() - shape.size();
      if (axis < missing) continue;
      int64_t size = shape[axis - missing];
      if (size != 1) offset += index * stride;
      stride *= size;
    }
    offsets[i] = offset;
  }
  return offsets;
}

/// [.., M, K] @ [.., K, N] with leading axes broadcast.
template <typename T>
static Tensor matrixProduct(const Tensor &at, const Tensor &bt, int64_t kGroups, Tensor::Kind kind) {
  std::vector<T> aScratch, bScratch;
  const std::vector<T> &a = elements<T>(at, aScratch), &b = elements<T>(bt, bScratch);
  int64_t m = at.shape[at.shape.size() - 2], depth = at.shape.back(), n = bt.shape.back(), parts = std::max<int64_t>(kGroups, 1);
  TensorShape leadA(at.shape.begin(), at.shape.end() - 2), leadB(bt.shape.begin(), bt.shape.end() - 2);
  TensorShape lead(std::max(leadA.size(), leadB.size()), 1);
  for (const TensorShape *s : {&leadA, &leadB})
    for (size_t i = 0; i < s->size(); ++i) {
      int64_t &into = lead[lead.size() - s->size() + i];
      into = std::max(into, (*s)[i]);
    }
  TensorShape shape = lead;
  shape.insert(shape.end(), {m, n});
  if (kGroups) shape.push_back(kGroups);
  Tensor out(kind, shape);
  std::vector<T> &y = result<T>(out);
  std::vector<int64_t> fromA = broadcastOffsets(leadA, lead), fromB = broadcastOffsets(leadB, lead);
  std::vector<T> sums(static_cast<size_t>(m * n));
  int64_t run = depth / parts;
  for (size_t l = 0; l < fromA.size(); ++l)
    for (int64_t part = 0; part < parts; ++part) {
      std::fill(sums.begin(), sums.end(), T(0));
      addProduct(sums.data(), a.data() + fromA[l] * m * depth + part * run, b.data() + fromB[l] * depth * n + part * run * n, m, run,
                 depth, n, at.kind != Tensor::Real);
      for (int64_t i = 0; i < m * n; ++i)
        y[static_cast<size_t>((static_cast<int64_t>(l) * m * n + i) * parts + part)] = sums[static_cast<size_t>(i)];
    }
  return out;
}

namespace {

/// The affine end of a layer, decoded.
struct Affine {
  std::vector<float> m, b;
  int64_t axis = 1, groups = 0; ///< groups: 0 without a group axis
  float residualM = 0;
  bool hasResidual = false, hasScale = false, toCodes = false;
  Range range{0, 0};
};

} // namespace

static float realOrCode(const Tensor &t, size_t i) { return t.kind == Tensor::Real ? t.f[i] : static_cast<float>(t.i[i]); }

/// t = b[c] or fma(f(r), residual_m, b[c]); y = fma(f(acc), m[c], t), over the groups in order; then codes if asked for.
static Tensor applyAffine(const Tensor &acc, const Tensor *residual, const Tensor *scale, const Affine &e) {
  TensorShape shape = acc.shape;
  if (e.groups) shape.pop_back();
  Tensor out(e.toCodes ? Tensor::Int : Tensor::Real, shape);
  auto n = static_cast<size_t>(out.count());
  int64_t inner = shape.empty() ? 1 : AxisView(shape, e.axis).inner, channels = shape.empty() ? 1 : shape[static_cast<size_t>(e.axis)];
  size_t groups = static_cast<size_t>(std::max<int64_t>(e.groups, 1));
  size_t row = scale ? std::max<size_t>(n / scale->f.size(), 1) : 1;
  size_t mChannels = e.m.size() / groups;
  for (size_t i = 0; i < n; ++i) {
    auto c = static_cast<size_t>(static_cast<int64_t>(i) / inner % channels);
    float y = e.b[e.b.size() == 1 ? 0 : c];
    if (residual) y = std::fmaf(realOrCode(*residual, i), e.residualM, y);
    for (size_t g = 0; g < groups; ++g) {
      float m = e.m[(mChannels == 1 ? 0 : c) * groups + g];
      if (scale) m = scale->f[i / row] * m;
      y = std::fmaf(realOrCode(acc, i * groups + g), m, y);
    }
    if (e.toCodes)
      out.i[i] = roundClamp(y, static_cast<int32_t>(e.range.lo), static_cast<int32_t>(e.range.hi));
    else
      out.f[i] = y;
  }
  return out;
}

/// Reads the affine attributes of `affine` and of the fused products.
template <typename Op>
static Result<Affine> decodeAffine(Op op, int64_t axis, int64_t groups) {
  FailureOr<std::vector<float>> m = floatVector(op.getM()), b = floatVector(op.getB());
  if (failed(m) || failed(b) || m->empty() || b->empty()) return Error{"an affine end cannot be read", ErrorKind::Internal};
  Affine e;
  e.m = std::move(*m);
  e.b = std::move(*b);
  e.axis = axis;
  e.groups = groups;
  e.hasResidual = bool(op.getResidual());
  e.hasScale = bool(op.getScale());
  if (op.getResidualM()) e.residualM = op.getResidualM()->convertToFloat();
  if (QuantType quant = quantType(op.getResult())) {
    e.toCodes = true;
    e.range = rangeOf(quant, op.getLo(), op.getHi());
  }
  return e;
}

/// Operands after `first`: residual, then scale, as far as they are there.
static Tensor finish(const Tensor &acc, const Operands &in, size_t first, const Affine &e) {
  const Tensor *residual = e.hasResidual ? in[first] : nullptr;
  const Tensor *scale = e.hasScale ? in[first + (e.hasResidual ? 1 : 0)] : nullptr;
  return applyAffine(acc, residual, scale, e);
}

template <typename Op>
static Conv decodeConv(Op op) {
  auto s = op.getStride(), p = op.getPadding(), d = op.getDilation();
  return {s[0], s[1], p[0], p[1], d[0], d[1], static_cast<int64_t>(op.getGroups()), static_cast<int64_t>(op.getKGroups().value_or(0))};
}

static bool isRealValue(Value v) { return isReal(cast<ShapedType>(v.getType()).getElementType()); }

static Tensor convolveAny(const Tensor &x, const Tensor &w, const Tensor *bias, const Conv &c, bool real) {
  return real ? convolve<float>(x, w, bias, c, Tensor::Real) : convolve<int32_t>(x, w, bias, c, Tensor::Int);
}
static Tensor linearAny(const Tensor &x, const Tensor &w, const Tensor *bias, int64_t kGroups, bool real) {
  return real ? multiplyTransposed<float>(x, w, bias, kGroups, Tensor::Real)
              : multiplyTransposed<int32_t>(x, w, bias, kGroups, Tensor::Int);
}

static Result<Kernel> buildFused(Operation *op) {
  if (auto fused = dyn_cast<FusedConv2dOp>(op)) {
    Conv conv = decodeConv(fused);
    Result<Affine> affine = decodeAffine(fused, 1, conv.kGroups);
    if (!affine) return affine.takeError();
    bool real = isRealValue(fused.getX()) || isRealValue(fused.getW());
    std::optional<Window> window;
    if (auto k = fused.getPoolKernel()) {
      auto s = fused.getPoolStride().value_or(*k);
      auto p = fused.getPoolPadding();
      window = Window{(*k)[0], (*k)[1], s[0], s[1], p ? (*p)[0] : 0, p ? (*p)[1] : 0};
    }
    return kernel([=, e = std::move(*affine)](const Operands &in, std::vector<Tensor> &out) {
      out[0] = finish(convolveAny(*in[0], *in[1], nullptr, conv, real), in, 2, e);
      if (window) out[0] = maxPool(out[0], *window);
    });
  }
  auto fused = cast<FusedLinearOp>(op);
  auto kGroups = static_cast<int64_t>(fused.getKGroups().value_or(0));
  int64_t axis = std::max<int64_t>(cast<ShapedType>(fused.getResult().getType()).getRank() - 1, 0);
  Result<Affine> affine = decodeAffine(fused, axis, kGroups);
  if (!affine) return affine.takeError();
  bool real = isRealValue(fused.getX()) || isRealValue(fused.getW());
  return kernel([=, e = std::move(*affine)](const Operands &in, std::vector<Tensor> &out) {
    out[0] = finish(linearAny(*in[0], *in[1], nullptr, kGroups, real), in, 2, e);
  });
}

Result<Kernel> buildProduct(Operation *op, const BuildContext &context) {
  if (auto conv = dyn_cast<Conv2dOp>(op)) {
    Conv c = decodeConv(conv);
    c.threads = context.options.threads;
    bool real = isRealValue(conv.getResult()), bias = bool(conv.getBias());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      out[0] = convolveAny(*in[0], *in[1], bias ? in[2] : nullptr, c, real);
    });
  }
  if (auto linear = dyn_cast<LinearOp>(op)) {
    auto kGroups = static_cast<int64_t>(linear.getKGroups().value_or(0));
    bool real = isRealValue(linear.getResult()), bias = bool(linear.getBias());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      out[0] = linearAny(*in[0], *in[1], bias ? in[2] : nullptr, kGroups, real);
    });
  }
  if (auto product = dyn_cast<MatmulOp>(op)) {
    auto kGroups = static_cast<int64_t>(product.getKGroups().value_or(0));
    bool real = isRealValue(product.getResult());
    return kernel([=](const Operands &in, std::vector<Tensor> &out) {
      out[0] = real ? matrixProduct<float>(*in[0], *in[1], kGroups, Tensor::Real)
                    : matrixProduct<int32_t>(*in[0], *in[1], kGroups, Tensor::Int);
    });
  }
  if (auto affine = dyn_cast<AffineOp>(op)) {
    int64_t accRank = cast<ShapedType>(affine.getAcc().getType()).getRank();
    int64_t rank = cast<ShapedType>(affine.getResult().getType()).getRank();
    int64_t groups = accRank > rank ? cast<ShapedType>(affine.getAcc().getType()).getShape().back() : 0;
    Result<Affine> e = decodeAffine(affine, static_cast<int64_t>(affine.getAxis()), groups);
    if (!e) return e.takeError();
    return kernel([e = std::move(*e)](const Operands &in, std::vector<Tensor> &out) { out[0] = finish(*in[0], in, 1, e); });
  }
  if (isa<FusedConv2dOp, FusedLinearOp>(op)) return buildFused(op);
  return Kernel();
}

} // namespace triton::oracle
