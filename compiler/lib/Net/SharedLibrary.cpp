#include "triton/Net/SharedLibrary.h"

#include <dlfcn.h>

namespace triton {

static std::string lastError(const char *what) {
  const char *error = ::dlerror();
  return error ? error : std::string("cannot load ") + what;
}

SharedLibrary::SharedLibrary(const char *soname) : handle(::dlopen(soname, RTLD_LAZY | RTLD_LOCAL)) {
  if (!handle) trouble = lastError(soname);
}

void *SharedLibrary::address(const char *name) {
  if (!handle) return nullptr;
  void *found = ::dlsym(handle, name);
  if (!found && trouble.empty()) trouble = lastError(name);
  return found;
}

} // namespace triton
