/* CPU features: detection (cpuid and xgetbv, or the auxiliary vector), and names. */
#include "artifact/cpu_features.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

typedef struct {
  uint64_t bit;
  const char *name;
  const char *suffix; /* what a target says after '+', where that is not the name */
} feature_row;

static const feature_row features_table[] = {
    {TRI_CPU_X86_64, "x86-64", NULL},
    {TRI_CPU_SSE3, "sse3", NULL},
    {TRI_CPU_SSSE3, "ssse3", NULL},
    {TRI_CPU_SSE4_1, "sse4.1", NULL},
    {TRI_CPU_SSE4_2, "sse4.2", NULL},
    {TRI_CPU_POPCNT, "popcnt", NULL},
    {TRI_CPU_AVX, "avx", NULL},
    {TRI_CPU_F16C, "f16c", NULL},
    {TRI_CPU_FMA, "fma", NULL},
    {TRI_CPU_AVX2, "avx2", NULL},
    {TRI_CPU_BMI1, "bmi1", NULL},
    {TRI_CPU_BMI2, "bmi2", NULL},
    {TRI_CPU_LZCNT, "lzcnt", NULL},
    {TRI_CPU_MOVBE, "movbe", NULL},
    {TRI_CPU_AVX512F, "avx512f", NULL},
    {TRI_CPU_AVX512CD, "avx512cd", NULL},
    {TRI_CPU_AVX512BW, "avx512bw", NULL},
    {TRI_CPU_AVX512DQ, "avx512dq", NULL},
    {TRI_CPU_AVX512VL, "avx512vl", NULL},
    {TRI_CPU_AVX512VNNI, "avx512vnni", "vnni"},
    {TRI_CPU_AVX512VBMI, "avx512vbmi", "vbmi"},
    {TRI_CPU_AVX512BITALG, "avx512bitalg", "bitalg"},
    {TRI_CPU_AVX512VPOPCNTDQ, "avx512vpopcntdq", "vpopcntdq"},
    {TRI_CPU_AVXVNNI, "avxvnni", NULL},
    {TRI_CPU_FASTADD, "fastadd", NULL},
    {TRI_CPU_AARCH64, "aarch64", NULL},
    {TRI_CPU_DOTPROD, "dotprod", NULL},
    {TRI_CPU_I8MM, "i8mm", NULL},
};

enum { FEATURE_COUNT = sizeof features_table / sizeof features_table[0] };

/* The micro-architecture levels of the x86-64 psABI, as far as these bits tell them. */
#define LEVEL_1 TRI_CPU_X86_64
#define LEVEL_2 (LEVEL_1 | TRI_CPU_SSE3 | TRI_CPU_SSSE3 | TRI_CPU_SSE4_1 | TRI_CPU_SSE4_2 | TRI_CPU_POPCNT)
#define LEVEL_3                                                                                                       \
  (LEVEL_2 | TRI_CPU_AVX | TRI_CPU_F16C | TRI_CPU_FMA | TRI_CPU_AVX2 | TRI_CPU_BMI1 | TRI_CPU_BMI2 | TRI_CPU_LZCNT |  \
   TRI_CPU_MOVBE)
#define LEVEL_4                                                                                                       \
  (LEVEL_3 | TRI_CPU_AVX512F | TRI_CPU_AVX512CD | TRI_CPU_AVX512BW | TRI_CPU_AVX512DQ | TRI_CPU_AVX512VL)

typedef struct {
  const char *name;
  uint64_t features;
} target_row;

/* Best first within an architecture: tri_target_of_features takes the first that fits. */
static const target_row targets_table[] = {
    {"x86-64-v4", LEVEL_4}, {"x86-64-v3", LEVEL_3}, {"x86-64-v2", LEVEL_2}, {"x86-64", LEVEL_1}, {"aarch64", TRI_CPU_AARCH64},
};

enum { TARGET_COUNT = sizeof targets_table / sizeof targets_table[0] };

#if defined(__x86_64__)
static uint64_t xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

uint64_t tri_cpu_features(void) {
  uint64_t found = TRI_CPU_X86_64;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return found;
  if (c & (1u << 0)) found |= TRI_CPU_SSE3;
  if (c & (1u << 9)) found |= TRI_CPU_SSSE3;
  if (c & (1u << 19)) found |= TRI_CPU_SSE4_1;
  if (c & (1u << 20)) found |= TRI_CPU_SSE4_2;
  if (c & (1u << 22)) found |= TRI_CPU_MOVBE;
  if (c & (1u << 23)) found |= TRI_CPU_POPCNT;
  const unsigned leaf1_c = c;
  /* Wide registers count only if the operating system saves them. */
  const uint64_t saved = (leaf1_c & (1u << 27)) ? xcr0() : 0;
  const int has_avx = (saved & 0x06) == 0x06 && (leaf1_c & (1u << 28));
  const int has_avx512_state = has_avx && (saved & 0xe0) == 0xe0;
  if (has_avx) {
    found |= TRI_CPU_AVX;
    if (leaf1_c & (1u << 12)) found |= TRI_CPU_FMA;
    if (leaf1_c & (1u << 29)) found |= TRI_CPU_F16C;
  }
  if (__get_cpuid(0x80000001u, &a, &b, &c, &d) && (c & (1u << 5))) found |= TRI_CPU_LZCNT;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  const unsigned subleaves = a;
  if (b & (1u << 3)) found |= TRI_CPU_BMI1;
  if (b & (1u << 8)) found |= TRI_CPU_BMI2;
  if (has_avx && (b & (1u << 5))) found |= TRI_CPU_AVX2;
  if (has_avx512_state && (b & (1u << 16))) {
    found |= TRI_CPU_AVX512F;
    if (b & (1u << 17)) found |= TRI_CPU_AVX512DQ;
    if (b & (1u << 28)) found |= TRI_CPU_AVX512CD;
    if (b & (1u << 30)) found |= TRI_CPU_AVX512BW;
    if (b & (1u << 31)) found |= TRI_CPU_AVX512VL;
    if (c & (1u << 1)) found |= TRI_CPU_AVX512VBMI;
    if (c & (1u << 11)) found |= TRI_CPU_AVX512VNNI;
    if (c & (1u << 12)) found |= TRI_CPU_AVX512BITALG;
    if (c & (1u << 14)) found |= TRI_CPU_AVX512VPOPCNTDQ;
    /* So it is on Zen 4 and Zen 5; Intel's cores have as many units for one as for the other. No bit says it. */
    if ((found & TRI_CPU_AVX512VNNI) && __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx)
      found |= TRI_CPU_FASTADD;
  }
  if (has_avx && subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4))) found |= TRI_CPU_AVXVNNI;
  return found;
}
#elif defined(__aarch64__)
uint64_t tri_cpu_features(void) {
  uint64_t found = TRI_CPU_AARCH64;
#if defined(__linux__)
  /* Linux ABI constants, spelled out because older headers lack them. */
  enum { HWCAP_BIT_ASIMDDP = 20, HWCAP2_BIT_I8MM = 13 };
  if ((getauxval(AT_HWCAP) >> HWCAP_BIT_ASIMDDP) & 1) found |= TRI_CPU_DOTPROD;
  if ((getauxval(AT_HWCAP2) >> HWCAP2_BIT_I8MM) & 1) found |= TRI_CPU_I8MM;
#endif
  return found;
}
#else
uint64_t tri_cpu_features(void) { return 0; }
#endif

static int text_is(const char *text, size_t length, const char *word) {
  return strlen(word) == length && memcmp(text, word, length) == 0;
}

uint64_t tri_target_features(const char *target) {
  if (!target) return 0;
  const char *plus = strchr(target, '+');
  size_t length = plus ? (size_t)(plus - target) : strlen(target);
  uint64_t features = 0;
  for (int i = 0; i < TARGET_COUNT; ++i)
    if (text_is(target, length, targets_table[i].name)) features = targets_table[i].features;
  if (!features) return 0;
  const int is_x86 = (features & TRI_CPU_X86_64) != 0;
  while (plus) {
    const char *word = plus + 1;
    plus = strchr(word, '+');
    length = plus ? (size_t)(plus - word) : strlen(word);
    uint64_t bit = 0;
    for (int i = 0; i < FEATURE_COUNT; ++i) {
      const feature_row *row = &features_table[i];
      if (row->bit & TRI_CPU_ARCH_MASK) continue;
      if ((row->bit < TRI_CPU_AARCH64) != is_x86) continue;
      if (text_is(word, length, row->name) || (row->suffix && text_is(word, length, row->suffix))) bit = row->bit;
    }
    if (!bit) return 0;
    features |= bit;
  }
  return features;
}

const char *tri_feature_name(uint64_t bit) {
  for (int i = 0; i < FEATURE_COUNT; ++i)
    if (features_table[i].bit == bit) return features_table[i].name;
  return NULL;
}

/* Text that is counted in full and stored as far as it fits. */
typedef struct {
  char *out;
  size_t capacity, length;
} text_sink;

static void put_text(text_sink *sink, const char *text) {
  for (; *text; ++text, ++sink->length)
    if (sink->length + 1 < sink->capacity) sink->out[sink->length] = *text;
}

static size_t finish_text(text_sink *sink) {
  if (sink->capacity) sink->out[sink->length < sink->capacity ? sink->length : sink->capacity - 1] = '\0';
  return sink->length;
}

size_t tri_feature_list(uint64_t mask, char *out, size_t out_bytes) {
  text_sink sink = {out, out_bytes, 0};
  for (int i = 0; i < 64; ++i) {
    const uint64_t bit = UINT64_C(1) << i;
    if (!(mask & bit)) continue;
    if (sink.length) put_text(&sink, ", ");
    const char *name = tri_feature_name(bit);
    if (name) {
      put_text(&sink, name);
    } else {
      const char digits[] = {(char)('0' + i / 10), (char)('0' + i % 10), '\0'};
      put_text(&sink, "feature ");
      put_text(&sink, digits);
    }
  }
  return finish_text(&sink);
}

size_t tri_target_of_features(uint64_t features, char *out, size_t out_bytes) {
  text_sink sink = {out, out_bytes, 0};
  for (int i = 0; i < TARGET_COUNT; ++i) {
    if ((targets_table[i].features & ~features) != 0) continue;
    put_text(&sink, targets_table[i].name);
    for (int j = 0; j < FEATURE_COUNT; ++j) {
      const feature_row *row = &features_table[j];
      if (!(features & row->bit & ~targets_table[i].features)) continue;
      /* Only dot products and bit counts: what kernels are chosen by. */
      if (row->bit < TRI_CPU_AVX512VNNI || row->bit == TRI_CPU_AARCH64) continue;
      if (row->bit == TRI_CPU_AVXVNNI && (features & TRI_CPU_AVX512VNNI)) continue;
      put_text(&sink, "+");
      put_text(&sink, row->suffix ? row->suffix : row->name);
    }
    break;
  }
  return finish_text(&sink);
}
