#!/usr/bin/env python3
"""Every network of the zoo, with random weights, compiles at -O0 to -O3 and gives the same bytes at each.

Usage: zoo_levels.py TRITON_BIN_DIR [NAME...]
"""
import json
import os
import sys
import tempfile

from e2e import make_input, outputs_of, run


def main():
    triton = os.path.join(sys.argv[1], "triton")
    names = sys.argv[2:] or [model["name"] for model in json.loads(run([triton, "zoo", "list", "--json"]))["models"]]
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            model = json.loads(run([triton, "zoo", "show", name, "--json"]))
            entry = model["inputs"][0]
            raw, tern, out = (os.path.join(folder, file) for file in ("in.raw", "m.tern", "out.raw"))
            make_input(entry, 1, 7, raw)
            results = []
            for level in range(4):
                budget = ["--tune-budget", "2"] if level == 3 else []
                run([triton, "compile", model["program"], "--random-weights=1", f"-O{level}", *budget, "-o", tern])
                run([triton, "run", tern, "--input", f"{entry['name']}={raw}", "--output", out])
                results.append(outputs_of(folder, "out"))
            same = all(result and result == results[0] for result in results)
            failures += not same
            print(f"{name}: -O0..-O3 {'give the same bytes' if same else 'DIFFER'}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
