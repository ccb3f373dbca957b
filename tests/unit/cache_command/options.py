#!/usr/bin/env python3
"""Every option of `triton compile`, changed in turn: the cache never answers with what another option value gave.

For each option there is a sample below; an option without one fails the test, so that no new option is forgotten. With the cache
filled by the base compile, the sample's compile must give the bytes that it gives without a cache. Where those differ from the base's,
the cache must not have said "hit"; where they do not, and Options.def keeps the option out of the key, it must have.
"""
import argparse
import re
import shutil
import sys
import tempfile
import pathlib

from support import BASE, Project, replaced

# option: arguments that replace or join those of BASE. None: cannot be compared this way, and why.
SAMPLES = {
    "-O": replaced("-O", "-O0"),
    "--target": replaced("--target", "--target", "x86-64-v2"),
    "--optimize-for": BASE + ["--optimize-for", "size"],
    "--code-budget": BASE + ["--code-budget", "0"],
    "--weights": replaced("--weights", "--weights", "w1.safetensors"),
    "--random-weights": replaced("--random-weights", "--random-weights=2"),
    "--fp32": BASE + ["--fp32"],
    "-D": replaced("-D", "-Dwidth=24"),
    "--dim": replaced("--dim", "--dim", "N=3"),
    "--batch": replaced("--batch", "--batch", "2"),
    "--entry": replaced("--entry", "--entry", "Second"),
    "-I": replaced("-I", "-I", "two"),
    "--calibrate": replaced("--calibrate", "--calibrate", "c1.npy"),
    "--samples": BASE + ["--calibrate", "c1.npy", "--samples", "1"],
    "--resize": BASE + ["--resize", "32"],
    "--keep": BASE + ["--keep", "last=int8"],
    "--verbose": BASE + ["--verbose"],
    "--quiet": BASE + ["--quiet"],
    "--timing": BASE + ["--timing"],
    "--trace": BASE + ["--trace", "trace.json"],
    "--save-temps": BASE + ["--save-temps", "temps"],
    "-MD": BASE + ["-MD", "deps.d"],
    "--diagnostics": BASE + ["--diagnostics", "json"],
    "-Werror": BASE + ["-Werror"],
    "--max-errors": BASE + ["--max-errors", "3"],
    "--threads": BASE + ["--threads", "1"],
    "--cache-size": BASE + ["--cache-size", "1G"],
    "--output": BASE + ["--output", "out.tern"],
    "--help": None,            # compiles nothing
    "--json": None,            # part of every call here
    "--tune-budget": None,     # only at -O3: tuning.py
    "--emit": None,            # what is shown is no artifact and is not kept
    "--reproducer": BASE + ["--reproducer", "report.json"],
    "--print-ir-after": None,  # shows the work, so that it is done
    "--no-cache": None,        # what everything is compared with
    "--cache-dir": None,       # another cache
    "--remote-cache": None,    # tests/unit/cache/RemoteTest.cpp
}
IN_KEY = re.compile(r'^TRITON_OPTION\(\w+, "([^"]+)", "[^"]*", \w+, "[^"]*", "([^"]*)", (true|false),', re.M)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("triton")
    parser.add_argument("table", help="Options.def")
    options = parser.parse_args()
    table = {name: key == "true" for name, commands, key in IN_KEY.findall(pathlib.Path(options.table).read_text())
             if commands == "*" or "compile" in commands.split()}
    problems = [f"{name}: no sample here: does it change the artifact?" for name in table if name not in SAMPLES]
    with tempfile.TemporaryDirectory() as temp:
        project = Project(options.triton, pathlib.Path(temp) / "p")
        _, base = project.compile(*BASE, "--no-cache")
        first, cached = project.compile(*BASE)
        if (first["cache"], cached) != ("miss", base):
            problems.append(f"the first compile: {first['cache']}, {'same' if cached == base else 'other'} bytes")
        changing = 0
        for name, arguments in SAMPLES.items():
            if arguments is None or name not in table:
                continue
            _, plain = project.compile(*arguments, "--no-cache")
            shutil.copytree(project.cache, project.folder / "kept")
            said, digest = project.compile(*arguments)
            shutil.rmtree(project.cache)
            (project.folder / "kept").rename(project.cache)
            changing += plain != base
            if digest != plain:
                problems.append(f"{name}: with the cache other bytes than without it")
            if plain != base and not table[name]:
                problems.append(f"{name}: changes the artifact, but Options.def keeps it out of the key")
            if plain != base and said["cache"] == "hit":
                problems.append(f"{name}: changes the artifact, yet the cache answered")
            if plain == base and not table[name] and said["cache"] != "hit":
                problems.append(f"{name}: does not change the artifact, yet the cache said {said['cache']}")
        if changing < 9:
            problems.append(f"only {changing} samples change the artifact: they prove too little")
    print("\n".join(problems) or f"{len(SAMPLES)} options: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
