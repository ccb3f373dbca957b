#!/usr/bin/env python3
"""Trains a network of the zoo in many variants and says what each costs in accuracy: the studies of docs/accuracy.md.

    scripts/accuracy.py sparsity              # one study; 'all' for every one, '--list' says what there is
    scripts/accuracy.py activations --seeds 1,2,3 --epochs 1,2 --network mlp-fashion-mnist
    scripts/accuracy.py --render              # writes the tables of docs/accuracy.md again from docs/accuracy/results.json
    scripts/accuracy.py --check               # status 1 when the page has other tables than the results give

A variant is the network's program with other attributes, or its recipe with other members, trained from nothing by 'triton-train' and
compiled and evaluated by 'triton zoo eval' on all test images; the artifact's classes must be those of the trainer's integer model. The
score is that of the last epoch: nothing is chosen by it. Results are kept run by run in docs/accuracy/results.json, so that a study
that was stopped goes on, and variants that several studies have are trained once.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
RESULTS = os.path.join(ROOT, "docs", "accuracy", "results.json")
PAGE = os.path.join(ROOT, "docs", "accuracy.md")

BASE = {"ternary": "scale=per_channel, method=twn, threshold=0.7", "acts": "int8", "recipe": "two phases"}


def variant(**changes):
    return dict(BASE, **changes)


def trits(text):
    return variant(ternary=text)


# Study: heading of the first column, then (label, variant) in the order of the table.
STUDIES = {
    "sparsity": ("threshold", [(t, trits(f"scale=per_channel, method=twn, threshold={t}"))
                               for t in ("0.1", "0.4", "0.7", "1.0", "1.3", "1.6")]),
    "quantisers": ("quantiser", [
        ("twn, threshold 0.7", BASE),
        ("absmean", trits("scale=per_channel, method=absmean")),
        ("fixed, threshold 0.015", trits("scale=per_channel, method=fixed, threshold=0.015")),
        ("stochastic", trits("scale=per_channel, method=stochastic, seed=1")),
        ("learned thresholds and scales", trits("scale=per_channel, method=learned"))]),
    "granularity": ("one scale for each", [
        ("tensor", trits("scale=per_tensor, method=twn, threshold=0.7")),
        ("channel", BASE),
        ("16 weights of a channel", trits("scale=per_group, group=16, method=twn, threshold=0.7"))]),
    "activations": ("activations", [
        ("8 bits", BASE),
        ("6 bits", variant(acts="int6")),
        ("4 bits", variant(acts="int4")),
        ("trits", variant(acts="trit"))]),
    "ablations": ("training", [
        ("fp32, then ternary", BASE),
        ("with distillation from the fp32 twin", variant(recipe="distillation")),
        ("ternary from the start, as many epochs", variant(recipe="one phase")),
        ("activation scales as calibrated, not learned", variant(recipe="fixed scales"))]),
}


def recipe_of(name, how, seed, epochs):
    """The recipe of a short run: `epochs` = (fp32, ternary), changed as the variant says."""
    fp32 = {"name": "fp32", "epochs": epochs[0], "optimizer": "adamw", "learning_rate": 0.002, "warmup": 0.1, "weight_decay": 0.05}
    ternary = dict(fp32, name="ternary", quantize=True, epochs=epochs[1], weight_decay=0.01)
    phases = [fp32, ternary]
    if how == "distillation":
        ternary.update(teacher="fp32", distill=0.5, temperature=3)
    if how == "one phase":
        ternary["epochs"] = sum(epochs)
        phases = [ternary]
    if how == "fixed scales":
        ternary["scale_rate"] = 0
    return {"model": name, "seed": seed, "batch": 512, "shards": 1, "augment": {"flip": True}, "phases": phases}


# The studied networks are the zoo's but for these widths: half as wide, the perceptron trains in a third of the time.
WIDTHS = {"mlp-fashion-mnist": [("512", "256"), ("1024", "512")]}


def program_of(name, chosen):
    with open(os.path.join(ROOT, "model_zoo", name, "model.tri")) as f:
        text = f.read()
    for wide, narrow in WIDTHS.get(name, []):
        text = re.sub(rf"\b{wide}\b", narrow, text)
    for attribute in ("ternary", "acts"):
        text, count = re.subn(rf"(?m)^@{attribute}\([^)]*\)", f"@{attribute}({chosen[attribute]})", text)
        if count != 1:
            raise SystemExit(f"accuracy: {name}/model.tri has {count} lines @{attribute}(...), not one")
    return text


def key_of(name, chosen, seed, epochs):
    return f"{name} @ternary({chosen['ternary']}) @acts({chosen['acts']}) {chosen['recipe']}, epochs {epochs[0]}+{epochs[1]}, seed {seed}"


def run(arguments, name, chosen, seed, epochs):
    """Trains, compiles and evaluates one variant."""
    triton = os.path.join(arguments.bin, "triton")
    with tempfile.TemporaryDirectory(prefix="triton-accuracy-") as zoo:
        folder = os.path.join(zoo, name)
        os.makedirs(folder)
        for file, text in (("model.tri", program_of(name, chosen)), ("recipe.json", json.dumps(recipe_of(name, chosen["recipe"], seed, epochs)))):
            with open(os.path.join(folder, file), "w") as f:
                f.write(text)
        for shared in ("networks", "datasets"):
            shutil.copytree(os.path.join(ROOT, "model_zoo", shared), os.path.join(zoo, shared))
        graph, work = os.path.join(zoo, "graph.json"), os.path.join(zoo, "train")
        environment = dict(os.environ, TRITON_DSL_ZOO=zoo)
        data = ["--data-dir", arguments.data_dir] if arguments.data_dir else []
        subprocess.run([triton, "compile", os.path.join(folder, "model.tri"), "--emit=graph", "-o", graph], check=True)
        subprocess.run([arguments.trainer or os.path.join(arguments.bin, "triton-train"), "--graph", graph, "--recipe", os.path.join(folder, "recipe.json"),
                        "--out", folder, "--work", work, "--threads", str(arguments.threads), "--eval-every", "1000", *data], check=True,
                       stdout=subprocess.DEVNULL, stderr=None if arguments.verbose else subprocess.DEVNULL)
        with open(os.path.join(folder, "manifest.json")) as f:
            manifest = json.load(f)
        found = json.loads(subprocess.run([triton, "zoo", "eval", name, "--json", "--threads", "1", *data], check=True, env=environment,
                                          stdout=subprocess.PIPE).stdout)
        # The integer model has no scales for groups; the manifest has no digest then.
        if manifest.get("predictions_sha256", found["predictions_sha256"]) != found["predictions_sha256"]:
            raise SystemExit(f"accuracy: the artifact and the trainer's integer model disagree: {found} {manifest}")
        return {"correct": found["correct"], "images": found["images"], "fp32_correct": manifest.get("fp32_correct"),
                "zeros": round(found["sparsity"], 4), "weights_bytes": found["weights_bytes"],
                "predictions_sha256": found["predictions_sha256"], "libtorch": manifest["libtorch"]}


def load():
    if not os.path.exists(RESULTS):
        return {}
    with open(RESULTS) as f:
        return json.load(f)


def save(results):
    os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
    with open(RESULTS + ".new", "w") as f:
        json.dump(results, f, indent=1, sort_keys=True)
        f.write("\n")
    os.replace(RESULTS + ".new", RESULTS)


def spread(values, digits=2):
    """Mean, with the standard deviation of the sample where there is one."""
    text = f"{statistics.mean(values):.{digits}f}"
    return text + (f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else "")


def table(results, study):
    """The Markdown tables of a study: one for each network and number of epochs that has results."""
    heading, rows = STUDIES[study]
    settings = sorted({(key.split(" @", 1)[0], re.search(r"epochs (\d+)\+(\d+)", key).groups()) for key in results})
    out = []
    for name, epochs in settings:
        lines = []
        for label, chosen in rows:
            found = [r for key, r in results.items() if key.rsplit(", seed ", 1)[0] == key_of(name, chosen, 0, epochs).rsplit(", seed ", 1)[0]]
            if found:
                lines.append(f"| {label} | {spread([100 * r['correct'] / r['images'] for r in found])} | {100 * statistics.mean(r['zeros'] for r in found):.1f} "
                             f"| {round(statistics.mean(r['weights_bytes'] for r in found)):,} | {len(found)} |")
        if len(lines) < 2:
            continue
        out.append(f"{name}, {epochs[0]} fp32 and {epochs[1]} ternary epochs:\n\n| {heading} | accuracy (%) | zeros (%) | weights (B) | seeds |\n"
                   "| --- | ---: | ---: | ---: | ---: |\n" + "\n".join(lines) + "\n")
    return "\n".join(out) if out else "Not run yet.\n"


def rendered(page, results):
    for study in STUDIES:
        begin, end = f"<!-- table {study} -->\n", f"<!-- end {study} -->\n"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise SystemExit(f"accuracy: docs/accuracy.md has no place for the study {study}")
        page = page[: page.index(begin) + len(begin)] + table(results, study) + page[page.index(end):]
    return page


def render(check):
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    wanted = rendered(page, load())
    if check:
        if page != wanted:
            print("accuracy: docs/accuracy.md differs from docs/accuracy/results.json: run scripts/accuracy.py --render", file=sys.stderr)
        return int(page != wanted)
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(wanted)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=[*STUDIES, "all"])
    parser.add_argument("--network", default="mlp-fashion-mnist")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", default="1,2", help="fp32,ternary")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"), help="folder of triton and triton-train")
    parser.add_argument("--trainer", help="another triton-train")
    parser.add_argument("--data-dir")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="show the trainer's progress")
    parser.add_argument("--list", action="store_true", help="say which studies there are")
    parser.add_argument("--render", action="store_true", help="write the page's tables again")
    parser.add_argument("--check", action="store_true", help="compare the page's tables with the results")
    arguments = parser.parse_args()
    if arguments.list:
        for study, (heading, rows) in STUDIES.items():
            print(f"{study:12} {heading}: " + "; ".join(label for label, _ in rows))
        return 0
    if arguments.render or arguments.check:
        return render(arguments.check)
    if not arguments.study:
        parser.error("give a study, --list, --render or --check")
    epochs = tuple(int(e) for e in arguments.epochs.split(","))
    seeds = [int(s) for s in arguments.seeds.split(",")]
    chosen = STUDIES if arguments.study == "all" else [arguments.study]
    # Seed by seed, so that a study that is stopped has every variant first.
    for seed in seeds:
        for study in chosen:
            for label, what in STUDIES[study][1]:
                key = key_of(arguments.network, what, seed, epochs)
                if key in load():
                    continue
                result = run(arguments, arguments.network, what, seed, epochs)
                save(dict(load(), **{key: result}))
                print(f"{study}: {label}, seed {seed}: {100 * result['correct'] / result['images']:.2f} %, {100 * result['zeros']:.1f} % zeros", flush=True)
    return render(False)


if __name__ == "__main__":
    sys.exit(main())
