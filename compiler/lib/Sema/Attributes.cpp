// Quantisation attributes (language.md section 9): where they apply, what their arguments may be, how they merge.
#include "Evaluator.h"

#include "triton/Support/Utf8.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace triton::sema {

namespace {

/// Where an attribute may stand, one bit per Place in its order: param, let, layer, model, fn.
struct AttributeRow {
  std::string_view name;
  unsigned places;
};
constexpr unsigned kParam = 1, kLet = 2, kLayer = 4, kModel = 8, kFn = 16;
constexpr AttributeRow kAttributes[] = {
    {"ternary", kParam | kLet | kLayer | kModel}, {"weights", kParam | kLet | kLayer | kModel},
    {"acts", kLet | kLayer | kModel | kFn},       {"target", kLet | kLayer | kModel},
    {"preprocess", kModel},                       {"export", kModel},
    {"labels", kModel},                           {"frozen", kParam | kLet},
};

const char *statementNoun(const ast::Stmt &stmt) {
  switch (stmt.kind) {
  case ast::Stmt::Import: return "import";
  case ast::Stmt::Use: return "use";
  case ast::Stmt::Layer: return "layer";
  case ast::Stmt::Model: return "model";
  case ast::Stmt::Fn: return "fn";
  case ast::Stmt::Test: return "test";
  case ast::Stmt::Let: return stmt.dots ? "param" : "let";
  case ast::Stmt::Param: return "param";
  case ast::Stmt::Assign: return "assignment";
  case ast::Stmt::Return: return "return";
  case ast::Stmt::For: return "for";
  case ast::Stmt::If: return "if";
  case ast::Stmt::Assert: return "assert";
  case ast::Stmt::Error: break;
  }
  return "statement";
}

const std::string *word(const ast::Expr *expr) { return expr && expr->kind == ast::Expr::NameRef ? &expr->text : nullptr; }

/// Arguments by parameter name: positional ones in the order of `names`. Null where none is given.
using Bound = std::vector<const ast::Expr *>;

} // namespace

void Evaluator::badArgument(const ast::Attribute &attr, SourceRange at, const std::string &what) {
  std::string text(sources.text(at));
  auto builder = report(Diag::BadAttributeArgument, at, {text, attr.name.text});
  if (!what.empty())
    builder.help(what);
}

/// Finds the expressions of the named arguments; reports what does not fit with `bad`.
static Bound bindAttribute(const ast::Attribute &attr, std::initializer_list<std::string_view> names,
                           const std::function<void(SourceRange, const std::string &)> &bad) {
  Bound bound(names.size(), nullptr);
  std::string all;
  for (auto name : names)
    all += (all.empty() ? "" : ", ") + std::string(name);
  size_t next = 0;
  for (auto &arg : attr.args) {
    size_t index = names.size();
    if (arg.name) {
      auto it = std::find(names.begin(), names.end(), arg.name->text);
      index = size_t(it - names.begin());
    } else {
      index = next++;
    }
    if (index >= names.size())
      bad(arg.name ? arg.name->range : arg.range, "the arguments are: " + all);
    else if (bound[index])
      bad(arg.range, "'" + std::string(names.begin()[index]) + "' is given twice");
    else
      bound[index] = arg.value.get();
  }
  return bound;
}

void Evaluator::applyTernary(const ast::Attribute &attr) {
  auto bad = [&](SourceRange at, const std::string &what) { badArgument(attr, at, what); };
  Bound args = bindAttribute(attr, {"scale", "method", "threshold", "group", "seed"}, bad);
  WeightPolicy &policy = env.weight;
  policy.storage = DType::Trit;
  env.weightKnown = true;
  if (args[0]) {
    const std::string *text = word(args[0]);
    if (text && *text == "per_channel")
      policy.scale = WeightScale::PerChannel;
    else if (text && *text == "per_tensor")
      policy.scale = WeightScale::PerTensor;
    else if (text && *text == "per_group")
      policy.scale = WeightScale::PerGroup;
    else
      bad(args[0]->range, "'scale' is per_channel, per_tensor or per_group");
  }
  if (args[1]) {
    static constexpr std::pair<std::string_view, WeightMethod> methods[] = {{"twn", WeightMethod::Twn},
                                                                            {"absmean", WeightMethod::AbsMean},
                                                                            {"fixed", WeightMethod::Fixed},
                                                                            {"stochastic", WeightMethod::Stochastic},
                                                                            {"learned", WeightMethod::Learned}};
    const std::string *text = word(args[1]);
    auto it = std::find_if(std::begin(methods), std::end(methods), [&](auto &m) { return text && m.first == *text; });
    if (it != std::end(methods))
      policy.method = it->second;
    else
      bad(args[1]->range, "'method' is twn, absmean, fixed, stochastic or learned");
  }
  if (args[2]) {
    Value value = steer(eval(*args[2]));
    double number = value.kind == Value::Int ? double(value.i) : value.kind == Value::Float ? value.f : 0;
    if (!value.isOpaque() && !(number > 0 && std::isfinite(number)))
      bad(args[2]->range, "'threshold' is a number above 0");
    else if (!value.isOpaque())
      policy.threshold = number;
  }
  if (args[3]) {
    Value value = steer(eval(*args[3]));
    if (value.kind == Value::Int && value.i > 0)
      policy.group = value.i;
    else if (!value.isOpaque() && !(value.kind == Value::SymInt && generic))
      bad(args[3]->range, "'group' is an int above 0");
  }
  if (args[4]) {
    Value value = steer(eval(*args[4]));
    if (value.kind == Value::Int)
      policy.seed = uint64_t(value.i);
    else if (!value.isOpaque() && !(value.kind == Value::SymInt && generic))
      bad(args[4]->range, "'seed' is an int");
  }
  if (policy.scale == WeightScale::PerGroup && policy.group == 0 && !generic)
    bad(args[0] ? args[0]->range : attr.name.range, "scale=per_group needs group=n");
}

void Evaluator::applyWeights(const ast::Attribute &attr) {
  auto bad = [&](SourceRange at, const std::string &what) { badArgument(attr, at, what); };
  Bound args = bindAttribute(attr, {"d"}, bad);
  static constexpr const char *kHelp = "weights are stored as float32, float16, bfloat16, int8, int4 or trit";
  if (!args[0]) {
    if (attr.args.empty())
      badArgument(attr, attr.name.range, kHelp);
    return;
  }
  Value value = eval(*args[0]);
  static constexpr std::array allowed{DType::Float32, DType::Float16, DType::BFloat16, DType::Int8, DType::Int4, DType::Trit};
  if (value.kind == Value::DTypeV && std::find(allowed.begin(), allowed.end(), value.dtype) != allowed.end()) {
    env.weight.storage = value.dtype;
    env.weightKnown = true;
  } else if (!value.isOpaque()) {
    bad(args[0]->range, kHelp);
  }
}

void Evaluator::applyActs(const ast::Attribute &attr) {
  auto bad = [&](SourceRange at, const std::string &what) { badArgument(attr, at, what); };
  Bound args = bindAttribute(attr, {"d", "mode", "per", "clip"}, bad);
  static constexpr std::array allowed{DType::Int8,  DType::UInt8, DType::Int6,    DType::UInt6,  DType::Int4,
                                      DType::UInt4, DType::Trit,  DType::Float16, DType::Float32};
  if (args[0]) {
    Value value = eval(*args[0]);
    if (value.kind == Value::DTypeV && std::find(allowed.begin(), allowed.end(), value.dtype) != allowed.end())
      env.acts.dtype = value.dtype;
    else if (!value.isOpaque())
      bad(args[0]->range, "activations are int8, uint8, int6, uint6, int4, uint4, trit, float16 or float32");
  }
  if (args[1]) {
    const std::string *text = word(args[1]);
    if (text && (*text == "static" || *text == "dynamic"))
      env.acts.mode = *text == "static" ? ActMode::Static : ActMode::Dynamic;
    else
      bad(args[1]->range, "'mode' is static or dynamic");
  }
  if (args[2]) {
    bool tensor = sources.text(args[2]->range) == "tensor";
    const std::string *text = word(args[2]);
    if (tensor || (text && *text == "row"))
      env.acts.per = tensor ? ActPer::Tensor : ActPer::Row;
    else
      bad(args[2]->range, "'per' is tensor or row");
  }
  if (args[3]) {
    Value value = steer(eval(*args[3]));
    double number = value.kind == Value::Int ? double(value.i) : value.kind == Value::Float ? value.f : 0;
    if (value.isOpaque())
      return;
    if (number > 0 && number <= 100)
      env.acts.clip = number;
    else
      bad(args[3]->range, "'clip' is a percentile in (0, 100]");
  }
}

void Evaluator::applyPreprocess(const ast::Attribute &attr, Graph *graph) {
  auto bad = [&](SourceRange at, const std::string &what) { badArgument(attr, at, what); };
  Bound args = bindAttribute(attr, {"input", "mean", "std", "scale"}, bad);
  GraphInput *input = nullptr;
  if (const std::string *name = word(args[0])) {
    for (auto &each : graph->inputs)
      if (each.name == *name)
        input = &each;
  }
  if (!input) {
    if (args[0] && graph->inputs.empty())
      return; // the inputs were refused
    bad(args[0] ? args[0]->range : attr.name.range, "the first argument names an input of the model");
    return;
  }
  if (input->preprocess) {
    bad(args[0]->range, "'" + input->name + "' has a @preprocess already");
    return;
  }
  bool takesBytes = std::find(input->dtypes.begin(), input->dtypes.end(), DType::UInt8) != input->dtypes.end();
  bool real = isFloat(graph->values[input->value].type.dtype);
  if (!real) {
    bad(args[0]->range, "declare the input as real, such as Tensor[.., uint8|float32]");
    return;
  }
  Preprocess out;
  out.scale = takesBytes ? 1.0 / 255 : 1.0;
  auto numbers = [&](const ast::Expr *expr, std::vector<double> &into, const char *what, bool positive) {
    if (!expr)
      return;
    Value value = eval(*expr);
    if (value.isOpaque())
      return;
    ValueVec items = value.kind == Value::List ? value.list() : ValueVec{value};
    into.clear();
    for (auto &each : items) {
      Value item = steer(each);
      double number = item.kind == Value::Int ? double(item.i) : item.kind == Value::Float ? item.f : std::nan("");
      if (!std::isfinite(number) || (positive && !(number > 0))) {
        bad(expr->range, std::string("'") + what + "' is a list of numbers" + (positive ? " above 0" : ""));
        into.clear();
        return;
      }
      into.push_back(number);
    }
    auto &shape = graph->values[input->value].type.shape;
    auto channels = shape.size() > 1 ? shape[1].constant() : std::optional<int64_t>(1);
    if (into.empty() || (into.size() != 1 && channels && *channels != int64_t(into.size())))
      bad(expr->range, std::string("'") + what + "' has one number for each channel, or one for all");
  };
  out.mean = {0.0};
  out.std = {1.0};
  numbers(args[1], out.mean, "mean", false);
  numbers(args[2], out.std, "std", true);
  std::vector<double> scale;
  if (args[3]) {
    Value value = steer(eval(*args[3]));
    double number = value.kind == Value::Int ? double(value.i) : value.kind == Value::Float ? value.f : 0;
    if (value.isOpaque()) {
    } else if (number > 0 && std::isfinite(number))
      out.scale = number;
    else
      bad(args[3]->range, "'scale' is a number above 0");
  }
  input->preprocess = std::move(out);
}

void Evaluator::applyExport(const ast::Attribute &attr, Graph *graph, bool labels) {
  auto bad = [&](SourceRange at, const std::string &what) { badArgument(attr, at, what); };
  Bound args = bindAttribute(attr, {labels ? "file" : "name"}, bad);
  const char *help = labels ? "write the name of a file as a string" : "write the name as a string";
  if (!args[0]) {
    if (attr.args.empty())
      bad(attr.name.range, help);
    return;
  }
  Value value = eval(*args[0]);
  if (value.isPoison())
    return;
  if (value.kind != Value::Str || value.str().empty()) {
    bad(args[0]->range, help);
    return;
  }
  if (labels)
    readLabels(value.str(), args[0]->range, bad, *graph);
  else
    graph->exportName = value.str();
}

/// What an artifact takes for a name: runtime/artifact/reader.cpp checks the same.
static bool isLabel(std::string_view text) {
  constexpr size_t kMaxLabelBytes = 1024;
  if (text.empty() || text.size() > kMaxLabelBytes)
    return false;
  while (!text.empty()) {
    size_t length = utf8Length(text);
    if (length == 0 || isInvisible(utf8Decode(text.substr(0, length))))
      return false;
    text.remove_prefix(length);
  }
  return true;
}

void Evaluator::readLabels(const std::string &file, SourceRange at, const std::function<void(SourceRange, const std::string &)> &bad, Graph &graph) {
  namespace fs = std::filesystem;
  constexpr uintmax_t kMaxFileBytes = uintmax_t(1) << 26;
  constexpr size_t kMaxLabels = 65536;
  fs::path path = (fs::path(frame->file->path).parent_path() / file).lexically_normal();
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    return bad(at, "there is no file '" + path.string() + "'");
  if (fs::file_size(path, error) > kMaxFileBytes)
    return bad(at, "'" + path.string() + "' is larger than 64 MiB");
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in.good() && !in.eof())
    return bad(at, "'" + path.string() + "' cannot be read");
  std::vector<std::string> labels;
  for (size_t from = 0; from < text.size();) {
    size_t end = std::min(text.find('\n', from), text.size());
    std::string_view line = std::string_view(text).substr(from, end - from);
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    if (!isLabel(line))
      return bad(at, "line " + std::to_string(labels.size() + 1) + " of '" + path.string() + "' is no name: 1 to 1024 bytes of printable UTF-8");
    if (labels.size() == kMaxLabels)
      return bad(at, "'" + path.string() + "' has more than 65536 lines");
    labels.emplace_back(line);
    from = end + 1;
  }
  module->files.push_back(path.string());
  module->texts.push_back({(fs::path(frame->file->place).parent_path() / file).lexically_normal().string(), std::move(text)});
  graph.labels = std::move(labels);
}

void Evaluator::applyAttributes(const ast::Stmt &stmt, Place place, Graph *graph) {
  for (size_t i = 0; i < stmt.attributes.size(); ++i) {
    const ast::Attribute &attr = stmt.attributes[i];
    const std::string &name = attr.name.text;
    if (name.empty())
      continue;
    auto row = std::find_if(std::begin(kAttributes), std::end(kAttributes), [&](auto &r) { return r.name == name; });
    if (row == std::end(kAttributes)) {
      std::vector<std::string> names;
      for (auto &each : kAttributes)
        names.emplace_back(each.name);
      std::string near = nearestName(name, names);
      auto builder = report(Diag::UnknownAttribute, attr.name.range, {name});
      if (!near.empty())
        builder.help("did you mean '@" + near + "'?").fixit(attr.name.range, near);
      continue;
    }
    if (place == Place::Other || !(row->places & (1u << unsigned(place)))) {
      report(Diag::AttributeDoesNotApply, attr.name.range, {name, statementNoun(stmt)});
      continue;
    }
    bool twice = false;
    for (size_t k = 0; k < i && !twice; ++k)
      if (stmt.attributes[k].name.text == name && name != "preprocess") {
        report(Diag::AttributeTwice, attr.name.range, {name}).note(stmt.attributes[k].name.range, "it is given here first");
        twice = true;
      }
    if (twice)
      continue;
    bool weightWasKnown = env.weightKnown;
    WeightPolicy weightBefore = env.weight;
    ActPolicy actsBefore = env.acts;
    if (name == "ternary")
      applyTernary(attr);
    else if (name == "weights")
      applyWeights(attr);
    else if (name == "acts")
      applyActs(attr);
    else if (name == "frozen")
      env.frozen = true;
    else if (name == "target")
      continue; // a hint that never changes results
    else if (!graph)
      continue;
    else if (name == "preprocess")
      applyPreprocess(attr, graph);
    else
      applyExport(attr, graph, name == "labels");
    if (options.fp32) { // the twin: what the attributes say is checked and forgotten
      env.weightKnown = weightWasKnown;
      env.weight = weightBefore;
      env.acts = actsBefore;
    }
    if (name == "frozen" && !attr.args.empty())
      badArgument(attr, attr.args.front().range, "@frozen has no arguments");
  }
}

} // namespace triton::sema
