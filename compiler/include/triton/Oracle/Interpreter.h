// The oracle: interprets functions of the `ternary` dialect, float graph and integer graph alike, operation by operation. It is
// written to be read and believed; it defines what every generator has to give.
#pragma once

#include "triton/Support/Result.h"
#include "triton/Tensor/HostTensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace triton {

/// What the oracle asks about a float graph; the integer graph needs none of it.
struct InterpretOptions {
  /// The real values of a `ternary.param`, float32 in its shape. Without it a parameter must have an `init`.
  std::function<Result<HostTensor>(mlir::Operation *param)> param;
  /// The int8 codes of a `ternary.param` under `ternary.codes`.
  std::function<Result<HostTensor>(mlir::Operation *param)> paramCodes;
  /// The scale of a static `ternary.fake_quantize` that has none. Nothing: its operand passes unchanged (for calibration).
  std::function<std::optional<float>(mlir::Operation *fakeQuantize)> scale;
  /// false: every `ternary.fake_quantize` passes its operand unchanged, dynamic ones too.
  bool quantises = true;
  /// Threads that share the outputs of one convolution. They change no result: each sum is one thread's.
  unsigned threads = 1;
  /// If set, a `ternary.batch_norm` normalises by the mean and the variance (over all axes but 1) of what it is given, as in training,
  /// and tells them here, the variance divided by n - 1 as checkpoints keep it.
  std::function<void(mlir::Operation *batchNorm, const std::vector<float> &mean, const std::vector<float> &unbiasedVariance)> batchStatistics;
  /// Operations whose results `Observer` wants to see. None: all.
  std::function<bool(mlir::Operation *)> observes;
};

/// Called after each operation for each result, in order. Codes come as I8 or U8, bf16 as BF16.
using Observer = std::function<void(mlir::Value, const HostTensor &)>;

/// A function made ready to run: constants are decoded, every operation is one closure. Immutable; `run` may be called from
/// several threads at once. Needs the MLIR function only for the values it hands to an observer.
class Interpreter {
public:
  /// Errors: an operation that the oracle does not know, a parameter that cannot be had.
  static Result<Interpreter> create(mlir::func::FuncOp function, const InterpretOptions &options = {});

  /// Runs on one set of inputs in the order of the arguments. An argument with real elements takes F32 (or its own 16-bit type)
  /// as it is, and U8 through its pre-processing. Errors name the input: type, shape, batch sizes that differ; an embedding id out
  /// of range.
  Result<std::vector<HostTensor>> run(std::span<const HostTensor> inputs, const Observer &observer = {}) const;

private:
  struct Program;
  std::shared_ptr<const Program> program;
};

/// Makes and runs an interpreter once.
Result<std::vector<HostTensor>> interpret(mlir::func::FuncOp function, std::span<const HostTensor> inputs,
                                          const InterpretOptions &options = {}, const Observer &observer = {});

} // namespace triton
