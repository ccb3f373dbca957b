// Runs the first function of a module given as text.
#pragma once

#include "triton/Oracle/Interpreter.h"

#include "ternary/TernaryOps.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

namespace triton::testing {

struct Module {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  explicit Module(const std::string &text) {
    context.loadDialect<ternary::TernaryDialect, mlir::func::FuncDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(bool(module)) << text;
  }
  mlir::func::FuncOp function() { return *module->getOps<mlir::func::FuncOp>().begin(); }
  template <typename Op>
  int count() {
    int n = 0;
    module->walk([&](Op) { ++n; });
    return n;
  }
};

inline HostTensor reals(TensorShape shape, std::vector<float> v) { return HostTensor::of<float>(std::move(shape), v); }
inline HostTensor bytes(TensorShape shape, std::vector<uint8_t> v) { return HostTensor::of<uint8_t>(std::move(shape), v); }
inline HostTensor ints(TensorShape shape, std::vector<int32_t> v) { return HostTensor::of<int32_t>(std::move(shape), v); }
inline HostTensor smalls(TensorShape shape, std::vector<int8_t> v) { return HostTensor::of<int8_t>(std::move(shape), v); }

/// Wraps a body: `signature` is "(%x: tensor<..>) -> tensor<..>".
inline std::string wrap(const std::string &signature, const std::string &body) { return "func.func @f" + signature + " {\n" + body + "\n}\n"; }

inline std::vector<HostTensor> run(const std::string &text, const std::vector<HostTensor> &inputs, const InterpretOptions &options = {}) {
  Module m(text);
  if (!m.module) return {HostTensor()};
  Result<std::vector<HostTensor>> r = interpret(m.function(), inputs, options);
  EXPECT_TRUE(bool(r)) << (r ? "" : r.error().message);
  return r ? *r : std::vector<HostTensor>{HostTensor()};
}
inline std::string runError(const std::string &text, const std::vector<HostTensor> &inputs) {
  Module m(text);
  Result<std::vector<HostTensor>> r = interpret(m.function(), inputs);
  EXPECT_FALSE(bool(r));
  return r ? "" : r.error().message;
}

/// One operation on codes, given as int8/uint8: `op` is its text with %x (and %y) bound to codes.
using Reals = std::vector<float>;
using Bytes = std::vector<uint8_t>;
using Smalls = std::vector<int8_t>;
using Ints = std::vector<int32_t>;

} // namespace triton::testing
