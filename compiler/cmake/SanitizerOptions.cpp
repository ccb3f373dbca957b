// Linked into every program of a sanitizer build.
//
// LLVM's allocators, which are inlined into our code, mark their free memory as poisoned; the LLVM libraries, which are not
// instrumented, use the same memory without unmarking it. So marks by programs are off; those of the sanitizer itself stay on.
extern "C" const char *__asan_default_options();
extern "C" const char *__asan_default_options() { return "allow_user_poisoning=0"; }
