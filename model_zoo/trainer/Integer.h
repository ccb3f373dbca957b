// The integer model of section 10 of the language, computed by the trainer on its own: what a compiled artifact must say of the
// exported weights, bit by bit.
#pragma once

#include "Graph.h"
#include "triton/Tensor/HostTensor.h"

#include <torch/torch.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace triton::trainer {

class IntegerModel {
public:
  /// Folds exported tensors into multipliers and offsets. The graph must outlive the model. Errors: an operation or a
  /// quantiser that this model does not cover, a missing tensor.
  static Result<IntegerModel> create(const Graph &graph, const std::vector<std::pair<std::string, HostTensor>> &tensors);

  /// Real outputs, in the graph's order, for a preprocessed input [N, C, H, W]. Several threads may run it at once.
  std::vector<at::Tensor> run(const at::Tensor &input) const;

private:
  /// One stop of the walk; its numbers are folded in float64 and rounded once.
  struct Step {
    enum class Kind { Quantize, Product, Add, Pool, Move } kind = Kind::Move;
    int node = -1, input = -1, residual = -1, result = -1;
    at::Tensor weight;          ///< Codes; float where every sum is exact in it, else double.
    std::vector<float> m, b;    ///< Per channel of a product.
    float residualFactor = 0;   ///< m_r of a product, ra of an addition.
    float factor = 0;           ///< 1/s of a quantiser, rb of an addition, m of a pool.
    float lo = 0, hi = 0;       ///< Of the codes, with the ReLU.
    bool codes = true, relu = false;
  };

  explicit IntegerModel(const Graph &graph) : graph(&graph) {}
  Result<void> plan(const std::vector<std::pair<std::string, HostTensor>> &tensors);
  std::vector<int64_t> knownShape(int value) const;
  at::Tensor runStep(const Step &step, const std::vector<at::Tensor> &values) const;

  const Graph *graph;
  std::vector<Step> steps;
};

} // namespace triton::trainer
