// The HTML of an evaluation: figures, accuracy by class, and what was taken for what. One file, pictures as SVG, nothing fetched.
#include "Html.h"
#include "Zoo.h"

#include <fmt/format.h>

#include <algorithm>

namespace triton::driver {

static constexpr std::string_view style = R"(
:root { color-scheme: light dark; --right: #2f7d4f; --wrong: #b8432f; --bar: #4878a8; --line: #8884; }
body { font: 14px/1.45 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } th, td { padding: 2px 10px; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; } svg { max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
.right { fill: var(--right); } .wrong { fill: var(--wrong); } .bar { fill: var(--bar); } .back { fill: var(--line); }
)";

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * double(part) / double(whole) : 0; }

static std::string row(std::string_view name, const std::string &value) {
  return fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", name, value);
}

static std::string figures(const zoo::ZooModel &model, const EvalResult &r) {
  std::string out = "<table>\n";
  out += row("accuracy", fmt::format("<b>{:.2f} %</b> ({} of {})", percent(r.correct, r.images), r.correct, r.images));
  out += row("top-5", fmt::format("{:.2f} %", percent(r.correctTop5, r.images)));
  if (model.fp32Accuracy) out += row("fp32 twin", fmt::format("{:.2f} %", 100 * *model.fp32Accuracy));
  if (r.medianMs > 0) out += row("latency of one image", fmt::format("{:.3f} ms (median), {:.3f} ms (95 %)", r.medianMs, r.p95Ms));
  out += row("throughput", fmt::format("{:.1f} images/s; {:.1f} s in all, {:.1f} s of them waiting for images", double(r.images) / r.seconds, r.seconds,
                                       r.waitSeconds));
  out += row("artifact", fmt::format("{} B, of that {} B weights; as fp32 {} B", r.info.file_bytes, r.info.weights_bytes, r.info.fp32_bytes));
  out += row("memory", fmt::format("{} B weights as they are used, {} B workspace for one image{}", r.info.arena_bytes, r.workspaceBytes,
                                   r.peakBytes ? fmt::format(", {} B resident at most", r.peakBytes) : ""));
  out += row("multiply-accumulates", fmt::format("{} for one image", r.macs));
  if (r.info.weight_trits) out += row("zero trits", fmt::format("{:.1f} %", percent(r.info.zero_trits, r.info.weight_trits)));
  return out + row("predictions", "SHA-256 " + r.predictionsSha256) + "</table>\n";
}

/// A bar for each class.
static std::string classBars(const std::vector<ClassResult> &classes) {
  constexpr int rowHeight = 16, left = 170, width = 500;
  std::string out = fmt::format("<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-label=\"accuracy by class\">\n",
                                left + width + 130, rowHeight * int(classes.size()) + 4);
  for (size_t c = 0; c < classes.size(); ++c) {
    const int y = rowHeight * int(c);
    const double share = percent(classes[c].correct, classes[c].images);
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect class=\"back\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"12\"/>"
                       "<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"12\"/><text x=\"{}\" y=\"{}\">{:.1f} % of {}</text>\n",
                       left - 6, y + 11, htmlEscaped(classes[c].name), left, y + 1, width, left, y + 1, width * share / 100, left + width + 6, y + 11, share,
                       classes[c].images);
  }
  return out + "</svg>\n";
}

/// How many classes have which accuracy, in steps of 5 %.
static std::string classHistogram(const std::vector<ClassResult> &classes) {
  constexpr int bins = 20, step = 34, height = 180;
  size_t counts[bins] = {}, most = 1;
  for (const ClassResult &c : classes)
    if (c.images) most = std::max(most, ++counts[std::min<uint64_t>(c.correct * bins / c.images, bins - 1)]);
  std::string out = fmt::format("<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-label=\"classes by accuracy\">\n", bins * step,
                                height + 34);
  for (int b = 0; b < bins; ++b) {
    const double h = double(counts[b]) / double(most) * (height - 20);
    out += fmt::format("<rect class=\"bar\" x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{:.1f}\"/><text x=\"{}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>"
                       "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                       b * step + 2, height - h, step - 4, h, b * step + step / 2, height - h - 4, counts[b] ? std::to_string(counts[b]) : "",
                       b * step + step / 2, height + 14, b * 5);
  }
  return out + fmt::format("<text x=\"0\" y=\"{}\">accuracy from ... %</text></svg>\n", height + 30);
}

/// Rows are true classes, columns predictions; the shade is the share of the row.
static std::string matrix(const std::vector<ClassResult> &classes, const std::vector<Confusion> &pairs) {
  const bool labelled = classes.size() <= 25;
  const int side = labelled ? 40 : 8, left = labelled ? 170 : 30, top = labelled ? 120 : 30,
            right = labelled ? 100 : 4, span = side * int(classes.size()); // slanted names reach over the last column
  std::string out = fmt::format("<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-label=\"confusion matrix\">\n", left + span + right,
                                top + span + 4);
  out += fmt::format("<rect class=\"back\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"0.3\"/>\n", left, top, span, span);
  for (size_t c = 0; labelled && c < classes.size(); ++c) {
    const int at = side * int(c) + side / 2 + 4;
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><text transform=\"translate({} {}) rotate(-50)\">{}</text>\n", left - 6, top + at,
                       htmlEscaped(classes[c].name), left + at, top - 6, htmlEscaped(classes[c].name));
  }
  for (const Confusion &c : pairs) {
    const double share = double(c.count) / double(classes[c.label].images);
    const int x = left + side * c.predicted, y = top + side * c.label;
    out += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"{:.3f}\"><title>{} taken for {}: {} ({:.1f} %)</title></rect>",
                       c.label == c.predicted ? "right" : "wrong", x, y, side - 1, side - 1, 0.12 + 0.88 * share, htmlEscaped(classes[c.label].name),
                       htmlEscaped(classes[c.predicted].name), c.count, 100 * share);
    if (labelled) out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" pointer-events=\"none\">{}</text>", x + side / 2, y + side / 2 + 4, c.count);
    out += '\n';
  }
  return out + "</svg>\n";
}

static std::string table(std::string_view head, const std::vector<std::string> &rows) {
  std::string out = fmt::format("<table>\n<tr>{}</tr>\n", head);
  for (const std::string &r : rows) out += r;
  return out + "</table>\n";
}

static std::string frequentConfusions(const std::vector<ClassResult> &classes, std::vector<Confusion> pairs) {
  std::erase_if(pairs, [](const Confusion &c) { return c.label == c.predicted; });
  std::stable_sort(pairs.begin(), pairs.end(), [](const Confusion &a, const Confusion &b) { return a.count > b.count; });
  std::vector<std::string> rows;
  for (size_t i = 0; i < std::min<size_t>(pairs.size(), 20); ++i)
    rows.push_back(fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1f}</td></tr>\n", htmlEscaped(classes[pairs[i].label].name),
                               htmlEscaped(classes[pairs[i].predicted].name), pairs[i].count, percent(pairs[i].count, classes[pairs[i].label].images)));
  return table("<th>class</th><th>taken for</th><th>images</th><th>% of the class</th>", rows);
}

static std::string worstClasses(std::vector<ClassResult> classes) {
  std::erase_if(classes, [](const ClassResult &c) { return c.images == 0; });
  std::stable_sort(classes.begin(), classes.end(), [](const ClassResult &a, const ClassResult &b) { return a.correct * b.images < b.correct * a.images; });
  std::vector<std::string> rows;
  for (size_t i = 0; i < std::min<size_t>(classes.size(), 20); ++i)
    rows.push_back(fmt::format("<tr><td>{}</td><td>{:.1f}</td><td>{}</td></tr>\n", htmlEscaped(classes[i].name), percent(classes[i].correct, classes[i].images),
                               classes[i].images));
  return table("<th>class</th><th>accuracy, %</th><th>images</th>", rows);
}

std::string evalHtml(const zoo::ZooModel &model, const EvalResult &r, unsigned threads) {
  const std::vector<ClassResult> classes = classResults(r);
  const std::vector<Confusion> pairs = confusions(r);
  std::string out = fmt::format("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}: evaluation</title><style>{1}</style></head><body>\n"
                                "<h1>{0}</h1>\n<p>{2} test images of {3}; -O{4}, {5}, {6} thread{7}.</p>\n",
                                htmlEscaped(model.name), style, r.images, htmlEscaped(model.dataset.empty() ? r.folder : model.dataset), r.optLevel,
                                htmlEscaped(r.variant), threads, threads == 1 ? "" : "s");
  out += figures(model, r);
  if (classes.size() <= 100)
    out += "<h2>Accuracy by class</h2>\n" + classBars(classes) + "<h2>What was taken for what</h2>\n<p>Rows are the true classes, columns the predictions.</p>\n" +
           matrix(classes, pairs);
  else
    out += "<h2>Classes by accuracy</h2>\n" + classHistogram(classes) + "<h2>The worst classes</h2>\n" + worstClasses(classes);
  return out + "<h2>The most frequent mistakes</h2>\n" + frequentConfusions(classes, pairs) + "</body></html>\n";
}

} // namespace triton::driver
