// Wall time of the stages of one compile: a table for people, JSON for scripts, a Chrome trace for viewers.
#pragma once

#include "triton/Support/Json.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace triton::driver {

/// Collects stages in the order in which they end. One-thread.
class Timing {
public:
  using Clock = std::chrono::steady_clock;

  struct Stage {
    std::string name;
    double startMs, ms;
  };

  /// Times a stage from construction to destruction.
  class Scope {
  public:
    Scope(Timing &timing, std::string name) : timing(timing), name(std::move(name)), start(Clock::now()) {}
    ~Scope() { timing.add(std::move(name), start, Clock::now()); }
    Scope(const Scope &) = delete;

  private:
    Timing &timing;
    std::string name;
    Clock::time_point start;
  };

  Scope stage(std::string name) { return Scope(*this, std::move(name)); }
  void add(std::string name, Clock::time_point start, Clock::time_point end);
  /// Adds a stage that something else measured.
  void add(std::string name, double ms);

  /// Adds a part of a stage that one of several threads did: traces show it, tables do not.
  void addPart(std::string name, unsigned thread, double beganMsAgo, double ms);

  double totalMs() const;
  const std::vector<Stage> &stages() const { return done; }

  /// `stage  ms  percent`, the total and the peak memory.
  std::string table() const;
  json::Array json() const;
  std::string chromeTrace() const;

private:
  Clock::time_point origin = Clock::now();
  std::vector<Stage> done;
  struct Part {
    Stage stage;
    unsigned thread;
  };
  std::vector<Part> parts;
};

/// Peak resident memory of this process in bytes.
uint64_t peakResidentBytes();

} // namespace triton::driver
