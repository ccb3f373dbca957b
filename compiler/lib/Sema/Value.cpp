// Printing of values and types for messages; scopes; paths of instances.
#include "Value.h"

#include <charconv>
#include <cmath>

namespace triton::sema {

Slot *Scope::findHere(std::string_view name) {
  if (!index.empty()) {
    auto it = index.find(name);
    return it == index.end() ? nullptr : it->second;
  }
  for (auto &slot : slots)
    if (slot->name == name)
      return slot.get();
  return nullptr;
}

Slot *Scope::find(std::string_view name) {
  for (Scope *scope = this; scope; scope = scope->parent)
    if (Slot *slot = scope->findHere(name))
      return slot;
  return nullptr;
}

Slot *Scope::declare(std::string_view name, Slot::Kind kind, SourceRange at) {
  slots.push_back(std::make_unique<Slot>());
  Slot *slot = slots.back().get();
  slot->kind = kind;
  slot->name = name;
  slot->declared = at;
  constexpr size_t kLinearSearchLimit = 8; // below it comparing names beats hashing them
  if (!index.empty()) {
    index.emplace(slot->name, slot);
  } else if (slots.size() > kLinearSearchLimit) {
    for (auto &each : slots)
      index.emplace(each->name, each.get());
  }
  return slot;
}

std::string Instance::path() const {
  std::string text;
  for (const Instance *it = this; it && !it->isRoot; it = it->parent)
    if (!it->segment.empty())
      text = text.empty() ? it->segment : it->segment + "." + text;
  return text;
}

std::string floatString(double value) {
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  if (std::isnan(value))
    return "nan";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string typeString(const Rt &rt) {
  if (rt.isScalar())
    return rt.dtypeKnown ? dtypeName(rt.type.dtype) : "scalar";
  bool trits = rt.dtypeKnown && rt.type.dtype == DType::Trit;
  std::string head = trits ? "TernaryTensor" : rt.isWeight ? "Weight" : "Tensor";
  bool sayDtype = !trits && !rt.isWeight && rt.dtypeKnown && rt.type.dtype != DType::Float32;
  if (!rt.shapeKnown)
    return sayDtype ? head + "[..., " + dtypeName(rt.type.dtype) + "]" : head;
  std::string shape = shapeString(rt.type.shape);
  if (sayDtype)
    shape.insert(shape.size() - 1, std::string(", ") + dtypeName(rt.type.dtype));
  return head + shape;
}

std::string typeString(const Value &value) {
  switch (value.kind) {
  case Value::Int:
  case Value::SymInt: return "int";
  case Value::Float: return "float";
  case Value::Bool:
  case Value::Undecided:
  case Value::Compare: return "bool";
  case Value::Str: return "str";
  case Value::DTypeV: return "dtype";
  case Value::Function:
  case Value::Builtin: return "fn";
  case Value::Layer: return "layer";
  case Value::InstanceV: return "instance of " + value.instance->decl->name.text;
  case Value::List: return "list";
  case Value::Tensor: return typeString(value.tensor());
  case Value::Tuple: {
    std::string text = "(";
    for (auto &item : value.list())
      text += (text.size() > 1 ? ", " : "") + typeString(item);
    return text + ")";
  }
  case Value::Module: return "module";
  case Value::None: return "nothing";
  case Value::Unknown:
    switch (value.unknown) {
    case UnknownType::Int: return "int";
    case UnknownType::Float: return "float";
    case UnknownType::Bool: return "bool";
    case UnknownType::Str: return "str";
    case UnknownType::DType: return "dtype";
    case UnknownType::Layer: return "layer";
    case UnknownType::List: return "list";
    case UnknownType::Any: break;
    }
    return "?";
  case Value::Poison: break;
  }
  return "?";
}

std::string valueString(const Value &value) {
  switch (value.kind) {
  case Value::Int: return std::to_string(value.i);
  case Value::SymInt: return value.dim().str();
  case Value::Float: return floatString(value.f);
  case Value::Bool: return value.b ? "true" : "false";
  case Value::Str: return "\"" + value.str() + "\"";
  case Value::DTypeV: return dtypeName(value.dtype);
  case Value::List: {
    std::string text = "[";
    size_t count = 0;
    for (auto &item : value.list()) {
      if (++count > 32) // long lists say nothing more to a reader
        return text + ", ...]";
      text += (text.size() > 1 ? ", " : "") + valueString(item);
    }
    return text + "]";
  }
  case Value::Tensor: {
    auto &rt = value.tensor();
    if (!rt.known)
      return typeString(rt);
    return isFloat(rt.type.dtype) ? floatString(rt.floatValue) : std::to_string(rt.intValue);
  }
  case Value::Function:
  case Value::Layer: return value.callable().decl->name.text;
  case Value::Builtin: return value.str();
  case Value::InstanceV: return value.instance->title;
  default: return typeString(value);
  }
}

} // namespace triton::sema
