// Target names to descriptions.
#include "triton/Target/TargetDesc.h"

#include "artifact/cpu_features.h"

#include <algorithm>
#include <iterator>

namespace triton {

namespace {

struct TargetRow {
  const char *name;
  Arch arch;
  const char *triple, *cpu, *llvmFeatures;
  unsigned vectorBytes, vectorRegisters;
  bool hasFma;
};
constexpr TargetRow kTargets[] = {
#define TRITON_TARGET(NAME, ARCH, TRIPLE, CPU, FEATURES, BYTES, REGS, FMA)                                              \
  {NAME, Arch::ARCH, TRIPLE, CPU, FEATURES, BYTES, REGS, FMA},
#define TRITON_TARGET_FEATURE(NAME, ARCH, FEATURE)
#include "Targets.def"
#undef TRITON_TARGET
#undef TRITON_TARGET_FEATURE
};

struct FeatureRow {
  const char *name;
  Arch arch;
  const char *llvm;
};
constexpr FeatureRow kFeatures[] = {
#define TRITON_TARGET(NAME, ARCH, TRIPLE, CPU, FEATURES, BYTES, REGS, FMA)
#define TRITON_TARGET_FEATURE(NAME, ARCH, FEATURE) {NAME, Arch::ARCH, FEATURE},
#include "Targets.def"
#undef TRITON_TARGET
#undef TRITON_TARGET_FEATURE
};

/// Levenshtein distance, for hints.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t best = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[b.size()];
}

std::string quoted(std::string_view text) { return "'" + std::string(text.substr(0, 60)) + "'"; }

/// "; did you mean 'x'?" for the nearest candidate, or nothing when none is near.
template <typename Names>
std::string didYouMean(std::string_view word, const Names &names) {
  std::string_view best;
  size_t bestDistance = 3;
  for (std::string_view name : names) // of equally near ones the last: the newest level
    if (size_t d = distance(word.substr(0, 60), name); d <= bestDistance)
      best = name, bestDistance = d;
  return best.empty() ? std::string() : "; did you mean " + quoted(best) + "?";
}

} // namespace

DotKind TargetDesc::dotKind(bool trits) const {
  if (arch == Arch::AArch64)
    return DotKind::MulLong;
  if (hasVnni)
    return DotKind::Dpbusd;
  // vpmaddubsw would saturate for 8-bit weights; the 128-bit baseline has only pmaddwd.
  return trits && vectorBytes >= 32 ? DotKind::MaddUbs : DotKind::MaddWd;
}

double TargetDesc::dotCost(DotKind kind) const { return kind == DotKind::Dpbusd && !fastAdd ? 1.0 : 2.0; }

uint32_t estimateCost(const TargetDesc &target, uint64_t macs, uint64_t bytes, bool plainLoops) {
  // Half of what the dot product does at 3 GHz: edges, epilogues and small layers take the rest.
  double each = target.dotKind(true) == DotKind::Dpbusd ? 2.0 : target.dotKind(true) == DotKind::MaddUbs ? 0.75 : 0.5;
  double macsPerNs = plainLoops ? 1.0 : each * target.vectorBytes, bytesPerNs = plainLoops ? 1.0 : 10.0;
  return uint32_t(std::clamp(double(macs) / macsPerNs + double(bytes) / bytesPerNs, 1.0, 4e9));
}

std::vector<std::string> knownTargets() {
  std::vector<std::string> names;
  for (const TargetRow &row : kTargets)
    names.push_back(row.name);
  return names;
}

std::string nativeTargetName() {
  char name[256];
  return tri_target_of_features(tri_cpu_features(), name, sizeof name) ? std::string(name) : std::string();
}

Result<TargetDesc> parseTarget(std::string_view name) {
  std::string native;
  if (name == "native") {
    native = nativeTargetName();
    if (native.empty())
      return Error{"this machine is none of the known targets", ErrorKind::Environment};
    name = native;
  }
  size_t plus = name.find('+');
  std::string_view base = name.substr(0, plus);
  const TargetRow *row = std::find_if(std::begin(kTargets), std::end(kTargets), [&](const TargetRow &r) { return base == r.name; });
  if (row == std::end(kTargets)) {
    std::vector<std::string> names = knownTargets();
    names.push_back("native");
    return Error{"unknown target " + quoted(base) + didYouMean(base, names), ErrorKind::Usage};
  }
  TargetDesc desc;
  desc.name = row->name;
  desc.arch = row->arch;
  desc.triple = row->triple;
  desc.cpu = row->cpu;
  desc.llvmFeatures = row->llvmFeatures;
  desc.vectorBytes = row->vectorBytes;
  desc.vectorRegisters = row->vectorRegisters;
  desc.hasFma = row->hasFma;

  std::vector<const FeatureRow *> wanted;
  while (plus != std::string_view::npos) {
    size_t next = name.find('+', plus + 1);
    std::string_view word = name.substr(plus + 1, next == std::string_view::npos ? next : next - plus - 1);
    const FeatureRow *feature = nullptr;
    std::vector<std::string> names;
    for (const FeatureRow &f : kFeatures) {
      if (f.arch != row->arch)
        continue;
      names.push_back(f.name);
      if (word == f.name)
        feature = &f;
    }
    if (!feature)
      return Error{"unknown feature " + quoted(word) + " of target " + quoted(base) + didYouMean(word, names), ErrorKind::Usage};
    if (std::find(wanted.begin(), wanted.end(), feature) == wanted.end())
      wanted.push_back(feature);
    plus = next;
  }
  // The canonical name lists features in the order of the table, however they were written.
  for (const FeatureRow &f : kFeatures) {
    if (std::find(wanted.begin(), wanted.end(), &f) == wanted.end())
      continue;
    desc.name += std::string("+") + f.name;
    if (*f.llvm)
      desc.llvmFeatures += std::string(desc.llvmFeatures.empty() ? "" : ",") + f.llvm;
    // The AVX-512 instructions are worth their name only with 512-bit vectors and 32 registers.
    if (std::string_view(f.name) == "vnni" && row->vectorBytes == 64)
      desc.hasVnni = true;
    if (std::string_view(f.name) == "avxvnni" && row->vectorBytes == 32)
      desc.hasVnni = true;
    if (std::string_view(f.name) == "vbmi" && row->vectorBytes == 64)
      desc.hasVbmi = true;
    if (std::string_view(f.name) == "fastadd" && row->vectorBytes == 64)
      desc.fastAdd = true;
  }
  desc.features = tri_target_features(desc.name.c_str());
  if (desc.features == 0)
    return Error{"target " + quoted(desc.name) + " is unknown to the runtime", ErrorKind::Internal};
  return desc;
}

Result<std::vector<TargetDesc>> parseTargets(std::string_view list) {
  std::vector<TargetDesc> targets;
  size_t begin = 0;
  while (begin <= list.size()) {
    size_t comma = std::min(list.find(',', begin), list.size());
    auto target = parseTarget(list.substr(begin, comma - begin));
    if (!target)
      return target.takeError();
    if (std::none_of(targets.begin(), targets.end(), [&](const TargetDesc &t) { return t.name == target->name; }))
      targets.push_back(std::move(*target));
    begin = comma + 1;
  }
  return targets;
}

} // namespace triton
