// Libraries that few commands need are loaded when one does: libcurl alone brings thirty others, and loading those takes longer than a hit of the
// compile cache. What the compiler is (driver/Identity.cpp) does not depend on them either.
#pragma once

#include <string>

namespace triton {

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
  /// Why it cannot be used, the first reason; empty if all is well so far.
  const std::string &problem() const { return trouble; }

private:
  void *address(const char *name);

  void *handle;
  std::string trouble;
};

/// For lists of functions, F(name) F(name) ..: each as a member under its own name, and found in a `library`.
#define TRITON_SHARED_MEMBER(name) decltype(::name) *name = nullptr;
#define TRITON_SHARED_FIND(name) library.find(#name, name);

} // namespace triton
