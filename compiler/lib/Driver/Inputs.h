// Inputs of a model: from the files of --input, or a fixed pattern where only the time matters.
#pragma once

#include "Session.h"
#include "triton/Tensor/HostTensor.h"

#include "DataSet.h"

#include <optional>
#include <string>
#include <vector>

namespace triton::driver {

/// One given input: which it is, and its elements.
struct GivenInput {
  tri_dtype dtype;
  int64_t batch;
  std::vector<uint8_t> bytes;
  TensorShape shape;
};

/// The host's element type for a dtype of the C API; nothing for values that are none.
std::optional<ElementType> elementOf(tri_dtype dtype);

/// The picture that an input takes: [N, C, H, W], [N, H, W] or [C, H, W], or flat with a square number of pixels. Nothing for other inputs.
std::optional<zoo::ImageShape> imageShapeOf(const tri_tensor_info &tensor);

/// Is `dtype` one that an input accepts?
bool accepts(const tri_tensor_info &tensor, tri_dtype dtype);

/// The number of --resize; nothing when it is not given.
Result<std::optional<uint32_t>> resizeOption(const Arguments &arguments);

/// Reads a file for an input: .npy and .npz state dtype and shape; .png and .jpg are pictures, which become as large as the input; other
/// files are raw bytes in the input's first dtype that fits.
Result<GivenInput> readInput(const Arguments &arguments, const tri_tensor_info &tensor, const std::string &file);

/// The files of --input in the order of the model's inputs.
Result<std::vector<std::string>> inputFiles(const Arguments &arguments, const OpenModel &model);

/// Reads the files of --input; all inputs with a batch variable must agree on it. `outBatch` is theirs, or 1.
Result<std::vector<GivenInput>> readInputs(const Arguments &arguments, const OpenModel &model, int64_t &outBatch);

/// A session whose inputs are filled: from --input, which states the batch, or with a fixed pattern where none is given.
Result<Runner> runnerWithInputs(const Arguments &arguments, const OpenModel &model, int threads, int64_t &batch);

/// Fills an input with a fixed pseudo-random pattern: timings of integer kernels do not depend on values, but zeros would be an
/// unusual input all the same. Dtypes that index or decide (integers, bools) keep zeros, which every network admits.
void fillWithPattern(PaddedBuffer &buffer, tri_dtype dtype);

} // namespace triton::driver
