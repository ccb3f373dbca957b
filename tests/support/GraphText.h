// Writes integer graphs as text, with random weights.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace triton::test {

/// A value of the graph under construction.
struct Ref {
  std::string name, element;
  std::vector<int64_t> shape; ///< -1 is the batch
  std::string type() const {
    std::string text = "tensor<";
    for (int64_t d : shape)
      text += (d < 0 ? "?" : std::to_string(d)) + "x";
    return text + element + ">";
  }
};
inline std::string quant(const std::string &kind, double scale) {
  char text[64];
  snprintf(text, sizeof text, "!ternary.quant<%s, %.9g>", kind.c_str(), scale);
  return text;
}

class GraphText {
public:
  explicit GraphText(unsigned seed) : random(seed) {}
  std::mt19937 random;

  Ref argument(std::string element, std::vector<int64_t> shape, const std::string &attributes = "") {
    Ref r{"%a" + std::to_string(arguments.size()), std::move(element), std::move(shape)};
    arguments.push_back(r.name + ": " + r.type() + (attributes.empty() ? "" : " {" + attributes + "}"));
    return r;
  }
  Ref op(const std::string &name, const std::vector<Ref> &operands, const std::string &attributes, std::string element, std::vector<int64_t> shape) {
    Ref r = fresh(std::move(element), std::move(shape));
    line(r, name, list(operands), attributes, operands);
    return r;
  }
  /// The short form `op %x {..} : type`.
  Ref same(const std::string &name, const Ref &x, const std::string &attributes = "") {
    Ref r = fresh(x.element, x.shape);
    body += "  " + r.name + " = ternary." + name + " " + x.name + braces(attributes) + " : " + x.type() + "\n";
    return r;
  }
  Ref quantize(const Ref &x, const std::string &element) {
    Ref r = fresh(element, x.shape);
    body += "  " + r.name + " = ternary.quantize " + x.name + " : " + x.type() + " -> " + r.type() + "\n";
    return r;
  }
  Ref dequantize(const Ref &x) { return op("dequantize", {x}, "", "f32", x.shape); }

  /// mode 0: random; 1, -1: all of that value; 2: all zero.
  Ref weights(bool trits, std::vector<int64_t> shape, int mode = 0, const std::string &key = "") {
    int64_t n = 1;
    for (int64_t d : shape)
      n *= d;
    int most = trits ? 1 : 127;
    std::vector<int8_t> values(n);
    for (int8_t &v : values)
      v = int8_t(mode == 0 ? int(random() % unsigned(2 * most + 1)) - most : mode == 2 ? 0 : mode * most);
    if (n > 1 && mode != 0 && mode != 2)
      values[0] = int8_t(values[0]); // stays a splat in value, written in full
    Ref r = fresh(trits ? "!ternary.trit" : "i8", shape);
    Ref storage{"", "i8", shape};
    body += "  " + r.name + " = ternary.constant {key = \"" + (key.empty() ? "layer" + r.name.substr(1) : key) + ".weight\"} " + hex(values) + " : " + storage.type() +
            (trits ? " -> " + r.type() : "") + "\n";
    return r;
  }
  Ref reals(std::vector<int64_t> shape, float lo, float hi) {
    Ref r = fresh("f32", shape);
    body += "  " + r.name + " = ternary.constant " + hex(floats(count(shape), lo, hi)) + " : " + r.type() + "\n";
    return r;
  }
  std::vector<float> floats(int64_t n, float lo, float hi) {
    std::vector<float> values(n);
    for (float &v : values)
      v = std::uniform_real_distribution<float>(lo, hi)(random);
    return values;
  }
  std::string floatAttr(const std::vector<float> &values) { return hex(values) + " : tensor<" + std::to_string(values.size()) + "xf32>"; }

  /// conv2d or linear followed by its affine end.
  Ref conv(const Ref &x, const Ref &w, const std::string &outElement, int64_t stride, int64_t padding, int64_t dilation = 1, int64_t groups = 1,
           const Ref *residual = nullptr, const std::string &bounds = "") {
    auto out = [&](int64_t l, int64_t k) { return (l + 2 * padding - dilation * (k - 1) - 1) / stride + 1; };
    std::vector<int64_t> shape = {x.shape[0], w.shape[0], out(x.shape[2], w.shape[2]), out(x.shape[3], w.shape[3])};
    std::string pair = std::to_string(stride) + ", " + std::to_string(stride);
    std::string attributes = "stride = array<i64: " + pair + ">, padding = array<i64: " + std::to_string(padding) + ", " +
                             std::to_string(padding) + ">, dilation = array<i64: " + std::to_string(dilation) + ", " +
                             std::to_string(dilation) + ">, groups = " + std::to_string(groups) + " : i64";
    Ref acc = op("conv2d", {x, w}, attributes, "i32", shape);
    float terms = float(w.shape[1] * w.shape[2] * w.shape[3]);
    return affine(acc, outElement, 1, w.shape[0], terms, residual, bounds);
  }
  Ref linear(const Ref &x, const Ref &w, const std::string &outElement, const Ref *residual = nullptr, const std::string &bounds = "") {
    std::vector<int64_t> shape = x.shape;
    shape.back() = w.shape[0];
    Ref acc = op("linear", {x, w}, "", "i32", shape);
    return affine(acc, outElement, int64_t(shape.size()) - 1, w.shape[0], float(w.shape[1]), residual, bounds);
  }
  Ref affine(const Ref &acc, const std::string &outElement, int64_t axis, int64_t channels, float terms, const Ref *residual, const std::string &bounds) {
    float m = 2.0f / std::max(1.0f, std::sqrt(terms) * 0.8f);
    std::string attributes = "m = " + floatAttr(floats(channels, 0.3f * m, m)) + ", b = " + floatAttr(floats(channels, -20.0f, 20.0f)) +
                             ", axis = " + std::to_string(axis) + " : i64";
    if (residual)
      attributes += ", residual_m = 0.7 : f32";
    if (!bounds.empty())
      attributes += ", " + bounds;
    Ref r = fresh(outElement, acc.shape);
    std::vector<Ref> operands = {acc};
    std::string text = acc.name;
    if (residual) {
      operands.push_back(*residual);
      text += " residual " + residual->name;
    }
    line(r, "affine", text, attributes, operands);
    return r;
  }

  std::string finish(const std::vector<Ref> &results) {
    std::string text = "func.func @main(";
    for (size_t i = 0; i < arguments.size(); ++i)
      text += (i ? ", " : "") + arguments[i];
    text += ") -> (";
    for (size_t i = 0; i < results.size(); ++i)
      text += (i ? ", " : "") + results[i].type();
    text += ") {\n" + body + "  return " + list(results) + " : ";
    for (size_t i = 0; i < results.size(); ++i)
      text += (i ? ", " : "") + results[i].type();
    return text + "\n}\n";
  }

  static int64_t count(const std::vector<int64_t> &shape) {
    int64_t n = 1;
    for (int64_t d : shape)
      n *= d < 0 ? 1 : d;
    return n;
  }
  Ref fresh(std::string element, std::vector<int64_t> shape) { return Ref{"%v" + std::to_string(next++), std::move(element), std::move(shape)}; }
  std::string body;

private:
  template <typename T>
  static std::string hex(const std::vector<T> &values) {
    std::string text = "dense<\"0x";
    const auto *bytes = reinterpret_cast<const unsigned char *>(values.data());
    char digits[3];
    for (size_t i = 0; i < values.size() * sizeof(T); ++i) {
      snprintf(digits, sizeof digits, "%02X", bytes[i]);
      text += digits;
    }
    return text + "\">";
  }
  static std::string braces(const std::string &attributes) { return attributes.empty() ? "" : " {" + attributes + "}"; }
  static std::string list(const std::vector<Ref> &refs) {
    std::string text;
    for (size_t i = 0; i < refs.size(); ++i)
      text += (i ? ", " : "") + refs[i].name;
    return text;
  }
  void line(const Ref &r, const std::string &name, const std::string &operandText, const std::string &attributes, const std::vector<Ref> &operands) {
    body += "  " + r.name + " = ternary." + name + " " + operandText + braces(attributes) + " : (";
    for (size_t i = 0; i < operands.size(); ++i)
      body += (i ? ", " : "") + operands[i].type();
    body += ") -> " + r.type() + "\n";
  }

  std::vector<std::string> arguments;
  int next = 0;
};

} // namespace triton::test
