// The kernel builder: thin layers over the arith, scf and LLVM dialects.
#include "KernelBuilder.h"

using namespace mlir;

namespace triton {

static Type elementOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getElementType();
  return type;
}
static bool isFloating(Val a) { return isa<FloatType>(elementOf(a.type())); }

template <typename IntOp, typename FloatOp>
static Val binary(Val a, Val b) {
  assert(a.type() == b.type() && "operands of one type");
  OpBuilder &builder = a.k->builder();
  if (isFloating(a))
    return a.k->wrap(builder.create<FloatOp>(a.k->loc(), a.v, b.v).getResult());
  return a.k->wrap(builder.create<IntOp>(a.k->loc(), a.v, b.v).getResult());
}
template <typename Op>
static Val integral(Val a, Val b) {
  assert(a.type() == b.type() && "operands of one type");
  return a.k->wrap(a.k->builder().create<Op>(a.k->loc(), a.v, b.v).getResult());
}

Val operator+(Val a, Val b) { return binary<arith::AddIOp, arith::AddFOp>(a, b); }
Val operator-(Val a, Val b) { return binary<arith::SubIOp, arith::SubFOp>(a, b); }
Val operator*(Val a, Val b) { return binary<arith::MulIOp, arith::MulFOp>(a, b); }
Val operator/(Val a, Val b) { return binary<arith::DivSIOp, arith::DivFOp>(a, b); }
Val operator%(Val a, Val b) { return integral<arith::RemSIOp>(a, b); }
Val operator&(Val a, Val b) { return integral<arith::AndIOp>(a, b); }
Val operator|(Val a, Val b) { return integral<arith::OrIOp>(a, b); }
Val operator^(Val a, Val b) { return integral<arith::XOrIOp>(a, b); }
Val operator-(Val a) {
  if (isFloating(a))
    return a.k->wrap(a.k->builder().create<arith::NegFOp>(a.k->loc(), a.v).getResult());
  return a.k->constantInt(a.type(), 0) - a;
}
Val operator+(Val a, double b) { return a + a.k->constant(a.type(), b); }
Val operator-(Val a, double b) { return a - a.k->constant(a.type(), b); }
Val operator*(Val a, double b) { return a * a.k->constant(a.type(), b); }
Val operator/(Val a, double b) { return a / a.k->constant(a.type(), b); }
Val operator%(Val a, int64_t b) { return a % a.k->constantInt(a.type(), b); }

Val compare(Cmp how, Val a, Val b) {
  assert(a.type() == b.type() && "operands of one type");
  OpBuilder &builder = a.k->builder();
  if (isFloating(a)) {
    static constexpr arith::CmpFPredicate kFloat[] = {arith::CmpFPredicate::OEQ, arith::CmpFPredicate::UNE,
                                                      arith::CmpFPredicate::OLT, arith::CmpFPredicate::OLE,
                                                      arith::CmpFPredicate::OGT, arith::CmpFPredicate::OGE};
    return a.k->wrap(builder.create<arith::CmpFOp>(a.k->loc(), kFloat[int(how)], a.v, b.v).getResult());
  }
  static constexpr arith::CmpIPredicate kInt[] = {arith::CmpIPredicate::eq,  arith::CmpIPredicate::ne,
                                                  arith::CmpIPredicate::slt, arith::CmpIPredicate::sle,
                                                  arith::CmpIPredicate::sgt, arith::CmpIPredicate::sge};
  return a.k->wrap(builder.create<arith::CmpIOp>(a.k->loc(), kInt[int(how)], a.v, b.v).getResult());
}
Val compare(Cmp how, Val a, double b) { return compare(how, a, a.k->constant(a.type(), b)); }
Val select(Val condition, Val a, Val b) {
  return a.k->wrap(a.k->builder().create<arith::SelectOp>(a.k->loc(), condition.v, a.v, b.v).getResult());
}
Val maxOf(Val a, Val b) { return select(compare(Cmp::Gt, a, b), a, b); }
Val minOf(Val a, Val b) { return select(compare(Cmp::Lt, a, b), a, b); }

KernelBuilder::KernelBuilder(ModuleOp module, const TargetDesc &target)
    : module(module), desc(target), b(module.getContext()), location(b.getUnknownLoc()),
      pointerType(LLVM::LLVMPointerType::get(module.getContext())) {}

Type KernelBuilder::vec(int64_t lanes, Type element) { return lanes == 1 ? element : VectorType::get({lanes}, element); }
Type KernelBuilder::like(Type shape, Type element) {
  if (auto vector = dyn_cast<VectorType>(shape))
    return VectorType::get(vector.getShape(), element);
  return element;
}

Val KernelBuilder::constant(Type type, double value) {
  Type element = elementOf(type);
  if (isa<IntegerType>(element))
    return constantInt(type, int64_t(value));
  TypedAttr attr = b.getFloatAttr(element, value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  return wrap(b.create<arith::ConstantOp>(location, attr).getResult());
}
Val KernelBuilder::constantInt(Type type, int64_t value) {
  TypedAttr attr = b.getIntegerAttr(elementOf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  return wrap(b.create<arith::ConstantOp>(location, attr).getResult());
}
Val KernelBuilder::constantBytes(ArrayRef<int8_t> values) {
  auto type = VectorType::get({int64_t(values.size())}, i8());
  return wrap(b.create<arith::ConstantOp>(location, DenseElementsAttr::get(type, values)).getResult());
}
Val KernelBuilder::f32c(float value) {
  return wrap(b.create<arith::ConstantOp>(location, FloatAttr::get(b.getF32Type(), llvm::APFloat(value))).getResult());
}
Val KernelBuilder::f32Bits(uint32_t bits) {
  llvm::APFloat value(llvm::APFloat::IEEEsingle(), llvm::APInt(32, bits));
  return wrap(b.create<arith::ConstantOp>(location, FloatAttr::get(b.getF32Type(), value)).getResult());
}

// ---- Functions -----------------------------------------------------------------------------------------------------------

LLVM::LLVMFuncOp KernelBuilder::declare(const std::string &name, ArrayRef<Type> arguments, Type result, bool isPrivate) {
  b.setInsertionPointToEnd(module.getBody());
  Type returns = result ? result : LLVM::LLVMVoidType::get(b.getContext());
  auto type = LLVM::LLVMFunctionType::get(returns, llvm::SmallVector<Type>(arguments));
  auto function = b.create<LLVM::LLVMFuncOp>(location, name, type, isPrivate ? LLVM::Linkage::Internal : LLVM::Linkage::External);
  // No calls may appear that were not written: no-builtins keeps loops from becoming memset and memcpy.
  llvm::SmallVector<Attribute> passthrough = {b.getStringAttr("no-builtins"), b.getStringAttr("nounwind")};
  if (isPrivate)
    passthrough.push_back(b.getStringAttr("noinline"));
  if (desc.vectorBytes == 64)
    passthrough.push_back(b.getArrayAttr({b.getStringAttr("prefer-vector-width"), b.getStringAttr("512")}));
  function.setPassthroughAttr(b.getArrayAttr(passthrough));
  return function;
}
std::vector<Val> KernelBuilder::begin(const std::string &name, ArrayRef<Type> arguments, Type result, bool isPrivate) {
  Block *entry = declare(name, arguments, result, isPrivate).addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  std::vector<Val> values;
  for (BlockArgument argument : entry->getArguments())
    values.push_back(wrap(argument));
  return values;
}
void KernelBuilder::end(Val result) {
  b.create<LLVM::ReturnOp>(location, result ? ValueRange(result.v) : ValueRange());
  b.setInsertionPointToEnd(module.getBody());
}

/// FNV-1a.
static std::string digest(const std::string &text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text)
    hash = (hash ^ c) * 0x100000001b3;
  char out[17];
  snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(hash));
  return out;
}

std::string KernelBuilder::kernel(const std::string &stem, const std::string &recipe, ArrayRef<Type> arguments,
                                  const std::function<void(const std::vector<Val> &)> &write) {
  std::string first = stem + "_" + digest(recipe), name = first;
  // A digest only makes names short. Two recipes of one digest get two names.
  for (int more = 2;; ++more) {
    auto [it, isNew] = recipes.try_emplace(name, recipe);
    if (isNew)
      break;
    if (it->second == recipe)
      return name;
    name = first + "_" + std::to_string(more);
  }
  if (isKnown && isKnown(name, recipe)) {
    auto function = declare(name, arguments, {}, true);
    function.setLinkage(LLVM::Linkage::External);
    function.setVisibility_(LLVM::Visibility::Hidden);
    return name;
  }
  write(begin(name, arguments, {}, true));
  end();
  return name;
}

Val KernelBuilder::call(const std::string &name, ArrayRef<Val> arguments, Type result) {
  llvm::SmallVector<Value> values;
  for (Val a : arguments)
    values.push_back(a.v);
  auto op = b.create<LLVM::CallOp>(location, result ? TypeRange(result) : TypeRange(), name, values);
  return result ? wrap(op.getResult()) : Val{};
}

void KernelBuilder::callPointer(Val function, ArrayRef<Val> arguments) {
  llvm::SmallVector<Value> values = {function.v};
  llvm::SmallVector<Type> types;
  for (Val a : arguments) {
    values.push_back(a.v);
    types.push_back(a.type());
  }
  b.create<LLVM::CallOp>(location, LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types), values);
}

// ---- Memory --------------------------------------------------------------------------------------------------------------

Val KernelBuilder::offset(Val pointer, Val bytes) {
  return wrap(b.create<LLVM::GEPOp>(location, pointerType, b.getI8Type(), pointer.v, ArrayRef<LLVM::GEPArg>{bytes.v}));
}
Val KernelBuilder::offset(Val pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  // A constant index of a GEP has 29 bits; the rest would be cut off without a word.
  if (bytes >= int64_t(1) << (LLVM::kGEPConstantBitWidth - 1) || bytes < -(int64_t(1) << (LLVM::kGEPConstantBitWidth - 1)))
    return offset(pointer, index(bytes));
  return wrap(b.create<LLVM::GEPOp>(location, pointerType, b.getI8Type(), pointer.v, ArrayRef<LLVM::GEPArg>{int32_t(bytes)}));
}
Val KernelBuilder::load(Type type, Val pointer, int64_t alignment) {
  return wrap(b.create<LLVM::LoadOp>(location, type, pointer.v, alignment).getResult());
}
Val KernelBuilder::loadAnew(Type type, Val pointer, int64_t alignment) {
  return wrap(b.create<LLVM::LoadOp>(location, type, pointer.v, alignment, /*isVolatile=*/true).getResult());
}
void KernelBuilder::store(Val value, Val pointer, int64_t alignment) {
  b.create<LLVM::StoreOp>(location, value.v, pointer.v, alignment);
}
void KernelBuilder::prefetch(Val pointer, bool intoFirst) { b.create<LLVM::Prefetch>(location, pointer.v, 0, intoFirst ? 3 : 2, 1); }
Val KernelBuilder::addressOf(Val pointer) { return wrap(b.create<LLVM::PtrToIntOp>(location, i64(), pointer.v)); }
Val KernelBuilder::pointerTo(Val address) { return wrap(b.create<LLVM::IntToPtrOp>(location, pointerType, address.v)); }
void KernelBuilder::storeLanes(Val vector, int64_t lanes, Val pointer) {
  auto type = dyn_cast<VectorType>(vector.type());
  if (!type || type.getNumElements() == lanes)
    return store(vector, pointer);
  int64_t bytes = type.getElementTypeBitWidth() / 8, from = 0;
  while (from < lanes) {
    int64_t count = int64_t(1) << llvm::Log2_64(lanes - from);
    Val piece = count == 1 ? lane(vector, from) : slice(vector, from, count);
    store(piece, offset(pointer, from * bytes));
    from += count;
  }
}
Val KernelBuilder::loadLanes(Type vectorType, int64_t lanes, Val pointer) {
  auto type = dyn_cast<VectorType>(vectorType);
  if (!type || type.getNumElements() == lanes)
    return load(vectorType, pointer);
  Type element = type.getElementType();
  int64_t bytes = type.getElementTypeBitWidth() / 8, total = type.getNumElements(), from = 0;
  Val result = constantInt(like(type, b.getIntegerType(bytes * 8)), 0);
  if (element != b.getIntegerType(bytes * 8))
    result = bitcast(result, type);
  while (from < lanes) {
    int64_t count = int64_t(1) << llvm::Log2_64(lanes - from);
    Val piece = load(vec(count, element), offset(pointer, from * bytes));
    if (count == 1) {
      Val at = index(from);
      result = wrap(b.create<LLVM::InsertElementOp>(location, result.v, piece.v, at.v));
    } else {
      llvm::SmallVector<int32_t> widen(total), blend(total);
      for (int64_t i = 0; i < total; ++i) {
        widen[i] = i < count ? i : 0;
        blend[i] = i >= from && i < from + count ? total + (i - from) : i;
      }
      result = shuffle(result, shuffle(piece, piece, widen), blend);
    }
    from += count;
  }
  return result;
}

// ---- Control -------------------------------------------------------------------------------------------------------------

std::vector<Val> KernelBuilder::forLoop(Val lower, Val upper, int64_t step, const std::vector<Val> &init,
                                        const std::function<std::vector<Val>(Val, const std::vector<Val> &)> &body) {
  llvm::SmallVector<Value> initial;
  for (Val v : init)
    initial.push_back(v.v);
  Val by = index(step);
  auto loop = b.create<scf::ForOp>(location, lower.v, upper.v, by.v, initial,
                                   [&](OpBuilder &, Location, Value iv, ValueRange carried) {
                                     // The same builder, so that everything emitted by the body lands inside.
                                     OpBuilder::InsertionGuard guard(b);
                                     b.setInsertionPointToEnd(iv.getParentBlock());
                                     std::vector<Val> values;
                                     for (Value v : carried)
                                       values.push_back(wrap(v));
                                     llvm::SmallVector<Value> next;
                                     for (Val v : body(wrap(iv), values))
                                       next.push_back(v.v);
                                     b.create<scf::YieldOp>(location, next);
                                   });
  std::vector<Val> results;
  for (Value v : loop.getResults())
    results.push_back(wrap(v));
  return results;
}
std::vector<Val> KernelBuilder::forLoop(int64_t lower, int64_t upper, int64_t step, const std::vector<Val> &init,
                                        const std::function<std::vector<Val>(Val, const std::vector<Val> &)> &body) {
  if (upper <= lower)
    return init;
  if (lower + step >= upper) // one iteration
    return body(index(lower), init);
  return forLoop(index(lower), index(upper), step, init, body);
}
void KernelBuilder::forLoop(Val lower, Val upper, int64_t step, const std::function<void(Val)> &body) {
  forLoop(lower, upper, step, {}, [&](Val iv, const std::vector<Val> &) { return body(iv), std::vector<Val>(); });
}
void KernelBuilder::forLoop(int64_t lower, int64_t upper, int64_t step, const std::function<void(Val)> &body) {
  forLoop(lower, upper, step, {}, [&](Val iv, const std::vector<Val> &) { return body(iv), std::vector<Val>(); });
}
void KernelBuilder::ifThen(Val condition, const std::function<void()> &then) {
  ifElse(condition, {}, [&] { return then(), std::vector<Val>(); }, nullptr);
}
std::vector<Val> KernelBuilder::ifElse(Val condition, ArrayRef<Type> types, const std::function<std::vector<Val>()> &then,
                                       const std::function<std::vector<Val>()> &otherwise) {
  auto branch = [&](const std::function<std::vector<Val>()> &body) {
    return [this, &body](OpBuilder &inner, Location) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(inner.getInsertionBlock());
      llvm::SmallVector<Value> results;
      for (Val v : body())
        results.push_back(v.v);
      b.create<scf::YieldOp>(location, results);
    };
  };
  scf::IfOp op;
  if (otherwise)
    op = b.create<scf::IfOp>(location, condition.v, branch(then), branch(otherwise));
  else
    op = b.create<scf::IfOp>(location, condition.v, branch(then));
  (void)types;
  std::vector<Val> results;
  for (Value v : op.getResults())
    results.push_back(wrap(v));
  return results;
}

// ---- Arithmetic ----------------------------------------------------------------------------------------------------------

Val KernelBuilder::shuffle(Val x, Val y, ArrayRef<int32_t> lanes) {
  return wrap(b.create<LLVM::ShuffleVectorOp>(location, x.v, y.v, lanes));
}
Val KernelBuilder::splat(Val scalar, int64_t lanes) {
  if (lanes == 1)
    return scalar;
  auto type = VectorType::get({lanes}, scalar.type());
  Value undefined = b.create<LLVM::PoisonOp>(location, type);
  Val zero = i32c(0);
  Val first = wrap(b.create<LLVM::InsertElementOp>(location, undefined, scalar.v, zero.v));
  return shuffle(first, first, llvm::SmallVector<int32_t>(lanes, 0));
}
Val KernelBuilder::lane(Val vector, int64_t at) {
  if (!isa<VectorType>(vector.type()))
    return vector;
  Val position = index(at);
  return wrap(b.create<LLVM::ExtractElementOp>(location, vector.v, position.v));
}
Val KernelBuilder::slice(Val vector, int64_t from, int64_t count) {
  llvm::SmallVector<int32_t> lanes;
  for (int64_t i = 0; i < count; ++i)
    lanes.push_back(from + i);
  return shuffle(vector, vector, lanes);
}
Val KernelBuilder::bitcast(Val value, Type type) {
  return value.type() == type ? value : wrap(b.create<LLVM::BitcastOp>(location, type, value.v));
}
Val KernelBuilder::signExtend(Val value, Type element) {
  return wrap(b.create<arith::ExtSIOp>(location, like(value.type(), element), value.v));
}
Val KernelBuilder::zeroExtend(Val value, Type element) {
  return wrap(b.create<arith::ExtUIOp>(location, like(value.type(), element), value.v));
}
Val KernelBuilder::truncate(Val value, Type element) {
  return wrap(b.create<arith::TruncIOp>(location, like(value.type(), element), value.v));
}
Val KernelBuilder::intToFloat(Val value) { return wrap(b.create<arith::SIToFPOp>(location, like(value.type(), f32()), value.v)); }
Val KernelBuilder::floatToInt(Val value, Type element) {
  return wrap(b.create<arith::FPToSIOp>(location, like(value.type(), element), value.v));
}
Val KernelBuilder::toFloat64(Val value) { return wrap(b.create<arith::ExtFOp>(location, like(value.type(), f64()), value.v)); }
Val KernelBuilder::toFloat32(Val value) {
  Type element = elementOf(value.type());
  if (element == f32())
    return value;
  if (element == f64())
    return wrap(b.create<arith::TruncFOp>(location, like(value.type(), f32()), value.v));
  return wrap(b.create<arith::ExtFOp>(location, like(value.type(), f32()), value.v));
}

Val KernelBuilder::fma(Val x, Val y, Val z) {
  if (desc.hasFma)
    return wrap(b.create<LLVM::FMAOp>(location, x.v, y.v, z.v));
  // The product of two binary32 is exact in binary64. Rounding the sum to odd there makes the second rounding, to binary32,
  // the only one that counts (53 >= 24 + 2 bits). The sum's error is exact by TwoSum.
  Val product = toFloat64(x) * toFloat64(y), addend = toFloat64(z);
  Val sum = product + addend;
  Val part = sum - product;
  Val error = (product - (sum - part)) + (addend - part);
  Type bits = like(sum.type(), i64());
  Val raw = bitcast(sum, bits);
  Val inexact = compare(Cmp::Lt, error, 0.0) , above = compare(Cmp::Gt, error, 0.0); // false with NaN (an infinite sum)
  Val even = compare(Cmp::Eq, raw & constantInt(bits, 1), constantInt(bits, 0));
  // Towards the error: away from zero if the error has the sum's sign.
  Val negative = compare(Cmp::Lt, raw, constantInt(bits, 0));
  Val one = constantInt(bits, 1), minusOne = constantInt(bits, -1), zero = constantInt(bits, 0);
  Val up = select(negative, minusOne, one), down = select(negative, one, minusOne);
  Val step = select(above, up, select(inexact, down, zero));
  return toFloat32(bitcast(raw + select(even, step, zero), sum.type()));
}
Val KernelBuilder::sqrt(Val a) { return wrap(b.create<LLVM::SqrtOp>(location, a.v)); }
Val KernelBuilder::maxInt(Val a, Val c, bool isUnsigned) {
  return isUnsigned ? wrap(b.create<arith::MaxUIOp>(location, a.v, c.v)) : wrap(b.create<arith::MaxSIOp>(location, a.v, c.v));
}
Val KernelBuilder::minInt(Val a, Val c, bool isUnsigned) {
  return isUnsigned ? wrap(b.create<arith::MinUIOp>(location, a.v, c.v)) : wrap(b.create<arith::MinSIOp>(location, a.v, c.v));
}
Val KernelBuilder::abs(Val a) { return wrap(b.create<LLVM::FAbsOp>(location, a.v)); }
Val KernelBuilder::shiftLeft(Val a, int64_t bits) {
  return wrap(b.create<arith::ShLIOp>(location, a.v, constantInt(a.type(), bits).v));
}
Val KernelBuilder::shiftRight(Val a, int64_t bits) {
  return wrap(b.create<arith::ShRSIOp>(location, a.v, constantInt(a.type(), bits).v));
}
Val KernelBuilder::shiftRightLogical(Val a, int64_t bits) {
  return wrap(b.create<arith::ShRUIOp>(location, a.v, constantInt(a.type(), bits).v));
}
Val KernelBuilder::roundClampLow8(Val y, double lo, double hi, int64_t add) {
  // The bounds are integers, so clamping first gives the same; adding 1.5 * 2^23 then rounds to nearest even and leaves the
  // integer in the low bits of the significand. An even number more or less changes no tie.
  assert(add % 2 == 0 && "ties would go the other way");
  Val clamped = minOf(maxOf(y, constant(y.type(), lo)), constant(y.type(), hi));
  return bitcast(clamped + (12582912.0 + double(add)), like(y.type(), i32()));
}
Val KernelBuilder::roundClamp(Val y, double lo, double hi) {
  Val low = roundClampLow8(y, lo, hi);
  return low - constantInt(low.type(), 0x4B400000);
}
Val KernelBuilder::roundToInt(Val y) {
  auto type = cast<VectorType>(y.type());
  Type ints = like(type, i32());
  switch (type.getNumElements()) {
  case 16: {
    Val zero = constantInt(ints, 0), all = constantInt(i16(), -1);
    return intrinsic("llvm.x86.avx512.mask.cvtps2dq.512", ints, {y, zero, all, i32c(4)}); // 4: the mode that is set, to nearest even
  }
  case 8: return intrinsic("llvm.x86.avx.cvt.ps2dq.256", ints, {y});
  default: return intrinsic("llvm.x86.sse2.cvtps2dq", ints, {y});
  }
}
Val KernelBuilder::packToBytes(ArrayRef<Val> four, bool isUnsigned, bool inOrder) {
  int64_t lanes = cast<VectorType>(four[0].type()).getNumElements();
  Type words = vec(2 * lanes, i16()), bytes = vec(4 * lanes, i8());
  const char *toWords = lanes == 16 ? "llvm.x86.avx512.packssdw.512" : lanes == 8 ? "llvm.x86.avx2.packssdw" : "llvm.x86.sse2.packssdw.128";
  const char *toBytes = isUnsigned ? (lanes == 16  ? "llvm.x86.avx512.packuswb.512"
                                      : lanes == 8 ? "llvm.x86.avx2.packuswb"
                                                   : "llvm.x86.sse2.packuswb.128")
                                   : (lanes == 16  ? "llvm.x86.avx512.packsswb.512"
                                      : lanes == 8 ? "llvm.x86.avx2.packsswb"
                                                   : "llvm.x86.sse2.packsswb.128");
  Val low = intrinsic(toWords, words, {four[0], four[1]}), high = intrinsic(toWords, words, {four[2], four[3]});
  Val packed = intrinsic(toBytes, bytes, {low, high});
  if (lanes == 4 || !inOrder)
    return packed;
  // Packing works within 128 bits: group q of four lanes of vector i is dword 4 * q + i now and belongs at i * lanes / 4 + q.
  llvm::SmallVector<int32_t> order;
  for (int32_t i = 0; i < 4; ++i)
    for (int32_t q = 0; q < lanes / 4; ++q)
      order.push_back(4 * q + i);
  Val dwords = bitcast(packed, vec(lanes, i32()));
  return bitcast(shuffle(dwords, dwords, order), bytes);
}
Val KernelBuilder::intrinsic(const char *name, Type result, ArrayRef<Val> arguments) {
  llvm::SmallVector<Value> values;
  for (Val a : arguments)
    values.push_back(a.v);
  auto op = b.create<LLVM::CallIntrinsicOp>(location, result, b.getStringAttr(name), values, LLVM::FastmathFlagsAttr{});
  return wrap(op->getResult(0));
}

} // namespace triton
