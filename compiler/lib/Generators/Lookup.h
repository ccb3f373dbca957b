// Products of trits by trits from a table: each entry is a sum of two or three products, and a register of entries answers for a vector
// of outputs at once. What is looked up, and when it pays: docs/rfcs/0007-bit-planes.md.
#pragma once

#include "Products.h"

#include <optional>

namespace triton {

/// How a product of ternary activations by ternary weights is computed from a table.
struct LookupChoice {
  int64_t trits = 2;     ///< of the reduction in one code: 3 where vpermb finds 64 entries, 2 where shuffles find 16
  int64_t bytes = 16;    ///< of a vector: a byte is an output
  int64_t vectors = 1;   ///< of outputs in a tile
  int64_t positions = 1; ///< pixels or rows in a tile
  double cost = 0, directCost = 0; ///< estimated vector instructions of a batch of one, this way and directly
  int64_t nr() const { return bytes * vectors; }
  bool pays() const { return cost < directCost; }
  std::string name() const { return std::to_string(positions) + "x" + std::to_string(nr()); }
};

/// Trits that one look-up of the target takes, 0 if it has none.
int64_t lookupTrits(const TargetDesc &target);

/// The choice for a convolution whose activations and weights are trits, or nothing where the generator does not take it. `direct`: the
/// tile of the direct form; `batch`: 1 if it is not known.
std::optional<LookupChoice> chooseLookup(const TargetDesc &target, const ConvShape &shape, const TileChoice &direct, int64_t batch);
/// The same for a linear layer without levels of reduction. Costs are those of one row.
std::optional<LookupChoice> chooseLookup(const TargetDesc &target, const LinearShape &shape, const TileChoice &direct);

/// The table that PaStart points at, aligned to 64 bytes.
std::vector<uint8_t> lookupTable(int64_t trits);

/// PaWeights: codes (packing.h) with nr = bytes and kr = trits, [outputs][taps][channels]. Activations may lie as code + 128. Bytes of scratch that
/// PaScratch points at:
int64_t lookupScratch(const ConvShape &shape, const LookupChoice &choice);
int64_t lookupScratch(const LinearShape &shape, const LookupChoice &choice);

/// As emitConv and emitLinear.
std::string emitLookupConv(KernelBuilder &k, const std::string &label, const ConvShape &shape, const LookupChoice &choice, const Epilogue &epilogue);
std::string emitLookupLinear(KernelBuilder &k, const std::string &label, const LinearShape &shape, const LookupChoice &choice,
                             const Epilogue &epilogue);

} // namespace triton
