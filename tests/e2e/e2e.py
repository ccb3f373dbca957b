#!/usr/bin/env python3
"""End to end: a program at every -O level, on every target that runs here and with several threads, against the oracle.

Usage: e2e.py TRITON_BIN_DIR PROGRAM.tri [--weights FILE] [--levels 0,1,2,3] [--batches 1,3]
Prints one line a combination. Exit 0: every output equals the oracle's bytes (float outputs of float-only networks may be excluded
by the caller; integer networks end in one exactly defined float step, so bytes are compared).
"""
import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile


def run(words, **kwargs):
    done = subprocess.run(words, capture_output=True, text=True, **kwargs)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def exit_status(problems):
    """Prints what went wrong; 0 if nothing did."""
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def runnable_targets(triton):
    """The targets that this machine runs natively, best last."""
    doctor = json.loads(run([triton, "doctor", "--json"]))
    native = doctor["native_target"]
    if not native.startswith("x86-64"):
        return [native]
    # Every level below the machine's own, VNNI without the rest, then all that the machine has.
    base, *features = native.split("+")
    levels = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"]
    targets = levels[: levels.index(base) + 1]
    if "vnni" in features:
        targets.append(base + "+vnni")
    return targets if native in targets else targets + [native]


def make_input(entry, batch, seed, path):
    """A raw file for one input: random bytes, or floats in -2..2."""
    rng = random.Random(seed)
    dims = entry["shape"].strip("[]").split(",")
    count = batch if not dims[0].strip().isdigit() else int(dims[0])
    for dim in dims[1:]:
        count *= int(dim)
    if "uint8" in entry["dtypes"]:
        data = bytes(rng.randrange(256) for _ in range(count))
    elif entry["dtypes"] == ["float32"]:
        data = struct.pack(f"<{count}f", *(rng.uniform(-2, 2) for _ in range(count)))
    else:
        sys.exit(f"no generator for an input of {entry['dtypes']}")
    with open(path, "wb") as out:
        out.write(data)


def outputs_of(folder, stem):
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith(stem):
            with open(os.path.join(folder, name), "rb") as data:
                found[name[len(stem):]] = data.read()
            os.remove(os.path.join(folder, name))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("program")
    parser.add_argument("--weights")
    parser.add_argument("--levels", default="0,1,2,3")
    parser.add_argument("--batches", default="1,3")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--no-emulation", action="store_true")
    options = parser.parse_args()
    triton = os.path.join(options.bin, "triton")
    weights = ["--weights", options.weights] if options.weights else ["--random-weights=1"]
    model = json.loads(run([triton, "inspect", options.program, "--json"]))["models"][0]

    targets = runnable_targets(triton)
    emulator = shutil.which("qemu-aarch64")
    cross = os.path.join(options.bin, "tri-run-aarch64")
    emulate = emulator and os.path.exists(cross) and not options.no_emulation
    if not emulate and not options.no_emulation:
        print("aarch64 is skipped: qemu-aarch64 or the cross-built runner is missing")

    failures = count = 0
    with tempfile.TemporaryDirectory() as folder:
        for batch in [int(b) for b in options.batches.split(",")]:
            inputs = []
            for i, entry in enumerate(model["inputs"]):
                path = os.path.join(folder, f"in{i}.raw")
                make_input(entry, batch, 100 * batch + i, path)
                inputs.append(f"{entry['name']}={path}")
            given = [word for text in inputs for word in ("--input", text)]
            out = os.path.join(folder, "out.raw")
            run([triton, "run", options.program, *weights, "--oracle", "-O0", *given, "--output", out])
            truth = outputs_of(folder, "out")
            if not truth or not all(truth.values()):
                sys.exit("the oracle gave no output")
            for level in options.levels.split(","):
                tern = os.path.join(folder, f"m{level}.tern")
                wanted = ",".join(targets + (["aarch64"] if emulate else []))
                run([triton, "compile", options.program, *weights, f"-O{level}", "--target", wanted, "-o", tern])
                for target in targets:
                    for threads in options.threads.split(","):
                        run([triton, "run", tern, "--variant", target, "--threads", threads, *given, "--output", out])
                        count += 1
                        if outputs_of(folder, "out") != truth:
                            failures += 1
                            print(f"DIFFERS -O{level} {target} threads {threads} batch {batch}")
                if emulate:
                    words = [emulator, "-cpu", "max", cross, tern]
                    names = [o["name"] for o in model["outputs"]]
                    for text in inputs:
                        words += ["--input", text]
                    words += ["--batch", str(batch)]
                    for name in names:
                        words += ["--output", f"{name}={os.path.join(folder, 'arm.' + name)}"]
                    run(words)
                    count += 1
                    found = outputs_of(folder, "arm.")
                    if sorted(found.values()) != sorted(truth.values()):
                        failures += 1
                        print(f"DIFFERS -O{level} aarch64 batch {batch}")
    print(f"{os.path.basename(options.program)}: {count} runs, {failures} differ from the oracle")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main())
