// NumPy's .npy (versions 1 to 3) and .npz (a zip of them). No LLVM.
#pragma once

#include "triton/Support/Result.h"
#include "triton/Tensor/HostTensor.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace triton {

/// Reads a .npy file: bool, integers of 8 to 64 bits, float16, float32, float64, all little-endian. Fortran order is turned
/// into C order. Errors name the file and the offset: damaged header, another dtype, sizes that do not fit the data.
Result<HostTensor> readNpy(const std::string &path);
/// The same for bytes in memory; `name` stands in messages.
Result<HostTensor> parseNpy(std::string_view bytes, const std::string &name);

/// What the header of a .npy file says.
struct NpyHeader {
  ElementType type = ElementType::F32;
  TensorShape shape;
  bool fortran = false; ///< the first index runs fastest
  size_t dataAt = 0;    ///< offset of the first element
};
/// The most bytes that a header and what is before it can have.
size_t npyPrefixBytes();
/// Reads the header alone, for files too large for memory: `prefix` are the first npyPrefixBytes() of a file of `fileBytes`, or all of them. Errors: as
/// parseNpy.
Result<NpyHeader> parseNpyHeader(std::string_view prefix, uint64_t fileBytes, const std::string &name);

/// The bytes of a version 1 .npy file with its data at a multiple of 64. Errors: bfloat16, which NumPy does not have.
Result<std::string> encodeNpy(const HostTensor &tensor);
/// Writes a .npy file atomically.
Result<void> writeNpy(const std::string &path, const HostTensor &tensor);

/// Reads all arrays of a .npz file (stored or deflated, checksums verified), sorted by name without ".npy".
Result<std::vector<std::pair<std::string, HostTensor>>> readNpz(const std::string &path);
Result<std::vector<std::pair<std::string, HostTensor>>> parseNpz(std::string_view bytes, const std::string &name);

} // namespace triton
