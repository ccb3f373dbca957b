// Result<T>: a value or an error about the world (files, formats, network). Must be looked at. No LLVM.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace triton {

/// Who is at fault; the driver turns it into an exit status.
enum class ErrorKind {
  Input,       ///< The given file or value is wrong (exit 1).
  Usage,       ///< The command line is wrong (exit 2).
  Environment, ///< Disk, network or device failed (exit 3).
  Mismatch,    ///< A hash or signature does not match (exit 4).
  Internal,    ///< A fault of ours (exit 70).
};

/// An error with a message for people. The message names the file and the place (offset, key, line) where there is one.
struct [[nodiscard]] Error {
  std::string message;
  ErrorKind kind = ErrorKind::Input;
};

/// A value or an Error. Thread-compatible.
template <typename T>
class [[nodiscard]] Result {
public:
  Result(T value) : state(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state.index() == 0; }
  T &operator*() { assert(*this && "no value"); return std::get<0>(state); }
  const T &operator*() const { assert(*this && "no value"); return std::get<0>(state); }
  T *operator->() { return &**this; }
  const T *operator->() const { return &**this; }
  const Error &error() const { assert(!*this && "no error"); return std::get<1>(state); }
  Error takeError() { assert(!*this && "no error"); return std::move(std::get<1>(state)); }

private:
  std::variant<T, Error> state;
};

/// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : failed(true), stored(std::move(error)) {}
  explicit operator bool() const { return !failed; }
  const Error &error() const { assert(failed && "no error"); return stored; }
  Error takeError() { assert(failed && "no error"); return std::move(stored); }

private:
  bool failed = false;
  Error stored;
};

} // namespace triton
