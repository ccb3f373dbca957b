#!/usr/bin/env python3
"""`-O3 --tune-budget`: what is measured, what comes from records, and what a hit of the whole artifact means then.

No time decides anything here: which way is the fastest may be another on each run, but the same records always give the same bytes.
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile

from support import BASE, Project

NATIVE = [word for word in BASE if word not in ("--target", "x86-64-v3")] + ["-O3"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("triton")
    options = parser.parse_args()
    problems = []

    def expect(what, found, wanted):
        if found != wanted:
            problems.append(f"{what}: {found}, not {wanted}")

    with tempfile.TemporaryDirectory() as temp:
        project = Project(options.triton, pathlib.Path(temp) / "p")

        def records():
            return sorted(project.cache.rglob("*.tuning"))

        # Nothing recorded, nothing measured; the second time the cache answers, since nothing has been recorded meanwhile.
        untuned, model_bytes = project.compile(*NATIVE, "--tune-budget", "0")
        products = untuned["tuning"]["left"]
        if products < 2:
            problems.append(f"only {products} products: they prove too little")
        expect("budget 0, no records", untuned["tuning"], {"measured": 0, "recorded": 0, "left": products})
        expect("files of records", len(records()), 0)
        again, digest = project.compile(*NATIVE, "--tune-budget", "0")
        expect("the same again", (again["cache"], digest), ("hit", model_bytes))

        # With a budget that answer does not count.
        tuned, tuned_bytes = project.compile(*NATIVE)
        expect("a budget", (tuned["tuning"], tuned["cache"] == "hit"), ({"measured": products, "recorded": 0, "left": 0}, False))
        expect("files of records", len(records()), products)
        if "tune" not in [stage["name"] for stage in tuned["stages"]]:
            problems.append("--timing has no stage 'tune'")
        for words in ([], ["--tune-budget", "0"], ["--tune-budget", "5"]):
            again, digest = project.compile(*NATIVE, *words)
            expect(f"after it, {words}", (again["cache"], digest), ("hit", tuned_bytes))

        # The same records alone, as another machine of this kind would get them: the same bytes.
        kept = [(path.relative_to(project.cache), path.read_bytes()) for path in records()]

        def with_records(chosen):
            shutil.rmtree(project.cache)
            for name, content in chosen:
                (project.cache / name).parent.mkdir(parents=True, exist_ok=True)
                (project.cache / name).write_bytes(content)

        for words in (["--tune-budget", "0"], []):
            with_records(kept)
            again, digest = project.compile(*NATIVE, *words)
            expect(f"records alone, {words}", (again["tuning"], again["cache"], digest),
                   ({"measured": 0, "recorded": products, "left": 0}, "miss", tuned_bytes))

        # A record that goes away or is damaged takes its artifacts with it, and is measured again.
        with_records(kept)
        project.compile(*NATIVE)
        name, content = kept[0]
        for damage in (None, content[:-1], content[:20] + bytes([content[20] ^ 1]) + content[21:], b"", b"x" * 4096):
            (project.cache / name).unlink()
            if damage is not None:
                (project.cache / name).write_bytes(damage)
            again, _ = project.compile(*NATIVE)
            expect(f"damage {damage and damage[:8]}", again["tuning"], {"measured": 1, "recorded": products - 1, "left": 0})

        # Without a cache everything is measured, and nothing is written.
        shutil.rmtree(project.cache)
        alone, _ = project.compile(*NATIVE, "--no-cache")
        expect("--no-cache", alone["tuning"], {"measured": products, "recorded": 0, "left": 0})
        expect("files of records", len(records()), 0)

        # What this machine does not run is said.
        done = project.run("compile", "net.tri", "-o", "out.tern", *NATIVE, "--target", "native,x86-64-v3,aarch64", "--verbose")
        if "note: aarch64 does not run on this machine" not in done.stderr and "note: x86-64-v3 does not run on this machine" not in done.stderr:
            problems.append(f"a foreign target is not mentioned: {done.stderr}")
        if " (measured): " not in done.stderr:
            problems.append(f"--verbose does not say what was measured: {done.stderr}")
        done = project.run("compile", "net.tri", "-o", "out.tern", *NATIVE, "--no-cache", "--tune-budget", "0")
        if "left to the cost model (--tune-budget 0 measures nothing)" not in done.stderr:
            problems.append(f"what was left is not said: {done.stderr}")

        # Wrong use.
        for words in (["--tune-budget", "-1"], ["--tune-budget", "soon"], ["-O2", "--tune-budget", "5"], ["-O2", "--tune-budget", "0"]):
            done = project.run("compile", "net.tri", "-o", "out.tern", *NATIVE, *words, check=False)
            expect(f"exit status of {words}", done.returncode, 2)

        # Code that is shown is the code that is compiled: shown from the records.
        project.compile(*NATIVE)
        before = records()
        shown = project.run("compile", "net.tri", *NATIVE, "--emit=asm", "-o", "-").stdout
        if "vmov" not in shown and "mov" not in shown:
            problems.append("--emit=asm shows no code")
        expect("files of records after --emit", records(), before)
        stats = json.loads(project.run("cache", "stats", "--json").stdout)
        expect("cache stats", stats["kinds"]["tuning"]["entries"], len(records()))
    print("\n".join(problems) or f"{products} products: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
