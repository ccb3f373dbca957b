// The typed module: what Sema gives to IRGen, the trainer (as JSON, docs/graph-json.md) and `triton test`.
// Every compile-time choice is made: loops unrolled, branches taken, instances flattened, types and shapes checked.
// One Graph per model (and per test block); values are in SSA form; nodes are in program order.
#pragma once

#include "triton/Sema/Dim.h"
#include "triton/Support/DType.h"
#include "triton/Support/Source.h"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace triton {

using ValueId = uint32_t;
constexpr ValueId kNoValue = UINT32_MAX; ///< an absent optional operand (a bias)

/// Operations, one per row of Builtins.def (language.md section 11) plus those that operators and structure make.
enum class OpKind : uint16_t {
#define TRITON_OP(NAME, SPELLING) NAME,
#include "triton/Sema/Ops.def"
};
const char *opName(OpKind op); ///< the spelling: "conv2d"

/// A tensor type: dtype and shape (rank 0 is a scalar). `ternary` tells trits that carry a scale.
struct TensorType {
  DType dtype = DType::Float32;
  Shape shape;
  friend bool operator==(const TensorType &, const TensorType &) = default;
};

/// A compile-time argument of an operation.
using Attr = std::variant<bool, int64_t, double, std::string, DType, std::vector<int64_t>, std::vector<double>,
                          std::vector<Dim>>;
/// By the argument's name in section 11; sizes are {h, w}. `std::map` keeps the order deterministic.
using AttrMap = std::map<std::string, Attr>;

// ---- Quantisation policies (section 9), resolved for the place where they hold -----------------------------------------

enum class WeightMethod : uint8_t { Twn, AbsMean, Fixed, Stochastic, Learned };
enum class WeightScale : uint8_t { PerTensor, PerChannel, PerGroup };

struct WeightPolicy {
  DType storage = DType::Float32; ///< Trit, Int8, Int4, Float32, Float16, BFloat16
  WeightMethod method = WeightMethod::Twn;
  WeightScale scale = WeightScale::PerChannel;
  double threshold = 0.7;
  int64_t group = 0;
  uint64_t seed = 0;
  friend bool operator==(const WeightPolicy &, const WeightPolicy &) = default;
};

enum class ActMode : uint8_t { Static, Dynamic };
enum class ActPer : uint8_t { Tensor, Row };

/// What `@acts` says where an operation runs. `dtype` Float32 means no quantisers.
struct ActPolicy {
  DType dtype = DType::Float32;
  ActMode mode = ActMode::Static;
  ActPer per = ActPer::Tensor;
  double clip = 99.99;
  bool isQuantised() const { return dtype != DType::Float32 && dtype != DType::Float16; }
  friend bool operator==(const ActPolicy &, const ActPolicy &) = default;
};

// ---- The graph ---------------------------------------------------------------------------------------------------------

struct GraphValue {
  TensorType type;
  std::string hint; ///< a name for people (the variable it was bound to), may be empty
};

struct GraphNode {
  OpKind op;
  std::vector<ValueId> operands; ///< kNoValue where an optional operand is absent
  std::vector<ValueId> results;
  AttrMap attrs;
  std::string path;  ///< path of the instance that runs it ("layer1.0"), "" for the model body
  ActPolicy acts;    ///< the policy in force here
  SourceRange range;
};

/// Raw input to real: (x * scale - mean[c]) / std[c] (sections 9 and 10).
struct Preprocess {
  std::vector<double> mean, std;
  double scale = 1.0;
};

struct GraphInput {
  std::string name;
  ValueId value;             ///< real (float32) where the parameter accepts uint8|float32, else its own dtype
  std::vector<DType> dtypes; ///< accepted at run time, in source order
  std::optional<Preprocess> preprocess;
  SourceRange range;
};

struct GraphOutput {
  std::string name;
  ValueId value;
};

/// A loaded tensor. `value` is its place in the graph.
struct GraphParam {
  std::string key;
  ValueId value;
  bool isWeight = false; ///< declared `Weight` or `TernaryTensor`: `policy` holds
  WeightPolicy policy;
  int64_t channelAxis = 0;
  bool frozen = false;
  /// The value that the source gives for when no checkpoint has it (`param k: T = e`): a value computed by `initNodes`.
  std::optional<std::vector<double>> init;
  SourceRange range;
};

/// Where codes are made (section 10, "Where quantisers stand").
struct Quantizer {
  ValueId value;              ///< real before and after
  std::optional<std::string> key; ///< checkpoint key of the scale; none for dynamic ones
  DType dtype;                ///< the form chosen: unsigned where the value cannot be negative
  ActPolicy policy;
  std::optional<double> scale; ///< given by `quantize(scale=..)`
};

/// One operation group of section 10.
struct OpGroup {
  std::vector<uint32_t> nodes;       ///< indices into Graph::nodes, in order
  std::optional<uint32_t> anchor;    ///< its linear-like operation
  std::optional<ValueId> residual;   ///< the other operand of the add inside
  ValueId value;                     ///< the group's result
  std::optional<uint32_t> quantizer; ///< index into Graph::quantizers
};

/// A check that waits for sizes: evaluated when a session is opened.
struct RuntimeCheck {
  Dim left, right;
  std::string relation; ///< "==", "<", ...
  std::string message;
  SourceRange range;
};

struct Graph {
  std::string name;       ///< the model's name, or a test's title
  std::string exportName;
  std::string doc;
  std::vector<std::string> labels; ///< of @labels: class names, printable UTF-8 of at most 1024 bytes each
  /// The model's own `@acts`: decides the quantisers at its inputs. Without it the policy of an input's first user does.
  std::optional<ActPolicy> acts;
  std::vector<std::string> dims; ///< dimension variables in order of appearance
  std::vector<GraphInput> inputs;
  std::vector<GraphOutput> outputs;
  std::vector<GraphParam> params;
  std::vector<GraphValue> values;
  std::vector<GraphNode> nodes;
  std::vector<RuntimeCheck> checks;
  std::vector<OpGroup> groups;         // filled by planQuantisation
  std::vector<Quantizer> quantizers;   // filled by planQuantisation
  SourceRange range;
};

/// A `test` block: its asserts become graphs whose outputs are compared by the reference interpreter.
struct TestAssert {
  enum Kind : uint8_t { Equal, Close } kind = Equal;
  ValueId left, right;
  double tolerance = 1e-6;
  std::string message;
  SourceRange range;
};
struct TestCase {
  std::string title;
  Graph graph; ///< no inputs; params must have an init
  std::vector<TestAssert> asserts;
  SourceRange range;
};

/// One look for an imported file.
struct ImportPlace {
  /// Where, without what depends on where the program lies: relative to the main file's folder ("../lib/blocks.tri"), or absolute where the
  /// program or -I leads away from it.
  std::string place;
  std::optional<FileId> file; ///< what was there; if nothing, the next place was tried
};

/// A file that the program names and that is no program (@labels), as it was read.
struct TextFile {
  std::string place; ///< as ImportPlace::place
  std::string text;
};

/// Everything one file gives.
struct TypedModule {
  std::vector<Graph> models;
  std::vector<TestCase> tests;
  std::vector<std::string> files; ///< every file read, in order of reading (for dependency files and cache keys)
  std::vector<ImportPlace> importPlaces; ///< every look for an import, in order: the same finds make the same program
  std::vector<TextFile> texts;
};

/// Forms the operation groups and places the quantisers (section 10; the exact rule is docs/rfcs/0001-quantiser-keys.md).
/// Deterministic. The graph must have none yet. Every live node that computes is in exactly one group; constants, moving
/// operations and what no output needs are in none.
void planQuantisation(Graph &graph);

/// After planQuantisation: for every value the static quantiser (an index) whose codes it carries: its own, or one that moving
/// operations brought along.
std::vector<std::optional<uint32_t>> codeSources(const Graph &graph);

/// Proves that no sum of products of codes can leave int32 (TRI0705). Plans a copy if the graph is not planned yet. True if fine.
class DiagnosticEngine;
bool checkSums(const Graph &graph, DiagnosticEngine &diags);

/// The graph as JSON (docs/graph-json.md), two-space indented, ends in a newline.
std::string graphToJson(const Graph &graph, const std::string &source);

} // namespace triton
