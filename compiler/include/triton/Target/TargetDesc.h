// What a target offers to the generators: vectors, registers, dot products. One row of Targets.def each.
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace triton {

enum class Arch : uint8_t { X86_64, AArch64 };

/// How bytes of activations meet bytes of weights in a register. Each is exact for every admitted operand.
enum class DotKind : uint8_t {
  Dpbusd,   ///< AVX-512 VNNI or AVX-VNNI: unsigned activations, 4 steps a lane
  MaddUbs,  ///< vpmaddubsw, sums in 16 bits, widened every 64 steps: unsigned activations, trits only (pair sums stay within 510), 4 steps a lane
  MaddWd,   ///< widened to 16 bits, pmaddwd: any signs, 2 steps a lane
  MulLong,  ///< widened to 16 bits, one step a lane: any signs (smlal)
};

/// Reduction steps that one lane takes at once: KR of the weight panels.
constexpr unsigned dotSteps(DotKind kind) {
  return kind == DotKind::MulLong ? 1 : kind == DotKind::MaddWd ? 2 : 4;
}
constexpr bool dotWantsUnsigned(DotKind kind) { return kind == DotKind::Dpbusd || kind == DotKind::MaddUbs; }

/// A target as the generators see it. A value; thread-compatible.
struct TargetDesc {
  std::string name;          ///< canonical: "x86-64-v4+vnni"
  Arch arch = Arch::X86_64;
  std::string triple, cpu, llvmFeatures;
  uint64_t features = 0;     ///< bits of runtime/artifact/cpu_features.h that must be there
  unsigned vectorBytes = 16;
  unsigned vectorRegisters = 16;
  unsigned firstCacheBytes = 32768; ///< of the first-level data cache, at least
  bool hasFma = false;       ///< without it fma is computed exactly through binary64
  bool hasVnni = false;      ///< vpdpbusd in the full vector
  bool hasVbmi = false;      ///< vpermb and vpermi2b in the full vector

  bool fastAdd = false;      ///< twice as many additions a cycle as vpdpbusd, in the full vector

  unsigned lanes32() const { return vectorBytes / 4; }
  /// The dot product for activations by trits, or by 8-bit weights.
  DotKind dotKind(bool trits) const;
  /// What one vector of such products costs, added to its sums: in vector additions.
  double dotCost(DotKind kind) const;
};

/// About how many nanoseconds one thread of the target takes for a step: decides how many threads share it, nothing else. `plainLoops`:
/// without vectors.
uint32_t estimateCost(const TargetDesc &target, uint64_t macs, uint64_t bytes, bool plainLoops);

/// Parses a target name (`x86-64-v3`, `x86-64-v4+vnni`, `aarch64+dotprod`, `native`). An unknown name is a usage error with the
/// nearest known one.
Result<TargetDesc> parseTarget(std::string_view name);

/// Parses a comma-separated list; duplicates are dropped.
Result<std::vector<TargetDesc>> parseTargets(std::string_view list);

/// The names that parseTarget knows, without features.
std::vector<std::string> knownTargets();

/// The best target that this machine runs.
std::string nativeTargetName();

} // namespace triton
