// Version, targets and build id of this program.
#pragma once

#include <string>

namespace triton::driver {

std::string versionText();
/// "0.1.0".
std::string versionNumber();
/// The linker's build id of the running program in hexadecimal, or "unknown" where the linker gave none.
std::string buildId();

} // namespace triton::driver
