// A checkpoint of any format that we read: .safetensors, NumPy's .npz, PyTorch's .pth. No LLVM.
#pragma once

#include "triton/Tensor/Safetensors.h"

#include <string>
#include <vector>

namespace triton {

/// Tensors by key.
struct Checkpoint {
  SafetensorsFile tensors;
  /// What was taken off or left out on the way; each is a whole message.
  std::vector<std::string> notes;
};

/// Opens a checkpoint; the ending of its name says the format (.npz; .pth and .pt; all others are .safetensors). Tensors stay in the
/// mapped file where they can. Errors are those of the formats.
Result<Checkpoint> readCheckpoint(const std::string &path);

} // namespace triton
