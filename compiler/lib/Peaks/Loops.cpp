// Ceilings of x86-64 in assembly, so that no compiler can shorten them. Every accumulator is a chain of its own; there are enough
// chains to hide the longest latency (5 cycles on two ports) and few enough for the register file.
#include "Loops.h"

#include "artifact/cpu_features.h"

#include <cstring>

namespace triton::peaks {

#if defined(__x86_64__)

// What registers hold changes the power that a core draws, never the count of instructions: activations are 255, weights 1. As
// floats the activations are NaN, which is as fast as a number.
#define REPEAT8(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define REPEAT12(M) REPEAT8(M) M(8) M(9) M(10) M(11)
#define REPEAT24(M) REPEAT12(M) M(12) M(13) M(14) M(15) M(16) M(17) M(18) M(19) M(20) M(21) M(22) M(23)
#define CLOBBER_LOW                                                                                                    \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",   \
      "xmm14", "xmm15"
#define CLOBBER_HIGH                                                                                                   \
  "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", \
      "xmm29", "xmm30", "xmm31"

#define LOW_LOOP(NAME, TARGET, SETUP, BODY)                                                                            \
  __attribute__((target(TARGET))) static void NAME(uint64_t rounds) {                                                  \
    asm volatile(SETUP "1:\n" BODY "dec %0\njnz 1b\nvzeroupper\n" : "+r"(rounds) : : "cc", CLOBBER_LOW);                \
  }
#define HIGH_LOOP(NAME, TARGET, SETUP, BODY)                                                                           \
  __attribute__((target(TARGET))) static void NAME(uint64_t rounds) {                                                  \
    asm volatile(SETUP "1:\n" BODY "dec %0\njnz 1b\nvzeroupper\n" : "+r"(rounds) : : "cc", CLOBBER_LOW, CLOBBER_HIGH);  \
  }

// Operands: ymm15 or zmm31 hold activations, ymm14 or zmm30 weights.
#define SETUP_LOW "vpcmpeqb %%ymm15, %%ymm15, %%ymm15\nvpabsb %%ymm15, %%ymm14\n"
#define SETUP_HIGH "vpternlogd $255, %%zmm31, %%zmm31, %%zmm31\nvpabsb %%zmm31, %%zmm30\n"

#define BODY_DPBUSD_ZMM(I) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #I "\n"
HIGH_LOOP(dpbusdZmm, "avx512f,avx512bw,avx512vnni", SETUP_HIGH, REPEAT24(BODY_DPBUSD_ZMM))

#define BODY_DPBUSD_YMM(I) "vpdpbusd %%ymm30, %%ymm31, %%ymm" #I "\n"
HIGH_LOOP(dpbusdYmm, "avx512f,avx512bw,avx512vl,avx512vnni", SETUP_HIGH, REPEAT24(BODY_DPBUSD_YMM))

#define BODY_DPBUSD_VEX(I) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #I "\n"
LOW_LOOP(dpbusdVex, "avx2,avxvnni", SETUP_LOW, REPEAT12(BODY_DPBUSD_VEX))

#define BODY_SUMS16_ZMM(I) "vpmaddubsw %%zmm30, %%zmm31, %%zmm28\nvpaddw %%zmm28, %%zmm" #I ", %%zmm" #I "\n"
HIGH_LOOP(sums16Zmm, "avx512f,avx512bw", SETUP_HIGH, REPEAT24(BODY_SUMS16_ZMM))

#define BODY_SUMS16_YMM(I) "vpmaddubsw %%ymm14, %%ymm15, %%ymm12\nvpaddw %%ymm12, %%ymm" #I ", %%ymm" #I "\n"
LOW_LOOP(sums16Ymm, "avx2", SETUP_LOW, REPEAT12(BODY_SUMS16_YMM))

#define BODY_SUMS32_YMM(I)                                                                                             \
  "vpmaddubsw %%ymm14, %%ymm15, %%ymm12\nvpmaddwd %%ymm14, %%ymm12, %%ymm13\nvpaddd %%ymm13, %%ymm" #I ", %%ymm" #I "\n"
LOW_LOOP(sums32Ymm, "avx2", SETUP_LOW, REPEAT12(BODY_SUMS32_YMM))

#define BODY_SUMS32_ZMM(I)                                                                                             \
  "vpmaddubsw %%zmm30, %%zmm31, %%zmm28\nvpmaddwd %%zmm30, %%zmm28, %%zmm29\nvpaddd %%zmm29, %%zmm" #I ", %%zmm" #I "\n"
HIGH_LOOP(sums32Zmm, "avx512f,avx512bw", SETUP_HIGH, REPEAT24(BODY_SUMS32_ZMM))

#define BODY_FMA_YMM(I) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #I "\n"
LOW_LOOP(fmaYmm, "avx2,fma", SETUP_LOW, REPEAT12(BODY_FMA_YMM))

#define BODY_FMA_ZMM(I) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #I "\n"
HIGH_LOOP(fmaZmm, "avx512f,avx512bw", SETUP_HIGH, REPEAT24(BODY_FMA_ZMM))

static constexpr uint64_t kAvx2 = TRI_CPU_X86_64 | TRI_CPU_AVX2, kAvx512 = kAvx2 | TRI_CPU_AVX512F | TRI_CPU_AVX512BW;

static constexpr Loop loops[] = {
    {"vpdpbusd zmm", "int8", kAvx512 | TRI_CPU_AVX512VNNI, 24 * 64, dpbusdZmm},
    {"vpdpbusd ymm", "int8", kAvx512 | TRI_CPU_AVX512VL | TRI_CPU_AVX512VNNI, 24 * 32, dpbusdYmm},
    {"vpdpbusd ymm (VEX)", "int8", kAvx2 | TRI_CPU_AVXVNNI, 12 * 32, dpbusdVex},
    {"vpmaddubsw + vpaddw zmm", "int16 sums", kAvx512, 24 * 64, sums16Zmm},
    {"vpmaddubsw + vpaddw ymm", "int16 sums", kAvx2, 12 * 32, sums16Ymm},
    {"vpmaddubsw + vpmaddwd + vpaddd zmm", "int8", kAvx512, 24 * 64, sums32Zmm},
    {"vpmaddubsw + vpmaddwd + vpaddd ymm", "int8", kAvx2, 12 * 32, sums32Ymm},
    {"vfmadd231ps zmm", "fp32", kAvx512, 24 * 16, fmaZmm},
    {"vfmadd231ps ymm", "fp32", kAvx2 | TRI_CPU_FMA, 12 * 8, fmaYmm},
};

std::span<const Loop> arithmeticLoops() { return loops; }

__attribute__((target("avx2"))) static void readWide(const uint8_t *data, size_t bytes) {
  const uint8_t *end = data + bytes;
  // Eight lines a round. The adjacent-line and stream prefetchers do the rest, as they do for kernels.
  asm volatile("1:\n"
               "vmovdqa (%0), %%ymm0\nvmovdqa 64(%0), %%ymm1\nvmovdqa 128(%0), %%ymm2\nvmovdqa 192(%0), %%ymm3\n"
               "vmovdqa 256(%0), %%ymm4\nvmovdqa 320(%0), %%ymm5\nvmovdqa 384(%0), %%ymm6\nvmovdqa 448(%0), %%ymm7\n"
               "vmovdqa 32(%0), %%ymm0\nvmovdqa 96(%0), %%ymm1\nvmovdqa 160(%0), %%ymm2\nvmovdqa 224(%0), %%ymm3\n"
               "vmovdqa 288(%0), %%ymm4\nvmovdqa 352(%0), %%ymm5\nvmovdqa 416(%0), %%ymm6\nvmovdqa 480(%0), %%ymm7\n"
               "add $512, %0\ncmp %1, %0\njb 1b\nvzeroupper\n"
               : "+r"(data)
               : "r"(end)
               : "cc", "memory", CLOBBER_LOW);
}

#else

std::span<const Loop> arithmeticLoops() { return {}; }

#endif

void readBytes(const uint8_t *data, size_t bytes) {
#if defined(__x86_64__)
  static const bool wide = (tri_cpu_features() & TRI_CPU_AVX2) != 0;
  if (wide) {
    readWide(data, bytes);
    return;
  }
#endif
  uint64_t sums[8] = {};
  for (size_t i = 0; i < bytes; i += 64)
    for (size_t k = 0; k < 8; ++k) {
      uint64_t word;
      std::memcpy(&word, data + i + k * 8, 8);
      sums[k] ^= word;
    }
  asm volatile("" : : "r"(sums) : "memory"); // the sums are looked at, as far as the compiler knows
}

} // namespace triton::peaks
