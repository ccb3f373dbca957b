"""One engine with one case in a process of its own. Speaks lines of JSON: prints {"ready": ..} or {"skip": why} or {"error": ..}, then
answers {"run": n, "warm": m} by {"ns": [..]} until its input ends. Sets its processors before anything is imported."""
import ctypes
import json
import os
import signal
import sys
import time
import traceback


def main():
    name, case_name, folder, threads, avx2, mode = sys.argv[1:7]
    threads, avx2 = int(threads), avx2 == "1"
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a stopped process would outlive whoever measures
    # What libraries print must not come between our lines.
    talk = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(message):
        talk.write(json.dumps(message) + "\n")
        talk.flush()

    from . import cases, engines
    from .engines.base import NotHere
    case = cases.BY_NAME[case_name]
    try:
        engine = engines.create(name)
        os.environ.update(engine.environment(threads, avx2))
        engine.takes(case, avx2)
        if mode == "prepare":
            engine.prepare(case, folder, avx2)
            return say({"ready": True})
        allowed = sorted(os.sched_getaffinity(0))[:threads]
        if len(allowed) < threads:
            raise NotHere(f"{threads} threads, but {len(allowed)} processors")
        os.sched_setaffinity(0, allowed)
        run = engine.load(case, folder, threads, avx2)
        say({"ready": True, "version": engine.version(), "model_bytes": engine.model_bytes(case, folder, avx2)})
    except (NotHere, ImportError) as why:
        return say({"skip": str(why)})
    except Exception as error:  # of somebody else's library: the report says it, the other engines go on
        traceback.print_exc()
        return say({"error": f"{type(error).__name__}: {error}"[:300]})

    clock = time.perf_counter_ns
    for line in sys.stdin:
        order = json.loads(line)
        for _ in range(order["warm"]):
            run()
        samples = [0] * order["run"]
        for i in range(order["run"]):
            start = clock()
            run()
            samples[i] = clock() - start
        say({"ns": samples})


if __name__ == "__main__":
    main()
