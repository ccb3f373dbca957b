// A compiled model that runs in this process, step by step timed, on made-up inputs.
#pragma once

#include "triton/Codegen/CompiledModel.h"
#include "triton/Support/Result.h"

#include <triton/runtime.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace triton::tuning {

class Program {
public:
  /// Opens the variant of `target`. Inputs are the same for every program with these inputs; a batch that is not fixed is 1. Errors: the runtime's.
  static Result<Program> open(const CompiledModel &model, const std::string &target);

  /// Runs once, on one thread; `times` gets the nanoseconds of each step.
  Result<void> run(std::vector<uint64_t> &times);
  const std::vector<std::vector<uint8_t>> &outputs() const { return results; }

private:
  struct ModelDeleter {
    void operator()(tri_model *model) const { tri_model_destroy(model); }
  };
  struct SessionDeleter {
    void operator()(tri_session *session) const { tri_session_destroy(session); }
  };
  std::unique_ptr<tri_model, ModelDeleter> model;
  std::unique_ptr<tri_session, SessionDeleter> session;
  std::vector<std::vector<uint8_t>> inputs, results;
  std::vector<tri_dtype> inputTypes, resultTypes;
  uint32_t steps = 0;
};

} // namespace triton::tuning
