#include "CacheOptions.h"

#include "triton/Cache/Remote.h"

#include <cstdio>

namespace triton::driver {

Result<std::unique_ptr<cache::RemoteStore>> openRemoteCache(const Arguments &arguments, const std::string &cacheDir) {
  cache::RemoteOptions options;
  options.url = remoteCacheUrl(arguments);
  if (options.url.empty()) return std::unique_ptr<cache::RemoteStore>();
  options.cacheDir = cacheDir;
  if (!arguments.has(OptionId::Quiet))
    options.warn = [](const std::string &message) { std::fprintf(stderr, "triton: warning: %s\n", message.c_str()); };
  return cache::openRemote(std::move(options));
}

} // namespace triton::driver
