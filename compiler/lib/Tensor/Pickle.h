// The part of Python's pickle format that PyTorch's checkpoints need, read as data. Nothing is imported, called or run. No LLVM.
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace triton::pickle {

/// Index of a value in a Document.
using Id = uint32_t;

/// What a value is. Globals are the few names that the reader knows; a tensor is what a call of one of torch's rebuild functions
/// describes; a storage is what a persistent id names.
enum class Kind : uint8_t { None, Bool, Int, Float, Text, Tuple, List, Dict, Global, Storage, Tensor };

/// The names that a pickle may mention. Everything else is refused.
enum class Global : uint8_t {
  OrderedDict, Size, RebuildTensor, RebuildTensorV2, RebuildParameter,
  BoolStorage, ByteStorage, CharStorage, ShortStorage, IntStorage, LongStorage, HalfStorage, BFloat16Storage, FloatStorage, DoubleStorage,
};

/// One value. What the fields mean depends on the kind.
struct Value {
  Kind kind = Kind::None;
  Global global = Global::OrderedDict; ///< Global; Storage: its type
  int64_t integer = 0;                 ///< Bool, Int; Storage: its number of elements
  double real = 0;                     ///< Float
  std::string_view text;               ///< Text; Storage: its key
  std::vector<Id> items;               ///< Tuple, List; Dict: keys and values in turn; Tensor: storage, offset, sizes, strides
  uint64_t offset = 0;                 ///< where in the pickle it was made
};

/// A whole pickle. Values may share parts and lists may contain themselves: whoever walks one must bound the depth.
struct Document {
  std::vector<Value> values;
  Id root = 0;

  const Value &operator[](Id id) const { return values[id]; }
};

/// Reads a pickle of protocol 2 to 5. `name` stands in messages. Texts are views into `bytes`. Errors name the offset: an opcode or a
/// global outside the list, a stack or memo that does not fit, a number that does not fit 64 bits, a cut-off file, bytes after the end,
/// more than four million values.
Result<Document> read(std::string_view bytes, const std::string &name);

/// The name of an opcode ("REDUCE"); empty for a byte that is none.
std::string_view opcodeName(uint8_t opcode);
/// True for the opcodes that `read` takes.
bool isAllowed(uint8_t opcode);

} // namespace triton::pickle
