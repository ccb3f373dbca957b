// triton-peaks: what this machine can do at most, as JSON, for the benchmark command.
#include "triton/Peaks/Peaks.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

int main(int argc, char **argv) {
  triton::PeakOptions options;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word == "--quick") {
      options.repeats = 5;
    } else if (word == "--threads" && i + 1 < argc) {
      std::string_view number = argv[++i];
      auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), options.threads);
      if (error == std::errc() && end == number.data() + number.size() && options.threads >= 1 && options.threads <= 256) continue;
      fmt::print(stderr, "triton-peaks: error: '--threads' needs a number from 1 to 256, got '{}'\n", number);
      return 2;
    } else {
      fmt::print(stderr, "usage: triton-peaks [--threads N] [--quick]\n");
      return 2;
    }
  }
  triton::json::Object out;
  out.append("threads", int64_t(options.threads));
  out.append("peaks", triton::peaksJson(triton::measurePeaks(options)));
  fmt::print("{}\n", triton::json::write(out, 1));
  return 0;
}
