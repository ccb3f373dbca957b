// Compile-time functions (section 6), the comparisons of tests, and the dispatch of built-in names.
#include "Evaluator.h"

#include <cmath>

namespace triton::sema {

static bool isCompileTimeName(std::string_view name) {
  static const std::unordered_set<std::string_view> names{"len", "shape", "rank", "dtype_of", "numel", "min", "max",
                                                          "abs", "sqrt", "ceil", "floor", "round", "str"};
  return names.count(name) != 0;
}

static bool isConstantName(std::string_view name) {
  return name == "random_ternary" || name == "zeros" || name == "ones" || name == "full";
}

bool Evaluator::isFunctionName(std::string_view name) {
  return isCompileTimeName(name) || isConstantName(name) || name == "repeat" || name == "equal" || name == "close";
}

std::vector<std::string> builtinNames() {
  std::vector<std::string> names = operationNames();
  for (auto *name : {"len", "shape", "rank", "dtype_of", "numel", "min", "max", "abs", "sqrt", "ceil", "floor", "round", "str",
                     "repeat", "equal", "close", "random_ternary", "zeros", "ones", "full"})
    names.emplace_back(name);
  return names;
}

bool isBuiltinName(std::string_view name) {
  static const std::unordered_set<std::string> names = [] {
    auto all = builtinNames();
    return std::unordered_set<std::string>(all.begin(), all.end());
  }();
  return names.count(std::string(name)) != 0;
}

Value Evaluator::callBuiltin(const std::string &name, const std::vector<Argument> &args, const ast::Expr &expr) {
  SourceRange at = expr.operand->kind == ast::Expr::NameRef ? expr.operand->range : expr.opRange;
  if (isConstantName(name))
    return callConstant(name, args, at);
  if (name == "equal" || name == "close")
    return callCompare(name, args, at);
  const OpSignature *op = findOperation(name);
  if (isCompileTimeName(name)) {
    // `abs`, `sqrt` and `max` are operations when they get a tensor whose value is not known.
    bool tensor = !args.empty() && args.front().value.kind == Value::Tensor && !args.front().value.tensor().known;
    if (!op || !tensor)
      return callCompileTime(name, args, at);
  }
  return op ? callOperation(*op, args, at) : Value::poison();
}

/// Rounds half to even whatever the rounding mode is.
static double roundEven(double value) {
  double floor = std::floor(value), rest = value - floor;
  if (rest < 0.5 || (rest == 0.5 && std::fmod(floor, 2) == 0))
    return floor;
  return floor + 1;
}

Value Evaluator::extreme(bool wantMax, const std::vector<Argument> &args, SourceRange at) {
  ValueVec values;
  for (auto &arg : args)
    values.push_back(steer(arg.value));
  if (values.size() == 1 && values.front().kind == Value::List)
    values = ValueVec(values.front().list());
  if (values.empty()) {
    report(Diag::ArgumentCount, at, {wantMax ? "max" : "min", "at least 1", "0"});
    return Value::poison();
  }
  Value best;
  bool unknown = false, first = true, real = false;
  for (auto &given : values) {
    Value value = steer(given);
    if (value.isPoison())
      return value;
    if (value.kind == Value::SymInt && onlyDimensions(value.dim())) {
      report(Diag::NotCompileTime, at, {value.dim().str()});
      return Value::poison();
    }
    if (value.kind == Value::Unknown || value.kind == Value::SymInt) {
      unknown = true;
      real |= value.kind == Value::Unknown && value.unknown != UnknownType::Int;
      continue;
    }
    if (!value.isNumber()) {
      report(Diag::TypeMismatch, at, {"a number", typeString(value)});
      return Value::poison();
    }
    real |= value.kind == Value::Float;
    auto number = [](const Value &v) { return v.kind == Value::Int ? double(v.i) : v.f; };
    bool exact = !first && value.kind == Value::Int && best.kind == Value::Int;
    bool better = first || (exact ? (wantMax ? value.i > best.i : value.i < best.i)
                                  : (wantMax ? number(value) > number(best) : number(value) < number(best)));
    if (better)
      best = value;
    first = false;
  }
  if (unknown)
    return real ? Value::unknownOf(UnknownType::Float) : freshInt(wantMax ? "max" : "min");
  return real && best.kind == Value::Int ? Value::ofFloat(double(best.i)) : best;
}

Value Evaluator::callCompileTime(const std::string &name, const std::vector<Argument> &args, SourceRange at) {
  if (name == "min" || name == "max") {
    for (auto &arg : args)
      if (arg.source->name) {
        report(Diag::NoArgument, arg.source->name->range, {name, arg.source->name->text});
        return Value::poison();
      }
    return extreme(name == "max", args, at);
  }
  static const Formal one[] = {{"x", true}};
  auto bound = bindArguments(name, one, args, at);
  if (!bound)
    return Value::poison();
  const Value &raw = args.front().value;
  SourceRange range = args.front().source->value->range;
  if (raw.isPoison())
    return raw;
  auto wrong = [&](const char *expected) {
    report(Diag::TypeMismatch, range, {expected, typeString(raw)});
    return Value::poison();
  };
  if (name == "len") {
    if (raw.kind == Value::List || raw.kind == Value::Tuple)
      return Value::ofInt(int64_t(raw.list().size()));
    if (raw.kind == Value::Str)
      return Value::ofInt(int64_t(raw.str().size()));
    return raw.kind == Value::Unknown ? freshInt("len") : wrong("list");
  }
  if (name == "shape" || name == "rank" || name == "numel" || name == "dtype_of") {
    bool sizes = name == "shape";
    if (raw.kind == Value::Unknown || (raw.kind == Value::Tensor && name != "dtype_of" && !raw.tensor().shapeKnown))
      return sizes ? Value::unknownOf(UnknownType::List) : name == "dtype_of" ? Value::unknownOf(UnknownType::DType)
                                                                               : freshInt(name);
    if (raw.kind != Value::Tensor) {
      // A compile-time number is a scalar of the dtype that it would become.
      if (!raw.isNumber())
        return wrong("a tensor");
      return sizes ? Value::ofList({}) : name == "rank" ? Value::ofInt(0) : name == "numel" ? Value::ofInt(1)
                   : Value::ofDType(raw.kind == Value::Float ? DType::Float32 : DType::Int32);
    }
    auto &rt = raw.tensor();
    if (name == "dtype_of")
      return rt.dtypeKnown ? Value::ofDType(rt.type.dtype) : Value::unknownOf(UnknownType::DType);
    if (name == "rank")
      return Value::ofInt(int64_t(rt.type.shape.size()));
    if (sizes) {
      ValueVec items;
      for (auto &dim : rt.type.shape)
        items.push_back(Value::ofDim(dim));
      return Value::ofList(std::move(items));
    }
    Dim count = 1;
    for (auto &dim : rt.type.shape)
      count = count * dim;
    return Value::ofDim(count);
  }
  Value value = steer(raw);
  if (name == "str") {
    if (value.kind == Value::Str)
      return value;
    if (value.kind == Value::SymInt && onlyDimensions(value.dim())) {
      report(Diag::NotCompileTime, range, {value.dim().str()});
      return Value::poison();
    }
    if (value.kind == Value::SymInt || value.kind == Value::Unknown)
      return Value::unknownOf(UnknownType::Str);
    if (value.kind == Value::Tensor)
      return wrong("a compile-time value");
    return Value::ofStr(valueString(value));
  }
  // abs sqrt ceil floor round
  if (value.kind == Value::SymInt && onlyDimensions(value.dim())) {
    report(Diag::NotCompileTime, range, {value.dim().str()});
    return Value::poison();
  }
  if (value.kind == Value::SymInt || value.kind == Value::Unknown) {
    if (name == "sqrt" || (name == "abs" && value.kind == Value::Unknown))
      return Value::unknownOf(value.kind == Value::Unknown && value.unknown == UnknownType::Any ? UnknownType::Any : UnknownType::Float);
    return freshInt(name);
  }
  if (!value.isNumber())
    return value.kind == Value::Tensor ? (report(Diag::NotCompileTime, range, {std::string(sources.text(range))}), Value::poison())
                                       : wrong("a number");
  if (value.kind == Value::Int && name != "sqrt") {
    if (name != "abs" || value.i >= 0)
      return value;
    return negate(value, *args.front().source->value, at);
  }
  double x = value.kind == Value::Int ? double(value.i) : value.f;
  if (name == "abs")
    return Value::ofFloat(std::fabs(x));
  if (name == "sqrt") {
    if (x < 0) {
      report(Diag::ValueOutOfRange, range, {floatString(x), "sqrt", "0", "inf"});
      return Value::poison();
    }
    return Value::ofFloat(std::sqrt(x));
  }
  double rounded = name == "ceil" ? std::ceil(x) : name == "floor" ? std::floor(x) : roundEven(x);
  constexpr double kLimit = 9223372036854775808.0;
  if (!(rounded >= -kLimit && rounded < kLimit)) {
    report(Diag::ConstantOverflow, range);
    return Value::poison();
  }
  return Value::ofInt(int64_t(rounded));
}

Value Evaluator::callCompare(const std::string &name, const std::vector<Argument> &args, SourceRange at) {
  static const Formal formals[] = {{"a", true}, {"b", true}, {"tol", false}};
  bool close = name == "close";
  auto bound = bindArguments(name, std::span<const Formal>(formals, close ? 3 : 2), args, at);
  if (!bound)
    return Value::poison();
  Value a = args[size_t((*bound)[0])].value, b = args[size_t((*bound)[1])].value;
  SourceRange rangeA = args[size_t((*bound)[0])].source->value->range, rangeB = args[size_t((*bound)[1])].source->value->range;
  double tolerance = 1e-6;
  if (close && (*bound)[2] >= 0) {
    Value given = steer(args[size_t((*bound)[2])].value);
    if (given.kind == Value::Int)
      given = Value::ofFloat(double(given.i));
    if (given.kind == Value::Float)
      tolerance = given.f;
    else if (!given.isOpaque()) {
      report(Diag::TypeMismatch, args[size_t((*bound)[2])].source->value->range, {"float", typeString(given)});
      return Value::poison();
    }
  }
  auto adapt = [&](Value &side, const Value &other, SourceRange range) {
    if (!side.isNumber() && side.kind != Value::Bool)
      return;
    DType dtype = other.kind == Value::Tensor && other.tensor().dtypeKnown ? other.tensor().type.dtype
                  : side.kind == Value::Float || other.kind == Value::Float ? DType::Float32
                  : side.kind == Value::Bool ? DType::Bool : DType::Int32;
    auto rt = adaptLiteral(side, dtype, range);
    side = rt ? Value::ofRt(*rt) : Value::poison();
  };
  Value left = a;
  adapt(a, b, rangeA);
  adapt(b, left, rangeB);
  if (a.isPoison() || b.isPoison())
    return Value::poison();
  if (a.kind == Value::Unknown || b.kind == Value::Unknown)
    return Value::unknownOf(UnknownType::Bool);
  if (a.kind != Value::Tensor || b.kind != Value::Tensor) {
    bool second = a.kind == Value::Tensor;
    report(Diag::TypeMismatch, second ? rangeB : rangeA, {"a tensor", typeString(second ? b : a)});
    return Value::poison();
  }
  auto &x = a.tensor(), &y = b.tensor();
  if (x.hasScale || y.hasScale || (x.dtypeKnown && y.dtypeKnown && x.type.dtype != y.type.dtype))
    return incompatible(a, b, name, at);
  if (x.shapeKnown && y.shapeKnown) {
    auto mismatchAt = [&](const std::string &what) {
      report(Diag::ShapeMismatch, at, {name, shapeString(x.type.shape), shapeString(y.type.shape), what}).underline(rangeA).underline(rangeB);
      return Value::poison();
    };
    if (x.type.shape.size() != y.type.shape.size())
      return mismatchAt("ranks " + std::to_string(x.type.shape.size()) + " and " + std::to_string(y.type.shape.size()));
    for (size_t i = 0; i < x.type.shape.size(); ++i)
      if (compareDims(x.type.shape[i], y.type.shape[i]) == DimOrder::Different)
        return mismatchAt("axis " + std::to_string(i) + ": " + x.type.shape[i].str() + " and " + y.type.shape[i].str());
  }
  if (generic)
    return Value::unknownOf(UnknownType::Bool);
  TensorCompare compare{close ? TestAssert::Close : TestAssert::Equal, a.rt(), b.rt(), tolerance};
  return Value::ofCompare(std::move(compare));
}

} // namespace triton::sema
