// Version, targets and build id of this program.
#pragma once

#include "triton/Cache/Files.h"
#include "triton/Cache/Keys.h"

#include <string>

namespace triton::driver {

std::string versionText();
/// "0.1.0".
std::string versionNumber();
/// The linker's build id of the running program in hexadecimal, or "unknown" where the linker gave none.
std::string buildId();

/// BLAKE3 as fast as this machine allows.
cache::Key hashQuickly(const cache::NextBytes &next);
cache::Key hashQuickly(cache::Bytes bytes);

/// The running program and its libraries by content: what every cache key begins with.
struct CompilerIdentity {
  std::string program; ///< absolute path
  cache::CompilerRecord record;
};
CompilerIdentity compilerIdentity();

} // namespace triton::driver
