// `triton test`: the asserts of a test block, compared after the oracle has run its function.
#pragma once

#include "triton/Oracle/Interpreter.h"

#include <span>
#include <string>
#include <vector>

namespace triton {

/// One assert: the results 2 * i and 2 * i + 1 of the test's function are its sides.
struct TestCheck {
  enum Kind : uint8_t { Equal, Close } kind = Equal;
  double tolerance = 1e-6; ///< Close: |a - b| <= tolerance * max(1, |a|, |b|)
};

/// How one assert came out. `detail` says where and how the sides differ.
struct CheckOutcome {
  bool passed = false;
  std::string detail;
};

/// The outcomes in the order of the asserts.
struct TestReport {
  std::vector<CheckOutcome> checks;
  size_t failures() const;
};

/// Runs a test function (no arguments) and compares the sides of its asserts. Equal: the same shape and, element by element, the
/// same number (0 equals -0; NaN equals nothing). Errors: the function cannot be run, or has other results than two for each check.
Result<TestReport> runTest(mlir::func::FuncOp test, std::span<const TestCheck> checks, const InterpretOptions &options = {});

/// Compares two tensors as one check does.
CheckOutcome compareTensors(const HostTensor &left, const HostTensor &right, const TestCheck &check);

} // namespace triton
