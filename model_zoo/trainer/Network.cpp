#include "Network.h"

#include "Kernels.h"
#include "Ops.h"
#include "WeightCodes.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace triton::trainer {

Result<Network> Network::create(const Graph &graph, uint64_t seed) {
  Network net(graph);
  Result<void> planned = net.plan();
  if (!planned) return planned.takeError();
  net.initialise(seed);
  return net;
}

/// Orders the walk. A group's last batch_norm, add, relu and quantiser become one step where they follow each other and
/// each value between them has one user.
Result<void> Network::plan() {
  const Graph &g = *graph;
  std::vector<int> users(g.values.size()), made(g.values.size()), groupOf(g.nodes.size(), -1), quantizerOf(g.values.size(), -1);
  paramOf.assign(g.values.size(), -1);
  for (size_t i = 0; i < g.params.size(); ++i) {
    paramOf[static_cast<size_t>(g.params[i].value)] = static_cast<int>(i);
    made[static_cast<size_t>(g.params[i].value)] = 1;
  }
  for (const InputInfo &in : g.inputs) made[static_cast<size_t>(in.value)] = 1;
  for (const auto &[name, value] : g.outputs) ++users[static_cast<size_t>(value)];
  for (const NodeInfo &n : g.nodes)
    for (int v : n.operands)
      if (v >= 0) ++users[static_cast<size_t>(v)];
  for (size_t i = 0; i < g.groups.size(); ++i)
    for (int n : g.groups[i].nodes) groupOf[static_cast<size_t>(n)] = static_cast<int>(i);
  for (size_t i = 0; i < g.quantizers.size(); ++i) quantizerOf[static_cast<size_t>(g.quantizers[i].value)] = static_cast<int>(i);

  buffers.assign(g.params.size(), false);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const NodeInfo &n = g.nodes[i];
    std::string where = "nodes[" + std::to_string(i) + "]";
    if (!knowsOp(n.op)) return Error{where + ": the trainer does not know the operation '" + n.op + "'"};
    if (n.op == "batch_norm") {
      if (n.operands.size() != 5) return Error{where + ": batch_norm needs five operands"};
      for (int k : {3, 4}) {
        int p = n.operands[static_cast<size_t>(k)] < 0 ? -1 : paramOf[static_cast<size_t>(n.operands[static_cast<size_t>(k)])];
        if (p < 0) return Error{where + ": batch_norm's statistics must be parameters"};
        buffers[static_cast<size_t>(p)] = true;
      }
    }
    for (int v : n.operands)
      if (v >= 0 && !made[static_cast<size_t>(v)]) return Error{where + ": value " + std::to_string(v) + " is used before it is made"};
    for (int v : n.results) made[static_cast<size_t>(v)] = 1;
  }
  for (const auto &[name, value] : g.outputs)
    if (!made[static_cast<size_t>(value)]) return Error{"output '" + name + "': value " + std::to_string(value) + " is never made"};

  auto sameShape = [&](int a, int b) {
    const std::vector<Size> &x = g.values[static_cast<size_t>(a)].shape, &y = g.values[static_cast<size_t>(b)].shape;
    return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                      [](const Size &p, const Size &q) { return p.number == q.number && p.symbol == q.symbol; });
  };
  for (const InputInfo &in : g.inputs)
    if (int q = quantizerOf[static_cast<size_t>(in.value)]; q >= 0) {
      Step s;
      s.input = s.result = in.value;
      s.quantizer = q;
      steps.push_back(s);
    }
  std::vector<bool> done(g.nodes.size());
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (done[i]) continue;
    const NodeInfo &first = g.nodes[i];
    // How far a fused end reaches that begins at this node.
    Step end;
    int stage = 0; // 0 nothing, 1 norm, 2 residual, 3 relu
    size_t at = i;
    while (at < g.nodes.size()) {
      const NodeInfo &n = g.nodes[at];
      if (done[at] || groupOf[at] < 0 || groupOf[at] != groupOf[i]) break;
      int in = end.result;
      if (n.op == "batch_norm" && stage < 1) {
        size_t rank = g.values[static_cast<size_t>(n.operands[0])].shape.size();
        if (rank != 2 && rank != 4) break;
        end.input = n.operands[0];
        end.norm = static_cast<int>(at);
        stage = 1;
      } else if (n.op == "add" && stage < 2 && n.operands.size() == 2 && sameShape(n.operands[0], n.operands[1]) &&
                 paramOf[static_cast<size_t>(n.operands[0])] < 0 && paramOf[static_cast<size_t>(n.operands[1])] < 0) {
        bool swapped = in >= 0 ? n.operands[1] == in : false;
        if (in >= 0 && !swapped && n.operands[0] != in) break;
        if (n.operands[0] == n.operands[1]) break;
        if (in < 0) end.input = n.operands[0];
        end.residual = n.operands[swapped ? 0 : 1];
        stage = 2;
      } else if (n.op == "relu" && stage < 3) {
        if (in >= 0 && n.operands[0] != in) break;
        if (in < 0) end.input = n.operands[0];
        end.relu = true;
        stage = 3;
      } else {
        break;
      }
      end.result = n.results[0];
      done[at] = true;
      bool single = users[static_cast<size_t>(end.result)] == 1;
      if (!single || quantizerOf[static_cast<size_t>(end.result)] >= 0 || stage == 3) break;
      // The next node of the group need not be the next node of the program.
      size_t next = at + 1;
      while (next < g.nodes.size() && groupOf[next] != groupOf[i]) ++next;
      // A residual that is made between here and there has to be made first: the fused end runs at the last node's place.
      if (next != at + 1) break;
      at = next;
    }
    if (end.result >= 0) {
      end.quantizer = quantizerOf[static_cast<size_t>(end.result)];
      steps.push_back(end);
      continue;
    }
    Step s;
    s.node = static_cast<int>(i);
    s.result = first.results[0];
    steps.push_back(s);
    done[i] = true;
    if (int q = quantizerOf[static_cast<size_t>(s.result)]; q >= 0) {
      Step fake;
      fake.input = fake.result = s.result;
      fake.quantizer = q;
      steps.push_back(fake);
    }
  }

  lastUse.assign(g.values.size(), -1);
  for (size_t i = 0; i < steps.size(); ++i) {
    auto use = [&](int v) {
      if (v >= 0) lastUse[static_cast<size_t>(v)] = static_cast<int>(i);
    };
    if (steps[i].node >= 0)
      for (int v : g.nodes[static_cast<size_t>(steps[i].node)].operands) use(v);
    use(steps[i].input);
    use(steps[i].residual);
  }
  for (const auto &[name, value] : g.outputs) lastUse[static_cast<size_t>(value)] = static_cast<int>(steps.size());
  return {};
}

std::vector<int64_t> Network::knownShape(int value) const {
  std::vector<int64_t> out;
  for (const Size &s : graph->values[static_cast<size_t>(value)].shape) out.push_back(s.symbol.empty() ? s.number : -1);
  return out;
}

void Network::initialise(uint64_t seed) {
  const Graph &g = *graph;
  enum class Role { Zero, One, Convolution, Linear, Table };
  std::vector<Role> roles(g.params.size(), Role::Zero);
  for (const NodeInfo &n : g.nodes)
    for (size_t k = 1; k < n.operands.size(); ++k) {
      int p = n.operands[k] < 0 ? -1 : paramOf[static_cast<size_t>(n.operands[k])];
      if (p < 0) continue;
      Role &role = roles[static_cast<size_t>(p)];
      if (n.op == "conv2d" && k == 1) role = Role::Convolution;
      if ((n.op == "linear" || n.op == "ternary_matmul" || n.op == "matmul") && k == 1) role = Role::Linear;
      if (n.op == "embedding" && k == 1) role = Role::Table;
      if (n.op == "batch_norm" && (k == 1 || k == 4)) role = Role::One;
      if ((n.op == "layer_norm" || n.op == "rms_norm") && k == 1) role = Role::One;
    }
  for (size_t i = 0; i < g.params.size(); ++i) {
    const ParamInfo &p = g.params[i];
    int64_t count = 1;
    for (int64_t s : p.shape) count *= s;
    std::vector<float> values(static_cast<size_t>(count), roles[i] == Role::One ? 1.0f : 0.0f);
    int64_t channels = p.shape.empty() ? 1 : p.shape[static_cast<size_t>(p.channelAxis)];
    double fanIn = static_cast<double>(count) / static_cast<double>(channels);
    double fanOut = p.shape.size() > 1 ? static_cast<double>(count) / static_cast<double>(p.shape[1]) : fanIn;
    uint64_t stream = seed ^ fnv1a(p.key);
    auto uniform = [&](uint64_t k) { return (static_cast<double>(splitMix(stream, k) >> 11) + 0.5) * 0x1p-53; };
    for (size_t k = 0; k < values.size(); ++k) {
      switch (roles[i]) {
      case Role::Convolution: // He et al. 2015, normal, by the fan out.
      case Role::Table:
        values[k] = static_cast<float>(std::sqrt(-2 * std::log(uniform(2 * k))) * std::cos(2 * M_PI * uniform(2 * k + 1)) *
                                       (roles[i] == Role::Table ? 0.02 : std::sqrt(2 / fanOut)));
        break;
      case Role::Linear: values[k] = static_cast<float>((2 * uniform(k) - 1) / std::sqrt(fanIn)); break;
      default: break;
      }
    }
    if (!p.init.empty() && p.init.size() == values.size()) values = p.init;
    Tensor t = torch::tensor(values).view(p.shape);
    if (t.dim() == 4) t = t.contiguous(at::MemoryFormat::ChannelsLast);
    t.set_requires_grad(!buffers[i] && !p.frozen);
    params.push_back(t);
    Tensor delta, scale;
    if (p.storage == "trit" && p.method == "learned") {
      ParamInfo twn = p;
      twn.method = "twn";
      Tensor rows = t.detach().movedim(p.channelAxis, 0).contiguous();
      WeightCodes codes = quantizeWeights(rows.data_ptr<float>(), rows.numel(), twn);
      delta = (rows.view({codes.rows, -1}).abs().mean(1) * 0.7).view(scaleShape(p)).set_requires_grad(true);
      scale = torch::tensor(codes.scales).view(scaleShape(p)).set_requires_grad(true);
    }
    deltas.push_back(delta);
    scales.push_back(scale);
  }
  for (const QuantizerInfo &q : g.quantizers) {
    if (q.dynamic) {
      logScales.emplace_back();
      calibrated.push_back(torch::ones({}, at::kBool));
      continue;
    }
    double s = q.fixedScale ? *q.fixedScale : 1.0;
    logScales.push_back(torch::full({}, std::log(s)).set_requires_grad(!q.fixedScale));
    calibrated.push_back(q.fixedScale ? torch::ones({}, at::kBool) : torch::zeros({}, at::kBool));
  }
}

Tensor Network::weightFor(int value, const Mode &mode) {
  auto p = static_cast<size_t>(paramOf[static_cast<size_t>(value)]);
  const ParamInfo &info = graph->params[p];
  const Tensor &w = params[p];
  if (!mode.quantize || weightsAreFinal) return w;
  if (hasCodes(info)) return fakeQuantizeWeight(w, deltas[p], scales[p], info, static_cast<uint64_t>(info.seed) + (mode.training ? step : 0));
  if (info.storage == "float16") return w + (w.to(at::kHalf).to(at::kFloat) - w).detach();
  if (info.storage == "bfloat16") return w + (w.to(at::kBFloat16).to(at::kFloat) - w).detach();
  return w;
}

Tensor Network::runNode(const NodeInfo &node, const std::vector<Tensor> &values, const Mode &mode) {
  std::vector<Tensor> operands;
  for (int v : node.operands) operands.push_back(v < 0 ? Tensor() : values[static_cast<size_t>(v)]);
  return runOp(node, operands, knownShape(node.results[0]), mode.training);
}

/// Leaves out elements of a hidden vector (after a ReLU): drawn from the step's number, so that a resumed run repeats it.
Tensor Network::dropped(const Tensor &x, const Mode &mode, size_t at) const {
  if (!mode.training || mode.dropout <= 0 || x.dim() != 2 || !steps[at].relu) return x;
  at::Generator random = at::detail::createCPUGenerator(splitMix(step, index * steps.size() + at));
  Tensor mask = torch::empty_like(x, x.options().requires_grad(false)).bernoulli_(1 - mode.dropout, random);
  return x * (mask / (1 - mode.dropout));
}

Tensor Network::runEnd(const Step &step, const std::vector<Tensor> &values, const Mode &mode) {
  GroupEnd end;
  end.training = mode.training;
  end.relu = step.relu;
  if (step.residual >= 0) end.residual = values[static_cast<size_t>(step.residual)];
  if (step.norm >= 0) {
    const NodeInfo &n = graph->nodes[static_cast<size_t>(step.norm)];
    end.gamma = values[static_cast<size_t>(n.operands[1])];
    end.beta = values[static_cast<size_t>(n.operands[2])];
    end.runningMean = values[static_cast<size_t>(n.operands[3])];
    end.runningVar = values[static_cast<size_t>(n.operands[4])];
    const json::Value *eps = n.attrs.find("eps");
    if (eps && eps->isNumber()) end.eps = eps->number();
  }
  const Tensor &x = values[static_cast<size_t>(step.input)];
  bool fused = step.norm >= 0 || step.residual >= 0 || step.relu;
  if (step.quantizer < 0 || !mode.quantize) return fused ? applyGroupEnd(x, end) : x;
  auto q = static_cast<size_t>(step.quantizer);
  const QuantizerInfo &info = graph->quantizers[q];
  if (info.dynamic) {
    Tensor y = fused ? applyGroupEnd(x, end) : x;
    return fakeQuantizeDynamic(y, static_cast<float>(info.lo), static_cast<float>(info.hi), info.perRow);
  }
  if (mode.calibrate && !calibrated[q].item<bool>()) {
    torch::NoGradGuard guard;
    GroupEnd plain = end;
    plain.training = false;
    if (step.norm >= 0 && mode.training) {
      // Batch statistics without touching the running ones: they are updated once, below.
      plain.training = true;
      plain.runningMean = end.runningMean.clone();
      plain.runningVar = end.runningVar.clone();
    }
    Tensor y = (fused ? applyGroupEnd(x, plain) : x).abs().flatten();
    auto rank = static_cast<int64_t>(std::ceil(info.clip / 100 * static_cast<double>(y.numel())));
    float bound = std::get<0>(y.kthvalue(std::clamp<int64_t>(rank, 1, y.numel()))).item<float>();
    logScales[q].fill_(std::log(std::max(bound, 1e-6f) / static_cast<float>(info.hi)));
    calibrated[q].fill_(true);
  }
  end.logScale = logScales[q];
  end.lo = static_cast<float>(info.lo);
  end.hi = static_cast<float>(info.hi);
  return applyGroupEnd(x, end);
}

std::vector<Tensor> Network::forward(const Tensor &input, const Mode &mode) {
  if (mode.training) ++step;
  const Graph &g = *graph;
  std::vector<Tensor> values(g.values.size());
  values[static_cast<size_t>(g.inputs[0].value)] = input;
  for (size_t i = 0; i < g.params.size(); ++i) values[static_cast<size_t>(g.params[i].value)] = weightFor(g.params[i].value, mode);
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step &s = steps[i];
    values[static_cast<size_t>(s.result)] =
        s.node >= 0 ? runNode(g.nodes[static_cast<size_t>(s.node)], values, mode) : dropped(runEnd(s, values, mode), mode, i);
    auto release = [&](int v) {
      if (v >= 0 && v != s.result && lastUse[static_cast<size_t>(v)] == static_cast<int>(i)) values[static_cast<size_t>(v)] = Tensor();
    };
    if (s.node >= 0)
      for (int v : g.nodes[static_cast<size_t>(s.node)].operands) release(v);
    release(s.input);
    release(s.residual);
  }
  std::vector<Tensor> out;
  for (const auto &[name, value] : g.outputs) out.push_back(values[static_cast<size_t>(value)]);
  return out;
}

Network Network::replica() const {
  Network copy(*this);
  auto alias = [](Tensor &t) {
    if (t.defined()) t = t.detach().set_requires_grad(t.requires_grad());
  };
  for (size_t i = 0; i < params.size(); ++i) {
    if (buffers[i])
      copy.params[i] = params[i].clone();
    else
      alias(copy.params[i]);
    alias(copy.deltas[i]);
    alias(copy.scales[i]);
  }
  for (Tensor &s : copy.logScales) alias(s);
  return copy;
}

void Network::gather(std::vector<Network> &replicas) {
  torch::NoGradGuard guard;
  auto addGrads = [](const std::vector<Tensor> &to, const std::vector<Tensor> &from) {
    for (size_t i = 0; i < to.size(); ++i) {
      if (!from[i].defined() || !from[i].grad().defined()) continue;
      Tensor target = to[i], source = from[i];
      if (target.grad().defined())
        target.mutable_grad().add_(source.grad());
      else
        target.mutable_grad() = source.grad();
      source.mutable_grad() = Tensor();
    }
  };
  for (Network &r : replicas) {
    addGrads(params, r.params);
    addGrads(deltas, r.deltas);
    addGrads(scales, r.scales);
    addGrads(logScales, r.logScales);
  }
  if (replicas.empty()) return;
  for (size_t i = 0; i < params.size(); ++i) {
    if (!buffers[i]) continue;
    for (Network &r : replicas) params[i].add_(r.params[i]);
    params[i].div_(static_cast<double>(replicas.size() + 1));
    for (Network &r : replicas) r.params[i].copy_(params[i]);
  }
}

Network::Trainable Network::trainable(bool quantized) const {
  Trainable t;
  for (size_t i = 0; i < params.size(); ++i) {
    if (!params[i].requires_grad()) continue;
    (params[i].dim() > 1 ? t.weights : t.others).push_back(params[i]);
    if (quantized && deltas[i].defined()) {
      t.scales.push_back(deltas[i]);
      t.scales.push_back(scales[i]);
    }
  }
  if (quantized)
    for (const Tensor &s : logScales)
      if (s.defined() && s.requires_grad()) t.scales.push_back(s);
  return t;
}

std::map<std::string, Tensor> Network::state() const {
  std::map<std::string, Tensor> out;
  for (size_t i = 0; i < params.size(); ++i) {
    const std::string &key = graph->params[i].key;
    out["param/" + key] = params[i];
    if (deltas[i].defined()) {
      out["delta/" + key] = deltas[i];
      out["scale/" + key] = scales[i];
    }
  }
  for (size_t i = 0; i < logScales.size(); ++i)
    if (logScales[i].defined()) {
      out["log_scale/" + graph->quantizers[i].key] = logScales[i];
      out["calibrated/" + graph->quantizers[i].key] = calibrated[i];
    }
  return out;
}

Result<void> Network::load(const std::map<std::string, Tensor> &values, bool partial) {
  torch::NoGradGuard guard;
  for (auto &[name, tensor] : state()) {
    auto it = values.find(name);
    if (it == values.end()) {
      if (partial) continue;
      return Error{"the checkpoint has no tensor '" + name + "'"};
    }
    if (it->second.sizes() != tensor.sizes()) return Error{"the checkpoint's tensor '" + name + "' has another shape"};
    Tensor target = tensor;
    target.copy_(it->second);
  }
  return {};
}

static HostTensor floatTensor(const Tensor &t) {
  Tensor c = t.detach().contiguous();
  return HostTensor::of<float>(TensorShape(c.sizes().begin(), c.sizes().end()), {c.data_ptr<float>(), static_cast<size_t>(c.numel())});
}

std::vector<std::pair<std::string, HostTensor>> Network::exportTensors() const {
  std::vector<std::pair<std::string, HostTensor>> out;
  for (size_t i = 0; i < params.size(); ++i) {
    const ParamInfo &p = graph->params[i];
    if (!hasCodes(p)) {
      out.emplace_back(p.key, floatTensor(params[i]));
      continue;
    }
    Tensor rows = params[i].detach().movedim(p.channelAxis, 0).contiguous(), d, s;
    if (deltas[i].defined()) {
      d = deltas[i].detach().contiguous();
      s = scales[i].detach().contiguous();
    }
    WeightCodes codes = quantizeWeights(rows.data_ptr<float>(), rows.numel(), p, d.defined() ? d.data_ptr<float>() : nullptr,
                                        s.defined() ? s.data_ptr<float>() : nullptr, static_cast<uint64_t>(p.seed));
    Tensor t = torch::from_blob(codes.codes.data(), rows.sizes(), at::kChar).movedim(0, p.channelAxis).contiguous();
    out.emplace_back(p.key, HostTensor::of<int8_t>(p.shape, {t.data_ptr<int8_t>(), static_cast<size_t>(t.numel())}));
    out.emplace_back(p.key + ".scale", HostTensor::of<float>(scaleShape(p), codes.scales));
  }
  for (size_t i = 0; i < logScales.size(); ++i) {
    const QuantizerInfo &q = graph->quantizers[i];
    if (!logScales[i].defined() || q.fixedScale) continue;
    float scale = std::exp(logScales[i].item<float>());
    out.emplace_back(q.key, HostTensor::of<float>({}, std::span<const float>(&scale, 1)));
  }
  return out;
}

void Network::useExported(const std::vector<std::pair<std::string, HostTensor>> &tensors) {
  torch::NoGradGuard guard;
  std::map<std::string, const HostTensor *> byKey;
  for (const auto &[key, tensor] : tensors) byKey[key] = &tensor;
  for (size_t i = 0; i < params.size(); ++i) {
    const ParamInfo &p = graph->params[i];
    if (!hasCodes(p)) continue;
    std::vector<int8_t> codes = byKey.at(p.key)->as<int8_t>();
    std::vector<float> scale = byKey.at(p.key + ".scale")->as<float>();
    Tensor t = torch::from_blob(codes.data(), p.shape, at::kChar).to(at::kFloat);
    Tensor rows = t.movedim(p.channelAxis, 0).contiguous();
    Tensor product = rows.view({static_cast<int64_t>(scale.size()), -1}) * torch::tensor(scale).view({-1, 1});
    params[i].copy_(product.view(rows.sizes()).movedim(0, p.channelAxis));
  }
  weightsAreFinal = true;
}

} // namespace triton::trainer
