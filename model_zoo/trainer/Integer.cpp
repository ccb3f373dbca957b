#include "Integer.h"

#include "Ops.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace triton::trainer {

using at::Tensor;

namespace {

/// Operations that keep codes and their scale.
bool moves(const std::string &op) {
  static const std::set<std::string> names = {"max_pool", "flatten", "reshape", "transpose", "slice", "relu", "dropout", "identity"};
  return names.count(op) != 0;
}

float toCode(float v, float lo, float hi) { return std::min(std::max(std::nearbyint(v), lo), hi); }

/// Fused end of a product over [N, O, H, W] or [N, O], both contiguous.
template <typename Sum>
void finish(const Sum *acc, const float *residual, float *out, int64_t n, int64_t channels, int64_t inner, const float *m, const float *b,
            float residualFactor, bool codes, bool relu, float lo, float hi) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < inner; ++p) {
        int64_t at = (i * channels + c) * inner + p;
        float offset = residual ? std::fma(residual[at], residualFactor, b[c]) : b[c];
        float y = std::fma(static_cast<float>(acc[at]), m[c], offset);
        out[at] = codes ? toCode(y, lo, hi) : relu && !(y > 0) ? 0.0f : y;
      }
}

} // namespace

Result<IntegerModel> IntegerModel::create(const Graph &graph, const std::vector<std::pair<std::string, HostTensor>> &tensors) {
  IntegerModel model(graph);
  if (Result<void> r = model.plan(tensors); !r) return r.takeError();
  return model;
}

Result<void> IntegerModel::plan(const std::vector<std::pair<std::string, HostTensor>> &tensors) {
  const Graph &g = *graph;
  std::map<std::string, const HostTensor *> byKey;
  for (const auto &[key, tensor] : tensors) byKey[key] = &tensor;
  std::vector<int> paramOf(g.values.size(), -1), groupOf(g.nodes.size(), -1);
  for (size_t i = 0; i < g.params.size(); ++i) paramOf[static_cast<size_t>(g.params[i].value)] = static_cast<int>(i);
  for (size_t i = 0; i < g.groups.size(); ++i)
    for (int n : g.groups[i].nodes) groupOf[static_cast<size_t>(n)] = static_cast<int>(i);
  std::vector<double> scaleOf(g.values.size(), 0); // 0: the value has no codes
  std::vector<double> highest(g.values.size(), 0); // largest |code|
  std::string missing;

  auto floats = [&](int value) -> std::vector<double> {
    if (value < 0) return {};
    int p = paramOf[static_cast<size_t>(value)];
    auto it = p < 0 ? byKey.end() : byKey.find(g.params[static_cast<size_t>(p)].key);
    if (it == byKey.end() || it->second->type != ElementType::F32) {
      missing = "value " + std::to_string(value) + " is no exported real parameter";
      return {};
    }
    std::vector<float> v = it->second->as<float>();
    return {v.begin(), v.end()};
  };
  auto quantizerScale = [&](int q) -> double {
    const QuantizerInfo &info = g.quantizers[static_cast<size_t>(q)];
    if (info.dynamic) missing = "quantiser '" + info.key + "' is dynamic";
    if (info.fixedScale) return static_cast<float>(*info.fixedScale);
    auto it = byKey.find(info.key);
    if (it == byKey.end() || it->second->count() != 1) {
      missing = "no scale '" + info.key + "'";
      return 1;
    }
    return it->second->as<float>()[0];
  };
  auto setCodes = [&](int value, double scale, double most) {
    scaleOf[static_cast<size_t>(value)] = scale;
    highest[static_cast<size_t>(value)] = most;
  };

  for (const InputInfo &in : g.inputs)
    for (size_t q = 0; q < g.quantizers.size(); ++q) {
      const QuantizerInfo &info = g.quantizers[q];
      if (info.value != in.value) continue;
      Step s;
      s.kind = Step::Kind::Quantize;
      s.input = s.result = in.value;
      auto scale = static_cast<float>(quantizerScale(static_cast<int>(q)));
      s.factor = 1.0f / scale;
      s.lo = static_cast<float>(info.lo);
      s.hi = static_cast<float>(info.hi);
      setCodes(in.value, scale, std::max(std::fabs(s.lo), s.hi));
      steps.push_back(std::move(s));
    }

  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const NodeInfo &n = g.nodes[i];
    std::string where = "nodes[" + std::to_string(i) + "] (" + n.op + ")";
    if (groupOf[i] < 0) {
      if (!moves(n.op) || scaleOf[static_cast<size_t>(n.operands[0])] == 0) return Error{where + ": outside of the integer model"};
      Step s;
      s.node = static_cast<int>(i);
      s.input = n.operands[0];
      s.result = n.results[0];
      setCodes(s.result, scaleOf[static_cast<size_t>(s.input)], highest[static_cast<size_t>(s.input)]);
      steps.push_back(std::move(s));
      continue;
    }
    const GroupInfo &group = g.groups[static_cast<size_t>(groupOf[i])];
    if (group.nodes.back() != static_cast<int>(i)) continue; // The group runs at its last node's place.
    Step s;
    s.result = group.value;
    s.codes = group.quantizer >= 0;
    double sy = 1;
    if (s.codes) {
      const QuantizerInfo &q = g.quantizers[static_cast<size_t>(group.quantizer)];
      sy = quantizerScale(group.quantizer);
      s.lo = static_cast<float>(q.lo);
      s.hi = static_cast<float>(q.hi);
    }
    const NodeInfo *norm = nullptr, *add = nullptr;
    for (int k : group.nodes) {
      const NodeInfo &part = g.nodes[static_cast<size_t>(k)];
      if (part.op == "relu") {
        s.relu = true;
        s.lo = std::max(s.lo, 0.0f);
      } else if (part.op == "batch_norm") {
        norm = &part;
      } else if (part.op == "add") {
        add = &part;
      } else if (k != group.anchor && group.nodes.size() > 1) {
        return Error{where + ": outside of the integer model"};
      }
    }
    auto codesOf = [&](int value) {
      double scale = value < 0 ? 0 : scaleOf[static_cast<size_t>(value)];
      if (scale == 0) missing = where + ": an operand has no codes";
      return scale;
    };
    if (group.anchor >= 0) {
      const NodeInfo &anchor = g.nodes[static_cast<size_t>(group.anchor)];
      if (anchor.op != "conv2d" && anchor.op != "linear") return Error{where + ": outside of the integer model"};
      s.kind = Step::Kind::Product;
      s.node = group.anchor;
      s.input = anchor.operands[0];
      s.residual = group.residual;
      double sx = codesOf(s.input);
      int p = paramOf[static_cast<size_t>(anchor.operands[1])];
      const std::string key = p < 0 ? "" : g.params[static_cast<size_t>(p)].key;
      auto codes = byKey.find(key), scales = byKey.find(key + ".scale");
      if (codes == byKey.end() || scales == byKey.end() || codes->second->type != ElementType::I8)
        return Error{where + ": the weight has no codes"};
      std::vector<int8_t> w = codes->second->as<int8_t>();
      std::vector<float> sw = scales->second->as<float>();
      auto channels = static_cast<size_t>(codes->second->shape[0]), row = w.size() / channels;
      if (sw.size() != channels && sw.size() != 1) return Error{where + ": scales per group are outside of the integer model"};
      s.weight = torch::from_blob(w.data(), codes->second->shape, at::kChar).to(at::kFloat);
      std::vector<double> bias = floats(anchor.operands.size() > 2 ? anchor.operands[2] : -1), gamma, beta, mean, var;
      double eps = 0;
      if (norm) {
        gamma = floats(norm->operands[1]);
        beta = floats(norm->operands[2]);
        mean = floats(norm->operands[3]);
        var = floats(norm->operands[4]);
        const json::Value *e = norm->attrs.find("eps");
        eps = e && e->isNumber() ? e->number() : 1e-5;
        for (const std::vector<double> *v : {&gamma, &beta, &mean, &var})
          if (v->size() != channels) return Error{where + ": batch_norm's parameters do not fit"};
      }
      if (!missing.empty()) return Error{missing};
      double widest = 0;
      for (size_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (size_t k = 0; k < row; ++k) sum += std::abs(w[c * row + k]);
        widest = std::max(widest, sum * highest[static_cast<size_t>(s.input)]);
        double factor = norm ? gamma[c] / std::sqrt(var[c] + eps) : 1, offset = bias.empty() ? 0 : bias[c];
        if (norm) offset = (offset - mean[c]) * factor + beta[c];
        s.m.push_back(static_cast<float>(sx * sw[sw.size() == 1 ? 0 : c] * factor / sy));
        s.b.push_back(static_cast<float>(offset / sy));
      }
      // Sums of integers below 2^24 are exact in a float, in any order.
      if (widest >= 0x1p24) s.weight = s.weight.to(at::kDouble);
      if (s.residual >= 0) s.residualFactor = static_cast<float>(codesOf(s.residual) / sy);
      if ((add != nullptr) != (s.residual >= 0)) return Error{where + ": outside of the integer model"};
    } else if (add && s.codes && add->operands.size() == 2) {
      s.kind = Step::Kind::Add;
      s.input = add->operands[0];
      s.residual = add->operands[1];
      s.residualFactor = static_cast<float>(codesOf(s.input)) / static_cast<float>(sy);
      s.factor = static_cast<float>(codesOf(s.residual)) / static_cast<float>(sy);
    } else if (group.nodes.size() == 1 && n.op == "global_avg_pool" && s.codes) {
      s.kind = Step::Kind::Pool;
      s.input = n.operands[0];
      const std::vector<Size> &shape = g.values[static_cast<size_t>(s.input)].shape;
      if (shape.size() != 4 || !shape[2].symbol.empty() || !shape[3].symbol.empty()) return Error{where + ": its size is not known"};
      auto area = static_cast<float>(shape[2].number * shape[3].number);
      s.factor = static_cast<float>(codesOf(s.input)) / (area * static_cast<float>(sy));
    } else {
      return Error{where + ": outside of the integer model"};
    }
    if (!missing.empty()) return Error{missing};
    if (s.codes) setCodes(s.result, sy, std::max(std::fabs(s.lo), s.hi));
    steps.push_back(std::move(s));
  }
  for (const auto &[name, value] : g.outputs)
    if (scaleOf[static_cast<size_t>(value)] != 0) return Error{"output '" + name + "' has codes"};
  return missing.empty() ? Result<void>() : Result<void>(Error{missing});
}

std::vector<int64_t> IntegerModel::knownShape(int value) const {
  std::vector<int64_t> out;
  for (const Size &s : graph->values[static_cast<size_t>(value)].shape) out.push_back(s.symbol.empty() ? s.number : -1);
  return out;
}

Tensor IntegerModel::runStep(const Step &s, const std::vector<Tensor> &values) const {
  const Tensor &x = values[static_cast<size_t>(s.input)];
  switch (s.kind) {
  case Step::Kind::Quantize: return at::round(x * s.factor).clamp(s.lo, s.hi);
  case Step::Kind::Move: return runOp(graph->nodes[static_cast<size_t>(s.node)], {x}, knownShape(s.result), false).contiguous();
  case Step::Kind::Pool: return at::round(x.sum(at::IntArrayRef{2, 3}) * s.factor).clamp(s.lo, s.hi);
  case Step::Kind::Add: {
    Tensor other = values[static_cast<size_t>(s.residual)], out = torch::empty_like(x);
    const float *a = x.data_ptr<float>(), *b = other.data_ptr<float>();
    float *o = out.data_ptr<float>();
    for (int64_t i = 0; i < x.numel(); ++i) o[i] = toCode(std::fma(a[i], s.residualFactor, b[i] * s.factor), s.lo, s.hi);
    return out;
  }
  case Step::Kind::Product: break;
  }
  Tensor acc = runOp(graph->nodes[static_cast<size_t>(s.node)], {x.to(s.weight.scalar_type()), s.weight, Tensor()}, {}, false).contiguous();
  Tensor out = torch::empty(acc.sizes(), at::kFloat);
  const float *residual = s.residual < 0 ? nullptr : values[static_cast<size_t>(s.residual)].data_ptr<float>();
  int64_t n = acc.size(0), channels = acc.size(1), inner = n ? acc.numel() / n / channels : 0;
  auto end = [&](auto *sums) {
    finish(sums, residual, out.data_ptr<float>(), n, channels, inner, s.m.data(), s.b.data(), s.residualFactor, s.codes, s.relu, s.lo, s.hi);
  };
  if (acc.scalar_type() == at::kDouble)
    end(acc.data_ptr<double>());
  else
    end(acc.data_ptr<float>());
  return out;
}

std::vector<Tensor> IntegerModel::run(const Tensor &input) const {
  torch::NoGradGuard guard;
  std::vector<Tensor> values(graph->values.size());
  values[static_cast<size_t>(graph->inputs[0].value)] = input;
  for (const Step &s : steps) values[static_cast<size_t>(s.result)] = runStep(s, values);
  std::vector<Tensor> out;
  for (const auto &[name, value] : graph->outputs) out.push_back(values[static_cast<size_t>(value)]);
  return out;
}

} // namespace triton::trainer
