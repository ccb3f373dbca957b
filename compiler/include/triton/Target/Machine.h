// What kind of machine this is: records of measurements hold for machines of one kind.
#pragma once

#include <string>

namespace triton {

/// The processor (vendor, family, model, stepping), its instruction sets, and the sizes of its caches:
/// "GenuineIntel 6/207/2; sse2, sse3, ...; caches 49152 2097152 272629760". Equal on machines of one kind; never a host's name.
std::string machineKind();

} // namespace triton
