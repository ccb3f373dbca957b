// Choices by measurement at -O3: which way each product layer is computed, found on this machine, kept in the cache's records
// (docs/rfcs/0006-autotuning.md). Results never depend on it, only speed.
#pragma once

#include "triton/Cache/Manifest.h"
#include "triton/Codegen/Codegen.h"
#include "triton/Codegen/CompiledModel.h"

#include <functional>
#include <string>
#include <vector>

namespace triton::tuning {

struct Options {
  std::vector<TargetDesc> targets;
  std::string machine;             ///< machineKind()
  std::string compiler;            ///< what makes measurements of another compiler useless: part of every record's key
  cache::Store *store = nullptr;   ///< where records are; may be null or unusable
  double budgetSeconds = 60;       ///< 0: take records, measure nothing
  /// Called with what is being measured; each text replaces the one before, the last one is empty.
  std::function<void(const std::string &text)> progress;
};

/// Compiles for some targets with some choices. `quiet`: a try whose stages mean nothing to the user.
using Compile = std::function<Result<CompiledModel>(const std::vector<TargetDesc> &targets, const ChooseProduct &choose, bool quiet)>;

struct Outcome {
  CompiledModel model;
  ChooseProduct choose;            ///< gives the choices that `model` was compiled with
  /// Distinct products (see ProductProblem::recipe) of all targets that run here, by where their choice came from.
  unsigned measured = 0, recorded = 0, left = 0;
  double tuneMs = 0;               ///< spent measuring, tries compiled included
  std::vector<std::string> notes;  ///< why something was not measured
  std::string text;                ///< for --verbose: each product's ways, their times, what was taken and why
  std::vector<cache::RecordUse> records; ///< everything in the cache that decided a choice
};

/// Compiles with the choices of records; what has none is measured on this machine while the budget lasts, and recorded. Targets that this
/// machine does not run get the cost model's choices. Errors: those of `compile`, and (kind Internal) ways that differ in a result.
Result<Outcome> tune(const Options &options, const Compile &compile);

} // namespace triton::tuning
