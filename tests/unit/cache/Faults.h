// The system calls of the test program, made to fail, to do half, or to kill the process at a chosen call. The program defines the
// C library's functions of these names itself (Faults.cpp), so that the store under test is the one that users get.
#pragma once

#include <cstdint>

namespace triton::cache::faults {

enum class Mode {
  None,       ///< only count
  Once,       ///< the chosen call fails
  FromThenOn, ///< so does every one after it
  Half,       ///< every read and write from the chosen one on moves one byte, or half of what it was asked to
  KillBefore, ///< SIGKILL instead of the call
  KillAfter,  ///< SIGKILL when the call is done
};

/// Starts counting the calls of this thread from 1; call number `at` is the chosen one, and fails with `code`.
void arm(Mode mode, uint64_t at, int code);
/// Everything works again. Returns how many calls there were.
uint64_t disarm();

} // namespace triton::cache::faults
