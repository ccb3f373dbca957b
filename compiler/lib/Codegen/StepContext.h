// What the lowering of one step sees: where values lie, constants, and loops over elements.
#pragma once

#include "Layout.h"
#include "../Generators/KernelBuilder.h"

#include "triton/Codegen/Codegen.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>

namespace triton {

namespace ternary {
class ConcatOp;
}

/// Blobs of a model, each stored once.
class BlobTable {
public:
  std::vector<Blob> blobs;
  uint32_t add(std::string key, Blob::Encoding encoding, uint64_t count, std::vector<uint8_t> bytes);

private:
  std::map<std::pair<int, std::vector<uint8_t>>, uint32_t> known;
};

/// Where a value's buffer lies.
struct Storage {
  enum Kind : uint8_t { None, Input, Output, Fixed, PerBatch } kind = None;
  uint32_t index = 0;    ///< of the input or output
  int64_t offset = 0;    ///< Fixed: bytes; PerBatch: bytes for each batch element
};

/// The data of one target while its code is written.
struct VariantState {
  Layouts layouts;
  llvm::DenseMap<mlir::Value, Storage> storage; ///< aliases share their source's
  llvm::DenseMap<mlir::Value, mlir::Value> alias;
  int64_t workspaceFixed = 0, workspacePerBatch = 0, scratchPerThread = 0;
  std::vector<Placement> placements;
  uint64_t arenaBytes = 0;
  std::vector<LayerChoice> choices;
  std::map<std::tuple<uint32_t, uint8_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint16_t, uint8_t>, uint64_t> placed;

  mlir::Value root(mlir::Value v) const {
    for (auto it = alias.find(v); it != alias.end(); it = alias.find(v))
      v = it->second;
    return v;
  }
  uint64_t place(const Placement &placement);
};

/// A value in memory as loops see it.
struct View {
  Val base; ///< element 0
  Layout layout;
};
/// A place, one index a dimension. `lane` is the dimension along which as many neighbours are meant as StepContext::lanes says: what is
/// loaded or computed there is a vector. -1: one element, a scalar.
struct Index : llvm::SmallVector<Val, 5> {
  using SmallVector::SmallVector;
  int lane = -1;
};

/// Emits the body of one step function.
class StepContext {
public:
  StepContext(KernelBuilder &k, VariantState &variant, BlobTable &blobs, const llvm::DenseSet<mlir::Operation *> &inlined, int optLevel)
      : k(k), variant(variant), blobs(blobs), inlined(inlined), optLevel(optLevel) {}

  KernelBuilder &k;
  VariantState &variant;
  BlobTable &blobs;
  const llvm::DenseSet<mlir::Operation *> &inlined; ///< evaluated inside their only consumer
  int optLevel;
  ConvAlgorithm convolutions = ConvAlgorithm::Cheapest;
  uint64_t wholeCodeBudget = 0;                     ///< bytes that weights as code may take in the variant
  uint64_t codeBudget = 0;                          ///< bytes that weights as code may take from this step on
  uint64_t allWeights = 0;                          ///< weights of the program
  /// Chooses one of several ways of the step's product (ProductProblem::recipe and ways); without it the first is taken.
  std::function<size_t(std::string recipe, std::vector<std::string> ways)> chooseWay;
  bool plainLoops = false;                          ///< element by element, no vectors
  int64_t lanes = 1;                                ///< elements that an index with a lane dimension means
  bool divides = false;                             ///< a thread's share may be cut into parts at little cost
  double work = 1.0;                                ///< of the step, estimated, beside what its counted products would cost directly
  std::optional<std::pair<unsigned, DType>> guard;  ///< the input dtype that this copy of the step is for

  void beginStep(const std::string &name);
  void endStep();
  Val args, weights, workspace, batch, part, parts, threads;

  // ---- Addresses -------------------------------------------------------------------------------------------------------
  View view(mlir::Value v);
  void forgetBases() { bases.clear(); }
  Val baseOf(mlir::Value root);
  Val inputPointer(unsigned index);
  Val outputPointer(unsigned index);
  /// This thread's scratch, behind its header; the variant keeps the largest request.
  Val scratch(int64_t bytes);
  /// The address of a blob in the arena.
  Val rawBlob(const std::string &key, std::vector<uint8_t> bytes);
  template <typename T>
  Val table(const std::string &key, const std::vector<T> &values) {
    const auto *bytes = reinterpret_cast<const uint8_t *>(values.data());
    return rawBlob(key, std::vector<uint8_t>(bytes, bytes + values.size() * sizeof(T)));
  }
  /// A constant's bytes, row-major, one byte a trit.
  Val constantData(mlir::Value constant);

  // ---- Elements --------------------------------------------------------------------------------------------------------
  /// Values in registers: i32 for codes, trits and integers up to 32 bits, i64, f32 for every real.
  /// Vectors of them where the index has a lane dimension.
  Val loadElement(const View &from, const Index &at);
  void storeElement(const View &to, const Index &at, Val value);
  Val pointer(const View &view, const Index &at);
  mlir::Type computeType(Elem elem);
  /// The type that `computeType` gives, as wide as an index means.
  mlir::Type computeType(Elem elem, const Index &at) { return k.vec(at.lane < 0 ? 1 : lanes, computeType(elem)); }
  /// A scalar in all lanes of an index; vectors stay.
  Val spread(Val value, const Index &at);
  /// Entries of a table of binary32 from `index` on.
  Val loadEntries(Val table, Val index, bool isVector);
  /// Rounds a binary32 result once to a 16-bit type.
  Val roundTo(Elem elem, Val value);
  Val size(const Layout &layout, unsigned dim);

  /// Calls `body` for this thread's part of all elements.
  void forEach(const Layout &layout, const std::function<void(const Index &)> &body);
  /// The same over the first `dims` dimensions.
  void forEachPrefix(const Layout &layout, unsigned dims, const std::function<void(const Index &)> &body);
  void fail(int32_t status);
  /// Memory of this call, at the start of the function.
  Val local(int64_t bytes);

private:
  Val statusSlot;
  mlir::Operation *anchor = nullptr; ///< addresses of values are computed once, before all loops
  llvm::DenseMap<mlir::Value, Val> bases;
  std::string name;
};

/// The value of one element, computed or loaded: the heart of the loop lowering (LowerElements.cpp).
Val emitElement(StepContext &c, mlir::Value v, const Index &at);
/// The element of an operation's own result, whether or not it is fused.
Val emitOwnElement(StepContext &c, mlir::Operation *op, const Index &at);
/// An element of a concatenation that lies in one of its parts, which begins at `start` along its axis.
Val emitConcatPart(StepContext &c, ternary::ConcatOp op, mlir::Value part, int64_t start, const Index &at);
/// True if `emitElement` computes single elements of this operation's result without loops over other elements.
bool isElementwise(mlir::Operation *op);

/// True if `emitElement` can give vectors along a dimension of a value.
bool takesLanes(StepContext &c, mlir::Value v, int lane);
/// The same for an operation's own result.
bool ownTakesLanes(StepContext &c, mlir::Operation *op, int lane);

/// The vector with another scalar in one lane.
Val withLane(Val vector, int64_t lane, Val scalar);

/// Element by element, but many at once. False if it does not take the operation.
bool lowerVectorElements(StepContext &c, mlir::Operation *op);
/// Softmax and norms of rows that lie without gaps. False if it does not take the operation.
bool lowerVectorRows(StepContext &c, mlir::Operation *op);
/// Products of reals on a tile of registers; empty if it does not take the operation.
std::optional<LayerChoice> lowerRealProduct(StepContext &c, mlir::Operation *op, const std::string &layer);
/// Lowers one operation by plain loops. False if no lowering knows it.
bool lowerByLoops(StepContext &c, mlir::Operation *op);
/// Copies `from` to `to` in another layout.
void lowerCopy(StepContext &c, const View &to, mlir::Value from);

/// Lowers a product by the tiled generators; empty if they do not take it. `label` begins the function's name.
std::optional<LayerChoice> lowerTiledProduct(StepContext &c, mlir::Operation *op, const std::string &layer);
/// A quantiser of an input's rows as vectors. False if it does not take the operation.
bool lowerVectorQuantise(StepContext &c, mlir::Operation *op);
/// Vectorised pooling over channels-last codes.
std::optional<LayerChoice> lowerVectorPool(StepContext &c, mlir::Operation *op, const std::string &layer);

} // namespace triton
