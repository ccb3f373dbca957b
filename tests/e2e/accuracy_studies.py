#!/usr/bin/env python3
"""The studies of docs/accuracy.md without their training: every variant is a program that compiles and a recipe that differs from the
others, tables say what the runs say, and the page has the tables of docs/accuracy/results.json.

Usage: accuracy_studies.py TRITON_BIN_DIR
"""
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
import accuracy

NAME = "mlp-fashion-mnist"


def expect(problems, what, found, wanted):
    if found != wanted:
        problems.append(f"{what}: {found!r}, expected {wanted!r}")


def check_tables(problems):
    base, rows = (2, 3), dict(accuracy.STUDIES["granularity"][1])

    def result(correct, zeros, size):
        return {"correct": correct, "images": 200, "zeros": zeros, "weights_bytes": size}

    results = {accuracy.key_of(NAME, rows["channel"], 1, base): result(170, 0.5, 1000),
               accuracy.key_of(NAME, rows["channel"], 2, base): result(174, 0.25, 1001),
               accuracy.key_of(NAME, rows["tensor"], 1, base): result(160, 0.125, 123456)}
    expect(problems, "granularity", accuracy.table(results, "granularity"),
           "mlp-fashion-mnist, 2 fp32 and 3 ternary epochs:\n\n"
           "| one scale for each | accuracy (%) | zeros (%) | weights (B) | seeds |\n| --- | ---: | ---: | ---: | ---: |\n"
           "| tensor | 80.00 | 12.5 | 123,456 | 1 |\n| channel | 86.00 ± 1.41 | 37.5 | 1,000 | 2 |\n")
    # One row compares nothing; runs of other lengths do not mix.
    expect(problems, "a lone row", accuracy.table(results, "quantisers"), "Not run yet.\n")
    other = {key.replace("epochs 2+3", "epochs 4+6"): r for key, r in results.items()}
    longer = accuracy.table({**results, **other}, "granularity")
    expect(problems, "two lengths", (longer.count("2 fp32 and 3"), longer.count("4 fp32 and 6"), longer.count("| 2 |\n")), (1, 1, 2))
    page = "\n".join(f"<!-- table {study} -->\nold\n<!-- end {study} -->\n" for study in accuracy.STUDIES)
    once = accuracy.rendered(page, results)
    expect(problems, "tables in the page", (once.count("old"), once.count("123,456"), accuracy.rendered(once, results) == once), (0, 1, True))


def check_variants(problems, triton):
    seen = {}
    with tempfile.TemporaryDirectory() as folder:
        program, graph = os.path.join(folder, "model.tri"), os.path.join(folder, "graph.json")
        for study, (_, rows) in accuracy.STUDIES.items():
            for label, chosen in rows:
                key = accuracy.key_of(NAME, chosen, 1, (2, 3))
                with open(program, "w") as f:
                    f.write(accuracy.program_of(NAME, chosen))
                done = subprocess.run([triton, "compile", program, "--emit=graph", "-o", graph], stderr=subprocess.PIPE, text=True)
                if done.returncode:
                    problems.append(f"{study}, {label}: {done.stderr}")
                    continue
                with open(graph) as f:
                    what = (f.read(), json.dumps(accuracy.recipe_of(NAME, chosen["recipe"], 1, (2, 3))))
                if seen.setdefault(what, key) != key:
                    problems.append(f"{study}, {label}: the same network and recipe as {seen[what]}")
    expect(problems, "variants", len(seen), 18)


def main():
    problems = []
    check_tables(problems)
    check_variants(problems, os.path.join(sys.argv[1], "triton"))
    expect(problems, "docs/accuracy.md has the tables of the results", accuracy.render(True), 0)
    print("\n".join(problems) or "every variant compiles, and the tables say what the runs say")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
