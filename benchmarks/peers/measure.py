"""Measures the engines of one case in turn, in rounds. All engines are loaded first; while one runs the others are stopped (SIGSTOP), so that
no thread of theirs spins. Turns in which other programs used the processors are thrown away and repeated."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from . import engines, stats

# What others may use of the machine during a turn before it counts as disturbed.
BUSY_SHARE = 0.03
REPEATS = 4
RE_WARM_SECONDS = 0.03


def processor_ticks():
    """Ticks in which the processors were busy, those that the hypervisor gave to others included."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, soft, steal = (int(v) for v in file.readline().split()[1:9])
    return user + nice + system + irq + soft + steal


def process_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class Worker:
    def __init__(self, name, case, folder, threads, avx2, mode="measure"):
        self.name = name
        here = pathlib.Path(__file__).resolve().parent.parent
        words = [sys.executable, "-m", "peers.worker", name, case.name, str(folder), str(threads), "1" if avx2 else "0", mode]
        with open(pathlib.Path(folder) / f"{name}.log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(words, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.samples = []
        self.rejected = 0

    def read(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"ended with status {self.process.wait()}"}

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def turn(self, count, warm):
        """One turn: nanoseconds of `count` runs, and the share of the machine that others used meanwhile."""
        self.process.send_signal(signal.SIGCONT)
        own, everybody, start = process_ticks(self.process.pid) + process_ticks(os.getpid()), processor_ticks(), time.monotonic()
        self.process.stdin.write(json.dumps({"run": count, "warm": warm}) + "\n")
        self.process.stdin.flush()
        answer = self.read()
        if "ns" not in answer:
            raise RuntimeError(f"{self.name}: {answer.get('error', answer)}")
        seconds = time.monotonic() - start
        others = processor_ticks() - everybody - (process_ticks(self.process.pid) + process_ticks(os.getpid()) - own)
        self.stop()
        # Ticks come in hundredths of a second: one of them more or less says nothing.
        ticks = seconds * os.sysconf("SC_CLK_TCK") * os.cpu_count()
        return answer["ns"], max(0.0, others - 2) / max(ticks, 1.0)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def measure(case, names, folder, threads, avx2, options, say):
    """Results of all engines on one case, as dictionaries for the results file."""
    workers, out, start = [], {}, time.monotonic()
    # All load at the same time; nothing is measured yet.
    for worker in [Worker(name, case, folder, threads, avx2) for name in names]:
        name, answer = worker.name, worker.read()
        if "ready" not in answer:
            # The reason is published; where the models lie is not.
            out[name] = {"skipped": str(answer.get("skip") or answer.get("error")).replace(f"{folder}/", "")}
            say(f"  {name}: {out[name]['skipped']}")
            worker.end()
            continue
        out[name] = {"version": answer["version"], "model_bytes": answer["model_bytes"]}
        worker.stop()
        workers.append(worker)
    say(f"  loaded in {time.monotonic() - start:.1f} s")
    try:
        plans = {}
        for worker in workers:
            probe, _ = worker.turn(3, 2)
            each = min(probe) * 1e-9
            warm, count = stats.iterations_for(each, options.warmup, options.iterations, budget=options.budget)
            worker.turn(1, warm)
            plans[worker.name] = (each, warm, stats.split_rounds(count, options.rounds))
        for i in range(options.rounds):
            for worker in workers:
                each, _, turns = plans[worker.name]
                if i >= len(turns):
                    continue
                again = max(1, min(200, int(RE_WARM_SECONDS / max(each, 1e-7))))
                best = None
                for attempt in range(REPEATS):
                    ns, others = worker.turn(turns[i], again)
                    if best is None or others < best[1]:
                        best = (ns, others)
                    if others <= BUSY_SHARE or (options.deadline and time.monotonic() > options.deadline):
                        break
                    worker.rejected += len(ns)
                worker.samples += best[0]
                out[worker.name]["busy_share"] = max(out[worker.name].get("busy_share", 0.0), round(best[1], 4))
        for worker in workers:
            scale = 1e-3 / case.copies  # microseconds of one layer
            entry = out[worker.name]
            entry.update(stats.spread([ns * scale for ns in worker.samples]))
            entry.update(warmup=plans[worker.name][1], rounds=len(plans[worker.name][2]), rejected=worker.rejected,
                         gmacs_per_s=case.macs / case.copies / (entry["median"] * 1e3), disturbed=entry["busy_share"] > BUSY_SHARE)
            say(f"  {engines.title(worker.name):<24} {entry['median']:>12.2f} us  ({entry['count']} runs, "
                f"{entry['gmacs_per_s']:.1f} GMAC/s{', disturbed' if entry['disturbed'] else ''})")
    finally:
        for worker in workers:
            worker.end()
    return out
