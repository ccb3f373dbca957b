// What was measured of a problem, and its form in the cache: text of a few lines.
//
//   triton tuning 1
//   first 301250                 nanoseconds of the cost model's way, the least that was seen
//   taken 2                      index of the way to take
//   1.000 direct 14x32           for each way: its time beside that of the first, or - if there was no time to measure it
//   1.072 direct 12x32
//   0.874 Winograd F(4x4) 14x32 by 4
//
// Records come from disks and from remotes: what does not read exactly like that, for exactly these ways, is no record.
#pragma once

#include "triton/Cache/Keys.h"
#include "triton/Codegen/Codegen.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace triton::tuning {

struct Record {
  uint64_t firstNs = 0;
  size_t taken = 0;
  std::vector<double> ratios;  ///< of each way to the first, in thousandths; 0: not measured
  bool complete() const;       ///< nothing is left to measure
};

/// The key of a problem's record: machines of one kind with the same compiler share it.
cache::Key recordKey(std::string_view machine, std::string_view compiler, const TargetDesc &target, const ProductProblem &problem);

/// "0.874": a ratio as it stands in a record.
std::string ratioText(double ratio);

std::string writeRecord(const Record &record, const std::vector<std::string> &ways);
/// Nothing if `text` is not what writeRecord gives for these ways.
std::optional<Record> readRecord(std::string_view text, const std::vector<std::string> &ways);

} // namespace triton::tuning
