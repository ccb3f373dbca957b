// How a model is trained: a small JSON file beside its program. No LibTorch.
#pragma once

#include "triton/Support/Json.h"
#include "triton/Support/Result.h"

#include <string>
#include <vector>

namespace triton::trainer {

/// One stretch of training with its own optimiser and schedule.
struct Phase {
  std::string name;
  bool quantize = false;       ///< Fake quantisers on.
  int64_t epochs = 1;
  int64_t stopAfter = 0;       ///< Ends the phase after so many of its epochs, before its schedule is over; 0: all.
  std::string optimizer = "adamw"; ///< "adamw" or "sgd" (Nesterov).
  double learningRate = 1e-3;  ///< The peak; the schedule is a linear rise, then half a cosine down to zero.
  double warmup = 0.1;         ///< Share of the phase that the rise takes.
  double momentum = 0.9;       ///< For "sgd".
  double weightDecay = 0;      ///< On matrices and kernels only.
  double scaleRate = 1;        ///< Factor on the learning rate of activation scales.
  double labelSmoothing = 0;
  double distill = 0;          ///< Weight of the teacher's soft targets against the labels.
  double temperature = 2;
  std::string teacher;         ///< Name of an earlier phase, whose network at the end is the teacher, or the recipe's teacherModel.
  bool teacherCache = false;   ///< The teacher sees each image and its mirror image once, before the phase, unshifted.
  double dropout = 0;          ///< Share of the hidden activations of rank 2 that a step leaves out.
  double prune = 0;            ///< Chance that an epoch skips an image that is easier than the mean; its like count for more.

  /// How many epochs are run.
  int64_t lastEpoch() const { return stopAfter ? stopAfter : epochs; }

  /// All members in one line: two phases with one description train alike.
  std::string describe() const;
};

struct Recipe {
  std::string model;
  uint64_t seed = 1;
  int64_t batch = 128;
  int64_t shards = 1;  ///< The batch is cut into this many parts; each has its own batch statistics.
  bool flip = false;   ///< Mirror left and right, each second time.
  int64_t shift = 0;   ///< Shift by up to this many pixels in each direction.
  int64_t erase = 0;   ///< Blank a square of up to this edge, each second time.
  std::string teacherModel; ///< Another network of the zoo whose integer model teaches phases that name it; may be empty.
  std::vector<Phase> phases;
  std::string text;    ///< The file as read; the manifest holds its digest.

  /// Reads a recipe. Errors name the file and the member; unknown members are errors.
  static Result<Recipe> read(const std::string &path);
  static Result<Recipe> parse(std::string text, const std::string &name);
};

} // namespace triton::trainer
