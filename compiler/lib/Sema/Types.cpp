// Declared types: what they accept, how dimension variables are bound, what a parameter is when its argument is unknown.
#include "Evaluator.h"

#include <cctype>

namespace triton::sema {

static bool isCapital(const std::string &name) { return !name.empty() && std::isupper(static_cast<unsigned char>(name[0])); }

const std::string *Evaluator::dimensionName(const ast::Expr &expr) {
  return expr.kind == ast::Expr::NameRef && isCapital(expr.text) ? &expr.text : nullptr;
}

bool Evaluator::isCompileTime(const ast::TypeSpec &type) {
  return type.kind == ast::TypeSpec::Named || type.kind == ast::TypeSpec::Layer ||
         (type.kind == ast::TypeSpec::Scalar && type.dtype == DType::Bool);
}

/// A capital name in a dimension that nothing declares introduces a dimension variable of the running body.
static void declareDimensions(const ast::Expr &expr, Scope *scope, Scope *body, const std::function<Value(const std::string &)> &make) {
  // Left spines may be long; the rest of the tree is at most as deep as nesting may be.
  for (const ast::Expr *at = &expr; at;) {
    if (at->kind == ast::Expr::NameRef) {
      if (isCapital(at->text) && !scope->find(at->text)) {
        Slot *slot = body->declare(at->text, Slot::Dimension, at->range);
        slot->value = make(at->text);
        slot->set = true;
      }
      return;
    }
    if (at->kind == ast::Expr::Binary) {
      declareDimensions(*at->rhs, scope, body, make);
      at = at->lhs.get();
    } else if (at->kind == ast::Expr::Negate) {
      at = at->operand.get();
    } else {
      return;
    }
  }
}

Dim Evaluator::evalDim(const ast::Expr &expr) {
  declareDimensions(expr, scope, frame->body, [&](const std::string &name) { return newDimension(name); });
  Value value = steer(eval(expr));
  if (value.isSize())
    return value.asDim();
  if (!value.isOpaque())
    report(Diag::TypeMismatch, expr.range, {"int", typeString(value)});
  return Dim::unknown();
}

Evaluator::TensorPattern Evaluator::pattern(const ast::TypeSpec &type) {
  TensorPattern out;
  if (type.kind == ast::TypeSpec::Scalar) {
    out.dtype = type.dtype;
    out.shapeKnown = true;
    return out;
  }
  bool ternary = type.head == ast::TensorHead::TernaryTensor;
  out.weight = type.head == ast::TensorHead::Weight;
  if (ternary)
    out.dtype = DType::Trit;
  if (!type.hasArgs)
    return out;
  out.shapeKnown = true;
  for (auto &arg : type.args) {
    switch (arg.kind) {
    case ast::TypeArg::DTypes:
      out.dtype = arg.dtypes.back();
      if (arg.dtypes.size() > 1) {
        out.choices = arg.dtypes;
        // Several dtypes at run time are one real value inside.
        out.dtype = DType::Float32;
      }
      break;
    case ast::TypeArg::Unknown:
      out.sizes.emplace_back(Dim::unknown(), arg.range);
      out.sized = true;
      break;
    case ast::TypeArg::Ellipsis:
      out.ellipsis = int64_t(out.sizes.size());
      out.shapeKnown = false;
      out.sized = true;
      break;
    case ast::TypeArg::Dimension: {
      if (!arg.dimension)
        break;
      if (arg.dimension->kind == ast::Expr::NameRef)
        if (Slot *slot = scope->find(arg.dimension->text); slot && slot->set && slot->value.kind == Value::DTypeV) {
          out.dtype = slot->value.dtype;
          break;
        }
      Dim dim = evalDim(*arg.dimension);
      auto constant = dim.constant();
      if (constant && *constant < 1) {
        report(Diag::NotPositive, arg.range, {"dimension", "positive", std::to_string(*constant)});
        dim = Dim::unknown();
      }
      if (dim.overflowed()) {
        report(Diag::ConstantOverflow, arg.range);
        dim = Dim::unknown();
      }
      out.sizes.emplace_back(std::move(dim), arg.range);
      out.sized = true;
      break;
    }
    }
  }
  bool anyDims = out.sized;
  if (!anyDims && !type.angle)
    out.shapeKnown = false; // `Tensor[float16]`
  if (type.angle && !anyDims) {
    // `tensor<trit>` has any shape, `tensor<trit, []>` is a scalar; the grammar keeps both as no sizes.
    out.shapeKnown = false;
  }
  if (anyDims && !out.dtype && !out.weight)
    out.dtype = DType::Float32;
  if (out.shapeKnown) {
    Shape shape;
    for (auto &[dim, range] : out.sizes)
      shape.push_back(dim);
    if (!checkShape(shape, type.range))
      out.shapeKnown = false;
  }
  return out;
}

std::string Evaluator::patternString(const ast::TypeSpec &type) {
  switch (type.kind) {
  case ast::TypeSpec::Scalar: return dtypeName(type.dtype);
  case ast::TypeSpec::Layer: return "layer";
  case ast::TypeSpec::Named:
    return type.inner ? type.name.text + "[" + patternString(*type.inner) + "]" : type.name.text;
  case ast::TypeSpec::Tensor: break;
  }
  TensorPattern p = pattern(type);
  std::string head = p.weight ? "Weight" : type.head == ast::TensorHead::TernaryTensor ? "TernaryTensor" : "Tensor";
  std::string inside;
  auto add = [&](const std::string &text) { inside += (inside.empty() ? "" : ", ") + text; };
  for (size_t i = 0; i <= p.sizes.size(); ++i) {
    if (p.ellipsis == int64_t(i))
      add("...");
    if (i < p.sizes.size())
      add(p.sizes[i].first.str());
  }
  if (p.choices.size() > 1) {
    std::string text;
    for (DType d : p.choices)
      text += (text.empty() ? "" : "|") + std::string(dtypeName(d));
    add(text);
  } else if (p.dtype && head == "Tensor" && (*p.dtype != DType::Float32 || !p.sized)) {
    add(dtypeName(*p.dtype));
  }
  return inside.empty() ? head : head + "[" + inside + "]";
}

RtPtr Evaluator::rtOf(const TensorPattern &p) {
  auto rt = std::make_shared<Rt>();
  rt->dtypeKnown = p.dtype.has_value() || p.weight;
  rt->type.dtype = p.dtype.value_or(DType::Float32);
  rt->shapeKnown = p.shapeKnown;
  rt->isWeight = p.weight;
  if (p.shapeKnown)
    for (auto &[dim, range] : p.sizes)
      rt->type.shape.push_back(dim);
  return rt;
}

Value Evaluator::unknownOf(const ast::TypeSpec &type, std::string_view name) {
  checkTypeNames(type);
  switch (type.kind) {
  case ast::TypeSpec::Scalar:
    if (type.dtype == DType::Bool)
      return Value::unknownOf(UnknownType::Bool);
    return Value::ofRt(rtOf(pattern(type)));
  case ast::TypeSpec::Tensor: return Value::ofRt(rtOf(pattern(type)));
  case ast::TypeSpec::Layer: return Value::unknownOf(UnknownType::Layer);
  case ast::TypeSpec::Named: break;
  }
  auto &text = type.name.text;
  if (text == "int")
    return freshInt(name);
  if (text == "float")
    return Value::unknownOf(UnknownType::Float);
  if (text == "str")
    return Value::unknownOf(UnknownType::Str);
  if (text == "dtype")
    return Value::unknownOf(UnknownType::DType);
  if (text == "list")
    return Value::unknownOf(UnknownType::List);
  if (text == "pair")
    return Value::ofList({freshInt(std::string(name) + "[0]"), freshInt(std::string(name) + "[1]")});
  return Value::unknownOf();
}

void Evaluator::checkTypeNames(const ast::TypeSpec &type) {
  static const std::vector<std::string> names{"int", "float", "bool", "str", "dtype", "layer", "pair", "list",
                                              "Tensor", "TernaryTensor", "Weight", "trit", "int4", "int8", "int16", "int32",
                                              "int64", "uint4", "uint8", "float16", "bfloat16", "float32"};
  if (type.kind != ast::TypeSpec::Named || type.name.text.empty())
    return;
  auto &text = type.name.text;
  bool fine = text == "int" || text == "float" || text == "str" || text == "dtype" || text == "pair" || text == "list" ||
              text == "bool" || text == "layer";
  if (!fine || (type.inner && text != "list")) {
    std::string near = fine ? "" : nearestName(text, names);
    auto builder = report(Diag::UnknownType, type.name.range, {text});
    if (!near.empty())
      builder.help("did you mean '" + near + "'?").fixit(type.name.range, near);
  }
  if (type.inner)
    checkTypeNames(*type.inner);
}

Value Evaluator::mismatch(Diag code, const ast::TypeSpec &type, const Value &value, SourceRange at) {
  // Beside a value that has no shape, the type is clearest as it is written.
  bool shaped = value.kind == Value::Tensor && value.tensor().shapeKnown && !value.tensor().isScalar();
  std::string expected = shaped || type.kind != ast::TypeSpec::Tensor ? patternString(type) : std::string(sources.text(type.range));
  auto diagnostic = report(code, at, {expected, typeString(value)});
  if (bindingTo && !libraryFiles.count(bindingTo->name.range.file))
    diagnostic.note(bindingTo->name.range, "parameter '" + bindingTo->name.text + "' is declared here");
  return Value::poison();
}

void Evaluator::bindDimensions(const ast::TypeSpec &type, const Value &value) {
  if (type.kind != ast::TypeSpec::Tensor)
    return;
  // Sizes before `...` count from the front, the others from the back.
  std::vector<const ast::TypeArg *> sizes;
  int64_t ellipsis = -1;
  for (auto &arg : type.args) {
    if (arg.kind == ast::TypeArg::Ellipsis)
      ellipsis = int64_t(sizes.size());
    else if (arg.kind != ast::TypeArg::DTypes)
      sizes.push_back(&arg);
  }
  const Rt *rt = value.kind == Value::Tensor && value.tensor().shapeKnown ? &value.tensor() : nullptr;
  size_t rank = rt ? rt->type.shape.size() : 0;
  bool fits = rt && (ellipsis < 0 ? rank == sizes.size() : rank >= sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i]->kind != ast::TypeArg::Dimension || !sizes[i]->dimension)
      continue;
    const std::string *name = dimensionName(*sizes[i]->dimension);
    if (!name || scope->find(*name))
      continue;
    Slot *slot = frame->body->declare(*name, Slot::Dimension, sizes[i]->range);
    slot->set = true;
    size_t from = ellipsis >= 0 && int64_t(i) >= ellipsis ? rank - (sizes.size() - i) : i;
    slot->value = fits ? Value::ofDim(rt->type.shape[from]) : Value::unknownOf(UnknownType::Int);
  }
}

Value Evaluator::convertNamed(const ast::TypeSpec &type, const Value &given, SourceRange at, Diag code) {
  checkTypeNames(type);
  std::string_view text = type.kind == ast::TypeSpec::Layer ? "layer"
                          : type.kind == ast::TypeSpec::Scalar ? "bool" : std::string_view(type.name.text);
  Value value = steer(given);
  if (value.kind == Value::Tensor && text != "list" && value.tensor().isScalar() && text != "layer") {
    std::string what(sources.text(at));
    report(Diag::NotCompileTime, at, {what});
    return Value::poison();
  }
  bool anyUnknown = value.kind == Value::Unknown && value.unknown == UnknownType::Any;
  if (value.isPoison())
    return value;
  auto is = [&](UnknownType t) { return value.kind == Value::Unknown && (value.unknown == t || anyUnknown); };
  if (text == "int") {
    if (value.isSize())
      return value;
    if (is(UnknownType::Int))
      return generic ? freshInt("?") : value;
  } else if (text == "float") {
    if (value.kind == Value::Int)
      return Value::ofFloat(double(value.i));
    if (value.kind == Value::SymInt) {
      if (onlyDimensions(value.dim())) {
        report(Diag::NotCompileTime, at, {value.dim().str()});
        return Value::poison();
      }
      return Value::unknownOf(UnknownType::Float);
    }
    if (value.kind == Value::Float || is(UnknownType::Float) || is(UnknownType::Int))
      return value;
  } else if (text == "bool") {
    if (value.kind == Value::Undecided) {
      report(Diag::NotCompileTime, at, {std::string(sources.text(at))});
      return Value::poison();
    }
    if (value.kind == Value::Bool || is(UnknownType::Bool))
      return value;
  } else if (text == "str") {
    if (value.kind == Value::Str || is(UnknownType::Str))
      return value;
  } else if (text == "dtype") {
    if (value.kind == Value::DTypeV || is(UnknownType::DType))
      return value;
  } else if (text == "layer") {
    if (value.kind == Value::Layer || is(UnknownType::Layer))
      return value;
  } else if (text == "pair") {
    if (value.isSize())
      return Value::ofList({value, value});
    if (is(UnknownType::Int))
      return unknownOf(type, "?");
    if (value.kind == Value::Unknown && (anyUnknown || value.unknown == UnknownType::List))
      return unknownOf(type, "?");
    if (value.kind == Value::List && value.list().size() == 2) {
      ValueVec items;
      for (auto &item : value.list()) {
        Value size = steer(item);
        if (!size.isSize() && !size.isOpaque())
          return mismatch(code, type, value, at);
        items.push_back(size);
      }
      return Value::ofList(std::move(items));
    }
  } else if (text == "list") {
    if (is(UnknownType::List))
      return value;
    if (value.kind == Value::List) {
      if (!type.inner)
        return value;
      ValueVec items;
      items.reserve(value.list().size());
      for (auto &item : value.list()) {
        Value converted = convertTo(*type.inner, item, at, code);
        if (converted.isPoison())
          return converted;
        items.push_back(std::move(converted));
      }
      return Value::ofList(std::move(items));
    }
  } else {
    return Value::poison(); // unknown type, reported
  }
  return mismatch(code, type, value, at);
}

Value Evaluator::convertTensor(const ast::TypeSpec &type, const Value &value, SourceRange at, Diag code) {
  if (value.isPoison())
    return value;
  bindDimensions(type, value);
  TensorPattern p = pattern(type);
  bool wantsScalar = type.kind == ast::TypeSpec::Scalar;
  if (value.kind == Value::Unknown)
    return Value::ofRt(rtOf(p));
  if (wantsScalar && (value.isNumber() || value.kind == Value::Bool)) {
    auto rt = adaptLiteral(value, *p.dtype, at);
    return rt ? Value::ofRt(*rt) : Value::poison();
  }
  if (value.kind != Value::Tensor)
    return mismatch(code, type, value, at);
  RtPtr rt = value.rt();
  if (wantsScalar ? rt->shapeKnown && !rt->isScalar() : rt->isScalar() && p.shapeKnown && !p.sizes.empty())
    return mismatch(code, type, value, at);
  // Shapes.
  if (p.sized && rt->shapeKnown) {
    auto &shape = rt->type.shape;
    if (p.ellipsis < 0 ? shape.size() != p.sizes.size() : shape.size() < p.sizes.size())
      return mismatch(code, type, value, at);
    for (size_t i = 0; i < p.sizes.size(); ++i) {
      size_t from = p.ellipsis >= 0 && int64_t(i) >= p.ellipsis ? shape.size() - (p.sizes.size() - i) : i;
      if (compareDims(p.sizes[i].first, shape[from]) != DimOrder::Different)
        continue;
      std::string_view text = sources.text(p.sizes[i].second);
      Slot *slot = scope->find(text);
      if (slot && slot->kind == Slot::Dimension) {
        report(Diag::DimensionConflict, at, {std::string(text), shape[from].str(), p.sizes[i].first.str()})
            .note(slot->declared, "'" + std::string(text) + "' is " + p.sizes[i].first.str() + " since here");
        return Value::poison();
      }
      return mismatch(code, type, value, at);
    }
  }
  // Dtypes.
  bool realWeight = p.weight;
  if (rt->isWeight && !p.weight && !p.dtype)
    return value;
  if (realWeight || !p.dtype || !rt->dtypeKnown || rt->type.dtype == *p.dtype) {
    bool refine = (!rt->shapeKnown && p.shapeKnown) || (!rt->dtypeKnown && p.dtype);
    if (!refine || rt->id != kNoValue)
      return value;
    auto refined = std::make_shared<Rt>(*rt);
    if (!rt->shapeKnown && p.shapeKnown) {
      refined->shapeKnown = true;
      refined->type.shape.clear();
      for (auto &[dim, range] : p.sizes)
        refined->type.shape.push_back(dim);
    }
    if (!rt->dtypeKnown && p.dtype) {
      refined->dtypeKnown = true;
      refined->type.dtype = *p.dtype;
    }
    return Value::ofRt(refined);
  }
  if (rt->isWeight && env.weightKnown == false && generic)
    return value;
  if (rt->hasScale || !convertsImplicitly(rt->type.dtype, *p.dtype))
    return mismatch(code, type, value, at);
  return convertRt(rt, *p.dtype, at);
}

Value Evaluator::convertTo(const ast::TypeSpec &type, const Value &value, SourceRange at, Diag code) {
  if (isCompileTime(type))
    return convertNamed(type, value, at, code);
  return convertTensor(type, value, at, code);
}

} // namespace triton::sema
