// The ways in which a product layer can be computed: what there is to choose from when choices are measured (docs/rfcs/0006-autotuning.md).
// All of them give the same bits.
#pragma once

#include "Adds.h"
#include "Winograd.h"

#include <optional>
#include <string>
#include <vector>

namespace triton {

/// Other tiles for the same dot product that leave their sums in registers, the likely ones: `chosen` is chooseTile's for these channels and
/// this width.
std::vector<TileChoice> otherTiles(const TargetDesc &target, const TileChoice &chosen, int64_t channels, int64_t width);
/// True if weights of two bits can be taken, whether or not they pay: trits, on vpdpbusd with 512 bits.
bool twoBitCan(const TargetDesc &target, const LinearShape &shape, bool trits);

/// A convolution, and what decides how long it takes.
struct ConvProblem {
  ConvShape shape;
  Epilogue epilogue;
  int64_t batch = 1;                     ///< 1 if it is not known
  bool trits = true, actUnsigned = true;
  bool excess = false;                   ///< signed activations lie as code + 128
  std::vector<WinogradChoice> winograd;  ///< the forms that it can take
  const std::vector<int8_t> *weights = nullptr; ///< [outputs][taps][channels]
};

/// One way to compute it.
struct ConvWay {
  enum class Kind : uint8_t { Direct, Winograd, Adds, TwoBit } kind = Kind::Direct;
  TileChoice tile; ///< of the direct form on bytes, whatever the kind is
  std::optional<WinogradChoice> winograd;
  std::optional<AddsChoice> adds;
  std::optional<TileChoice> twoBit; ///< of the direct form on weights of two bits
  std::string name() const; ///< "direct 14x32"
};

/// All ways, the cost model's first; no two have the same name. Weights as code are among them if `model.adds` says how, whatever its kind is.
std::vector<ConvWay> convWays(const TargetDesc &target, const ConvProblem &problem, const ConvWay &model);

/// One way to compute a linear layer.
struct LinearWay {
  TileChoice tile;
  bool twoBit = false; ///< weights as t2 panels
  std::string name() const; ///< "tile 14x32", "two bits 14x32"
};
/// A linear layer, and what decides how long it takes.
struct LinearProblem {
  LinearShape shape;
  Epilogue epilogue;
  int64_t rows = 1;        ///< of a batch of one where `anyBatch`
  bool anyBatch = false, trits = true;
};
std::vector<LinearWay> linearWays(const TargetDesc &target, const LinearProblem &problem, const LinearWay &model);

/// Text that is equal for problems whose ways take equally long on one machine.
std::string recipeOf(const ConvProblem &problem, const std::vector<ConvWay> &ways);
std::string recipeOf(const LinearProblem &problem, const TileChoice &tile);
std::string recipeOf(const DepthwiseShape &shape, const Epilogue &epilogue, int64_t batch);

} // namespace triton
