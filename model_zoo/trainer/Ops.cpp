#include "Ops.h"

#include <functional>
#include <map>

namespace triton::trainer {

using at::Tensor;

namespace {

/// One operation at the moment it runs, with typed access to its attributes.
struct Call {
  const NodeInfo &node;
  const std::vector<Tensor> &in;
  const std::vector<int64_t> &shape;
  bool training;

  const Tensor &operator[](size_t i) const {
    TORCH_CHECK(i < in.size() && in[i].defined(), node.op, ": operand ", i, " is missing");
    return in[i];
  }
  Tensor optional(size_t i) const { return i < in.size() ? in[i] : Tensor(); }
  int64_t integer(const char *name, int64_t otherwise) const {
    const json::Value *v = node.attrs.find(name);
    return v && v->asInt() ? *v->asInt() : otherwise;
  }
  double number(const char *name, double otherwise) const {
    const json::Value *v = node.attrs.find(name);
    return v && v->isNumber() ? v->number() : otherwise;
  }
  bool flag(const char *name, bool otherwise) const {
    const json::Value *v = node.attrs.find(name);
    return v && v->asBool() ? *v->asBool() : otherwise;
  }
  /// A list of integers; one integer counts as `[h, w]` with both the same.
  std::vector<int64_t> list(const char *name, std::vector<int64_t> otherwise) const {
    const json::Value *v = node.attrs.find(name);
    if (v && v->asInt()) return {*v->asInt(), *v->asInt()};
    if (!v || !v->asArray()) return otherwise;
    std::vector<int64_t> out;
    for (const json::Value &item : *v->asArray()) out.push_back(item.asInt() ? *item.asInt() : -1);
    return out;
  }
};

Tensor linear(const Call &c) {
  const Tensor &x = c[0], &w = c[1];
  Tensor bias = c.optional(2);
  // Without MKL the matrix product is the reference BLAS; oneDNN's convolution is many times faster.
  if (x.dim() == 2 && !at::hasMKL()) {
    Tensor y = at::conv2d(x.view({x.size(0), x.size(1), 1, 1}), w.view({w.size(0), w.size(1), 1, 1}), bias);
    return y.view({y.size(0), y.size(1)});
  }
  return bias.defined() ? at::linear(x, w, bias) : at::linear(x, w);
}

Tensor conv2d(const Call &c) {
  return at::conv2d(c[0], c[1], c.optional(2), c.list("stride", {1, 1}), c.list("padding", {0, 0}), c.list("dilation", {1, 1}),
                    c.integer("groups", 1));
}

Tensor maxPool(const Call &c) {
  std::vector<int64_t> kernel = c.list("kernel", {1, 1});
  return at::max_pool2d(c[0], kernel, c.list("stride", kernel), c.list("padding", {0, 0}));
}

Tensor avgPool(const Call &c) {
  std::vector<int64_t> kernel = c.list("kernel", {1, 1});
  return at::avg_pool2d(c[0], kernel, c.list("stride", kernel), c.list("padding", {0, 0}), false, c.flag("count_pad", true));
}

Tensor rmsNorm(const Call &c) {
  const Tensor &x = c[0];
  return x * at::rsqrt(x.square().mean(-1, true) + c.number("eps", 1e-6)) * c[1];
}

Tensor attention(const Call &c) {
  Tensor q = c[0], k = c[1], v = c[2];
  int64_t repeat = q.size(1) / k.size(1);
  if (repeat > 1) {
    k = k.repeat_interleave(repeat, 1);
    v = v.repeat_interleave(repeat, 1);
  }
  double scale = c.number("scale", 0);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  Tensor scores = at::matmul(q, k.transpose(-1, -2)) * scale;
  if (c.flag("causal", false)) {
    // Query t of T sees the keys up to t + S - T.
    int64_t t = q.size(2), s = k.size(2);
    scores = scores.masked_fill(at::ones({t, s}, at::kBool).triu(s - t + 1), -std::numeric_limits<double>::infinity());
  }
  return at::matmul(scores.softmax(-1), v);
}

Tensor rope(const Call &c) {
  const Tensor &x = c[0];
  int64_t t = x.size(2), half = x.size(3) / 2;
  Tensor frequency = at::pow(c.number("base", 10000.0), at::arange(half, at::kDouble) * (-2.0 / static_cast<double>(2 * half)));
  Tensor angle = (at::arange(t, at::kDouble) + static_cast<double>(c.integer("offset", 0))).unsqueeze(1) * frequency;
  Tensor cos = angle.cos().to(at::kFloat), sin = angle.sin().to(at::kFloat);
  Tensor a = x.slice(3, 0, half), b = x.slice(3, half);
  return at::cat({a * cos - b * sin, a * sin + b * cos}, 3);
}

Tensor transpose(const Call &c) {
  std::vector<int64_t> order = c.list("order", {});
  return order.empty() ? c[0].transpose(-1, -2) : c[0].permute(order);
}

Tensor pad(const Call &c) {
  return at::constant_pad_nd(c[0], c.list("pads", c.list("padding", c.list("amounts", {}))), c.number("value", 0));
}

Tensor concat(const Call &c) { return at::cat(c.in, c.integer("axis", 1)); }

Tensor slice(const Call &c) { return c[0].slice(c.integer("axis", 0), c.integer("from", 0), c.integer("to", INT64_MAX)); }

Tensor constant(const Call &c) {
  const json::Value *data = c.node.attrs.find("data");
  TORCH_CHECK(data && data->asArray(), "constant: no data");
  std::vector<float> values;
  for (const json::Value &v : *data->asArray()) values.push_back(static_cast<float>(v.number()));
  return torch::tensor(values).view(c.shape);
}

const std::map<std::string, std::function<Tensor(const Call &)>> &table() {
  using F = std::function<Tensor(const Call &)>;
  auto axis = [](const Call &c) { return c.integer("axis", -1); };
  static const std::map<std::string, F> ops = {
      {"linear", linear},
      {"ternary_matmul", linear},
      {"matmul", [](const Call &c) { return at::matmul(c[0], c[1]); }},
      {"conv2d", conv2d},
      {"batch_norm",
       [](const Call &c) { return at::batch_norm(c[0], c[1], c[2], c[3], c[4], c.training, 0.1, c.number("eps", 1e-5), false); }},
      {"layer_norm",
       [](const Call &c) { return at::layer_norm(c[0], {c[0].size(-1)}, c[1], c[2], c.number("eps", 1e-5)); }},
      {"rms_norm", rmsNorm},
      {"relu", [](const Call &c) { return at::relu(c[0]); }},
      {"relu6", [](const Call &c) { return at::clamp(c[0], 0, 6); }},
      {"hardsigmoid", [](const Call &c) { return at::hardsigmoid(c[0]); }},
      {"hardswish", [](const Call &c) { return at::hardswish(c[0]); }},
      {"sigmoid", [](const Call &c) { return at::sigmoid(c[0]); }},
      {"silu", [](const Call &c) { return at::silu(c[0]); }},
      {"tanh", [](const Call &c) { return at::tanh(c[0]); }},
      {"gelu", [](const Call &c) { return at::gelu(c[0], c.flag("approx", false) ? "tanh" : "none"); }},
      {"exp", [](const Call &c) { return at::exp(c[0]); }},
      {"log", [](const Call &c) { return at::log(c[0]); }},
      {"sqrt", [](const Call &c) { return at::sqrt(c[0]); }},
      {"abs", [](const Call &c) { return at::abs(c[0]); }},
      {"neg", [](const Call &c) { return at::neg(c[0]); }},
      {"add", [](const Call &c) { return c[0] + c[1]; }},
      {"sub", [](const Call &c) { return c[0] - c[1]; }},
      {"mul", [](const Call &c) { return c[0] * c[1]; }},
      {"div", [](const Call &c) { return c[0] / c[1]; }},
      {"clamp", [](const Call &c) { return at::clamp(c[0], c.number("lo", 0), c.number("hi", 0)); }},
      {"max_pool", maxPool},
      {"avg_pool", avgPool},
      {"global_avg_pool", [](const Call &c) { return c[0].mean(at::IntArrayRef{2, 3}); }},
      {"mean", [axis](const Call &c) { return c[0].mean(axis(c), c.flag("keep", false)); }},
      {"sum", [axis](const Call &c) { return c[0].sum(axis(c), c.flag("keep", false)); }},
      {"max", [axis](const Call &c) { return at::amax(c[0], axis(c), c.flag("keep", false)); }},
      {"concat", concat},
      {"flatten", [](const Call &c) { return c[0].flatten(c.integer("start", 1)); }},
      {"reshape", [](const Call &c) { return c[0].reshape(c.shape); }},
      {"transpose", transpose},
      {"slice", slice},
      {"pad", pad},
      {"softmax", [axis](const Call &c) { return c[0].softmax(axis(c)); }},
      {"argmax", [axis](const Call &c) { return at::argmax(c[0], axis(c)).to(at::kInt); }},
      {"embedding", [](const Call &c) { return at::embedding(c[1], c[0].to(at::kLong)); }},
      {"attention", attention},
      {"rope", rope},
      {"dropout", [](const Call &c) { return c.training ? at::dropout(c[0], c.number("p", 0.5), true) : c[0]; }},
      {"identity", [](const Call &c) { return c[0]; }},
      {"constant", constant},
  };
  return ops;
}

} // namespace

bool knowsOp(const std::string &op) { return table().count(op) != 0; }

bool isLinearLike(const std::string &op) { return op == "linear" || op == "ternary_matmul" || op == "conv2d" || op == "matmul"; }

Tensor runOp(const NodeInfo &node, const std::vector<Tensor> &operands, const std::vector<int64_t> &shape, bool training) {
  return table().at(node.op)(Call{node, operands, shape, training});
}

} // namespace triton::trainer
