// The exported graph (docs/graph-json.md) as plain structs. No LibTorch.
#pragma once

#include "triton/Support/Json.h"
#include "triton/Support/Result.h"

#include <optional>
#include <string>
#include <vector>

namespace triton::trainer {

/// One size of a shape: a number, or the text of a polynomial in the model's dimension variables.
struct Size {
  int64_t number = 0;
  std::string symbol; ///< Empty for a number.
};

struct ValueInfo {
  std::string dtype;
  std::vector<Size> shape;
};

struct InputInfo {
  std::string name;
  int value = 0;
  std::vector<std::string> dtypes;
  std::vector<double> mean, std; ///< Empty without @preprocess.
  double scale = 1;
};

struct ParamInfo {
  std::string key;
  int value = 0;
  std::string storage, scale, method;
  double threshold = 0.7;
  int64_t group = 0, seed = 0, channelAxis = 0;
  bool frozen = false;
  std::vector<float> init;
  std::vector<int64_t> shape;
};

struct NodeInfo {
  std::string op, path;
  std::vector<int> operands; ///< -1 where an optional operand is absent.
  std::vector<int> results;
  json::Object attrs;
};

struct GroupInfo {
  std::vector<int> nodes;
  int anchor = -1, residual = -1, value = -1, quantizer = -1;
};

struct QuantizerInfo {
  int value = 0;
  std::string key;
  int64_t lo = 0, hi = 0;
  bool dynamic = false, perRow = false;
  double clip = 99.99;
  std::optional<double> fixedScale;
};

struct Graph {
  std::string model;
  std::vector<std::string> dims;
  std::vector<InputInfo> inputs;
  std::vector<std::pair<std::string, int>> outputs;
  std::vector<ParamInfo> params;
  std::vector<ValueInfo> values;
  std::vector<NodeInfo> nodes;
  std::vector<GroupInfo> groups;
  std::vector<QuantizerInfo> quantizers;

  /// Reads a graph; every index is checked. Errors name the file and the member ("nodes[3].operands: ...").
  static Result<Graph> read(const std::string &path);
  static Result<Graph> parse(std::string_view text, const std::string &name);
};

} // namespace triton::trainer
