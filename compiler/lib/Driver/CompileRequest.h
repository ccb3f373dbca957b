// What a compile is asked for, as the cache sees it: the store, the compiler's identity, and the key of the request. No LLVM and no
// ANTLR: the front program answers hits with this.
#pragma once

#include "triton/Cache/Files.h"
#include "triton/Cache/Manifest.h"
#include "triton/Driver/CommandLine.h"

#include <memory>
#include <string>

namespace triton::driver {

/// The store that the options ask for, without a remote. Errors (kind Usage) name the option or variable.
Result<std::unique_ptr<cache::Store>> openStore(const Arguments &arguments);

/// The digests of the files that a compile reads besides its sources, with the stamps they had.
struct InputDigests {
  std::string weights, calibration; ///< hexadecimal behind the file's format; empty if there is none
  std::vector<std::pair<std::string, cache::FileStamp>> stamps;
};
/// Errors: a file cannot be read.
Result<InputDigests> digestInputs(const Arguments &arguments, cache::Store &store, cache::HashFunction hash = nullptr);
/// True while no input file has changed since.
bool inputsUnchanged(const InputDigests &inputs);

/// The key of a request's manifest: the compiler, every option that can change a byte of output (those that Options.def says), the
/// text of the main file, the other inputs. Errors (kind Usage): a target that there is not.
Result<cache::KeyBuilder> requestKey(const Arguments &arguments, const std::string &compilerId, std::string_view source,
                                     const InputDigests &inputs);

/// `--tune-budget` in seconds, 0 below -O3. Errors (kind Usage): no number, or given below -O3, where it means nothing.
Result<int64_t> tuneBudget(const Arguments &arguments);

/// `--output`, or the program's path with the ending `.tern`.
std::string outputPath(const Arguments &arguments, const std::string &program);

/// Answers `triton compile` if the whole answer is in the local cache: writes the output and prints what the compiler would print.
/// Returns the exit status, or nothing if the compiler has to be asked. `compiler` is the path of the program behind the front.
std::optional<int> compileFromCache(const Arguments &arguments, const std::string &compiler);

} // namespace triton::driver
