// The loops behind the ceilings. Each does nothing but its instructions on registers, or reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace triton::peaks {

/// A loop of one kind of instruction.
struct Loop {
  const char *name;
  const char *kind;
  uint64_t features;          ///< what it needs
  double macsPerRound;
  void (*run)(uint64_t rounds);
};

/// Empty on processors for which nobody has written loops.
std::span<const Loop> arithmeticLoops();

/// Reads `bytes` bytes (a multiple of 4096) from an address that is a multiple of 64.
void readBytes(const uint8_t *data, size_t bytes);

} // namespace triton::peaks
