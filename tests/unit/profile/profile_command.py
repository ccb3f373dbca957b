#!/usr/bin/env python3
"""`triton profile` on a program: the report has every step, its sums fit, and the HTML and the symbol map are there.

Usage: profile_command.py TRITON PROGRAM.tri. No time decides; only that times exist and add up.
"""
import json
import os
import subprocess
import sys
import tempfile


def main():
    triton, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        artifact, html = os.path.join(folder, "m.tern"), os.path.join(folder, "p.html")
        subprocess.run([triton, "compile", program, "--random-weights", "-o", artifact], check=True)
        words = [triton, "profile", artifact, "--json", "--html", html, "--warmup", "2", "--iterations", "20", "--batch", "3", "--threads", "2",
                 "--no-peaks"]
        profile = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        known = json.loads(subprocess.run([triton, "inspect", artifact, "--json"], check=True, capture_output=True, text=True).stdout)
        entry = known["entries"][0]

        assert profile["batch"] == 3 and profile["threads"] == 2 and profile["iterations"] == 20, profile
        assert profile["macs"] == 3 * entry["macs"], (profile["macs"], entry["macs"])
        # One of the steps for the input's dtypes runs, and every other step.
        never = sum("only_input" in step for step in entry["steps"]) - (1 if any("only_input" in s for s in entry["steps"]) else 0)
        assert len(profile["steps"]) == len(entry["steps"]) - never, [s["name"] for s in profile["steps"]]
        assert abs(sum(s["median_ms"] for s in profile["steps"]) - profile["steps_ms"]) < 1e-9
        assert abs(sum(l["median_ms"] for l in profile["layers"]) - profile["steps_ms"]) < 1e-9
        assert abs(profile["steps_ms"] + profile["outside_ms"] - profile["median_ms"]) < 1e-9
        assert sum(l["macs"] for l in profile["layers"]) == profile["macs"]
        assert all(s["median_ms"] > 0 and s["code_bytes"] > 0 for s in profile["steps"]), profile["steps"]
        assert all(l["algorithm"] and l["bytes"] > 0 for l in profile["layers"] if l["macs"]), profile["layers"]
        assert profile["peaks"] == [] and profile["peak"] is None
        with open(html, encoding="utf-8") as text:
            page = text.read()
        assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
        assert all(layer["layer"] in page for layer in profile["layers"])

        # Linux perf's map is written by request alone, under the process id of the program.
        process = subprocess.Popen([triton, "bench", artifact, "--perf-map", "--warmup", "0", "--iterations", "1", "--json"],
                                   stdout=subprocess.PIPE)
        process.communicate()
        path = f"/tmp/perf-{process.pid}.map"
        with open(path, encoding="utf-8") as text:
            lines = text.read().splitlines()
        os.unlink(path)
        assert len(lines) == len(entry["steps"]), lines


if __name__ == "__main__":
    main()
