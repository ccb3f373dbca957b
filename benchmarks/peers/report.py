"""Tables (Markdown) and plots (SVG) from a results file. Pure functions of it: no clock, no machine."""
import html
import pathlib

from . import cases, engines

BEGIN, END = "<!-- measured: begin (benchmarks/run report writes this part) -->", "<!-- measured: end -->"


def check(document):
    """Raises ValueError with the place of what is not as the results file must be."""
    if document.get("schema") != 1:
        raise ValueError(f"schema {document.get('schema')!r}, not 1")
    for i, row in enumerate(document["rows"]):
        where = f"rows[{i}]"
        if row["case"] not in cases.BY_NAME:
            raise ValueError(f"{where}: unknown case {row['case']!r}")
        if not isinstance(row["threads"], int) or row["threads"] < 1 or not isinstance(row["avx2"], bool):
            raise ValueError(f"{where}: threads or avx2")
        for name, entry in row["engines"].items():
            if name not in engines.TABLE:
                raise ValueError(f"{where}: unknown engine {name!r}")
            if "skipped" in entry:
                continue
            low, high = entry["ci95"]
            if not (0 < entry["min"] <= entry["median"] <= entry["p95"] <= entry["p99"] and low <= entry["mean"] <= high and entry["count"] > 0):
                raise ValueError(f"{where}: {name}: statistics out of order")


def measured(row):
    return {name: entry for name, entry in row["engines"].items() if "skipped" not in entry}


def best_peer(row, precisions=None):
    """(engine, entry) of the peer with the smallest median, or None."""
    peers = [(n, e) for n, e in measured(row).items() if n != "triton" and (not precisions or engines.precision(n) in precisions)]
    return min(peers, key=lambda pair: pair[1]["median"]) if peers else None


def time_text(us):
    if us >= 1000:
        return f"{us / 1000:.2f} ms" if us < 100000 else f"{us / 1000:.0f} ms"
    return f"{us:.1f} us" if us >= 10 else f"{us:.2f} us"


def ratio_text(row, pair):
    """How many times as fast as the peer Triton is; with the cautious ends of both 95 % intervals when they decide."""
    ours = measured(row).get("triton")
    if not ours or not pair:
        return "-"
    ratio = pair[1]["median"] / ours["median"]
    return f"{ratio:.2f}x" + (" *" if ours.get("disturbed") or pair[1].get("disturbed") else "")


def rows_of(document, group, avx2):
    order = {case.name: i for i, case in enumerate(cases.ALL)}
    found = [r for r in document["rows"] if cases.BY_NAME[r["case"]].group == group and r["avx2"] == avx2]
    return sorted(found, key=lambda r: (order[r["case"]], r["threads"]))


def cell(entry):
    if entry is None:
        return ""
    if "skipped" in entry:
        return "-"
    return time_text(entry["median"]) + (" *" if entry.get("disturbed") else "")


def peak_of(row):
    """The best integer ceiling of the run, in GMAC/s, or None."""
    peaks = (row.get("peaks") or {}).get("peaks", [])
    fitting = [p["best"] for p in peaks if p["kind"].startswith("int") and not (row["avx2"] and ("zmm" in p["name"] or "vpdpbusd" in p["name"]))]
    return max(fitting) if fitting else None


def table(document, group, avx2):
    """One Markdown table: a line for each case and thread count, a column for each engine that measured anything."""
    rows = rows_of(document, group, avx2)
    if not rows:
        return ""
    columns = [n for n in engines.TABLE if n != "triton" and any(n in measured(r) for r in rows)]
    head = ["", "threads", "Triton", "GMAC/s", "% of peak", "best peer", "against it", *[engines.title(n) for n in columns]]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        ours, best, peak = row["engines"].get("triton"), best_peer(row), peak_of(row)
        fine = ours and "skipped" not in ours
        lines.append("| " + " | ".join([
            cases.BY_NAME[row["case"]].title, str(row["threads"]), cell(ours), f"{ours['gmacs_per_s']:.0f}" if fine else "-",
            f"{ours['gmacs_per_s'] / peak * 100:.0f}" if fine and peak else "-", engines.title(best[0]) if best else "-", ratio_text(row, best),
            *[cell(row["engines"].get(n)) for n in columns]]) + " |")
    return "\n".join(lines)


def spread_table(document, avx2):
    """Mean, median, p95, p99 and confidence of Triton and the best peer on every case."""
    rows = [r for group in groups() for r in rows_of(document, group, avx2)]
    if not rows:
        return ""
    lines = ["| case | threads | engine | runs | mean | 95 % | median | p95 | p99 | rejected |", "|" + " --- |" * 10]
    for row in rows:
        best = best_peer(row)
        for name in ["triton"] + ([best[0]] if best else []):
            entry = measured(row).get(name)
            if not entry:
                continue
            low, high = entry["ci95"]
            lines.append(f"| {row['case']} | {row['threads']} | {engines.title(name)} | {entry['count']} | {time_text(entry['mean'])} | "
                         f"{time_text(low)} .. {time_text(high)} | {time_text(entry['median'])} | {time_text(entry['p95'])} | "
                         f"{time_text(entry['p99'])} | {entry['rejected']} |")
    return "\n".join(lines)


def size_table(document):
    """Bytes of the model as it ships: ours, the best INT8 peer's, fp32."""
    lines = ["| network | Triton | ONNX Runtime INT8 | fp32 weights | ratio to fp32 |", "|" + " --- |" * 5]
    seen = set()
    for group in ("networks", "MLP"):
        for row in rows_of(document, group, False):
            case = cases.BY_NAME[row["case"]]
            ours = measured(row).get("triton")
            if case.model in seen or not ours or not ours.get("model_bytes"):
                continue
            seen.add(case.model)
            int8 = measured(row).get("ort_int8", {}).get("model_bytes")
            mega = lambda b: f"{b / 1e6:.2f} MB" if b else "-"
            lines.append(f"| {case.model} | {mega(ours['model_bytes'])} | {mega(int8)} | {mega(case.parameters * 4)} | "
                         f"{case.parameters * 4 / ours['model_bytes']:.1f} |")
    return "\n".join(lines) if seen else ""


def groups():
    return list(dict.fromkeys(case.group for case in cases.ALL))


def plot(document, group, threads, avx2):
    """An SVG with a line of bars for each case: how many times as fast as Triton each engine is (1 is Triton; longer is faster)."""
    rows = [r for r in rows_of(document, group, avx2) if r["threads"] == threads and "triton" in measured(r)]
    if not rows:
        return None
    colours = {"ternary": "#2a6f4e", "int8": "#4878a8", "2-bit": "#a8784a", "fp32": "#999999"}
    bar, gap, left, width = 13, 14, 190, 820
    blocks, y = [], 34
    longest = max(measured(r)["triton"]["median"] / e["median"] for r in rows for e in measured(r).values())
    scale = (width - left - 70) / max(longest, 1.0)
    for row in rows:
        ours = measured(row)["triton"]["median"]
        blocks.append(f'<text x="8" y="{y + 10}" font-weight="600">{html.escape(cases.BY_NAME[row["case"]].title)}</text>')
        y += 16
        for name in engines.TABLE:
            entry = measured(row).get(name)
            if not entry:
                continue
            length = ours / entry["median"] * scale
            blocks.append(f'<text x="{left - 6}" y="{y + 10}" text-anchor="end">{html.escape(engines.title(name))}</text>'
                          f'<rect x="{left}" y="{y}" width="{max(length, 1):.1f}" height="{bar - 2}" fill="{colours[engines.precision(name)]}"/>'
                          f'<text x="{left + length + 5:.1f}" y="{y + 10}">{time_text(entry["median"])}</text>')
            y += bar
        y += gap
    title = f"{group}, {threads} thread{'s' if threads > 1 else ''}{', AVX2 only' if avx2 else ''}: speed, longer is faster"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" '
            f'font-family="system-ui, sans-serif" font-size="11" fill="#333"><rect width="{width}" height="{y}" fill="#fff"/>'
            f'<text x="8" y="18" font-size="13" font-weight="600">{html.escape(title)}</text>' + "".join(blocks) + "</svg>\n")


def plot_name(group, threads, avx2):
    return f"{group.replace(' ', '-')}-{threads}t{'-avx2' if avx2 else ''}.svg"


def summary(document):
    machine = document["machine"]
    families = {"triton": "Triton", "ort": "ONNX Runtime", "ov": "OpenVINO", "torch": "PyTorch", "iree": "IREE", "ggml": "llama.cpp from"}
    versions = {}
    for row in document["rows"]:
        for name, entry in measured(row).items():
            versions[families[name.split("_")[0]]] = entry.get("version")
    text = (f"{machine['processor']} (family {machine['family']}, model {machine['number']}), {machine['cores']} cores"
            f"{', a virtual machine' if machine['virtual'] else ''}, caches {machine.get('caches', 'unknown')}, Linux {machine['kernel']}. ")
    text += "Versions: " + ", ".join(f"{k} {v}" for k, v in versions.items() if v) + ".\n"
    times, commits = sorted(r["time"] for r in document["rows"]), sorted({r["commit"] for r in document["rows"]})
    text += f"Measured from {times[0][:16]} to {times[-1][:16]} UTC at {', '.join(commits)}, cases in turn, all engines of a case in one run.\n"
    peaks = {}
    for row in document["rows"]:
        for peak in (row.get("peaks") or {}).get("peaks", []):
            key = (peak["name"], row["threads"])
            if key not in peaks or peak["best"] > peaks[key][0]["best"]:
                peaks[key] = (peak, row)
    if peaks:
        threads = sorted({t for _, t in peaks})
        lines = ["", "| ceiling | " + " | ".join(f"{t} thread{'s' if t > 1 else ''}" for t in threads) + " | unit |", "|" + " --- |" * (len(threads) + 2)]
        for name in dict.fromkeys(n for n, _ in peaks):
            cells = [f"{peaks[name, t][0]['best']:.0f}" if (name, t) in peaks else "-" for t in threads]
            unit = next(p["unit"] for (n, _), (p, _) in peaks.items() if n == name)
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {unit} |")
        text += "\n".join(lines) + "\n"
    return text


def generated(document, plots):
    """The generated part of the page. `plots` are the names of plots that were written, by (group, avx2)."""
    check(document)
    if not document["rows"]:
        return "Nothing has been measured yet.\n"
    parts = [summary(document)]
    for avx2 in (False, True):
        for group in groups():
            text = table(document, group, avx2)
            if not text:
                continue
            parts.append(f"### {group[0].upper() + group[1:]}{', AVX2 only' if avx2 else ''}\n\n{text}\n")
            parts += [f"![{group}](performance/{name})\n" for name in plots.get((group, avx2), [])]
    sizes = size_table(document)
    if sizes:
        parts.append("### Sizes\n\n" + sizes + "\n")
    for avx2 in (False, True):
        spreads = spread_table(document, avx2)
        if spreads:
            parts.append(f"### Spread: Triton and the best peer{', AVX2 only' if avx2 else ''}\n\n{spreads}\n")
    return "\n".join(parts)


def brief(document):
    """How many times as fast as the best peer Triton is, losses included: a line for each network, the range of each other group."""
    check(document)
    columns = sorted({(r["avx2"], r["threads"]) for r in document["rows"]})
    names = [f"{threads} thread{'s' if threads > 1 else ''}{', AVX2 only' if avx2 else ''}" for avx2, threads in columns]
    lines = ["| against the fastest peer | " + " | ".join(names) + " |", "|" + " --- |" * (len(columns) + 1)]
    for group in groups():
        found = [[r for r in rows_of(document, group, avx2) if r["threads"] == threads] for avx2, threads in columns]
        if group == "networks":
            for title in dict.fromkeys(cases.BY_NAME[r["case"]].title for rows in found for r in rows):
                texts = [next((ratio_text(r, best_peer(r)) for r in rows if cases.BY_NAME[r["case"]].title == title), "") for rows in found]
                lines.append(f"| {title} | " + " | ".join(texts) + " |")
            continue
        ratios = [sorted(best_peer(r)[1]["median"] / r["engines"]["triton"]["median"] for r in rows if "triton" in measured(r) and best_peer(r))
                  for rows in found]
        if any(ratios):
            lines.append(f"| {group}, {max(map(len, ratios))} cases | " + " | ".join(f"{r[0]:.2f}x to {r[-1]:.2f}x" if r else "" for r in ratios) + " |")
    return "\n".join(lines)


def replace(page, text):
    """Replaces the generated part of a page."""
    before, found, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f"run: {page} has no lines '{BEGIN}' and '{END}'")
    page.write_text(before + BEGIN + "\n\n" + text + "\n" + END + after, encoding="utf-8")


def write(document, page, readme):
    """Replaces the generated parts of `page` and `readme` and writes the plots and the results beside the page."""
    import json
    folder = page.parent / "performance"
    folder.mkdir(exist_ok=True)
    plots = {}
    for avx2 in (False, True):
        for group in groups():
            for threads in sorted({r["threads"] for r in document["rows"]}):
                svg = plot(document, group, threads, avx2)
                if svg:
                    name = plot_name(group, threads, avx2)
                    (folder / name).write_text(svg, encoding="utf-8")
                    plots.setdefault((group, avx2), []).append(name)
    replace(page, generated(document, plots))
    if document["rows"]:
        replace(readme, brief(document))
    (folder / "results.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
