// The zoo's folders: each holds a program, a manifest and (for most) weights. No LLVM.
#pragma once

#include "Assets.h"
#include "Resize.h"

#include "triton/Support/Result.h"

#include <optional>
#include <string>
#include <vector>

namespace triton::zoo {

/// What a manifest says of one network. Paths are absolute.
struct ZooModel {
  std::string name;        ///< `resnet20-fashion-mnist`, the folder's name
  std::string folder;
  std::string program;     ///< model.tri
  std::string dataset;     ///< `fashion-mnist`
  std::string weights;     ///< path of the .safetensors file, in the zoo's folder or the store; empty if it is in neither
  std::string weightsSha256;
  std::optional<AssetFile> weightsFile; ///< the weights as the manifest describes them, wherever they are
  std::optional<AssetFile> checkpoint;  ///< somebody's fp32 checkpoint with the program's keys, to quantise or to run with --fp32
  std::string recipe;      ///< path of the training recipe, empty if there is none
  std::string keys;        ///< whose parameter names the program has: `torchvision resnet18`; may be empty
  std::string differs;     ///< in what it differs from that network; may be empty
  std::string citation;
  Preparation preparation; ///< of pictures: `preprocessing` of the manifest
  std::optional<double> accuracy, fp32Accuracy; ///< as the trainer measured them, 0..1
};

/// The folder of the zoo: $TRITON_DSL_ZOO, else `model_zoo` beside the program's own tree. Errors say where was looked.
Result<std::string> zooFolder();

/// Every network of the zoo, by name. A folder without a readable manifest is an error that names it. Weights that the zoo's folder
/// lacks are looked for in `store` (see Assets.h), if it is given.
Result<std::vector<ZooModel>> listZoo(const std::string &store = "");

/// One network; an unknown name is an error with the nearest known one.
Result<ZooModel> findZooModel(const std::string &name, const std::string &store = "");

/// Reads the weights file and compares its SHA-256 with the manifest's; a difference is an error (kind Mismatch) with both digests.
Result<void> verifyWeights(const ZooModel &model);

} // namespace triton::zoo
