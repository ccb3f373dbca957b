// A graph with parameters that can be trained: walks the nodes with LibTorch, with or without fake quantisation.
#pragma once

#include "FakeQuant.h"
#include "Graph.h"
#include "triton/Tensor/HostTensor.h"

#include <map>
#include <string>
#include <vector>

namespace triton::trainer {

class Network {
public:
  /// What a forward pass does.
  struct Mode {
    bool training = false;  ///< Batch norm uses and updates the batch's statistics.
    bool quantize = false;  ///< Weights and activations are fake-quantised.
    double dropout = 0;     ///< Share of the hidden activations of rank 2 that are left out, when training.
    bool calibrate = false; ///< Quantisers without a scale take one from this batch.
  };

  /// Plans the walk and makes parameters with seeded random values. Errors: an operation that cannot be trained, a graph that
  /// is not in order. The graph must outlive the network.
  static Result<Network> create(const Graph &graph, uint64_t seed);

  /// Runs the graph on a real input [N, C, H, W] and returns the outputs in the graph's order. Throws c10::Error.
  std::vector<Tensor> forward(const Tensor &input, const Mode &mode);

  /// A second network on the same memory: parameters and scales are shared, gradients and running statistics are its own.
  /// Different threads may run a network and its replicas at the same time.
  Network replica() const;
  /// Adds the replicas' gradients to this network's and clears theirs; running statistics become everybody's mean.
  void gather(std::vector<Network> &replicas);

  /// Tensors that an optimiser changes, in three kinds.
  struct Trainable {
    std::vector<Tensor> weights, others, scales;
  };
  Trainable trainable(bool quantized) const;

  /// Everything that a checkpoint of the trainer holds, by name.
  std::map<std::string, Tensor> state() const;
  /// Copies values into the tensors of the same names; with `partial` names may be missing.
  Result<void> load(const std::map<std::string, Tensor> &values, bool partial);

  /// The tensors of a .safetensors file: codes and scales where the graph quantises, floats elsewhere.
  std::vector<std::pair<std::string, HostTensor>> exportTensors() const;
  /// Replaces each quantised weight by codes * scale of exported tensors and stops quantising weights: what is evaluated
  /// then is what the file holds.
  void useExported(const std::vector<std::pair<std::string, HostTensor>> &tensors);

  /// Counts forward passes; seeds stochastic weights.
  uint64_t step = 0;
  /// Which replica this is: their dropout differs.
  uint64_t index = 0;

private:
  /// One stop of the walk: a node, or the fused end of a group.
  struct Step {
    int node = -1; ///< Runs this node; -1 for a group's end.
    int input = -1, residual = -1, norm = -1, quantizer = -1, result = -1;
    bool relu = false;
  };

  explicit Network(const Graph &graph) : graph(&graph) {}
  Result<void> plan();
  void initialise(uint64_t seed);
  Tensor weightFor(int value, const Mode &mode);
  Tensor runNode(const NodeInfo &node, const std::vector<Tensor> &values, const Mode &mode);
  Tensor runEnd(const Step &step, const std::vector<Tensor> &values, const Mode &mode);
  Tensor dropped(const Tensor &x, const Mode &mode, size_t step) const;
  std::vector<int64_t> knownShape(int value) const;

  const Graph *graph;
  std::vector<Step> steps;
  std::vector<int> lastUse;            ///< Per value: the last step that reads it.
  std::vector<int> paramOf;            ///< Per value: index of its parameter or -1.
  std::vector<Tensor> params;          ///< Per parameter.
  std::vector<Tensor> deltas, scales;  ///< Per parameter with method=learned.
  std::vector<bool> buffers;           ///< Per parameter: statistics, not trained.
  std::vector<Tensor> logScales;       ///< Per quantiser; undefined when dynamic.
  std::vector<Tensor> calibrated;      ///< Per quantiser: true once its scale means something. A tensor, so that checkpoints hold it.
  bool weightsAreFinal = false;
};

} // namespace triton::trainer
