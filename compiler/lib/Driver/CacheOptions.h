// What the command line and the environment say about the compile cache.
#pragma once

#include "triton/Cache/Store.h"
#include "triton/Driver/CommandLine.h"

namespace triton::driver {

/// The store's options after --cache-dir and --cache-size (or the environment). Its one warning goes to stderr, unless --quiet.
/// Errors (kind Usage) name the option or variable. Needs no remote and no LLVM.
Result<cache::StoreOptions> cacheOptions(const Arguments &arguments);

/// --remote-cache, or TRITON_DSL_REMOTE_CACHE, or "".
std::string remoteCacheUrl(const Arguments &arguments);

/// The remote that is asked for; null if none is. `cacheDir` is where its failures are remembered. In RemoteOptions.cpp, which
/// brings libcurl and hiredis.
Result<std::unique_ptr<cache::RemoteStore>> openRemoteCache(const Arguments &arguments, const std::string &cacheDir);

} // namespace triton::driver
