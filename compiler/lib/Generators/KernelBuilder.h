// Writes the body of a generated function: values with operators, structured loops, raw memory. One per MLIR module.
// Memory is untyped (LLVM pointers and byte offsets), control flow is scf, arithmetic is arith: see docs/rfcs/0002-kernel-emission.md.
#pragma once

#include "triton/Target/TargetDesc.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace triton {

class KernelBuilder;

/// A value of the function under construction: a scalar, a vector or a pointer. The operators need equal types; they mean
/// integer (signed, wrapping) or IEEE arithmetic according to the type.
struct Val {
  mlir::Value v;
  KernelBuilder *k = nullptr;

  explicit operator bool() const { return k != nullptr; }
  mlir::Type type() const { return v.getType(); }
};

Val operator+(Val a, Val b);
Val operator-(Val a, Val b);
Val operator*(Val a, Val b);
Val operator/(Val a, Val b); ///< floats: IEEE; integers: signed, towards zero
Val operator%(Val a, Val b); ///< integers, sign of the dividend
Val operator&(Val a, Val b);
Val operator|(Val a, Val b);
Val operator^(Val a, Val b);
Val operator-(Val a);
// Mixed with constants of the value's own type.
Val operator+(Val a, double b);
Val operator-(Val a, double b);
Val operator*(Val a, double b);
Val operator/(Val a, double b);
Val operator%(Val a, int64_t b);

enum class Cmp : uint8_t { Eq, Ne, Lt, Le, Gt, Ge }; ///< floats: ordered (false with NaN) but for Ne, which is true with NaN
Val compare(Cmp how, Val a, Val b);
Val compare(Cmp how, Val a, double b);
Val select(Val condition, Val a, Val b);
/// The larger; b if either is NaN (x86's maxps). Integers: signed.
Val maxOf(Val a, Val b);
Val minOf(Val a, Val b);

class KernelBuilder {
public:
  KernelBuilder(mlir::ModuleOp module, const TargetDesc &target);

  const TargetDesc &target() const { return desc; }
  mlir::OpBuilder &builder() { return b; }
  mlir::Location loc() const { return location; }
  void setLocation(mlir::Location l) { location = l; }

  // ---- Types -----------------------------------------------------------------------------------------------------------
  mlir::Type i1() { return b.getI1Type(); }
  mlir::Type i8() { return b.getI8Type(); }
  mlir::Type i16() { return b.getI16Type(); }
  mlir::Type i32() { return b.getI32Type(); }
  mlir::Type i64() { return b.getI64Type(); }
  mlir::Type f32() { return b.getF32Type(); }
  mlir::Type f64() { return b.getF64Type(); }
  mlir::Type ptr() { return pointerType; }
  /// `lanes` elements of a scalar type; the scalar itself for one lane.
  mlir::Type vec(int64_t lanes, mlir::Type element);

  // ---- Constants -------------------------------------------------------------------------------------------------------
  /// A constant of an integer or float type, splat for vectors.
  Val constant(mlir::Type type, double value);
  Val constantInt(mlir::Type type, int64_t value);
  Val index(int64_t value) { return constantInt(i64(), value); }
  Val constantBytes(mlir::ArrayRef<int8_t> values); ///< a vector
  Val f32c(float value);
  Val i32c(int64_t value) { return constantInt(i32(), value); }
  /// The float whose bits are given (exact, for numerics.md's constants).
  Val f32Bits(uint32_t bits);

  // ---- Functions -------------------------------------------------------------------------------------------------------
  /// Starts a function; emission goes into it until end(). Private ones are helpers shared by several steps.
  std::vector<Val> begin(const std::string &name, mlir::ArrayRef<mlir::Type> arguments, mlir::Type result, bool isPrivate);
  void end(Val result = {});
  /// The private function that a recipe describes (Recipe.h), written by `write` when it is first asked for; returns its name, which begins
  /// with `stem`. Its code may depend on nothing but the recipe, the name and the target.
  std::string kernel(const std::string &stem, const std::string &recipe, mlir::ArrayRef<mlir::Type> arguments,
                     const std::function<void(const std::vector<Val> &arguments)> &write);
  /// Asked once for each kernel: true if somebody has its object. It is then only declared.
  std::function<bool(const std::string &name, const std::string &recipe)> isKnown;
  Val call(const std::string &name, mlir::ArrayRef<Val> arguments, mlir::Type result = {});
  /// Calls the function at an address; it returns nothing.
  void callPointer(Val function, mlir::ArrayRef<Val> arguments);

  // ---- Memory ----------------------------------------------------------------------------------------------------------
  Val offset(Val pointer, Val bytes);
  Val offset(Val pointer, int64_t bytes);
  Val load(mlir::Type type, Val pointer, int64_t alignment = 1);
  /// The same from memory, whatever the code before has stored there: for what registers should not keep meanwhile.
  Val loadAnew(mlir::Type type, Val pointer, int64_t alignment = 1);
  void store(Val value, Val pointer, int64_t alignment = 1);
  /// Stores the first `lanes` lanes in as few pieces as their number allows.
  void storeLanes(Val vector, int64_t lanes, Val pointer);
  /// Asks for the cache line at an address to be brought into the second-level cache, or the first. Any address may be given.
  void prefetch(Val pointer, bool intoFirst = false);
  Val addressOf(Val pointer);     ///< as an i64
  Val pointerTo(Val address);
  /// Loads `lanes` lanes without touching what lies behind them; the other lanes of the result are zero.
  Val loadLanes(mlir::Type vectorType, int64_t lanes, Val pointer);

  // ---- Control ---------------------------------------------------------------------------------------------------------
  void forLoop(Val lower, Val upper, int64_t step, const std::function<void(Val)> &body);
  void forLoop(int64_t lower, int64_t upper, int64_t step, const std::function<void(Val)> &body);
  /// With values carried from iteration to iteration; returns what the last one gives.
  std::vector<Val> forLoop(Val lower, Val upper, int64_t step, const std::vector<Val> &init,
                           const std::function<std::vector<Val>(Val, const std::vector<Val> &)> &body);
  std::vector<Val> forLoop(int64_t lower, int64_t upper, int64_t step, const std::vector<Val> &init,
                           const std::function<std::vector<Val>(Val, const std::vector<Val> &)> &body);
  void ifThen(Val condition, const std::function<void()> &then);
  std::vector<Val> ifElse(Val condition, mlir::ArrayRef<mlir::Type> types, const std::function<std::vector<Val>()> &then,
                          const std::function<std::vector<Val>()> &otherwise);

  // ---- Arithmetic ------------------------------------------------------------------------------------------------------
  Val splat(Val scalar, int64_t lanes);
  Val shuffle(Val a, Val b, mlir::ArrayRef<int32_t> lanes);
  Val lane(Val vector, int64_t index);
  /// Consecutive lanes [from, from + count).
  Val slice(Val vector, int64_t from, int64_t count);
  Val bitcast(Val value, mlir::Type type);
  Val signExtend(Val value, mlir::Type element);
  Val zeroExtend(Val value, mlir::Type element);
  Val truncate(Val value, mlir::Type element);
  Val intToFloat(Val value);           ///< signed, to binary32, to nearest even
  Val floatToInt(Val value, mlir::Type element); ///< towards zero; the value must fit
  Val toFloat64(Val value);
  Val toFloat32(Val value);
  Val fma(Val a, Val b, Val c);        ///< one rounding, on every target
  Val sqrt(Val a);
  Val maxInt(Val a, Val b, bool isUnsigned);
  Val minInt(Val a, Val b, bool isUnsigned);
  Val abs(Val a);                      ///< floats
  Val shiftLeft(Val a, int64_t bits);
  Val shiftRight(Val a, int64_t bits); ///< arithmetic
  Val shiftRightLogical(Val a, int64_t bits);
  /// clamp(rne(y), lo, hi) as an integer (i32 lanes), lo and hi integers within +-2^21; NaN gives lo.
  Val roundClamp(Val y, double lo, double hi);
  /// The same plus `add`. The low 8 bits are right, the others are not: what a store of codes needs.
  Val roundClampLow8(Val y, double lo, double hi, int64_t add = 0);
  /// rne(y) as i32 lanes, |y| < 2^31 (x86 only, whole vectors).
  Val roundToInt(Val y);
  /// Vectors of i32 lanes, four of them, to the bytes of one vector in the same order, saturated (x86 only, whole vectors).
  /// Not in order: the four lanes that each vector has in the same 128 bits stand together.
  Val packToBytes(mlir::ArrayRef<Val> four, bool isUnsigned, bool inOrder = true);
  Val intrinsic(const char *name, mlir::Type result, mlir::ArrayRef<Val> arguments);

  mlir::Value make(Val v) { return v.v; }
  Val wrap(mlir::Value v) { return Val{v, this}; }
  /// The scalar type with the shape (lanes) of another.
  mlir::Type like(mlir::Type shape, mlir::Type element);

private:
  mlir::LLVM::LLVMFuncOp declare(const std::string &name, mlir::ArrayRef<mlir::Type> arguments, mlir::Type result, bool isPrivate);

  mlir::ModuleOp module;
  const TargetDesc desc;
  mlir::OpBuilder b;
  mlir::Location location;
  mlir::Type pointerType;
  std::map<std::string, std::string> recipes; ///< of the kernels by name
};

} // namespace triton
