#include "CacheOptions.h"

#include <cstdio>
#include <cstdlib>

namespace triton::driver {

Result<cache::StoreOptions> cacheOptions(const Arguments &arguments) {
  cache::StoreOptions options;
  options.dir = arguments.get(OptionId::CacheDir);
  if (options.dir.empty()) options.dir = cache::defaultDirectory();
  Result<uint64_t> size =
      arguments.has(OptionId::CacheSize) ? cache::parseSize(arguments.get(OptionId::CacheSize)) : cache::defaultMaxBytes();
  if (!size) {
    Error error = size.takeError();
    if (arguments.has(OptionId::CacheSize)) error.message = "--cache-size: " + error.message;
    return error;
  }
  options.maxBytes = *size;
  if (!arguments.has(OptionId::Quiet))
    options.warn = [](const std::string &message) { std::fprintf(stderr, "triton: warning: %s\n", message.c_str()); };
  return options;
}

std::string remoteCacheUrl(const Arguments &arguments) {
  if (arguments.has(OptionId::RemoteCache)) return arguments.get(OptionId::RemoteCache);
  const char *url = std::getenv("TRITON_DSL_REMOTE_CACHE");
  return url ? url : "";
}

} // namespace triton::driver
