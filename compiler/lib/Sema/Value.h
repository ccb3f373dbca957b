// What an expression evaluates to, and where names keep it. Compile-time values are held here; run-time values are places in
// a graph (Rt). Scopes, instances and parameters live in the evaluator's arenas until the analysis ends, so plain pointers to
// them stay valid and cycles (a member that is a function of its own layer) cost nothing.
#pragma once

#include "triton/AST/AST.h"
#include "triton/Sema/Graph.h"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace triton::sema {

class GraphBuilder;
struct Instance;
struct Param;
struct Scope;

/// What is known about a value that is not known.
enum class UnknownType : uint8_t { Any, Int, Float, Bool, Str, DType, Layer, List };

/// How `random_ternary` makes a constant; without a seed the tensor's key decides, known when all members have their place.
struct RandomSpec {
  std::optional<uint64_t> seed;
  double zero = 1.0 / 3;
  const Instance *owner = nullptr;
  std::string name;
};

/// A run-time value: a tensor, or a scalar as rank 0 (whose value may be known).
struct Rt {
  TensorType type;
  bool shapeKnown = true;
  bool dtypeKnown = true;
  bool isWeight = false; ///< a `Weight`/`TernaryTensor` parameter
  bool hasScale = false; ///< its codes carry a scale
  bool known = false;    ///< a scalar with a known value: `intValue` for trits and integers, else `floatValue`
  int64_t intValue = 0;
  double floatValue = 0;
  Param *param = nullptr;
  GraphBuilder *owner = nullptr; ///< the graph that holds it as `id`; null for constants and parameters, which any graph may use
  ValueId id = kNoValue;
  std::shared_ptr<std::vector<double>> data; ///< a constant: all elements, or one that stands for all
  std::shared_ptr<RandomSpec> random;

  bool isScalar() const { return shapeKnown && type.shape.empty(); }
};
using RtPtr = std::shared_ptr<Rt>;

struct Value;
using ValueVec = std::vector<Value>;

/// A `fn` or `layer` with the scope it closes over.
struct Callable {
  const ast::Stmt *decl = nullptr;
  Scope *closure = nullptr;
  Instance *self = nullptr; ///< the instance in whose body it stands
};

/// A relation between sizes that only a session can decide.
struct Relation {
  Dim left, right;
  ast::BinaryOp op;
};

/// `equal(a, b)` or `close(a, b, tol)` in a test.
struct TensorCompare {
  TestAssert::Kind kind;
  RtPtr left, right;
  double tolerance = 1e-6;
};

struct Value {
  enum Kind : uint8_t {
    Poison,  ///< an error was reported; stay silent
    Unknown, ///< not known in the generic check; `unknown` tells the type
    None,    ///< no result
    Int, SymInt, Float, Bool, Str, DTypeV, Function, Layer, InstanceV, List, Tensor, Tuple, Module, Builtin,
    Undecided, ///< a comparison of sizes: Relations
    Compare,   ///< TensorCompare
  } kind = Poison;
  union {
    int64_t i;
    double f;
    bool b;
    DType dtype;
    UnknownType unknown;
    Instance *instance;
    Scope *scope;
  };
  std::shared_ptr<void> payload;

  Value() : i(0) {}

  static Value poison() { return {}; }
  static Value unknownOf(UnknownType type = UnknownType::Any) { Value v; v.kind = Unknown; v.unknown = type; return v; }
  static Value none() { Value v; v.kind = None; return v; }
  static Value ofInt(int64_t x) { Value v; v.kind = Int; v.i = x; return v; }
  static Value ofFloat(double x) { Value v; v.kind = Float; v.f = x; return v; }
  static Value ofBool(bool x) { Value v; v.kind = Bool; v.b = x; return v; }
  static Value ofDType(DType x) { Value v; v.kind = DTypeV; v.dtype = x; return v; }
  static Value ofInstance(Instance *x) { Value v; v.kind = InstanceV; v.instance = x; return v; }
  static Value ofStr(std::string x) { return make(Str, std::move(x)); }
  static Value ofList(ValueVec x) { return make(List, std::move(x)); }
  static Value ofTuple(ValueVec x) { return make(Tuple, std::move(x)); }
  static Value ofCallable(Kind kind, Callable x) { return make(kind, std::move(x)); }
  static Value ofBuiltin(std::string name) { return make(Builtin, std::move(name)); }
  static Value ofRt(RtPtr rt) { Value v; v.kind = Tensor; v.payload = std::move(rt); return v; }
  static Value ofModule(std::string name, Scope *scope) { Value v = make(Module, std::move(name)); v.scope = scope; return v; }
  static Value ofRelations(std::vector<Relation> x) { return make(Undecided, std::move(x)); }
  static Value ofCompare(TensorCompare x) { return make(Compare, std::move(x)); }
  /// A size: an Int when it is constant, Unknown when nothing can be said.
  static Value ofDim(const Dim &dim);

  const std::string &str() const { return *static_cast<std::string *>(payload.get()); }
  const ValueVec &list() const { return *static_cast<ValueVec *>(payload.get()); }
  const Callable &callable() const { return *static_cast<Callable *>(payload.get()); }
  const Dim &dim() const { return *static_cast<Dim *>(payload.get()); }
  const std::vector<Relation> &relations() const { return *static_cast<std::vector<Relation> *>(payload.get()); }
  const TensorCompare &compare() const { return *static_cast<TensorCompare *>(payload.get()); }
  RtPtr rt() const { return std::static_pointer_cast<Rt>(payload); }
  const Rt &tensor() const { return *static_cast<Rt *>(payload.get()); }

  bool isPoison() const { return kind == Poison; }
  /// Poison or Unknown: nothing more can be checked.
  bool isOpaque() const { return kind == Poison || kind == Unknown; }
  bool isSize() const { return kind == Int || kind == SymInt; }
  bool isNumber() const { return kind == Int || kind == Float || kind == SymInt; }
  /// The size as a polynomial (only for Int and SymInt).
  Dim asDim() const { return kind == Int ? Dim(i) : dim(); }

private:
  template <typename T>
  static Value make(Kind kind, T &&x) {
    Value v;
    v.kind = kind;
    v.payload = std::make_shared<std::decay_t<T>>(std::forward<T>(x));
    return v;
  }
};

inline Value Value::ofDim(const Dim &dim) {
  if (auto c = dim.constant())
    return ofInt(*c);
  if (dim.isUnknown())
    return unknownOf(UnknownType::Int);
  return make(SymInt, Dim(dim));
}

/// One name.
struct Slot {
  enum Kind : uint8_t { Local, Parameter, Member, TopLevel, Dimension, Import } kind = Local;
  Value value;
  bool set = false;
  std::string_view name;
  SourceRange declared;
  const ast::TypeSpec *type = nullptr; ///< as declared, may be null
};

/// Names that see each other. Lookup walks `parent`.
struct Scope {
  enum Kind : uint8_t { Imports, File, Body, Block } kind = Block;
  Scope *parent = nullptr;
  const ast::Stmt *owner = nullptr; ///< the layer, model or fn of a Body
  bool pinned = false;              ///< something may still refer to it when control leaves it

  Slot *findHere(std::string_view name);
  Slot *find(std::string_view name);
  /// Adds a name; the caller has checked that it is not there yet.
  Slot *declare(std::string_view name, Slot::Kind kind, SourceRange at);
  const std::vector<std::unique_ptr<Slot>> &all() const { return slots; }

private:
  std::vector<std::unique_ptr<Slot>> slots;
  std::unordered_map<std::string_view, Slot *> index; // used once there are more than a few
};

/// What the attributes in force say (section 9), merged argument by argument from the outside in.
struct AttrEnv {
  WeightPolicy weight;
  bool weightKnown = true; ///< false in a generic check until an attribute says what weights are
  ActPolicy acts;
  bool frozen = false;
};

/// A learned tensor of an instance.
struct Param {
  Instance *owner = nullptr;
  std::string segment; ///< its own part of the key
  RtPtr rt;
  bool isWeight = false;
  WeightPolicy policy;
  bool frozen = false;
  RtPtr init;
  SourceRange range;
};

/// A `let` or `param` in the body of a layer or model: a part of keys.
struct MemberDecl {
  Slot *slot = nullptr;
  std::string segment;
  Param *param = nullptr; ///< for `param`
  SourceRange range;
};

/// A layer with its arguments, or the root that stands for a model or test.
struct Instance {
  const ast::Stmt *decl = nullptr;
  Scope *scope = nullptr;
  AttrEnv env;
  bool isRoot = false;
  Instance *parent = nullptr; ///< the first member path that reaches it
  std::string segment;
  SourceRange memberRange; ///< the binding that gave it its place
  bool holdsParams = false;
  std::vector<MemberDecl> members;
  std::vector<Instance *> children; ///< placed under it, in order
  SourceRange made;
  std::string title; ///< `Block(16, 32)` for notes

  bool placed() const { return isRoot || parent; }
  /// The member names from the root, joined by dots; empty for the root.
  std::string path() const;
};

/// `int`, `Tensor[N, 3]`, `list`, ... for messages.
std::string typeString(const Value &value);
std::string typeString(const Rt &rt);
/// A compile-time value for messages: `[1, 2]`, `0.5`, `true`.
std::string valueString(const Value &value);
std::string floatString(double value);

} // namespace triton::sema
