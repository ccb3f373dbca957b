// The evaluator: runs definitions over values that may be unknown (the generic check) or known (an instance), and records
// the operations of models and tests in graphs. One class, split over files by what they evaluate:
//   Evaluator.cpp     entry, files, frames, reports        Imports.cpp      import, use, the embedded library
//   Expressions.cpp   everything but operators and calls   Operators.cpp    + - * / @, comparisons, conversions
//   Calls.cpp         argument binding, functions          Layers.cpp       instances, members, keys
//   OperationCalls.cpp built-in operations on tensors      Functions.cpp    compile-time functions (len, shape, ..)
//   Statements.cpp    let, assign, if, for, assert, ...    Types.cpp        declared types, dimension variables
//   Attributes.cpp    section 9                            Models.cpp       models, tests, generic checks
// Names.cpp checks names before anything runs, so that branches that are not taken are checked too.
#pragma once

#include "GraphBuilder.h"
#include "Value.h"

#include "triton/Sema/Operations.h"
#include "triton/Sema/Sema.h"

#include <deque>
#include <functional>
#include <set>
#include <span>
#include <unordered_set>

namespace triton::sema {

/// One file: its tree, its scopes, what it declares.
struct SourceFile {
  FileId id = 0;
  std::string path;    ///< as opened; empty for the library's own
  std::string place;   ///< ImportPlace::place of its first import; the main file's name
  bool library = false;
  std::unique_ptr<ast::Program> owned;
  const ast::Program *program = nullptr;
  Scope *imports = nullptr;
  Scope *scope = nullptr;
  bool complete = false; ///< its top-level statements have run
  bool namesFine = true; ///< the name check found no undefined name
  bool incomplete = false; ///< an import was not found or had errors: names may be missing
};

/// How control leaves a statement.
enum class Flow : uint8_t { Next, Returned };

/// The body that is running.
struct Frame {
  enum Kind : uint8_t { File, Layer, Model, Test, Fn } kind = File;
  const ast::Stmt *decl = nullptr;
  Instance *self = nullptr;  ///< Layer, Model, Test: where members go
  Scope *body = nullptr;     ///< where dimension variables live
  SourceFile *file = nullptr;
  std::optional<Value> result;
  std::optional<Value> maybeResult; ///< of a return under a condition that is not known
};

/// An evaluated argument of a call.
struct Argument {
  const ast::Arg *source = nullptr;
  Value value;
};

/// Parameter names for argument binding.
struct Formal {
  std::string_view name;
  bool required;
};

class Evaluator {
public:
  Evaluator(SourceManager &sources, DiagnosticEngine &diags, const SemaOptions &options, size_t stackBytes)
      : sources(sources), diags(diags), options(options), stackLimit(stackBytes / 4 * 3) {}

  TypedModule run(const ast::Program &program);

private:
  friend class State;

  // ---- Evaluator.cpp
  /// One diagnostic under construction; given to the engine with the chain of instances when it is destroyed.
  class Report {
  public:
    Report(Evaluator &evaluator, Diagnostic diagnostic) : evaluator(evaluator), diagnostic(std::move(diagnostic)) {}
    Report(const Report &) = delete;
    ~Report();
    Report &help(std::string text) { diagnostic.help = std::move(text); return *this; }
    Report &note(SourceRange range, std::string text) {
      diagnostic.notes.push_back({range, std::move(text)});
      return *this;
    }
    Report &underline(SourceRange range) { diagnostic.underline.push_back(range); return *this; }
    Report &fixit(SourceRange range, std::string text) {
      diagnostic.fixits.push_back({range, std::move(text)});
      return *this;
    }

  private:
    Evaluator &evaluator;
    Diagnostic diagnostic;
  };
  Report report(Diag code, SourceRange at, std::initializer_list<std::string> arguments = {});
  /// Runs `body` with a diagnostic engine of its own and passes on what it reports with the chain of instances.
  bool withNotes(const std::function<void(DiagnosticEngine &)> &body);
  void addChain(Diagnostic &diagnostic) const;
  Scope *newScope(Scope::Kind kind, Scope *parent, const ast::Stmt *owner = nullptr);
  void leaveScope(Scope *scope);
  void pin(Scope *scope);
  void runFile(SourceFile &file);
  void declareHoisted(const std::vector<ast::StmtPtr> &items);
  std::string freshName(std::string_view hint);
  Value freshInt(std::string_view hint);
  /// True if every variable stands for a size that a session chooses, none for a value unknown in the generic check.
  bool onlyDimensions(const Dim &dim) const;
  Value newDimension(const std::string &name);
  /// Where relations between sizes wait for the session; null where there is none.
  std::vector<RuntimeCheck> *waitingChecks();
  bool stackIsLow() const;

  // ---- Imports.cpp
  void execImport(const ast::Stmt &stmt);
  void execUse(const ast::Stmt &stmt);
  SourceFile *loadFile(const std::string &path, const std::string &place, const std::string &name, SourceRange at);
  SourceFile *loadLibrary(const std::string &module, SourceRange at);
  void openNames(SourceFile &file, Scope *into);

  // ---- Expressions.cpp
  Value eval(const ast::Expr &expr);
  Value evalName(const ast::Expr &expr);
  bool declaredInBranch(const ast::Stmt &layer, std::string_view name);
  Value readSlot(const Slot &slot, SourceRange at);
  Value evalMember(const ast::Expr &expr);
  Value evalIndex(const ast::Expr &expr);
  Value indexTensor(const Value &base, const ast::Expr &expr, const ValueVec &indices);
  Value evalConditional(const ast::Expr &expr);
  Value evalList(const ast::Expr &expr);
  Value evalComprehension(const ast::Expr &expr);
  Value evalTensorLiteral(const ast::Expr &expr);
  Value repeatExpr(const ast::Expr &element, int64_t count, SourceRange at);
  bool countElements(size_t count, SourceRange at);
  bool bindNames(const ast::Binder &binder, const Value &value, Scope *scope, SourceRange at,
                 const std::function<void(Slot *, size_t)> &each = {});
  /// The iterations of a loop; nothing when they are not known (`unknownItem` is then one of them) or an error was reported.
  struct LoopPlan {
    bool known = false, failed = false;
    bool overList = false;
    int64_t from = 0, step = 1, count = 0;
    ValueVec items;
    Value unknownItem;
  };
  LoopPlan planLoop(const ast::LoopRange &loop, const ast::Binder &binder);
  bool spendIterations(int64_t count, SourceRange at);

  // ---- Operators.cpp
  Value evalBinary(const ast::Expr &expr);
  Value applyBinary(ast::BinaryOp op, const Value &lhs, const Value &rhs, const ast::Expr &expr, const ast::Expr *lhsExpr);
  Value arithmetic(ast::BinaryOp op, const Value &lhs, const Value &rhs, const ast::Expr &expr);
  Value sizeArithmetic(ast::BinaryOp op, const Value &lhs, const Value &rhs, const ast::Expr &expr);
  Value tensorArithmetic(OpKind op, Value lhs, Value rhs, const ast::Expr *lhsExpr, const ast::Expr *rhsExpr, SourceRange at,
                         std::string_view spelling);
  Value compareValues(ast::BinaryOp op, const Value &lhs, const Value &rhs, SourceRange at);
  Value logic(ast::BinaryOp op, const Value &lhs, const Value &rhs, const ast::Expr &expr);
  Value negate(const Value &value, const ast::Expr &operand, SourceRange at);
  Value logicalNot(const Value &value, const ast::Expr &expr);
  Value incompatible(const Value &lhs, const Value &rhs, std::string_view op, SourceRange at);
  /// A compile-time number (or known scalar) as a scalar of `dtype`; nothing after an error.
  std::optional<RtPtr> adaptLiteral(const Value &value, DType dtype, SourceRange at);
  bool fitsDType(int64_t value, DType dtype, SourceRange at);
  /// A known scalar as the compile-time value it holds; anything else as it is.
  static Value steer(const Value &value);
  Value castTo(DType to, const Value &value, const ast::Expr *expr, SourceRange at);
  Value convertRt(const RtPtr &value, DType to, SourceRange at);
  Value mergeValues(const Value &a, const Value &b, std::string_view hint);

  // ---- Calls.cpp
  Value evalCall(const ast::Expr &expr);
  Value callValue(const Value &callee, const ast::Expr &expr, std::vector<Argument> args);
  std::vector<Argument> evalArguments(const std::vector<ast::Arg> &args);
  /// For each formal the index of its argument or -1; nothing after an error (TRI0305..0307).
  std::optional<std::vector<int>> bindArguments(const std::string &name, std::span<const Formal> formals,
                                                std::span<const Argument> args, SourceRange at);
  bool bindParameters(const ast::Stmt &decl, const std::vector<Argument> &args, Scope *scope, SourceRange at);
  Value callFunction(const Callable &fn, const std::vector<Argument> &args, SourceRange at, const std::string &name);
  Value finishCall(const ast::Stmt &decl, Frame &frame, SourceRange at);
  Value checkResult(const ast::Stmt &decl, Value value, SourceRange at);
  std::string describeCall(const ast::Stmt &decl, Scope *scope) const;
  bool enter(const ast::Stmt &decl, const std::string &title, SourceRange at);
  void leave();
  bool genericEnough() const;

  // ---- Layers.cpp
  enum class LayerKind : uint8_t { WithForward, Function, Container };
  LayerKind layerKind(const ast::Stmt &decl);
  Value instantiate(const Callable &layer, const std::vector<Argument> &args, SourceRange at);
  Value callInstance(Instance &instance, const std::vector<Argument> &args, SourceRange at);
  Value callList(const Value &list, const std::vector<Argument> &args, SourceRange at, const ast::Expr &expr);
  void addMember(Slot *slot, const ast::Name &name, const std::optional<std::string> &key, Param *param);
  void placeMembers(Instance &owner);
  void place(const Value &value, Instance &owner, const std::string &segment, SourceRange range, bool &holds);
  Value makeParam(const ast::Stmt &stmt, const ast::Name &name);

  // ---- OperationCalls.cpp
  Value callOperation(const OpSignature &op, const std::vector<Argument> &args, SourceRange at);
  std::optional<Attr> toAttr(const OpParam &param, const Value &value, SourceRange at, bool &unknown);
  std::optional<Attr> defaultAttr(const OpParam &param, const AttrMap &soFar);
  Value callConstant(std::string_view name, const std::vector<Argument> &args, SourceRange at);
  std::optional<Shape> toShape(const Value &value, SourceRange at);
  bool checkShape(const Shape &shape, SourceRange at);
  Operand operandOf(const Value &value, const ast::Expr *expr);
  Value makeResult(OpKind op, const std::vector<Value> &operands, const OpResult &result, AttrMap attrs, SourceRange at);

  // ---- Functions.cpp
  static bool isFunctionName(std::string_view name);
  Value callBuiltin(const std::string &name, const std::vector<Argument> &args, const ast::Expr &expr);
  Value callCompileTime(const std::string &name, const std::vector<Argument> &args, SourceRange at);
  Value callCompare(const std::string &name, const std::vector<Argument> &args, SourceRange at);
  Value extreme(bool wantMax, const std::vector<Argument> &args, SourceRange at);

  // ---- Statements.cpp
  Flow execBlock(const ast::Block &block);
  Flow execItems(const std::vector<ast::StmtPtr> &items);
  Flow exec(const ast::Stmt &stmt);
  Flow execPlain(const ast::Stmt &stmt);
  void execLet(const ast::Stmt &stmt);
  void execParam(const ast::Stmt &stmt);
  void execAssign(const ast::Stmt &stmt);
  Flow execReturn(const ast::Stmt &stmt);
  Flow execIf(const ast::Stmt &stmt);
  Flow execBothBranches(const ast::Stmt &stmt);
  Flow execElse(const ast::Stmt &stmt);
  Flow execBranch(const ast::Block &block);
  void execFor(const ast::Stmt &stmt);
  void execAssert(const ast::Stmt &stmt);
  Slot *declare(const ast::Name &name, Slot::Kind kind);
  Value overrideValue(const std::string &text, const Value &old, const ast::Stmt &stmt);
  void setSlot(Slot *slot, Value value);
  /// True, false, or nothing when it is not known (an error may have been reported).
  std::optional<bool> condition(const ast::Expr &expr);
  const std::vector<std::string_view> &assignedIn(const ast::Stmt &stmt);
  void forgetAssigned(const ast::Stmt &stmt);

  // ---- Types.cpp
  /// The value as the declared type wants it; reports `mismatch` (TRI0301 or TRI0309) at `at`.
  Value convertTo(const ast::TypeSpec &type, const Value &value, SourceRange at, Diag mismatch = Diag::TypeMismatch);
  Value convertNamed(const ast::TypeSpec &type, const Value &value, SourceRange at, Diag mismatch);
  Value convertTensor(const ast::TypeSpec &type, const Value &value, SourceRange at, Diag mismatch);
  Value mismatch(Diag code, const ast::TypeSpec &type, const Value &value, SourceRange at);
  void bindDimensions(const ast::TypeSpec &type, const Value &value);
  /// What a declared parameter may be when nothing is known about its argument.
  Value unknownOf(const ast::TypeSpec &type, std::string_view name);
  struct TensorPattern {
    std::optional<DType> dtype; ///< none: any
    std::vector<DType> choices; ///< `uint8|float32`
    bool weight = false;
    bool shapeKnown = false;    ///< false for `Tensor`, `Tensor[float16]` and where `...` stands
    int64_t ellipsis = -1;      ///< position of `...` among `sizes`
    bool sized = false;         ///< has any size, `?` or `...`
    std::vector<std::pair<Dim, SourceRange>> sizes;
  };
  TensorPattern pattern(const ast::TypeSpec &type);
  std::string patternString(const ast::TypeSpec &type);
  RtPtr rtOf(const TensorPattern &pattern);
  Dim evalDim(const ast::Expr &expr);
  static const std::string *dimensionName(const ast::Expr &expr);
  static bool isCompileTime(const ast::TypeSpec &type);
  void checkTypeNames(const ast::TypeSpec &type);

  // ---- Attributes.cpp
  enum class Place : uint8_t { Param, Let, Layer, Model, Fn, Other };
  void applyAttributes(const ast::Stmt &stmt, Place place, Graph *graph = nullptr);
  void applyTernary(const ast::Attribute &attr);
  void applyWeights(const ast::Attribute &attr);
  void applyActs(const ast::Attribute &attr);
  void applyPreprocess(const ast::Attribute &attr, Graph *graph);
  void applyExport(const ast::Attribute &attr, Graph *graph, bool labels);
  void badArgument(const ast::Attribute &attr, SourceRange at, const std::string &what);
  /// Reads the class names of @labels, one a line, from a file beside the program that says so.
  void readLabels(const std::string &file, SourceRange at, const std::function<void(SourceRange, const std::string &)> &bad, Graph &graph);

  // ---- Models.cpp
  void checkDefinition(const Callable &callable, Value::Kind kind);
  void checkGeneric(const Callable &callable, Value::Kind kind);
  void buildModel(const ast::Stmt &stmt, SourceFile &file, TypedModule &module);
  void buildTest(const ast::Stmt &stmt, SourceFile &file, TypedModule &module);
  void addInput(const ast::Parameter &param, Scope *scope);
  void addOutputs(const ast::Stmt &stmt, const Value &value, SourceRange at);
  void checkSums(const Graph &graph);

  SourceManager &sources;
  DiagnosticEngine &diags;
  const SemaOptions &options;

  std::deque<std::unique_ptr<Scope>> scopes;
  std::deque<Instance> instances;
  std::deque<Param> params;
  std::vector<std::unique_ptr<SourceFile>> files;
  std::unordered_map<std::string, SourceFile *> filesByPath;
  std::vector<std::pair<std::string, SourceFile *>> loading; // the chain of imports

  // What is running.
  Scope *scope = nullptr;
  Frame *frame = nullptr;
  Instance *running = nullptr; // whose forward runs
  AttrEnv env;
  GraphBuilder *builder = nullptr; // null in a generic check
  bool generic = false;
  std::string bindingName; // of the `let` that is running, for random_ternary
  struct ChainLink {
    const ast::Stmt *decl;
    std::string title;
    SourceRange at;
  };
  std::vector<ChainLink> chain;
  bool binding = false; // arguments are bound: the innermost link of the chain is not yet running
  const ast::Parameter *bindingTo = nullptr; // the parameter that takes the value under check
  std::string literalHelp; // for a literal that does not fit
  int64_t genericBudget = 0; // statements that one generic check may still run

  std::unordered_set<std::string> genericNames; // variables that stand for unknown compile-time values
  std::unordered_map<const ast::Stmt *, LayerKind> layerKinds;
  std::unordered_map<const ast::Stmt *, std::unordered_set<std::string_view>> branchNames;
  std::unordered_map<const ast::Stmt *, std::vector<std::string_view>> assigned;
  std::unordered_set<const ast::Stmt *> checked; // generic checks done or under way
  std::unordered_set<const ast::Stmt *> recursive;
  std::unordered_map<const ast::Stmt *, SourceFile *> fileOf;
  std::unordered_map<const ast::Stmt *, std::pair<Callable, Value::Kind>> callables; // of top-level definitions
  int64_t iterations = 0;
  int64_t calls = 0; // of the model that is built
  int64_t listElements = 0;
  std::unordered_map<std::string, SourceRange> exportNames;
  std::unique_ptr<GraphBuilder> topLevel; // tensors computed outside models
  std::vector<TestAssert> *testAsserts = nullptr;
  TypedModule *module = nullptr;
  std::set<FileId> libraryFiles;
  std::vector<std::unique_ptr<ast::Program>> overrides; // of -D
  uint64_t nextFresh = 2;
  size_t checkDepth = 0; // generic checks under way
  uintptr_t stackBase = 0;
  size_t stackLimit;
};

/// Section 2's limit, for calls: a chain of calls as deep as this is refused like nesting.
constexpr size_t kMaxCallDepth = 1024;

/// The embedded text of a library module (`std.nn`), or null.
const char *libraryText(std::string_view module);
/// The names of all library modules.
std::vector<std::string> libraryModules();

} // namespace triton::sema
