// Small models for the tests of the artifact and the runtime, made of hand-written steps (test_kernels.c).
#pragma once

#include "triton/Artifact/Artifact.h"
#include "triton/Codegen/CompiledModel.h"

#include <cstdint>
#include <string>
#include <vector>

namespace triton::test {

/// The shared object with the steps; for AArch64 empty if there is no cross compiler.
std::vector<uint8_t> kernelObject(bool aarch64 = false);

/// The target of this machine without extensions: "x86-64" or "aarch64".
std::string baseTarget();

/// x: [N, 8] uint8 or float32 -> scores: [N, 4] int32 (a ternary dense layer), threads: [2] int32. Steps: widen_u8, widen_f32, check,
/// dense, mark, count.
CompiledModel denseModel(const std::string &target = baseTarget());

/// What `scores` must be for one row.
std::vector<int32_t> denseOracle(const std::vector<int32_t> &row);

/// No input; sum: [1] int32. `rounds` times relay_there and relay_back: the sum is 2 * rounds * threads.
CompiledModel relayModel(int rounds);

/// No input; tallies: [4] int32. A step that may be cut into `mostParts` parts a thread, and one that counts: parts that ran once, parts and threads
/// that were said, the most parts of one thread.
CompiledModel tallyModel(uint8_t mostParts, uint32_t cost);

/// One step `function` with an input x: [N, 1] int8 and an output y: `dtype` [2].
CompiledModel oneStepModel(const std::string &function, DType dtype);

/// The bytes; fails the test if the writer refuses the model.
std::vector<uint8_t> written(const CompiledModel &model);

} // namespace triton::test
