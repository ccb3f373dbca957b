#include "triton/Export/TorchModule.h"

#include "triton/Support/Json.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

namespace triton {

extern const char *const kTorchPrelude;

namespace {

constexpr std::string_view kReserved[] = {
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except",
    "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield", "match", "case", "type", "self", "super", "torch", "nn", "F", "math", "json", "struct", "contextlib", "TernaryModule", "read_checkpoint"};

/// A name of the program as one of Python.
std::string pythonName(const std::string &name) {
  std::string out;
  for (char c : name) out += std::isalnum(static_cast<unsigned char>(c)) || c == '_' ? c : '_';
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0]))) out = "_" + out;
  if (std::find(std::begin(kReserved), std::end(kReserved), out) != std::end(kReserved)) out += "_";
  return out;
}

/// A text as a Python literal: JSON's escapes are Python's too.
std::string quoted(const std::string &text) { return json::quote(text); }

std::string numberText(double value) { return json::write(json::Value(value)); }

/// A polynomial in dimensions; these are bound to `dim_NAME` where `forward` begins, and divisions are exact or rounded down.
std::string dimText(const Dim &dim) {
  std::string out;
  bool inName = false;
  for (char c : dim.str()) {
    bool letter = std::isalpha(static_cast<unsigned char>(c)) || c == '_';
    if (letter && !inName) out += "dim_";
    inName = letter || (inName && std::isdigit(static_cast<unsigned char>(c)));
    out += c == '/' ? "//" : std::string(1, c);
  }
  return out;
}

std::string tuple(const std::vector<std::string> &parts) {
  std::string out = "(";
  for (size_t i = 0; i < parts.size(); ++i) out += (i ? ", " : "") + parts[i];
  return out + (parts.size() == 1 ? ",)" : ")");
}

std::string shapeText(const Shape &shape) {
  std::vector<std::string> parts;
  for (const Dim &dim : shape) parts.push_back(dimText(dim));
  return tuple(parts);
}

bool isKnown(const Shape &shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Dim &dim) { return dim.constant().has_value(); });
}

bool storesCodes(const GraphParam &param) {
  DType storage = param.policy.storage;
  return param.isWeight && (storage == DType::Trit || storage == DType::Int8 || storage == DType::Int4);
}

class Writer {
public:
  Writer(const Graph &graph, const std::string &source) : graph(graph), source(source) {}
  Result<std::string> write();

private:
  // Attributes of the node at hand.
  template <typename T> T attr(const char *name, T otherwise) const {
    auto found = node->attrs.find(name);
    if (found == node->attrs.end()) return otherwise;
    const T *value = std::get_if<T>(&found->second);
    return value ? *value : otherwise;
  }
  std::string list(const char *name) const {
    std::vector<std::string> parts;
    for (int64_t v : attr<std::vector<int64_t>>(name, {})) parts.push_back(std::to_string(v));
    return tuple(parts);
  }
  std::string flag(const char *name, bool otherwise) const { return attr<bool>(name, otherwise) ? "True" : "False"; }
  std::string axis(int64_t otherwise = -1) const { return std::to_string(attr<int64_t>("axis", otherwise)); }
  std::string number(const char *name, double otherwise) const {
    if (auto found = node->attrs.find(name); found != node->attrs.end())
      if (const int64_t *whole = std::get_if<int64_t>(&found->second)) return std::to_string(*whole);
    return numberText(attr<double>(name, otherwise));
  }

  std::string operand(size_t i) const;
  bool has(size_t i) const { return i < node->operands.size() && node->operands[i] != kNoValue; }
  const GraphParam *paramAt(size_t i) const {
    if (!has(i)) return nullptr;
    auto found = paramOf.find(node->operands[i]);
    return found == paramOf.end() ? nullptr : found->second;
  }
  std::string elementwise() const;
  Result<std::string> expression() const;
  Result<void> declareConstant();
  std::string declareParam(const GraphParam &param) const;
  void bindDims();
  void quantise(ValueId value);
  void line(const std::string &text) { body += "        " + text + "\n"; }

  const Graph &graph;
  const std::string &source;
  const GraphNode *node = nullptr;
  std::map<ValueId, const GraphParam *> paramOf;
  std::map<ValueId, std::string> inputName;
  std::map<ValueId, const Quantizer *> staticOf, dynamicOf;
  std::map<ValueId, std::string> initOf; ///< how a parameter begins
  std::set<ValueId> statistics;
  std::string declarations, body;
};

std::string Writer::operand(size_t i) const {
  if (!has(i)) return "None";
  ValueId value = node->operands[i];
  if (const GraphParam *param = paramAt(i)) return (param->isWeight ? "self.weight(" : "self._get(") + quoted(param->key) + ")";
  std::string name = "x" + std::to_string(value);
  if (i > 0) return name;
  const GraphParam *weight = paramAt(1);
  bool linearLike = node->op == OpKind::Linear || node->op == OpKind::TernaryMatmul || node->op == OpKind::Conv2d || node->op == OpKind::Matmul;
  auto dynamic = dynamicOf.find(value);
  if (!linearLike || !weight || !storesCodes(*weight) || dynamic == dynamicOf.end()) return name;
  IntRange range = codeRange(dynamic->second->dtype);
  return "self.dynamic(" + name + ", " + std::to_string(range.lo) + ", " + std::to_string(range.hi) + ", " +
         (dynamic->second->policy.per == ActPer::Row ? "True" : "False") + ")";
}

/// Operations that take one tensor or two and nothing else; "" for others.
std::string Writer::elementwise() const {
  auto call = [&](const char *function) { return std::string(function) + "(" + operand(0) + ")"; };
  auto between = [&](const char *sign) { return operand(0) + " " + sign + " " + operand(1); };
  switch (node->op) {
  case OpKind::Relu: return call("torch.relu");
  case OpKind::Relu6: return call("F.relu6");
  case OpKind::Hardsigmoid: return call("F.hardsigmoid");
  case OpKind::Hardswish: return call("F.hardswish");
  case OpKind::Sigmoid: return call("torch.sigmoid");
  case OpKind::Silu: return call("F.silu");
  case OpKind::Tanh: return call("torch.tanh");
  case OpKind::Exp: return call("torch.exp");
  case OpKind::Log: return call("torch.log");
  case OpKind::Sqrt: return call("torch.sqrt");
  case OpKind::Abs: return call("torch.abs");
  case OpKind::Neg: return "-" + operand(0);
  case OpKind::Add: return between("+");
  case OpKind::Sub: return between("-");
  case OpKind::Mul: return between("*");
  case OpKind::Div: return between("/");
  case OpKind::Matmul: return between("@");
  default: return "";
  }
}

Result<std::string> Writer::expression() const {
  if (std::string simple = elementwise(); !simple.empty()) return simple;
  const std::string x = operand(0);
  auto reduce = [&](const char *function) {
    return std::string(function) + "(" + x + ", " + axis() + ", keepdim=" + flag("keep", false) + ")";
  };
  switch (node->op) {
  case OpKind::Linear: case OpKind::TernaryMatmul: return "F.linear(" + x + ", " + operand(1) + (has(2) ? ", " + operand(2) : "") + ")";
  case OpKind::Conv2d:
    return "F.conv2d(" + x + ", " + operand(1) + ", " + operand(2) + ", " + list("stride") + ", " + list("padding") + ", " + list("dilation") + ", " +
           std::to_string(attr<int64_t>("groups", 1)) + ")";
  case OpKind::BatchNorm:
    if (const GraphParam *mean = paramAt(3), *var = paramAt(4); mean && var)
      return "self.batch_norm(" + x + ", " + quoted(mean->key) + ", " + quoted(var->key) + ", " + operand(1) + ", " + operand(2) + ", " +
             number("eps", 1e-5) + ")";
    return Error{"'batch_norm' with statistics that are no parameters has no form in PyTorch that trains"};
  case OpKind::LayerNorm: return "F.layer_norm(" + x + ", " + x + ".shape[-1:], " + operand(1) + ", " + operand(2) + ", " + number("eps", 1e-5) + ")";
  case OpKind::RmsNorm:
    return x + " / torch.sqrt(" + x + ".square().mean(-1, keepdim=True) + " + number("eps", 1e-6) + ") * " + operand(1);
  case OpKind::Gelu: return "F.gelu(" + x + ", approximate=" + (attr<bool>("approx", false) ? "\"tanh\")" : "\"none\")");
  case OpKind::Clamp: return "torch.clamp(" + x + ", " + number("lo", 0) + ", " + number("hi", 0) + ")";
  case OpKind::MaxPool: return "F.max_pool2d(" + x + ", " + list("kernel") + ", " + list("stride") + ", " + list("padding") + ")";
  case OpKind::AvgPool:
    return "F.avg_pool2d(" + x + ", " + list("kernel") + ", " + list("stride") + ", " + list("padding") + ", count_include_pad=" + flag("count_pad", true) + ")";
  case OpKind::GlobalAvgPool: return x + ".mean((2, 3))";
  case OpKind::Mean: return reduce("torch.mean");
  case OpKind::Sum: return reduce("torch.sum");
  case OpKind::Max: return reduce("torch.amax");
  case OpKind::Concat: {
    std::string parts = x;
    for (size_t i = 1; i < node->operands.size(); ++i) parts += ", " + operand(i);
    return "torch.cat([" + parts + "], " + axis(1) + ")";
  }
  case OpKind::Flatten: return "torch.flatten(" + x + ", " + std::to_string(attr<int64_t>("start", 1)) + ")";
  case OpKind::Reshape: return x + ".reshape(" + shapeText(graph.values[node->results[0]].type.shape) + ")";
  case OpKind::Transpose: return x + ".permute(" + list("order") + ")";
  case OpKind::Slice: {
    auto bound = [&](const char *name) {
      std::vector<Dim> dims = attr<std::vector<Dim>>(name, {});
      return dims.empty() ? std::to_string(attr<int64_t>(name, 0)) : dimText(dims[0]);
    };
    return x + ".narrow(" + axis(0) + ", " + bound("from") + ", (" + bound("to") + ") - (" + bound("from") + "))";
  }
  case OpKind::Index: return x + "[" + list("indices") + "]";
  case OpKind::Pad: return "F.pad(" + x + ", " + list("padding") + ", value=" + number("value", 0) + ")";
  case OpKind::Softmax: return "torch.softmax(" + x + ", " + axis() + ")";
  case OpKind::Argmax: return "torch.argmax(" + x + ", " + axis() + ").to(torch.int32)";
  case OpKind::Embedding: return "F.embedding(" + x + ".long(), " + operand(1) + ")";
  case OpKind::Attention:
    return "self.attend(" + x + ", " + operand(1) + ", " + operand(2) + ", " + flag("causal", false) + ", " + number("scale", 0) + ")";
  case OpKind::Rope: return "self.rotate(" + x + ", " + number("base", 10000.0) + ", " + std::to_string(attr<int64_t>("offset", 0)) + ")";
  case OpKind::Dropout: return "F.dropout(" + x + ", " + number("p", 0.5) + ", self.training)";
  case OpKind::Constant: return "self._c" + std::to_string(node->results[0]);
  default:
    return Error{"'" + std::string(opName(node->op)) + "' has no form in PyTorch that trains: it works on codes and not on real numbers"};
  }
}

std::string values(const std::vector<double> &data) {
  json::Array list(data.begin(), data.end());
  return json::write(json::Value(std::move(list)));
}

Result<void> Writer::declareConstant() {
  ValueId value = node->results[0];
  const Shape &shape = graph.values[value].type.shape;
  const std::vector<double> data = attr<std::vector<double>>("data", {});
  if (!isKnown(shape) || data.empty())
    return Error{"a constant of a size that is not known has no form in PyTorch that trains; give the sizes with --dim"};
  std::string made = data.size() == 1 ? "torch.full(" + shapeText(shape) + ", " + numberText(data[0]) + ")"
                                      : "torch.tensor(" + values(data) + ").reshape(" + shapeText(shape) + ")";
  declarations += "        self.register_buffer(\"_c" + std::to_string(value) + "\", " + made + ", persistent=False)\n";
  return {};
}

std::string Writer::declareParam(const GraphParam &param) const {
  const Shape &shape = graph.values[param.value].type.shape;
  std::string out = "        self.declare(" + quoted(param.key) + ", " + shapeText(shape);
  auto init = initOf.find(param.value);
  if (param.init) out += ", values=" + (param.init->size() == 1 && !shape.empty() ? "torch.full(" + shapeText(shape) + ", " + numberText((*param.init)[0]) + ").tolist()"
                                                                                  : values(*param.init));
  else if (init != initOf.end()) out += ", init=" + quoted(init->second);
  if (statistics.count(param.value)) out += ", buffer=True";
  if (param.frozen) out += ", trained=False";
  const WeightPolicy &policy = param.policy;
  if (param.isWeight && policy.storage != DType::Float32) {
    out += ", storage=" + quoted(dtypeName(policy.storage)) + ", axis=" + std::to_string(param.channelAxis);
    if (policy.storage == DType::Trit) {
      static constexpr const char *methods[] = {"twn", "absmean", "fixed", "stochastic", "learned"};
      static constexpr const char *scales[] = {"per_tensor", "per_channel", "per_group"};
      out += std::string(", scale=\"") + scales[size_t(policy.scale)] + "\", method=\"" + methods[size_t(policy.method)] + "\"";
      if (policy.method == WeightMethod::Twn || policy.method == WeightMethod::Fixed) out += ", threshold=" + numberText(policy.threshold);
      if (policy.scale == WeightScale::PerGroup) out += ", group=" + std::to_string(policy.group);
      if (policy.method == WeightMethod::Stochastic) out += ", seed=" + std::to_string(policy.seed);
    }
  }
  return out + ")\n";
}

/// Sizes that only the inputs know, for shapes further on.
void Writer::bindDims() {
  std::set<std::string> bound;
  for (const GraphInput &input : graph.inputs) {
    const Shape &shape = graph.values[input.value].type.shape;
    for (size_t i = 0; i < shape.size(); ++i) {
      std::string name = shape[i].str();
      if (std::find(graph.dims.begin(), graph.dims.end(), name) == graph.dims.end() || !bound.insert(name).second) continue;
      line("dim_" + name + " = " + inputName[input.value] + ".shape[" + std::to_string(i) + "]");
    }
  }
}

void Writer::quantise(ValueId value) {
  auto found = staticOf.find(value);
  if (found == staticOf.end()) return;
  std::string name = "x" + std::to_string(value), key = found->second->key.value_or("quantizer" + std::to_string(value));
  line(name + " = self.activation(" + quoted(key) + ", " + name + ")");
}

Result<std::string> Writer::write() {
  for (const GraphParam &param : graph.params) paramOf[param.value] = &param;
  for (const Quantizer &quantizer : graph.quantizers)
    (quantizer.policy.mode == ActMode::Static ? staticOf : dynamicOf)[quantizer.value] = &quantizer;
  for (const GraphNode &each : graph.nodes) {
    auto starts = [&](size_t i, const char *init) {
      if (i < each.operands.size() && paramOf.count(each.operands[i])) initOf[each.operands[i]] = init;
    };
    if (each.op == OpKind::Conv2d) starts(1, "conv");
    if (each.op == OpKind::Linear || each.op == OpKind::TernaryMatmul || each.op == OpKind::Matmul) starts(1, "linear");
    if (each.op == OpKind::Embedding) starts(1, "table");
    if (each.op == OpKind::LayerNorm || each.op == OpKind::RmsNorm) starts(1, "ones");
    if (each.op == OpKind::BatchNorm) {
      starts(1, "ones");
      starts(4, "ones");
      for (size_t i : {3, 4})
        if (paramOf.count(each.operands[i])) statistics.insert(each.operands[i]);
    }
  }
  for (const GraphParam &param : graph.params) {
    if (!isKnown(graph.values[param.value].type.shape)) return Error{"'" + param.key + "' has a size that is not known; give it with --dim"};
    declarations += declareParam(param);
  }
  for (const Quantizer &quantizer : graph.quantizers) {
    if (quantizer.policy.mode != ActMode::Static) continue;
    IntRange range = codeRange(quantizer.dtype);
    declarations += "        self.declare_activation(" + quoted(quantizer.key.value_or("quantizer" + std::to_string(quantizer.value))) + ", " +
                    std::to_string(range.lo) + ", " + std::to_string(range.hi) + ", " + numberText(quantizer.policy.clip) +
                    (quantizer.scale ? ", scale=" + numberText(*quantizer.scale) : "") + ")\n";
  }

  std::string parameters, keys;
  for (const GraphInput &input : graph.inputs) {
    std::string name = pythonName(input.name);
    inputName[input.value] = name;
    parameters += ", " + name;
    keys += (keys.empty() ? "" : "; ") + input.name + " " + shapeString(graph.values[input.value].type.shape);
  }
  line("if self.training and not self._calibrating:");
  line("    self.steps += 1");
  bindDims();
  for (const GraphInput &input : graph.inputs) {
    std::string name = inputName[input.value], x = "x" + std::to_string(input.value);
    bool raw = std::find(input.dtypes.begin(), input.dtypes.end(), DType::UInt8) != input.dtypes.end() && graph.values[input.value].type.dtype == DType::Float32;
    line(x + " = " + name);
    if (raw) {
      size_t rank = graph.values[input.value].type.shape.size();
      line("if " + name + ".dtype == torch.uint8:");
      line("    " + x + " = " + x + ".to(torch.get_default_dtype())" + (input.preprocess ? " * " + numberText(input.preprocess->scale) : ""));
      if (input.preprocess) {
        std::vector<std::string> spread(rank, "1");
        if (rank > 1) spread[1] = "-1";
        auto channel = [&](const std::vector<double> &v) {
          if (v.size() == 1) return numberText(v[0]);
          return x + ".new_tensor(" + values(v) + ").reshape(" + tuple(spread) + ")";
        };
        line("    " + x + " = (" + x + " - " + channel(input.preprocess->mean) + ") / " + channel(input.preprocess->std));
      }
    }
    quantise(input.value);
  }
  for (const GraphNode &each : graph.nodes) {
    node = &each;
    if (each.results.size() != 1) return Error{"'" + std::string(opName(each.op)) + "' with several results has no form in PyTorch that trains"};
    if (each.op == OpKind::Constant)
      if (Result<void> declared = declareConstant(); !declared) return declared.takeError();
    Result<std::string> text = expression();
    if (!text) return text.takeError();
    line("x" + std::to_string(each.results[0]) + " = " + *text + (each.path.empty() ? "" : "  # " + each.path));
    quantise(each.results[0]);
  }
  std::string results;
  for (const GraphOutput &output : graph.outputs) {
    results += (results.empty() ? "" : ", ") + std::string("x") + std::to_string(output.value);
    keys += (&output == &graph.outputs.front() ? " -> " : "; ") + output.name + " " + shapeString(graph.values[output.value].type.shape);
  }
  line("return " + results);

  std::string doc;
  for (char c : graph.doc.empty() ? graph.name : graph.doc) doc += c == '\\' || c == '"' ? std::string("\\") + c : std::string(1, c);
  std::string name = pythonName(graph.name);
  return "# " + graph.name + " of " + source + " for PyTorch, written by 'triton export torch'. It needs nothing but PyTorch.\n" + kTorchPrelude +
         "\n\nclass " + name + "(TernaryModule):\n    \"\"\"" + doc + "\n\n    " + keys + "\n    \"\"\"\n\n    def __init__(self, quantized=True):\n        super().__init__(quantized)\n" +
         declarations + "\n    def forward(self" + parameters + "):\n" + body;
}

} // namespace

Result<std::string> torchModule(const Graph &graph, const std::string &source) { return Writer(graph, source).write(); }

} // namespace triton
