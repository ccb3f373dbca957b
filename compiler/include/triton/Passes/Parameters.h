// From `ternary.param` operations to loaded tensors: shared by resolve-quantisation, calibration and `triton test`.
#pragma once

#include "triton/Oracle/Interpreter.h"
#include "triton/Weights/WeightStore.h"

#include "ternary/TernaryOps.h"

#include <map>
#include <memory>
#include <string>

namespace triton {

/// What a parameter operation asks of a weight store. The role follows from its users (the operands of norms).
WeightRequest weightRequest(ternary::ParamOp param);

/// The loaded parameters of one or more functions.
class ParamTable {
public:
  /// Loads every parameter below `root`. Errors are reported at the parameters (all of them); `warnings` gets what the store
  /// holds and nobody reads. Parameters are read and quantised on up to `threads` threads.
  /// With `asReals` weights that are floats in the store stay what they are.
  static mlir::FailureOr<ParamTable> load(mlir::Operation *root, const WeightStore &store, std::vector<std::string> *warnings = nullptr,
                                          unsigned threads = 1, bool asReals = false);

  struct Entry {
    WeightRequest request;
    LoadedWeight weight;
    /// The real numbers (code times scale), row-major.
    std::vector<float> real() const;
  };
  const Entry &at(ternary::ParamOp param) const { return *share(param); }
  /// The same, for who needs it longer than the table.
  const std::shared_ptr<const Entry> &share(ternary::ParamOp param) const { return entries.find(param.getOperation())->second; }

  /// Puts other real numbers in the place of parameters that are stored as reals, where the sizes agree.
  void replaceReals(const std::map<std::string, std::vector<float>> &byKey);

  /// Options with which the oracle runs a float graph whose parameters are in this table; the table must outlive them.
  InterpretOptions interpretOptions() const;

private:
  llvm::DenseMap<mlir::Operation *, std::shared_ptr<const Entry>> entries;
};

} // namespace triton
