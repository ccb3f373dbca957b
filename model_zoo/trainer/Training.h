// Runs a recipe: batches with augmentation, phases, checkpoints and curves after every epoch, evaluation.
#pragma once

#include "Graph.h"
#include "Images.h"
#include "Network.h"
#include "Recipe.h"

#include <csignal>
#include <functional>
#include <string>

namespace triton::trainer {

/// Set by the handlers of SIGINT and SIGTERM; training stops at the next batch.
extern volatile std::sig_atomic_t stopRequested;

struct Score {
  std::string phase;
  int64_t correct = 0, total = 0;
  int64_t epochs = 0; ///< How many were run; fewer than the recipe's when training was finished early.
  double percent() const { return total ? 100.0 * static_cast<double>(correct) / static_cast<double>(total) : 0; }
};

struct TrainingOptions {
  std::string workFolder;     ///< Checkpoints and the log.
  int64_t threads = 1;        ///< Changes the speed and nothing else.
  int64_t evaluateEvery = 1;  ///< Epochs between evaluations; the last epoch of a phase always has one.
  int64_t maxSteps = 0;       ///< Ends each epoch after this many batches (0: all), for tests.
  const Graph *teacherGraph = nullptr; ///< For a recipe with a teacherModel: its graph and exported tensors.
  std::vector<std::pair<std::string, HostTensor>> teacherTensors;
  std::string teacherDigest; ///< Stands for both in the work folder.
  std::string scored = "test"; ///< What the evaluated images are called in the log: "test" or "validation".
  bool finish = false;        ///< Exports what the checkpoint holds instead of going on.
  std::function<void(int64_t epoch)> afterEpoch; ///< Called when an epoch's checkpoint is written; may be empty.
};

/// What the integer model says of a test set.
struct IntegerScore {
  int64_t correct = 0;
  std::string predictionsSha256; ///< Of the classes, one byte each; two, little-endian, above 256 classes.
};

/// Takes the last `count` images out of a training set, to compare recipes on without a look at the test images. Kind Usage:
/// none, or none left.
Result<Images> holdOut(Images &training, int64_t count);

/// The number of classes that the graph's logits have; 0 if it has no output [N, classes].
int64_t classCount(const Graph &graph);

/// Classifies with the integer model. Errors: what IntegerModel::create and the shapes say.
Result<IntegerScore> scoreIntegers(const Graph &graph, const std::vector<std::pair<std::string, HostTensor>> &tensors,
                                   const Images &test, int64_t threads);

struct TrainingResult {
  std::vector<Score> scores; ///< One per phase, after its last epoch.
  std::vector<std::pair<std::string, HostTensor>> tensors; ///< Exported from the last phase.
  std::string predictionsSha256; ///< See IntegerScore; empty where it does not cover the graph.
};

/// Trains, or goes on from the checkpoint in the work folder when it is of the same recipe and graph. Kind Environment with
/// the message "interrupted" when stopRequested was set.
Result<TrainingResult> train(const Graph &graph, const Recipe &recipe, const Images &training, const Images &test,
                             const TrainingOptions &options, const std::string &graphDigest);

} // namespace triton::trainer
