// Convolutions of stride 1 whose weights are code: additions and subtractions of planes of activations (runtime/artifact/adds.h).
// Why and when it pays: docs/rfcs/0005-weights-as-code.md.
#pragma once

#include "Products.h"

#include "artifact/adds.h"

#include <optional>

namespace triton {

/// How a convolution is computed this way. A band is so many rows of one image.
struct AddsChoice {
  tri_adds_layout layout;
  int64_t bandRows = 1;
  int64_t blocks = 0;          ///< vectors of pixels of a band, even
  int64_t codeStride = 32;     ///< bytes between the channels of a band's results
  int64_t functionBytes = 0;   ///< of the average function, estimated
  uint64_t codeBytes = 0;      ///< of the layer, estimated
  double cost = 0, directCost = 0; ///< estimated vector instructions of a batch of one, this way and directly
};

/// The choice for a convolution that the generator takes on this target: AVX2 or AVX-512BW, constant trits `weights` in the order [outputs][taps][channels].
/// `direct`: the tile of the direct form; `batch`: 1 if it is not known. Whether it pays is the caller's decision.
std::optional<AddsChoice> chooseAdds(const TargetDesc &target, const ConvShape &shape, const TileChoice &direct, const Epilogue &epilogue,
                                     const int8_t *weights, int64_t batch);

/// Bytes of scratch that PaScratch points at.
int64_t addsScratch(const ConvShape &shape, const AddsChoice &choice, const Epilogue &epilogue);

/// As emitConv. PaWeights points at the addresses of the functions; PaStart is read where `excess`: the activations are stored as code + 128.
std::string emitAdds(KernelBuilder &k, const std::string &label, const ConvShape &shape, const AddsChoice &choice, bool actUnsigned, bool excess,
                     const Epilogue &epilogue);

} // namespace triton
