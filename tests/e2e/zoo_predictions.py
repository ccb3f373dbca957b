#!/usr/bin/env python3
"""A zoo network on real images: predictions_sha256 is one value over -O levels, targets, thread counts and the oracle, and the
accuracy of all 10,000 images reaches the floor that the project promises. The manifest's value is that of the trainer's own integer
model, which shares no code with the compiler.

Usage: zoo_predictions.py TRITON_BIN_DIR NAME ACCURACY_FLOOR [--loop-images N]
"""
import argparse
import json
import os
import sys

from e2e import exit_status, run, runnable_targets


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("name")
    parser.add_argument("floor", type=float)
    parser.add_argument("--loop-images", default="500", help="images for -O0 and -O1, whose plain loops are slow (10000: all)")
    options = parser.parse_args()
    triton = os.path.join(options.bin, "triton")

    def evaluate(*words):
        return json.loads(run([triton, "zoo", "eval", options.name, "--json", *words]))

    problems = []
    targets = runnable_targets(triton)
    best = evaluate("-O2", "--target", targets[-1])
    print(f"{options.name}: {best['correct']} of {best['images']} correct, -O2 {best['variant']}")
    if best["images"] != 10000 or best["accuracy"] < options.floor:
        problems.append(f"accuracy {best['accuracy']} of {best['images']} images, promised {options.floor}")
    manifest = json.load(open(os.path.join(os.path.dirname(__file__), "..", "..", "model_zoo", options.name, "manifest.json")))
    for key in ("correct", "predictions_sha256"):
        if manifest.get(key) != best[key]:
            problems.append(f"the trainer's integer model has another {key}: {manifest.get(key)}, the artifact {best[key]}")
    for target in targets:
        for threads in ("1", "2"):
            found = evaluate("-O2", "--target", target, "--threads", threads)
            if found["predictions_sha256"] != best["predictions_sha256"]:
                problems.append(f"-O2 {target} with {threads} threads predicts differently")
    for words in (["--oracle"], ["-O3", "--tune-budget", "10"]):
        if evaluate(*words, "--threads", "2")["predictions_sha256"] != best["predictions_sha256"]:
            problems.append(f"{words[0]} predicts differently")
    # A prefix of the images, against the same prefix of the best build.
    limit = ["--limit", options.loop_images]
    prefix = evaluate("-O2", "--target", targets[-1], *limit)["predictions_sha256"]
    for level in ("-O0", "-O1"):
        if evaluate(level, *limit, "--threads", "2")["predictions_sha256"] != prefix:
            problems.append(f"{level} predicts differently")
    return exit_status(problems)


if __name__ == "__main__":
    sys.exit(main())
