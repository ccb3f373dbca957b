// Entry point of the `triton` program as a function, so that tests can call it.
#pragma once

#include <span>
#include <string>

namespace triton::driver {

/// Runs one command; `words` are the arguments after the program's name. Returns the exit status of cli documentation.
int main(std::span<const std::string> words);

} // namespace triton::driver
