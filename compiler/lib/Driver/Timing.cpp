// Stage times as table, JSON and Chrome trace.
#include "triton/Driver/Timing.h"

#include <fmt/format.h>
#include <sys/resource.h>

namespace triton::driver {

static double milliseconds(Timing::Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

void Timing::add(std::string name, Clock::time_point start, Clock::time_point end) {
  done.push_back({std::move(name), milliseconds(start - origin), milliseconds(end - start)});
}

void Timing::add(std::string name, double ms) {
  done.push_back({std::move(name), milliseconds(Clock::now() - origin) - ms, ms});
}

void Timing::addPart(std::string name, unsigned thread, double beganMsAgo, double ms) {
  parts.push_back({{std::move(name), milliseconds(Clock::now() - origin) - beganMsAgo, ms}, thread});
}

double Timing::totalMs() const { return milliseconds(Clock::now() - origin); }

uint64_t peakResidentBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return uint64_t(usage.ru_maxrss) * 1024;
}

std::string Timing::table() const {
  double total = totalMs(), counted = 0;
  std::string out = fmt::format("{:<44}{:>10}{:>9}\n", "stage", "ms", "percent");
  auto row = [&](const std::string &name, double ms) {
    out += fmt::format("{:<44}{:>10.2f}{:>8.1f}%\n", name, ms, total > 0 ? 100 * ms / total : 0);
  };
  for (const Stage &stage : done) {
    row(stage.name, stage.ms);
    counted += stage.ms;
  }
  row("other", std::max(0.0, total - counted));
  row("total", total);
  out += fmt::format("peak memory {:.1f} MB\n", double(peakResidentBytes()) / 1e6);
  return out;
}

json::Array Timing::json() const {
  json::Array out;
  for (const Stage &stage : done) {
    json::Object o;
    o.append("name", stage.name);
    o.append("ms", stage.ms);
    out.push_back(std::move(o));
  }
  return out;
}

std::string Timing::chromeTrace() const {
  json::Array events;
  auto append = [&](const Stage &stage, int64_t thread) {
    json::Object o;
    o.append("name", stage.name);
    o.append("ph", "X");
    o.append("ts", stage.startMs * 1000);
    o.append("dur", stage.ms * 1000);
    o.append("pid", 1);
    o.append("tid", thread);
    events.push_back(std::move(o));
  };
  for (const Stage &stage : done) append(stage, 1);
  for (const Part &part : parts) append(part.stage, int64_t(part.thread) + 2); // the stages have a row of their own
  json::Object document;
  document.append("traceEvents", std::move(events));
  document.append("displayTimeUnit", "ms");
  return json::write(document) + "\n";
}

} // namespace triton::driver
