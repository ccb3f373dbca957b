// The HTML of a profile: summary, a bar for each layer, the table, the ceilings.
#include "Html.h"
#include "ProfileReport.h"

#include <fmt/format.h>

namespace triton::driver {

static constexpr std::string_view style = R"(
:root { color-scheme: light dark; --bar: #4878a8; --line: #8884; }
body { font: 14px/1.45 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; } th, td { padding: 2px 8px; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; } td:last-child { font-size: 12px; }
.bar { position: relative; height: 14px; background: var(--line); min-width: 120px; }
.bar div { height: 100%; background: var(--bar); } .quiet { opacity: .7; }
)";

static std::string cell(uint64_t amount, double ms) {
  return amount && ms > 0 ? fmt::format("<td>{:.1f}</td>", double(amount) / (ms * 1e6)) : "<td class=\"quiet\">-</td>";
}
static std::string cell(std::optional<double> share) {
  return share ? fmt::format("<td>{:.1f}</td>", *share * 100) : "<td class=\"quiet\">-</td>";
}

std::string profileHtml(const Profile &p) {
  std::string out = fmt::format("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}: profile</title><style>{1}</style>"
                                "</head><body>\n<h1>{0}</h1>\n",
                                htmlEscaped(p.model), style);
  out += fmt::format("<p>-O{}, {}, {} thread{}, batch {}; {} runs after {}{}.</p>\n", p.optLevel, htmlEscaped(p.variant), p.threads,
                     p.threads == 1 ? "" : "s", p.batch, p.iterations, p.warmup,
                     p.input == "pattern" ? "; the input is a fixed pattern" : "");
  out += fmt::format("<p>Median <b>{:.4f} ms</b>, mean {:.4f} (95 % {:.4f} to {:.4f}), p95 {:.4f}, p99 {:.4f}. The steps' medians add up to "
                     "{:.4f} ms; {:.4f} ms are outside of them.</p>\n",
                     p.total.median, p.total.mean, p.total.ciLow, p.total.ciHigh, p.total.p95, p.total.p99, p.stepsMs(), p.outsideMs());
  const std::vector<ProfileLayer> layers = p.layers();
  double longest = 0;
  for (const ProfileLayer &layer : layers) longest = std::max(longest, layer.medianMs);
  out += "<table>\n<tr><th>layer</th><th></th><th>ms</th><th>%</th><th>M MAC</th><th>G MAC/s</th><th>% of peak</th><th>GB/s</th>"
         "<th>kernel</th></tr>\n";
  for (const ProfileLayer &layer : layers) {
    std::string kernel = layer.algorithm;
    if (!layer.packing.empty()) kernel += ", " + layer.packing;
    out += fmt::format("<tr><td>{}</td><td><div class=\"bar\"><div style=\"width:{:.1f}%\"></div></div></td><td>{:.4f}</td><td>{:.1f}</td>"
                       "<td>{:.2f}</td>{}{}{}<td title=\"{}\">{}</td></tr>\n",
                       htmlEscaped(layer.name), longest > 0 ? layer.medianMs / longest * 100 : 0.0, layer.medianMs,
                       p.total.median > 0 ? layer.medianMs / p.total.median * 100 : 0.0, double(layer.macs) / 1e6,
                       cell(layer.macs, layer.medianMs), cell(p.shareOfPeak(layer.macs, layer.medianMs)), cell(layer.bytes, layer.medianMs),
                       htmlEscaped(layer.reason), htmlEscaped(kernel));
  }
  out += fmt::format("<tr><td><b>total</b></td><td></td><td>{:.4f}</td><td>100.0</td><td>{:.2f}</td>{}{}<td></td><td></td></tr>\n</table>\n",
                     p.total.median, double(p.macs()) / 1e6, cell(p.macs(), p.total.median), cell(p.shareOfPeak(p.macs(), p.total.median)));
  if (const Peak *peak = bestIntegerPeak(p.peaks, p.variantFeatures))
    out += fmt::format("<p>Peak is {} at {:.1f} {}, the fastest integer loop of this variant's instructions. Kernels that need fewer than one "
                       "multiply-accumulate for each one counted (Winograd, shared sums) may be above it. GB/s counts activations and "
                       "weights once.</p>\n",
                       htmlEscaped(peak->name), peak->best, peak->unit);
  if (!p.peaks.empty()) {
    out += "<h2>Ceilings of this machine, measured now</h2>\n<table>\n<tr><th>loop</th><th>best</th><th>median</th><th>worst</th>"
           "<th>unit</th></tr>\n";
    for (const Peak &peak : p.peaks)
      out += fmt::format("<tr><td>{}</td><td>{:.1f}</td><td>{:.1f}</td><td>{:.1f}</td><td>{}</td></tr>\n", htmlEscaped(peak.name), peak.best,
                         peak.median, peak.worst, peak.unit);
    out += "</table>\n";
  }
  return out + "</body></html>\n";
}

} // namespace triton::driver
