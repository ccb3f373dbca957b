// What `zoo eval` measures.
#pragma once

#include "Command.h"
#include "triton/Driver/Pipeline.h"

#include "Idx.h"
#include "Manifest.h"

#include <triton/runtime.h>

#include <memory>
#include <string>
#include <vector>

namespace triton::driver {

struct EvalResult {
  tri_model_info info{};
  std::string variant;
  int optLevel = 2;
  uint64_t macs = 0;
  size_t images = 0, correct = 0;
  std::vector<uint16_t> classes;     ///< predicted class of each image
  std::string predictionsSha256;
  double seconds = 0, medianMs = 0, compileMs = 0;
};

/// Compiles a zoo network and runs it over the first --limit test images.
Result<EvalResult> evaluate(const Arguments &arguments, const zoo::ZooModel &model, const zoo::ImageSet &images,
                            unsigned threads);

// The verbs that are in files of their own.
int zooList(const Arguments &arguments);
int zooShow(const Arguments &arguments);
int zooDownload(const Arguments &arguments);
int zooVerify(const Arguments &arguments);

/// Where downloads are kept: --store, else $TRITON_DSL_ZOO_STORE, else the folder `zoo` beside the compile cache's entries; empty when
/// there is no such place.
std::string zooStore(const Arguments &arguments);

/// What to do about a network without weights here: a sentence with the one command.
std::string weightsAdvice(const zoo::ZooModel &model);

/// The integer graph of a program, ready for the interpreter.
struct OracleModel {
  std::shared_ptr<void> program; ///< keeps the checked program alive
  std::unique_ptr<Timing> timing;
  std::unique_ptr<Pipeline> pipeline;
};
Result<OracleModel> openOracle(const Arguments &arguments, const std::string &path);

} // namespace triton::driver
