#include "Graph.h"

#include "triton/Tensor/Files.h"

namespace triton::trainer {

namespace {

/// Reads members with checks; the first complaint is kept and everything after it gives defaults.
class Reader {
public:
  explicit Reader(std::string name) : name(std::move(name)) {}

  bool failed() const { return !message.empty(); }
  Error error() const { return {name + ": " + message}; }
  void complain(const std::string &where, const std::string &what) {
    if (message.empty()) message = where + ": " + what;
  }

  const json::Array &array(const json::Value &v, const char *key, const std::string &where, bool optional = false) {
    static const json::Array empty;
    const json::Value *m = v.find(key);
    if (optional && (!m || m->isNull())) return empty;
    if (!m || !m->asArray()) {
      complain(where + "." + key, "expected an array");
      return empty;
    }
    return *m->asArray();
  }

  std::string string(const json::Value &v, const char *key, const std::string &where, const char *otherwise = nullptr) {
    const json::Value *m = v.find(key);
    if (otherwise && (!m || m->isNull())) return otherwise;
    if (!m || !m->asString()) {
      complain(where + "." + key, "expected a string");
      return "";
    }
    return *m->asString();
  }

  int64_t integer(const json::Value &v, const char *key, const std::string &where, std::optional<int64_t> otherwise = {}) {
    const json::Value *m = v.find(key);
    if (otherwise && (!m || m->isNull())) return *otherwise;
    if (!m || !m->asInt()) {
      complain(where + "." + key, "expected an integer");
      return 0;
    }
    return *m->asInt();
  }

  double number(const json::Value &v, const char *key, const std::string &where, double otherwise) {
    const json::Value *m = v.find(key);
    if (!m || m->isNull()) return otherwise;
    if (!m->isNumber()) complain(where + "." + key, "expected a number");
    return m->number();
  }

  std::vector<double> numbers(const json::Array &items, const std::string &where) {
    std::vector<double> out;
    for (const json::Value &item : items) {
      if (!item.isNumber()) complain(where, "expected numbers");
      out.push_back(item.number());
    }
    return out;
  }

  /// An index below `limit`, or -1 for null.
  int index(const json::Value *v, size_t limit, const std::string &where, bool optional) {
    if (optional && (!v || v->isNull())) return -1;
    if (!v || !v->asInt() || *v->asInt() < 0 || static_cast<uint64_t>(*v->asInt()) >= limit) {
      complain(where, "expected an index below " + std::to_string(limit));
      return optional ? -1 : 0;
    }
    return static_cast<int>(*v->asInt());
  }

  std::vector<int> indices(const json::Array &items, size_t limit, const std::string &where, bool optional) {
    std::vector<int> out;
    for (const json::Value &item : items) out.push_back(index(&item, limit, where, optional));
    return out;
  }

private:
  std::string name, message;
};

std::string at(const char *list, size_t i) { return std::string(list) + "[" + std::to_string(i) + "]"; }

} // namespace

Result<Graph> Graph::parse(std::string_view text, const std::string &name) {
  Result<json::Value> document = json::parse(text, name);
  if (!document) return document.takeError();
  const json::Value &root = *document;
  Reader r(name);
  if (r.string(root, "format", "graph") != "triton-graph" || r.integer(root, "version", "graph") != 1)
    r.complain("format", "expected \"triton-graph\" version 1");
  Graph g;
  g.model = r.string(root, "model", "graph");
  for (const json::Value &d : r.array(root, "dims", "graph")) g.dims.push_back(d.asString() ? *d.asString() : "");

  size_t i = 0;
  for (const json::Value &v : r.array(root, "values", "graph")) {
    std::string where = at("values", i++);
    ValueInfo info;
    info.dtype = r.string(v, "dtype", where);
    for (const json::Value &size : r.array(v, "shape", where)) {
      if (size.asInt() && *size.asInt() > 0)
        info.shape.push_back({*size.asInt(), ""});
      else if (size.asString() && !size.asString()->empty())
        info.shape.push_back({0, *size.asString()});
      else
        r.complain(where + ".shape", "expected positive integers and polynomials");
    }
    g.values.push_back(std::move(info));
  }
  size_t valueCount = g.values.size();

  i = 0;
  for (const json::Value &v : r.array(root, "inputs", "graph")) {
    std::string where = at("inputs", i++);
    InputInfo info;
    info.name = r.string(v, "name", where);
    info.value = r.index(v.find("value"), valueCount, where + ".value", false);
    for (const json::Value &d : r.array(v, "dtypes", where)) info.dtypes.push_back(d.asString() ? *d.asString() : "");
    if (const json::Value *p = v.find("preprocess"); p && p->asObject()) {
      info.mean = r.numbers(r.array(*p, "mean", where, true), where + ".preprocess.mean");
      info.std = r.numbers(r.array(*p, "std", where, true), where + ".preprocess.std");
      info.scale = r.number(*p, "scale", where, 1.0 / 255);
    }
    g.inputs.push_back(std::move(info));
  }
  i = 0;
  for (const json::Value &v : r.array(root, "outputs", "graph")) {
    std::string where = at("outputs", i++);
    g.outputs.emplace_back(r.string(v, "name", where), r.index(v.find("value"), valueCount, where + ".value", false));
  }
  i = 0;
  for (const json::Value &v : r.array(root, "params", "graph")) {
    std::string where = at("params", i++);
    ParamInfo p;
    p.key = r.string(v, "key", where);
    p.value = r.index(v.find("value"), valueCount, where + ".value", false);
    p.storage = r.string(v, "storage", where);
    p.scale = r.string(v, "scale", where, "per_channel");
    p.method = r.string(v, "method", where, "twn");
    p.threshold = r.number(v, "threshold", where, 0.7);
    p.group = r.integer(v, "group", where, 0);
    p.seed = r.integer(v, "seed", where, 0);
    p.channelAxis = r.integer(v, "channel_axis", where, 0);
    if (const json::Value *f = v.find("frozen"); f && f->asBool()) p.frozen = *f->asBool();
    for (double d : r.numbers(r.array(v, "init", where, true), where + ".init")) p.init.push_back(static_cast<float>(d));
    if (!r.failed())
      for (const Size &s : g.values[static_cast<size_t>(p.value)].shape) {
        if (!s.symbol.empty()) r.complain(where, "a parameter needs a known shape");
        p.shape.push_back(s.number);
      }
    int64_t rank = static_cast<int64_t>(p.shape.size());
    if (rank && (p.channelAxis < 0 || p.channelAxis >= rank)) r.complain(where + ".channel_axis", "out of range");
    if (p.scale != "per_channel" && p.scale != "per_tensor" && p.scale != "per_group")
      r.complain(where + ".scale", "expected per_channel, per_tensor or per_group");
    if (p.method != "twn" && p.method != "absmean" && p.method != "fixed" && p.method != "stochastic" && p.method != "learned")
      r.complain(where + ".method", "expected twn, absmean, fixed, stochastic or learned");
    if (p.scale == "per_group" && !r.failed()) {
      int64_t channel = 1;
      for (size_t axis = 0; axis < p.shape.size(); ++axis)
        if (static_cast<int64_t>(axis) != p.channelAxis) channel *= p.shape[axis];
      if (p.group < 1 || channel % p.group) r.complain(where + ".group", "must divide the " + std::to_string(channel) + " weights of a channel");
    }
    g.params.push_back(std::move(p));
  }
  i = 0;
  for (const json::Value &v : r.array(root, "nodes", "graph")) {
    std::string where = at("nodes", i++);
    NodeInfo n;
    n.op = r.string(v, "op", where);
    n.path = r.string(v, "path", where, "");
    n.operands = r.indices(r.array(v, "operands", where), valueCount, where + ".operands", true);
    n.results = r.indices(r.array(v, "results", where), valueCount, where + ".results", false);
    if (n.results.empty()) r.complain(where + ".results", "a node needs a result");
    if (const json::Value *a = v.find("attrs"); a && a->asObject()) n.attrs = *a->asObject();
    g.nodes.push_back(std::move(n));
  }
  i = 0;
  for (const json::Value &v : r.array(root, "quantizers", "graph")) {
    std::string where = at("quantizers", i++);
    QuantizerInfo q;
    q.value = r.index(v.find("value"), valueCount, where + ".value", false);
    q.key = r.string(v, "key", where, "");
    q.lo = r.integer(v, "lo", where);
    q.hi = r.integer(v, "hi", where);
    if (q.hi <= 0 || q.lo > 0 || q.hi > 255 || q.lo < -255) r.complain(where, "the code range must hold 0 and stay within 255");
    q.dynamic = r.string(v, "mode", where, "static") == "dynamic";
    q.perRow = r.string(v, "per", where, "tensor") == "row";
    q.clip = r.number(v, "clip", where, 99.99);
    if (const json::Value *s = v.find("scale"); s && s->isNumber()) q.fixedScale = s->number();
    if (q.fixedScale && !(*q.fixedScale > 0)) r.complain(where + ".scale", "must be positive");
    if (!q.dynamic && !q.fixedScale && q.key.empty()) r.complain(where + ".key", "a static quantiser needs a key");
    g.quantizers.push_back(std::move(q));
  }
  i = 0;
  for (const json::Value &v : r.array(root, "groups", "graph")) {
    std::string where = at("groups", i++);
    GroupInfo group;
    group.nodes = r.indices(r.array(v, "nodes", where), g.nodes.size(), where + ".nodes", false);
    group.anchor = r.index(v.find("anchor"), g.nodes.size(), where + ".anchor", true);
    group.residual = r.index(v.find("residual"), valueCount, where + ".residual", true);
    group.value = r.index(v.find("value"), valueCount, where + ".value", false);
    group.quantizer = r.index(v.find("quantizer"), g.quantizers.size(), where + ".quantizer", true);
    if (group.nodes.empty()) r.complain(where + ".nodes", "a group needs a node");
    g.groups.push_back(std::move(group));
  }
  if (g.inputs.empty() || g.outputs.empty()) r.complain("graph", "needs an input and an output");
  if (r.failed()) return r.error();
  return g;
}

Result<Graph> Graph::read(const std::string &path) {
  Result<std::string> text = readFileBytes(path, uint64_t(1) << 30);
  if (!text) return text.takeError();
  return parse(*text, path);
}

} // namespace triton::trainer
