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

/// What a network did on a data set.
struct EvalResult {
  tri_model_info info{};
  std::string variant;
  int optLevel = 2;
  uint64_t macs = 0;
  size_t images = 0, correct = 0;
  size_t correctTop5 = 0;            ///< images whose class is among the five with the largest logits
  size_t classCount = 0;
  std::vector<uint16_t> classes;     ///< predicted class of each image
  std::vector<uint16_t> labels;      ///< true class of each image
  std::vector<std::string> names;    ///< of the classes; may be empty
  std::string format, folder;        ///< of the data set
  std::string predictionsSha256;
  double seconds = 0, waitSeconds = 0; ///< of the pass over the data set; of these, waiting for images
  double medianMs = 0, p95Ms = 0, compileMs = 0;
  uint64_t workspaceBytes = 0;       ///< of a session for one image
  uint64_t peakBytes = 0;            ///< resident memory at most, from after compiling to the end; 0 where the system does not tell
};

/// Compiles a network, or opens an artifact, and runs it over the first --limit test images of the data set in `folder`.
Result<EvalResult> evaluate(const Arguments &arguments, const zoo::ZooModel &model, const std::string &folder, unsigned threads);

/// Of images of one class: how many, and how many were found.
struct ClassResult {
  std::string name;
  uint64_t images = 0, correct = 0;
};
std::vector<ClassResult> classResults(const EvalResult &result);

/// How often a class was taken for a class. Sorted by label, then by prediction; pairs that never occurred are left out.
struct Confusion {
  uint16_t label, predicted;
  uint64_t count;
};
std::vector<Confusion> confusions(const EvalResult &result);

/// The report as one HTML file with its pictures inside.
std::string evalHtml(const zoo::ZooModel &model, const EvalResult &result, unsigned threads);

// The verbs that are in files of their own.
int zooEval(const Arguments &arguments);
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
/// `store`: weights in the place of those that the arguments name.
Result<OracleModel> openOracle(const Arguments &arguments, const std::string &path, std::shared_ptr<const WeightStore> store = nullptr);

} // namespace triton::driver
