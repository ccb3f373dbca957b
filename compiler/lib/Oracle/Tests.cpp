#include "triton/Oracle/Tests.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace triton {

static bool isIntegerType(ElementType type) {
  return type != ElementType::F16 && type != ElementType::BF16 && type != ElementType::F32 && type != ElementType::F64;
}

/// Elements as float64, exact but for int64, which is compared as int64.
static std::vector<double> numbers(const HostTensor &t) {
  if (t.type == ElementType::I32) {
    std::vector<int32_t> v = t.as<int32_t>();
    return {v.begin(), v.end()};
  }
  if (t.type == ElementType::I64) {
    std::vector<int64_t> v = t.as<int64_t>();
    std::vector<double> out;
    for (int64_t x : v) out.push_back(static_cast<double>(x));
    return out;
  }
  std::vector<float> v = toFloats(t.type, t.bytes);
  return {v.begin(), v.end()};
}

static std::string text(double v) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", v);
  return buffer;
}

/// [1, 0] of the element at a row-major position.
static std::string place(const TensorShape &shape, size_t at) {
  TensorShape index(shape.size());
  auto rest = static_cast<int64_t>(at);
  for (size_t i = shape.size(); i-- > 0;) {
    index[i] = rest % shape[i];
    rest /= shape[i];
  }
  return formatShape(index);
}

CheckOutcome compareTensors(const HostTensor &left, const HostTensor &right, const TestCheck &check) {
  if (left.shape != right.shape) return {false, "shapes differ: left is " + formatShape(left.shape) + ", right is " + formatShape(right.shape)};
  std::vector<double> a = numbers(left), b = numbers(right);
  bool wide = left.type == ElementType::I64 && right.type == ElementType::I64;
  std::vector<int64_t> wideA, wideB;
  if (wide) wideA = left.as<int64_t>(), wideB = right.as<int64_t>();
  size_t differing = 0, first = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    bool same = wide ? wideA[i] == wideB[i] : a[i] == b[i];
    if (!same && check.kind == TestCheck::Close)
      same = std::fabs(a[i] - b[i]) <= check.tolerance * std::max({1.0, std::fabs(a[i]), std::fabs(b[i])}) && !std::isinf(a[i]) &&
             !std::isinf(b[i]);
    if (!same && differing++ == 0) first = i;
  }
  if (!differing) return {true, ""};
  std::string l = wide ? std::to_string(wideA[first]) : isIntegerType(left.type) ? std::to_string(static_cast<int64_t>(a[first])) : text(a[first]);
  std::string r = wide ? std::to_string(wideB[first]) : isIntegerType(right.type) ? std::to_string(static_cast<int64_t>(b[first])) : text(b[first]);
  return {false, std::to_string(differing) + " of " + std::to_string(a.size()) + " elements differ; the first at " + place(left.shape, first) +
                     ": left is " + l + ", right is " + r};
}

size_t TestReport::failures() const {
  return static_cast<size_t>(std::count_if(checks.begin(), checks.end(), [](const CheckOutcome &c) { return !c.passed; }));
}

Result<TestReport> runTest(mlir::func::FuncOp test, std::span<const TestCheck> checks, const InterpretOptions &options) {
  Result<std::vector<HostTensor>> results = interpret(test, {}, options);
  if (!results) return results.takeError();
  if (results->size() != 2 * checks.size())
    return Error{"a test function with " + std::to_string(results->size()) + " results for " + std::to_string(checks.size()) + " asserts",
                 ErrorKind::Internal};
  TestReport report;
  for (size_t i = 0; i < checks.size(); ++i) report.checks.push_back(compareTensors((*results)[2 * i], (*results)[2 * i + 1], checks[i]));
  return report;
}

} // namespace triton
