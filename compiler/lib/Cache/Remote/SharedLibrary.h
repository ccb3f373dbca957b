// Libraries that only a remote cache needs are loaded when there is one: libcurl alone brings thirty others, and loading those takes longer
// than a hit. What the compiler is (driver/Identity.cpp) does not depend on them either.
#pragma once

#include <string>

namespace triton::cache {

/// A shared library by its soname. It stays loaded to the end of the process.
class SharedLibrary {
public:
  explicit SharedLibrary(const char *soname);
  /// Finds a function by its own name. False if it is missing, or the library; `problem` then says so.
  template <typename F>
  bool find(const char *name, F *&function) {
    function = reinterpret_cast<F *>(address(name));
    return function != nullptr;
  }
  /// Why it cannot be used; empty if all is well so far.
  const std::string &problem() const { return trouble; }

private:
  void *address(const char *name);

  void *handle;
  std::string trouble;
};

} // namespace triton::cache
