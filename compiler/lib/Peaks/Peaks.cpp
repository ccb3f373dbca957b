// Runs the loops on as many threads as asked, all at the same time, and keeps the best of several short measurements.
#include "triton/Peaks/Peaks.h"

#include "Loops.h"
#include "artifact/cpu_features.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

namespace triton {

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The processors that the caller may use.
static std::vector<int> allowedProcessors() {
  std::vector<int> out;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) out.push_back(i);
  return out;
}

static void pinTo(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set); // unpinned the figure is worse, not wrong
}

/// The seconds that `threads` threads need to do work(thread) once each, `repeats` times; sorted.
static std::vector<double> timesOf(const PeakOptions &options, const std::function<void(unsigned)> &work) {
  const unsigned threads = std::max(1u, options.threads), repeats = std::max(1u, options.repeats);
  const std::vector<int> processors = allowedProcessors();
  std::vector<double> times;
  std::barrier<> line(static_cast<std::ptrdiff_t>(threads));
  auto body = [&](unsigned thread) {
    if (!processors.empty()) pinTo(processors[thread % processors.size()]);
    work(thread); // warms caches, pages and the clock
    for (unsigned r = 0; r < repeats; ++r) {
      line.arrive_and_wait();
      Clock::time_point start = Clock::now();
      work(thread);
      line.arrive_and_wait();
      if (thread == 0) times.push_back(secondsSince(start));
    }
  };
  // Threads of their own, so that the caller's affinity stays as it is.
  std::vector<std::thread> team;
  for (unsigned t = 0; t < threads; ++t) team.emplace_back(body, t);
  for (std::thread &thread : team) thread.join();
  std::sort(times.begin(), times.end());
  return times;
}

static void fill(Peak &peak, const std::vector<double> &sortedSeconds, double amount) {
  peak.repeats = unsigned(sortedSeconds.size());
  peak.best = amount / sortedSeconds.front() / 1e9;
  peak.median = amount / sortedSeconds[sortedSeconds.size() / 2] / 1e9;
  peak.worst = amount / sortedSeconds.back() / 1e9;
}

static Peak measureLoop(const peaks::Loop &loop, const PeakOptions &options) {
  // How many rounds fill the time, from a short run.
  constexpr uint64_t probe = 20000;
  loop.run(probe);
  Clock::time_point start = Clock::now();
  loop.run(probe);
  const double seconds = std::max(secondsSince(start), 1e-9);
  const uint64_t rounds = std::max<uint64_t>(1000, uint64_t(double(probe) * options.millisOfEach * 1e-3 / seconds));
  Peak peak{loop.name, "GMAC/s", loop.kind, loop.features};
  fill(peak, timesOf(options, [&](unsigned) { loop.run(rounds); }),
       double(rounds) * loop.macsPerRound * std::max(1u, options.threads));
  return peak;
}

static uint64_t cacheBytes(int name, uint64_t fallback) {
  const long bytes = sysconf(name);
  return bytes > 0 ? uint64_t(bytes) : fallback;
}

uint64_t memoryPeakBytes() {
  const uint64_t cache = cacheBytes(_SC_LEVEL3_CACHE_SIZE, 32u << 20);
  const uint64_t available = uint64_t(std::max(0l, sysconf(_SC_AVPHYS_PAGES))) * uint64_t(sysconf(_SC_PAGESIZE));
  // Twice the cache, so that a fresh pass finds nothing of the last one; but never a large part of what is free.
  const uint64_t wanted = std::clamp<uint64_t>(2 * cache, 256u << 20, uint64_t(1) << 30);
  return std::max<uint64_t>(16u << 20, std::min(wanted, available / 4)) / 4096 * 4096;
}

/// Every thread reads a part of its own of `bytes` bytes, `passes` times.
static Peak measureReads(std::string name, uint64_t bytes, unsigned passes, const PeakOptions &options) {
  const unsigned threads = std::max(1u, options.threads);
  Peak peak{std::move(name), "GB/s", "read", 0};
  const uint64_t part = std::max<uint64_t>(4096, bytes / threads / 4096 * 4096);
  struct Free {
    void operator()(uint8_t *p) const { std::free(p); }
  };
  std::unique_ptr<uint8_t, Free> memory(static_cast<uint8_t *>(std::aligned_alloc(4096, part * threads)));
  if (!memory) return peak;
  // Pages that were never written all map to one page of zeros.
  for (uint64_t i = 0; i < part * threads; i += 4096) memory.get()[i] = uint8_t(i >> 12);
  fill(peak, timesOf(options, [&](unsigned thread) {
         for (unsigned p = 0; p < passes; ++p) peaks::readBytes(memory.get() + part * thread, part);
       }),
       double(part) * threads * passes);
  return peak;
}

std::vector<Peak> measurePeaks(const PeakOptions &options) {
  std::vector<Peak> out;
  const uint64_t here = tri_cpu_features();
  for (const peaks::Loop &loop : peaks::arithmeticLoops())
    if (!(loop.features & ~here)) out.push_back(measureLoop(loop, options));
  if (!options.memory) return out;
  PeakOptions few = options;
  few.repeats = std::min(options.repeats, 5u);
  const uint64_t l2 = cacheBytes(_SC_LEVEL2_CACHE_SIZE, 512u << 10);
  out.push_back(measureReads("read L2", l2 / 2 * std::max(1u, options.threads), 200, few));
  out.push_back(measureReads("read DRAM", memoryPeakBytes(), 1, few));
  return out;
}

const Peak *bestIntegerPeak(const std::vector<Peak> &peaks, uint64_t features) {
  const Peak *best = nullptr;
  for (const Peak &peak : peaks)
    if (peak.kind.starts_with("int") && !(peak.features & ~features) && (!best || peak.best > best->best)) best = &peak;
  return best;
}

const Peak *memoryPeak(const std::vector<Peak> &peaks) {
  for (const Peak &peak : peaks)
    if (peak.name == "read DRAM" && peak.best > 0) return &peak;
  return nullptr;
}

json::Array peaksJson(const std::vector<Peak> &peaks) {
  json::Array out;
  for (const Peak &peak : peaks) {
    json::Object one;
    one.append("name", peak.name);
    one.append("kind", peak.kind);
    one.append("unit", peak.unit);
    one.append("best", peak.best);
    one.append("median", peak.median);
    one.append("worst", peak.worst);
    one.append("spread", peak.spread());
    one.append("repeats", int64_t(peak.repeats));
    out.emplace_back(std::move(one));
  }
  return out;
}

} // namespace triton
