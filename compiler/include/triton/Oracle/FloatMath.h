// The language's float functions as fixed sequences of binary32 operations (docs/numerics.md states each as a table, and generated
// code repeats them operation by operation). Every `+ - * /` and every std::fmaf below is one rounding; compiled with
// -ffp-contract=off. At most 2 ulp each; tests/unit/numerics measures it.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace triton::oracle {

/// a where `condition`, else b. A function so that each use reads as the one select instruction that it is.
inline float select(bool condition, float a, float b) { return condition ? a : b; }

/// max and min as one comparison and one select: a NaN in `x` gives `bound`, equal values give `bound`.
inline float atLeast(float x, float bound) { return select(x > bound, x, bound); }
inline float atMost(float x, float bound) { return select(x < bound, x, bound); }

/// Round to nearest even for |x| < 2^22: what is left after adding and taking away 1.5 * 2^23.
constexpr float kRoundMagic = 0x1.8p23f;

/// e^x. 0 below -104, infinity above 88.7228394; NaN stays NaN.
inline float exp32(float x) {
  x = select(x < -104.0f, -104.0f, x);
  x = select(x > 89.0f, 89.0f, x);
  float t = std::fmaf(x, 0x1.715476p+0f, kRoundMagic);
  uint32_t k = std::bit_cast<uint32_t>(t) - std::bit_cast<uint32_t>(kRoundMagic);
  float n = t - kRoundMagic;
  float r = std::fmaf(n, -0x1.62e4p-1f, x);
  r = std::fmaf(n, -0x1.7f7d1cp-20f, r);
  float p = 0x1.687a68p-10f;
  p = std::fmaf(p, r, 0x1.123c28p-7f);
  p = std::fmaf(p, r, 0x1.555b5ep-5f);
  p = std::fmaf(p, r, 0x1.55548ep-3f);
  p = std::fmaf(p, r, 0x1.fffff8p-2f);
  p = std::fmaf(p * r, r, r) + 1.0f;
  // 2^k in two exact factors, so that results below the normal range round once.
  uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(k) >> 1), rest = k - half;
  return p * std::bit_cast<float>((half + 127) << 23) * std::bit_cast<float>((rest + 127) << 23);
}

/// The natural logarithm. -infinity at 0, NaN below, infinity at infinity.
inline float log32(float x) {
  bool tiny = x < 0x1p-126f;
  float y = select(tiny, x * 0x1p23f, x);
  uint32_t shifted = std::bit_cast<uint32_t>(y) - 0x3F3504F3u; // bits of sqrt(1/2), rounded down
  int32_t k = static_cast<int32_t>(shifted) >> 23;
  float m = std::bit_cast<float>((shifted & 0x007FFFFFu) + 0x3F3504F3u); // in [sqrt(1/2), sqrt(2))
  float n = static_cast<float>(k) - select(tiny, 23.0f, 0.0f);
  float f = m - 1.0f;
  float p = 0x1.1174b2p-4f;
  p = std::fmaf(p, f, -0x1.dd1bc2p-4f);
  p = std::fmaf(p, f, 0x1.e7a3cep-4f);
  p = std::fmaf(p, f, -0x1.fc5b4ap-4f);
  p = std::fmaf(p, f, 0x1.232e2ep-3f);
  p = std::fmaf(p, f, -0x1.555a7ep-3f);
  p = std::fmaf(p, f, 0x1.99a52ep-3f);
  p = std::fmaf(p, f, -0x1.00000ap-2f);
  p = std::fmaf(p, f, 0x1.555546p-2f);
  p = std::fmaf(p, f, -0.5f);
  float tail = std::fmaf(f * f, p, n * 0x1.7f7d1cp-20f);
  float result = std::fmaf(n, 0x1.62e4p-1f, f + tail);
  result = select(x > 0x1.fffffep127f, x, result);
  result = select(x < 0.0f || x != x, std::bit_cast<float>(0x7FC00000u), result);
  return select(x == 0.0f, -std::bit_cast<float>(0x7F800000u), result);
}

/// The hyperbolic tangent: a polynomial to 0.625, then 1 - 2 / (e^2|x| + 1) with the sign put back.
inline float tanh32(float x) {
  float a = std::fabs(x), u = x * x;
  float p = -0x1.7507acp-8f;
  p = std::fmaf(p, u, 0x1.51f0fp-6f);
  p = std::fmaf(p, u, -0x1.b83322p-5f);
  p = std::fmaf(p, u, 0x1.1106d6p-3f);
  p = std::fmaf(p, u, -0x1.555532p-2f);
  float small = std::fmaf(p * u, a, a);
  float large = 1.0f - 2.0f / (exp32(a + a) + 1.0f);
  return std::copysign(select(a < 0.625f, small, large), x);
}

/// The error function: a polynomial to 0.9375, then 1 - e^q(|x|) with the sign put back (q is close to log erfc).
inline float erf32(float x) {
  float a = std::fabs(x), u = x * x;
  float p = 0x1.5a897p-14f;
  p = std::fmaf(p, u, -0x1.a98bbap-11f);
  p = std::fmaf(p, u, 0x1.54b37cp-8f);
  p = std::fmaf(p, u, -0x1.b80c6cp-6f);
  p = std::fmaf(p, u, 0x1.ce2dfp-4f);
  p = std::fmaf(p, u, -0x1.812742p-2f);
  p = std::fmaf(p, u, 0x1.06eba8p-3f);
  float small = std::fmaf(p, a, a);
  float t = select(a > 4.0f, 4.0f, a);
  float q = -0x1.6724c2p-16f;
  q = std::fmaf(q, t, 0x1.cb3f04p-12f);
  q = std::fmaf(q, t, -0x1.1270c6p-8f);
  q = std::fmaf(q, t, 0x1.9c40f2p-6f);
  q = std::fmaf(q, t, -0x1.bbc738p-4f);
  q = std::fmaf(q, t, -0x1.443e94p-1f);
  q = std::fmaf(q, t, -0x1.2129b2p+0f);
  q = std::fmaf(q, t, 0x1.7a1902p-13f);
  float large = 1.0f - exp32(q);
  return std::copysign(select(a < 0.9375f, small, large), x);
}

/// Sine and cosine of the reduced argument for |x| <= 2^22; `quarters` is added to the number of quarter turns.
inline float sincos32(float x, uint32_t quarters) {
  float t = std::fmaf(x, 0x1.45f306p-1f, kRoundMagic);
  uint32_t k = std::bit_cast<uint32_t>(t) - std::bit_cast<uint32_t>(kRoundMagic) + quarters;
  float n = t - kRoundMagic;
  float r = std::fmaf(n, -0x1.922p+0f, x); // exact: both terms are multiples of the same power of two, the result is small
  r = std::fmaf(n, 0x1.28p-18f, r);
  r = std::fmaf(n, 0x1.777a5cp-25f, r);
  r = std::fmaf(n, 0x1.ee59dap-50f, r);
  float u = r * r;
  float s = 0x1.6cc11ap-19f;
  s = std::fmaf(s, u, -0x1.a00f34p-13f);
  s = std::fmaf(s, u, 0x1.111108p-7f);
  s = std::fmaf(s, u, -0x1.555556p-3f);
  s = std::fmaf(s * u, r, r);
  float c = -0x1.240f36p-22f;
  c = std::fmaf(c, u, 0x1.a0109p-16f);
  c = std::fmaf(c, u, -0x1.6c16b8p-10f);
  c = std::fmaf(c, u, 0x1.555556p-5f);
  c = std::fmaf(c, u, -0.5f);
  c = std::fmaf(c, u, 1.0f);
  float value = select((k & 1) != 0, c, s);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^ ((k & 2) << 30));
}
inline float sin32(float x) { return sincos32(x, 0); }
inline float cos32(float x) { return sincos32(x, 1); }

// ---- Functions of the operation table, built of the above as the table says -------------------------------------------------

inline float reluf(float x) { return atLeast(x, 0.0f); }
inline float relu6f(float x) { return atMost(atLeast(x, 0.0f), 6.0f); }
inline float hardsigmoidf(float x) { return relu6f(x + 3.0f) / 6.0f; }
inline float hardswishf(float x) { return x * relu6f(x + 3.0f) / 6.0f; }
inline float sigmoidf(float x) { return 1.0f / (1.0f + exp32(-x)); }
inline float siluf(float x) { return x * sigmoidf(x); }
inline float geluf(float x) { return x * (1.0f + erf32(x / 0x1.6a09e6p+0f)) * 0.5f; }
/// gelu(x, approx=true): x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
inline float geluTanhf(float x) {
  float inner = 0x1.988454p-1f * (x + 0x1.6e4e26p-5f * (x * x * x));
  return x * (1.0f + tanh32(inner)) * 0.5f;
}

/// A sum in 16 lanes: element i goes to lane i mod 16 in order, then the lanes fold 8, 4, 2, 1. All lanes start at +0.
class LaneSum {
public:
  void add(uint64_t index, float value) { lanes[index & 15] += value; }
  float fold() {
    for (int width = 8; width; width /= 2)
      for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
    return lanes[0];
  }

private:
  float lanes[16] = {};
};

/// binary32 to binary16 and bfloat16 and back: one rounding, to nearest even.
float roundToHalf(float x);
float roundToBfloat16(float x);
uint16_t halfBits(float x);
uint16_t bfloat16Bits(float x);

// ---- Codes (section 10) -----------------------------------------------------------------------------------------------------

/// rne(x) clamped to lo..hi; NaN gives 0.
inline int32_t roundClamp(float x, int32_t lo, int32_t hi) {
  if (x != x) return 0 < lo ? lo : 0 > hi ? hi : 0;
  float r = std::nearbyint(x);
  if (r <= static_cast<float>(lo)) return lo;
  if (r >= static_cast<float>(hi)) return hi;
  return static_cast<int32_t>(r);
}

/// quantize(x) with the reciprocal r = fl(1 / s).
inline int32_t quantiseCode(float x, float reciprocal, int32_t lo, int32_t hi) { return roundClamp(x * reciprocal, lo, hi); }
/// quantize(x) to a trit: the sign where |x| > s / 2. NaN gives 0.
inline int32_t quantiseTrit(float x, float scale) { return !(std::fabs(x) > scale * 0.5f) ? 0 : x > 0 ? 1 : -1; }

} // namespace triton::oracle
