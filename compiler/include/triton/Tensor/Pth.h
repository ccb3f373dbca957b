// PyTorch's checkpoints (.pth, .pt): tensors out of a zip archive with a pickle, of which nothing is run. No LLVM.
#pragma once

#include "triton/Tensor/Checkpoint.h"

#include <memory>
#include <span>
#include <string>

namespace triton {

/// Reads what torch.save of PyTorch 1.6 and later writes: a state_dict, or a dictionary that holds one under `state_dict`,
/// `model_state_dict`, `model`, `net` or `network` (exactly one of them), with a prefix `module.` or `_orig_mod.` of all keys taken off.
/// Tensors of float64, float32, float16, bfloat16, integers of 8 to 64 bits and bool; any strides; several may share a storage.
/// Errors name the file and the offset: another format (that of older versions by name), a damaged archive, compressed entries, any
/// opcode or global that tensors do not need, storages that are missing or have another size, views outside their storage.
Result<Checkpoint> readPth(const std::string &path);
/// The same for bytes that `owner` keeps alive; `name` stands in messages.
Result<Checkpoint> parsePth(std::shared_ptr<const void> owner, std::span<const uint8_t> bytes, const std::string &name);

} // namespace triton
