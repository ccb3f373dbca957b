/* What the machine's instruction set offers, as bits that artifacts record. Published bits never change meaning. The arch
 * bits are features like any other, so that code of a foreign machine is just code whose features are missing. C11 and C++. */
#ifndef TRITON_ARTIFACT_CPU_FEATURES_H
#define TRITON_ARTIFACT_CPU_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRI_CPU_X86_64 (UINT64_C(1) << 0) /* the baseline: SSE2 */
#define TRI_CPU_SSE3 (UINT64_C(1) << 1)
#define TRI_CPU_SSSE3 (UINT64_C(1) << 2)
#define TRI_CPU_SSE4_1 (UINT64_C(1) << 3)
#define TRI_CPU_SSE4_2 (UINT64_C(1) << 4)
#define TRI_CPU_POPCNT (UINT64_C(1) << 5)
#define TRI_CPU_AVX (UINT64_C(1) << 6) /* with the state saved by the operating system, as for all that follow */
#define TRI_CPU_F16C (UINT64_C(1) << 7)
#define TRI_CPU_FMA (UINT64_C(1) << 8)
#define TRI_CPU_AVX2 (UINT64_C(1) << 9)
#define TRI_CPU_BMI1 (UINT64_C(1) << 10)
#define TRI_CPU_BMI2 (UINT64_C(1) << 11)
#define TRI_CPU_LZCNT (UINT64_C(1) << 12)
#define TRI_CPU_MOVBE (UINT64_C(1) << 13)
#define TRI_CPU_AVX512F (UINT64_C(1) << 14)
#define TRI_CPU_AVX512CD (UINT64_C(1) << 15)
#define TRI_CPU_AVX512BW (UINT64_C(1) << 16)
#define TRI_CPU_AVX512DQ (UINT64_C(1) << 17)
#define TRI_CPU_AVX512VL (UINT64_C(1) << 18)
#define TRI_CPU_AVX512VNNI (UINT64_C(1) << 19)
#define TRI_CPU_AVX512VBMI (UINT64_C(1) << 20)
#define TRI_CPU_AVX512BITALG (UINT64_C(1) << 21)
#define TRI_CPU_AVX512VPOPCNTDQ (UINT64_C(1) << 22)
#define TRI_CPU_AVXVNNI (UINT64_C(1) << 23)
#define TRI_CPU_FASTADD (UINT64_C(1) << 24) /* twice as many 512-bit additions a cycle as vpdpbusd: decides what is generated, not what runs */

#define TRI_CPU_AARCH64 (UINT64_C(1) << 40) /* the baseline: NEON */
#define TRI_CPU_DOTPROD (UINT64_C(1) << 41)
#define TRI_CPU_I8MM (UINT64_C(1) << 42)

#define TRI_CPU_ARCH_MASK (TRI_CPU_X86_64 | TRI_CPU_AARCH64)

/* The features of the machine that runs this. Thread-safe; asks the processor on every call (about 100 ns). */
uint64_t tri_cpu_features(void);

/* The features that code for `target` needs: `x86-64`, `x86-64-v2`, `-v3`, `-v4` or `aarch64`, each with any number of
 * `+feature` (names below; `vnni`, `vbmi`, `bitalg` and `vpopcntdq` mean the AVX-512 ones). 0 if the target is not known. */
uint64_t tri_target_features(const char *target);

/* The name of one feature bit ("avx512bw"), or NULL if this build knows no such bit. */
const char *tri_feature_name(uint64_t bit);

/* Writes the names in `mask`, separated by ", ", always terminated, cut to what fits. Returns the length of the whole text. */
size_t tri_feature_list(uint64_t mask, char *out, size_t out_bytes);

/* Writes the best target that a machine with `features` runs ("x86-64-v4+vnni+vbmi"), always terminated. Returns the
 * length of the whole text; 0 if there is none. This is what `native` stands for. */
size_t tri_target_of_features(uint64_t features, char *out, size_t out_bytes);

#ifdef __cplusplus
}
#endif
#endif
