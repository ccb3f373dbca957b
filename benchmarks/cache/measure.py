#!/usr/bin/env python3
"""Measures the compile cache: wall time of whole processes, medians over --runs.

    benchmarks/cache/measure.py build/bin/triton [--program P.tri] [--target T] [--runs 20] [--json FILE]

The first table is about one network with a checkpoint of its own (made here: random numbers under the network's names, with activation
scales, so that nothing has to be calibrated): a cold compile into an empty cache, hits with the output as it was and without one, and
compiles after a change of a comment, of one layer, of all weights. Before each of the last two the cache is put back to what a cold compile left.
All of them take turns, so that a machine that is slower for a while is so for all; "times faster" is the ratio of medians. The second
table is cold compiles of the reference networks with made-up weights, calibration included.
"""
import argparse
import array
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARAM = re.compile(r'ternary\.param \{[^}]*?key = "([^"]+)".*: tensor<(.*)xf32>')
SCALE = re.compile(r'ternary\.fake_quantize.*?key = "([^"]+)"')


def checkpoint(triton, program, path, seed):
    """Writes a .safetensors file with every parameter and every activation scale of a program."""
    text = subprocess.run([triton, "compile", program, "--emit=ternary"], capture_output=True, text=True, check=True).stdout
    shapes = {key: [int(n) for n in shape.split("x")] for key, shape in PARAM.findall(text)}
    shapes.update({key: [1] for key in SCALE.findall(text)})
    header, at, chunks = {}, 0, []
    for key in sorted(shapes):
        count = 1
        for n in shapes[key]:
            count *= n
        if len(shapes[key]) > 1:
            raw = array.array("h", hashlib.shake_256(f"{seed} {key}".encode()).digest(2 * count))
            data = array.array("f", (v / 327680 for v in raw)).tobytes()
        else:
            plain = 0.05 if count == 1 else 0.0 if key.endswith(("bias", "running_mean")) else 1.0
            data = array.array("f", [plain]).tobytes() * count
        header[key] = {"dtype": "F32", "shape": shapes[key], "data_offsets": [at, at + len(data)]}
        at += len(data)
        chunks.append(data)
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    path.write_bytes(struct.pack("<Q", len(words)) + words + b"".join(chunks))


class Bench:
    def __init__(self, options, folder):
        self.triton = str(pathlib.Path(options.triton).resolve())
        self.options, self.folder, self.cache = options, folder, folder / "cache"
        self.results = {}

    def once(self, expected, *arguments):
        """One compile's wall time in ms; what --json says must be `expected`."""
        env = dict(os.environ, TRITON_DSL_CACHE_DIR=str(self.cache))
        command = [self.triton, "compile", *map(str, arguments), "-o", str(self.folder / "out.tern"), "--json", "--target", self.options.target]
        # To a file: reading from pipes would be counted as well.
        with open(self.folder / "said.json", "w+") as out:
            begin = time.perf_counter()
            status = subprocess.Popen(command, env=env, stdout=out).wait()
            ms = 1000 * (time.perf_counter() - begin)
            out.seek(0)
            if status != 0:
                sys.exit(out.read())
            said = json.load(out)
        if said["cache"] not in expected.split("|"):
            sys.exit(f"{arguments}: the cache said {said['cache']}, expected {expected}")
        return ms, said

    def measure(self, cases):
        """Runs the cases `name: (expected, prepare, arguments)` in turns."""
        times, said = {name: [] for name in cases}, {}
        for i in range(self.options.runs):
            for name, (expected, prepare, *arguments) in cases.items():
                prepare(i)
                ms, said[name] = self.once(expected, *arguments)
                times[name].append(ms)
        for name, all_ms in times.items():
            self.results[name] = {"median_ms": statistics.median(all_ms), "min_ms": min(all_ms), "max_ms": max(all_ms), "runs": len(all_ms),
                                  "cache": said[name]["cache"], "layers_recompiled": said[name]["layers_recompiled"],
                                  "artifact_bytes": said[name]["artifact_bytes"], "layers": said[name]["layers"]}

    def empty(self, _=0):
        shutil.rmtree(self.cache, ignore_errors=True)

    def restore(self):
        self.empty()
        shutil.copytree(self.folder / "snapshot", self.cache)


def change(text, old, new):
    if old not in text:
        sys.exit(f"the program has no {old!r} to change")
    return text.replace(old, new, 1)


def changes(bench, options):
    # A copy of the program's folder and of those beside it that hold what it imports.
    source = pathlib.Path(options.program).resolve()
    shutil.copytree(source.parent, bench.folder / "zoo" / source.parent.name)
    shutil.copytree(source.parent.parent / "networks", bench.folder / "zoo" / "networks")
    program = bench.folder / "zoo" / source.parent.name / source.name
    changed = (program.parent / options.layer_file).resolve()
    original, layers = program.read_text(), changed.read_text()
    weights, others = bench.folder / "w.safetensors", bench.folder / "others.safetensors"
    checkpoint(bench.triton, program, weights, 1)
    checkpoint(bench.triton, program, others, 2)
    time.sleep(2.2)  # so that no file is changed "just now"
    bench.empty()
    bench.once("miss", program, "--weights", weights)
    shutil.copytree(bench.cache, bench.folder / "snapshot")

    def state(text=original, layer_text=layers, cache=lambda: None, output=True):
        """The sources, the cache and the output (that of the unchanged program) before a compile."""
        program.write_text(text)
        changed.write_text(layer_text)
        cache()
        if not output:
            (bench.folder / "out.tern").unlink()

    bench.measure({
        "cold": ("miss", lambda _: state(cache=bench.empty), program, "--weights", weights),
        "hit": ("hit", lambda _: state(), program, "--weights", weights),
        "hit, no output yet": ("hit", lambda _: state(output=False), program, "--weights", weights),
        "comment changed": ("hit", lambda i: state(text=original + f"\n# comment {i}\n"), program, "--weights", weights),
        "one layer changed": ("partial", lambda _: state(layer_text=change(layers, options.layer_old, options.layer_new), cache=bench.restore),
                              program, "--weights", weights),
        "all weights changed": ("partial", lambda _: state(cache=bench.restore), program, "--weights", others),
    })
    cold = bench.results["cold"]["median_ms"]
    print(f"\n{source.parent.name}, -O2, {options.target}, {weights.stat().st_size / 1e6:.0f} MB of weights, "
          f"artifact {bench.results['hit']['artifact_bytes'] / 1e6:.1f} MB\n")
    print("| compile | median ms | min | max | times faster than cold |\n| --- | ---: | ---: | ---: | ---: |")
    for name, r in bench.results.items():
        print(f"| {name} | {r['median_ms']:.1f} | {r['min_ms']:.1f} | {r['max_ms']:.1f} | {cold / r['median_ms']:.1f} |")


def references(bench, options):
    print("\n| network (made-up weights, calibrated on one made-up input) | cold, median ms | min | max |\n| --- | ---: | ---: | ---: |")
    for name, path in [("MLP for Fashion-MNIST", "model_zoo/mlp-fashion-mnist/model.tri"), ("ResNet-18 at 224", "model_zoo/resnet18-imagenet/model.tri"),
                       ("ResNet-34 at 224", "model_zoo/resnet34-imagenet/model.tri"), ("ResNet-50 at 224", "model_zoo/resnet50-imagenet/model.tri")]:
        bench.measure({name: ("miss", bench.empty, ROOT / path, "--random-weights")})
        r = bench.results[name]
        print(f"| {name} | {r['median_ms']:.0f} | {r['min_ms']:.0f} | {r['max_ms']:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("triton")
    parser.add_argument("--program", default=str(ROOT / "model_zoo/resnet18-imagenet/model.tri"))
    parser.add_argument("--layer-file", default="../networks/resnet.tri", help="the file that has it, as seen from the program")
    parser.add_argument("--layer-old", default="x = relu(bn1(conv1(x)))", help="text of one layer")
    parser.add_argument("--layer-new", default="x = relu6(bn1(conv1(x)))", help="what to make of it")
    parser.add_argument("--target", default="x86-64-v3")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", choices=["changes", "references"])
    parser.add_argument("--json", help="also write the results here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        bench = Bench(options, pathlib.Path(temp))
        if options.only != "references":
            changes(bench, options)
        if options.only != "changes":
            references(bench, options)
    if options.json:
        model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
        version = subprocess.run([options.triton, "--version"], capture_output=True, text=True).stdout
        document = {"machine": {"cpu": model[0] if model else platform.machine(), "cores": os.cpu_count(), "system": platform.platform()},
                    "compiler": version.splitlines(), "target": options.target, "runs": options.runs, "results": bench.results}
        pathlib.Path(options.json).write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
