// Takes named files out of a gzipped tar archive. No LLVM.
#pragma once

#include "Assets.h"

namespace triton::zoo {

/// Reads the archive once and writes each of `members` to a file of `folder` (named by its number, not by the archive). Everything
/// else in it is skipped. Returns the paths in the order of `members`. Errors name the place: damaged data, a member that is missing,
/// there twice, no plain file or of another size. `name` stands in messages.
Result<std::vector<std::string>> extractTarGz(const std::string &archive, const std::string &name, const std::vector<ArchiveMember> &members,
                                              const std::string &folder);

} // namespace triton::zoo
