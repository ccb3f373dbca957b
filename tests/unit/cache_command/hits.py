#!/usr/bin/env python3
"""What the cache answers when a project changes: hits where nothing changed that matters, the new bytes where something did."""
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

from support import BASE, BLOCK, PROGRAM, Project, safetensors, values

problems = []


def expect(what, said, digest, cache, same_as=None, other_than=None, layers=None):
    wanted = cache if isinstance(cache, tuple) else (cache,)
    if said["cache"] not in wanted:
        problems.append(f"{what}: the cache said {said['cache']}, expected {' or '.join(wanted)}")
    if same_as is not None and digest != same_as:
        problems.append(f"{what}: other bytes than expected")
    if other_than is not None and digest == other_than:
        problems.append(f"{what}: the bytes did not change")
    if layers is not None and said["layers_recompiled"] != layers:
        problems.append(f"{what}: {said['layers_recompiled']} layers recompiled, expected {layers}")


def sources(project):
    def write(text, path="net.tri"):
        (project.folder / path).write_text(text)

    said, base = project.compile(*BASE)
    expect("first", said, base, "miss", layers=2)
    first = said
    said, digest = project.compile(*BASE)
    expect("again", said, digest, "hit", base, layers=0)
    for key in ("file", "lines", "opt", "targets", "artifact", "artifact_bytes", "layers"):
        if said[key] != first[key]:
            problems.append(f"a hit says {key} = {said[key]!r}, the compile said {first[key]!r}")
    if not said["stages"] or said["total_ms"] <= 0 or said["peak_rss_bytes"] <= 0:
        problems.append(f"a hit has no stages or times: {said}")

    write("# a comment\n\n" + PROGRAM.replace("    let last", "    # and another\n\n        let   last"))
    said, digest = project.compile(*BASE)
    expect("comments and spaces", said, digest, "hit", base)
    if said["lines"] != (PROGRAM + BLOCK).count("\n") + 6:
        problems.append(f"a hit counts {said['lines']} lines")
    write((BLOCK % "") + "# at the end\n", "one/block.tri")
    said, digest = project.compile(*BASE)
    expect("a comment in an import", said, digest, "hit", base)
    write(BLOCK % "", "one/block.tri")

    write(PROGRAM.replace("return last(relu(inner(x)))", "let hidden = relu(inner(x))\n    return last(hidden)"))
    said, digest = project.compile(*BASE)
    expect("another text of the same meaning", said, digest, "hit", base)
    said, digest = project.compile(*BASE)
    expect("and again", said, digest, "hit", base)

    write(PROGRAM.replace("Linear(width, 4)", "Linear(width, 5)").replace("(y: Tensor[N, 4])", "(y: Tensor[N, 5])", 1))
    said, digest = project.compile(*BASE)
    expect("one layer", said, digest, "partial", other_than=base, layers=1)
    write(PROGRAM)
    write(BLOCK % "tanh", "one/block.tri")
    said, digest = project.compile(*BASE)
    expect("an import", said, digest, ("partial", "miss"), other_than=base)
    _, plain = project.compile(*BASE, "--no-cache")
    if digest != plain:
        problems.append("an import: not what a compile without a cache gives")
    write(BLOCK % "", "one/block.tri")
    said, digest = project.compile(*BASE)
    expect("the import as it was", said, digest, "hit", base)

    # A file that is found before the one that was found.
    write(BLOCK % "tanh", "block.tri")
    said, digest = project.compile(*BASE)
    expect("a new file first on the way", said, digest, ("hit", "partial", "miss"), plain)
    (project.folder / "block.tri").unlink()
    said, digest = project.compile(*BASE)
    expect("without it", said, digest, "hit", base)

    write(PROGRAM.replace("return last(relu", "return lost(relu"))
    done = project.run("compile", "net.tri", *BASE, check=False)
    if done.returncode != 1 or "lost" not in done.stderr:
        problems.append(f"a faulty program: exit {done.returncode}: {done.stderr}")
    write(PROGRAM)

    # A copy elsewhere, and one without the manifest's paths.
    copy = project.folder / "elsewhere" / "deep"
    shutil.copytree(project.folder / "one", copy / "one")
    shutil.copy(project.folder / "net.tri", copy / "net.tri")
    said, digest = project.compile(*BASE, cwd=copy)
    expect("a copy elsewhere", said, digest, "hit", base)
    return base


def labels(project):
    """The names of classes are part of the artifact, and every byte of their file counts."""
    def write(text):
        (project.folder / "names.txt").write_text(text)

    program = (project.folder / "net.tri").read_text()
    (project.folder / "named.tri").write_text(program.replace("model First", '@labels("names.txt")\nmodel First', 1))
    plain = dict(program="named.tri")
    write("cat\ndog # big\nhen\nowl\n")
    said, base = project.compile(*BASE, **plain)
    expect("names", said, base, ("partial", "miss"))
    said, digest = project.compile(*BASE, **plain)
    expect("names again", said, digest, "hit", base)
    for text in ("cat\ndog # small\nhen\nowl\n", "cat\ndog\nhen\nowl\n"):
        write(text)
        said, digest = project.compile(*BASE, **plain)
        expect("other names", said, digest, ("partial", "miss"), other_than=base, layers=0)
    project.compile(*BASE, output="kept.tern", **plain)
    project.run("compile", "named.tri", "-o", "kept.tern", *BASE)
    found = json.loads(project.run("inspect", "kept.tern", "--json").stdout)
    if found["entries"][0]["labels"] != ["cat", "dog", "hen", "owl"]:
        problems.append(f"the artifact has the names {found['entries'][0]['labels']}")
    write("cat\n\nhen\n")
    done = project.run("compile", "named.tri", "-o", "kept.tern", *BASE, check=False)
    if done.returncode != 1 or "line 2 of" not in done.stderr:
        problems.append(f"an empty name: exit {done.returncode}, {done.stderr}")
    (project.folder / "names.txt").unlink()
    done = project.run("compile", "named.tri", "-o", "kept.tern", *BASE, check=False)
    if done.returncode != 1 or "there is no file" not in done.stderr:
        problems.append(f"no file with names: exit {done.returncode}, {done.stderr}")


def weights(project):
    path = project.folder / "w.safetensors"
    # Large enough to be recognised by its stamp.
    def content(seed):
        return safetensors({"last.weight": ([4, 16], values(64, seed)), "unused": ([80000], values(80000, 3))})

    path.write_bytes(content(1))
    arguments = BASE + ["--weights", "w.safetensors", "-q"]
    said, base = project.compile(*arguments)
    said, digest = project.compile(*arguments)
    expect("weights again", said, digest, "hit", base)
    path.write_bytes(content(2))
    said, digest = project.compile(*arguments)
    expect("other weights", said, digest, "partial", other_than=base, layers=0)
    changed = digest
    # Other content of the same size, written at once and with the old time of change.
    before = path.stat()
    path.write_bytes(content(1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    said, digest = project.compile(*arguments)
    expect("the first weights under the second's time", said, digest, "hit", base)
    # Recognised by its stamp once that is old enough: still the same answer.
    time.sleep(2.1)
    for _ in range(2):
        said, digest = project.compile(*arguments)
        expect("weights at rest", said, digest, "hit", base)
    replacement = project.folder / "new.safetensors"
    replacement.write_bytes(content(2))
    os.utime(replacement, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    replacement.rename(path)
    said, digest = project.compile(*arguments)
    expect("a file renamed over them", said, digest, "hit", changed)
    # The warning about the unused tensor comes with every hit too.
    done = project.run("compile", "net.tri", *BASE, "--weights", "w.safetensors", "-o", "out.tern")
    if "'unused' is not used" not in done.stderr:
        problems.append(f"a hit without its warning: {done.stderr!r}")


def neighbours(project):
    """Two copies of a program whose imports lie beside its folder, and differ; and one that -I and an absolute path lead to."""
    def write(path, text):
        (project.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / path).write_text(text)

    plain = ["--entry", "First", "--random-weights=1", "--target", "x86-64-v3"]
    for name, function in (("here", ""), ("there", "tanh")):
        write(f"{name}/lib/block.tri", BLOCK % function)
        write(f"{name}/net/net.tri", PROGRAM.replace('"block.tri"', '"../lib/block.tri"'))
    digests = {}
    for name in ("here", "there", "here", "there"):
        said, digest = project.compile(*plain, cwd=project.folder / name / "net")
        known = name in digests
        expect(f"the program {name}", said, digest, "hit" if known else ("hit", "partial", "miss"), digests.get(name), digests.get("here") if not known else None)
        digests[name] = digest
    said, digest = project.compile(*plain, "--no-cache", cwd=project.folder / "there" / "net")
    expect("the program there, without a cache", said, digest, "miss", digests["there"])

    # The same text and the same file; it changes, and the copies that lie nearer do not.
    for how in ("absolute", "-I"):
        shared = project.folder / f"shared{how}"
        options = plain + (["-I", str(shared)] if how == "-I" else [])
        text = PROGRAM if how == "-I" else PROGRAM.replace('"block.tri"', f'"{shared}/block.tri"')
        write(shared / "net.tri", text)
        write(shared / "block.tri", BLOCK % "")
        write(f"copy{how}/net.tri", text)
        if how == "absolute":
            write(f"copy{how}/block.tri", BLOCK % "")
        _, before = project.compile(*options, cwd=shared)
        said, digest = project.compile(*options, cwd=project.folder / f"copy{how}")
        expect(f"a copy, {how}", said, digest, "hit", before)
        write(shared / "block.tri", BLOCK % "tanh")
        said, digest = project.compile(*options, cwd=project.folder / f"copy{how}")
        expect(f"a copy when the shared file changed, {how}", said, digest, ("hit", "partial", "miss"), digests["there"])


def reports(project):
    deps = project.folder / "deps.d"
    project.run("compile", "net.tri", *BASE, "-o", "a.tern", "-MD", "deps.d")
    if deps.read_text().replace("\\\n", "").split() != ["a.tern:", "net.tri", "one/block.tri"]:
        problems.append(f"dependencies: {deps.read_text()!r}")
    table = project.run("compile", "net.tri", *BASE, "-o", "a.tern", "--timing", "--trace", "t.json").stderr
    if "cache lookup" not in table or "total" not in table:
        problems.append(f"--timing of a hit: {table!r}")
    events = [e["name"] for e in json.loads((project.folder / "t.json").read_text())["traceEvents"]]
    if "cache lookup" not in events:
        problems.append(f"--trace of a hit: {events}")
    verbose = project.run("compile", "net.tri", *BASE, "-O1", "-o", "b.tern", "--verbose").stderr
    if "-O: '2' and '1'" not in verbose:
        problems.append(f"--verbose does not say what changed: {verbose!r}")
    why = project.run("cache", "why", "a.tern", "b.tern").stdout
    if "-O: '2' and '1'" not in why or "--target" in why:
        problems.append(f"cache why: {why!r}")
    if project.run("cache", "why", "a.tern", "net.tri", check=False).returncode != 1:
        problems.append("cache why knows a file that it did not make")
    done = project.run("compile", "net.tri", *BASE, "-o", "no/such/folder/a.tern", check=False)
    if done.returncode != 3 or "no/such/folder" not in done.stderr:
        problems.append(f"an output that cannot be written: exit {done.returncode}: {done.stderr!r}")
    stats = json.loads(project.run("cache", "stats", "--json").stdout)
    if stats["hits"] < 5 or stats["misses"] < 1 or stats["partial"] < 1:
        problems.append(f"counters: {stats}")


def broken_cache(project, base):
    for entry in sorted(project.cache.rglob("*.artifact")) + sorted(project.cache.rglob("*.manifest")):
        data = bytearray(entry.read_bytes())
        data[len(data) // 2] ^= 1
        entry.write_bytes(data)
    said, digest = project.compile(*BASE)
    expect("a damaged cache", said, digest, ("partial", "miss"), base)
    said, digest = project.compile(*BASE)
    expect("the repaired cache", said, digest, "hit", base)
    said, digest = project.compile(*BASE, env={"TRITON_DSL_CACHE_DIR": "/dev/null/none"})
    expect("no cache to be had", said, digest, "miss", base)


def alone(project):
    lonely = project.folder / "triton"
    shutil.copy(project.triton, lonely)
    project.triton = str(lonely)
    done = project.run("compile", "net.tri", *BASE, check=False)
    if done.returncode != 3 or "triton-compiler" not in done.stderr:
        problems.append(f"a front without its compiler: exit {done.returncode}: {done.stderr!r}")


def main():
    with tempfile.TemporaryDirectory() as temp:
        project = Project(sys.argv[1], pathlib.Path(temp) / "p")
        base = sources(project)
        labels(project)
        weights(project)
        neighbours(project)
        reports(project)
        broken_cache(project, base)
        alone(project)
    print("\n".join(problems) or "ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
