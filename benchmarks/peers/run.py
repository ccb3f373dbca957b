"""Runs Triton and its peers, one command for all: see `run --help` and docs/performance.md."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def parser():
    out = argparse.ArgumentParser(prog="benchmarks/run", description="Triton beside its peers: same machine, same run, same threads, same shapes.",
                                  epilog="example: benchmarks/run measure resnet18-b1 --threads 1,2")
    out.add_argument("action", choices=["all", "install", "list", "prepare", "measure", "report"],
                     help="all: install, prepare, measure every case, report. The others are its parts")
    out.add_argument("cases", nargs="*", help="names or groups of cases, or 'headline' (default: all)")
    out.add_argument("--build", default=str(ROOT / "build"), help="the build folder with bin/triton (default: build)")
    out.add_argument("--work", default=None, help="where the environment, models and results go (default: BUILD/benchmarks)")
    out.add_argument("--results", default=None, help="the results file; cases measured again replace theirs (default: WORK/results.json)")
    out.add_argument("--engines", default=None, help="only these, comma-separated")
    out.add_argument("--threads", default="1,2", help="thread counts, comma-separated (default 1,2)")
    out.add_argument("--avx2", action="store_true", help="limit everybody to AVX2; peers that cannot be limited are left out")
    out.add_argument("--level", default="2", help="Triton's -O level (default 2)")
    out.add_argument("--warmup", type=int, default=100)
    out.add_argument("--iterations", type=int, default=1000)
    out.add_argument("--rounds", type=int, default=5, help="engines take turns so often (default 5)")
    out.add_argument("--budget", type=float, default=None, help="at most so many seconds for each engine and case: fewer iterations, and said so")
    out.add_argument("--limit", type=float, default=None, help="no repeats of disturbed turns after so many seconds")
    out.add_argument("--prepared", action="store_true", help="measure: everything is prepared, do not look again")
    out.add_argument("--ggml", action="store_true", help="install: also build llama.cpp's tensor library from the llama-cpp-python source")
    out.add_argument("--document", default=str(ROOT / "docs" / "performance.md"), help="the page whose generated part is replaced")
    out.add_argument("--readme", default=str(ROOT / "README.md"), help="the page that gets the short table")
    return out


def main(words=None):
    # Workers that wait are stopped: they must be woken and ended when somebody ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    options = parser().parse_args(words)
    options.work = pathlib.Path(options.work or pathlib.Path(options.build) / "benchmarks").resolve()
    options.results = pathlib.Path(options.results or options.work / "results.json")
    options.models = options.work / "models"
    options.models.mkdir(parents=True, exist_ok=True)
    options.deadline = time.monotonic() + options.limit if options.limit else None
    os.environ.update(TRITON_DSL_BUILD=str(pathlib.Path(options.build).resolve()), TRITON_DSL_BENCH=str(options.work),
                      TRITON_DSL_BENCH_LEVEL=options.level)
    from . import cases, report
    chosen = cases.select(options.cases)
    if options.action == "list":
        for case in chosen:
            print(f"{case.name:<24} {case.group:<28} {case.title}")
        return 0
    if options.action in ("all", "install"):
        from . import install
        install.install(options)
        if options.action == "all":
            # The rest needs what was just installed.
            again = [str(install.python(options)), "-m", "peers.run", *("measure" if word == "all" else word for word in words or sys.argv[1:])]
            if subprocess.run(again, cwd=HERE.parent).returncode != 0:
                return 3
            report.write(json.loads(options.results.read_text(encoding="utf-8")), pathlib.Path(options.document), pathlib.Path(options.readme))
        return 0
    if options.action == "report":
        report.write(json.loads(options.results.read_text(encoding="utf-8")), pathlib.Path(options.document), pathlib.Path(options.readme))
        return 0
    return measure_all(options, chosen)


def measure_all(options, chosen):
    from . import engines, measure
    names = options.engines.split(",") if options.engines else list(engines.TABLE)
    for name in names:
        if name not in engines.TABLE:
            raise SystemExit(f"run: no engine '{name}'; there are {', '.join(engines.TABLE)}")
    say = lambda text: print(text, file=sys.stderr, flush=True)
    for case in chosen if not options.prepared else ():
        for name in names:
            worker = measure.Worker(name, case, options.models, 1, options.avx2, "prepare")
            answer = worker.read()
            worker.end()
            if "error" in answer:
                say(f"{case.name}: {name} cannot be prepared: {answer['error']}")
    if options.action == "prepare":
        return 0
    for case in chosen:
        for threads in (int(t) for t in options.threads.split(",")):
            say(f"{case.name}, {threads} thread{'s' if threads > 1 else ''}{', AVX2' if options.avx2 else ''}")
            peaks = measure_peaks(options, threads)
            found = measure.measure(case, names, options.models, threads, options.avx2, options, say)
            merge(options, case, threads, found, peaks)
    return 0


def measure_peaks(options, threads):
    program = pathlib.Path(options.build) / "bin" / "triton-peaks"
    if not program.exists():
        return None
    return json.loads(subprocess.run([str(program), "--threads", str(threads), "--quick"], check=True, capture_output=True, text=True).stdout)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        lines = dict(line.split(":", 1) for line in file.read().split("\n\n")[0].splitlines() if ":" in line)
    info = {k.strip(): v.strip() for k, v in lines.items()}
    caches = []
    for folder in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            caches.append(f"L{level} {size}")
    return {"caches": ", ".join(caches) or "unknown", "processor": info.get("model name", platform.processor()), "family": info.get("cpu family"), "number": info.get("model"),
            "cores": os.cpu_count(), "kernel": platform.release(), "virtual": "hypervisor" in info.get("flags", "")}


def commit():
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def merge(options, case, threads, found, peaks):
    """Puts the results of one case into the file; what was measured before stays."""
    document = {"schema": 1, "rows": []}
    if options.results.exists():
        document = json.loads(options.results.read_text(encoding="utf-8"))
    document["machine"] = machine()
    row = {"case": case.name, "threads": threads, "avx2": options.avx2, "time": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "minutes"),
           "commit": commit(), "level": int(options.level), "peaks": peaks, "engines": found}
    key = (case.name, threads, options.avx2)
    rows = document["rows"]
    at = next((i for i, r in enumerate(rows) if (r["case"], r["threads"], r["avx2"]) == key), None)
    if at is None:
        rows.append(row)
    else:
        # Engines that were not measured this time would be from another run: they are dropped with their row.
        rows[at] = row
    part = options.results.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    part.rename(options.results)


if __name__ == "__main__":
    sys.exit(main())
