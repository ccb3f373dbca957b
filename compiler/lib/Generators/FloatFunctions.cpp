// See FloatFunctions.h and docs/numerics.md: the order of operations and every constant are fixed there.
#include "FloatFunctions.h"

using namespace mlir;

namespace triton {

namespace {

/// Short names for one function's arithmetic.
struct Math {
  KernelBuilder &k;
  Type real, word;
  explicit Math(Val x) : k(*x.k), real(x.type()), word(k.like(x.type(), k.i32())) {}
  Val c(double value) { return k.constant(real, value); }
  Val i(int64_t value) { return k.constantInt(word, value); }
  Val bits(Val x) { return k.bitcast(x, word); }
  Val real_(Val x) { return k.bitcast(x, real); }
  /// Horner's rule by fma: ((p0 * x + p1) * x + p2) ...
  Val horner(Val x, std::initializer_list<double> coefficients) {
    Val p = c(*coefficients.begin());
    for (auto at = coefficients.begin() + 1; at != coefficients.end(); ++at)
      p = k.fma(p, x, c(*at));
    return p;
  }
  Val copySign(Val magnitude, Val sign) {
    return real_((bits(magnitude) & i(0x7FFFFFFF)) | (bits(sign) & i(int32_t(0x80000000))));
  }
  Val power2(Val exponent) { return real_(k.shiftLeft(exponent + i(127), 23)); }
};
constexpr double kRoundMagic = 0x1.8p23;
constexpr int64_t kRoundMagicBits = 0x4B400000;

} // namespace

Val emitExp(Val x) {
  Math m(x);
  KernelBuilder &k = m.k;
  x = select(compare(Cmp::Lt, x, -104.0), m.c(-104.0), x);
  x = select(compare(Cmp::Gt, x, 89.0), m.c(89.0), x);
  Val t = k.fma(x, m.c(0x1.715476p+0), m.c(kRoundMagic));
  Val exponent = m.bits(t) - m.i(kRoundMagicBits);
  Val n = t - kRoundMagic;
  Val r = k.fma(n, m.c(-0x1.62e4p-1), x);
  r = k.fma(n, m.c(-0x1.7f7d1cp-20), r);
  Val p = m.horner(r, {0x1.687a68p-10, 0x1.123c28p-7, 0x1.555b5ep-5, 0x1.55548ep-3, 0x1.fffff8p-2});
  p = k.fma(p * r, r, r) + 1.0;
  Val half = k.shiftRight(exponent, 1), rest = exponent - half;
  return p * m.power2(half) * m.power2(rest);
}

Val emitLog(Val x) {
  Math m(x);
  KernelBuilder &k = m.k;
  Val tiny = compare(Cmp::Lt, x, 0x1p-126);
  Val y = select(tiny, x * 0x1p23, x);
  Val shifted = m.bits(y) - m.i(0x3F3504F3);
  Val exponent = k.shiftRight(shifted, 23);
  Val mantissa = m.real_((shifted & m.i(0x007FFFFF)) + m.i(0x3F3504F3));
  Val n = k.intToFloat(exponent) - select(tiny, m.c(23.0), m.c(0.0));
  Val f = mantissa - 1.0;
  Val p = m.horner(f, {0x1.1174b2p-4, -0x1.dd1bc2p-4, 0x1.e7a3cep-4, -0x1.fc5b4ap-4, 0x1.232e2ep-3, -0x1.555a7ep-3, 0x1.99a52ep-3,
                       -0x1.00000ap-2, 0x1.555546p-2, -0.5});
  Val tail = k.fma(f * f, p, n * 0x1.7f7d1cp-20);
  Val result = k.fma(n, m.c(0x1.62e4p-1), f + tail);
  result = select(compare(Cmp::Gt, x, 0x1.fffffep127), x, result);
  result = select(compare(Cmp::Lt, x, 0.0) | compare(Cmp::Ne, x, x), m.real_(m.i(0x7FC00000)), result);
  return select(compare(Cmp::Eq, x, 0.0), m.real_(m.i(int32_t(0xFF800000))), result);
}

Val emitTanh(Val x) {
  Math m(x);
  KernelBuilder &k = m.k;
  Val a = k.abs(x), u = x * x;
  Val p = m.horner(u, {-0x1.7507acp-8, 0x1.51f0fp-6, -0x1.b83322p-5, 0x1.1106d6p-3, -0x1.555532p-2});
  Val small = k.fma(p * u, a, a);
  Val large = m.c(1.0) - m.c(2.0) / (emitExp(a + a) + 1.0);
  return m.copySign(select(compare(Cmp::Lt, a, 0.625), small, large), x);
}

Val emitErf(Val x) {
  Math m(x);
  KernelBuilder &k = m.k;
  Val a = k.abs(x), u = x * x;
  Val p = m.horner(u, {0x1.5a897p-14, -0x1.a98bbap-11, 0x1.54b37cp-8, -0x1.b80c6cp-6, 0x1.ce2dfp-4, -0x1.812742p-2, 0x1.06eba8p-3});
  Val small = k.fma(p, a, a);
  Val t = select(compare(Cmp::Gt, a, 4.0), m.c(4.0), a);
  Val q = m.horner(t, {-0x1.6724c2p-16, 0x1.cb3f04p-12, -0x1.1270c6p-8, 0x1.9c40f2p-6, -0x1.bbc738p-4, -0x1.443e94p-1,
                       -0x1.2129b2p+0, 0x1.7a1902p-13});
  Val large = m.c(1.0) - emitExp(q);
  return m.copySign(select(compare(Cmp::Lt, a, 0.9375), small, large), x);
}

static Val emitSinCos(Val x, int64_t quarters) {
  Math m(x);
  KernelBuilder &k = m.k;
  Val t = k.fma(x, m.c(0x1.45f306p-1), m.c(kRoundMagic));
  Val turn = m.bits(t) - m.i(kRoundMagicBits) + m.i(quarters);
  Val n = t - kRoundMagic;
  Val r = k.fma(n, m.c(-0x1.922p+0), x);
  r = k.fma(n, m.c(0x1.28p-18), r);
  r = k.fma(n, m.c(0x1.777a5cp-25), r);
  r = k.fma(n, m.c(0x1.ee59dap-50), r);
  Val u = r * r;
  Val s = m.horner(u, {0x1.6cc11ap-19, -0x1.a00f34p-13, 0x1.111108p-7, -0x1.555556p-3});
  s = k.fma(s * u, r, r);
  Val c = m.horner(u, {-0x1.240f36p-22, 0x1.a0109p-16, -0x1.6c16b8p-10, 0x1.555556p-5, -0.5, 1.0});
  Val value = select(compare(Cmp::Ne, turn & m.i(1), m.i(0)), c, s);
  return m.real_(m.bits(value) ^ k.shiftLeft(turn & m.i(2), 30));
}
Val emitSin(Val x) { return emitSinCos(x, 0); }
Val emitCos(Val x) { return emitSinCos(x, 1); }

Val emitRelu(Val x) { return maxOf(x, x.k->constant(x.type(), 0.0)); }
Val emitRelu6(Val x) { return minOf(emitRelu(x), x.k->constant(x.type(), 6.0)); }
Val emitHardsigmoid(Val x) { return emitRelu6(x + 3.0) / 6.0; }
Val emitHardswish(Val x) { return x * emitRelu6(x + 3.0) / 6.0; }
Val emitSigmoid(Val x) {
  Val one = x.k->constant(x.type(), 1.0);
  return one / (one + emitExp(-x));
}
Val emitSilu(Val x) { return x * emitSigmoid(x); }
Val emitGelu(Val x) {
  Val one = x.k->constant(x.type(), 1.0);
  return x * (one + emitErf(x / 0x1.6a09e6p+0)) * 0.5;
}
Val emitGeluTanh(Val x) {
  Val one = x.k->constant(x.type(), 1.0);
  Val inner = (x + (x * x * x) * 0x1.6e4e26p-5) * 0x1.988454p-1;
  return x * (one + emitTanh(inner)) * 0.5;
}
Val emitClamp(Val x, float lo, float hi) {
  KernelBuilder &k = *x.k;
  Val y = select(compare(Cmp::Lt, x, lo), k.constant(x.type(), lo), x);
  return select(compare(Cmp::Gt, y, hi), k.constant(x.type(), hi), y);
}

Val emitRoundToCode(Val x, int64_t lo, int64_t hi) {
  KernelBuilder &k = *x.k;
  Val code = k.roundClamp(x, double(lo), double(hi));
  int64_t ofNan = 0 < lo ? lo : 0 > hi ? hi : 0;
  if (ofNan == lo)
    return code; // the comparison with lo already takes NaN there
  return select(compare(Cmp::Ne, x, x), k.constantInt(code.type(), ofNan), code);
}
Val emitRoundToTrit(Val x, Val half) {
  KernelBuilder &k = *x.k;
  Type word = k.like(x.type(), k.i32());
  Val sign = select(compare(Cmp::Gt, x, 0.0), k.constantInt(word, 1), k.constantInt(word, -1));
  return select(compare(Cmp::Gt, k.abs(x), half), sign, k.constantInt(word, 0));
}

Val emitFloatToHalfBits(Val x) {
  Math m(x);
  KernelBuilder &k = m.k;
  Val bits = m.bits(x), sign = k.shiftRightLogical(bits, 16) & m.i(0x8000), magnitude = bits & m.i(0x7FFFFFFF);
  Val rounded = magnitude + m.i(0xFFF) + (k.shiftRightLogical(magnitude, 13) & m.i(1));
  Val normal = k.shiftRightLogical(rounded - m.i(0x38000000), 13);
  // Below 2^-14: adding 1/2 puts the last kept bit (2^-24) at the end of the significand, so the addition rounds.
  Val subnormal = m.bits(m.real_(magnitude) + 0.5) - m.i(0x3F000000);
  Val value = select(compare(Cmp::Lt, magnitude, m.i(0x38800000)), subnormal, normal);
  value = select(compare(Cmp::Ge, magnitude, m.i(0x477FF000)), m.i(0x7C00), value);
  value = select(compare(Cmp::Gt, magnitude, m.i(0x7F800000)), m.i(0x7E00), value);
  return k.truncate(value | sign, k.i16());
}
Val emitHalfBitsToFloat(Val half) {
  KernelBuilder &k = *half.k;
  Type word = k.like(half.type(), k.i32()), real = k.like(half.type(), k.f32());
  auto i = [&](int64_t v) { return k.constantInt(word, v); };
  Val bits = k.zeroExtend(half, k.i32());
  Val sign = k.shiftLeft(bits & i(0x8000), 16), exponent = k.shiftRightLogical(bits, 10) & i(31), fraction = bits & i(0x3FF);
  Val normal = k.shiftLeft(exponent + i(112), 23) | k.shiftLeft(fraction, 13);
  Val special = i(0x7F800000) | k.shiftLeft(fraction, 13);
  Val subnormal = k.bitcast(k.intToFloat(fraction) * 0x1p-24, word);
  Val value = select(compare(Cmp::Eq, exponent, i(0)), subnormal, select(compare(Cmp::Eq, exponent, i(31)), special, normal));
  return k.bitcast(value | sign, real);
}
Val emitFloatToBfloatBits(Val x) {
  Math m(x);
  KernelBuilder &k = m.k;
  Val bits = m.bits(x), high = k.shiftRightLogical(bits, 16);
  Val rounded = k.shiftRightLogical(bits + m.i(0x7FFF) + (high & m.i(1)), 16);
  Val value = select(compare(Cmp::Gt, bits & m.i(0x7FFFFFFF), m.i(0x7F800000)), high | m.i(0x40), rounded);
  return k.truncate(value, k.i16());
}
Val emitBfloatBitsToFloat(Val bits) {
  KernelBuilder &k = *bits.k;
  return k.bitcast(k.shiftLeft(k.zeroExtend(bits, k.i32()), 16), k.like(bits.type(), k.f32()));
}

} // namespace triton
