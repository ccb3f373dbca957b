// The abstract syntax tree: what was written, nothing inferred. Plain structs that own their strings; every node carries its
// SourceRange. Produced by Parse, read by Sema, printed by AST/Printer.
#pragma once

#include "triton/Support/DType.h"
#include "triton/Support/Source.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace triton::ast {

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using StmtPtr = std::unique_ptr<Stmt>;

/// A name with its place. `text` is empty only in nodes that error recovery made.
struct Name {
  std::string text;
  SourceRange range;
};

// ---- Types -------------------------------------------------------------------------------------------------------------

enum class TensorHead : uint8_t { Tensor, TensorLower, TernaryTensor, Weight };

/// One entry of a bracketed type: dtypes (`uint8|float32`), `?`, `...` or a dimension expression.
struct TypeArg {
  enum Kind : uint8_t { DTypes, Unknown, Ellipsis, Dimension } kind = Dimension;
  std::vector<DType> dtypes;
  ExprPtr dimension;
  SourceRange range;
};

struct TypeSpec {
  enum Kind : uint8_t {
    Scalar, ///< `dtype`
    Tensor, ///< `head`, `head[..]` or `head<dtype, [..]>`
    Layer,  ///< the word `layer`
    Named,  ///< `int`, `float`, `bool`, `str`, `pair`, `list`, `list[T]`, ...: sema decides
  } kind = Named;
  DType dtype = DType::Float32; // Scalar
  TensorHead head = TensorHead::Tensor;
  bool hasArgs = false; // `Tensor[...]` or `Tensor<...>` rather than plain `Tensor`
  bool angle = false;   // the angle form; args then hold the dtypes first, then the dimensions
  std::vector<TypeArg> args;
  Name name;                       // Named
  std::unique_ptr<TypeSpec> inner; // list[T]
  SourceRange range;
};
using TypeSpecPtr = std::unique_ptr<TypeSpec>;

// ---- Expressions -------------------------------------------------------------------------------------------------------

enum class BinaryOp : uint8_t { Mul, Div, Mod, MatMul, Add, Sub, Eq, Ne, Lt, Le, Gt, Ge, And, Or };
const char *binaryOpText(BinaryOp op);

struct Arg {
  std::optional<Name> name; // `name = value`
  ExprPtr value;
  SourceRange range;
};

/// `x`, `(a, b)` or `[a, b]` on the left of a binding.
struct Binder {
  enum Kind : uint8_t { Single, Tuple, List } kind = Single;
  std::vector<Name> names;
  SourceRange range;
};

struct LoopRange {
  ExprPtr from; // the list, or the lower bound when `to` is set
  ExprPtr to;
  ExprPtr step;
  SourceRange range;
};

struct Expr {
  enum Kind : uint8_t {
    Int, Float, String, Bool, NameRef, DTypeRef,
    Member,        ///< operand `.` name
    Call,          ///< operand `(` args `)`
    Index,         ///< operand `[` elements `]`
    Negate, Not,   ///< operand
    Binary,        ///< a left-deep chain may be 100,000 long: walk `lhs` with a loop, never by recursion
    Conditional,   ///< if condition then lhs else rhs
    TensorLiteral, ///< type(args)
    List,          ///< elements; `openEnded` if it ends in `...`
    Comprehension, ///< [operand for binder in loop]
    Error,         ///< made by error recovery; stay silent about it
  } kind = Error;
  SourceRange range;   ///< the whole expression
  SourceRange opRange; ///< the operator, the `.name`, the `(`: where the caret goes

  int64_t intValue = 0;
  double floatValue = 0;
  bool boolValue = false;
  std::string text; // String (unescaped), NameRef
  DType dtype = DType::Float32;

  ExprPtr operand; // Member, Call, Index, Negate, Not, Comprehension
  Name member;
  std::vector<Arg> args;
  std::vector<ExprPtr> elements;
  bool openEnded = false;
  BinaryOp op = BinaryOp::Add;
  ExprPtr lhs, rhs, condition;
  TypeSpecPtr type; // TensorLiteral
  Binder binder;
  LoopRange loop;
  bool parenthesised = false;

  Expr() = default;
  Expr(Expr &&) = default;
  Expr &operator=(Expr &&) = default;
  ~Expr(); // iterative over the left spine
};

// ---- Statements and declarations ---------------------------------------------------------------------------------------

struct Attribute {
  Name name;
  bool hasArgs = false;
  std::vector<Arg> args;
  SourceRange range; ///< from `@` to the end
};

struct Parameter {
  Name name;
  TypeSpecPtr type;
  ExprPtr defaultValue;
  SourceRange range;
};

struct ResultItem {
  std::optional<Name> name;
  TypeSpecPtr type;
};

struct Result {
  bool tuple = false; ///< written in parentheses
  std::vector<ResultItem> items;
  SourceRange range;
};

struct Block {
  std::vector<StmtPtr> items;
  SourceRange range;
};

/// A statement or declaration; attributes stand before it.
struct Stmt {
  enum Kind : uint8_t {
    Import, Use, Layer, Model, Fn, Test,
    Let, Param, Assign, Return, For, If, Assert,
    Error, ///< made by error recovery
  } kind = Error;
  SourceRange range;
  SourceRange keyword; ///< `let`, `layer`, `return`, ...
  std::vector<Attribute> attributes;
  std::string doc; ///< text of the `##` comments before it, without `##`

  Name name;        // Layer, Model, Fn, Param, Assign; Import's alias (`as name`, may be empty)
  std::string text; // Import path, Test title, Assert message
  SourceRange textRange;
  bool hasText = false;           // Assert message given
  std::vector<Name> path;         // Use
  bool hasParams = false;         // Layer: `()` written
  std::vector<Parameter> params;  // Layer, Model, Fn
  std::optional<Result> result;   // Layer, Model, Fn
  Block body;                     // Layer, Model, Fn, Test, For, If (taken branch)
  Binder binder;                  // Let, For
  TypeSpecPtr type;               // Let, Param
  ExprPtr value;                  // Let, Param, Assign, Assert condition, If condition
  bool dots = false;              // Let: `= ...`
  std::optional<std::string> key; // Let, Param: `as "key"`
  SourceRange keyRange;
  std::vector<ExprPtr> values;     // Return
  LoopRange loop;                  // For
  std::unique_ptr<Stmt> elseIf;    // If: `else if`
  std::optional<Block> elseBlock;  // If: `else { }`
};

/// One parsed file.
struct Program {
  FileId file = 0;
  std::vector<StmtPtr> items;
  bool hadErrors = false; ///< syntax errors were reported; sema may still run on what is there
};

} // namespace triton::ast
