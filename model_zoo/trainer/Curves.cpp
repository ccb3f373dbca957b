#include "Curves.h"

#include "triton/Support/Json.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

namespace triton::trainer {

namespace {

/// One epoch of the log.
struct Point {
  std::string phase;
  int64_t epoch = 0;
  std::optional<double> loss, training, scored;
};

std::optional<double> finite(const json::Value *v) {
  if (!v || !v->isNumber() || !std::isfinite(v->number())) return std::nullopt;
  return std::clamp(v->number(), -1e30, 1e30); // What is drawn has a range that is finite too.
}

std::vector<Point> readLog(std::string_view log, std::string &scoredName) {
  std::vector<Point> out;
  while (!log.empty()) {
    size_t end = std::min(log.find('\n'), log.size());
    Result<json::Value> line = json::parse(std::string(log.substr(0, end)), "log");
    log.remove_prefix(std::min(end + 1, log.size()));
    if (!line || !line->asObject()) continue;
    const json::Value *phase = line->find("phase"), *epoch = line->find("epoch");
    if (!phase || !phase->asString() || !epoch || !epoch->asInt()) continue;
    Point p{*phase->asString(), *epoch->asInt(), finite(line->find("loss")), finite(line->find("train_accuracy")), {}};
    for (const char *name : {"test", "validation"})
      if (std::optional<double> v = finite(line->find(std::string(name) + "_accuracy"))) {
        p.scored = v;
        scoredName = name;
      }
    auto same = std::find_if(out.begin(), out.end(), [&](const Point &q) { return q.phase == p.phase && q.epoch == p.epoch; });
    if (same != out.end())
      *same = std::move(p);
    else
      out.push_back(std::move(p));
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      out += c;
  }
  return out;
}

std::string format(const char *pattern, auto... values) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, pattern, values...);
  return buffer;
}

constexpr double left = 64, right = 744, width = 760;

/// A panel between two heights with an axis of values.
class Panel {
public:
  Panel(std::string &out, double top, double bottom, double lo, double hi, size_t epochs)
      : out(out), top(top), bottom(bottom), lo(lo), hi(hi), epochs(epochs) {
    // About five lines at 1, 2 or 5 times a power of ten.
    double rough = (hi - lo) / 5, step = std::pow(10, std::floor(std::log10(rough)));
    for (double factor : {1.0, 2.0, 5.0, 10.0})
      if (step * factor >= rough) {
        step *= factor;
        break;
      }
    for (double k = std::ceil(lo / step); k * step <= hi; ++k)
      out += format("<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n", left,
                    y(k * step), right, left - 6, y(k * step) + 4, k * step);
  }

  double x(size_t i) const {
    return epochs < 2 ? (left + right) / 2 : left + (right - left) * static_cast<double>(i) / static_cast<double>(epochs - 1);
  }
  double y(double v) const { return bottom - (bottom - top) * (v - lo) / (hi - lo); }

  void line(const char *style, const std::vector<std::optional<double>> &values) {
    std::string points;
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i]) points += format("%s%.1f,%.1f", points.empty() ? "" : " ", x(i), y(std::clamp(*values[i], lo, hi)));
    if (!points.empty()) out += format("<polyline class=\"%s\" points=\"", style) + points + "\"/>\n";
  }

private:
  std::string &out;
  double top, bottom, lo, hi;
  size_t epochs;
};

/// The range of some values with a little air; [0, 1] for none.
std::pair<double, double> rangeOf(std::initializer_list<const std::vector<std::optional<double>> *> lists) {
  double lo = INFINITY, hi = -INFINITY;
  for (const auto *list : lists)
    for (const std::optional<double> &v : *list)
      if (v) {
        lo = std::min(lo, *v);
        hi = std::max(hi, *v);
      }
  if (!(lo <= hi)) return {0, 1};
  double air = std::max((hi - lo) * 0.04, std::max(std::fabs(hi), 1.0) * 1e-3);
  return {lo - air, hi + air};
}

} // namespace

std::string drawCurves(std::string_view log, std::string_view title) {
  std::string scoredName = "test";
  std::vector<Point> points = readLog(log, scoredName);
  std::vector<std::optional<double>> losses, training, scored;
  for (const Point &p : points) {
    losses.push_back(p.loss);
    training.push_back(p.training);
    scored.push_back(p.scored);
  }
  std::string out = format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f 470\" font-family=\"sans-serif\" font-size=\"12\">\n", width);
  out += "<style>rect{fill:#fff}polyline{fill:none;stroke-width:1.8}.training{stroke:#777}.scored{stroke:#c03}.loss{stroke:#06c}"
         ".grid{stroke:#ddd}.phase{stroke:#999;stroke-dasharray:4 3}</style>\n";
  out += format("<rect width=\"%.0f\" height=\"470\"/>\n", width);
  out += "<text x=\"64\" y=\"18\" font-size=\"14\">" + escaped(title) + "</text>\n";
  out += "<text x=\"64\" y=\"36\" fill=\"#777\">training accuracy (%)</text><text x=\"200\" y=\"36\" fill=\"#c03\">" + scoredName + " accuracy (%)</text>\n";
  out += "<text x=\"64\" y=\"280\" fill=\"#06c\">loss</text>\n";

  auto [lowest, highest] = rangeOf({&training, &scored});
  Panel accuracy(out, 62, 255, lowest, highest, points.size());
  accuracy.line("training", training);
  accuracy.line("scored", scored);
  // Each phase has a loss of its own kind: the ranges differ, the curves do not cross over.
  auto [least, most] = rangeOf({&losses});
  Panel loss(out, 290, 435, least, most, points.size());
  std::vector<std::optional<double>> part(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    part[i] = losses[i];
    bool last = i + 1 == points.size() || points[i + 1].phase != points[i].phase;
    if (!last) continue;
    loss.line("loss", part);
    part.assign(points.size(), std::nullopt);
  }
  for (size_t i = 0; i < points.size(); ++i) {
    bool begins = i == 0 || points[i].phase != points[i - 1].phase;
    if (!begins) continue;
    if (i > 0) out += format("<path class=\"phase\" d=\"M%.1f 62V435\"/>\n", (loss.x(i) + loss.x(i - 1)) / 2);
    out += format("<text x=\"%.1f\" y=\"55\">", loss.x(i)) + escaped(points[i].phase) + "</text>\n";
  }
  out += format("<text x=\"%.0f\" y=\"458\" text-anchor=\"middle\">%zu epochs</text>\n</svg>\n", (left + right) / 2, points.size());
  return out;
}

} // namespace triton::trainer
