#include "Record.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace triton::tuning {

/// Beyond this a ratio is as good as infinite.
static constexpr uint64_t kMostThousandths = 1'000'000;

bool Record::complete() const {
  return std::all_of(ratios.begin(), ratios.end(), [](double ratio) { return ratio > 0; });
}

cache::Key recordKey(std::string_view machine, std::string_view compiler, const TargetDesc &target, const ProductProblem &problem) {
  cache::KeyBuilder key("triton tuning 1");
  key.add("machine", machine).add("compiler", compiler).add("target", target.name).add("problem", problem.recipe);
  for (const std::string &way : problem.ways) key.add("way", way);
  return key.key();
}

std::string ratioText(double ratio) {
  uint64_t value = std::clamp<uint64_t>(uint64_t(std::llround(std::min(ratio, 1e6) * 1000)), 1, kMostThousandths);
  std::string fraction = std::to_string(1000 + value % 1000);
  return std::to_string(value / 1000) + "." + fraction.substr(1);
}

std::string writeRecord(const Record &record, const std::vector<std::string> &ways) {
  std::string text = "triton tuning 1\nfirst " + std::to_string(record.firstNs) + "\ntaken " + std::to_string(record.taken) + "\n";
  for (size_t i = 0; i < ways.size(); ++i) text += (record.ratios[i] > 0 ? ratioText(record.ratios[i]) : "-") + " " + ways[i] + "\n";
  return text;
}

/// A decimal number without sign or leading zeros behind `prefix`.
static std::optional<uint64_t> numberBehind(std::string_view line, std::string_view prefix) {
  if (!line.starts_with(prefix)) return std::nullopt;
  line.remove_prefix(prefix.size());
  uint64_t value = 0;
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size() || std::to_string(value) != line) return std::nullopt;
  return value;
}

std::optional<Record> readRecord(std::string_view text, const std::vector<std::string> &ways) {
  std::vector<std::string_view> lines;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string_view::npos || lines.size() == ways.size() + 3) return std::nullopt;
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (lines.size() != ways.size() + 3 || lines[0] != "triton tuning 1") return std::nullopt;
  std::optional<uint64_t> first = numberBehind(lines[1], "first "), taken = numberBehind(lines[2], "taken ");
  if (!first || !taken || *taken >= ways.size()) return std::nullopt;
  Record record;
  record.firstNs = *first;
  record.taken = size_t(*taken);
  for (size_t i = 0; i < ways.size(); ++i) {
    std::string_view line = lines[i + 3];
    size_t space = line.find(' ');
    if (space == std::string_view::npos || line.substr(space + 1) != ways[i]) return std::nullopt;
    std::string_view word = line.substr(0, space);
    if (word == "-") {
      record.ratios.push_back(0);
      continue;
    }
    size_t point = word.find('.');
    if (point == std::string_view::npos || word.size() != point + 4) return std::nullopt;
    std::optional<uint64_t> whole = numberBehind(word.substr(0, point), ""), rest = numberBehind("1" + std::string(word.substr(point + 1)), "");
    if (!whole || !rest || *whole > kMostThousandths / 1000) return std::nullopt;
    record.ratios.push_back(double(*whole * 1000 + (*rest - 1000)) / 1000);
    if (ratioText(record.ratios.back()) != word) return std::nullopt;
  }
  // What was not measured is not taken, unless it is the cost model's choice.
  if (record.taken != 0 && !record.complete()) return std::nullopt;
  return record;
}

} // namespace triton::tuning
