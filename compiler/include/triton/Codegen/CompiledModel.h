// What code generation gives and the artifact writer takes: a whole model as data. No LLVM types.
#pragma once

#include "triton/Support/DType.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace triton {

/// A tensor that a program passes in or gets back, dense row-major in the shape that the source states.
struct TensorSpec {
  std::string name;
  std::vector<DType> dtypes;   ///< inputs: accepted, in source order; outputs: one
  std::vector<int64_t> shape;  ///< -1 stands for the batch variable
  std::string batchName;       ///< the variable's name ("N"), empty if the shape has none
  std::vector<double> mean, std;
  double scale = 1.0;          ///< pre-processing as the source states it (information: the code already does it)
  bool preprocessed = false;
};

/// Bytes that are stored once for all variants: packed weights, scales, tables.
struct Blob {
  enum Encoding : uint8_t { Raw = 0, T5 = 1 }; ///< equal to tri_weight_encoding
  std::string key;                 ///< the parameter's key, or a name for constants
  Encoding encoding = Raw;
  uint64_t count = 0;              ///< trits (T5) or bytes (Raw)
  std::vector<uint8_t> bytes;
};

/// Where and how the loader puts a blob into a variant's weight arena.
struct Placement {
  enum Kind : uint8_t {
    Copy,   ///< bytes as they are
    Panels, ///< canonical [O][KO][KI] i8 or trits to i8 panels (runtime/artifact/packing.h)
    Panels2, ///< trits to panels of two bits a trit
    Adds,    ///< trits to code; the arena gets the addresses of its functions (runtime/artifact/adds.h)
    Codes,   ///< trits to codes of two or three trits
    Panels3, ///< trits to panels of three taps a byte
  } kind = Copy;
  uint32_t blob = 0;
  uint64_t arenaOffset = 0;        ///< a multiple of 64
  uint64_t arenaBytes = 0;
  uint32_t o = 0, ko = 0, ki = 0, nr = 0, kr = 0; ///< Adds: nr is the pitch, kr the plane
  uint8_t vector = 0;              ///< Adds: bytes of a vector
  uint16_t chunk = 0;              ///< Adds: inputs of a function
};

/// One step of the program, the same for all variants but for its code.
struct Step {
  std::string name;                ///< `layer1.0.conv1__conv3x3_u8_t2_4x16` without the variant
  std::string layer;               ///< the key of the layer it belongs to, empty for glue
  uint64_t macsPerBatch = 0;       ///< multiply-accumulates of the direct algorithm for batch 1
  uint64_t bytesPerBatch = 0;      ///< activations read and written for batch 1
  int32_t onlyInput = -1;          ///< run only when input `onlyInput` has dtype `onlyDtype`
  DType onlyDtype = DType::Float32;
};

/// A condition on the batch that waits for a session: both sides in the grammar of runtime/artifact/size_check.h.
struct SizeCheck {
  std::string left, relation, right, message;
};

/// One layer's choice, for --verbose and inspect.
struct LayerChoice {
  std::string layer, algorithm, packing, reason;
};

/// The code of one target.
struct CompiledVariant {
  std::string target;              ///< "x86-64-v4+vnni"
  uint64_t features = 0;           ///< bits of runtime/artifact/cpu_features.h that must all be there
  std::vector<uint8_t> elf;        ///< a shared object without imports and without run-time relocations
  std::vector<std::string> stepNames;   ///< what profiles show, with the variant's tile
  std::vector<uint64_t> stepOffsets;    ///< address of each step's function in the object (virtual address)
  std::vector<uint8_t> stepParts;             ///< parts that a thread's share of a step may be cut into, at most (empty: one)
  std::vector<uint32_t> stepCosts;            ///< nanoseconds on one thread for batch 1, roughly (empty: not known)
  std::vector<Placement> placements;
  uint64_t arenaBytes = 0;
  uint64_t workspaceFixed = 0, workspacePerBatch = 0, scratchPerThread = 0;
  std::vector<LayerChoice> choices;
  std::vector<bool> stepCompiled;       ///< false: the step's code, and what it calls, came from a cache
  unsigned units = 0, unitsCompiled = 0; ///< object files of the code, and how many of them were compiled now
};

struct CompiledModel {
  std::string name, exportName, doc, compiler; ///< compiler: version and build id
  int optLevel = 2;
  std::vector<TensorSpec> inputs, outputs;
  std::vector<std::string> labels;
  std::vector<SizeCheck> checks;
  std::vector<Step> steps;
  std::vector<Blob> blobs;
  std::vector<CompiledVariant> variants;
  uint64_t macsPerBatch = 0;
  uint64_t parameters = 0, weightTrits = 0, zeroTrits = 0, fp32Bytes = 0;
  std::vector<std::pair<std::string, std::array<uint8_t, 32>>> inputDigests; ///< BLAKE3 of what it was made from
};

} // namespace triton
