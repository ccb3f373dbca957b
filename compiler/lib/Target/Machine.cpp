#include "triton/Target/Machine.h"

#include "artifact/cpu_features.h"

#include <fstream>
#include <unistd.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <cstring>
#endif

namespace triton {

#ifdef __x86_64__
static std::string processor() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(0, &a, &b, &c, &d))
    return "unknown";
  char vendor[13] = {};
  std::memcpy(vendor, &b, 4);
  std::memcpy(vendor + 4, &d, 4);
  std::memcpy(vendor + 8, &c, 4);
  __get_cpuid(1, &a, &b, &c, &d);
  unsigned family = a >> 8 & 15, model = a >> 4 & 15;
  if (family == 6 || family == 15)
    model += (a >> 16 & 15) << 4;
  if (family == 15)
    family += a >> 20 & 255;
  return std::string(vendor) + " " + std::to_string(family) + "/" + std::to_string(model) + "/" + std::to_string(a & 15);
}

static std::string caches() {
  std::string text;
  for (int name : {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE})
    text += " " + std::to_string(sysconf(name));
  return text;
}
#else
static std::string firstLine(const std::string &path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

static std::string processor() {
  std::string midr = firstLine("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1");
  return midr.empty() ? "unknown" : midr;
}

static std::string caches() {
  std::string text;
  for (int i = 0; i < 4; ++i)
    text += " " + firstLine("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i) + "/size");
  return text;
}
#endif

std::string machineKind() {
  uint64_t features = tri_cpu_features();
  char names[1024];
  tri_feature_list(features, names, sizeof names);
  return processor() + "; " + names + "; caches" + caches();
}

} // namespace triton
