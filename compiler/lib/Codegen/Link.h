// Object files to one shared object, and the promises that the loader relies on.
#pragma once

#include "triton/Support/Result.h"
#include "triton/Target/TargetDesc.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace triton {

using ObjectFile = std::vector<uint8_t>;

/// Links objects, in their order, into a shared object. Errors: Internal if the code needs anything from outside itself,
/// Environment if no temporary file can be written.
Result<std::vector<uint8_t>> linkSharedObject(const std::vector<ObjectFile> &objects);

/// Checks the promises that the loader relies on: a shared object for `arch`, without needed libraries, imports, run-time
/// relocations, or a segment that is both writable and executable.
Result<void> checkSharedObject(const std::vector<uint8_t> &elf, const TargetDesc &target);

/// The exported functions and where they lie (virtual address).
Result<std::map<std::string, uint64_t>> exportedFunctions(const std::vector<uint8_t> &elf);

/// Is this a relocatable object for the target? What a cache gives back is asked this before the linker sees it.
bool isObjectFor(const ObjectFile &object, const TargetDesc &target);

} // namespace triton
